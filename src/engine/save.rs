//! The engine's state in a checkpoint: everything that a step reads, except what follows from the rest.

use serde::{Deserialize, Serialize};
use std::sync::Arc;
use thiserror::Error;

use crate::alerting::Phase;
use crate::dataflow::{Watermarks, share_all};
use crate::engine::Annotations;
use crate::engine::complaints::Complaints;
use crate::engine::crossing::Crossings;
use crate::engine::effects::Effects;
use crate::engine::ended::Ended;
use crate::engine::holders::Holders;
use crate::engine::instance::Instance;
use crate::engine::overflow::Overflows;
use crate::engine::past::KeptOfKqi;
use crate::engine::process::ProcessWatch;
use crate::engine::reporting::Reporting;
use crate::engine::silence::Silences;
use crate::engine::step::Engine;
use crate::engine::trouble::Troubles;
use crate::rules::Plan;
use crate::triggers::TriggerBook;

/// Objects in one piece.
const PIECE_OBJECTS: usize = 1024;

/// A piece of an engine; postcard, so order and types are the format. The parameters are what is
/// borrowed on the way out and owned on the way in.
#[derive(Serialize, Deserialize)]
enum Piece<I, P, R> {
    /// Objects of the rule of that number.
    Objects(u32, Vec<I>),
    /// The past of the objects of a KQI.
    Past(P),
    /// Everything else, once.
    Rest(R),
}

#[derive(Serialize, Deserialize)]
struct Rest {
    epoch: Option<u64>,
    now_ms: i64,
    watermarks: Arc<Watermarks>,
    ended: Ended,
    triggers: TriggerBook,
    complaints: Complaints,
    effects: Effects,
    crossings: Crossings,
    silences: Silences,
    overflows: Overflows,
    troubles: Troubles,
    process: ProcessWatch,
    holders: Holders,
    reporting: Reporting,
    annotations: Arc<Annotations>,
}

/// An engine's state as of a cut, shared with the engine, which clones what it touches meanwhile: handing it over
/// takes a moment, encoding it as long as it takes.
pub struct EngineState {
    objects: Vec<(u32, Vec<Arc<Instance>>)>,
    past: Vec<(String, KeptOfKqi)>,
    rest: Rest,
}

/// An engine's state cannot be read.
#[derive(Debug, Error)]
pub enum SaveError {
    /// A piece is not what a piece must be.
    #[error("a piece of the engine's state cannot be read: {0}")]
    Piece(#[from] postcard::Error),
    /// It is of another rule book.
    #[error("the engine's state knows a rule number {0}, which the book does not have")]
    Rule(u32),
}

impl EngineState {
    /// Gives it piece by piece, encoded.
    ///
    /// # Errors
    /// What `each` says, or that a piece cannot be encoded.
    pub fn pieces<E: From<SaveError>>(
        &self,
        mut each: impl FnMut(Vec<u8>) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut give = |piece: Piece<&Instance, (&str, &KeptOfKqi), &Rest>| {
            each(postcard::to_allocvec(&piece).map_err(SaveError::from)?)
        };
        for (rule, instances) in &self.objects {
            for some in instances.chunks(PIECE_OBJECTS) {
                give(Piece::Objects(
                    *rule,
                    some.iter().map(Arc::as_ref).collect(),
                ))?;
            }
        }
        for (kqi, kept) in &self.past {
            give(Piece::Past((kqi, kept)))?;
        }
        give(Piece::Rest(&self.rest))
    }
}

impl Engine {
    /// Its state, shared.
    pub fn state(&self) -> EngineState {
        let objects = self.instances.iter().zip(0..);
        let past = self.past.kqis();
        EngineState {
            objects: objects
                .map(|(instances, rule)| {
                    let instances = instances.values().map(|instance| (instance, ()));
                    (rule, share_all(instances, |instance, ()| instance))
                })
                .collect(),
            past: past
                .map(|(kqi, kept)| (kqi.to_owned(), kept.clone()))
                .collect(),
            rest: Rest {
                epoch: self.snapshot.epoch,
                now_ms: self.snapshot.now_ms,
                watermarks: self.snapshot.watermarks.clone(),
                ended: self.ended.clone(),
                triggers: self.triggers.clone(),
                complaints: self.complaints.clone(),
                effects: self.effects.clone(),
                crossings: self.crossings.clone(),
                silences: self.silences.clone(),
                overflows: self.overflows.clone(),
                troubles: self.troubles.clone(),
                process: self.process.clone(),
                holders: self.holders.clone(),
                reporting: self.reporting.clone(),
                annotations: self.snapshot.annotations.clone(),
            },
        }
    }

    /// The engine that gave these pieces, under the same plan.
    ///
    /// # Errors
    /// [`SaveError`]
    pub fn restored<'p>(
        plan: Arc<Plan>,
        pieces: impl IntoIterator<Item = &'p [u8]>,
    ) -> Result<Engine, SaveError> {
        let mut engine = Engine::new(plan);
        for piece in pieces {
            match postcard::from_bytes::<Piece<Instance, (String, KeptOfKqi), Rest>>(piece)? {
                Piece::Past((kqi, kept)) => engine.past.put_back(kqi, kept),
                Piece::Objects(rule, instances) => {
                    let number = rule as usize;
                    let objects = engine.instances.get_mut(number);
                    let objects = objects.ok_or(SaveError::Rule(rule))?;
                    for instance in instances {
                        if instance.timeline.phase() != Phase::Quiet {
                            engine.restless.insert((number, instance.label.clone()));
                        }
                        objects.insert(instance.label.clone(), Arc::new(instance));
                    }
                }
                Piece::Rest(rest) => {
                    engine.snapshot.epoch = rest.epoch;
                    engine.snapshot.now_ms = rest.now_ms;
                    engine.snapshot.watermarks = rest.watermarks;
                    engine.ended = rest.ended;
                    engine.triggers = rest.triggers;
                    engine.complaints = rest.complaints;
                    engine.effects = rest.effects;
                    engine.crossings = rest.crossings;
                    engine.silences = rest.silences;
                    engine.overflows = rest.overflows;
                    engine.troubles = rest.troubles;
                    engine.process = rest.process;
                    engine.holders = rest.holders;
                    engine.reporting = rest.reporting;
                    engine.snapshot.annotations = rest.annotations;
                }
            }
        }
        engine.find_fired();
        let plan = &engine.watchlist.plan;
        engine.process.recall(plan, &engine.triggers);
        engine.show_all();
        Ok(engine)
    }
}
