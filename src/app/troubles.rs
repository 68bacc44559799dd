//! Watches the engine's own room and who is sent away, and tells the engine through the journal when it runs out: what is decided then
//! is decided by the journal, and the same after any crash.
//!
//! * Room that is measured is a trouble while it is short; what is only counted (refusals) is one from the first
//!   of them until none came for a while.
//! * Commands are taken although batches are refused, so the word gets through. Where even they do not fit, it is
//!   said with the next look.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use crate::alerting::{AlertState, Trouble};
use crate::api::{Lifecycle, ServerState};
use crate::engine::{Command, Snapshot};
use crate::journal::{Record, Submit};
use crate::metrics::{EdgeLimit, HistoryCounts, NotifyCounts};
use crate::time::now_ms;

/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long room must be there again before a trouble is over, so that a disk on its mark is not a stream of
/// mails.
const CALM: Duration = Duration::from_secs(10);
/// How long nothing must have been refused. Judgement: longer than producers wait between two tries.
const QUIET: Duration = Duration::from_secs(300);

/// Where counts are read.
pub(super) struct Sources {
    pub(super) state: Arc<ServerState>,
    pub(super) mails: Box<dyn Fn() -> NotifyCounts + Send + Sync>,
    pub(super) history: Box<dyn Fn() -> HistoryCounts + Send + Sync>,
}

/// What was seen of one trouble.
#[derive(Clone, Copy, Debug)]
struct Seen {
    /// What had been refused or left out at the last look.
    over_total: u64,
    /// When it was last there.
    last: Option<Instant>,
}

/// What one look finds of a trouble: how much there is, and whether its room is short now, or how much was
/// refused since the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Finding {
    Short { held: u64, is_short: bool },
    Refused { held: u64, over_total: u64 },
}

/// What is known from one look to the next.
#[derive(Debug)]
struct Memory {
    began: Instant,
    seen: BTreeMap<Trouble, Seen>,
    said: BTreeMap<Trouble, bool>,
}

impl Memory {
    fn new(now: Instant) -> Memory {
        Memory {
            began: now,
            seen: BTreeMap::new(),
            said: BTreeMap::new(),
        }
    }

    /// Whether a trouble is there; none while that is not known: right after a start, counts begin anew.
    fn judge(&mut self, trouble: Trouble, finding: Finding, now: Instant) -> Option<bool> {
        let (is_there, over_total, calm) = match finding {
            Finding::Short { is_short, .. } => (is_short, 0, CALM),
            Finding::Refused { over_total, .. } => {
                let before = self.seen.get(&trouble).map_or(0, |seen| seen.over_total);
                (over_total > before, over_total, QUIET)
            }
        };
        let last = self.seen.get(&trouble).and_then(|seen| seen.last);
        let last = if is_there { Some(now) } else { last };
        self.seen.insert(trouble, Seen { over_total, last });
        if is_there {
            return Some(true);
        }
        let since = last.unwrap_or(self.began);
        (now.saturating_duration_since(since) >= calm).then_some(false)
    }
}

/// Looks until it is told to stop.
pub(super) async fn watch(sources: Sources, mut stop: watch::Receiver<bool>) {
    let mut memory = Memory::new(Instant::now());
    loop {
        tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY) => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
        if sources.state.health.now().lifecycle != Lifecycle::Ready {
            continue;
        }
        let snapshot = sources.state.snapshot.load_full();
        let now = Instant::now();
        for (trouble, finding) in look(&sources, &snapshot) {
            let Some(is_there) = memory.judge(trouble, finding, now) else {
                continue;
            };
            if is_there == fires(&snapshot, trouble) {
                continue;
            }
            let (Finding::Short { held, .. } | Finding::Refused { held, .. }) = finding;
            // Said again until the engine has heard it, and logged once.
            if memory.said.insert(trouble, is_there) != Some(is_there) {
                log(trouble, is_there, held);
            }
            let peer = peer_of(&sources.state, trouble).filter(|_| is_there);
            let command = Command::NoteTrouble {
                trouble,
                is_there,
                held,
                peer,
            };
            tell(&sources.state, trouble, &command).await;
        }
    }
}

