//! How MMS receipts are read: words on the wire, validity, editions, causes.

use std::collections::BTreeMap;

use super::{Ids, duration_of, text_of};
use crate::rules::duration::{MINUTE_MS, parse_clock};
use crate::rules::mms::{
    CausePattern, DateMeaning, Edition, Gateway, Habits, HourClock, MmsRule, RecipientPlace,
};
use crate::rules::problem::{Problems, did_you_mean};
use crate::rules::syntax::Node;

/// The status words of 3GPP TS 23.140 that everything on the wire is brought to.
const STATUSES: [&str; 7] = [
    "Retrieved",
    "Expired",
    "Rejected",
    "Unrecognised",
    "Indeterminate",
    "Forwarded",
    "Deferred",
];
/// The words that say a message is on its way, unless the book lists others.
const INTERIM: [&str; 2] = ["Forwarded", "Deferred"];
/// MIIT 3G service norm: messages are kept for at least 72 h.
const VALIDITY_MS_DEFAULT: i64 = 72 * 60 * MINUTE_MS;
/// Judgement: clocks of gateways are kept to minutes, and SMPP's receipts tell no seconds.
const EARLY_TOLERANCE_MS_DEFAULT: i64 = 5 * MINUTE_MS;

/// Minutes after a deadline from which a submission is of the next day's issue, unless the edition says so itself.
/// Judgement: what is sent half a day late is nearer to the next deadline than to its own.
const NEXT_AFTER_MINUTES: i64 = 12 * 60;
const DAY_MINUTES: i64 = 24 * 60;

pub(super) fn read(node: Option<&Node>, problems: &mut Problems) -> MmsRule {
    let empty = Node {
        at: Default::default(),
        value: crate::rules::syntax::Value::Null,
    };
    let node = node.unwrap_or(&empty);
    let validity_ms = duration_of(node, "validity").unwrap_or(VALIDITY_MS_DEFAULT);
    if let Some(field) = node.get("validity").filter(|_| validity_ms == 0) {
        problems.error(
            field.at,
            "a validity of no length would expire every message",
        );
    }
    MmsRule {
        statuses: read_statuses(node, problems),
        interim: read_interim(node, problems),
        validity_ms,
        early_tolerance_ms: duration_of(node, "early_tolerance")
            .unwrap_or(EARLY_TOLERANCE_MS_DEFAULT),
        editions: read_editions(node, problems),
        causes: read_causes(node, problems),
        gateways: read_gateways(node, problems),
    }
}

/// Wire words in lower case → canonical words. A canonical word always stands for itself.
fn read_statuses(node: &Node, problems: &mut Problems) -> BTreeMap<String, String> {
    let mut statuses: BTreeMap<String, String> = STATUSES
        .iter()
        .map(|word| (word.to_lowercase(), (*word).to_owned()))
        .collect();
    let entries = node.get("statuses").map(Node::entries).unwrap_or_default();
    for entry in entries {
        let Some(canonical) = STATUSES.iter().find(|word| **word == entry.key) else {
            problems.error_with(
                entry.at,
                format!("unknown status {:?}", entry.key),
                did_you_mean(&entry.key, STATUSES),
            );
            continue;
        };
        for item in entry.node.items() {
            let Some(word) = item.text() else {
                continue;
            };
            let before = statuses.insert(word.to_lowercase(), (*canonical).to_owned());
            if let Some(before) = before.filter(|before| before != canonical) {
                problems.error(
                    item.at,
                    format!("{word:?} already means {before}, it cannot mean {canonical} too"),
                );
            }
        }
    }
    statuses
}

fn read_interim(node: &Node, problems: &mut Problems) -> Vec<String> {
    let Some(list) = node.get("interim") else {
        return INTERIM.map(str::to_owned).to_vec();
    };
    let mut interim = Vec::new();
    for item in list.items() {
        let Some(word) = item.text() else {
            continue;
        };
        if STATUSES.contains(&word) {
            interim.push(word.to_owned());
        } else {
            problems.error_with(
                item.at,
                format!("unknown status {word:?}"),
                did_you_mean(word, STATUSES),
            );
        }
    }
    interim
}

fn read_editions(node: &Node, problems: &mut Problems) -> Vec<Edition> {
    let mut ids = Ids::new("edition");
    let mut editions = Vec::new();
    for item in node.get("editions").map(Node::items).unwrap_or_default() {
        let Some(id) = item.get("id").filter(|id| ids.claim(id, problems)) else {
            continue;
        };
        if let Some(deadline_minutes) = parse_clock(&text_of(item, "deadline")) {
            let next_from_minutes = match item.get("next_from").and_then(Node::text) {
                Some(text) => parse_clock(text),
                None => Some(deadline_minutes + NEXT_AFTER_MINUTES),
            };
            if let Some(node) = item.get("next_from")
                && next_from_minutes.is_some_and(|from| from <= deadline_minutes)
            {
                let words = "the next day's issue begins after the deadline of the day's own";
                problems.error(node.at, words);
            }
            editions.push(Edition {
                id: id.text().unwrap_or_default().to_owned(),
                deadline_minutes,
                next_from_minutes: next_from_minutes.filter(|from| *from < DAY_MINUTES),
            });
        }
    }
    editions
}

fn read_causes(node: &Node, problems: &mut Problems) -> Vec<CausePattern> {
    let mut causes: Vec<CausePattern> = Vec::new();
    for item in node.get("causes").map(Node::items).unwrap_or_default() {
        let contains = text_of(item, "contains");
        let hidden_by = causes
            .iter()
            .find(|earlier| contains.contains(&earlier.contains));
        if let Some(earlier) = hidden_by {
            problems.warn(
                item.at,
                format!(
                    "{contains:?} is never reached: {:?} stands before it and wins",
                    earlier.contains
                ),
                None,
            );
        }
        causes.push(CausePattern {
            contains,
            cause: text_of(item, "cause"),
        });
    }
    causes
}

fn read_gateways(node: &Node, problems: &mut Problems) -> Vec<Gateway> {
    let mut relays = Ids::new("gateway");
    let mut gateways = Vec::new();
    for item in node.get("gateways").map(Node::items).unwrap_or_default() {
        if item
            .get("relay")
            .is_none_or(|relay| !relays.claim(relay, problems))
        {
            continue;
        }
        let word = |field: &str| item.get(field).and_then(Node::text);
        gateways.push(Gateway {
            relay: text_of(item, "relay"),
            habits: Habits {
                date: match word("date") {
                    Some("submission") => DateMeaning::Submission,
                    _ => DateMeaning::Handling,
                },
                clock: match word("clock") {
                    Some("12h") => HourClock::Twelve,
                    _ => HourClock::TwentyFour,
                },
                recipient: match word("recipient") {
                    Some("sender") => RecipientPlace::Sender,
                    _ => RecipientPlace::Recipient,
                },
            },
        });
    }
    gateways
}
