//! Sending against a small HTTP server of our own, whose moods are scripted.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use loadgen::{
    FindingVerdict, GenerateOptions, Generator, Pace, Scenario, SendError, SendOptions, Size,
    Source, SourceError, Watcher, send,
};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;

/// What the server answers to a batch.
#[derive(Clone, Copy)]
enum Mood {
    /// Take it after this long.
    Take(Duration),
    /// Say 429 with this `Retry-After`.
    Busy(&'static str),
    /// Take the first line, and list one of the others.
    RefuseMost,
    /// Say 400.
    Refuse,
}

/// A request as the server saw it.
#[derive(Clone, Debug)]
struct Seen {
    at: Instant,
    producer: String,
    sequence: u64,
    gzip: bool,
    token: Option<String>,
    body: Vec<u8>,
}

#[derive(Clone)]
struct Stub {
    seen: Arc<Mutex<Vec<Seen>>>,
    mood: fn(usize) -> Mood,
    alerts: &'static str,
}

impl Stub {
    async fn start(mood: fn(usize) -> Mood, alerts: &'static str) -> (Self, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let target = format!("http://{}", listener.local_addr().unwrap());
        let stub = Self {
            seen: Arc::default(),
            mood,
            alerts,
        };
        let serving = stub.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serving.clone().serve(stream));
            }
        });
        (stub, target)
    }

    async fn serve(self, mut stream: TcpStream) {
        let (read, mut write) = stream.split();
        let mut read = BufReader::new(read);
        loop {
            let mut first = String::new();
            if read.read_line(&mut first).await.unwrap_or(0) == 0 {
                return;
            }
            let mut headers = HashMap::new();
            loop {
                let mut line = String::new();
                read.read_line(&mut line).await.unwrap();
                let Some((name, value)) = line.trim().split_once(": ") else {
                    break;
                };
                headers.insert(name.to_lowercase(), value.to_owned());
            }
            let length = headers
                .get("content-length")
                .map_or(0, |length| length.parse().unwrap());
            let mut body = vec![0; length];
            read.read_exact(&mut body).await.unwrap();

            let (status, extra, text) = if first.starts_with("GET /v1/alerts ") {
                ("200 OK", String::new(), self.alerts.to_owned())
            } else {
                assert!(first.starts_with("POST /v1/events "), "{first}");
                let gzip = headers
                    .get("content-encoding")
                    .is_some_and(|coding| coding == "gzip");
                if gzip {
                    let mut plain = Vec::new();
                    std::io::Read::read_to_end(
                        &mut flate2::read::GzDecoder::new(&body[..]),
                        &mut plain,
                    )
                    .unwrap();
                    body = plain;
                }
                let lines = body.iter().filter(|byte| **byte == b'\n').count();
                let number = {
                    let mut seen = self.seen.lock().unwrap();
                    seen.push(Seen {
                        at: Instant::now(),
                        producer: headers["chrysalis-producer"].clone(),
                        sequence: headers["chrysalis-sequence"].parse().unwrap(),
                        gzip,
                        token: headers.get("authorization").cloned(),
                        body,
                    });
                    seen.len() - 1
                };
                match (self.mood)(number) {
                    Mood::Take(after) => {
                        tokio::time::sleep(after).await;
                        let text = format!(
                            "{{\"accepted\":{},\"refused\":[{{\"line\":1,\"reason\":\"first line of batch\"}}],\"duplicate\":false}}",
                            lines - 1
                        );
                        ("200 OK", String::new(), text)
                    }
                    Mood::RefuseMost => {
                        let text = format!(
                            "{{\"accepted\":1,\"refused\":[{{\"line\":2,\"reason\":\"one of many\"}}],\"refused_total\":{},\"duplicate\":false}}",
                            lines - 1
                        );
                        ("200 OK", String::new(), text)
                    }
                    Mood::Busy(after) => (
                        "429 Too Many Requests",
                        format!("Retry-After: {after}\r\n"),
                        "busy".to_owned(),
                    ),
                    Mood::Refuse => ("400 Bad Request", String::new(), "no such thing".to_owned()),
                }
            };
            let answer = format!(
                "HTTP/1.1 {status}\r\n{extra}Content-Length: {}\r\n\r\n{text}",
                text.len()
            );
            if write.write_all(answer.as_bytes()).await.is_err() {
                return;
            }
        }
    }

    fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

/// A source of numbered lines, all due at once.
struct Numbers(std::ops::Range<u64>);

impl Source for Numbers {
    fn next_line(&mut self, buffer: &mut Vec<u8>) -> Result<Option<i64>, SourceError> {
        Ok(self.0.next().map(|number| {
            buffer.extend_from_slice(number.to_string().as_bytes());
            0
        }))
    }
}

