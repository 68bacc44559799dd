//! Down from a KQI to what its windows are made of: which windows stand now, and then their parts.

use std::sync::Arc;

use crate::api::current::{GroupNow, firing, groups_of};
use crate::dataflow::{Parts, Queries, Span, Spans};
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
    /// From the start of the first window to the end of the last one, ms; none where there is no window.
    pub(super) span_ms: Option<(i64, i64)>,
}

/// Asks the workers; none where one does not answer in time. Blocks.
pub(super) fn drill(
    queries: &Queries,
    snapshot: &Arc<Snapshot>,
    index: usize,
    service: Option<&str>,
) -> Option<Drilled> {
    let Some(kqi) = snapshot.plan.book.kqis.get(index) else {
        return Some(Drilled::default());
    };
    let groups = groups_of(queries, snapshot, index, kqi, &firing(snapshot))?;
    let spans = spans(kqi, &groups, service);
    let windows = || spans.values().flatten();
    let span_ms = windows()
        .map(|span| span.start_ms)
        .min()
        .zip(windows().map(|span| span.end_ms).max());
    let told = groups
        .iter()
        .filter(|of| matches!(spans.get(&of.group), Some(Some(_))));
    let told = told.cloned().collect();
    let (version, parts) = queries.parts(index, spans)?;
    if version != snapshot.plan.version {
        // Between two rule books the index would name another KQI.
        return Some(Drilled::default());
    }
    Some(Drilled {
        groups: told,
        parts,
        span_ms,
    })
}

/// The window of each object: its newest, where that stands. Where none does, that of all which was the newest when the last
/// fact came: what an edition came to is worth knowing when nothing is sent any more.
fn spans(kqi: &Kqi, groups: &[GroupNow], service: Option<&str>) -> Spans {
    let is_wanted = |of: &GroupNow| service.is_none_or(|wanted| of.measured(kqi).service == wanted);
    let own = || groups.iter().filter(|of| is_wanted(of));
    let is_any = own().any(|of| stands(of.verdict));
    let last_ms = own()
        .filter_map(|of| Some(of.sealed.as_ref()?.end_ms))
        .max();
    let last_ms = last_ms.map(|end_ms| end_ms - since_last_fact(kqi));
    let span = |of: &GroupNow| {
        let sealed = of.sealed.as_ref().filter(|_| is_wanted(of))?;
        let is_outside = matches!(sealed.verdict, Verdict::Abnormal(_));
        let end_ms = match last_ms {
            _ if stands(of.verdict) => sealed.end_ms,
            Some(last_ms) if !is_any => last_ms,
            _ => return None,
        };
        Some(Span {
            start_ms: end_ms - kqi.window.size_ms,
            end_ms,
            is_outside,
        })
    };
    let spans = groups.iter().map(|of| (Arc::clone(&of.group), span(of)));
    spans.collect()
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
