//! Panes of tuples that wait in route until they are full.
//!
//! While a start reads back what is there, nobody asks for windows that are still open. So what an epoch adds to a pane
//! need not go on with it: route has it in the tuple's own panes, and in the epoch in which the watermark passes the pane's
//! end all of it goes on at once. A pane is filled in several epochs, and what comes behind route is done once for them.
//!
//! It must not show in anything that is told, so
//! * a pane waits only while no window that holds it can be told: the watermark has not passed its end;
//! * its tuple's groups are known meanwhile, to their doors too: the tuple has another pane that has gone on in an earlier
//!   epoch, and is kept until this one has;
//! * nothing waits in an epoch after which somebody may look: a checkpoint is taken, a plan follows, or nothing that was
//!   there on opening;
//! * what may be taken back to nothing, as what fold states may, does not begin to wait.

use std::cell::Cell;
use std::rc::Rc;

use crate::dataflow::{Watermarks, pane_of};
use crate::event::Stream;
use crate::rules::Plan;

/// Streams that fold has stated facts of.
pub(super) type Stated = Rc<Cell<[bool; Stream::ALL.len()]>>;

/// From which of a tuple's panes on they wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Since(i64);

impl Since {
    /// None of them.
    pub(super) const NONE: Since = Since(i64::MAX);
    /// None of them, and none may begin to: the tuple is new in this epoch.
    pub(super) const NEW: Since = Since(i64::MAX - 1);

    /// Whether that pane does, or would.
    pub(super) fn has(self, pane_ms: i64) -> bool {
        self < Since::NEW && pane_ms >= self.0
    }

    /// All of that pane and before have gone on; `last_ms` is the tuple's last pane.
    pub(super) fn behind(pane_ms: i64, last_ms: Option<i64>) -> Since {
        match last_ms {
            Some(last_ms) if last_ms > pane_ms => Since(pane_ms + 1),
            _ => Since::NONE,
        }
    }
}

impl PartialOrd for Since {
    fn partial_cmp(&self, other: &Since) -> Option<std::cmp::Ordering> {
        Some(self.0.cmp(&other.0))
    }
}

/// What becomes of what a fact adds to a pane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It goes on.
    Goes,
    /// It waits with its pane.
    Waits,
    /// It goes on with all of the tuple that waits.
    AllGo,
}

/// A fact that has been added to its tuple's panes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Added {
    pub(super) pane_ms: i64,
    /// The pane was not there.
    pub(super) is_new: bool,
    /// The tuple's last pane before, ms.
    pub(super) last_ms: Option<i64>,
    pub(super) count: i64,
}

/// Which panes wait, on one worker.
pub(super) struct Waits {
    stated: Stated,
    /// Some may begin to in this epoch.
    pub(super) is_wanted: bool,
    of: [OfStream; Stream::ALL.len()],
}

#[derive(Clone, Copy)]
struct OfStream {
    may_begin: bool,
    /// Panes that start before this go on with this epoch, ms.
    full_ms: i64,
    /// A pane keeps its groups known for this long after it, ms.
    reach_ms: i64,
    /// None that waits starts before this, ms.
    oldest_ms: i64,
}

impl Waits {
    pub(super) fn new(stated: Stated) -> Waits {
        let nothing = OfStream {
            may_begin: false,
            full_ms: i64::MAX,
            reach_ms: 0,
            oldest_ms: i64::MAX,
        };
        Waits {
            stated,
            is_wanted: false,
            of: [nothing; Stream::ALL.len()],
        }
    }

    /// The next epoch, whose plan and watermarks these are.
    pub(super) fn epoch(&mut self, is_wanted: bool, plan: &Plan, watermarks: &Watermarks) {
        self.is_wanted = is_wanted;
        let stated = self.stated.get();
        for stream in Stream::ALL {
            let of = &mut self.of[stream.index()];
            if !is_wanted {
                (of.may_begin, of.full_ms) = (false, i64::MAX);
                continue;
            }
            let rule = plan.book.streams.get(&stream);
            of.reach_ms = rule.map_or(0, |rule| rule.retention_ms) - plan.book.pane_ms;
            of.may_begin =
                of.reach_ms > 0 && !stated[stream.index()] && are_windows_of_panes(plan, stream);
            of.full_ms = match watermarks.of(stream) {
                all @ (i64::MIN | i64::MAX) => all,
                watermark_ms => pane_of(watermark_ms, plan.book.pane_ms),
            };
        }
    }

