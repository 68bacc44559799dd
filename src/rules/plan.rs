//! The rule book as work: which dimensions to keep, and which *families* of windows to compute.
//!
//! A family is a set of facts (stream, filter, good-condition) with a grouping. KQIs that share one
//! share its panes: count, ratio, mean and p95 of the same facts cost one pane, not four. Plans are
//! data; the dataflow interprets them and names timely, this module does not.
//!
//! Invariants:
//! * a family keeps its number as long as its key lives, through any number of reloads;
//! * a stream's kept dimensions only ever grow at the end within a run.

use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use rustc_hash::{FxHashSet, FxHasher};
use serde::{Deserialize, Serialize};

use crate::event::{
    CITY, CODE, FailureClasses, INTERNAL, Layout, NODE, SOURCE, Stream, StreamLayout,
};
use crate::measure::Parts;
use crate::rules::{Aggregate, Kqi, Predicate, RuleBook, WEEK_MS, WindowSpec};

/// A rule book made ready for the dataflow.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Counts the books of a run, from 1.
    pub version: u64,
    /// The book.
    pub book: Arc<RuleBook>,
    /// What decoding keeps.
    pub layout: Arc<Layout>,
    /// Families by number.
    pub families: BTreeMap<u32, Arc<Family>>,
    /// The operator's zone.
    pub zone: jiff::tz::TimeZone,
    next_family: u32,
}

/// What a plan hands on to its successor: numbers that live as long as what they name. With it, and
/// its book, a restart makes the same plan again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lineage {
    /// Books before the successor.
    pub version: u64,
    /// Families by key.
    pub families: BTreeMap<String, u32>,
    /// The next number of a family.
    pub next_family: u32,
    /// Kept dimensions, by [`Stream::index`].
    pub dimensions: [Vec<String>; Stream::ALL.len()],
}

/// A set of facts, grouped, with the windows that are wanted of it.
#[derive(Clone, Debug)]
pub struct Family {
    /// Its number in this run.
    pub number: u32,
    /// Canonical text of its definition: equal keys mean equal panes.
    pub key: String,
    /// Stream it reads.
    pub stream: Stream,
    /// Which facts take part.
    pub filter: Option<Predicate>,
    /// Which of them are good.
    pub good: Option<Predicate>,
    /// Largest measured value of a good fact.
    pub good_within: Option<f64>,
    /// What a fact counts with that is not good or has no measured value, raw.
    pub timeout: Option<f64>,
    /// Where `good` is what failed: the measured value beyond which a fact has failed whatever it says, as has one
    /// without any, raw.
    pub counted_after: Option<f64>,
    /// Grouping dimensions, in output order.
    pub group_by: Vec<String>,
    /// Parts of the measure that its KQIs need.
    pub parts: Parts,
    /// How long its panes are kept behind the watermark, ms.
    pub retention_ms: i64,
    /// The coarse counts that surge tests read, where one is wanted.
    pub baseline: Option<FamilyBaseline>,
    /// Windows wanted, each with the KQIs that read it.
    pub windows: Vec<FamilyWindow>,
}

/// Coarse counts of a family, kept beside its panes and for longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FamilyBaseline {
    /// Length of what one count is of, ms; every surge window of the family begins and ends with one.
    pub bucket_ms: i64,
    /// How far back the counts are needed before the oldest window that can be corrected, ms.
    pub reach_ms: i64,
}

/// One window shape of a family.
#[derive(Clone, Debug)]
pub struct FamilyWindow {
    /// Shape.
    pub spec: WindowSpec,
    /// Distance to the earlier window that `change` aggregates compare with, ms.
    pub against_ms: Option<i64>,
    /// Earlier weeks that `surge` aggregates compare with; 0 where there is none.
    pub weeks: u32,
    /// Indices into [`RuleBook::kqis`].
    pub kqis: Vec<usize>,
}

impl Plan {
    /// Makes a plan; `previous` is the plan that it replaces in this run.
    ///
    /// # Errors
    /// The zone is not known on this machine.
    pub fn new(book: Arc<RuleBook>, previous: Option<&Plan>) -> Result<Plan, jiff::Error> {
        Plan::after(book, &previous.map(Plan::lineage).unwrap_or_default())
    }

