//! The catalogue of services as the running engine has it, and what is of none of them (S2's H2).

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::engine::{Engine, HOUR, MONDAY, SECOND, series};

const EIGHT: i64 = MONDAY + 8 * HOUR;

const SERVICES: [&str; 16] = [
    "crbt",
    "experience_card",
    "fetion",
    "gprs",
    "hotline",
    "mms",
    "mobile_game",
    "mobile_mail",
    "mobile_newspaper",
    "mobile_stock",
    "monternet_sms",
    "sms",
    "sms_hall",
    "wap",
    "wap_hall",
    "web_hall",
];

#[tokio::test(flavor = "multi_thread")]
async fn h2_sixteen_services_are_watched_and_what_is_of_none_is_counted_and_quarantined() {
    let engine = Engine::start().await;
    let answer = engine.get("/v1/services").await;
    let services = answer["services"].as_array().unwrap();
    let ids: BTreeSet<&str> = services.iter().filter_map(|of| of["id"].as_str()).collect();
    assert_eq!(ids, SERVICES.into(), "{answer:#}");
    let kqis = services
        .iter()
        .map(|of| of["kqis"].as_array().unwrap().len());
    assert_eq!(kqis.sum::<usize>(), 88);
    // What is of a service is evaluated by itself.
    let probe = json!({"type": "dial_test", "service": "sms_hall", "city": "长沙", "step": "query", "ok": true, "latency_ms": 6000});
    engine.tell(&series(EIGHT, 30 * SECOND, 120, &probe)).await;
    engine.pass(EIGHT + HOUR).await;
    engine
        .until("/v1/services", |answer| {
            let mut services = answer["services"].as_array().unwrap().iter();
            services.any(|of| of["id"] == "sms_hall" && of["objects"]["normal"].as_u64() > Some(0))
        })
        .await;
    // Of an unknown one every kind of line is refused, alone.
    let lines = [
        json!({"type": "dial_test", "ts": EIGHT, "service": "sms_halls", "ok": true}),
        json!({"type": "mms_submit", "ts": EIGHT, "service": "sms_halls", "message_id": "m"}),
        json!({"type": "mms_receipt", "ts": EIGHT, "service": "sms_halls", "message_id": "m", "status": "Retrieved"}),
        json!({"type": "complaint", "ts": EIGHT, "service": "sms_halls", "serial": "S", "path": "投诉"}),
        json!({"type": "gauge", "ts": EIGHT, "name": "subscriber_base", "value": 1, "dims": {"service": "sms_halls"}}),
        json!({"type": "gauge", "ts": EIGHT, "name": "subscriber_base", "value": 1, "service": "sms_halls"}),
        json!({"type": "annotation", "start": EIGHT, "end": EIGHT + HOUR, "kind": "planned_work", "scope": {"service": "sms_halls"}}),
        json!({"type": "dial_test", "ts": EIGHT, "service": "sms_hall", "ok": true}),
    ];
    let body: Vec<String> = lines.iter().map(Value::to_string).collect();
    let (status, receipt) = engine.post("/v1/events", body.join("\n")).await;
    assert!(status.is_success(), "{receipt}");
    let receipt: Value = serde_json::from_str(&receipt).unwrap();
    let refused = receipt["refused"].as_array().unwrap();
    assert_eq!((&receipt["accepted"], refused.len()), (&json!(1), 7));
    for refusal in refused {
        let words = "service \"sms_halls\" is not in the rule book";
        assert_eq!(refusal["reason"], words);
    }
    let kept = engine.get("/v1/quarantine?limit=100").await;
    let kept = kept["lines"].as_array().unwrap().iter();
    let unknown = kept.filter(|line| line["class"] == "unknown_service");
    assert_eq!(unknown.count(), 7);
    let metrics = engine.ask("/metrics").await.1;
    let counted = "chrysalis_events_refused_total{reason=\"unknown_service\"} 7";
    assert!(metrics.contains(counted), "{metrics}");
    engine.stop().await;
}
