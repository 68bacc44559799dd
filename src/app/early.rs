//! The way of lines into the journal, which is open before there is an engine.

use std::sync::Arc;

use arc_swap::ArcSwap;

use super::place::Answering;
use crate::api::{Inlet, early};
use crate::config::Config;
use crate::engine::{Engine, Snapshot};
use crate::ingest::Attachment;
use crate::journal::Position;
use crate::journal::writer::{Submitter, WriterConfig};
use crate::probes::{Probes, SOURCE};
use crate::rules::Plan;

/// Settings of the journal's thread, which goes on from `replay_from` once there is who takes its epochs.
pub(super) fn writer_config(config: &Config, replay_from: Option<Position>) -> WriterConfig {
    let journal = &config.journal;
    WriterConfig {
        epoch_interval_ms: journal.epoch_interval_ms,
        queue_requests_max: journal.queue_requests_max,
        queue_bytes_max: journal.queue_bytes_max,
        epochs_ahead_max: journal.epochs_ahead_max,
        replay_from,
        disk_free_bytes_min: journal.disk_free_bytes_min,
        held: true,
        ..WriterConfig::default()
    }
}

/// The way that lines come by, judged by `plan`, and what the engine is to put its state into.
pub(super) fn way_in(
    answering: &Answering,
    config: &Config,
    submitter: Submitter<Attachment>,
    plan: Arc<Plan>,
) -> (Arc<Inlet>, Arc<ArcSwap<Snapshot>>) {
    let snapshot = Engine::new(plan).snapshot().clone();
    let snapshot = Arc::new(ArcSwap::from_pointee(snapshot));
    let metrics = answering.metrics.clone();
    let inlet = Inlet::new(config.http, submitter, snapshot.clone(), metrics);
    (Arc::new(inlet), snapshot)
}

/// Lines come by an inlet from now on, before anybody takes the journal's epochs: those that are sent, and those of probes.
pub(super) fn take_lines(answering: &Answering, inlet: &Arc<Inlet>, probes: &Probes) {
    let (access, metrics) = (answering.access.clone(), answering.metrics.clone());
    answering.take_lines(early(inlet.clone(), access, metrics));
    ask(answering, inlet, probes);
    tracing::info!(
        "events, reports, contacts and probes are taken from now on; they count when the engine is there"
    );
}

/// Asks the exporters from now on, until the answering ends.
pub(super) fn ask(answering: &Answering, inlet: &Arc<Inlet>, probes: &Probes) {
    let (stamp, tell) = (inlet.clone(), inlet.clone());
    let metrics = answering.metrics.clone();
    probes.clone().run(
        &answering.stop.subscribe(),
        move || stamp.test_stamp_ms(SOURCE),
        move |line| {
            let tell = tell.clone();
            async move { tell.take(line).await }
        },
        move |probe, outcome| metrics.probed(probe, outcome.name()),
    );
}
