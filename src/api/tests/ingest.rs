//! Events in: what is counted, and every refusal with the words that the producer gets.

use std::io::Write;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::api::testing::{BOOK, Harness, T0, minute};
use crate::api::{HttpConfig, Lifecycle};
use crate::journal::writer::WriterConfig;
use crate::journal::{FakeDisk, JournalConfig};

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn small(change: impl FnOnce(&mut HttpConfig)) -> Harness {
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

#[tokio::test(flavor = "multi_thread")]
async fn sequence_headers_that_cannot_be_meant_are_refused() {
    let harness = Harness::new();
    let long = "p".repeat(129);
    let cases: [(&[(&str, &str)], &str); 7] = [
        (
            &[("Chrysalis-Producer", "p")],
            "header Chrysalis-Producer came without Chrysalis-Sequence: send both or neither",
        ),
        (
            &[("Chrysalis-Sequence", "1")],
            "header Chrysalis-Sequence came without Chrysalis-Producer: send both or neither",
        ),
        (
            &[("Chrysalis-Producer", "p"), ("Chrysalis-Sequence", "-1")],
            "header Chrysalis-Sequence is \"-1\", wanted a whole number from 0 to 9223372036854775807",
        ),
        (
            // It would leave no number above it.
            &[
                ("Chrysalis-Producer", "p"),
                ("Chrysalis-Sequence", "18446744073709551615"),
            ],
            "header Chrysalis-Sequence is \"18446744073709551615\", wanted a whole number from 0 to 9223372036854775807",
        ),
        (
            &[
                ("Chrysalis-Producer", "p"),
                ("Chrysalis-Sequence", "9223372036854775808"),
            ],
            "header Chrysalis-Sequence is \"9223372036854775808\", wanted a whole number from 0 to 9223372036854775807",
        ),
        (
            &[("Chrysalis-Producer", " "), ("Chrysalis-Sequence", "1")],
            "header Chrysalis-Producer has 0 bytes, wanted 1 to 128",
        ),
        (
            &[("Chrysalis-Producer", &long), ("Chrysalis-Sequence", "1")],
            "header Chrysalis-Producer has 129 bytes, wanted 1 to 128",
        ),
    ];
    for (headers, message) in cases {
        let reply = harness.events(headers, "").await;
        assert_eq!(
            reply.error(),
            (400, "bad_header".to_owned(), message.to_owned())
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_are_too_large_are_refused_however_they_come() {
    let harness = small(|config| {
        config.body_bytes_max = 6_000;
        config.plain_bytes_max = 10_000;
        config.lines_max = 50;
    });
    let too_large = |message: &str| (413, "body_too_large".to_owned(), message.to_owned());
    let announced = harness
        .events(&[("content-length", "6001")], "x".repeat(6_001))
        .await;
    let words = "the body is larger than the limit of 6000 bytes: send smaller batches";
    assert_eq!(announced.error(), too_large(words));
    let unannounced = harness.events(&[], "x".repeat(6_001)).await;
    assert_eq!(unannounced.error(), too_large(words));

    // Bombs: a few kilobytes that unpack to a megabyte.
    let zeros = vec![b'\n'; 1 << 20];
    let bombs = [
        ("gzip", gzip(&zeros)),
        ("zstd", zstd::encode_all(&*zeros, 19).unwrap()),
    ];
    for (encoding, bomb) in bombs {
        assert!(bomb.len() <= 6_000, "{encoding}: {}", bomb.len());
        let reply = harness
            .events(&[("content-encoding", encoding)], bomb)
            .await;
        let words = "the body unpacks to more than the limit of 10000 bytes: send smaller batches";
        assert_eq!(reply.error(), too_large(words), "{encoding}");
    }
    let lines = harness.events(&[], "\n".repeat(50)).await;
    assert_eq!(
        lines.error(),
        too_large("the body has 51 lines, more than the limit of 50: send smaller batches")
    );
    // Nothing of all this still holds memory.
    let status = harness.get("/v1/status").await.json();
    assert_eq!(status["queues"]["ingest_in_flight_bytes"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_journal_would_not_take_is_too_large_as_well() {
    let journal = JournalConfig {
        record_bytes_max: 1_000,
        ..JournalConfig::default()
    };
    let harness = Harness::with(
        BOOK,
        HttpConfig::default(),
        journal,
        WriterConfig::default(),
    );
    let reply = harness.events(&[], minute("news", "长沙", T0, 0, 20)).await;
    let (status, code, message) = reply.error();
    assert_eq!((status, &*code), (413, "body_too_large"));
    assert!(message.ends_with("is over the limit of 1000"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn packings_that_are_unknown_or_broken_are_refused() {
    let harness = Harness::new();
    let reply = harness.events(&[("content-encoding", "br")], "x").await;
    let words = "content-encoding \"br\" is not supported: send the lines plain, gzip or zstd";
    assert_eq!(
        reply.error(),
        (415, "unsupported_encoding".to_owned(), words.to_owned())
    );
    let cut = gzip(minute("news", "长沙", T0, 0, 4).as_bytes());
    for (encoding, body) in [
        ("gzip", b"not gzip at all".to_vec()),
        ("gzip", cut[..cut.len() / 2].to_vec()),
        ("zstd", b"not zstd at all".to_vec()),
    ] {
        let reply = harness
            .events(&[("content-encoding", encoding)], body)
            .await;
        let (status, code, message) = reply.error();
        assert_eq!((status, &*code), (400, "bad_encoding"));
        let words = format!("the body does not unpack as {encoding}: ");
        assert!(message.starts_with(&words), "{message}");
    }
}

#[tokio::test(flavor = "multi_thread")]
#[expect(
    clippy::await_holding_lock,
    reason = "the guard is the stall; only the engine's own thread waits for it"
)]
async fn a_stalled_engine_is_answered_with_429_and_then_all_goes_on() {
    let journal = JournalConfig {
        record_bytes_max: 2_000,
        ..JournalConfig::default()
    };
    let writer = WriterConfig {
        queue_bytes_max: 20_000,
        epochs_ahead_max: 1,
        ..WriterConfig::default()
    };
    let harness = Harness::with(
        BOOK,
        HttpConfig {
            request_timeout_ms: 500,
            ..HttpConfig::default()
        },
        journal,
        writer,
    );
    let body = minute("news", "长沙", T0, 0, 10);
    let stalled = harness.stall();
    let mut busy = None;
    for _ in 0..200 {
        let reply = harness.events(&[], body.clone()).await;
        match reply.status.as_u16() {
            429 => {
                busy = Some(reply);
                break;
            }
            200 | 503 => {}
            other => panic!("{other}: {}", reply.text),
        }
    }
    let busy = busy.expect("never busy");
    assert_eq!(busy.headers["retry-after"], "1");
    let (_, code, message) = busy.error();
    assert_eq!(code, "busy");
    assert!(message.starts_with("the journal is behind: "), "{message}");
    drop(stalled);
    for _ in 0..100 {
        if harness.events(&[], body.clone()).await.status == 200 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("still busy after the stall");
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_under_way_have_a_budget() {
    let harness = small(|config| config.in_flight_bytes_max = 1_000);
    let reply = harness.events(&[], "x".repeat(1_001)).await;
    let (status, code, message) = reply.error();
    assert_eq!((status, &*code), (429, "busy"));
    assert_eq!(reply.headers["retry-after"], "1");
    assert!(
        message.contains("are under way, as many as may be"),
        "{message}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_taken_before_the_replay_is_over_or_after_the_end() {
    let harness = Harness::new();
    let health = &harness.state().health;
    health.set_lifecycle(Lifecycle::Starting { percent: 40 });
    let reply = harness.events(&[], "").await;
    let words = "the engine is starting, 40 % of the journal is replayed";
    assert_eq!(
        reply.error(),
        (503, "not_ready".to_owned(), words.to_owned())
    );
    assert_eq!(reply.headers["retry-after"], "1");
    assert_eq!(harness.get("/ready").await.status, 503);
    assert_eq!(harness.get("/healthz").await.status, 200);
    health.set_lifecycle(Lifecycle::Stopping);
    let reply = harness.events(&[], "").await;
    assert_eq!(reply.error().2, "the engine is stopping");
    health.set_lifecycle(Lifecycle::Ready);
    assert_eq!(harness.get("/ready").await.status, 200);
}

/// What a client gets that announces more of a body than it sends.
async fn half_a_body(harness: &Harness) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = harness.router();
    let serving = tokio::spawn(async move { axum::serve(listener, router).await });
    let mut client = tokio::net::TcpStream::connect(address).await.unwrap();
    let head = "POST /v1/events HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\nabc";
    client.write_all(head.as_bytes()).await.unwrap();
    let mut answer = vec![0; 1_000];
    let length = client.read(&mut answer).await.unwrap();
    serving.abort();
    let _ = serving.await;
    String::from_utf8_lossy(&answer[..length]).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_never_ends_does_not_hold_the_server() {
    let harness = small(|config| config.request_timeout_ms = 100);
    let answer = half_a_body(&harness).await;
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    assert!(answer.contains("no answer within 0.1 s"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sender_that_stops_in_the_middle_is_told_so() {
    let harness = small(|config| config.body_timeout_ms = 100);
    let answer = half_a_body(&harness).await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(answer.contains("\"code\":\"body_timeout\""), "{answer}");
    let words = "nothing more of the body came for 0.1 s, 3 bytes were there: send it again";
    assert!(answer.contains(words), "{answer}");
    assert_eq!(
        harness.get("/v1/status").await.json()["queues"]["ingest_in_flight_bytes"],
        0
    );
}

fn on_disk(disk: &FakeDisk) -> Harness {
    Harness::on_disk(
        disk,
        BOOK,
        HttpConfig::default(),
        JournalConfig::default(),
        WriterConfig::default(),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_told_and_the_batch_can_come_again() {
    let disk = FakeDisk::new();
    let harness = on_disk(&disk);
    let headers = [("Chrysalis-Producer", "p"), ("Chrysalis-Sequence", "1")];
    let body = minute("news", "长沙", T0, 0, 4);
    disk.set_capacity_bytes(Some(0));
    let reply = harness.events(&headers, body.clone()).await;
    let words = "the journal's disk is full: nothing was kept, try again when there is space";
    assert_eq!(
        reply.error(),
        (507, "disk_full".to_owned(), words.to_owned())
    );
    assert_eq!(reply.headers["retry-after"], "1");
    disk.set_capacity_bytes(None);
    let again = harness.events(&headers, body).await.json();
    assert_eq!(
        again,
        json!({"accepted": 4, "refused": [], "duplicate": false})
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_fails_is_told_and_nothing_is_promised() {
    let disk = FakeDisk::new();
    let harness = on_disk(&disk);
    disk.fail_syncs(true);
    let mut told = Vec::new();
    // The idle tick may find the failure before a batch does, and then the journal is closed.
    for _ in 0..2 {
        let reply = harness.events(&[], minute("news", "长沙", T0, 0, 4)).await;
        assert_eq!(reply.headers["retry-after"], "1");
        told.push(reply.error());
    }
    let failed = "the journal has failed: whether the batch is kept shows after a restart, \
                  retry it with the same Chrysalis-Sequence";
    let closed = "the journal is closed";
    assert!(
        told[0] == (503, "journal_failed".to_owned(), failed.to_owned())
            || told[0] == (503, "stopping".to_owned(), closed.to_owned()),
        "{told:?}"
    );
    assert_eq!(told[1].0, 503);
}
