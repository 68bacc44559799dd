//! Down from a KQI to what its windows are made of: which windows are told, all of one time, and then their parts.

use std::cmp::Reverse;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::api::current::{GroupNow, WindowNow, firing, groups_of, newest_end};
use crate::dataflow::{Group, Parts, Queries, Span, Spans};
use crate::engine::Snapshot;
use crate::rules::{Aggregate, Kqi, Verdict};
use crate::scores::stands;

/// What a KQI's trouble is read from.
#[derive(Debug, Default)]
pub(super) struct Drilled {
    /// Objects that are told.
    pub(super) groups: Vec<GroupNow>,
    /// What their windows are made of.
    pub(super) parts: Parts,
    /// Start and end of the window that all of them are told of, ms; none where there is none.
    pub(super) span_ms: Option<(i64, i64)>,
    /// Objects that have no such window, by their last one: what is abnormal first, of that the newest.
    pub(super) left_out: Vec<GroupNow>,
}

/// Which windows are wanted.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Wanted<'a> {
    /// Of this service only.
    pub(super) service: Option<&'a str>,
    /// The newest that had ended by then, ms; else the newest that hold something.
    pub(super) at_ms: Option<i64>,
}

/// Asks the workers; none where one does not answer in time. Blocks.
pub(super) fn drill(
    queries: &Queries,
    snapshot: &Arc<Snapshot>,
    index: usize,
    wanted: Wanted<'_>,
) -> Option<Drilled> {
    let Some(kqi) = snapshot.plan.book.kqis.get(index) else {
        return Some(Drilled::default());
    };
    let is_wanted = |of: &GroupNow| {
        let mut service = wanted.service.into_iter();
        service.all(|service| of.measured(kqi).service == service)
    };
    let known = groups_of(queries, snapshot, index, kqi, &firing(snapshot))?;
    let (mut own, others): (Vec<GroupNow>, Vec<GroupNow>) = known.into_iter().partition(is_wanted);
    let (end_ms, told) = match wanted.at_ms {
        None => newest(kqi, &own),
        Some(at_ms) => {
            let sealed_ms = snapshot.watermarks.of(kqi.stream);
            let end_ms = newest_end(kqi, at_ms.min(sealed_ms));
            let then = end_ms.map(|end_ms| groups_then(queries, snapshot, index, end_ms));
            let mut then = then.unwrap_or_else(|| Some(Vec::new()))?;
            then.retain(is_wanted);
            (end_ms, then)
        }
    };
    let span_ms = end_ms.filter(|_| !told.is_empty());
    let span_ms = span_ms.map(|end_ms| (end_ms - kqi.window.size_ms, end_ms));
    let mut spans: Spans = own.iter().chain(&others).map(nothing).collect();
    for of in &told {
        let verdict = of.sealed.as_ref().map(|sealed| sealed.verdict);
        let span = span_ms.map(|(start_ms, end_ms)| Span {
            start_ms,
            end_ms,
            is_outside: matches!(verdict, Some(Verdict::Abnormal(_))),
        });
        spans.insert(Arc::clone(&of.group), span);
    }
    own.retain(|of| of.sealed.is_some() && !matches!(spans.get(&of.group), Some(Some(_))));
    let (version, parts) = queries.parts(index, spans)?;
    if version != snapshot.plan.version {
        // Between two rule books the index would name another KQI.
        return Some(Drilled::default());
    }
    own.sort_by_key(|of| {
        let is_abnormal = |sealed: &WindowNow| matches!(sealed.verdict, Verdict::Abnormal(_));
        let last = of.sealed.as_ref();
        Reverse(last.map(|sealed| (is_abnormal(sealed), sealed.end_ms)))
    });
    Some(Drilled {
        groups: told,
        parts,
        span_ms,
        left_out: own,
    })
}

/// An object none of whose facts are asked for.
fn nothing(of: &GroupNow) -> (Arc<Group>, Option<Span>) {
    (Arc::clone(&of.group), None)
}

/// The end of the newest window that stands, and whose is of that time: windows of different times would add up to
/// nothing that ever was. Where none stands, that of the newest window when the last fact came: what an edition came to is
/// worth knowing when nothing is sent any more.
fn newest(kqi: &Kqi, groups: &[GroupNow]) -> (Option<i64>, Vec<GroupNow>) {
    let end_of = |of: &GroupNow| Some(of.sealed.as_ref()?.end_ms);
    let standing = || groups.iter().filter(|of| stands(of.verdict));
    if let Some(end_ms) = standing().filter_map(end_of).max() {
        let told = standing().filter(|of| end_of(of) == Some(end_ms));
        return (Some(end_ms), told.cloned().collect());
    }
    let last_ms = groups.iter().filter_map(end_of).max();
    let last_ms = last_ms.map(|end_ms| end_ms - since_last_fact(kqi));
    let Some(start_ms) = last_ms.map(|end_ms| end_ms - kqi.window.size_ms) else {
        return (None, Vec::new());
    };
    // Whose last window ended before has nothing in it.
    let told = groups
        .iter()
        .filter(|of| end_of(of).is_none_or(|end_ms| end_ms > start_ms));
    (last_ms, told.cloned().collect())
}

