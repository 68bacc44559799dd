//! Reports that come by themselves: what is demanded of whom, what happened, who does best, what helped
//! (domain facts H13, C2, E9, E8, G10).
//!
//! Pure: facts of the engine's state in, a value out. The same facts give the same bytes in every language,
//! mail and file. When a report is due is the rule book's (`rules/reports.rs`), that it is told once the
//! engine's (`engine/reporting.rs`).

mod benchmark;
mod bulletin;
mod csv;
mod demands;
mod effects;
mod facts;
mod frontline;
mod held;
mod parquet;
mod reasons;
mod report;
mod show;
mod suggestions;
mod words;

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

pub use csv::{csv, csv_of_texts, csv_row};
pub use facts::{Facts, Object, Records, build};
pub use parquet::parquet;
pub use reasons::in_both;
pub use report::{
    Bar, Chart, Column, Figure, Report, ReportNotice, ReportTold, Shown, Table, Tone, Value,
};
pub use show::Reader;
pub use words::{severity_text, state_text, verdict_text};
