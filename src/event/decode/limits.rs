//! Bounds of what a decoder accepts.

use crate::event::RefusalReason;
use crate::event::decode::Decoder;
use crate::event::decode::field::Reject;

/// How far a time may lie after the present unless a configuration says otherwise, ms: clocks of
/// probes run ahead by minutes, and by more only when they are wrong.
pub const CLOCK_SKEW_MS_MAX: i64 = 600_000;

/// Bounds of what a decoder accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecodeLimits {
    /// Longest line, bytes.
    pub line_bytes_max: usize,
    /// Longest text of a field, bytes: texts become keys, and a key is kept many times over.
    pub text_bytes_max: usize,
    /// Times after this are refused, ms; `None` for lines that have been judged before.
    pub ts_ms_max: Option<i64>,
}

impl Default for DecodeLimits {
    fn default() -> Self {
        DecodeLimits {
            line_bytes_max: 64 * 1024,
            text_bytes_max: 512,
            ts_ms_max: None,
        }
    }
}

impl Decoder {
    /// Whether every text of an event is short enough; a line that is no longer than a text may be is not
    /// looked at.
    pub(super) fn within_bounds(
        &self,
        line: &str,
        longest: impl FnOnce() -> (&'static str, usize),
    ) -> Result<(), Reject> {
        let bytes_max = self.limits.text_bytes_max;
        if line.len() <= bytes_max {
            return Ok(());
        }
        match longest() {
            (field, bytes) if bytes > bytes_max => {
                let words = format!(
                    "field `{field}` has a text of {bytes} bytes, longer than the limit of {bytes_max}"
                );
                Err((RefusalReason::LongText, words))
            }
            _ => Ok(()),
        }
    }
}
