//! The way of one body: read, unpack, judge, journal, answer.
//!
//! * What the answer counts as accepted is durable.
//! * A refused body leaves nothing behind, so it can be sent again as it is.
//! * A batch of which every line was refused is not journaled; its retry is judged afresh, and
//!   nothing of it can have been counted before.

use std::net::IpAddr;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use arc_swap::ArcSwap;
use axum::body::Body;
use axum::http::HeaderMap;
use bytes::Bytes;
use tokio::sync::{Semaphore, oneshot};

use crate::engine::Snapshot;
use crate::event::{DecodeLimits, Refusal, RefusalReason, pack};
use crate::ingest::accept::Decoders;
use crate::ingest::budget::{Budget, Lease};
use crate::ingest::unpack::unpack;
use crate::ingest::{Attachment, Encoding, IngestError, Quarantine, body, producer};
use crate::journal::writer::{SubmitError, Submitter};
use crate::journal::{Ack, Amount, Holder, LineFormat, Record, Submit, network_of};
use crate::metrics::Metrics;

/// Refusals listed in an answer; the rest are only counted.
pub const REFUSALS_LISTED_MAX: usize = 100;

/// Bounds on what producers may send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IngestLimits {
    /// Largest body as sent, bytes; more is refused with 413.
    pub body_bytes_max: usize,
    /// Largest body unpacked, bytes; more is refused with 413. At most the journal's record limit.
    pub plain_bytes_max: usize,
    /// Longest line, bytes; a body with a longer one is refused with 413.
    pub line_bytes_max: usize,
    /// Longest text of a field, bytes; a line with a longer one is refused alone.
    pub text_bytes_max: usize,
    /// Most lines in a body; more is refused with 413.
    pub lines_max: usize,
    /// How far a time may lie in the future, ms; a line beyond is refused alone.
    pub clock_skew_ms_max: i64,
    /// How long the next piece of a body may take; beyond it the answer is 408.
    pub body_patience: Duration,
    /// Bodies under way at once; beyond it the answer is 429.
    pub in_flight_requests_max: usize,
    /// Memory of all bodies under way, bytes; beyond it the answer is 429.
    pub in_flight_bytes_max: usize,
}

/// What a producer is told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Receipt {
    /// Events counted because of this body; 0 for a repeat.
    pub accepted: u64,
    /// The first refusals.
    pub refused: Vec<Refusal>,
    /// How many lines were refused.
    pub refused_total: u64,
    /// The batch had been acknowledged before and was not counted again.
    pub duplicate: bool,
}

/// Takes bodies.
pub struct Intake {
    submitter: Submitter<Attachment>,
    snapshot: Arc<ArcSwap<Snapshot>>,
    metrics: Arc<Metrics>,
    quarantine: Arc<Quarantine>,
    limits: IngestLimits,
    budget: Budget,
    /// Bodies that are judged at once: more threads than cores would only take turns.
    judges: Arc<Semaphore>,
    decoders: Arc<Decoders>,
}

/// A body on its way through the blocking part.
struct Work {
    encoding: Encoding,
    packed: Bytes,
    lease: Lease,
    holder: Holder,
    sender: Sender,
    producer: Option<(String, u64)>,
    now_ms: i64,
}

/// Where a body comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sender {
    /// Its address.
    pub peer: Option<IpAddr>,
    /// The name of its token; `None` where the server asks for none, and for the engine's own probes.
    pub token: Option<String>,
}

/// A body that was judged.
struct Outcome {
    receipt: Receipt,
    refused: Vec<Refusal>,
    /// Taken, and shown to people all the same.
    doubtful: Vec<Refusal>,
    plain: Bytes,
    unknown_fields: std::collections::BTreeMap<String, u64>,
    batch: Attachment,
    answer: Option<oneshot::Receiver<Result<Ack, SubmitError>>>,
    /// Held until the answer: the batch lives as long.
    _lease: Lease,
}

