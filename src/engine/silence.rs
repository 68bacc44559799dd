//! The engine's own alerts: a source has fallen silent, or speaks only of the past, so what hangs on
//! it cannot be seen.
//!
//! They are the only alerts on the journal's clock and not on event time, which stands still here.
//! Where many sources of one stream go blind together, one alert speaks for those beyond the first.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::alerting::{Alert, AlertState, NoticeReason, Transition, TransitionReason};
use crate::dataflow::{SourceState, Watermarks};
use crate::engine::episodes::Episodes;
use crate::engine::instance::incident_of;
use crate::engine::limits::EngineLimits;
use crate::event::{SourceId, Stream};
use crate::rules::{Plan, Text};

/// What is wrong with a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
enum Blindness {
    Silent,
    Lagging,
}

/// Who an alert of this kind speaks of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
enum Subject {
    /// One source.
    Source(SourceId, Blindness),
    /// The sources of a stream that have no alert of their own.
    Others(Stream),
}

/// Sources that are blind now.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Silences {
    firing: BTreeMap<Subject, Alert>,
    episodes: Episodes<Subject>,
    /// An alert that goes on speaks of another number of sources than it was shown with.
    #[serde(skip)]
    recounted: bool,
    /// Sources that came to share an alert since the start, because their stream has too many.
    #[serde(skip)]
    unnamed_total: u64,
}

impl Silences {
    /// Compares the sources with what was known; tells what changed.
    pub(super) fn look(
        &mut self,
        plan: &Plan,
        watermarks: &Watermarks,
    ) -> Vec<(Alert, Transition, NoticeReason)> {
        let now_ms = watermarks.now_ms();
        let (blind, others) = self.blind(plan, watermarks);
        let mut changes = Vec::new();
        let over: Vec<Subject> = self
            .firing
            .keys()
            .filter(|subject| match subject {
                Subject::Source(..) => !blind.contains_key(*subject),
                Subject::Others(stream) => !others.contains_key(stream),
            })
            .cloned()
            .collect();
        for subject in over {
            if let Some(mut alert) = self.firing.remove(&subject) {
                alert.state = AlertState::Resolved;
                alert.resolved_at_ms = Some(now_ms);
                let silent = |id: &SourceId| Subject::Source(id.clone(), Blindness::Silent);
                alert.reason = match &subject {
                    Subject::Source(id, Blindness::Lagging) if blind.contains_key(&silent(id)) => {
                        TransitionReason::SourceSilent
                    }
                    _ => TransitionReason::SourceBack,
                };
                changes.push((transition(&alert, now_ms), alert, NoticeReason::Resolved));
            }
        }
        let others = others
            .iter()
            .map(|(stream, (count, since_ms))| (Subject::Others(*stream), *count, *since_ms));
        let named = blind
            .into_iter()
            .map(|(subject, since_ms)| (subject, 1, since_ms));
        for (subject, count, since_ms) in named.chain(others) {
            if matches!(subject, Subject::Others(_)) {
                let before = self.firing.get(&subject).map_or(0, |alert| alert.samples);
                self.unnamed_total += u64::try_from(count - before).unwrap_or_default();
            }
            if let Some(alert) = self.firing.get_mut(&subject) {
                self.recounted |= alert.samples != count;
                alert.samples = count;
                continue;
            }
            let fires = |known: &Subject| self.firing.contains_key(known);
            let number = self.episodes.begin(&subject, fires);
            let mut alert = alert(plan, &subject, number, since_ms, now_ms);
            alert.samples = count;
            self.firing.insert(subject, alert.clone());
            changes.push((transition(&alert, now_ms), alert, NoticeReason::First));
        }
        changes
            .into_iter()
            .map(|(transition, alert, reason)| (alert, transition, reason))
            .collect()
    }

    /// Whether an alert that goes on has another count since this was last asked.
    pub(super) fn take_recounted(&mut self) -> bool {
        std::mem::take(&mut self.recounted)
    }

    /// Puts bounds in force.
    pub(super) fn set_limits(&mut self, limits: EngineLimits) {
        self.episodes.set_limits(limits);
    }

    /// Sources whose episodes are counted, and how many of them went.
    pub(super) fn bound(&self) -> (usize, u64) {
        self.episodes.bound()
    }

    /// Sources that came to share an alert since the start.
    pub(super) fn unnamed_total(&self) -> u64 {
        self.unnamed_total
    }

