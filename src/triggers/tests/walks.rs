//! Ten thousand random walks: whatever people, alerts, tickets and the clock do, the invariants hold, and
//! the same commands give the same book.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use crate::effect::EffectVerdict;
use crate::rules::testing::book;
use crate::rules::{Desk, RuleBook, Severity};
use crate::triggers::flow::TABLE;
use crate::triggers::tests::bench::{BOOK, Bench, measured, opening, wanted};
use crate::triggers::{Now, Trigger, TriggerState};

const WALKS: u64 = 10_000;
const STEPS: u64 = 40;
/// Steps of every fiftieth: far enough for late data about what was closed long ago.
const STEPS_LONG: u64 = 600;

/// A small generator of our own: walks must be the same on every machine and in every version.
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: u64) -> u64 {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }

    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len() as u64) as usize]
    }
}

static FIRST: LazyLock<RuleBook> = LazyLock::new(|| book(BOOK));
/// Another department answers for the cause, another entry takes a KQI over, and another person sits at a desk.
static OTHER: LazyLock<RuleBook> = LazyLock::new(|| {
    let text = BOOK
        .replace("version: '1'", "version: '2'")
        .replace(
            "owner: {department: BSC, role: contact}",
            "owner: {department: NET, role: contact}",
        )
        .replace("kqis: [k, wide]", "kqis: [wide]")
        .replace("{name: co, email: co@", "{name: cp, email: cp@");
    let text = format!(
        "{}
  - id: gateway
    title: {{zh: 网关慢, en: gateway slow}}
    service: s
    kqis: [k]
    causes: [c]
    verify: [v]
    remedies: [{{id: swap, text: swap it}}]
    owner: {{department: BSC, role: contact}}
    reference: r
",
        text.trim_end()
    );
    book(&text)
});

