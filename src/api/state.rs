//! What the server is given by `app`, and the settings of the HTTP side.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use arc_swap::ArcSwap;
use serde::{Deserialize, Serialize};

use crate::api::{Access, Answers, Deliveries, Health, Inlet};
use crate::bounded::{DAY_MS, at_least, between};
use crate::dataflow::Queries;
use crate::engine::Snapshot;
use crate::event::CLOCK_SKEW_MS_MAX;
use crate::ingest::{Attachment, IngestLimits, Intake, Quarantine};
use crate::journal::writer::Submitter;
use crate::links::Links;
use crate::metrics::Metrics;
use crate::rules::Problem;
use crate::store::History;

/// Everything that requests are answered from.
pub struct ServerState {
    /// The way into the journal.
    pub submitter: Submitter<Attachment>,
    /// That of lines: what came before there was an engine came by the same.
    pub inlet: Arc<Inlet>,
    /// The engine's state: plan, event time, alerts, triggers.
    pub snapshot: Arc<ArcSwap<Snapshot>>,
    /// Asks the workers about windows.
    pub queries: Queries,
    /// Where the engine's answers to commands arrive.
    pub answers: Arc<Answers>,
    /// Counters.
    pub metrics: Arc<Metrics>,
    /// Life cycle and dataflow counts.
    pub health: Arc<Health>,
    /// What was told to whom, and what could not be.
    pub deliveries: Deliveries,
    /// Everything that was decided.
    pub history: History,
    /// Who may ask what, as the tokens were read last.
    pub access: ArcSwap<Access>,
    /// Reads the tokens again.
    pub read_access: ReadAccess,
    /// Reads the links of mails; none where mails have none.
    pub links: Option<Links>,
    /// Reads the rule book again and puts it in force.
    pub reload: Reload,
    /// Settings.
    pub config: HttpConfig,
    /// Connections that are open now.
    pub connections: Arc<AtomicU64>,
}

/// Reads the tokens again, from the files that the configuration names; or says why that is not possible.
pub type ReadAccess = Box<dyn Fn() -> Result<Access, String> + Send + Sync>;

impl ServerState {
    /// Puts the tokens as they are now in force; those in force stay where they cannot be read. Nobody is cut off
    /// (domain fact X5).
    ///
    /// # Errors
    /// Why they cannot be read.
    pub fn reload_access(&self) -> Result<(), String> {
        let access = (self.read_access)()?;
        tracing::info!(tokens = access.tokens(), "access tokens read again");
        self.access.store(Arc::new(access));
        Ok(())
    }
}

/// Reads the rule book again and puts it in force.
pub type Reload = Arc<
    dyn Fn() -> Pin<Box<dyn Future<Output = Result<ReloadReport, ReloadProblems>> + Send>>
        + Send
        + Sync,
>;

/// A rule book that is in force now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReloadReport {
    /// Name of the book.
    pub name: String,
    /// Its version.
    pub version: String,
    /// KQIs in it.
    pub kqis: usize,
    /// Alert rules in it.
    pub alerts: usize,
    /// What it works in spite of.
    pub warnings: Vec<Problem>,
}

/// Why a reload did nothing; the book that was in force still is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReloadProblems {
    /// The book cannot be used: all that is wrong with it.
    Rules(Vec<Problem>),
    /// The book could not be read or journaled: why.
    Failed(String),
}

/// Settings of the HTTP side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HttpConfig {
    /// Largest body of events as sent, bytes.
    #[serde(deserialize_with = "at_least::<1_024, _, _>")]
    pub body_bytes_max: usize,
    /// Largest body of events unpacked, bytes; more than the journal's record limit is no use.
    #[serde(deserialize_with = "at_least::<1_024, _, _>")]
    pub plain_bytes_max: usize,
    /// Longest event line, bytes; a body with a longer one is refused as a whole.
    #[serde(deserialize_with = "at_least::<1_024, _, _>")]
    pub line_bytes_max: usize,
    /// Longest text of a field of an event, bytes; a line with a longer one is refused. Texts become dimension
    /// values and names, which are held, and shown, many times over.
    #[serde(deserialize_with = "at_least::<16, _, _>")]
    pub text_bytes_max: usize,
    /// Most lines in a body.
    #[serde(deserialize_with = "at_least::<1, _, _>")]
    pub lines_max: usize,
    /// How far an event's time may lie in the future, ms.
    #[serde(deserialize_with = "at_least::<0, _, _>")]
    pub clock_skew_ms_max: i64,
    /// How far the clock may be ahead of what live sources tell before what the engine stamps itself has their time,
    /// ms; at most a day.
    #[serde(deserialize_with = "between::<1, DAY_MS, _, _>")]
    pub clock_ahead_ms_max: i64,
    /// Sources that are known to have their time from the engine, so that they do not vouch for it; more vouch as others do.
    #[serde(deserialize_with = "at_least::<1, _, _>")]
    pub stamped_sources_max: usize,
    /// How long the head of a request may take, and how long a connection may be idle, ms.
    #[serde(deserialize_with = "between::<1, DAY_MS, _, _>")]
    pub head_timeout_ms: u64,
    /// Connections that are open at once; who comes beyond waits to be accepted.
    #[serde(deserialize_with = "at_least::<1, _, _>")]
    pub connections_max: usize,
    /// Connections that one address has at once, or one IPv6 network of 64 bits; the next is told 429 and
    /// closed. A proxy on the way is one address: give it what it needs.
    #[serde(deserialize_with = "at_least::<1, _, _>")]
    pub connections_per_peer_max: usize,
    /// Requests that may be refused for want of rights within a minute (401, 403) before the engine alerts somebody
    /// (`access_refused`, domain fact X4).
    #[serde(deserialize_with = "at_least::<0, _, _>")]
    pub access_refused_minute_max: u64,
    /// Addresses that are told apart among those of one second, to name the one of most; the others are counted.
    #[serde(deserialize_with = "at_least::<1, _, _>")]
    pub access_addresses_max: usize,
    /// Names of unknown fields with a series of their own; more are counted as `other`.
    #[serde(deserialize_with = "at_least::<1, _, _>")]
    pub unknown_fields_max: usize,
    /// How long an answer may lie without 64 KiB of it being taken, ms; its connection is ended then.
    #[serde(deserialize_with = "between::<1, DAY_MS, _, _>")]
    pub write_timeout_ms: u64,
    /// How long the next piece of a body of events may take, ms; a whole body has `request_timeout_ms`.
    #[serde(deserialize_with = "between::<1, DAY_MS, _, _>")]
    pub body_timeout_ms: u64,
    /// Bodies of events under way at once.
    #[serde(deserialize_with = "at_least::<1, _, _>")]
    pub in_flight_requests_max: usize,
    /// Memory of all bodies under way, bytes.
    #[serde(deserialize_with = "at_least::<65_536, _, _>")]
    pub in_flight_bytes_max: usize,
    /// How long a request may take, ms.
    #[serde(deserialize_with = "between::<1, DAY_MS, _, _>")]
    pub request_timeout_ms: u64,
    /// How long a command waits for the engine's answer, ms.
    #[serde(deserialize_with = "between::<1, DAY_MS, _, _>")]
    pub answer_timeout_ms: u64,
    /// Age up to which the current KQI values are shown again without asking the workers, ms.
    #[serde(deserialize_with = "between::<0, DAY_MS, _, _>")]
    pub current_max_age_ms: u64,
    /// Objects (KQI and group) whose current values are kept and have metric series.
    #[serde(deserialize_with = "at_least::<1, _, _>")]
    pub kqi_objects_max: usize,
    /// Most rows of windows in one answer.
    #[serde(deserialize_with = "at_least::<1, _, _>")]
    pub window_rows_max: usize,
    /// Answers of the engine that nobody has fetched, and requests that wait for one; the oldest go first.
    #[serde(deserialize_with = "at_least::<1, _, _>")]
    pub answers_max: usize,
    /// Refused lines that are kept to be looked at; the oldest go first.
    #[serde(deserialize_with = "at_least::<0, _, _>")]
    pub quarantined_lines_max: usize,
}

