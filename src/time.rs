//! The only reader of the wall clock.
//!
//! Where the clock is set back, time goes on from where it was, at half its pace, until the clock has caught up:
//! a present that stood still, or lay in the past, would refuse true events as ones of the future, and nobody's
//! silence would be heard; one that went on as fast as ever would be wrong for ever. A clock that is set forward is
//! believed.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// How far the clock may go back and be followed, ms. Judgement: more than a leap second, less than anything that
/// is decided by.
const STEP_BACK_MS_MAX: i64 = 2_000;

/// What part of the time that passes is counted while the clock lies behind. Judgement: an hour too much is gone after
/// two, and who was to be called silent after five minutes is after ten.
const PACE: u32 = 2;

static STEADY: Mutex<Steady> = Mutex::new(Steady {
    known: None,
    is_ahead: false,
});

/// Milliseconds since the epoch, now.
pub fn now_ms() -> i64 {
    let mut steady = STEADY.lock().unwrap_or_else(PoisonError::into_inner);
    let (wall_ms, was_ahead) = (wall_ms(), steady.is_ahead);
    let now_ms = steady.now_ms(wall_ms, Instant::now());
    if steady.is_ahead != was_ahead {
        let by_ms = now_ms - wall_ms;
        drop(steady);
        tell(by_ms);
    }
    now_ms
}

/// The present is not before this, whatever the clock says: what a journal has seen is past.
pub fn begin_at(ms: i64) {
    let mut steady = STEADY.lock().unwrap_or_else(PoisonError::into_inner);
    steady.begin_at(ms, wall_ms(), Instant::now());
}

/// How far the present is ahead of the clock, ms; 0 unless that was set back.
pub fn ahead_ms() -> i64 {
    (now_ms() - wall_ms()).max(0)
}

fn tell(by_ms: i64) {
    if by_ms > 0 {
        tracing::warn!(
            by_ms,
            "the clock was set back: time goes on from where it was, at half its pace, until the clock has caught up"
        );
    } else {
        tracing::info!("the clock has caught up");
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the one place")]
fn wall_ms() -> i64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| {
            i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
        })
}

/// A clock that does not go back by much.
struct Steady {
    /// A moment, and what time it was, ms.
    known: Option<(Instant, i64)>,
    /// The clock lies behind.
    is_ahead: bool,
}

impl Steady {
    fn now_ms(&mut self, wall_ms: i64, at: Instant) -> i64 {
        let steady_ms = self.known.map_or(i64::MIN, |(since, ms)| {
            let counted = at.saturating_duration_since(since) / PACE;
            ms.saturating_add(i64::try_from(counted.as_millis()).unwrap_or(i64::MAX))
        });
        self.is_ahead = wall_ms.saturating_add(STEP_BACK_MS_MAX) < steady_ms;
        if self.is_ahead {
            return steady_ms;
        }
        self.known = Some((at, wall_ms));
        wall_ms
    }

    fn begin_at(&mut self, ms: i64, wall_ms: i64, at: Instant) {
        if ms > self.now_ms(wall_ms, at) {
            self.known = Some((at, ms));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn time_goes_on_when_the_clock_is_set_back_and_follows_it_forward() {
        let began = Instant::now();
        let at = |ms| began + Duration::from_millis(ms);
        let mut steady = Steady {
            known: None,
            is_ahead: false,
        };
        assert_eq!(steady.now_ms(1_000_000, at(0)), 1_000_000);
        assert_eq!(steady.now_ms(1_000_500, at(600)), 1_000_500, "it is slow");
        assert_eq!(steady.now_ms(998_700, at(700)), 998_700, "a leap second");
        // Set back by ten minutes: time passes all the same.
        assert_eq!(steady.now_ms(400_000, at(1_000)), 998_850);
        assert_eq!(steady.now_ms(405_000, at(6_000)), 1_001_350);
        assert!(steady.is_ahead);
        // It was set right again.
        assert_eq!(steady.now_ms(1_004_900, at(7_000)), 1_004_900);
        assert!(!steady.is_ahead);
        assert_eq!(steady.now_ms(9_000_000, at(7_001)), 9_000_000, "forward");
        // A start on a clock that is older than the journal.
        steady.begin_at(12_000_000, 9_000_100, at(7_101));
        assert_eq!(steady.now_ms(9_000_200, at(7_201)), 12_000_050);
        steady.begin_at(5, 9_000_200, at(7_201));
        assert_eq!(steady.now_ms(9_000_300, at(7_301)), 12_000_100);
    }

    #[test]
    fn a_clock_that_was_set_back_catches_up() {
        let began = Instant::now();
        let mut steady = Steady {
            known: None,
            is_ahead: false,
        };
        // It was an hour fast, and is set right. Somebody asks every second.
        assert_eq!(steady.now_ms(3_600_000, began), 3_600_000);
        let mut before = 3_600_000;
        let mut ask = |second: u64| {
            let now_ms = steady.now_ms(second as i64 * 1_000, began + Duration::from_secs(second));
            assert!(now_ms > before || !steady.is_ahead, "{second}: {now_ms}");
            before = now_ms;
            steady.is_ahead
        };
        let caught_up = (1..10_000).position(|second| !ask(second));
        // Two hours, less the two seconds that are nothing.
        assert_eq!(caught_up, Some(7_195));
    }
}
