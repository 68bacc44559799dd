//! One alert rule on one object: its timeline, its newest window, and whom it told.

use std::collections::{BTreeMap, VecDeque};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use rustc_hash::FxHasher;

use crate::alerting::{
    Alert, AlertState, ChartPoint, Episode, Lifecycle, Mark, Phase, Reading, Timeline,
    TransitionReason,
};
use crate::dataflow::{Cell, Group, Standing, WindowUpdate};
use crate::rules::{Aggregate, AlertRule, Contact, Kqi, Plan, RuleBook, Unit, Verdict};

/// Windows kept for the chart of a notice.
const CHART_WINDOWS_MAX: usize = 60;

/// One alert rule on one object.
pub(super) struct Instance {
    pub(super) group: Arc<Group>,
    /// Plan under which it began, and the end of its first window: after a rule came back, or the
    /// past was forgotten, numbers begin anew, and incidents must not.
    born: (u64, i64),
    pub(super) timeline: Timeline,
    pub(super) recent: VecDeque<ChartPoint>,
    pub(super) newest: Option<(i64, i64, Cell)>,
    /// Worst value of the present episode.
    pub(super) worst: Option<f64>,
    pub(super) reason: TransitionReason,
    /// Whom its episodes were told to, by number: a correction may concern any that is remembered.
    pub(super) told: BTreeMap<u32, Told>,
}

/// Whom an incident was told to, and how often.
#[derive(Default)]
pub(super) struct Told {
    pub(super) revision: u32,
    pub(super) recipients: Vec<Contact>,
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

impl<'a> Watch<'a> {
    /// The rule of that number, with its KQI.
    pub(super) fn of(plan: &'a Plan, rule: usize) -> Option<Watch<'a>> {
        let book = &*plan.book;
        let rule = book.alerts.get(rule)?;
        let kqi = book.kqis.iter().find(|kqi| kqi.id == rule.kqi)?;
        Some(Watch { rule, kqi, book })
    }

    /// How its windows become an alert.
    pub(super) fn reading(&self) -> Reading {
        // Nothing to count is an answer: zero. Nothing to measure is none.
        let counts = matches!(
            self.kqi.aggregate,
            Aggregate::Count | Aggregate::RatePer10k { .. } | Aggregate::Change { .. }
        );
        Reading {
            lifecycle: Lifecycle::of(self.rule),
            hop_ms: self.kqi.window.hop_ms,
            empty: if counts { Mark::Clear } else { Mark::Missing },
        }
    }
}

impl Instance {
    pub(super) fn new(group: Arc<Group>, plan_version: u64, first_end_ms: i64) -> Instance {
        Instance {
            group,
            born: (plan_version, first_end_ms),
            timeline: Timeline::default(),
            recent: VecDeque::new(),
            newest: None,
            worst: None,
            reason: TransitionReason::Breach,
            told: BTreeMap::new(),
        }
    }

    /// Notes a window's value for charts and texts.
    pub(super) fn note(&mut self, update: &WindowUpdate, cell: &Cell, kqi: &Kqi) {
        let value = cell
            .value
            .filter(|_| cell.verdict.is_judged() || cell.verdict == Verdict::Suppressed);
        let point = ChartPoint {
            end_ms: update.end_ms,
            value,
        };
        match self
            .recent
            .binary_search_by_key(&update.end_ms, |point| point.end_ms)
        {
            Ok(at) => self.recent[at] = point,
            Err(at) => self.recent.insert(at, point),
        }
        if self.recent.len() > CHART_WINDOWS_MAX {
            self.recent.pop_front();
        }
        if update.standing == Standing::Removed {
            return;
        }
        if self
            .newest
            .is_none_or(|(_, end_ms, _)| end_ms <= update.end_ms)
        {
            self.newest = Some((update.start_ms, update.end_ms, *cell));
        }
        if let (Verdict::Abnormal(_), Some(value)) = (cell.verdict, cell.value) {
            let low_is_bad = kqi.interval.min.is_some_and(|min| value < min);
            self.worst = Some(match self.worst {
                Some(worst) if low_is_bad => worst.min(value),
                Some(worst) => worst.max(value),
                None => value,
            });
        }
    }

    /// Identity of one of its incidents.
    pub(super) fn incident(&self, alert: &str, number: u32) -> String {
        incident_of(alert, &self.group.label, self.born, number)
    }

    /// The alert as people see it; `episode` is the firing that it speaks of, if any.
    pub(super) fn alert(
        &self,
        watch: Watch<'_>,
        episode: Option<Episode>,
        trigger: Option<String>,
    ) -> Alert {
        let Watch { rule, kqi, book } = watch;
        let phase = self.timeline.phase();
        let (state, since_ms, severity) = match (episode, phase) {
            (Some(episode), _) => {
                let over = episode.resolved_at_ms.is_some();
                let state = if over {
                    AlertState::Resolved
                } else {
                    AlertState::Firing
                };
                (state, episode.since_ms, episode.severity)
            }
            (None, Phase::Pending { since_ms, severity }) => {
                (AlertState::Pending, since_ms, severity)
            }
            (None, _) => (AlertState::Resolved, 0, crate::rules::Severity::Warning),
        };
        let service = kqi.service.as_deref().or_else(|| self.group.get("service"));
        let service_name = book
            .services
            .iter()
            .find(|known| Some(known.id.as_str()) == service);
        let (start_ms, end_ms, cell) = self.newest.unwrap_or((0, 0, Cell::absent(0)));
        Alert {
            alert: rule.id.clone(),
            incident: self.incident(&rule.id, episode.map_or(0, |episode| episode.number)),
            kqi: Some(kqi.id.clone()),
            name: kqi.name.clone(),
            service: service.map(str::to_owned),
            service_name: service_name.map(|service| service.name.clone()),
            layer: Some(kqi.layer),
            department: kqi.department.clone(),
            group_label: self.group.label.clone(),
            group: self.group.values.clone(),
            severity,
            state,
            active_since_ms: since_ms,
            fired_at_ms: episode.map(|episode| episode.fired_at_ms),
            resolved_at_ms: episode.and_then(|episode| episode.resolved_at_ms),
            reason: self.reason,
            value: cell.value,
            worst_value: self.worst,
            score: cell.score,
            samples: cell.samples,
            limit_min: kqi.interval.min,
            limit_max: kqi.interval.max,
            unit: unit_text(&kqi.unit),
            window_ms: (start_ms, end_ms),
            trigger,
        }
    }
}

/// Identity of an incident: of the alert, the object, when that began to be watched, and the count
/// of its firings since.
pub(super) fn incident_of(alert: &str, group_label: &str, born: (u64, i64), number: u32) -> String {
    let mut hasher = FxHasher::default();
    (alert, group_label, born, number).hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

/// The unit as people write it.
pub(super) fn unit_text(unit: &Unit) -> String {
    match unit {
        Unit::Ratio | Unit::Count => String::new(),
        Unit::Percent => "%".to_owned(),
        Unit::Milliseconds => "ms".to_owned(),
        Unit::Seconds => "s".to_owned(),
        Unit::Per10k => "per 10k".to_owned(),
        Unit::Other(text) => text.clone(),
    }
}

/// Whether two rules read windows alike, so that a timeline can go on under the other.
pub(super) fn reads_alike(old: Watch<'_>, new: Watch<'_>) -> bool {
    old.kqi.window == new.kqi.window
        && old.kqi.group_by == new.kqi.group_by
        && old.rule.kqi == new.rule.kqi
}
