//! The router as producers, operators and Prometheus meet it.

mod access;
mod actions;
mod fairness;
mod frontline;
mod history;
mod ingest;
mod mm7;
mod notices;
mod page;
mod reading;
mod refusing;
mod shape;
mod starting;
mod triggers;
