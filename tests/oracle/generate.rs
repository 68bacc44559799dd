//! Random journals: a story in event time, the order in which it arrives, and how it is cut.

use std::sync::Arc;

use chrysalis::engine::JournaledCommand;
use chrysalis::rules::RuleBook;
use serde_json::{Value, json};

use crate::book::{self, EDITS, LATENESS_MS};
use crate::rng::Rng;
use crate::story;

/// 23:45 in Shanghai, so that editions and days cross midnight.
pub(crate) const BEGIN_MS: i64 = 1_772_120_700_000;
/// How long a story is, ms.
pub(crate) const SPAN_MS: i64 = 25 * 60_000;

/// How a story is told.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Manner {
    /// Late lines, corrections, idle sources and late readings.
    Wild,
    /// Within the allowed lateness, and nothing that changes its mind afterwards.
    Punctual,
}

/// How a piece of work reaches a worker.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Handing {
    Lines,
    /// Decoded by the plan in force.
    Decoded,
    /// Decoded by the plan before, as when a reload overtakes a batch.
    DecodedBefore,
}

/// One epoch of a journal.
#[derive(Clone)]
pub(crate) struct Epoch {
    pub(crate) now_ms: i64,
    pub(crate) book: Option<Arc<RuleBook>>,
    pub(crate) works: Vec<(Handing, Vec<String>)>,
    pub(crate) commands: Vec<JournaledCommand>,
    pub(crate) end: bool,
}

impl Epoch {
    pub(crate) fn lines(&self) -> impl Iterator<Item = &String> {
        self.works.iter().flat_map(|(_, lines)| lines)
    }
}

/// Epochs of these lines, which come with their instants and in order: at most `most` in each, dealt out to two batches of
/// which one comes decoded. The last has no lines and ends the input; the first gets the book.
pub(crate) fn epochs_of(
    rng: &mut Rng,
    lines: &[(i64, Value)],
    most: usize,
    book: Arc<RuleBook>,
) -> Vec<Epoch> {
    let mut epochs = Vec::new();
    let mut rest = lines;
    while !rest.is_empty() {
        let take = (1 + rng.below(most as i64) as usize).min(rest.len());
        let (some, later) = rest.split_at(take);
        rest = later;
        let mut works = vec![(Handing::Lines, Vec::new()), (Handing::Decoded, Vec::new())];
        for (_, line) in some {
            works[rng.below(2) as usize].1.push(line.to_string());
        }
        epochs.push(Epoch {
            now_ms: some.last().unwrap().0,
            book: None,
            works,
            commands: Vec::new(),
            end: false,
        });
    }
    epochs.push(Epoch {
        now_ms: lines.last().unwrap().0,
        book: None,
        works: Vec::new(),
        commands: Vec::new(),
        end: true,
    });
    epochs[0].book = Some(book);
    epochs
}

/// Everything that one run is fed.
#[derive(Clone)]
pub(crate) struct Journal {
    pub(crate) epochs: Vec<Epoch>,
}

/// A line with the moment at which it arrives.
#[derive(Clone)]
pub(crate) struct Arrival {
    pub(crate) at_ms: i64,
    pub(crate) line: String,
}

/// The journal of a seed; `edits` is how many rule changes it has.
pub(crate) fn journal(seed: u64, manner: Manner, edits: usize) -> Journal {
    let mut rng = Rng::new(seed);
    let arrivals = arrivals(&mut rng, manner);
    let mut journal = cut(&mut rng, &arrivals, manner);
    for _ in 0..edits {
        let at = 1 + rng.below(journal.epochs.len() as i64 - 1) as usize;
        let edit = EDITS[rng.below(EDITS.len() as i64) as usize];
        journal.epochs[at].book = Some(book::edited(&edit));
    }
    journal
}

/// A random story in the order of its arrival.
pub(crate) fn arrivals(rng: &mut Rng, manner: Manner) -> Vec<Arrival> {
    let mut arrivals = Vec::new();
    for value in story::tell(rng, manner) {
        let repeats = 1 + i64::from(rng.chance(6));
        for _ in 0..repeats {
            let at_ms = arrival(rng, &value, manner);
            let line = value.to_string();
            arrivals.push(Arrival { at_ms, line });
        }
    }
    arrivals.sort_by_key(|arrival| arrival.at_ms);
    arrivals
}

