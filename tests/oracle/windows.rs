//! Holds what the engine says of windows against the truth.

use std::collections::BTreeMap;

use chrysalis::dataflow::{Cell, Cut, Queries, Standing, WindowUpdate};
use chrysalis::rules::{Aggregate, Kqi, Plan, RuleBook, Verdict, judge};

use crate::naive::{Key, Row, Truth};

/// A window as told: end, facts, good facts, cell, sealed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Told {
    pub(crate) end_ms: i64,
    pub(crate) count: i64,
    pub(crate) good: i64,
    pub(crate) cell: Cell,
    pub(crate) sealed: bool,
}

impl Told {
    fn of(update: &WindowUpdate, cell: &Cell) -> Told {
        Told {
            end_ms: update.end_ms,
            count: update.count,
            good: update.good,
            cell: *cell,
            sealed: update.standing != Standing::Provisional,
        }
    }
}

/// Every window that the workers have of every KQI, whether sealed or not.
pub(crate) fn asked(plan: &Plan, queries: &Queries) -> BTreeMap<Key, Told> {
    let mut rows = BTreeMap::new();
    for (index, kqi) in plan.book.kqis.iter().enumerate() {
        let (version, updates) = queries
            .between(index, i64::MIN / 4, i64::MAX / 4, None)
            .unwrap();
        assert_eq!(version, plan.version);
        for update in updates {
            let key = (kqi.id.clone(), update.group.label.clone(), update.start_ms);
            let [cell] = update.cells.as_slice() else {
                panic!("{update:?}")
            };
            assert_eq!(cell.kqi, index);
            assert!(
                rows.insert(key, Told::of(&update, cell)).is_none(),
                "told twice: {update:?}"
            );
        }
    }
    rows
}

/// What a reader of cuts knows: sealed windows, as last told.
#[derive(Default)]
pub(crate) struct Accumulated {
    pub(crate) rows: BTreeMap<Key, Told>,
    pub(crate) corrections: usize,
    pub(crate) removals: usize,
}

impl Accumulated {
    /// Takes a cut; `before` is the book that its plan replaced.
    pub(crate) fn take(&mut self, cut: &Cut, book: &RuleBook, before: &RuleBook) {
        if cut.plan.is_some() {
            // KQIs that are gone or have other windows or groups are other KQIs to a reader.
            self.rows.retain(|(id, _, _), _| {
                let of = |book: &RuleBook| {
                    let kqi = book.kqis.iter().find(|kqi| kqi.id == *id)?;
                    Some((kqi.window, kqi.group_by.clone()))
                };
                of(book).is_some() && of(book) == of(before)
            });
        }
        for update in &cut.updates {
            assert_ne!(
                update.standing,
                Standing::Provisional,
                "cuts tell sealed windows only"
            );
            self.corrections += usize::from(update.standing == Standing::Corrected);
            self.removals += usize::from(update.standing == Standing::Removed);
            for cell in &update.cells {
                let id = book.kqis[cell.kqi].id.clone();
                let key = (id, update.group.label.clone(), update.start_ms);
                if cell.is_absent() {
                    self.rows.remove(&key);
                    continue;
                }
                let known = self.rows.insert(key, Told::of(update, cell));
                let first = update.standing == Standing::Sealed;
                assert!(!first || known.is_none(), "sealed twice: {update:?}");
            }
        }
    }
}

/// The first difference, in words.
pub(crate) fn difference<'a>(
    truth: &Truth,
    wanted: impl Iterator<Item = (&'a Key, &'a Row)>,
    told: &BTreeMap<Key, Told>,
) -> Result<(), String> {
    let mut met = 0;
    for (key, row) in wanted {
        let kqi = truth.book.kqis.iter().find(|kqi| kqi.id == key.0).unwrap();
        let Some(told) = told.get(key) else {
            return Err(format!("{key:?} is missing: {row:?}"));
        };
        met += 1;
        if let Err(what) = equals(kqi, row, told) {
            return Err(format!(
                "{key:?}: {what}\n  truth {row:?}\n  told  {told:?}"
            ));
        }
    }
    if met != told.len() {
        let extra = told.iter().find(|(key, _)| !truth.rows.contains_key(*key));
        return Err(format!(
            "{} windows too many, like {extra:?}",
            told.len() - met
        ));
    }
    Ok(())
}

/// Dispersions of the oracle's book are in percent.
const PERCENT: f64 = 100.0;

fn equals(kqi: &Kqi, row: &Row, told: &Told) -> Result<(), &'static str> {
    let judges = kqi.good.is_some() || kqi.good_within.is_some();
    if told.end_ms != row.end_ms || told.count != row.count || told.cell.samples != row.samples {
        return Err("end, count or samples");
    }
    if judges && told.good != row.good {
        return Err("good");
    }
    if told.sealed != row.sealed {
        return Err("sealed");
    }
    let near = match (told.cell.value, row.value) {
        (Some(told), Some(row)) => match kqi.aggregate {
            Aggregate::Quantile(_) => (told - row).abs() <= 0.02 * row.abs(),
            // Both quartiles may be off by a 64th: together by as much of a share of one.
            Aggregate::Dispersion => (told - row).abs() <= 0.017 * PERCENT,
            Aggregate::Min | Aggregate::Max => (told - row).abs() <= 1e-6,
            _ => (told - row).abs() <= 1e-9 * row.abs().max(1.0),
        },
        (told, row) => told == row,
    };
    if !near {
        return Err("value");
    }
    // Judged by what was told: the error that quantiles are allowed may cross a limit.
    let (score, mut verdict) = judge(kqi, row.samples as u64, told.cell.value);
    if matches!(verdict, Verdict::Abnormal(_)) && row.suppressible {
        verdict = Verdict::Suppressed;
    }
    if (score, verdict) != (told.cell.score, told.cell.verdict) {
        return Err("score or verdict");
    }
    Ok(())
}
