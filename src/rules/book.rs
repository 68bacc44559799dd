//! The checked rule book: what the operator watches, scores, and whom it tells.
//!
//! Values of these types exist only after `check` accepted them, so nobody downstream validates again.
//! Not here: reading YAML (`syntax`), judging it (`check`), or turning it into work (`plan`).
//!
//! Invariants, kept by `check`:
//! * every id is unique within its kind; every reference (service, department, KQI, set) resolves;
//! * `window.size_ms` is a multiple of `window.hop_ms`, which is a multiple of the pane;
//! * anchors are strictly monotone from b5 to b1 and positive where the scale is logarithmic;
//! * a KQI that aggregates a measured value reads a stream that has one;
//! * `streams` has every stream, and keeps it for as long as its KQIs look back;
//! * an alert's KQI has an interval, so that it can be abnormal.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::event::{FailureClasses, Stream};
use crate::rules::{
    ComplaintTrees, HealthWeights, KnowledgeEntry, Leaf, MmsRule, NodeCodes, Outlet, Places,
    Predicate, Provenance, ReportRule, Sources, TriggerPolicy,
};

/// A name in the two languages that people read here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Text {
    /// Chinese.
    pub zh: String,
    /// English.
    pub en: String,
}

/// Everything the engine is told about what to watch.
#[derive(Clone, Debug)]
pub struct RuleBook {
    /// Name of the book, for example `hunan`.
    pub name: String,
    /// Version as its authors count it; shown wherever a judged number is shown.
    pub version: String,
    /// IANA zone of screens, calendars and edition deadlines.
    pub time_zone: String,
    /// Smallest window kept, in milliseconds.
    pub pane_ms: i64,
    /// Accept events of services that the book does not list.
    pub any_service: bool,
    /// One rule a stream; streams that the file leaves out have the defaults.
    pub streams: BTreeMap<Stream, StreamRule>,
    /// Services in catalogue order.
    pub services: Vec<Service>,
    /// KQIs in catalogue order.
    pub kqis: Vec<Kqi>,
    /// Alert rules: those the file names and those that KQIs get by default.
    pub alerts: Vec<AlertRule>,
    /// Departments that answer for KQIs.
    pub departments: Vec<Department>,
    /// Provinces and groups that cities are in.
    pub places: Places,
    /// Sources of events that are registered.
    pub sources: Sources,
    /// Last-level nodes of the complaint tree that have a form.
    pub leaves: Vec<Leaf>,
    /// Complaint trees.
    pub trees: ComplaintTrees,
    /// Node codes of the complaint trees.
    pub codes: NodeCodes,
    /// Causes that are known by name.
    pub knowledge: Vec<KnowledgeEntry>,
    /// What optimization triggers go by.
    pub triggers: TriggerPolicy,
    /// What weighs how much in the scores of services.
    pub health: HealthWeights,
    /// Reports that come by themselves.
    pub reports: Vec<ReportRule>,
    /// How MMS receipts are read.
    pub mms: MmsRule,
    /// Failure classes of dial tests; without them `code` is any text.
    pub failures: Option<Arc<FailureClasses>>,
    /// How long after the first part of a delivery the others may come, ms.
    pub parts_wait_ms: i64,
    /// Annotation kinds that turn a breach into `suppressed` (planned work).
    pub suppressing_annotations: Vec<String>,
}

/// Event-time settings of one stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamRule {
    /// How far behind the newest event an ordinary event may arrive, in milliseconds.
    pub allowed_lateness_ms: i64,
    /// Silence on the journal's clock after which a source stops holding the watermark back, ms.
    pub idle_timeout_ms: i64,
    /// How long panes are kept, and so corrected, behind the watermark, in milliseconds.
    pub retention_ms: i64,
    /// The longest silence of the whole stream in which nothing is taken for nothing having happened, in
    /// milliseconds; time without an event for longer is not known, no part of a baseline, and nothing is compared with it.
    pub quiet_max_ms: i64,
    /// How many percent of a window may be such time, and a change is compared with it all the same.
    pub unheard_percent_max: u32,
    /// Dimensions kept beside those that rules name, so that later rules can use them on history.
    pub dimensions: Vec<String>,
    /// True for the operator's own data, false for what outsiders tell (domain fact H5); of sources that
    /// [`RuleBook::sources`] says nothing else of.
    pub internal: bool,
}

/// One of the operator's services.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// Identifier on the wire, for example `mobile_newspaper`.
    pub id: String,
    /// Display name.
    pub name: Text,
    /// Other names on the wire, as channels and platforms have them (domain fact C13).
    pub aliases: Vec<String>,
    /// Whether customers are served by it: a hall, a hotline (domain fact C12).
    pub is_channel: bool,
}

/// The layer a KQI belongs to (domain fact H3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Layer {
    /// What the customer feels: function, operation, tariff, terminal.
    Experience,
    /// Service platforms and the BOSS.
    Platform,
    /// The bearer networks.
    Network,
}

