//! A message to many is what it would be if all of it were asked anew, and a record of it costs what one costs.

use std::collections::BTreeSet;

use super::copy::Copy;
use super::*;
use crate::dataflow::bench::Bench;
use crate::dataflow::entity::Entity;
use crate::dataflow::fold::Slot;
use crate::dataflow::number::digits;
use crate::dataflow::subscriber::Inquiry;
use crate::dataflow::{Limits, Owner, steps};
use crate::event::Record;
use crate::rules::testing::plan;

const BOOK: &str = "
book: {name: t, version: '1', time_zone: Asia/Shanghai, any_service: true}
streams:
  mms_submit: {allowed_lateness: 0s, idle_timeout: 1h, retention: 2h, dimensions: [service, city, status]}
  mms_receipt: {allowed_lateness: 0s, idle_timeout: 1h, retention: 2h, dimensions: [service, city, status]}
mms: {validity: 1h, early_tolerance: 1s}
";
const MINUTE_MS: i64 = 60_000;

fn submit(ts_ms: i64, recipient: Option<&str>, city: &str) -> MmsSubmit {
    MmsSubmit {
        ts_ms,
        message_id: "m".into(),
        service: "s".into(),
        city: Some(city.into()),
        recipient: recipient.map(Arc::from),
        edition: None,
        campaign: None,
        valid_until_ms: None,
        source: None,
    }
}

fn receipt(ts_ms: i64, recipient: Option<&str>, status: &str, service: Option<&str>) -> MmsReceipt {
    MmsReceipt {
        ts_ms,
        message_id: "m".into(),
        status: status.into(),
        status_text: None,
        recipient: recipient.map(Arc::from),
        service: service.map(Arc::from),
        city: None,
        submitted_at_ms: None,
        source: None,
    }
}

/// A bench for messages.
fn bench(limits: Limits) -> Bench {
    Bench::new(limits, Stream::MmsReceipt, plan(BOOK))
}

/// The message, as a checkpoint would write and read it.
fn written(bench: &Bench) -> Message {
    let slots = bench.slots();
    let Entity::Message(message) = &slots[0].entity else {
        panic!("a message");
    };
    let bytes = postcard::to_allocvec(message).unwrap();
    postcard::from_bytes(&bytes).unwrap()
}

/// All records of a message, whoever they name: kept as of one, which is the plain way to say what is kept.
fn records(plain: &Few) -> (Vec<MmsSubmit>, Vec<MmsReceipt>) {
    let (mut submits, mut receipts) = (plain.submits.clone(), plain.receipts.clone());
    submits.sort();
    receipts.sort();
    (submits, receipts)
}

/// The message as each of its recipients has it, found by a look at every record.
fn copies(plain: &Few) -> Vec<Copy<'_>> {
    if !plain.names_several() {
        return vec![plain.copy()];
    }
    let numbers: BTreeSet<String> = plain.numbers().map(|number| digits(number)).collect();
    let is_of = |recipient: Option<&Arc<str>>, wanted: Option<&str>| {
        recipient.map(|number| digits(number)).as_deref() == wanted
    };
    let mut copies = Vec::new();
    for number in &numbers {
        let submit = |wanted: Option<&str>| {
            let mut submits = plain.submits.iter();
            submits.find(|submit| is_of(submit.recipient.as_ref(), wanted))
        };
        let receipts = plain.receipts.iter().filter(|receipt| {
            receipt.recipient.is_none() || is_of(receipt.recipient.as_ref(), Some(number))
        });
        copies.push(Copy {
            submit: submit(Some(number)).or_else(|| submit(None)),
            receipts: receipts.collect(),
        });
    }
    copies
}

fn waiting(plain: &Few) -> u64 {
    let mut receipts = plain.receipts.iter();
    if plain.submits.is_empty() && receipts.all(|receipt| receipt.service.is_none()) {
        return plain.receipts.len() as u64;
    }
    if !plain.names_several() {
        return 0;
    }
    let is_mute = |copy: &Copy<'_>| {
        copy.submit.is_none() && copy.receipts.iter().all(|of| of.service.is_none())
    };
    let copies = copies(plain).into_iter().filter(is_mute);
    copies.map(|copy| copy.receipts.len() as u64).sum()
}

/// Numbers of a story, the same for the same seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, sides: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.0 >> 33) % sides
    }
}

