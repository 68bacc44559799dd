//! Starts the workers, hands them epochs, and gathers what they report into cuts.
//!
//! Epochs in flight are bounded: [`Feed::submit`] waits when the workers are behind, which is the
//! back-pressure that reaches the producers in the end.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::Thread;
use std::time::Duration;

use thiserror::Error;

use crate::dataflow::asked::Asked;
use crate::dataflow::parts::{Parts, Spans};
use crate::dataflow::pile::{Ahead, Newest, Pile};
use crate::dataflow::state::{DataflowState, RestoredState, StateError, WorkerShare};
use crate::dataflow::subscriber::{Found, Inquiry};
use crate::dataflow::update::{Cut, WindowUpdate, count_once};
use crate::dataflow::work::EpochInput;
use crate::dataflow::worker::{self, Mail, Report, Share};
use crate::dataflow::{Counts, Epoch, Limits};
use crate::handover::{self, Giver, Taker, handover};
use crate::rules::Plan;

/// How long a question waits for a busy worker.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// How to run the dataflow.
#[derive(Clone, Copy, Debug)]
pub struct DataflowConfig {
    /// Worker threads.
    pub workers: usize,
    /// Keep tuple panes so that later rule books are answered from history.
    pub keeps_history: bool,
    /// Bounds, each per worker.
    pub limits: Limits,
}

/// A question to the workers.
pub(super) enum Question {
    Between {
        kqi: usize,
        from_ms: i64,
        to_ms: i64,
        label: Option<String>,
        reply: Reply,
    },
    Newest {
        kqi: usize,
        reply: Reply,
    },
    Parts {
        kqi: usize,
        spans: Arc<Spans>,
        reply: Sender<(u64, Parts)>,
    },
    Subscribers {
        inquiry: Arc<Inquiry>,
        reply: Sender<Found>,
    },
}

type Reply = Sender<(u64, Vec<WindowUpdate>)>;

/// Why the dataflow is of no use.
#[derive(Debug, Error)]
pub enum DataflowError {
    /// The workers could not be started.
    #[error("cannot start {workers} dataflow workers: {reason}")]
    Start {
        /// How many were wanted.
        workers: usize,
        /// The system's words.
        reason: String,
    },
    /// The state to begin from is not whole.
    #[error(transparent)]
    State(#[from] StateError),
}

#[derive(Clone)]
struct Desk {
    mail: Sender<Mail>,
    thread: Thread,
}

struct InFlight<T> {
    epoch: Epoch,
    now_ms: i64,
    plan: Option<Arc<Plan>>,
    tag: T,
}

/// A running dataflow.
pub struct Dataflow<T> {
    /// Where epochs go in.
    pub feed: Feed<T>,
    /// Where questions are asked.
    pub queries: Queries,
    /// Where cuts come out. Dropping it waits for the workers, and they stop when nobody can write
    /// to them any more: drop it after `feed` and `queries`, as the order of these fields does.
    pub cuts: Cuts<T>,
}

/// Takes epochs, in order.
pub struct Feed<T> {
    desks: Vec<Desk>,
    in_flight: Giver<InFlight<T>>,
    next_epoch: Epoch,
    newest: Newest,
}

/// Gives cuts, in order.
pub struct Cuts<T> {
    reports: Receiver<Report>,
    in_flight: Taker<InFlight<T>>,
    early: BTreeMap<Epoch, Vec<Report>>,
    counts: Vec<Counts>,
    unknown_fields: BTreeMap<String, u64>,
    state: Option<DataflowState>,
    unknown_words: u64,
    _guards: timely::communication::WorkerGuards<()>,
}

/// Asks the workers about windows.
#[derive(Clone)]
pub struct Queries {
    desks: Vec<Desk>,
    asked: Asked,
    in_flight: handover::Counts,
}

impl<T: Send + 'static> Dataflow<T> {
    /// Starts the workers; `T` travels with each epoch to its cut.
    ///
    /// # Errors
    /// The threads cannot be started.
    pub fn start(config: DataflowConfig) -> Result<Dataflow<T>, DataflowError> {
        Dataflow::resume(config, None)
    }