fn options(target: &str, pace: Pace) -> SendOptions {
    SendOptions {
        target: target.to_owned(),
        token: None,
        pace,
        batch_lines: 10,
        linger: Duration::from_millis(50),
        in_flight: 4,
        producer: "test".to_owned(),
        gzip: false,
        retry_for: Duration::from_secs(5),
        duration: None,
    }
}

fn taken(_: usize) -> Mood {
    Mood::Take(Duration::ZERO)
}

fn never() -> std::future::Pending<()> {
    std::future::pending()
}

#[tokio::test]
async fn latency_counts_from_the_schedule_when_the_target_stalls() {
    // The third request takes a second; with one request in flight, those
    // scheduled meanwhile wait. A closed loop would report one slow request.
    let stall = |number| Mood::Take(Duration::from_millis(if number == 2 { 1_000 } else { 0 }));
    let (stub, target) = Stub::start(stall, "").await;
    let options = SendOptions {
        in_flight: 1,
        ..options(&target, Pace::RatePerS(500.0))
    };
    let tally = send(&mut Numbers(0..1_000), &options, never(), |_| {})
        .await
        .unwrap();
    let report = tally.report();

    assert_eq!(stub.seen().len(), 100);
    assert!(
        report.wall_s < 2.9,
        "the schedule is kept after the stall: {} s",
        report.wall_s
    );
    assert!(
        report.latency_max_ms > 950.0,
        "{} ms",
        report.latency_max_ms
    );
    // 100 batches in 2 s: about 50 were due during the stall, a quarter of all
    // waited for more than half of it.
    assert!(
        report.latency_p90_ms > 500.0,
        "the waiting is omitted: p90 {} ms",
        report.latency_p90_ms
    );
}

#[tokio::test]
async fn requests_in_flight_are_bounded_and_lanes_keep_their_order() {
    let slow = |_| Mood::Take(Duration::from_millis(100));
    let (stub, target) = Stub::start(slow, "").await;
    let begun = Instant::now();
    send(
        &mut Numbers(0..200),
        &options(&target, Pace::Unpaced),
        never(),
        |_| {},
    )
    .await
    .unwrap();
    // 20 batches, 4 at a time, 100 ms each.
    assert!(begun.elapsed() >= Duration::from_millis(500));

    let mut lanes: HashMap<String, Vec<u64>> = HashMap::new();
    for seen in stub.seen() {
        lanes.entry(seen.producer).or_default().push(seen.sequence);
    }
    assert_eq!(lanes.len(), 4);
    for (lane, sequences) in lanes {
        assert_eq!(
            sequences,
            (1..=sequences.len() as u64).collect::<Vec<_>>(),
            "{lane}"
        );
    }
}

#[tokio::test]
async fn a_busy_target_is_asked_again_with_the_same_sequence() {
    let moods = |number| match number {
        1 => Mood::Busy("0.3"),
        2 => Mood::Busy("0"),
        _ => Mood::Take(Duration::ZERO),
    };
    let (stub, target) = Stub::start(moods, "").await;
    let options = SendOptions {
        in_flight: 1,
        gzip: true,
        ..options(&target, Pace::Unpaced)
    };
    let report = send(&mut Numbers(0..30), &options, never(), |_| {})
        .await
        .unwrap()
        .report();

    let seen = stub.seen();
    assert_eq!(
        seen.iter().map(|seen| seen.sequence).collect::<Vec<_>>(),
        [1, 2, 2, 2, 3]
    );
    assert!(seen.iter().all(|seen| seen.gzip));
    assert_eq!(seen[1].body, seen[3].body);
    assert!(
        seen[2].at - seen[1].at >= Duration::from_millis(300),
        "Retry-After is honoured"
    );
    assert_eq!(
        (
            report.requests,
            report.requests_retried,
            report.requests_throttled
        ),
        (5, 2, 2)
    );
    assert_eq!(
        (
            report.lines_sent,
            report.lines_accepted,
            report.lines_refused,
            report.lines_lost
        ),
        (30, 27, 3, 0)
    );
    assert_eq!(report.refusals["first line of batch"], 3);
}

