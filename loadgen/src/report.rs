//! What sending came to: counts, latencies, rate.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use hdrhistogram::{CreationError, Histogram};
use serde::Serialize;

use crate::detect::Detection;
use crate::send::Outcome;

/// Distinct reasons of refusal that are kept.
const REASONS_MAX: usize = 10;

/// Counts while sending.
#[derive(Debug, Clone)]
pub struct SendTally {
    /// Lines whose fate is known.
    pub lines_sent: u64,
    /// Event-time moment of delivery of the last line, milliseconds.
    pub last_due_ms: Option<i64>,
    pub(crate) wall: Duration,
    accepted: u64,
    refused: u64,
    lost: u64,
    batches: u64,
    batches_repeated: u64,
    requests: u64,
    throttled: u64,
    reasons: BTreeMap<String, u64>,
    latency_us: Histogram<u64>,
}

impl SendTally {
    pub(crate) fn new() -> Result<Self, CreationError> {
        Ok(Self {
            lines_sent: 0,
            last_due_ms: None,
            wall: Duration::ZERO,
            accepted: 0,
            refused: 0,
            lost: 0,
            batches: 0,
            batches_repeated: 0,
            requests: 0,
            throttled: 0,
            reasons: BTreeMap::new(),
            // Up to an hour, to three digits.
            latency_us: Histogram::new_with_bounds(1, 3_600_000_000, 3)?,
        })
    }

    pub(crate) fn add(&mut self, outcome: &Outcome, lines: u64, latency: Duration) {
        self.lines_sent += lines;
        self.accepted += outcome.accepted;
        self.refused += outcome.refused;
        self.lost += outcome.lost;
        self.batches += 1;
        self.batches_repeated += u64::from(outcome.repeated);
        self.requests += outcome.requests;
        self.throttled += outcome.throttled;
        for reason in &outcome.reasons {
            if self.reasons.len() < REASONS_MAX || self.reasons.contains_key(reason) {
                *self.reasons.entry(reason.clone()).or_default() += 1;
            }
        }
        self.latency_us
            .saturating_record(u64::try_from(latency.as_micros()).unwrap_or(u64::MAX));
    }

    /// The report to show and keep.
    pub fn report(&self) -> SendReport {
        let quantile_ms = |quantile| self.latency_us.value_at_quantile(quantile) as f64 / 1_000.0;
        let wall_s = self.wall.as_secs_f64();
        SendReport {
            lines_sent: self.lines_sent,
            lines_accepted: self.accepted,
            lines_refused: self.refused,
            lines_lost: self.lost,
            refusals: self.reasons.clone(),
            batches: self.batches,
            batches_repeated: self.batches_repeated,
            requests: self.requests,
            requests_retried: self.requests - self.batches,
            requests_throttled: self.throttled,
            latency_p50_ms: quantile_ms(0.5),
            latency_p90_ms: quantile_ms(0.9),
            latency_p99_ms: quantile_ms(0.99),
            latency_max_ms: self.latency_us.max() as f64 / 1_000.0,
            wall_s,
            rate_achieved_per_s: if wall_s > 0.0 {
                self.lines_sent as f64 / wall_s
            } else {
                0.0
            },
            detection: None,
        }
    }
}

/// The closing report of a run. Latencies count from the schedule.
#[derive(Debug, Clone, Serialize)]
pub struct SendReport {
    /// Lines sent and answered or given up.
    pub lines_sent: u64,
    /// Lines that the target took.
    pub lines_accepted: u64,
    /// Lines that the target refused.
    pub lines_refused: u64,
    /// Lines given up without an answer.
    pub lines_lost: u64,
    /// The first reasons for refusals and losses, with how often each came.
    pub refusals: BTreeMap<String, u64>,
    /// Batches sent.
    pub batches: u64,
    /// Batches that the target knew already.
    pub batches_repeated: u64,
    /// Requests made.
    pub requests: u64,
    /// Of those, repetitions.
    pub requests_retried: u64,
    /// Of those, answered 429 or 503.
    pub requests_throttled: u64,
    /// Half of the batches were answered within this time, milliseconds.
    pub latency_p50_ms: f64,
    /// 90 % of them.
    pub latency_p90_ms: f64,
    /// 99 % of them.
    pub latency_p99_ms: f64,
    /// The slowest.
    pub latency_max_ms: f64,
    /// Time from the first line to the last answer, seconds.
    pub wall_s: f64,
    /// Lines per second over that time.
    pub rate_achieved_per_s: f64,
    /// What the target noticed of the injected incidents, if it was asked.
    pub detection: Option<Detection>,
}

impl fmt::Display for SendReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "lines      sent {}  accepted {}  refused {}  lost {}",
            self.lines_sent, self.lines_accepted, self.lines_refused, self.lines_lost
        )?;
        writeln!(
            f,
            "requests   {}  retried {}  throttled {}  batches already known {}",
            self.requests, self.requests_retried, self.requests_throttled, self.batches_repeated
        )?;
        writeln!(
            f,
            "latency    p50 {:.1} ms  p90 {:.1} ms  p99 {:.1} ms  max {:.1} ms  (from the schedule)",
            self.latency_p50_ms, self.latency_p90_ms, self.latency_p99_ms, self.latency_max_ms
        )?;
        writeln!(
            f,
            "rate       {:.0} lines/s over {:.1} s",
            self.rate_achieved_per_s, self.wall_s
        )?;
        for (reason, count) in &self.refusals {
            writeln!(f, "refusal    {count} x {reason}")?;
        }
        match &self.detection {
            Some(detection) => detection.fmt(f),
            None => Ok(()),
        }
    }
}
