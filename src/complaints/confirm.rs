//! A ticket's evidence → what is found, by part D's table. What rules say of a finding is theirs.

use crate::dataflow::{Standing, WindowUpdate};
use crate::rules::{Answer, Finding, Verdict};

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
    /// How the place's KQI stood when they ended.
    pub neighbours: Neighbours,
    /// Whether every message of that time is known: none where nobody heard of any is no evidence.
    pub is_complete: bool,
}

/// How a place stood when messages of one of its customers ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Neighbours {
    /// Its KQI was outside its interval, whether that was alerted or kept back by planned work: work explains a breach
    /// and does not hide it (domain fact H31), and it is not the customer's doing either way.
    Breached,
    /// It was judged, and within, at each of these moments.
    Fine,
    /// Nobody can say: too few messages to judge, no window, one that may still change, or no place.
    Unclear,
}

impl Neighbours {
    /// By the windows of the place's KQI. One that is outside at the end of any failed message is a breach; to be fine takes
    /// a final window within, at the end of each that expired.
    pub fn of(
        kqi: usize,
        windows: &[WindowUpdate],
        failed_ms: &[i64],
        expired_ms: &[i64],
    ) -> Neighbours {
        let verdicts_at = |at_ms: i64| {
            let holding = windows
                .iter()
                .filter(move |window| (window.start_ms..window.end_ms).contains(&at_ms));
            holding.flat_map(move |window| {
                let cells = window.cells.iter().filter(move |cell| cell.kqi == kqi);
                cells.map(|cell| (cell.verdict, window.standing))
            })
        };
        let is_breach =
            |verdict: Verdict| matches!(verdict, Verdict::Abnormal(_) | Verdict::Suppressed);
        let is_breached = |at_ms: &i64| verdicts_at(*at_ms).any(|(verdict, _)| is_breach(verdict));
        let is_fine = |at_ms: &i64| {
            let is_final = |standing| standing != Standing::Provisional;
            verdicts_at(*at_ms)
                .any(|(verdict, standing)| verdict == Verdict::Normal && is_final(standing))
        };
        if failed_ms.iter().any(is_breached) {
            Neighbours::Breached
        } else if expired_ms.iter().all(is_fine) {
            Neighbours::Fine
        } else {
            Neighbours::Unclear
        }
    }
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
    /// A message expired, and whether it was the only one there nobody can say.
    NeighboursUnknown,
}

impl Unclear {
    /// Its name in answers.
    pub fn name(self) -> &'static str {
        match self {
            Unclear::OrderUnknown => "order_unknown",
            Unclear::MessagesUnknown => "messages_unknown",
            Unclear::StillOpen => "still_open",
            Unclear::NeighboursUnknown => "neighbours_unknown",
        }
    }

    /// What is to be read of it, in Chinese and English.
    pub fn words(self) -> (&'static str, &'static str) {
        match self {
            Unclear::OrderUnknown => (
                "未见下发，且不知是否有定购关系：请先查定购关系",
                "Nothing was sent as far as is known, and nobody says whether there is an order: look for the order first",
            ),
            Unclear::MessagesUnknown => (
                "该时段的下发记录不全：不能据此判定",
                "Not every message of that time is known: it was too long ago, or nobody heard of messages then",
            ),
            Unclear::StillOpen => (
                "仍有消息在途或回执不明：请稍后再确认",
                "A message is on its way, or its report is of no known word: confirm again later",
            ),
            Unclear::NeighboursUnknown => (
                "消息已过期，但当地样本不足或无数据，不知周边是否也收不到：请人工判定",
                "A message expired, and too little is known of the place to say whether others missed theirs: a person decides",
            ),
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
            "Expired" if evidence.neighbours == Neighbours::Breached => Finding::ExpiredTogether,
            "Expired" => Finding::ExpiredAlone,
            _ => return None,
        })
    });
    // In the order of findings the relay's faults come first, and what was delivered last.
    let worst = worst.min().ok_or(Unclear::StillOpen)?;
    let is_open = |message: &Ended<'_>| matches!(message.status, "pending" | "Indeterminate");
    if worst == Finding::ExpiredAlone && evidence.neighbours == Neighbours::Unclear {
        return Err(Unclear::NeighboursUnknown);
    }
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
    use std::sync::Arc;

    use super::*;
    use crate::dataflow::{Cell, Group};
    use crate::rules::Severity;

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
            neighbours: Neighbours::Fine,
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
        let regional = |evidence: &mut Evidence<'_>| evidence.neighbours = Neighbours::Breached;
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

    /// A window of the place's KQI from an instant on, an hour long.
    fn window(start_ms: i64, verdict: Verdict, standing: Standing) -> WindowUpdate {
        let cell = Cell {
            verdict,
            ..Cell::absent(3)
        };
        let other = Cell {
            verdict: Verdict::Abnormal(Severity::Critical),
            ..Cell::absent(4)
        };
        WindowUpdate {
            group: Arc::new(Group::new(Vec::new())),
            start_ms,
            end_ms: start_ms + 3_600_000,
            count: 1,
            good: 0,
            standing,
            cells: vec![other, cell],
        }
    }

    #[test]
    fn what_planned_work_keeps_back_is_a_breach_and_too_few_messages_are_nothing() {
        let at_ms = 1_800_000;
        let sealed = |verdict| window(0, verdict, Standing::Sealed);
        let stands = |windows: &[WindowUpdate]| Neighbours::of(3, windows, &[at_ms], &[at_ms]);
        let normal = sealed(Verdict::Normal);
        assert_eq!(stands(&[]), Neighbours::Unclear);
        assert_eq!(
            stands(&[sealed(Verdict::Insufficient)]),
            Neighbours::Unclear
        );
        assert_eq!(
            stands(&[sealed(Verdict::SourceSilent)]),
            Neighbours::Unclear
        );
        assert_eq!(stands(std::slice::from_ref(&normal)), Neighbours::Fine);
        // Of windows that overlap one that could judge is enough, and one that was outside is.
        let few = sealed(Verdict::Insufficient);
        assert_eq!(stands(&[few, normal.clone()]), Neighbours::Fine);
        for breach in [Verdict::Abnormal(Severity::Minor), Verdict::Suppressed] {
            let windows = [normal.clone(), sealed(breach)];
            assert_eq!(stands(&windows), Neighbours::Breached, "{breach:?}");
        }
        // One that still fills, and one of another hour, say nothing good.
        let filling = window(0, Verdict::Normal, Standing::Provisional);
        assert_eq!(stands(&[filling]), Neighbours::Unclear);
        let later = window(3_600_000, Verdict::Normal, Standing::Sealed);
        assert_eq!(stands(&[later]), Neighbours::Unclear);
        // Each that expired needs one.
        let both = Neighbours::of(3, &[normal], &[at_ms, 9_000_000], &[at_ms, 9_000_000]);
        assert_eq!(both, Neighbours::Unclear);
    }

    #[test]
    fn neighbours_of_whom_nothing_is_known_decide_nothing() {
        let unclear = |evidence: &mut Evidence<'_>| evidence.neighbours = Neighbours::Unclear;
        assert_eq!(found(&[message("Expired")], unclear), "neighbours_unknown");
        // What does not ask for neighbours is found without them.
        assert_eq!(
            found(&[message("Rejected"), message("Expired")], unclear),
            "rejected"
        );
        assert_eq!(found(&[message("Retrieved")], unclear), "delivered");
        let (zh, en) = Unclear::NeighboursUnknown.words();
        assert!(!zh.is_ascii() && en.is_ascii());
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
