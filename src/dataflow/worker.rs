//! One worker thread: takes its share of each epoch from a mailbox, decodes and combines it, feeds
//! the graph, and answers questions about windows between steps.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, TryRecvError};
use std::time::Duration;

use timely::worker::Worker;

use crate::dataflow::asked::Waiting;
use crate::dataflow::combine::{Combiner, Table};
use crate::dataflow::control::{Control, Shared};
use crate::dataflow::digest::{self, Reader};
use crate::dataflow::entity::EntityKey;
use crate::dataflow::graph::{Graph, build};
use crate::dataflow::heard::Hearing;
use crate::dataflow::pile::{Next, Supply};
use crate::dataflow::run::Question;
use crate::dataflow::state::{WorkerShare, WorkerState};
use crate::dataflow::{
    Counts, DataflowConfig, Digested, Epoch, EpochInput, HoldTold, Inquiry, Owner, TicketHeard,
    TuplePane, Watermarks, WindowUpdate, Work,
};
use crate::event::{Annotation, Batch, DecodeLimits, Decoder, Record, Refusal, Unpacker};
use crate::measure::Measure;
use crate::rules::Plan;

/// How long an idle worker sleeps when nobody wakes it.
const PARK_MAX: Duration = Duration::from_millis(500);

/// What the journal holds has been judged before.
const UNBOUNDED: DecodeLimits = DecodeLimits {
    line_bytes_max: usize::MAX,
    text_bytes_max: usize::MAX,
    ts_ms_max: None,
};

/// How long a worker sleeps that waits for the rest of an epoch's work.
const STARVED_PARK: Duration = Duration::from_millis(1);
/// A worker that has much to decode looks after the epochs before it this often: the others wait for what it
/// owes them.
const STEP_EVENTS: u64 = 8_000;

/// What a worker can be told.
pub(super) enum Mail {
    /// Its share of an epoch; epochs come in order.
    Epoch(Share),
    /// A question about windows, with the place that it takes until it is answered.
    Ask(Question, Arc<Waiting>),
    /// No epoch will follow.
    Stop,
}

/// A worker's share of an epoch.
pub(super) struct Share {
    pub(super) epoch: Epoch,
    /// Without its work.
    pub(super) input: EpochInput,
    pub(super) work: Supply,
}

/// What a worker notes about an epoch outside the graph.
#[derive(Debug, Default)]
pub(super) struct Notes {
    pub(super) events: u64,
    pub(super) refused: Vec<Refusal>,
    pub(super) tickets: Vec<TicketHeard>,
    pub(super) holds: Vec<HoldTold>,
    /// Serials among the tickets that were on record before the epoch.
    pub(super) on_record: Vec<String>,
    pub(super) annotations: Vec<Annotation>,
    pub(super) unknown_fields: BTreeMap<String, u64>,
    pub(super) unknown_words: u64,
    pub(super) watermarks: Watermarks,
    /// Why a packed batch could not be read, if one could not.
    pub(super) unreadable: Option<String>,
}

/// What a worker tells about a complete epoch.
pub(super) struct Report {
    pub(super) worker: usize,
    pub(super) epoch: Epoch,
    pub(super) updates: Vec<WindowUpdate>,
    pub(super) notes: Notes,
    pub(super) counts: Counts,
    /// Families whose door is here that fold groups, with how many.
    pub(super) overflow: Vec<(u32, u64)>,
    /// Its share of the state, where the epoch asked for it.
    pub(super) state: Option<WorkerState>,
}

/// Runs until it is told to stop.
pub(super) fn run(
    worker: &mut Worker,
    config: &DataflowConfig,
    mailbox: &Receiver<Mail>,
    reports: Sender<Report>,
    restored: Option<WorkerShare>,
) {
    let mut desk = Desk {
        plan: restored
            .as_ref()
            .and_then(|share| share.shared.clock.plan.clone()),
        heard_hours: config.limits.heard_hours,
        ..Desk::default()
    };
    let mut graph = build(worker, config, reports, restored);
    loop {
        match mailbox.try_recv() {
            Ok(Mail::Epoch(share)) => desk.feed(share, &mut graph, worker),
            Ok(Mail::Ask(question, _place)) => answer(question, &graph),
            Err(TryRecvError::Empty) => {
                worker.step_or_park(Some(PARK_MAX));
                continue;
            }
            Ok(Mail::Stop) | Err(TryRecvError::Disconnected) => break,
        }
        worker.step();
    }
    // Dropping the inputs lets the graph finish; `execute` steps it until it has.
}

