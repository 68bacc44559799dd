//! How much is kept of one key: each bound with its policy and its count, and what a bound that was set lower leaves.

use serde_json::{Value, json};

use super::*;
use crate::dataflow::Counts;

/// An entity under bounds, with what they did.
struct Kept {
    entity: Entity,
    limits: Limits,
    counters: Counters,
    stock: Stock,
}

fn submit(value: Value) -> Record {
    Record::Submit(serde_json::from_value(value).unwrap())
}

fn receipt(value: Value) -> Record {
    Record::Receipt(serde_json::from_value(value).unwrap())
}

fn part(value: Value) -> Record {
    Record::Part(serde_json::from_value(value).unwrap())
}

fn connection(value: Value) -> Record {
    Record::Connection(serde_json::from_value(value).unwrap())
}

fn complaint(value: Value) -> Record {
    Record::Complaint(serde_json::from_value(value).unwrap())
}

impl Kept {
    fn new(limits: Limits) -> Kept {
        let nothing = Message::default();
        Kept {
            entity: Entity::Message(nothing),
            limits,
            counters: Counters::default(),
            stock: Stock::Free,
        }
    }

    /// Takes a record in; the first says what it is.
    fn take(&mut self, record: Record) -> bool {
        if self.len() == 0 {
            self.entity = Entity::for_key(&EntityKey::of(&record));
        }
        let room = Room {
            stock: self.stock,
            limits: &self.limits,
            counters: &self.counters,
        };
        self.entity.absorb(record, room)
    }

    fn counts(&self) -> Counts {
        self.counters.read()
    }

    /// How many records it holds.
    fn len(&self) -> usize {
        self.entity.len()
    }
}

#[test]
fn of_too_many_reports_a_repeat_goes_and_of_too_many_records_the_new_one_is_refused() {
    let mut kept = Kept::new(Limits {
        message_receipts_max: 3,
        message_records_max: 6,
        ..Limits::default()
    });
    let report = |recipient: &str, ts: i64, status: &str| {
        let value =
            json!({"ts_ms": ts, "message_id": "m", "status": status, "recipient": recipient});
        receipt(value)
    };
    assert!(kept.take(submit(
        json!({"ts_ms": 0, "message_id": "m", "service": "s", "recipient": "1"})
    )));
    for ts in 1..=5 {
        assert!(kept.take(report("1", ts, "Deferred")));
    }
    assert_eq!((kept.len(), kept.counts().receipts_gone), (4, 2));
    // Others have their own, until the id is full.
    assert!(kept.take(report("2", 1, "Retrieved")));
    assert!(kept.take(report("3", 1, "Retrieved")));
    assert!(!kept.take(report("4", 1, "Retrieved")));
    assert!(kept.take(report("3", 1, "Retrieved")), "a repeat is none");
    let counts = kept.counts();
    assert_eq!((kept.len(), counts.message_records_refused), (6, 1));
    assert_eq!(counts.entities_refused, 0, "the message is known");
    // A start with lower bounds loses nothing of it.
    kept.limits.message_receipts_max = 1;
    kept.limits.message_records_max = 2;
    assert!(!kept.take(report("1", 9, "Retrieved")));
    assert_eq!(kept.len(), 6);
    // One with higher bounds takes more.
    kept.limits.message_records_max = 9;
    assert!(kept.take(report("1", 9, "Retrieved")));
    assert_eq!((kept.len(), kept.counts().receipts_gone), (6, 3));
}

#[test]
fn of_too_many_reports_the_first_and_the_last_of_a_word_stay() {
    let mut kept = Kept::new(Limits {
        message_receipts_max: 4,
        ..Limits::default()
    });
    let words = [
        "Retrieved",
        "Retrieved",
        "Expired",
        "Retrieved",
        "Expired",
        "Retrieved",
    ];
    for (ts, status) in (1..).zip(words) {
        let value = json!({"ts_ms": ts, "message_id": "m", "status": status, "recipient": "1"});
        assert!(kept.take(receipt(value)));
    }
    let Entity::Message(message) = &kept.entity else {
        panic!("a message");
    };
    assert_eq!(message.receipt_times(), [1, 3, 5, 6]);
}

