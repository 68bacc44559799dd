//! `POST /mm7`: answered when durable, by SOAP whatever went wrong.

use axum::body::Body;
use axum::http::Request;

use crate::api::Lifecycle;
use crate::api::testing::{Harness, Reply};

fn report(message_id: &str, more: &str) -> String {
    format!(
        "<env:Envelope xmlns:env=\"http://schemas.xmlsoap.org/soap/envelope/\"><env:Header>\
         <mm7:TransactionID xmlns:mm7=\"http://www.3gpp.org/ftp/Specs/archive/23_series/23.140/schema/REL-5-MM7-1-0\">t7</mm7:TransactionID>\
         </env:Header><env:Body><DeliveryReportReq><MessageID>{message_id}</MessageID>\
         <Recipient><Number>+8613900000001</Number></Recipient>{more}<MMStatus>Retrieved</MMStatus>\
         </DeliveryReportReq></env:Body></env:Envelope>"
    )
}

async fn send(harness: &Harness, body: impl Into<Body>) -> Reply {
    let request = Request::post("/mm7").header("content-type", "text/xml");
    harness.send(request.body(body.into()).unwrap()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_is_an_event_and_answered_1000() {
    let harness = Harness::new();
    let reply = send(&harness, report("m1", "")).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    assert_eq!(reply.headers["content-type"], "text/xml; charset=utf-8");
    assert!(
        reply.text.contains("<StatusCode>1000</StatusCode>"),
        "{}",
        reply.text
    );
    assert!(
        reply.text.contains(">t7</mm7:TransactionID>"),
        "{}",
        reply.text
    );
    let status = harness.get("/v1/status").await.json();
    assert_eq!(status["journal"]["events_total"], 1, "{status:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_is_counted_and_shown_without_numbers() {
    let harness = Harness::new();
    let reply = send(&harness, report("m1", "<TimeStamp>never</TimeStamp>")).await;
    assert_eq!(reply.status, 200);
    assert!(
        reply.text.contains("<StatusCode>4004</StatusCode>"),
        "{}",
        reply.text
    );
    // Read, and refused as any line of that time is.
    let reply = send(
        &harness,
        report("m2", "<TimeStamp>2999-01-01T00:00:00Z</TimeStamp>"),
    )
    .await;
    assert!(
        reply.text.contains("<StatusCode>4004</StatusCode>"),
        "{}",
        reply.text
    );
    let reply = send(&harness, "<Envelope><Body><SubmitReq/></Body></Envelope>").await;
    assert_eq!(reply.status, 500);
    assert!(
        reply.text.contains("<StatusCode>4003</StatusCode>"),
        "{}",
        reply.text
    );
    let reply = send(&harness, "<!DOCTYPE x []><x/>").await;
    assert_eq!(reply.status, 500);
    assert!(
        reply.text.contains("<StatusCode>2007</StatusCode>"),
        "{}",
        reply.text
    );
    let kept = harness.get("/v1/quarantine").await;
    let lines = kept.json()["lines"].as_array().unwrap().clone();
    assert_eq!(lines.len(), 4, "{}", kept.text);
    assert!(!kept.text.contains("13900000001"), "{}", kept.text);
    let status = harness.get("/v1/status").await.json();
    assert_eq!(status["journal"]["events_total"], 0, "{status:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_over_the_limit_is_413_and_a_stopping_engine_asks_for_patience() {
    let harness = Harness::new();
    let long = report(&"m".repeat(70_000), "");
    let reply = send(&harness, long).await;
    assert_eq!(reply.status, 413);
    assert!(
        reply.text.contains("<StatusCode>2007</StatusCode>"),
        "{}",
        reply.text
    );
    harness.state().health.set_lifecycle(Lifecycle::Stopping);
    let reply = send(&harness, report("m1", "")).await;
    assert_eq!(
        (reply.status.as_u16(), &reply.headers["retry-after"]),
        (503, &"1".parse().unwrap())
    );
    assert!(
        reply.text.contains("<StatusCode>4006</StatusCode>"),
        "{}",
        reply.text
    );
}