fn answer(question: Question, graph: &Graph) {
    let mut windows = graph.windows.borrow_mut();
    let rows = match question {
        Question::Subscribers { inquiry, reply } => {
            let mut found = graph.fold.borrow().inquire(&inquiry);
            if let Inquiry::Messages { from_ms, to_ms, .. } = &*inquiry {
                found.is_incomplete = !windows.knows_messages(*from_ms, *to_ms);
            }
            let _ = reply.send(found);
            return;
        }
        Question::Parts { kqi, spans, reply } => {
            let _ = reply.send(graph.router.borrow().parts(kqi, &spans));
            return;
        }
        Question::Between {
            kqi,
            from_ms,
            to_ms,
            label,
            reply,
        } => (
            windows.between(kqi, from_ms, to_ms, label.as_deref()),
            reply,
        ),
        Question::Newest { kqi, reply } => (windows.newest(kqi), reply),
    };
    // Whoever asked may have stopped waiting.
    let _ = rows
        .1
        .send((windows.plan().map_or(0, |plan| plan.version), rows.0));
}

/// The worker's own state beside the graph.
#[derive(Default)]
struct Desk {
    plan: Option<Arc<Plan>>,
    /// The decoder of the lines before: it remembers their tuples.
    decoder: Option<Decoder>,
    unpacker: Unpacker,
    combiner: Combiner,
    heard: Hearing,
    heard_hours: usize,
}

impl Desk {
    fn feed(&mut self, share: Share, graph: &mut Graph, worker: &mut Worker) {
        let Share { epoch, input, work } = share;
        let EpochInput {
            now_ms,
            plan,
            digest,
            end,
            checkpoint,
            holds_back,
            ..
        } = input;
        if let Some(plan) = plan {
            self.plan = Some(plan.clone());
            graph.controls.send(Control::Plan(plan));
        }
        graph.controls.send(Control::Tick { now_ms });
        if end {
            graph.controls.send(Control::End);
        }
        if checkpoint {
            graph.controls.send(Control::Checkpoint);
        }
        if holds_back {
            graph.controls.send(Control::HoldBack);
        }
        let mut notes = Notes::default();
        if let Some(plan) = self.plan.clone() {
            if let Some(digest) = digest {
                let (worker, workers) = (worker.index(), worker.peers());
                let reader = Reader {
                    worker,
                    workers,
                    epoch,
                };
                self.take_digest(&digest, &plan, reader, graph, &mut notes);
            }
            let mut stepped = notes.events;
            loop {
                match work.next(worker.index()) {
                    Next::Piece(piece) => {
                        self.take(piece, &plan, graph, &mut notes);
                        if notes.events >= stepped + STEP_EVENTS {
                            stepped = notes.events;
                            worker.step();
                        }
                    }
                    // The reader is slow, perhaps for ever: the epochs before end all the same.
                    Next::Later => {
                        worker.step_or_park(Some(STARVED_PARK));
                    }
                    Next::End => break,
                }
            }
            let heard = &mut self.heard;
            self.combiner.drain(|at, measure, owner| {
                heard.hear(at.0.stream, at.1);
                graph.facts.send((at, measure, owner));
            });
            for (stream, hour_ms) in self.heard.news(self.heard_hours) {
                graph.shared.send(Shared::Heard(stream, hour_ms));
            }
        }
        graph.notes.borrow_mut().insert(epoch, notes);
        let next = epoch + 1;
        graph.facts.advance_to(next);
        graph.records.advance_to(next);
        graph.shared.advance_to(next);
        graph.controls.advance_to(next);
    }

    /// Takes its shares of a digest.
    fn take_digest(
        &mut self,
        digest: &Digested,
        plan: &Plan,
        reader: Reader,
        graph: &mut Graph,
        notes: &mut Notes,
    ) {
        let mut facts = Vec::new();
        let unpacker = &mut self.unpacker;
        match digest::read(&digest.bytes, plan, unpacker, reader, &mut facts) {
            Some(rests) => {
                for (rest, owner) in &rests {
                    note(rest, *owner, &mut self.heard, graph, notes);
                }
            }
            None => {
                facts.clear();
                match digest.batches.work() {
                    Ok(work) => self.take_shares(work, plan, reader, &mut facts, graph, notes),
                    Err(reason) => notes.unreadable = Some(reason),
                }
            }
        }
        for ((tuple, pane_ms), ..) in &facts {
            self.heard.hear(tuple.stream, *pane_ms);
        }
        graph.facts.send_batch(&mut facts);
    }