fn step(bench: &mut Bench, chance: &mut Chance) {
    let ids: Vec<String> = bench.triggers.triggers().map(|t| t.id.clone()).collect();
    let id = match ids.len() {
        0 => String::new(),
        count => ids[chance.below(count as u64) as usize].clone(),
    };
    let severity = chance.pick(&[Severity::Minor, Severity::Major, Severity::Critical]);
    let at_ms = bench.now_ms;
    match chance.below(16) {
        0..3 => {
            let kqi = chance.pick(&["k", "k", "far", "lost", "wide"]);
            let city = chance.pick(&["c1", "c2", "c3", "c4", "c5"]);
            let place = if kqi == "wide" { "" } else { city };
            let opening = opening(&bench.book, kqi, place, severity, at_ms);
            let book = &bench.book;
            bench.triggers.demand(opening, Now { book, at_ms });
        }
        3..8 => {
            // Half of the walks know what is legal, half try anything.
            let legal = bench.triggers.get(&id).map(|trigger| trigger.next());
            let any = chance.pick(&TriggerState::ALL);
            let to = match legal {
                Some(legal) if !legal.is_empty() && chance.below(2) == 0 => chance.pick(&legal),
                _ => any,
            };
            let _ = bench.wanted(&id, wanted(to));
        }
        8 => {
            let verdict = chance.pick(&[
                EffectVerdict::Effective,
                EffectVerdict::NoEffect,
                EffectVerdict::Worse,
                EffectVerdict::TooEarly,
                EffectVerdict::NotProven,
                EffectVerdict::Unprovable,
            ]);
            let now = Now {
                book: &bench.book,
                at_ms,
            };
            let measured = measured(verdict, "t");
            // Late data may say something else, also of one that is closed.
            let _ = match chance.below(2) {
                0 => bench.triggers.effect_measured(&id, measured, now),
                _ => bench.triggers.effect_measured_again(&id, measured, now),
            };
        }
        9 => {
            let (department, role) =
                chance.pick(&[("NET", "contact"), ("BSC", "contact"), ("NET", "nobody")]);
            let desk = Desk {
                department: department.to_owned(),
                role: role.to_owned(),
            };
            let book = &bench.book;
            let _ = bench
                .triggers
                .hand_over(&id, &desk, "a", Some("r"), Now { book, at_ms });
        }
        10 => {
            let serial = format!("C-{}", chance.below(20));
            let city = chance.pick(&["c1", "c2"]);
            let counts = chance.below(4) > 0;
            bench.ticket(&serial, city, counts);
        }
        11 => {
            let book = &bench.book;
            let _ = bench.triggers.acknowledge(&id, "b", Now { book, at_ms });
        }
        12 => {
            // A link of any mail that the trigger ever had.
            let revisions = bench
                .triggers
                .get(&id)
                .map_or(0, |trigger| trigger.revision);
            let revision = chance.below(u64::from(revisions) + 1) as u32;
            let to = chance.pick(&[TriggerState::Accepted, TriggerState::InProgress]);
            if bench.triggers.check_link(&id, Some(to), revision).is_ok()
                && bench.wanted(&id, wanted(to)).is_ok()
            {
                let book = &bench.book;
                let now = Now { book, at_ms };
                bench.triggers.tell_progress(&id, "b", now).unwrap();
                let again = bench.triggers.check_link(&id, Some(to), revision);
                assert!(again.is_err(), "{id}: a link acts once");
            }
        }
        13 => {
            // The rule book changes, or changes back.
            let is_other = bench.book.version == OTHER.version;
            bench.book = if is_other {
                FIRST.clone()
            } else {
                OTHER.clone()
            };
            let book = &bench.book;
            bench.triggers.reroute(Now { book, at_ms });
            let again = bench.triggers.reroute(Now { book, at_ms });
            assert_eq!(again, 0, "under the same book nothing changes hands again");
        }
        14 => {
            let kqi = chance.pick(&["k", "far", "lost", "wide"]);
            let city = chance.pick(&["c1", "c2", "c3", "c4", "c5"]);
            let label = match kqi {
                "wide" => "service=s".to_owned(),
                _ => format!("service=s;city={city}"),
            };
            bench.alert_ended(kqi, &label);
            let all = bench.triggers.triggers();
            let mut sources = all.flat_map(|trigger| trigger.sources.iter());
            let fires = sources.any(|of| of.firing && of.kqi == kqi && of.group_label == label);
            assert!(!fires, "{kqi} of {label} is over, for every trigger");
        }
        _ => {
            bench.pass(chance.below(40) as i64 * 1_800_000);
        }
    }
}

fn check(bench: &Bench, before: &[Trigger], seed: u64) {
    let (mut open, mut unanswered) = (BTreeSet::new(), BTreeSet::new());
    let (mut serials, mut objects) = (BTreeSet::new(), BTreeSet::new());
    for trigger in bench.triggers.triggers() {
        let of = || format!("seed {seed}, {}", trigger.id);
        assert!(!trigger.owner.person.email.is_empty(), "{}: an owner", of());
        let moves: Vec<_> = trigger.history.iter().collect();
        assert_eq!(moves[0].from, None, "{}", of());
        for pair in moves.windows(2) {
            assert_eq!(pair[1].from, Some(pair[0].to), "{}: a chain", of());
            assert!(pair[1].at_ms >= pair[0].at_ms, "{}: in time", of());
            let (from, to) = (pair[0].to, pair[1].to);
            // A hand-over may stay in its state, as what only is remarked does.
            let is_line = TABLE.iter().any(|line| (line.0, line.1) == (from, to));
            assert!(from == to || is_line, "{}: {from:?} to {to:?}", of());
        }
        assert_eq!(moves.last().unwrap().to, trigger.state, "{}", of());
        for ticket in &trigger.tickets {
            let is_only = serials.insert(&ticket.serial);
            assert!(is_only, "{}: {} has one trigger", of(), ticket.serial);
        }
        assert!(
            trigger.stands_since_revision <= trigger.revision + 1,
            "{}",
            of()
        );
        if trigger.state.is_final() {
            let feedback = moves
                .iter()
                .any(|step| step.to == TriggerState::FeedbackGiven);
            assert!(feedback, "{}: nothing is closed without feedback", of());
            assert!(trigger.explanation().is_some(), "{}", of());
            assert_eq!(
                trigger.deadline,
                None,
                "{}: what is over is due to nobody",
                of()
            );
        } else {
            assert!(open.insert(&trigger.cause), "{}: one trigger a cause", of());
            if trigger.state.is_unanswered() {
                unanswered.insert(&trigger.cause);
                for source in &trigger.sources {
                    let is_only = objects.insert((&source.kqi, &source.group_label));
                    assert!(is_only, "{}: {source:?} is worked on once", of());
                }
            }
        }
    }
    // What was mended waits for its own effect beside whatever comes.
    for narrow in &unanswered {
        let places = &bench.book.places;
        let alike = unanswered
            .iter()
            .filter(|wide| (&wide.service, &wide.cause) == (&narrow.service, &narrow.cause));
        for wide in alike {
            let covered = wide.place.covers(&narrow.place, places);
            assert!(!covered, "seed {seed}: {narrow:?} beside {wide:?}");
        }
    }
    for known in before {
        let now = bench.triggers.get(&known.id).unwrap();
        let kept = &now.history[..known.history.len()];
        assert_eq!(
            kept, known.history,
            "seed {seed}: history is only appended to"
        );
        let said = &now.explanations[..known.explanations.len()];
        assert_eq!(said, known.explanations, "seed {seed}");
    }
}

