//! What outlives the process besides the journal: the ledger, and a mail server that may fail at any moment of a
//! conversation.
//!
//! The ledger is the real one, on the disk that fails (`vfs`): what it says to have recorded must be there after any
//! death. The steps are those of `notify`, one by one, so that the process can die between any two.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::Ordering;

use chrysalis::alerting::Notice;
use chrysalis::app::{Known, check_ledger, settle};
use chrysalis::journal::{Disk, FakeDisk};
use chrysalis::notify::{Composer, MailConfig};
use chrysalis::store::{
    Attempt, DEMANDS, DeliveryState, Due, Entry, Failed, Lane, Ledger, LedgerError,
};
use tokio::runtime::Runtime;

use crate::chance::Chance;
use crate::vfs::{self, Mount};

/// The process is dead; why does not matter to it.
#[derive(Debug)]
pub(crate) struct Died;

/// Mails that are on their way together.
const IN_FLIGHT_MAX: u32 = 4;
/// More than a seed ever decides.
const ROWS_MAX: u32 = 100_000;

/// The ledger's folder on the disk.
const DATA: &str = "/data";
/// Why SQLite fails where the disk does; any other reason is a failure of the run.
const DISK_ERRORS: [&str; 3] = [
    "disk I/O error",
    "database or disk is full",
    "unable to open database file",
];

/// Ledger and mail server.
pub(crate) struct Outside {
    runtime: Runtime,
    /// The running process's.
    ledger: Option<(Ledger, Mount)>,
    disk: FakeDisk,
    composer: Composer,
    /// What the server has taken: identity and bytes of each mail, in order.
    pub(crate) mailbox: Vec<(String, Vec<u8>)>,
    /// Second copies that follow from a conversation whose end our side did not hear, by notice.
    pub(crate) unmarked: BTreeMap<String, usize>,
    /// Second copies that may follow, of notices whose mark the disk did not take for certain.
    pub(crate) unsure: BTreeMap<String, usize>,
    /// Attempts that failed before the server had the mail.
    pub(crate) failed_before: usize,
    /// Attempts of which the server has the mail, and we had no answer.
    pub(crate) failed_inside: usize,
    /// Deaths between the server's 250 and our mark.
    pub(crate) died_after: usize,
    /// Epochs that waited for room in the ledger.
    pub(crate) waited_for_room: usize,
    /// Syncs of the ledger that failed.
    pub(crate) syncs_failed: usize,
    /// Starts that could not open the ledger, or take it up.
    pub(crate) starts_failed: usize,
    /// Why the ledger did not open, if the last start failed of it.
    pub(crate) refused: Option<String>,
    /// Percent of effects at which the process dies.
    pub(crate) deadly: u64,
    /// Percent of conversations that the server ends too early.
    pub(crate) moody: u64,
}

impl Outside {
    pub(crate) fn new(disk: &FakeDisk) -> Outside {
        let runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = { runtime }.enable_all().build().unwrap();
        Outside {
            ledger: None,
            disk: disk.clone(),
            runtime,
            composer: composer(),
            mailbox: Vec::new(),
            unmarked: BTreeMap::new(),
            unsure: BTreeMap::new(),
            failed_before: 0,
            failed_inside: 0,
            died_after: 0,
            waited_for_room: 0,
            syncs_failed: 0,
            starts_failed: 0,
            refused: None,
            deadly: 0,
            moody: 0,
        }
    }

    /// Opens the ledger as a start does, and takes up what the process before has left.
    pub(crate) fn begin(&mut self, chance: &mut Chance, known: &Known) -> Result<(), Died> {
        self.may_die(chance)?;
        let begun = self.open(known);
        self.starts_failed += usize::from(begun.is_err());
        begun?;
        self.may_die(chance)
    }

