//! The producers' side of the writer: handing records in, the refusals, the counts. Nothing here waits
//! for the disk except who asks to.

use std::net::IpAddr;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use crate::handover;

use super::epochs::Ack;
use super::error::JournalError;
use super::log::LogStats;
use super::prepared::{Prepared, Submit};
use super::producers::Producers;
use super::queue::{Queue, Refusal};
use super::record::{Position, Record};
use super::replay::ReplayNow;
use super::shares::{Amount, Holder};
use super::space::{Filling, SpaceNow};

/// Why a submission was not taken.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SubmitError {
    /// The journal or what follows it is behind. Nothing was kept: try again later.
    #[error("the journal is behind: {requests} requests and {bytes} bytes wait already")]
    Busy {
        /// Submissions waiting.
        requests: usize,
        /// Bytes not handed over yet.
        bytes: usize,
    },
    /// Much waits, and whoever sent this has its share of it. Nothing was kept: try again later.
    #[error(
        "the journal is behind, and this producer's fair share of what may wait is used up: {requests} \
         requests and {bytes} bytes of it wait already"
    )]
    Share {
        /// Its submissions that wait.
        requests: usize,
        /// Its bytes that are not handed over yet.
        bytes: usize,
    },
    /// The disk is full. Nothing was kept: try again when there is space.
    #[error(transparent)]
    Full(JournalError),
    /// The file system has less room than is kept free. Nothing was kept: try again when there is more.
    #[error(
        "{free_bytes} bytes are free for the journal, less than the {free_bytes_min} that are kept for \
         commands and notices: nothing was kept, try again when there is room"
    )]
    Low {
        /// Bytes free.
        free_bytes: u64,
        /// Bytes that are kept free.
        free_bytes_min: u64,
    },
    /// The file system has little more room than is kept free, and whoever sent this has filled its share of it. Nothing was
    /// kept: try again when there is more.
    #[error(
        "the journal's disk runs low, and this producer's fair share of what is left is used up: it has written \
         {written_bytes} bytes since, and {share_bytes} is what each may have: nothing was kept, try again when there \
         is room"
    )]
    DiskShare {
        /// What it has written since there was room, bytes.
        written_bytes: u64,
        /// What each may have now, bytes.
        share_bytes: u64,
    },
    /// The record is over the limit and always will be.
    #[error(transparent)]
    TooLarge(JournalError),
    /// The producer's sequence went back, and not to a batch that is known: nothing was kept.
    #[error(transparent)]
    SequenceBack(JournalError),
    /// The producer's name is another token's: nothing was kept.
    #[error(transparent)]
    ProducerTaken(JournalError),
    /// The producer is new, and there is no room to remember it: nothing was kept.
    #[error(transparent)]
    ProducersFull(JournalError),
    /// Only the writer makes ticks.
    #[error("a tick cannot be submitted: the journal makes its own")]
    Tick,
    /// The journal has failed; whether the record is kept shows after a restart.
    #[error(transparent)]
    Failed(JournalError),
    /// The writer is shutting down.
    #[error("the journal is closed")]
    Closed,
}

impl From<JournalError> for SubmitError {
    fn from(error: JournalError) -> Self {
        match error {
            JournalError::Full { .. } => Self::Full(error),
            JournalError::TooLarge { .. } => Self::TooLarge(error),
            JournalError::SequenceBack { .. } => Self::SequenceBack(error),
            JournalError::ProducerTaken { .. } => Self::ProducerTaken(error),
            JournalError::ProducersFull { .. } => Self::ProducersFull(error),
            _ => Self::Failed(error),
        }
    }
}

