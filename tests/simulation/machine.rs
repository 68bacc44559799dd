//! The process: journal, dataflow, engine and checkpoints, stepped by one thread.
//!
//! From a closed epoch to its effects the steps are the program's own (`app::Feeder`, `app::Actor`), and so are the
//! choice of a checkpoint, the journal's recovery, group commit, the check of the ledger, and the writing of
//! checkpoints. What is built here again, because in the program it is a thread or a task of its own: the order of
//! these steps in a start (`App::start`), the journal's writer without its queue, when a checkpoint is due, the wait
//! of an epoch for room in its ledger (`app/outlet.rs`), and the loop of the delivery (`outside`).

use std::path::Path;
use std::sync::Arc;

use arc_swap::{ArcSwap, ArcSwapOption};
use chrysalis::alerting::Notice;
use chrysalis::app::{
    Actor, DigestDesk, DigestRule, DigestWriter, Feeder, Interpreter, Known, Opening, Outlet,
    begin, digesting, keep, plan_of, set_aside,
};
use chrysalis::checkpoint::{CheckpointError, Folder, Head};
use chrysalis::dataflow::{
    Counts, Dataflow, DataflowConfig, DataflowState, Limits, Queries, RestoredState,
};
use chrysalis::engine::{
    CommandResult, Effect, Engine, EngineState, JournaledCommand, SaveError, Snapshot,
};
use chrysalis::event::Batch;
use chrysalis::journal::{
    Ack, Committed, Disk, Epoch, EpochConfig, Epochs, FakeDisk, Journal, JournalConfig,
    JournalError, Record, Retention, Submit, cut,
};
use chrysalis::notify::Told;
use chrysalis::reports::ReportTold;
use chrysalis::rules::Plan;

use crate::chance::Chance;
use crate::outside::{Died, Outside};
use crate::story;

/// Where things are on the disk.
pub(crate) const JOURNAL: &str = "/data/journal";
pub(crate) const CHECKPOINTS: &str = "/data/checkpoints";

type Attachment = Option<Arc<Batch>>;

/// The journal's answers to what came in while a start read it back.
pub(crate) type Answers = Vec<Result<Ack, JournalError>>;

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
    /// Checkpoints written by this process.
    pub(crate) checkpoints: usize,
    /// Segments cut by this process.
    pub(crate) cuts: u64,
    /// It began from a checkpoint.
    pub(crate) resumed: bool,
    pub(crate) digests: Digests,
}

/// What writes digests, in its own time, and what became of them.
pub(crate) struct Digests {
    writer: DigestWriter,
    chance: Chance,
    /// Epochs in whose place this process read a digest.
    pub(crate) taken: usize,
    /// Digests that this process wrote as under another book, without their last byte, and of which it damaged a byte.
    pub(crate) of_another_book: usize,
    pub(crate) of_no_use: usize,
    pub(crate) damaged: usize,
}

impl Digests {
    /// Writes those that wait, now and then; some are lost, or are not what they should be.
    fn write(&mut self, disk: &dyn Disk) {
        if self.chance.percent(40) {
            return;
        }
        while let Some((of, mut digest)) = self.writer.next_digest() {
            match self.chance.below(20) {
                0 => {
                    // Within the layout.
                    digest[4] ^= 1;
                    self.of_another_book += 1;
                }
                1 => continue,
                2 => {
                    // Its checksum will be right.
                    digest.truncate(digest.len() - 1);
                    self.of_no_use += 1;
                }
                _ => {}
            }
            self.writer.write(&of, &digest);
        }
        if self.chance.percent(3) && self.damage(disk).is_some() {
            self.damaged += 1;
        }
    }

    fn damage(&mut self, disk: &dyn Disk) -> Option<()> {
        let mut names = disk.list(Path::new(JOURNAL)).ok()?;
        names.retain(|name| name.ends_with(".digests"));
        names.sort();
        let name = names.get(self.chance.below(names.len().max(1) as u64) as usize)?;
        let mut file = disk.open(&Path::new(JOURNAL).join(name), true).ok()?;
        let at = self.chance.below(file.bytes().ok()?.max(1));
        let mut byte = [0];
        file.read_at(&mut byte, at).ok()?;
        file.write_at(&[!byte[0]], at).ok()
    }
}

/// A checkpoint on its way to a slow disk: its state is shared with the operators, who go on meanwhile.
struct Writing {
    head: Head,
    engine: EngineState,
    state: DataflowState,
    epochs_left: u64,
}

/// The part that is a function of the journal: the program's own steps from an epoch to what it decides.
pub(crate) struct Mind {
    // Dropped in this order: workers stop when nobody can write to them any more.
    feeder: Feeder,
    pub(crate) queries: Queries,
    pub(crate) actor: Actor,
}

