use std::path::Path;
use std::sync::Arc;

use crate::checkpoint::file::FORMAT_VERSION;
use crate::checkpoint::{CheckpointError, Folder, Head, KEPT, Section};
use crate::journal::{Disk, FakeDisk, Position};
use crate::rules::Lineage;

const DIR: &str = "/checkpoints";

fn head(epoch: u64) -> Head {
    Head {
        epoch,
        now_ms: 7,
        next: Position(epoch * 10),
        told_upto: epoch.checked_sub(1),
        created_at_ms: 8,
        program: "0".to_owned(),
        rules: vec![("a.yaml".to_owned(), "book: {}".to_owned())],
        lineage: Lineage::default(),
    }
}

fn pieces(epoch: u64) -> Vec<Vec<u8>> {
    (0..5u8)
        .map(|piece| vec![piece ^ epoch as u8; 1_000 * usize::from(piece)])
        .collect()
}

fn folder(disk: &FakeDisk) -> Folder {
    Folder::open(Arc::new(disk.clone()), Path::new(DIR)).unwrap()
}

fn write(disk: &FakeDisk, epoch: u64) -> Result<u64, CheckpointError> {
    folder(disk).write(&head(epoch), |add| {
        pieces(epoch)
            .iter()
            .try_for_each(|piece| add(Section::Dataflow, piece))
    })
}

/// The epoch of the newest, whose content must be what was written for it, and how many were damaged.
fn newest(disk: &FakeDisk) -> (Option<u64>, usize) {
    let found = folder(disk).newest().unwrap();
    let epoch = found.newest.map(|mut opened| {
        let epoch = opened.head.epoch;
        assert_eq!(opened.head, head(epoch));
        let mut read = Vec::new();
        while let Some((kind, bytes)) = opened.next().unwrap() {
            assert_eq!(kind, Section::Dataflow);
            read.push(bytes);
        }
        assert_eq!(read, pieces(epoch));
        epoch
    });
    (epoch, found.passed_over.len())
}

#[test]
fn what_was_written_is_read_and_the_newest_stay() {
    let disk = FakeDisk::new();
    assert_eq!(newest(&disk), (None, 0));
    for epoch in [1, 2, 30, 4_000, 50_000] {
        write(&disk, epoch).unwrap();
        assert_eq!(newest(&disk), (Some(epoch), 0));
    }
    assert_eq!(folder(&disk).epochs().unwrap(), [30, 4_000, 50_000]);
    assert_eq!(folder(&disk).oldest().unwrap(), Some((Position(300), KEPT)));
}

#[test]
fn what_the_journal_may_be_cut_below_is_there_after_a_crash() {
    let needed = (0..)
        .find(|changes| {
            let disk = FakeDisk::new();
            disk.halt_after(*changes);
            write(&disk, 1).is_ok()
        })
        .unwrap();
    // The process dies when its file has its name, and before the folder is synced.
    let disk = FakeDisk::new();
    disk.halt_after(needed - 1);
    write(&disk, 1).unwrap_err();
    disk.kill();
    assert_eq!(newest(&disk), (Some(1), 0));
    let lost = disk.fork();
    lost.crash(&mut || 0);
    assert_eq!(newest(&lost), (None, 0), "it could still be gone");
    assert_eq!(folder(&disk).oldest().unwrap(), Some((Position(10), 1)));
    disk.crash(&mut || 0);
    assert_eq!(newest(&disk), (Some(1), 0));
}

#[test]
fn a_crash_at_any_moment_leaves_the_one_before_or_the_new_one() {
    let before = FakeDisk::new();
    write(&before, 1).unwrap();
    write(&before, 2).unwrap();
    write(&before, 3).unwrap();
    let mut interrupted = 0;
    for changes in 0..40 {
        for choice in [0_u64, 1, 0x9E37_79B9_7F4A_7C15] {
            let disk = before.fork();
            disk.halt_after(changes);
            let written = write(&disk, 4).is_ok();
            interrupted += usize::from(!written);
            let mut state = choice;
            disk.crash(&mut || {
                state = state.rotate_left(7).wrapping_mul(choice | 1);
                state
            });
            let (epoch, damaged) = newest(&disk);
            assert!(matches!(epoch, Some(3 | 4)), "{changes}: {epoch:?}");
            assert!(
                !written || epoch == Some(4),
                "{changes}: it was said to be there"
            );
            assert_eq!(damaged, 0, "{changes}: nothing half-written has its name");
            write(&disk, 5).unwrap();
            assert_eq!(newest(&disk), (Some(5), 0));
        }
    }
    assert!(interrupted > 10);
}

#[test]
fn any_damage_is_seen_and_the_one_before_is_taken() {
    let disk = FakeDisk::new();
    write(&disk, 1).unwrap();
    let path = folder(&disk).path_of(2);
    let bytes = write(&disk, 2).unwrap() as usize;
    for at in 0..bytes {
        let flipped = disk.fork();
        flipped.damage(&path, |bytes| bytes[at] ^= 1 << (at % 8));
        assert_eq!(newest(&flipped), (Some(1), 1), "bit at {at}");
        let cut = disk.fork();
        cut.damage(&path, |bytes| bytes.truncate(at));
        assert_eq!(newest(&cut), (Some(1), 1), "cut at {at}");
    }
}

#[test]
fn what_is_set_aside_does_not_push_out_what_is_written_in_its_place() {
    let disk = FakeDisk::new();
    let asides = |disk: &FakeDisk| {
        let names = disk.paths().into_iter();
        names
            .filter(|path| path.extension().is_some_and(|end| end == "aside"))
            .count()
    };
    for round in 0..3 {
        for epoch in [100, 200, 300] {
            write(&disk, epoch + round).unwrap();
        }
        let folder = folder(&disk);
        let paths: Vec<_> = [100, 200, 300]
            .iter()
            .map(|epoch| folder.path_of(epoch + round))
            .collect();
        folder.set_aside(&paths).unwrap();
        assert_eq!(newest(&disk), (None, 0));
        assert_eq!(folder.oldest().unwrap(), None);
        assert_eq!(asides(&disk), KEPT, "those of earlier rounds are gone");
        // Earlier epochs than those that were damaged, as a replay writes them.
        write(&disk, 7).unwrap();
        assert_eq!(newest(&disk), (Some(7), 0));
        disk.remove(&folder.path_of(7)).unwrap();
    }
}

#[test]
fn a_newer_format_is_refused_by_name() {
    let disk = FakeDisk::new();
    write(&disk, 1).unwrap();
    write(&disk, 2).unwrap();
    disk.damage(&folder(&disk).path_of(2), |bytes| {
        bytes[8..12].copy_from_slice(&(FORMAT_VERSION + 1).to_le_bytes());
        let checksum = crc32c::crc32c(&bytes[..12]).to_le_bytes();
        bytes[12..16].copy_from_slice(&checksum);
    });
    let Err(error) = folder(&disk).newest() else {
        panic!("it was read");
    };
    let words = error.to_string();
    assert!(
        words.contains(&format!("version {}", FORMAT_VERSION + 1))
            && words.contains("newer program"),
        "{words}"
    );
}

#[test]
fn a_full_disk_leaves_the_folder_as_it_was() {
    let disk = FakeDisk::new();
    let bytes = write(&disk, 1).unwrap();
    disk.set_capacity_bytes(Some(bytes + bytes / 2));
    assert!(write(&disk, 2).is_err());
    assert_eq!(newest(&disk), (Some(1), 0));
    disk.set_capacity_bytes(None);
    write(&disk, 3).unwrap();
    assert_eq!(newest(&disk), (Some(3), 0));
}