/// The writer's counts at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WriterStats {
    /// Of the files.
    pub log: LogStats,
    /// Events acknowledged since the journal began, repeats not counted.
    pub events_total: u64,
    /// Epochs closed since the journal began.
    pub epochs_total: u64,
    /// Where the next record goes.
    pub next: Position,
    /// Below this, all has been handed over.
    pub handed_over_below: Position,
    /// How far the start is with reading back what follows its checkpoint.
    pub replay: ReplayNow,
    /// Groups committed since the start.
    pub groups_total: u64,
    /// Repeated batches answered since the start.
    pub duplicates_total: u64,
    /// Producers remembered.
    pub producers: usize,
    /// Producers forgotten since the journal began: a repeat of theirs would count again.
    pub producers_forgotten_total: u64,
    /// Batches refused since the start because their producer was new and there was no room for it.
    pub refused_names_total: u64,
    /// Batches refused since the start because their producer's name is another token's.
    pub refused_taken_total: u64,
    /// Batches refused since the start because their sequence goes back to one that is not known to have been appended.
    pub refused_back_total: u64,
    /// Who is told apart by what it has written since room on the disk ran out, and batches since the start of those who are
    /// not.
    pub disk_holders: (u64, u64),
    /// Submissions refused since the start because the disk was full.
    pub refused_full_total: u64,
    /// The last group failed for lack of space.
    pub full: bool,
    /// The room that is left; while it is low, batches are refused.
    pub space: SpaceNow,
    /// Batches refused since the start because the room was low.
    pub refused_low_total: u64,
    /// Batches refused since the start because the room came near that and their producer had its share of it.
    pub refused_disk_share_total: u64,
    /// Some are refused for that now.
    pub disk_share_refuses: bool,
    /// Submissions refused since the start because the queue was full, of requests or of bytes.
    pub refused_busy_total: u64,
    /// Submissions refused since the start for the number of requests, by the limit or a share of it.
    pub over_requests_total: u64,
    /// Submissions refused since the start for their bytes, by the limit or a share of it.
    pub over_bytes_total: u64,
    /// Submissions refused since the start because their producer had its share of the queue.
    pub refused_share_total: u64,
    /// Submissions waiting for their answer.
    pub queue_requests: usize,
    /// Weight of the records not handed over yet.
    pub queue_bytes: usize,
    /// Closed epochs that wait for the next stage, may wait, and found no room since the start.
    pub epochs_ahead: (u64, u64, u64),
}

/// A submission on its way to the thread.
pub(super) struct Job<A> {
    pub(super) holder: Holder,
    /// What it counts for.
    pub(super) bytes: usize,
    /// Bytes of its record as it is written.
    pub(super) written_bytes: u64,
    pub(super) prepared: Prepared<A>,
    pub(super) reply: Reply,
}

pub(super) type Reply = oneshot::Sender<Result<Ack, SubmitError>>;

impl<A> Job<A> {
    /// What is committed; and whose it is, what it counts for and what it takes, and who waits for it.
    pub(super) fn parts(self) -> (Prepared<A>, (Holder, usize, u64, Reply)) {
        let of = (self.holder, self.bytes, self.written_bytes, self.reply);
        (self.prepared, of)
    }
}

/// What the submitting side and the thread have in common.
pub(super) struct Shared<A> {
    pub(super) producers: Arc<Mutex<Producers>>,
    pub(super) queue: Queue<Job<A>>,
    pub(super) stats: Mutex<WriterStats>,
    /// Never locked together with `stats`.
    pub(super) filling: Mutex<Filling>,
    pub(super) record_bytes_max: usize,
    /// Nothing is handed over yet.
    pub(super) is_held: AtomicBool,
    /// Of the way to the next stage.
    pub(super) ahead: handover::Counts,
}

impl<A> Shared<A> {
    pub(super) fn stats(&self) -> MutexGuard<'_, WriterStats> {
        self.stats.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How much room there is now.
    pub(super) fn note_space(&self, space: SpaceNow) {
        let refuses = self.filling().look(space);
        let mut stats = self.stats();
        stats.space = space;
        stats.disk_share_refuses = refuses;
    }

    pub(super) fn filling(&self) -> MutexGuard<'_, Filling> {
        self.filling.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn snapshot(&self) -> WriterStats {
        let depth = self.queue.depth();
        let disk_holders = self.filling().holders();
        WriterStats {
            disk_holders,
            queue_requests: depth.requests,
            queue_bytes: depth.bytes,
            refused_busy_total: depth.refused_busy_total,
            refused_share_total: depth.refused_share_total,
            over_requests_total: depth.over_requests_total,
            over_bytes_total: depth.over_bytes_total,
            epochs_ahead: self.ahead.bound(),
            ..*self.stats()
        }
    }
}

/// The way in, for as many threads and tasks as like.
pub struct Submitter<A> {
    pub(super) shared: Arc<Shared<A>>,
}

impl<A> Clone for Submitter<A> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
        }
    }
}

