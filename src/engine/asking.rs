//! Asks people because of triggers: carries their commands out, lets due times pass, and turns what the
//! trigger book wants told into notices.

use crate::alerting::{
    DemandNotice, Feedback, KnownRemedy, Notice, NoticeReason, Suggestion, TriggerBrief,
};
use crate::dataflow::Cut;
use crate::engine::annotations::line;
use crate::engine::command::{Command, CommandResult, JournaledCommand};
use crate::engine::course::{Course, alert_of, show_deciding};
use crate::engine::effects::grounds;
use crate::engine::step::{Effect, Engine, Turn};
use crate::links::ACKNOWLEDGE;
use crate::rules::{Contact, Desk, Kqi, Owner, OwnerBy, RuleBook, Text};
use crate::triggers::{
    Deadline, ENGINE, News, NewsReason, Now, Outcome, Said, TicketNews, Trigger, TriggerMove,
    TriggerState, Wanted, Worked,
};

impl Engine {
    /// Carries a command out, or refuses it.
    pub(super) fn carry_out(&mut self, command: &JournaledCommand) -> Effect {
        let watchlist = self.watchlist.clone();
        let now = Now {
            book: &watchlist.plan.book,
            at_ms: command.at_ms,
        };
        let result = self.obey(&command.command, &command.actor, now);
        self.triggers_changed = true;
        self.alerts_changed = true;
        Effect::Answer {
            position: command.position,
            result: Box::new(result),
        }
    }

    fn obey(&mut self, command: &Command, actor: &str, now: Now<'_>) -> CommandResult {
        let moved = match command {
            Command::MoveTrigger {
                id,
                to,
                reason,
                kind,
                review_at_ms,
                remedy,
            } => {
                let wanted = Wanted {
                    to: *to,
                    actor,
                    reason: reason.as_deref(),
                    kind: *kind,
                    review_at_ms: *review_at_ms,
                    remedy: remedy.as_deref(),
                };
                self.triggers.advance(id, wanted, now)?;
                self.triggers.tell_progress(id, actor, now)
            }
            Command::HandOver {
                id,
                department,
                role,
                reason,
            } => {
                let first = now.book.first_desk(department);
                let role = role.clone().or(first.map(|desk| desk.role));
                let desk = Desk {
                    department: department.clone(),
                    role: role.unwrap_or_default(),
                };
                self.triggers.hand_over(id, &desk, actor, Some(reason), now)
            }
            Command::Acknowledge { id } => self.triggers.acknowledge(id, actor, now),
            Command::NoteReading { .. } | Command::NoteTrouble { .. } => return Ok(None),
            Command::ByLink { revision, act } => {
                // What does nothing to a trigger has no link.
                let Some(id) = act.trigger() else {
                    return Ok(None);
                };
                self.triggers.check_link(id, act.moves_to(), *revision)?;
                return self.obey(act, actor, now);
            }
        };
        moved.map(|trigger| Some(trigger.clone()))
    }

    /// Finds the owners of open triggers anew, because the book says otherwise now.
    pub(super) fn reroute(&mut self, cut: &Cut) {
        let watchlist = self.watchlist.clone();
        let now = Now {
            book: &watchlist.plan.book,
            at_ms: cut.now_ms,
        };
        self.triggers_changed |= self.triggers.reroute(now) > 0;
    }

    /// Takes the complaints of a cut, by the service and the leaf that they are of.
    pub(super) fn hear_tickets(&mut self, turn: &Turn<'_>) {
        let book = &*turn.watchlist.plan.book;
        let now = Now {
            book,
            at_ms: turn.cut.now_ms,
        };
        for news in &turn.cut.tickets {
            // What was filed by code is of the node that has it now.
            let by_code = book.codes.of(&news.node);
            let by_code = by_code.and_then(|code| book.trees.path_of(code));
            let path = match news.path.as_str() {
                "" => by_code.unwrap_or_default(),
                path => path,
            };
            let by_tree = book.trees.service_of(path).unwrap_or_default();
            let news = TicketNews {
                serial: news.serial.clone(),
                filed_at_ms: news.ts_ms,
                service: news.service.clone(),
                by_tree: by_tree.to_owned(),
                city: news.city.clone(),
                path: path.to_owned(),
                counts: news.counts,
                owner: news.owner.mark(),
            };
            self.triggers_changed |= self.triggers.hear_ticket(&news, now);
        }
    }

    /// Lets the clock of due times pass, and tells people what the step made of triggers.
    pub(super) fn tick_triggers(&mut self, cut: &Cut, effects: &mut Vec<Effect>) {
        let watchlist = self.watchlist.clone();
        let book = &*watchlist.plan.book;
        let now = Now {
            book,
            at_ms: cut.now_ms,
        };
        self.triggers_changed |= self.triggers.tick(now, cut.watermarks.ahead_ms());
        for news in self.triggers.take_news() {
            self.triggers_changed = true;
            self.tell_demand(&news, book, effects);
        }
        for said in self.triggers.take_said() {
            effects.extend(self.feedback(&said));
        }
    }

