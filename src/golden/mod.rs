//! Golden cases of a rule book: events in, windows and alerts out, as its authors expect them.
//!
//! Cases are files beside the rules (`RULES_DIR/tests/*.yaml`), so that whoever changes a rule sees
//! at once which promise it breaks. Events go through the real decoder, dataflow and engine; only
//! effects are left out.
//!
//! Not here: reading YAML and judging its form (`rules`), printing (the `test` command does).

mod case;
mod compare;
mod grammar;
mod read;
mod run;
#[cfg(test)]
mod tests;

pub use case::{
    Absence, Case, Expectation, ExpectedNumber, ExpectedTransition, ExpectedWindow, TimedEvent,
};
pub use compare::{Failure, compare};
pub use read::{load_cases, parse_cases};
pub use run::{Observed, Row, run};
