//! Cut at every byte, every bit flipped: recovered to the last whole record or refused by name.

use std::path::{Path, PathBuf};

use super::{DIR, batch, commit_each, open, records};
use crate::journal::{Damage, FakeDisk, JournalError, Position, Reader, RealDisk, Record, segment};

/// Five records, each in a commit of its own, and where each ends in the file.
fn five() -> (FakeDisk, Vec<Record>, Vec<usize>, PathBuf) {
    let disk = FakeDisk::new();
    let (mut journal, _) = open(&disk).unwrap();
    let all: Vec<Record> = vec![
        batch("{\"a\":1}\n{\"a\":2}\n"),
        Record::Command {
            at_ms: 5,
            actor: "li".into(),
            body: b"{}".to_vec(),
        },
        Record::Tick {
            epoch: 0,
            now_ms: 7,
        },
        batch("{\"b\":1}\n"),
        Record::Tick {
            epoch: 1,
            now_ms: 9,
        },
    ];
    let path = segment::path(Path::new(DIR), Position(0));
    let mut ends = Vec::new();
    for record in &all {
        commit_each(&mut journal, std::slice::from_ref(record));
        disk.damage(&path, |bytes| ends.push(bytes.len()));
    }
    drop(journal);
    (disk, all, ends, path)
}

/// Opens, and returns the records if the journal opened; they must be a prefix of `all`, and what is
/// appended then must be found after them.
#[track_caller]
fn opened_prefix(disk: &FakeDisk, all: &[Record]) -> Result<(usize, u64), JournalError> {
    let (mut journal, recovery) = open(disk)?;
    let read: Vec<Record> = records(disk)
        .unwrap()
        .into_iter()
        .map(|(_, record)| record)
        .collect();
    assert_eq!(read, all[..read.len()]);
    assert_eq!(recovery.next, Position(read.len() as u64));
    assert_eq!(
        recovery.events_total,
        read.iter().map(Record::events).sum::<u64>()
    );
    let more = batch("after");
    commit_each(&mut journal, std::slice::from_ref(&more));
    drop(journal);
    let again = records(disk).unwrap();
    assert_eq!(again.len(), read.len() + 1);
    assert_eq!(again.last(), Some(&(recovery.next, more)));
    Ok((read.len(), recovery.torn_tail.map_or(0, |torn| torn.bytes)))
}

#[test]
fn cut_at_every_byte_it_keeps_the_whole_records() {
    let (disk, all, ends, path) = five();
    for length in 0..=ends[4] {
        let cut = disk.fork();
        cut.damage(&path, |bytes| bytes.truncate(length));
        let whole = ends.iter().filter(|end| **end <= length).count();
        let kept_bytes = if whole > 0 {
            ends[whole - 1]
        } else {
            length.min(64)
        };
        let torn = if length < 64 {
            length
        } else {
            length - kept_bytes
        };
        assert_eq!(
            opened_prefix(&cut, &all).unwrap(),
            (whole, torn as u64),
            "cut at {length}"
        );
    }
}

#[test]
fn every_flipped_bit_is_cut_off_at_the_end_or_refused_by_name() {
    let (disk, all, ends, path) = five();
    for bit in 0..ends[4] * 8 {
        let flipped = disk.fork();
        flipped.damage(&path, |bytes| bytes[bit / 8] ^= 1 << (bit % 8));
        match opened_prefix(&flipped, &all) {
            Ok((kept, torn)) => {
                assert!(bit / 8 >= ends[3], "bit {bit} was not noticed");
                assert_eq!((kept, torn), (4, (ends[4] - ends[3]) as u64), "bit {bit}");
            }
            Err(error) => {
                assert!(bit / 8 < ends[3], "bit {bit}: {error}");
                let starts = if bit / 8 < 64 {
                    0
                } else {
                    ends.iter()
                        .rev()
                        .find(|end| **end <= bit / 8)
                        .copied()
                        .unwrap_or(64)
                };
                let place = format!("{} is damaged at offset {starts}: ", path.display());
                assert!(error.to_string().contains(&place), "bit {bit}: {error}");
            }
        }
    }
}