    /// What agents tell customers from now on; none of a trigger that is kept no more.
    fn feedback(&self, said: &Said) -> Option<Effect> {
        let trigger = self.triggers.get(&said.id)?;
        let explanation = &said.explanation;
        let cities = trigger.cities().into_iter().map(str::to_owned);
        Some(Effect::Feedback(Box::new(Feedback {
            trigger: said.id.clone(),
            number: said.number,
            decided_at_ms: explanation.at_ms,
            service: trigger.service.clone().unwrap_or_default(),
            place: trigger.cause.place.name().to_owned(),
            cities: cities.collect(),
            title: trigger.title.clone(),
            severity: trigger.severity,
            state: explanation.state.name().to_owned(),
            outcome: said.outcome.map(str::to_owned),
            text: explanation.text.clone(),
            due_ms: said.due_ms,
            tickets: trigger.tickets.len() as u64 + trigger.tickets_beyond,
        })))
    }

    fn tell_demand(&self, news: &News, book: &RuleBook, effects: &mut Vec<Effect>) {
        let Course { shows, chart } = self.course_of(&news.trigger, book);
        let mut alert = alert_of(&news.trigger, news);
        show_deciding(&mut alert, &news.trigger, book);
        // What its readers see is what holds now; what was bad is in the chart and in the evidence.
        if let Some(newest) = chart.iter().rev().find(|point| point.value.is_some()) {
            let size_ms = alert.window_ms.1 - alert.window_ms.0;
            alert.value = newest.value;
            alert.score = None;
            alert.window_ms = (newest.end_ms - size_ms, newest.end_ms);
        }
        let brief = self.brief(&news.trigger, book);
        let demand = DemandNotice {
            shows,
            ..self.demand_of(news, book)
        };
        let kqi = book.kqis.iter().find(|kqi| kqi.id == news.trigger.kqi);
        if let Some(kqi) = kqi {
            self.name_holder(kqi, &mut alert);
        }
        let annotations = kqi.map(|kqi| {
            let known = &self.snapshot.annotations;
            known.about(kqi, &alert.group, alert.window_ms, &book.places)
        });
        let zone = &self.watchlist.plan.zone;
        let annotations = annotations.unwrap_or_default();
        let annotations: Vec<String> = annotations.iter().map(|of| line(of, zone)).collect();
        for (recipient, role) in &news.recipients {
            effects.push(Effect::Notice(Box::new(Notice {
                id: format!("{}.{}.{}", news.trigger.id, news.revision, recipient.email),
                revision: news.revision,
                reason: reason_of(news.reason),
                recipient: recipient.clone(),
                role: role.clone(),
                decided_at_ms: news.at_ms,
                alert: alert.clone(),
                correction: None,
                limit_before: None,
                chart: chart.clone(),
                complaints: news.trigger.complaints.clone(),
                trigger: Some(brief.clone()),
                demand: Some(Box::new(DemandNotice {
                    acts: acts_of(news, role.is_some()),
                    ..demand.clone()
                })),
                annotations: annotations.clone(),
                provenance: kqi.and_then(Kqi::limit_source),
                time_zone: book.time_zone.clone(),
                rule_version: book.version.clone(),
            })));
        }
    }

    /// A trigger as mails show it, with what is known of its cause.
    pub(super) fn brief(&self, trigger: &Trigger, book: &RuleBook) -> TriggerBrief {
        TriggerBrief {
            id: trigger.id.clone(),
            state: trigger.state.name().to_owned(),
            department: trigger.owner.department_name.clone(),
            role: trigger.owner.role_name.clone(),
            suggestion: self.suggestion(trigger, book),
        }
    }

    fn suggestion(&self, trigger: &Trigger, book: &RuleBook) -> Option<Suggestion> {
        let cause = &trigger.cause.cause;
        let entry = book.knowledge.iter().find(|entry| entry.id == *cause)?;
        let process = self.triggers.process();
        let remedies = entry.remedies.iter().map(|remedy| {
            let Worked { effective, .. } = process.worked(cause, &remedy.id);
            KnownRemedy {
                text: remedy.text.clone(),
                tried: process.worked(cause, &remedy.id).tried(),
                effective,
            }
        });
        Some(Suggestion {
            title: entry.title.clone(),
            causes: entry.causes.clone(),
            verify: entry.verify.clone(),
            remedies: remedies.collect(),
            reference: entry.reference.clone(),
        })
    }

