//! What the engine fetches by itself while a start loads: as durable as what is sent to it.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use sqlx::{Connection, SqliteConnection};

#[path = "history/place.rs"]
mod place;

const BOOK: &str = "
book: {name: t, version: '1', time_zone: Asia/Shanghai, any_service: true}
kqis:
  - {id: tests, name: Tests, layer: network, stream: dial_test, aggregate: count, group_by: [city], window: 1m, unit: count}
";

/// Starts the engine, with an exporter that it asks each second, or without.
fn serve(folder: &Path, listen: SocketAddr, exporter: Option<SocketAddr>) -> Child {
    let config = exporter.map_or(String::new(), |exporter| {
        format!(
            "blackbox: [{{name: portal, url: 'http://{exporter}/probe', service: s, city: c, interval_s: 1}}]\n"
        )
    });
    std::fs::write(folder.join("config.yaml"), config).unwrap();
    std::fs::write(folder.join("rules.yaml"), BOOK).unwrap();
    place::place_history(folder);
    let mut command = Command::new(env!("CARGO_BIN_EXE_chrysalis"));
    command.args(["serve", "--workers", "1", "--listen", &listen.to_string()]);
    for (name, file) in [
        ("--data", "data"),
        ("--config", "config.yaml"),
        ("--rules", "rules.yaml"),
    ] {
        command.arg(name).arg(folder.join(file));
    }
    command.stderr(Stdio::null()).spawn().unwrap()
}

fn get(address: SocketAddr, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(2))).ok()?;
    let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(answer)
}

fn until(what: &str, is_so: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < Duration::from_secs(30), "never {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// An exporter of whose target all is well.
fn exporter() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        while let Ok((mut stream, _)) = listener.accept() {
            let _ = stream.read(&mut [0; 1024]);
            let body = "probe_duration_seconds 0.1\nprobe_success 1\n";
            let _ = write!(
                stream,
                "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            );
        }
    });
    address
}

/// A start that cannot go on, for somebody else writes the ledger: exporters are asked all the same, and what they told
/// survives its death.
#[test]
fn what_probes_find_while_a_start_loads_survives_its_death() {
    let folder = tempfile::tempdir().unwrap();
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let says = |path: &str, part: &str| get(address, path).is_some_and(|told| told.contains(part));
    let is_ready = || says("/ready", "HTTP/1.1 200 ");
    let mut child = serve(folder.path(), address, None);
    until("ready", is_ready);
    let asked = Command::new("kill").arg(child.id().to_string()).status();
    assert!(asked.unwrap().success());
    assert!(child.wait().unwrap().success());

    let runtime = tokio::runtime::Runtime::new().unwrap();
    let ledger = folder.path().join("data/ledger.sqlite");
    let lock = runtime.block_on(async {
        let url = format!("sqlite://{}", ledger.display());
        let mut lock = SqliteConnection::connect(&url).await.unwrap();
        let begin = sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut lock).await;
        begin.unwrap();
        lock
    });
    let mut child = serve(folder.path(), address, Some(exporter()));
    let told = "chrysalis_blackbox_scrapes_total{outcome=\"told\",probe=\"portal\"} ";
    until("told", || says("/metrics", told));
    assert!(says("/v1/status", "\"state\":\"starting\""));
    child.kill().unwrap();
    child.wait().unwrap();
    runtime.block_on(lock.close()).unwrap();

    let mut child = serve(folder.path(), address, None);
    until("ready", is_ready);
    until("counted", || {
        says("/v1/kqis/tests/windows", "\"group\":\"city=c\"")
    });
    child.kill().unwrap();
    child.wait().unwrap();
}
