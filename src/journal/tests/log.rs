//! One thread's view: rolling, locking, a full disk, a failing disk.

use std::path::Path;

use bytes::Bytes;

use super::{DIR, batch, batch_from, commit_each, open, open_with, records};
use crate::journal::{
    FakeDisk, Journal, JournalConfig, JournalError, Position, Reader, Record, encode,
};

fn small_segments() -> JournalConfig {
    JournalConfig {
        segment_bytes_max: 200,
        ..JournalConfig::default()
    }
}

#[test]
fn segments_roll_and_read_as_one() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("made/for/it");
    let (mut journal, recovery) = Journal::open(&dir, small_segments()).unwrap();
    assert_eq!(
        (recovery.next, recovery.segments, recovery.events_total),
        (Position(0), 1, 0)
    );
    let all: Vec<Record> = (0..50).map(|n| batch_from("p", n)).collect();
    commit_each(&mut journal, &all);
    assert!(journal.stats().segments > 5);
    for from in [0, 1, 17, 49, 50, 99] {
        let read: Vec<_> = journal
            .read_from(Position(from))
            .unwrap()
            .collect::<Result<_, _>>()
            .unwrap();
        let wanted: Vec<_> = (from..50)
            .map(|n| (Position(n), all[n as usize].clone()))
            .collect();
        assert_eq!(read, wanted, "from {from}");
    }
    drop(journal);

    let (mut journal, recovery) = Journal::open(&dir, small_segments()).unwrap();
    assert_eq!((recovery.next, recovery.events_total), (Position(50), 50));
    assert_eq!(recovery.producers.newest("p").unwrap().sequence, 49);

    // Old segments can be cut away: the headers carry the counts on.
    let first = dir.join("00000000000000000000.journal");
    std::fs::remove_file(first).unwrap();
    commit_each(&mut journal, &[batch("more")]);
    drop(journal);
    let (journal, recovery) = Journal::open(&dir, small_segments()).unwrap();
    assert_eq!((recovery.next, recovery.events_total), (Position(51), 51));
    assert!(recovery.first > Position(0));
    let gone = journal.read_from(Position(0)).err().unwrap();
    assert_eq!(
        gone.to_string(),
        format!(
            "journal position 0 is gone: the oldest kept is {}",
            recovery.first
        )
    );
}

#[test]
fn a_large_record_among_small_ones_is_read_back() {
    let disk = FakeDisk::new();
    let (mut journal, _) = open(&disk).unwrap();
    let mut chance = super::Chance(1);
    let noise: String = (0..900_000)
        .map(|_| char::from(b'!' + chance.below(90) as u8))
        .collect();
    let all = [batch("small"), batch(&noise), batch("small again")];
    commit_each(&mut journal, &all);
    let read: Vec<Record> = records(&disk)
        .unwrap()
        .into_iter()
        .map(|(_, record)| record)
        .collect();
    assert!(read == all);
}

#[test]
fn the_second_to_open_is_told_who_is_first() {
    let dir = tempfile::tempdir().unwrap();
    let first = Journal::open(dir.path(), JournalConfig::default()).unwrap();
    let error = Journal::open(dir.path(), JournalConfig::default())
        .err()
        .unwrap();
    assert!(matches!(error, JournalError::Locked { .. }));
    let told = error.to_string();
    assert!(
        told.contains("is already in use") && told.contains("journal.lock is locked"),
        "{told}"
    );
    // Looking needs no lock.
    assert_eq!(Reader::open(dir.path(), None).unwrap().count(), 0);
    drop(first);
    assert!(Journal::open(dir.path(), JournalConfig::default()).is_ok());
}

