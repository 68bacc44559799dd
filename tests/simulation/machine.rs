//! The process: journal, dataflow, engine and checkpoints, stepped by hand.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use chrysalis::alerting::Notice;
use chrysalis::app::{Interpreter, Meaning, begin, head_of, keep, plan_of};
use chrysalis::checkpoint::{CheckpointError, Folder, Head};
use chrysalis::dataflow::{
    Counts, Cuts, Dataflow, DataflowConfig, DataflowState, Feed, Limits, Queries,
};
use chrysalis::engine::{Effect, Engine, EngineState, SaveError};
use chrysalis::event::Batch;
use chrysalis::journal::{
    Committed, Disk, Epoch, EpochConfig, Epochs, FakeDisk, Journal, JournalConfig, Record,
    Retention, Submit, cut,
};
use chrysalis::rules::Plan;

use crate::chance::Chance;
use crate::outside::{Died, Outside};
use crate::story;

/// Where things are on the disk.
pub(crate) const JOURNAL: &str = "/data/journal";
pub(crate) const CHECKPOINTS: &str = "/data/checkpoints";

type Attachment = Option<Arc<Batch>>;

/// A running process.
pub(crate) struct Machine {
    epochs: Epochs<Attachment>,
    disk: Arc<dyn Disk>,
    folder: Folder,
    mind: Mind,
    /// A checkpoint is wanted as of the next epoch.
    pub(crate) wants_checkpoint: bool,
    /// Epochs that pass until a checkpoint that was handed over is on a slow disk.
    pub(crate) slow_epochs: u64,
    /// The one that is being written.
    writing: Option<Writing>,
    /// The newest epoch of which something is in the ledger.
    told_upto: Option<u64>,
    /// Checkpoints written by this process.
    pub(crate) checkpoints: usize,
    /// Segments cut by this process.
    pub(crate) cuts: u64,
    /// It began from a checkpoint.
    pub(crate) resumed: bool,
}

/// A checkpoint on its way to a slow disk: its state is shared with the operators, who go on meanwhile.
struct Writing {
    head: Head,
    engine: EngineState,
    state: DataflowState,
    epochs_left: u64,
}

/// The part that is a function of the journal.
pub(crate) struct Mind {
    interpreter: Interpreter,
    // Dropped in this order: workers stop when nobody can write to them any more.
    feed: Feed<()>,
    pub(crate) queries: Queries,
    cuts: Cuts<()>,
    pub(crate) engine: Engine,
    /// Window updates of all epochs so far.
    pub(crate) updates: u64,
}

impl Mind {
    /// One that has seen nothing yet.
    pub(crate) fn new(workers: usize) -> Mind {
        Mind::with(workers, Interpreter::default(), None, None)
    }

    fn with(
        workers: usize,
        interpreter: Interpreter,
        engine: Option<Engine>,
        restored: Option<chrysalis::dataflow::RestoredState>,
    ) -> Mind {
        let config = DataflowConfig {
            workers,
            keeps_history: true,
            limits: Limits::default(),
        };
        // As with a new data folder, before the journal's first book.
        let nothing = || Engine::new(plan_of(&story::files(80), None).unwrap());
        let engine = engine.unwrap_or_else(nothing);
        let dataflow = Dataflow::resume(config, restored).unwrap();
        Mind {
            interpreter,
            feed: dataflow.feed,
            queries: dataflow.queries,
            cuts: dataflow.cuts,
            engine,
            updates: 0,
        }
    }

    /// The plan in force.
    pub(crate) fn plan(&self) -> Option<Arc<Plan>> {
        self.interpreter.in_force().map(|(plan, _)| plan.clone())
    }

    /// What the operators hold.
    pub(crate) fn counts(&self) -> Counts {
        self.cuts.counts()
    }

    /// Keys and bytes of the state as of the last epoch, if it asked for a checkpoint.
    pub(crate) fn state_size(&mut self) -> Option<(u64, usize)> {
        let state = self.cuts.take_state()?;
        let mut bytes = 0;
        let mut count = |piece: Vec<u8>| {
            bytes += piece.len();
            Ok::<(), CheckpointError>(())
        };
        state.pieces(&mut count).unwrap();
        let engine = |piece: Vec<u8>| {
            bytes += piece.len();
            Ok::<(), SaveError>(())
        };
        self.engine.state().pieces(engine).unwrap();
        Some((state.keys() as u64, bytes))
    }

    /// Takes an epoch and gives its notices.
    pub(crate) fn think(&mut self, epoch: Epoch<Attachment>, checkpoint: bool) -> Vec<Notice> {
        assert_eq!(epoch.epoch, self.feed.next_epoch());
        let Meaning {
            mut input,
            commands,
        } = self.interpreter.read(epoch).unwrap();
        input.checkpoint = checkpoint;
        assert!(self.feed.submit(input, ()));
        let (cut, ()) = self.cuts.next_cut().unwrap();
        self.updates += cut.updates.len() as u64;
        let effects = self.engine.step(&cut, &commands);
        let notice = |effect| match effect {
            Effect::Notice(notice) => Some(*notice),
            Effect::Transition(_)
            | Effect::Report(_)
            | Effect::Feedback(_)
            | Effect::Answer { .. } => None,
        };
        effects.into_iter().filter_map(notice).collect()
    }
}

