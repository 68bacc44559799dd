//! The way of batches into the journal, which is open before there is an engine.

use std::sync::Arc;

use arc_swap::ArcSwap;

use super::place::Answering;
use crate::api::early;
use crate::config::Config;
use crate::engine::{Engine, Snapshot};
use crate::ingest::{Attachment, Intake};
use crate::journal::Position;
use crate::journal::writer::{Submitter, WriterConfig};
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

/// The way that batches come by, judged by `plan`, and what the engine is to put its state into.
pub(super) fn way_in(
    answering: &Answering,
    config: &Config,
    submitter: Submitter<Attachment>,
    plan: Arc<Plan>,
) -> (Arc<Intake>, Arc<ArcSwap<Snapshot>>) {
    let snapshot = Engine::new(plan).snapshot().clone();
    let snapshot = Arc::new(ArcSwap::from_pointee(snapshot));
    let metrics = answering.metrics.clone();
    let intake = config.http.intake(submitter, snapshot.clone(), metrics);
    (intake, snapshot)
}

/// [`way_in`], by which they come from now on: before anybody takes the journal's epochs.
pub(super) fn take_batches(
    answering: &Answering,
    config: &Config,
    submitter: Submitter<Attachment>,
    plan: Arc<Plan>,
) -> (Arc<Intake>, Arc<ArcSwap<Snapshot>>) {
    let (intake, snapshot) = way_in(answering, config, submitter, plan);
    let (access, metrics) = (answering.access.clone(), answering.metrics.clone());
    let patience = config.http.request_timeout();
    answering.take_batches(early(intake.clone(), access, metrics, patience));
    tracing::info!("events are taken from now on; they count when the engine is there");
    (intake, snapshot)
}
