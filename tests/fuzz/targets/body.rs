//! Bodies of events as HTTP brings them: unpacked, judged and journaled, or refused; never a panic, and
//! nothing is held when it is over.

use std::io::Write;
use std::sync::Arc;
use std::thread;

use arc_swap::ArcSwap;
use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue};
use chrysalis::api::HttpConfig;
use chrysalis::engine::Engine;
use chrysalis::ingest::{Attachment, IngestError, Intake, Quarantine, Sender};
use chrysalis::journal::writer::{Writer, WriterConfig};
use chrysalis::journal::{FakeDisk, Journal, JournalConfig};
use chrysalis::metrics::Metrics;
use chrysalis::rules::{Plan, parse};

use crate::harness::{Case, corpus_dir};

const NOW_MS: i64 = 1_764_000_600_000;
/// Far more than a small body unpacks to, and little enough to be met.
const PLAIN_BYTES_MAX: usize = 1 << 20;

pub(crate) struct Target {
    runtime: tokio::runtime::Runtime,
    intake: Intake,
    _writer: Writer<Attachment>,
}

impl Target {
    pub(crate) fn new() -> Target {
        let text = include_str!("../event.yaml").to_owned();
        let (book, problems) = parse(&[("event.yaml".to_owned(), text)]);
        let book = book.unwrap_or_else(|| panic!("{problems:?}"));
        let engine = Engine::new(Arc::new(Plan::new(Arc::new(book), None).unwrap()));
        let disk = Arc::new(FakeDisk::new());
        let (journal, recovery) =
            Journal::open_on(disk, "/journal".as_ref(), JournalConfig::default()).unwrap();
        let (writer, epochs) = Writer::start(
            journal,
            recovery,
            WriterConfig::default(),
            Arc::new(|| NOW_MS),
        )
        .unwrap();
        thread::spawn(move || epochs.iter().for_each(drop));
        let limits = HttpConfig {
            plain_bytes_max: PLAIN_BYTES_MAX,
            ..HttpConfig::default()
        };
        let intake = Intake::new(
            writer.submitter(),
            Arc::new(ArcSwap::from_pointee(engine.snapshot().clone())),
            Arc::new(Metrics::new().unwrap()),
            Arc::new(Quarantine::new(1_000)),
            limits.ingest_limits(),
        );
        Target {
            runtime: tokio::runtime::Builder::new_multi_thread()
                .worker_threads(1)
                .enable_all()
                .build()
                .unwrap(),
            intake,
            _writer: writer,
        }
    }

    pub(crate) fn check(&mut self, case: &mut Case<'_>) -> Result<(), String> {
        let mut headers = HeaderMap::new();
        let coding = match case.name.rsplit('.').next() {
            Some("gz") => "gzip",
            Some("zst") => "zstd",
            _ => "identity",
        };
        // Now and then one that lies about its coding.
        let coding = match case.rng.below(8) {
            0 => ["gzip", "zstd", "identity", "br"][case.rng.below(4)],
            _ => coding,
        };
        headers.insert("content-encoding", HeaderValue::from_static(coding));
        let lines = case.input.len() + PLAIN_BYTES_MAX;
        let body = Body::from(case.input.clone());
        let taken =
            self.runtime
                .block_on(self.intake.take(Sender::default(), &headers, body, NOW_MS));
        let told = match taken {
            // What a panic on the way is turned into.
            Err(IngestError::Stopping) => Err("a panic while it was judged".to_owned()),
            Err(error) if error.to_string().is_empty() => Err("refused without words".to_owned()),
            Ok(receipt) if receipt.accepted + receipt.refused_total > lines as u64 => {
                Err(format!("more lines than bytes: {receipt:?}"))
            }
            _ => Ok(()),
        };
        match self.intake.in_flight().bytes {
            0 => told,
            left => Err(format!("{left} bytes are held when it is over")),
        }
    }
}

/// Bodies of a few lines, packed in every way.
pub(crate) fn write_corpus() {
    let dir = corpus_dir("body");
    let lines = std::fs::read(corpus_dir("event").join("all.ndjson")).unwrap();
    let zeroes = vec![b'\n'; PLAIN_BYTES_MAX + 1];
    std::fs::write(dir.join("all.ndjson"), &lines).unwrap();
    for (name, bytes) in [("all", &lines), ("bomb", &zeroes)] {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        gzip.write_all(bytes).unwrap();
        std::fs::write(dir.join(format!("{name}.gz")), gzip.finish().unwrap()).unwrap();
        let zstd = zstd::encode_all(&bytes[..], 3).unwrap();
        std::fs::write(dir.join(format!("{name}.zst")), zstd).unwrap();
    }
}