    /// Makes the plan that follows a lineage.
    ///
    /// # Errors
    /// The zone is not known on this machine.
    pub fn after(book: Arc<RuleBook>, lineage: &Lineage) -> Result<Plan, jiff::Error> {
        let zone = jiff::tz::TimeZone::get(&book.time_zone)?;
        let mut next_family = lineage.next_family;
        let mut families: Vec<Family> = Vec::new();
        // KQIs with a good-condition first: the others can then share their families.
        let (judging, plain): (Vec<_>, Vec<_>) = book
            .kqis
            .iter()
            .enumerate()
            .partition(|(_, kqi)| has_good(kqi));
        for (index, kqi) in judging.into_iter().chain(plain) {
            let at = match families.iter().position(|family| serves(family, kqi)) {
                Some(at) => at,
                None => {
                    let key = key_of(kqi);
                    let number = lineage.families.get(&key).copied().unwrap_or_else(|| {
                        next_family += 1;
                        next_family - 1
                    });
                    families.push(family_of(kqi, key, number, &book));
                    families.len() - 1
                }
            };
            families[at].parts = families[at].parts.union(parts_of(kqi));
            want_window(&mut families[at].windows, kqi, index);
            want_baseline(&mut families[at].baseline, kqi);
        }
        let layout = Arc::new(layout_of(&book, lineage));
        let version = lineage.version + 1;
        let families = families
            .into_iter()
            .map(|family| (family.number, Arc::new(family)))
            .collect();
        Ok(Plan {
            version,
            book,
            layout,
            families,
            zone,
            next_family,
        })
    }

    /// What it hands on to its successor.
    pub fn lineage(&self) -> Lineage {
        let number = |family: &Arc<Family>| (family.key.clone(), family.number);
        let dimensions = |stream: &StreamLayout| stream.dimensions.clone();
        Lineage {
            version: self.version,
            families: self.families.values().map(number).collect(),
            next_family: self.next_family,
            dimensions: self.layout.streams.each_ref().map(dimensions),
        }
    }

    /// The lineage that makes this very plan again of its book.
    pub fn own_lineage(&self) -> Lineage {
        Lineage {
            version: self.version - 1,
            ..self.lineage()
        }
    }

    /// The KQI that the book lists first among those that read a family.
    pub fn first_kqi_of(&self, family: u32) -> Option<usize> {
        let windows = &self.families.get(&family)?.windows;
        windows
            .iter()
            .flat_map(|window| window.kqis.iter().copied())
            .min()
    }

    /// The family and window that a KQI reads.
    pub fn window_of(&self, kqi: usize) -> Option<(&Arc<Family>, usize)> {
        self.families.values().find_map(|family| {
            let at = family
                .windows
                .iter()
                .position(|window| window.kqis.contains(&kqi))?;
            Some((family, at))
        })
    }
}

fn has_good(kqi: &Kqi) -> bool {
    kqi.good.is_some() || kqi.good_within.is_some()
}

fn serves(family: &Family, kqi: &Kqi) -> bool {
    let same_facts = family.stream == kqi.stream
        && family.filter == kqi.filter
        && family.group_by == kqi.group_by;
    let same_good = family.good == kqi.good && family.good_within == kqi.good_within;
    // What stands in for lost answers stands in nobody else's values.
    let same_values = family.timeout == stand_in(kqi);
    let same_late = family.counted_after == kqi.counted_after();
    same_facts && same_values && (same_good && same_late || !has_good(kqi))
}

/// What stands in for the measured value of lost answers.
fn stand_in(kqi: &Kqi) -> Option<f64> {
    kqi.timeout.filter(|_| kqi.counted_after().is_none())
}

fn family_of(kqi: &Kqi, key: String, number: u32, book: &RuleBook) -> Family {
    Family {
        number,
        key,
        stream: kqi.stream,
        filter: kqi.filter.clone(),
        good: kqi.good.clone(),
        good_within: kqi.good_within,
        timeout: stand_in(kqi),
        counted_after: kqi.counted_after(),
        group_by: kqi.group_by.clone(),
        parts: Parts::default(),
        retention_ms: book
            .streams
            .get(&kqi.stream)
            .map_or(0, |rule| rule.retention_ms),
        baseline: None,
        windows: Vec::new(),
    }
}

fn key_of(kqi: &Kqi) -> String {
    let timeout = stand_in(kqi).map(|timeout| format!(" timeout {timeout}"));
    let after = kqi
        .counted_after()
        .map(|after| format!(" or after {after}"));
    format!(
        "{} where {} good {} within {:?}{}{} by {}",
        kqi.stream.name(),
        kqi.filter.as_ref().map_or("true", Predicate::source),
        kqi.good.as_ref().map_or("-", Predicate::source),
        kqi.good_within,
        timeout.unwrap_or_default(),
        after.unwrap_or_default(),
        kqi.group_by.join(",")
    )
}

fn parts_of(kqi: &Kqi) -> Parts {
    Parts {
        histogram: matches!(
            kqi.aggregate,
            Aggregate::Quantile(_) | Aggregate::Dispersion
        ),
        extremes: matches!(kqi.aggregate, Aggregate::Min | Aggregate::Max),
    }
}

fn want_window(windows: &mut Vec<FamilyWindow>, kqi: &Kqi, index: usize) {
    let against_ms = match kqi.aggregate {
        Aggregate::Change { against_ms } => Some(against_ms),
        _ => None,
    };
    let fits = |window: &&mut FamilyWindow| {
        window.spec == kqi.window
            && (against_ms.is_none()
                || window.against_ms.is_none()
                || window.against_ms == against_ms)
    };
    let weeks = match kqi.aggregate {
        Aggregate::Surge { weeks, .. } => weeks,
        _ => 0,
    };
    match windows.iter_mut().find(fits) {
        Some(window) => {
            window.kqis.push(index);
            window.weeks = window.weeks.max(weeks);
            window.against_ms = window.against_ms.or(against_ms);
        }
        None => windows.push(FamilyWindow {
            spec: kqi.window,
            against_ms,
            weeks,
            kqis: vec![index],
        }),
    }
}

