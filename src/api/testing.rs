//! A whole engine behind the router: real journal, real dataflow, real engine, a small rule book.
//!
//! The threads are those of `app` in miniature. A gate stalls the journal's consumer, so that tests
//! see what producers are told when the engine is behind.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request, StatusCode};
use serde_json::Value;
use tempfile::TempDir;
use tower::ServiceExt;

use crate::api::{
    Access, Answers, Deliveries, Health, HttpConfig, Inlet, Lifecycle, Reload, ReloadProblems,
    ServerState, router,
};
use crate::app::{Interpreter, Meaning, RuleFiles};
use crate::dataflow::{Cuts, Dataflow, DataflowConfig, EpochInput, Limits};
use crate::engine::{Effect, Engine, JournaledCommand, Snapshot};
use crate::ingest::Attachment;
use crate::journal::writer::{Writer, WriterConfig};
use crate::journal::{FakeDisk, Journal, JournalConfig};
use crate::links::{KEY_BYTES_MIN, LinkKey, Links};
use crate::metrics::Metrics;
use crate::rules::testing::plan;
use crate::store::testing::{history, history_url};
use crate::store::{History, Ledger};

/// Midnight in Shanghai, a multiple of every window used here, ms.
pub(super) const T0: i64 = 1_764_000_000_000;

/// One service, one scored KQI, one department.
pub(super) const BOOK: &str = "
book: {name: test, version: '7', time_zone: Asia/Shanghai}
streams:
  dial_test: {allowed_lateness: 0s, idle_timeout: 5m, retention: 26h}
departments:
  - id: NET
    name: {zh: 网络部, en: Network department}
    roles:
      - id: contact
        name: {zh: 接口人, en: Contact}
        contacts: [{name: 值班, email: duty@example.com, language: zh}]
alert_policies:
  default: {for: 0s, keep_firing_for: 0s, severity: by_score, missing: hold}
services:
  - id: news
    name: {zh: 手机报, en: Newspaper}
    kqis:
      - id: news_success
        name: {zh: 拨测成功率, en: Dial-test success}
        layer: platform
        stream: dial_test
        aggregate: ratio
        good: ok
        unit: percent
        group_by: [service, city]
        window: 1m
        anchors: [99, 97, 95, 90, 80]
        interval: {min: 95}
        min_samples: 3
        department: NET
        provenance: [{of: anchors, kind: judgement, reference: test}]
  - id: mail
    name: {zh: 手机邮箱, en: Mail}
    kqis:
      - id: mail_latency
        name: {zh: 时延, en: Latency}
        layer: network
        stream: dial_test
        aggregate: p95
        unit: ms
        group_by: [service, city]
        window: 1m
        min_samples: 1
";

/// An answer, read.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) text: String,
}

impl Reply {
    /// The body as JSON.
    #[track_caller]
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    /// Status, code and message of an error.
    #[track_caller]
    pub(super) fn error(&self) -> (u16, String, String) {
        let json = self.json();
        let word = |name: &str| json["error"][name].as_str().unwrap().to_owned();
        (self.status.as_u16(), word("code"), word("message"))
    }
}

/// The engine behind the router.
pub(super) struct Harness {
    router: Option<Router>,
    state: Option<Arc<ServerState>>,
    pub(super) clock_ms: Arc<AtomicI64>,
    gate: Arc<Mutex<()>>,
    writer: Option<Writer<Attachment>>,
    threads: Vec<JoinHandle<()>>,
    _stores_folder: TempDir,
}

type Tag = (Option<u64>, Vec<JournaledCommand>);

impl Harness {
    pub(super) fn new() -> Harness {
        Harness::with(
            BOOK,
            HttpConfig::default(),
            JournalConfig::default(),
            WriterConfig::default(),
        )
    }

    pub(super) fn with(
        book: &str,
        config: HttpConfig,
        journal_config: JournalConfig,
        writer_config: WriterConfig,
    ) -> Harness {
        let disk = FakeDisk::new();
        Harness::on_disk(&disk, book, config, journal_config, writer_config)
    }

    /// A harness whose journal is on a disk that can fill up and fail.
    pub(super) fn on_disk(
        disk: &FakeDisk,
        book: &str,
        config: HttpConfig,
        journal_config: JournalConfig,
        writer_config: WriterConfig,
    ) -> Harness {
        let access = Access::default();
        Harness::made(disk, book, config, (journal_config, writer_config), access)
    }

    /// A harness that asks for tokens.
    pub(super) fn guarded(access: Access) -> Harness {
        let disk = FakeDisk::new();
        let journal = (JournalConfig::default(), WriterConfig::default());
        Harness::made(&disk, BOOK, HttpConfig::default(), journal, access)
    }

