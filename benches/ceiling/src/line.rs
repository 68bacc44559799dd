//! One line → the few fields that the windows need, borrowed.

use std::borrow::Cow;

use serde::Deserialize;

/// What is read of a `dial_test`; the other fields are skipped by the parser.
#[derive(Debug, Deserialize)]
pub(crate) struct DialTest<'a> {
    pub(crate) ts: i64,
    #[serde(borrow)]
    pub(crate) service: &'a str,
    #[serde(borrow)]
    pub(crate) city: &'a str,
    #[serde(borrow)]
    pub(crate) channel: &'a str,
    pub(crate) ok: bool,
    pub(crate) latency_ms: Option<f64>,
}

/// The same for a line with escapes in its texts, which cannot be borrowed.
#[derive(Debug, Deserialize)]
struct Escaped<'a> {
    ts: i64,
    #[serde(borrow)]
    service: Cow<'a, str>,
    #[serde(borrow)]
    city: Cow<'a, str>,
    #[serde(borrow)]
    channel: Cow<'a, str>,
    ok: bool,
    latency_ms: Option<f64>,
}

/// Decodes a line and hands it on; false for one that is no JSON or not of this workload.
pub(crate) fn with_line(line: &str, take: &mut impl FnMut(&DialTest<'_>)) -> bool {
    if let Ok(event) = sonic_rs::from_str::<DialTest<'_>>(line) {
        take(&event);
        return true;
    }
    match sonic_rs::from_str::<Escaped<'_>>(line) {
        Ok(event) => take(&DialTest {
            ts: event.ts,
            service: &event.service,
            city: &event.city,
            channel: &event.channel,
            ok: event.ok,
            latency_ms: event.latency_ms,
        }),
        Err(_) => return false,
    }
    true
}
