//! How dial tests are read: the failure classes, their words, and whether conditions name classes that exist.

use std::sync::Arc;

use super::duration_of;
use crate::event::{FAILURE_OTHER, FailureClasses};
use crate::rules::duration::MINUTE_MS;
use crate::rules::problem::{Problems, did_you_mean};
use crate::rules::syntax::Node;

/// The classes of the section; none without one, for then `code` is any text.
pub(super) fn read(node: Option<&Node>, problems: &mut Problems) -> Option<FailureClasses> {
    let table = node?.get("failure_classes")?;
    let mut words: Vec<(String, Option<Arc<str>>)> = Vec::new();
    let mut claim = |node: &Node, word: &str, class: Option<&str>, problems: &mut Problems| {
        let known = words
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(word));
        match known {
            Some((_, before)) if before.as_deref() != class => {
                let before = before.as_deref().unwrap_or("no failure");
                problems.error(node.at, format!("{word:?} already means {before}"));
            }
            Some(_) => {}
            None => words.push((word.to_owned(), class.map(Arc::from))),
        }
    };
    for entry in table.entries() {
        claim(&entry.node, &entry.key, Some(&entry.key), problems);
        for item in entry.node.items() {
            if let Some(word) = item.text() {
                claim(item, word, Some(&entry.key), problems);
            }
        }
    }
    for item in node?.get("no_failure").map(Node::items).unwrap_or_default() {
        if let Some(word) = item.text() {
            claim(item, word, None, problems);
        }
    }
    // A class stands for itself, also where it is not written.
    claim(table, FAILURE_OTHER, Some(FAILURE_OTHER), problems);
    // Whole words before beginnings, and long beginnings before short ones.
    words.sort_by_key(|(word, _)| {
        let is_head = word.ends_with('*');
        (is_head, if is_head { usize::MAX - word.len() } else { 0 })
    });
    Some(FailureClasses { words })
}

/// How long parts may come after the first one, ms. Judgement: a minute is twice what people wait for an SMS (C3).
pub(super) fn parts_wait_ms(node: Option<&Node>) -> i64 {
    node.and_then(|node| duration_of(node, "parts_wait"))
        .unwrap_or(MINUTE_MS)
}

/// Reports classes in a condition over `code` that are none: it would be false for ever.
pub(super) fn check_condition(classes: &FailureClasses, field: &Node, problems: &mut Problems) {
    let Some(source) = field.text() else {
        return;
    };
    for class in codes_in(source) {
        if !classes.has(class) {
            let known = classes
                .words
                .iter()
                .filter_map(|(_, class)| class.as_deref());
            problems.error_with(
                field.at,
                format!("{class:?} is no failure class of section dial_tests"),
                did_you_mean(class, known),
            );
        }
    }
}

/// The texts that a condition compares `code` with: `code == 'x'`, `code != "x"`, `code in ['x', "y"]`.
fn codes_in(source: &str) -> Vec<&str> {
    let mut codes = Vec::new();
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    for (at, name) in source.match_indices("code") {
        let before = source[..at].chars().next_back();
        let rest = &source[at + name.len()..];
        if before.is_some_and(|c| is_word(c) || c == '.') || rest.starts_with(is_word) {
            continue;
        }
        let rest = rest.trim_start();
        if let Some(text) = ["==", "!="].iter().find_map(|sign| rest.strip_prefix(sign)) {
            codes.extend(quoted(text.trim_start()).map(|(text, _)| text));
        } else if let Some(list) = rest.strip_prefix("in") {
            let mut rest = list.trim_start().strip_prefix('[').unwrap_or_default();
            while let Some((text, after)) = quoted(rest.trim_start()) {
                codes.push(text);
                rest = after.trim_start().strip_prefix(',').unwrap_or_default();
            }
        }
    }
    codes
}

/// The text in quotes at the beginning, and what follows it.
fn quoted(source: &str) -> Option<(&str, &str)> {
    let quote = source.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
    source[1..].split_once(quote)
}

/// The conditions of a KQI.
pub(super) fn conditions(node: &Node) -> impl Iterator<Item = &Node> {
    ["filter", "good", "counted"]
        .into_iter()
        .filter_map(|name| node.get(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_classes_of_a_condition_are_found() {
        let found = codes_in(
            "urcode == 'a' && code == 'busy' || (code in ['x', \"y\"]) && codec != 'z' && code!='w'",
        );
        assert_eq!(found, ["busy", "x", "y", "w"]);
        assert_eq!(codes_in("code == null || code in other"), [""; 0]);
    }
}
