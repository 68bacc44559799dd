//! What is known of single subscribers, on the wire. Numbers are masked for who may not see them.

use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::api::iso;
use crate::dataflow::{Found, MessageDetail};
use crate::masking::mask;

/// Who is affected by a trouble.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct AffectedView {
    /// The trigger.
    pub trigger: String,
    /// Whether numbers are masked, because the caller has not the role `subscribers`.
    pub masked: bool,
    /// Those who are affected, each once; tickets first.
    pub subscribers: Vec<AffectedSubscriberView>,
    /// Affected ones beyond the bound, and tickets without a number.
    pub left_out: u64,
}

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct AffectedSubscriberView {
    /// Number.
    pub number: String,
    /// `ticket`: filed a linked complaint; `receipt`: a message did not arrive, or late.
    pub known_by: String,
    /// Serial of the ticket or id of the message.
    pub reference: String,
    /// How the message ended.
    pub status: Option<String>,
    /// Whether the message was delivered after the deadline of its edition; null without one.
    pub late: Option<bool>,
}

/// A question about the messages of a number. In a body, so that no log on the way keeps the number.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, expecting = "a JSON object")]
pub struct MessagesRequest {
    /// The subscriber's number, 3 to 32 characters.
    #[schema(example = "13900000000")]
    pub number: String,
    /// First instant, ms; everything that is kept without it.
    #[serde(default)]
    pub from_ms: Option<i64>,
    /// End, ms.
    #[serde(default)]
    pub to_ms: Option<i64>,
}

/// The messages of a number.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct MessagesView {
    /// The number.
    pub number: String,
    /// Whether numbers and ids are masked, because the caller has not the role `subscribers`.
    pub masked: bool,
    /// Messages found.
    pub total: u64,
    /// Those delivered.
    pub delivered: u64,
    /// Those without a final report yet.
    pub pending: u64,
    /// Delivered of those that have ended, percent; null when none has.
    pub delivered_percent: Option<f64>,
    /// Messages, the newest first.
    pub messages: Vec<MessageView>,
    /// Messages beyond the bound.
    pub left_out: u64,
    /// Messages that were submitted before are kept no more, ms; null before any message was heard of.
    pub kept_from_ms: Option<i64>,
    /// The same as a time.
    pub kept_from: Option<String>,
    /// Whether all of the period asked for is kept, and every city was looked at. Where it is not, no message does not mean
    /// that there was none.
    pub complete: bool,
    /// The cities whose messages were looked at, where the token is for some; null for all, and for those of none.
    pub cities: Option<Vec<String>>,
}

/// One message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct MessageView {
    /// The MMSC's message id.
    pub message_id: String,
    /// Service.
    pub service: Option<String>,
    /// City.
    pub city: Option<String>,
    /// Regular issue.
    pub edition: Option<String>,
    /// When it was submitted, ms.
    pub submitted_ms: Option<i64>,
    /// When it was submitted.
    pub submitted: Option<String>,
    /// How it ended, by its canonical word; `pending` before.
    pub status: String,
    /// When that was reported, ms.
    pub decided_ms: Option<i64>,
    /// When that was reported.
    pub decided: Option<String>,
    /// Whether that is earlier than the submission, beyond what clocks differ: its time is not to be trusted.
    pub early: bool,
    /// From submission to delivery, ms.
    pub delay_ms: Option<i64>,
}

impl MessagesView {
    /// What was found of a number, asked for from an instant on or for all that is kept.
    pub fn of(
        number: &str,
        found: &Found,
        asked_from_ms: Option<i64>,
        kept_from_ms: Option<i64>,
        is_masked: bool,
        zone: &TimeZone,
    ) -> MessagesView {
        let told = found.messages.iter();
        let delivered = told.clone().filter(|known| known.is_delivered());
        let delivered = delivered.count() as u64;
        let failed = told.clone().filter(|known| known.is_failed()).count() as u64;
        let total = found.messages.len() as u64;
        let ended = delivered + failed;
        MessagesView {
            number: shown(number, is_masked),
            masked: is_masked,
            total,
            delivered,
            pending: total - ended,
            delivered_percent: (ended > 0).then(|| delivered as f64 * 100.0 / ended as f64),
            messages: told
                .map(|detail| MessageView::of(detail, is_masked, zone))
                .collect(),
            left_out: found.beyond,
            kept_from_ms,
            kept_from: kept_from_ms.map(|ms| iso(ms, zone)),
            complete: asked_from_ms
                .is_none_or(|from_ms| kept_from_ms.is_some_and(|kept_ms| from_ms >= kept_ms)),
            cities: None,
        }
    }
}

impl MessagesView {
    /// The same for who sees some cities: messages of others, which it does not show, may be all that there are.
    pub fn of_cities(self, cities: Option<&[String]>) -> MessagesView {
        MessagesView {
            complete: self.complete && cities.is_none(),
            cities: cities.map(<[String]>::to_vec),
            ..self
        }
    }
}

impl MessageView {
    fn of(detail: &MessageDetail, is_masked: bool, zone: &TimeZone) -> MessageView {
        let own = |text: &Option<std::sync::Arc<str>>| text.as_deref().map(str::to_owned);
        MessageView {
            message_id: shown(&detail.message_id, is_masked),
            service: own(&detail.service),
            city: own(&detail.city),
            edition: own(&detail.edition),
            submitted_ms: detail.submitted_ms,
            submitted: detail.submitted_ms.map(|ms| iso(ms, zone)),
            status: detail.status.to_string(),
            early: detail.is_early,
            decided_ms: detail.decided_ms,
            decided: detail.decided_ms.map(|ms| iso(ms, zone)),
            delay_ms: detail.delay_ms,
        }
    }
}

impl AffectedView {
    /// Callers of tickets and subscribers who missed messages, each once.
    pub fn of(
        trigger: &str,
        tickets: u64,
        callers: &Found,
        missed: &Found,
        is_masked: bool,
    ) -> AffectedView {
        let mut seen = std::collections::BTreeSet::new();
        let mut subscribers = Vec::new();
        for (serial, number) in &callers.callers {
            if seen.insert(number.clone()) {
                subscribers.push(AffectedSubscriberView {
                    number: shown(number, is_masked),
                    known_by: "ticket".to_owned(),
                    reference: shown(serial, is_masked),
                    status: None,
                    late: None,
                });
            }
        }
        for detail in &missed.messages {
            let Some(number) = &detail.number else {
                continue;
            };
            if seen.insert(number.clone()) {
                subscribers.push(AffectedSubscriberView {
                    number: shown(number, is_masked),
                    known_by: "receipt".to_owned(),
                    reference: shown(&detail.message_id, is_masked),
                    status: Some(detail.status.to_string()),
                    late: detail.on_time.map(|on_time| !on_time),
                });
            }
        }
        AffectedView {
            trigger: trigger.to_owned(),
            masked: is_masked,
            subscribers,
            left_out: missed.beyond + tickets.saturating_sub(callers.callers.len() as u64),
        }
    }
}

/// A number or an id that may hold one, for who may see it or who may not.
pub(crate) fn shown(text: &str, is_masked: bool) -> String {
    if is_masked {
        mask(text)
    } else {
        text.to_owned()
    }
}
