//! What happened, over many seeds.

/// What happened, over many seeds: a simulation in which something never does proves less than it says.
#[derive(Debug, Default)]
pub(crate) struct Happened {
    pub(crate) kills: usize,
    pub(crate) crashes: usize,
    pub(crate) disk_full: usize,
    pub(crate) syncs_failed: usize,
    pub(crate) checkpoints: usize,
    pub(crate) resumed: usize,
    pub(crate) cuts: usize,
    pub(crate) duplicates: usize,
    pub(crate) reloads: usize,
    pub(crate) moves: usize,
    pub(crate) clock_back: usize,
    pub(crate) notices: usize,
    pub(crate) grouped_mails: usize,
    pub(crate) grouped_mails_twice: usize,
    pub(crate) twice_in_the_mailbox: usize,
    pub(crate) slow_disk: usize,
    pub(crate) checkpoints_damaged: usize,
    pub(crate) mails_failed_before: usize,
    pub(crate) mails_failed_inside: usize,
    pub(crate) died_after_250: usize,
    pub(crate) late: usize,
    pub(crate) reclassified: usize,
    pub(crate) endings: usize,
    pub(crate) starts_on_full_disk: usize,
    pub(crate) ledger_waited_for_room: usize,
    pub(crate) ledger_syncs_failed: usize,
    pub(crate) ledger_starts_failed: usize,
    pub(crate) kept_meanwhile: usize,
    pub(crate) digests_taken: usize,
    pub(crate) digests_of_another_book: usize,
    pub(crate) digests_of_no_use: usize,
    pub(crate) digests_damaged: usize,
}

impl Happened {
    fn counts(&mut self) -> [&mut usize; 32] {
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
            &mut self.grouped_mails,
            &mut self.grouped_mails_twice,
            &mut self.twice_in_the_mailbox,
            &mut self.slow_disk,
            &mut self.checkpoints_damaged,
            &mut self.mails_failed_before,
            &mut self.mails_failed_inside,
            &mut self.died_after_250,
            &mut self.late,
            &mut self.reclassified,
            &mut self.endings,
            &mut self.starts_on_full_disk,
            &mut self.ledger_waited_for_room,
            &mut self.ledger_syncs_failed,
            &mut self.ledger_starts_failed,
            &mut self.kept_meanwhile,
            &mut self.digests_taken,
            &mut self.digests_of_another_book,
            &mut self.digests_of_no_use,
            &mut self.digests_damaged,
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
