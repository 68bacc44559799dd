//! Numbers of the configuration with a least and a most: what is outside is refused where it is read, with its place.
//!
//! For `deserialize_with`: `at_least::<4, _, _>`, `between::<1, DAY_S, _, _>`.

use std::fmt::Display;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

/// Most of anything that is counted or has a size. Judgement: no machine holds a pebibyte, and sums and products of a few
/// such numbers stay below what 64 bits hold.
pub(crate) const MOST: u64 = 1 << 50;
/// The longest patience, s. Judgement: who waits for a day has been forgotten.
pub(crate) const DAY_S: u64 = 86_400;
/// As [`DAY_S`], ms.
pub(crate) const DAY_MS: u64 = DAY_S * 1_000;
/// The longest wait between two attempts, ms: more than a mail waits in all (RFC 5321, 4.5.4.1, wants four or five days).
pub(crate) const WEEK_MS: u64 = 7 * DAY_MS;

/// Reads a number that is at least so much, and at most [`MOST`].
///
/// # Errors
/// It is no number, or outside.
pub(crate) fn at_least<'de, const LEAST: u64, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: Deserialize<'de> + TryInto<u64> + Copy + Display,
    D: Deserializer<'de>,
{
    between::<LEAST, MOST, T, D>(deserializer)
}

/// Reads a number that is at least and at most so much.
///
/// # Errors
/// It is no number, or outside.
pub(crate) fn between<'de, const LEAST: u64, const GREATEST: u64, T, D>(
    deserializer: D,
) -> Result<T, D::Error>
where
    T: Deserialize<'de> + TryInto<u64> + Copy + Display,
    D: Deserializer<'de>,
{
    let given = T::deserialize(deserializer)?;
    // What does not fit is negative.
    let number = given.try_into().ok();
    match number {
        Some(number) if number > GREATEST => {
            let words = format!("this is at most {GREATEST}, and not {given}");
            Err(D::Error::custom(words))
        }
        Some(number) if number >= LEAST => Ok(given),
        _ => {
            let words = format!("this is at least {LEAST}, and not {given}");
            Err(D::Error::custom(words))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    struct Numbers {
        #[serde(deserialize_with = "at_least::<4, _, _>")]
        many: usize,
        #[serde(deserialize_with = "between::<1, DAY_S, _, _>")]
        patience_s: i64,
    }

    #[test]
    fn what_is_outside_is_refused_in_words() {
        let read = |many: &str, patience_s: &str| {
            let text = format!(r#"{{"many": {many}, "patience_s": {patience_s}}}"#);
            serde_json::from_str::<Numbers>(&text).map_err(|error| error.to_string())
        };
        let sound = Numbers {
            many: 4,
            patience_s: 86_400,
        };
        assert_eq!(read("4", "86400"), Ok(sound));
        for (many, patience_s, words) in [
            ("3", "1", "this is at least 4, and not 3"),
            (
                "1125899906842625",
                "1",
                "this is at most 1125899906842624, and not 1125899906842625",
            ),
            ("4", "0", "this is at least 1, and not 0"),
            ("4", "-1", "this is at least 1, and not -1"),
            ("4", "86401", "this is at most 86400, and not 86401"),
        ] {
            let error = read(many, patience_s).unwrap_err();
            assert!(error.starts_with(words), "{error}");
        }
    }
}
