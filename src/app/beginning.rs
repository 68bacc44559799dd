//! A checkpoint as a start takes it up: first what the journal needs to go on, then, while that takes batches already, all
//! that is in it.

use std::sync::Arc;

use anyhow::{Context, anyhow};

use crate::app::rulebook::{RuleFiles, plan_after};
use crate::checkpoint::{CheckpointError, Opened, Section};
use crate::dataflow::RestoredState;
use crate::engine::Engine;
use crate::journal::{Position, Producers, Resume};
use crate::rules::Plan;

/// A checkpoint that is whole, of which the state is still to be read.
pub struct Opening {
    /// The plan in force.
    pub plan: Arc<Plan>,
    /// Where the journal goes on.
    pub resume: Resume,
    /// The next epoch.
    pub epoch: u64,
    files: RuleFiles,
    /// Behind the producers.
    rest: Opened,
}

/// Where a start begins.
pub struct Beginning {
    /// The plan in force.
    pub plan: Arc<Plan>,
    /// Its texts.
    pub files: RuleFiles,
    /// The engine as of the checkpoint.
    pub engine: Engine,
    /// The dataflow as of the checkpoint.
    pub dataflow: RestoredState,
    /// Where the journal goes on.
    pub next: Position,
    /// The next epoch.
    pub epoch: u64,
}

impl Opening {
    /// Reads the beginning of a checkpoint.
    ///
    /// # Errors
    /// Its rule book is not accepted by this version, or what it says of producers cannot be read.
    pub(super) fn of(mut opened: Opened) -> anyhow::Result<Opening> {
        let head = opened.head.clone();
        let words = format!("cannot begin from {}", opened.path.display());
        let plan = plan_after(&head.rules, &head.lineage)
            .map_err(|error| anyhow!("its rule book is not accepted by this version: {error}"))
            .with_context(|| words.clone())?;
        let producers = producers(&mut opened).context(words)?;
        Ok(Opening {
            plan,
            resume: Resume {
                next: head.next,
                producers,
            },
            epoch: head.epoch + 1,
            files: head.rules,
            rest: opened,
        })
    }

    /// Size of its file; none where it cannot be told.
    pub(super) fn bytes(&self) -> Option<u64> {
        self.rest.bytes()
    }

    /// Reads all that is in it.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn read(self) -> anyhow::Result<Beginning> {
        let path = self.rest.path.clone();
        self.read_rest()
            .with_context(|| format!("cannot begin from {}", path.display()))
    }

    fn read_rest(mut self) -> anyhow::Result<Beginning> {
        let mut dataflow = RestoredState::new(self.rest.head.epoch, self.plan.clone());
        let mut pieces: Vec<Vec<u8>> = Vec::new();
        while let Some((section, bytes)) = self.rest.next()? {
            match section {
                Section::Engine => pieces.push(bytes),
                Section::Dataflow => dataflow.take(&bytes)?,
                Section::Head | Section::Producers | Section::End => {}
            }
        }
        let engine = Engine::restored(self.plan.clone(), pieces.iter().map(Vec::as_slice))?;
        Ok(Beginning {
            plan: self.plan,
            files: self.files,
            engine,
            dataflow,
            next: self.resume.next,
            epoch: self.epoch,
        })
    }
}

/// The producers, which stand before all else: a start needs them first.
fn producers(opened: &mut Opened) -> anyhow::Result<Producers> {
    match opened.next()? {
        Some((Section::Producers, bytes)) => Ok(postcard::from_bytes(&bytes)?),
        _ => {
            let what = "they do not stand behind the head";
            Err(CheckpointError::content("the journal's producers", what).into())
        }
    }
}
