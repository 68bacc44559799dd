//! Decisions as rows of the history.

use std::sync::Arc;

use crate::engine::{Effect, JournaledCommand};
use crate::store::{
    ALERT_TRANSITIONS, AUDIT, EFFECTS, FEEDBACK, HistoryRow, NOTICES, REPORT, TRIGGER_MOVES,
    TRIGGERS,
};
use crate::triggers::Trigger;

/// Rows of an epoch's commands and effects. Their order is that of the decisions, so the same journal
/// numbers them alike.
pub(super) fn of_effects(
    commands: &[JournaledCommand],
    effects: &[Effect],
    now_ms: i64,
) -> Vec<HistoryRow> {
    let mut rows = Vec::new();
    let mut ordinal = 0;
    for effect in effects {
        match effect {
            Effect::Transition(transition) => {
                rows.push(ALERT_TRANSITIONS.row([
                    ("ordinal", i64::into(ordinal)),
                    ("at_ms", transition.at_ms.into()),
                    ("decided_at_ms", now_ms.into()),
                    ("alert", transition.alert.as_str().into()),
                    ("object", transition.group.as_str().into()),
                    ("state", transition.state.name().into()),
                    ("severity", transition.severity.name().into()),
                    ("reason", transition.reason.name().into()),
                    ("value", transition.value.into()),
                ]));
                ordinal += 1;
            }
            Effect::Notice(notice) => rows.push(NOTICES.row([
                ("id", notice.id.as_str().into()),
                ("at_ms", notice.decided_at_ms.into()),
                ("thread", notice.alert.incident.as_str().into()),
                ("revision", i64::from(notice.revision).into()),
                ("reason", notice.reason.name().into()),
                ("recipient", notice.recipient.email.as_str().into()),
                ("alert", notice.alert.alert.as_str().into()),
                ("severity", notice.alert.severity.name().into()),
            ])),
            // It is in the trigger's explanations, which come with the trigger.
            Effect::Feedback(_) => {}
            Effect::Report(told) => rows.extend(told.notices().map(|notice| {
                let report = &notice.report;
                NOTICES.row([
                    ("id", notice.id.as_str().into()),
                    ("at_ms", report.decided_at_ms.into()),
                    ("thread", notice.thread().into()),
                    ("revision", 1.into()),
                    ("reason", REPORT.into()),
                    ("recipient", notice.recipient.email.as_str().into()),
                    ("alert", report.id.as_str().into()),
                    ("severity", "".into()),
                ])
            })),
            Effect::Answer { position, result } => {
                let command = commands
                    .iter()
                    .find(|command| command.position == *position);
                let Some(command) = command else {
                    continue;
                };
                let outcome = match &**result {
                    Ok(_) => serde_json::json!({"done": true}),
                    Err(error) => serde_json::json!({"done": false, "refused": error.to_string()}),
                };
                let words = serde_json::to_string(&command.command).unwrap_or_default();
                rows.push(AUDIT.row([
                    (
                        "position",
                        i64::try_from(*position).unwrap_or(i64::MAX).into(),
                    ),
                    ("at_ms", command.at_ms.into()),
                    ("actor", command.actor.as_str().into()),
                    ("command", words.into()),
                    ("outcome", outcome.to_string().into()),
                ]));
            }
        }
    }
    rows
}

/// Rows of the triggers that changed, each with what is new since `before`: moves are only ever appended, and explanations numbered.
/// Both lists are in the order of their identifiers.
pub(super) fn of_triggers(before: &[Arc<Trigger>], now: &[Arc<Trigger>]) -> Vec<HistoryRow> {
    let mut rows = Vec::new();
    let mut known = before.iter().peekable();
    for trigger in now {
        while known.next_if(|known| known.id < trigger.id).is_some() {}
        let same = known.next_if(|known| known.id == trigger.id);
        if same.is_some_and(|same| Arc::ptr_eq(same, trigger)) {
            continue;
        }
        let (moves, explanations) = same.map_or((0, 0), |same| {
            (same.history.len(), same.explanations_told())
        });
        let measured_at_ms = same.and_then(|same| Some(same.measured.as_ref()?.at_ms));
        let document = serde_json::to_string(trigger).unwrap_or_default();
        rows.push(
            TRIGGERS.row([
                ("id", trigger.id.as_str().into()),
                ("at_ms", trigger.opened_at_ms.into()),
                ("state", trigger.state.name().into()),
                ("severity", trigger.severity.name().into()),
                ("service", trigger.service.as_deref().into()),
                ("kqi", trigger.kqi.as_str().into()),
                ("object", trigger.group_label.as_str().into()),
                ("department", trigger.owner.department.as_str().into()),
                (
                    "effect",
                    trigger
                        .measured
                        .as_ref()
                        .map(|measured| measured.verdict.name())
                        .into(),
                ),
                ("document", document.into()),
            ]),
        );
        let new_moves = (0..).zip(&trigger.history).skip(moves);
        rows.extend(new_moves.map(|(ordinal, moved)| {
            TRIGGER_MOVES.row([
                ("trigger_id", trigger.id.as_str().into()),
                ("ordinal", i64::into(ordinal)),
                ("at_ms", moved.at_ms.into()),
                ("from_state", moved.from.map(|state| state.name()).into()),
                ("to_state", moved.to.name().into()),
                ("actor", moved.actor.as_str().into()),
                ("reason", moved.reason.as_deref().into()),
            ])
        }));
        let city = trigger.group.iter().find(|(name, _)| name == "city");
        let new_explanations = trigger.numbered_explanations();
        let new_explanations = new_explanations.filter(|(number, _)| *number > explanations);
        rows.extend(new_explanations.map(|(number, said)| {
            FEEDBACK.row([
                ("trigger_id", trigger.id.as_str().into()),
                ("ordinal", (i64::from(number) - 1).into()),
                ("at_ms", said.at_ms.into()),
                ("service", trigger.service.as_deref().into()),
                ("city", city.map(|(_, city)| city.as_str()).into()),
                ("text_zh", said.text.zh.as_str().into()),
                ("text_en", said.text.en.as_str().into()),
            ])
        }));
        // One of the same moment would not take the place of that which is there.
        let measured = trigger.measured.as_ref();
        let measured = measured.filter(|measured| measured_at_ms != Some(measured.at_ms));
        rows.extend(measured.map(|measured| {
            let document = serde_json::to_string(measured).unwrap_or_default();
            EFFECTS.row([
                ("trigger_id", trigger.id.as_str().into()),
                ("at_ms", measured.at_ms.into()),
                ("verdict", measured.verdict.name().into()),
                ("document", document.into()),
            ])
        }));
    }
    rows
}
