//! Tests of the library through its public door.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test may fail loudly"
)]

mod commands;
mod converting;
mod generation;
mod sending;
mod stories;