#[test]
fn a_message_to_many_states_what_it_would_if_all_of_it_were_asked_anew() {
    const NUMBERS: [Option<&str>; 7] = [
        Some("13900000001"),
        Some("+8613900000001"),
        Some("13900000002"),
        Some("13900000003"),
        Some("unknown"),
        Some("13900000004"),
        None,
    ];
    for seed in 0..200 {
        let mut dice = Dice(seed);
        let limits = Limits {
            message_receipts_max: 3,
            message_records_max: 18,
            ..Limits::default()
        };
        let mut bench = bench(limits);
        let mut plain = Few::default();
        let (mut gone, mut refused) = (0, 0);
        let mut outlived = Vec::new();
        for step in 0..40 {
            let now_ms = step * 5 * MINUTE_MS;
            let mut came = Vec::new();
            for _ in 0..dice.below(4) {
                let number = NUMBERS[dice.below(if seed % 2 == 0 { 6 } else { 7 }) as usize];
                let ts_ms = now_ms - dice.below(9) as i64 * MINUTE_MS;
                let status = ["Retrieved", "Rejected", "Deferred", "?"][dice.below(4) as usize];
                let service = ["a", "b"].get(dice.below(6) as usize).copied();
                let has_room = plain.len() < limits.message_records_max;
                if dice.below(3) == 0 {
                    let event = submit(ts_ms, number, ["c", "d"][dice.below(2) as usize]);
                    came.push(Record::Submit(event.clone()));
                    refused += u64::from(!plain.submitted(event, has_room));
                } else {
                    let event = receipt(ts_ms, number, status, service);
                    came.push(Record::Receipt(event.clone()));
                    match plain.reported(event, has_room, limits.message_receipts_max) {
                        Some(went) => gone += u64::from(went),
                        None => refused += 1,
                    }
                }
            }
            if dice.below(8) == 0 {
                bench.brings = Some(bench.plan.clone());
            }
            bench.epoch(now_ms, came);
            if bench.slots().is_empty() {
                // Forgotten, or nothing came yet.
                let view = View {
                    plan: &bench.plan,
                    watermarks: &bench.watermarks,
                };
                for copy in copies(&plain) {
                    copy.facts(view, &mut outlived);
                }
                plain = Few::default();
                assert_eq!(bench.counters.receipts_waiting.get(), 0);
                continue;
            }
            let written = written(&bench);
            let view = View {
                plan: &bench.plan,
                watermarks: &bench.watermarks,
            };
            let of_written = match &written {
                Message::Few(few) => records(few),
                Message::Many(many) => {
                    let (submits, receipts) = many.records();
                    let mut kept: (Vec<MmsSubmit>, Vec<MmsReceipt>) = (
                        submits.into_iter().cloned().collect(),
                        receipts.into_iter().cloned().collect(),
                    );
                    kept.0.sort();
                    kept.1.sort();
                    kept
                }
            };
            assert_eq!(of_written, records(&plain), "{seed}, {step}");
            let mut facts = Vec::new();
            let copies = copies(&plain);
            let is_early: u64 = copies.iter().map(|of| of.facts(view, &mut facts)).sum();
            facts.sort();
            let slot = &bench.slots()[0];
            let stated: Vec<_> = slot
                .stated
                .iter()
                .chain(slot.entity.stated_by_parts())
                .collect();
            assert_eq!(stated, facts.iter().collect::<Vec<_>>(), "{seed}, {step}");
            let wakes_at = copies.iter().filter_map(|copy| copy.wakes_at(view)).min();
            assert_eq!(
                slot.wakes_at_ms,
                wakes_at.unwrap_or(Slot::NEVER),
                "{seed}, {step}"
            );
            assert_eq!(slot.entity.len(), plain.len());
            assert_eq!(slot.expires_at_ms, plain.ts_ms_max() + 120 * MINUTE_MS);
            // After a start, only once it was looked at.
            if slot.early != Slot::UNKNOWN {
                assert_eq!(u64::from(slot.early), is_early, "{seed}, {step}");
            }
            assert!(
                bench.is_told(facts.iter().chain(&outlived)),
                "{seed}, {step}"
            );
            let counts = bench.counters.read();
            assert_eq!(counts.receipts_waiting, waiting(&plain), "{seed}, {step}");
            assert_eq!(counts.records, plain.len() as u64);
            if dice.below(10) == 0 {
                (gone, refused) = (0, 0);
                bench.restart();
                assert_eq!(bench.counters.receipts_waiting.get(), waiting(&plain));
            } else {
                assert_eq!(counts.receipts_gone, gone, "{seed}, {step}");
                assert_eq!(counts.message_records_refused, refused, "{seed}, {step}");
            }
        }
    }
}

