//! What comes in while a start reads the journal back: taken as ever, held by nobody, handed over in its turn.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use super::{DIR, batch, batch_from, open, records};
use crate::handover::Taker;
use crate::journal::writer::{SubmitError, Submitter, Writer, WriterConfig};
use crate::journal::{
    Ack, Epoch, EpochConfig, Epochs, FakeDisk, Holder, Journal, JournalConfig, Record, Submit,
};

/// Batches that were there before the start, and that come during it.
const PAST: u64 = 51;
const PRESENT: u64 = 200;

/// Fifty closed epochs, and a batch that no tick closed.
fn past() -> FakeDisk {
    let disk = FakeDisk::new();
    let (mut journal, _) = open(&disk).unwrap();
    for epoch in 0..PAST - 1 {
        journal.append(&batch_from("past", epoch + 1)).unwrap();
        let now_ms = epoch as i64;
        journal.append(&Record::Tick { epoch, now_ms }).unwrap();
    }
    journal.append(&batch_from("past", PAST)).unwrap();
    journal.commit().unwrap();
    disk
}

/// Room for five batches, and epochs that close by their size only.
fn start(disk: &FakeDisk) -> (Writer<u32>, Taker<Epoch<u32>>, u64) {
    start_held(disk, false)
}

/// Ticks that nobody waits for would come at once.
fn start_held(disk: &FakeDisk, held: bool) -> (Writer<u32>, Taker<Epoch<u32>>, u64) {
    let config = JournalConfig {
        segment_bytes_max: 3_000,
        record_bytes_max: 2_000,
        ..JournalConfig::default()
    };
    let disk = Arc::new(disk.clone());
    let (journal, recovery) = Journal::open_on(disk, Path::new(DIR), config).unwrap();
    let config = WriterConfig {
        epoch_interval_ms: 600_000,
        idle_tick_ms: if held { 1 } else { 600_000 },
        queue_bytes_max: 4_000,
        epochs_ahead_max: 2,
        held,
        epoch: EpochConfig {
            epoch_bytes_max: 3_000,
            ..EpochConfig::default()
        },
        ..WriterConfig::default()
    };
    let found_bytes = recovery.ahead_bytes;
    let (writer, epochs) = Writer::start(journal, recovery, config, Arc::new(|| 100)).unwrap();
    (writer, epochs, found_bytes)
}

fn send(submitter: &Submitter<u32>, sequence: u64) -> Ack {
    let mut record = batch(&"x".repeat(700));
    if let Record::Batch { producer, .. } = &mut record {
        *producer = Some(("present".to_owned(), sequence));
    }
    let submit = Submit {
        record,
        attachment: 3,
    };
    let answer = submitter.try_submit_for(Holder::Producer("present".into()), submit);
    answer.unwrap().blocking_recv().unwrap().unwrap()
}

/// Producer and sequence of every batch, in order.
fn batches(epochs: &[Epoch<u32>]) -> Vec<(String, u64)> {
    let records = epochs.iter().flat_map(|epoch| &epoch.records);
    let named = |record: &Record| match record {
        Record::Batch { producer, .. } => producer.clone(),
        _ => None,
    };
    records.filter_map(|(_, record, _)| named(record)).collect()
}

