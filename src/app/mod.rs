//! The running engine: opens the edges, wires them to the pure core in one straight line, and stops
//! them in reverse order.

mod access;
mod backup;
mod checkpoints;
mod csv_sink;
mod foreign;
mod interpret;
mod ledgers;
mod links;
mod listen;
mod loading;
mod mails;
mod outlet;
mod peers;
mod pipeline;
mod place;
mod recording;
mod reloading;
mod report_files;
mod reserve;
mod rulebook;
mod running;
mod settle;
mod stalls;
mod troubles;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};
use arc_swap::{ArcSwap, ArcSwapOption};
use tokio::runtime::Handle;
use tokio::sync::{broadcast, watch};

use crate::api::{
    Answers, Health, HealthNow, Lifecycle, ReadAccess, Reload, ReloadProblems, ReloadReport,
    ServerState, open,
};
use crate::config::Config;
use crate::dataflow::{Dataflow, DataflowConfig};
use crate::engine::{Effect, Engine, Snapshot};
use crate::ingest::Attachment;
use crate::journal::writer::{Submitter, Writer, WriterConfig};
use crate::journal::{RealDisk, ReplayNow};
use crate::notify::{Composer, Hooks, Mailer, Notifier, NotifyError};
use crate::probes::Probes;
use crate::rules::Plan;
use crate::store::History;
use crate::time::{begin_at, now_ms};

use csv_sink::CsvSink;
use foreign::{history_ahead, recorded_upto};
use loading::Loaded;
use outlet::EngineOutlet;
use recording::{Recorder, Recording};
use reloading::{apply_after_replay, plan_to_begin_with, reload_failure, reload_of};
use report_files::ReportFiles;
use running::Running;

pub use backup::{Copied, backup, restore};
pub use checkpoints::{Beginning, begin, head_of, keep, set_aside};
pub use interpret::{Interpreter, Meaning, UnreadableBatch};
pub use ledgers::{Known, check_ledger};
pub use pipeline::{Actor, EpochTag, Feeder, Outlet};
pub use place::Place;
pub use reloading::first_plan;
pub use rulebook::{RuleBookError, RuleFiles, RuleSource, book_of, plan_of};
pub use settle::settle;

/// How long a shutdown waits for requests under way: a batch needs one sync of the disk. Who is still
/// sending a body sends it again to the next engine.
const REQUESTS_GRACE: Duration = Duration::from_secs(2);

/// A running engine.
pub struct App {
    /// Where its HTTP server listens.
    pub address: SocketAddr,
    /// Its state for readers.
    pub snapshot: Arc<ArcSwap<Snapshot>>,
    /// Where mails go when no server is configured.
    pub outbox: Option<PathBuf>,
    effects: broadcast::Sender<Arc<Vec<Effect>>>,
    reload: Reload,
    submitter: Submitter<Attachment>,
    health: Arc<Health>,
    failed: watch::Receiver<Option<String>>,
    stop_http: watch::Sender<bool>,
    http: tokio::task::JoinHandle<()>,
    running: Running,
    notifier: Arc<Notifier>,
    recording: Recording,
    shutdown_deadline: Duration,
}

impl App {
    /// Opens everything, replays the journal beside the accepting server, and returns when the
    /// server listens.
    ///
    /// # Errors
    /// Something that cannot be opened, with its name; nothing is left running.
    pub async fn start(config: Config, rules: RuleSource) -> anyhow::Result<App> {
        let first_plan = plan_to_begin_with(&rules, &config)?;
        let place = Place::take(&config).await?;
        App::start_in(place, config, rules, first_plan).await
    }

