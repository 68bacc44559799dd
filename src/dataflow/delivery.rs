//! A delivery in parts: a reply by SMS that comes as several messages (domain fact C4: 返回不完整, 顺序乱).
//!
//! A probe reports each part by itself, as a `dial_test` with `delivery`, `part` and `parts`; the engine judges
//! whether all came, and in order. The delivery counts once, with `content_ok` as the judgement: when its last part
//! is there, or else when nobody waits any longer.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::dataflow::entity::{EntityFact, Room, View};
use crate::event::{DialPart, Stream};

/// One delivery.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Delivery {
    /// In order of their coming.
    parts: Vec<DialPart>,
}

/// What became of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// Parts are missing, and may still come until then, ms.
    Waiting(i64),
    /// Every part came, the last one then, ms.
    Whole(i64, IsOrdered),
    /// Parts were missing when nobody waited any longer, ms.
    Torn(i64),
}

/// Whether the parts came in their order.
type IsOrdered = bool;

impl Delivery {
    /// A part came. False where there is no room for it.
    pub(super) fn came(&mut self, part: DialPart, room: Room<'_>) -> bool {
        let Err(at) = self.parts.binary_search(&part) else {
            return true;
        };
        if !room.stock.has_room() || self.parts.len() >= room.limits.delivery_parts_max {
            room.refuse(&room.counters.parts_refused);
            return false;
        }
        self.parts.reserve_exact(1);
        self.parts.insert(at, part);
        true
    }

    /// Texts that it has in common with others.
    pub(super) fn common_texts(&mut self) -> impl Iterator<Item = &mut Arc<str>> {
        self.parts.iter_mut().flat_map(DialPart::common_texts)
    }

    /// Latest event time seen.
    pub(super) fn ts_ms_max(&self) -> i64 {
        self.parts.last().map_or(i64::MIN, |part| part.ts_ms)
    }

    /// How many records are kept.
    pub(super) fn len(&self) -> usize {
        self.parts.len()
    }

    /// When nobody waits any longer.
    fn deadline_ms(&self, view: View<'_>) -> Option<i64> {
        let first = self.parts.first()?;
        Some(first.ts_ms.saturating_add(view.plan.book.parts_wait_ms))
    }

    /// Its parts, as far as anybody waited for them: what comes later came to nobody.
    fn in_time(&self, view: View<'_>) -> impl Iterator<Item = &DialPart> + Clone {
        let deadline_ms = self.deadline_ms(view);
        let parts = self.parts.iter();
        parts.filter(move |part| deadline_ms.is_some_and(|deadline_ms| part.ts_ms <= deadline_ms))
    }

    fn outcome(&self, view: View<'_>) -> Option<Outcome> {
        let deadline_ms = self.deadline_ms(view)?;
        let wanted = self.in_time(view).map(|part| part.parts).max()?;
        let mut numbers: Vec<i64> = Vec::new();
        let mut last_ms = i64::MIN;
        for part in self.in_time(view) {
            // Of a part that came twice the first counts.
            if (1..=wanted).contains(&part.part) && !numbers.contains(&part.part) {
                numbers.push(part.part);
                last_ms = part.ts_ms;
            }
        }
        let is_whole = usize::try_from(wanted).is_ok_and(|wanted| numbers.len() == wanted);
        Some(if is_whole {
            Outcome::Whole(last_ms, numbers.is_sorted())
        } else if view.watermarks.clock(Stream::DialTest) >= deadline_ms {
            Outcome::Torn(deadline_ms)
        } else {
            Outcome::Waiting(deadline_ms)
        })
    }

    /// Its fact, once it is known what became of it.
    pub(super) fn facts(&self, view: View<'_>, facts: &mut Vec<EntityFact>) {
        let Some(first) = self.parts.first() else {
            return;
        };
        let (ts_ms, is_right) = match self.outcome(view) {
            Some(Outcome::Whole(ts_ms, is_ordered)) => (ts_ms, is_ordered),
            Some(Outcome::Torn(ts_ms)) => (ts_ms, false),
            Some(Outcome::Waiting(_)) | None => return,
        };
        let mut parts = self.in_time(view);
        let is_ok = parts.clone().all(|part| part.ok);
        let says_wrong = parts.clone().any(|part| part.content_ok == Some(false));
        let latency_ms = parts.clone().filter_map(DialPart::latency_ms);
        let latency_ms = latency_ms.reduce(f64::max);
        let wanted = parts.clone().map(|part| part.parts).max();
        let failed = parts.find_map(|part| part.code.as_deref());
        facts.push(
            view.fact(Stream::DialTest, ts_ms, latency_ms, |name| match name {
                "ok" => Some(is_ok).into(),
                "content_ok" => Some(is_right && !says_wrong).into(),
                "parts" => wanted.into(),
                "code" => failed.into(),
                name => first.dimension(name),
            }),
        );
    }

    /// It is judged when its time is over.
    pub(super) fn wakes_at(&self, view: View<'_>) -> Option<i64> {
        match self.outcome(view)? {
            Outcome::Waiting(deadline_ms) => Some(deadline_ms),
            Outcome::Whole(..) | Outcome::Torn(_) => None,
        }
    }
}