fn walk(seed: u64, steps: u64, mut each: impl FnMut(&Bench, u64)) -> Bench {
    let mut bench = Bench::new();
    if seed % 4 == 3 {
        // People take the early steps.
        bench = Bench::under(&BOOK.replace("triggers:\n", "triggers:\n  automatic: false\n"));
    }
    let mut chance = Chance(seed);
    for number in 0..steps {
        step(&mut bench, &mut chance);
        each(&bench, number);
    }
    bench
}

#[test]
fn ten_thousand_walks_keep_the_invariants_and_replay_to_the_same_book() {
    let mut taken: BTreeSet<(TriggerState, TriggerState)> = BTreeSet::new();
    for seed in 0..WALKS {
        let mut before: Vec<Trigger> = Vec::new();
        let steps = if seed % 50 == 1 { STEPS_LONG } else { STEPS };
        let bench = walk(seed, steps, |bench, number| {
            // Looking at every step of every walk would take minutes and find no more.
            if number % 8 == 7 {
                check(bench, &before, seed);
                before = bench.triggers.triggers().map(|t| (**t).clone()).collect();
            }
        });
        for trigger in bench.triggers.triggers() {
            let steps = trigger.history.iter();
            taken.extend(steps.filter_map(|step| Some((step.from?, step.to))));
        }
        // Every twentieth is walked again: what would differ between two walks differs in one of five hundred.
        if seed % 20 == 0 {
            let again = walk(seed, steps, |_, _| ());
            let all = |bench: &Bench| bench.triggers.triggers().cloned().collect::<Vec<_>>();
            assert_eq!(all(&bench), all(&again), "seed {seed}");
            // A restart goes on with the same book.
            let saved = postcard::to_allocvec(&bench.triggers).unwrap();
            let loaded: crate::triggers::TriggerBook = postcard::from_bytes(&saved).unwrap();
            let loaded = loaded.triggers().cloned().collect::<Vec<_>>();
            assert_eq!(loaded, all(&bench), "seed {seed}");
        }
    }
    // Every line was walked: people's, hand-overs' and the engine's. Late data about what was closed are too rare to
    // be met by chance, and have tests of their own (`closing`).
    let rare = (TriggerState::Closed, TriggerState::Reopened);
    let lines = TABLE.iter().map(|(from, to, _)| (*from, *to));
    let missed: Vec<_> = lines
        .filter(|line| *line != rare && !taken.contains(line))
        .collect();
    assert_eq!(missed, []);
}
