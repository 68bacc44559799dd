//! The cap per recipient and minute. Time is an argument.
//!
//! * What counts is what the server took. An attempt that failed told nobody anything, and gives its place
//!   back.
//! * As many attempts may fail within a minute as mails may be sent: while a server is away the rest waits
//!   and is folded, and does not try one by one.

use std::collections::HashMap;

const MINUTE_MS: i64 = 60_000;

/// How many mails each recipient had in the present minute. Bounded by the recipients of a minute.
#[derive(Debug, Default)]
pub(super) struct Minute {
    number: i64,
    recipients: HashMap<String, Had>,
}

/// What one recipient had.
#[derive(Clone, Copy, Debug, Default)]
struct Had {
    /// Taken by the server, or under way.
    sent: u32,
    failed: u32,
}

impl Minute {
    /// Counts one more, unless that is over the cap. The last quarter of the cap is for what is
    /// critical: a flood of lesser notices must not make that wait.
    pub(super) fn take(
        &mut self,
        recipient: &str,
        now_ms: i64,
        cap: u32,
        is_critical: bool,
    ) -> bool {
        let cap = if is_critical { cap } else { cap - cap / 4 };
        self.turn(now_ms);
        let had = self
            .recipients
            .entry(recipient.to_ascii_lowercase())
            .or_default();
        if had.sent >= cap || had.failed >= cap {
            return false;
        }
        had.sent += 1;
        true
    }

    /// An attempt that was counted failed.
    pub(super) fn give_back(&mut self, recipient: &str, now_ms: i64) {
        self.turn(now_ms);
        // One of the minute before was counted there.
        if let Some(had) = self.recipients.get_mut(&recipient.to_ascii_lowercase()) {
            had.sent = had.sent.saturating_sub(1);
            had.failed = had.failed.saturating_add(1);
        }
    }

    /// The most that one recipient had so far.
    pub(super) fn most(&self) -> u32 {
        let sent = self.recipients.values().map(|had| had.sent);
        sent.max().unwrap_or(0)
    }

    /// When the minute is over, ms.
    pub(super) fn end_ms(now_ms: i64) -> i64 {
        (now_ms.div_euclid(MINUTE_MS) + 1) * MINUTE_MS
    }

    fn turn(&mut self, now_ms: i64) {
        let number = now_ms.div_euclid(MINUTE_MS);
        if number != self.number {
            self.number = number;
            self.recipients.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recipient_has_so_many_mails_a_minute() {
        let mut minute = Minute::default();
        let takes = [0, 1, 2, 60_000].map(|now_ms| minute.take("A@b.c", now_ms, 2, false));
        assert_eq!(takes, [true, true, false, true]);
        assert!(minute.take("other@b.c", 60_000, 2, false));
        assert_eq!(minute.most(), 1);
    }

    #[test]
    fn a_quarter_of_the_cap_is_for_what_is_critical() {
        let mut minute = Minute::default();
        let mut takes = |critical| (0..9).filter(|_| minute.take("a", 0, 8, critical)).count();
        assert_eq!((takes(false), takes(true)), (6, 2));
        assert_eq!(takes(false), 0);
    }

    #[test]
    fn what_failed_gives_its_place_back_but_not_for_ever() {
        let mut minute = Minute::default();
        for _ in 0..3 {
            assert!(minute.take("a", 0, 4, true));
            minute.give_back("A", 1);
        }
        let sent = (0..9).filter(|_| minute.take("a", 2, 4, true)).count();
        assert_eq!(sent, 4, "all that the cap allows, after three that failed");
        let mut minute = Minute::default();
        let mut tries = 0;
        while minute.take("a", 0, 4, true) {
            minute.give_back("a", 0);
            tries += 1;
        }
        assert_eq!(tries, 4, "a server that is away is not tried for each");
        // What was begun in the minute before takes nothing from this one.
        assert!(minute.take("a", 60_000, 4, true));
        minute.give_back("b", 60_000);
        assert_eq!(minute.most(), 1);
    }
}
