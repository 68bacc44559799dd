//! The thread: many producers at once, a consumer that stalls, shutdown and restart.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::{DIR, batch, batch_from, open, records};
use crate::handover::Taker;
use crate::journal::writer::{Clock, SubmitError, Submitter, Writer, WriterConfig, WriterError};
use crate::journal::{
    Ack, Epoch, EpochConfig, Epochs, FakeDisk, Journal, JournalConfig, Position, RealDisk, Record,
    Submit,
};

fn fixed(now_ms: i64) -> Clock {
    Arc::new(move || now_ms)
}

fn start(disk: &FakeDisk, config: WriterConfig) -> (Writer<u32>, Taker<Epoch<u32>>) {
    let (journal, recovery) = open(disk).unwrap();
    Writer::start(journal, recovery, config, fixed(1000)).unwrap()
}

fn submit(submitter: &Submitter<u32>, record: Record) -> Result<Ack, SubmitError> {
    submitter
        .try_submit(Submit {
            record,
            attachment: 3,
        })?
        .blocking_recv()
        .unwrap()
}

#[test]
fn many_producers_share_a_sync() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, recovery) =
        Journal::open_on(Arc::new(RealDisk), dir.path(), JournalConfig::default()).unwrap();
    let (writer, epochs) =
        Writer::<u32>::start(journal, recovery, WriterConfig::default(), fixed(1)).unwrap();
    let taking = thread::spawn(move || {
        epochs
            .iter()
            .map(|epoch| epoch.records.len())
            .sum::<usize>()
    });
    thread::scope(|scope| {
        for producer in 0..16 {
            let submitter = writer.submitter();
            scope.spawn(move || {
                for sequence in 0..50 {
                    let record = batch_from(&format!("p{producer}"), sequence);
                    assert!(!submit(&submitter, record).unwrap().duplicate);
                }
            });
        }
    });
    let stats = writer.submitter().stats();
    assert_eq!((stats.events_total, stats.producers), (800, 16));
    assert!(
        stats.log.syncs_total < 800,
        "{} syncs for 800 batches",
        stats.log.syncs_total
    );
    assert_eq!((stats.queue_requests, stats.full), (0, false));
    writer.shutdown().unwrap();
    assert_eq!(taking.join().unwrap(), 800);
}

#[test]
fn a_stalled_consumer_makes_producers_busy_and_memory_stays_bounded() {
    let disk = FakeDisk::new();
    let config = JournalConfig {
        record_bytes_max: 1000,
        ..JournalConfig::default()
    };
    let (journal, recovery) = Journal::open_on(Arc::new(disk), Path::new(DIR), config).unwrap();
    let config = WriterConfig {
        epoch_interval_ms: 1,
        queue_bytes_max: 20_000,
        epochs_ahead_max: 1,
        ..WriterConfig::default()
    };
    let (writer, epochs) = Writer::<u32>::start(journal, recovery, config, fixed(1)).unwrap();
    let submitter = writer.submitter();
    let text = "x".repeat(744);
    let deadline = Instant::now() + Duration::from_secs(20);
    let mut taken = Vec::new();
    let refusal = loop {
        match submitter.try_submit(Submit {
            record: batch(&text),
            attachment: 3,
        }) {
            Ok(answer) => taken.push(answer),
            // Busy for a moment is the queue's own business; busy for long is back-pressure.
            Err(error) => {
                thread::sleep(Duration::from_millis(50));
                if submitter
                    .try_submit(Submit {
                        record: batch(&text),
                        attachment: 3,
                    })
                    .is_err()
                {
                    break error;
                }
            }
        }
        assert!(submitter.stats().queue_bytes <= 20_000);
        assert!(Instant::now() < deadline, "never busy");
        thread::sleep(Duration::from_millis(1));
    };
    assert!(matches!(refusal, SubmitError::Busy { .. }));
    assert!(
        refusal.to_string().starts_with("the journal is behind: "),
        "{refusal}"
    );
    assert!(submitter.stats().refused_busy_total >= 2);
    assert!(taken.len() <= 3 * 20 + 20, "{} taken", taken.len());
    let (held, max, waited) = submitter.stats().epochs_ahead;
    assert_eq!((held, max), (1, 1));
    assert!(
        waited > 0,
        "the journal's thread waits, and that is counted"
    );

    // The consumer goes on: everything that was taken is answered and handed over.
    let taking = thread::spawn(move || {
        epochs
            .iter()
            .map(|epoch| epoch.records.len())
            .sum::<usize>()
    });
    for answer in taken {
        assert!(answer.blocking_recv().unwrap().is_ok());
    }
    writer.shutdown().unwrap();
    let stats = submitter.stats();
    assert_eq!(taking.join().unwrap() as u64, stats.events_total);
    assert_eq!((stats.queue_requests, stats.queue_bytes), (0, 0));
    assert!(matches!(
        submit(&submitter, batch("late")),
        Err(SubmitError::Closed)
    ));
}

