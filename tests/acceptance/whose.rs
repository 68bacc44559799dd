//! Whose a ticket is that is on record (domain fact H5): who brought it, and whether that is the operator's own.

use serde_json::{Value, json};

use crate::engine::{Engine, HOUR, MONDAY};

const NINE: i64 = MONDAY + 9 * HOUR;

#[tokio::test(flavor = "multi_thread")]
async fn h5_a_ticket_on_record_says_who_brought_it_and_whether_that_is_the_operators_own() {
    let engine = Engine::start().await;
    let told = |serial: &str, source: Option<&str>| {
        let mut ticket = json!({"type": "complaint", "ts": NINE, "serial": serial, "state": "filed", "city": "永州", "service": "mms", "path": "投诉/彩信/别的"});
        if let Some(source) = source {
            ticket["source"] = json!(source);
        }
        ticket
    };
    let mut later = told("S-1", Some("金点子"));
    (later["ts"], later["state"]) = (json!(NINE + HOUR), json!("reclassified"));
    engine
        .tell(&[
            told("S-1", Some("客服信息")),
            told("S-2", Some("金点子")),
            told("S-3", None),
            told("S-4", Some("nobody knows")),
            later,
        ])
        .await;
    let is_moved = |answer: &Value| answer["state"] == "reclassified";
    engine.until("/v1/complaints/tickets/S-1", is_moved).await;
    // Who tells more of it later did not bring it; whom the book does not know is as the stream.
    let wanted = [
        ("S-1", json!("客服信息"), false),
        ("S-2", json!("金点子"), true),
        ("S-3", Value::Null, false),
        ("S-4", json!("nobody knows"), false),
    ];
    let (status, csv) = engine.ask("/v1/complaints/sample?format=csv").await;
    assert!(status.is_success());
    let csv = csv.replace('"', "");
    let headings = csv.lines().next().unwrap();
    assert!(headings.ends_with(",class,source,internal"), "{headings}");
    for (serial, source, internal) in wanted {
        let ticket = engine
            .get(&format!("/v1/complaints/tickets/{serial}"))
            .await;
        assert_eq!(
            (&ticket["source"], &ticket["internal"]),
            (&source, &json!(internal)),
            "{ticket}"
        );
        let end = format!(",{},{internal}", source.as_str().unwrap_or_default());
        let mut lines = csv.lines();
        let line = lines.find(|line| line.starts_with(&format!("{serial},")));
        assert!(line.is_some_and(|line| line.ends_with(&end)), "{csv}");
    }
    let described = engine.get("/v1/openapi.json").await;
    let fields = &described["components"]["schemas"]["TicketOnRecordView"]["properties"];
    assert!(
        fields["source"].is_object() && fields["internal"].is_object(),
        "{fields}"
    );
    engine.stop().await;
}
