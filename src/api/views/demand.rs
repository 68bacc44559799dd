//! What surrounds a trigger on the wire: urgency, suggestions, tickets, the process's own KQIs.

use jiff::tz::TimeZone;
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::iso;
use crate::api::views::{ProvenanceView, TextView};
use crate::engine::{ProcessValue, Snapshot};
use crate::triggers::{Trigger, Urgency};

/// How urgent a trigger is, by four factors of 1 to 5 under the rule book's weights.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct UrgencyView {
    /// Impact on satisfaction: how far the score fell, and whether people complain.
    pub impact: u32,
    /// How key the service is.
    pub keyness: u32,
    /// How simple it is to mend: 5 is simple.
    pub simplicity: u32,
    /// How pressing it is: severity, and whether many wait.
    pub pressing: u32,
    /// The weighted sum that triggers are ranked by.
    pub total: u32,
}

/// What the knowledge base says of a trigger's cause.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct SuggestionView {
    /// Entry of the knowledge base.
    pub id: String,
    /// The cause in a few words.
    pub title: TextView,
    /// Likely causes.
    pub causes: Vec<TextView>,
    /// How to verify them.
    pub verify: Vec<TextView>,
    /// What mends them.
    pub remedies: Vec<RemedyView>,
    /// Where this is known from.
    pub reference: String,
}

/// A remedy, and how often it worked before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct RemedyView {
    /// Identifier, to be named with the move to `mended`.
    pub id: String,
    /// What to do.
    pub text: TextView,
    /// Measured effects of it.
    pub tried: u64,
    /// Those that were effective.
    pub effective: u64,
}

/// Complaint tickets of a trigger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct TicketsView {
    /// The trigger.
    pub trigger: String,
    /// Tickets, in the order in which they were linked.
    pub tickets: Vec<TicketView>,
    /// Tickets beyond the bound, which are only counted.
    pub beyond: u64,
}

/// A complaint ticket that waits for an answer, or has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct TicketView {
    /// Serial number.
    pub serial: String,
    /// Last level of its path.
    pub leaf: String,
    /// City.
    pub city: String,
    /// When it was filed, event time, ms.
    pub filed_at_ms: i64,
    /// When it was filed.
    pub filed_at: String,
    /// When it got its answer, the journal's clock, ms; null while it waits.
    pub answered_at_ms: Option<i64>,
    /// The answer; null while it waits.
    pub answer: Option<TextView>,
}

/// KQIs of the process itself.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct ProcessView {
    /// Triggers opened.
    pub opened: u64,
    /// Hand-overs between departments.
    pub hops: u64,
    /// Hand-overs for each demand, ended or open, without those that became a part of another; null before the first.
    pub hops_mean: Option<f64>,
    /// Reminders sent.
    pub reminders: u64,
    /// Steps of escalation taken.
    pub escalations: u64,
    /// Demands that a decision not to optimise held back.
    pub rested: u64,
    /// Time in each state, by department.
    pub stays: Vec<StayView>,
    /// Time from opening to closing, by department and outcome.
    pub closed: Vec<StayView>,
    /// What the data said of remedies.
    pub worked: Vec<WorkedView>,
    /// What the rule book judges of it.
    pub kqis: Vec<ProcessKqiView>,
}

/// A KQI of the process.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct ProcessKqiView {
    /// Identifier.
    pub id: String,
    /// Display name.
    pub name: TextView,
    /// Department; empty where it is of all.
    pub department: String,
    /// Mean over the window.
    pub value: f64,
    /// `h`, or empty for hand-overs.
    pub unit: String,
    /// Largest reasonable value.
    pub limit_max: f64,
    /// 1 to 5; null with too few samples.
    pub score: Option<f64>,
    /// `normal`, `abnormal` or `insufficient`.
    pub verdict: String,
    /// What it is the mean of: triggers, or stays that ended.
    pub samples: u64,
    /// Length of the window, seconds.
    pub window_s: f64,
    /// Where its numbers come from.
    pub provenance: Vec<ProvenanceView>,
}

/// How many, and how long.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct StayView {
    /// Department.
    pub department: String,
    /// State or outcome.
    pub name: String,
    /// How many.
    pub count: u64,
    /// Mean duration, seconds.
    pub mean_seconds: f64,
}

/// How often a remedy worked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct WorkedView {
    /// Cause.
    pub cause: String,
    /// Remedy; empty where the department named none.
    pub remedy: String,
    /// Verdicts "effective".
    pub effective: u64,
    /// Verdicts "no effect".
    pub no_effect: u64,
    /// Verdicts "worse".
    pub worse: u64,
}

