//! The thread that owns the journal: group commit, epochs by the clock, hand-over to the next stage.
//! What is decided about a group is in `epochs`; here are only the thread, the queue and the waiting.
//!
//! * A submission is answered exactly once, and `Ok` only after it is durable.
//! * Epochs are handed over in order; when the next stage is behind, the thread waits for it, the
//!   queue fills and producers are told to come back: nothing is dropped and memory stays bounded by
//!   `queue_bytes_max` and the `epochs_ahead_max` epochs under way.
//! * While a start reads the journal back, or loads what goes on with it (`held`), what comes in is durable and answered as
//!   ever, its epochs close as ever, and it waits on the disk and not in memory: it is read back in its turn. It takes room
//!   until it is durable only.
//! * Waiting is measured on the machine's steady clock and ticks are stamped by the wall clock, so a
//!   jump of the wall clock neither stops nor hurries the epochs.

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::handover::{Giver, Gone, Taker, handover};

use super::epochs::{Epoch, Epochs};
use super::error::JournalError;
use super::log::{Journal, Recovery};
use super::queue::Queue;
use super::record::Position;
use super::replay::{Replay, meanwhile_bytes_max};
pub use super::settings::WriterConfig;
use super::settings::check;
use super::shares::{Amount, Holder};
use super::space::{Filling, Space};
use super::submit::{Job, Shared};
pub use super::submit::{SubmitError, Submitter, WriterStats};

/// The wall clock: epoch milliseconds. It may jump.
pub type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;

/// Why the writer ended.
#[derive(Debug, Clone, thiserror::Error)]
pub enum WriterError {
    /// The journal failed: the process must end and start again.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// Nobody takes the epochs any more.
    #[error("nobody takes the journal's epochs any more")]
    ConsumerGone(#[from] Gone),
    /// The thread could not be started.
    #[error("cannot start the journal's thread: {0}")]
    Thread(String),
    /// The thread panicked.
    #[error("the journal's thread panicked")]
    Panicked,
}

/// The running writer. Dropping it closes the queue and lets the thread finish by itself.
pub struct Writer<A> {
    shared: Arc<Shared<A>>,
    thread: Option<JoinHandle<Result<(), WriterError>>>,
}

impl<A: Send + Default + 'static> Writer<A> {
    /// Starts the thread on a journal as it was opened. It first hands over every closed epoch of
    /// the journal with its own tick, then closes what is open, then serves. Submissions are taken, made
    /// durable and answered from the start; they are handed over in their turn.
    ///
    /// # Errors
    /// [`WriterError::Journal`] with [`JournalError::Setting`]; [`WriterError::Thread`].
    pub fn start(
        journal: Journal,
        recovery: Recovery,
        config: WriterConfig,
        clock: Clock,
    ) -> Result<(Self, Taker<Epoch<A>>), WriterError> {
        let record_bytes_max = journal.config().record_bytes_max;
        check(&config, record_bytes_max)?;
        let (out, epochs_in) = handover(config.epochs_ahead_max);
        let (disk, dir) = journal.place();
        let space = Space::new(disk, dir, config.disk_free_bytes_min);
        let epochs = Epochs::new(journal, recovery.producers, config.epoch);
        let shared = Arc::new(Shared {
            producers: epochs.producers(),
            queue: Queue::new(config.queue_requests_max, config.queue_bytes_max),
            stats: Mutex::new(WriterStats::default()),
            filling: Mutex::new(Filling::new(config.disk_holders_max)),
            is_held: AtomicBool::new(config.held),
            ahead: out.counts().clone(),
            record_bytes_max,
        });
        let mut serving = Serving {
            epochs,
            found_bytes: recovery.ahead_bytes,
            meanwhile_bytes_max: meanwhile_bytes_max(recovery.ahead_bytes, config.queue_bytes_max),
            space,
            shared: Arc::clone(&shared),
            waiting: VecDeque::new(),
            config,
            clock,
            out,
        };
        serving.note_stats();
        serving.note_space();
        let thread = thread::Builder::new()
            .name("journal".to_owned())
            .spawn(move || serving.run())
            .map_err(|error| WriterError::Thread(error.to_string()))?;
        Ok((
            Self {
                shared,
                thread: Some(thread),
            },
            epochs_in,
        ))
    }

