//! A mend that its own windows contradict: nothing that ends or waits long may look healed while it is red.
//!
//! A window that began before the work was done says nothing about it, and one that began just after may have caught
//! its last minutes: what counts are abnormal windows that began a whole window's length after the mend.

use crate::alerting::Timeline;
use crate::engine::step::{Engine, Turn};
use crate::triggers::{Now, Outcome, Trigger, TriggerState};

/// An effect that is measured within so long of the first telling windows is waited for, ms: it says more than they
/// do. Judgement: a day, which is what a department has to be asked again.
const SOON_MS: i64 = 86_400_000;

impl Engine {
    /// Reopens what was called mended, is red in windows of its own, and would be measured only long after.
    pub(super) fn reopen_still_red(&mut self, turn: &Turn<'_>) {
        let waiting = self
            .effects
            .waiting()
            .filter_map(|(id, mended_ms, due_ms)| {
                let trigger = self.triggers.get(id)?;
                let waits = trigger.state == TriggerState::FeedbackGiven
                    && trigger.outcome == Some(Outcome::Mended)
                    && trigger.alert_firing;
                if !waits {
                    return None;
                }
                let (place, since_ms) = self.still_red(trigger, mended_ms, turn)?;
                (due_ms.saturating_sub(since_ms) > SOON_MS).then(|| (id.to_owned(), place))
            });
        for (id, place) in waiting.collect::<Vec<_>>() {
            let why = format!("still beyond its limit in windows after the mend: {place}");
            let now = Now {
                book: &turn.watchlist.plan.book,
                at_ms: turn.cut.now_ms,
            };
            self.triggers.not_mended(&id, &why, now);
            self.triggers_changed = true;
        }
    }

    /// An object of a trigger that fires on, and since when its windows tell of the time after a mend, ms; none where no
    /// such window was abnormal.
    pub(super) fn still_red(
        &self,
        trigger: &Trigger,
        mended_ms: i64,
        turn: &Turn<'_>,
    ) -> Option<(String, i64)> {
        let firing = trigger.sources.iter().filter(|source| source.firing);
        let mut red = firing.filter_map(|source| {
            let rules = 0..turn.watchlist.rules();
            let mut watches = rules.filter_map(|rule| Some((rule, turn.watchlist.watch(rule)?)));
            watches.find_map(|(rule, watch)| {
                let instance = self.instances[rule].get(source.group_label.as_str())?;
                let since_ms = mended_ms.saturating_add(2 * watch.kqi.window.size_ms);
                let is_red = |timeline: &Timeline| timeline.was_breached_after(since_ms - 1);
                (watch.kqi.id == source.kqi && is_red(&instance.timeline))
                    .then(|| (source.group_label.clone(), since_ms))
            })
        });
        red.next()
    }
}
