//! Answers to producers, and the refused lines.

use jiff::tz::TimeZone;
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::iso;
use crate::event::Refusal;
use crate::ingest::{Quarantined, Receipt};

/// What became of a body of events.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ReceiptView {
    /// Events counted because of this body, durable now; 0 for a repeat.
    pub accepted: u64,
    /// The first 100 refused lines.
    pub refused: Vec<RefusalView>,
    /// How many lines were refused, when more than are listed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused_total: Option<u64>,
    /// The sequence had been acknowledged before: nothing was counted again.
    pub duplicate: bool,
}

/// One refused line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct RefusalView {
    /// Its number in the body, from 1.
    pub line: u64,
    /// Why, quoting the offending value.
    pub reason: String,
}

impl From<&Refusal> for RefusalView {
    fn from(refusal: &Refusal) -> RefusalView {
        RefusalView {
            line: refusal.line,
            reason: refusal.reason.clone(),
        }
    }
}

impl From<&Receipt> for ReceiptView {
    fn from(receipt: &Receipt) -> ReceiptView {
        let listed = receipt.refused.len() as u64;
        ReceiptView {
            accepted: receipt.accepted,
            refused: receipt.refused.iter().map(RefusalView::from).collect(),
            refused_total: (receipt.refused_total > listed).then_some(receipt.refused_total),
            duplicate: receipt.duplicate,
        }
    }
}

/// The newest refused lines.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct QuarantineView {
    /// Lines put here since the start: refused ones, and receipts with unmapped status words.
    pub total: u64,
    /// The newest of them first; at most 1,000 are kept.
    pub lines: Vec<QuarantinedView>,
}

/// One refused line, kept for people to look at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct QuarantinedView {
    /// When it came, ms.
    pub at_ms: i64,
    /// When it came.
    pub at: String,
    /// Who sent it, if they said.
    pub producer: Option<String>,
    /// Its number in its body.
    pub line: u64,
    /// Class of the reason.
    pub class: String,
    /// The reason.
    pub reason: String,
    /// The line: at most 1 KiB of it, numbers of subscribers masked.
    pub text: String,
}

impl QuarantinedView {
    /// With times in the operator's zone.
    pub fn of(line: &Quarantined, zone: &TimeZone) -> QuarantinedView {
        QuarantinedView {
            at_ms: line.at_ms,
            at: iso(line.at_ms, zone),
            producer: line.producer.clone(),
            line: line.line,
            class: line.class.name().to_owned(),
            reason: line.reason.clone(),
            text: line.text.clone(),
        }
    }
}
