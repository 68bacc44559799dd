//! The open and closed triggers, and the indexes that keep one trigger per cause.
//!
//! Invariants:
//! * at most one trigger that is not closed for one (service, cause, place), and none that is worked on for a city
//!   while one of its province is;
//! * at most `open_max` that are not closed: beyond it none opens, and that is counted. The alert is
//!   mailed all the same, and its next incident asks again;
//! * identifiers count up and are never used again;
//! * every trigger has an owner; every change of state is in its history.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::rules::{Contact, RuleBook, Text};
use crate::triggers::limits::{OverOne, TriggerLimits};
use crate::triggers::process::Process;
use crate::triggers::samples::Samples;
use crate::triggers::tickets::Tickets;
use crate::triggers::trigger::{Explanation, Outcome};
use crate::triggers::{Cause, Trigger, TriggerState};

/// Actor of moves that the engine makes itself.
pub const ENGINE: &str = "engine";

/// When something happens, and under which rules.
#[derive(Clone, Copy, Debug)]
pub struct Now<'a> {
    /// The rule book in force.
    pub book: &'a RuleBook,
    /// The journal's clock, ms.
    pub at_ms: i64,
}

/// Why somebody is told of a trigger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum NewsReason {
    /// The lead shall review it, or the coordinator find its owner.
    ReviewAsked,
    /// It asks a department.
    Assigned,
    /// Its due time comes near.
    Reminder,
    /// It is overdue and climbs the chain.
    Overdue,
    /// It goes to another department.
    HandedOver,
    /// Somebody has accepted it, or begun work.
    Progressed,
    /// The department has answered: mended, or not optimised.
    Answered,
    /// It is over.
    Closed,
    /// It did not help, or came back.
    Reopened,
    /// Late data say something else of its effect.
    Measured,
    /// Its severity rose, and with that its due time or who gets copies.
    Raised,
}

/// Something to tell people of a trigger.
#[derive(Clone, Debug, PartialEq)]
pub struct News {
    /// The trigger at that moment.
    pub trigger: Arc<Trigger>,
    /// Number of this news of the trigger, from 1.
    pub revision: u32,
    /// Why.
    pub reason: NewsReason,
    /// What else its readers would have been told of the same trigger by the same step.
    pub also: Vec<NewsReason>,
    /// Whom, each with the department and role that they are told for.
    pub recipients: Vec<(Contact, Option<(Text, Text)>)>,
    /// When it was decided, by the journal's clock, ms.
    pub at_ms: i64,
}

/// A new explanation for the front line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// The trigger.
    pub id: String,
    /// Number of the explanation, from 1.
    pub number: u32,
    /// The explanation.
    pub explanation: Explanation,
    /// How the work had come out, by its name.
    pub outcome: Option<&'static str>,
    /// When an answer was due, ms.
    pub due_ms: Option<i64>,
}

/// All triggers.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct TriggerBook {
    pub(super) limits: TriggerLimits,
    pub(super) triggers: BTreeMap<String, Arc<Trigger>>,
    /// The one that is not closed, by its cause.
    pub(super) open: BTreeMap<Cause, String>,
    /// The newest that is closed, by its cause.
    pub(super) closed: BTreeMap<Cause, String>,
    /// Triggers that an object speaks for, by KQI and label: the newest last, and before it those that were open when it went
    /// on to the next one. They are forgotten with their triggers.
    pub(super) objects: BTreeMap<(String, String), Vec<String>>,
    /// What is looked at next, by its time.
    pub(super) alarms: BTreeSet<(i64, String)>,
    pub(super) tickets: Tickets,
    pub(super) process: Process,
    pub(super) samples: Samples,
    refused_total: u64,
    /// Final triggers that went because there were too many.
    forgotten_total: u64,
    /// What bounds of one trigger did since the start.
    #[serde(skip)]
    pub(super) over_one: OverOne,
    /// Triggers that objects speak for which are not among their sources: all objects are looked through when one is forgotten.
    /// A start finds them anew.
    #[serde(skip)]
    pub(super) unnamed: BTreeSet<String>,
    /// News of the step under way.
    #[serde(skip)]
    pub(super) news: Vec<News>,
    /// Explanations of the step under way.
    #[serde(skip)]
    pub(super) said: Vec<Said>,
}

impl TriggerBook {
    /// An empty book.
    pub fn new(limits: TriggerLimits) -> TriggerBook {
        let mut book = TriggerBook::default();
        book.set_limits(limits);
        book
    }

    /// Every trigger, by identifier.
    pub fn triggers(&self) -> impl Iterator<Item = &Arc<Trigger>> {
        self.triggers.values()
    }

