//! The wire types: one struct an event type, borrowing from the line.
//!
//! Hand-made visitors instead of derived ones, for two reasons: unknown fields are noted by name
//! (once per name, the line is still taken), and numbers are accepted where people write ids.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, Visitor};

/// Text that may be written as a string or as a whole number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Text<'a>(pub(super) Cow<'a, str>);

/// A time: milliseconds since the epoch, or RFC 3339.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Time(pub(super) i64);

/// A path in the complaint tree: one string with `/`, or a list of levels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Path<'a>(pub(super) Cow<'a, str>);

/// Answers of a complaint's form that are yes or no, by question; others are passed over.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Answers(pub(super) Vec<(String, bool)>);

/// Answers that are kept of a ticket; a form has fewer. Of one line, which `http.line_bytes_max` bounds: what follows is passed over
/// as an answer to a question that no form asks.
const ANSWERS_MAX: usize = 64;

/// An object of texts: gauge dimensions, annotation scopes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Texts(pub(super) Vec<(String, String)>);

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextVisitor;
        impl<'de> Visitor<'de> for TextVisitor {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string or a whole number")
            }

            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(number.to_string())))
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(number.to_string())))
            }
        }
        deserializer.deserialize_any(TextVisitor)
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TimeVisitor;
        impl Visitor<'_> for TimeVisitor {
            type Value = Time;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("epoch milliseconds or an RFC 3339 time")
            }

            fn visit_i64<E: Error>(self, ms: i64) -> Result<Time, E> {
                Ok(Time(ms))
            }

            fn visit_u64<E: Error>(self, ms: u64) -> Result<Time, E> {
                i64::try_from(ms)
                    .map(Time)
                    .map_err(|_| E::custom(format!("time {ms} is out of range")))
            }

            fn visit_f64<E: Error>(self, ms: f64) -> Result<Time, E> {
                if ms.fract() == 0.0 && ms.abs() < 9e15 {
                    Ok(Time(ms as i64))
                } else {
                    Err(E::custom(format!(
                        "time {ms} is not a whole number of milliseconds"
                    )))
                }
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Time, E> {
                text.parse::<jiff::Timestamp>()
                    .map(|time| Time(time.as_millisecond()))
                    .map_err(|_| E::custom(format!("time {text:?} is not RFC 3339 with an offset")))
            }
        }
        deserializer.deserialize_any(TimeVisitor)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Path<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct PathVisitor;
        impl<'de> Visitor<'de> for PathVisitor {
            type Value = Path<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a path as one string with slashes or as a list of levels")
            }

            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Path<'de>, E> {
                Ok(Path(Cow::Borrowed(text)))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Path<'de>, E> {
                Ok(Path(Cow::Owned(text.to_owned())))
            }

            fn visit_seq<A: serde::de::SeqAccess<'de>>(
                self,
                mut levels: A,
            ) -> Result<Path<'de>, A::Error> {
                let mut joined = String::new();
                while let Some(level) = levels.next_element::<Text<'_>>()? {
                    if !joined.is_empty() {
                        joined.push('/');
                    }
                    joined.push_str(&level.0);
                }
                Ok(Path(Cow::Owned(joined)))
            }
        }
        deserializer.deserialize_any(PathVisitor)
    }
}

impl<'de> Deserialize<'de> for Texts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextsVisitor;
        impl<'de> Visitor<'de> for TextsVisitor {
            type Value = Texts;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of strings")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Texts, A::Error> {
                let mut texts = Vec::new();
                while let Some((key, value)) = map.next_entry::<Text<'_>, Text<'_>>()? {
                    texts.push((key.0.into_owned(), value.0.into_owned()));
                }
                Ok(Texts(texts))
            }
        }
        deserializer.deserialize_map(TextsVisitor)
    }
}