    /// [`Dataflow::start`] from a state that was handed over, at any number of workers then or now.
    ///
    /// # Errors
    /// The threads cannot be started, or the state is not whole.
    pub fn resume(
        config: DataflowConfig,
        restored: Option<RestoredState>,
    ) -> Result<Dataflow<T>, DataflowError> {
        let workers = config.workers.max(1);
        let next_epoch = restored.as_ref().map_or(0, RestoredState::next_epoch);
        let shares: Vec<Option<WorkerShare>> = match restored {
            Some(restored) => restored.share_out(workers)?.into_iter().map(Some).collect(),
            None => (0..workers).map(|_| None).collect(),
        };
        let failed = |reason: String| DataflowError::Start { workers, reason };
        let (reports_in, reports) = channel();
        let (threads_in, threads) = channel();
        let (mail, mailboxes): (Vec<_>, Vec<_>) = (0..workers)
            .map(|_| channel::<Mail>())
            .map(|(tx, rx)| (tx, Some(rx)))
            .unzip();
        let shared = Mutex::new((mailboxes, reports_in, threads_in, shares));
        let guards = timely::execute(timely::Config::process(workers), move |timely_worker| {
            let taken = shared.lock().ok().and_then(|mut shared| {
                let mailbox = shared.0.get_mut(timely_worker.index())?.take()?;
                let share = shared.3.get_mut(timely_worker.index())?.take();
                let _ = shared
                    .2
                    .send((timely_worker.index(), std::thread::current()));
                Some((mailbox, shared.1.clone(), share))
            });
            if let Some((mailbox, reports, share)) = taken {
                worker::run(timely_worker, &config, &mailbox, reports, share);
            }
        })
        .map_err(failed)?;
        let mut handles: Vec<Option<Thread>> = vec![None; workers];
        for _ in 0..workers {
            let (index, thread) = threads.recv().map_err(|error| failed(error.to_string()))?;
            handles[index] = Some(thread);
        }
        let desks: Vec<Desk> = mail
            .into_iter()
            .zip(handles.into_iter().flatten())
            .map(|(mail, thread)| Desk { mail, thread })
            .collect();
        let (in_flight_in, in_flight) = handover(config.limits.epochs_in_flight_max);
        Ok(Dataflow {
            queries: Queries {
                desks: desks.clone(),
                asked: Asked::new(config.limits.questions_max),
                in_flight: in_flight_in.counts().clone(),
            },
            feed: Feed {
                desks,
                in_flight: in_flight_in,
                next_epoch,
                newest: Newest::default(),
            },
            cuts: Cuts {
                reports,
                in_flight,
                early: BTreeMap::new(),
                counts: vec![Counts::default(); workers],
                unknown_fields: BTreeMap::new(),
                state: None,
                unknown_words: 0,
                _guards: guards,
            },
        })
    }
}

impl<T> Feed<T> {
    /// The number that the next epoch gets.
    pub fn next_epoch(&self) -> Epoch {
        self.next_epoch
    }

    /// Hands a whole epoch to the workers; waits while too many are in flight.
    ///
    /// False means that the cuts are no longer taken.
    pub fn submit(&mut self, mut input: EpochInput, tag: T) -> bool {
        let work = std::mem::take(&mut input.work);
        let Some(pile) = self.begin(input, &Ahead::new(work.len()), tag) else {
            return false;
        };
        // Workers that have no plan yet take nothing, and what they pass over is gone.
        work.into_iter().for_each(|work| {
            pile.add(work);
        });
        true
    }

