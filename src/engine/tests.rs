//! The engine against cuts written by hand: what people are told, and what lists and triggers show.

mod bench;
mod corrections;
mod demands;
mod process;
mod replans;
mod reports;