    /// [`App::start`] in a place that is held already, with the plan that is in force until the journal, or the
    /// rules on disk, say another.
    ///
    /// # Errors
    /// As [`App::start`].
    pub async fn start_in(
        place: Place,
        config: Config,
        rules: RuleSource,
        first_plan: Arc<Plan>,
    ) -> anyhow::Result<App> {
        let Place {
            lock,
            address,
            answering,
        } = place;
        let journal_dir = place::journal_of(&config);
        let Loaded {
            folder,
            beginning,
            aside,
            journal,
            recovery,
        } = loading::load(&config, lock).await?;
        let resume = beginning.as_ref().map(|beginning| &beginning.resume);
        let replay_from = resume.map(|resume| resume.next);
        let epochs_recovered = recovery.epochs_total;
        begin_at(recovery.tick_ms);
        let own = || History::url_in(&config.data);
        let file = config.data.join(History::FILE);
        settle(&RealDisk, &file)
            .with_context(|| format!("cannot settle {}-wal", file.display()))?;
        let history = History::lazy(&config.history.url.clone().unwrap_or_else(own))?;
        let (recorded_upto, told_in_history) = recorded_upto(&history).await;
        if let Some(upto) = recorded_upto.filter(|upto| *upto >= epochs_recovered) {
            return Err(history_ahead(&config, upto, epochs_recovered));
        }
        let sink = config.csv_sink.as_ref();
        let csv_sink = CsvSink::open(sink, &config.data, epochs_recovered)?;
        let csv_counts = csv_sink.counts();
        let told_upto = folder.told_upto()?.max(told_in_history);
        let known = Known {
            epochs: epochs_recovered,
            covered_upto: beginning
                .as_ref()
                .and_then(|begun| begun.epoch.checked_sub(1)),
            told_upto,
        };
        // Before the first tick of this start: from then on a ledger must be there.
        let ledger = ledgers::open(&config, &known).await?;
        // Nothing refuses the start any more: whoever is refused finds everything as it was.
        set_aside(&folder, &aside)?;
        let looked = loading::look_at_reserve(&config, folder, beginning, aside.len()).await;
        let (folder, beginning, reserve) = looked?;
        let writer_config = WriterConfig {
            epoch_interval_ms: config.journal.epoch_interval_ms,
            queue_requests_max: config.journal.queue_requests_max,
            queue_bytes_max: config.journal.queue_bytes_max,
            replay_from,
            disk_free_bytes_min: config.journal.disk_free_bytes_min,
            ..WriterConfig::default()
        };
        let (writer, epochs) = Writer::start(journal, recovery, writer_config, Arc::new(now_ms))?;
        let submitter = writer.submitter();
        let mut running = Running::new(writer);
        // Bound again, so that a start that fails here drops it before it waits for the writer.
        let epochs = epochs;

        let mailer = Mailer::open(&config.mail, &config.data)?;
        let outbox = match &mailer {
            Mailer::Outbox(path) => Some(path.clone()),
            _ => None,
        };
        let access = answering.access.clone();
        let links = links::links_of(&config)?;
        let composer = Composer::new(&config.mail)?.with_links(links.clone());
        let hooks = Hooks::open(&config.webhooks)?;
        let probes = Probes::open(&config.blackbox)?;
        let mail = config.mail.clone();
        let clock = Arc::new(now_ms);
        let notifier =
            Notifier::start_with(composer, hooks, ledger.clone(), mailer, mail, clock).await;
        let notifier = notifier.map_err(|error| match error {
            NotifyError::Ledger(error) => ledgers::unusable(&config.data, error),
            error => error.into(),
        })?;
        let notifier = Arc::new(notifier);

        let dataflow_config = DataflowConfig {
            workers: config.workers(),
            keeps_history: true,
            limits: config.limits.dataflow(),
        };
        let applied: Arc<ArcSwapOption<RuleFiles>> = Arc::default();
        let epochs_before = beginning.as_ref().map_or(0, |beginning| beginning.epoch);
        let (interpreter, mut engine, restored) = match beginning {
            Some(beginning) => {
                applied.store(Some(Arc::new(beginning.files.clone())));
                let interpreter = Interpreter::with(beginning.plan, beginning.files);
                (interpreter, beginning.engine, Some(beginning.dataflow))
            }
            None => (Interpreter::default(), Engine::new(first_plan), None),
        };
        engine.set_limits(config.limits.engine());
        let dataflow = Dataflow::resume(dataflow_config, restored)?;
        let snapshot = Arc::new(ArcSwap::from_pointee(engine.snapshot().clone()));
        let health = Arc::new(Health::new(now_ms()));
        // Before anybody can ask: while there is something to read back, the workers are asked nothing. Ready is who
        // has acted on an epoch.
        let replay = ReplayNow {
            ends_before: None,
            ..submitter.stats().replay
        };
        health.note_replay(replay, epochs_before);
        let answers = Arc::new(Answers::new(config.http.answers_max));
        if let Some(gap) = epochs_before
            .checked_sub(recorded_upto.map_or(0, |upto| upto + 1))
            .filter(|gap| *gap > 0)
        {
            tracing::warn!(
                epochs = gap,
                "the history misses epochs before the checkpoint: what was decided in them is not recorded"
            );
        }
        let (recorder, recording) =
            Recorder::start(history.clone(), recorded_upto, &config.history);
        let effects_max = config.limits.effects_max.next_power_of_two();
        let (effects, _) = broadcast::channel(effects_max);
        let (fail, failed) = watch::channel(None);
        let metrics = answering.metrics.clone();
        let Dataflow {
            feed,
            cuts,
            queries,
        } = dataflow;
        let (due, keeper, scribe) = checkpoints::keeping(
            folder,
            &journal_dir,
            Duration::from_millis(config.checkpoint.interval_ms),
            config.journal.retention(),
            submitter.clone(),
            health.clone(),
        );
        let mut outlet = EngineOutlet {
            runtime: Handle::current(),
            notifier: notifier.clone(),
            answers: answers.clone(),
            recorder,
            report_files: ReportFiles::in_folder(&config.data, config.limits.report_periods_max),
            csv_sink,
            health: health.clone(),
            metrics: metrics.clone(),
            effects: effects.clone(),
            effects_max,
            submitter: submitter.clone(),
            fail,
            keeper,
        };
        let feeder = Feeder::new(feed, interpreter, applied.clone());
        running.spawn("feed", move || pipeline::feed(&epochs, feeder, due))?;
        let actor = Actor::new(cuts, engine, snapshot.clone(), told_upto);
        running.spawn("engine", move || pipeline::act(actor, &mut outlet))?;
        running.spawn("checkpoint", move || scribe.run())?;

        let reload = reload_of(rules, submitter.clone(), applied, health.clone());
        if epochs_recovered == 0 {
            // The journal begins with its rule book: without one no event could be judged.
            reload().await.map_err(reload_failure)?;
        }
        metrics.set_notify_source(mails::counts(&notifier));
        metrics.set_history_source(recording.counts());
        if let Some(counts) = csv_counts {
            metrics.set_csv_sink_source(counts);
        }
        metrics.set_limit_sizes(config.bounds());
        let state = Arc::new(ServerState {
            submitter,
            snapshot: snapshot.clone(),
            queries,
            answers,
            metrics,
            health: health.clone(),
            deliveries: mails::deliveries(ledger, &notifier),
            history,
            access: ArcSwap::from_pointee(access),
            read_access: read_access_of(&config),
            links,
            reload: reload.clone(),
            config: config.http,
            connections: answering.connections.clone(),
        });
        let watched = Arc::clone(&state);
        let submitter = state.submitter.clone();
        let stopping = answering.stop.subscribe();
        let (router, inlet) = open(state.clone());
        let (tell, count) = (inlet, state.metrics.clone());
        probes.run(
            &stopping,
            now_ms,
            move |line| {
                let tell = tell.clone();
                async move { tell.take(line).await }
            },
            move |probe, outcome| count.probed(probe, outcome.name()),
        );
        let sources = troubles::Sources {
            state: watched,
            mails: mails::counts(&notifier),
            history: recording.counts(),
        };
        tokio::spawn(troubles::watch(sources, stopping.clone()));
        if let Some(reserve) = reserve {
            let reading = reserve.read(health.clone(), state.metrics.clone(), stopping);
            tokio::spawn(reading);
        }
        let (stop_http, http) = answering.hand_over(router);
        if epochs_recovered > 0 {
            apply_after_replay(health.clone(), reload.clone());
        }
        Ok(App {
            address,
            snapshot,
            outbox,
            effects,
            reload,
            submitter,
            health,
            failed,
            stop_http,
            http,
            running,
            notifier,
            recording,
            shutdown_deadline: Duration::from_secs(config.shutdown_deadline_s),
        })
    }