    /// Begins an epoch whose work comes bit by bit, after that of `input`: the workers take it as it comes, and
    /// the epoch ends when the pile is dropped. Waits while too many epochs are in flight; laying work down waits while
    /// there is no room `ahead`.
    ///
    /// `None` means that the cuts are no longer taken.
    pub fn begin(&mut self, mut input: EpochInput, ahead: &Ahead, tag: T) -> Option<Pile> {
        let epoch = self.next_epoch;
        let work = std::mem::take(&mut input.work);
        let (pile, supply) = Pile::new(ahead.clone());
        let under_way = self.in_flight.give(InFlight {
            epoch,
            now_ms: input.now_ms,
            plan: input.plan.clone(),
            tag,
        });
        under_way.ok()?;
        self.next_epoch += 1;
        for desk in &self.desks {
            let share = Share {
                epoch,
                input: input.clone(),
                work: supply.clone(),
            };
            // A worker's mailbox closes only when its thread is gone, and that aborts the process.
            let _ = desk.mail.send(Mail::Epoch(share));
            desk.thread.unpark();
        }
        self.newest.is(&supply);
        work.into_iter().for_each(|work| {
            pile.add(work);
        });
        Some(pile)
    }
}

impl<T> Drop for Feed<T> {
    /// Lets the workers finish what they have and stop, whoever may still hold a way to ask them.
    fn drop(&mut self) {
        for desk in &self.desks {
            let _ = desk.mail.send(Mail::Stop);
            desk.thread.unpark();
        }
    }
}

impl<T> Cuts<T> {
    /// Waits for the next complete epoch; `None` when the feed is gone and all epochs are told, or when a packed batch
    /// of the epoch could not be read.
    pub fn next_cut(&mut self) -> Option<(Cut, T)> {
        let InFlight {
            epoch,
            now_ms,
            plan,
            tag,
        } = self.in_flight.take()?;
        let mut of_epoch = self.early.remove(&epoch).unwrap_or_default();
        while of_epoch.len() < self.counts.len() {
            let report = self.reports.recv().ok()?;
            if report.epoch == epoch {
                of_epoch.push(report);
            } else {
                self.early.entry(report.epoch).or_default().push(report);
            }
        }
        let mut cut = Cut {
            epoch,
            now_ms,
            plan,
            watermarks: Default::default(),
            updates: Vec::new(),
            tickets: Vec::new(),
            holds: Vec::new(),
            annotations: Vec::new(),
            refused: Vec::new(),
            events: 0,
            overflow: Vec::new(),
        };
        let (mut states, mut on_record) = (Vec::new(), Vec::new());
        for mut report in of_epoch {
            if let Some(reason) = report.notes.unreadable {
                // Without it nothing that comes after is right.
                tracing::error!(epoch, "the engine cannot go on: {reason}");
                return None;
            }
            states.extend(report.state.take());
            self.counts[report.worker] = report.counts;
            cut.events += report.notes.events;
            cut.updates.append(&mut report.updates);
            cut.overflow.append(&mut report.overflow);
            cut.refused.append(&mut report.notes.refused);
            cut.tickets.append(&mut report.notes.tickets);
            cut.holds.append(&mut report.notes.holds);
            on_record.append(&mut report.notes.on_record);
            cut.annotations.append(&mut report.notes.annotations);
            for (name, count) in report.notes.unknown_fields {
                *self.unknown_fields.entry(name).or_default() += count;
            }
            self.unknown_words += report.notes.unknown_words;
            // Every worker computes the same.
            cut.watermarks = report.notes.watermarks;
        }
        self.state = (!states.is_empty()).then_some(DataflowState {
            epoch,
            workers: states,
        });
        cut.updates.sort_by(|a, b| a.order().cmp(&b.order()));
        cut.overflow.sort_unstable();
        cut.refused.sort_by_key(|refusal| refusal.line);
        cut.tickets.sort_unstable();
        count_once(&mut cut.tickets, on_record);
        cut.holds.sort_unstable();
        cut.annotations.sort_unstable();
        Some((cut, tag))
    }

    /// The state as of the last cut, if its epoch asked for it; once.
    pub fn take_state(&mut self) -> Option<DataflowState> {
        self.state.take()
    }

    /// What the workers have counted, as of the last cut.
    pub fn counts(&self) -> Counts {
        let mut sum = Counts::default();
        self.counts.iter().for_each(|counts| sum += *counts);
        sum
    }