/// Where effects go whose only reader is the test.
#[derive(Default)]
pub(crate) struct Gathered {
    pub(crate) notices: Vec<Notice>,
    /// The state as of the last epoch that asked for a checkpoint.
    pub(crate) kept: Option<(Head, EngineState, DataflowState)>,
}

impl Outlet for Gathered {
    fn tell(&mut self, _epoch: u64, told: Told) -> bool {
        self.notices.extend(told.notices);
        true
    }

    fn report(&mut self, _told: &ReportTold) {}

    fn answer(&mut self, _position: u64, _result: CommandResult) {}

    fn record(&mut self, _: &[JournaledCommand], _: &[Effect], _: &Snapshot) {}

    fn done(&mut self, _: &Snapshot, _: Vec<Effect>, _: Counts) {}

    fn keep(&mut self, head: Head, engine: EngineState, dataflow: DataflowState) {
        self.kept = Some((head, engine, dataflow));
    }
}

impl Gathered {
    /// Keys and bytes of the state that was kept.
    pub(crate) fn state_size(&self) -> Option<(u64, usize)> {
        let (_, engine, state) = self.kept.as_ref()?;
        let mut bytes = 0;
        let mut count = |piece: Vec<u8>| {
            bytes += piece.len();
            Ok::<(), CheckpointError>(())
        };
        state.pieces(&mut count).unwrap();
        let count = |piece: Vec<u8>| {
            bytes += piece.len();
            Ok::<(), SaveError>(())
        };
        engine.pieces(count).unwrap();
        Some((state.keys() as u64, bytes))
    }
}

/// Where a process's effects go: what is told into the ledger, of which it may die.
struct Edges<'a> {
    chance: &'a mut Chance,
    outside: &'a mut Outside,
    gathered: Gathered,
}

impl Outlet for Edges<'_> {
    fn tell(&mut self, epoch: u64, told: Told) -> bool {
        let decided = self.outside.decide(self.chance, epoch, &told.notices);
        decided.is_ok()
    }

    fn report(&mut self, _told: &ReportTold) {}

    fn answer(&mut self, _position: u64, _result: CommandResult) {}

    fn record(&mut self, _: &[JournaledCommand], _: &[Effect], _: &Snapshot) {}

    fn done(&mut self, _: &Snapshot, _: Vec<Effect>, _: Counts) {}

    fn keep(&mut self, head: Head, engine: EngineState, dataflow: DataflowState) {
        self.gathered.keep(head, engine, dataflow);
    }
}

impl Mind {
    /// One that has seen nothing yet.
    pub(crate) fn new(workers: usize) -> Mind {
        Mind::limited(workers, Limits::default())
    }

    /// One that has seen nothing yet, under bounds.
    pub(crate) fn limited(workers: usize, limits: Limits) -> Mind {
        let config = DataflowConfig {
            workers,
            keeps_history: true,
            limits,
        };
        let digests = DigestDesk::closed();
        Mind::with(config, Interpreter::default(), digests, None, None, None)
    }

    fn with(
        config: DataflowConfig,
        interpreter: Interpreter,
        digests: DigestDesk,
        engine: Option<Engine>,
        restored: Option<RestoredState>,
        told_upto: Option<u64>,
    ) -> Mind {
        // As with a new data folder, before the journal's first book.
        let nothing = || Engine::new(plan_of(&story::files(80), None).unwrap());
        let engine = engine.unwrap_or_else(nothing);
        let dataflow = Dataflow::resume(config, restored).unwrap();
        let snapshots = Arc::new(ArcSwap::from_pointee(engine.snapshot().clone()));
        let applied = Arc::new(ArcSwapOption::empty());
        Mind {
            feeder: Feeder::new(dataflow.feed, interpreter, applied, digests),
            queries: dataflow.queries,
            actor: Actor::new(dataflow.cuts, engine, snapshots, told_upto),
        }
    }

    pub(crate) fn engine(&self) -> &Engine {
        self.actor.engine()
    }

    /// The plan in force.
    pub(crate) fn plan(&self) -> Option<Arc<Plan>> {
        let in_force = self.feeder.interpreter().in_force();
        in_force.map(|(plan, _)| plan.clone())
    }

    /// Takes an epoch and acts on its cut; false if an effect ended the process.
    pub(crate) fn think(
        &mut self,
        epoch: Epoch<Attachment>,
        checkpoint: bool,
        outlet: &mut impl Outlet,
    ) -> bool {
        assert!(self.feeder.take(epoch, || checkpoint));
        self.actor.act(outlet)
    }
}

