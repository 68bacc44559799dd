//! One seed: random actions, deaths of process and machine in between, and what must hold at the end.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use chrysalis::alerting::Notice;
use chrysalis::journal::{Epoch, FakeDisk, JournalError, Position, Reader, Record};

use crate::chance::Chance;
use crate::machine::{JOURNAL, Machine, Mind};
use crate::outside::Outside;
use crate::story::{self, BEGIN_MS};

const ACTIONS: u64 = 120;

/// What happened, over many seeds: a simulation in which something never does proves less than it says.
#[derive(Debug, Default)]
pub(crate) struct Happened {
    kills: usize,
    crashes: usize,
    disk_full: usize,
    syncs_failed: usize,
    checkpoints: usize,
    resumed: usize,
    cuts: usize,
    duplicates: usize,
    reloads: usize,
    moves: usize,
    clock_back: usize,
    notices: usize,
    twice_in_the_mailbox: usize,
}

impl Happened {
    fn counts(&mut self) -> [&mut usize; 13] {
        [
            &mut self.kills,
            &mut self.crashes,
            &mut self.disk_full,
            &mut self.syncs_failed,
            &mut self.checkpoints,
            &mut self.resumed,
            &mut self.cuts,
            &mut self.duplicates,
            &mut self.reloads,
            &mut self.moves,
            &mut self.clock_back,
            &mut self.notices,
            &mut self.twice_in_the_mailbox,
        ]
    }

    pub(crate) fn add(&mut self, other: &Happened) {
        let mut other = Happened { ..*other };
        for (mine, theirs) in self.counts().into_iter().zip(other.counts()) {
            *mine += *theirs;
        }
    }

    pub(crate) fn check(&mut self) {
        let never = self.counts().iter().any(|count| **count == 0);
        assert!(!never, "something never happened: {self:?}");
    }
}

/// The world of one seed.
pub(crate) struct World {
    seed: u64,
    chance: Chance,
    disk: FakeDisk,
    outside: Outside,
    machine: Option<Machine>,
    /// The journal as far as it was read while it was durable.
    history: Vec<Record>,
    /// Batches that a producer was told are kept.
    acknowledged: BTreeSet<(String, u64)>,
    /// Batches that got no answer: the producer tries again.
    unanswered: Vec<Record>,
    next_sequence: BTreeMap<String, u64>,
    event_ms: i64,
    clock_ms: i64,
    happened: Happened,
}

impl World {
    pub(crate) fn new(seed: u64) -> World {
        let mut chance = Chance::new(seed);
        let outside = Outside {
            deadly: chance.below(4),
            ..Outside::default()
        };
        World {
            seed,
            chance,
            disk: FakeDisk::new(),
            outside,
            machine: None,
            history: Vec::new(),
            acknowledged: BTreeSet::new(),
            unanswered: Vec::new(),
            next_sequence: BTreeMap::new(),
            event_ms: BEGIN_MS,
            clock_ms: BEGIN_MS,
            happened: Happened::default(),
        }
    }

    pub(crate) fn run(mut self) -> Happened {
        self.submit(vec![story::book(80, self.clock_ms)], true);
        for _ in 0..ACTIONS {
            self.act();
        }
        self.quiet_end();
        self.compare();
        self.happened
    }

    fn act(&mut self) {
        self.event_ms += self.chance.below(25_000) as i64;
        self.clock_ms = self.clock_ms.max(self.event_ms) + self.chance.below(5_000) as i64;
        match self.chance.below(100) {
            0..45 => {
                let batches = 1 + self.chance.below(3);
                let group = self.group(batches);
                let close = self.chance.percent(40);
                self.submit(group, close);
            }
            45..55 => self.repeat(),
            55..72 => self.submit(Vec::new(), true),
            72..75 => {
                let limit = 60 + self.chance.below(38);
                let book = story::book(limit, self.clock_ms);
                self.happened.reloads += 1;
                self.submit(vec![book], true);
            }
            75..80 => {
                let snapshot = self.machine().mind().engine.snapshot().clone();
                let moved = story::command(&mut self.chance, &snapshot, self.clock_ms);
                self.happened.moves += usize::from(moved.is_some());
                self.submit(moved.into_iter().collect(), true);
            }
            80..86 => {
                self.machine().wants_checkpoint = true;
                self.submit(Vec::new(), true);
            }
            86..88 => self.cut(),
            88..90 => {
                self.happened.kills += 1;
                self.die(false);
            }
            90..92 => {
                self.happened.crashes += 1;
                self.die(true);
            }
            92..95 => {
                let changes = self.chance.below(30);
                self.disk.halt_after(changes);
            }
            95..97 => {
                self.happened.disk_full += 1;
                // Running, so that the fault meets a write and not a start.
                self.machine();
                self.disk.set_capacity_bytes(Some(0));
                let group = self.group(1);
                self.submit(group, true);
                self.disk.set_capacity_bytes(None);
            }
            97 => {
                self.happened.syncs_failed += 1;
                self.machine();
                self.disk.fail_syncs(true);
                let group = self.group(1);
                self.submit(group, true);
                self.disk.fail_syncs(false);
                self.disk.forget_dirty();
            }
            98 => {
                self.happened.clock_back += 1;
                self.clock_ms -= 7_200_000;
                self.submit(Vec::new(), true);
            }
            _ => self.clock_ms += 10_800_000,
        }
    }

