//! The windows that speak for open triggers: they come, change with late data, and go.
//!
//! Invariant: what a final trigger was decided on stays as it was.

use std::cmp::Ordering;

use crate::rules::{Severity, Text};
use crate::triggers::TriggerLimits;
use crate::triggers::book::Now;
use crate::triggers::{Crossing, Evidence, Trigger, TriggerBook, Urgency};

/// Newest windows of each KQI that stay while others can go, first of all and where that is not enough. Judgement: three in
/// a row say that it lasts; a KQI of long windows is not to vanish behind one of short ones.
const NEWEST_KEPT: [usize; 3] = [3, 1, 0];

impl TriggerBook {
    /// One more window speaks for the open trigger of an object.
    pub fn support_open(
        &mut self,
        evidence: Evidence,
        severity: Severity,
        complaints: Vec<(Text, i64)>,
        now: Now<'_>,
    ) {
        let windows_max = self.limits.windows_max;
        let Some(trigger) = self.open_mut(&evidence.kqi, &evidence.group_label) else {
            return;
        };
        let (id, before) = (trigger.id.clone(), trigger.severity);
        let gone = trigger.support(Some(evidence), severity, complaints, windows_max);
        self.over_one.windows += gone;
        self.weigh(&id, before, now);
    }

    /// Tells open triggers what their objects come to, by KQI and label: the strongest word of those that
    /// fire. True if a trigger changed. Where nothing can be said any more, the last word stands.
    pub fn cross(
        &mut self,
        crossing_of: impl Fn(&str, &str) -> Option<Crossing>,
        now: Now<'_>,
    ) -> bool {
        let open: Vec<String> = self.open.values().cloned().collect();
        let mut changed = false;
        for id in open {
            let Some(trigger) = self.get(&id) else {
                continue;
            };
            let firing = trigger.sources.iter().filter(|source| source.firing);
            let crossings =
                firing.filter_map(|source| crossing_of(&source.kqi, &source.group_label));
            let crossing = crossings.max().or(trigger.crossing);
            if crossing == trigger.crossing {
                continue;
            }
            if let Some(trigger) = self.edit(&id) {
                trigger.crossing = crossing;
                trigger.urgency = Urgency::of(trigger, now.book);
                changed = true;
            }
        }
        changed
    }

    /// A window of an object has other numbers, or (`None`) does not speak for anything any more.
    pub fn amend(
        &mut self,
        kqi: &str,
        group_label: &str,
        window_ms: (i64, i64),
        numbers: Option<(Option<f64>, Option<f64>, i64)>,
    ) {
        let Some(trigger) = self.open_mut(kqi, group_label) else {
            return;
        };
        trigger.evidence.retain_mut(|known| {
            let is_it = (known.start_ms, known.end_ms) == window_ms
                && (&*known.kqi, &*known.group_label) == (kqi, group_label);
            if !is_it {
                return true;
            }
            if let Some((value, score, samples)) = numbers {
                (known.value, known.score, known.samples) = (value, score, samples);
            }
            numbers.is_some()
        });
    }

    /// An incident never was: its windows speak for nothing, and the history says so. What becomes
    /// of the trigger is for its department to decide. `had_spoken` says whether windows of it spoke
    /// before this cut, which may have taken them already.
    pub fn withdraw(
        &mut self,
        kqi: &str,
        group_label: &str,
        incident: &str,
        had_spoken: bool,
        why: &str,
        now_ms: i64,
    ) {
        let moves_max = self.limits.moves_max;
        let Some(trigger) = self.open_mut(kqi, group_label) else {
            return;
        };
        let before = trigger.evidence.len();
        trigger.evidence.retain(|known| known.incident != incident);
        if trigger.evidence.len() == before && !had_spoken {
            return;
        }
        trigger.say_of(kqi, group_label, true);
        let why = format!("cause withdrawn: {why}");
        self.over_one.moves += trigger.remark_within(moves_max, why, now_ms);
    }

    /// An incident of the object fires, or was after all: where the engine's last word on this cause is
    /// that it never was, the history says that it is one, and these windows speak for it.
    pub fn confirm(
        &mut self,
        kqi: &str,
        group_label: &str,
        evidence: Vec<Evidence>,
        why: &str,
        now_ms: i64,
    ) {
        let TriggerLimits {
            windows_max,
            moves_max,
            ..
        } = self.limits;
        let Some(trigger) = self.open_mut(kqi, group_label) else {
            return;
        };
        if !trigger.say_of(kqi, group_label, false) {
            return;
        }
        let taken = evidence.into_iter();
        let gone: u64 = taken
            .map(|window| trigger.take_in(window, windows_max))
            .sum();
        let why = format!("cause confirmed again: {why}");
        self.over_one.moves += trigger.remark_within(moves_max, why, now_ms);
        self.over_one.windows += gone;
    }

    /// An incident turned out to be a part of another one.
    pub fn reassign(&mut self, kqi: &str, group_label: &str, incident: &str, within: &str) {
        let Some(trigger) = self.open_mut(kqi, group_label) else {
            return;
        };
        for known in &mut trigger.evidence {
            if known.incident == incident {
                within.clone_into(&mut known.incident);
            }
        }
        trigger.evidence.sort_by(order);
        trigger
            .evidence
            .dedup_by(|a, b| order(a, b) == Ordering::Equal);
    }

