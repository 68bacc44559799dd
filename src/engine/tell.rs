//! Who is told of an incident, and what: the notices.
//!
//! Invariants:
//! * every incident that anybody was told of is told to its end;
//! * revisions of an incident count up without gaps;
//! * a notice that takes something back quotes what was mailed, not what was thought since.

use std::sync::Arc;

use crate::alerting::{
    Alert, AlertState, Correction, Limit, Notice, NoticeReason, Statement, TransitionReason, Truth,
};
use crate::dataflow::Cut;
use crate::engine::annotations::line;
use crate::engine::demand::beside_window;
use crate::engine::instance::Told;
use crate::engine::step::{Effect, Engine, Turn};
use crate::engine::watchlist::Object;
use crate::rules::{Contact, Kqi, Plan, RuleBook, Text};

/// One revision of an incident, before it is known who is told.
pub(super) struct Story {
    /// Number of the episode.
    pub(super) number: u32,
    pub(super) alert: Alert,
    pub(super) reason: NoticeReason,
    /// How what was told reads now, where this takes it back.
    pub(super) truth: Option<Truth>,
    /// The limit before the rule was changed, where that is why; for those who were told of none.
    pub(super) limit_before: Option<Limit>,
}

impl Engine {
    /// Tells those who answer for the object, and those who were told before.
    pub(super) fn tell_people(
        &mut self,
        object: Object<'_>,
        story: Story,
        turn: &Turn<'_>,
        effects: &mut Vec<Effect>,
    ) {
        let Object { watch, rule, label } = object;
        let trigger = self.triggers.newest(&watch.kqi.id, label);
        let brief = trigger.map(|trigger| self.brief(trigger, watch.book));
        let complaints = self.complaints_for(object);
        let complaints = beside_window(complaints, watch.kqi, story.alert.samples);
        let instance = self.instances[rule].get_mut(label);
        let Some(instance) = instance.map(Arc::make_mut) else {
            return;
        };
        let annotations = self.snapshot.annotations.about(
            watch.kqi,
            &story.alert.group,
            story.alert.window_ms,
            &watch.book.places,
        );
        let zone = &turn.watchlist.plan.zone;
        let annotations: Vec<String> = annotations.iter().map(|of| line(of, zone)).collect();
        let chart = instance.values.chart(watch.kqi.window.hop_ms);
        let alert = story.alert;
        let over = alert.state == AlertState::Resolved;
        let now_ms = turn.cut.now_ms;
        let said = Statement::of(&alert, now_ms, story.truth);
        let before = instance.told.remove(&story.number);
        let correction = before.as_ref().zip(story.truth);
        let correction = correction.map(|(before, truth)| Correction {
            told: before.said.clone(),
            truth,
        });
        // The rule may have been changed more than once since the reader was told a limit.
        let by_rule = alert.reason == TransitionReason::RuleChanged;
        let limit_told = before.as_ref().map(|before| &before.said.limit);
        let limit_told = limit_told.filter(|limit| by_rule && **limit != said.limit);
        let limit_told = limit_told.cloned();
        let mut told = before.unwrap_or_else(|| Told {
            revision: 0,
            recipients: Vec::new(),
            said: said.clone(),
        });
        told.revision += 1;
        told.said = said;
        let (role, contacts) = addressees(watch.book, watch.kqi.department.as_deref());
        let newcomers = told.welcome(contacts, over);
        for (at, recipient) in told.recipients.iter().enumerate() {
            // To somebody who never heard of it, any story is news.
            let is_new = at >= newcomers;
            let (reason, limit_before) = if is_new {
                (NoticeReason::First, story.limit_before.clone())
            } else {
                (story.reason, limit_told.clone())
            };
            effects.push(Effect::Notice(Box::new(Notice {
                id: format!("{}.{}.{}", alert.incident, told.revision, recipient.email),
                revision: told.revision,
                reason,
                recipient: recipient.clone(),
                role: role.clone(),
                decided_at_ms: now_ms,
                alert: alert.clone(),
                correction: correction.clone().filter(|_| !is_new),
                limit_before,
                chart: chart.clone(),
                complaints: complaints.clone(),
                trigger: brief.clone(),
                demand: None,
                annotations: annotations.clone(),
                provenance: watch.kqi.limit_source(),
                time_zone: watch.book.time_zone.clone(),
                rule_version: watch.book.version.clone(),
            })));
        }
        instance.told.insert(story.number, told);
    }

    /// Tells of one of the engine's own alerts.
    pub(super) fn notify_own(
        &mut self,
        plan: &Plan,
        alert: Alert,
        (reason, correction): (NoticeReason, Option<Correction>),
        cut: &Cut,
        effects: &mut Vec<Effect>,
    ) {
        let (role, contacts) = addressees(&plan.book, alert.department.as_deref());
        let revision = if reason == NoticeReason::First { 1 } else { 2 };
        // A blind spot has the numbers of a KQI.
        let mut kqis = plan.book.kqis.iter();
        let kqi = kqis.find(|kqi| Some(&kqi.id) == alert.kqi.as_ref());
        let provenance = kqi.and_then(Kqi::limit_source);
        for recipient in contacts {
            effects.push(Effect::Notice(Box::new(Notice {
                id: format!("{}.{revision}.{}", alert.incident, recipient.email),
                revision,
                reason,
                recipient,
                role: role.clone(),
                decided_at_ms: cut.now_ms,
                alert: alert.clone(),
                correction: correction.clone(),
                limit_before: None,
                chart: Vec::new(),
                complaints: Vec::new(),
                trigger: None,
                demand: None,
                annotations: Vec::new(),
                provenance: provenance.clone(),
                time_zone: plan.book.time_zone.clone(),
                rule_version: plan.book.version.clone(),
            })));
        }
        if alert.state == AlertState::Resolved {
            self.ended.put(alert);
        }
    }
}

impl Told {
    /// Brings the contacts up to date; returns the place from which recipients are new. Nobody is
    /// told of the end of what he was never told of.
    fn welcome(&mut self, contacts: Vec<Contact>, over: bool) -> usize {
        let newcomers = self.recipients.len();
        for contact in contacts {
            let mut known = self.recipients.iter_mut();
            match known.find(|known| known.email == contact.email) {
                Some(known) => *known = contact,
                None if over => {}
                None => self.recipients.push(contact),
            }
        }
        newcomers
    }
}

/// The first role of a department with its people; nobody where the department is unknown.
fn addressees(book: &RuleBook, department: Option<&str>) -> (Option<(Text, Text)>, Vec<Contact>) {
    let department = book
        .departments
        .iter()
        .find(|known| Some(known.id.as_str()) == department);
    let role = department.and_then(|department| department.roles.first());
    match (department, role) {
        (Some(department), Some(role)) => (
            Some((department.name.clone(), role.name.clone())),
            role.contacts.clone(),
        ),
        _ => (None, Vec::new()),
    }
}
