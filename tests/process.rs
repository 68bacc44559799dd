//! The program as shells and supervisors meet it. SIGTERM is heard at any moment: while the engine
//! starts, and while a client holds half a request. A replay that could take nothing does not exit 0.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::fs::OpenOptions;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use sqlx::{Connection, SqliteConnection};

#[path = "history/place.rs"]
mod place;

/// Starts the engine with the configuration of its folder, where there is one.
fn serve(folder: &Path, listen: &str, rules: Option<&Path>) -> Child {
    let config = folder.join("config.yaml");
    if !config.exists() {
        std::fs::write(&config, "").unwrap();
    }
    place::place_history(folder);
    let mut command = Command::new(env!("CARGO_BIN_EXE_chrysalis"));
    command.args(["serve", "--workers", "1", "--listen", listen]);
    command.arg("--data").arg(folder.join("data"));
    command.arg("--config").arg(config);
    if let Some(rules) = rules {
        command.arg("--rules").arg(rules);
    }
    command.stderr(Stdio::null()).spawn().unwrap()
}

/// Asks it to stop; the status, and how long it took.
fn terminate(mut child: Child) -> (ExitStatus, Duration) {
    let began = Instant::now();
    let asked = Command::new("kill").arg(child.id().to_string()).status();
    assert!(asked.unwrap().success());
    while began.elapsed() < Duration::from_secs(30) {
        if let Some(status) = child.try_wait().unwrap() {
            return (status, began.elapsed());
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    child.kill().unwrap();
    (child.wait().unwrap(), began.elapsed())
}

#[test]
fn a_stop_during_the_start_is_heard() {
    let folder = tempfile::tempdir().unwrap();
    // Rules from a pipe that nobody writes to: the start never ends.
    let pipe = folder.path().join("rules.yaml");
    let made = Command::new("mkfifo").arg(&pipe).status();
    assert!(made.unwrap().success());
    let mut child = serve(folder.path(), "127.0.0.1:0", Some(&pipe));
    std::thread::sleep(Duration::from_secs(1));
    assert!(child.try_wait().unwrap().is_none());
    let (status, took) = terminate(child);
    assert!(status.success(), "{status}");
    assert!(took < Duration::from_secs(2), "{took:?}");
}

#[test]
fn half_a_request_does_not_hold_up_a_stop() {
    let folder = tempfile::tempdir().unwrap();
    // The port is free again when the listener is dropped.
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let child = serve(folder.path(), &address.to_string(), None);
    let began = Instant::now();
    let ready = || {
        let mut stream = TcpStream::connect(address).ok()?;
        stream
            .write_all(b"GET /ready HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
            .ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        answer.starts_with("HTTP/1.1 200").then_some(())
    };
    while ready().is_none() {
        assert!(began.elapsed() < Duration::from_secs(30), "never ready");
        std::thread::sleep(Duration::from_millis(20));
    }
    let mut body = TcpStream::connect(address).unwrap();
    body.write_all(b"POST /v1/events HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{")
        .unwrap();
    let mut head = TcpStream::connect(address).unwrap();
    head.write_all(b"GET /v1/sta").unwrap();
    std::thread::sleep(Duration::from_millis(200));
    let (status, took) = terminate(child);
    assert!(status.success(), "{status}");
    assert!(took < Duration::from_secs(6), "{took:?}");
}

/// Replays what is on standard input.
fn replay(folder: &Path, input: &[u8]) -> (Output, String) {
    let rules = folder.join("book.yaml");
    let book = "book: {name: t, version: '1', time_zone: Asia/Shanghai, any_service: true}\n";
    std::fs::write(&rules, book).unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_chrysalis"))
        .args(["replay", "--now", "2026-01-01T00:00:00Z", "--rules"])
        .arg(&rules)
        .arg("-")
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    let told = String::from_utf8(output.stderr.clone()).unwrap();
    (output, told)
}

#[test]
fn a_replay_that_took_nothing_says_so_and_fails() {
    let folder = tempfile::tempdir().unwrap();
    let line =
        |ts: &str| format!("{{\"type\":\"gauge\",\"ts\":\"{ts}\",\"name\":\"g\",\"value\":1}}\n");
    let (past, future) = (line("2025-12-31T23:00:00Z"), line("9998-01-01T00:00:00Z"));
    let (output, told) = replay(folder.path(), future.as_bytes());
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(
        told.contains("-: line 1: ts 9998-01-01T00:00:00Z lies "),
        "{told}"
    );
    assert!(
        told.ends_with("chrysalis: no line of the input could be taken, so nothing was written\n"),
        "{told}"
    );
    // One good line is an answer, and so is no line at all.
    for input in [format!("{future}{past}"), String::new()] {
        let (output, told) = replay(folder.path(), input.as_bytes());
        assert!(output.status.success(), "{told}");
    }
    // Packed input is known by its bytes: standard input has no name.
    let packed = zstd::encode_all(past.as_bytes(), 1).unwrap();
    let (output, told) = replay(folder.path(), &packed);
    assert!(
        output.status.success() && told.contains("1 events in"),
        "{told}"
    );
    let (output, told) = replay(folder.path(), &packed[..packed.len() - 2]);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.starts_with("chrysalis: cannot read -: "), "{told}");
}

#[test]
fn an_input_that_is_not_there_is_told_once() {
    let folder = tempfile::tempdir().unwrap();
    let rules = folder.path().join("book.yaml");
    std::fs::write(&rules, "book: {name: t, version: '1', time_zone: UTC}\n").unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_chrysalis"))
        .args(["replay", "/no/such/file", "--rules"])
        .arg(&rules)
        .output()
        .unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        told,
        "chrysalis: cannot open /no/such/file: No such file or directory (os error 2)\n"
    );
}

/// Who never ends the head of a request is cut off, and keeps nobody out for longer than that.
#[test]
fn heads_that_drip_are_cut_off_and_others_get_in() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("config.yaml");
    std::fs::write(
        &config,
        "http: {head_timeout_ms: 1500, connections_max: 6}\n",
    )
    .unwrap();
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let child = serve(folder.path(), &address.to_string(), None);
    let ask = |path: &str| {
        let mut stream = TcpStream::connect(address).ok()?;
        let head = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        stream.write_all(head.as_bytes()).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        answer.starts_with("HTTP/1.1 200").then_some(answer)
    };
    let began = Instant::now();
    while ask("/ready").is_none() {
        assert!(began.elapsed() < Duration::from_secs(30), "never ready");
        std::thread::sleep(Duration::from_millis(20));
    }
    // More than there are places, and more than one address gets: the others are told so, as is who asks from there.
    let mut slow: Vec<TcpStream> = (0..9)
        .map(|_| {
            let mut stream = TcpStream::connect(address).unwrap();
            stream
                .write_all(b"GET /v1/status HTTP/1.1\r\nx-drip: ")
                .unwrap();
            stream
        })
        .collect();
    // They drip on, a byte at a time, and never end.
    let dripping = std::thread::spawn(move || {
        for _ in 0..60 {
            for stream in &mut slow {
                let _ = stream.write_all(b"a");
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        slow
    });
    let began = Instant::now();
    let metrics = loop {
        if let Some(page) = ask("/metrics") {
            break page;
        }
        assert!(began.elapsed() < Duration::from_secs(5), "kept out");
        std::thread::sleep(Duration::from_millis(50));
    };
    assert!(
        metrics.contains("\nchrysalis_limit_max{limit=\"http.connections_max\"} 6\n"),
        "{metrics}"
    );
    for mut stream in dripping.join().unwrap() {
        stream
            .set_read_timeout(Some(Duration::from_secs(5)))
            .unwrap();
        let mut answer = Vec::new();
        // Closed by now, with 408 or without a word; still open would be a time-out.
        match stream.read_to_end(&mut answer) {
            Ok(_) => {}
            Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "{error}"),
        }
    }
    let (status, _) = terminate(child);
    assert!(status.success(), "{status}");
}

/// What a server answers, within some seconds.
fn answer(address: SocketAddr, request: &str, patience: Duration) -> Option<String> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(patience)).ok()?;
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(answer)
}

