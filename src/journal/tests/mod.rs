//! Tests of the journal as a whole, most of them on the fake disk.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::expect_used,
    reason = "in a test a panic is the report"
)]

mod catching_up;
mod crash;
mod damage;
mod digests;
mod epochs;
mod fairness;
mod format;
mod log;
mod producers;
mod resume;
mod space;
mod writer;

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;

use super::{
    FakeDisk, Journal, JournalConfig, JournalError, LineFormat, Position, Reader, Record, Recovery,
};

/// Where the fake disk's journals are.
const DIR: &str = "/journal";

/// A batch of one event a line.
fn batch(text: &str) -> Record {
    Record::Batch {
        producer: None,
        sender: None,
        received_ms: 1,
        format: LineFormat::Ndjson,
        events: text.lines().count() as u64,
        lines: Bytes::copy_from_slice(text.as_bytes()).into(),
        decoded: None,
    }
}

/// The same from a producer.
fn batch_from(name: &str, sequence: u64) -> Record {
    let mut record = batch(&format!("{name} {sequence}"));
    if let Record::Batch { producer, .. } = &mut record {
        *producer = Some((name.to_owned(), sequence));
    }
    record
}

/// The same under a token.
fn batch_under(token: &str, name: &str, sequence: u64) -> Record {
    let mut record = batch_from(name, sequence);
    if let Record::Batch { sender, .. } = &mut record {
        *sender = Some(token.to_owned());
    }
    record
}

fn open(disk: &FakeDisk) -> Result<(Journal, Recovery), JournalError> {
    open_with(disk, JournalConfig::default())
}

fn open_with(disk: &FakeDisk, config: JournalConfig) -> Result<(Journal, Recovery), JournalError> {
    Journal::open_on(Arc::new(disk.clone()), Path::new(DIR), config)
}

/// All records on a disk, without the lock.
fn records(disk: &FakeDisk) -> Result<Vec<(Position, Record)>, JournalError> {
    Reader::open_on(Arc::new(disk.clone()), Path::new(DIR), None)?.collect()
}

/// Commits each record alone.
fn commit_each(journal: &mut Journal, records: &[Record]) {
    for record in records {
        journal.append(record).unwrap();
        journal.commit().unwrap();
    }
}

/// Deterministic chance (splitmix64).
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }
}
