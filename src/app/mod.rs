//! The running engine: opens the edges, wires them to the pure core in one straight line, and stops
//! them in reverse order.

mod access;
mod backup;
mod beginning;
mod checkpoints;
mod counted;
mod csv_sink;
mod digests;
mod early;
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
mod stopping;
mod target;
mod troubles;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use arc_swap::{ArcSwap, ArcSwapOption};
use tokio::runtime::Handle;
use tokio::sync::{broadcast, watch};

use crate::api::{
    Answers, Health, HealthNow, Loading, ReadAccess, Reload, ReloadProblems, ReloadReport,
    ServerState, Step, router,
};
use crate::config::Config;
use crate::dataflow::{Dataflow, DataflowConfig};
use crate::engine::{Effect, Engine, Snapshot};
use crate::ingest::Attachment;
use crate::journal::writer::{Submitter, Writer};
use crate::journal::{RealDisk, ReplayNow};
use crate::notify::{Clocks, Composer, Hooks, Mailer, Notifier, NotifyError};
use crate::probes::Probes;
use crate::rules::Plan;
use crate::store::History;
use crate::time::{begin_at, now_ms};

use checkpoints::Hold;
use csv_sink::CsvSink;
use foreign::{history_ahead, recorded_upto};
use loading::Loaded;
use outlet::EngineOutlet;
use recording::{Found, Recorder, Recording};
use reloading::{apply_after_replay, plan_to_begin_with, reload_failure, reload_of};
use report_files::ReportFiles;
use running::Running;

