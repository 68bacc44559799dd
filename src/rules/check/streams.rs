//! Event-time settings of streams: defaults, known dimensions, and whether retention suffices.

use std::collections::BTreeMap;

use super::{Ids, duration_of, texts_of};
use crate::event::Stream;
use crate::rules::book::{Aggregate, Kqi, StreamRule};
use crate::rules::duration::{DAY_MS, MINUTE_MS, show_duration};
use crate::rules::problem::{Kind, Position, Problems, did_you_mean};
use crate::rules::syntax::{Entry, Node};

/// Judgement: what is missing of an earlier window reads as growth, a twentieth of it as 5.3 %; the strictest scale of
/// changes (set CC) calls 10 % usual. A tenth would read as 11.1 %.
const UNHEARD_PERCENT_MAX: u32 = 5;

/// What a stream has that the book does not mention. A day of panes and two hours for the day's end
/// is what day windows need; receipts come up to 72 h after their message.
fn default_rule(stream: Stream) -> StreamRule {
    let hour_ms = 60 * MINUTE_MS;
    StreamRule {
        allowed_lateness_ms: MINUTE_MS,
        idle_timeout_ms: 5 * MINUTE_MS,
        retention_ms: match stream {
            Stream::MmsSubmit | Stream::MmsReceipt => 74 * hour_ms,
            _ => 26 * hour_ms,
        },
        quiet_max_ms: DAY_MS,
        unheard_percent_max: UNHEARD_PERCENT_MAX,
        dimensions: Vec::new(),
        internal: stream != Stream::Complaint,
    }
}

pub(super) fn read(entries: &[&Entry], problems: &mut Problems) -> BTreeMap<Stream, StreamRule> {
    let mut rules: BTreeMap<Stream, StreamRule> = Stream::ALL
        .into_iter()
        .map(|stream| (stream, default_rule(stream)))
        .collect();
    let mut ids = Ids::new("stream");
    for entry in entries {
        let Some(stream) = Stream::from_name(&entry.key) else {
            continue;
        };
        let is_new = ids.claim_across_files(entry, problems);
        let mut rule = default_rule(stream);
        read_rule(stream, &mut rule, &entry.node, problems);
        if is_new {
            rules.insert(stream, rule);
        }
    }
    // Two views of the same events: what one keeps the other keeps, and neither seals before the other.
    if !ids.seen.contains_key(Stream::BossOccupancy.name())
        && let Some(rule) = rules.get(&Stream::BossConnection)
    {
        let rule = StreamRule {
            dimensions: Vec::new(),
            ..rule.clone()
        };
        rules.insert(Stream::BossOccupancy, rule);
    }
    rules
}

fn read_rule(stream: Stream, rule: &mut StreamRule, node: &Node, problems: &mut Problems) {
    let set = |field: &str, slot: &mut i64| {
        if let Some(ms) = duration_of(node, field) {
            *slot = ms;
        }
    };
    set("allowed_lateness", &mut rule.allowed_lateness_ms);
    set("idle_timeout", &mut rule.idle_timeout_ms);
    set("retention", &mut rule.retention_ms);
    set("quiet_max", &mut rule.quiet_max_ms);
    if node.get("retention").is_some() && duration_of(node, "retention").is_none() {
        problems.doubt(Kind::Stream);
    }
    if rule.idle_timeout_ms == 0
        && let Some(idle) = node.get("idle_timeout")
    {
        problems.error(
            idle.at,
            "an idle timeout of no length would call every source silent",
        );
    }
    if rule.retention_ms < rule.allowed_lateness_ms {
        let (kept, late) = (
            show_duration(rule.retention_ms),
            show_duration(rule.allowed_lateness_ms),
        );
        problems.error(
            node.get("retention").unwrap_or(node).at,
            format!("a retention of {kept} is shorter than the allowed lateness of {late}"),
        );
    }
    read_unheard(rule, node, problems);
    if let Some(internal) = node.get("internal").and_then(Node::flag) {
        rule.internal = internal;
    }
    for item in node.get("dimensions").map(Node::items).unwrap_or_default() {
        check_dimension(stream, item, problems);
    }
    rule.dimensions = texts_of(node, "dimensions");
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "`shape` has reported what is not a natural number, and a cast saturates"
)]
fn read_unheard(rule: &mut StreamRule, node: &Node, problems: &mut Problems) {
    let Some(field) = node.get("unheard_percent_max") else {
        return;
    };
    let Some(percent) = field.number() else {
        return;
    };
    if percent > 100.0 {
        problems.error(
            field.at,
            format!("of a window no more than 100 percent can go unheard, not {percent}"),
        );
    }
    rule.unheard_percent_max = percent as u32;
}

/// Reports a name that is not a dimension of the stream.
pub(super) fn check_dimension(stream: Stream, node: &Node, problems: &mut Problems) {
    let Some(name) = node.text() else {
        return;
    };
    if !has_dimension(stream, name) {
        let hint = did_you_mean(name, dimension_names(stream));
        let message = format!("unknown dimension of {} {name:?}", stream.name());
        problems.error_with(node.at, message, hint);
    }
}

pub(super) fn has_dimension(stream: Stream, name: &str) -> bool {
    stream.has_open_dimensions() || dimension_names(stream).any(|known| known == name)
}

pub(super) fn dimension_names(stream: Stream) -> impl Iterator<Item = &'static str> {
    let own = stream.dimensions().iter().map(|dimension| dimension.name);
    own.chain(stream.derived_dimensions().iter().copied())
}

/// Reports a KQI whose windows reach further back than its stream is kept.
pub(super) fn check_retention(
    kqi: &Kqi,
    rules: &BTreeMap<Stream, StreamRule>,
    at: Position,
    problems: &mut Problems,
) {
    let against_ms = match kqi.aggregate {
        Aggregate::Change { against_ms } => against_ms,
        _ => 0,
    };
    let needed_ms = kqi.window.size_ms.saturating_add(against_ms);
    let Some(rule) = rules
        .get(&kqi.stream)
        .filter(|rule| rule.retention_ms < needed_ms && !problems.doubts(Kind::Stream))
    else {
        return;
    };
    let (needed, kept) = (show_duration(needed_ms), show_duration(rule.retention_ms));
    let stream = kqi.stream.name();
    problems.error_with(
        at,
        format!(
            "kqi {:?} looks back {needed}, but stream {stream} is kept for {kept}",
            kqi.id
        ),
        // A little more than needed, so that the oldest window can still be corrected.
        Some(format!(
            "give streams.{stream}.retention at least {}",
            show_duration((needed_ms / DAY_MS + 1) * DAY_MS)
        )),
    );
}
