//! What stands of a connection is what all that is known of it would state if it were asked anew, and a pane's end costs a pane.

use std::collections::BTreeMap;

use differential_dataflow::difference::{IsZero as _, Semigroup as _};

use super::*;
use crate::dataflow::bench::Bench;
use crate::dataflow::entity::{Entity, EntityFact};
use crate::dataflow::fold::Slot;
use crate::dataflow::{Limits, TuplePane, steps};
use crate::event::{Borrowed, Record};
use crate::measure::Measure;
use crate::rules::testing::plan;

const BOOK: &str = "
book: {name: t, version: '1', time_zone: Asia/Shanghai, any_service: true}
streams:
  boss_connection: {allowed_lateness: 0s, idle_timeout: 1h, retention: 26h, dimensions: [host, client, state, source]}
";
const MINUTE_MS: i64 = 60_000;

/// A pane, by its start, ms, and who held the connection in it.
type Piece = (i64, Option<Arc<str>>);

/// What a record says of the connection.
type Said = (i64, ConnectionState, Option<Arc<str>>);

fn event((ts_ms, state, client): Said, source: Option<&str>) -> BossConnection {
    BossConnection {
        ts_ms,
        source: source.map(Arc::from),
        host: "h".into(),
        interface: "i".into(),
        connection: "c".into(),
        client,
        state,
    }
}

fn record(said: Said) -> Record {
    Record::Connection(event(said, None))
}

/// All that was ever taken of a connection, and of how much of it there is a memory.
#[derive(Default)]
struct Naive {
    taken: BTreeSet<Said>,
    kept: usize,
    /// The first that is kept, once one is forgotten.
    first: Option<Said>,
    gone: u64,
    /// Who spoke of it last, in event time.
    told_by: Option<(i64, &'static str)>,
}

impl Naive {
    fn take(&mut self, said: &Said, max: usize) {
        if self.first.as_ref().is_some_and(|first| said < first) {
            self.gone += 1;
        } else if self.taken.insert(said.clone()) {
            self.kept += 1;
            if self.kept > max {
                self.kept -= 1;
                self.gone += 1;
            }
        }
    }

    /// The epoch is over.
    fn forget(&mut self) {
        let forgotten = self.taken.len() - self.kept;
        if forgotten > 0 {
            self.first = self.taken.iter().nth(forgotten).cloned();
        }
    }

    /// Panes before this stand, ms.
    fn stands_before(&self, plan: &Plan, now_ms: i64) -> i64 {
        let last_ms = self.taken.last().map_or(now_ms, |(ts_ms, ..)| *ts_ms);
        let retention_ms = plan.book.streams[&Stream::BossConnection].retention_ms;
        let horizon_ms = pane_of(now_ms.max(last_ms) - retention_ms, plan.book.pane_ms);
        let first = self.first.as_ref();
        first.map_or(horizon_ms, |(ts_ms, ..)| {
            horizon_ms.max(pane_of(*ts_ms, plan.book.pane_ms) + plan.book.pane_ms)
        })
    }

