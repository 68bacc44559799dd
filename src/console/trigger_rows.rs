//! Open triggers on the status page.

use serde::Serialize;

use crate::console::words::{Chip, chip, clock, place, service_name, trigger_chip};
use crate::engine::Snapshot;
use crate::triggers::{Crossing, Trigger, Urgency};

/// A trigger that is not final.
#[derive(Debug, Serialize)]
pub(super) struct TriggerRow {
    pub(super) id: String,
    pub(super) state: Chip,
    pub(super) zh: String,
    pub(super) en: String,
    pub(super) place: String,
    pub(super) department: String,
    pub(super) role: String,
    /// The weighted sum of the four factors, and the factors.
    pub(super) urgency: u32,
    pub(super) factors: String,
    pub(super) due: Option<String>,
    pub(super) remedies: Vec<String>,
    pub(super) opened: String,
    pub(super) alert: Chip,
    pub(super) crossing: Option<Chip>,
}

impl TriggerRow {
    pub(super) fn of(trigger: &Trigger, snapshot: &Snapshot, now_ms: i64) -> TriggerRow {
        let place = place(&trigger.group);
        let service = service_name(&snapshot.plan.book, trigger.service.as_deref());
        let parts = [service, place];
        let parts: Vec<&str> = parts
            .iter()
            .map(String::as_str)
            .filter(|part| !part.is_empty())
            .collect();
        TriggerRow {
            id: trigger.id.clone(),
            state: trigger_chip(trigger.state),
            zh: trigger.title.zh.clone(),
            en: trigger.title.en.clone(),
            place: parts.join(" · "),
            department: trigger.owner.department_name.zh.clone(),
            role: trigger.owner.role_name.zh.clone(),
            urgency: trigger.urgency.total,
            factors: factors(&trigger.urgency),
            due: trigger
                .deadline
                .map(|deadline| clock(deadline.due_ms, now_ms, &snapshot.plan.zone)),
            remedies: remedies(trigger, snapshot),
            opened: clock(trigger.opened_at_ms, now_ms, &snapshot.plan.zone),
            crossing: trigger.crossing.map(crossing_chip),
            alert: if trigger.alert_firing {
                chip("major", "告警中", "still firing")
            } else {
                chip("blind", "告警已结束", "alert over")
            },
        }
    }
}

/// The four factors in a line.
fn factors(urgency: &Urgency) -> String {
    format!(
        "满意度影响 impact {} · 关键性 key-ness {} · 易处理 simplicity {} · 迫切性 pressing {}",
        urgency.impact, urgency.keyness, urgency.simplicity, urgency.pressing
    )
}

pub(super) fn crossing_chip(crossing: Crossing) -> Chip {
    match crossing {
        Crossing::Confirmed => chip("major", "投诉印证", "complaints confirm it"),
        Crossing::BlindSpot => chip("blind", "盲点：指标正常", "blind spot: KQIs normal"),
        Crossing::SilentDegradation => chip("planned", "尚无投诉", "nobody complains"),
    }
}

/// What the knowledge base suggests, with how often it worked.
fn remedies(trigger: &Trigger, snapshot: &Snapshot) -> Vec<String> {
    let cause = &trigger.cause.cause;
    let mut entries = snapshot.plan.book.knowledge.iter();
    let entry = entries.find(|entry| entry.id == *cause);
    let remedies = entry.map(|entry| entry.remedies.iter());
    let words = remedies.into_iter().flatten().map(|remedy| {
        let worked = snapshot.process.worked(cause, &remedy.id);
        match worked.tried() {
            0 => remedy.text.zh.clone(),
            tried => format!("{}（{}/{tried} 有效）", remedy.text.zh, worked.effective),
        }
    });
    words.collect()
}