fn want_baseline(baseline: &mut Option<FamilyBaseline>, kqi: &Kqi) {
    let Aggregate::Surge { weeks, .. } = kqi.aggregate else {
        return;
    };
    let bucket_ms = common_divisor(kqi.window.hop_ms, kqi.window.offset_ms);
    let reach_ms = i64::from(weeks) * WEEK_MS;
    *baseline = Some(match *baseline {
        None => FamilyBaseline {
            bucket_ms,
            reach_ms,
        },
        Some(known) => FamilyBaseline {
            bucket_ms: common_divisor(known.bucket_ms, bucket_ms),
            reach_ms: known.reach_ms.max(reach_ms),
        },
    });
}

fn common_divisor(a: i64, b: i64) -> i64 {
    if b == 0 { a } else { common_divisor(b, a % b) }
}

fn layout_of(book: &RuleBook, lineage: &Lineage) -> Layout {
    let mut streams = lineage.dimensions.each_ref().map(|kept| StreamLayout {
        dimensions: kept.clone(),
        ..StreamLayout::default()
    });
    let mut references: FxHashSet<String> = Default::default();
    for kqi in &book.kqis {
        let layout = &mut streams[kqi.stream.index()];
        let named = [&kqi.filter, &kqi.good]
            .into_iter()
            .flatten()
            .flat_map(Predicate::variables);
        for name in kqi.group_by.iter().cloned().chain(named) {
            keep(kqi.stream, layout, name);
        }
        let limits = [kqi.good_within, kqi.counted_after()];
        layout.limits.extend(limits.into_iter().flatten());
        layout.parts = layout.parts.union(parts_of(kqi));
        if let Aggregate::RatePer10k { base, .. } = &kqi.aggregate {
            references.insert(base.clone());
        }
    }
    for (stream, rule) in &book.streams {
        rule.dimensions
            .iter()
            .cloned()
            .for_each(|name| keep(*stream, &mut streams[stream.index()], name));
    }
    for layout in &mut streams {
        layout.limits.sort_by(f64::total_cmp);
        layout.limits.dedup();
    }
    let services = (!book.any_service).then(|| {
        book.services
            .iter()
            .map(|service| service.id.clone())
            .collect()
    });
    let aliases: BTreeMap<&String, &String> = book
        .services
        .iter()
        .flat_map(|service| service.aliases.iter().map(|alias| (alias, &service.id)))
        .collect();
    let statuses: FxHashSet<String> = book.mms.statuses.keys().cloned().collect();
    Layout {
        version: fingerprint(
            &streams,
            services.as_ref(),
            &references,
            &statuses,
            (book.failures.as_deref(), &aliases),
        ),
        streams,
        services,
        references,
        statuses,
        failures: book.failures.clone(),
        aliases: Arc::new(
            aliases
                .into_iter()
                .map(|(alias, service)| (alias.clone(), Arc::from(service.as_str())))
                .collect(),
        ),
    }
}

/// A number that is equal exactly for equal layouts, whatever run they are of: a batch that was
/// decoded under another layout must be decoded again.
fn fingerprint(
    streams: &[StreamLayout],
    services: Option<&FxHashSet<String>>,
    references: &FxHashSet<String>,
    statuses: &FxHashSet<String>,
    words: (Option<&FailureClasses>, &BTreeMap<&String, &String>),
) -> u64 {
    let sorted = |names: &FxHashSet<String>| {
        let mut names: Vec<String> = names.iter().cloned().collect();
        names.sort_unstable();
        names
    };
    let mut hasher = FxHasher::default();
    format!("{streams:?}").hash(&mut hasher);
    services.map(sorted).hash(&mut hasher);
    sorted(references).hash(&mut hasher);
    sorted(statuses).hash(&mut hasher);
    words.hash(&mut hasher);
    hasher.finish()
}

/// Keeps a dimension, and for those that follow from another that one.
fn keep(stream: Stream, layout: &mut StreamLayout, name: String) {
    let derived = stream.derived_dimensions().contains(&name.as_str());
    let base = match name.as_str() {
        CODE => NODE,
        INTERNAL => SOURCE,
        _ => CITY,
    };
    let base = derived.then(|| base.to_owned());
    // A gauge may say its province itself; nobody says of himself whose he is.
    let is_said = stream.has_open_dimensions() && name != INTERNAL;
    let own = (!derived || is_said).then_some(name);
    for name in base.into_iter().chain(own) {
        if !layout.dimensions.contains(&name) {
            layout.dimensions.push(name);
        }
    }
}