/// What a platform's KQI looks at (domain fact H4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PlatformScope {
    /// The platform itself (平台内指标): load, capacity, answers.
    InPlatform,
    /// What passes between platforms (平台间指标): interfaces to the BOSS.
    InterPlatform,
}

impl PlatformScope {
    /// Every scope with its name in rule files and answers.
    pub const NAMES: [(&'static str, PlatformScope); 2] = [
        ("in_platform", PlatformScope::InPlatform),
        ("inter_platform", PlatformScope::InterPlatform),
    ];

    /// The name in rule files and answers.
    pub fn name(self) -> &'static str {
        match self {
            PlatformScope::InPlatform => "in_platform",
            PlatformScope::InterPlatform => "inter_platform",
        }
    }
}

/// A key quality indicator: what is measured, how it is judged, who answers for it.
#[derive(Clone, Debug, PartialEq)]
pub struct Kqi {
    /// Unique identifier, for example `shall_reply_time_p95`.
    pub id: String,
    /// Service it belongs to; `None` reads every service (bench books).
    pub service: Option<String>,
    /// Display name.
    pub name: Text,
    /// Layer of the method.
    pub layer: Layer,
    /// For a platform's KQI, whether it is of the platform itself or of its interfaces to others.
    pub scope: Option<PlatformScope>,
    /// Stream it reads.
    pub stream: Stream,
    /// Which facts take part. The service condition is already part of it where the stream has one.
    pub filter: Option<Predicate>,
    /// Which of them are good.
    pub good: Option<Predicate>,
    /// A good fact's measured value is at most this, in the stream's raw unit. The time-out is part
    /// of a KQI's definition (ETSI TS 102 250-5, scope).
    pub good_within: Option<f64>,
    /// Time-out of a time: a fact for which `good` does not hold, or that has no measured value, counts with
    /// this one, in the stream's raw unit. Of a ratio: what took longer, or has no measured value, is counted as well.
    pub timeout: Option<f64>,
    /// How facts become a value.
    pub aggregate: Aggregate,
    /// Dimensions that tell its objects apart, in output order.
    pub group_by: Vec<String>,
    /// Its windows.
    pub window: WindowSpec,
    /// Unit of the value, anchors and interval.
    pub unit: Unit,
    /// The tolerance scale, if the KQI is scored.
    pub anchors: Option<Anchors>,
    /// The reasonable interval; values outside it are abnormal.
    pub interval: Interval,
    /// Fewer facts than this in a window give the verdict `insufficient`.
    pub min_samples: u64,
    /// Whether planned work that touches a window suppresses its breach.
    pub suppressible: bool,
    /// Department that answers for it.
    pub department: Option<String>,
    /// Where each judged number comes from: what its anchor set says first, then its own words.
    pub provenance: Vec<Provenance>,
    /// How many of them are its anchor set's.
    pub provenance_of_set: usize,
}

impl Kqi {
    /// Whether it compares what was measured and not how much there was: of a gauge the number of readings says nothing,
    /// so its change is that of their mean.
    pub fn compares_means(&self) -> bool {
        self.stream == Stream::Gauge && matches!(self.aggregate, Aggregate::Change { .. })
    }

    /// Whether it counts complaints about a service, or, without one, about any: its own, or each service's apart.
    pub fn counts_complaints_of(&self, service: Option<&str>) -> bool {
        let own = self.service.as_deref();
        let by_service = || self.group_by.iter().any(|name| name == "service");
        let is_of = own.map_or_else(by_service, |own| service.is_none_or(|of| of == own));
        self.stream == Stream::Complaint && is_of
    }

    /// Of a ratio of failures, the time after which a fact is one whatever it says, in the stream's raw unit.
    pub fn counted_after(&self) -> Option<f64> {
        self.timeout.filter(|_| self.aggregate == Aggregate::Ratio)
    }
}

/// How the facts of a window become one value.
#[derive(Clone, Debug, PartialEq)]
pub enum Aggregate {
    /// Number of facts (of good ones, where a good-condition is given).
    Count,
    /// Good facts divided by facts.
    Ratio,
    /// Sum of measured values.
    Sum,
    /// Arithmetic mean of measured values.
    Mean,
    /// Smallest measured value, exact.
    Min,
    /// Largest measured value, exact.
    Max,
    /// Nearest-rank quantile of measured values, from logarithmic buckets (≤ 2 % relative error).
    Quantile(f64),
    /// How far measured values lie apart: the quartile coefficient of dispersion, (Q3 − Q1) / (Q3 + Q1),
    /// a share of one from the same buckets as quantiles. What is as steady as can be has zero.
    Dispersion,
    /// The newest measured value by event time. Time goes by panes: of several values in the newest pane that
    /// has any none is newer than the others, and it is their arithmetic mean, in whatever order they came.
    Latest,
    /// Facts (good ones, where a good-condition is given) per 10,000 of a reference gauge,
    /// brought to `per_ms` of time.
    RatePer10k {
        /// Gauge that holds the base, for example `subscriber_base`, read by the group's dimensions.
        base: String,
        /// The rate is stated for this much time, ms (a day for complaint rates).
        per_ms: i64,
    },
    /// Relative change of the count against the window `against_ms` earlier.
    Change {
        /// Distance to the window compared with, ms; a multiple of the pane.
        against_ms: i64,
    },
    /// How far the count lies above what the same hours of earlier weeks let expect, in standard
    /// deviations of a Poisson count: `2 (√(x + 3/8) − √(λ + 3/8)) / √(1 + 1/n)` with the mean λ of
    /// the n weeks that are known (F. J. Anscombe, "The transformation of Poisson, binomial and
    /// negative-binomial data", Biometrika 35, 1948: the square root has variance 1/4 whatever λ is).
    Surge {
        /// Earlier weeks that are looked at.
        weeks: u32,
        /// Fewer known weeks than this give no value: neither good nor bad.
        min_weeks: u32,
    },
}