impl Default for HttpConfig {
    fn default() -> Self {
        HttpConfig {
            body_bytes_max: 16 << 20,
            // As much as one record of the journal takes by default.
            plain_bytes_max: 32 << 20,
            line_bytes_max: 64 << 10,
            // Judgement: names of cities and hosts have tens of bytes, message ids and most addresses of pages
            // below two hundred.
            text_bytes_max: 512,
            lines_max: 500_000,
            clock_skew_ms_max: CLOCK_SKEW_MS_MAX,
            // Judgement: probes speak each minute; a window that is stamped wrongly by less is the next one.
            clock_ahead_ms_max: 60_000,
            // Judgement: gateways of MM7, and two.
            stamped_sources_max: 1_000,
            // Longer than between two scrapes, so that Prometheus keeps its connection.
            head_timeout_ms: 30_000,
            // Judgement: twice the bodies that may be under way.
            connections_max: 4_096,
            // Judgement: a quarter, more than any one collector or proxy keeps open.
            connections_per_peer_max: 1_024,
            // Judgement: who mistypes a password tries a few times; a collector with an old token, or somebody who
            // tries tokens, comes at least once in three seconds.
            access_refused_minute_max: 20,
            // Judgement: who of so many in one second comes most is no one culprit.
            access_addresses_max: 64,
            // Judgement: more than all event types have fields.
            unknown_fields_max: 100,
            write_timeout_ms: 30_000,
            body_timeout_ms: 10_000,
            // Judgement: a thousand collectors with two bodies under way each.
            in_flight_requests_max: 2_048,
            in_flight_bytes_max: 256 << 20,
            request_timeout_ms: 30_000,
            answer_timeout_ms: 10_000,
            current_max_age_ms: 1_000,
            kqi_objects_max: 20_000,
            window_rows_max: 10_000,
            // Judgement: a command is answered within an epoch, and few are given at a time.
            answers_max: 1_024,
            // Judgement: enough to see what a producer does wrong, a megabyte at most.
            quarantined_lines_max: 1_000,
        }
    }
}

impl HttpConfig {
    /// The way of events into a journal. They are judged by the plan of `snapshot`, as it is then.
    pub fn intake(
        &self,
        submitter: Submitter<Attachment>,
        snapshot: Arc<ArcSwap<Snapshot>>,
        metrics: Arc<Metrics>,
    ) -> Arc<Intake> {
        let quarantine = Arc::new(Quarantine::new(self.quarantined_lines_max));
        let limits = self.ingest_limits();
        Arc::new(Intake::new(
            submitter, snapshot, metrics, quarantine, limits,
        ))
    }

    /// The bounds on events.
    pub fn ingest_limits(&self) -> IngestLimits {
        IngestLimits {
            body_bytes_max: self.body_bytes_max,
            plain_bytes_max: self.plain_bytes_max,
            line_bytes_max: self.line_bytes_max,
            text_bytes_max: self.text_bytes_max,
            lines_max: self.lines_max,
            clock_skew_ms_max: self.clock_skew_ms_max,
            body_patience: Duration::from_millis(self.body_timeout_ms),
            in_flight_requests_max: self.in_flight_requests_max,
            in_flight_bytes_max: self.in_flight_bytes_max,
        }
    }

    /// How long a request may take.
    pub fn request_timeout(&self) -> Duration {
        Duration::from_millis(self.request_timeout_ms)
    }
}
