//! More groups than the limit: who is folded into `__other__` is a function of the journal, at any number
//! of workers and over restarts; what is folded is counted there, and taken back from there.

use std::collections::{BTreeMap, BTreeSet};

use chrysalis::alerting::AlertState;
use chrysalis::dataflow::{Cut, Limits, OTHER};
use chrysalis::event::Stream;
use serde_json::{Value, json};

use crate::book::checked;
use crate::equivalence::{same, seeds};
use crate::generate::{BEGIN_MS, Epoch, Handing, Journal, SPAN_MS, event};
use crate::rng::Rng;
use crate::run::{Bounds, Outcome, run_limited, run_unasked};
use crate::windows::asked;

const MINUTE_MS: i64 = 60_000;
const RETENTION_MS: i64 = 8 * MINUTE_MS;
const GROUPS_MAX: usize = 4;

const BOOK: &str = "
book: {name: narrow, version: '1', time_zone: Asia/Shanghai, any_service: true}
streams:
  dial_test: {allowed_lateness: 1m, idle_timeout: 1h, retention: 8m}
  complaint: {allowed_lateness: 1m, idle_timeout: 1h, retention: 30d}
kqis:
  - {id: by_city, name: n, layer: platform, stream: dial_test, aggregate: count, group_by: [city], window: 1m, unit: count}
  - {id: by_both, name: n, layer: platform, stream: dial_test, aggregate: count, group_by: [service, city], window: 1m, unit: count}
  - {id: all, name: n, layer: platform, stream: dial_test, aggregate: count, group_by: [], window: 1m, unit: count}
  - {id: by_leaf, name: n, layer: platform, stream: complaint, aggregate: count, group_by: [leaf], window: 1m, unit: count}
";

/// A journal in which cities come and go, and tickets change their leaves.
fn journal(seed: u64) -> Journal {
    let mut rng = Rng::new(seed);
    let mut epochs = Vec::new();
    let (mut serial, mut versions) = (0, BTreeMap::<i64, (i64, i64)>::new());
    for at in 0..90 {
        let begin_ms = BEGIN_MS + at * MINUTE_MS / 2;
        let mut lines = Vec::new();
        for _ in 0..rng.below(12) {
            let late_ms = if rng.chance(10) { 10 * MINUTE_MS } else { 0 };
            let mut line = event("dial_test", begin_ms + rng.below(30_000) - late_ms);
            line["service"] = json!(rng.pick(&["svc_a", "svc_b"]));
            // Which cities speak changes with time, so that places fall free; in the end few do.
            line["city"] = json!(format!(
                "c{}",
                at.min(50) / 15 * 3 + rng.below(if at < 50 { 6 } else { 1 })
            ));
            line["ok"] = json!(true);
            line["latency_ms"] = json!(10.0);
            lines.push(line);
        }
        for _ in 0..rng.below(4) {
            let again = rng.chance(50) && serial > 0;
            let number = if again { rng.below(serial) } else { serial };
            if !again {
                serial += 1;
            }
            let (version, filed_ms) = versions
                .entry(number)
                .and_modify(|(version, _)| *version += 1)
                .or_insert((1, begin_ms));
            let mut line = event("complaint", *filed_ms);
            line["serial"] = json!(format!("s{number}"));
            line["version"] = json!(version);
            line["state"] = json!(if *version == 1 {
                "filed"
            } else {
                "reclassified"
            });
            line["path"] = json!(["a", format!("leaf{}", rng.below(9))]);
            lines.push(line);
        }
        rng.shuffle(&mut lines);
        let half = lines.len() / 2;
        let texts = |lines: &[Value]| lines.iter().map(Value::to_string).collect::<Vec<_>>();
        epochs.push(Epoch {
            now_ms: BEGIN_MS + 10 * SPAN_MS,
            book: (at == 0).then(|| checked(BOOK)),
            works: vec![
                (Handing::Lines, texts(&lines[..half])),
                (Handing::Decoded, texts(&lines[half..])),
            ],
            commands: Vec::new(),
            end: false,
        });
    }
    Journal { epochs }
}

/// One KQI's groups as the policy has them, kept the naive way.
#[derive(Default)]
struct Door {
    /// Newest pane, and whether it is folded.
    known: BTreeMap<String, (i64, bool)>,
}

