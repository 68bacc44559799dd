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
    /// Whether the place's KQI was abnormal too.
    pub is_regional: bool,
}

/// What the evidence finds; none where it decides nothing yet: a message is on its way, or its report is of
/// no known word.
pub fn find(evidence: &Evidence<'_>) -> Option<Finding> {
    match (evidence.ordered, evidence.charged) {
        (Answer::No, Answer::Yes) => return Some(Finding::ChargedWithoutOrder),
        (Answer::No, _) if evidence.messages.is_empty() => return Some(Finding::NoOrder),
        _ if evidence.consented == Answer::No => return Some(Finding::OrderedWithoutConsent),
        _ => {}
    }
    if evidence.messages.is_empty() {
        return Some(Finding::NothingSubmitted);
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
    let worst = worst.min()?;
    let is_open = |message: &Ended<'_>| matches!(message.status, "pending" | "Indeterminate");
    // What is on its way may still turn out to be what the customer misses.
    let is_decided = worst < Finding::Late || !evidence.messages.iter().any(is_open);
    is_decided.then_some(worst)
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
            is_regional: false,
        };
        change(&mut evidence);
        find(&evidence).map_or("nothing", Finding::name)
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
        assert_eq!(found(&[], |_| {}), "nothing_submitted");
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
        assert_eq!(found(&[message("pending")], |_| {}), "nothing");
        assert_eq!(found(&[good, message("pending")], |_| {}), "nothing");
        assert_eq!(found(&[bad, message("pending")], |_| {}), "expired_alone");
        assert_eq!(found(&[message("Indeterminate")], |_| {}), "nothing");
    }

    #[test]
    fn unclear_never_decides() {
        let unclear = |evidence: &mut Evidence<'_>| evidence.charged = Answer::Yes;
        assert_eq!(found(&[message("Retrieved")], unclear), "delivered");
    }
}
