//! Builds the graph on one worker: six operators and a report, wired as drawn in the module docs.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};
use std::rc::Rc;
use std::sync::mpsc::Sender;

use timely::dataflow::InputHandle;
use timely::dataflow::channels::pact::{Exchange, Pipeline};
use timely::dataflow::operators::core::Map as _;
use timely::dataflow::operators::vec::Broadcast;
use timely::dataflow::operators::{Concat, Input};
use timely::worker::Worker;

use crate::dataflow::admit::{Doors, Folded, Knock, Lobby, Meeting, Overflow, Release, door_hash};
use crate::dataflow::control::{Control, Shared};
use crate::dataflow::entity::EntityKey;
use crate::dataflow::epochs::{Epoch, Flow, by_epoch};
use crate::dataflow::fold::Fold;
use crate::dataflow::route::Router;
use crate::dataflow::state::{WorkerShare, WorkerState};
use crate::dataflow::waits::Stated;
use crate::dataflow::windows::Windows;
use crate::dataflow::worker::{Notes, Report};
use crate::dataflow::{Counters, DataflowConfig, GroupPane, Owner, TuplePane, WindowUpdate};
use crate::event::Record;
use crate::measure::Measure;

type In<T> = InputHandle<Epoch, timely::container::CapacityContainerBuilder<Vec<T>>>;

/// The worker's ends of the graph.
pub(super) struct Graph {
    pub(super) facts: In<(TuplePane, Measure, Owner)>,
    pub(super) records: In<(EntityKey, Owner, Record)>,
    pub(super) shared: In<Shared>,
    pub(super) controls: In<Control>,
    /// State of the fold operator, for questions between steps.
    pub(super) fold: Rc<RefCell<Fold>>,
    /// State of the route operator, for questions between steps.
    pub(super) router: Rc<RefCell<Router>>,
    /// State of the windows operator, for questions between steps.
    pub(super) windows: Rc<RefCell<Windows>>,
    /// What the worker notes about epochs that are under way.
    pub(super) notes: Rc<RefCell<BTreeMap<Epoch, Notes>>>,
}

