//! What outlives the process besides the disk: the ledger, whose transactions are whole or not there, and
//! a mail server that takes mails for as long as the one who sends them lives.

use std::collections::BTreeMap;

use chrysalis::alerting::Notice;

use crate::chance::Chance;

/// The process is dead; why does not matter to it.
#[derive(Debug)]
pub(crate) struct Died;

/// Ledger and mail server.
#[derive(Default)]
pub(crate) struct Outside {
    pub(crate) decided_upto: Option<u64>,
    /// Recorded notices by id, and whether they are marked as sent.
    pub(crate) ledger: BTreeMap<String, (Notice, bool)>,
    /// Ids of the mails that the server has said 250 to.
    pub(crate) mailbox: Vec<String>,
    /// Times that the process died between the 250 and the mark, by notice.
    pub(crate) unmarked: BTreeMap<String, usize>,
    /// Percent of effects at which the process dies.
    pub(crate) deadly: u64,
}

impl Outside {
    /// Records an epoch's notices, as `Notifier::decide` does; the process may die just before or after.
    pub(crate) fn decide(
        &mut self,
        chance: &mut Chance,
        epoch: u64,
        notices: Vec<Notice>,
    ) -> Result<(), Died> {
        self.may_die(chance)?;
        if self.decided_upto.is_some_and(|upto| epoch <= upto) {
            return Ok(());
        }
        for notice in notices {
            self.ledger
                .entry(notice.id.clone())
                .or_insert((notice, false));
        }
        self.decided_upto = Some(epoch);
        self.may_die(chance)
    }

    /// Sends what is not marked as sent; the process may die before, inside and after the server's 250.
    pub(crate) fn deliver(&mut self, chance: &mut Chance) -> Result<(), Died> {
        let waiting: Vec<String> = self
            .ledger
            .iter()
            .filter(|(_, (_, sent))| !sent)
            .map(|(id, _)| id.clone())
            .collect();
        for id in waiting {
            self.may_die(chance)?;
            self.mailbox.push(id.clone());
            if chance.percent(self.deadly) {
                *self.unmarked.entry(id).or_default() += 1;
                return Err(Died);
            }
            if let Some((_, sent)) = self.ledger.get_mut(&id) {
                *sent = true;
            }
        }
        Ok(())
    }

    fn may_die(&self, chance: &mut Chance) -> Result<(), Died> {
        match chance.percent(self.deadly) {
            true => Err(Died),
            false => Ok(()),
        }
    }
}
