//! The schedule: when each line should go, whatever the target does.

use std::time::Duration;

/// How lines are spread over wall time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Pace {
    /// This many lines a second, evenly.
    RatePerS(f64),
    /// This many seconds of event time per second of wall time.
    Speed(f64),
    /// As fast as the target takes them. There is no schedule, so latency is
    /// counted from the moment of sending and says nothing about waiting users.
    Unpaced,
}

impl Pace {
    /// When line number `index` (from 0), due at `due_ms` on an event-time axis
    /// that begins at `first_ms`, should go, from the start of sending.
    pub fn due(self, index: u64, due_ms: i64, first_ms: i64) -> Option<Duration> {
        match self {
            Self::RatePerS(rate_per_s) => Some(Duration::from_secs_f64(index as f64 / rate_per_s)),
            Self::Speed(speed) => {
                let event_s = due_ms.saturating_sub(first_ms).max(0) as f64 / 1_000.0;
                Some(Duration::from_secs_f64(event_s / speed))
            }
            Self::Unpaced => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schedule_follows_rate_or_event_time() {
        assert_eq!(
            Pace::RatePerS(1_000.0).due(1_500, 0, 0),
            Some(Duration::from_millis(1_500))
        );
        assert_eq!(
            Pace::Speed(60.0).due(7, 120_000, 60_000),
            Some(Duration::from_secs(1))
        );
        assert_eq!(Pace::Unpaced.due(7, 0, 0), None);
    }
}
