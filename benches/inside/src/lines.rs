//! Made-up lines: the same numbers in every run.

use std::fmt::Write;

/// Event time of the beginning: 2026-03-02T08:00:00+08:00, as kqi-1.
pub(crate) const START_MS: i64 = 1_772_409_600_000;
pub(crate) const MINUTE_MS: i64 = 60_000;

/// A linear congruential generator (Knuth's MMIX): chance that is the same everywhere.
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn new(seed: u64) -> Chance {
        Chance(seed.wrapping_mul(2) + 1)
    }

    /// A number below `limit`.
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }

    /// A latency around 900 ms, within a factor of ten.
    fn latency_ms(&mut self) -> u64 {
        let sum: u64 = (0..4).map(|_| self.below(16)).sum();
        100 * (1 << (sum / 10)) + self.below(100 * (1 << (sum / 10)))
    }
}

/// One minute of dial tests: each key `per_key` times, in an order that jumps about.
///
/// Two in a hundred fail, so that some panes have two tuples, as real ones do.
pub(crate) fn dial_minute(
    text: &mut String,
    chance: &mut Chance,
    minute: i64,
    keys: std::ops::Range<u64>,
    per_key: u64,
) {
    let count = keys.end - keys.start;
    let events = count * per_key;
    // Coprime to any count that is not its multiple.
    const STEP: u64 = 7_919;
    for event in 0..events {
        let ts = START_MS + minute * MINUTE_MS + (event * 60_000 / events) as i64;
        let key = keys.start + event * STEP % count;
        dial(text, chance, ts, key);
    }
}

/// One dial test.
pub(crate) fn dial(text: &mut String, chance: &mut Chance, ts: i64, key: u64) {
    let ok = chance.below(50) != 0;
    dial_with(text, chance, (ts, key), ok);
}

/// One dial test with this outcome.
pub(crate) fn dial_with(text: &mut String, chance: &mut Chance, (ts, key): (i64, u64), ok: bool) {
    let latency = chance.latency_ms();
    // Writing to a string cannot fail.
    let _ = writeln!(
        text,
        "{{\"type\":\"dial_test\",\"ts\":{ts},\"id\":\"k-{key:08}\",\"service\":\"s{}\",\
         \"channel\":\"sms\",\"city\":\"c{key:07}\",\"network\":\"gsm\",\"probe\":\"probe-{key}\",\
         \"target\":\"10086\",\"ok\":{ok},\"latency_ms\":{latency},\"bytes\":4699,\"content_ok\":true}}",
        key % 100
    );
}

/// A message that was sent.
pub(crate) fn submit(text: &mut String, ts: i64, message: u64) {
    let _ = writeln!(
        text,
        "{{\"type\":\"mms_submit\",\"ts\":{ts},\"message_id\":\"mn-{message:09}\",\
         \"service\":\"mobile_newspaper\",\"city\":\"c{}\",\"edition\":\"morning\",\
         \"recipient\":\"86138{message:08}\",\"valid_until\":{}}}",
        message % 14,
        ts + 72 * 60 * MINUTE_MS
    );
}

/// Its receipt.
pub(crate) fn receipt(text: &mut String, ts: i64, message: u64) {
    let status = if message.is_multiple_of(20) {
        "Expired"
    } else {
        "Retrieved"
    };
    let _ = writeln!(
        text,
        "{{\"type\":\"mms_receipt\",\"ts\":{ts},\"message_id\":\"mn-{message:09}\",\
         \"status\":\"{status}\",\"service\":\"mobile_newspaper\",\"city\":\"c{}\"}}",
        message % 14
    );
}
