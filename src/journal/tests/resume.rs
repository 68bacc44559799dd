//! Opening from a checkpoint's position, and cutting what no start needs.

use std::path::Path;
use std::sync::Arc;

use super::{DIR, batch, batch_from, commit_each, open, records};
use crate::journal::{
    Cut, FakeDisk, Journal, JournalConfig, JournalError, Memory, Position, Producers, Record,
    Recovery, Resume, Retention, cut,
};

const FOR_EVER: Retention = Retention {
    age_ms: i64::MAX,
    bytes: 0,
};
const NOTHING: Retention = Retention {
    age_ms: 0,
    bytes: 0,
};

fn config() -> JournalConfig {
    JournalConfig {
        segment_bytes_max: 300,
        ..JournalConfig::default()
    }
}

/// Fifty records in small segments, every fifth a tick of its own minute.
fn fifty(disk: &FakeDisk) -> Journal {
    let (mut journal, _) =
        Journal::open_on(Arc::new(disk.clone()), Path::new(DIR), config()).unwrap();
    let record = |n: u64| match n % 5 {
        4 => Record::Tick {
            epoch: n / 5,
            now_ms: (n / 5) as i64 * 60_000,
        },
        _ => batch_from(&format!("p{}", n % 3), n),
    };
    commit_each(&mut journal, &(0..50).map(record).collect::<Vec<_>>());
    journal
}

fn resume(
    disk: &FakeDisk,
    next: u64,
    producers: Producers,
) -> Result<(Journal, Recovery), JournalError> {
    let resume = Resume {
        next: Position(next),
        producers,
    };
    let disk = Arc::new(disk.clone());
    Journal::resume_on(disk, Path::new(DIR), config(), Some(resume))
}

#[test]
fn from_a_checkpoint_it_opens_as_from_the_beginning() {
    let disk = FakeDisk::new();
    drop(fifty(&disk));
    let (whole, all) = open(&disk).unwrap();
    drop(whole);
    for next in (0..=50).step_by(5) {
        let mut producers = Producers::new(Memory::default());
        for (position, record) in records(&disk).unwrap() {
            if position >= Position(next) {
                break;
            }
            match &record {
                Record::Batch {
                    producer: Some((name, sequence)),
                    ..
                } => producers.note(name, None, *sequence, position),
                Record::Tick { now_ms, .. } => producers.tick(*now_ms),
                _ => {}
            }
        }
        let (journal, recovery) = resume(&disk, next, producers).unwrap();
        let mut reader = journal.read_from(Position(next)).unwrap();
        let (mut read, mut ahead_bytes) = (0, 0);
        while let Some(record) = reader.next() {
            record.unwrap();
            read += 1;
            ahead_bytes += reader.record_bytes();
        }
        assert_eq!(read, 50 - next);
        assert_eq!(reader.record_bytes(), 0, "there was no other");
        // All the same, but for what there is to read.
        let all = Recovery {
            ahead_bytes,
            ..all.clone()
        };
        assert_eq!(recovery, all, "from {next}");
        // A copy of the producers that is ahead, as one taken while the writer went on, is as good.
        drop(journal);
        let (_, recovery) = resume(&disk, next, all.producers.clone()).unwrap();
        assert_eq!(recovery, all, "from {next}, producers of later");
    }
}

#[test]
fn damage_before_the_checkpoint_does_not_matter_and_after_it_does() {
    let disk = FakeDisk::new();
    drop(fifty(&disk));
    let paths = disk.paths();
    let segments: Vec<_> = paths
        .iter()
        .filter(|path| path.extension().is_some_and(|e| e == "journal"))
        .collect();
    let damaged = |at: usize| {
        let disk = disk.fork();
        disk.damage(segments[at], |bytes| bytes[80] ^= 1);
        resume(&disk, 30, Producers::new(Memory::default())).map(|_| ())
    };
    damaged(0).unwrap();
    let error = damaged(segments.len() - 2).unwrap_err();
    assert!(matches!(error, JournalError::Damaged { .. }), "{error}");
}

#[test]
fn a_journal_that_ends_before_the_checkpoint_is_refused_by_name() {
    let disk = FakeDisk::new();
    drop(fifty(&disk));
    let Err(error) = resume(&disk, 51, Producers::new(Memory::default())) else {
        panic!("it was opened");
    };
    assert_eq!(
        error.to_string(),
        "journal /journal ends below record 50, but the checkpoint is of record 51: its newest \
         segments are missing, or it is another journal; put them back, or restore both from one backup"
    );
}

#[test]
fn segments_go_only_when_nothing_needs_them() {
    let whole = FakeDisk::new();
    drop(fifty(&whole));
    let cut_of = |below: u64, retention: Retention, now_ms: i64| {
        let disk = whole.fork();
        let cut = cut(&disk, Path::new(DIR), Position(below), retention, now_ms).unwrap();
        let left = records(&disk).unwrap();
        let last = left.last().map(|(position, _)| position.0);
        assert_eq!(last, Some(49), "the newest stay");
        (cut, left[0].0.0)
    };
    let day = 86_400_000;
    assert_eq!(cut_of(50, FOR_EVER, day), (Cut::default(), 0));
    assert_eq!(cut_of(0, NOTHING, day), (Cut::default(), 0));
    let (cut, first) = cut_of(30, NOTHING, day);
    assert!(
        cut.segments > 2 && (20..=30).contains(&first),
        "{cut:?} {first}"
    );
    // Young segments stay: the tenth minute begins at record 45.
    let minutes = Retention {
        age_ms: 300_000,
        bytes: 0,
    };
    let (_, first) = cut_of(50, minutes, 540_000);
    assert!((25..30).contains(&first), "{first}");
    // And as much as the retention's size.
    let all: u64 = cut_of(50, NOTHING, day).0.bytes;
    let half = Retention {
        age_ms: 0,
        bytes: all / 2,
    };
    let (cut, _) = cut_of(50, half, day);
    assert!(cut.bytes > 0 && cut.bytes <= all - all / 2 + 400, "{cut:?}");
}

#[test]
fn what_is_not_known_to_be_durable_is_written_again() {
    let disk = FakeDisk::new();
    let (mut journal, _) = open(&disk).unwrap();
    commit_each(&mut journal, &[batch("one"), batch("two")]);
    // A sync that fails: the system shows the bytes, and has forgotten that they are not on the disk.
    journal.append(&batch("three")).unwrap();
    disk.fail_syncs(true);
    assert!(journal.commit().is_err());
    drop(journal);
    disk.fail_syncs(false);
    disk.kill();
    disk.forget_dirty();
    let (journal, recovery) = open(&disk).unwrap();
    assert_eq!(recovery.next, Position(3), "it was read, so it is told");
    drop(journal);
    // The machine dies: what was told must be there.
    disk.crash(&mut || 0);
    let (_, recovery) = open(&disk).unwrap();
    assert_eq!(recovery.next, Position(3));
}
