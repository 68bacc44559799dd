//! Crashes between any two changes to the disk, with what was not synced torn and reordered: what
//! was acknowledged is there, what is there was submitted, and all of it once and in order.

use std::collections::BTreeMap;

use super::{Chance, batch, batch_from, open_with, records};
use crate::journal::{
    Epoch, EpochConfig, Epochs, FakeDisk, JournalConfig, Position, Record, Submit,
};

fn config() -> JournalConfig {
    JournalConfig {
        segment_bytes_max: 1500,
        ..JournalConfig::default()
    }
}

#[test]
fn committed_records_survive_a_crash_at_any_change() {
    for seed in 0..400 {
        let mut chance = Chance(seed);
        let disk = FakeDisk::new();
        let mut committed: Vec<Record> = Vec::new();
        let mut sent = 0u64;
        for _life in 0..6 {
            let (mut journal, recovery) =
                open_with(&disk, config()).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
            assert_eq!(recovery.next.0, committed.len() as u64, "seed {seed}");
            disk.halt_after(chance.below(40));
            let mut group: Vec<Record> = Vec::new();
            loop {
                for _ in 0..=chance.below(4) {
                    sent += 1;
                    let size = chance.below(700) as usize;
                    let noise: String = (0..size)
                        .map(|_| char::from(b'!' + chance.below(90) as u8))
                        .collect();
                    group.push(batch(&format!("{sent} {noise}")));
                    journal.append(group.last().unwrap()).unwrap();
                }
                // Now and then only written, as idle ticks are: safe with a later commit.
                if chance.below(4) == 0 {
                    if journal.write().is_err() {
                        break;
                    }
                    continue;
                }
                if journal.commit().is_err() {
                    break;
                }
                committed.append(&mut group);
            }
            if chance.below(3) == 0 {
                disk.kill();
            } else {
                disk.crash(&mut || chance.next());
            }
            let found: Vec<Record> = match records(&disk) {
                Ok(found) => found.into_iter().map(|(_, record)| record).collect(),
                Err(error) => panic!("seed {seed}: {error}"),
            };
            // A part of the group that was never acknowledged may have been kept, from its start.
            let extra = found.len().checked_sub(committed.len());
            let extra = extra.unwrap_or_else(|| panic!("seed {seed}: acknowledged records lost"));
            committed.extend(group.drain(..extra));
            assert!(found == committed, "seed {seed}");
        }
    }
}

/// The whole decision layer over crashes: epochs once handed over are handed over again the same,
/// and each acknowledged sequence is in exactly one of them.
#[test]
fn epochs_are_the_same_after_every_crash() {
    for seed in 0..200 {
        let mut chance = Chance(seed + 10_000);
        let disk = FakeDisk::new();
        let mut handed_over: Vec<Epoch<()>> = Vec::new();
        let mut acknowledged: BTreeMap<u64, u64> = BTreeMap::new();
        let mut next_sequence = [0u64; 3];
        let mut clock_ms = 1_000i64;
        for _life in 0..5 {
            let (journal, recovery) = open_with(&disk, config()).unwrap();
            let limits = EpochConfig {
                epoch_events_max: 5,
                ..EpochConfig::default()
            };
            let mut epochs: Epochs<()> = Epochs::new(journal, recovery.producers, limits);
            let mut replayed = Vec::new();
            let _ = epochs
                .replay(None, |epoch| {
                    replayed.push(epoch);
                    std::ops::ControlFlow::Continue(())
                })
                .unwrap();
            assert!(
                replayed.len() >= handed_over.len(),
                "seed {seed}: an epoch is gone"
            );
            let last = replayed.len().saturating_sub(1);
            for (at, epoch) in replayed.iter_mut().enumerate() {
                // Nobody can know when it is handed over first.
                assert_eq!(std::mem::take(&mut epoch.is_followed), at < last);
            }
            assert_eq!(replayed[..handed_over.len()], handed_over, "seed {seed}");
            handed_over = replayed;
            disk.halt_after(chance.below(30));
            loop {
                // The wall clock jumps both ways.
                clock_ms += chance.below(2_000) as i64 - 800;
                let mut wanted = Vec::new();
                let group = (0..chance.below(5))
                    .map(|_| {
                        let producer = chance.below(3);
                        let next = &mut next_sequence[producer as usize];
                        // Now and then the one before again.
                        let sequence = if chance.below(3) == 0 {
                            next.saturating_sub(1)
                        } else {
                            *next
                        };
                        *next = sequence + 1;
                        wanted.push((producer, sequence));
                        let record = batch_from(&producer.to_string(), sequence);
                        Submit {
                            record,
                            attachment: (),
                        }
                        .prepare(1 << 20)
                        .unwrap()
                    })
                    .collect();
                let done = epochs.commit(group, chance.below(2) == 0, clock_ms);
                for ((producer, sequence), answer) in wanted.into_iter().zip(done.answers) {
                    if answer.is_ok() {
                        let newest = acknowledged.entry(producer).or_default();
                        *newest = (*newest).max(sequence + 1);
                    }
                }
                handed_over.extend(done.epochs);
                if done.failure.is_some() {
                    break;
                }
            }
            disk.crash(&mut || chance.next());
            // What was not acknowledged is sent again.
            for (producer, next) in next_sequence.iter_mut().enumerate() {
                *next = acknowledged.get(&(producer as u64)).copied().unwrap_or(0);
            }
        }
        for pair in handed_over.windows(2) {
            assert_eq!(pair[1].epoch, pair[0].epoch + 1);
            assert!(
                pair[1].now_ms >= pair[0].now_ms,
                "seed {seed}: time went back"
            );
            assert!(pair[1].next > pair[0].next);
        }
        let mut seen: BTreeMap<String, Vec<u64>> = BTreeMap::new();
        for (position, record) in records(&disk).unwrap() {
            assert!(position < Position(u64::MAX));
            if let Record::Batch {
                producer: Some((name, sequence)),
                ..
            } = record
            {
                seen.entry(name).or_default().push(sequence);
            }
        }
        for (producer, next) in acknowledged {
            let seen = seen.get(&producer.to_string()).unwrap();
            let wanted: Vec<u64> = (0..seen.len() as u64).collect();
            assert_eq!(*seen, wanted, "seed {seed}: each once, in order");
            assert!(
                seen.len() as u64 >= next,
                "seed {seed}: an acknowledged batch is lost"
            );
        }
    }
}