fn arrival(rng: &mut Rng, value: &Value, manner: Manner) -> i64 {
    let what = value["type"].as_str().unwrap();
    let explains = what == "annotation" || value["name"] == "subscriber_base";
    let ts_ms = story::time_of(value, if what == "annotation" { "start" } else { "ts" });
    match manner {
        // Before everything that they bear on.
        Manner::Punctual if explains => 0,
        Manner::Wild if explains => BEGIN_MS + rng.below(SPAN_MS),
        Manner::Wild if rng.chance(8) => ts_ms + rng.below(15 * 60_000),
        _ => ts_ms + rng.below(LATENESS_MS),
    }
}

/// The same lines in another order of arrival, within the allowed lateness.
pub(crate) fn rearranged(rng: &mut Rng, arrivals: &[Arrival]) -> Vec<Arrival> {
    let mut arrivals = arrivals.to_vec();
    for each in &mut arrivals {
        each.at_ms = arrival(
            rng,
            &serde_json::from_str(&each.line).unwrap(),
            Manner::Punctual,
        );
    }
    arrivals.sort_by_key(|arrival| arrival.at_ms);
    arrivals
}

/// Cuts arrivals into epochs and their work, at random.
pub(crate) fn cut(rng: &mut Rng, arrivals: &[Arrival], manner: Manner) -> Journal {
    let mut epochs = Vec::new();
    let mut now_ms = BEGIN_MS;
    let mut rest = arrivals;
    let longest = 1 + arrivals.len() as i64 / 6;
    while !rest.is_empty() {
        let take = rng.below(longest).min(rest.len() as i64) as usize;
        let (lines, later) = rest.split_at(take);
        rest = later;
        now_ms += rng.below(30_000);
        if let Some(last) = lines.last() {
            // Nothing is journaled before it arrives; a wild source's clock may be ahead of ours.
            let ahead_ms = match manner {
                Manner::Wild if rng.chance(4) => rng.below(120_000),
                _ => 0,
            };
            now_ms = now_ms.max(last.at_ms - ahead_ms);
        }
        if manner == Manner::Wild && rng.chance(12) {
            // The engine was away, which makes nobody idle.
            now_ms += book::IDLE_MS + 1_000;
        }
        if manner == Manner::Wild && rng.chance(12) {
            for _ in 0..=book::IDLE_MS / 4_000 {
                now_ms += 4_000;
                epochs.push(Epoch {
                    now_ms,
                    book: None,
                    works: Vec::new(),
                    commands: Vec::new(),
                    end: false,
                });
            }
        }
        let lines: Vec<String> = lines.iter().map(|arrival| arrival.line.clone()).collect();
        let works = distribute(rng, lines);
        let (book, end) = (None, false);
        epochs.push(Epoch {
            now_ms,
            book,
            works,
            commands: Vec::new(),
            end,
        });
    }
    let (works, book, end) = (Vec::new(), None, true);
    epochs.push(Epoch {
        now_ms,
        book,
        works,
        commands: Vec::new(),
        end,
    });
    epochs[0].book = Some(book::first());
    Journal { epochs }
}

/// The same journal with each epoch's lines spread over its work in another way.
pub(crate) fn redistributed(seed: u64, journal: &Journal) -> Journal {
    let mut rng = Rng::new(seed ^ 0xD157);
    let mut journal = journal.clone();
    for epoch in &mut journal.epochs {
        let mut lines: Vec<String> = epoch.lines().cloned().collect();
        rng.shuffle(&mut lines);
        epoch.works = distribute(&mut rng, lines);
    }
    journal
}

fn distribute(rng: &mut Rng, lines: Vec<String>) -> Vec<(Handing, Vec<String>)> {
    let mut works: Vec<(Handing, Vec<String>)> = (0..1 + rng.below(5))
        .map(|_| {
            let handings = [Handing::Lines, Handing::Decoded, Handing::DecodedBefore];
            (rng.pick(&handings), Vec::new())
        })
        .collect();
    for line in lines {
        let at = rng.below(works.len() as i64) as usize;
        works[at].1.push(line);
    }
    works
}

/// A line of the `type`, with what all lines have.
pub(crate) fn event(what: &str, ts_ms: i64) -> Value {
    json!({"type": what, "ts": ts_ms})
}