    /// What a mail tells of a trigger.
    fn demand_of(&self, news: &News, book: &RuleBook) -> DemandNotice {
        let trigger = &*news.trigger;
        let empty = || Text {
            zh: String::new(),
            en: String::new(),
        };
        // What the engine did is why the mail comes, in the reader's language.
        let is_step = |step: &TriggerMove| step.reason.is_some() || step.from != Some(step.to);
        let by_people = |step: &&TriggerMove| is_step(step) && step.actor != ENGINE;
        let last = trigger.history.iter().rev().find(by_people);
        let names = |all: &[Contact]| all.iter().map(|who| who.name.clone()).collect();
        let of = trigger.urgency;
        let factors = (of.impact, of.keyness, of.simplicity, of.pressing);
        let report = trigger.measured.as_ref();
        let report = report.and_then(|measured| measured.report.clone());
        let grounds = report.as_ref().map(|report| grounds(report, book));
        DemandNotice {
            title: trigger.title.clone(),
            place: trigger.cause.place.text(),
            cities: trigger.cities().into_iter().map(str::to_owned).collect(),
            shows: None,
            owner: owner_today(&trigger.owner, book, news.at_ms),
            outlet: trigger.owner.outlet.name().to_owned(),
            copies: names(&trigger.copies),
            due_ms: trigger.deadline.map(|Deadline { due_ms, .. }| due_ms),
            crossing: trigger.crossing.map(|crossing| crossing.text()),
            urgency: trigger.urgency.total,
            factors: Some(factors),
            hops: trigger.hops,
            tickets: trigger.tickets.len() as u64 + trigger.tickets_beyond,
            also: news.also.iter().copied().map(reason_of).collect(),
            acts: Vec::new(),
            explanation: trigger
                .explanation()
                .map_or_else(empty, |known| known.text.clone()),
            last: last.map(|step| {
                let reason = step.reason.clone().unwrap_or_default();
                (step.actor.clone(), reason, step.at_ms)
            }),
            recurrence_of: trigger.recurrence_of.clone(),
            absorbed_into: match &trigger.outcome {
                Some(Outcome::Absorbed { into }) => Some(self.triggers.now_within(into).to_owned()),
                _ => None,
            },
            parts: trigger.absorbed.clone(),
            is_passed_around: trigger.owner.by == OwnerBy::HandOver
                && (1..=trigger.hops).contains(&book.triggers.hops_max),
            verdict: trigger
                .measured
                .as_ref()
                .map(|measured| (measured.verdict.name().to_owned(), measured.text.clone())),
            effect: report,
            grounds: grounds.unwrap_or_default(),
        }
    }
}

/// The owner, and who stands in today.
fn owner_today(owner: &Owner, book: &RuleBook, at_ms: i64) -> String {
    let today = book.at_work(owner, at_ms);
    match today.person.email == owner.person.email {
        true => owner.person.name.clone(),
        false => format!("{} → {}", owner.person.name, today.person.name),
    }
}

const fn reason_of(reason: NewsReason) -> NoticeReason {
    match reason {
        NewsReason::ReviewAsked => NoticeReason::ReviewAsked,
        NewsReason::Assigned => NoticeReason::Assigned,
        NewsReason::Reminder => NoticeReason::Reminder,
        NewsReason::Overdue => NoticeReason::Overdue,
        NewsReason::HandedOver => NoticeReason::HandedOver,
        NewsReason::Answered => NoticeReason::Answered,
        NewsReason::Closed => NoticeReason::Closed,
        NewsReason::Reopened => NoticeReason::Reopened,
        NewsReason::Measured => NoticeReason::Measured,
        NewsReason::Raised => NoticeReason::Raised,
        NewsReason::Progressed => NoticeReason::Progressed,
    }
}

/// What a reader may do by links: who is asked for something may do what can follow; who only hears of it
/// may do nothing.
fn acts_of(news: &News, is_asked: bool) -> Vec<String> {
    let trigger = &*news.trigger;
    let waits = matches!(news.reason, NewsReason::Reminder | NewsReason::Overdue);
    let asks = waits
        || matches!(
            news.reason,
            NewsReason::ReviewAsked
                | NewsReason::Assigned
                | NewsReason::HandedOver
                | NewsReason::Reopened
                | NewsReason::Progressed
        );
    // Who accepted it, for whomever, goes on with it.
    let is_asked = is_asked || news.reason == NewsReason::Progressed;
    // Whom a demand is for does not agree to it in the lead's place.
    let is_review = trigger.review_required && trigger.state == TriggerState::Analysed;
    let is_leads = waits || news.reason == NewsReason::ReviewAsked;
    if !asks || !is_asked || !trigger.state.is_unanswered() || (is_review && !is_leads) {
        return Vec::new();
    }
    let next = trigger.next();
    let mut acts: Vec<String> = next.iter().map(|state| state.name().to_owned()).collect();
    if waits {
        acts.push(ACKNOWLEDGE.to_owned());
    }
    acts
}