    /// What follows in all panes, hold by hold and pane by pane.
    fn facts(&self, view: View<'_>, now_ms: i64) -> Vec<EntityFact> {
        let pane_ms = view.plan.book.pane_ms;
        let changes: Vec<&Said> = self.taken.iter().collect();
        let mut facts = Vec::new();
        let mut held: BTreeMap<Piece, i64> = BTreeMap::new();
        let mut renewed: BTreeMap<Piece, (i64, i64)> = BTreeMap::new();
        let mut holder: Option<Arc<str>> = None;
        for (at, (from_ms, state, said)) in changes.iter().enumerate() {
            holder = match state {
                ConnectionState::Released => None,
                ConnectionState::Acquired => said.clone(),
                ConnectionState::Active => said.clone().or(holder),
            };
            if *state == ConnectionState::Released {
                continue;
            }
            let length = |ts_ms: i64, hold_ms: i64, state: &'static str| {
                let value = Some(hold_ms as f64);
                view.fact(Stream::BossConnection, ts_ms, value, |name| match name {
                    "host" => Borrowed::Text("h"),
                    "client" => holder.as_deref().into(),
                    "state" => Borrowed::Text(state),
                    "source" => self.source(),
                    _ => Borrowed::Null,
                })
            };
            let next = changes.get(at + 1);
            let whole_ms = pane_of(now_ms.max(*from_ms), pane_ms);
            let until_ms = next.map_or(whole_ms, |(end_ms, ..)| *end_ms);
            let mut start_ms = pane_of(*from_ms, pane_ms);
            while start_ms < until_ms {
                let inside_ms = until_ms.min(start_ms + pane_ms) - start_ms.max(*from_ms);
                *held.entry((start_ms, holder.clone())).or_default() += inside_ms;
                start_ms += pane_ms;
            }
            let mut end_ms = pane_of(*from_ms, pane_ms) + pane_ms;
            while end_ms <= now_ms && next.is_none_or(|(next_ms, ..)| end_ms < *next_ms) {
                facts.push(length(end_ms - 1, end_ms - from_ms, "held"));
                end_ms += pane_ms;
            }
            match next {
                Some((end_ms, ConnectionState::Released, _)) => {
                    facts.push(length(*end_ms, end_ms - from_ms, "released"));
                }
                Some((end_ms, ..)) => {
                    let of = (pane_of(*end_ms, pane_ms), holder.clone());
                    let longest = renewed.entry(of).or_default();
                    *longest = (*longest).max((end_ms - from_ms, *end_ms));
                }
                None => {}
            }
        }
        for ((_, client), (hold_ms, end_ms)) in renewed {
            let value = Some(hold_ms as f64);
            let fact = view.fact(Stream::BossConnection, end_ms, value, |name| match name {
                "host" => Borrowed::Text("h"),
                "client" => client.as_deref().into(),
                "state" => Borrowed::Text("active"),
                "source" => self.source(),
                _ => Borrowed::Null,
            });
            facts.push(fact);
        }
        for ((start_ms, client), held_ms) in held {
            let share = Some(held_ms as f64 / pane_ms as f64);
            let weighted = (start_ms, held_ms);
            let fact = view.facts(Stream::BossOccupancy, weighted, share, |name| match name {
                "host" => Borrowed::Text("h"),
                "client" => client.as_deref().into(),
                "source" => self.source(),
                _ => Borrowed::Null,
            });
            facts.push(fact);
        }
        facts
    }

    fn source(&self) -> Borrowed<'static> {
        self.told_by.map(|(_, source)| source).into()
    }
}

/// Numbers of a story, the same for the same seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, sides: u64) -> i64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        ((self.0 >> 33) % sides) as i64
    }

    /// A change around a time: late ones, early ones, several of one moment, some at a pane's end.
    fn said(&mut self, now_ms: i64) -> Said {
        let back = [4, 12, 300][self.below(3) as usize];
        let ts_ms = pane_of(now_ms, 20_000) + 60_000 - 20_000 * self.below(back);
        let state = [
            ConnectionState::Acquired,
            ConnectionState::Active,
            ConnectionState::Active,
            ConnectionState::Released,
        ][self.below(4) as usize];
        let client = [None, None, Some("a"), Some("b")][self.below(4) as usize];
        (ts_ms, state, client.map(Arc::from))
    }
}

/// What facts come to, from a pane on.
fn sums(facts: &[EntityFact], from_ms: i64) -> BTreeMap<TuplePane, Measure> {
    let mut sums: BTreeMap<TuplePane, Measure> = BTreeMap::new();
    for fact in facts.iter().filter(|fact| fact.at.1 >= from_ms) {
        let sum = sums.entry(fact.at.clone()).or_default();
        sum.plus_equals(&fact.counts.measure());
    }
    // A hold of no time at all is none of a pane.
    sums.retain(|_, sum| !sum.is_zero());
    sums
}

