//! The state of a dataflow as of the end of an epoch: what a checkpoint holds and a restart begins
//! from, at any number of workers.
//!
//! It is handed over by sharing: the operators clone what they touch while a checkpoint still reads it
//! (`Arc::make_mut`), so that a handing over costs one count a key and not a copy of everything.
//!
//! Invariants:
//! * what is restored, whatever the number of workers, tells the same windows as what was handed over;
//! * only what cannot be derived is kept: alarms, routes and waiting windows are found again.

use std::collections::BTreeMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::dataflow::admit::{Door, Met, SavedKey, door_hash, doors_of};
use crate::dataflow::control::Clockwork;
use crate::dataflow::entity::{Entity, EntityFact, EntityKey};
use crate::dataflow::evaluate::Surroundings;
use crate::dataflow::fold::Slot;
use crate::dataflow::graph::hash_of;
use crate::dataflow::heard::Heard;
use crate::dataflow::key::Group as Key;
use crate::dataflow::owner::Owner;
use crate::dataflow::panes::Panes;
use crate::dataflow::route::TupleState;
use crate::dataflow::windows::GroupState;
use crate::dataflow::{Epoch, Watermarks};
use crate::event::{Stream, Tuple};
use crate::measure::{Alike, Measure};
use crate::rules::Plan;

/// Keys in one piece: small enough to be held twice, large enough to compress.
const PIECE_KEYS: usize = 4096;
/// Bytes of one piece, unless it is of a single key: a day of a busy key takes a hundred kilobytes.
const PIECE_BYTES: usize = 16 << 20;

/// What all workers know alike.
#[derive(Clone, Debug)]
pub(super) struct SharedState {
    pub(super) clock: Clockwork,
    pub(super) surroundings: Surroundings,
    /// What is known of the past beyond the panes.
    pub(super) heard: Heard,
    /// By stream, up to where panes have been retired, ms.
    pub(super) retired: [i64; Stream::ALL.len()],
}

/// What one worker hands over.
#[derive(Default)]
pub(super) struct WorkerState {
    pub(super) slots: Vec<Arc<Slot>>,
    pub(super) tuples: Vec<Arc<TupleState>>,
    pub(super) groups: Vec<(u32, Vec<Arc<GroupState>>)>,
    /// Groups that have been met, by family, with their newest panes.
    pub(super) met: Met,
    /// Those of them that are folded.
    pub(super) folded: BTreeMap<u32, FxHashSet<Arc<Key>>>,
    pub(super) shared: Option<SharedState>,
}

/// The state of all workers as of the end of an epoch, shared with them.
pub struct DataflowState {
    pub(super) epoch: Epoch,
    pub(super) workers: Vec<WorkerState>,
}

/// A piece of state on its way to a file or back; postcard, so order and types are the format.
///
/// The parameters are what is borrowed on the way out and owned on the way in.
#[derive(Serialize, Deserialize)]
enum Piece<Shared, Slot, Group> {
    /// Once: watermarks, surroundings, retired panes, what was heard.
    Shared(Shared),
    /// Entities, with the tuples that their facts name by index.
    Entities(Vec<Arc<Tuple>>, Vec<Slot>),
    /// Tuples with their panes, and who brought them.
    Tuples(Vec<(Arc<Tuple>, Panes, Owner)>),
    /// Groups of a family with their panes.
    Groups(u32, Vec<Group>),
    /// Groups that a family has met: newest pane, whose it is, and whether it is folded.
    Keys(u32, Vec<(Arc<Key>, i64, Owner, bool)>),
}

type Retired = [i64; Stream::ALL.len()];
/// Key, entity, what it states (tuple, pane, measure), its next look, its end, who brought it.
type SavedSlot = (
    EntityKey,
    Entity,
    Vec<(u32, i64, Measure)>,
    Option<i64>,
    i64,
    Owner,
);
type OwnedPiece = Piece<(Watermarks, Surroundings, Retired, Heard), SavedSlot, GroupState>;
type LentPiece<'a> = Piece<
    (&'a Watermarks, &'a Surroundings, &'a Retired, &'a Heard),
    (
        &'a EntityKey,
        &'a Entity,
        Vec<(u32, i64, Measure)>,
        Option<i64>,
        i64,
        Owner,
    ),
    Arc<GroupState>,
>;

/// A state cannot be read: it is not of this format, or damaged in a way that checksums do not see.
#[derive(Debug, Error)]
pub enum StateError {
    /// A piece is not what a piece must be.
    #[error("a piece of the dataflow's state cannot be read: {0}")]
    Piece(#[from] postcard::Error),
    /// A fact names a tuple that its piece does not have.
    #[error("a piece of the dataflow's state names tuple {0}, which it does not have")]
    Tuple(u32),
    /// What a key states is not of equal facts.
    #[error("a piece of the dataflow's state has a key that states what no key states")]
    Fact,
    /// The piece that every worker needs is missing.
    #[error("the dataflow's state has no watermarks")]
    Incomplete,
}

impl DataflowState {
    /// The epoch that it is the end of.
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Keys in it: entities, tuples and groups.
    pub fn keys(&self) -> usize {
        let of_worker = |worker: &WorkerState| {
            let groups: usize = worker.groups.iter().map(|(_, groups)| groups.len()).sum();
            worker.slots.len() + worker.tuples.len() + groups
        };
        self.workers.iter().map(of_worker).sum()
    }