/// Size and hop of event-time windows; `[start, end)` with `start` a multiple of the hop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WindowSpec {
    /// Length, ms.
    pub size_ms: i64,
    /// Distance between starts, ms; equal to the size for tumbling windows.
    pub hop_ms: i64,
    /// Shift of starts against the epoch, ms, so that days begin at local midnight.
    pub offset_ms: i64,
}

/// Unit of a KQI's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unit {
    /// A share of one, 0..1.
    Ratio,
    /// A share in percent, 0..100.
    Percent,
    /// Milliseconds.
    Milliseconds,
    /// Seconds.
    Seconds,
    /// A number of things.
    Count,
    /// Per 10,000 users and the aggregate's period.
    Per10k,
    /// Whatever the gauge's unit is, shown as given.
    Other(String),
}

impl Unit {
    /// The unit as people write it; empty where it has none.
    pub fn text(&self) -> &str {
        match self {
            Unit::Ratio | Unit::Count => "",
            Unit::Percent => "%",
            Unit::Milliseconds => "ms",
            Unit::Seconds => "s",
            Unit::Per10k => "per 10k",
            Unit::Other(text) => text,
        }
    }
}

/// Five anchors of the tolerance scale: the values that score 5, 4, 3, 2 and 1.
#[derive(Clone, Debug, PartialEq)]
pub struct Anchors {
    /// Name of the set it came from, for example `A95`.
    pub set: Option<String>,
    /// b5, b4, b3, b2, b1 in the KQI's unit.
    pub values: [f64; 5],
    /// Interpolation between them.
    pub scale: Scale,
}

/// Interpolation between anchors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scale {
    /// For ratios.
    Linear,
    /// For times: equal factors feel like equal steps (ITU-T G.1030).
    Log,
}

/// The reasonable interval, both ends inclusive.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Interval {
    /// Smallest reasonable value.
    pub min: Option<f64>,
    /// Largest reasonable value.
    pub max: Option<f64>,
}

/// Perceived severity (ITU-T X.733).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// A condition that may become a problem.
    Warning,
    /// Non-service-affecting, or score under 3.
    Minor,
    /// Service-affecting and urgent, or score under 2.
    Major,
    /// Immediate action, or score 1.
    Critical,
}

impl Severity {
    /// The name in files, metrics and the API.
    pub const fn name(self) -> &'static str {
        match self {
            Severity::Warning => "warning",
            Severity::Minor => "minor",
            Severity::Major => "major",
            Severity::Critical => "critical",
        }
    }
}

/// When an abnormal KQI becomes an alert.
#[derive(Clone, Debug, PartialEq)]
pub struct AlertRule {
    /// Identity of the alert; the KQI's id where the rule is a KQI's default.
    pub id: String,
    /// KQI it watches.
    pub kqi: String,
    /// Fixed severity, or by score when `None`.
    pub severity: Option<Severity>,
    /// Event time for which windows must stay abnormal before it fires, ms.
    pub for_ms: i64,
    /// Event time for which windows must stay normal before it resolves, ms.
    pub keep_firing_for_ms: i64,
    /// What windows without a judgement (insufficient, no traffic, silent source) do.
    pub missing: Missing,
}

/// What a window without a judgement does to a pending or firing alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Missing {
    /// A firing alert goes on: no data is never healthy. A pending one waits, but such windows do
    /// not count toward `for`, and after a stretch of them longer than `for` it lapses.
    Hold,
    /// It ends like a normal window would.
    Resolve,
}

/// A department that answers for KQIs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Department {
    /// Identifier, for example `BSC`.
    pub id: String,
    /// Display name.
    pub name: Text,
    /// Outlet that its demands leave by (domain fact H27).
    pub outlet: Outlet,
    /// Roles of its virtual team, the first being the contact for triggers and alerts.
    pub roles: Vec<Role>,
}

/// A role in a department's virtual team (domain fact H28).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Role {
    /// Identifier within the department.
    pub id: String,
    /// Display name.
    pub name: Text,
    /// People who hold it.
    pub contacts: Vec<Contact>,
}

/// A person or mailbox that is told.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Contact {
    /// Display name.
    pub name: String,
    /// Mail address.
    pub email: String,
    /// Language of its mails.
    pub language: Language,
}

/// Language of a mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// Chinese, with English labels.
    Zh,
    /// English.
    En,
}