    /// Alerts that fire.
    pub(super) fn alerts(&self) -> impl Iterator<Item = &Alert> {
        self.firing.values()
    }

    /// Who is blind by name with the last time that was heard of, and by stream how many more.
    fn blind(
        &self,
        plan: &Plan,
        watermarks: &Watermarks,
    ) -> (BTreeMap<Subject, i64>, BTreeMap<Stream, (i64, i64)>) {
        // A stream that no rule reads owes us nothing.
        // Waits come with calls, whose source is told of already.
        let read = plan.book.kqis.iter().map(|kqi| kqi.stream);
        let read: BTreeSet<Stream> = read
            .filter(|of| !matches!(of, Stream::BossWait | Stream::BossOccupancy))
            .collect();
        let subjects: Vec<(Subject, i64)> = watermarks
            .sources()
            .filter(|(id, _)| read.contains(&id.stream))
            .filter_map(|(id, state)| {
                let blindness = blindness(state)?;
                // On the journal's clock, as the alert is: event time may stand anywhere.
                let since_ms = match blindness {
                    Blindness::Silent => state.seen_at_ms,
                    Blindness::Lagging => watermarks.now_ms(),
                };
                Some((Subject::Source(id.clone(), blindness), since_ms))
            })
            .collect();
        let (mut named, mut others) = (BTreeMap::new(), BTreeMap::new());
        let named_max = self.episodes.limits().blind_sources_max;
        let mut taken: BTreeMap<Stream, usize> = BTreeMap::new();
        // Who has an alert keeps it.
        let (known, new): (Vec<_>, Vec<_>) = subjects
            .into_iter()
            .partition(|(subject, _)| self.firing.contains_key(subject));
        for (subject, since_ms) in known.into_iter().chain(new) {
            let Subject::Source(SourceId { stream, .. }, _) = &subject else {
                continue;
            };
            let taken = taken.entry(*stream).or_default();
            if *taken < named_max {
                *taken += 1;
                named.insert(subject, since_ms);
            } else {
                let (count, first_ms) = others.entry(*stream).or_insert((0, since_ms));
                *count += 1;
                *first_ms = since_ms.min(*first_ms);
            }
        }
        (named, others)
    }
}

fn blindness(state: &SourceState) -> Option<Blindness> {
    match (state.idle, state.lagging) {
        (true, _) => Some(Blindness::Silent),
        (false, true) => Some(Blindness::Lagging),
        (false, false) => None,
    }
}

/// The transition that one of the engine's own alerts makes.
pub(super) fn transition(alert: &Alert, at_ms: i64) -> Transition {
    Transition {
        alert: alert.alert.clone(),
        group: alert.group_label.clone(),
        severity: alert.severity,
        state: alert.state,
        at_ms,
        value: None,
        reason: alert.reason,
    }
}

