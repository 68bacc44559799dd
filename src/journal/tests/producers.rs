//! A flood of new producer names forgets nobody who spoke lately, and leaves room for the names of others.

use std::net::IpAddr;

use super::{batch_from, batch_under, open_with};
use crate::journal::{
    EpochConfig, Epochs, FakeDisk, Journal, JournalConfig, JournalError, Memory, Position, Record,
    Resume, Submit,
};

const HOUR_MS: i64 = 3_600_000;

fn config() -> JournalConfig {
    JournalConfig {
        memory: Memory {
            producers_max: 16,
            keep_ms: HOUR_MS,
            ..Memory::default()
        },
        ..JournalConfig::default()
    }
}

fn start(disk: &FakeDisk) -> Epochs<u32> {
    let (journal, recovery) = open_with(disk, config()).unwrap();
    Epochs::new(journal, recovery.producers, EpochConfig::default())
}

fn peer(last: u8) -> Option<IpAddr> {
    Some([10, 0, 0, last].into())
}

/// One batch, and a tick: whether it was a repeat, or why it was refused.
fn send(
    epochs: &mut Epochs<u32>,
    from: Option<IpAddr>,
    name: &str,
    sequence: u64,
    now_ms: i64,
) -> Result<bool, JournalError> {
    let submit = Submit {
        record: batch_from(name, sequence),
        attachment: 0,
    };
    let prepared = submit.prepare(1 << 20).unwrap().coming_from(from);
    let mut done = epochs.commit(vec![prepared], true, now_ms);
    done.answers.remove(0).map(|ack| ack.duplicate)
}

/// New names from one address until one is refused; how many were taken.
fn flood(epochs: &mut Epochs<u32>, from: u8, round: &str, now_ms: i64) -> usize {
    for number in 0..1_000 {
        let name = format!("flood-{from}-{round}-{number}");
        match send(epochs, peer(from), &name, 1, now_ms) {
            Ok(duplicate) => assert!(!duplicate),
            Err(JournalError::ProducersFull { .. }) => return number,
            Err(error) => panic!("{error}"),
        }
    }
    panic!("no end to it");
}

#[test]
fn a_flood_of_names_is_refused_and_an_old_batch_is_still_known_for_a_repeat() {
    let disk = FakeDisk::new();
    let mut epochs = start(&disk);
    assert_eq!(
        send(&mut epochs, peer(1), "old", 7, 1_000).ok(),
        Some(false)
    );
    // Eight are half; then as many as are left: 15 others.
    assert_eq!(flood(&mut epochs, 2, "a", 1_000), 8);
    let full = send(&mut epochs, peer(2), "one more", 1, 1_000).unwrap_err();
    assert!(!full.is_fatal());
    let words = full.to_string();
    assert!(
        words.contains("9 are remembered already, with the fair share"),
        "{words}"
    );
    assert_eq!(send(&mut epochs, peer(1), "old", 7, 1_000).ok(), Some(true));
    // Others find room beside the flood, and it cannot push them out, also not after a restart.
    assert_eq!(
        send(&mut epochs, peer(3), "honest", 1, 1_000).ok(),
        Some(false)
    );
    let known = epochs.producers().lock().unwrap().clone();
    drop(epochs);
    let mut epochs = start(&disk);
    assert_eq!(*epochs.producers().lock().unwrap(), known);
    flood(&mut epochs, 2, "b", 2_000);
    assert_eq!(
        send(&mut epochs, peer(4), "late", 1, 2_000).ok(),
        Some(false)
    );
    assert_eq!(send(&mut epochs, peer(1), "old", 7, 2_000).ok(), Some(true));
    assert_eq!(
        send(&mut epochs, peer(3), "honest", 1, 2_000).ok(),
        Some(true)
    );
    // Everybody is known by name, so everybody is heard.
    assert_eq!(
        send(&mut epochs, peer(2), "flood-2-a-0", 2, 2_000).ok(),
        Some(false)
    );
}