#[test]
fn forty_times_what_may_wait_is_taken_while_nobody_takes_an_epoch() {
    let disk = past();
    let (writer, epochs, found_bytes) = start(&disk);
    let submitter = writer.submitter();
    for sequence in 1..=PRESENT {
        let ack = send(&submitter, sequence);
        assert_eq!((ack.events_total, ack.duplicate), (PAST + sequence, false));
        let stats = submitter.stats();
        assert_eq!((stats.queue_requests, stats.queue_bytes), (0, 0));
    }
    assert!(send(&submitter, PRESENT).duplicate);
    let replay = submitter.stats().replay;
    assert_eq!(replay.ends_before, None);
    assert!(replay.read_bytes < found_bytes, "{replay:?}");
    assert!(replay.all_bytes > found_bytes + 700, "{replay:?}");

    let taking = thread::spawn(move || epochs.iter().collect::<Vec<Epoch<u32>>>());
    let begun = Instant::now();
    while submitter.stats().replay.ends_before.is_none() {
        assert!(begun.elapsed() < Duration::from_secs(20), "it never ends");
        thread::sleep(Duration::from_millis(2));
    }
    let replay = submitter.stats().replay;
    assert_eq!(replay.read_bytes, replay.all_bytes);
    // Afterwards all is as ever: what comes is handed over with what was decoded of it.
    send(&submitter, PRESENT + 1);
    writer.shutdown().unwrap();
    assert_eq!(submitter.stats().queue_bytes, 0, "all room is given back");

    let taken = taking.join().unwrap();
    let numbers: Vec<u64> = taken.iter().map(|epoch| epoch.epoch).collect();
    assert_eq!(numbers, (0..taken.len() as u64).collect::<Vec<_>>());
    let named = |name: &str, sequences: std::ops::RangeInclusive<u64>| {
        let name = name.to_owned();
        sequences.map(move |sequence| (name.clone(), sequence))
    };
    let all: Vec<_> = named("past", 1..=PAST)
        .chain(named("present", 1..=PRESENT + 1))
        .collect();
    assert_eq!(batches(&taken), all);
    // What was durable when the end was met is in the epochs that were named then.
    let ends_before = replay.ends_before.unwrap();
    let met = taken.partition_point(|epoch| epoch.epoch < ends_before);
    assert_eq!(batches(&taken[..met]), all[..all.len() - 1]);
    let attachments = taken.iter().flat_map(|epoch| &epoch.records);
    let decoded = attachments.filter(|(_, _, attachment)| *attachment == 3);
    assert_eq!(decoded.count(), 1);
    // No epoch is larger than it would have been at any other time, but for what was open before.
    let largest = taken.iter().map(Epoch::weight_bytes).max();
    assert!(largest.unwrap() < 6_000, "{largest:?}");

    // A restart hands over the same.
    let (journal, recovery) = open(&disk).unwrap();
    let mut core: Epochs<u32> = Epochs::new(journal, recovery.producers, EpochConfig::default());
    let mut again = Vec::new();
    let flow = core.replay(None, |epoch| {
        again.push((epoch.epoch, epoch.now_ms, epoch.next, epoch.records.len()));
        ControlFlow::Continue(())
    });
    assert!(flow.unwrap().is_continue());
    let first = taken
        .iter()
        .map(|epoch| (epoch.epoch, epoch.now_ms, epoch.next, epoch.records.len()));
    assert_eq!(again, first.collect::<Vec<_>>());
}

#[test]
fn a_load_without_end_is_told_to_wait_until_the_start_is_over() {
    let disk = past();
    let (writer, epochs, _) = start(&disk);
    let submitter = writer.submitter();
    let mut sequence = 0;
    let mut waiting = Vec::new();
    let refused = loop {
        sequence += 1;
        assert!(sequence < 2_000, "it takes without an end");
        // What no compression makes less of.
        let words = |n: u64| {
            format!(
                "{:016x}",
                (sequence << 8 | n).wrapping_mul(0x9E37_79B9_7F4A_7C15)
            )
        };
        let record = batch(&(0..43).map(words).collect::<String>());
        let submit = Submit {
            record,
            attachment: 3,
        };
        match submitter.try_submit(submit) {
            Ok(answer) => waiting.push(answer),
            Err(error) if submitter.stats().queue_bytes > 0 && sequence > 100 => {
                thread::sleep(Duration::from_millis(20));
                if submitter.stats().queue_bytes > 0 {
                    break error;
                }
            }
            Err(_) => {
                sequence -= 1;
                thread::sleep(Duration::from_millis(1));
            }
        }
    };
    assert!(matches!(refused, SubmitError::Busy { .. }), "{refused}");
    let all = submitter.stats().replay.all_bytes;
    // It comes to its end, and then takes what waited, and more.
    let taking = thread::spawn(move || epochs.iter().collect::<Vec<Epoch<u32>>>());
    for answer in waiting {
        answer.blocking_recv().unwrap().unwrap();
    }
    let replay = submitter.stats().replay;
    assert!(
        replay.ends_before.is_some() && replay.read_bytes <= all + 4_000,
        "{replay:?}"
    );
    writer.shutdown().unwrap();
    assert!(taking.join().unwrap().len() > 50);
}

