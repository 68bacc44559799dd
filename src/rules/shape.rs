//! What rule files may look like: shapes as data, and the judge that holds a node against one.
//!
//! One table (`grammar`) drives both this judge and the JSON Schema for editors, so the two cannot
//! disagree. Shapes know form only; what values mean together is `check`'s business.

use crate::rules::duration::{parse_clock, parse_duration};
use crate::rules::problem::{Position, Problems, did_you_mean, nearest};
use crate::rules::syntax::{Entry, Node, Value};

/// The form of a value.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Shape {
    /// Any text that is not empty.
    Text,
    /// A name that other rules, metrics and addresses use: letters, digits, `_`, `-`, `.`.
    Id,
    Flag,
    Number,
    /// A whole number from 0.
    Natural,
    /// Exactly this many numbers.
    Numbers(usize),
    /// A length of time.
    Duration,
    /// A time of day.
    Clock,
    /// One word of a closed list.
    Word(&'static [&'static str]),
    List(&'static Shape),
    /// Names chosen by the author, each with a value of one shape.
    Table(&'static Shape),
    Record(&'static Record),
    /// The first of these whose YAML kind (text, list, mapping, …) the value has.
    Either(&'static [Shape]),
}

/// A mapping with known fields.
#[derive(Debug)]
pub(crate) struct Record {
    /// What it is, as messages and the schema call it.
    pub(crate) name: &'static str,
    pub(crate) doc: &'static str,
    pub(crate) fields: &'static [Field],
}

/// A field of a record.
#[derive(Debug)]
pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) shape: Shape,
    pub(crate) required: bool,
    pub(crate) doc: &'static str,
}

impl Shape {
    /// Reports every way in which a node is not of this shape.
    pub(crate) fn judge(&self, node: &Node, problems: &mut Problems) {
        if !self.has_kind_of(node) {
            problems.error_with(
                node.at,
                format!("expected {}, found {}", self.describe(), node.describe()),
                self.cure(node),
            );
            return;
        }
        match self {
            Shape::Text | Shape::Flag => {
                if node.text().is_some_and(|text| text.trim().is_empty()) {
                    problems.error(node.at, "expected text, found an empty one");
                }
            }
            Shape::Number => judge_finite(node, problems),
            Shape::Id => judge_id(node.text().unwrap_or_default(), node.at, problems),
            Shape::Natural => judge_natural(node, problems),
            Shape::Numbers(count) => judge_numbers(*count, node, problems),
            Shape::Duration => {
                let text = node.text().unwrap_or_default();
                if parse_duration(text).is_none() {
                    problems.error_with(
                        node.at,
                        format!("{text:?} is not a length of time"),
                        Some("write for example 35s, 5m, 26h or 1d".to_owned()),
                    );
                }
            }
            Shape::Clock => {
                let text = node.text().unwrap_or_default();
                if parse_clock(text).is_none() {
                    problems.error_with(
                        node.at,
                        format!("{text:?} is not a time of day"),
                        Some("write for example \"09:00\"".to_owned()),
                    );
                }
            }
            Shape::Word(words) => {
                let text = node.text().unwrap_or_default();
                if !words.contains(&text) {
                    let hint = did_you_mean(text, words.iter().copied())
                        .or_else(|| Some(format!("use one of {}", words.join(", "))));
                    problems.error_with(node.at, format!("unknown word {text:?}"), hint);
                }
            }
            Shape::List(item) => {
                for node in node.items() {
                    item.judge(node, problems);
                }
            }
            Shape::Table(value) => {
                for entry in node.entries() {
                    if entry.key.trim().is_empty() {
                        problems.error(entry.at, "expected a name, found an empty one");
                    }
                    value.judge(&entry.node, problems);
                }
                report_repeated(node, problems);
            }
            Shape::Record(record) => record.judge(node, problems),
            Shape::Either(shapes) => {
                if let Some(shape) = shapes.iter().find(|shape| shape.has_kind_of(node)) {
                    shape.judge(node, problems);
                }
            }
        }
    }

    fn has_kind_of(&self, node: &Node) -> bool {
        match self {
            Shape::Text | Shape::Id | Shape::Duration | Shape::Clock | Shape::Word(_) => {
                matches!(node.value, Value::Text(_))
            }
            Shape::Flag => matches!(node.value, Value::Flag(_)),
            Shape::Number | Shape::Natural => matches!(node.value, Value::Number(_)),
            Shape::Numbers(_) | Shape::List(_) => matches!(node.value, Value::List(_)),
            Shape::Table(_) | Shape::Record(_) => matches!(node.value, Value::Map(_)),
            Shape::Either(shapes) => shapes.iter().any(|shape| shape.has_kind_of(node)),
        }
    }

    /// The shape in the words of a message.
    pub(crate) fn describe(&self) -> String {
        match self {
            Shape::Text => "text".to_owned(),
            Shape::Id => "a name".to_owned(),
            Shape::Flag => "true or false".to_owned(),
            Shape::Number => "a number".to_owned(),
            Shape::Natural => "a whole number".to_owned(),
            Shape::Numbers(count) => format!("a list of {count} numbers"),
            Shape::Duration => "a length of time".to_owned(),
            Shape::Clock => "a time of day".to_owned(),
            Shape::Word(words) => format!("one of {}", words.join(", ")),
            Shape::List(_) => "a list".to_owned(),
            Shape::Table(_) => "a mapping".to_owned(),
            Shape::Record(record) => format!("a mapping ({})", record.name),
            Shape::Either(shapes) => {
                let words: Vec<String> = shapes.iter().map(Shape::describe).collect();
                words.join(" or ")
            }
        }
    }

    fn cure(&self, node: &Node) -> Option<String> {
        let number = node.number()?;
        match self {
            Shape::Text | Shape::Id => Some("put it in quotes".to_owned()),
            Shape::Duration => Some(format!("add a unit, for example {number}s")),
            _ => None,
        }
    }
}

impl Record {
    fn judge(&self, node: &Node, problems: &mut Problems) {
        for entry in node.entries() {
            let Some(field) = self.fields.iter().find(|field| field.name == entry.key) else {
                let hint = did_you_mean(&entry.key, self.fields.iter().map(|field| field.name))
                    .or_else(|| said_elsewhere(self.name, &entry.key));
                problems.error_with(entry.at, format!("unknown field {:?}", entry.key), hint);
                continue;
            };
            if entry.node.value == Value::Null {
                // `field:` with nothing after it reads like a forgotten value: say so.
                problems.error(entry.at, format!("field {:?} has no value", entry.key));
            } else {
                field.shape.judge(&entry.node, problems);
            }
        }
        // A field by a name that is nearly right is there; that its name is wrong has been said.
        let names = || self.fields.iter().map(|field| field.name);
        let meant = |entry: &Entry, name: &str| {
            entry.key == name
                || (!names().any(|known| known == entry.key)
                    && nearest(&entry.key, names()) == Some(name))
        };
        for field in self.fields.iter().filter(|field| field.required) {
            if !node.entries().iter().any(|entry| meant(entry, field.name)) {
                problems.error(
                    node.at,
                    format!("missing field {:?} of this {}", field.name, self.name),
                );
            }
        }
        report_repeated(node, problems);
    }
}

/// Words of other systems for what is written otherwise here: record, word, what to write.
const ELSEWHERE: [(&str, &str, &str); 6] = [
    ("kqi", "threshold", "interval: {min: …, max: …}"),
    ("kqi", "limit", "interval: {min: …, max: …}"),
    ("kqi", "target", "interval: {min: …, max: …}"),
    ("alert", "threshold", "the limit as interval of the KQI"),
    ("alert", "expr", "the condition as interval of the KQI"),
    ("alert", "duration", "for: 10m"),
];

/// The hint for a field that other systems have, also when it is misspelt.
fn said_elsewhere(record: &str, word: &str) -> Option<String> {
    let of_record = ELSEWHERE.iter().filter(|(of, ..)| *of == record);
    let near = |known: &str| did_you_mean(word, [known]).is_some();
    let found = of_record.map(|(_, known, here)| (known, here));
    let (_, here) = found.into_iter().find(|(known, _)| near(known))?;
    Some(format!("write {here}"))
}

fn report_repeated(node: &Node, problems: &mut Problems) {
    for (index, entry) in node.entries().iter().enumerate() {
        let earlier = node.entries()[..index]
            .iter()
            .find(|other| other.key == entry.key);
        if let Some(earlier) = earlier {
            let first = problems.place(earlier.at);
            problems.error(
                entry.at,
                format!("{:?} is given twice, first at {first}", entry.key),
            );
        }
    }
}

fn judge_finite(node: &Node, problems: &mut Problems) {
    if let Some(number) = node.number().filter(|number| !number.is_finite()) {
        problems.error(node.at, format!("expected a finite number, found {number}"));
    }
}

fn judge_natural(node: &Node, problems: &mut Problems) {
    // Beyond 2^53 a number from YAML is no longer exact.
    let fits =
        |number: f64| number.fract() == 0.0 && (0.0..=9_007_199_254_740_992.0).contains(&number);
    if let Some(number) = node.number().filter(|number| !fits(*number)) {
        problems.error(
            node.at,
            format!("expected a whole number from 0, found {number}"),
        );
    }
}

fn judge_numbers(count: usize, node: &Node, problems: &mut Problems) {
    if node.items().len() != count {
        problems.error(
            node.at,
            format!("expected {count} numbers, found {}", node.items().len()),
        );
    }
    for item in node.items() {
        Shape::Number.judge(item, problems);
    }
}

/// Ids go into metric labels, file names and mail headers, so their alphabet is small.
pub(crate) fn judge_id(id: &str, at: Position, problems: &mut Problems) {
    let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    if !id.starts_with(|c: char| c.is_ascii_alphabetic())
        || !id.chars().all(is_word)
        || id.len() > 100
    {
        problems.error_with(
            at,
            format!("{id:?} is not a usable id"),
            Some(
                "ids are up to 100 letters, digits, _, - and ., beginning with a letter".to_owned(),
            ),
        );
    }
}