fn alert(plan: &Plan, subject: &Subject, number: u32, since_ms: i64, now_ms: i64) -> Alert {
    let (stream, source, reason) = match subject {
        Subject::Source(id, Blindness::Silent) => (
            id.stream,
            id.name.as_deref(),
            TransitionReason::SourceSilent,
        ),
        Subject::Source(id, Blindness::Lagging) => (
            id.stream,
            id.name.as_deref(),
            TransitionReason::SourceLagging,
        ),
        Subject::Others(stream) => (*stream, Some("*"), TransitionReason::SourceSilent),
    };
    let name = stream.name();
    let text = match (subject, reason) {
        (Subject::Others(_), _) => Text {
            zh: format!("更多数据源静默或滞后：{name}"),
            en: format!("More sources silent or lagging: {name}"),
        },
        (_, TransitionReason::SourceLagging) => Text {
            zh: format!("数据源滞后：{name}"),
            en: format!("Source lagging: {name}"),
        },
        _ => Text {
            zh: format!("数据源静默：{name}"),
            en: format!("Source silent: {name}"),
        },
    };
    let mut group = vec![("stream".to_owned(), name.to_owned())];
    if let Some(source) = source {
        group.push(("source".to_owned(), source.to_owned()));
    }
    let reader = plan.book.kqis.iter().find(|kqi| kqi.stream == stream);
    let own = Alert::of_engine(reason.name(), text, group, reason, since_ms);
    Alert {
        incident: incident_of(reason.name(), &own.group_label, Default::default(), number),
        department: reader.and_then(|kqi| kqi.department.clone()),
        fired_at_ms: Some(now_ms),
        ..own
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataflow::{Cut, Owner};
    use crate::engine::Engine;
    use crate::event::SourceProgress;
    use crate::rules::testing::plan;

    const BLIND_NAMED_MAX: usize = 20;

    const BOOK: &str = "
book: {name: test, version: '1', time_zone: Asia/Shanghai, any_service: true}
streams: {dial_test: {allowed_lateness: 1s, idle_timeout: 5m, retention: 1h}}
kqis:
  - {id: one, name: n, layer: platform, stream: dial_test, aggregate: count, group_by: [], window: 1m, unit: count}
";

    fn looks(
        marks: &mut Watermarks,
        plan: &Plan,
        silences: &mut Silences,
        now_ms: i64,
    ) -> Vec<Alert> {
        marks.tick(now_ms, &plan.book);
        silences
            .look(plan, marks)
            .into_iter()
            .map(|(alert, ..)| alert)
            .collect()
    }

    /// An event of each of a thousand probes.
    fn thousand_probes(marks: &mut Watermarks, ts_ms_max: i64) {
        for number in 0..1_000 {
            let name = Some(format!("probe-{number}").as_str().into());
            marks.observe(
                SourceId {
                    stream: Stream::DialTest,
                    name,
                },
                SourceProgress {
                    ts_ms_max,
                    events: 1,
                },
                Owner::default(),
            );
        }
    }

    #[test]
    fn a_dead_gateway_is_not_a_thousand_mails() {
        let plan = plan(BOOK);
        let (mut marks, mut silences) = (Watermarks::default(), Silences::default());
        thousand_probes(&mut marks, 1_000);
        assert_eq!(looks(&mut marks, &plan, &mut silences, 1_000), []);
        let told: Vec<Alert> = (2..=302)
            .flat_map(|second| looks(&mut marks, &plan, &mut silences, second * 1_000))
            .collect();
        assert_eq!(told.len(), BLIND_NAMED_MAX + 1);
        let others = told.last().unwrap();
        assert_eq!(others.group_label, "stream=dial_test;source=*");
        assert_eq!(others.samples, 1_000 - BLIND_NAMED_MAX as i64);
        assert_eq!(silences.unnamed_total(), 1_000 - BLIND_NAMED_MAX as u64);
        // They come back: as many ends as beginnings.
        thousand_probes(&mut marks, 303_000);
        let ended = looks(&mut marks, &plan, &mut silences, 303_000);
        assert_eq!(ended.len(), BLIND_NAMED_MAX + 1);
        assert!(
            ended
                .iter()
                .all(|alert| alert.state == AlertState::Resolved)
        );
        assert_eq!(silences.alerts().count(), 0);
    }

    #[test]
    fn readers_see_how_many_more_are_silent_when_only_their_number_changes() {
        let plan = plan(BOOK);
        let (mut marks, mut engine) = (Watermarks::default(), Engine::new(plan.clone()));
        let speak = |marks: &mut Watermarks, number: usize| {
            let name = Some(format!("probe-{number:03}").as_str().into());
            let stream = Stream::DialTest;
            let progress = SourceProgress {
                ts_ms_max: 1_000,
                events: 1,
            };
            marks.observe(SourceId { stream, name }, progress, Owner::default());
        };
        (0..BLIND_NAMED_MAX + 2).for_each(|number| speak(&mut marks, number));
        let mut shown = Vec::new();
        for second in 1..=400 {
            if second == 60 {
                // One of them a minute after the others.
                speak(&mut marks, BLIND_NAMED_MAX + 1);
            }
            marks.tick(second * 1_000, &plan.book);
            let cut = Cut {
                epoch: second as u64,
                now_ms: second * 1_000,
                plan: None,
                watermarks: marks.clone(),
                updates: Vec::new(),
                tickets: Vec::new(),
                holds: Vec::new(),
                annotations: Vec::new(),
                refused: Vec::new(),
                events: 0,
                overflow: Vec::new(),
            };
            engine.step(&cut, &[]);
            let alerts = &engine.snapshot().alerts;
            let others = alerts.iter().find(|alert| alert.group_label.ends_with('*'));
            shown.push(others.map_or(0, |alert| alert.samples));
        }
        shown.dedup();
        assert_eq!(shown, [0, 1, 2]);
    }
}
