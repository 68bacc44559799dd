//! What we ship: every book without a problem, and what is in it.

use super::*;
use crate::rules::{Missing, Unit};

#[track_caller]
fn shipped(path: &str) -> RuleBook {
    let (book, problems) = load(&Path::new(env!("CARGO_MANIFEST_DIR")).join(path));
    assert!(problems.is_empty(), "{}", list(&problems));
    book.unwrap()
}

#[test]
fn the_shipped_book_has_no_problems_and_all_its_kqis() {
    let book = shipped("rules");
    let count = |service: &str| {
        let of_service = |kqi: &&crate::rules::Kqi| kqi.service.as_deref() == Some(service);
        book.kqis.iter().filter(of_service).count()
    };
    // The newspaper has domain part C's seven and the raw twin.
    assert_eq!(count("mobile_newspaper"), 8);
    assert_eq!(count("experience_card"), 5);
    assert_eq!(count("mobile_mail"), 5);
    assert_eq!(count("sms_hall"), 5);
    assert_eq!(book.kqis.len(), 23);
}

#[test]
fn the_bench_book_has_no_problems() {
    let book = shipped("rules/bench/kqi-1.yaml");
    let ids: Vec<&str> = book.kqis.iter().map(|kqi| kqi.id.as_str()).collect();
    assert_eq!(
        ids,
        [
            "kqi1_success_1m",
            "kqi1_latency_mean_1m",
            "kqi1_latency_p95_1m",
            "kqi1_success_5m",
            "kqi1_latency_mean_5m",
            "kqi1_latency_p95_5m"
        ]
    );
}

#[test]
fn shipped_kqis_are_what_the_domain_says() {
    let book = shipped("rules");
    let kqi = |id: &str| book.kqis.iter().find(|kqi| kqi.id == id).unwrap();
    let reply = kqi("shall_reply_time_p95");
    assert_eq!(
        reply.filter.as_ref().unwrap().source(),
        "service == \"sms_hall\" && (step == 'query' && !(code in ['busy', 'unknown_command']))"
    );
    assert_eq!((reply.interval.min, reply.interval.max), (None, Some(30.0)));
    assert_eq!(reply.unit, Unit::Seconds);
    // Inherited from the set, then its own.
    assert_eq!(reply.provenance[0].of, "b3");
    assert_eq!(reply.provenance.last().unwrap().of, "min_samples");
    let success = kqi("mnews_delivery_success_ratio");
    assert_eq!(
        (success.interval.min, success.interval.max),
        (Some(95.0), None)
    );
    // Days begin at midnight in Shanghai, 16:00 UTC; an hour's hop needs no shift.
    assert_eq!(kqi("xcard_slow_complaint_change").window.offset_ms, 0);
    assert_eq!(
        kqi("xcard_boss_latency_p95")
            .filter
            .as_ref()
            .unwrap()
            .source(),
        "client == 'experience_card'"
    );
    // One alert a KQI but for the raw twin.
    assert_eq!(book.alerts.len(), 22);
    assert!(
        book.alerts
            .iter()
            .all(|alert| alert.id == alert.kqi && alert.severity.is_none())
    );
    assert_eq!(book.mms.statuses["third:user retrieved"], "Retrieved");
    assert_eq!(book.mms.statuses["retrieved"], "Retrieved");
    assert_eq!(book.mms.editions[0].deadline_minutes, 540);
    let roles: Vec<&str> = book
        .departments
        .iter()
        .map(|department| department.id.as_str())
        .collect();
    assert_eq!(roles, ["NET", "BSC", "DATA", "CS", "MKT", "CITY"]);
}

#[test]
fn the_bench_alert_is_the_issues() {
    let book = shipped("rules/bench/kqi-1.yaml");
    assert!(book.any_service);
    let [alert] = book.alerts.as_slice() else {
        panic!("{:?}", book.alerts);
    };
    assert_eq!(
        (alert.id.as_str(), alert.kqi.as_str()),
        ("kqi1_success_low", "kqi1_success_5m")
    );
    assert_eq!((alert.for_ms, alert.keep_firing_for_ms), (0, 0));
    assert_eq!(alert.missing, Missing::Resolve);
    let kqi = book.kqis.iter().find(|kqi| kqi.id == alert.kqi).unwrap();
    assert_eq!(
        (kqi.interval.min, kqi.interval.max, kqi.min_samples),
        (Some(0.95), None, 30)
    );
    assert_eq!((kqi.window.size_ms, kqi.window.hop_ms), (300_000, 60_000));
    assert_eq!(kqi.group_by, ["service", "city", "channel"]);
    assert_eq!(kqi.filter, None);
    assert_eq!(
        book.streams[&crate::event::Stream::DialTest].allowed_lateness_ms,
        35_000
    );
}