    fn made(
        disk: &FakeDisk,
        book: &str,
        config: HttpConfig,
        (journal_config, writer_config): (JournalConfig, WriterConfig),
        access: Access,
    ) -> Harness {
        let disk = Arc::new(disk.clone());
        let (journal, recovery) =
            Journal::open_on(disk, "/journal".as_ref(), journal_config).unwrap();
        // Ten minutes on: event time does not run ahead of the clock.
        let clock_ms = Arc::new(AtomicI64::new(T0 + 600_000));
        let clock = {
            let clock_ms = Arc::clone(&clock_ms);
            Arc::new(move || clock_ms.load(Ordering::SeqCst))
        };
        let writer_config = WriterConfig {
            epoch_interval_ms: 5,
            idle_tick_ms: 20,
            ..writer_config
        };
        let (writer, epochs) = Writer::start(journal, recovery, writer_config, clock).unwrap();
        let plan = plan(book);
        let engine = Engine::new(Arc::clone(&plan));
        let config_of_dataflow = DataflowConfig {
            workers: 2,
            keeps_history: false,
            limits: Limits::default(),
        };
        let dataflow: Dataflow<Tag> = Dataflow::start(config_of_dataflow).unwrap();
        let Dataflow {
            mut feed,
            cuts,
            queries,
        } = dataflow;
        let health = Arc::new(Health::new(T0));
        health.set_lifecycle(Lifecycle::Ready);
        let stores_folder = tempfile::tempdir().unwrap();
        let (deliveries, history) = stores(&stores_folder);
        let known = access.clone();
        let snapshot = Arc::new(ArcSwap::from_pointee(engine.snapshot().clone()));
        let metrics = Arc::new(Metrics::new().unwrap());
        let state = Arc::new(ServerState {
            submitter: writer.submitter(),
            inlet: Arc::new(Inlet::new(
                config,
                writer.submitter(),
                snapshot.clone(),
                metrics.clone(),
            )),
            snapshot,
            queries,
            answers: Arc::new(Answers::new(100)),
            metrics,
            health,
            deliveries,
            history,
            access: ArcSwap::from_pointee(access),
            read_access: Box::new(move || Ok(known.clone())),
            links: Some(links()),
            reload: reload_that_fails(),
            config,
            connections: Arc::default(),
        });
        let gate = Arc::new(Mutex::new(()));
        let mut interpreter = Interpreter::with(plan.clone(), RuleFiles::new());
        let beginning = EpochInput {
            plan: Some(plan),
            ..EpochInput::default()
        };
        assert!(feed.submit(beginning, (None, Vec::new())));
        let feeding = {
            let gate = Arc::clone(&gate);
            std::thread::spawn(move || {
                for epoch in epochs.iter() {
                    drop(gate.lock().unwrap_or_else(PoisonError::into_inner));
                    let number = epoch.epoch;
                    let Meaning {
                        input, commands, ..
                    } = interpreter.read(epoch).unwrap();
                    if !feed.submit(input, (Some(number), commands)) {
                        break;
                    }
                }
            })
        };
        let deciding = {
            let deciding = Deciding {
                snapshot: Arc::clone(&state.snapshot),
                answers: Arc::clone(&state.answers),
                health: Arc::clone(&state.health),
            };
            std::thread::spawn(move || deciding.run(cuts, engine))
        };
        Harness {
            router: Some(router(Arc::clone(&state))),
            state: Some(state),
            clock_ms,
            gate,
            writer: Some(writer),
            threads: vec![feeding, deciding],
            _stores_folder: stores_folder,
        }
    }

    /// What the service is given.
    pub(super) fn state(&self) -> &Arc<ServerState> {
        self.state.as_ref().unwrap()
    }

    /// The service itself.
    pub(super) fn router(&self) -> Router {
        self.router.clone().unwrap()
    }

    /// Sends a request.
    pub(super) async fn send(&self, request: Request<Body>) -> Reply {
        let response = self.router().oneshot(request).await.unwrap();
        let (head, body) = response.into_parts();
        let bytes = to_bytes(body, usize::MAX).await.unwrap();
        Reply {
            status: head.status,
            headers: head.headers,
            text: String::from_utf8(bytes.to_vec()).unwrap(),
        }
    }

    /// Reads a page.
    pub(super) async fn get(&self, path: &str) -> Reply {
        self.send(Request::get(path).body(Body::empty()).unwrap())
            .await
    }