#[test]
fn what_is_committed_during_a_replay_comes_from_the_journal() {
    let disk = past();
    let (journal, recovery) = open(&disk).unwrap();
    let config = EpochConfig {
        epoch_events_max: 2,
        idle_ticks_synced: false,
        ..EpochConfig::default()
    };
    let mut epochs: Epochs<u32> = Epochs::new(journal, recovery.producers, config);
    let mut replay = epochs.begin_replay(None).unwrap();
    assert_eq!(replay.next_epoch().unwrap().unwrap().epoch, 0);
    // It is asked too early, and goes on.
    assert!(epochs.goes_on(&mut replay).unwrap());
    let prepare = |sequence| {
        let submit = Submit {
            record: batch_from("present", sequence),
            attachment: 7,
        };
        submit.prepare(1 << 20).unwrap()
    };
    let group = (1..=3).map(prepare).collect();
    let done = epochs.commit(group, false, 100);
    assert_eq!((done.epochs.len(), done.closed), (0, 1));
    assert!(epochs.has_open());
    let mut read = Vec::new();
    loop {
        while let Some(epoch) = replay.next_epoch().unwrap() {
            read.push(epoch);
        }
        if !epochs.goes_on(&mut replay).unwrap() {
            break;
        }
    }
    assert_eq!(replay.read_bytes(), {
        let found = recovery.ahead_bytes;
        found + epochs.journal().stats().bytes_written_total
    });
    // The batch that was left open, and two: with the third the next epoch begins.
    assert_eq!(read.len() as u64, PAST - 1);
    let last = read.last().unwrap();
    assert_eq!((last.epoch, last.records.len()), (PAST - 1, 3));
    assert!(!epochs.is_replaying());
    let done = epochs.commit(Vec::new(), true, 100);
    assert_eq!((done.epochs.len(), done.closed), (1, 1));
    assert_eq!(
        (done.epochs[0].epoch, done.epochs[0].records.len()),
        (PAST, 1)
    );
}

#[test]
fn a_tick_during_a_replay_is_synced_for_it_may_close_what_was_left_open() {
    let disk = past();
    let (journal, recovery) = open(&disk).unwrap();
    let config = EpochConfig {
        idle_ticks_synced: false,
        ..EpochConfig::default()
    };
    let mut epochs: Epochs<u32> = Epochs::new(journal, recovery.producers, config);
    let mut replay = epochs.begin_replay(None).unwrap();
    let before = disk.syncs_total();
    assert_eq!(epochs.commit(Vec::new(), true, 100).closed, 1);
    assert_eq!(disk.syncs_total() - before, 1);
    let mut read = Vec::new();
    while let Some(epoch) = replay.next_epoch().unwrap() {
        read.push(epoch.records.len());
    }
    assert!(epochs.goes_on(&mut replay).unwrap());
    read.extend(
        replay
            .next_epoch()
            .unwrap()
            .map(|epoch| epoch.records.len()),
    );
    assert_eq!(read, vec![1; PAST as usize]);
    assert!(replay.next_epoch().unwrap().is_none());
    assert!(!epochs.goes_on(&mut replay).unwrap());
    assert!(!epochs.has_open());
}