impl<A: Send + Default + 'static> Submitter<A> {
    /// [`Submitter::try_submit_for`] the engine itself: no share is held against it.
    ///
    /// # Errors
    /// As [`Submitter::try_submit_for`].
    pub fn try_submit(
        &self,
        submit: Submit<A>,
    ) -> Result<oneshot::Receiver<Result<Ack, SubmitError>>, SubmitError> {
        self.try_submit_for(Holder::Engine, submit)
    }

    /// Queues a record without waiting; the answer comes when it is durable. If the answer's sender
    /// is dropped, the writer died.
    ///
    /// # Errors
    /// [`SubmitError::Busy`], [`SubmitError::Share`], [`SubmitError::Low`], [`SubmitError::DiskShare`],
    /// [`SubmitError::TooLarge`], [`SubmitError::Tick`], [`SubmitError::Closed`].
    pub fn try_submit_for(
        &self,
        holder: Holder,
        submit: Submit<A>,
    ) -> Result<oneshot::Receiver<Result<Ack, SubmitError>>, SubmitError> {
        self.try_submit_from(None, holder, submit)
    }

    /// [`Submitter::try_submit_for`] of what came from an address: new producers are shared out by it, where they come
    /// under no token.
    ///
    /// # Errors
    /// As [`Submitter::try_submit_for`].
    pub fn try_submit_from(
        &self,
        peer: Option<IpAddr>,
        holder: Holder,
        submit: Submit<A>,
    ) -> Result<oneshot::Receiver<Result<Ack, SubmitError>>, SubmitError> {
        if matches!(submit.record, Record::Tick { .. }) {
            return Err(SubmitError::Tick);
        }
        // What remains is for what cannot wait: commands are few and small.
        if matches!(submit.record, Record::Batch { .. }) {
            self.room(&holder)?;
        }
        let queue = &self.shared.queue;
        let bytes = submit.record.weight_bytes();
        // Room first: compressing what is then refused would cost most when there is least to spare.
        queue
            .reserve(&holder, bytes)
            .map_err(|refusal| self.refused(refusal))?;
        let prepared = submit
            .prepare(self.shared.record_bytes_max)
            .map(|prepared| prepared.coming_from(peer))
            .inspect_err(|_| queue.release([(&holder, Amount::request(bytes))]))?;
        let (reply, answer) = oneshot::channel();
        let job = Job {
            holder: holder.clone(),
            bytes,
            written_bytes: prepared.encoded.body.len() as u64,
            prepared,
            reply,
        };
        queue
            .push(&holder, bytes, job)
            .map_err(|refusal| self.refused(refusal))?;
        Ok(answer)
    }

    /// [`Submitter::try_submit`], and waits for the answer.
    ///
    /// # Errors
    /// As [`Submitter::try_submit`], and [`SubmitError::Full`], [`SubmitError::SequenceBack`],
    /// [`SubmitError::ProducerTaken`], [`SubmitError::ProducersFull`], [`SubmitError::Failed`].
    pub async fn submit(&self, submit: Submit<A>) -> Result<Ack, SubmitError> {
        self.try_submit(submit)?
            .await
            .unwrap_or(Err(SubmitError::Closed))
    }

    /// The producers as they are remembered now: at least those of every batch that is acknowledged.
    pub fn producers(&self) -> Producers {
        let producers = &self.shared.producers;
        producers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// The counts now.
    pub fn stats(&self) -> WriterStats {
        self.shared.snapshot()
    }

    /// Whether there is room for batches of this holder, as far as the journal's thread knows.
    fn room(&self, holder: &Holder) -> Result<(), SubmitError> {
        let over = self.shared.filling().over(holder);
        let mut stats = self.shared.stats();
        let SpaceNow {
            free_bytes,
            free_bytes_min,
        } = stats.space;
        if !stats.space.is_low() {
            let Some((written_bytes, share_bytes)) = over else {
                return Ok(());
            };
            stats.refused_disk_share_total += 1;
            stats.disk_share_refuses = true;
            return Err(SubmitError::DiskShare {
                written_bytes,
                share_bytes,
            });
        }
        stats.refused_low_total += 1;
        Err(SubmitError::Low {
            free_bytes: free_bytes.unwrap_or_default(),
            free_bytes_min,
        })
    }

    fn refused(&self, refusal: Refusal) -> SubmitError {
        match refusal {
            Refusal::Closed => SubmitError::Closed,
            Refusal::Share(Amount { requests, bytes }) => SubmitError::Share { requests, bytes },
            Refusal::Busy => {
                let depth = self.shared.queue.depth();
                SubmitError::Busy {
                    requests: depth.requests,
                    bytes: depth.bytes,
                }
            }
        }
    }
}
