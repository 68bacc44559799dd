//! The rule books of the oracle: every stream, every aggregate, and edits of them.
//!
//! All editions keep the same dimensions, time limits and parts, so that history answers every one
//! of them; `boundary.rs` shows what happens otherwise.

use std::sync::Arc;

use chrysalis::rules::{RuleBook, parse};

/// Allowed lateness of every stream, ms.
pub(crate) const LATENESS_MS: i64 = 60_000;
/// Silence after which a source is idle, ms.
pub(crate) const IDLE_MS: i64 = 30_000;

/// What distinguishes an edition of the book from the first one; see [`EDITS`].
#[derive(Clone, Copy, Default)]
pub(crate) struct Edit {
    pub(crate) name: &'static str,
    replace: &'static [(&'static str, &'static str)],
    /// KQIs that are taken out, with their alerts.
    without: &'static [&'static str],
    extra: &'static str,
}

/// Edits that a random journal applies one after the other; each starts from the first book.
pub(crate) const EDITS: &[Edit] = &[
    Edit {
        name: "thresholds",
        replace: &[
            ("anchors: [99, 97, 95, 92, 88]", "anchors: [60, 50, 40, 30, 20]"),
            ("interval: {max: 4}", "interval: {max: 1}"),
        ],
        without: &[],
        extra: "",
    },
    Edit {
        name: "min_samples and for",
        replace: &[("min_samples: 2", "min_samples: 4"), ("for: 2m", "for: 0s")],
        without: &[],
        extra: "",
    },
    Edit {
        name: "good_within",
        replace: &[("good: ok, good_within: 2s", "good: ok, good_within: 5s")],
        without: &[],
        extra: "",
    },
    Edit {
        name: "filters, groups and windows of old KQIs",
        replace: &[
            ("filter: step == 'query'", "filter: step == 'submit' && city != null"),
            ("group_by: [host, interface], window: {size: 4m", "group_by: [interface], window: {size: 4m"),
            ("window: 3m}", "window: {size: 6m, hop: 2m}}"),
        ],
        without: &[],
        extra: "",
    },
    Edit {
        name: "removed",
        replace: &[],
        without: &["dial_success", "mms_success", "complaint_leaf", "dial_least", "dial_most", "dial_count"],
        extra: "",
    },
    Edit {
        name: "added over history",
        replace: &[],
        without: &[],
        extra: "
  - {id: new_p90, name: n, service: svc_a, layer: platform, stream: dial_test, aggregate: p90, group_by: [city, channel], window: {size: 5m, hop: 1m}, unit: ms}
  - {id: new_most, name: n, service: svc_a, layer: platform, stream: dial_test, aggregate: max, group_by: [city, channel], window: 2m, unit: ms}
  - {id: new_ratio, name: n, layer: platform, stream: dial_test, aggregate: ratio, good: 'ok && channel == \"sms\"', group_by: [city], window: {size: 4m, hop: 2m}, unit: ratio, interval: {min: 0.5}, alert: quick}
  - {id: new_p50, name: n, layer: platform, stream: boss_call, aggregate: p50, group_by: [], window: 10m, unit: ms}
  - {id: new_change, name: n, layer: platform, stream: mms_receipt, aggregate: change, against: 10m, good: \"status == 'Retrieved'\", group_by: [service], window: {size: 10m, hop: 5m}, unit: percent, interval: {max: 20}, alert: quick}
  - {id: new_held, name: n, layer: platform, stream: boss_connection, aggregate: count, filter: \"state == 'held'\", group_by: [host], window: 2m, unit: count, interval: {max: 3}, alert: quick}
",
    },
    Edit {
        name: "statuses, validity and editions",
        replace: &[
            ("validity: 10m", "validity: 4m"),
            ("Retrieved: [Delivered]", "Retrieved: [Delivered, Strange]"),
            ("deadline: \"00:05\"", "deadline: \"00:01\""),
        ],
        without: &[],
        extra: "",
    },
    Edit {
        name: "parts are waited for longer",
        replace: &[("parts_wait: 1m", "parts_wait: 2m")],
        without: &[],
        extra: "",
    },
    Edit {
        name: "a city moves to another province, and a source changes hands",
        replace: &[
            ("cities: [cs, zz]}", "cities: [cs]}\n  - {province: q, group: g, cities: [zz]}"),
            ("{id: p2, name: n, internal: false}", "{id: p1, name: n, internal: false}"),
        ],
        without: &[],
        extra: "",
    },
    Edit {
        name: "nothing",
        replace: &[],
        without: &[],
        extra: "",
    },
];

/// The first book.
pub(crate) fn first() -> Arc<RuleBook> {
    edited(&Edit::default())
}

/// The first book with an edit.
pub(crate) fn edited(edit: &Edit) -> Arc<RuleBook> {
    let mut text: String = BOOK
        .lines()
        .filter(|line| {
            let of = |id: &&str| line.contains(&format!("id: {id},"));
            !edit.without.iter().any(of)
        })
        .map(|line| format!("{line}\n"))
        .collect();
    for (old, new) in edit.replace {
        assert!(text.contains(old), "edit {:?}: no {old:?}", edit.name);
        text = text.replace(old, new);
    }
    text.push_str(edit.extra);
    checked(&text)
}

/// A book that must be without errors.
#[track_caller]
pub(crate) fn checked(text: &str) -> Arc<RuleBook> {
    let (book, problems) = parse(&[("oracle.yaml".to_owned(), text.to_owned())]);
    let words: Vec<String> = problems.iter().map(ToString::to_string).collect();
    Arc::new(book.unwrap_or_else(|| panic!("{}", words.join("\n"))))
}

/// One KQI a line, so that an edit can take it out.
const BOOK: &str = r#"
book: {name: oracle, version: "1", time_zone: Asia/Shanghai, suppressing_annotations: [planned_work]}
streams:
  dial_test: {allowed_lateness: 1m, idle_timeout: 30s, retention: 30d, unheard_percent_max: 100, dimensions: [service, channel, city, ok, step, source, content_ok, parts]}
  mms_submit: {allowed_lateness: 1m, idle_timeout: 30s, retention: 30d, dimensions: [service, city, edition, status, cause, on_time, source]}
  mms_receipt: {allowed_lateness: 1m, idle_timeout: 30s, retention: 30d, unheard_percent_max: 100, dimensions: [service, city, edition, status, cause, on_time]}
  boss_call: {allowed_lateness: 1m, idle_timeout: 30s, retention: 30d, dimensions: [host, interface, client, tperrno]}
  boss_wait: {allowed_lateness: 1m, idle_timeout: 30s, retention: 30d, dimensions: [host, interface]}
  boss_connection: {allowed_lateness: 1m, idle_timeout: 30s, retention: 30d, dimensions: [host, interface, state]}
  complaint: {allowed_lateness: 1m, idle_timeout: 30s, retention: 30d, dimensions: [service, city, leaf, escalated, state]}
  gauge: {allowed_lateness: 1m, idle_timeout: 30s, retention: 30d, dimensions: [name, city]}
departments:
  - {id: D, name: d, roles: [{id: r, name: r, contacts: [{name: a, email: a@example.com}, {name: b, email: b@example.com, language: en}]}]}
alert_policies:
  default: {for: 2m, keep_firing_for: 1m}
  quick: {missing: resolve}
  holding: {for: 1m, keep_firing_for: 3m, severity: minor}
triggers:
  crossing: {lead: 0s, lag: 1m}
places:
  - {province: p, group: g, cities: [cs, zz]}
sources:
  - {id: p2, name: n, internal: false}
trees:
  - {id: t, name: t, levels: [x, y, z], nodes: [{path: a/b/没有收到, code: O010101, service: svc_b}, {path: a/c, code: O010102, service: svc_a}]}
dial_tests:
  parts_wait: 1m
mms:
  validity: 10m
  statuses:
    Retrieved: [Delivered]
    Expired: [Unreachable]
    Rejected: [Refused]
  editions: [{id: morning, deadline: "00:05"}]
  causes: [{contains: 关机, cause: user}, {contains: timeout, cause: platform}]
services:
  - id: svc_a
    name: a
    kqis:
      - {id: dial_success, name: n, layer: experience, stream: dial_test, aggregate: ratio, good: ok, group_by: [city, channel], window: {size: 5m, hop: 1m}, unit: percent, anchors: [99, 97, 95, 92, 88], min_samples: 2, department: D}
      - {id: dial_mean, name: n, layer: experience, stream: dial_test, aggregate: mean, group_by: [city, channel], window: {size: 5m, hop: 1m}, unit: s, anchors: [1, 2, 3, 4.5, 6], scale: log, min_samples: 2, department: D, alert: holding}
      - {id: dial_fast, name: n, layer: experience, stream: dial_test, aggregate: ratio, good: ok, good_within: 2s, group_by: [city], window: 1m, unit: ratio, interval: {min: 0.4}, department: D, alert: quick}
      - {id: dial_p95, name: n, layer: experience, stream: dial_test, aggregate: p95, group_by: [channel], window: {size: 5m, hop: 1m}, unit: ms, anchors: [1000, 2000, 4000, 6000, 7500], department: D, alert: none}
      - {id: dial_day, name: n, layer: experience, stream: dial_test, aggregate: count, group_by: [service], window: 1d, unit: count, department: D}
      - {id: mms_success, name: n, layer: network, stream: mms_receipt, aggregate: ratio, filter: "status in ['Retrieved', 'Expired', 'Rejected'] && !(status != 'Retrieved' && cause == 'user')", good: "status == 'Retrieved'", group_by: [service, city], window: {size: 6m, hop: 2m}, unit: percent, anchors: [99, 95, 80, 60, 40], department: D}
      - {id: mms_ontime, name: n, layer: network, stream: mms_receipt, aggregate: ratio, filter: on_time != null, good: on_time == true, group_by: [service], window: 5m, unit: percent, interval: {min: 50}, department: D, alert: quick}
      - {id: mms_delay, name: n, layer: network, stream: mms_receipt, aggregate: mean, group_by: [city], window: {size: 10m, hop: 5m}, unit: s, interval: {max: 200}, department: D, alert: holding}
      - {id: complaint_rate, name: n, layer: experience, stream: complaint, aggregate: rate_per_10k, base: subscriber_base, per: 1h, group_by: [service, city], window: {size: 10m, hop: 5m}, unit: per_10k, interval: {max: 30}, department: D, alert: quick}
  - id: svc_b
    name: b
    kqis:
      - {id: dial_step, name: n, layer: experience, stream: dial_test, aggregate: count, filter: step == 'query', group_by: [city], window: 2m, unit: count, interval: {max: 1}, department: D, alert: quick}
      - {id: complaint_rate_b, name: n, layer: experience, stream: complaint, aggregate: rate_per_10k, base: subscriber_base, per: 1h, good: escalated == true, group_by: [city], window: 5m, unit: per_10k, department: D}
      - {id: complaint_count_b, name: n, layer: experience, stream: complaint, aggregate: count, group_by: [city], window: 5m, unit: count, interval: {max: 0}, department: D, alert: quick}
kqis:
  - {id: dial_count, name: n, layer: platform, stream: dial_test, aggregate: count, group_by: [city], window: 1m, unit: count, interval: {max: 4}, department: D, alert: quick}
  - {id: dial_province, name: n, layer: platform, stream: dial_test, aggregate: ratio, good: ok, group_by: [province, channel], window: {size: 5m, hop: 1m}, unit: percent, interval: {min: 60}, department: D, alert: quick}
  - {id: complaint_province, name: n, layer: platform, stream: complaint, aggregate: rate_per_10k, base: subscriber_base, per: 1h, group_by: [province], window: {size: 10m, hop: 5m}, unit: per_10k, interval: {max: 30}, department: D, alert: quick}
  - {id: dial_least, name: n, layer: platform, stream: dial_test, aggregate: min, group_by: [service], window: {size: 5m, hop: 1m}, unit: ms}
  - {id: dial_most, name: n, layer: platform, stream: dial_test, aggregate: max, group_by: [service], window: {size: 5m, hop: 1m}, unit: s}
  - {id: dial_floor, name: n, layer: platform, stream: dial_test, aggregate: min, group_by: [channel], window: 4m, unit: ms}
  - {id: dial_sum, name: n, layer: platform, stream: dial_test, aggregate: sum, group_by: [source], window: 1m, unit: ms}
  - {id: dial_within, name: n, layer: platform, stream: dial_test, aggregate: ratio, good_within: 5s, group_by: [service], window: {size: 15m, hop: 5m}, unit: percent}
  - {id: dial_failed, name: n, layer: platform, stream: dial_test, aggregate: ratio, counted: "!ok", timeout: 2s, group_by: [city], window: 4m, unit: percent, provenance: [{of: timeout, kind: judgement, reference: t}]}
  - {id: dial_within_2, name: n, layer: platform, stream: dial_test, aggregate: count, good_within: 2s, group_by: [service], window: 5m, unit: count}
  - {id: dial_change, name: n, layer: platform, stream: dial_test, aggregate: change, against: 5m, group_by: [service], window: {size: 5m, hop: 1m}, unit: percent, interval: {max: 60}, department: D}
  - {id: dial_change_far, name: n, layer: platform, stream: dial_test, aggregate: change, against: 7m, good: "!ok", group_by: [service], window: {size: 5m, hop: 1m}, unit: ratio}
  - {id: boss_latency, name: n, layer: platform, stream: boss_call, aggregate: mean, group_by: [host, interface], window: {size: 4m, hop: 2m}, unit: s, anchors: [1, 2, 3, 4, 5], department: D}
  - {id: boss_median, name: n, layer: platform, stream: boss_call, aggregate: p50, group_by: [host], window: 5m, unit: ms}
  - {id: boss_wait, name: n, layer: platform, stream: boss_wait, aggregate: p95, group_by: [host, interface], window: {size: 4m, hop: 2m}, unit: ms}
  - {id: boss_wait_mean, name: n, layer: platform, stream: boss_wait, aggregate: mean, group_by: [host], window: {size: 4m, hop: 2m}, unit: ms, interval: {max: 1200}, department: D, alert: quick}
  - {id: dial_steady, name: n, layer: platform, stream: dial_test, aggregate: dispersion, group_by: [city, channel], window: {size: 5m, hop: 1m}, unit: percent, min_samples: 3, interval: {max: 60}, department: D, alert: none}
  - {id: boss_failures, name: n, layer: platform, stream: boss_call, aggregate: ratio, counted: "tperrno != null && tperrno != 0", group_by: [interface], unit: percent, interval: {max: 20}, department: D, alert: quick, window: 3m}
  - {id: conn_held, name: n, layer: platform, stream: boss_connection, aggregate: max, filter: state == 'held', group_by: [host, interface], window: 1m, unit: s, anchors: [20, 40, 90, 150, 200], scale: log, department: D}
  - {id: conn_released, name: n, layer: platform, stream: boss_connection, aggregate: mean, filter: state == 'released', group_by: [host], window: 5m, unit: ms}
  - {id: conn_occupied, name: n, layer: platform, stream: boss_occupancy, aggregate: mean, group_by: [host], window: {size: 4m, hop: 2m}, unit: percent, interval: {max: 60}, department: D, alert: none}
  - {id: conn_active, name: n, layer: platform, stream: boss_connection, aggregate: max, group_by: [host, state], window: 5m, unit: ms}
  - {id: dial_waited, name: n, layer: experience, stream: dial_test, aggregate: mean, timeout: 30s, group_by: [city], window: 2m, unit: s, interval: {max: 20}, department: D, alert: none}
  - {id: dial_waited_median, name: n, layer: experience, stream: dial_test, aggregate: p50, timeout: 30s, good: ok && channel != 'web', group_by: [service], window: 5m, unit: ms}
  - {id: mms_early, name: n, layer: platform, stream: mms_receipt, aggregate: count, group_by: [status, early], window: 5m, unit: count}
  - {id: mms_pending, name: n, layer: platform, stream: mms_submit, aggregate: ratio, counted: "status == 'pending'", group_by: [service], window: {size: 5m, hop: 1m}, unit: percent}
  - {id: mms_cause, name: n, layer: platform, stream: mms_receipt, aggregate: count, group_by: [status, cause], window: 5m, unit: count}
  - {id: complaint_leaf, name: n, layer: platform, stream: complaint, aggregate: count, group_by: [leaf, state], window: 5m, unit: count, interval: {max: 2}, department: D, alert: quick}
  - {id: complaint_change, name: n, layer: platform, stream: complaint, aggregate: change, against: 10m, group_by: [service], window: {size: 10m, hop: 5m}, unit: percent, interval: {max: 0}, department: D, alert: quick}
  - {id: dial_content, name: n, layer: platform, stream: dial_test, aggregate: ratio, filter: parts != null, good: content_ok == true, group_by: [city, parts], window: {size: 4m, hop: 2m}, unit: ratio, interval: {min: 0.9}, department: D, alert: quick}
  - {id: dial_delivered, name: n, layer: platform, stream: dial_test, aggregate: mean, filter: parts != null && content_ok == true, group_by: [source, ok], window: 3m, unit: ms}
  - {id: survey_change, name: n, layer: platform, stream: gauge, aggregate: change, against: 5m, filter: name == 'satisfaction', group_by: [name], window: 5m, unit: percent, interval: {max: 20}, department: D, alert: quick}
  - {id: survey_newest, name: n, layer: platform, stream: gauge, aggregate: latest, filter: name == 'satisfaction', group_by: [city], window: {size: 10m, hop: 5m}, unit: points, interval: {min: 5}, department: D, alert: quick}
  - {id: dial_newest, name: n, layer: platform, stream: dial_test, aggregate: latest, group_by: [city], window: {size: 5m, hop: 1m}, unit: s}
  - {id: conn_newest, name: n, layer: platform, stream: boss_connection, aggregate: latest, filter: state == 'released', group_by: [host], window: {size: 4m, hop: 2m}, unit: ms}
  - {id: survey, name: n, layer: platform, stream: gauge, aggregate: mean, filter: name == 'satisfaction', group_by: [city], window: 5m, unit: points, interval: {min: 5}, department: D, alert: holding}
  - {id: dial_whose, name: n, layer: platform, stream: dial_test, aggregate: ratio, good: ok, group_by: [internal, channel], window: {size: 5m, hop: 1m}, unit: percent}
  - {id: dial_outside, name: n, layer: platform, stream: dial_test, aggregate: count, filter: "!internal", group_by: [city, source], window: 2m, unit: count}
  - {id: mms_whose, name: n, layer: platform, stream: mms_receipt, aggregate: count, group_by: [internal, source, status], window: 5m, unit: count}
  - {id: mms_sent_by, name: n, layer: platform, stream: mms_submit, aggregate: count, group_by: [source], window: 5m, unit: count}
  - {id: complaint_whose, name: n, layer: platform, stream: complaint, aggregate: count, group_by: [internal, source], window: 5m, unit: count}
  - {id: conn_whose, name: n, layer: platform, stream: boss_connection, aggregate: max, group_by: [internal, state], window: 5m, unit: ms}
  - {id: conn_occupied_whose, name: n, layer: platform, stream: boss_occupancy, aggregate: mean, group_by: [source], window: {size: 4m, hop: 2m}, unit: percent}
  - {id: survey_whose, name: n, layer: platform, stream: gauge, aggregate: mean, filter: name == 'satisfaction', group_by: [internal], window: 5m, unit: points}
"#;