/// Builds the graph. All workers must call it alike.
pub(super) fn build(
    worker: &mut Worker,
    config: &DataflowConfig,
    reports: Sender<Report>,
    restored: Option<WorkerShare>,
) -> Graph {
    let counters = Rc::new(Counters::default());
    let handing: Rc<RefCell<BTreeMap<Epoch, WorkerState>>> = Rc::default();
    let mut windows = Windows::new(config.limits, counters.clone());
    let lobby = Lobby::default();
    let mut meeting = Meeting::new(&config.limits, lobby.clone());
    let mut doors = Doors::new(config.limits);
    let mut release = Release::new(lobby, counters.clone());
    let overflow = Overflow::default();
    let notes: Rc<RefCell<BTreeMap<Epoch, Notes>>> = Rc::default();
    let mut fold = Fold::new(config.limits, counters.clone());
    let stated = Stated::default();
    let mut router = Router::new(
        config.keeps_history,
        config.limits,
        counters.clone(),
        stated.clone(),
    );
    let first_epoch = restored.as_ref().map_or(0, |share| share.next_epoch);
    if let Some(mut share) = restored {
        let clock = &mut share.shared.clock;
        clock.watermarks.set_sources_max(config.limits.sources_max);
        fold.restore(share.shared.clock.clone(), share.slots);
        router.restore(share.shared.clock.clone(), share.tuples);
        meeting.restore(share.shared.clock.clone(), &share.keys);
        doors.restore(share.doors);
        release.restore(&share.keys);
        windows.restore(share.shared, share.groups);
    }
    let windows = Rc::new(RefCell::new(windows));
    let fold = Rc::new(RefCell::new(fold));
    let router = Rc::new(RefCell::new(router));
    let index = worker.index();
    worker.dataflow_named("chrysalis", |scope| {
        let mut facts_in: In<(TuplePane, Measure, Owner)> = InputHandle::new_with_builder();
        let mut records_in: In<(EntityKey, Owner, Record)> = InputHandle::new_with_builder();
        let mut shared_in: In<Shared> = InputHandle::new_with_builder();
        let mut controls_in: In<Control> = InputHandle::new_with_builder();
        let facts = scope.input_from(&mut facts_in);
        let records = scope.input_from(&mut records_in);
        let shared: Flow<'_, Shared> = scope.input_from(&mut shared_in);
        let local: Flow<'_, Control> = scope.input_from(&mut controls_in);
        let controls = local.concat(shared.broadcast().map(Control::Shared));

        let by_key = Exchange::new(|(key, _, _): &(EntityKey, Owner, Record)| hash_of(key));
        let folded = by_epoch(records, by_key, controls.clone(), "fold", {
            let (handing, fold, notes) = (handing.clone(), fold.clone(), notes.clone());
            move |epoch, records, controls, output| {
                let wanted = is_checkpoint(&controls);
                let mut fold = fold.borrow_mut();
                fold.epoch(records, controls, output);
                let mut of_streams = stated.get();
                for ((tuple, _), ..) in &*output {
                    of_streams[tuple.stream.index()] = true;
                }
                stated.set(of_streams);
                let (holds, on_record) = (fold.take_holds(), fold.take_on_record());
                if !holds.is_empty() || !on_record.is_empty() {
                    let mut notes = notes.borrow_mut();
                    let notes = notes.entry(epoch).or_default();
                    (notes.holds, notes.on_record) = (holds, on_record);
                }
                if wanted {
                    handing.borrow_mut().entry(epoch).or_default().slots = fold.state();
                }
            }
        });
        let routed: Flow<'_, (GroupPane, Measure, Owner)> =
            by_epoch(facts.concat(folded), Pipeline, controls.clone(), "route", {
                let (handing, router) = (handing.clone(), router.clone());
                move |epoch, facts, controls, output| {
                    let wanted = is_checkpoint(&controls);
                    let mut router = router.borrow_mut();
                    router.epoch(facts, controls, output);
                    if wanted {
                        handing.borrow_mut().entry(epoch).or_default().tuples = router.state();
                    }
                }
            });
        let met = Exchange::new(|(key, ..): &(GroupPane, Measure, Owner)| key.group.hash);
        let knocks: Flow<'_, Knock> = by_epoch(routed, met, controls.clone(), "meet", {
            let handing = handing.clone();
            move |epoch, facts, controls, output| {
                let wanted = is_checkpoint(&controls);
                meeting.epoch(epoch, facts, controls, output);
                if wanted {
                    handing.borrow_mut().entry(epoch).or_default().met = meeting.state();
                }
            }
        });
        let by_family = Exchange::new(|knock: &Knock| door_hash(knock.family));
        let answers: Flow<'_, Folded> = by_epoch(knocks, by_family, controls.clone(), "doors", {
            let (overflow, counters) = (overflow.clone(), counters.clone());
            move |epoch, knocks, controls, output| {
                doors.epoch(knocks, &controls, output);
                let folds: Vec<(u32, u64)> = doors.overflow().collect();
                let groups = folds.iter().map(|(_, groups)| groups).sum();
                counters.groups_folded.set(groups);
                overflow.borrow_mut().insert(epoch, folds);
            }
        });
        let to_group = Exchange::new(|folded: &Folded| folded.group.hash);
        let released: Flow<'_, (GroupPane, Measure)> =
            by_epoch(answers, to_group, controls.clone(), "release", {
                let handing = handing.clone();
                move |epoch, answers, controls, output| {
                    release.epoch(epoch, answers, &controls, output);
                    if is_checkpoint(&controls) {
                        handing.borrow_mut().entry(epoch).or_default().folded = release.state();
                    }
                }
            });
        let by_group = Exchange::new(|(key, _): &(GroupPane, Measure)| key.group.hash);
        let told: Flow<'_, WindowUpdate> =
            by_epoch(released, by_group, controls.clone(), "windows", {
                let (windows, notes) = (windows.clone(), notes.clone());
                let handing = handing.clone();
                move |epoch, panes, controls, output| {
                    let wanted = is_checkpoint(&controls);
                    let mut windows = windows.borrow_mut();
                    windows.epoch(panes, controls, output);
                    if wanted {
                        let mut handing = handing.borrow_mut();
                        let state = handing.entry(epoch).or_default();
                        state.groups = windows.state();
                        state.shared = Some(windows.shared());
                    }
                    notes.borrow_mut().entry(epoch).or_default().watermarks =
                        windows.watermarks().clone();
                }
            });
        by_epoch(told, Pipeline, controls, "report", {
            let (notes, counters) = (notes.clone(), counters.clone());
            move |epoch, updates, _, _: &mut Vec<()>| {
                let notes = notes.borrow_mut().remove(&epoch).unwrap_or_default();
                let state = handing.borrow_mut().remove(&epoch);
                let counts = counters.read();
                let overflow = overflow.borrow_mut().remove(&epoch).unwrap_or_default();
                // A closed channel means that nobody wants results any more: the run is stopping.
                let _ = reports.send(Report {
                    worker: index,
                    epoch,
                    updates,
                    notes,
                    counts,
                    overflow,
                    state,
                });
            }
        });
        facts_in.advance_to(first_epoch);
        records_in.advance_to(first_epoch);
        shared_in.advance_to(first_epoch);
        controls_in.advance_to(first_epoch);
        Graph {
            facts: facts_in,
            records: records_in,
            shared: shared_in,
            controls: controls_in,
            fold,
            router,
            windows,
            notes,
        }
    })
}

fn is_checkpoint(controls: &[Control]) -> bool {
    let wanted = |control: &Control| matches!(control, Control::Checkpoint);
    controls.iter().any(wanted)
}

/// The hash that keys are shared out by.
pub(super) fn hash_of(key: &impl Hash) -> u64 {
    let mut hasher = rustc_hash::FxHasher::default();
    key.hash(&mut hasher);
    hasher.finish()
}
