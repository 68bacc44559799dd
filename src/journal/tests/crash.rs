//! Crashes between any two changes to the disk, with what was not synced torn and reordered: what
//! was acknowledged is there, what is there was submitted, and all of it once and in order.

use super::{Chance, batch, open_with, records};
use crate::journal::{FakeDisk, JournalConfig, Record};

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
