//! One producer floods, another sends now and then: the one is told to come back, the other is served.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::Request;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tower::ServiceExt;

use crate::api::HttpConfig;
use crate::api::testing::{BOOK, Harness, T0, minute};
use crate::journal::JournalConfig;
use crate::journal::writer::WriterConfig;

fn harness(change: impl FnOnce(&mut HttpConfig)) -> Harness {
    let mut config = HttpConfig {
        plain_bytes_max: 10_000,
        ..HttpConfig::default()
    };
    change(&mut config);
    Harness::with(
        BOOK,
        config,
        JournalConfig {
            record_bytes_max: 10_000,
            ..JournalConfig::default()
        },
        WriterConfig {
            queue_bytes_max: 100_000,
            epochs_ahead_max: 1,
            ..WriterConfig::default()
        },
    )
}

/// A batch from an address.
fn from_peer(peer: [u8; 4], body: impl Into<Body>) -> Request<Body> {
    let mut request = Request::post("/v1/events").body(body.into()).unwrap();
    let address = ConnectInfo(SocketAddr::from((peer, 4_000)));
    request.extensions_mut().insert(address);
    request
}

#[tokio::test(flavor = "multi_thread")]
#[expect(
    clippy::await_holding_lock,
    reason = "the guard is the stall; only the engine's own thread waits for it"
)]
async fn a_flood_while_the_engine_is_behind_leaves_room_for_a_slow_producer() {
    let harness = harness(|_| {});
    let stalled = harness.stall();
    let ended = Arc::new(AtomicBool::new(false));
    let (refused, taken) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
    let body = minute("news", "长沙", T0, 0, 40);
    let flood: Vec<_> = (0..40)
        .map(|_| {
            let (router, body) = (harness.router(), body.clone());
            let (ended, refused, taken) =
                (Arc::clone(&ended), Arc::clone(&refused), Arc::clone(&taken));
            tokio::spawn(async move {
                while !ended.load(Ordering::SeqCst) {
                    let request = from_peer([10, 0, 0, 1], body.clone());
                    let reply = router.clone().oneshot(request).await.unwrap();
                    match reply.status().as_u16() {
                        429 => refused.fetch_add(1, Ordering::SeqCst),
                        200 => taken.fetch_add(1, Ordering::SeqCst),
                        other => panic!("{other}"),
                    };
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            })
        })
        .collect();
    // It has what it can get, and goes on asking for more.
    let mut before = usize::MAX;
    // The engine is behind once nothing more is taken.
    while refused.load(Ordering::SeqCst) < 200 || before != taken.load(Ordering::SeqCst) {
        before = taken.load(Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    let slow: Vec<_> = (0..3)
        .map(|peer| {
            let request = from_peer([10, 0, 0, 2 + peer], minute("news", "株洲", T0, 0, 4));
            tokio::spawn(harness.router().oneshot(request))
        })
        .collect();
    // Much later than it takes to be refused: they are in, and wait for the engine.
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(slow.iter().all(|request| !request.is_finished()));
    drop(stalled);
    for request in slow {
        assert_eq!(request.await.unwrap().unwrap().status(), 200);
    }
    ended.store(true, Ordering::SeqCst);
    for task in flood {
        task.await.unwrap();
    }
    assert!(taken.load(Ordering::SeqCst) > 0);
    let queues = harness.get("/v1/status").await.json()["queues"].clone();
    assert!(queues["journal_refused_share"].as_u64().unwrap() >= 200);
    assert_eq!(queues["journal_refused_busy"], 0);
}

/// Sends a request from an address of this machine, and reads the beginning of the answer, if one comes.
async fn ask(from: [u8; 4], to: SocketAddr, request: String) -> (TcpStream, String) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::from((from, 0))).unwrap();
    let mut client = socket.connect(to).await.unwrap();
    client.write_all(request.as_bytes()).await.unwrap();
    let mut answer = vec![0; 1_000];
    let read = tokio::time::timeout(Duration::from_millis(300), client.read(&mut answer)).await;
    let length = read.map_or(0, |length| length.unwrap());
    let answer = String::from_utf8_lossy(&answer[..length]).into_owned();
    (client, answer)
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_begins_many_bodies_and_ends_none_leaves_room_for_the_others() {
    let harness = harness(|config| config.in_flight_requests_max = 10);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let to = listener.local_addr().unwrap();
    // As `app` serves: peers are known by their addresses.
    let service = harness
        .router()
        .into_make_service_with_connect_info::<SocketAddr>();
    let serving = tokio::spawn(async move { axum::serve(listener, service).await });
    let whole = |body: &str| {
        let length = body.len();
        format!("POST /v1/events HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n\r\n{body}")
    };
    let half = || "POST /v1/events HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\nabc".to_owned();
    let mut open = Vec::new();
    for _ in 0..5 {
        let (client, answer) = ask([127, 0, 0, 1], to, half()).await;
        assert_eq!(answer, "");
        open.push(client);
    }
    let (_, answer) = ask([127, 0, 0, 1], to, half()).await;
    assert!(answer.starts_with("HTTP/1.1 429 "), "{answer}");
    let words = "many bodies are under way, and this producer's fair share is used up: 5 bodies of 15 \
                 bytes are its own; come back in a second";
    assert!(answer.contains(words), "{answer}");
    let body = minute("news", "长沙", T0, 0, 4);
    let (_, answer) = ask([127, 0, 0, 2], to, whole(&body)).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    drop(open);
    serving.abort();
    let _ = serving.await;
}