/// A checkpoint that takes long to read, for it is a pipe into which nobody writes: the process is answered for and says
/// what it is at, and who comes early is told at once to come back.
#[test]
fn while_a_checkpoint_is_loaded_the_address_answers_and_batches_are_told_to_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("config.yaml");
    std::fs::write(&config, "checkpoint: {interval_ms: 100}\n").unwrap();
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let start = || serve(folder.path(), &address.to_string(), None);
    let checkpoints = || {
        let files = std::fs::read_dir(folder.path().join("data/checkpoints"));
        let files = files.into_iter().flatten().flatten();
        let mut paths: Vec<_> = files.map(|file| file.path()).collect();
        paths.retain(|path| path.extension().is_some_and(|end| end == "chk"));
        paths.sort();
        paths
    };
    let began = Instant::now();
    let child = start();
    while checkpoints().len() < 3 {
        assert!(began.elapsed() < Duration::from_secs(30), "no checkpoints");
        std::thread::sleep(Duration::from_millis(20));
    }
    let (status, _) = terminate(child);
    assert!(status.success(), "{status}");
    let pipe = checkpoints().pop().unwrap();
    std::fs::remove_file(&pipe).unwrap();
    let made = Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());

    let child = start();
    let get = |path: &str| {
        let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        answer(address, &request, Duration::from_secs(2))
    };
    let began = Instant::now();
    while get("/healthz").is_none() {
        assert!(began.elapsed() < Duration::from_secs(20), "nobody answers");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(get("/ready").unwrap().starts_with("HTTP/1.1 503 "));
    let status = get("/v1/status").unwrap();
    for part in [
        "\"state\":\"starting\"",
        "\"starting_step\":\"checkpoint\"",
        // How long a pipe is nobody knows.
        "\"starting_percent\":null",
    ] {
        assert!(status.contains(part), "{part}: {status}");
    }
    let page = get("/").unwrap();
    assert!(page.contains("starting: loading, checkpoint"), "{page}");
    let line = r#"{"type":"gauge","ts":1764000000000,"name":"g","value":1}"#;
    let request = format!(
        "POST /v1/events HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{line}",
        line.len()
    );
    let asked = Instant::now();
    let early = answer(address, &request, Duration::from_secs(25)).unwrap();
    assert!(asked.elapsed() < Duration::from_secs(2), "it was kept");
    assert!(early.starts_with("HTTP/1.1 503 "), "{early}");
    for part in ["\r\nretry-after: 1\r\n", "\"code\":\"starting\""] {
        assert!(early.contains(part), "{part}: {early}");
    }
    // It was no checkpoint, as every reader finds that comes from now on; the one before it is whole.
    std::thread::spawn(move || {
        while let Ok(mut file) = OpenOptions::new().write(true).open(&pipe) {
            let _ = file.write_all(b"no checkpoint");
        }
    });
    // Taken as soon as it can be, also if there is no engine yet.
    let told = loop {
        let told = answer(address, &request, Duration::from_secs(25)).unwrap();
        if told.starts_with("HTTP/1.1 200 ") {
            break told;
        }
        assert!(told.starts_with("HTTP/1.1 503 "), "{told}");
        assert!(began.elapsed() < Duration::from_secs(20), "{told}");
        std::thread::sleep(Duration::from_millis(20));
    };
    assert!(told.contains("\"accepted\":1"), "{told}");
    // By the engine itself soon, and no longer for it.
    while !get("/v1/status").unwrap().contains("\"rule_book\":") {
        assert!(began.elapsed() < Duration::from_secs(20), "no engine");
        std::thread::sleep(Duration::from_millis(20));
    }
    let (status, _) = terminate(child);
    assert!(status.success(), "{status}");
}