#[derive(Default)]
struct Naive {
    doors: BTreeMap<&'static str, Door>,
    /// Count by KQI, told group and pane.
    sums: BTreeMap<(&'static str, String, i64), i64>,
    /// Leaf and pane of the newest version of each ticket.
    tickets: BTreeMap<String, (i64, String, i64)>,
    /// Up to where dial tests are too late, as of the epoch before.
    horizon_ms: i64,
    folded_ever: BTreeSet<String>,
    admitted_later: usize,
    taken_back_folded: usize,
}

impl Naive {
    fn new() -> Naive {
        Naive {
            horizon_ms: i64::MIN,
            ..Naive::default()
        }
    }

    fn take(&mut self, epoch: &Epoch, cut: &Cut) {
        let mut net: BTreeMap<(&'static str, String, i64), i64> = BTreeMap::new();
        let lines = epoch.works.iter().flat_map(|(_, lines)| lines);
        let lines: Vec<Value> = lines
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let text = |line: &Value, field: &str| line[field].as_str().unwrap().to_owned();
        let before = self.tickets.clone();
        for line in &lines {
            let ts_ms = line["ts"].as_i64().unwrap();
            let pane_ms = ts_ms - ts_ms.rem_euclid(MINUTE_MS);
            if line["type"] == "dial_test" {
                if pane_ms < self.horizon_ms {
                    continue;
                }
                let (city, service) = (text(line, "city"), text(line, "service"));
                for (kqi, label) in [
                    ("by_city", format!("city={city}")),
                    ("by_both", format!("service={service};city={city}")),
                    ("all", String::new()),
                ] {
                    *net.entry((kqi, label, pane_ms)).or_default() += 1;
                }
            } else {
                let version = line["version"].as_i64().unwrap();
                let label = format!("leaf={}", line["path"][1].as_str().unwrap());
                let newest = self.tickets.entry(text(line, "serial"));
                let newest = newest.or_insert((0, String::new(), pane_ms));
                if version > newest.0 {
                    *newest = (version, label, pane_ms);
                }
            }
        }
        for (serial, (_, label, pane_ms)) in &self.tickets {
            if let Some((_, was, pane_ms)) = before.get(serial) {
                *net.entry(("by_leaf", was.clone(), *pane_ms)).or_default() -= 1;
            }
            *net.entry(("by_leaf", label.clone(), *pane_ms)).or_default() += 1;
        }
        net.retain(|_, count| *count != 0);
        self.admit(&net);
        for ((kqi, label, pane_ms), count) in net {
            let (newest_ms, folded) = self.doors[kqi].known[&label];
            let told = if folded {
                self.taken_back_folded += usize::from(count < 0);
                let dimension = |part: &str| format!("{}={OTHER}", part.split('=').next().unwrap());
                label
                    .split(';')
                    .map(dimension)
                    .collect::<Vec<_>>()
                    .join(";")
            } else {
                label.clone()
            };
            *self.sums.entry((kqi, told, pane_ms)).or_default() += count;
            let known = &mut self.doors.get_mut(kqi).unwrap().known;
            known.insert(label, (newest_ms.max(pane_ms), folded));
        }
        let watermark_ms = cut.watermarks.of(Stream::DialTest);
        let horizon_ms = watermark_ms.saturating_sub(RETENTION_MS);
        let horizon_ms = horizon_ms.saturating_sub(horizon_ms.rem_euclid(MINUTE_MS));
        self.horizon_ms = horizon_ms.max(self.horizon_ms);
        for (kqi, door) in &mut self.doors {
            if *kqi != "by_leaf" {
                door.known
                    .retain(|_, (newest_ms, _)| *newest_ms >= horizon_ms);
            }
        }
        self.sums.retain(|(kqi, _, pane_ms), count| {
            (*kqi == "by_leaf" || *pane_ms >= horizon_ms) && *count != 0
        });
    }

    /// New groups of an epoch in the order of their labels, as long as there is room.
    fn admit(&mut self, net: &BTreeMap<(&'static str, String, i64), i64>) {
        let met: BTreeSet<(&'static str, &String, i64)> = net
            .keys()
            .map(|(kqi, label, pane_ms)| (*kqi, label, *pane_ms))
            .collect();
        for (kqi, label, pane_ms) in met {
            let known = &mut self.doors.entry(kqi).or_default().known;
            if known.contains_key(label) {
                continue;
            }
            let inside = known.values().filter(|(_, folded)| !folded).count();
            let folded = !label.is_empty() && inside >= GROUPS_MAX;
            known.insert(label.clone(), (pane_ms, folded));
            let name = format!("{kqi} {label}");
            if folded {
                self.folded_ever.insert(name);
            } else if self.folded_ever.contains(&name) {
                self.admitted_later += 1;
            }
        }
    }
}

fn limits() -> Bounds {
    let dataflow = Limits {
        groups_max: GROUPS_MAX,
        ..Limits::default()
    };
    Bounds {
        dataflow,
        ..Bounds::default()
    }
}

fn run(journal: &Journal, workers: usize) -> Outcome {
    run_limited(
        journal,
        limits(),
        &mut |_| workers,
        &mut |_| false,
        |_, _, _, _| {},
    )
}

#[test]
fn groups_beyond_the_limit_are_one_group_and_nothing_is_lost() {
    let (mut folded, mut later, mut back) = (0, 0, 0);
    for seed in seeds(25) {
        let journal = journal(seed);
        let mut naive = Naive::new();
        run_limited(
            &journal,
            limits(),
            &mut |_| 2,
            &mut |_| false,
            |index, cut, plan, queries| {
                naive.take(&journal.epochs[index], cut);
                let told: BTreeMap<(String, String, i64), i64> = asked(plan, queries)
                    .into_iter()
                    .filter(|(_, told)| told.count != 0)
                    .map(|(key, told)| (key, told.count))
                    .collect();
                let truth = naive.sums.iter();
                let truth: BTreeMap<(String, String, i64), i64> = truth
                    .map(|((kqi, label, pane_ms), count)| {
                        (((*kqi).to_owned(), label.clone(), *pane_ms), *count)
                    })
                    .collect();
                assert_eq!(told, truth, "seed {seed}, after {} epochs", index + 1);
                let counted = cut.overflow.iter().map(|(_, groups)| *groups).sum::<u64>();
                let known = naive.doors.values().flat_map(|door| door.known.values());
                let known = known.filter(|(_, folded)| *folded).count();
                assert_eq!(
                    counted,
                    known as u64,
                    "seed {seed}, after {} epochs",
                    index + 1
                );
            },
        );
        folded += naive.folded_ever.len();
        later += naive.admitted_later;
        back += naive.taken_back_folded;
    }
    assert!(
        folded > 0 && later > 0 && back > 0,
        "never happened: {folded} {later} {back}"
    );
}

#[test]
fn who_is_folded_is_the_same_at_any_number_of_workers_and_over_restarts() {
    let (mut fired, mut ended) = (0, 0);
    for seed in seeds(12) {
        let journal = journal(seed);
        let one = run(&journal, 1);
        for workers in [2, 4] {
            same(
                seed,
                &format!("{workers} workers"),
                &one,
                &run(&journal, workers),
            );
        }
        let mut rng = Rng::new(seed + 1_000);
        let mut restart = |_: usize| rng.chance(15);
        let mut counts = Rng::new(seed + 2_000);
        let mut workers = |_: usize| counts.pick(&[1, 2, 3, 4]);
        let restarted = run_limited(
            &journal,
            limits(),
            &mut workers,
            &mut restart,
            |_, _, _, _| {},
        );
        same(seed, "restarts", &one, &restarted);
        let unasked = run_unasked(&journal, limits(), &mut workers, &mut |_| false);
        same(seed, "nobody asks", &one, &unasked);
        let unasked = run_unasked(&journal, limits(), &mut workers, &mut restart);
        same(seed, "nobody asks, restarts", &one, &unasked);
        let own = one
            .transitions()
            .filter(|step| step.alert == "key_overflow");
        for step in own {
            match step.state {
                AlertState::Firing => fired += 1,
                _ => ended += 1,
            }
        }
    }
    assert!(fired > 0 && ended > 0, "{fired} fired, {ended} ended");
}
