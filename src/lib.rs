//! Chrysalis: a stream-processing monitoring engine with alerting and a closed optimization loop.
//!
//! The modules stand in suggested reading order; `ARCHITECTURE.md` has the picture and the rules of
//! who may use whom.

mod bounded;
pub mod event;
pub mod handover;
pub mod masking;
pub mod measure;
pub mod rules;
pub mod time;

pub mod dataflow;

pub mod alerting;
pub mod triggers;

pub mod effect;
pub mod engine;
pub mod scores;

pub mod links;

pub mod journal;
pub mod store;

pub mod checkpoint;

pub mod complaints;
pub mod ingest;
pub mod mm7;
pub mod notify;
pub mod probes;

pub mod api;
pub mod console;
pub mod metrics;

pub mod config;
pub mod supervisor;

pub mod app;
pub mod demo;
pub mod replay;
pub mod reports;

pub mod golden;
