//! What we ship: every book without a problem, and what is in it.

use super::*;
use crate::event::Stream;
use crate::rules::{Aggregate, Layer, Missing, Unit};

#[track_caller]
fn shipped(path: &str) -> RuleBook {
    let (book, problems) = load(&Path::new(env!("CARGO_MANIFEST_DIR")).join(path));
    assert!(problems.is_empty(), "{}", list(&problems));
    book.unwrap()
}

/// Domain part C: each service with its number of KQIs of the experience, the platform and the network. A time has
/// a ratio of what succeeded within its timeout beside it, where part C names none.
const CATALOGUE: [(&str, [usize; 3]); 16] = [
    // With the raw twin of the delivery success ratio and the failures one by one (network), and churn.
    ("mobile_newspaper", [4, 1, 5]),
    ("mms", [3, 2, 1]),
    ("sms", [2, 1, 1]),
    ("monternet_sms", [2, 2, 0]),
    ("crbt", [1, 2, 1]),
    ("fetion", [3, 1, 0]),
    ("mobile_mail", [5, 1, 0]),
    ("mobile_stock", [2, 2, 0]),
    ("gprs", [2, 2, 3]),
    ("wap", [2, 0, 1]),
    // With what is read beside: refusals, queue wait, held share.
    ("experience_card", [3, 6, 0]),
    ("mobile_game", [3, 0, 1]),
    ("web_hall", [5, 1, 0]),
    // With the stability of its replies.
    ("sms_hall", [5, 2, 0]),
    ("wap_hall", [3, 0, 1]),
    ("hotline", [4, 2, 0]),
];

#[test]
fn h2_the_shipped_book_has_exactly_sixteen_services_with_all_their_kqis_by_layer() {
    let book = shipped("rules");
    let mut services: Vec<&str> = book
        .services
        .iter()
        .map(|known| known.id.as_str())
        .collect();
    let mut wanted = CATALOGUE.map(|(service, _)| service);
    services.sort_unstable();
    wanted.sort_unstable();
    assert_eq!(services, wanted);
    for (service, layers) in CATALOGUE {
        let count = |layer| {
            let of_layer = |kqi: &&crate::rules::Kqi| {
                kqi.service.as_deref() == Some(service) && kqi.layer == layer
            };
            book.kqis.iter().filter(of_layer).count()
        };
        let got = [Layer::Experience, Layer::Platform, Layer::Network].map(count);
        assert_eq!(got, layers, "{service}");
    }
    let of_services = book.kqis.iter().filter(|kqi| kqi.service.is_some());
    assert_eq!(of_services.count(), 88);
}

/// Whoever is asked, and agents, read more than the name of a KQI: what may be the cause, how to verify it, what mends it, in
/// both languages.
#[test]
fn every_watched_kqi_of_a_service_is_known_to_the_knowledge_base() {
    let book = shipped("rules");
    let is_watched = |kqi: &&crate::rules::Kqi| {
        let watched = book.alerts.iter().any(|alert| alert.kqi == kqi.id);
        kqi.service.is_some() && watched
    };
    for kqi in book.kqis.iter().filter(is_watched) {
        let mut entries = book.knowledge.iter();
        let entry = entries.find(|entry| entry.is_shown_by(kqi));
        let entry = entry.unwrap_or_else(|| panic!("{}: no entry", kqi.id));
        assert_eq!(entry.service, kqi.service, "{}", entry.id);
    }
    for entry in &book.knowledge {
        let remedies = entry.remedies.iter().map(|remedy| &remedy.text);
        let texts = entry.causes.iter().chain(&entry.verify).chain(remedies);
        for text in texts.chain(&entry.say).chain([&entry.title]) {
            assert!(!text.zh.is_empty() && !text.en.is_empty(), "{}", entry.id);
            assert_ne!(text.zh, text.en, "{}: one language", entry.id);
        }
        assert!(!entry.causes.is_empty() && !entry.verify.is_empty());
        assert!(!entry.remedies.is_empty() && !entry.reference.is_empty());
        // KQIs of one cause are asked of one department, unless the entry says whose it is.
        let shown = book.kqis.iter().filter(|kqi| entry.is_shown_by(kqi));
        let departments: std::collections::BTreeSet<_> =
            shown.map(|kqi| kqi.department.clone()).collect();
        assert!(
            entry.owner.is_some() || departments.len() == 1,
            "{}",
            entry.id
        );
    }
}