    /// Effects as they are decided, from now on.
    pub fn effects(&self) -> broadcast::Receiver<Arc<Vec<Effect>>> {
        self.effects.subscribe()
    }

    /// Where the engine stands now.
    pub fn health(&self) -> HealthNow {
        *self.health.now()
    }

    /// What moves as long as the engine works: the newest epoch that it acted on, and, where a full disk lets it
    /// act on none, how often it has tried.
    pub fn progress(&self) -> (Option<u64>, u64) {
        let health = self.health();
        let journal = self.submitter.stats();
        let tries = if journal.full {
            journal.groups_total
        } else {
            0
        };
        (health.epoch, tries + health.full_ledger_tries)
    }

    /// Reads the rule book again.
    ///
    /// # Errors
    /// The book has errors, and the one before stays in force.
    pub async fn reload(&self) -> Result<ReloadReport, ReloadProblems> {
        (self.reload)().await
    }

    /// Waits for a failure that the engine cannot survive, and tells it.
    pub async fn failure(&self) -> String {
        let mut failed = self.failed.clone();
        loop {
            if self.running.has_failed() {
                return "the journal has failed".to_owned();
            }
            if let Some(reason) = self.notifier.counts().ledger_end {
                return format!("mails cannot be sent: {reason}");
            }
            // A closed channel means the engine thread is gone, which the journal will show.
            let told = tokio::time::timeout(Duration::from_secs(1), failed.changed()).await;
            if let Some(reason) = failed.borrow().clone() {
                return reason;
            }
            if matches!(told, Ok(Err(_))) {
                return "the engine has stopped by itself".to_owned();
            }
        }
    }