impl<'de> Deserialize<'de> for Answers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        /// What an answer says, if it decides anything.
        struct Given(Option<bool>);
        impl<'de> Deserialize<'de> for Given {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let given = serde_json::Value::deserialize(deserializer)?;
                Ok(Given(match given.as_str() {
                    Some("yes" | "是") => Some(true),
                    Some("no" | "否") => Some(false),
                    _ => given.as_bool(),
                }))
            }
        }
        struct AnswersVisitor;
        impl<'de> Visitor<'de> for AnswersVisitor {
            type Value = Answers;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of answers")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Answers, A::Error> {
                let mut answers = Vec::new();
                while let Some((question, given)) = map.next_entry::<Text<'_>, Given>()? {
                    if let Some(said) = given.0.filter(|_| answers.len() < ANSWERS_MAX) {
                        answers.push((question.0.into_owned(), said));
                    }
                }
                Ok(Answers(answers))
            }

            // Before answers were read, anything was taken in their place.
            fn visit_str<E: Error>(self, _: &str) -> Result<Answers, E> {
                Ok(Answers::default())
            }

            fn visit_seq<A: serde::de::SeqAccess<'de>>(
                self,
                mut seq: A,
            ) -> Result<Answers, A::Error> {
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Answers::default())
            }

            fn visit_bool<E: Error>(self, _: bool) -> Result<Answers, E> {
                Ok(Answers::default())
            }

            fn visit_i64<E: Error>(self, _: i64) -> Result<Answers, E> {
                Ok(Answers::default())
            }

            fn visit_u64<E: Error>(self, _: u64) -> Result<Answers, E> {
                Ok(Answers::default())
            }

            fn visit_f64<E: Error>(self, _: f64) -> Result<Answers, E> {
                Ok(Answers::default())
            }
        }
        deserializer.deserialize_any(AnswersVisitor)
    }
}

/// What a field keeps of a line in texts.
pub(super) trait Kept {
    /// Bytes of its longest text.
    fn longest_bytes(&self) -> usize {
        0
    }
}

impl Kept for Time {}
impl Kept for bool {}
impl Kept for i64 {}
impl Kept for f64 {}

impl Kept for Text<'_> {
    fn longest_bytes(&self) -> usize {
        self.0.len()
    }
}

impl Kept for Path<'_> {
    fn longest_bytes(&self) -> usize {
        self.0.len()
    }
}

impl Kept for Answers {
    fn longest_bytes(&self) -> usize {
        let questions = self.0.iter().map(|(question, _)| question.len());
        questions.max().unwrap_or(0)
    }
}

impl Kept for Texts {
    fn longest_bytes(&self) -> usize {
        let texts = self.0.iter().flat_map(|(name, value)| [name, value]);
        texts.map(String::len).max().unwrap_or(0)
    }
}

/// Declares a wire struct whose fields are all optional; `null` counts as absent and the last of
/// several equal keys wins. Fields behind `~` are known but not needed, so not unknown either.
macro_rules! wire {
    ($(#[$doc:meta])* $name:ident { $($field:ident: $kind:ty),* $(,)? } ~ [$($ignored:literal),*]) => {
        $(#[$doc])*
        #[derive(Debug, Default)]
        pub(super) struct $name<'a> {
            $(pub(super) $field: Option<$kind>,)*
            pub(super) unknown: Vec<Cow<'a, str>>,
        }

        impl $name<'_> {
            /// The field with the longest text, and the bytes of that.
            pub(super) fn longest(&self) -> (&'static str, usize) {
                let mut longest = ("", 0);
                $(
                    let bytes = self.$field.as_ref().map_or(0, Kept::longest_bytes);
                    if bytes > longest.1 {
                        longest = (stringify!($field), bytes);
                    }
                )*
                longest
            }
        }

        impl<'de: 'a, 'a> Deserialize<'de> for $name<'a> {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct WireVisitor;
                impl<'de> Visitor<'de> for WireVisitor {
                    type Value = $name<'de>;

                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str("a JSON object")
                    }

                    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<$name<'de>, A::Error> {
                        let mut wire = $name::default();
                        let mut is_typed = false;
                        while let Some(Text(key)) = map.next_key::<Text<'de>>()? {
                            match key.as_ref() {
                                $(stringify!($field) => {
                                    wire.$field = map.next_value().map_err(|error| {
                                        A::Error::custom(format_args!(
                                            "field `{}`: {error}", stringify!($field)
                                        ))
                                    })?;
                                })*
                                // Which of two would be meant? Other fields may come twice: the last
                                // stays.
                                "type" if is_typed => {
                                    return Err(A::Error::duplicate_field("type"));
                                }
                                "type" => {
                                    is_typed = true;
                                    map.next_value::<IgnoredAny>()?;
                                }
                                $($ignored => { map.next_value::<IgnoredAny>()?; })*
                                _ => {
                                    map.next_value::<IgnoredAny>()?;
                                    wire.unknown.push(key);
                                }
                            }
                        }
                        Ok(wire)
                    }
                }
                deserializer.deserialize_map(WireVisitor)
            }
        }
    };
}