#[test]
fn a_stop_in_the_middle_ends_with_an_epoch_that_a_checkpoint_can_be_of() {
    let disk = past();
    let (writer, epochs, found_bytes) = start(&disk);
    let submitter = writer.submitter();
    let taking = thread::spawn(move || {
        let first = epochs.take().unwrap();
        // Nothing more is taken until the stop is under way.
        let submit = || Submit {
            record: batch("x"),
            attachment: 0,
        };
        while !matches!(submitter.try_submit(submit()), Err(SubmitError::Closed)) {
            thread::sleep(Duration::from_millis(1));
        }
        let stats = submitter.stats();
        let mut taken = vec![first];
        taken.extend(epochs.iter());
        (taken, stats)
    });
    writer.shutdown().unwrap();
    let (taken, stats) = taking.join().unwrap();
    assert!(stats.replay.read_bytes < found_bytes, "it was under way");
    let last = taken.last().unwrap();
    assert!(last.last && (taken.len() as u64) < PAST - 1, "{last:?}");
    assert!(taken.iter().rev().skip(1).all(|epoch| !epoch.last));
    // Who begins from a checkpoint of it goes on with the next epoch, and misses nothing.
    let (journal, recovery) = open(&disk).unwrap();
    let mut core: Epochs<u32> = Epochs::new(journal, recovery.producers, EpochConfig::default());
    let mut rest = Vec::new();
    let flow = core.replay(Some(last.next), |epoch| {
        rest.push(epoch.epoch);
        ControlFlow::Continue(())
    });
    assert!(flow.unwrap().is_continue());
    let all = last.epoch + 1..last.epoch + 1 + rest.len() as u64;
    assert!(all.end >= PAST - 1, "{rest:?}");
    assert_eq!(rest, all.collect::<Vec<_>>());
}

/// There is nothing to read back, as after a stop: without the hold the first live epochs would wait for a next stage, and
/// all that comes behind them.
#[test]
fn what_comes_before_there_is_a_next_stage_is_durable_and_read_back_in_its_turn() {
    let disk = FakeDisk::new();
    let (writer, epochs, found_bytes) = start_held(&disk, true);
    assert_eq!(found_bytes, 0);
    let submitter = writer.submitter();
    for sequence in 1..=PRESENT {
        assert_eq!(send(&submitter, sequence).events_total, sequence);
    }
    assert!(send(&submitter, PRESENT).duplicate);
    let stats = submitter.stats();
    assert_eq!((stats.queue_bytes, stats.epochs_ahead.0), (0, 0));
    assert_eq!(stats.replay.ends_before, None);
    // The machine dies now, and keeps nothing that is not synced: what was answered is there.
    let died = disk.fork();
    died.crash(&mut || 0);
    let (_, recovery) = open(&died).unwrap();
    assert_eq!(recovery.events_total, PRESENT);

    writer.hand_over();
    let taking = thread::spawn(move || epochs.iter().collect::<Vec<Epoch<u32>>>());
    writer.shutdown().unwrap();
    let taken = taking.join().unwrap();
    // A stop may come before all is read back, and ends with an epoch that a checkpoint can be of.
    assert!(taken.last().unwrap().last);
    let all: Vec<_> = (1..=PRESENT).map(|n| ("present".to_owned(), n)).collect();
    let taken = batches(&taken);
    assert!(
        !taken.is_empty() && taken[..] == all[..taken.len()],
        "{taken:?}"
    );
}

#[test]
fn a_stop_before_there_is_a_next_stage_ends_at_once_and_without_what_came_changes_nothing() {
    let disk = past();
    let files = |disk: &FakeDisk| records(disk).unwrap();
    let before = files(&disk);
    let (writer, epochs, _) = start_held(&disk, true);
    thread::sleep(Duration::from_millis(20));
    writer.shutdown().unwrap();
    assert!(epochs.take().is_none());
    assert_eq!(files(&disk), before);
    let (writer, epochs, _) = start_held(&disk, true);
    send(&writer.submitter(), 1);
    writer.shutdown().unwrap();
    assert!(epochs.take().is_none());
    let (_, recovery) = open(&disk).unwrap();
    assert_eq!(recovery.events_total, PAST + 1);
}