impl Intake {
    /// An intake into a journal.
    pub fn new(
        submitter: Submitter<Attachment>,
        snapshot: Arc<ArcSwap<Snapshot>>,
        metrics: Arc<Metrics>,
        quarantine: Arc<Quarantine>,
        limits: IngestLimits,
    ) -> Intake {
        let cores = thread::available_parallelism().map_or(2, usize::from);
        Intake {
            submitter,
            snapshot,
            metrics,
            quarantine,
            limits,
            budget: Budget::new(Amount {
                requests: limits.in_flight_requests_max,
                bytes: limits.in_flight_bytes_max,
            }),
            judges: Arc::new(Semaphore::new(cores.max(2))),
            decoders: Arc::default(),
        }
    }

    /// Where refused lines are kept.
    pub fn quarantine(&self) -> &Arc<Quarantine> {
        &self.quarantine
    }

    /// Bodies under way.
    pub fn in_flight(&self) -> Amount {
        self.budget.used()
    }

    /// Counts and keeps a message of another protocol that never became a line.
    pub fn refuse(&self, producer: &str, message: &[u8], reason: &str, now_ms: i64) {
        let refused = refusal(RefusalReason::BadValue, reason);
        self.metrics.refused(&refused);
        self.keep(producer, message, &refused, now_ms);
    }

    /// Counts and keeps a message of another protocol that was taken, but for a text that was too long.
    pub fn doubt(&self, producer: &str, message: &[u8], reason: &str, now_ms: i64) {
        let doubtful = refusal(RefusalReason::LongText, reason);
        self.metrics.doubtful(&doubtful);
        self.keep(producer, message, &doubtful, now_ms);
    }

    fn keep(&self, producer: &str, message: &[u8], refused: &[Refusal], now_ms: i64) {
        let in_one_line: Vec<u8> = message
            .iter()
            .map(|byte| if *byte == b'\n' { b' ' } else { *byte })
            .collect();
        self.quarantine
            .keep(now_ms, Some(producer), &in_one_line, refused);
    }

    /// Takes a body and answers when it is durable. Shares are counted by the token, or else by the producer's name, or else
    /// by its address; of IPv6, by its network.
    ///
    /// # Errors
    /// The body as a whole cannot be taken.
    pub async fn take(
        &self,
        sender: Sender,
        headers: &HeaderMap,
        body: Body,
        now_ms: i64,
    ) -> Result<Receipt, IngestError> {
        let sender = Sender {
            peer: sender.peer.map(network_of),
            ..sender
        };
        let taken = self.take_within(sender, headers, body, now_ms).await;
        if let Some(limit) = taken.as_ref().err().and_then(IngestError::limit) {
            self.metrics.went_over(limit);
        }
        taken
    }

    async fn take_within(
        &self,
        sender: Sender,
        headers: &HeaderMap,
        body: Body,
        now_ms: i64,
    ) -> Result<Receipt, IngestError> {
        let encoding = Encoding::of(headers)?;
        let producer = producer::of(headers)?;
        let name = producer.as_ref().map(|(name, _)| name.clone());
        let holder = match (&sender.token, &name) {
            (Some(token), _) => Holder::Token(token.as_str().into()),
            (None, Some(name)) => Holder::Producer(name.as_str().into()),
            (None, None) => Holder::Peer(sender.peer),
        };
        let mut lease = self.budget.lease(holder.clone())?;
        let IngestLimits {
            body_bytes_max,
            body_patience,
            ..
        } = self.limits;
        let packed = body::read(headers, body, body_bytes_max, body_patience, &mut lease).await?;
        let turn = Arc::clone(&self.judges)
            .acquire_owned()
            .await
            .map_err(|_| IngestError::Stopping)?;
        let work = Work {
            encoding,
            packed,
            lease,
            holder,
            sender,
            producer,
            now_ms,
        };
        let (limits, submitter) = (self.limits, self.submitter.clone());
        let decoders = Arc::clone(&self.decoders);
        let layout = Arc::clone(&self.snapshot.load().plan.layout);
        let mut outcome = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            work.run(&limits, layout, &decoders, &submitter)
        })
        .await
        .map_err(|_| IngestError::Stopping)??;
        if let Some(answer) = outcome.answer.take() {
            let ack = answer.await.unwrap_or(Err(SubmitError::Closed))?;
            if ack.duplicate {
                // Its lines were counted, and refused, the first time.
                self.metrics.duplicate();
                outcome.receipt.accepted = 0;
                outcome.receipt.duplicate = true;
                return Ok(outcome.receipt);
            }
        }
        if let Some(batch) = &outcome.batch {
            self.metrics.accepted(batch);
        }
        self.metrics.refused(&outcome.refused);
        self.metrics.unknown_fields(&outcome.unknown_fields);
        self.metrics.doubtful(&outcome.doubtful);
        let mut kept = outcome.refused;
        kept.append(&mut outcome.doubtful);
        kept.sort_by_key(|refusal| refusal.line);
        self.quarantine
            .keep(now_ms, name.as_deref(), &outcome.plain, &kept);
        Ok(outcome.receipt)
    }
}