#[test]
fn what_comes_during_a_replay_is_answered_at_once_and_handed_over_after_it() {
    let disk = FakeDisk::new();
    let (mut journal, _) = open(&disk).unwrap();
    for epoch in 0..50 {
        journal.append(&batch_from("past", epoch + 1)).unwrap();
        let now_ms = epoch as i64;
        journal.append(&Record::Tick { epoch, now_ms }).unwrap();
    }
    // What no tick closed.
    journal.append(&batch_from("past", 51)).unwrap();
    journal.commit().unwrap();
    drop(journal);
    let (writer, epochs) = start(&disk, WriterConfig::default());
    let submitter = writer.submitter();
    // Nobody takes an epoch yet, so the replay stands still; answers do not wait for it.
    for sequence in 1..=20 {
        let ack = submit(&submitter, batch_from("present", sequence)).unwrap();
        assert_eq!((ack.events_total, ack.duplicate), (51 + sequence, false));
    }
    assert!(
        submit(&submitter, batch_from("past", 51))
            .unwrap()
            .duplicate
    );
    assert!(submitter.stats().handed_over_below < Position(20));
    let taking = thread::spawn(move || epochs.iter().collect::<Vec<Epoch<u32>>>());
    let begun = Instant::now();
    while submitter.stats().handed_over_below < submitter.stats().next {
        assert!(begun.elapsed() < Duration::from_secs(20));
        thread::sleep(Duration::from_millis(2));
    }
    writer.shutdown().unwrap();
    let taken = taking.join().unwrap();
    let numbers: Vec<u64> = taken.iter().map(|epoch| epoch.epoch).collect();
    assert_eq!(numbers, (0..taken.len() as u64).collect::<Vec<_>>());
    let positions: Vec<u64> = taken
        .iter()
        .flat_map(|epoch| epoch.records.iter().map(|(position, ..)| position.0))
        .collect();
    assert!(
        positions.is_sorted() && positions.len() == 71,
        "{positions:?}"
    );
    assert_eq!(submitter.stats().queue_bytes, 0, "all room is given back");
    // A restart hands over the same.
    let (journal, recovery) = open(&disk).unwrap();
    let mut again = Vec::new();
    let mut core: Epochs<u32> = Epochs::new(journal, recovery.producers, EpochConfig::default());
    let flow = core.replay(None, |epoch| {
        again.push((epoch.epoch, epoch.now_ms, epoch.next, epoch.records.len()));
        std::ops::ControlFlow::Continue(())
    });
    assert!(flow.unwrap().is_continue());
    let first = taken
        .iter()
        .map(|epoch| (epoch.epoch, epoch.now_ms, epoch.next, epoch.records.len()));
    assert_eq!(again, first.collect::<Vec<_>>());
}

#[test]
fn a_restart_hands_over_the_same_epochs_and_closes_what_was_open() {
    let disk = FakeDisk::new();
    let (writer, epochs) = start(&disk, WriterConfig::default());
    let submitter = writer.submitter();
    assert_eq!(
        submit(&submitter, batch_from("p", 1)).unwrap().events_total,
        1
    );
    assert!(submit(&submitter, batch_from("p", 1)).unwrap().duplicate);
    writer.shutdown().unwrap();
    let first: Vec<Epoch<u32>> = epochs.iter().collect();
    assert_eq!(
        first.iter().map(|epoch| epoch.records.len()).sum::<usize>(),
        1
    );

    // The process dies after a commit and before the tick.
    let (mut journal, _) = open(&disk).unwrap();
    journal.append(&batch_from("p", 2)).unwrap();
    journal.commit().unwrap();
    disk.kill();

    let (writer, epochs) = start(&disk, WriterConfig::default());
    let submitter = writer.submitter();
    assert!(submit(&submitter, batch_from("p", 2)).unwrap().duplicate);
    writer.shutdown().unwrap();
    let again: Vec<Epoch<u32>> = epochs.iter().collect();
    for (old, new) in first.iter().zip(&again) {
        assert_eq!(
            (old.epoch, old.now_ms, old.next),
            (new.epoch, new.now_ms, new.next)
        );
        let without = |epoch: &Epoch<u32>| -> Vec<(Position, Arc<Record>)> {
            epoch
                .records
                .iter()
                .map(|(at, record, _)| (*at, Arc::clone(record)))
                .collect()
        };
        assert_eq!(without(old), without(new));
        assert!(
            new.records
                .iter()
                .all(|(_, _, attachment)| *attachment == 0)
        );
    }
    let closed = &again[first.len()];
    assert_eq!(
        (closed.epoch, closed.records.len()),
        (first.len() as u64, 1)
    );
}

