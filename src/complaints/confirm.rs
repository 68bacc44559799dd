//! A ticket's evidence → what is found, by part D's table. What rules say of a finding is theirs.

use crate::rules::{Answer, Finding};

/// How a message of the number ended, or stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended<'a> {
    /// Canonical word; `pending` before.
    pub status: &'a str,
    /// Whether a report says so; without one it only grew too old.
    pub is_reported: bool,
    /// Whether an edition's message came by its deadline.
    pub on_time: Option<bool>,
}

/// What is known of a complaint when it is confirmed.
#[derive(Clone, Debug, PartialEq)]
pub struct Evidence<'a> {
    /// The messages of its number, in the time that it is about.
    pub messages: &'a [Ended<'a>],
    /// Whether there is an order.
    pub ordered: Answer,
    /// Whether it was charged.
    pub charged: Answer,
    /// Whether the customer wanted it.
    pub consented: Answer,
    /// Whether the platform that sends it stands outside the province.
    pub outside: Answer,
    /// Whether the place's KQI was abnormal too.
    pub is_regional: bool,
    /// Whether every message of that time is known: none where nobody heard of any is no evidence.
    pub is_complete: bool,
}

/// Why evidence decides nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unclear {
    /// Nothing was sent as far as is known, and nobody says whether there is an order.
    OrderUnknown,
    /// Nothing was sent as far as is known; but it was too long ago, or nobody heard of messages then.
    MessagesUnknown,
    /// A message is on its way, or its report is of no known word.
    StillOpen,
}

impl Unclear {
    /// Its name in answers.
    pub fn name(self) -> &'static str {
        match self {
            Unclear::OrderUnknown => "order_unknown",
            Unclear::MessagesUnknown => "messages_unknown",
            Unclear::StillOpen => "still_open",
        }
    }
}