#[test]
fn a_group_torn_in_its_middle_is_no_damage() {
    let disk = FakeDisk::new();
    let (mut journal, _) = open(&disk).unwrap();
    commit_each(&mut journal, &[batch("kept")]);
    let path = segment::path(Path::new(DIR), Position(0));
    let mut whole = 0;
    disk.damage(&path, |bytes| whole = bytes.len());
    for _ in 0..3 {
        journal.append(&batch("one group")).unwrap();
    }
    journal.commit().unwrap();
    drop(journal);
    // The first page of the group did not reach the disk, the others did.
    disk.damage(&path, |bytes| bytes[whole..whole + 12].fill(0));
    assert_eq!(opened_prefix(&disk, &[batch("kept")]).unwrap().0, 1);
}

#[test]
fn damage_before_the_last_segment_is_refused_even_at_its_end() {
    let disk = FakeDisk::new();
    let config = crate::journal::JournalConfig {
        segment_bytes_max: 1,
        ..Default::default()
    };
    let (mut journal, _) = super::open_with(&disk, config).unwrap();
    commit_each(
        &mut journal,
        &[batch("first"), batch("second"), batch("third")],
    );
    drop(journal);
    let paths: Vec<_> = disk
        .paths()
        .into_iter()
        .filter(|path| path.extension().is_some_and(|e| e == "journal"))
        .collect();
    assert_eq!(paths.len(), 3);

    let cut = disk.fork();
    cut.damage(&paths[1], |bytes| bytes.truncate(bytes.len() - 1));
    let error = open(&cut).err().unwrap();
    assert!(
        matches!(&error, JournalError::Damaged { path, damage: Damage::Cut, .. } if *path == paths[1]),
        "{error}"
    );
    // Nor does a successor that was never used turn it into the last.
    cut.damage(&paths[2], Vec::clear);
    assert!(matches!(
        open(&cut),
        Err(JournalError::Damaged {
            damage: Damage::Cut,
            ..
        })
    ));

    let gone = disk.fork();
    gone.damage(&paths[1], |bytes| bytes.truncate(64));
    let error = open(&gone).err().unwrap();
    assert_eq!(
        error.to_string(),
        "journal segment /journal/00000000000000000002.journal is damaged at offset 0: \
         it does not continue the segment before, which ends below record 1"
    );
}

#[test]
fn a_newer_format_is_refused_clearly() {
    let (disk, _, _, path) = five();
    disk.damage(&path, |bytes| {
        bytes[8..12].copy_from_slice(&3u32.to_le_bytes());
        let crc = crc32c::crc32c(&bytes[..60]);
        bytes[60..64].copy_from_slice(&crc.to_le_bytes());
    });
    assert_eq!(
        open(&disk).err().unwrap().to_string(),
        "journal segment /journal/00000000000000000000.journal has format version 3, \
         this program reads up to 2: start the newer program"
    );
}

#[test]
fn a_real_file_is_recovered_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let (mut journal, _) = crate::journal::Journal::open(dir.path(), Default::default()).unwrap();
    commit_each(&mut journal, &[batch("one"), batch("two")]);
    drop(journal);
    let path = segment::path(dir.path(), Position(0));
    let length = std::fs::metadata(&path).unwrap().len();
    std::fs::OpenOptions::new()
        .write(true)
        .open(&path)
        .unwrap()
        .set_len(length - 3)
        .unwrap();

    // A reader sees the torn tail and leaves it.
    let mut reader = Reader::open(dir.path(), None).unwrap();
    assert_eq!(reader.by_ref().count(), 1);
    assert!(reader.torn_tail().is_some_and(|torn| torn.bytes > 0));

    let (journal, recovery) = crate::journal::Journal::open_on(
        std::sync::Arc::new(RealDisk),
        dir.path(),
        Default::default(),
    )
    .unwrap();
    assert_eq!(recovery.next, Position(1));
    let torn = recovery.torn_tail.unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().len(), torn.offset);
    drop(journal);
}
