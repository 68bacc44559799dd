//! The closed list of streams that rules can read, with the dimensions each one offers.
//!
//! A *dimension* is a field of low cardinality that filters and groupings may name. Numbers that
//! are measured (latency, hold time) are not dimensions: a rule reads them through its aggregate.

use serde::{Deserialize, Serialize};

/// The dimension that places follow from.
pub const CITY: &str = "city";
/// The province that a city is in.
pub const PROVINCE: &str = "province";
/// The operator's group that a province's branch is of.
pub const GROUP: &str = "group";
/// Dimensions that no event has to say: they follow from its city by the rule book's places.
pub const DERIVED: [&str; 2] = [PROVINCE, GROUP];

/// What an event says of where it comes from.
pub const SOURCE: &str = "source";
/// Whether that is the operator's own (`true`), or an outsider; follows from the source by the rule book.
pub const INTERNAL: &str = "internal";

/// A complaint's node as it is coded now; follows from the node that was filed.
pub const CODE: &str = "code";
/// The node code that a complaint was filed under.
pub const NODE: &str = "node";

/// The levels of a complaint's path, the root first: the tree has seven (domain fact H9). Names repeat
/// under different parents, so a rule groups by a level together with those above it.
pub const LEVELS: [&str; 7] = [
    "level_1", "level_2", "level_3", "level_4", "level_5", "level_6", "level_7",
];

/// A stream of facts that a KQI can be computed from.
///
/// These are the wire types of `POST /v1/events` seen from the rules: `mms_submit` and
/// `mms_receipt` lines are joined by message, complaint lines are folded into tickets, and
/// `boss_connection` lines into holds, before rules see them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stream {
    /// One dial-test probe result; measured value: latency in milliseconds.
    DialTest,
    /// One MMS message seen at its submission; measured value: delay to the final receipt, ms.
    MmsSubmit,
    /// One MMS message seen at its deciding final receipt; measured value: delay since submission, ms.
    MmsReceipt,
    /// One BOSS interface call; measured value: latency in milliseconds.
    BossCall,
    /// One hold of a connection, at the end of each pane in which it runs and where it ends, `state` being `held`,
    /// `released` or `active` (it went on by another activity); measured value: how long it is held, ms.
    BossConnection,
    /// One complaint ticket at its filing, unless excluded or withdrawn; nothing measured.
    Complaint,
    /// One reading of a gauge; measured value: the reading, in the gauge's own unit.
    Gauge,
    /// One BOSS interface call whose source tells how long it waited in the queue; measured value: that, ms.
    BossWait,
    /// One millisecond in which a connection is held; measured value: the share of its pane, of one, in which that
    /// connection is. A mean weighs each connection by the time that it is held.
    BossOccupancy,
}

/// The type of a dimension as a filter expression sees it; an absent one is `null`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DimensionKind {
    /// A string, compared byte for byte.
    Text,
    /// `true` or `false`.
    Flag,
    /// A whole number.
    Integer,
}

/// One dimension of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DimensionSpec {
    /// Name in filters, groupings and output, the same as on the wire.
    pub name: &'static str,
    /// Its type.
    pub kind: DimensionKind,
}

const fn text(name: &'static str) -> DimensionSpec {
    DimensionSpec {
        name,
        kind: DimensionKind::Text,
    }
}

const fn flag(name: &'static str) -> DimensionSpec {
    DimensionSpec {
        name,
        kind: DimensionKind::Flag,
    }
}

const fn integer(name: &'static str) -> DimensionSpec {
    DimensionSpec {
        name,
        kind: DimensionKind::Integer,
    }
}

impl Stream {
    /// Every stream, in the order of the wire table.
    pub const ALL: [Stream; 9] = [
        Stream::DialTest,
        Stream::MmsSubmit,
        Stream::MmsReceipt,
        Stream::BossCall,
        Stream::BossConnection,
        Stream::Complaint,
        Stream::Gauge,
        Stream::BossWait,
        Stream::BossOccupancy,
    ];