    /// Takes of whole batches what is in its shares of their digest: others may have read theirs.
    fn take_shares(
        &mut self,
        work: Vec<Work>,
        plan: &Plan,
        reader: Reader,
        facts: &mut Vec<(TuplePane, Measure, Owner)>,
        graph: &mut Graph,
        notes: &mut Notes,
    ) {
        let mut combiner = Combiner::default();
        for work in work {
            match whole(work, plan, &mut self.unpacker) {
                Ok((batch, owner)) => {
                    combiner.add(&batch, owner, plan);
                    if reader.has_rest() {
                        note(&batch, owner, &mut self.heard, graph, notes);
                    }
                }
                Err(reason) => notes.unreadable = Some(reason),
            }
        }
        combiner.drain(|at, measure, owner| {
            if reader.has_tuple(plan, &at.0) {
                facts.push((at, measure, owner));
            }
        });
    }

    fn take(&mut self, work: Work, plan: &Plan, graph: &mut Graph, notes: &mut Notes) {
        match work {
            Work::Decoded { batch, owner } => {
                // Who hands it in has looked; another layout's tuples would be counted as what they are not.
                assert_eq!(batch.layout, plan.layout.version, "layout of a batch");
                self.combiner.add(&batch, owner, plan);
                note(&batch, owner, &mut self.heard, graph, notes);
            }
            Work::Packed {
                packed,
                origin,
                owner,
            } => match self.unpacker.unpack(&packed, plan.layout.version) {
                Some(batch) => {
                    let (renewals, places) = batch.places();
                    let table = (Table::Unpacker, renewals, places);
                    let tuple = |_, place| batch.tuple(place);
                    self.combiner
                        .add_placed(table, tuple, batch.facts(), owner, plan);
                    note(batch.rest(), owner, &mut self.heard, graph, notes);
                }
                None => match origin.lines() {
                    Ok(lines) => {
                        let work = Work::Lines {
                            lines,
                            first_line: 1,
                            limits: None,
                            owner,
                        };
                        self.take(work, plan, graph, notes);
                    }
                    Err(reason) => notes.unreadable = Some(reason),
                },
            },
            Work::Lines {
                lines,
                first_line,
                limits,
                owner,
            } => {
                let limits = limits.unwrap_or(UNBOUNDED);
                let decoder = match &mut self.decoder {
                    Some(decoder) if decoder.is_for(&plan.layout, limits) => decoder,
                    other => {
                        self.combiner.forget(Table::Decoder);
                        other.insert(Decoder::new(plan.layout.clone(), limits))
                    }
                };
                let mut decoded = decoder.decode(&lines);
                for refusal in &mut decoded.refused {
                    refusal.line += first_line - 1;
                }
                notes.refused.append(&mut decoded.refused);
                notes.unknown_words += decoded.doubtful.len() as u64;
                for (name, count) in decoded.unknown_fields {
                    *notes.unknown_fields.entry(name).or_default() += count;
                }
                let batch = &decoded.batch;
                let (renewals, places) = decoder.places();
                let table = (Table::Decoder, renewals, places);
                let tuple = |at: usize, _| &batch.tuples[at];
                self.combiner
                    .add_placed(table, tuple, &batch.facts, owner, plan);
                note(batch, owner, &mut self.heard, graph, notes);
            }
        }
    }
}

/// A piece of work of the journal as a batch.
fn whole(work: Work, plan: &Plan, unpacker: &mut Unpacker) -> Result<(Arc<Batch>, Owner), String> {
    let (lines, owner) = match work {
        Work::Decoded { batch, owner } => return Ok((batch, owner)),
        Work::Packed {
            packed,
            origin,
            owner,
        } => match unpacker.unpack(&packed, plan.layout.version) {
            Some(batch) => return Ok((Arc::new(batch.whole()), owner)),
            None => (origin.lines()?, owner),
        },
        Work::Lines { lines, owner, .. } => (lines, owner),
    };
    let mut decoder = Decoder::new(plan.layout.clone(), UNBOUNDED);
    Ok((Arc::new(decoder.decode(&lines).batch), owner))
}

/// Takes in all of a batch but its facts.
fn note(batch: &Batch, owner: Owner, heard: &mut Hearing, graph: &mut Graph, notes: &mut Notes) {
    notes.events += batch.events;
    for record in &batch.records {
        if let Record::Complaint(event) = record {
            notes.tickets.push(TicketHeard::of(event, owner));
        }
        heard.hear(record.stream(), record.ts_ms());
        let key = EntityKey::of(record);
        graph.records.send((key, owner, record.clone()));
    }
    for (id, progress) in &batch.sources {
        let said = Shared::Source(id.clone(), *progress, owner);
        graph.shared.send(said);
    }
    for annotation in &batch.annotations {
        notes.annotations.push(annotation.clone());
        graph.shared.send(Shared::Annotation(annotation.clone()));
    }
    for reading in &batch.readings {
        graph.shared.send(Shared::Reading(reading.clone()));
    }
}