#[test]
fn idle_time_ticks_on_and_follows_the_clock() {
    let disk = FakeDisk::new();
    let (journal, recovery) = open(&disk).unwrap();
    let now_ms = Arc::new(AtomicI64::new(5_000));
    let clock: Clock = {
        let now_ms = Arc::clone(&now_ms);
        Arc::new(move || now_ms.load(Ordering::SeqCst))
    };
    let config = WriterConfig {
        idle_tick_ms: 5,
        ..WriterConfig::default()
    };
    let (writer, epochs) = Writer::<u32>::start(journal, recovery, config, clock).unwrap();
    assert_eq!(epochs.take().unwrap().now_ms, 5_000);
    // Hours back: the steady clock still closes epochs and their time stands.
    now_ms.store(-9_000_000, Ordering::SeqCst);
    for _ in 0..5 {
        assert_eq!(epochs.take().unwrap().now_ms, 5_000);
    }
    now_ms.store(7_000, Ordering::SeqCst);
    let later = epochs.iter().find(|epoch| epoch.now_ms != 5_000).unwrap();
    assert_eq!((later.now_ms, later.records.len()), (7_000, 0));
    drop(epochs);
    assert!(matches!(
        writer.shutdown(),
        Err(WriterError::ConsumerGone(_))
    ));
}

#[test]
fn a_full_disk_refuses_and_goes_on_when_there_is_space() {
    let disk = FakeDisk::new();
    let (writer, epochs) = start(&disk, WriterConfig::default());
    let submitter = writer.submitter();
    disk.set_capacity_bytes(Some(80));
    let refusal = submit(&submitter, batch("too much")).err().unwrap();
    assert!(matches!(refusal, SubmitError::Full(_)));
    assert_eq!(
        refusal.to_string(),
        "no space left to write /journal/00000000000000000000.journal"
    );
    let stats = submitter.stats();
    assert_eq!(
        (stats.full, stats.refused_full_total, stats.queue_bytes),
        (true, 1, 0)
    );
    disk.set_capacity_bytes(None);
    assert_eq!(
        submit(&submitter, batch("fits")).unwrap().position,
        Position(0)
    );
    assert!(!submitter.stats().full);
    writer.shutdown().unwrap();
    assert_eq!(
        epochs
            .iter()
            .map(|epoch| epoch.records.len())
            .sum::<usize>(),
        1
    );
}

#[test]
fn a_stop_on_a_full_disk_loses_nothing_and_says_no_more_than_that() {
    let disk = FakeDisk::new();
    let (writer, epochs) = start(&disk, WriterConfig::default());
    submit(&writer.submitter(), batch("kept")).unwrap();
    disk.set_capacity_bytes(Some(0));
    let taking = thread::spawn(move || epochs.iter().count());
    let Err(WriterError::Journal(failure)) = writer.shutdown() else {
        panic!("the last epoch found room");
    };
    taking.join().unwrap();
    let words = failure.meaning_at_the_end();
    assert!(
        words.contains("full disk") && !words.contains("not certain"),
        "{words}"
    );
    let kept = records(&disk).unwrap();
    let is_batch = |(_, record): &&(Position, Record)| matches!(record, Record::Batch { .. });
    assert_eq!(kept.iter().filter(is_batch).count(), 1);
}

