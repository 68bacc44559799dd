//! The oracle: what the dataflow and the engine compute incrementally equals what a naive program
//! computes from all the lines at once, after every epoch, for any number of workers.
//!
//! `ORACLE_SEEDS=500 cargo test --test oracle` tries more seeds; a failure names its seed and the
//! smallest number of epochs that shows it.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on says so by failing"
)]

mod alerts;
mod book;
mod clock;
mod crossing;
mod facts;
mod generate;
mod naive;
mod rng;
mod run;
mod story;
mod surroundings;
mod tickets;
mod windows;

mod boundary;
mod cardinality;
mod equivalence;
mod heard;
mod noise;
mod parts;
mod replays;
mod reports;
mod surge;
