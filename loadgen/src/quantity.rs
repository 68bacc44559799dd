//! Quantities a scenario may state: shares, spans of time, times of day,
//! ranges and log-normal draws.
//!
//! Each type checks itself while it is read, so a bad value is reported by the
//! YAML reader with the line it stands on, and nothing later has to ask again.

use rand::{Rng, RngExt};
use rand_distr::{Distribution, StandardNormal};
use serde::{Deserialize, Deserializer, de::Error as _};

/// Offset of Asia/Shanghai from UTC, in milliseconds.
///
/// The operator's zone has had no daylight saving since 1991, so a constant is
/// exact and works in containers without a time zone database.
pub const SHANGHAI_OFFSET_MS: i64 = 8 * 3_600_000;

/// Milliseconds in a day.
pub const DAY_MS: i64 = 86_400_000;

/// A share of a whole, 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Share(pub f64);

impl Share {
    /// Decides one trial: true in this share of the calls.
    pub fn hit(self, rng: &mut impl Rng) -> bool {
        // Nothing is drawn for 0 and 1, so an unused option costs no time.
        if self.0 <= 0.0 {
            false
        } else if self.0 >= 1.0 {
            true
        } else {
            rng.random::<f64>() < self.0
        }
    }
}

impl<'de> Deserialize<'de> for Share {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let share = f64::deserialize(deserializer)?;
        if (0.0..=1.0).contains(&share) {
            Ok(Self(share))
        } else {
            Err(D::Error::custom(format!(
                "{share} is not a share between 0 and 1"
            )))
        }
    }
}

/// A number above zero, such as a rate or a factor.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Positive(pub f64);

impl<'de> Deserialize<'de> for Positive {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = f64::deserialize(deserializer)?;
        if number.is_finite() && number > 0.0 {
            Ok(Self(number))
        } else {
            Err(D::Error::custom(format!(
                "{number} is not a number above 0"
            )))
        }
    }
}

/// A length of time in milliseconds, written `2h`, `90s`, `1h 30m`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct SpanMs(pub i64);

/// Reads a length of time such as `2h`, `90s` or `250ms`, in milliseconds.
///
/// # Errors
/// Says what was written when it is not a length of time or is negative.
pub fn parse_span(text: &str) -> Result<SpanMs, String> {
    let span: jiff::SignedDuration = text
        .parse()
        .map_err(|_| format!("`{text}` is not a length of time such as 2h, 90s or 250ms"))?;
    let ms = i64::try_from(span.as_millis()).map_err(|_| format!("`{text}` is too long"))?;
    if ms < 0 {
        return Err(format!("`{text}` is negative"));
    }
    Ok(SpanMs(ms))
}

impl<'de> Deserialize<'de> for SpanMs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        parse_span(&text).map_err(D::Error::custom)
    }
}

/// A time of day in Asia/Shanghai, milliseconds after local midnight,
/// written `"07:30"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct LocalTime(pub i64);

impl LocalTime {
    /// The first moment at or after `from_ms` (UTC epoch) with this local time.
    pub fn first_at_or_after(self, from_ms: i64) -> i64 {
        let local = from_ms + SHANGHAI_OFFSET_MS;
        let candidate = local.div_euclid(DAY_MS) * DAY_MS + self.0 - SHANGHAI_OFFSET_MS;
        if candidate < from_ms {
            candidate + DAY_MS
        } else {
            candidate
        }
    }
}

impl<'de> Deserialize<'de> for LocalTime {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let parsed = text.split_once(':').and_then(|(hour, minute)| {
            let (hour, minute) = (hour.parse::<i64>().ok()?, minute.parse::<i64>().ok()?);
            ((0..24).contains(&hour) && (0..60).contains(&minute))
                .then_some(Self((hour * 60 + minute) * 60_000))
        });
        parsed.ok_or_else(|| {
            D::Error::custom(format!("`{text}` is not a time of day such as \"07:30\""))
        })
    }
}