/// What the evidence finds.
///
/// # Errors
/// Why it decides nothing. "Unclear", and what is not known, never decide.
pub fn find(evidence: &Evidence<'_>) -> Result<Finding, Unclear> {
    match (evidence.ordered, evidence.charged) {
        (Answer::No, Answer::Yes) => return Ok(Finding::ChargedWithoutOrder),
        (Answer::No, _) if evidence.messages.is_empty() => return Ok(Finding::NoOrder),
        _ if evidence.consented == Answer::No => return Ok(Finding::OrderedWithoutConsent),
        _ => {}
    }
    if evidence.messages.is_empty() {
        return match (evidence.ordered, evidence.outside) {
            (Answer::Yes, _) if !evidence.is_complete => Err(Unclear::MessagesUnknown),
            (Answer::Yes, Answer::Yes) => Ok(Finding::NothingSubmittedOutside),
            (Answer::Yes, _) => Ok(Finding::NothingSubmitted),
            _ => Err(Unclear::OrderUnknown),
        };
    }
    let worst = evidence.messages.iter().filter_map(|message| {
        Some(match message.status {
            "Retrieved" if message.on_time == Some(false) => Finding::Late,
            "Retrieved" => Finding::Delivered,
            "Rejected" | "Unrecognised" => Finding::Rejected,
            "Expired" if !message.is_reported => Finding::NoFinalReport,
            "Expired" if evidence.is_regional => Finding::ExpiredTogether,
            "Expired" => Finding::ExpiredAlone,
            _ => return None,
        })
    });
    // In the order of findings the relay's faults come first, and what was delivered last.
    let worst = worst.min().ok_or(Unclear::StillOpen)?;
    let is_open = |message: &Ended<'_>| matches!(message.status, "pending" | "Indeterminate");
    // What is on its way may still turn out to be what the customer misses.
    if worst < Finding::Late {
        Ok(worst)
    } else if evidence.messages.iter().any(is_open) {
        Err(Unclear::StillOpen)
    } else if !evidence.is_complete {
        // What came is not what is missed.
        Err(Unclear::MessagesUnknown)
    } else {
        Ok(worst)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(status: &str) -> Ended<'_> {
        Ended {
            status,
            is_reported: true,
            on_time: Some(true),
        }
    }

    fn found(messages: &[Ended<'_>], change: impl FnOnce(&mut Evidence<'_>)) -> &'static str {
        let mut evidence = Evidence {
            messages,
            ordered: Answer::Unclear,
            charged: Answer::Unclear,
            consented: Answer::Unclear,
            outside: Answer::Unclear,
            is_regional: false,
            is_complete: true,
        };
        change(&mut evidence);
        find(&evidence).map_or_else(Unclear::name, Finding::name)
    }

    #[test]
    fn each_row_of_the_table() {
        let late = Ended {
            on_time: Some(false),
            ..message("Retrieved")
        };
        let unreported = Ended {
            is_reported: false,
            ..message("Expired")
        };
        let ordered = |evidence: &mut Evidence<'_>| evidence.ordered = Answer::Yes;
        assert_eq!(found(&[], ordered), "nothing_submitted");
        let outside = |evidence: &mut Evidence<'_>| {
            (evidence.ordered, evidence.outside) = (Answer::Yes, Answer::Yes);
        };
        assert_eq!(found(&[], outside), "nothing_submitted_outside");
        assert_eq!(found(&[unreported], |_| {}), "no_final_report");
        assert_eq!(found(&[message("Expired")], |_| {}), "expired_alone");
        let regional = |evidence: &mut Evidence<'_>| evidence.is_regional = true;
        assert_eq!(found(&[message("Expired")], regional), "expired_together");
        assert_eq!(found(&[message("Rejected")], |_| {}), "rejected");
        assert_eq!(found(&[message("Unrecognised")], |_| {}), "rejected");
        assert_eq!(found(&[late], |_| {}), "late");
        assert_eq!(found(&[message("Retrieved")], |_| {}), "delivered");
        let charged = |evidence: &mut Evidence<'_>| {
            (evidence.ordered, evidence.charged) = (Answer::No, Answer::Yes);
        };
        assert_eq!(found(&[], charged), "charged_without_order");
        let unordered = |evidence: &mut Evidence<'_>| evidence.ordered = Answer::No;
        assert_eq!(found(&[], unordered), "no_order");
        let sold = |evidence: &mut Evidence<'_>| {
            (evidence.ordered, evidence.consented) = (Answer::Yes, Answer::No);
        };
        assert_eq!(
            found(&[message("Retrieved")], sold),
            "ordered_without_consent"
        );
    }

    #[test]
    fn the_worst_of_several_messages_decides_and_what_is_on_its_way_waits() {
        let (good, bad) = (message("Retrieved"), message("Expired"));
        assert_eq!(found(&[good, bad], |_| {}), "expired_alone");
        assert_eq!(found(&[message("pending")], |_| {}), "still_open");
        assert_eq!(found(&[good, message("pending")], |_| {}), "still_open");
        assert_eq!(found(&[bad, message("pending")], |_| {}), "expired_alone");
        assert_eq!(found(&[message("Indeterminate")], |_| {}), "still_open");
    }

    #[test]
    fn unclear_never_decides() {
        let unclear = |evidence: &mut Evidence<'_>| evidence.charged = Answer::Yes;
        assert_eq!(found(&[message("Retrieved")], unclear), "delivered");
        // No word of an order, and nothing that was sent.
        assert_eq!(found(&[], |_| {}), "order_unknown");
        assert_eq!(found(&[], unclear), "order_unknown");
    }

    #[test]
    fn messages_that_nobody_may_have_heard_of_decide_nothing() {
        let ordered = |evidence: &mut Evidence<'_>| {
            (evidence.ordered, evidence.is_complete) = (Answer::Yes, false);
        };
        assert_eq!(found(&[], ordered), "messages_unknown");
        assert_eq!(found(&[message("Retrieved")], ordered), "messages_unknown");
        // A fault that is on record is one, whatever else there was.
        assert_eq!(found(&[message("Expired")], ordered), "expired_alone");
    }
}