impl Machine {
    /// Starts as `App::start` does: newest checkpoint, journal from there, what follows is done again. `meanwhile` comes
    /// in while the journal is read back, as from producers who try again; its answers are the second of the pair.
    pub(crate) fn start(
        disk: &FakeDisk,
        workers: usize,
        chance: &mut Chance,
        outside: &mut Outside,
        (meanwhile, now_ms): (Vec<Record>, i64),
    ) -> Result<(Machine, Answers), Died> {
        let disk: Arc<dyn Disk> = Arc::new(disk.clone());
        let folder = Folder::open(disk.clone(), Path::new(CHECKPOINTS)).map_err(|_| Died)?;
        let refused = |error: anyhow::Error| match format!("{error:#}") {
            words if words.contains("stands still") => Died,
            words => panic!("a start is refused: {words}"),
        };
        let begun = begin(&folder, &*disk, Path::new(JOURNAL), false);
        let (opening, aside) = begun.map_err(refused)?;
        let resume = opening.as_ref().map(|opening| opening.resume.clone());
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
        let known = Known {
            epochs: recovery.epochs_total,
            covered_upto: opening
                .as_ref()
                .and_then(|begun| begun.epoch.checked_sub(1)),
            told_upto: folder.told_upto().map_err(|_| Died)?,
        };
        outside.begin(chance, &known)?;
        let beginning = opening.map(Opening::read).transpose().map_err(refused)?;
        set_aside(&folder, &aside).map_err(|_| Died)?;
        let epochs = Epochs::new(journal, recovery.producers, EpochConfig::default());
        let resumed = beginning.is_some();
        let every = DigestRule {
            events_min: 0,
            read_back: true,
            free_bytes_min: 0,
            ..DigestRule::default()
        };
        let (desk, writer) = digesting(disk.clone(), Path::new(JOURNAL), every);
        let digests = Digests {
            writer,
            // Of its own, so that digests change nothing else that a seed decides.
            chance: Chance::new(recovery.next.0 ^ ((workers as u64) << 40)),
            taken: 0,
            of_another_book: 0,
            of_no_use: 0,
            damaged: 0,
        };
        let config = DataflowConfig {
            workers,
            keeps_history: true,
            limits: Limits::default(),
        };
        let mind = match beginning {
            Some(beginning) => Mind::with(
                config,
                Interpreter::with(beginning.plan, beginning.files),
                desk,
                Some(beginning.engine),
                Some(beginning.dataflow),
                known.told_upto,
            ),
            None => Mind::with(config, Interpreter::default(), desk, None, None, None),
        };
        let mut machine = Machine {
            epochs,
            disk,
            folder,
            mind,
            wants_checkpoint: false,
            slow_epochs: 0,
            writing: None,
            checkpoints: 0,
            cuts: 0,
            resumed,
            digests,
        };
        let from = resume.map(|resume| resume.next);
        let mut replay = machine.epochs.begin_replay(from).map_err(|_| Died)?;
        let (mut meanwhile, mut answers) = (Some(meanwhile), Vec::new());
        loop {
            while let Some(epoch) = replay.next_epoch().map_err(|_| Died)? {
                machine.digests.taken += usize::from(epoch.digest.is_some());
                machine.act(epoch, chance, outside)?;
                if let Some(group) = meanwhile.take_if(|_| chance.percent(30)) {
                    let close = chance.percent(50);
                    let kept = machine.commit(group, close, now_ms, chance, outside)?;
                    assert!(kept.epochs.is_empty(), "they are read back");
                    answers = kept.answers;
                }
            }
            if !machine.epochs.goes_on(&mut replay).map_err(|_| Died)? {
                break;
            }
        }
        let rest = meanwhile.unwrap_or_default();
        if !rest.is_empty() || machine.epochs.has_open() {
            let kept = machine.commit(rest, true, now_ms, chance, outside)?;
            if answers.is_empty() {
                answers = kept.answers;
            }
        }
        Ok((machine, answers))
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
        // One is under way at a time, as in the engine.
        let checkpoint = self.wants_checkpoint && self.writing.is_none();
        self.wants_checkpoint &= !checkpoint;
        let mut edges = Edges {
            chance,
            outside,
            gathered: Gathered::default(),
        };
        if !self.mind.think(epoch, checkpoint, &mut edges) {
            return Err(Died);
        }
        if let Some((head, engine, state)) = edges.gathered.kept {
            self.writing = Some(Writing {
                head,
                engine,
                state,
                epochs_left: self.slow_epochs,
            });
        }
        self.write();
        self.digests.write(&*self.disk);
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
