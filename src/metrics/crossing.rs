//! Complaints set against KQIs, as series.

use prometheus::proto::MetricFamily;

use crate::engine::Snapshot;
use crate::metrics::family::Family;
use crate::triggers::Crossing;

/// What fires now by what the other side says, and how often that began.
pub(super) fn crossings(snapshot: &Snapshot, page: &mut Vec<MetricFamily>) {
    let mut now = Family::gauge(
        "crossings",
        "Objects whose alerts fire, by what complaints and KQIs of their service and place say of each other.",
        &["crossing"],
    );
    let mut began = Family::counter(
        "crossings_began_total",
        "Crossings that began.",
        &["crossing"],
    );
    for (crossing, total) in Crossing::ALL.iter().zip(snapshot.crossings_began_total) {
        let of = snapshot.crossed.iter();
        let of = of.filter(|crossed| crossed.crossing == *crossing);
        now.add([crossing.name()], of.count() as f64);
        began.add([crossing.name()], total as f64);
    }
    now.finish(page);
    began.finish(page);
}