/// Midnight in Shanghai, ms.
const T0: i64 = 1_764_000_000_000;
const TESTS: &str = "
book: {name: t, version: '1', time_zone: Asia/Shanghai, any_service: true}
streams: {dial_test: {allowed_lateness: 0s, idle_timeout: 1h, retention: 26h}}
kqis:
  - {id: tests, name: Tests, layer: network, stream: dial_test, aggregate: count, group_by: [city], window: 1m, unit: count, interval: {max: 5}}
  - {id: came, name: Came, layer: network, stream: mms_submit, filter: status == 'Retrieved', aggregate: count, group_by: [city], window: 1m, unit: count}
  - {id: filed, name: Filed, layer: experience, stream: complaint, aggregate: count, group_by: [city], window: 1m, unit: count}
services: [{id: s, name: S}]
leaves:
  - {id: lost, path: 投诉/没有收到, service: s, questions: [{id: other, text: Other, role: element}]}
alert_policies:
  default: {for: 0s, keep_firing_for: 0s, severity: major, missing: hold}
";

/// What becomes of a batch of one dial test.
fn post(address: SocketAddr, sequence: u64) -> Option<String> {
    let ts = T0 + sequence as i64;
    let line = format!(
        "{{\"type\":\"dial_test\",\"ts\":{ts},\"service\":\"s\",\"city\":\"c\",\"ok\":true}}"
    );
    let headers = format!("chrysalis-producer: p\r\nchrysalis-sequence: {sequence}");
    send(address, "/v1/events", &headers, &line)
}

