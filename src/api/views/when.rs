//! Times that callers give: as events have them.

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, de::Error};
use utoipa::ToSchema;

/// A time.
#[derive(Deserialize, ToSchema)]
#[serde(untagged)]
pub(in crate::api) enum When {
    /// Milliseconds since the epoch.
    Ms(i64),
    /// RFC 3339, with an offset.
    #[schema(value_type = String, format = DateTime)]
    Text(String),
}

/// Reads a time that may be left out, ms.
///
/// # Errors
/// A text that is no time.
pub(in crate::api) fn moment<'de, D: Deserializer<'de>>(from: D) -> Result<Option<i64>, D::Error> {
    match Option::<When>::deserialize(from)? {
        None => Ok(None),
        Some(When::Ms(ms)) => Ok(Some(ms)),
        Some(When::Text(text)) => {
            let text: String = text.chars().take(80).collect();
            let time = text.parse::<Timestamp>();
            let words =
                |_| D::Error::custom(format!("time {text:?} is not RFC 3339 with an offset"));
            time.map(|time| Some(time.as_millisecond())).map_err(words)
        }
    }
}
