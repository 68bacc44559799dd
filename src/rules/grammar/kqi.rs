//! The syntax of services and their KQIs.

use super::{LAYERS, NAME, PROVENANCE_LIST, SCALES, STREAMS, may, must};
use crate::rules::shape::{Record, Shape};

pub(super) static SERVICE: Record = Record {
    name: "service",
    doc: "One of the operator's services.",
    fields: &[
        must("id", Shape::Id, "Identifier on the wire."),
        must("name", NAME, "Display name."),
        may(
            "aliases",
            Shape::List(&Shape::Text),
            "Other names and codes that channels and platforms have for it on the wire: their events are its own.",
        ),
        may(
            "channel",
            Shape::Flag,
            "Customers are served by it: a hall, a hotline. It stands on the board of channels.",
        ),
        may(
            "kqis",
            Shape::List(&Shape::Record(&KQI)),
            "Its KQIs; each reads this service's facts only.",
        ),
    ],
};

static WINDOW: Record = Record {
    name: "window",
    doc: "A sliding window.",
    fields: &[
        must("size", Shape::Duration, "Length; a multiple of the hop."),
        must(
            "hop",
            Shape::Duration,
            "Distance between starts; a multiple of the pane.",
        ),
    ],
};

static INTERVAL: Record = Record {
    name: "interval",
    doc: "The reasonable interval in the KQI's unit; values outside it are abnormal.",
    fields: &[
        may("min", Shape::Number, "Smallest reasonable value."),
        may("max", Shape::Number, "Largest reasonable value."),
    ],
};

const SCOPES: &[&str] = &["in_platform", "inter_platform"];

pub(super) static KQI: Record = Record {
    name: "kqi",
    doc: "A key quality indicator: what is measured, how it is judged, who answers for it.",
    fields: &[
        must("id", Shape::Id, "Unique identifier."),
        must("name", NAME, "Display name."),
        may(
            "service",
            Shape::Id,
            "Service it belongs to, for KQIs that stand outside one.",
        ),
        must("layer", Shape::Word(LAYERS), "Layer of the method."),
        may(
            "scope",
            Shape::Word(SCOPES),
            "Layer platform: the platform itself, or what passes between platforms; the latter for streams of the BOSS unless given.",
        ),
        must("stream", Shape::Word(STREAMS), "Stream it reads."),
        may(
            "filter",
            Shape::Text,
            "CEL condition over dimensions: which facts take part. The service condition is added.",
        ),
        may(
            "good",
            Shape::Text,
            "CEL condition: which of them are good; the numerator of a ratio.",
        ),
        may(
            "counted",
            Shape::Text,
            "The same as `good`, for ratios of what is not good: which facts are in the numerator.",
        ),
        may(
            "good_within",
            Shape::Either(&[Shape::Duration, Shape::Number]),
            "A good fact's measured value is at most this.",
        ),
        may(
            "timeout",
            Shape::Duration,
            "Time-out of a p.., mean or max of dial tests or BOSS calls: a fact that is no success (`ok`, no tperrno, or what `good` says), or has no time, counts with this time. Of a ratio of what is `counted`: what took longer, or has no time, is counted too. Part of the KQI's definition.",
        ),
        must(
            "aggregate",
            Shape::Text,
            "count, ratio, sum, mean, min, max, latest, p50 … p99.9, dispersion, rate_per_10k, change or surge.",
        ),
        may(
            "base",
            Shape::Id,
            "rate_per_10k: gauge that holds the base.",
        ),
        may(
            "per",
            Shape::Duration,
            "rate_per_10k: time the rate is stated for; 1d unless given.",
        ),
        may(
            "against",
            Shape::Duration,
            "change: distance to the window compared with. Of a gauge the means are compared, of all else the counts.",
        ),
        may(
            "weeks",
            Shape::Natural,
            "surge: earlier weeks whose same hours make the baseline.",
        ),
        may(
            "min_weeks",
            Shape::Natural,
            "surge: weeks that must be known before anything is judged; half of them unless given.",
        ),
        may(
            "group_by",
            Shape::List(&Shape::Id),
            "Dimensions that tell its objects apart, in output order.",
        ),
        must(
            "window",
            Shape::Either(&[Shape::Duration, Shape::Record(&WINDOW)]),
            "A tumbling window's size, or size and hop.",
        ),
        may(
            "unit",
            Shape::Text,
            "ratio, percent, ms, s, count, per_10k, or a gauge's own; the anchor set's unless given.",
        ),
        may(
            "anchors",
            Shape::Either(&[Shape::Id, Shape::Numbers(5)]),
            "Name of an anchor set, or b5, b4, b3, b2, b1.",
        ),
        may(
            "scale",
            Shape::Word(SCALES),
            "Interpolation between anchors given here.",
        ),
        may(
            "interval",
            Shape::Record(&INTERVAL),
            "Reasonable interval; score 3 and better unless given.",
        ),
        may(
            "min_samples",
            Shape::Natural,
            "Fewer facts than this in a window give `insufficient`; 1 unless given.",
        ),
        may(
            "suppressible",
            Shape::Flag,
            "Planned work that touches a window suppresses its breach (default). False for windows so long that planned work explains, but does not excuse them.",
        ),
        may("department", Shape::Id, "Department that answers for it."),
        may(
            "alert",
            Shape::Id,
            "Alert policy, or `none`; `default` unless given.",
        ),
        may(
            "provenance",
            PROVENANCE_LIST,
            "Where its numbers come from.",
        ),
    ],
};
