//! The engine's state in a checkpoint: everything that a step reads, except what follows from the rest.

use serde::{Deserialize, Serialize};
use std::sync::Arc;
use thiserror::Error;

use crate::alerting::Phase;
use crate::dataflow::Watermarks;
use crate::engine::complaints::Complaints;
use crate::engine::crossing::Crossings;
use crate::engine::effects::Effects;
use crate::engine::ended::Ended;
use crate::engine::instance::Instance;
use crate::engine::overflow::Overflows;
use crate::engine::past::KeptOfKqi;
use crate::engine::reporting::Reporting;
use crate::engine::silence::Silences;
use crate::engine::step::Engine;
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

#[derive(Serialize)]
struct LentRest<'a> {
    epoch: Option<u64>,
    now_ms: i64,
    watermarks: &'a Watermarks,
    ended: &'a Ended,
    triggers: &'a TriggerBook,
    complaints: &'a Complaints,
    effects: &'a Effects,
    crossings: &'a Crossings,
    silences: &'a Silences,
    overflows: &'a Overflows,
    reporting: &'a Reporting,
}

/// Field for field [`LentRest`].
#[derive(Deserialize)]
struct Rest {
    epoch: Option<u64>,
    now_ms: i64,
    watermarks: Watermarks,
    ended: Ended,
    triggers: TriggerBook,
    complaints: Complaints,
    effects: Effects,
    crossings: Crossings,
    silences: Silences,
    overflows: Overflows,
    reporting: Reporting,
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

impl Engine {
    /// Gives its state piece by piece, encoded.
    ///
    /// # Errors
    /// What `each` says, or that a piece cannot be encoded.
    pub fn pieces<E: From<SaveError>>(
        &self,
        mut each: impl FnMut(Vec<u8>) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut give = |piece: Piece<&Instance, (&str, &KeptOfKqi), LentRest<'_>>| {
            each(postcard::to_allocvec(&piece).map_err(SaveError::from)?)
        };
        for (rule, instances) in self.instances.iter().enumerate() {
            let mut instances = instances.values();
            loop {
                let some: Vec<&Instance> = instances.by_ref().take(PIECE_OBJECTS).collect();
                if some.is_empty() {
                    break;
                }
                give(Piece::Objects(rule as u32, some))?;
            }
        }
        for of_kqi in self.past.kqis() {
            give(Piece::Past(of_kqi))?;
        }
        give(Piece::Rest(LentRest {
            epoch: self.snapshot.epoch,
            now_ms: self.snapshot.now_ms,
            watermarks: &self.snapshot.watermarks,
            ended: &self.ended,
            triggers: &self.triggers,
            complaints: &self.complaints,
            effects: &self.effects,
            crossings: &self.crossings,
            silences: &self.silences,
            overflows: &self.overflows,
            reporting: &self.reporting,
        }))
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
                        objects.insert(instance.label.clone(), instance);
                    }
                }
                Piece::Rest(rest) => {
                    engine.snapshot.epoch = rest.epoch;
                    engine.snapshot.now_ms = rest.now_ms;
                    engine.snapshot.watermarks = Arc::new(rest.watermarks);
                    engine.ended = rest.ended;
                    engine.triggers = rest.triggers;
                    engine.complaints = rest.complaints;
                    engine.effects = rest.effects;
                    engine.crossings = rest.crossings;
                    engine.silences = rest.silences;
                    engine.overflows = rest.overflows;
                    engine.reporting = rest.reporting;
                }
            }
        }
        engine.find_fired();
        engine.show_all();
        Ok(engine)
    }
}
