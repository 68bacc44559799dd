//! Why a line was not taken: for the producer's eyes and for a metric's label.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A line that was not taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// Line number in the batch, from 1.
    pub line: u64,
    /// Class of the reason.
    #[serde(skip)]
    pub class: RefusalReason,
    /// The reason in words, quoting the offending value.
    pub reason: String,
}

/// Class of a refusal: a closed list, so that it can label a metric.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RefusalReason {
    /// Not a JSON object.
    #[default]
    Syntax,
    /// Longer than the limit.
    TooLong,
    /// A field's text is longer than texts may be.
    LongText,
    /// `type` is absent or unknown.
    UnknownType,
    /// A required field is absent.
    MissingField,
    /// A field has a value of the wrong type or out of range.
    BadValue,
    /// The service is not in the catalogue.
    UnknownService,
    /// The time lies too far in the future.
    FutureTime,
    /// No rule maps the status of a receipt. Not a refusal: the receipt is taken as indeterminate,
    /// and only shown to people, who may want to map the word.
    UnknownStatus,
    /// No rule maps the failure that a dial test names. Not a refusal either: the test is taken as failed in
    /// the class `other`.
    UnknownFailure,
}

impl RefusalReason {
    /// Every class that refuses, for metrics that start at zero.
    pub const ALL: [RefusalReason; 8] = [
        RefusalReason::Syntax,
        RefusalReason::TooLong,
        RefusalReason::LongText,
        RefusalReason::UnknownType,
        RefusalReason::MissingField,
        RefusalReason::BadValue,
        RefusalReason::UnknownService,
        RefusalReason::FutureTime,
    ];

    /// The metric label.
    pub fn name(self) -> &'static str {
        match self {
            RefusalReason::Syntax => "syntax",
            RefusalReason::TooLong => "too_long",
            RefusalReason::LongText => "long_text",
            RefusalReason::UnknownType => "unknown_type",
            RefusalReason::MissingField => "missing_field",
            RefusalReason::BadValue => "bad_value",
            RefusalReason::UnknownService => "unknown_service",
            RefusalReason::FutureTime => "future_time",
            RefusalReason::UnknownStatus => "unknown_status",
            RefusalReason::UnknownFailure => "unknown_failure",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.reason)
    }
}
