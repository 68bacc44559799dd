//! Keys of the dataflow: groups, panes and the updates that travel between operators.

use std::cmp::Ordering;
use std::fmt::Write;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use rustc_hash::{FxHashSet, FxHasher};
use serde::{Deserialize, Serialize};

use crate::event::Tuple;

/// The values of a family's grouping dimensions: one object that is watched.
///
/// Compared and hashed by its label, which names every dimension, so that no worker's numbering
/// leaks into results.
#[derive(Debug, Serialize, Deserialize)]
pub struct Group {
    /// `dim=value;dim=value` in the KQI's own order; `;`, `%` and control characters in values are
    /// percent-encoded, so that a label is one line.
    pub label: String,
    /// Dimension and value, in the KQI's own order.
    pub values: Vec<(String, String)>,
    /// Hash of the label, the same on every worker.
    pub hash: u64,
}

impl Group {
    /// A group of dimension values.
    pub fn new(values: Vec<(String, String)>) -> Group {
        let mut label = String::new();
        for (dimension, value) in &values {
            if !label.is_empty() {
                label.push(';');
            }
            label.push_str(dimension);
            label.push('=');
            push_value(&mut label, value);
        }
        let mut hasher = FxHasher::default();
        label.hash(&mut hasher);
        Group {
            label,
            values,
            hash: hasher.finish(),
        }
    }

    /// The value of a dimension.
    pub fn get(&self, dimension: &str) -> Option<&str> {
        self.values
            .iter()
            .find(|(name, _)| name == dimension)
            .map(|(_, value)| value.as_str())
    }
}

impl PartialEq for Group {
    fn eq(&self, other: &Group) -> bool {
        self.hash == other.hash && self.label == other.label
    }
}

impl Eq for Group {}

impl PartialOrd for Group {
    fn partial_cmp(&self, other: &Group) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Group {
    fn cmp(&self, other: &Group) -> Ordering {
        self.label.cmp(&other.label)
    }
}

impl Hash for Group {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

/// Groups that are held somewhere, each once: equal ones are told apart from others by where they lie, and nobody need read
/// their labels.
#[derive(Default)]
pub(super) struct Groups {
    known: FxHashSet<Arc<Group>>,
    /// With so many more it is looked who holds none of them any more.
    room: usize,
}

impl Groups {
    /// Judgement: below it there is nothing to be gained by looking.
    const ROOM_MIN: usize = 1 << 10;

    /// The one that is held, or this one from now on.
    pub(super) fn share(&mut self, group: Group) -> Arc<Group> {
        if let Some(known) = self.known.get(&group) {
            return known.clone();
        }
        if self.known.len() >= self.room {
            self.known.retain(|known| Arc::strong_count(known) > 1);
            self.room = (2 * self.known.len()).max(Groups::ROOM_MIN);
        }
        let group = Arc::new(group);
        self.known.insert(group.clone());
        group
    }
}

/// Facts of one tuple in one pane: where every fact enters.
pub type TuplePane = (Arc<Tuple>, i64);

/// Facts of one family and group in one pane.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct GroupPane {
    /// Family number.
    pub family: u32,
    /// Group.
    pub group: Arc<Group>,
    /// Start of the pane, ms.
    pub pane_ms: i64,
}

/// Adds a value so that a label can be taken apart again and stays on one line, wherever it is shown:
/// what separates is written as in URLs, and so are line ends and other control characters.
fn push_value(label: &mut String, value: &str) {
    let is_special = |c: char| c == ';' || c == '%' || c.is_control();
    let mut rest = value;
    while let Some(at) = rest.find(is_special) {
        let (plain, special) = rest.split_at(at);
        label.push_str(plain);
        let length = special.chars().next().map_or(0, char::len_utf8);
        for byte in special[..length].bytes() {
            // Writing to a string cannot fail.
            let _ = write!(label, "%{byte:02X}");
        }
        rest = &special[length..];
    }
    label.push_str(rest);
}

/// Start of the pane that holds a time.
///
/// ```
/// assert_eq!(chrysalis::dataflow::pane_of(61_000, 60_000), 60_000);
/// assert_eq!(chrysalis::dataflow::pane_of(-1, 60_000), -60_000);
/// ```
pub fn pane_of(ts_ms: i64, pane_ms: i64) -> i64 {
    ts_ms - ts_ms.rem_euclid(pane_ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_stay_apart() {
        let one = Group::new(vec![("a".into(), "x;b=y".into())]);
        let two = Group::new(vec![("a".into(), "x".into()), ("b".into(), "y".into())]);
        assert_ne!(one, two);
        assert_eq!(two.label, "a=x;b=y");
        assert_eq!(two.get("b"), Some("y"));
    }

    #[test]
    fn equal_groups_are_one_for_as_long_as_somebody_holds_them() {
        let mut groups = Groups::default();
        let mut share = |number: usize| {
            let group = Group::new(vec![("a".into(), number.to_string())]);
            (groups.share(group), groups.known.len())
        };
        let (first, _) = share(0);
        let most = (1..4 * Groups::ROOM_MIN).map(|number| share(number).1);
        assert_eq!(most.max(), Some(Groups::ROOM_MIN));
        let (again, _) = share(0);
        assert!(Arc::ptr_eq(&first, &again));
        let held: Vec<_> = (0..3 * Groups::ROOM_MIN).map(share).collect();
        assert_eq!(
            held.last().map(|(_, known)| *known >= held.len()),
            Some(true)
        );
    }

    #[test]
    fn a_label_is_one_line() {
        let value = "50%\r\n长沙;\u{85}x".to_owned();
        let group = Group::new(vec![("city".into(), value.clone())]);
        assert_eq!(group.label, "city=50%25%0D%0A长沙%3B%C2%85x");
        assert_eq!(group.get("city"), Some(value.as_str()));
    }
}
