//! The sole right to a data folder, and the address to answer on: taken at once, or waited for while another
//! process has it (`serve --standby`).
//!
//! * Nothing in the folder is read or written before its lock is held: what a start looks at is what the process
//!   before has left, and nobody writes beside it.
//! * The lock is the system's: it is free when its holder is dead, however that came, and never before. A holder that
//!   hangs keeps it; to end that one is its supervisor's part.
//! * Who waits answers on its address already, until the engine does.

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::access::access_of;
use super::foreign::{refuse_lost_journal, refuse_unfinished};
use super::listen::Listening;
use crate::api::{Access, Loading, Stage, waiting};
use crate::config::Config;
use crate::journal::{JournalError, Lock, RealDisk};
use crate::metrics::Metrics;

/// How often the lock is tried: what a take-over waits at most, beside the replay.
const TRY_EVERY: Duration = Duration::from_millis(50);

/// A data folder that is ours, and an address.
pub struct Place {
    pub(super) lock: Lock,
    pub(super) address: SocketAddr,
    /// Answers there, until the engine does.
    pub(super) answering: Answering,
}

impl Place {
    /// Takes the folder and binds the address, where it is told from `loading` how far the start is.
    ///
    /// # Errors
    /// Another process has either, or the folder cannot be begun on.
    pub async fn take(config: &Config, loading: Arc<Loading>) -> anyhow::Result<Place> {
        let listener = bind(config).await?;
        let lock = lock(config)?;
        Ok(Place {
            lock,
            address: listener.local_addr()?,
            answering: Answering::begin(config, listener, Stage::Loading, loading)?,
        })
    }

    /// Binds the address and answers there, and waits until the folder is free. Safe to drop at any moment.
    ///
    /// # Errors
    /// The address is taken, a token cannot be read, or the folder cannot be begun on.
    pub async fn wait_for(config: &Config, loading: Arc<Loading>) -> anyhow::Result<Place> {
        let listener = bind(config).await?;
        let address = listener.local_addr()?;
        let answering = Answering::begin(config, listener, Stage::Standby, loading)?;
        let lock = loop {
            match lock(config) {
                Ok(lock) => break lock,
                Err(error) if is_locked(&error) => tokio::time::sleep(TRY_EVERY).await,
                Err(error) => return Err(error),
            }
        };
        answering.stage.send_replace(Stage::Loading);
        Ok(Place {
            lock,
            address,
            answering,
        })
    }
}

async fn bind(config: &Config) -> anyhow::Result<TcpListener> {
    std::fs::create_dir_all(&config.data)
        .with_context(|| format!("cannot create the data folder {}", config.data.display()))?;
    let listener = tokio::net::TcpListener::bind(&config.listen)
        .await
        .with_context(|| format!("cannot listen on {}", config.listen))?;
    Ok(listener.into_std()?)
}

fn lock(config: &Config) -> anyhow::Result<Lock> {
    // Before the lock, so that a refusal leaves the folder as it is; and after it, for who had to wait.
    refuse_unfinished(&config.data)?;
    refuse_lost_journal(&config.data)?;
    let lock = Lock::take(&RealDisk, &journal_of(config))?;
    refuse_unfinished(&config.data)?;
    refuse_lost_journal(&config.data)?;
    Ok(lock)
}

fn is_locked(error: &anyhow::Error) -> bool {
    let error = error.downcast_ref::<JournalError>();
    matches!(error, Some(JournalError::Locked { .. }))
}

/// Where the journal of a data folder lies.
pub(super) fn journal_of(config: &Config) -> PathBuf {
    config.data.join("journal")
}

/// What answers on the address: for whoever waits, and then for the engine. Dropping it ends that.
pub(super) struct Answering {
    stage: watch::Sender<Stage>,
    /// How far the start is.
    pub(super) loading: Arc<Loading>,
    /// Who may do what, as of the start.
    pub(super) access: Access,
    pub(super) metrics: Arc<Metrics>,
    /// Connections that are open.
    pub(super) connections: Arc<AtomicU64>,
    /// Told when it is to end.
    pub(super) stop: watch::Sender<bool>,
    serving: JoinHandle<()>,
}

impl Answering {
    fn begin(
        config: &Config,
        listener: TcpListener,
        stage: Stage,
        loading: Arc<Loading>,
    ) -> anyhow::Result<Answering> {
        let metrics = Arc::new(Metrics::new()?);
        let connections: Arc<AtomicU64> = Arc::default();
        let (stage, at) = watch::channel(stage);
        let access = access_of(config)?;
        let router = waiting(
            access.clone(),
            Arc::clone(&metrics),
            at,
            Arc::clone(&loading),
        );
        let open_now = Arc::clone(&connections);
        let listening = Listening::new(listener, router, config, open_now, metrics.clone())?;
        let (stop, stopping) = watch::channel(false);
        let serving = tokio::spawn(listening.serve(stopping));
        Ok(Answering {
            stage,
            loading,
            access,
            metrics,
            connections,
            stop,
            serving,
        })
    }

    /// The journal is open, and may be written: lines are taken by this.
    pub(super) fn take_lines(&self, early: Router) {
        self.stage.send_replace(Stage::Taking(early));
    }

    /// The engine is there: whoever comes is answered by it. Gives what ends that, and what
    /// tells that it has ended.
    pub(super) fn hand_over(self, engine: Router) -> (watch::Sender<bool>, JoinHandle<()>) {
        self.stage.send_replace(Stage::Serving(engine));
        (self.stop, self.serving)
    }
}
