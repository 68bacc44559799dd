//! The commands that stay: `serve` and `demo`. Logging, signals, and nothing else.
#![expect(
    clippy::print_stdout,
    reason = "the demonstration speaks to the terminal"
)]

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};
use tokio::signal::unix::{SignalKind, signal};

use chrysalis::api::{Lifecycle, Loading, ReloadProblems};
use chrysalis::app::{App, Place, RuleSource, first_plan};
use chrysalis::config::{Config, NewLedger};
use chrysalis::demo::{self, DemoOptions};
use chrysalis::supervisor::Supervisor;
use chrysalis::time::now_ms;

/// What `serve` was told on the command line.
pub(crate) struct ServeArguments {
    pub(crate) config: Option<PathBuf>,
    pub(crate) data: Option<PathBuf>,
    pub(crate) listen: Option<String>,
    pub(crate) rules: Option<PathBuf>,
    pub(crate) workers: Option<usize>,
    pub(crate) replay_everything: bool,
    pub(crate) new_ledger: Option<NewLedger>,
    pub(crate) standby: bool,
}

/// `chrysalis serve`.
pub(crate) fn serve(arguments: ServeArguments) -> anyhow::Result<ExitCode> {
    start_log("info");
    abort_on_panic();
    let mut config = match &arguments.config {
        Some(path) => Config::read(path)?,
        None => Config::default(),
    };
    config.data = arguments.data.unwrap_or(config.data);
    config.listen = arguments.listen.unwrap_or(config.listen);
    config.rules = arguments.rules.or(config.rules);
    config.workers = arguments.workers.unwrap_or(config.workers);
    config.replay_everything = arguments.replay_everything;
    config.new_ledger = arguments.new_ledger;
    let runtime = runtime()?;
    let ended = runtime.block_on(run(config, arguments.standby));
    // Everything of ours has ended; what still runs are questions of clients that will not be told.
    runtime.shutdown_timeout(Duration::from_millis(500));
    ended
}