/// A moment, milliseconds since the epoch, written in RFC 3339.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment(pub i64);

/// Reads an RFC 3339 moment, in milliseconds since the epoch.
///
/// # Errors
/// Says what was written when it is not a moment.
pub fn parse_moment(text: &str) -> Result<Moment, String> {
    text.parse::<jiff::Timestamp>()
        .map(|moment| Moment(moment.as_millisecond()))
        .map_err(|_| format!("`{text}` is not a moment such as 2026-03-02T08:00:00+08:00"))
}

/// Writes a moment in RFC 3339 with the operator's offset, for people.
pub fn format_moment(ts_ms: i64) -> String {
    let zone = jiff::tz::TimeZone::fixed(jiff::tz::offset(8));
    jiff::Timestamp::from_millisecond(ts_ms).map_or_else(
        |_| format!("{ts_ms} ms"),
        |moment| {
            moment
                .to_zoned(zone)
                .strftime("%Y-%m-%dT%H:%M:%S%:z")
                .to_string()
        },
    )
}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        parse_moment(&text).map_err(D::Error::custom)
    }
}

/// A closed range of numbers, written `[low, high]`; draws are uniform.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Range {
    /// The lowest value drawn.
    pub low: f64,
    /// The highest value drawn.
    pub high: f64,
}

impl Range {
    /// Draws one value, evenly between the ends.
    pub fn draw(self, rng: &mut impl Rng) -> f64 {
        self.low + (self.high - self.low) * rng.random::<f64>()
    }
}

impl<'de> Deserialize<'de> for Range {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (low, high) = <(f64, f64)>::deserialize(deserializer)?;
        if low.is_finite() && high.is_finite() && 0.0 <= low && low <= high {
            Ok(Self { low, high })
        } else {
            Err(D::Error::custom(format!(
                "[{low}, {high}] is not a range [low, high] with 0 <= low <= high"
            )))
        }
    }
}

/// A log-normal spread, the usual shape of response times: half of the draws
/// are under the median, a few are many times over it.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogNormal {
    /// The middle value, milliseconds.
    pub median_ms: Positive,
    /// Spread of the logarithm: 0 is constant, 0.3 tame, 1 wild.
    #[serde(default = "tame_spread")]
    pub sigma: f64,
}

fn tame_spread() -> f64 {
    0.3
}

impl LogNormal {
    /// Draws one value, milliseconds.
    pub fn draw_ms(self, rng: &mut impl Rng) -> f64 {
        let normal: f64 = StandardNormal.sample(rng);
        self.median_ms.0 * (self.sigma * normal).exp()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    #[test]
    fn local_time_finds_the_next_morning() {
        let midnight = parse_moment("2026-03-02T00:00:00+08:00").unwrap().0;
        let edition = LocalTime((7 * 60 + 30) * 60_000);
        assert_eq!(
            format_moment(edition.first_at_or_after(midnight)),
            "2026-03-02T07:30:00+08:00"
        );
        assert_eq!(
            format_moment(edition.first_at_or_after(midnight + 8 * 3_600_000)),
            "2026-03-03T07:30:00+08:00"
        );
    }

    #[test]
    fn spans_are_read_and_refused() {
        assert_eq!(parse_span("1h 30m"), Ok(SpanMs(5_400_000)));
        assert_eq!(parse_span("250ms"), Ok(SpanMs(250)));
        assert!(parse_span("soon").unwrap_err().contains("`soon`"));
        assert!(parse_span("-5s").is_err());
    }

    #[test]
    fn half_of_a_log_normal_is_under_its_median() {
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(1);
        let shape = LogNormal {
            median_ms: Positive(800.0),
            sigma: 0.5,
        };
        let under = (0..10_000)
            .filter(|_| shape.draw_ms(&mut rng) < 800.0)
            .count();
        assert!((4_800..5_200).contains(&under), "{under}");
    }
}