#[test]
fn parts_beyond_the_bound_are_refused() {
    let mut kept = Kept::new(Limits {
        delivery_parts_max: 2,
        ..Limits::default()
    });
    let came = |number: i64| {
        let value = json!({"ts_ms": number, "part": number, "parts": 3, "delivery": "d", "ok": true, "service": "s", "more": []});
        part(value)
    };
    assert!(kept.take(came(1)) && kept.take(came(2)));
    assert!(!kept.take(came(3)));
    assert!(kept.take(came(2)), "a repeat is none");
    assert_eq!((kept.len(), kept.counts().parts_refused), (2, 1));
}

#[test]
fn the_oldest_changes_of_a_connection_go() {
    let mut kept = Kept::new(Limits {
        connection_changes_max: 3,
        ..Limits::default()
    });
    let change = |ts: i64| {
        let value = json!({"ts_ms": ts, "host": "h", "interface": "i", "connection": "c", "state": "Active"});
        connection(value)
    };
    for ts in 1..=5 {
        assert!(kept.take(change(ts)));
    }
    assert!(kept.take(change(5)), "a repeat is none");
    assert_eq!((kept.len(), kept.counts().changes_gone), (3, 2));
    kept.limits.connection_changes_max = 2;
    assert!(kept.take(change(6)));
    assert_eq!((kept.len(), kept.counts().changes_gone), (3, 3));
}

#[test]
fn versions_of_a_ticket_are_folded_and_the_filing_stays() {
    let mut kept = Kept::new(Limits {
        ticket_versions_max: 2,
        ..Limits::default()
    });
    let version = |number: i64, cause: Option<&str>| {
        let state = if number == 1 { "Filed" } else { "Confirmed" };
        let value = json!({"ts_ms": number, "version": number, "serial": "t", "state": state, "cause": cause, "answers": []});
        complaint(value)
    };
    assert!(kept.take(version(1, None)) && kept.take(version(2, Some("known"))));
    for number in 3..=5 {
        assert!(kept.take(version(number, None)));
    }
    assert_eq!((kept.len(), kept.counts().versions_folded), (2, 3));
    let Entity::Ticket(ticket) = &kept.entity else {
        panic!("a ticket");
    };
    assert_eq!(ticket.ts_ms_max(), 5);
    // A bound that the reader of the configuration would refuse panics nobody.
    kept.limits.ticket_versions_max = 0;
    assert!(kept.take(version(6, None)));
    assert_eq!((kept.len(), kept.counts().versions_folded), (2, 4));
}

#[test]
fn where_there_is_no_room_for_more_of_anything_each_does_as_at_its_own_bound() {
    let message = |recipient: &str| {
        submit(json!({"ts_ms": 0, "message_id": "m", "service": "s", "recipient": recipient}))
    };
    let came = |number: i64| {
        part(
            json!({"ts_ms": number, "part": number, "parts": 3, "delivery": "d", "ok": true, "service": "s", "more": []}),
        )
    };
    let change = |ts: i64| {
        connection(
            json!({"ts_ms": ts, "host": "h", "interface": "i", "connection": "c", "state": "Active"}),
        )
    };
    let version = |number: i64| {
        let state = if number == 1 { "Filed" } else { "Confirmed" };
        complaint(
            json!({"ts_ms": number, "version": number, "serial": "t", "state": state, "answers": []}),
        )
    };
    let stories = [
        ([message("1"), message("2"), message("3")], 2, false),
        ([came(1), came(2), came(3)], 2, false),
        // What became of these is what matters, and not what was before.
        ([change(1), change(2), change(3)], 2, true),
        ([version(1), version(2), version(3)], 2, true),
    ];
    for ([first, second, third], len, is_taken) in stories {
        let mut kept = Kept::new(Limits::default());
        assert!(kept.take(first) && kept.take(second.clone()));
        kept.stock = Stock::Full;
        assert!(kept.take(second), "a repeat is none");
        assert_eq!(kept.take(third.clone()), is_taken, "{third:?}");
        kept.stock = Stock::OverShare;
        kept.take(third.clone());
        let counts = kept.counts();
        assert_eq!(kept.len(), len, "{third:?}");
        assert_eq!(counts.records_refused, 1, "{third:?}");
        assert_eq!(counts.records_over_share, u64::from(!is_taken), "{third:?}");
        let of_its_own = counts.message_records_refused
            + counts.parts_refused
            + counts.changes_gone
            + counts.versions_folded;
        assert_eq!(of_its_own, 0, "{third:?}");
    }
}
