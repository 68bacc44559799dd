mod bench;
mod causes;
mod clock;
mod closing;
mod links;
mod reroute;
mod table;
mod walks;