#[tokio::test]
async fn refusals_and_losses_are_counted_with_their_reasons() {
    let (_, target) = Stub::start(|_| Mood::Refuse, "").await;
    let report = send(
        &mut Numbers(0..20),
        &options(&target, Pace::Unpaced),
        never(),
        |_| {},
    )
    .await
    .unwrap()
    .report();
    assert_eq!((report.lines_refused, report.requests), (20, 2));
    assert_eq!(report.refusals["400 Bad Request: no such thing"], 2);

    // A target lists the first of many, and says how many there were.
    let (_, target) = Stub::start(|_| Mood::RefuseMost, "").await;
    let listing = options(&target, Pace::Unpaced);
    let report = send(&mut Numbers(0..20), &listing, never(), |_| {}).await;
    let report = report.unwrap().report();
    assert_eq!((report.lines_accepted, report.lines_refused), (2, 18));
    let words = report.to_string();
    assert!(words.contains("accepted 2  refused 18  lost 0"), "{words}");
    assert!(words.contains("refusal    2 x one of many"), "{words}");

    let gone = SendOptions {
        retry_for: Duration::from_millis(300),
        ..options("http://127.0.0.1:9", Pace::Unpaced)
    };
    let report = send(&mut Numbers(0..10), &gone, never(), |_| {})
        .await
        .unwrap()
        .report();
    assert_eq!((report.lines_lost, report.lines_accepted), (10, 0));
    assert!(
        report
            .refusals
            .keys()
            .any(|reason| reason.contains("refused")),
        "{:?}",
        report.refusals
    );

    let nowhere = send(
        &mut Numbers(0..1),
        &options("localhost", Pace::Unpaced),
        never(),
        |_| {},
    )
    .await;
    assert!(matches!(nowhere, Err(SendError::Target(target)) if target == "localhost"));
}

#[tokio::test]
async fn duration_and_stop_end_a_run_early() {
    let (stub, target) = Stub::start(taken, "").await;
    let short = SendOptions {
        duration: Some(Duration::from_millis(500)),
        ..options(&target, Pace::RatePerS(1_000.0))
    };
    let report = send(&mut Numbers(0..1_000_000), &short, never(), |_| {})
        .await
        .unwrap()
        .report();
    assert!(
        (400..=510).contains(&report.lines_sent),
        "{}",
        report.lines_sent
    );

    let before = stub.seen().len();
    let stop = tokio::time::sleep(Duration::from_millis(300));
    send(
        &mut Numbers(0..1_000_000),
        &options(&target, Pace::RatePerS(1_000.0)),
        stop,
        |_| {},
    )
    .await
    .unwrap();
    assert!((5..=40).contains(&(stub.seen().len() - before)));
}

#[tokio::test]
async fn a_scenario_is_played_at_speed_and_its_detection_judged() {
    let alerts = r#"{"alerts":[{"alert":"xcard_sms_reply_time_p95","group":{"service":"experience_card","city":"长沙"},
        "severity":"major","state":"firing","fired_at_ms":1772410440000,"resolved_at_ms":null}]}"#;
    let (stub, target) = Stub::start(taken, alerts).await;
    let scenario = Scenario::bundled("four-streams").unwrap().unwrap();
    let mut generator = Generator::new(
        &scenario,
        GenerateOptions {
            size: Size::Scale(0.002),
            ..Default::default()
        },
    );
    let incidents = generator.truth().incidents.clone();
    // An hour in two seconds.
    let options = SendOptions {
        in_flight: 1,
        ..options(&target, Pace::Speed(1_800.0))
    };
    let tally = send(&mut generator, &options, never(), |_| {})
        .await
        .unwrap();
    let report = tally.report();
    assert!((1.8..6.0).contains(&report.wall_s), "{} s", report.wall_s);
    assert_eq!(report.lines_sent, generator.truth().lines.total);
    let received: usize = stub
        .seen()
        .iter()
        .map(|seen| seen.body.iter().filter(|byte| **byte == b'\n').count())
        .sum();
    assert_eq!(received as u64, report.lines_sent);

    let watcher = Watcher::new(&target, None).unwrap();
    let detection = watcher
        .drain(
            Duration::from_millis(10),
            &incidents,
            tally.last_due_ms.unwrap(),
        )
        .await;
    let verdict = |id: &str| {
        &detection
            .findings
            .iter()
            .find(|finding| finding.incident == id)
            .unwrap()
            .verdict
    };
    assert!(
        matches!(
            verdict("card-slow"),
            FindingVerdict::Detected {
                delay_ms: 240_000,
                ..
            }
        ),
        "{detection:?}"
    );
    assert_eq!(*verdict("boss-slow"), FindingVerdict::Missed);
    assert!(detection.unexplained.is_empty());
}

#[tokio::test]
async fn a_token_goes_with_every_request_and_one_that_cannot_is_refused() {
    let (stub, target) = Stub::start(taken, "").await;
    let options = SendOptions {
        token: Some("a-token-of-the-probes".to_owned()),
        ..options(&target, Pace::Unpaced)
    };
    send(&mut Numbers(0..30), &options, never(), |_| {})
        .await
        .unwrap();
    let seen = stub.seen();
    assert_eq!(seen.len(), 3);
    let wanted = Some("Bearer a-token-of-the-probes".to_owned());
    assert!(seen.iter().all(|request| request.token == wanted));
    let broken = SendOptions {
        token: Some("two\nlines".to_owned()),
        ..options
    };
    let refused = send(&mut Numbers(0..1), &broken, never(), |_| {}).await;
    assert!(matches!(refused, Err(SendError::Token)));
}
