//! Decides what goes into the journal in one group and which epochs that closes. No threads and no
//! clock: a simulation can step it. `writer` is the thread around it.
//!
//! * A batch whose sequence its producer has already had acknowledged is not appended again, and one
//!   that goes back to a sequence nobody remembers is refused: it may never have been seen.
//! * A producer's name is of the token that used it first, and refused to any other.
//! * An epoch is handed over whole, in order, once, and only after its tick has been committed
//!   (an idle one, if so configured, after it has been written).
//! * Ticks never go back, whatever the clock does.
//! * If a group fails, nothing has changed here: not the open epoch, not the producers.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::answer::Answer;
use super::digests::{Digest, Seal};
use super::error::JournalError;
use super::log::Journal;
use super::peers::Peers;
use super::prepared::Prepared;
use super::producers::{Newest, Producers, are_two};
use super::record::{Position, Record};
use super::replay::Replay;
use super::shares::Holder;

/// The answer to a submission: it is durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ack {
    /// Where the record is; of a duplicate, where that producer's newest batch is.
    pub position: Position,
    /// The sequence had been acknowledged before, or is the same as one in this group: nothing was
    /// appended for it.
    pub duplicate: bool,
    /// Events acknowledged since the journal began, this group included, repeats not counted.
    pub events_total: u64,
}

/// A slice of the journal that the next stage takes as one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Epoch<A> {
    /// Its number: counts up by one from 0, for ever.
    pub epoch: u64,
    /// The engine's clock when it closed, epoch milliseconds; never less than the one before.
    pub now_ms: i64,
    /// What it holds, in journal order, without the tick itself; empty in an idle epoch.
    pub records: Vec<(Position, Arc<Record>, A)>,
    /// Where the next epoch begins: what a checkpoint as of this epoch replays from.
    pub next: Position,
    /// The journal closes with it: the writer was told to end.
    pub last: bool,
    /// What its records come to, by their checksums.
    pub seal: Seal,
    /// In place of its records, where it was read back: they are batches, all of them, and this is what they came to.
    pub digest: Option<Digest>,
    /// The next epoch was read back as well, on opening, and brings no rule book: nobody looks at windows between them.
    pub is_followed: bool,
}

/// How epochs close.
#[derive(Debug, Clone, Copy)]
pub struct EpochConfig {
    /// An epoch with this many events closes with the record that reached it.
    pub epoch_events_max: u64,
    /// The same for the weight of its records, in bytes ([`Record::weight_bytes`]).
    pub epoch_bytes_max: usize,
    /// Whether an idle epoch, too, is durable before it is handed over. Without it a sync a tick is
    /// saved; but after a power failure the lost ticks happen again at other times, and what was
    /// decided by them ("the source is silent") may be decided, and told, a second time.
    pub idle_ticks_synced: bool,
}

impl Default for EpochConfig {
    fn default() -> Self {
        Self {
            epoch_events_max: 200_000,
            epoch_bytes_max: 16 << 20,
            idle_ticks_synced: true,
        }
    }
}

impl<A> Epoch<A> {
    /// What its records count for in limits on memory.
    pub fn weight_bytes(&self) -> usize {
        self.records
            .iter()
            .map(|(_, record, _)| record.weight_bytes())
            .sum()
    }
}

/// What became of a group.
pub struct Committed<A> {
    /// The answer to each submission, in order.
    pub answers: Vec<Result<Ack, JournalError>>,
    /// The epochs it closed, in order; none during a replay, which reads them back.
    pub epochs: Vec<Epoch<A>>,
    /// How many it closed, those that are read back among them.
    pub closed: usize,
    /// Why the group was not kept, if it was not.
    pub failure: Option<JournalError>,
}

/// The journal with the epoch that is open in it.
pub struct Epochs<A> {
    journal: Journal,
    producers: Arc<Mutex<Producers>>,
    config: EpochConfig,
    /// During a replay its size only: its records are read back.
    open: Open<A>,
    /// What the journal holds is still being handed over.
    replaying: bool,
    duplicates_total: u64,
    peers: Peers,
}

/// An epoch without its tick.
pub(super) struct Open<A> {
    records: Vec<(Position, Arc<Record>, A)>,
    events: u64,
    bytes: usize,
    seal: Seal,
}

/// One appended record of a group that is not committed yet.
enum Staged<A> {
    Record(Position, u32, Arc<Record>, A),
    Tick {
        epoch: u64,
        now_ms: i64,
        next: Position,
    },
}

impl<A: Default> Epochs<A> {
    /// Takes over a journal as it was opened, with the producers that recovery found.
    pub fn new(journal: Journal, producers: Producers, config: EpochConfig) -> Self {
        Self {
            journal,
            producers: Arc::new(Mutex::new(producers)),
            config,
            open: Open::new(),
            replaying: false,
            duplicates_total: 0,
            peers: Peers::default(),
        }
    }