impl Machine {
    /// Starts as `App::start` does: newest checkpoint, journal from there, what follows is done again.
    pub(crate) fn start(
        disk: &FakeDisk,
        workers: usize,
        chance: &mut Chance,
        outside: &mut Outside,
        now_ms: i64,
    ) -> Result<Machine, Died> {
        outside.begin(chance)?;
        let disk: Arc<dyn Disk> = Arc::new(disk.clone());
        let folder = Folder::open(disk.clone(), Path::new(CHECKPOINTS)).map_err(|_| Died)?;
        let beginning = match begin(&folder, &*disk, Path::new(JOURNAL), false) {
            Ok(beginning) => beginning,
            Err(error) if format!("{error:#}").contains("stands still") => return Err(Died),
            Err(error) => panic!("a start is refused: {error:#}"),
        };
        let resume = beginning.as_ref().map(|beginning| beginning.resume.clone());
        let config = JournalConfig {
            segment_bytes_max: 2_000,
            ..JournalConfig::default()
        };
        let opened = Journal::resume_on(disk.clone(), Path::new(JOURNAL), config, resume.clone());
        let (journal, recovery) = match opened {
            Ok(opened) => opened,
            Err(error) if error.is_fatal() || error.to_string().contains("no space") => {
                let words = format!("{error:?}");
                assert!(
                    ["stands still", "the disk failed", "Full"]
                        .iter()
                        .any(|known| words.contains(known)),
                    "the journal is refused: {words}"
                );
                return Err(Died);
            }
            Err(error) => panic!("the journal is refused: {error:?}"),
        };
        let epochs = Epochs::new(journal, recovery.producers, EpochConfig::default());
        let resumed = beginning.is_some();
        let told_upto = beginning.as_ref().and_then(|begun| begun.told_upto);
        assert!(outside.decided_upto() >= told_upto, "the ledger is behind");
        let mind = match beginning {
            Some(beginning) => Mind::with(
                workers,
                Interpreter::with(beginning.plan, beginning.files),
                Some(beginning.engine),
                Some(beginning.dataflow),
            ),
            None => Mind::new(workers),
        };
        let mut machine = Machine {
            epochs,
            disk,
            folder,
            mind,
            wants_checkpoint: false,
            slow_epochs: 0,
            writing: None,
            told_upto,
            checkpoints: 0,
            cuts: 0,
            resumed,
        };
        let mut closed = Vec::new();
        let from = resume.map(|resume| resume.next);
        let read = machine.epochs.replay(from, |epoch| {
            closed.push(epoch);
            ControlFlow::Continue(())
        });
        let _went_on = read.map_err(|_| Died)?;
        for epoch in closed {
            machine.act(epoch, chance, outside)?;
        }
        if machine.epochs.has_open() {
            machine.commit(Vec::new(), true, now_ms, chance, outside)?;
        }
        Ok(machine)
    }

    /// What it has in mind.
    pub(crate) fn mind(&self) -> &Mind {
        &self.mind
    }

    /// Commits a group and acts on the epochs that it closes. Answers only come of what is durable.
    pub(crate) fn commit(
        &mut self,
        records: Vec<Record>,
        close: bool,
        now_ms: i64,
        chance: &mut Chance,
        outside: &mut Outside,
    ) -> Result<Committed<Attachment>, Died> {
        let prepare = |record| {
            let submit = Submit {
                record,
                attachment: None,
            };
            submit.prepare(usize::MAX).unwrap()
        };
        let group = records.into_iter().map(prepare).collect();
        let mut committed = self.epochs.commit(group, close, now_ms);
        if committed
            .failure
            .as_ref()
            .is_some_and(|error| error.is_fatal())
        {
            return Err(Died);
        }
        for epoch in std::mem::take(&mut committed.epochs) {
            self.act(epoch, chance, outside)?;
        }
        Ok(committed)
    }

    fn act(
        &mut self,
        epoch: Epoch<Attachment>,
        chance: &mut Chance,
        outside: &mut Outside,
    ) -> Result<(), Died> {
        let (number, now_ms, next) = (epoch.epoch, epoch.now_ms, epoch.next);
        // One is under way at a time, as in the engine.
        let checkpoint = self.wants_checkpoint && self.writing.is_none();
        self.wants_checkpoint &= !checkpoint;
        let notices = self.mind.think(epoch, checkpoint);
        let tells = !notices.is_empty();
        outside.decide(chance, number, notices)?;
        if tells {
            self.told_upto = Some(number);
        }
        let state = self.mind.cuts.take_state();
        let in_force = self.mind.interpreter.in_force();
        if let (Some(state), Some((plan, files))) = (state, in_force) {
            self.writing = Some(Writing {
                head: Head {
                    told_upto: self.told_upto,
                    ..head_of(number, now_ms, next, files.as_ref().clone(), plan)
                },
                engine: self.mind.engine.state(),
                state,
                epochs_left: self.slow_epochs,
            });
        }
        self.write();
        Ok(())
    }

    /// Writes the checkpoint that is under way, when the disk has got so far.
    fn write(&mut self) {
        let is_there = |writing: &mut Writing| {
            let is_there = writing.epochs_left == 0;
            writing.epochs_left = writing.epochs_left.saturating_sub(1);
            is_there
        };
        let Some(writing) = self.writing.take_if(is_there) else {
            return;
        };
        let Writing {
            head,
            engine,
            state,
            ..
        } = writing;
        let producers = self.epochs.producers().lock().unwrap().clone();
        // One that fails is no reason to die: the one before stays.
        if keep(&self.folder, &head, &producers, &engine, &state).is_ok() {
            self.checkpoints += 1;
        }
    }

    /// Cuts what no start needs.
    pub(crate) fn cut(&mut self) {
        let nothing = Retention {
            age_ms: 0,
            bytes: 0,
        };
        if let Ok(Some((below, _))) = self.folder.oldest()
            && let Ok(done) = cut(&*self.disk, Path::new(JOURNAL), below, nothing, i64::MAX)
        {
            self.cuts += done.segments;
        }
    }

    /// Everything below is durable and will not change.
    pub(crate) fn durable_below(&self) -> u64 {
        self.epochs.totals().2.0
    }
}
