//! Judges the lines of a body, and leaves the refused ones out of what will be journaled.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

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

/// Decoders between bodies: they remember tuples, so that equal ones of many bodies are one allocation.
/// As many as bodies are judged at once.
#[derive(Debug, Default)]
pub(super) struct Decoders(Mutex<Vec<Decoder>>);

impl Decoders {
    /// Judges `plain`; the body itself is handed on, uncopied, when every line was taken.
    pub(super) fn judge(&self, plain: &Bytes, layout: Arc<Layout>, limits: DecodeLimits) -> Judged {
        // Whole between any two statements.
        let idle = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = idle().pop();
        let mut decoder = found
            .filter(|decoder| decoder.layout().version == layout.version)
            .map_or_else(
                || Decoder::new(layout, limits),
                |decoder| decoder.within(limits),
            );
        let judged = judge(plain, &mut decoder);
        idle().push(decoder);
        judged
    }
}

fn judge(plain: &Bytes, decoder: &mut Decoder) -> Judged {
    let decoded = decoder.decode(plain);
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
        judge_plain(&plain)
    }

    fn judge_plain(plain: &Bytes) -> Judged {
        let layout = plan(MINIMAL).layout.clone();
        Decoders::default().judge(plain, layout, DecodeLimits::default())
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
    fn a_decoder_is_used_again_and_knows_the_limits_of_its_body() {
        let decoders = Decoders::default();
        let plain = Bytes::from_static(br#"{"type":"gauge","ts":1000,"name":"a","value":1}"#);
        let layout = plan(MINIMAL).layout.clone();
        let judge = |ts_ms_max| {
            let limits = DecodeLimits {
                ts_ms_max: Some(ts_ms_max),
                ..DecodeLimits::default()
            };
            decoders.judge(&plain, layout.clone(), limits)
        };
        let (first, second) = (judge(1000), judge(2000));
        assert!(Arc::ptr_eq(&first.batch.tuples[0], &second.batch.tuples[0]));
        assert_eq!(judge(999).refused.len(), 1);
        assert_eq!(decoders.0.lock().unwrap().len(), 1);
    }

    #[test]
    fn a_body_without_refusals_is_not_copied() {
        let plain = Bytes::from_static(br#"{"type":"gauge","ts":1,"name":"a","value":1}"#);
        let judged = judge_plain(&plain);
        assert_eq!(judged.lines.as_ptr(), plain.as_ptr());
    }
}
