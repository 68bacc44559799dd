//! What a start reads back before it serves: the epochs that are closed in the journal, up to its end, which moves
//! on meanwhile.
//!
//! * Every record is read once, in order, and is in one epoch or in the open rest.
//! * Nothing waits here but the records since the last tick: an epoch at most.

use std::sync::Arc;

use super::digests::{Digest, Digests};
use super::epochs::{Epoch, Open};
use super::error::JournalError;
use super::log::Journal;
use super::read::Reader;
use super::record::{Position, Record};

/// A reading of what the journal holds.
pub struct Replay<A> {
    reader: Reader,
    /// The journal's end when the reader was opened.
    until: Position,
    /// All before `until` has been read.
    is_through: bool,
    open: Open<A>,
    read_bytes: u64,
    /// What lies in place of the records of the epochs that were found on opening.
    digests: Arc<Digests>,
}

impl<A: Default> Replay<A> {
    /// Begins at record `from`, where an epoch begins, or at the oldest kept.
    pub(super) fn begin(journal: &Journal, from: Option<Position>) -> Result<Self, JournalError> {
        Ok(Self {
            reader: journal.reader_apart(from)?,
            until: journal.tally().next,
            is_through: false,
            open: Open::new(),
            read_bytes: 0,
            digests: journal.digests(),
        })
    }

    /// The next epoch that is closed; `None` when there is no other in what this knows of.
    ///
    /// # Errors
    /// What reading says.
    pub fn next_epoch(&mut self) -> Result<Option<Epoch<A>>, JournalError> {
        let mut digest = self.pass_over()?;
        while let Some(read) = self.reader.next() {
            let (position, record) = read?;
            if position >= self.until {
                break;
            }
            self.read_bytes += self.reader.record_bytes();
            if let Record::Tick { epoch, now_ms } = record {
                let mut closed = self.open.close(epoch, now_ms, position.next());
                closed.is_followed = self.digests.is_followed(epoch);
                if let Some(digest) = digest.take() {
                    closed.seal = digest.seal();
                    closed.digest = Some(digest);
                }
                return Ok(Some(closed));
            }
            let checksum = self.reader.checksum();
            let record = Arc::new(record);
            self.open.add(position, checksum, record, A::default());
        }
        self.is_through = true;
        Ok(None)
    }

    /// Goes to the tick of the next epoch, if there is a digest of it.
    fn pass_over(&mut self) -> Result<Option<Digest>, JournalError> {
        if !self.open.is_empty() {
            return Ok(None);
        }
        let next = self.reader.tally();
        let Some((digest, tick, bytes)) = next.and_then(|next| self.digests.read(&next)) else {
            return Ok(None);
        };
        self.reader.jump(&tick)?;
        self.read_bytes += bytes;
        Ok(Some(digest))
    }

    /// Whether there is more to read, for instance because it was committed since the last look: it comes next.
    pub(super) fn has_more(&mut self, journal: &Journal) -> Result<bool, JournalError> {
        if !self.is_through {
            return Ok(true);
        }
        let end = journal.tally().next;
        if end <= self.until {
            return Ok(false);
        }
        // A reader sees the files as they were when it was opened. Another one passes over what lies before in its
        // first segment, so a look costs the reading of one segment at most.
        self.reader = journal.reader_apart(Some(self.until))?;
        (self.until, self.is_through) = (end, false);
        Ok(true)
    }

    /// The records that no tick has closed.
    pub(super) fn take_open(&mut self) -> Open<A> {
        std::mem::replace(&mut self.open, Open::new())
    }

    /// Bytes of the journal that the records read so far take.
    pub fn read_bytes(&self) -> u64 {
        self.read_bytes
    }
}

/// What may come in during a replay before it is told to wait, by the parts of what the start found and of the queue. Judgement:
/// a start takes three times as long at most, or some minutes.
const MEANWHILE: (u64, u64) = (2, 64);

/// What may come in while what the start found is read back, bytes: a load that is faster than that would keep the engine
/// from ever being ready.
pub(super) fn meanwhile_bytes_max(found_bytes: u64, queue_bytes_max: usize) -> u64 {
    let of_queue = (queue_bytes_max as u64).saturating_mul(MEANWHILE.1);
    found_bytes
        .saturating_mul(MEANWHILE.0)
        .saturating_add(of_queue)
}

/// How far a start is with reading the journal back.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ReplayNow {
    /// Bytes of the records that were handed over. Of them, the few epochs that are under way may not have been
    /// acted on.
    pub read_bytes: u64,
    /// Bytes of the records that are to be read: found at the start, or come in since.
    pub all_bytes: u64,
    /// Once the journal's end is met: all that was durable then is in epochs below this one.
    pub ends_before: Option<u64>,
}

impl ReplayNow {
    /// How much is done; less than 100, for it is not over while somebody asks.
    pub fn percent(&self) -> u8 {
        let percent = u128::from(self.read_bytes) * 100 / u128::from(self.all_bytes.max(1));
        percent.min(99) as u8
    }

    /// How long the rest takes if it goes on as in the `took_ms` so far, ms; `None` before that can be told.
    pub fn left_ms(&self, took_ms: i64) -> Option<i64> {
        let left_bytes = self.all_bytes.saturating_sub(self.read_bytes);
        let left_ms = i128::from(took_ms.max(0)) * i128::from(left_bytes);
        let left_ms = left_ms.checked_div(i128::from(self.read_bytes))?;
        Some(i64::try_from(left_ms).unwrap_or(i64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_say_how_far_it_is_and_how_long_it_takes() {
        let at = |read_bytes, all_bytes| ReplayNow {
            read_bytes,
            all_bytes,
            ends_before: None,
        };
        assert_eq!((at(0, 0).percent(), at(0, 0).left_ms(5)), (0, None));
        assert_eq!((at(0, 9).percent(), at(0, 9).left_ms(5)), (0, None));
        let quarter = at(1 << 60, 4 << 60);
        assert_eq!(
            (quarter.percent(), quarter.left_ms(3_000)),
            (25, Some(9_000))
        );
        // Under one percent there is a number, too.
        assert_eq!(
            (at(1, 1_000).percent(), at(1, 1_000).left_ms(1)),
            (0, Some(999))
        );
        // A clock that was set back has taken no time.
        assert_eq!(at(1, 2).left_ms(-7), Some(0));
        assert_eq!(at(1, u64::MAX).left_ms(i64::MAX), Some(i64::MAX));
        assert_eq!((at(9, 9).percent(), at(9, 9).left_ms(5)), (99, Some(0)));
    }
}