    /// What waits for an answer, as producers try again before they go on, and new batches.
    fn group(&mut self, batches: u64) -> Vec<Record> {
        let mut group = std::mem::take(&mut self.unanswered);
        for _ in 0..batches {
            group.push(self.batch());
        }
        group
    }

    fn batch(&mut self) -> Record {
        let name = format!("p{}", self.chance.below(3));
        let next = self.next_sequence.entry(name.clone()).or_insert(1);
        let sequence = *next;
        *next += 1;
        story::batch(&mut self.chance, self.event_ms, Some((name, sequence)))
    }

    /// A producer repeats its newest batch, which was acknowledged.
    fn repeat(&mut self) {
        let newest = self.acknowledged.iter().next_back().cloned();
        let Some(newest) = newest else { return };
        let again = story::batch(&mut self.chance, self.event_ms, Some(newest));
        let committed = self.commit(vec![again], false);
        if let Some(answers) = committed {
            assert!(answers.iter().all(|answer| *answer == Some(true)));
            self.happened.duplicates += 1;
        }
    }

    /// Submits records; what is not answered is tried again later.
    fn submit(&mut self, records: Vec<Record>, close: bool) {
        let kept: Vec<Record> = records.clone();
        let answers = self.commit(records, close);
        for (index, record) in kept.into_iter().enumerate() {
            let answered = answers.as_ref().is_some_and(|all| all[index].is_some());
            match &record {
                Record::Batch {
                    producer: Some(producer),
                    ..
                } if answered => {
                    self.acknowledged.insert(producer.clone());
                }
                Record::Batch { .. } => self.unanswered.push(record),
                _ => {}
            }
        }
        // In the order of their sequences, as producers try again.
        self.unanswered.sort_by_key(|record| match record {
            Record::Batch { producer, .. } => producer.clone(),
            _ => None,
        });
    }

    /// For each record whether it was kept, and as a repeat; `None` if the process died of it.
    fn commit(&mut self, records: Vec<Record>, close: bool) -> Option<Vec<Option<bool>>> {
        let now_ms = self.clock_ms;
        self.machine();
        let mut machine = self.machine.take()?;
        let done = machine.commit(records, close, now_ms, &mut self.chance, &mut self.outside);
        let done = done.and_then(|committed| {
            self.outside.deliver(&mut self.chance)?;
            Ok(committed)
        });
        self.happened.checkpoints += std::mem::take(&mut machine.checkpoints);
        match done {
            Ok(committed) => {
                self.machine = Some(machine);
                let answer = |answer: Result<chrysalis::journal::Ack, JournalError>| {
                    answer.ok().map(|ack| ack.duplicate)
                };
                Some(committed.answers.into_iter().map(answer).collect())
            }
            Err(_) => {
                self.machine = Some(machine);
                let machine_too = self.chance.percent(40);
                self.happened.kills += usize::from(!machine_too);
                self.happened.crashes += usize::from(machine_too);
                self.die(machine_too);
                None
            }
        }
    }

    fn die(&mut self, machine_too: bool) {
        self.machine = None;
        let chance = &mut self.chance;
        match machine_too {
            true => self.disk.crash(&mut || chance.next()),
            false => self.disk.kill(),
        }
    }

    /// The running process; it is started if it is dead, as often as it takes.
    fn machine(&mut self) -> &mut Machine {
        for _ in 0..1_000 {
            if self.machine.is_some() {
                break;
            }
            let workers = [1, 2, 4][self.chance.below(3) as usize];
            let (chance, outside) = (&mut self.chance, &mut self.outside);
            match Machine::start(&self.disk, workers, chance, outside, self.clock_ms) {
                Ok(machine) => {
                    self.happened.resumed += usize::from(machine.resumed);
                    self.machine = Some(machine);
                }
                Err(_) => self.die(false),
            }
        }
        let seed = self.seed;
        let dead = || panic!("seed {seed}: it does not start");
        self.machine.as_mut().unwrap_or_else(dead)
    }