    /// Unknown fields met by the workers' own decoding, by name.
    pub fn unknown_fields(&self) -> &BTreeMap<String, u64> {
        &self.unknown_fields
    }

    /// Lines with a status or failure that no rule maps, met by the workers' own decoding.
    pub fn unknown_words(&self) -> u64 {
        self.unknown_words
    }
}

impl Queries {
    /// Windows of a KQI (by its index in the book) that overlap `[from_ms, to_ms)`, provisional ones
    /// included, in canonical order, with the version of the plan that answered. None when a worker does not answer
    /// in time, or too many questions wait already: half an answer would read as a whole one.
    pub fn between(
        &self,
        kqi: usize,
        from_ms: i64,
        to_ms: i64,
        label: Option<&str>,
    ) -> Option<(u64, Vec<WindowUpdate>)> {
        self.ask(|reply| Question::Between {
            kqi,
            from_ms,
            to_ms,
            label: label.map(str::to_owned),
            reply,
        })
    }

    /// The newest sealed and the filling window of every group of a KQI; none as in [`Queries::between`].
    pub fn newest(&self, kqi: usize) -> Option<(u64, Vec<WindowUpdate>)> {
        self.ask(|reply| Question::Newest { kqi, reply })
    }

    /// What is known of single subscribers; none as in [`Queries::between`].
    pub fn subscribers(&self, inquiry: Inquiry) -> Option<Found> {
        let inquiry = Arc::new(inquiry);
        let found = self.ask_all(|reply| Question::Subscribers {
            inquiry: inquiry.clone(),
            reply,
        })?;
        let mut all = Found::default();
        for found in found {
            all.merge(found, inquiry.messages_max());
        }
        all.callers.sort_unstable();
        if let Inquiry::Sample { size, .. } = &*inquiry {
            all.keep_sample(*size);
        }
        Some(all)
    }

    /// What windows of a KQI are made of, with the version of the plan that answered; none as in [`Queries::between`].
    pub fn parts(&self, kqi: usize, spans: Spans) -> Option<(u64, Parts)> {
        let spans = Arc::new(spans);
        let answers = self.ask_all(|reply| Question::Parts {
            kqi,
            spans: spans.clone(),
            reply,
        })?;
        let mut all = (0, Parts::default());
        for (version, parts) in answers {
            all.0 = version;
            all.1.merge(parts);
        }
        all.1.settle();
        Some(all)
    }

    /// How many questions wait for the workers, may wait, and were not asked because too many did.
    pub fn bound(&self) -> (u64, u64, u64) {
        self.asked.bound()
    }

    /// How many epochs are under way, may be, and had to wait for room.
    pub fn epochs_bound(&self) -> (u64, u64, u64) {
        self.in_flight.bound()
    }

    fn ask(&self, question: impl Fn(Reply) -> Question) -> Option<(u64, Vec<WindowUpdate>)> {
        let mut all = (0, Vec::new());
        for (version, rows) in self.ask_all(question)? {
            all.0 = version;
            all.1.extend(rows);
        }
        all.1
            .sort_by(|a: &WindowUpdate, b: &WindowUpdate| a.order().cmp(&b.order()));
        Some(all)
    }

    /// Asks every worker, and gives what each of them says, as it comes. None if there is no place for one more question, or
    /// a worker does not answer in time.
    fn ask_all<A>(&self, question: impl Fn(Sender<A>) -> Question) -> Option<Vec<A>> {
        let (reply, answers) = channel();
        let place = self.asked.place()?;
        for desk in &self.desks {
            let asked = Mail::Ask(question(reply.clone()), place.clone());
            // A worker's mailbox closes only when its thread is gone, and that aborts the process.
            let _ = desk.mail.send(asked);
            desk.thread.unpark();
        }
        drop((reply, place));
        let heard = self.desks.iter();
        heard
            .map(|_| answers.recv_timeout(ANSWER_TIMEOUT).ok())
            .collect()
    }
}