    /// What becomes of an addition to a tuple of which those panes wait.
    pub(super) fn fate(&mut self, stream: Stream, from: &mut Since, added: Added) -> Fate {
        let of = &mut self.of[stream.index()];
        let Added {
            pane_ms, last_ms, ..
        } = added;
        let is_near = last_ms.is_some_and(|last_ms| last_ms >= pane_ms.saturating_sub(of.reach_ms));
        let may_begin = of.may_begin && added.is_new && is_near && added.count > 0;
        if from.has(pane_ms) {
            let stays = added.count > 0 && !added.is_new;
            if !stays && !may_begin {
                return Fate::AllGo;
            }
            // It may come between the last that has gone on and the first that waits.
            of.oldest_ms = of.oldest_ms.min(pane_ms);
            return Fate::Waits;
        }
        let is_newest = last_ms < Some(pane_ms);
        if may_begin && is_newest && pane_ms >= of.full_ms && *from == Since::NONE {
            *from = Since(pane_ms);
            of.oldest_ms = of.oldest_ms.min(pane_ms);
            return Fate::Waits;
        }
        Fate::Goes
    }

    /// Starts of the panes that have waited and go on with this epoch, ms.
    pub(super) fn due(&mut self, stream: Stream) -> Option<std::ops::Range<i64>> {
        let of = &mut self.of[stream.index()];
        let due = of.oldest_ms..of.full_ms;
        if due.is_empty() {
            return None;
        }
        of.oldest_ms = of.full_ms;
        Some(due)
    }
}