/// `chrysalis demo`.
pub(crate) fn demo(options: DemoOptions) -> anyhow::Result<ExitCode> {
    start_log("warn");
    abort_on_panic();
    let exit = options.exit;
    let results = runtime()?.block_on(async {
        let stop = stop_signal()?;
        let stop = async {
            stop.await;
        };
        demo::run(options, |line| println!("{line}"), stop).await
    })?;
    let told = results.len() == demo::STORIES_TOTAL && results.iter().all(|r| r.is_resolved());
    Ok(if told || !exit {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

async fn run(config: Config, standby: bool) -> anyhow::Result<ExitCode> {
    let rules = RuleSource::find(config.rules.as_deref());
    let supervisor = Supervisor::find().context("the supervisor cannot be reached")?;
    let supervisor = Arc::new(supervisor);
    let mut hang_up = signal(SignalKind::hangup())?;
    let stop = stop_signal()?;
    tokio::pin!(stop);
    // A task of its own: opening a large journal takes a while, and a stop must be heard.
    let loading = Arc::new(Loading::new(Instant::now()));
    let waiting = standby.then(|| supervisor.clone());
    let mut starting = tokio::spawn(start(config, rules, waiting, loading.clone()));
    let mut seconds = 0;
    let app = loop {
        tokio::select! {
            _ = &mut stop => {
                tracing::info!("stopped before the start was over");
                // What was acknowledged is durable, at any moment.
                std::process::exit(0);
            }
            started = &mut starting => break started.context("the start ended badly")??,
            // Who stands by has told the supervisor so, and waits for as long as it takes.
            () = tokio::time::sleep(LOOK_EVERY), if !standby => {
                seconds += 1;
                supervisor.extend_start(LOOK_EVERY * 10);
                let words = loading.now(Instant::now()).words();
                supervisor.status(&words);
                if seconds % TELL_EVERY_S == 0 {
                    tracing::info!("{words}; {seconds} s so far");
                }
            }
        }
    };
    tracing::info!(address = %app.address, "listening on http://{}", app.address);
    let mut watch = Watch::new(&supervisor);
    let failure = loop {
        tokio::select! {
            _ = &mut stop => break None,
            () = watch.look(&app) => {}
            reason = app.failure() => break Some(reason),
            _ = hang_up.recv() => reload(&app).await,
        }
    };
    supervisor.stopping();
    if failure.is_none() {
        tracing::info!("stopping; a second signal stops at once, and loses nothing acknowledged");
        tokio::spawn(async {
            if let Ok(stop) = stop_signal() {
                let second = stop.await;
                std::process::exit(ended_by(second));
            }
        });
    }
    let stopped = app.shutdown().await;
    match (failure, stopped) {
        (Some(reason), Err(why)) => Err(why.context(reason)),
        (Some(reason), Ok(())) => Err(anyhow!(reason)),
        (None, stopped) => stopped.map(|()| ExitCode::SUCCESS),
    }
}

/// Starts the engine at once, or, where a supervisor is given, as soon as the data folder is free.
async fn start(
    config: Config,
    rules: RuleSource,
    waiting: Option<Arc<Supervisor>>,
    loading: Arc<Loading>,
) -> anyhow::Result<App> {
    let Some(supervisor) = waiting else {
        return App::start_told(config, rules, loading).await;
    };
    // Now and not at the take-over: what is wrong with them must be mended while somebody else serves.
    let first_plan = first_plan(&rules)?;
    // A supervisor that waited for more would hold up everything that comes after a standby. What is watched from
    // now on is only that the process lives; the engine is, from its first epoch on.
    supervisor.ready();
    supervisor.status("standby");
    tracing::info!(data = %config.data.display(), "standing by for the data folder");
    let every = supervisor.alive_every().unwrap_or(LOOK_EVERY);
    let taking = async {
        let place = Place::wait_for(&config, loading).await?;
        tracing::info!("the data folder is free: taking over");
        supervisor.status("taking over");
        App::start_in(place, config.clone(), rules, first_plan).await
    };
    tokio::pin!(taking);
    loop {
        tokio::select! {
            started = &mut taking => return started,
            () = tokio::time::sleep(every.min(LOOK_EVERY)) => supervisor.alive(),
        }
    }
}

/// How often the engine is looked at where nobody asks for it oftener.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How often the log says how far loading is, seconds. Judgement: who watches a start sees that it moves, and the log of one
/// that takes minutes stays short.
const TELL_EVERY_S: u64 = 5;

/// Tells the supervisor what it sees the engine do.
struct Watch<'a> {
    supervisor: &'a Supervisor,
    every: Duration,
    ready: bool,
    told_percent: u8,
    progress: (Option<u64>, u64),
}

impl Watch<'_> {
    fn new(supervisor: &Supervisor) -> Watch<'_> {
        let every = supervisor.alive_every().unwrap_or(LOOK_EVERY);
        Watch {
            supervisor,
            every: every.min(LOOK_EVERY),
            ready: false,
            told_percent: 0,
            progress: (None, 0),
        }
    }

    /// Waits a while, and looks. Alive is an engine that has acted on another epoch, for the journal ticks at
    /// least once a second, or that waits for room on a full disk and tries again: a restart would find no more.
    async fn look(&mut self, app: &App) {
        tokio::time::sleep(self.every).await;
        let health = app.health();
        let progress = app.progress();
        if progress != self.progress {
            self.progress = progress;
            self.supervisor.alive();
        }
        match health.lifecycle {
            Lifecycle::Starting { percent } => {
                // The watchdog only watches from `READY=1` on.
                self.supervisor.extend_start(self.every * 10);
                self.supervisor.status(&format!("replaying, {percent} %"));
                if percent / 10 > self.told_percent / 10 {
                    self.told_percent = percent;
                    match health.starting_left_ms(now_ms()) {
                        Some(left_ms) => {
                            let left_s = left_ms / 1_000 + 1;
                            tracing::info!(
                                "replaying the journal, {percent} %, about {left_s} s left"
                            );
                        }
                        None => tracing::info!("replaying the journal, {percent} %"),
                    }
                }
            }
            _ if !self.ready => {
                self.ready = true;
                self.supervisor.ready();
                self.supervisor.status("serving");
                tracing::info!("ready");
            }
            _ => {}
        }
    }
}

async fn reload(app: &App) {
    match app.reload().await {
        Ok(report) => tracing::info!(
            book = report.name,
            version = report.version,
            kqis = report.kqis,
            "rule book {} {} is in force",
            report.name,
            report.version
        ),
        Err(ReloadProblems::Rules(problems)) => {
            for problem in &problems {
                tracing::error!(%problem, "the rule book is not accepted");
            }
        }
        Err(ReloadProblems::Failed(reason)) => {
            tracing::error!(reason, "the rule book could not be put in force");
        }
    }
}

/// The exit code of a process that a signal ended, as shells and supervisors have it: 130 for SIGINT, 143 for SIGTERM.
fn ended_by(signal: SignalKind) -> i32 {
    128 + signal.as_raw_value()
}

/// Resolves at SIGINT or SIGTERM, and says which it was.
fn stop_signal() -> anyhow::Result<impl Future<Output = SignalKind>> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => SignalKind::interrupt(),
            _ = terminate.recv() => SignalKind::terminate(),
        }
    })
}

/// The async runtime of the commands that need one.
pub(crate) fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the async runtime")
}

fn start_log(level: &str) {
    let filter = tracing_subscriber::EnvFilter::try_from_env("CHRYSALIS_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(level));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
}

/// A panic on any thread ends the process: a half-dead engine would be trusted and wrong. The journal
/// makes the restart harmless.
fn abort_on_panic() {
    let print = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        print(panic);
        std::process::abort();
    }));
}
