//! The journal, and the checkpoints that spare a start most of it.

use serde::{Deserialize, Serialize};

use crate::bounded::{DAY_MS, MOST, at_least, between};
use crate::journal::writer::WriterConfig;
use crate::journal::{Memory, Retention};

const HOUR_MS: i64 = 3_600_000;

/// The least of [`JournalSettings::record_bytes_max`]: the longest line of an event, a report of MM7, and most rule books of
/// one's own take no more.
const RECORD_BYTES_MIN: u64 = 64 << 10;

/// Journal settings.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct JournalSettings {
    /// Size at which a segment is full, bytes.
    #[serde(deserialize_with = "at_least::<1_024, _, _>")]
    pub segment_bytes_max: u64,
    /// Time that an epoch gathers, ms: shorter is fresher, longer combines better. At most five seconds: a step of the clock
    /// that is longer is taken for a stop, in which nobody could be heard.
    #[serde(deserialize_with = "between::<1, 5_000, _, _>")]
    pub epoch_interval_ms: u64,
    /// Largest record, bytes: a batch unpacked, or a rule book. At least 64 KiB, at most 64 MiB.
    #[serde(deserialize_with = "between::<RECORD_BYTES_MIN, MOST, _, _>")]
    pub record_bytes_max: usize,
    /// Requests that may wait for the disk; more are told to come back.
    #[serde(deserialize_with = "at_least::<1, _, _>")]
    pub queue_requests_max: usize,
    /// Bytes that may wait for the disk or the dataflow; more are told to come back. At least twice
    /// `record_bytes_max`.
    #[serde(deserialize_with = "at_least::<1, _, _>")]
    pub queue_bytes_max: usize,
    /// Closed epochs that may wait between the journal and the dataflow; with one more the journal's thread waits, its queue
    /// fills, and in the end producers are told to come back.
    #[serde(deserialize_with = "between::<1, 1_000, _, _>")]
    pub epochs_ahead_max: usize,
    /// Epochs that may wait for their digest, each with up to 16 MiB; of more none is made, and a start reads their batches.
    // Room for as many is made at the start.
    #[serde(deserialize_with = "between::<1, 1_000, _, _>")]
    pub digests_waiting_max: usize,
    /// Producers whose sequences are remembered, so that a repeat counts once. A new name beyond it is
    /// refused with 429; once more than half is used, also one beyond the fair share of its address.
    #[serde(deserialize_with = "at_least::<1, _, _>")]
    pub producers_max: usize,
    /// How long a producer is remembered for certain after its last batch, on the journal's clock, hours:
    /// a repeat within that time counts once, whatever else happens.
    pub producers_keep_h: u32,
    /// Numbers of a producer, its newest and those below it, of which a repeat is known for one: what goes back to
    /// another is refused with 409. At most 65.
    #[serde(deserialize_with = "between::<1, 65, _, _>")]
    pub sequences_max: u64,
    /// New batches are refused with 507 while the journal's file system has less free than this, bytes;
    /// 0 takes them until it is full. Once less than one and a half times this is free, those are refused whose producer has
    /// written more than is left since there was twice as much. Commands and notices go on.
    pub disk_free_bytes_min: u64,
    /// How many are told apart by what they have written since then; whoever comes beyond them shares one share.
    #[serde(deserialize_with = "at_least::<1, _, _>")]
    pub disk_holders_max: usize,
    /// Segments younger than this are kept although a checkpoint covers them, hours.
    pub retention_h: u32,
    /// As much of the journal is kept although a checkpoint covers it and it is older, bytes.
    pub retention_bytes: u64,
}

impl JournalSettings {
    /// How producers are remembered.
    pub fn memory(&self) -> Memory {
        Memory {
            producers_max: self.producers_max,
            keep_ms: i64::from(self.producers_keep_h).saturating_mul(HOUR_MS),
            sequences_max: self.sequences_max,
        }
    }

    /// What is kept of the journal although no start needs it.
    pub fn retention(&self) -> Retention {
        Retention {
            age_ms: i64::from(self.retention_h).saturating_mul(HOUR_MS),
            bytes: self.retention_bytes,
        }
    }
}

impl Default for JournalSettings {
    fn default() -> Self {
        JournalSettings {
            segment_bytes_max: 64 * 1024 * 1024,
            // 200 ms: half a second from event to verdict leaves room for the windows' arithmetic.
            epoch_interval_ms: 200,
            record_bytes_max: 32 * 1024 * 1024,
            queue_requests_max: 1024,
            queue_bytes_max: 256 * 1024 * 1024,
            // Judgement: less than a second of epochs smooths what a checkpoint or a large window costs; what they hold is
            // within `queue_bytes_max`.
            epochs_ahead_max: 4,
            digests_waiting_max: 2,
            producers_max: Memory::default().producers_max,
            producers_keep_h: (Memory::default().keep_ms / HOUR_MS) as u32,
            sequences_max: Memory::default().sequences_max,
            // Judgement: a day and a gigabyte to look into what was said and heard, and to replay it
            // under another rule book.
            retention_h: 24,
            retention_bytes: 1 << 30,
            // Judgement: room for three checkpoints of a million keys (about 200 MiB each) and a day of
            // ticks, commands and mails, while somebody makes room.
            disk_free_bytes_min: 1 << 30,
            disk_holders_max: WriterConfig::default().disk_holders_max,
        }
    }
}

/// Checkpoint settings.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CheckpointSettings {
    /// Time between two, ms: what a start has to replay at most, and what it costs to have less. At most a day.
    #[serde(deserialize_with = "between::<0, DAY_MS, _, _>")]
    pub interval_ms: u64,
}

impl Default for CheckpointSettings {
    fn default() -> Self {
        // Judgement: a minute of journal is replayed in a few seconds.
        CheckpointSettings {
            interval_ms: 60_000,
        }
    }
}
