//! Decisions as rows of the history.

use crate::engine::{Effect, JournaledCommand};
use crate::store::{ALERT_TRANSITIONS, AUDIT, HistoryRow, NOTICES, TRIGGER_MOVES, TRIGGERS};
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

/// Rows of the triggers that changed, each with all its moves: those that are known are passed over.
/// Both lists are in the order of their identifiers.
pub(super) fn of_triggers(before: &[Trigger], now: &[Trigger]) -> Vec<HistoryRow> {
    let mut rows = Vec::new();
    let mut known = before.iter().peekable();
    for trigger in now {
        while known.next_if(|known| known.id < trigger.id).is_some() {}
        if known.next_if(|known| known.id == trigger.id) == Some(trigger) {
            continue;
        }
        let document = serde_json::to_string(trigger).unwrap_or_default();
        rows.push(TRIGGERS.row([
            ("id", trigger.id.as_str().into()),
            ("at_ms", trigger.opened_at_ms.into()),
            ("state", trigger.state.name().into()),
            ("severity", trigger.severity.name().into()),
            ("service", trigger.service.as_deref().into()),
            ("kqi", trigger.kqi.as_str().into()),
            ("object", trigger.group_label.as_str().into()),
            ("department", trigger.department.as_str().into()),
            ("document", document.into()),
        ]));
        rows.extend((0..).zip(&trigger.history).map(|(ordinal, moved)| {
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
    }
    rows
}
