//! One seed: random actions, deaths of process and machine in between, and what must hold at the end.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use chrysalis::journal::{Ack, Disk, FakeDisk, JournalError, Position, Reader, Record};

use crate::chance::Chance;
use crate::happened::Happened;
use crate::judge::{self, Batches};
use crate::machine::{CHECKPOINTS, JOURNAL, Machine, Mind};
use crate::outside::Outside;
use crate::story::{self, BEGIN_MS};

const ACTIONS: u64 = 120;

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
    acknowledged: Batches,
    /// Batches that got no answer: the producer tries again.
    unanswered: Vec<Record>,
    next_sequence: BTreeMap<String, u64>,
    event_ms: i64,
    clock_ms: i64,
    happened: Happened,
    /// Each action is told, with the files that are there before it.
    traces: bool,
}

impl World {
    pub(crate) fn new(seed: u64) -> World {
        let mut chance = Chance::new(seed);
        let disk = FakeDisk::new();
        let mut outside = Outside::new(&disk);
        outside.deadly = chance.below(4);
        outside.moody = chance.below(20);
        World {
            seed,
            chance,
            disk,
            outside,
            machine: None,
            history: Vec::new(),
            acknowledged: Batches::new(),
            unanswered: Vec::new(),
            next_sequence: BTreeMap::new(),
            event_ms: BEGIN_MS,
            clock_ms: BEGIN_MS,
            happened: Happened::default(),
            traces: std::env::var_os("SIMULATION_TRACE").is_some(),
        }
    }

    pub(crate) fn run(mut self) -> Happened {
        self.submit(vec![story::book(80, self.clock_ms)], true);
        for number in 0..ACTIONS {
            self.act(number);
        }
        self.quiet_end();
        self.compare();
        self.happened
    }