impl Work {
    /// The part that computes: unpacking, judging, and the journal's compression.
    fn run(
        mut self,
        limits: &IngestLimits,
        layout: Arc<crate::event::Layout>,
        decoders: &Decoders,
        submitter: &Submitter<Attachment>,
    ) -> Result<Outcome, IngestError> {
        let plain = unpack(
            self.encoding,
            self.packed,
            limits.plain_bytes_max,
            &mut self.lease,
        )?;
        let lines = 1 + memchr::memchr_iter(b'\n', &plain).count();
        if lines > limits.lines_max {
            return Err(IngestError::TooManyLines {
                lines,
                lines_max: limits.lines_max,
            });
        }
        let decode_limits = DecodeLimits {
            line_bytes_max: limits.line_bytes_max,
            text_bytes_max: limits.text_bytes_max,
            ts_ms_max: Some(self.now_ms.saturating_add(limits.clock_skew_ms_max)),
        };
        let judged = decoders.judge(&plain, layout, decode_limits);
        let is_long = |refusal: &&Refusal| refusal.class == RefusalReason::TooLong;
        if let Some(long) = judged.refused.iter().find(is_long) {
            return Err(IngestError::LineTooLong {
                line: long.line,
                bytes: line_bytes(&plain, long.line),
                bytes_max: limits.line_bytes_max,
            });
        }
        let receipt = Receipt {
            accepted: judged.batch.events,
            refused_total: judged.refused.len() as u64,
            refused: judged
                .refused
                .iter()
                .take(REFUSALS_LISTED_MAX)
                .cloned()
                .collect(),
            duplicate: false,
        };
        let (mut batch, mut answer) = (None, None);
        if judged.batch.events > 0 {
            let decoded = Arc::new(judged.batch);
            // A record weighs less than twice its lines, which the journal's queue has room for.
            let lines_bytes = judged.lines.len();
            let packed = pack(&decoded).filter(|packed| packed.len() <= lines_bytes / 4 * 3);
            let submit = Submit {
                record: Record::Batch {
                    producer: self.producer,
                    sender: self.sender.token,
                    received_ms: self.now_ms,
                    format: LineFormat::Ndjson,
                    events: decoded.events,
                    lines: judged.lines.into(),
                    decoded: packed.map(Bytes::from),
                },
                attachment: Some(Arc::clone(&decoded)),
            };
            answer = Some(submitter.try_submit_from(self.sender.peer, self.holder, submit)?);
            batch = Some(decoded);
        }
        Ok(Outcome {
            receipt,
            refused: judged.refused,
            doubtful: judged.doubtful,
            plain,
            unknown_fields: judged.unknown_fields,
            batch,
            answer,
            _lease: self.lease,
        })
    }
}

fn refusal(class: RefusalReason, reason: &str) -> [Refusal; 1] {
    [Refusal {
        line: 1,
        class,
        reason: reason.to_owned(),
    }]
}

/// Length of a line by its number, from 1.
fn line_bytes(plain: &[u8], number: u64) -> usize {
    let mut lines = (1..).zip(plain.split(|byte| *byte == b'\n'));
    lines
        .find(|(at, _)| *at == number)
        .map_or(0, |(_, line)| line.len())
}
