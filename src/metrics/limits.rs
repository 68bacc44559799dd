//! Every limit that an operator can set: how much there is, how much there may be, what went over.
//!
//! The label is the limit's name in the configuration.

use prometheus::proto::MetricFamily;

use crate::metrics::family::Family;
use crate::metrics::{NotifyCounts, Scrape};

/// What there may be of each, by configuration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LimitSizes {
    /// `limits.entities_max`, of all workers.
    pub entities: u64,
    /// `limits.tuples_max`, of all workers.
    pub tuples: u64,
    /// `limits.groups_max`, of each KQI.
    pub groups: u64,
    /// `journal.queue_requests_max`.
    pub queue_requests: u64,
    /// `journal.queue_bytes_max`.
    pub queue_bytes: u64,
    /// `http.connections_max`.
    pub connections: u64,
    /// `http.in_flight_bytes_max`.
    pub in_flight_bytes: u64,
    /// `mail.queued_max`.
    pub mails: u64,
}

/// One row for each limit.
pub(super) fn limits(
    scrape: &Scrape<'_>,
    sizes: &LimitSizes,
    mails: Option<&NotifyCounts>,
    page: &mut Vec<MetricFamily>,
) {
    let mut held = Family::gauge(
        "limit_held",
        "How much there is of what the limit bounds.",
        &["limit"],
    );
    let mut max = Family::gauge("limit_max", "How much there may be.", &["limit"]);
    let mut over = Family::counter(
        "limit_over_total",
        "How often something was refused, folded or had to go because of the limit.",
        &["limit"],
    );
    let (counts, journal) = (&scrape.health.counts, scrape.journal);
    let refused = journal.refused_busy_total + journal.refused_share_total;
    let rows = [
        (
            "limits.entities_max",
            counts.entities,
            sizes.entities,
            counts.entities_refused,
        ),
        (
            "limits.tuples_max",
            counts.tuples,
            sizes.tuples,
            counts.facts_over_limit,
        ),
        (
            "limits.groups_max",
            counts.groups,
            sizes.groups,
            counts.facts_folded,
        ),
        (
            "journal.queue_requests_max",
            journal.queue_requests as u64,
            sizes.queue_requests,
            refused,
        ),
        (
            "journal.queue_bytes_max",
            journal.queue_bytes as u64,
            sizes.queue_bytes,
            refused,
        ),
        (
            "http.connections_max",
            scrape.connections,
            sizes.connections,
            0,
        ),
        (
            "http.in_flight_bytes_max",
            scrape.in_flight_bytes as u64,
            sizes.in_flight_bytes,
            0,
        ),
        (
            "mail.queued_max",
            mails.map_or(0, |mails| mails.queued),
            sizes.mails,
            mails.map_or(0, |mails| mails.shed),
        ),
    ];
    for (name, is, may_be, gone) in rows {
        held.add([name], is as f64);
        max.add([name], may_be as f64);
        over.add([name], gone as f64);
    }
    for bound in scrape.snapshot.bounds {
        let name = format!("limits.{}", bound.name);
        held.add([name.as_str()], bound.held as f64);
        max.add([name.as_str()], bound.max as f64);
        over.add([name.as_str()], bound.over_total as f64);
    }
    [held, max, over]
        .into_iter()
        .for_each(|family| family.finish(page));
}