#[test]
fn a_full_disk_keeps_nothing_of_the_group_and_all_before_it() {
    for spare_bytes in 0..400 {
        let disk = FakeDisk::new();
        let (mut journal, _) = open_with(&disk, small_segments()).unwrap();
        let kept = [batch("a"), batch("b"), batch("c"), batch("d")];
        commit_each(&mut journal, &kept);
        let used: usize = disk
            .paths()
            .iter()
            .map(|path| {
                let mut bytes = 0;
                disk.damage(path, |content| bytes = content.len());
                bytes
            })
            .sum();
        disk.set_capacity_bytes(Some((used + spare_bytes) as u64));
        for n in 0..5 {
            journal.append(&batch_from("too much", n)).unwrap();
        }
        let (fitted, more) = match journal.commit() {
            Ok(_) => (5, batch("it fitted")),
            Err(error) => {
                assert!(matches!(error, JournalError::Full { .. }), "{error}");
                assert!(!error.is_fatal());
                (0, batch("there is space again"))
            }
        };
        assert_eq!(journal.stats().records_written_total, 4 + fitted);
        disk.set_capacity_bytes(None);
        assert_eq!(journal.append(&more).unwrap(), Position(4 + fitted));
        journal.commit().unwrap();
        disk.crash(&mut || 0);
        let read = records(&disk).unwrap();
        assert_eq!(read.len() as u64, 5 + fitted, "{spare_bytes} bytes spare");
        assert_eq!(read.last().unwrap().1, more);
    }
}

#[test]
fn after_a_failed_sync_every_call_says_so_until_a_restart() {
    let disk = FakeDisk::new();
    let (mut journal, _) = open(&disk).unwrap();
    commit_each(&mut journal, &[batch("kept")]);
    disk.fail_syncs(true);
    journal.append(&batch("lost")).unwrap();
    let first = journal.commit().err().unwrap();
    assert!(first.is_fatal());
    assert_eq!(
        first.to_string(),
        "cannot sync /journal/00000000000000000000.journal"
    );
    disk.fail_syncs(false);
    for error in [
        journal.append(&batch("no")).err(),
        journal.commit().err(),
        journal.write().err(),
    ] {
        assert_eq!(error.unwrap().to_string(), first.to_string());
    }
    disk.crash(&mut || 0);
    assert_eq!(records(&disk).unwrap(), [(Position(0), batch("kept"))]);
}

#[test]
fn what_a_killed_process_had_only_written_is_made_durable_on_opening() {
    let disk = FakeDisk::new();
    let (mut journal, _) = open(&disk).unwrap();
    journal.append(&batch("written")).unwrap();
    journal.write().unwrap();
    disk.kill();
    let (journal, recovery) = open(&disk).unwrap();
    assert_eq!(recovery.next, Position(1));
    disk.crash(&mut || 0);
    drop(journal);
    assert_eq!(records(&disk).unwrap().len(), 1);
}

#[test]
fn a_setting_that_cannot_work_is_refused_by_name() {
    let config = JournalConfig {
        record_bytes_max: 65 << 20,
        ..JournalConfig::default()
    };
    let error = Journal::open(Path::new(DIR), config).err().unwrap();
    assert_eq!(
        error.to_string(),
        "journal setting record_bytes_max = 68157440 must be at most 67108864"
    );
}

/// A batch whose lines were decoded.
fn decoded_batch(text: &str) -> Record {
    let mut record = batch(text);
    if let Record::Batch { decoded, .. } = &mut record {
        *decoded = Some(Bytes::from_static(b"what it means"));
    }
    record
}

#[test]
fn lines_that_were_decoded_stay_in_the_journal_until_they_are_wanted() {
    let disk = FakeDisk::new();
    let (mut journal, _) = open_with(&disk, small_segments()).unwrap();
    let all: Vec<Record> = (0..9)
        .map(|n| match n % 3 {
            0 => decoded_batch(&"the same again ".repeat(40)),
            1 => decoded_batch(&format!("line {n}")),
            _ => batch_from("p", n),
        })
        .collect();
    commit_each(&mut journal, &all);
    let read: Vec<_> = journal
        .reader_apart(Some(Position(0)))
        .unwrap()
        .map(|read| read.unwrap().1)
        .collect();
    // Comparing wants the lines.
    assert_eq!(read, all);
    let written = |record| encode(record, usize::MAX).unwrap().body;
    assert_eq!(written(&read[0]), written(&all[0]));

    for path in disk.paths() {
        disk.damage(&path, |bytes| {
            bytes.iter_mut().skip(64).for_each(|byte| *byte ^= 1);
        });
    }
    for record in &read {
        let Record::Batch { lines, decoded, .. } = record else {
            panic!("{record:?}");
        };
        // Only what was not decoded is here.
        assert_eq!(lines.plain().is_ok(), decoded.is_none());
        if decoded.is_some() {
            let error = encode(record, usize::MAX).unwrap_err();
            assert!(matches!(error, JournalError::Lines(_)) && !error.is_fatal());
        }
    }
}