    fn open(&mut self, known: &Known) -> Result<(), Died> {
        let on_disk = format!("{DATA}/{}", Ledger::FILE);
        let is_there = self.disk.open(Path::new(&on_disk), false).is_ok();
        assert!(is_there || known.epochs == 0, "the ledger is lost");
        settle(&self.disk, Path::new(&on_disk)).map_err(|_| Died)?;
        let mount = Mount::new(&self.disk);
        let path = mount.path(&on_disk);
        let opened = Ledger::open_alone(vfs::NAME, &path);
        let opened = self.runtime.block_on(opened);
        self.refused = opened.as_ref().err().map(|error| format!("{error:?}"));
        let ledger = opened.map_err(|error| died(&error))?;
        let checked = check_ledger(Path::new(DATA), &ledger, known);
        if let Err(error) = self.runtime.block_on(checked) {
            self.runtime.block_on(ledger.close());
            let words = format!("{error:#}");
            assert!(is_of_disk(&words), "the ledger is refused: {words}");
            return Err(Died);
        }
        let requeued = self.runtime.block_on(ledger.requeue(&Lane::ALL));
        self.ledger = Some((ledger, mount));
        requeued.map_err(|error| died(&error)).map(drop)
    }

    /// The process is dead, and what it had open with it.
    pub(crate) fn end(&mut self) {
        self.fail_syncs(false);
        self.ledger = None;
    }

    /// Lets the ledger's syncs fail, or no more.
    pub(crate) fn fail_syncs(&mut self, fail: bool) {
        if let Some((_, mount)) = &self.ledger {
            mount.faults.fail_syncs.store(fail, Ordering::Relaxed);
            let failed = mount.faults.failed.swap(0, Ordering::Relaxed);
            self.syncs_failed += failed as usize;
        }
    }

    /// Records an epoch's notices, as `Notifier::tell` does; the process may die just before or after. Where the
    /// disk is full it waits, as the engine does, for room or for its death.
    pub(crate) fn decide(
        &mut self,
        chance: &mut Chance,
        epoch: u64,
        notices: &[Notice],
    ) -> Result<(), Died> {
        self.may_die(chance)?;
        let entries: Vec<Entry> = self.composer.entries(notices);
        loop {
            let recorded = self.ledger().record(epoch, &entries);
            match self.runtime.block_on(recorded) {
                Ok(_) => break,
                Err(error) if error.is_full() => {
                    self.waited_for_room += 1;
                    match chance.below(3) {
                        0 => return Err(Died),
                        1 => self.disk.set_capacity_bytes(None),
                        _ => {}
                    }
                }
                Err(error) => return Err(died(&error)),
            }
        }
        self.may_die(chance)
    }

    /// Sends what is due, as `notify`'s delivery does: an attempt is written down, the server is spoken to, the
    /// outcome is written down, and the process may die before, inside and after the server's 250. Where the ledger
    /// fails it ends the round, and the next takes up what this one left; a sync that failed ends the process.
    pub(crate) fn deliver(&mut self, chance: &mut Chance, now_ms: i64) -> Result<(), Died> {
        loop {
            match self.round(chance, now_ms)? {
                Round::Sent => {}
                Round::Empty | Round::Failed => return Ok(()),
            }
        }
    }

    fn round(&mut self, chance: &mut Chance, now_ms: i64) -> Result<Round, Died> {
        let all = Lane::ALL;
        let ledger = self.ledger().clone();
        let requeued = self.runtime.block_on(ledger.requeue(&all));
        let due = requeued.and_then(|_| {
            let due = ledger.due(now_ms, IN_FLIGHT_MAX, &all);
            self.runtime.block_on(due)
        });
        let mut due = match due {
            Ok(due) if due.is_empty() => return Ok(Round::Empty),
            Ok(due) => due,
            Err(error) => return failed(&error),
        };
        for of in due.iter_mut().filter(|due| due.reason == DEMANDS) {
            // A line for each notice, as it was decided.
            match self.runtime.block_on(ledger.members(&of.id, ROWS_MAX)) {
                Ok(members) => of.notice = members.notices.join(&b'\n'),
                Err(error) => return failed(&error),
            }
        }
        self.may_die(chance)?;
        let attempts: Vec<Attempt<'_>> = due
            .iter()
            .map(|due| Attempt {
                id: &due.id,
                message: match due.eml {
                    Some(_) => None,
                    None => Some(("subject", due.notice.as_slice())),
                },
            })
            .collect();
        let marked = self.runtime.block_on(ledger.mark_sending(&attempts));
        match marked {
            Ok(marked) => assert!(marked.iter().all(|marked| *marked)),
            Err(error) => return failed(&error),
        }
        let mut outcome = Round::Sent;
        for due in &due {
            if let Round::Failed = self.converse(chance, due, now_ms)? {
                // One that fails does not cut off the others.
                outcome = Round::Failed;
            }
        }
        Ok(outcome)
    }

