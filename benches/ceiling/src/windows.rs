//! Panes by key and minute, and the windows that are read from them.
//!
//! A pane lists the buckets of its values instead of counting them: a minute of kqi-1 has 62 events a
//! key, and a list is one append where counts are a search. Windows count them into one scratch array.

use crate::keys::Keys;
use crate::line::DialTest;
use crate::rows::Rows;

const MINUTE_MS: i64 = 60_000;
/// Minutes of a sliding window.
const SLIDING: i64 = 5;
/// Panes kept of a key: five of a window, and those that out-of-order events may still reach.
const RING: usize = 8;
/// The watermark is this far behind the highest time, ms: the workload's own bound and some more.
const LATENESS_MS: i64 = 35_000;
/// Fixed-point units of a millisecond, as the engine has them, so that means are equal.
const SUM_SCALE: f64 = 1e6;
/// Ratio below which a window alerts, and the samples that it takes.
const RATIO_MIN: f64 = 0.95;
const SAMPLES_MIN: u32 = 30;
/// Buckets of positive doubles from 2^-10 to 2^24 ms with 32 an octave; others go to the ends.
const BUCKETS: usize = 34 * 32;
const BUCKET_LOW: u64 = (1023 - 10) << 5;
const BUCKET_SHIFT: u32 = 52 - 5;

#[derive(Clone, Debug, Default)]
struct Pane {
    minute: i64,
    count: u32,
    good: u32,
    valued: u32,
    sum: i64,
    buckets: Vec<u16>,
}

/// All of the state: panes, watermark, alerts.
pub(crate) struct Windows {
    keys: Keys,
    panes: Vec<[Pane; RING]>,
    firing: Vec<bool>,
    counts: Box<[u32; BUCKETS]>,
    highest_ms: i64,
    /// Watermark at which the next minute ends.
    seal_at_ms: i64,
    /// First and last minute with events.
    span: Option<(i64, i64)>,
    /// Events that came after their minute was sealed.
    pub(crate) late: u64,
}

impl Windows {
    pub(crate) fn new() -> Windows {
        Windows {
            keys: Keys::new(),
            panes: Vec::new(),
            firing: Vec::new(),
            counts: Box::new([0; BUCKETS]),
            highest_ms: i64::MIN,
            seal_at_ms: i64::MAX,
            span: None,
            late: 0,
        }
    }

    /// Adds an event and seals the minutes that its time ends.
    pub(crate) fn add(&mut self, event: &DialTest<'_>, rows: &mut Rows) {
        let key = self.keys.number(event.service, event.city, event.channel) as usize;
        if key >= self.panes.len() {
            self.panes.resize_with(key + 1, Default::default);
            self.firing.resize(key + 1, false);
        }
        let minute = event.ts.div_euclid(MINUTE_MS);
        if event.ts > self.highest_ms {
            self.highest_ms = event.ts;
            match &mut self.span {
                None => {
                    // Nothing older than the lateness can come before the first minute is sealed.
                    let first = (event.ts - LATENESS_MS).div_euclid(MINUTE_MS);
                    self.span = Some((first, minute));
                    self.seal_at_ms = (first + 1) * MINUTE_MS;
                }
                Some((_, last)) => *last = minute,
            }
            while self.highest_ms - LATENESS_MS >= self.seal_at_ms {
                let end = self.seal_at_ms / MINUTE_MS;
                self.seal(end, rows);
                self.seal_at_ms += MINUTE_MS;
            }
        }
        if (minute + 1) * MINUTE_MS < self.seal_at_ms {
            self.late += 1;
            return;
        }
        let pane = &mut self.panes[key][minute.rem_euclid(RING as i64) as usize];
        if pane.minute != minute {
            pane.minute = minute;
            (pane.count, pane.good, pane.valued, pane.sum) = (0, 0, 0, 0);
            pane.buckets.clear();
        }
        pane.count += 1;
        pane.good += u32::from(event.ok);
        if let Some(value) = event.latency_ms {
            pane.valued += 1;
            pane.sum += (value * SUM_SCALE).round() as i64;
            pane.buckets.push(bucket_of(value));
        }
    }

    /// Seals what is left.
    pub(crate) fn finish(&mut self, rows: &mut Rows) {
        let Some((_, last)) = self.span else { return };
        for end in self.seal_at_ms / MINUTE_MS..=last + SLIDING {
            self.seal(end, rows);
        }
    }

    /// Writes both windows of every key that end with this minute.
    fn seal(&mut self, end: i64, rows: &mut Rows) {
        for key in 0..self.panes.len() {
            self.window(key, end, 1, rows);
            if let Some((count, good)) = self.window(key, end, SLIDING, rows) {
                let ratio = f64::from(good) / f64::from(count);
                let fires = count >= SAMPLES_MIN && ratio < RATIO_MIN;
                if fires != self.firing[key] {
                    self.firing[key] = fires;
                    rows.transition(self.keys.label(key), end * MINUTE_MS, fires, ratio);
                }
            } else if std::mem::take(&mut self.firing[key]) {
                rows.transition(self.keys.label(key), end * MINUTE_MS, false, f64::NAN);
            }
        }
    }

    fn window(
        &mut self,
        key: usize,
        end: i64,
        minutes: i64,
        rows: &mut Rows,
    ) -> Option<(u32, u32)> {
        let (mut count, mut good, mut valued, mut sum) = (0, 0, 0, 0);
        let (mut low, mut high) = (BUCKETS, 0);
        for minute in end - minutes..end {
            let pane = &self.panes[key][minute.rem_euclid(RING as i64) as usize];
            if pane.minute != minute {
                continue;
            }
            count += pane.count;
            good += pane.good;
            valued += pane.valued;
            sum += pane.sum;
            for bucket in &pane.buckets {
                let bucket = usize::from(*bucket);
                self.counts[bucket] += 1;
                (low, high) = (low.min(bucket), high.max(bucket));
            }
        }
        if count == 0 {
            return None;
        }
        let counts = self.counts.get_mut(low..=high).unwrap_or_default();
        // Nearest rank, as the engine takes it.
        let rank = (0.95 * f64::from(valued)).ceil() as u32;
        let mut seen = 0;
        let at = counts.iter().position(|count| {
            seen += count;
            seen >= rank
        });
        counts.fill(0);
        rows.window(
            self.keys.label(key),
            (end - minutes) * MINUTE_MS,
            end * MINUTE_MS,
            count,
            f64::from(good) / f64::from(count),
            (valued > 0).then(|| sum as f64 / (SUM_SCALE * f64::from(valued))),
            at.map(|at| bucket_value(low + at)),
        );
        Some((count, good))
    }
}

fn bucket_of(value: f64) -> u16 {
    let number = (value.to_bits() >> BUCKET_SHIFT).saturating_sub(BUCKET_LOW);
    number.min(BUCKETS as u64 - 1) as u16
}

fn bucket_value(bucket: usize) -> f64 {
    let number = bucket as u64 + BUCKET_LOW;
    let low = f64::from_bits(number << BUCKET_SHIFT);
    let high = f64::from_bits((number + 1) << BUCKET_SHIFT);
    low + (high - low) / 2.0
}
