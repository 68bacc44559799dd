//! YAML text → nodes that know where they stand.
//!
//! Nodes are untyped on purpose: a typed deserializer stops at the first surprise, and authors want
//! all of them. What a node should look like is `shape`'s business; what it means is `check`'s.
//!
//! Bounds: nesting, aliases and node counts are limited, so that a "YAML bomb" is a problem with a
//! position and not an outage.

use std::fmt;

use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_saphyr::{DuplicateKeyPolicy, Spanned};

use crate::rules::problem::Position;

/// Bounds on one file.
const VALUE_DEPTH_MAX: usize = 24;
const NODES_MAX: usize = 200_000;
const ALIASES_MAX: usize = 1_000;

/// One value of a file.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Node {
    pub(crate) at: Position,
    pub(crate) value: Value,
}

/// What stands there.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Null,
    Flag(bool),
    Number(f64),
    Text(String),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// One `key: value` of a mapping; keys may repeat here, `shape` reports that.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) at: Position,
    pub(crate) node: Node,
}

impl Node {
    /// The field's value; the first where it is repeated, none where it is null.
    pub(crate) fn get(&self, name: &str) -> Option<&Node> {
        self.entries()
            .iter()
            .find(|entry| entry.key == name)
            .map(|entry| &entry.node)
            .filter(|node| node.value != Value::Null)
    }

    pub(crate) fn entries(&self) -> &[Entry] {
        match &self.value {
            Value::Map(entries) => entries,
            _ => &[],
        }
    }

    pub(crate) fn items(&self) -> &[Node] {
        match &self.value {
            Value::List(items) => items,
            _ => &[],
        }
    }

    pub(crate) fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn number(&self) -> Option<f64> {
        match self.value {
            Value::Number(number) => Some(number),
            _ => None,
        }
    }

    pub(crate) fn flag(&self) -> Option<bool> {
        match self.value {
            Value::Flag(flag) => Some(flag),
            _ => None,
        }
    }

    /// What stands there, in the words of a message.
    pub(crate) fn describe(&self) -> String {
        match &self.value {
            Value::Null => "nothing".to_owned(),
            Value::Flag(flag) => format!("the flag {flag}"),
            Value::Number(number) => format!("the number {number}"),
            Value::Text(text) => format!("{text:?}"),
            Value::List(_) => "a list".to_owned(),
            Value::Map(_) => "a mapping".to_owned(),
        }
    }

    fn from_raw(raw: Spanned<Raw>, file: usize) -> Node {
        let at = position(raw.referenced, file);
        let value = match raw.value {
            Raw::Null => Value::Null,
            Raw::Flag(flag) => Value::Flag(flag),
            Raw::Number(number) => Value::Number(number),
            Raw::Text(text) => Value::Text(text),
            Raw::List(items) => Value::List(
                items
                    .into_iter()
                    .map(|item| Node::from_raw(item, file))
                    .collect(),
            ),
            Raw::Map(entries) => Value::Map(
                entries
                    .into_iter()
                    .map(|(key, value)| Entry {
                        at: position(key.referenced, file),
                        key: key.value,
                        node: Node::from_raw(value, file),
                    })
                    .collect(),
            ),
        };
        Node { at, value }
    }
}

fn position(location: serde_saphyr::Location, file: usize) -> Position {
    Position {
        file,
        line: location.line(),
        column: location.column(),
    }
}

/// Parses one file; an empty one is a null node.
///
/// # Errors
/// The text is not one YAML document within the bounds: where, and the parser's words.
pub(crate) fn parse_text(text: &str, file: usize) -> Result<Node, (Position, String)> {
    let options = serde_saphyr::options! {
        duplicate_keys: DuplicateKeyPolicy::PassThrough,
        strict_booleans: true,
        with_snippet: false,
        budget: serde_saphyr::budget! {
            max_depth: VALUE_DEPTH_MAX,
            max_nodes: NODES_MAX,
            max_aliases: ALIASES_MAX,
        },
    };
    match serde_saphyr::from_str_with_options::<Spanned<Raw>>(text, options) {
        Ok(raw) => Ok(Node::from_raw(raw, file)),
        Err(error) => {
            let at = error.location().map_or(
                Position {
                    file,
                    line: 1,
                    column: 1,
                },
                |location| position(location, file),
            );
            Err((at, reason(&error)))
        }
    }
}

