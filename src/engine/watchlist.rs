//! Who watches what: the rules of the book in force, by number, with the KQIs that they read.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::alerting::{Lifecycle, Limit, Mark, Reading};
use crate::engine::crossing::Side;
use crate::engine::instance::unit_text;
use crate::engine::unalerted::has_limit;
use crate::rules::{Aggregate, AlertRule, Kqi, Plan, RuleBook};

/// The plan in force, with an index from rules to KQIs and back.
pub(super) struct Watchlist {
    pub(super) plan: Arc<Plan>,
    /// For each rule of the book, the number of its KQI.
    kqis: Vec<Option<usize>>,
    /// For each KQI of the book, the numbers of the rules that watch it.
    watchers: Vec<Vec<usize>>,
    /// For each KQI of the book, whether its windows are asked for beside complaints, though it has no alert.
    beside: Vec<bool>,
}

/// A rule with everything that reading its windows needs.
#[derive(Clone, Copy)]
pub(super) struct Watch<'a> {
    pub(super) rule: &'a AlertRule,
    pub(super) kqi: &'a Kqi,
    pub(super) book: &'a RuleBook,
}

/// A rule on one object.
#[derive(Clone, Copy)]
pub(super) struct Object<'a> {
    pub(super) watch: Watch<'a>,
    /// Number of the rule in the book.
    pub(super) rule: usize,
    /// Label of the group.
    pub(super) label: &'a Arc<str>,
}

impl Watchlist {
    pub(super) fn new(plan: Arc<Plan>) -> Watchlist {
        let book = &plan.book;
        let numbers: FxHashMap<&str, usize> = book
            .kqis
            .iter()
            .enumerate()
            .map(|(number, kqi)| (kqi.id.as_str(), number))
            .collect();
        let mut watchers = vec![Vec::new(); book.kqis.len()];
        let mut kqis = Vec::with_capacity(book.alerts.len());
        for (rule, alert) in book.alerts.iter().enumerate() {
            let kqi = numbers.get(alert.kqi.as_str()).copied();
            if let Some(kqi) = kqi {
                watchers[kqi].push(rule);
            }
            kqis.push(kqi);
        }
        let side = |number: &usize| Side::of_kqi(&book.kqis[*number], book);
        // Blind spots are told of complaints that alert: without such an alert nobody asks.
        let mut watched = kqis.iter().flatten();
        let is_asked = watched.any(|number| side(number) == Some(Side::Complaints));
        let unwatched = watchers.iter().map(Vec::is_empty).enumerate();
        let beside = unwatched
            .map(|(number, is_unwatched)| {
                let has_limit = has_limit(&book.kqis[number]);
                is_asked && is_unwatched && has_limit && side(&number) == Some(Side::Kqis)
            })
            .collect();
        Watchlist {
            plan,
            kqis,
            watchers,
            beside,
        }
    }

    /// Number of rules.
    pub(super) fn rules(&self) -> usize {
        self.kqis.len()
    }

    /// Numbers of the rules that watch a KQI.
    pub(super) fn watchers(&self, kqi: usize) -> &[usize] {
        self.watchers.get(kqi).map_or(&[], Vec::as_slice)
    }

    /// Whether a KQI's windows are asked for beside complaints, though it has no alert.
    pub(super) fn is_beside(&self, kqi: usize) -> bool {
        self.beside.get(kqi).is_some_and(|is_beside| *is_beside)
    }

    /// Whether a KQI's windows have the same values in another book.
    pub(super) fn measures_alike_in(&self, new: &Watchlist, kqi: &str) -> bool {
        let find = |of: &Watchlist| {
            let kqis = &of.plan.book.kqis;
            kqis.iter().position(|known| known.id == kqi)
        };
        match (find(self), find(new)) {
            (Some(old), Some(at)) => {
                measures_alike(&self.plan.book.kqis[old], &new.plan.book.kqis[at])
            }
            _ => false,
        }
    }

    /// Whether a KQI has the same windows of the same objects in another book, and they are asked for there without an alert.
    pub(super) fn has_same_windows_unalerted_in(&self, new: &Watchlist, kqi: &str) -> bool {
        let find = |of: &Watchlist| {
            let kqis = &of.plan.book.kqis;
            kqis.iter().position(|known| known.id == kqi)
        };
        let Some((old, at)) = find(self).zip(find(new)) else {
            return false;
        };
        let (before, after) = (&self.plan.book.kqis[old], &new.plan.book.kqis[at]);
        new.is_beside(at) && has_same_windows(before, after)
    }

    /// The rule of that number, with its KQI.
    pub(super) fn watch(&self, rule: usize) -> Option<Watch<'_>> {
        let book = &*self.plan.book;
        let kqi = book.kqis.get((*self.kqis.get(rule)?)?)?;
        let rule = book.alerts.get(rule)?;
        Some(Watch { rule, kqi, book })
    }
}

impl Watch<'_> {
    /// How its windows become an alert.
    pub(super) fn reading(&self) -> Reading {
        // Nothing to count is an answer: zero. Nothing to measure is none.
        let counts = !self.kqi.compares_means()
            && matches!(
                self.kqi.aggregate,
                Aggregate::Count
                    | Aggregate::RatePer10k { .. }
                    | Aggregate::Change { .. }
                    | Aggregate::Surge { .. }
            );
        Reading {
            lifecycle: Lifecycle::of(self.rule, self.kqi.window.hop_ms),
            empty: if counts { Mark::Clear } else { Mark::Missing },
        }
    }

    /// The limit that it judges by.
    pub(super) fn limit(&self) -> Limit {
        Limit {
            min: self.kqi.interval.min,
            max: self.kqi.interval.max,
            unit: unit_text(&self.kqi.unit),
        }
    }

    /// Whether it is about the same windows of the same objects, so that a timeline can go on.
    pub(super) fn reads_alike(&self, new: &Watch<'_>) -> bool {
        has_same_windows(self.kqi, new.kqi) && self.rule.kqi == new.rule.kqi
    }

    /// Whether its windows have the same values: everything but what only people read is the same.
    pub(super) fn measures_alike(&self, new: &Watch<'_>) -> bool {
        measures_alike(self.kqi, new.kqi)
    }

    /// Whether it comes to the same verdicts: the values, the rule, and what bears on all rules.
    pub(super) fn judges_alike(&self, new: &Watch<'_>) -> bool {
        self.measures_alike(new)
            && self.rule == new.rule
            && self.book.mms == new.book.mms
            && self.book.suppressing_annotations == new.book.suppressing_annotations
            && self.book.places == new.book.places
    }
}

/// Whether two definitions have the same windows of the same objects, whatever is in them.
fn has_same_windows(old: &Kqi, new: &Kqi) -> bool {
    old.window == new.window && old.group_by == new.group_by && old.stream == new.stream
}

/// Whether two definitions give windows the same values.
fn measures_alike(old: &Kqi, new: &Kqi) -> bool {
    let relabelled = Kqi {
        name: new.name.clone(),
        layer: new.layer,
        department: new.department.clone(),
        provenance: new.provenance.clone(),
        ..old.clone()
    };
    relabelled == *new
}