    /// A KQI is judged by another limit: open triggers show that one. Values in another unit cannot
    /// stand beside it, and go.
    pub fn set_limit(&mut self, kqi: &str, min: Option<f64>, max: Option<f64>, unit: &str) {
        let open: Vec<String> = self.open.values().cloned().collect();
        for id in open {
            let concerns = self
                .get(&id)
                .is_some_and(|trigger| trigger.sources.iter().any(|source| source.kqi == kqi));
            let Some(trigger) = self.edit(&id).filter(|_| concerns) else {
                continue;
            };
            trigger
                .evidence
                .retain(|known| known.kqi != kqi || known.unit == unit);
            if trigger.kqi == kqi {
                (trigger.limit_min, trigger.limit_max) = (min, max);
                unit.clone_into(&mut trigger.unit);
            }
        }
    }
}

impl Trigger {
    /// What an alert says for it. Returns how many windows went because there are more than `windows_max`.
    pub(super) fn support(
        &mut self,
        evidence: Option<Evidence>,
        severity: Severity,
        complaints: Vec<(Text, i64)>,
        windows_max: usize,
    ) -> u64 {
        self.alert_firing = true;
        self.severity = self.severity.max(severity);
        self.hear(complaints);
        evidence.map_or(0, |evidence| self.take_in(evidence, windows_max))
    }

    /// Counts of complaints: the greatest of each since it opened. The last window's is that of an evening on which hardly
    /// anybody complains any more.
    pub(super) fn hear(&mut self, complaints: Vec<(Text, i64)>) {
        for (name, count) in complaints {
            match self.complaints.iter_mut().find(|(known, _)| *known == name) {
                Some((_, most)) => *most = count.max(*most),
                None => self.complaints.push((name, count)),
            }
        }
    }

    /// A window speaks for it, in place of the one that says least where there are `windows_max`. Returns how many went for
    /// that. What is kept under a larger bound stays.
    pub(super) fn take_in(&mut self, evidence: Evidence, windows_max: usize) -> u64 {
        let place = self
            .evidence
            .binary_search_by(|known| order(known, &evidence));
        let at = match place {
            Ok(at) => {
                self.evidence[at] = evidence;
                return 0;
            }
            Err(at) => at,
        };
        self.evidence.insert(at, evidence);
        if self.evidence.len() <= windows_max {
            return 0;
        }
        let at = self.spare();
        self.evidence.remove(at);
        1
    }

    /// The window that says least: the oldest one that is neither the first, nor the furthest out of its KQI, nor among
    /// its KQI's newest; where there are so many KQIs that all are, of these the oldest that is not the own KQI's.
    fn spare(&self) -> usize {
        let all = &self.evidence;
        let furthest: Vec<bool> = (0..all.len()).map(|at| is_furthest(all, at)).collect();
        let is_newest = |at: usize, of: usize| {
            let newer = all[at + 1..].iter();
            newer.filter(|known| known.kqi == all[at].kqi).count() < of
        };
        let mut tries = NEWEST_KEPT.into_iter();
        let spare =
            tries.find_map(|of| (1..all.len()).find(|at| !furthest[*at] && !is_newest(*at, of)));
        let other = || (1..all.len()).find(|at| !furthest[*at] || all[*at].kqi != self.kqi);
        spare.or_else(other).unwrap_or(1)
    }

    /// Notes whether the engine's last word on the cause that an object gave is that it never was; tells
    /// whether that is another word than before.
    fn say_of(&mut self, kqi: &str, group_label: &str, withdrawn: bool) -> bool {
        let mut sources = self.sources.iter_mut();
        sources
            .find(|source| (&*source.kqi, &*source.group_label) == (kqi, group_label))
            .is_some_and(|source| std::mem::replace(&mut source.withdrawn, withdrawn) != withdrawn)
    }
}

/// Whether no other window of its KQI has a value further out at one of both ends, of equal ones the first. Which end is
/// the bad one is the rule's business: how far a value lies outside an interval is greatest at one of them.
fn is_furthest(all: &[Evidence], at: usize) -> bool {
    let Some(value) = all[at].value else {
        return false;
    };
    let others = || {
        let others = all.iter().enumerate();
        let others = others.filter(move |(other, known)| *other != at && known.kqi == all[at].kqi);
        others.filter_map(move |(other, known)| Some((other < at, known.value?)))
    };
    let is_largest = others().all(|(is_before, of)| of < value || of == value && !is_before);
    let is_smallest = others().all(|(is_before, of)| of > value || of == value && !is_before);
    is_largest || is_smallest
}

/// The newest windows last; one window may speak for the incidents of several rules.
fn order(a: &Evidence, b: &Evidence) -> Ordering {
    let windows = (a.end_ms, a.start_ms).cmp(&(b.end_ms, b.start_ms));
    let objects = (&a.kqi, &a.group_label, &a.incident).cmp(&(&b.kqi, &b.group_label, &b.incident));
    windows.then(objects)
}