#[test]
fn a_failed_disk_ends_the_writer_and_everybody_is_told() {
    let disk = FakeDisk::new();
    let (writer, epochs) = start(&disk, WriterConfig::default());
    let submitter = writer.submitter();
    disk.fail_syncs(true);
    assert!(matches!(
        submit(&submitter, batch("lost")),
        Err(SubmitError::Failed(_))
    ));
    // The next stage sees the end of the epochs.
    assert_eq!(epochs.iter().count(), 0);
    assert!(matches!(
        submit(&submitter, batch("late")),
        Err(SubmitError::Closed)
    ));
    let deadline = Instant::now() + Duration::from_secs(5);
    while !writer.is_finished() && Instant::now() < deadline {
        thread::sleep(Duration::from_millis(1));
    }
    assert!(matches!(writer.shutdown(), Err(WriterError::Journal(error)) if error.is_fatal()));
}

#[test]
fn a_replay_is_broken_off_by_a_shutdown_and_the_next_one_is_whole() {
    let disk = FakeDisk::new();
    let (journal, recovery) = open(&disk).unwrap();
    let mut epochs: Epochs<u32> = Epochs::new(journal, recovery.producers, EpochConfig::default());
    for _ in 0..1_000 {
        let submit = Submit {
            record: batch("a"),
            attachment: 0,
        };
        epochs.commit(vec![submit.prepare(1 << 20).unwrap()], true, 1);
    }
    drop(epochs);
    let (writer, epochs) = start(&disk, WriterConfig::default());
    // Whoever takes the epochs is slow: the whole journal would take ten seconds.
    let taking = thread::spawn(move || {
        epochs
            .iter()
            .inspect(|_| thread::sleep(Duration::from_millis(10)))
            .count()
    });
    thread::sleep(Duration::from_millis(50));
    let began = Instant::now();
    writer.shutdown().unwrap();
    assert!(began.elapsed() < Duration::from_secs(2));
    assert!(taking.join().unwrap() < 500);
    let (writer, epochs) = start(&disk, WriterConfig::default());
    let all: Vec<_> = epochs.iter().take(1_000).map(|epoch| epoch.epoch).collect();
    assert_eq!(all, (0..1_000).collect::<Vec<u64>>());
    drop(epochs);
    drop(writer);
}

#[test]
fn what_can_never_be_taken_is_refused_at_once() {
    let disk = FakeDisk::new();
    let (writer, _epochs) = start(&disk, WriterConfig::default());
    let submitter = writer.submitter();
    let tick = Record::Tick {
        epoch: 9,
        now_ms: 9,
    };
    assert!(matches!(submit(&submitter, tick), Err(SubmitError::Tick)));
    let large = batch(&"x".repeat((32 << 20) + 1));
    let refusal = submit(&submitter, large).err().unwrap();
    assert_eq!(
        refusal.to_string(),
        "a record of 33554433 bytes is over the limit of 33554432"
    );
    assert_eq!(submitter.stats().queue_bytes, 0);
    drop(writer);

    let (journal, recovery) = open(&FakeDisk::new()).unwrap();
    let config = WriterConfig {
        queue_bytes_max: 1 << 20,
        ..WriterConfig::default()
    };
    let error = Writer::<u32>::start(journal, recovery, config, fixed(1))
        .err()
        .unwrap();
    assert_eq!(
        error.to_string(),
        "journal setting queue_bytes_max = 1048576 must be at least twice record_bytes_max, 67108864"
    );
    let (journal, recovery) = open(&FakeDisk::new()).unwrap();
    let epoch = EpochConfig {
        epoch_events_max: 0,
        ..EpochConfig::default()
    };
    let config = WriterConfig {
        epoch,
        ..WriterConfig::default()
    };
    let error = Writer::<u32>::start(journal, recovery, config, fixed(1))
        .err()
        .unwrap();
    assert_eq!(
        error.to_string(),
        "journal setting epoch_events_max = 0 must be more than 0"
    );
}

#[tokio::test]
async fn a_task_can_wait_for_its_answer() {
    let disk = FakeDisk::new();
    let (writer, epochs) = start(&disk, WriterConfig::default());
    let record = Record::Command {
        at_ms: 1,
        actor: "li".into(),
        body: b"{}".to_vec(),
    };
    let ack = writer
        .submitter()
        .submit(Submit {
            record,
            attachment: 1,
        })
        .await
        .unwrap();
    assert_eq!((ack.position, ack.events_total), (Position(0), 0));
    writer.shutdown().unwrap();
    assert_eq!(epochs.iter().next().unwrap().records[0].2, 1);
}