    /// One of them.
    pub fn get(&self, id: &str) -> Option<&Arc<Trigger>> {
        self.triggers.get(id)
    }

    /// Triggers that were not opened because too many were open.
    pub fn refused_total(&self) -> u64 {
        self.refused_total
    }

    /// Final triggers that went because there were too many.
    pub fn forgotten_total(&self) -> u64 {
        self.forgotten_total
    }

    /// Triggers that are not final, and those that are.
    pub fn held(&self) -> (usize, usize) {
        (self.open.len(), self.triggers.len() - self.open.len())
    }

    /// How many there may be that are not final, and that are.
    pub fn limits(&self) -> (usize, usize) {
        (self.limits.open_max, self.limits.final_max)
    }

    /// The trigger that one is a part of by now: what absorbed it may have been absorbed itself.
    pub fn now_within<'a>(&'a self, id: &'a str) -> &'a str {
        let mut id = id;
        // Places have three widths.
        for _ in 0..3 {
            match self.get(id).and_then(|trigger| trigger.outcome.as_ref()) {
                Some(Outcome::Absorbed { into }) => id = into,
                _ => break,
            }
        }
        id
    }

    /// Windows of evidence that a trigger may have.
    pub fn windows_max(&self) -> usize {
        self.limits.windows_max
    }

    /// What KQIs of the process average.
    pub fn samples(&self) -> &Samples {
        &self.samples
    }

    /// Forgets samples that no window reaches any more.
    pub fn forget_samples_before(&mut self, at_ms: i64) {
        self.samples.forget_before(at_ms);
    }

    /// Counters of the process.
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// The newest trigger that an object speaks for, closed or not.
    pub fn newest(&self, kqi: &str, group_label: &str) -> Option<&Arc<Trigger>> {
        let holders = self
            .objects
            .get(&(kqi.to_owned(), group_label.to_owned()))?;
        self.triggers.get(holders.last()?)
    }

    /// What agents tell customers since this was asked last.
    pub fn take_said(&mut self) -> Vec<Said> {
        std::mem::take(&mut self.said)
    }

    /// The alert of an object is over, for every trigger that it spoke for; they stay with their departments.
    /// Agents hear that it is over, and that its cause is still looked into.
    pub fn alert_ended(&mut self, kqi: &str, group_label: &str, now: Now<'_>) {
        let key = (kqi.to_owned(), group_label.to_owned());
        for id in self.objects.get(&key).cloned().unwrap_or_default() {
            let fired = self.get(&id).is_some_and(|trigger| trigger.alert_firing);
            self.quiet(&id, kqi, group_label);
            self.explain_firing(&id, fired, now);
        }
    }

    /// An object's alert fires no more for a trigger.
    fn quiet(&mut self, id: &str, kqi: &str, group_label: &str) {
        let Some(trigger) = self.edit(id) else {
            return;
        };
        for source in &mut trigger.sources {
            if source.kqi == kqi && source.group_label == group_label {
                source.firing = false;
            }
        }
        trigger.alert_firing = trigger.sources.iter().any(|source| source.firing);
    }

    /// An object speaks for a trigger from now on: it fires no more for one that is over.
    pub(super) fn hold(&mut self, kqi: &str, group_label: &str, id: &str) {
        let key = (kqi.to_owned(), group_label.to_owned());
        let mut holders = self.objects.remove(&key).unwrap_or_default();
        holders.retain(|known| known != id);
        let is_open = |of: &String| self.get(of).is_some_and(|of| !of.state.is_final());
        let (mut open, over): (Vec<String>, Vec<String>) = holders.into_iter().partition(is_open);
        for of in over {
            self.quiet(&of, kqi, group_label);
        }
        open.push(id.to_owned());
        self.objects.insert(key, open);
    }

    /// A trigger is forgotten, or an object never spoke for it.
    pub(super) fn let_go(&mut self, kqi: &str, group_label: &str, id: &str) {
        let key = (kqi.to_owned(), group_label.to_owned());
        let Some(holders) = self.objects.get_mut(&key) else {
            return;
        };
        holders.retain(|known| known != id);
        if holders.is_empty() {
            self.objects.remove(&key);
        }
    }

    /// Says to agents that an unanswered trigger's alert fires, or does so no more, if that is news.
    pub(super) fn explain_firing(&mut self, id: &str, fired: bool, now: Now<'_>) {
        let trigger = self.triggers.get(id);
        let is_news = trigger
            .is_some_and(|trigger| trigger.alert_firing != fired && trigger.state.is_unanswered());
        if is_news {
            self.explain(id, now);
        }
    }