    /// Gives it piece by piece, encoded.
    ///
    /// # Errors
    /// What `each` says, or that a piece cannot be encoded.
    pub fn pieces<E: From<StateError>>(
        &self,
        mut each: impl FnMut(Vec<u8>) -> Result<(), E>,
    ) -> Result<(), E> {
        // Every worker knows the same.
        if let Some(shared) = self
            .workers
            .iter()
            .find_map(|worker| worker.shared.as_ref())
        {
            each(encode(&Piece::Shared((
                &shared.clock.watermarks,
                &shared.surroundings,
                &shared.retired,
                &shared.heard,
            )))?)?;
        }
        for worker in &self.workers {
            in_pieces(&worker.slots, &entities, &mut each)?;
            let lent =
                |state: &Arc<TupleState>| (state.tuple.clone(), state.panes.clone(), state.owner);
            let tuples =
                |states: &[Arc<TupleState>]| Piece::Tuples(states.iter().map(lent).collect());
            in_pieces(&worker.tuples, &tuples, &mut each)?;
            for (family, groups) in &worker.groups {
                let of_family =
                    |groups: &[Arc<GroupState>]| Piece::Groups(*family, groups.to_vec());
                in_pieces(groups, &of_family, &mut each)?;
            }
            for (family, met) in &worker.met {
                let folded = worker.folded.get(family);
                let is_folded =
                    |group: &Arc<Key>| folded.is_some_and(|folded| folded.contains(group));
                let key = |(group, pane_ms, owner): &(Arc<Key>, i64, Owner)| {
                    (group.clone(), *pane_ms, *owner, is_folded(group))
                };
                let keys = |met: &[(Arc<Key>, i64, Owner)]| {
                    Piece::Keys(*family, met.iter().map(key).collect())
                };
                in_pieces(met, &keys, &mut each)?;
            }
        }
        Ok(())
    }
}

fn encode(piece: &LentPiece<'_>) -> Result<Vec<u8>, StateError> {
    Ok(postcard::to_allocvec(piece)?)
}

/// Gives keys in pieces of no more than their number and bytes; a single key may be larger.
fn in_pieces<'a, T, E: From<StateError>>(
    keys: &'a [T],
    piece: &impl Fn(&'a [T]) -> LentPiece<'a>,
    each: &mut impl FnMut(Vec<u8>) -> Result<(), E>,
) -> Result<(), E> {
    for keys in keys.chunks(PIECE_KEYS) {
        let encoded = encode(&piece(keys))?;
        if encoded.len() <= PIECE_BYTES || keys.len() == 1 {
            each(encoded)?;
            continue;
        }
        // Half of it and not the first so many bytes: what is too large is rare, and this is simple.
        drop(encoded);
        let (first, second) = keys.split_at(keys.len() / 2);
        in_pieces(first, piece, each)?;
        in_pieces(second, piece, each)?;
    }
    Ok(())
}

fn entities(slots: &[Arc<Slot>]) -> LentPiece<'_> {
    let mut tuples: Vec<Arc<Tuple>> = Vec::new();
    let mut numbers: FxHashMap<&Arc<Tuple>, u32> = FxHashMap::default();
    let mut saved = Vec::with_capacity(slots.len());
    for slot in slots {
        let by_parts = slot.entity.stated_by_parts();
        let mut stated = Vec::with_capacity(slot.stated.len() + by_parts.len());
        for fact in slot.stated.iter().chain(by_parts) {
            let number = *numbers.entry(&fact.at.0).or_insert_with(|| {
                tuples.push(fact.at.0.clone());
                tuples.len() as u32 - 1
            });
            stated.push((number, fact.at.1, fact.counts.measure()));
        }
        saved.push((
            &*slot.key,
            &slot.entity,
            stated,
            (slot.wakes_at_ms != Slot::NEVER).then_some(slot.wakes_at_ms),
            slot.expires_at_ms,
            slot.owner,
        ));
    }
    Piece::Entities(tuples, saved)
}

/// A state as it was read, to begin from.
pub struct RestoredState {
    epoch: Epoch,
    plan: Arc<Plan>,
    shared: Option<SharedState>,
    slots: Vec<Arc<Slot>>,
    tuples: FxHashMap<Arc<Tuple>, (Panes, Owner)>,
    groups: Vec<(u32, GroupState)>,
    keys: Vec<SavedKey>,
}