#[test]
fn what_stands_of_a_connection_is_what_it_would_state_if_it_were_asked_anew() {
    // An hour and a half: not so many panes as changes, so that they grow old.
    let short = BOOK.replace("26h", "90m");
    let plans = [
        plan(&short),
        plan(&short.replace("[host, client, state, source]", "[state]")),
    ];
    for seed in 0..300 {
        let mut dice = Dice(seed);
        let max = [3, 8, 4_096][(seed % 3) as usize];
        let limits = Limits {
            connection_changes_max: max,
            ..Limits::default()
        };
        let mut bench = Bench::new(limits, Stream::BossConnection, plans[0].clone());
        let mut naive = Naive::default();
        let mut now_ms = 1_000 * MINUTE_MS;
        for step in 0..60 {
            // Within a pane, to the next, and far.
            now_ms += [0, 10_000, 60_000, 70_000, 600_000][dice.below(5) as usize];
            let mut came = Vec::new();
            for _ in 0..[0, 0, 1, 1, 2, 6][dice.below(6) as usize] {
                let said = dice.said(now_ms);
                let source = [None, None, None, Some("p"), Some("q")][dice.below(5) as usize];
                naive.told_by = naive.told_by.max(source.map(|source| (said.0, source)));
                naive.take(&said, max);
                came.push(Record::Connection(event(said, source)));
            }
            naive.forget();
            if dice.below(9) == 0 {
                bench.brings = Some(plans[dice.below(2) as usize].clone());
            }
            let before = bench.told.clone();
            bench.epoch(now_ms, came);
            let view = View {
                plan: &bench.plan,
                watermarks: &bench.watermarks,
            };
            let clock_ms = bench.watermarks.clock(Stream::BossConnection);
            let open_ms = naive.stands_before(&bench.plan, clock_ms);
            bench.told.retain(|_, measure| !measure.is_zero());
            let parted = |told: &BTreeMap<TuplePane, Measure>, is_open: bool| {
                let of = told.iter().filter(|(at, _)| (at.1 >= open_ms) == is_open);
                of.map(|(at, measure)| (at.clone(), measure.clone()))
                    .collect::<BTreeMap<_, _>>()
            };
            let facts = sums(&naive.facts(view, clock_ms), open_ms);
            assert_eq!(parted(&bench.told, true), facts, "{seed}, {step}");
            let (stood, stands) = (parted(&before, false), parted(&bench.told, false));
            assert_eq!(stands, stood, "what has grown old stands: {seed}, {step}");
            assert_eq!(bench.counters.read().changes_gone, naive.gone, "{seed}");
            let Some(slot) = bench.slots().pop() else {
                // Forgotten, or nothing came yet.
                bench.told.clear();
                naive = Naive {
                    gone: naive.gone,
                    ..Naive::default()
                };
                continue;
            };
            assert_eq!((slot.entity.len(), slot.stated.len()), (naive.kept, 0));
            if dice.below(6) == 0 {
                bench.restart();
                naive.gone = 0;
            }
        }
    }
}

/// What is kept of the one connection, in bytes of a checkpoint.
fn kept_bytes(slot: &Slot) -> usize {
    assert!(slot.stated.is_empty() && slot.entity.stated_by_parts().is_empty());
    postcard::to_allocvec(&slot.entity).unwrap().len()
}

#[test]
fn a_pane_s_end_costs_a_connection_that_pane_and_a_record_those_from_there_on() {
    let mut bench = Bench::new(Limits::default(), Stream::BossConnection, plan(BOOK));
    let from_ms = 1_000 * MINUTE_MS;
    let taken = (from_ms + 1, ConnectionState::Acquired, Some("a".into()));
    bench.epoch(from_ms + 1, vec![record(taken)]);
    let bytes = kept_bytes(&bench.slots()[0]);
    let panes = 1_000;
    for pane in 1..=panes {
        let ends = steps::of(|| bench.epoch(from_ms + pane * MINUTE_MS, Vec::new()));
        // Its length, and how much of the pane it was held.
        assert_eq!(ends, 2, "pane {pane}");
    }
    assert_eq!(kept_bytes(&bench.slots()[0]), bytes);
    // As many epochs within the pane as one likes.
    let within = steps::of(|| bench.epoch(from_ms + panes * MINUTE_MS + 5, Vec::new()));
    assert_eq!(within, 0);
    let told: i64 = bench.told.values().map(|measure| measure.count).sum();
    assert_eq!(told, panes + panes * MINUTE_MS - 1);
    let mut at = |minutes_ago: i64| {
        let ts_ms = from_ms + (panes - minutes_ago) * MINUTE_MS + 3;
        let active = (ts_ms, ConnectionState::Active, None);
        let now_ms = from_ms + panes * MINUTE_MS + 5;
        steps::of(|| bench.epoch(now_ms, vec![record(active)]))
    };
    let (now, late, later) = (at(0), at(10), at(500));
    assert!(now <= 4, "{now}");
    assert!(late > now && late <= 60, "{late}");
    assert!(later > late && later <= 2_100, "{later}");
}

#[test]
fn who_holds_it_is_known_when_it_is_forgotten_who_took_it() {
    let limits = Limits {
        connection_changes_max: 3,
        ..Limits::default()
    };
    let mut bench = Bench::new(limits, Stream::BossConnection, plan(BOOK));
    let taken = (1_000, ConnectionState::Acquired, Some(Arc::from("a")));
    let used = (2..9).map(|at| (at * 20_000, ConnectionState::Active, None));
    for said in [taken].into_iter().chain(used) {
        bench.epoch(said.0, vec![record(said)]);
    }
    let slots = bench.slots();
    let Entity::Connection(holding) = &slots[0].entity else {
        panic!("a connection");
    };
    let view = View {
        plan: &bench.plan,
        watermarks: &bench.watermarks,
    };
    assert_eq!(holding.len(), 3);
    let hold = holding.hold(view).unwrap();
    assert_eq!(
        (hold.client.as_deref(), hold.since_ms),
        (Some("a"), 160_000)
    );
}