    /// A trigger to be changed; who reads an earlier copy keeps it.
    pub(super) fn edit(&mut self, id: &str) -> Option<&mut Trigger> {
        self.triggers.get_mut(id).map(Arc::make_mut)
    }

    /// The trigger that an object speaks for, while it is not closed.
    pub(super) fn open_mut(&mut self, kqi: &str, group_label: &str) -> Option<&mut Trigger> {
        let id = self.newest(kqi, group_label)?.id.clone();
        self.edit(&id).filter(|trigger| !trigger.state.is_final())
    }

    /// Whether another trigger may open; one that may not is counted.
    pub(super) fn has_room(&mut self) -> bool {
        let has_room = self.open.len() < self.limits.open_max;
        self.refused_total += u64::from(!has_room);
        has_room
    }

    /// Brings the indexes in line with a trigger that has just been closed.
    pub(super) fn file_away(&mut self, id: &str) {
        let Some(trigger) = self.triggers.get(id) else {
            return;
        };
        let cause = trigger.cause.clone();
        if let Some(deadline) = trigger.deadline {
            self.alarms.remove(&(deadline.next_ms, id.to_owned()));
        }
        if let Some(at_ms) = trigger.rests_until_ms() {
            self.alarms.insert((at_ms, id.to_owned()));
        }
        if self.open.get(&cause).is_some_and(|open| open == id) {
            self.open.remove(&cause);
        }
        self.closed.insert(cause, id.to_owned());
        self.forget();
    }

    /// Says something about a trigger to people, once each.
    pub(super) fn tell(
        &mut self,
        id: &str,
        reason: NewsReason,
        recipients: Vec<(Contact, Option<(Text, Text)>)>,
        now: Now<'_>,
    ) {
        let mut once: Vec<(Contact, Option<(Text, Text)>)> = Vec::new();
        for (who, role) in recipients {
            if !once.iter().any(|(known, _)| known.email == who.email) {
                once.push((who, role));
            }
        }
        let (told_max, mut untold) = (self.limits.told_max, 0);
        let Some(trigger) = self.edit(id).filter(|_| !once.is_empty()) else {
            return;
        };
        trigger.revision += 1;
        for (who, _) in &once {
            let known = trigger.told.iter().any(|told| told.email == who.email);
            if known {
                continue;
            }
            if trigger.told.len() < told_max {
                trigger.told.push(who.clone());
            } else {
                untold += 1;
            }
        }
        let revision = trigger.revision;
        self.over_one.told += untold;
        if let Some(trigger) = self.triggers.get(id).cloned() {
            self.news.push(News {
                trigger,
                revision,
                reason,
                also: Vec::new(),
                recipients: once,
                at_ms: now.at_ms,
            });
        }
    }

    /// Everybody who was told of a trigger before, and who stands in for its owner today.
    pub(super) fn told(&self, id: &str, now: Now<'_>) -> Vec<(Contact, Option<(Text, Text)>)> {
        let Some(trigger) = self.triggers.get(id) else {
            return Vec::new();
        };
        let is_away = now.book.is_away(&trigger.owner.person, now.at_ms);
        let stands_in = self.owner_of(id, now).filter(|_| is_away);
        let told = trigger.told.iter().map(|who| (who.clone(), None));
        told.chain(stands_in.map(|(who, _)| (who, None))).collect()
    }

    /// Keeps the number of closed triggers within bounds.
    pub(super) fn forget(&mut self) {
        let excess = (self.triggers.len() - self.open.len()).saturating_sub(self.limits.final_max);
        if excess == 0 {
            return;
        }
        let ended = self
            .triggers
            .values()
            .filter(|t| t.state == TriggerState::Closed);
        let old: Vec<String> = ended.take(excess).map(|t| t.id.clone()).collect();
        for id in old {
            let Some(trigger) = self.triggers.remove(&id) else {
                continue;
            };
            self.forgotten_total += 1;
            if let Some(at_ms) = trigger.rests_until_ms() {
                self.alarms.remove(&(at_ms, id.clone()));
            }
            self.tickets.forget(&trigger);
            if self.closed.get(&trigger.cause) == Some(&id) {
                self.closed.remove(&trigger.cause);
            }
            if self.unnamed.remove(&id) {
                self.objects.retain(|_, of| {
                    of.retain(|known| *known != id);
                    !of.is_empty()
                });
            }
            for source in &trigger.sources {
                self.let_go(&source.kqi, &source.group_label, &id);
            }
        }
    }
}