    fn converse(&mut self, chance: &mut Chance, due: &Due, now_ms: i64) -> Result<Round, Died> {
        self.may_die(chance)?;
        let ledger = self.ledger().clone();
        let later = Failed::RetryAt(now_ms + 1_000);
        let ends_before = chance.percent(self.moody);
        if ends_before {
            self.failed_before += 1;
            let marked = ledger.mark_failed(&due.id, later, "gone", "transient");
            return outcome(self.runtime.block_on(marked));
        }
        let eml = due.eml.clone().unwrap_or_else(|| due.notice.clone());
        self.mailbox.push((due.id.clone(), eml));
        if chance.percent(self.moody) {
            self.failed_inside += 1;
            *self.unmarked.entry(due.id.clone()).or_default() += 1;
            let marked = ledger.mark_failed(&due.id, later, "gone", "transient");
            return outcome(self.runtime.block_on(marked));
        }
        if chance.percent(self.deadly) {
            self.died_after += 1;
            *self.unmarked.entry(due.id.clone()).or_default() += 1;
            return Err(Died);
        }
        let marked = self.runtime.block_on(ledger.mark_sent(&due.id, now_ms));
        if marked.is_err() {
            // Its death may show the mark or not.
            *self.unsure.entry(due.id.clone()).or_default() += 1;
        }
        outcome(marked)
    }

    fn ledger(&self) -> &Ledger {
        let (ledger, _) = self.ledger.as_ref().unwrap();
        ledger
    }

    /// Identities of all notices in the ledger, each with the group that tells it, if any; everything must be sent.
    pub(crate) fn told(&self) -> BTreeMap<String, Option<String>> {
        let rows = self.ledger().list(None, ROWS_MAX, 0);
        let rows = self.runtime.block_on(rows).unwrap();
        let (groups, notices): (Vec<_>, Vec<_>) = rows
            .into_iter()
            .inspect(|row| assert_eq!(row.state, DeliveryState::Sent, "{row:?}"))
            .partition(|row| row.reason == DEMANDS);
        let told: BTreeMap<String, Option<String>> = notices
            .into_iter()
            .map(|row| (row.id, row.digest))
            .collect();
        let named: BTreeSet<&String> = told.values().flatten().collect();
        let there: BTreeSet<&String> = groups.iter().map(|row| &row.id).collect();
        assert_eq!(named, there, "groups that tell something");
        told
    }

    fn may_die(&self, chance: &mut Chance) -> Result<(), Died> {
        match chance.percent(self.deadly) {
            true => Err(Died),
            false => Ok(()),
        }
    }
}

/// How a round of deliveries, or one attempt, went.
enum Round {
    Sent,
    Empty,
    /// The ledger failed.
    Failed,
}

fn outcome(marked: Result<bool, LedgerError>) -> Result<Round, Died> {
    match marked {
        Ok(marked) => {
            assert!(marked);
            Ok(Round::Sent)
        }
        Err(error) => failed(&error),
    }
}

fn failed(error: &LedgerError) -> Result<Round, Died> {
    let died = died(error);
    match error.ends_process() {
        true => Err(died),
        false => Ok(Round::Failed),
    }
}

/// A failure that is the disk's, which the process does not survive or waits for.
fn died(error: &LedgerError) -> Died {
    let cause = std::error::Error::source(error);
    let words = cause.map_or_else(|| error.to_string(), ToString::to_string);
    assert!(is_of_disk(&words), "the ledger failed: {error}: {words}");
    Died
}

fn is_of_disk(words: &str) -> bool {
    DISK_ERRORS.iter().any(|known| words.contains(known))
}

/// Makes entries of notices: two triggers of one decision are one mail already, so that there are such mails.
pub(crate) fn composer() -> Composer {
    let config = MailConfig {
        group_from: 2,
        ..MailConfig::default()
    };
    Composer::new(&config).unwrap()
}