    /// Posts events with headers.
    pub(super) async fn events(&self, headers: &[(&str, &str)], body: impl Into<Body>) -> Reply {
        let mut request = Request::post("/v1/events");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(body.into()).unwrap()).await
    }

    /// Posts JSON.
    pub(super) async fn post(&self, path: &str, body: &str) -> Reply {
        let request = Request::post(path).header("content-type", "application/json");
        self.send(request.body(Body::from(body.to_owned())).unwrap())
            .await
    }

    /// Stalls the journal's consumer for as long as the guard lives.
    pub(super) fn stall(&self) -> MutexGuard<'_, ()> {
        self.gate.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until the engine's state is as wished, and gives it.
    #[track_caller]
    /// Lets the clock run on, as it would with the engine up: in steps that it sees.
    pub(super) fn pass_time(&self, span_ms: i64) {
        const STEP_MS: i64 = 5_000;
        for _ in 0..span_ms / STEP_MS {
            let to_ms = self.clock_ms.fetch_add(STEP_MS, Ordering::SeqCst) + STEP_MS;
            self.until(|snapshot| snapshot.watermarks.now_ms() >= to_ms);
        }
    }

    pub(super) fn until(&self, wish: impl Fn(&Snapshot) -> bool) -> Arc<Snapshot> {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let snapshot = self.state().snapshot.load_full();
            if wish(&snapshot) {
                return snapshot;
            }
            assert!(Instant::now() < deadline, "never so: {snapshot:?}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Harness {
    fn drop(&mut self) {
        if let Some(writer) = self.writer.take() {
            let _ = writer.shutdown();
        }
        // Whoever can ask the workers keeps them alive, and the threads wait for their end.
        self.router = None;
        self.state = None;
        for thread in self.threads.drain(..) {
            if thread.join().is_err() && !std::thread::panicking() {
                panic!("a thread of the engine panicked");
            }
        }
    }
}

/// Links of tests that are good for an hour, under a key that everybody knows.
pub(super) fn links() -> Links {
    let key = LinkKey::of(&[7; KEY_BYTES_MIN]).unwrap();
    Links::new("https://noc.example.com", key, 3_600_000).unwrap()
}

/// An empty ledger with nobody who delivers, and an empty history. In a folder: connections of the
/// runtime that opens them are gone with that, and databases in memory with them. Those of the history are made by who asks it.
fn stores(folder: &TempDir) -> (Deliveries, History) {
    let path = folder.path().to_owned();
    let opening = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let ledger = runtime.block_on(Ledger::open(&path)).unwrap();
        runtime.block_on(async { drop(history(&path).await) });
        let url = history_url(&path).unwrap_or_else(|| History::url_in(&path));
        let _within = runtime.enter();
        (ledger, History::lazy(&url).unwrap())
    });
    let (ledger, history) = opening.join().unwrap();
    let deliveries = Deliveries {
        ledger,
        wake: Arc::new(|| {}),
        failed: Arc::new(|_| {}),
    };
    (deliveries, history)
}

fn reload_that_fails() -> Reload {
    Arc::new(|| {
        Box::pin(async {
            let (_, problems) = crate::rules::parse(&[(
                "book.yaml".to_owned(),
                "book: {name: x, version: '1', time_zone: Asia/Shanghai, pnae: 1m}".to_owned(),
            )]);
            Err(ReloadProblems::Rules(problems))
        })
    })
}

/// What the deciding thread tells the server.
struct Deciding {
    snapshot: Arc<ArcSwap<Snapshot>>,
    answers: Arc<Answers>,
    health: Arc<Health>,
}

impl Deciding {
    fn run(&self, mut cuts: Cuts<Tag>, mut engine: Engine) {
        while let Some((cut, (epoch, commands))) = cuts.next_cut() {
            let effects = engine.step(&cut, &commands);
            self.snapshot.store(Arc::new(engine.snapshot().clone()));
            if let Some(epoch) = epoch {
                let believed_ms = engine.snapshot().watermarks.believed_ms();
                self.health.note_epoch(epoch, believed_ms, cuts.counts());
            }
            for effect in effects {
                if let Effect::Answer { position, result } = effect {
                    self.answers.deliver(position, *result);
                }
            }
        }
    }
}

/// Dial tests of one city, spread over a minute, `bad` of them failed.
pub(super) fn minute(service: &str, city: &str, start_ms: i64, bad: usize, of: usize) -> String {
    let line = |at: usize| {
        let ts = start_ms + at as i64 * 60_000 / of as i64;
        format!(
            "{{\"type\":\"dial_test\",\"ts\":{ts},\"id\":\"{at}\",\"service\":\"{service}\",\
             \"city\":\"{city}\",\"channel\":\"sms\",\"ok\":{},\"latency_ms\":1500}}\n",
            at >= bad
        )
    };
    (0..of).map(line).collect()
}