    /// A way in.
    pub fn submitter(&self) -> Submitter<A> {
        Submitter {
            shared: Arc::clone(&self.shared),
        }
    }

    /// Lets epochs go to the next stage, which is there now; only needed where [`WriterConfig::held`] says that they wait.
    pub fn hand_over(&self) {
        self.shared.is_held.store(false, Ordering::Release);
    }

    /// True once the thread has ended, which it does by itself only when it failed.
    pub fn is_finished(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Takes nothing more, commits and answers what waits, closes the last epoch, hands it over and
    /// ends. A replay that is under way is broken off behind the epoch that comes next, which is the last one then: the
    /// next start need not read again what this one has. The next stage must go on taking epochs meanwhile, or drop its
    /// receiver.
    ///
    /// # Errors
    /// Why the thread ended, if not by this.
    pub fn shutdown(mut self) -> Result<(), WriterError> {
        self.shared.queue.close();
        self.thread.take().map_or(Ok(()), |thread| {
            thread.join().unwrap_or(Err(WriterError::Panicked))
        })
    }
}

impl<A> Drop for Writer<A> {
    fn drop(&mut self) {
        self.shared.queue.close();
    }
}

/// How long a replay waits for the next stage before it looks again.
const WAIT_FOR_CONSUMER: Duration = Duration::from_millis(5);

/// The thread's own side.
struct Serving<A> {
    epochs: Epochs<A>,
    /// What the start found to read back, bytes.
    found_bytes: u64,
    /// What may come in while that is read, bytes.
    meanwhile_bytes_max: u64,
    space: Space,
    shared: Arc<Shared<A>>,
    /// Records that are not handed over yet: where they are, whose, and what they count for.
    waiting: VecDeque<(Position, Holder, usize)>,
    config: WriterConfig,
    clock: Clock,
    out: Giver<Epoch<A>>,
}

impl<A: Send + Default + 'static> Serving<A> {
    fn run(&mut self) -> Result<(), WriterError> {
        let ended = self.replay().and_then(|flow| match flow {
            ControlFlow::Continue(()) => self.serve(),
            ControlFlow::Break(()) => Ok(()),
        });
        if let Err(WriterError::Journal(failure)) = &ended {
            let error = failure as &dyn std::error::Error;
            tracing::error!(error, "{}", failure.meaning_at_the_end());
        }
        // However it ended, nobody is left waiting.
        self.shared.queue.close();
        let answer = match &ended {
            Err(WriterError::Journal(error)) => SubmitError::from(error.clone()),
            _ => SubmitError::Closed,
        };
        let left = self.shared.queue.take(Instant::now(), usize::MAX);
        for job in left.items {
            let amount = Amount::request(job.bytes);
            self.shared.queue.release([(&job.holder, amount)]);
            // A producer that no longer waits has nothing to lose by not being told.
            let _ = job.reply.send(Err(answer.clone()));
        }
        ended
    }