wire! {
    /// `dial_test`. The probe's own id and the byte count stay in the journal.
    DialTest {
        ts: Time, service: Text<'a>, channel: Text<'a>, city: Text<'a>, network: Text<'a>,
        speed: Text<'a>, method: Text<'a>,
        probe: Text<'a>, target: Text<'a>, ok: bool, latency_ms: f64, step: Text<'a>,
        code: Text<'a>, content_ok: bool, delivery: Text<'a>, part: i64, parts: i64,
        source: Text<'a>,
    } ~ ["id", "bytes"]
}

wire! {
    /// `boss_call`.
    BossCall {
        ts: Time, host: Text<'a>, interface: Text<'a>, client: Text<'a>, latency_ms: f64,
        wait_ms: f64, tperrno: i64, urcode: i64, city: Text<'a>, source: Text<'a>,
    } ~ []
}

wire! {
    /// `gauge`.
    Gauge {
        ts: Time, name: Text<'a>, value: f64, service: Text<'a>, city: Text<'a>, dims: Texts,
        source: Text<'a>,
    } ~ []
}

wire! {
    /// `mms_submit`.
    MmsSubmit {
        ts: Time, message_id: Text<'a>, service: Text<'a>, city: Text<'a>, recipient: Text<'a>,
        edition: Text<'a>, campaign: Text<'a>, valid_until: Time, source: Text<'a>,
    } ~ []
}

wire! {
    /// `mms_receipt`.
    MmsReceipt {
        ts: Time, message_id: Text<'a>, status: Text<'a>, status_text: Text<'a>,
        recipient: Text<'a>, service: Text<'a>, city: Text<'a>, submitted_at: Time,
        source: Text<'a>,
    } ~ []
}

wire! {
    /// `boss_connection`.
    BossConnection {
        ts: Time, host: Text<'a>, interface: Text<'a>, connection: Text<'a>, client: Text<'a>,
        state: Text<'a>, source: Text<'a>,
    } ~ []
}

wire! {
    /// `complaint`. The free text stays in the journal.
    Complaint {
        ts: Time, serial: Text<'a>, version: i64, state: Text<'a>, path: Path<'a>, node: Text<'a>,
        service: Text<'a>, city: Text<'a>, subscriber: Text<'a>, channel: Text<'a>,
        escalated: bool, cause: Text<'a>, class: Text<'a>, answers: Answers, began: Time,
        ended: Time, source: Text<'a>,
    } ~ ["text"]
}

wire! {
    /// `annotation`.
    Annotation {
        ts: Time, start: Time, end: Time, kind: Text<'a>, text: Text<'a>, service: Text<'a>,
        city: Text<'a>, scope: Texts, source: Text<'a>,
    } ~ []
}

/// Only the type of a line.
#[derive(serde::Deserialize)]
#[serde(expecting = "a JSON object")]
pub(super) struct TypeOnly<'a> {
    #[serde(borrow, default, rename = "type")]
    pub(super) kind: Option<Text<'a>>,
}