    /// Reads what is new in the journal, all of it durable, before it can be cut.
    fn remember(&mut self, below: u64) {
        let from = self.history.len() as u64;
        if from >= below {
            return;
        }
        let disk = Arc::new(self.disk.clone());
        let reader = Reader::open_on(disk, Path::new(JOURNAL), Some(Position(from))).unwrap();
        for read in reader {
            let (position, record) = read.unwrap();
            if position.0 >= below {
                break;
            }
            assert_eq!(position.0, self.history.len() as u64);
            self.history.push(record);
        }
    }

    fn cut(&mut self) {
        let below = self.machine().durable_below();
        self.remember(below);
        let machine = self.machine();
        machine.cut();
        let cut = std::mem::take(&mut machine.cuts);
        self.happened.cuts += cut as usize;
    }

    /// No more trouble: the rest is tried again, acted on and delivered.
    fn quiet_end(&mut self) {
        self.outside.deadly = 0;
        self.disk.kill();
        self.machine = None;
        let rest = std::mem::take(&mut self.unanswered);
        self.submit(rest, true);
        assert!(self.unanswered.is_empty(), "seed {}", self.seed);
        let below = self.machine().durable_below();
        self.remember(below);
    }

    fn compare(&mut self) {
        let seed = self.seed;
        let mut sequences = BTreeSet::new();
        for record in &self.history {
            if let Record::Batch {
                producer: Some(producer),
                ..
            } = record
            {
                assert!(
                    sequences.insert(producer.clone()),
                    "seed {seed}: {producer:?} twice"
                );
            }
        }
        assert!(
            self.acknowledged.is_subset(&sequences),
            "seed {seed}: acknowledged and lost: {:?}",
            self.acknowledged.difference(&sequences)
        );
        let (calm, notices) = undisturbed(&self.history);
        let machine = self.machine.as_ref().unwrap();
        let mind = machine.mind();
        let (disturbed, wanted) = (mind.engine.snapshot(), calm.engine.snapshot());
        assert_eq!(disturbed.alerts, wanted.alerts, "seed {seed}: alerts");
        assert_eq!(disturbed.triggers, wanted.triggers, "seed {seed}: triggers");
        assert_eq!(disturbed.watermarks, wanted.watermarks, "seed {seed}");
        let plan = calm.plan().unwrap();
        for kqi in 0..plan.book.kqis.len() {
            let all = |mind: &Mind| {
                mind.queries
                    .between(kqi, i64::MIN / 4, i64::MAX / 4, None)
                    .1
            };
            assert_eq!(all(mind), all(&calm), "seed {seed}: windows of KQI {kqi}");
        }
        let recorded = &self.outside.ledger;
        assert_eq!(
            recorded.keys().collect::<Vec<_>>(),
            notices.keys().collect::<Vec<_>>(),
            "seed {seed}: decisions"
        );
        for (id, notice) in &notices {
            assert_eq!(recorded[id].0, *notice, "seed {seed}: {id}");
            let mails = self.outside.mailbox.iter().filter(|mail| *mail == id);
            let died = self.outside.unmarked.get(id).copied().unwrap_or(0);
            assert_eq!(mails.count(), 1 + died, "seed {seed}: mails of {id}");
        }
        self.happened.notices += notices.len();
        self.happened.twice_in_the_mailbox += self.outside.unmarked.len();
    }
}

/// A run of the same journal that nothing disturbs, with its notices by id.
fn undisturbed(history: &[Record]) -> (Mind, BTreeMap<String, Notice>) {
    let mut mind = Mind::new(1);
    let mut notices = BTreeMap::new();
    let mut records = Vec::new();
    for (at, record) in history.iter().enumerate() {
        let position = Position(at as u64);
        let Record::Tick { epoch, now_ms } = record else {
            records.push((position, Arc::new(record.clone()), None));
            continue;
        };
        let epoch = Epoch {
            epoch: *epoch,
            now_ms: *now_ms,
            records: std::mem::take(&mut records),
            next: Position(at as u64 + 1),
            last: false,
        };
        for notice in mind.think(epoch, false) {
            let earlier = notices.insert(notice.id.clone(), notice);
            assert_eq!(earlier, None, "one notice decided twice");
        }
    }
    assert!(records.is_empty(), "an epoch is left open");
    (mind, notices)
}