/// The parser's words on one line, without the position that we print ourselves.
fn reason(error: &serde_saphyr::Error) -> String {
    if matches!(
        error.without_snippet(),
        serde_saphyr::Error::MultipleDocuments { .. }
    ) {
        return "not readable as YAML: more than one document in the file".to_owned();
    }
    let words = error.without_snippet().to_string();
    let line = words.lines().next().unwrap_or_default();
    let line = line.split(" at line ").next().unwrap_or(line);
    format!("not readable as YAML: {}", line.trim_end_matches('.'))
}

/// A node as the deserializer hands it over, before it knows its file.
enum Raw {
    Null,
    Flag(bool),
    Number(f64),
    Text(String),
    List(Vec<Spanned<Raw>>),
    Map(Vec<(Spanned<String>, Spanned<Raw>)>),
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Raw, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

#[expect(
    clippy::cast_precision_loss,
    reason = "rule numbers are small; one that is not fails its range check"
)]
impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_none<E>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Raw, D::Error> {
        Raw::deserialize(deserializer)
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Raw, E> {
        Ok(Raw::Flag(flag))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Raw, E> {
        Ok(Raw::Number(number as f64))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Raw, E> {
        Ok(Raw::Number(number as f64))
    }

    fn visit_i128<E>(self, number: i128) -> Result<Raw, E> {
        Ok(Raw::Number(number as f64))
    }

    fn visit_u128<E>(self, number: u128) -> Result<Raw, E> {
        Ok(Raw::Number(number as f64))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Raw, E> {
        Ok(Raw::Number(number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Raw, E> {
        Ok(Raw::Text(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Raw, E> {
        Ok(Raw::Text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Raw, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Raw::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Raw, A::Error> {
        let mut map = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            map.push(entry);
        }
        Ok(Raw::Map(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Node {
        parse_text(text, 0).unwrap()
    }

    #[test]
    fn nodes_know_where_they_stand() {
        let node = parse("a: 1\nb:\n  - x: [true, '2']\n    x: 没有\n");
        let b = node.get("b").unwrap();
        let item = &b.items()[0];
        assert_eq!((item.at.line, item.at.column), (3, 5));
        let keys: Vec<_> = item
            .entries()
            .iter()
            .map(|e| (e.key.as_str(), e.at.line, e.at.column))
            .collect();
        assert_eq!(keys, [("x", 3, 5), ("x", 4, 5)]);
        let second = &item.entries()[0].node.items()[1];
        assert_eq!((second.text(), second.at.column), (Some("2"), 15));
        assert_eq!(node.get("a").unwrap().number(), Some(1.0));
    }

    #[test]
    fn aliases_stand_where_they_are_used() {
        let node = parse("a: &x {k: 1}\nb: *x\n");
        assert_eq!(node.get("b").unwrap().at.line, 2);
        assert_eq!(node.get("b").unwrap().get("k").unwrap().number(), Some(1.0));
    }

    #[track_caller]
    fn refused(text: &str, line: u64, want: &str) {
        let (at, message) = parse_text(text, 0).unwrap_err();
        assert!(message.contains(want), "{message}");
        assert_eq!(at.line, line, "{message}");
        assert!(!message.contains('\n'), "{message}");
    }

    #[test]
    fn texts_that_are_not_yaml_are_refused_with_their_place() {
        refused("a: [1\nb: 2\n", 2, "not readable as YAML");
        refused("a: 1\n---\nb: 2\n", 3, "more than one document");
        refused(&"[".repeat(2_000), 1, "not readable as YAML");
    }

    #[test]
    fn bombs_are_refused() {
        let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
        for level in 1..12 {
            let inner = format!("*a{}, ", level - 1).repeat(10);
            bomb.push_str(&format!("a{level}: &a{level} [{inner}]\n"));
        }
        assert!(parse_text(&bomb, 0).is_err());
    }

    #[test]
    fn empty_files_are_nothing() {
        assert_eq!(parse("").value, Value::Null);
        assert_eq!(parse("# only a comment\n").value, Value::Null);
    }
}