/// Whether no window of the stream ends within a pane.
fn are_windows_of_panes(plan: &Plan, stream: Stream) -> bool {
    let of_stream = plan.families.values();
    let of_stream = of_stream.filter(|family| family.stream == stream);
    let mut windows = of_stream.flat_map(|family| &family.windows);
    windows.all(|window| {
        [
            window.spec.size_ms,
            window.spec.hop_ms,
            window.spec.offset_ms,
        ]
        .iter()
        .all(|of| of % plan.book.pane_ms == 0)
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::dataflow::control::{Control, Shared};
    use crate::dataflow::route::Router;
    use crate::dataflow::{Limits, Owner};
    use crate::event::{Bound, DimensionValue, SourceId, SourceProgress, Tuple};
    use crate::measure::{Measure, Parts};
    use crate::rules::testing::plan;

    const OF: Stream = Stream::Gauge;
    const BOOK: &str = "
book: {name: test, version: '1', time_zone: Asia/Shanghai, any_service: true}
streams: {dial_test: {allowed_lateness: 1s, idle_timeout: 5m, retention: 1h}}
departments:
  - {id: D, name: d, roles: [{id: r, name: r, contacts: [{name: a, email: a@example.com}]}]}
kqis:
  - {id: one, name: n, layer: platform, stream: dial_test, aggregate: count, group_by: [], window: 1m, unit: count}
";

    fn added(pane_ms: i64, is_new: bool, last_ms: Option<i64>, count: i64) -> Added {
        Added {
            pane_ms,
            is_new,
            last_ms,
            count,
        }
    }

    /// Panes of ten, full before a hundred, known for fifty.
    fn waits() -> Waits {
        let mut waits = Waits::new(Stated::default());
        waits.of[OF.index()] = OfStream {
            may_begin: true,
            full_ms: 100,
            reach_ms: 50,
            oldest_ms: i64::MAX,
        };
        waits
    }

    #[test]
    fn a_pane_waits_that_is_open_and_whose_tuple_is_known() {
        let fate = |of: Added, mut since: Since| waits().fate(OF, &mut since, of);
        let (known, since) = (Some(90), Since::NONE);
        assert_eq!(fate(added(100, true, known, 1), since), Fate::Waits);
        // It is full, was there already, is older than another, or takes back.
        assert_eq!(fate(added(90, true, Some(80), 1), since), Fate::Goes);
        assert_eq!(fate(added(100, false, Some(100), 1), since), Fate::Goes);
        assert_eq!(fate(added(100, true, Some(110), 1), since), Fate::Goes);
        assert_eq!(fate(added(100, true, known, -1), since), Fate::Goes);
        // Nobody knows the tuple, or it is new, or may be forgotten before the pane is full.
        assert_eq!(fate(added(100, true, None, 1), since), Fate::Goes);
        assert_eq!(fate(added(100, true, known, 1), Since::NEW), Fate::Goes);
        assert_eq!(fate(added(140, true, known, 1), since), Fate::Waits);
        assert_eq!(fate(added(141, true, known, 1), since), Fate::Goes);
    }

    #[test]
    fn what_waits_is_added_to_until_its_pane_is_full() {
        let (mut waits, mut since) = (waits(), Since::NONE);
        let mut fate = |of| waits.fate(OF, &mut since, of);
        assert_eq!(fate(added(100, true, Some(90), 1)), Fate::Waits);
        assert_eq!(fate(added(100, false, Some(100), 1)), Fate::Waits);
        assert_eq!(fate(added(120, true, Some(100), 1)), Fate::Waits);
        assert_eq!(fate(added(110, true, Some(120), 1)), Fate::Waits);
        // Those before have gone on.
        assert_eq!(fate(added(90, false, Some(120), 1)), Fate::Goes);
        assert_eq!(fate(added(120, false, Some(120), -1)), Fate::AllGo);
        assert_eq!(fate(added(200, true, Some(120), 1)), Fate::AllGo);
        assert_eq!(waits.due(OF), None);
        waits.of[OF.index()].full_ms = 110;
        assert_eq!(waits.due(OF), Some(100..110));
        assert_eq!(waits.due(OF), None);
        assert!(since.has(100) && !since.has(99));
        since = Since::behind(100, Some(120));
        assert!(since.has(110) && !since.has(100));
        // Late, and new: it waits for the end of its epoch.
        let late = added(105, true, Some(120), 1);
        assert_eq!(waits.fate(OF, &mut since, late), Fate::Waits);
        assert_eq!(waits.due(OF), Some(105..110));
        assert!(!Since::behind(120, Some(120)).has(i64::MAX));
    }

    #[test]
    fn route_sends_a_pane_once_where_nobody_asks_meanwhile() {
        let plan = plan(BOOK);
        let mut router = Router::new(true, Limits::default(), Rc::default(), Stated::default());
        let tuple = Arc::new(Tuple::new(
            Stream::DialTest,
            Bound::UNLIMITED,
            Box::default(),
        ));
        let mut epoch = |minutes: &[i64], controls: Vec<Control>| {
            let one = Measure::of(Some(1.0), 1, Parts::default());
            let fact = |at: &i64| ((tuple.clone(), at * 60_000), one.clone(), Owner::default());
            let mut sent = Vec::new();
            router.epoch(minutes.iter().map(fact).collect(), controls, &mut sent);
            let sent = sent
                .iter()
                .map(|(key, measure, _)| (key.pane_ms / 60_000, measure.count));
            sent.collect::<Vec<_>>()
        };
        let held = || vec![Control::HoldBack];
        epoch(&[], vec![Control::Plan(plan.clone())]);
        // The first of a tuple goes on; so does what is added to that pane.
        assert_eq!(epoch(&[1, 2], held()), [(1, 1), (2, 1)]);
        assert_eq!(epoch(&[2, 3, 4], held()), [(2, 1)]);
        assert_eq!(epoch(&[3, 4, 4], held()), []);
        assert_eq!(epoch(&[5], vec![]), [(3, 2), (4, 3), (5, 1)]);
        assert_eq!(epoch(&[5, 6], held()), [(5, 1)]);
        // More than an hour on its groups may be forgotten by then.
        assert_eq!(epoch(&[7, 70], held()), [(6, 1), (7, 1), (70, 1)]);
        assert_eq!(epoch(&[71], held()), []);
        assert_eq!(epoch(&[], vec![Control::Plan(plan)]), [(71, 1)]);
    }

    proptest! {
        /// Whatever waits: once it is full, or may be looked at, neither more nor less of it has gone on than came.
        #[test]
        fn nothing_goes_twice_or_stays(epochs in prop::collection::vec(
            (prop::collection::vec((0_usize..3, 0_i64..30, any::<bool>()), 0..12), 0_i64..3, 0..4), 1..30)
        ) {
            let mut router = Router::new(true, Limits::default(), Rc::default(), Stated::default());
            let tuples: Vec<Arc<Tuple>> = (0..3).map(|number: usize| {
                let values = [DimensionValue::Text(number.to_string().into())];
                Arc::new(Tuple::new(Stream::DialTest, Bound::UNLIMITED, values.into()))
            }).collect();
            router.epoch(Vec::new(), vec![Control::Plan(plan(BOOK))], &mut Vec::new());
            let (mut came, mut went) = (BTreeMap::new(), BTreeMap::new());
            let mut watermark = 0;
            for (additions, minutes, looks) in epochs {
                watermark += minutes;
                let mut facts = Vec::new();
                for (of, minute, is_back) in additions {
                    let held: &mut i64 = came.entry((of, minute)).or_default();
                    let weight = if is_back { -*held } else { 1 };
                    if weight != 0 {
                        *held += weight;
                        let measure = Measure::of(Some(1.0), weight, Parts::default());
                        facts.push(((tuples[of].clone(), minute * 60_000), measure, Owner::default()));
                    }
                }
                let said = SourceProgress { ts_ms_max: watermark * 60_000 + 1_000, events: 1 };
                let id = SourceId { stream: Stream::DialTest, name: None };
                let said = Shared::Source(id, said, Owner::default());
                let mut controls = vec![Control::Shared(said), Control::Tick { now_ms: 3_600_000 }];
                let holds = looks > 0;
                controls.extend(holds.then_some(Control::HoldBack));
                let mut sent = Vec::new();
                router.epoch(facts, controls, &mut sent);
                for (key, measure, _) in sent {
                    *went.entry(key.pane_ms / 60_000).or_default() += measure.count;
                }
                let mut due: BTreeMap<i64, i64> = BTreeMap::new();
                for ((_, minute), count) in &came {
                    *due.entry(*minute).or_default() += count;
                }
                let is_full = |minute: i64| !holds || minute < watermark;
                for (minute, count) in due.into_iter().filter(|(minute, _)| is_full(*minute)) {
                    prop_assert_eq!((minute, went.get(&minute).copied().unwrap_or(0)), (minute, count));
                }
            }
        }
    }
}
