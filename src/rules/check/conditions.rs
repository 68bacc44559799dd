//! CEL conditions: that they compile, name the stream's dimensions, and are true or false.

use super::streams::{dimension_names, has_dimension};
use crate::event::DimensionValue;
use crate::event::{DimensionKind, INTERNAL, Stream};
use crate::rules::predicate::Predicate;
use crate::rules::problem::{Problems, did_you_mean};
use crate::rules::syntax::Node;

/// Bounds that keep the CEL parser's recursion away from the end of the stack.
const EXPRESSION_CHARS_MAX: usize = 4_000;
const NESTING_MAX: usize = 32;
/// Walks over lists. Dimensions are single values, so there is nothing to walk over but literals;
/// nested walks multiply, and a short text would run for ever.
const WALKS: [&str; 5] = [".all(", ".exists(", ".exists_one(", ".filter(", ".map("];

/// The condition of a field, if it is there and sound.
pub(super) fn read(
    stream: Option<Stream>,
    node: Option<&Node>,
    problems: &mut Problems,
) -> Option<Predicate> {
    let node = node?;
    let source = node.text()?.trim();
    if let Some(excess) = excess(source) {
        problems.error(node.at, excess);
        return None;
    }
    let predicate = match Predicate::compile(source) {
        Ok(predicate) => predicate,
        Err(error) => {
            problems.error(node.at, error.to_string());
            return None;
        }
    };
    // Of an unknown stream nothing can be said about dimensions.
    let stream = stream?;
    let mut sound = true;
    for name in predicate.variables() {
        if !has_dimension(stream, &name) {
            sound = false;
            problems.error_with(
                node.at,
                format!(
                    "unknown dimension {name:?} of {} in {source:?}",
                    stream.name()
                ),
                did_you_mean(&name, dimension_names(stream)),
            );
        }
    }
    if sound {
        try_out(stream, &predicate, node, problems);
    }
    sound.then_some(predicate)
}

/// The KQI's filter with its service's condition before it, where the stream tells services apart.
pub(super) fn of_service(
    service: Option<&str>,
    stream: Stream,
    filter: Option<Predicate>,
) -> Option<Predicate> {
    let Some(service) = service.filter(|_| dimension_names(stream).any(|name| name == "service"))
    else {
        return filter;
    };
    let source = match &filter {
        Some(filter) => format!("service == {service:?} && ({})", filter.source()),
        None => format!("service == {service:?}"),
    };
    // Both halves compiled and the id's alphabet is safe, so this compiles; if it ever did not,
    // the id has been reported and no book is handed out.
    Predicate::compile(&source).ok()
}

/// Runs the condition once on a tuple where every dimension has a value of its kind: an expression
/// that has no truth there (`city`, `parts + 1`) would be false everywhere without a word.
fn try_out(stream: Stream, predicate: &Predicate, node: &Node, problems: &mut Problems) {
    let answer = predicate.holds(&mut |name| {
        let dimension = stream
            .dimensions()
            .iter()
            .find(|dimension| dimension.name == name);
        let otherwise = match name {
            INTERNAL => DimensionKind::Flag,
            _ => DimensionKind::Text,
        };
        match dimension.map_or(otherwise, |dimension| dimension.kind) {
            DimensionKind::Text => DimensionValue::Text("x".into()),
            DimensionKind::Flag => DimensionValue::Flag(true),
            DimensionKind::Integer => DimensionValue::Integer(1),
        }
    });
    if let Err(reason) = answer {
        problems.warn(
            node.at,
            format!("condition has no truth on an ordinary fact: {reason}"),
            Some("such facts count as false".to_owned()),
        );
    }
}

/// Why an expression is more than the parser should be given, if it is.
fn excess(source: &str) -> Option<String> {
    let chars = source.chars().count();
    if chars > EXPRESSION_CHARS_MAX {
        return Some(format!(
            "an expression of {chars} characters, the most is {EXPRESSION_CHARS_MAX}"
        ));
    }
    let dense: String = source.chars().filter(|c| !c.is_whitespace()).collect();
    if let Some(walk) = WALKS.iter().find(|walk| dense.contains(*walk)) {
        return Some(format!(
            "{:?} walks over a list, and dimensions are single values: use in or ||",
            walk.trim_matches(['.', '('])
        ));
    }
    // Brackets, chains of prefix operators and conditionals each cost the parser a frame.
    let (mut brackets, mut prefixes, mut conditionals) = (0_usize, 0_usize, 0_usize);
    for c in dense.chars() {
        prefixes = if matches!(c, '!' | '-') {
            prefixes + 1
        } else {
            0
        };
        match c {
            '(' | '[' | '{' => brackets += 1,
            ')' | ']' | '}' => brackets = brackets.saturating_sub(1),
            '?' => conditionals += 1,
            _ => {}
        }
        if brackets + prefixes + conditionals > NESTING_MAX {
            return Some(format!("an expression nested more than {NESTING_MAX} deep"));
        }
    }
    None
}