    /// Stops in reverse order: no new requests, then the journal to its end, then what has been
    /// decided, the history and the mails, within one deadline.
    ///
    /// # Errors
    /// The journal could not be closed in order, what was decided last could not be recorded, or the last checkpoint
    /// not be written; what was acknowledged is safe all the same, and the next start goes on from there.
    pub async fn shutdown(self) -> anyhow::Result<()> {
        let deadline = Instant::now() + self.shutdown_deadline;
        let has_failed = self.failed.borrow().is_some();
        let failures = self.health().checkpoint_failures;
        self.health.set_lifecycle(Lifecycle::Stopping);
        let _ = self.stop_http.send(true);
        let grace = REQUESTS_GRACE.min(self.shutdown_deadline);
        if tokio::time::timeout(grace, self.http).await.is_err() {
            tracing::warn!("some requests did not end in time and are cut off");
        }
        let running = self.running;
        let closed = tokio::task::spawn_blocking(move || running.stop()).await?;
        let patience = deadline.saturating_duration_since(Instant::now());
        let recorded = self.recording.stop(patience);
        let ((), left) = tokio::join!(recorded, self.notifier.shutdown(patience));
        let left = left?;
        if left.queued > 0 {
            tracing::warn!(
                waiting = left.queued,
                "notices wait in the ledger for the next start"
            );
        }
        closed.context("the journal did not close in order")?;
        let reason = self.failed.borrow().clone();
        if let Some(reason) = reason.filter(|_| !has_failed) {
            return Err(anyhow!("{reason}: the next start decides it again"));
        }
        if self.health.now().checkpoint_failures > failures {
            return Err(anyhow!(
                "the last checkpoint could not be written: the next start goes on from the one before"
            ));
        }
        Ok(())
    }
}

/// Reads the tokens again from where the configuration has them.
fn read_access_of(config: &Config) -> ReadAccess {
    let config = config.clone();
    Box::new(move || access::access_of(&config).map_err(|error| format!("{error:#}")))
}

#[cfg(test)]
mod tests;