    /// Hands over every epoch that is closed in the journal, from record `from` on or from the
    /// oldest kept; the records after the last tick become the open epoch. `from` must be where an
    /// epoch begins. Stops early if `each` says so.
    ///
    /// # Errors
    /// What reading says.
    pub fn replay(
        &mut self,
        from: Option<Position>,
        mut each: impl FnMut(Epoch<A>) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, JournalError> {
        let mut replay = self.begin_replay(from)?;
        loop {
            while let Some(epoch) = replay.next_epoch()? {
                if each(epoch).is_break() {
                    return Ok(ControlFlow::Break(()));
                }
            }
            if !self.goes_on(&mut replay)? {
                return Ok(ControlFlow::Continue(()));
            }
        }
    }

    /// Begins to read what the journal holds. Until [`Epochs::goes_on`] says that this is over, groups are committed
    /// and epochs close as ever, but none is handed over and nothing of them is held: they are read back.
    ///
    /// # Errors
    /// What reading says.
    pub fn begin_replay(&mut self, from: Option<Position>) -> Result<Replay<A>, JournalError> {
        self.replaying = true;
        Replay::begin(&self.journal, from)
    }

    /// When `replay` has no other epoch: true if more was committed meanwhile, and it goes on with that. False if it
    /// has met the journal's end: the last records, which no tick closes, are the open epoch now.
    ///
    /// # Errors
    /// What reading says.
    pub fn goes_on(&mut self, replay: &mut Replay<A>) -> Result<bool, JournalError> {
        if replay.has_more(&self.journal)? {
            return Ok(true);
        }
        // With what the process before left open, which was not counted here.
        self.open = replay.take_open();
        self.replaying = false;
        Ok(false)
    }

    /// What is committed is read back, and not held.
    pub fn is_replaying(&self) -> bool {
        self.replaying
    }

    /// Appends a group, and a tick if `close` or where a limit is reached, and commits it all once.
    pub fn commit(&mut self, group: Vec<Prepared<A>>, close: bool, now_ms: i64) -> Committed<A> {
        let mut answers = Vec::with_capacity(group.len());
        let mut staged = Vec::with_capacity(group.len() + 1);
        let mut sequences: HashMap<String, (Newest, Option<String>)> = HashMap::new();
        let mut new_names = 0;
        let (mut events, mut bytes) = (self.open.events, self.open.bytes);
        let mut duplicates = 0;
        // Before the group's own names come in: a tick may have made room.
        let producers = Arc::clone(&self.producers);
        let known = producers.lock().unwrap_or_else(PoisonError::into_inner);
        self.peers.keep_only(&known);
        drop(known);
        for prepared in group {
            let (producer, sender) = match &*prepared.record {
                Record::Batch {
                    producer, sender, ..
                } => (producer.as_ref(), sender.as_deref()),
                Record::Command { .. } | Record::RuleBook { .. } | Record::Tick { .. } => {
                    (None, None)
                }
            };
            if let Some((name, sequence)) = producer {
                // A repeat of a batch in this same group waits for the same commit as the batch.
                let in_group = sequences.get(name);
                let taken_in_group =
                    in_group.is_some_and(|(_, first)| are_two(first.as_deref(), sender));
                // Before the sequence is looked at: what another sends must not read as a repeat.
                if taken_in_group || self.remembered().is_taken(name, sender) {
                    let error = JournalError::ProducerTaken { name: name.clone() };
                    answers.push(Answer::Back(error, taken_in_group));
                    continue;
                }
                let in_group = in_group.map(|(newest, _)| *newest);
                let newest = in_group.or_else(|| self.remembered().newest(name));
                if let Some(newest) = newest.filter(|newest| *sequence <= newest.sequence) {
                    let sequences_max = self.remembered().sequences_max();
                    answers.push(if newest.has(*sequence, sequences_max) {
                        duplicates += 1;
                        Answer::Duplicate(newest.position, in_group.is_some())
                    } else {
                        let (sequence, newest) = (*sequence, newest.sequence);
                        let error = JournalError::SequenceBack {
                            sequence,
                            newest,
                            before: sequences_max - 1,
                        };
                        Answer::Back(error, in_group.is_some())
                    });
                    continue;
                }
                let holder = prepared.holder();
                if newest.is_none()
                    && let Err(error) = self.admit(&holder, &mut new_names)
                {
                    answers.push(Answer::Refused(error));
                    continue;
                }
                self.peers.note(name, &holder);
            }
            let (position, checksum) = match self.journal.append_sealed(&prepared.encoded) {
                Ok(appended) => appended,
                Err(error) => {
                    answers.push(Answer::Refused(error));
                    continue;
                }
            };
            if let Some((name, sequence)) = producer {
                let staged = sequences.remove(name);
                let before = staged.as_ref().map(|(newest, _)| *newest);
                let before = before.or_else(|| self.remembered().newest(name));
                let first = staged.and_then(|(_, first)| first);
                let sender = first.or_else(|| sender.map(str::to_owned));
                let newest = before.map_or_else(
                    || Newest::first(*sequence, position),
                    |before| before.then(*sequence, position),
                );
                sequences.insert(name.clone(), (newest, sender));
            }
            events += prepared.record.events();
            bytes += prepared.record.weight_bytes();
            answers.push(Answer::Appended(position));
            staged.push(Staged::Record(
                position,
                checksum,
                prepared.record,
                prepared.attachment,
            ));
            let is_large =
                events >= self.config.epoch_events_max || bytes >= self.config.epoch_bytes_max;
            if is_large {
                (events, bytes) = (0, 0);
                staged.extend(self.append_tick(now_ms));
            }
        }
        if close {
            staged.extend(self.append_tick(now_ms));
        }
        // During a replay nobody knows yet what the process before left open.
        let idle = !self.replaying
            && !self.has_open()
            && staged
                .iter()
                .all(|staged| matches!(staged, Staged::Tick { .. }));
        let kept = if idle && !self.config.idle_ticks_synced {
            self.journal.write()
        } else {
            self.journal.commit().map(|_| ())
        };
        let events_total = self.journal.tally().events_total;
        let failure = kept.err();
        let answers = answers
            .into_iter()
            .map(|answer| answer.settle(events_total, failure.as_ref()))
            .collect();
        let mut epochs = if failure.is_none() {
            self.settle(staged)
        } else {
            Vec::new()
        };
        let closed = epochs.len();
        if self.replaying {
            epochs.clear();
        }
        self.duplicates_total += duplicates;
        Committed {
            answers,
            epochs,
            closed,
            failure,
        }
    }

    /// Records wait for a tick.
    pub fn has_open(&self) -> bool {
        // Every record has a weight.
        self.open.bytes > 0
    }

    /// The bytes of the records that wait for a tick.
    pub fn open_bytes(&self) -> usize {
        self.open.bytes
    }

    /// The journal underneath.
    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    /// The producers now.
    pub(super) fn remembered(&self) -> MutexGuard<'_, Producers> {
        // Whole between any two statements, so a panic elsewhere does not spoil it.
        self.producers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether one more new producer may come from a holder.
    fn admit(&self, holder: &Holder, new_names: &mut usize) -> Result<(), JournalError> {
        let producers = self.remembered();
        let known = producers.len() + *new_names;
        let is_full = !producers.has_room_for(*new_names + 1);
        let of_peer = !is_full
            && !self
                .peers
                .may_bring(holder, known, producers.producers_max());
        if is_full || of_peer {
            return Err(JournalError::ProducersFull { known, of_peer });
        }
        *new_names += 1;
        Ok(())
    }

    /// The producers as of the last commit, for who wants to copy them.
    pub fn producers(&self) -> Arc<Mutex<Producers>> {
        self.producers.clone()
    }

    /// Repeated batches answered since the start.
    pub fn duplicates_total(&self) -> u64 {
        self.duplicates_total
    }

    /// Events acknowledged and epochs closed since the journal began, and where the next record goes.
    pub fn totals(&self) -> (u64, u64, Position) {
        let tally = self.journal.tally();
        (tally.events_total, tally.next_epoch, tally.next)
    }

    fn append_tick(&mut self, clock_ms: i64) -> Option<Staged<A>> {
        let tally = self.journal.tally();
        let (epoch, now_ms) = (tally.next_epoch, clock_ms.max(tally.tick_ms));
        let next = self
            .journal
            .append(&Record::Tick { epoch, now_ms })
            .ok()?
            .next();
        // An error here is the journal's standing one, which the commit that follows returns.
        Some(Staged::Tick {
            epoch,
            now_ms,
            next,
        })
    }

    /// The group is kept: now it counts.
    fn settle(&mut self, staged: Vec<Staged<A>>) -> Vec<Epoch<A>> {
        let mut epochs = Vec::new();
        for staged in staged {
            match staged {
                Staged::Record(position, checksum, record, attachment) => {
                    if let Record::Batch {
                        producer: Some((name, sequence)),
                        sender,
                        ..
                    } = &*record
                    {
                        let sender = sender.as_deref();
                        self.remembered().note(name, sender, *sequence, position);
                    }
                    if self.replaying {
                        self.open.count(&record);
                    } else {
                        self.open.add(position, checksum, record, attachment);
                    }
                }
                Staged::Tick {
                    epoch,
                    now_ms,
                    next,
                } => {
                    self.remembered().tick(now_ms);
                    epochs.push(self.open.close(epoch, now_ms, next));
                }
            }
        }
        epochs
    }
}

impl<A> Open<A> {
    pub(super) fn new() -> Self {
        Self {
            records: Vec::new(),
            events: 0,
            bytes: 0,
            seal: Seal::default(),
        }
    }

    pub(super) fn add(
        &mut self,
        position: Position,
        checksum: u32,
        record: Arc<Record>,
        attachment: A,
    ) {
        self.count(&record);
        self.seal.add(checksum);
        self.records.push((position, record, attachment));
    }

    /// No record is in it.
    pub(super) fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Counts a record that is not held.
    fn count(&mut self, record: &Record) {
        self.events += record.events();
        self.bytes += record.weight_bytes();
    }

    pub(super) fn close(&mut self, epoch: u64, now_ms: i64, next: Position) -> Epoch<A> {
        let open = std::mem::replace(self, Self::new());
        Epoch {
            epoch,
            now_ms,
            records: open.records,
            next,
            last: false,
            seal: open.seal,
            digest: None,
            is_followed: false,
        }
    }
}