    /// Position in [`Stream::ALL`], for tables indexed by stream.
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The name used in rules, output and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Stream::DialTest => "dial_test",
            Stream::MmsSubmit => "mms_submit",
            Stream::MmsReceipt => "mms_receipt",
            Stream::BossCall => "boss_call",
            Stream::BossConnection => "boss_connection",
            Stream::Complaint => "complaint",
            Stream::Gauge => "gauge",
            Stream::BossWait => "boss_wait",
            Stream::BossOccupancy => "boss_occupancy",
        }
    }

    /// Finds a stream by its name.
    pub fn from_name(name: &str) -> Option<Stream> {
        Stream::ALL.into_iter().find(|stream| stream.name() == name)
    }

    /// The dimensions a rule may name on this stream.
    ///
    /// A gauge also offers whatever keys its `dims` object has; those are text.
    pub const fn dimensions(self) -> &'static [DimensionSpec] {
        match self {
            Stream::DialTest => {
                const {
                    &[
                        text("service"),
                        text("channel"),
                        text("city"),
                        text("network"),
                        text("speed"),
                        text("method"),
                        text("probe"),
                        text("target"),
                        flag("ok"),
                        text("step"),
                        text("code"),
                        flag("content_ok"),
                        integer("part"),
                        integer("parts"),
                        text("source"),
                    ]
                }
            }
            // Both views of a message carry the same dimensions. `status` is the canonical final word,
            // or `pending`; `on_time` is null for messages without an edition; `early` says that the deciding
            // report is earlier than the submission.
            Stream::MmsSubmit | Stream::MmsReceipt => {
                const {
                    &[
                        text("service"),
                        text("city"),
                        text("edition"),
                        text("campaign"),
                        text("status"),
                        text("cause"),
                        flag("on_time"),
                        flag("early"),
                        text("source"),
                    ]
                }
            }
            Stream::BossCall | Stream::BossWait => {
                const {
                    &[
                        text("host"),
                        text("interface"),
                        text("client"),
                        integer("tperrno"),
                        integer("urcode"),
                        text("city"),
                        text("source"),
                    ]
                }
            }
            Stream::BossConnection => {
                const {
                    &[
                        text("host"),
                        text("interface"),
                        text("connection"),
                        text("client"),
                        text("state"),
                        text("source"),
                    ]
                }
            }
            Stream::Complaint => {
                const {
                    &[
                        text("service"),
                        text("city"),
                        text("channel"),
                        text("path"),
                        text("leaf"),
                        text(LEVELS[0]),
                        text(LEVELS[1]),
                        text(LEVELS[2]),
                        text(LEVELS[3]),
                        text(LEVELS[4]),
                        text(LEVELS[5]),
                        text(LEVELS[6]),
                        text("node"),
                        text("cause"),
                        flag("escalated"),
                        text("state"),
                        text("class"),
                        text("tree"),
                        text("source"),
                    ]
                }
            }
            Stream::BossOccupancy => {
                const {
                    &[
                        text("host"),
                        text("interface"),
                        text("connection"),
                        text("client"),
                        text("source"),
                    ]
                }
            }
            Stream::Gauge => const { &[text("name")] },
        }
    }

    /// The dimensions that follow from others: all of [`DERIVED`] where there is a city, [`INTERNAL`] from the source,
    /// which every stream has, and [`CODE`].
    pub fn derived_dimensions(self) -> &'static [&'static str] {
        let has_city =
            self.has_open_dimensions() || self.dimensions().iter().any(|known| known.name == CITY);
        match has_city {
            _ if self == Stream::Complaint => &[PROVINCE, GROUP, INTERNAL, CODE],
            true => &[PROVINCE, GROUP, INTERNAL],
            false => &[INTERNAL],
        }
    }

    /// Whether the stream accepts dimensions that are not listed in [`Stream::dimensions`].
    pub const fn has_open_dimensions(self) -> bool {
        matches!(self, Stream::Gauge)
    }

    /// What one measured value is, with its unit; `None` where only counting makes sense.
    pub const fn measured(self) -> Option<&'static str> {
        match self {
            Stream::DialTest | Stream::BossCall => Some("latency_ms"),
            Stream::MmsSubmit | Stream::MmsReceipt => Some("delay_ms"),
            Stream::BossConnection => Some("hold_ms"),
            Stream::Complaint => None,
            Stream::Gauge => Some("value"),
            Stream::BossWait => Some("wait_ms"),
            Stream::BossOccupancy => Some("held_share"),
        }
    }
}
