//! Clients that are slow, silent or too many, on real sockets: none of them holds anything for long, and none
//! keeps the others out.

#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

#[path = "crash/server.rs"]
mod server;

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

use reqwest::{Client, StatusCode};
use server::Server;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpSocket;

const RULES: &str = "
book: {name: connections, version: '1', time_zone: Asia/Shanghai, any_service: true}
streams: {dial_test: {allowed_lateness: 0s, idle_timeout: 1h, retention: 26h}}
kqis:
  - {id: tests, name: Tests, layer: network, stream: dial_test, aggregate: count, group_by: [city], window: 1m, unit: count}
";
/// Connections that one address may have.
const EACH: usize = 8;

fn set_up(folder: &Path) {
    std::fs::write(folder.join("rules.yaml"), RULES).unwrap();
    let config = format!(
        "http: {{connections_max: 40, connections_per_peer_max: {EACH}, head_timeout_ms: 1500, \
         write_timeout_ms: 1000, body_timeout_ms: 1000, request_timeout_ms: 2000}}\n"
    );
    std::fs::write(folder.join("config.yaml"), config).unwrap();
}

fn connect(server: &Server) -> TcpStream {
    let address: SocketAddr = server.url.strip_prefix("http://").unwrap().parse().unwrap();
    let stream = TcpStream::connect(address).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    stream
}

/// A client of an address of its own, with one connection for each request.
fn neighbour() -> Client {
    Client::builder()
        .local_address(IpAddr::from([127, 0, 0, 2]))
        .pool_max_idle_per_host(0)
        .timeout(Duration::from_secs(10))
        .build()
        .unwrap()
}

/// The value of `chrysalis_limit_over_total` of a limit.
async fn over(client: &Client, server: &Server, limit: &str) -> f64 {
    let answer = client.get(format!("{}/metrics", server.url)).send().await;
    let page = answer.unwrap().text().await.unwrap();
    let series = format!("chrysalis_limit_over_total{{limit=\"{limit}\"}} ");
    let line = page.lines().find_map(|line| line.strip_prefix(&series));
    line.unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_has_its_share_and_the_others_find_room() {
    let folder = tempfile::tempdir().unwrap();
    set_up(folder.path());
    let server = Server::start(folder.path(), 1).await;
    let neighbour = neighbour();
    // What waited for the start has closed its connections by now.
    tokio::time::sleep(Duration::from_millis(1_700)).await;
    let silent: Vec<TcpStream> = (0..EACH).map(|_| connect(&server)).collect();
    let mut told = 0;
    for _ in 0..5 {
        let mut one_more = connect(&server);
        let mut words = String::new();
        one_more.read_to_string(&mut words).unwrap();
        if words.starts_with("HTTP/1.1 429 ") {
            told += 1;
            let (head, body) = words.split_once("\r\n\r\n").unwrap();
            let length = format!("content-length: {}", body.len());
            assert!(head.contains(&length), "{words}");
            assert!(body.contains("too_many_connections"), "{words}");
        }
    }
    assert!(told > 0, "nobody was told why");
    let ready = neighbour.get(format!("{}/ready", server.url));
    assert_eq!(ready.send().await.unwrap().status(), StatusCode::OK);
    let limit = "http.connections_per_peer_max";
    assert_eq!(over(&neighbour, &server, limit).await, 5.0);
    // Who says nothing is sent away, and there is room again.
    let begun = Instant::now();
    for mut stream in silent {
        let mut nothing = Vec::new();
        stream.read_to_end(&mut nothing).unwrap();
    }
    assert!(
        begun.elapsed() < Duration::from_secs(5),
        "{:?}",
        begun.elapsed()
    );
    let mut stream = connect(&server);
    stream
        .write_all(b"GET /ready HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

/// Half a head from an address of this machine, as often as it may.
async fn hold(server: &Server, from: [u8; 4], held: &mut Vec<tokio::net::TcpStream>) {
    let address: SocketAddr = server.url.strip_prefix("http://").unwrap().parse().unwrap();
    for _ in 0..EACH {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((IpAddr::from(from), 0).into()).unwrap();
        let mut stream = socket.connect(address).await.unwrap();
        if stream.write_all(b"GET /ready HTTP/1.1\r\n").await.is_ok() {
            held.push(stream);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_addresses_that_open_whatever_they_may_keep_nobody_out() {
    let folder = tempfile::tempdir().unwrap();
    set_up(folder.path());
    let server = Server::start(folder.path(), 1).await;
    let neighbour = neighbour();
    let ask = async || {
        let begun = Instant::now();
        let status = neighbour.get(format!("{}/v1/status", server.url));
        assert_eq!(status.send().await.unwrap().status(), StatusCode::OK);
        begun.elapsed()
    };
    // Longer than a head may take, so whoever is cut off comes again: together they ask for all that there are.
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(4) {
        let mut held = Vec::new();
        for address in 11..=15 {
            hold(&server, [127, 0, 0, address], &mut held).await;
        }
        assert!(held.len() > 20, "{}", held.len());
        let took = ask().await;
        assert!(took < Duration::from_millis(1_000), "{took:?}");
    }
    assert!(over(&neighbour, &server, "http.connections_max").await > 0.0);
    let alerted = Instant::now();
    loop {
        let alerts = server.json("/v1/alerts").await.to_string();
        if alerts.contains("connections_full") {
            break;
        }
        assert!(alerted.elapsed() < Duration::from_secs(10), "{alerts}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_never_reads_its_answers_is_cut_off() {
    let folder = tempfile::tempdir().unwrap();
    set_up(folder.path());
    let server = Server::start(folder.path(), 1).await;
    let neighbour = neighbour();
    let mut deaf = connect(&server);
    deaf.set_write_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    // Asks for more than any buffer on the way takes, and never reads a byte.
    let asked = "GET /v1/rules/schema HTTP/1.1\r\nhost: x\r\n\r\n";
    let begun = Instant::now();
    let mut cut_off = false;
    while begun.elapsed() < Duration::from_secs(20) && !cut_off {
        cut_off = deaf.write_all(asked.as_bytes()).is_err();
    }
    assert!(cut_off, "it was listened to for {:?}", begun.elapsed());
    assert!(
        begun.elapsed() < Duration::from_secs(10),
        "{:?}",
        begun.elapsed()
    );
    assert_eq!(
        over(&neighbour, &server, "http.write_timeout_ms").await,
        1.0
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_sends_byte_by_byte_is_answered_and_cut_off() {
    let folder = tempfile::tempdir().unwrap();
    set_up(folder.path());
    let server = Server::start(folder.path(), 1).await;
    for (begin, piece) in [
        (
            &b"POST /v1/events HTTP/1.1\r\nhost: x\r\ncontent-length: 100000\r\n\r\n"[..],
            b"{",
        ),
        (b"GET /v1/status HTTP/1.1\r\n", b"x"),
    ] {
        let mut slow = connect(&server);
        slow.write_all(begin).unwrap();
        let begun = Instant::now();
        // Each piece comes in time; all of them never would.
        while begun.elapsed() < Duration::from_secs(15) && slow.write_all(piece).is_ok() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let took = begun.elapsed();
        assert!(took < Duration::from_secs(6), "{took:?}");
    }
}
