//! Bodies that are refused whole: every reason, with the words that the producer gets.

use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::api::testing::{BOOK, Harness, T0, minute};
use crate::api::tests::ingest::{gzip, small};
use crate::api::{HttpConfig, Lifecycle};
use crate::journal::writer::WriterConfig;
use crate::journal::{FakeDisk, JournalConfig};

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
    // Nobody has read it, so it would be taken for the next request.
    assert_eq!(announced.headers["connection"], "close");
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
    assert!(!lines.headers.contains_key("connection"), "all was read");
    for path in ["/v1/events", "/v1/none"] {
        let unread = axum::http::Request::put(path).body("unread".to_owned().into());
        let unread = harness.send(unread.unwrap()).await;
        assert_eq!(unread.headers["connection"], "close", "{path}");
    }
    let nothing = harness.get("/v1/none").await;
    assert!(!nothing.headers.contains_key("connection"), "there is none");
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
    for producer in 0..200 {
        // Each from another: one alone would be told of its share before the queue is full.
        let name = format!("p{producer}");
        let headers = [("chrysalis-producer", &*name), ("chrysalis-sequence", "1")];
        let reply = harness.events(&headers, body.clone()).await;
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
async fn events_are_taken_while_it_starts_and_not_while_it_stops() {
    let harness = Harness::new();
    let health = &harness.state().health;
    health.set_lifecycle(Lifecycle::Starting { percent: 40 });
    let reply = harness.events(&[], minute("news", "长沙", T0, 0, 4)).await;
    assert_eq!(reply.status, 200);
    assert_eq!(harness.get("/ready").await.status, 503);
    assert_eq!(harness.get("/healthz").await.status, 200);
    health.set_lifecycle(Lifecycle::Stopping);
    let reply = harness.events(&[], "").await;
    let words = "the engine is stopping".to_owned();
    assert_eq!(reply.error(), (503, "not_ready".to_owned(), words));
    assert_eq!(reply.headers["retry-after"], "1");
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
    assert!(answer.contains("connection: close\r\n"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sender_that_stops_in_the_middle_is_told_so() {
    let harness = small(|config| config.body_timeout_ms = 100);
    let answer = half_a_body(&harness).await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(answer.contains("\"code\":\"body_timeout\""), "{answer}");
    assert!(answer.contains("connection: close\r\n"), "{answer}");
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
async fn a_disk_that_runs_low_refuses_batches_and_says_so_everywhere() {
    let disk = FakeDisk::new();
    disk.set_capacity_bytes(Some(1 << 20));
    let harness = Harness::on_disk(
        &disk,
        BOOK,
        HttpConfig::default(),
        JournalConfig::default(),
        WriterConfig {
            disk_free_bytes_min: 1 << 30,
            ..WriterConfig::default()
        },
    );
    let reply = harness.events(&[], minute("news", "长沙", T0, 0, 4)).await;
    let (status, code, message) = reply.error();
    assert_eq!((status, &*code), (507, "disk_low"));
    assert!(
        message.contains(" bytes are free for the journal, less than the 1073741824 that are kept"),
        "{message}"
    );
    assert_eq!(reply.headers["retry-after"], "1");
    let journal = harness.get("/v1/status").await.json()["journal"].clone();
    assert_eq!(journal["refusing"], true);
    assert_eq!(journal["disk_free_bytes_min"], 1 << 30);
    assert!(journal["disk_free_bytes"].as_u64().unwrap() < 1 << 20);
    let page = harness.get("/metrics").await.text;
    for line in [
        "chrysalis_journal_refusing 1\n",
        "chrysalis_journal_refused_low_total 1\n",
        "chrysalis_journal_disk_free_bytes 10",
    ] {
        assert!(page.contains(line), "{line:?} in {page}");
    }
    let page = harness.get("/").await.text;
    assert!(page.contains("磁盘空间不足，暂停接收新数据"), "{page}");
    // Reads and commands are answered: only events are not taken.
    let answer = harness
        .post(
            "/v1/triggers/none/moves",
            r#"{"to":"accepted","actor":"a"}"#,
        )
        .await;
    assert_eq!(answer.status, 404, "{}", answer.text);
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

/// Every route with a name in its path: what cannot be read is said like every other error, and the document has it.
#[tokio::test(flavor = "multi_thread")]
async fn a_path_that_is_not_utf_8_is_refused_in_json() {
    let harness = Harness::new();
    let document = harness.get("/v1/openapi.json").await.json();
    let mut tried = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        if !path.contains('{') {
            continue;
        }
        let mut written = path.clone();
        while let Some((before, rest)) = written.clone().split_once('{') {
            let (_, after) = rest.split_once('}').unwrap();
            written = format!("{before}%ff{after}");
        }
        for (method, operation) in item.as_object().unwrap() {
            let request = axum::http::Request::builder()
                .method(method.to_uppercase().as_str())
                .uri(&written)
                .header("content-type", "application/json")
                .body(axum::body::Body::from("{}"))
                .unwrap();
            let reply = harness.send(request).await;
            let status = reply.status.as_str();
            let documented = &operation["responses"][status]["content"];
            let kind = reply.headers["content-type"].to_str().unwrap();
            let kind = kind.split(';').next().unwrap();
            assert!(
                !documented[kind].is_null(),
                "{method} {written}: {status} {kind}"
            );
            if !path.starts_with("/actions/") {
                assert_eq!(reply.error().1, "bad_path", "{method} {written}");
            }
            tried += 1;
        }
    }
    assert!(tried >= 15, "{tried}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_misspelt_city_does_not_read_as_one_in_which_all_is_well() {
    let places = "places:\n  - {group: 集团, province: 湖南, cities: [长沙, 衡阳]}\n";
    let harness = Harness::with(
        &format!("{BOOK}{places}"),
        HttpConfig::default(),
        JournalConfig::default(),
        WriterConfig::default(),
    );
    let ask = async |city: &str| {
        let written: String = city.bytes().map(|byte| format!("%{byte:02x}")).collect();
        harness
            .get(&format!("/v1/frontline/news?city={written}"))
            .await
    };
    assert_eq!(ask("衡阳").await.json()["impaired"], false);
    let (status, code, message) = ask("横阳").await.error();
    assert_eq!((status, &*code), (404, "not_found"));
    assert_eq!(message, "there is no city \"横阳\", known are 衡阳, 长沙");
    // A city that probes tell of is known, whatever the book says.
    let told = minute("news", "株洲", T0, 3, 4) + &minute("news", "株洲", T0 + 60_000, 0, 1);
    harness.events(&[], told).await;
    harness.until(|snapshot| !snapshot.triggers.is_empty());
    assert_eq!(ask("株洲").await.json()["impaired"], true);
}