#[test]
fn room_comes_back_when_names_are_heard_no_more_and_only_then() {
    let disk = FakeDisk::new();
    let mut epochs = start(&disk);
    for from in 1..=40 {
        flood(&mut epochs, from, "a", 1_000);
    }
    let full = send(&mut epochs, peer(50), "new", 1, 1_000).unwrap_err();
    assert!(
        full.to_string()
            .contains("16 are remembered already, as many as may be"),
        "{full}"
    );
    // One goes on speaking, the others do not.
    assert_eq!(
        send(&mut epochs, peer(1), "flood-1-a-0", 2, HOUR_MS).ok(),
        Some(false)
    );
    assert!(send(&mut epochs, peer(50), "new", 1, HOUR_MS + 1_000).is_err());
    epochs.commit(Vec::new(), true, HOUR_MS + 1_001);
    assert_eq!(
        send(&mut epochs, peer(50), "new", 1, HOUR_MS + 1_001).ok(),
        Some(false)
    );
    assert_eq!(
        send(&mut epochs, peer(1), "flood-1-a-0", 2, HOUR_MS + 1_001).ok(),
        Some(true)
    );
    // The address that flooded has its share of the room again, and no more.
    let again = flood(&mut epochs, 1, "b", HOUR_MS + 1_001);
    assert!((1..=8).contains(&again), "{again}");
}

#[test]
fn what_is_remembered_is_the_same_from_a_checkpoint_and_from_the_journal_alone() {
    let disk = FakeDisk::new();
    let mut epochs = start(&disk);
    let mut midway = None;
    for number in 0..60u64 {
        // Ten an hour: who spoke longest ago goes when more than eight are there.
        let now_ms = number as i64 * HOUR_MS / 10;
        let name = format!("p{}", number % 20);
        let sent = send(&mut epochs, peer(number as u8), &name, number, now_ms);
        assert!(matches!(sent, Ok(false)), "{number} {sent:?}");
        if number == 31 {
            let next = epochs.totals().2;
            let producers = epochs.producers().lock().unwrap().clone();
            midway = Some(Resume { next, producers });
        }
    }
    let live = epochs.producers().lock().unwrap().clone();
    assert!(live.forgotten_total() > 10 && live.len() <= 16, "{live:?}");
    drop(epochs);
    let (journal, whole) = open_with(&disk, config()).unwrap();
    assert_eq!(whole.producers, live);
    drop(journal);
    let disk = std::sync::Arc::new(disk);
    let dir = std::path::Path::new(super::DIR);
    let (_journal, resumed) = Journal::resume_on(disk, dir, config(), midway).unwrap();
    assert_eq!(resumed.producers, live);
}

#[test]
fn many_new_names_in_one_group_are_counted_together() {
    let disk = FakeDisk::new();
    let mut epochs = start(&disk);
    let prepare = |number: u64| {
        let record: Record = batch_from(&format!("n{number}"), 1);
        let submit = Submit {
            record,
            attachment: 0,
        };
        let last = number as u8 + 1;
        submit.prepare(1 << 20).unwrap().coming_from(peer(last))
    };
    let done = epochs.commit((0..40).map(prepare).collect(), true, 1_000);
    let taken = done.answers.iter().filter(|answer| answer.is_ok()).count();
    assert_eq!((taken, epochs.producers().lock().unwrap().len()), (16, 16));
}