/// What one worker begins from.
pub(super) struct WorkerShare {
    pub(super) next_epoch: Epoch,
    pub(super) shared: SharedState,
    pub(super) slots: Vec<Arc<Slot>>,
    pub(super) tuples: Vec<TupleState>,
    pub(super) groups: Vec<(u32, GroupState)>,
    /// Groups that have been met.
    pub(super) keys: Vec<SavedKey>,
    /// Doors of the families that are here.
    pub(super) doors: Vec<(u32, Door)>,
}

impl RestoredState {
    /// A state as of the end of `epoch`, under `plan`; the pieces follow.
    pub fn new(epoch: Epoch, plan: Arc<Plan>) -> RestoredState {
        RestoredState {
            epoch,
            plan,
            shared: None,
            slots: Vec::new(),
            tuples: FxHashMap::default(),
            groups: Vec::new(),
            keys: Vec::new(),
        }
    }

    /// The first epoch that follows it.
    pub(super) fn next_epoch(&self) -> Epoch {
        self.epoch + 1
    }

    /// Takes in a piece, in any order.
    ///
    /// # Errors
    /// [`StateError`]
    pub fn take(&mut self, piece: &[u8]) -> Result<(), StateError> {
        match postcard::from_bytes::<OwnedPiece>(piece)? {
            Piece::Shared((watermarks, surroundings, retired, heard)) => {
                let clock = Clockwork {
                    plan: Some(self.plan.clone()),
                    watermarks,
                };
                self.shared = Some(SharedState {
                    clock,
                    surroundings,
                    heard,
                    retired,
                });
            }
            Piece::Entities(tuples, slots) => {
                for (key, entity, stated, wakes_at_ms, expires_at_ms, owner) in slots {
                    let fact = |(number, pane_ms, measure): (u32, i64, Measure)| {
                        let tuple: &Arc<Tuple> = tuples
                            .get(number as usize)
                            .ok_or(StateError::Tuple(number))?;
                        let at = (tuple.clone(), pane_ms);
                        let counts = Alike::of_measure(&measure).ok_or(StateError::Fact)?;
                        Ok(EntityFact { at, counts })
                    };
                    let stated: Result<Box<[EntityFact]>, StateError> =
                        stated.into_iter().map(fact).collect();
                    self.slots.push(Arc::new(Slot {
                        key: Arc::new(key),
                        entity,
                        stated: stated?,
                        wakes_at_ms: wakes_at_ms.unwrap_or(Slot::NEVER),
                        expires_at_ms,
                        owner,
                        early: Slot::UNKNOWN,
                    }));
                }
            }
            Piece::Tuples(tuples) => {
                for (tuple, panes, owner) in tuples {
                    match self.tuples.entry(tuple) {
                        Entry::Vacant(free) => {
                            free.insert((panes, owner));
                        }
                        // Several workers may have met the same tuple; what one counted another may
                        // have taken back.
                        Entry::Occupied(mut known) => panes.for_each(|pane_ms, measure| {
                            known.get_mut().0.add(pane_ms, measure.clone());
                        }),
                    }
                }
            }
            Piece::Groups(family, groups) => {
                let of_family = groups.into_iter().map(|group| (family, group));
                self.groups.extend(of_family);
            }
            Piece::Keys(family, keys) => {
                let key = |(group, pane_ms, owner, folded)| SavedKey {
                    family,
                    group,
                    pane_ms,
                    owner,
                    folded,
                };
                self.keys.extend(keys.into_iter().map(key));
            }
        }
        Ok(())
    }

    /// Shares it out as the graph's exchanges would.
    pub(super) fn share_out(self, workers: usize) -> Result<Vec<WorkerShare>, StateError> {
        let next_epoch = self.next_epoch();
        let shared = self.shared.ok_or(StateError::Incomplete)?;
        let mut shares: Vec<WorkerShare> = (0..workers)
            .map(|_| WorkerShare {
                next_epoch,
                shared: shared.clone(),
                slots: Vec::new(),
                tuples: Vec::new(),
                groups: Vec::new(),
                keys: Vec::new(),
                doors: Vec::new(),
            })
            .collect();
        let of = |hash: u64| (hash % workers as u64) as usize;
        for slot in self.slots {
            shares[of(hash_of(&*slot.key))].slots.push(slot);
        }
        for (tuple, (panes, owner)) in self.tuples {
            // Any worker may hold a tuple; this spreads them.
            let share = &mut shares[of(hash_of(&tuple))];
            share.tuples.push(TupleState::new(tuple, panes, owner));
        }
        for (family, group) in self.groups {
            shares[of(group.group.hash)].groups.push((family, group));
        }
        for door in doors_of(&self.keys) {
            shares[of(door_hash(door.0))].doors.push(door);
        }
        for key in self.keys {
            shares[of(key.group.hash)].keys.push(key);
        }
        Ok(shares)
    }
}
