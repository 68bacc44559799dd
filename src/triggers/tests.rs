mod bench;
mod causes;
mod clock;
mod closing;
mod table;
mod walks;
