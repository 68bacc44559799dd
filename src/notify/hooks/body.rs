//! What a webhook gets: plain JSON, the same bytes whenever it is made.

use serde_json::{Value, json};

use super::RECIPIENT;
use super::config::{HookConfig, HookEvent};
use crate::alerting::{Feedback, Notice};
use crate::masking::mask;
use crate::notify::email::urgency;
use crate::store::{Entry, WEBHOOK};

/// A notice as a webhook gets it: once, whoever was mailed; none if the webhook is not told of such.
pub(in crate::notify) fn of_notice(notice: &Notice, hook: &HookConfig) -> Option<Entry> {
    let event = match notice.demand {
        Some(_) => HookEvent::Trigger,
        None => HookEvent::Alert,
    };
    if !hook.events.contains(&event) {
        return None;
    }
    let alert = &notice.alert;
    let id = format!(
        "{}.{}.{RECIPIENT}{}",
        alert.incident, notice.revision, hook.name
    );
    let object: serde_json::Map<String, Value> = alert
        .group
        .iter()
        .map(|(name, value)| (name.clone(), value.as_str().into()))
        .collect();
    let mut body = json!({
        "id": id,
        "type": match event { HookEvent::Trigger => "trigger", _ => "alert" },
        "decided_at_ms": notice.decided_at_ms,
        "incident": alert.incident,
        "revision": notice.revision,
        "reason": notice.reason.name(),
        "name": alert.name,
        "kqi": alert.kqi,
        "service": alert.service,
        "object": object,
        "severity": alert.severity.name(),
        "state": alert.state.name(),
        "since_ms": alert.active_since_ms,
        "value": alert.value,
        "unit": alert.unit,
        "limit_min": alert.limit_min,
        "limit_max": alert.limit_max,
        "limit_source": notice.provenance,
        "rule_version": notice.rule_version,
    });
    if let Some(trigger) = &notice.trigger {
        body["trigger"] = json!({
            "id": trigger.id,
            "state": trigger.state,
            "department": trigger.department,
            "role": trigger.role,
        });
    }
    if let Some(demand) = &notice.demand {
        body["demand"] = json!({
            "title": demand.title,
            "place": demand.place,
            "owner": demand.owner,
            "outlet": demand.outlet,
            "due_ms": demand.due_ms,
            "urgency": demand.urgency,
            "hops": demand.hops,
            "tickets": demand.tickets,
            "effect": demand.verdict.as_ref().map(|(verdict, _)| verdict),
        });
    }
    Some(Entry {
        incident: alert.incident.clone(),
        revision: notice.revision,
        decided_at_ms: notice.decided_at_ms,
        ..entry(id, hook, urgency(alert.severity), &body)
    })
}

/// A new explanation as a webhook gets it; none if the webhook is not told of such.
pub(in crate::notify) fn of_feedback(feedback: &Feedback, hook: &HookConfig) -> Option<Entry> {
    if !hook.events.contains(&HookEvent::Feedback) {
        return None;
    }
    // A thread of its own, for its numbers count apart from the mails'.
    let incident = format!("{}/feedback", feedback.trigger);
    let id = format!("{incident}.{}.{RECIPIENT}{}", feedback.number, hook.name);
    let mut shown = feedback.clone();
    for text in [&mut shown.text.zh, &mut shown.text.en] {
        *text = mask(text);
    }
    let mut body = serde_json::to_value(shown).unwrap_or_default();
    body["id"] = id.as_str().into();
    body["type"] = "feedback".into();
    Some(Entry {
        incident,
        revision: feedback.number,
        decided_at_ms: feedback.decided_at_ms,
        ..entry(id, hook, urgency(feedback.severity), &body)
    })
}

fn entry(id: String, hook: &HookConfig, urgency: u8, body: &Value) -> Entry {
    Entry {
        message_id: id.clone(),
        id,
        incident: String::new(),
        revision: 0,
        reason: WEBHOOK.to_owned(),
        recipient: format!("{RECIPIENT}{}", hook.name),
        urgency,
        notice: serde_json::to_vec(body).unwrap_or_default(),
        decided_at_ms: 0,
        digest: None,
    }
}
