//! An engine with one KQI on one object, told window by window.

use std::sync::Arc;

use crate::alerting::{Alert, AlertState, Notice, Transition};
use crate::dataflow::{Cell, Cut, Group, Standing, Watermarks, WindowUpdate};
use crate::engine::{Command, Effect, Engine, JournaledCommand, SaveError, Snapshot};
use crate::rules::testing::book;
use crate::rules::{Plan, judge};
use crate::triggers::{Trigger, TriggerState};

pub(super) const MINUTE_MS: i64 = 60_000;

/// Seconds, at most 50; fires at once; one person to tell.
pub(super) const BOOK: &str = "
book: {name: t, version: '1', time_zone: Asia/Shanghai, any_service: true}
departments:
  - {id: D, name: d, roles: [{id: r, name: r, contacts: [{name: a, email: a@example.com}]}]}
alert_policies:
  default: {for: 0s, keep_firing_for: 0s, missing: hold}
kqis:
  - {id: slow, name: n, layer: platform, stream: dial_test, aggregate: mean, group_by: [city], window: 1m, unit: s, interval: {max: 50}, department: D}
";

pub(super) struct Bench {
    engine: Engine,
    plan: Arc<Plan>,
    group: Arc<Group>,
    epoch: u64,
    /// Time that passed between cuts, ms.
    passed_ms: i64,
}

/// Effects of one cut, by kind.
pub(super) struct Told {
    pub(super) notices: Vec<Notice>,
    /// Notices about triggers.
    pub(super) demands: Vec<Notice>,
    pub(super) transitions: Vec<Transition>,
}

impl Bench {
    pub(super) fn new(text: &str) -> Bench {
        let plan = Arc::new(Plan::new(Arc::new(book(text)), None).unwrap());
        Bench {
            engine: Engine::new(plan.clone()),
            plan,
            group: Arc::new(Group::new(vec![("city".into(), "长沙".into())])),
            epoch: 0,
            passed_ms: 0,
        }
    }

    /// One cut with these windows: the minute at which each ends, and its value.
    pub(super) fn cut(&mut self, windows: &[(i64, Option<f64>)]) -> Told {
        self.step(None, windows, &[])
    }

    /// The same, and another book with it.
    pub(super) fn reload(&mut self, text: &str, windows: &[(i64, Option<f64>)]) -> Told {
        let plan = Plan::new(Arc::new(book(text)), Some(&self.plan)).unwrap();
        self.plan = Arc::new(plan);
        let plan = self.plan.clone();
        self.step(Some(plan), windows, &[])
    }

    /// The same, from a checkpoint.
    pub(super) fn restarted(self) -> Bench {
        let mut pieces = Vec::new();
        let keep = |piece| {
            pieces.push(piece);
            Ok::<(), SaveError>(())
        };
        self.engine.state().pieces(keep).unwrap();
        let pieces = pieces.iter().map(Vec::as_slice);
        let engine = Engine::restored(self.plan.clone(), pieces).unwrap();
        Bench { engine, ..self }
    }

    pub(super) fn advance(&mut self, id: &str, to: TriggerState) {
        let command = JournaledCommand {
            position: 1,
            at_ms: self.epoch as i64,
            actor: "王工".to_owned(),
            command: Command::MoveTrigger {
                id: id.to_owned(),
                to,
                reason: None,
                kind: None,
                review_at_ms: None,
                remedy: None,
            },
        };
        self.step(None, &[], &[command]);
        assert_eq!(self.trigger().state, to);
    }

    /// Gives a command.
    pub(super) fn command(&mut self, command: Command) -> Told {
        self.command_by("王工", command)
    }

    /// The same, as somebody else.
    pub(super) fn command_by(&mut self, actor: &str, command: Command) -> Told {
        let command = JournaledCommand {
            position: 1,
            at_ms: self.now_ms(),
            actor: actor.to_owned(),
            command,
        };
        self.step(None, &[], &[command])
    }

    fn step(
        &mut self,
        plan: Option<Arc<Plan>>,
        windows: &[(i64, Option<f64>)],
        commands: &[JournaledCommand],
    ) -> Told {
        self.epoch += 1;
        let updates = windows.iter().map(|(minute, value)| {
            let kqi = &self.plan.book.kqis[0];
            let samples = i64::from(value.is_some()) * 9;
            let (score, verdict) = judge(kqi, samples as u64, *value);
            let cell = Cell {
                kqi: 0,
                samples,
                value: *value,
                expected: None,
                score,
                verdict,
            };
            WindowUpdate {
                group: self.group.clone(),
                start_ms: (minute - 1) * MINUTE_MS,
                end_ms: minute * MINUTE_MS,
                count: samples,
                good: samples,
                standing: Standing::Sealed,
                cells: vec![cell],
            }
        });
        let cut = Cut {
            epoch: self.epoch,
            now_ms: self.now_ms(),
            plan,
            watermarks: Watermarks::default(),
            updates: updates.collect(),
            tickets: Vec::new(),
            holds: Vec::new(),
            annotations: Vec::new(),
            refused: Vec::new(),
            events: 0,
            overflow: Vec::new(),
        };
        let mut told = Told {
            notices: Vec::new(),
            demands: Vec::new(),
            transitions: Vec::new(),
        };
        for effect in self.engine.step(&cut, commands) {
            match effect {
                Effect::Notice(notice) if notice.demand.is_some() => told.demands.push(*notice),
                Effect::Notice(notice) => told.notices.push(*notice),
                Effect::Transition(transition) => told.transitions.push(transition),
                Effect::Feedback(_) => {}
                Effect::Report(told) => panic!("no report is expected: {told:?}"),
                Effect::Answer { .. } => {}
            }
        }
        told
    }

    /// The tick of the last cut, ms.
    pub(super) fn now_ms(&self) -> i64 {
        1_000_000_000 + self.passed_ms + self.epoch as i64
    }

    /// Lets time pass, and looks.
    pub(super) fn pass(&mut self, ms: i64) -> Told {
        self.passed_ms += ms;
        self.cut(&[])
    }

    pub(super) fn snapshot(&self) -> &Snapshot {
        self.engine.snapshot()
    }

    pub(super) fn alerts(&self) -> Vec<Alert> {
        let alerts = self.engine.snapshot().alerts.iter();
        alerts.map(|alert| (**alert).clone()).collect()
    }

    /// State, since and end in minutes, of each alert that is shown.
    pub(super) fn shown(&self) -> Vec<(AlertState, i64, Option<i64>)> {
        let alerts = self.alerts().into_iter();
        let minute = |ms: i64| ms / MINUTE_MS;
        alerts
            .map(|a| {
                let since = minute(a.active_since_ms);
                (a.state, since, a.resolved_at_ms.map(minute))
            })
            .collect()
    }

    pub(super) fn no_trigger(&self) -> bool {
        self.engine.snapshot().triggers.is_empty()
    }

    #[track_caller]
    pub(super) fn trigger(&self) -> Trigger {
        (**self.engine.snapshot().triggers.last().unwrap()).clone()
    }

    /// End in minutes and value of each window that speaks for the trigger.
    #[track_caller]
    pub(super) fn evidence(&self) -> Vec<(i64, f64)> {
        let evidence = self.trigger().evidence.into_iter();
        evidence
            .map(|known| (known.end_ms / MINUTE_MS, known.value.unwrap()))
            .collect()
    }
}

impl Told {
    /// The only notice.
    #[track_caller]
    pub(super) fn notice(self) -> Notice {
        let [notice] = <[Notice; 1]>::try_from(self.notices).unwrap();
        notice
    }
}
