//! Digests beside the journal: they stand for the epochs they were made of, and for nothing else.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{DIR, batch_from, open_with};
use crate::journal::{
    Cut, DigestFiles, Disk, Epoch, EpochConfig, Epochs, FakeDisk, JournalConfig, Position, Record,
    Retention, Submit, Undigested, cut,
};

const EPOCHS: u64 = 12;

/// Segments of a few batches, so that epochs go on in the next one.
fn epochs(disk: &FakeDisk) -> Epochs<u32> {
    let config = JournalConfig {
        segment_bytes_max: 400,
        ..JournalConfig::default()
    };
    let (journal, recovery) = open_with(disk, config).unwrap();
    Epochs::new(journal, recovery.producers, EpochConfig::default())
}

fn prepare(record: Record) -> crate::journal::Prepared<u32> {
    let attachment = 0;
    let submit = Submit { record, attachment };
    submit.prepare(1 << 20).unwrap()
}

fn of(epoch: &Epoch<u32>) -> Undigested {
    Undigested {
        epoch: epoch.epoch,
        first: epoch.records[0].0,
        next: epoch.next,
        seal: epoch.seal,
    }
}

fn words(epoch: u64) -> Vec<u8> {
    format!("digest of {epoch}").into_bytes()
}

/// A journal of epochs of three batches, each committed alone, with digests of all but every fourth.
fn written() -> (FakeDisk, Vec<Epoch<u32>>) {
    let disk = FakeDisk::new();
    let mut epochs = epochs(&disk);
    let mut files = DigestFiles::new(Arc::new(disk.clone()), Path::new(DIR));
    let mut closed = Vec::new();
    for epoch in 0..EPOCHS {
        for sequence in 1..=3 {
            let record = batch_from("a", epoch * 3 + sequence);
            let done = epochs.commit(vec![prepare(record)], sequence == 3, epoch as i64);
            closed.extend(done.epochs);
        }
        let epoch = closed.last().unwrap();
        if epoch.epoch % 4 != 3 {
            files.write(&of(epoch), &words(epoch.epoch)).unwrap();
        }
    }
    (disk, closed)
}

fn replayed(epochs: &mut Epochs<u32>, from: Option<Position>) -> Vec<Epoch<u32>> {
    let mut all = Vec::new();
    let flow = epochs.replay(from, |epoch| {
        all.push(epoch);
        ControlFlow::Continue(())
    });
    assert!(flow.unwrap().is_continue());
    all
}

/// Numbers of the epochs in whose place a digest came, having looked that all is as it was handed over before.
fn digested(disk: &FakeDisk, before: &[Epoch<u32>], from: Option<Position>) -> Vec<u64> {
    let read = replayed(&mut epochs(disk), from);
    assert_eq!(read.len(), before.len());
    let mut numbers = Vec::new();
    for (read, before) in read.into_iter().zip(before) {
        let is = |epoch: &Epoch<u32>| (epoch.epoch, epoch.now_ms, epoch.next, epoch.seal);
        assert_eq!(is(&read), is(before));
        let records: Vec<_> = match &read.digest {
            Some(digest) => {
                assert!(read.records.is_empty());
                assert_eq!(digest.bytes(), &words(read.epoch));
                numbers.push(read.epoch);
                digest.records().unwrap()
            }
            None => read
                .records
                .into_iter()
                .map(|(at, of, _)| (at, of))
                .collect(),
        };
        let before: Vec<_> = before
            .records
            .iter()
            .map(|(at, of, _)| (*at, of.clone()))
            .collect();
        assert_eq!(records, before);
    }
    numbers
}

fn files(disk: &FakeDisk) -> Vec<PathBuf> {
    let names = disk.list(Path::new(DIR)).unwrap();
    let mut names: Vec<_> = names
        .into_iter()
        .filter(|name| name.ends_with(".digests"))
        .collect();
    names.sort();
    names.iter().map(|name| Path::new(DIR).join(name)).collect()
}

#[test]
fn a_digest_comes_in_place_of_its_epochs_records_which_can_still_be_had() {
    let (disk, before) = written();
    // Nobody knows that the first epoch begins where the journal does.
    let all: Vec<u64> = (1..EPOCHS).filter(|epoch| epoch % 4 != 3).collect();
    assert_eq!(digested(&disk, &before, None), all);
    // From a checkpoint: its first epoch is looked for, and read.
    let from = Some(before[3].next);
    assert_eq!(digested(&disk, &before[4..], from), all[3..]);
}

