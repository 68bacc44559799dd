//! Optimization triggers on the wire.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::api::iso;
use crate::api::views::subscriber::shown;
use crate::api::views::words::{layer_name, severity_name};
use crate::api::views::{
    ComplaintsView, EffectView, ProvenanceView, RuleBookView, SuggestionView, TextView,
    UrgencyView, group_object,
};
use crate::engine::Snapshot;
use crate::rules::Kqi;
use crate::triggers::{Evidence, Outcome, Trigger, TriggerMove};

/// Triggers, oldest first.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct TriggersView {
    /// How many the filters let through, on every page together.
    pub total: usize,
    /// Those of this page.
    pub triggers: Vec<TriggerView>,
}

/// A demand on a department.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct TriggerView {
    /// Identifier, for example `T-000017`.
    pub id: String,
    /// State in the flow, for example `dispatched`, `accepted`, `feedback_given` or `closed`.
    pub state: String,
    /// States that people can make follow.
    pub next: Vec<String>,
    /// Cause: an entry of the knowledge base, or the KQI.
    pub cause: String,
    /// Place of the cause; empty for everywhere.
    pub place: String,
    /// The cause in words.
    pub title: TextView,
    /// KQI that left its interval first.
    pub kqi: String,
    /// Display name of the KQI.
    pub name: TextView,
    /// Service.
    pub service: Option<String>,
    /// Layer that the demand concerns.
    pub layer: String,
    /// `dim=value;dim=value`, as in `windows.csv`.
    pub group_label: String,
    /// The same as an object.
    pub group: BTreeMap<String, String>,
    /// Department that it asks.
    pub department: String,
    /// Display name of the department.
    pub department_name: TextView,
    /// Role that it asks.
    pub role: TextView,
    /// Identifier of the role.
    pub role_id: String,
    /// Person who holds the role, or stands in.
    pub owner: String,
    /// Mail address of that person.
    pub owner_email: String,
    /// Who stands in while that person is away today; null where the person is at work.
    pub stand_in: Option<String>,
    /// Mail address of the stand-in.
    pub stand_in_email: Option<String>,
    /// Person who has to act on it now: its owner or who stands in, the lead where it waits for a review, the coordinator
    /// where it waits for an owner; null once it is answered.
    pub asked: Option<String>,
    /// Outlet that it left by: `group`, `support`, `network` or `data`.
    pub outlet: String,
    /// How the owner was found: `route`, `knowledge`, `kqi`, `coordinator` or `hand_over`.
    pub owner_by: String,
    /// Who gets copies.
    pub copies: Vec<String>,
    /// Whether it must be reviewed before it is dispatched.
    pub review_required: bool,
    /// Complaints set against KQIs: `confirmed`, `blind_spot` or `silent_degradation`; null where one side has
    /// no data.
    pub crossing: Option<String>,
    /// How urgent it is.
    pub urgency: UrgencyView,
    /// When somebody must have done something, ms; null where it waits for nobody.
    pub due_ms: Option<i64>,
    /// When somebody must have done something.
    pub due: Option<String>,
    /// Until when an acknowledgement holds reminders back, ms.
    pub acknowledged_until_ms: Option<i64>,
    /// Hand-overs between departments.
    pub hops: u32,
    /// Seconds in each state that it was in.
    pub time_in_states: BTreeMap<String, f64>,
    /// `mended`, `not_optimised` or `absorbed`; null before there is an answer.
    pub outcome: Option<String>,
    /// `technically_infeasible` or `uneconomic`, for what is not optimised.
    pub refusal: Option<String>,
    /// Until when a refusal is respected, ms.
    pub review_at_ms: Option<i64>,
    /// Remedy that was used.
    pub remedy: Option<String>,
    /// Verdict of the data: `effective`, `no_effect`, `worse`, `not_proven`, `too_early`, or `unprovable` (no data will be able
    /// to prove it; `effect_text` says why, and what it would take).
    pub effect: Option<String>,
    /// When the data are looked at (next), event time, ms: the earliest moment at which they may decide, and of what is
    /// `unprovable` the last; null where nothing is awaited.
    pub effect_due_ms: Option<i64>,
    /// When the data are looked at (next), event time.
    pub effect_due: Option<String>,
    /// Its grounds.
    pub effect_text: Option<TextView>,
    /// Its numbers.
    pub effect_report: Option<EffectView>,
    /// What is known of the cause.
    pub suggestion: Option<SuggestionView>,
    /// What agents tell customers now.
    pub explanation: Option<TextView>,
    /// How often that changed, what is said now included; as many rows of it are in `/v1/history/feedback`.
    pub explanations_told: u32,
    /// How many of them are in that history only.
    pub explanations_gone: u32,
    /// Complaint tickets that get its answer.
    pub tickets: u64,
    /// Objects whose alerts speak for it, `KQI` and label.
    pub sources: Vec<SourceOfTriggerView>,
    /// Triggers that became part of this one.
    pub absorbed: Vec<String>,
    /// Trigger of a wider place that this one became part of.
    pub absorbed_into: Option<String>,
    /// Severity, raised with its alert.
    pub severity: String,
    /// When it opened, the journal's clock, ms.
    pub opened_at_ms: i64,
    /// When it opened.
    pub opened_at: String,
    /// Event time of the window that opened it, ms.
    pub since_ms: i64,
    /// Event time of the window that opened it.
    pub since: String,
    /// Smallest reasonable value.
    pub limit_min: Option<f64>,
    /// Largest reasonable value.
    pub limit_max: Option<f64>,
    /// Unit of values and limits.
    pub unit: String,
    /// The rule book that judges its KQI.
    pub rules: RuleBookView,
    /// Where the limit comes from; null for KQIs that are gone.
    pub limit_source: Option<ProvenanceView>,
    /// Whether its alert still fires.
    pub alert_firing: bool,
    /// Windows that speak for it, the newest last.
    pub evidence: Vec<EvidenceView>,
    /// Complaints counted for the same service and place.
    pub complaints: Vec<ComplaintsView>,
    /// Earlier trigger for the same object, when it came back.
    pub recurrence_of: Option<String>,
    /// Every move.
    pub history: Vec<MoveView>,
}