impl From<Urgency> for UrgencyView {
    fn from(urgency: Urgency) -> UrgencyView {
        UrgencyView {
            impact: urgency.impact,
            keyness: urgency.keyness,
            simplicity: urgency.simplicity,
            pressing: urgency.pressing,
            total: urgency.total,
        }
    }
}

impl SuggestionView {
    /// What is known of a trigger's cause; none where nobody wrote it down.
    pub fn of(trigger: &Trigger, snapshot: &Snapshot) -> Option<SuggestionView> {
        let cause = &trigger.cause.cause;
        let mut entries = snapshot.plan.book.knowledge.iter();
        let entry = entries.find(|entry| entry.id == *cause)?;
        let remedies = entry.remedies.iter().map(|remedy| {
            let worked = snapshot.process.worked(cause, &remedy.id);
            RemedyView {
                id: remedy.id.clone(),
                text: (&remedy.text).into(),
                tried: worked.tried(),
                effective: worked.effective,
            }
        });
        Some(SuggestionView {
            id: entry.id.clone(),
            title: (&entry.title).into(),
            causes: entry.causes.iter().map(TextView::from).collect(),
            verify: entry.verify.iter().map(TextView::from).collect(),
            remedies: remedies.collect(),
            reference: entry.reference.clone(),
        })
    }
}

impl TicketsView {
    /// With times in the operator's zone, and numbers of subscribers masked for who may not see them.
    pub fn of(trigger: &Trigger, zone: &TimeZone, is_masked: bool) -> TicketsView {
        let tickets = trigger.tickets.iter().map(|ticket| {
            let answered = ticket.answered_at_ms;
            let said = trigger.explanation().filter(|_| answered.is_some());
            TicketView {
                serial: ticket.serial.clone(),
                leaf: ticket.leaf.clone(),
                city: ticket.city.clone(),
                filed_at_ms: ticket.filed_at_ms,
                filed_at: iso(ticket.filed_at_ms, zone),
                answered_at_ms: answered,
                answer: said.map(|said| TextView::written(&said.text, is_masked)),
            }
        });
        TicketsView {
            trigger: trigger.id.clone(),
            tickets: tickets.collect(),
            beyond: trigger.tickets_beyond,
        }
    }
}

impl ProcessKqiView {
    fn of(of: &ProcessValue) -> ProcessKqiView {
        let verdict = match (of.score, of.is_over) {
            (None, _) => "insufficient",
            (Some(_), false) => "normal",
            (Some(_), true) => "abnormal",
        };
        ProcessKqiView {
            id: of.kqi.id.clone(),
            name: (&of.kqi.name).into(),
            department: of.department.clone(),
            value: of.value,
            unit: of.kqi.unit().to_owned(),
            limit_max: of.limit(),
            score: of.score,
            verdict: verdict.to_owned(),
            samples: of.samples,
            window_s: of.kqi.window_ms as f64 / 1e3,
            provenance: of.kqi.provenance.iter().map(ProvenanceView::from).collect(),
        }
    }
}

impl ProcessView {
    /// What has been counted.
    pub fn of(snapshot: &Snapshot) -> ProcessView {
        let process = &snapshot.process;
        let hops = process.hops.values().sum::<u64>();
        let stay = |department: &str, name: &str, count: u64, total_ms: i64| StayView {
            department: department.to_owned(),
            name: name.to_owned(),
            count,
            mean_seconds: total_ms as f64 / 1e3 / count.max(1) as f64,
        };
        let stays = process.stays.iter().map(|((department, state), stays)| {
            stay(department, state.name(), stays.count, stays.total_ms)
        });
        let closed = process.closed.iter().map(|((department, outcome), stays)| {
            stay(department, outcome, stays.count, stays.total_ms)
        });
        let worked = process
            .worked
            .iter()
            .map(|((cause, remedy), worked)| WorkedView {
                cause: cause.clone(),
                remedy: remedy.clone(),
                effective: worked.effective,
                no_effect: worked.no_effect,
                worse: worked.worse,
            });
        ProcessView {
            opened: process.opened_total,
            hops,
            hops_mean: process.hops_mean(),
            reminders: process.reminders_total,
            escalations: process.escalations_total,
            rested: process.rested_total,
            stays: stays.collect(),
            closed: closed.collect(),
            worked: worked.collect(),
            kqis: snapshot
                .process_values
                .iter()
                .map(ProcessKqiView::of)
                .collect(),
        }
    }
}
