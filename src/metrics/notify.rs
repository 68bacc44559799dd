//! The mail room as series.

use prometheus::proto::MetricFamily;

use crate::metrics::NotifyCounts;
use crate::metrics::family::Family;

/// What the mail room has done, what waits, and what is dead.
pub(super) fn notify(counts: &NotifyCounts, page: &mut Vec<MetricFamily>) {
    let gauges = [
        (
            "notices_queued",
            "Notices that wait to be sent.",
            counts.queued,
        ),
        (
            "notices_dead_letters",
            "Notices given up: GET /v1/notices?state=dead lists them, an operator can send them again.",
            counts.dead_letters,
        ),
        (
            "notices_ledger_bytes",
            "Size of the ledger of notices.",
            counts.ledger_bytes,
        ),
    ];
    for (name, help, value) in gauges {
        Family::gauge(name, help, &[])
            .with(value as f64)
            .finish(page);
    }
    let failed = counts.failed.iter().map(|(_, count)| count).sum();
    let mut family = Family::counter(
        "notices_total",
        "Mails by what became of them: sent, failed (an attempt), dead (given up), shed (given up because \
         too many waited).",
        &["outcome"],
    );
    for (outcome, value) in [
        ("sent", counts.sent),
        ("failed", failed),
        ("dead", counts.dead),
        ("shed", counts.shed),
    ] {
        family.add([outcome], value as f64);
    }
    family.finish(page);
    let mut family = Family::counter(
        "notices_failed_attempts_total",
        "Attempts that failed, by what that means: transient (passes by itself), setup (every mail fails, \
         somebody must look), permanent (refused for good).",
        &["failure"],
    );
    for (failure, value) in &counts.failed {
        family.add([*failure], *value as f64);
    }
    family.finish(page);
    let counters = [
        (
            "notices_digests_total",
            "Digests among the mails sent.",
            counts.digests,
        ),
        (
            "notices_groups_total",
            "Mails among those sent that tell several triggers of one decision.",
            counts.groups,
        ),
        (
            "notices_folded_total",
            "Notices beyond a recipient's cap a minute: told by a digest and not by a mail of their own.",
            counts.folded,
        ),
        (
            "notices_webhooks_total",
            "Deliveries to webhooks.",
            counts.webhooks,
        ),
        (
            "ledger_failures_total",
            "Times that the ledger failed the delivery of mails, which is tried again each second: the log says why.",
            counts.ledger_failures,
        ),
    ];
    for (name, help, value) in counters {
        Family::counter(name, help, &[])
            .with(value as f64)
            .finish(page);
    }
}