/// An object whose alert speaks for a trigger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct SourceOfTriggerView {
    /// KQI.
    pub kqi: String,
    /// Label of the object.
    pub group_label: String,
    /// Whether its alert still fires.
    pub firing: bool,
}

/// A window that speaks for a trigger.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct EvidenceView {
    /// KQI.
    pub kqi: String,
    /// Label of the object.
    pub group_label: String,
    /// Alert incident.
    pub incident: String,
    /// Start of the window, ms.
    pub window_start_ms: i64,
    /// End of the window, ms.
    pub window_end_ms: i64,
    /// Value.
    pub value: Option<f64>,
    /// Unit of the value.
    pub unit: String,
    /// Score.
    pub score: Option<f64>,
    /// Samples.
    pub samples: i64,
}

/// One move of a trigger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct MoveView {
    /// State before; null for the opening.
    pub from: Option<String>,
    /// State after.
    pub to: String,
    /// When, the journal's clock, ms.
    pub at_ms: i64,
    /// When.
    pub at: String,
    /// Who.
    pub actor: String,
    /// Why.
    pub reason: Option<String>,
}

/// A move that is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, expecting = "a JSON object")]
pub struct MoveRequest {
    /// State that the trigger shall have.
    #[schema(example = "accepted")]
    pub to: String,
    /// Why; required for `not_optimised` and `reopened`.
    #[serde(default)]
    pub reason: Option<String>,
    /// `technically_infeasible` or `uneconomic`; required for `not_optimised`.
    #[serde(default)]
    pub kind: Option<String>,
    /// When a refusal is looked at again, ms; the rule book's time without it.
    #[serde(default)]
    pub review_at_ms: Option<i64>,
    /// Remedy of the knowledge base that was used, for `mended`.
    #[serde(default)]
    pub remedy: Option<String>,
    /// Who asks; with a token it is the token's name, and left out.
    #[serde(default)]
    #[schema(example = "王工")]
    pub actor: Option<String>,
}

/// A hand-over that is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, expecting = "a JSON object")]
pub struct HandOverRequest {
    /// Department that it shall go to.
    #[schema(example = "NET")]
    pub department: String,
    /// Role there; the department's first without it.
    #[serde(default)]
    pub role: Option<String>,
    /// Why.
    pub reason: String,
    /// Who asks; with a token it is the token's name, and left out.
    #[serde(default)]
    #[schema(example = "王工")]
    pub actor: Option<String>,
}

/// An acknowledgement.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, expecting = "a JSON object")]
pub struct AcknowledgeRequest {
    /// Who has seen it; with a token it is the token's name, and left out.
    #[serde(default)]
    #[schema(example = "王工")]
    pub actor: Option<String>,
}

impl From<&Evidence> for EvidenceView {
    fn from(evidence: &Evidence) -> EvidenceView {
        EvidenceView {
            kqi: evidence.kqi.clone(),
            group_label: evidence.group_label.clone(),
            incident: evidence.incident.clone(),
            window_start_ms: evidence.start_ms,
            window_end_ms: evidence.end_ms,
            value: evidence.value,
            unit: evidence.unit.clone(),
            score: evidence.score,
            samples: evidence.samples,
        }
    }
}

impl MoveView {
    /// With times in the operator's zone, and numbers of subscribers masked for who may not see them.
    pub fn of(step: &TriggerMove, zone: &TimeZone, is_masked: bool) -> MoveView {
        MoveView {
            from: step.from.map(|state| state.name().to_owned()),
            to: step.to.name().to_owned(),
            at_ms: step.at_ms,
            at: iso(step.at_ms, zone),
            actor: step.actor.clone(),
            reason: step.reason.as_ref().map(|reason| shown(reason, is_masked)),
        }
    }
}

