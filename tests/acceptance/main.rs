//! The method's own numbers, each under its number in the domain notes (`h30`, `g14`, `c3`, …): a real
//! engine with the shipped rule book is fed events over HTTP and asked over HTTP. Nothing here hands it
//! a number that it should compute.
//!
//! `cargo test --test acceptance`; `./check acceptance`.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test's helpers fail the test; clippy.toml allows that only inside #[test]"
)]

#[path = "../mail/servers.rs"]
mod servers;

mod action_links;
mod blackbox;
mod boss;
mod catalogue;
mod changes;
mod complaints;
mod confirmation;
mod crossing;
mod database;
mod demands;
mod dial_tests;
mod effects;
mod engine;
mod failures;
mod full_file;
mod funnel;
mod grouped;
mod health;
mod known;
mod leaf;
mod loops;
mod mbuni;
mod messages;
mod places;
mod prospects;
mod receipts;
mod reports;
mod rights;
mod running;
mod shares;
mod stand_ins;
mod subscribers;
mod trees;
mod whose;
