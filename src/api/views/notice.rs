//! Notices on the wire: how far each has come. Addresses are shown by their first letter and domain.

use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::api::iso;
use crate::store::{Counts, Delivery, DeliveryState};

/// Notices, and how many there are in all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct NoticesView {
    /// All in the ledger, by state.
    pub counts: NoticeCountsView,
    /// Those that were asked for, newest decision first.
    pub notices: Vec<NoticeView>,
}

/// Notices in the ledger by state; a digest or a group is one, and so is each notice that it tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct NoticeCountsView {
    /// Waiting.
    pub queued: u64,
    /// On their way.
    pub sending: u64,
    /// Sent and not yet forgotten.
    pub sent: u64,
    /// Given up: dead letters.
    pub dead: u64,
}

impl From<Counts> for NoticeCountsView {
    fn from(counts: Counts) -> NoticeCountsView {
        NoticeCountsView {
            queued: counts.queued,
            sending: counts.sending,
            sent: counts.sent,
            dead: counts.dead,
        }
    }
}

/// A notice and how far it has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct NoticeView {
    /// Identity.
    pub id: String,
    /// Incident that it tells of; that of a digest or a group is its own identity.
    pub incident: String,
    /// Number within the incident, from 1.
    pub revision: u32,
    /// `first`, `escalated`, `resolved`, `corrected`, `rule_changed`, one of a trigger's, `report`, `webhook`, `digest`, or
    /// `demands`: a group, which tells what one decision made of several triggers.
    pub reason: String,
    /// Whom, by first letter and domain.
    pub recipient: String,
    /// Subject line, once an attempt was made.
    pub subject: Option<String>,
    /// Message-ID, without angle brackets.
    pub message_id: String,
    /// `queued`, `sending`, `sent` or `dead`.
    pub state: String,
    /// Attempts made.
    pub attempts: u32,
    /// What the last failed attempt said: the server's answer, or why there was none.
    pub last_error: Option<String>,
    /// What that means: `transient` passes by itself, `setup` concerns every mail and somebody must look,
    /// `permanent` is refused for good.
    pub failure: Option<String>,
    /// The digest or group that tells it, if it has no mail of its own.
    pub digest: Option<String>,
    /// Earliest time of the next attempt while it waits, ms; null is at once.
    pub next_attempt_at_ms: Option<i64>,
    /// Earliest time of the next attempt while it waits; null is at once.
    pub next_attempt_at: Option<String>,
    /// When it was decided, ms.
    pub decided_at_ms: i64,
    /// When it was decided.
    pub decided_at: String,
    /// When it was sent or given up, ms.
    pub settled_at_ms: Option<i64>,
    /// When it was sent or given up.
    pub settled_at: Option<String>,
    /// Who had it sent again last.
    pub resent_by: Option<String>,
    /// When that was, ms.
    pub resent_at_ms: Option<i64>,
    /// When that was.
    pub resent_at: Option<String>,
}

/// A wish to send a dead letter again.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ResendRequest {
    /// Who wishes it, 1 to 100 characters; with a token it is the token's name, and left out.
    #[serde(default)]
    pub actor: Option<String>,
    /// Why, for example what was mended; at most 2,000 characters.
    pub reason: Option<String>,
}

/// What became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ResendView {
    /// The notice.
    pub id: String,
    /// Its state now.
    pub state: String,
    /// Whether this wish did it; false where an earlier one had.
    pub resent: bool,
}

/// Begins the name of a webhook as recipient, which the configuration gives and which is nobody's.
const WEBHOOK: &str = "webhook:";

/// A wish to send dead letters again: all of them, or those that every filter given lets through.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ResendAllRequest {
    /// Who wishes it, 1 to 100 characters; with a token it is the token's name, and left out.
    #[serde(default)]
    pub actor: Option<String>,
    /// Why, for example what was mended; at most 2,000 characters.
    pub reason: Option<String>,
    /// Of this incident.
    pub incident: Option<String>,
    /// To this address, whole, in letters of either case.
    pub recipient: Option<String>,
    /// That failed so: `transient`, `setup` or `permanent`. Those that were given up because too many waited
    /// have none.
    pub failure: Option<String>,
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ResendAllView {
    /// Dead letters that wait for their attempts now, counted as `GET /v1/notices` counts them: a digest is one, and
    /// each notice that it tells.
    pub resent: u64,
    /// The mails that they make: a digest goes as one, with all that it tells.
    pub mails: u64,
    /// Dead letters that the filters still let through.
    pub left: u64,
}

impl NoticeView {
    /// A row of the ledger.
    pub fn of(row: &Delivery, zone: &TimeZone) -> NoticeView {
        let waits = row.state == DeliveryState::Queued && row.next_attempt_at_ms > 0;
        let next_ms = waits.then_some(row.next_attempt_at_ms);
        let (resent_by, resent_at_ms) = row.resent.clone().unzip();
        NoticeView {
            id: row.id.clone(),
            incident: row.incident.clone(),
            revision: row.revision,
            reason: row.reason.clone(),
            recipient: masked(&row.recipient),
            subject: row.subject.clone(),
            message_id: row.message_id.clone(),
            state: row.state.name().to_owned(),
            attempts: row.attempts,
            // Servers repeat the address in their answers.
            last_error: row
                .last_error
                .as_ref()
                .map(|error| error.replace(&row.recipient, &masked(&row.recipient))),
            failure: row.failure.clone(),
            digest: row.digest.clone(),
            next_attempt_at_ms: next_ms,
            next_attempt_at: next_ms.map(|ms| iso(ms, zone)),
            decided_at_ms: row.decided_at_ms,
            decided_at: iso(row.decided_at_ms, zone),
            settled_at_ms: row.settled_at_ms,
            settled_at: row.settled_at_ms.map(|ms| iso(ms, zone)),
            resent_by,
            resent_at_ms,
            resent_at: resent_at_ms.map(|ms| iso(ms, zone)),
        }
    }
}

/// An address by its first letter and its domain: enough to know which, too little to write to. A webhook is none.
pub(in crate::api) fn masked(address: &str) -> String {
    if address.starts_with(WEBHOOK) {
        return address.to_owned();
    }
    let (name, domain) = address.rsplit_once('@').unwrap_or((address, ""));
    let first: String = name.chars().take(1).collect();
    format!("{first}***@{domain}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_cannot_be_read_back() {
        assert_eq!(masked("duty@example.com"), "d***@example.com");
        assert_eq!(masked("值班@例.cn"), "值***@例.cn");
        assert_eq!(masked("no address"), "n***@");
        assert_eq!(masked(""), "***@");
        assert_eq!(masked("webhook:crv"), "webhook:crv");
    }
}