fn look(sources: &Sources, snapshot: &Snapshot) -> [(Trouble, Finding); 15] {
    let journal = sources.state.submitter.stats();
    let health = sources.state.health.now();
    let counts = health.counts;
    let (told_apart, _, unnamed) = snapshot.watermarks.bound();
    let written = health.checkpoint.map_or(0, |written| written.keys);
    let (mails, history) = ((sources.mails)(), (sources.history)());
    let sent_away = sources.state.metrics.refused_now();
    let damaged = sources.state.metrics.damaged_files();
    let triggers = snapshot.bounds.iter();
    let triggers = triggers
        .filter(|bound| bound.name == "limits.open_triggers_max")
        .map(|bound| (bound.held.unwrap_or_default(), bound.over_total))
        .next()
        .unwrap_or_default();
    let refused = |held, over_total| Finding::Refused { held, over_total };
    [
        (
            Trouble::DiskLow,
            Finding::Short {
                held: journal.space.free_bytes.unwrap_or_default(),
                // Not only when it is full: then not even this could be written down and mailed.
                is_short: journal.space.is_low() || journal.disk_share_refuses,
            },
        ),
        (
            Trouble::ProducersFull,
            refused(journal.producers as u64, journal.refused_names_total),
        ),
        (
            Trouble::EntitiesFull,
            refused(
                counts.entities,
                counts.entities_refused + counts.entities_over_share,
            ),
        ),
        (
            Trouble::RecordsFull,
            refused(
                counts.records,
                counts.records_refused + counts.records_over_share,
            ),
        ),
        (
            Trouble::TuplesFull,
            refused(
                counts.tuples,
                counts.facts_over_limit + counts.facts_over_share,
            ),
        ),
        (Trouble::TriggersFull, refused(triggers.0, triggers.1)),
        (Trouble::NoticesShed, refused(mails.queued, mails.shed)),
        (
            Trouble::HistoryShort,
            refused(
                history.bytes,
                history.left_out
                    + history.forgotten
                    + health.checkpoints_held
                    + health.checkpoints_without_history
                    + health.history_misses,
            ),
        ),
        (
            Trouble::CheckpointFails,
            refused(written, health.checkpoint_failures),
        ),
        (Trouble::SourcesFull, refused(told_apart, unnamed)),
        (
            Trouble::AccessRefused,
            refused(sent_away.minute, sent_away.over_total),
        ),
        (
            Trouble::RulesRefused,
            Finding::Short {
                held: health.rule_problems as u64,
                is_short: health.rule_problems > 0,
            },
        ),
        (
            Trouble::LedgerFails,
            refused(mails.queued, mails.ledger_failures),
        ),
        (
            Trouble::ConnectionsFull,
            refused(
                sources.state.connections.load(Ordering::Relaxed),
                sources.state.metrics.over(EdgeLimit::Connections),
            ),
        ),
        (
            Trouble::FilesDamaged,
            Finding::Short {
                held: damaged,
                is_short: damaged > 0,
            },
        ),
    ]
}

/// Where a trouble comes from, if it comes from outside.
fn peer_of(state: &ServerState, trouble: Trouble) -> Option<String> {
    let is_of_people = trouble == Trouble::AccessRefused;
    let most = || state.metrics.refused_now().most;
    is_of_people
        .then(most)
        .flatten()
        .map(|peer| peer.to_string())
}

fn fires(snapshot: &Snapshot, trouble: Trouble) -> bool {
    let mut alerts = snapshot.alerts.iter();
    alerts.any(|alert| alert.state == AlertState::Firing && Trouble::of(alert) == Some(trouble))
}

fn log(trouble: Trouble, is_there: bool, held: u64) {
    let (trouble, limit) = (trouble.name(), trouble.limit());
    if is_there {
        tracing::warn!(trouble, held, limit, "alerted: a limit is met");
    } else {
        tracing::info!(trouble, held, limit, "a limit is kept again");
    }
}

async fn tell(state: &ServerState, trouble: Trouble, command: &Command) {
    // Plain data always has a JSON form.
    let body = serde_json::to_vec(command).unwrap_or_default();
    let submit = Submit {
        record: Record::Command {
            at_ms: now_ms(),
            actor: "engine".to_owned(),
            body,
        },
        attachment: None,
    };
    if let Err(error) = state.submitter.submit(submit).await {
        tracing::debug!(%error, trouble = trouble.name(), "it is not journaled, and said with the next look");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trouble_is_over_when_it_was_quiet_for_long_enough_and_not_before() {
        let began = Instant::now();
        let mut memory = Memory::new(began);
        let at = |seconds| began + Duration::from_secs(seconds);
        let mut disk = |is_short, seconds| {
            let finding = Finding::Short { held: 1, is_short };
            memory.judge(Trouble::DiskLow, finding, at(seconds))
        };
        assert_eq!(disk(false, 1), None, "nothing is known yet");
        assert_eq!(disk(true, 2), Some(true));
        assert_eq!([disk(false, 11), disk(false, 12)], [None, Some(false)]);
        let mut memory = Memory::new(began);
        let mut refused = |over_total, seconds| {
            let finding = Finding::Refused {
                held: 1,
                over_total,
            };
            memory.judge(Trouble::TuplesFull, finding, at(seconds))
        };
        assert_eq!(refused(0, 299), None);
        assert_eq!(
            [refused(0, 300), refused(5, 301)],
            [Some(false), Some(true)]
        );
        assert_eq!([refused(5, 302), refused(6, 500)], [None, Some(true)]);
        assert_eq!([refused(6, 799), refused(6, 800)], [None, Some(false)]);
    }
}