fn send(address: SocketAddr, path: &str, headers: &str, body: &str) -> Option<String> {
    let request = format!(
        "POST {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{headers}\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    answer(address, &request, Duration::from_secs(5))
}

/// What an MMSC is told of its report that it came.
fn report(address: SocketAddr) -> Option<String> {
    let envelope = "<env:Envelope xmlns:env=\"http://schemas.xmlsoap.org/soap/envelope/\"><env:Header>\
        <mm7:TransactionID xmlns:mm7=\"http://www.3gpp.org/ftp/Specs/archive/23_series/23.140/schema/REL-5-MM7-1-0\">t7</mm7:TransactionID>\
        </env:Header><env:Body><DeliveryReportReq><MessageID>m1</MessageID>\
        <Recipient><Number>+8613900000001</Number></Recipient><TimeStamp>2025-11-25T00:00:05+08:00</TimeStamp>\
        <MMStatus>Retrieved</MMStatus></DeliveryReportReq></env:Body></env:Envelope>";
    send(address, "/mm7", "content-type: text/xml", envelope)
}

/// What becomes of a contact that is filed by its form.
fn contact(address: SocketAddr, leaf: &str) -> Option<String> {
    let ts = T0 + 6_000;
    let body = format!("{{\"leaf\":\"{leaf}\",\"serial\":\"k1\",\"ts\":{ts},\"city\":\"c\"}}");
    let headers = "content-type: application/json";
    send(address, "/v1/complaints", headers, &body)
}

/// A start that cannot go on, for somebody else writes the ledger: batches are acknowledged all the same, a death in the
/// middle of it loses none of them, and none counts twice.
#[test]
fn what_is_acknowledged_while_a_start_loads_survives_its_death_and_counts_once() {
    let folder = tempfile::tempdir().unwrap();
    let rules = folder.path().join("rules.yaml");
    std::fs::write(&rules, TESTS).unwrap();
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let start = || serve(folder.path(), &address.to_string(), Some(&rules));
    let get = |path: &str| {
        let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        answer(address, &request, Duration::from_secs(2)).unwrap_or_default()
    };
    let until = |what: &str, is_so: &dyn Fn() -> bool| {
        let began = Instant::now();
        while !is_so() {
            assert!(began.elapsed() < Duration::from_secs(30), "never {what}");
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    let is_ready = || get("/ready").starts_with("HTTP/1.1 200 ");
    let counts = |kqi: &str, events: u64| {
        let to = T0 + 60_000;
        let windows = get(&format!("/v1/kqis/{kqi}/windows?from={T0}&to={to}"));
        windows.contains(&format!("\"count\":{events},"))
    };
    let is_counted = |events: u64| counts("tests", events);
    let says = |told: Option<String>, part: &str| {
        let told = told.unwrap_or_default();
        assert!(told.starts_with("HTTP/1.1 200 "), "{told}");
        assert!(told.contains(part), "{part}: {told}");
    };
    let taken = |sequence, part: &str| {
        post(address, sequence)
            .is_some_and(|told| told.starts_with("HTTP/1.1 200 ") && told.contains(part))
    };
    let child = start();
    until("ready", &is_ready);
    assert!(taken(1, "\"accepted\":1"));
    let line = r#"{"type":"mms_submit","ts":1764000000000,"message_id":"m1","service":"s","city":"c","recipient":"13900000001"}"#;
    let sent = send(address, "/v1/events", "accept: */*", line);
    says(sent, "\"accepted\":1");
    until("counted", &|| is_counted(1));
    let (status, _) = terminate(child);
    assert!(status.success(), "{status}");

    let runtime = tokio::runtime::Runtime::new().unwrap();
    let ledger = folder.path().join("data/ledger.sqlite");
    let lock = runtime.block_on(async {
        let url = format!("sqlite://{}", ledger.display());
        let mut lock = SqliteConnection::connect(&url).await.unwrap();
        let begin = sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut lock).await;
        begin.unwrap();
        lock
    });
    let mut child = start();
    until("taken", &|| taken(2, "\"accepted\":1"));
    assert!(taken(3, "\"accepted\":1"));
    // What is known since before the checkpoint is a repeat, and so is what came just now.
    for sequence in [1, 2] {
        assert!(taken(sequence, "\"duplicate\":true"), "{sequence}");
    }
    // A report and a contact need the book and the journal, and are answered as they are later.
    says(report(address), "<StatusCode>1000</StatusCode>");
    says(contact(address, "lost"), "\"state\":\"filed\"");
    let unknown = contact(address, "none").unwrap();
    assert!(unknown.starts_with("HTTP/1.1 404 "), "{unknown}");
    let status = get("/v1/status");
    for part in ["\"state\":\"starting\"", "\"starting_takes_events\":true"] {
        assert!(status.contains(part), "{part}: {status}");
    }
    for path in ["/ready", "/v1/alerts", "/v1/complaints/forms"] {
        assert!(get(path).starts_with("HTTP/1.1 503 "), "{path}");
    }
    child.kill().unwrap();
    child.wait().unwrap();
    runtime.block_on(lock.close()).unwrap();

    let child = start();
    until("ready", &is_ready);
    until("counted", &|| is_counted(3));
    for kqi in ["came", "filed"] {
        until(kqi, &|| counts(kqi, 1));
    }
    // Their senders have heard of no death; who sends again all the same changes nothing.
    says(report(address), "<StatusCode>1000</StatusCode>");
    says(contact(address, "lost"), "\"state\":\"filed\"");
    for sequence in [1, 2, 3] {
        assert!(taken(sequence, "\"duplicate\":true"), "{sequence}");
    }
    assert!(taken(4, "\"accepted\":1"));
    until("counted", &|| is_counted(4));
    assert!(counts("came", 1) && counts("filed", 1));
    let (status, _) = terminate(child);
    assert!(status.success(), "{status}");
}