/// Each city and the province count the same complaints of a month: one cause.
#[test]
fn a_month_of_complaints_is_one_cause_for_cities_and_province() {
    let book = shipped("rules");
    let cause = |id: &str| {
        let kqi = book.kqis.iter().find(|kqi| kqi.id == id).unwrap();
        let mut entries = book.knowledge.iter();
        entries
            .find(|entry| entry.is_shown_by(kqi))
            .unwrap()
            .id
            .clone()
    };
    let [city, province] = [
        "complaint_city_month_change",
        "complaint_province_month_change",
    ];
    assert_eq!(cause(city), cause(province));
}

/// Breakdowns and shares of which no source says what is good: to be read, and never abnormal.
const READ: [&str; 4] = [
    "mnews_failures",
    "complaint_own_services_ratio",
    "complaint_tariff_ratio",
    "complaint_product_ratio",
];

#[test]
fn every_shipped_time_has_its_timeout_and_a_ratio_of_what_succeeded_within_it() {
    let book = shipped("rules");
    let is_time = |kqi: &&crate::rules::Kqi| {
        matches!(kqi.stream, Stream::DialTest | Stream::BossCall)
            && matches!(kqi.aggregate, Aggregate::Mean | Aggregate::Quantile(_))
    };
    for kqi in book.kqis.iter().filter(is_time) {
        let timeout_ms = kqi.timeout.unwrap_or_else(|| panic!("{}: none", kqi.id));
        let vouched = kqi.provenance.iter().any(|of| of.of == "timeout");
        assert!(vouched, "{}: provenance", kqi.id);
        let [.., b1] = kqi.anchors.as_ref().unwrap().values;
        assert!(timeout_ms >= b1 * 1_000.0, "{}: before it scores 1", kqi.id);
        // Calls have their failures apart; tests have a ratio within the same time.
        let mut others = book.kqis.iter();
        assert!(
            kqi.stream == Stream::BossCall
                || others.any(|other| {
                    other.service == kqi.service && other.good_within == kqi.timeout
                }),
            "{}: no ratio within {timeout_ms} ms",
            kqi.id
        );
    }
}

#[test]
fn every_shipped_kqi_is_scored_answered_for_and_says_where_its_numbers_come_from() {
    let book = shipped("rules");
    for kqi in &book.kqis {
        let vouched = |of: &[&str]| {
            kqi.provenance
                .iter()
                .any(|provenance| of.contains(&provenance.of.as_str()))
        };
        if READ.contains(&kqi.id.as_str()) {
            assert!(!book.alerts.iter().any(|alert| alert.kqi == kqi.id));
        } else {
            assert!(kqi.anchors.is_some(), "{}", kqi.id);
            assert!(vouched(&["anchors", "b3"]), "{}: anchors", kqi.id);
        }
        assert!(kqi.department.is_some(), "{}", kqi.id);
        assert!(vouched(&["window"]), "{}: window", kqi.id);
        assert_ne!(
            kqi.name.zh, kqi.name.en,
            "{}: one name for two languages",
            kqi.id
        );
    }
}

#[test]
fn the_shipped_places_are_the_fourteen_prefectures_of_hunan() {
    let places = shipped("rules").places;
    assert_eq!(places.cities.len(), 14);
    assert_eq!(places.derive("province", "湘西"), Some("湖南"));
    assert!(places.cities.values().all(|place| place.group == "集团"));
}

/// H5: what S2 and S0 name as coming from outside is an outsider's on whatever stream it comes by.
#[test]
fn the_shipped_sources_say_whose_they_are() {
    let book = shipped("rules");
    for (source, internal) in [
        ("客服信息", false),
        ("市场调研", false),
        ("第三方拨测", false),
        ("其他省公司", false),
        ("分公司拨测", true),
        ("金点子", true),
    ] {
        for stream in [Stream::DialTest, Stream::Gauge, Stream::Complaint] {
            assert_eq!(book.is_internal(stream, Some(source)), internal, "{source}");
        }
    }
    assert_eq!(book.sources.len(), 6);
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
        "service == \"sms_hall\" && (step == 'query' && ok)"
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
        "client == 'experience_card' && (tperrno == null || tperrno in [0, 11])"
    );
    // One alert a KQI but for those that are there to be read.
    assert_eq!(book.alerts.len(), 89);
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
    assert_eq!(roles, ["NET", "BSC", "DATA", "CS", "MKT", "CITY", "GROUP"]);
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
    assert_eq!(book.streams[&Stream::DialTest].allowed_lateness_ms, 35_000);
}