/// What becomes of one batch under a token, or none.
fn send_under(epochs: &mut Epochs<u32>, token: Option<&str>, name: &str, sequence: u64) -> String {
    let record = match token {
        Some(token) => batch_under(token, name, sequence),
        None => batch_from(name, sequence),
    };
    let submit = Submit {
        record,
        attachment: 0,
    };
    let prepared = submit.prepare(1 << 20).unwrap().coming_from(peer(1));
    let mut done = epochs.commit(vec![prepared], true, 1_000);
    match done.answers.remove(0) {
        Ok(ack) if ack.duplicate => "repeat".to_owned(),
        Ok(_) => "new".to_owned(),
        Err(JournalError::ProducerTaken { name }) => format!("{name} is taken"),
        Err(JournalError::ProducersFull { of_peer, .. }) => format!("full, {of_peer}"),
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn a_name_is_of_the_token_that_used_it_first_also_after_a_restart() {
    let disk = FakeDisk::new();
    let mut epochs = start(&disk);
    let (owner, other) = (Some("owner"), Some("other"));
    assert_eq!(send_under(&mut epochs, owner, "gate", 5), "new");
    for again in 0..3 {
        // Neither a number of its own, nor one that would make the owner's batches repeats.
        for sequence in [5, 6, u64::MAX / 2] {
            let answer = send_under(&mut epochs, other, "gate", sequence);
            assert_eq!(answer, "gate is taken", "{again}");
        }
        assert_eq!(send_under(&mut epochs, owner, "gate", 5), "repeat");
        let known = epochs.producers().lock().unwrap().clone();
        drop(epochs);
        epochs = match again {
            0 => start(&disk),
            // From a checkpoint, all of the journal behind it.
            _ => {
                let known = postcard::to_allocvec(&known).unwrap();
                let resume = Resume {
                    next: Position(2),
                    producers: postcard::from_bytes(&known).unwrap(),
                };
                let disk = std::sync::Arc::new(disk.clone());
                let dir = std::path::Path::new(super::DIR);
                let opened = Journal::resume_on(disk, dir, config(), Some(resume));
                let (journal, recovery) = opened.unwrap();
                Epochs::new(journal, recovery.producers, EpochConfig::default())
            }
        };
        assert_eq!(*epochs.producers().lock().unwrap(), known);
    }
    assert_eq!(send_under(&mut epochs, owner, "gate", 6), "new");
    // Who opened the server to everybody gets what he asked for, and a name from that time finds its owner.
    assert_eq!(send_under(&mut epochs, None, "gate", 7), "new");
    assert_eq!(send_under(&mut epochs, other, "gate", 8), "gate is taken");
    assert_eq!(send_under(&mut epochs, None, "probe", 1), "new");
    assert_eq!(send_under(&mut epochs, other, "probe", 2), "new");
    assert_eq!(send_under(&mut epochs, owner, "probe", 3), "probe is taken");
}

#[test]
fn of_one_group_the_first_has_the_name_if_the_group_is_kept() {
    let disk = FakeDisk::new();
    let mut epochs = start(&disk);
    let group = || {
        let records = [batch_under("a", "gate", 1), batch_under("b", "gate", 2)];
        let prepare = |record| {
            let submit = Submit {
                record,
                attachment: 0,
            };
            submit.prepare(1 << 20).unwrap()
        };
        records.into_iter().map(prepare).collect::<Vec<_>>()
    };
    disk.set_capacity_bytes(Some(0));
    let failed = epochs.commit(group(), true, 1).answers;
    let is_full = |answer: &Result<_, _>| matches!(answer, Err(JournalError::Full { .. }));
    assert!(failed.iter().all(is_full), "{failed:?}");
    disk.set_capacity_bytes(None);
    let kept = epochs.commit(group(), true, 1).answers;
    let taken = matches!(&kept[1], Err(JournalError::ProducerTaken { name }) if name == "gate");
    assert!(kept[0].is_ok() && taken, "{kept:?}");
}

#[test]
fn names_of_one_token_are_its_own_whatever_address_they_come_from() {
    let disk = FakeDisk::new();
    let mut epochs = start(&disk);
    let flood = (0..)
        .map(|number| send_under(&mut epochs, Some("flood"), &format!("f{number}"), 1))
        .position(|answer| answer != "new");
    assert_eq!(flood, Some(8), "half of the room");
    // From the same address.
    assert_eq!(send_under(&mut epochs, Some("honest"), "h", 1), "new");
}
