//! Events in: what is counted, and what is refused line by line.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::json;

use crate::api::HttpConfig;
use crate::api::testing::{BOOK, Harness, T0, minute};
use crate::journal::JournalConfig;
use crate::journal::writer::WriterConfig;

pub(super) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub(super) fn small(change: impl FnOnce(&mut HttpConfig)) -> Harness {
    let mut config = HttpConfig::default();
    change(&mut config);
    Harness::with(
        BOOK,
        config,
        JournalConfig::default(),
        WriterConfig::default(),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_taken_plain_gzip_and_zstd() {
    let harness = Harness::new();
    let body = minute("news", "长沙", T0, 0, 4);
    for (encoding, packed) in [
        ("identity", body.clone().into_bytes()),
        ("gzip", gzip(body.as_bytes())),
        ("zstd", zstd::encode_all(body.as_bytes(), 3).unwrap()),
    ] {
        let reply = harness
            .events(&[("content-encoding", encoding)], packed)
            .await;
        assert_eq!(reply.status, 200, "{encoding}: {}", reply.text);
        assert_eq!(
            reply.json(),
            json!({"accepted": 4, "refused": [], "duplicate": false})
        );
    }
    let status = harness.get("/v1/status").await.json();
    assert_eq!(status["journal"]["events_total"], 12);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_and_blank_lines_are_fine() {
    let harness = Harness::new();
    for body in ["", "\n\n  \n"] {
        let reply = harness.events(&[], body).await;
        assert_eq!(
            reply.json(),
            json!({"accepted": 0, "refused": [], "duplicate": false})
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_lines_are_refused_alone_and_quarantined() {
    let harness = Harness::new();
    let future = crate::time::now_ms() + 3_600_000;
    let good = minute("news", "长沙", T0, 0, 1);
    let lines = [
        good.trim_end().to_owned(),
        "nonsense".to_owned(),
        "{\"type\":\"telepathy\",\"ts\":1}".to_owned(),
        format!(
            "{{\"type\":\"dial_test\",\"ts\":{T0},\"service\":\"fax\",\"ok\":true,\"target\":\"13812345678\"}}"
        ),
        format!("{{\"type\":\"dial_test\",\"ts\":{T0},\"service\":\"news\"}}"),
        format!("{{\"type\":\"dial_test\",\"ts\":{T0},\"service\":\"news\",\"ok\":\"maybe\"}}"),
        format!("{{\"type\":\"dial_test\",\"ts\":{future},\"service\":\"news\",\"ok\":true}}"),
        "1".to_owned(),
        format!(
            "{{\"type\":\"dial_test\",\"ts\":{T0},\"service\":\"news\",\"ok\":true,\"colour\":\"red\"}}"
        ),
    ];
    let reply = harness.events(&[], lines.join("\n")).await;
    assert_eq!(reply.status, 200);
    let json = reply.json();
    assert_eq!(
        (&json["accepted"], &json["duplicate"]),
        (&json!(2), &json!(false))
    );
    let refused = json["refused"].as_array().unwrap();
    let told: Vec<(u64, &str)> = refused
        .iter()
        .map(|line| {
            (
                line["line"].as_u64().unwrap(),
                line["reason"].as_str().unwrap(),
            )
        })
        .collect();
    let want = [
        (2, "not JSON: "),
        (3, "unknown type \"telepathy\""),
        (4, "service \"fax\" is not in the rule book"),
        (5, "field `ok` is missing"),
        (6, "field `ok`: invalid type: string \"maybe\""),
        (7, "ts "),
        (8, "invalid type: integer `1`, expected a JSON object"),
    ];
    assert_eq!(told.len(), want.len(), "{told:?}");
    for ((line, reason), (want_line, want_reason)) in told.iter().zip(want) {
        assert_eq!(*line, want_line);
        assert!(reason.starts_with(want_reason), "{line}: {reason}");
    }
    assert!(
        told[5]
            .1
            .ends_with("s beyond the tolerance for clocks that run ahead"),
        "{}",
        told[5].1
    );

    let quarantine = harness.get("/v1/quarantine?limit=5").await.json();
    assert_eq!(quarantine["total"], 7);
    let lines = quarantine["lines"].as_array().unwrap();
    assert_eq!(lines.len(), 5);
    assert_eq!(lines[0]["class"], "bad_value");
    assert_eq!(lines[4]["class"], "unknown_service");
    let text = lines[4]["text"].as_str().unwrap();
    assert!(
        text.contains("138******78") && text.contains(&T0.to_string()),
        "{text}"
    );

    // Only accepted lines count, whatever stood around them.
    let status = harness.get("/v1/status").await.json();
    assert_eq!(status["journal"]["events_total"], 2);
    let metrics = harness.get("/metrics").await.text;
    for line in [
        "chrysalis_events_accepted_total{type=\"dial_test\"} 2",
        "chrysalis_events_refused_total{reason=\"unknown_service\"} 1",
        "chrysalis_events_refused_total{reason=\"future_time\"} 1",
        "chrysalis_event_unknown_fields_total{field=\"colour\"} 1",
    ] {
        assert!(metrics.contains(line), "{line}\n{metrics}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_with_a_line_over_the_limit_is_refused_whole_and_can_be_sent_again() {
    let harness = small(|config| config.line_bytes_max = 400);
    let first = [("Chrysalis-Producer", "p"), ("Chrysalis-Sequence", "1")];
    let good = minute("news", "长沙", T0, 0, 2);
    // A long blank line is none.
    let (blank, long) = (" ".repeat(500), "x".repeat(401));
    let body = format!("{good}{blank}\nnonsense\n{long}\n{good}");
    let reply = harness.events(&first, body).await;
    let words = "line 5 has 401 bytes, more than the limit of 400: \
                 nothing of the body was taken, send it without that line";
    assert_eq!(
        reply.error(),
        (413, "line_too_long".to_owned(), words.to_owned())
    );
    assert_eq!(harness.get("/v1/quarantine").await.json()["total"], 0);
    let again = harness.events(&first, format!("{good}{good}")).await.json();
    assert_eq!(
        again,
        json!({"accepted": 4, "refused": [], "duplicate": false})
    );
    let status = harness.get("/v1/status").await.json();
    assert_eq!(status["journal"]["events_total"], 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn receipts_with_unmapped_words_are_taken_counted_and_quarantined() {
    let harness = Harness::new();
    let receipt = |status: &str| {
        format!(
            "{{\"type\":\"mms_receipt\",\"ts\":{T0},\"message_id\":\"m\",\"service\":\"news\",\
             \"recipient\":\"13812345678\",\"status\":\"{status}\"}}"
        )
    };
    let body = [receipt("Retrieved"), "no".to_owned(), receipt("2001")].join("\n");
    let headers = [("Chrysalis-Producer", "mmsc"), ("Chrysalis-Sequence", "1")];
    for repeat in [false, true] {
        let reply = harness.events(&headers, body.clone()).await.json();
        let accepted = if repeat { 0 } else { 2 };
        assert_eq!(reply["accepted"], accepted);
        assert_eq!(reply["refused"].as_array().unwrap().len(), 1);
    }
    let quarantine = harness.get("/v1/quarantine").await.json();
    assert_eq!(quarantine["total"], 2, "repeats are not counted again");
    let line = &quarantine["lines"][0];
    assert_eq!(
        (&line["class"], &line["line"]),
        (&json!("unknown_status"), &json!(3))
    );
    assert_eq!(
        line["reason"],
        "status \"2001\" is not mapped by the rule book, taken as Indeterminate"
    );
    assert!(line["text"].as_str().unwrap().contains("138******78"));
    let metrics = harness.get("/metrics").await.text;
    assert!(
        metrics.contains("chrysalis_mms_unknown_status_total 1"),
        "{metrics}"
    );
    assert!(metrics.contains("chrysalis_events_accepted_total{type=\"mms_receipt\"} 2"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_list_of_refusals_is_cut_and_counted() {
    let harness = Harness::new();
    let json = harness.events(&[], "no\n".repeat(250)).await.json();
    assert_eq!(json["accepted"], 0);
    assert_eq!(json["refused"].as_array().unwrap().len(), 100);
    assert_eq!(json["refused_total"], 250);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_sequence_is_counted_once() {
    let harness = Harness::new();
    let body = minute("news", "长沙", T0, 0, 4);
    let first = [
        ("Chrysalis-Producer", "probe-7"),
        ("Chrysalis-Sequence", "1"),
    ];
    let reply = harness.events(&first, body.clone()).await.json();
    assert_eq!(
        reply,
        json!({"accepted": 4, "refused": [], "duplicate": false})
    );
    let again = harness.events(&first, body.clone()).await.json();
    assert_eq!(
        again,
        json!({"accepted": 0, "refused": [], "duplicate": true})
    );
    let second = [
        ("Chrysalis-Producer", "probe-7"),
        ("Chrysalis-Sequence", "2"),
    ];
    // Refused whole: not journaled, and its retry with mended lines is not a repeat.
    let refused = harness.events(&second, "nonsense").await.json();
    assert_eq!(
        (&refused["accepted"], &refused["duplicate"]),
        (&json!(0), &json!(false))
    );
    let mended = harness.events(&second, body).await.json();
    assert_eq!(
        (&mended["accepted"], &mended["duplicate"]),
        (&json!(4), &json!(false))
    );
    let status = harness.get("/v1/status").await.json();
    assert_eq!(status["journal"]["events_total"], 8);
    let metrics = harness.get("/metrics").await.text;
    assert!(metrics.contains("chrysalis_batches_duplicate_total 1"));
    assert!(metrics.contains("chrysalis_events_accepted_total{type=\"dial_test\"} 8"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sequence_that_goes_back_is_no_repeat() {
    let harness = Harness::new();
    let body = minute("news", "长沙", T0, 0, 1);
    let send = |sequence: &'static str| {
        let headers = [
            ("Chrysalis-Producer", "p"),
            ("Chrysalis-Sequence", sequence),
        ];
        let body = body.clone();
        let harness = &harness;
        async move { harness.events(&headers, body).await }
    };
    for sequence in ["40", "41", "500"] {
        assert_eq!(send(sequence).await.json()["accepted"], 1, "{sequence}");
    }
    assert_eq!(send("500").await.json()["duplicate"], true);
    for lost in ["41", "499", "0"] {
        let words = format!(
            "sequence {lost} is below 500, the newest of this producer, and not among the 64 before \
             it that are remembered: nothing was kept; number batches upwards, or begin again under \
             another name"
        );
        let reply = send(lost).await;
        assert_eq!(reply.error(), (409, "sequence_back".to_owned(), words));
    }
    let status = harness.get("/v1/status").await.json();
    assert_eq!(status["journal"]["events_total"], 3);
}