pub use backup::{Copied, backup, restore};
pub use beginning::{Beginning, Opening};
pub use checkpoints::{begin, head_of, keep, set_aside};
pub use digests::{DigestDesk, DigestRule, DigestWriter, digesting};
pub use interpret::{Interpreter, Meaning, Unreadable, UnreadableBatch};
pub use ledgers::{Known, check_ledger};
pub use pipeline::{Actor, EpochTag, Feeder, Outlet};
pub use place::Place;
pub use reloading::first_plan;
pub use rulebook::{RuleBookError, RuleFiles, RuleSource, book_of, plan_of};
pub use settle::settle;

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
        App::start_told(config, rules, Arc::new(Loading::new(Instant::now()))).await
    }

    /// [`App::start`], which tells `loading` how far it is.
    ///
    /// # Errors
    /// As [`App::start`].
    pub async fn start_told(
        config: Config,
        rules: RuleSource,
        loading: Arc<Loading>,
    ) -> anyhow::Result<App> {
        let first_plan = plan_to_begin_with(&rules, &config)?;
        let place = Place::take(&config, loading).await?;
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
            opening,
            aside,
            journal,
            recovery,
        } = loading::load(&config, lock, RealDisk, answering.loading.clone()).await?;
        answering.loading.begin(Step::Ledger, None, Instant::now());
        let replay_from = opening.as_ref().map(|opening| opening.resume.next);
        let epochs_recovered = recovery.epochs_total;
        begin_at(recovery.tick_ms);
        let own = || History::url_in(&config.data);
        let file = config.data.join(History::FILE);
        settle(&RealDisk, &file)
            .with_context(|| format!("cannot settle {}-wal", file.display()))?;
        let history = History::lazy(&config.history.url.clone().unwrap_or_else(own))?;
        let recorded = recorded_upto(&history).await;
        let (recorded_upto, told_in_history) = recorded.unwrap_or_default();
        if let Some(upto) = recorded_upto.filter(|upto| *upto >= epochs_recovered) {
            return Err(history_ahead(&config, upto, epochs_recovered));
        }
        let sink = config.csv_sink.as_ref();
        let csv_sink = CsvSink::open(sink, &config.data, epochs_recovered)?;
        let csv_counts = csv_sink.counts();
        let told_upto = folder.told_upto()?.max(told_in_history);
        let known = Known {
            epochs: epochs_recovered,
            covered_upto: opening
                .as_ref()
                .and_then(|begun| begun.epoch.checked_sub(1)),
            told_upto,
        };
        // Before the first tick of this start: from then on a ledger must be there, and nothing may be ahead of the journal.
        let opened = match ledgers::fits(&config, &known).await {
            true => None,
            false => Some(ledgers::open(&config, &known).await?),
        };
        // What an operator set is looked at before anything is taken: it refuses a start often enough.
        let mailer = Mailer::open(&config.mail, &config.data)?;
        let outbox = match &mailer {
            Mailer::Outbox(path) => Some(path.clone()),
            _ => None,
        };
        let links = links::links_of(&config)?;
        let composer = Composer::new(&config.mail)?.with_links(links.clone());
        let hooks = Hooks::open(&config.webhooks)?;
        let probes = Probes::open(&config.blackbox)?;
        let settings = early::writer_config(&config, replay_from);
        let (writer, epochs) = Writer::start(journal, recovery, settings, Arc::new(now_ms))?;
        let submitter = writer.submitter();
        let mut running = Running::new(writer);
        // Bound again, so that a start that fails here drops it before it waits for the writer.
        let epochs = epochs;

        // A journal that is begun has its rule book before all else.
        let plan = opening.as_ref().map(|opening| &opening.plan);
        let plan = plan.unwrap_or(&first_plan).clone();
        let (inlet, snapshot) = early::way_in(&answering, &config, submitter.clone(), plan);
        if epochs_recovered > 0 {
            early::take_lines(&answering, &inlet, &probes);
        }
        // What takes long comes behind this, and what comes in meanwhile is in the journal: whatever refuses the start from
        // here on leaves it there for the next.
        let ledger = match opened {
            Some(ledger) => ledger,
            None => ledgers::open(&config, &known).await?,
        };
        let beginning = loading::read(opening, answering.loading.clone()).await?;
        // No file refuses the start any more: whoever is refused finds checkpoints and ledger as they were.
        set_aside(&folder, &aside)?;
        let looked = loading::look_at_reserve(&config, folder, beginning, aside.len()).await;
        let (folder, beginning, reserve) = looked?;

        let access = answering.access.clone();
        let mail = config.mail.clone();
        let health = Arc::new(Health::new(now_ms()));
        let believed = health.clone();
        let clocks = Clocks {
            now: Arc::new(now_ms),
            believed: Arc::new(move || believed.now().believed_ms),
        };
        let notifier =
            Notifier::start_with(composer, hooks, ledger.clone(), mailer, mail, clocks).await;
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
        snapshot.store(Arc::new(engine.snapshot().clone()));
        // Before anybody can ask: while there is something to read back, the workers are asked nothing. Ready is who
        // has acted on an epoch.
        let replay = ReplayNow {
            ends_before: None,
            ..submitter.stats().replay
        };
        health.note_replay(replay, epochs_before);
        let answers = Arc::new(Answers::new(config.http.answers_max));
        let mut in_history = engine.snapshot().triggers.clone();
        if let Some(gap) = epochs_before
            .checked_sub(recorded_upto.map_or(0, |upto| upto + 1))
            .filter(|gap| *gap > 0)
        {
            if recorded.is_some() {
                health.note_history_misses(gap);
                tracing::error!(
                    epochs = gap,
                    "the history does not know of the last epochs before the checkpoint: what was decided in them, if \
                     anything, is not recorded"
                );
            }
            // Triggers come whole, with all that there may be missing of them.
            in_history = Arc::default();
        }
        let found = Found {
            recorded_upto,
            triggers: in_history,
            epochs: epochs_recovered,
        };
        let (recorder, recording) = Recorder::start(history.clone(), found, &config.history);
        let hold = Hold {
            backlog: recorder.backlog(),
            epochs_max: config.history.hold_epochs_max,
            covered: epochs_before,
        };
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
            (submitter.clone(), health.clone()),
            hold,
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
        let digest_rule = DigestRule {
            free_bytes_min: config.journal.disk_free_bytes_min,
            waiting_max: config.journal.digests_waiting_max,
            ..DigestRule::default()
        };
        let (digests, digest_writer) = digesting(Arc::new(RealDisk), &journal_dir, digest_rule);
        let digest_counts = digests.counts();
        running.spawn("digest", move || digest_writer.run())?;
        let feeder = Feeder::new(feed, interpreter, applied.clone(), digests);
        running.hand_over();
        running.spawn("feed", move || pipeline::feed(&epochs, feeder, due))?;
        let actor = Actor::new(cuts, engine, snapshot.clone(), told_upto);
        running.spawn("engine", move || pipeline::act(actor, &mut outlet))?;
        running.spawn_last("checkpoint", move || scribe.run())?;

        let reload = reload_of(rules, submitter.clone(), applied, health.clone());
        if epochs_recovered == 0 {
            // The journal begins with its rule book: without one no event could be judged.
            reload().await.map_err(reload_failure)?;
            early::ask(&answering, &inlet, &probes);
        }
        metrics.set_notify_source(mails::counts(&notifier));
        metrics.set_history_source(recording.counts());
        metrics.set_digest_source(Box::new(move || digest_counts.now()));
        if let Some(counts) = csv_counts {
            metrics.set_csv_sink_source(counts);
        }
        metrics.set_limit_sizes(config.bounds());
        let state = Arc::new(ServerState {
            submitter,
            inlet,
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
        let router = router(state.clone());
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
}

/// Reads the tokens again from where the configuration has them.
fn read_access_of(config: &Config) -> ReadAccess {
    let config = config.clone();
    Box::new(move || access::access_of(&config).map_err(|error| format!("{error:#}")))
}

#[cfg(test)]
mod tests;