/// Steps of the life of a message to so many: its records in one epoch, one more, a recipient that expires, a question about
/// a number, the first look after a start, one more then, and its end.
fn life(recipients: usize) -> [u64; 7] {
    let mut bench = bench(Limits {
        message_records_max: 1 << 20,
        ..Limits::default()
    });
    let number = |at: usize| (13_900_000_000 + at).to_string();
    let mut story = vec![Record::Submit(MmsSubmit {
        valid_until_ms: Some(30 * MINUTE_MS),
        ..submit(0, Some("13800000000"), "c")
    })];
    for at in 0..recipients {
        let own = number(at);
        // However they are written.
        let written = format!("+86{own}");
        story.push(Record::Submit(submit(0, Some(&own), "c")));
        story.push(Record::Receipt(receipt(
            1,
            Some(&written),
            "Deferred",
            None,
        )));
    }
    let one = |ts_ms| {
        let own = number(recipients / 2);
        vec![Record::Receipt(receipt(
            ts_ms,
            Some(&own),
            "Retrieved",
            None,
        ))]
    };
    let all = steps::of(|| bench.epoch(MINUTE_MS, story));
    let more = steps::of(|| bench.epoch(2 * MINUTE_MS, one(3)));
    let expires = steps::of(|| bench.epoch(40 * MINUTE_MS, Vec::new()));
    assert_eq!(written(&bench).len(), 2 * recipients + 2);
    let question = Inquiry::Messages {
        number: number(recipients / 2),
        from_ms: 0,
        to_ms: MINUTE_MS,
    };
    let asked = steps::of(|| assert_eq!(bench.fold.inquire(&question).messages.len(), 1));
    let restored = steps::of(|| {
        bench.restart();
        bench.epoch(41 * MINUTE_MS, one(4));
    });
    let after = steps::of(|| bench.epoch(42 * MINUTE_MS, one(5)));
    let ends = steps::of(|| bench.epoch(500 * MINUTE_MS, Vec::new()));
    assert!(bench.slots().is_empty());
    assert_eq!(bench.counters.records.get(), 0);
    [all, more, expires, asked, restored, after, ends]
}

#[test]
fn what_a_record_costs_does_not_grow_with_the_recipients() {
    let (few, many) = (life(250), life(1_000));
    let [all, more, expires, asked, restored, after, ends] = [0, 1, 2, 3, 4, 5, 6];
    // What concerns all recipients grows as they do,
    for at in [all, restored, ends] {
        assert!(many[at] <= 5 * few[at], "{at}: {few:?}, {many:?}");
    }
    // and what concerns one of them does not.
    for at in [more, expires, asked, after] {
        assert!(many[at] <= few[at] + 10, "{at}: {few:?}, {many:?}");
        assert!(many[at] < 60, "{at}: {many:?}");
    }
}

#[test]
fn records_of_all_messages_are_bounded_and_one_producer_cannot_use_up_the_room() {
    let limits = Limits {
        records_max: 90,
        ..Limits::default()
    };
    let mut bench = bench(limits);
    let [hostile, other] = ["hostile", "other"].map(|name| Owner::of(None, Some(name)));
    let at_ms = |ts_ms: i64, id: &str, recipients: std::ops::Range<usize>| -> Vec<Record> {
        let to = |at: usize| MmsSubmit {
            message_id: id.into(),
            // In the order of their digits, which is that in which they are taken where room is short.
            ..submit(ts_ms, Some(&format!("{at:03}")), "c")
        };
        recipients.map(|at| Record::Submit(to(at))).collect()
    };
    let of = |id: &str, recipients| at_ms(0, id, recipients);
    // One id would do: it is no measure.
    bench.epoch_of(hostile, MINUTE_MS, of("h", 0..300));
    let counts = bench.counters.read();
    assert_eq!((counts.entities, counts.records), (1, 80), "eight ninths");
    assert_eq!(counts.records_over_share, 220);
    bench.epoch_of(other, 2 * MINUTE_MS, of("o", 0..5));
    assert_eq!(bench.counters.read().records, 85);
    // What is known goes on, and a new id of who has its share is none.
    bench.epoch_of(hostile, 3 * MINUTE_MS, of("h", 0..80));
    bench.epoch_of(hostile, 3 * MINUTE_MS, of("i", 0..2));
    let counts = bench.counters.read();
    assert_eq!((counts.entities, counts.records), (2, 85));
    assert_eq!(
        (counts.records_over_share, counts.records_refused),
        (222, 0)
    );
    // A start knows whose they are.
    bench.restart();
    bench.epoch_of(hostile, 4 * MINUTE_MS, of("h", 300..301));
    bench.epoch_of(other, 4 * MINUTE_MS, of("o", 5..8));
    let counts = bench.counters.read();
    assert_eq!((counts.records, counts.records_over_share), (88, 1));
    // When they are forgotten there is room again.
    bench.epoch(500 * MINUTE_MS, Vec::new());
    assert_eq!(bench.counters.read().records, 0);
    bench.epoch_of(hostile, 500 * MINUTE_MS, at_ms(500 * MINUTE_MS, "j", 0..10));
    assert_eq!(bench.counters.read().records, 10);
}