    /// Breaks off when the queue is closed meanwhile: whoever stops the engine does not wait for the past to be told
    /// once more. The journal stays as it is, and the epoch in hand is marked as the last, so that a checkpoint keeps
    /// what was read back so far.
    fn replay(&mut self) -> Result<ControlFlow<()>, WriterError> {
        let mut replay = self.epochs.begin_replay(self.config.replay_from)?;
        let mut ticked = Instant::now();
        while self.is_held() {
            // Asked once more, for both may have come since: then there is somebody who waits for the last epoch.
            if self.shared.queue.is_closed() && self.is_held() {
                return Ok(ControlFlow::Break(()));
            }
            ticked = self.keep_meanwhile(WAIT_FOR_CONSUMER, ticked)?;
        }
        loop {
            while let Some(mut epoch) = replay.next_epoch()? {
                let next = epoch.next;
                let mut waits = false;
                loop {
                    if self.shared.queue.is_closed() {
                        epoch.last = true;
                        return Ok(ControlFlow::Break(self.out.give(epoch)?));
                    }
                    match self.out.offer(epoch)? {
                        None => break,
                        Some(back) => epoch = back,
                    }
                    if !waits {
                        waits = true;
                        self.out.counts().waits();
                    }
                    ticked = self.keep_meanwhile(WAIT_FOR_CONSUMER, ticked)?;
                }
                self.note_replay(&replay, next);
                ticked = self.keep_meanwhile(Duration::ZERO, ticked)?;
            }
            // Between this and the first group of `serve` nothing is committed, so nothing comes between them.
            if !self.epochs.goes_on(&mut replay)? {
                break;
            }
        }
        self.note_end_of_replay(&replay);
        if self.epochs.has_open() {
            // It counts from here on, as all that waits to be handed over does.
            let open_bytes = self.epochs.open_bytes();
            self.shared.queue.charge(open_bytes);
            self.waiting
                .push_back((Position(0), Holder::Engine, open_bytes));
            self.group(Vec::new(), true, false)?;
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Nobody takes epochs yet.
    fn is_held(&self) -> bool {
        self.shared.is_held.load(Ordering::Acquire)
    }

    /// Makes what comes in during a replay durable and answers it, and ticks as [`Serving::serve`] does. `ticked` is
    /// when that was done last; returns when it is now.
    fn keep_meanwhile(&mut self, wait: Duration, ticked: Instant) -> Result<Instant, WriterError> {
        let jobs = if self.epochs.journal().stats().bytes_written_total > self.meanwhile_bytes_max {
            // The queue fills up, and producers are told to come back.
            thread::sleep(wait);
            Vec::new()
        } else {
            let deadline = Instant::now() + wait;
            let queue = &self.shared.queue;
            queue.take(deadline, self.config.group_bytes_max).items
        };
        let now = Instant::now();
        let holds = self.epochs.has_open() || !jobs.is_empty();
        // A start that took nothing, and fails before there is a next stage, leaves the journal as it was.
        let due = now >= ticked + self.pause(holds) && (holds || !self.is_held());
        if jobs.is_empty() && !due {
            return Ok(ticked);
        }
        let group = self.group(jobs, due, false)?;
        Ok(if due || group.ticked { now } else { ticked })
    }

    /// How far apart ticks are while there are, or are no, records in the epoch.
    fn pause(&self, holds: bool) -> Duration {
        Duration::from_millis(if holds {
            self.config.epoch_interval_ms
        } else {
            self.config.idle_tick_ms
        })
    }

    fn serve(&mut self) -> Result<(), WriterError> {
        let mut ticked = Instant::now();
        loop {
            let wait = self.pause(self.epochs.has_open());
            let taken = self
                .shared
                .queue
                .take(ticked + wait, self.config.group_bytes_max);
            let now = Instant::now();
            self.shared.note_space(self.space.look(now));
            // After a lull the first group closes its epoch at once: one sync, and no delay.
            let holds = self.epochs.has_open() || !taken.items.is_empty();
            let due = now >= ticked + self.pause(holds);
            let ending = taken.closed && taken.items.is_empty();
            if taken.items.is_empty() && !due && !ending {
                continue;
            }
            let group = self.group(taken.items, due || ending, ending)?;
            if ending {
                return group.failure.map_or(Ok(()), |error| Err(error.into()));
            }
            // A tick that did not fit on the disk is due again after a pause, not at once.
            if due || group.ticked {
                ticked = now;
            }
        }
    }

    /// Commits, answers, hands over: in this order.
    fn group(
        &mut self,
        jobs: Vec<Job<A>>,
        close: bool,
        ending: bool,
    ) -> Result<GroupDone, WriterError> {
        let requests = jobs.len();
        let (prepared, rest): (Vec<_>, Vec<_>) = jobs.into_iter().map(Job::parts).unzip();
        let is_read_back = self.epochs.is_replaying();
        let mut done = self.epochs.commit(prepared, close, (self.clock)());
        let refused = |why: fn(&JournalError) -> bool| {
            let answers = done.answers.iter();
            answers.filter(|a| a.as_ref().is_err_and(why)).count() as u64
        };
        self.note_group(requests, done.failure.as_ref());
        let mut stats = self.shared.stats();
        stats.refused_names_total += refused(|e| matches!(e, JournalError::ProducersFull { .. }));
        stats.refused_taken_total += refused(|e| matches!(e, JournalError::ProducerTaken { .. }));
        stats.refused_back_total += refused(|e| matches!(e, JournalError::SequenceBack { .. }));
        drop(stats);
        // Before the answers too: who has one, and sends more, is judged by what it left.
        let mut filling = self.shared.filling();
        for ((holder, _, written_bytes, _), answer) in rest.iter().zip(&done.answers) {
            if answer.as_ref().is_ok_and(|ack| !ack.duplicate) {
                filling.note(holder, *written_bytes);
            }
        }
        drop(filling);
        self.note_space();
        // Repeats, refused records and what is read back later are held no longer. Before the answers, so that
        // who has one finds the room given back.
        let answers = rest.iter().zip(&done.answers);
        self.shared
            .queue
            .release(answers.map(|((holder, bytes, ..), answer)| match answer {
                Ok(ack) if !ack.duplicate && !is_read_back => (holder, Amount::request(0)),
                _ => (holder, Amount::request(*bytes)),
            }));
        for ((holder, bytes, _, reply), answer) in rest.into_iter().zip(done.answers) {
            let kept = answer.as_ref().ok().filter(|ack| !ack.duplicate);
            if let Some(ack) = kept.filter(|_| !is_read_back) {
                self.waiting.push_back((ack.position, holder, bytes));
            }
            // The producer may have given up waiting; the record is kept all the same.
            let _ = reply.send(answer.map_err(SubmitError::from));
        }
        if let Some(error) = done.failure.clone().filter(JournalError::is_fatal) {
            return Err(error.into());
        }
        let ticked = done.closed > 0;
        if let Some(epoch) = done.epochs.last_mut().filter(|_| ending) {
            epoch.last = true;
        }
        for epoch in done.epochs {
            let next = epoch.next;
            self.out.give(epoch)?;
            let gone = self.waiting.partition_point(|(at, ..)| *at < next);
            let gone: Vec<_> = self.waiting.drain(..gone).collect();
            let amounts = gone
                .iter()
                .map(|(_, holder, bytes)| (holder, Amount::bytes(*bytes)));
            self.shared.queue.release(amounts);
            self.shared.stats().handed_over_below = next;
        }
        Ok(GroupDone {
            ticked,
            failure: done.failure,
        })
    }

    fn note_group(&self, requests: usize, failure: Option<&JournalError>) {
        self.note_stats();
        let mut stats = self.shared.stats();
        stats.groups_total += 1;
        let full = matches!(failure, Some(JournalError::Full { .. }));
        if full {
            stats.refused_full_total += requests as u64;
        }
        if full != stats.full {
            stats.full = full;
            if let Some(error) = failure {
                tracing::error!(
                    "{error}: nothing is acknowledged and time stands still until there is"
                );
            } else {
                tracing::info!("there is space for the journal again");
            }
        }
    }

    /// Here and not where batches come in: this thread waits for that file system anyway.
    fn note_space(&mut self) {
        let space = self.space.look_again(Instant::now());
        self.shared.note_space(space);
    }

    /// An epoch that was read back is handed over.
    fn note_replay(&self, replay: &Replay<A>, next: Position) {
        let mut stats = self.shared.stats();
        stats.handed_over_below = next;
        stats.replay.read_bytes = replay.read_bytes();
    }

    fn note_end_of_replay(&self, replay: &Replay<A>) {
        let (_, epochs_total, _) = self.epochs.totals();
        let mut stats = self.shared.stats();
        stats.replay.read_bytes = replay.read_bytes();
        // What is open is closed at once, or, on a full disk, by the next tick that fits.
        let open = u64::from(self.epochs.has_open());
        stats.replay.ends_before = Some(epochs_total + open);
    }

    fn note_stats(&self) {
        let (events_total, epochs_total, next) = self.epochs.totals();
        let mut stats = self.shared.stats();
        stats.log = self.epochs.journal().stats();
        stats.events_total = events_total;
        stats.epochs_total = epochs_total;
        stats.next = next;
        stats.duplicates_total = self.epochs.duplicates_total();
        if stats.replay.ends_before.is_none() {
            stats.replay.all_bytes = self.found_bytes + stats.log.bytes_written_total;
        }
        let remembered = self.epochs.remembered();
        stats.producers = remembered.len();
        stats.producers_forgotten_total = remembered.forgotten_total();
    }
}

struct GroupDone {
    /// At least one epoch closed.
    ticked: bool,
    /// Not fatal: the disk was full.
    failure: Option<JournalError>,
}
