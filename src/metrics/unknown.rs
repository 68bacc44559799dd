//! Fields that nobody knows, by name: as many names as `http.unknown_fields_max` have a series of their own.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use crate::api::HttpConfig;
use crate::metrics::Metrics;

/// The limit of names.
pub(super) const LIMIT: &str = "http.unknown_fields_max";

/// Longest field name that becomes a label, bytes: of the page's form, as the word for several names that a batch left out.
const FIELD_BYTES_MAX: usize = 64;

/// Names that have a series, and how often a field came whose name has none for lack of room.
#[derive(Debug, Default)]
pub(super) struct Names(Mutex<(BTreeSet<String>, u64)>);

impl Names {
    /// The series of a field that came with so many lines, where there may be so many.
    fn label<'a>(&self, name: &'a str, lines: u64, names_max: u64) -> &'a str {
        if name.len() > FIELD_BYTES_MAX || name == "…" {
            return "other";
        }
        let mut names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (known, over_total) = &mut *names;
        if known.contains(name) {
            return name;
        }
        if known.len() as u64 >= names_max {
            *over_total += lines;
            return "other";
        }
        known.insert(name.to_owned());
        name
    }

    /// How many names there are, and how many lines had another one.
    pub(super) fn bound(&self) -> (u64, u64) {
        let names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        (names.0.len() as u64, names.1)
    }
}

impl Metrics {
    /// Lines had fields that nobody knows.
    pub(crate) fn unknown_fields(&self, fields: &BTreeMap<String, u64>) {
        let otherwise = || HttpConfig::default().unknown_fields_max as u64;
        let names_max = self.limit(LIMIT).unwrap_or_else(otherwise);
        for (name, lines) in fields {
            let label = self.unknown_names.label(name, *lines, names_max);
            self.unknown_fields
                .with_label_values(&[label])
                .inc_by(*lines);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_beyond_the_bound_are_other_and_counted() {
        let names = Names::default();
        assert_eq!(names.label("a", 1, 2), "a");
        assert_eq!(names.label("b", 1, 2), "b");
        assert_eq!(names.label("c", 7, 2), "other");
        assert_eq!(names.label("a", 1, 2), "a");
        // Too long for a label, which is no lack of room.
        assert_eq!(names.label(&"x".repeat(65), 1, 9), "other");
        assert_eq!(names.label("…", 1, 9), "other");
        assert_eq!(names.bound(), (2, 7));
    }
}