impl TriggerView {
    /// As of a snapshot, with times in the operator's zone. `is_masked`: without the numbers of subscribers that
    /// somebody wrote into a reason.
    pub fn of(trigger: &Trigger, snapshot: &Snapshot, is_masked: bool) -> TriggerView {
        let zone = &snapshot.plan.zone;
        let next = trigger.next().into_iter();
        let (refusal, review_at_ms) = match &trigger.outcome {
            Some(Outcome::NotOptimised {
                kind, review_at_ms, ..
            }) => (Some(kind.name().to_owned()), Some(*review_at_ms)),
            _ => (None, None),
        };
        let due_ms = trigger.deadline.map(|deadline| deadline.due_ms);
        let measured = trigger.measured.as_ref();
        let awaited = measured.filter(|measured| measured.verdict.is_awaited());
        let effect_due_ms = awaited.and_then(|_| snapshot.effects_due.get(&trigger.id).copied());
        let times = trigger.time_in_states(snapshot.now_ms).into_iter();
        let owner = &trigger.owner;
        let today = snapshot.plan.book.at_work(owner, snapshot.now_ms).person;
        let stand_in = Some(&today).filter(|who| who.email != owner.person.email);
        TriggerView {
            id: trigger.id.clone(),
            state: trigger.state.name().to_owned(),
            next: next.map(|state| state.name().to_owned()).collect(),
            cause: trigger.cause.cause.clone(),
            place: trigger.cause.place.name().to_owned(),
            title: (&trigger.title).into(),
            kqi: trigger.kqi.clone(),
            name: (&trigger.name).into(),
            service: trigger.service.clone(),
            layer: layer_name(trigger.layer).to_owned(),
            group_label: trigger.group_label.clone(),
            group: group_object(&trigger.group),
            department: owner.department.clone(),
            department_name: (&owner.department_name).into(),
            role: (&owner.role_name).into(),
            role_id: owner.role.clone(),
            owner: owner.person.name.clone(),
            owner_email: owner.person.email.clone(),
            stand_in: stand_in.map(|who| who.name.clone()),
            stand_in_email: stand_in.map(|who| who.email.clone()),
            asked: trigger.state.is_unanswered().then(|| {
                let asked = trigger.asked(&snapshot.plan.book, snapshot.now_ms);
                asked.person.name
            }),
            outlet: owner.outlet.name().to_owned(),
            owner_by: owner.by.name().to_owned(),
            copies: trigger.copies.iter().map(|who| who.name.clone()).collect(),
            review_required: trigger.review_required,
            crossing: trigger.crossing.map(|crossing| crossing.name().to_owned()),
            urgency: trigger.urgency.into(),
            due_ms,
            due: due_ms.map(|due_ms| iso(due_ms, zone)),
            acknowledged_until_ms: trigger.ack_until_ms,
            hops: trigger.hops,
            time_in_states: times
                .map(|(state, ms)| (state.name().to_owned(), ms as f64 / 1e3))
                .collect(),
            outcome: trigger
                .outcome
                .as_ref()
                .map(|outcome| outcome.name().to_owned()),
            refusal,
            review_at_ms,
            remedy: trigger.remedy.clone(),
            effect: measured.map(|measured| measured.verdict.name().to_owned()),
            effect_due_ms,
            effect_due: effect_due_ms.map(|due_ms| iso(due_ms, zone)),
            effect_text: measured.map(|measured| (&measured.text).into()),
            effect_report: measured
                .and_then(|measured| measured.report.as_deref())
                .map(|report| EffectView::of(report, zone)),
            suggestion: SuggestionView::of(trigger, snapshot),
            explanation: trigger
                .explanation()
                .map(|said| TextView::written(&said.text, is_masked)),
            explanations_told: trigger.explanations_told(),
            explanations_gone: trigger.explanations_gone,
            tickets: trigger.tickets.len() as u64 + trigger.tickets_beyond,
            sources: trigger
                .sources
                .iter()
                .map(|source| SourceOfTriggerView {
                    kqi: source.kqi.clone(),
                    group_label: source.group_label.clone(),
                    firing: source.firing,
                })
                .collect(),
            absorbed: trigger.absorbed.clone(),
            absorbed_into: match &trigger.outcome {
                Some(Outcome::Absorbed { into }) => Some(into.clone()),
                _ => None,
            },
            severity: severity_name(trigger.severity).to_owned(),
            opened_at_ms: trigger.opened_at_ms,
            opened_at: iso(trigger.opened_at_ms, zone),
            since_ms: trigger.since_ms,
            since: iso(trigger.since_ms, zone),
            limit_min: trigger.limit_min,
            limit_max: trigger.limit_max,
            unit: trigger.unit.clone(),
            rules: RuleBookView::of(&snapshot.plan.book),
            limit_source: snapshot
                .plan
                .book
                .kqis
                .iter()
                .find(|kqi| kqi.id == trigger.kqi)
                .and_then(Kqi::limit_provenance)
                .map(ProvenanceView::from),
            alert_firing: trigger.alert_firing,
            evidence: trigger.evidence.iter().map(EvidenceView::from).collect(),
            complaints: trigger
                .complaints
                .iter()
                .map(|(name, count)| ComplaintsView {
                    name: name.into(),
                    count: *count,
                })
                .collect(),
            recurrence_of: trigger.recurrence_of.clone(),
            history: trigger
                .history
                .iter()
                .map(|step| MoveView::of(step, zone, is_masked))
                .collect(),
        }
    }
}