#[test]
fn what_is_damaged_torn_or_missing_is_read_from_the_journal() {
    let (disk, before) = written();
    let path = files(&disk).remove(0);
    let mut file = disk.open(&path, true).unwrap();
    // Heads are 48 bytes: of the third the digest, of the sixth the head.
    let one = 48 + words(0).len() as u64;
    for at in [2 * one + 50, 5 * one + 20] {
        let mut byte = [0];
        file.read_at(&mut byte, at).unwrap();
        file.write_at(&[byte[0] ^ 1], at).unwrap();
    }
    assert_eq!(digested(&disk, &before, None), [1, 4, 5]);
    file.truncate(one * 2 - 1).unwrap();
    assert_eq!(digested(&disk, &before, None), Vec::<u64>::new());
    disk.remove(&path).unwrap();
    assert_eq!(digested(&disk, &before, None), Vec::<u64>::new());
}

#[test]
fn a_digest_of_other_records_stands_for_none() {
    let (disk, before) = written();
    let mut files = DigestFiles::new(Arc::new(disk.clone()), Path::new(DIR));
    // As when the end of a journal was lost and other records took its places.
    let mut other = of(&before[5]);
    other.seal = before[6].seal;
    files.write(&other, b"other").unwrap();
    let mut other = of(&before[8]);
    other.next = before[9].next;
    files.write(&other, b"other").unwrap();
    assert_eq!(digested(&disk, &before, None), [1, 2, 4, 6, 9, 10]);
}

#[test]
fn files_go_after_the_records_they_are_of() {
    let (disk, before) = written();
    let nothing = Retention {
        age_ms: 0,
        bytes: 0,
    };
    // A process each.
    let write = |epoch: usize| {
        let mut writing = DigestFiles::new(Arc::new(disk.clone()), Path::new(DIR));
        writing.write(&of(&before[epoch]), b"it").unwrap();
    };
    write(4);
    // The second time its name is taken.
    write(8);
    write(8);
    let done = cut(&disk, Path::new(DIR), before[10].next, nothing, i64::MAX).unwrap();
    assert!(matches!(done, Cut { segments: 3.., .. }), "{done:?}");
    assert_eq!(files(&disk).len(), 3);
    write(11);
    let name = |epoch: usize| format!("{:020}.digests", before[epoch].records[0].0.0);
    let left = [8, 11].map(|epoch| Path::new(DIR).join(name(epoch)));
    assert_eq!(files(&disk), left);
}

#[test]
fn a_full_disk_takes_no_digest_and_the_next_begins_a_file() {
    let (disk, before) = written();
    let mut writing = DigestFiles::new(Arc::new(disk.clone()), Path::new(DIR));
    writing.write(&of(&before[3]), &words(3)).unwrap();
    disk.set_capacity_bytes(Some(0));
    assert!(writing.write(&of(&before[7]), &words(7)).is_err());
    disk.set_capacity_bytes(None);
    writing.write(&of(&before[11]), &words(11)).unwrap();
    assert_eq!(files(&disk).len(), 3);
    let all: Vec<u64> = (1..EPOCHS).filter(|epoch| *epoch != 7).collect();
    assert_eq!(digested(&disk, &before, None), all);
}

#[test]
fn an_epoch_that_is_read_back_knows_whether_another_follows_that_brings_no_rule_book() {
    let (disk, before) = written();
    let mut writing = epochs(&disk);
    let read = replayed(&mut writing, None);
    let followed = |read: &[Epoch<u32>]| {
        let those = read.iter().filter(|epoch| epoch.is_followed);
        those.map(|epoch| epoch.epoch).collect::<Vec<_>>()
    };
    assert!(!before.iter().any(|epoch| epoch.is_followed));
    assert_eq!(followed(&read), (0..EPOCHS - 1).collect::<Vec<_>>());
    let book = Record::RuleBook {
        at_ms: 1,
        files: Vec::new(),
    };
    for record in [book, batch_from("a", 100)] {
        let done = writing.commit(vec![prepare(record)], true, 100);
        assert!(!done.epochs[0].is_followed, "not known yet");
    }
    drop(writing);
    let read = replayed(&mut epochs(&disk), None);
    let without: Vec<u64> = (0..EPOCHS + 1)
        .filter(|epoch| *epoch != EPOCHS - 1)
        .collect();
    assert_eq!(followed(&read), without);
}
