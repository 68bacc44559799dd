//! Judges the lines of a body, and leaves the refused ones out of what will be journaled.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use crate::event::{Batch, DecodeLimits, Decoder, Layout, Refusal};

/// What became of a body's lines.
#[derive(Debug)]
pub(super) struct Judged {
    /// The accepted events.
    pub(super) batch: Batch,
    /// Their lines, verbatim.
    pub(super) lines: Bytes,
    /// What was refused.
    pub(super) refused: Vec<Refusal>,
    /// What was taken, although something in it is unknown.
    pub(super) doubtful: Vec<Refusal>,
    /// Fields nobody knows.
    pub(super) unknown_fields: BTreeMap<String, u64>,
}

/// Judges `plain`; the body itself is handed on, uncopied, when every line was taken.
pub(super) fn judge(plain: &Bytes, layout: Arc<Layout>, limits: DecodeLimits) -> Judged {
    let decoded = Decoder::new(layout, limits).decode(plain);
    let lines = if decoded.refused.is_empty() {
        plain.clone()
    } else {
        without(plain, &decoded.refused)
    };
    Judged {
        batch: decoded.batch,
        lines,
        refused: decoded.refused,
        doubtful: decoded.doubtful,
        unknown_fields: decoded.unknown_fields,
    }
}

/// The lines that were not refused; `refused` is in line order.
fn without(plain: &[u8], refused: &[Refusal]) -> Bytes {
    let mut kept = Vec::with_capacity(plain.len());
    let mut refused = refused.iter().peekable();
    for (number, line) in (1..).zip(plain.split(|byte| *byte == b'\n')) {
        let is_refused = refused.next_if(|refusal| refusal.line == number).is_some();
        if !is_refused && !line.trim_ascii().is_empty() {
            kept.extend_from_slice(line);
            kept.push(b'\n');
        }
    }
    kept.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::testing::{MINIMAL, plan};

    fn judge_text(text: &'static str) -> Judged {
        let plain = Bytes::from_static(text.as_bytes());
        judge(
            &plain,
            plan(MINIMAL).layout.clone(),
            DecodeLimits::default(),
        )
    }

    #[test]
    fn refused_lines_are_left_out_and_the_rest_stays_byte_for_byte() {
        let good = r#"{"type":"gauge", "ts":1,"name":"a","value":1}"#;
        let judged = judge_text(
            "{\"type\":\"gauge\", \"ts\":1,\"name\":\"a\",\"value\":1}\n\nnonsense\r\n{\"type\":\"gauge\", \"ts\":1,\"name\":\"a\",\"value\":1}",
        );
        assert_eq!(judged.lines, format!("{good}\n{good}\n"));
        assert_eq!(judged.batch.events, 2);
        assert_eq!(judged.refused.len(), 1);
        assert_eq!(judged.refused[0].line, 3);
    }

    #[test]
    fn a_body_without_refusals_is_not_copied() {
        let plain = Bytes::from_static(br#"{"type":"gauge","ts":1,"name":"a","value":1}"#);
        let judged = judge(
            &plain,
            plan(MINIMAL).layout.clone(),
            DecodeLimits::default(),
        );
        assert_eq!(judged.lines.as_ptr(), plain.as_ptr());
    }
}
