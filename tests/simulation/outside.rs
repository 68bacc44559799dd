//! What outlives the process besides the disk: the ledger, whose transactions are whole or not there, and a mail
//! server that may fail at any moment of a conversation.
//!
//! The ledger is the real one, in memory: a death of the process is the end of everybody who used it, never of
//! half a transaction. The steps are those of `notify`, one by one, so that the process can die between any two.

use std::collections::BTreeMap;

use chrysalis::alerting::Notice;
use chrysalis::notify::{Composer, MailConfig};
use chrysalis::store::{Attempt, DeliveryState, Due, Entry, Failed, Lane, Ledger};
use tokio::runtime::Runtime;

use crate::chance::Chance;

/// The process is dead; why does not matter to it.
#[derive(Debug)]
pub(crate) struct Died;

/// Mails that are on their way together.
const IN_FLIGHT_MAX: u32 = 4;
/// More than a seed ever decides.
const ROWS_MAX: u32 = 100_000;

/// Ledger and mail server.
pub(crate) struct Outside {
    runtime: Runtime,
    ledger: Ledger,
    composer: Composer,
    /// What the server has taken: identity and bytes of each mail, in order.
    pub(crate) mailbox: Vec<(String, Vec<u8>)>,
    /// Second copies that follow from a conversation whose end our side did not hear, by notice.
    pub(crate) unmarked: BTreeMap<String, usize>,
    /// Attempts that failed before the server had the mail.
    pub(crate) failed_before: usize,
    /// Attempts of which the server has the mail, and we had no answer.
    pub(crate) failed_inside: usize,
    /// Deaths between the server's 250 and our mark.
    pub(crate) died_after: usize,
    /// Percent of effects at which the process dies.
    pub(crate) deadly: u64,
    /// Percent of conversations that the server ends too early.
    pub(crate) moody: u64,
}

impl Outside {
    pub(crate) fn new() -> Outside {
        let runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = { runtime }.enable_all().build().unwrap();
        let ledger = runtime.block_on(Ledger::in_memory()).unwrap();
        Outside {
            ledger,
            runtime,
            composer: Composer::new(&MailConfig::default()).unwrap(),
            mailbox: Vec::new(),
            unmarked: BTreeMap::new(),
            failed_before: 0,
            failed_inside: 0,
            died_after: 0,
            deadly: 0,
            moody: 0,
        }
    }

    /// What a process does before it sends anything.
    pub(crate) fn begin(&mut self, chance: &mut Chance) -> Result<(), Died> {
        self.may_die(chance)?;
        self.runtime
            .block_on(self.ledger.requeue(&Lane::ALL))
            .unwrap();
        Ok(())
    }

    /// Records an epoch's notices, as `Notifier::tell` does; the process may die just before or after.
    pub(crate) fn decide(
        &mut self,
        chance: &mut Chance,
        epoch: u64,
        notices: Vec<Notice>,
    ) -> Result<(), Died> {
        if notices.is_empty() {
            return Ok(());
        }
        self.may_die(chance)?;
        let entries: Vec<Entry> = notices
            .iter()
            .map(|notice| self.composer.entry(notice))
            .collect();
        let recorded = self.ledger.record(epoch, &entries);
        self.runtime.block_on(recorded).unwrap();
        self.may_die(chance)
    }

    /// Sends what is due, as `notify`'s delivery does: an attempt is written down, the server is spoken to, the
    /// outcome is written down, and the process may die before, inside and after the server's 250.
    pub(crate) fn deliver(&mut self, chance: &mut Chance, now_ms: i64) -> Result<(), Died> {
        loop {
            let all = Lane::ALL;
            let due = self.ledger.due(now_ms, IN_FLIGHT_MAX, &all);
            let due = self.runtime.block_on(due).unwrap();
            if due.is_empty() {
                return Ok(());
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
            let marked = self.ledger.mark_sending(&attempts);
            let marked = self.runtime.block_on(marked).unwrap();
            assert!(marked.iter().all(|marked| *marked));
            for due in &due {
                self.converse(chance, due, now_ms)?;
            }
        }
    }

    fn converse(&mut self, chance: &mut Chance, due: &Due, now_ms: i64) -> Result<(), Died> {
        self.may_die(chance)?;
        let failed = |ledger: &Ledger, runtime: &Runtime| {
            let later = Failed::RetryAt(now_ms + 1_000);
            let marked = ledger.mark_failed(&due.id, later, "gone", "transient");
            assert!(runtime.block_on(marked).unwrap());
        };
        if chance.percent(self.moody) {
            self.failed_before += 1;
            failed(&self.ledger, &self.runtime);
            return Ok(());
        }
        let eml = due.eml.clone().unwrap_or_else(|| due.notice.clone());
        self.mailbox.push((due.id.clone(), eml));
        if chance.percent(self.moody) {
            self.failed_inside += 1;
            *self.unmarked.entry(due.id.clone()).or_default() += 1;
            failed(&self.ledger, &self.runtime);
            return Ok(());
        }
        if chance.percent(self.deadly) {
            self.died_after += 1;
            *self.unmarked.entry(due.id.clone()).or_default() += 1;
            return Err(Died);
        }
        let sent = self.ledger.mark_sent(&due.id, now_ms);
        assert!(self.runtime.block_on(sent).unwrap());
        Ok(())
    }

    /// The newest epoch that the ledger knows.
    pub(crate) fn decided_upto(&self) -> Option<u64> {
        self.runtime.block_on(self.ledger.decided_upto()).unwrap()
    }

    /// Identities of everything in the ledger, all of which must be sent.
    pub(crate) fn told(&self) -> Vec<String> {
        let rows = self.ledger.list(None, ROWS_MAX, 0);
        let rows = self.runtime.block_on(rows).unwrap();
        let mut told: Vec<String> = rows
            .into_iter()
            .map(|row| {
                assert_eq!(row.state, DeliveryState::Sent, "{row:?}");
                row.id
            })
            .collect();
        told.sort();
        told
    }

    fn may_die(&self, chance: &mut Chance) -> Result<(), Died> {
        match chance.percent(self.deadly) {
            true => Err(Died),
            false => Ok(()),
        }
    }
}