/// Every object that has something in the window that ends then, with that window; none as in [`drill`].
fn groups_then(
    queries: &Queries,
    snapshot: &Snapshot,
    index: usize,
    end_ms: i64,
) -> Option<Vec<GroupNow>> {
    let size_ms = snapshot.plan.book.kqis.get(index)?.window.size_ms;
    // Overlaps both its last instant and its first: there is one such window of an object.
    let (version, windows) = queries.between(index, end_ms - 1, end_ms - size_ms + 1, None)?;
    if version != snapshot.plan.version {
        return Some(Vec::new());
    }
    let groups: FxHashMap<Arc<Group>, GroupNow> = windows
        .into_iter()
        .filter_map(|window| {
            let cell = window.cells.iter().find(|cell| cell.kqi == index)?;
            let of = GroupNow {
                group: Arc::clone(&window.group),
                sealed: Some(WindowNow::of(&window, cell)),
                filling: None,
                verdict: cell.verdict,
            };
            Some((Arc::clone(&window.group), of))
        })
        .collect();
    let mut groups: Vec<GroupNow> = groups.into_values().collect();
    groups.sort_by(|a, b| a.group.label.cmp(&b.group.label));
    Some(groups)
}

/// How long before the end of the last window that holds a fact the first one ended: a window that slides holds hardly
/// anything when it is about to leave the last fact behind. An empty window that is compared with an earlier one is not late.
fn since_last_fact(kqi: &Kqi) -> i64 {
    let spec = kqi.window;
    match kqi.aggregate {
        Aggregate::Change { .. } => 0,
        _ => (spec.size_ms / spec.hop_ms - 1).max(0) * spec.hop_ms,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::Severity;
    use crate::rules::testing::book;

    const BOOK: &str = "
book: {name: t, version: '1', time_zone: Asia/Shanghai}
kqis:
  - {id: k, name: n, layer: network, stream: dial_test, aggregate: count, group_by: [city], window: {size: 10m, hop: 5m}}
";

    const MINUTE_MS: i64 = 60_000;

    fn object(city: &str, end: Option<i64>, now: Verdict) -> GroupNow {
        let values = vec![("city".to_owned(), city.to_owned())];
        let sealed = end.map(|end| WindowNow {
            start_ms: (end - 10) * MINUTE_MS,
            end_ms: end * MINUTE_MS,
            samples: 1,
            good: 0,
            value: Some(1.0),
            score: None,
            verdict: Verdict::Normal,
        });
        GroupNow {
            group: Arc::new(Group::new(values)),
            sealed,
            filling: None,
            verdict: now,
        }
    }

    fn told(groups: &[GroupNow]) -> (Option<i64>, Vec<&str>) {
        let book = book(BOOK);
        let (end_ms, told) = newest(&book.kqis[0], groups);
        let cities = groups.iter().filter(|of| told.contains(of));
        let cities = cities.map(|of| of.group.get("city").unwrap());
        (end_ms.map(|ms| ms / MINUTE_MS), cities.collect())
    }

    #[test]
    fn windows_of_one_time_are_told_and_the_newest_that_stand() {
        let red = Verdict::Abnormal(Severity::Critical);
        let groups = [
            object("a", Some(480), red),
            object("b", Some(720), Verdict::Normal),
            object("c", Some(720), Verdict::Insufficient),
            object("d", Some(725), Verdict::NoTraffic),
            object("e", None, Verdict::NoTraffic),
        ];
        assert_eq!(told(&groups), (Some(720), vec!["b", "c"]));
        // Alone it is of now: its alert fires.
        assert_eq!(told(&groups[..1]), (Some(480), vec!["a"]));
    }

    #[test]
    fn where_none_stands_it_is_the_window_of_the_last_fact() {
        let gone = Verdict::NoTraffic;
        let groups = [
            object("a", Some(700), gone),
            object("b", Some(705), gone),
            object("c", Some(710), gone),
            object("d", Some(720), gone),
            object("e", None, gone),
        ];
        // The last fact is in the ten minutes to 715; b's last window has ended when they begin.
        assert_eq!(told(&groups), (Some(715), vec!["c", "d", "e"]));
        assert_eq!(told(&[]), (None, vec![]));
    }
}
