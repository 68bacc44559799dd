//! The engine's own alerts on its room: what is told by [`crate::engine::Command::NoteTrouble`].
//!
//! On the journal's clock, as all of the engine's own alerts are. Told twice is told once: only a change of mind
//! is news. Their mails go to the coordinator, or, where the book has none, to its first department.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::alerting::{Alert, AlertState, NoticeReason, Transition, TransitionReason, Trouble};
use crate::engine::instance::incident_of;
use crate::engine::silence::transition;
use crate::rules::Plan;

/// Troubles that there are now.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Troubles {
    firing: BTreeMap<Trouble, Alert>,
    episodes: BTreeMap<Trouble, u32>,
}

/// What is said of a trouble.
#[derive(Clone, Copy, Debug)]
pub(super) struct Told<'a> {
    pub(super) trouble: Trouble,
    pub(super) is_there: bool,
    /// How much there is of what its limit bounds.
    pub(super) held: u64,
    /// Where most of it comes from.
    pub(super) peer: Option<&'a str>,
}

impl Troubles {
    /// Takes what was seen of a trouble; tells what changed by it.
    pub(super) fn note(
        &mut self,
        plan: &Plan,
        told: &Told<'_>,
        now_ms: i64,
    ) -> Option<(Alert, Transition, NoticeReason)> {
        let trouble = told.trouble;
        if !told.is_there {
            let mut alert = self.firing.remove(&trouble)?;
            alert.state = AlertState::Resolved;
            alert.resolved_at_ms = Some(now_ms);
            alert.reason = TransitionReason::WithinLimit;
            let step = transition(&alert, now_ms);
            return Some((alert, step, NoticeReason::Resolved));
        }
        if self.firing.contains_key(&trouble) {
            return None;
        }
        let number = self.episodes.entry(trouble).or_insert(0);
        *number += 1;
        let mut alert = alert(plan, told, *number, now_ms);
        alert.samples = i64::try_from(told.held).unwrap_or(i64::MAX);
        self.firing.insert(trouble, alert.clone());
        let step = transition(&alert, now_ms);
        Some((alert, step, NoticeReason::First))
    }

    /// Alerts that fire.
    pub(super) fn alerts(&self) -> impl Iterator<Item = &Alert> {
        self.firing.values()
    }
}

fn alert(plan: &Plan, told: &Told<'_>, number: u32, now_ms: i64) -> Alert {
    let trouble = told.trouble;
    let department = plan.book.coordinating_department().map(str::to_owned);
    let name = trouble.name();
    let mut group = vec![("limit".to_owned(), trouble.limit().to_owned())];
    group.extend(told.peer.map(|peer| ("peer".to_owned(), peer.to_owned())));
    let own = Alert::of_engine(
        name,
        trouble.title(),
        group,
        TransitionReason::OverLimit,
        now_ms,
    );
    Alert {
        incident: incident_of(name, &own.group_label, Default::default(), number),
        department,
        severity: trouble.severity(),
        ..own
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataflow::{Cut, Watermarks};
    use crate::engine::{Command, Effect, Engine, JournaledCommand};
    use crate::rules::testing::plan;

    const BOOK: &str = "
book: {name: test, version: '1', time_zone: Asia/Shanghai, any_service: true}
streams: {dial_test: {allowed_lateness: 1s, idle_timeout: 5m, retention: 1h}}
departments:
  - id: NOC
    name: {zh: 监控, en: Operations}
    roles: [{id: duty, name: {zh: 值班, en: Duty}, contacts: [{name: n, email: noc@example.com, language: zh}]}]
kqis:
  - {id: one, name: n, layer: platform, stream: dial_test, aggregate: count, group_by: [], window: 1m, unit: count}
";

    fn step(engine: &mut Engine, epoch: u64, is_there: bool) -> Vec<Effect> {
        let cut = Cut {
            epoch,
            now_ms: epoch as i64 * 1_000,
            plan: None,
            watermarks: Watermarks::default(),
            updates: Vec::new(),
            tickets: Vec::new(),
            holds: Vec::new(),
            refused: Vec::new(),
            events: 0,
            overflow: Vec::new(),
            annotations: Vec::new(),
        };
        let trouble = Trouble::DiskLow;
        let command = Command::NoteTrouble {
            trouble,
            is_there,
            held: 7,
            peer: Some("192.0.2.7".to_owned()),
        };
        let command = JournaledCommand {
            position: epoch,
            at_ms: cut.now_ms,
            actor: "engine".to_owned(),
            command,
        };
        engine.step(&cut, &[command])
    }

    fn mails(effects: &[Effect]) -> Vec<(String, NoticeReason, AlertState)> {
        let notices = effects.iter().filter_map(|effect| match effect {
            Effect::Notice(notice) => Some(notice),
            _ => None,
        });
        notices
            .map(|notice| {
                let to = notice.recipient.email.clone();
                (to, notice.reason, notice.alert.state)
            })
            .collect()
    }

    #[test]
    fn it_is_told_when_it_begins_and_when_it_ends_and_a_restart_knows_it() {
        let plan = plan(BOOK);
        let mut engine = Engine::new(plan.clone());
        let to = || "noc@example.com".to_owned();
        let told = step(&mut engine, 1, true);
        assert_eq!(
            mails(&told),
            [(to(), NoticeReason::First, AlertState::Firing)]
        );
        assert!(matches!(
            told[0],
            Effect::Transition(_) | Effect::Answer { .. }
        ));
        assert_eq!(mails(&step(&mut engine, 2, true)), []);
        let shown = engine.snapshot().alerts.clone();
        assert_eq!(Trouble::of(&shown[0]), Some(Trouble::DiskLow));
        let label = "limit=journal.disk_free_bytes_min;peer=192.0.2.7";
        assert_eq!(shown[0].group_label, label);
        let mut pieces = Vec::new();
        let kept = engine.state().pieces(|piece| {
            pieces.push(piece);
            Ok::<_, crate::engine::SaveError>(())
        });
        kept.unwrap();
        let mut engine = Engine::restored(plan, pieces.iter().map(Vec::as_slice)).unwrap();
        assert_eq!(engine.snapshot().alerts.len(), 1);
        assert_eq!(mails(&step(&mut engine, 3, true)), []);
        let ended = mails(&step(&mut engine, 4, false));
        assert_eq!(
            ended,
            [(to(), NoticeReason::Resolved, AlertState::Resolved)]
        );
        assert_eq!(mails(&step(&mut engine, 5, false)), []);
        // The next one is another incident.
        let first = engine.snapshot().alerts[0].incident.clone();
        step(&mut engine, 6, true);
        assert_ne!(engine.snapshot().alerts[0].incident, first);
    }
}