    #[expect(
        clippy::print_stdout,
        reason = "asked for by who looks for the cause of a seed"
    )]
    fn trace(&self, number: u64, drawn: u64) {
        let paths = self.disk.paths();
        let names: Vec<_> = paths.iter().filter_map(|path| path.file_name()).collect();
        let runs = self.machine.is_some();
        println!("action {number} is of {drawn}; running: {runs}; {names:?}");
    }

    fn act(&mut self, number: u64) {
        self.event_ms += self.chance.below(25_000) as i64;
        self.clock_ms = self.clock_ms.max(self.event_ms) + self.chance.below(5_000) as i64;
        let drawn = self.chance.below(100);
        if self.traces {
            self.trace(number, drawn);
        }
        match drawn {
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
                let snapshot = self.machine().mind().engine().snapshot().clone();
                let moved = story::command(&mut self.chance, &snapshot, self.clock_ms);
                self.happened.moves += usize::from(moved.is_some());
                self.submit(moved.into_iter().collect(), true);
            }
            80..84 => {
                self.machine().wants_checkpoint = true;
                self.submit(Vec::new(), true);
            }
            84..86 => self.slow_disk(),
            86 => self.damage(),
            87 => self.cut(),
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
            95 => {
                self.happened.disk_full += 1;
                // Running, so that the fault meets a write and not a start.
                self.machine();
                self.fill(2);
            }
            96 => {
                self.happened.starts_on_full_disk += 1;
                let machine_too = self.chance.percent(30);
                self.die(machine_too);
                self.leave_room(2);
                for _ in 0..3 {
                    self.start();
                }
                self.disk.set_capacity_bytes(None);
            }
            97 => {
                self.happened.syncs_failed += 1;
                self.machine();
                match self.chance.percent(50) {
                    true => self.disk.fail_syncs(true),
                    false => self.outside.fail_syncs(true),
                }
                let batches = 1 + self.chance.below(8);
                let group = self.group(batches);
                self.submit(group, true);
                self.outside.fail_syncs(false);
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

    /// Work on a disk that has little room left, or none.
    fn fill(&mut self, kib: u64) {
        self.leave_room(kib * 8);
        for _ in 0..2 {
            let group = self.group(1);
            self.submit(group, true);
        }
        self.disk.set_capacity_bytes(None);
    }

    /// Leaves nothing on the disk half of the time, else up to so much.
    fn leave_room(&mut self, kib: u64) {
        const PLENTY: u64 = 1 << 40;
        self.disk.set_capacity_bytes(Some(PLENTY));
        let free = self.disk.free_bytes(Path::new(JOURNAL)).unwrap().unwrap();
        let room = self.chance.below(2) * self.chance.below(kib << 10);
        self.disk.set_capacity_bytes(Some(PLENTY - free + room));
    }

    /// A disk that takes its time: a checkpoint is on its way for some epochs, and groups gather much and are
    /// closed by a clock that has gone on.
    fn slow_disk(&mut self) {
        self.happened.slow_disk += 1;
        let slow_epochs = 1 + self.chance.below(5);
        let machine = self.machine();
        machine.slow_epochs = slow_epochs;
        machine.wants_checkpoint = true;
        let batches = 4 + self.chance.below(8);
        let group = self.group(batches);
        self.clock_ms += 30_000;
        self.submit(group, true);
    }

    /// The newest checkpoint is not what was written, while an older one is there: a start passes it over.
    fn damage(&mut self) {
        // Everything below is needed by the older one.
        let below = self.machine().durable_below();
        self.remember(below);
        let checkpoints = self.disk.paths().into_iter();
        let checkpoints: Vec<_> = checkpoints
            .filter(|path| path.starts_with(CHECKPOINTS))
            .filter(|path| path.extension().is_some_and(|end| end == "chk"))
            .collect();
        let [.., _, newest] = checkpoints.as_slice() else {
            return;
        };
        self.happened.checkpoints_damaged += 1;
        let at = self.chance.next() as usize;
        self.disk.damage(newest, |bytes| {
            let at = at % bytes.len();
            // Not the number of the format: a newer one is refused, and rightly.
            bytes[at.max(16)] ^= 1 << (at % 8);
        });
        self.die(false);
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
        let newest = self.acknowledged.keys().next_back().cloned();
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
        self.note_answers(kept, answers);
    }

    /// What was answered is kept; the rest is tried again.
    fn note_answers(&mut self, records: Vec<Record>, answers: Option<Vec<Option<bool>>>) {
        for (index, record) in records.into_iter().enumerate() {
            let answered = answers.as_ref().is_some_and(|all| all[index].is_some());
            match judge::batch(&record) {
                Some((producer, lines)) if answered => {
                    self.acknowledged.insert(producer, lines);
                }
                Some(_) => self.unanswered.push(record),
                None => {}
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
            self.outside.deliver(&mut self.chance, now_ms)?;
            Ok(committed)
        });
        self.happened.checkpoints += std::mem::take(&mut machine.checkpoints);
        let digests = &mut machine.digests;
        self.happened.digests_taken += std::mem::take(&mut digests.taken);
        self.happened.digests_of_another_book += std::mem::take(&mut digests.of_another_book);
        self.happened.digests_of_no_use += std::mem::take(&mut digests.of_no_use);
        self.happened.digests_damaged += std::mem::take(&mut digests.damaged);
        match done {
            Ok(committed) => {
                self.machine = Some(machine);
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
        self.outside.end();
    }

    /// The running process; it is started if it is dead, as often as it takes.
    fn machine(&mut self) -> &mut Machine {
        for tries in 0..1_000 {
            if self.machine.is_some() {
                break;
            }
            if tries == 10 {
                // Somebody has made room.
                self.disk.set_capacity_bytes(None);
            }
            self.start();
        }
        let seed = self.seed;
        let refused = self.outside.refused.clone();
        let dead = || panic!("seed {seed}: it does not start, ledger: {refused:?}");
        self.machine.as_mut().unwrap_or_else(dead)
    }

    /// Starts the process, if it is dead; it may die of it.
    fn start(&mut self) {
        if self.machine.is_some() {
            return;
        }
        let workers = [1, 2, 4][self.chance.below(3) as usize];
        let tries_again = match self.chance.percent(50) {
            true => std::mem::take(&mut self.unanswered),
            false => Vec::new(),
        };
        let meanwhile = (tries_again.clone(), self.clock_ms);
        let (chance, outside) = (&mut self.chance, &mut self.outside);
        match Machine::start(&self.disk, workers, chance, outside, meanwhile) {
            Ok((machine, answers)) => {
                self.happened.resumed += usize::from(machine.resumed);
                self.happened.kept_meanwhile += answers.len();
                self.machine = Some(machine);
                let answers = answers.into_iter().map(answer).collect();
                self.note_answers(tries_again, Some(answers));
            }
            Err(_) => {
                self.note_answers(tries_again, None);
                self.die(false);
            }
        }
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
        self.outside.moody = 0;
        self.die(false);
        let rest = std::mem::take(&mut self.unanswered);
        self.submit(rest, true);
        assert!(self.unanswered.is_empty(), "seed {}", self.seed);
        let below = self.machine().durable_below();
        self.remember(below);
        // What failed has its further attempts.
        let now_ms = self.clock_ms + 1_000_000_000;
        self.outside.deliver(&mut self.chance, now_ms).unwrap();
    }

    fn compare(&mut self) {
        let seed = self.seed;
        judge::kept(
            &self.acknowledged,
            &judge::batches(&self.history, seed),
            seed,
        );
        let (calm, notices) = judge::undisturbed(&self.history);
        let machine = self.machine.as_ref().unwrap();
        let mind = machine.mind();
        let (disturbed, wanted) = (mind.engine().snapshot(), calm.engine().snapshot());
        assert_eq!(disturbed.alerts, wanted.alerts, "seed {seed}: alerts");
        assert_eq!(disturbed.triggers, wanted.triggers, "seed {seed}: triggers");
        assert_eq!(disturbed.watermarks, wanted.watermarks, "seed {seed}");
        let alerts = &disturbed.alerts;
        self.happened.endings +=
            judge::endings(notices.values().map(|(notice, _)| notice), alerts, seed);
        let plan = calm.plan().unwrap();
        for kqi in 0..plan.book.kqis.len() {
            let all = |mind: &Mind| {
                mind.queries
                    .between(kqi, i64::MIN / 4, i64::MAX / 4, None)
                    .unwrap()
                    .1
            };
            assert_eq!(all(mind), all(&calm), "seed {seed}: windows of KQI {kqi}");
        }
        let decided = notices.iter();
        let decided: BTreeMap<String, Option<String>> = decided
            .map(|(id, (_, group))| (id.clone(), group.clone()))
            .collect();
        assert_eq!(self.outside.told(), decided, "seed {seed}: decisions");
        for (notice_id, (notice, group)) in &notices {
            let wanted = serde_json::to_vec(notice).unwrap();
            // What a group tells is in its mail, and has none of its own.
            let id = group.as_ref().unwrap_or(notice_id);
            let mails = self.outside.mailbox.iter();
            let alone = mails.clone().filter(|(mail, _)| mail == notice_id).count();
            assert!(
                group.is_none() || alone == 0,
                "seed {seed}: {notice_id} twice"
            );
            let mails = mails.filter(|(mail, _)| mail == id);
            let is_told = |bytes: &[u8]| bytes.split(|byte| *byte == b'\n').any(|of| of == wanted);
            let told = mails.clone().all(|(_, bytes)| is_told(bytes));
            assert!(told, "seed {seed}: {notice_id} was told otherwise");
            let unheard = self.outside.unmarked.get(id).copied().unwrap_or(0);
            let unsure = self.outside.unsure.get(id).copied().unwrap_or(0);
            let (count, least) = (mails.count(), 1 + unheard);
            assert!(
                (least..=least + unsure).contains(&count),
                "seed {seed}: {count} mails of {id}, of {least} and at most {unsure} more"
            );
        }
        self.happened.mails_failed_before += self.outside.failed_before;
        self.happened.mails_failed_inside += self.outside.failed_inside;
        self.happened.died_after_250 += self.outside.died_after;
        self.happened.ledger_waited_for_room += self.outside.waited_for_room;
        self.happened.ledger_syncs_failed += self.outside.syncs_failed;
        self.happened.ledger_starts_failed += self.outside.starts_failed;
        for record in &self.history {
            if let Record::Batch {
                lines, received_ms, ..
            } = record
            {
                let (late, reclassified) = story::kinds(lines, *received_ms);
                self.happened.late += late;
                self.happened.reclassified += reclassified;
            }
        }
        self.happened.notices += notices.len();
        let twice = &self.outside.unmarked;
        self.happened.twice_in_the_mailbox += twice.len();
        let grouped = judge::grouped(&self.outside.mailbox, &notices, seed);
        self.happened.grouped_mails += grouped.len();
        let grouped_twice = twice.keys().filter(|id| grouped.contains(id));
        self.happened.grouped_mails_twice += grouped_twice.count();
    }
}

/// Whether a record was kept, and as a repeat.
fn answer(answer: Result<Ack, JournalError>) -> Option<bool> {
    answer.ok().map(|ack| ack.duplicate)
}
