//! The process's own KQIs on the status page.

use serde::Serialize;

use crate::console::words::{Chip, chip, department, limits, measured, severity_chip, thousands};
use crate::engine::{ProcessValue, Snapshot};
use crate::rules::severity_of_score;

/// One KQI of the process, of a department or of all.
#[derive(Debug, Serialize)]
pub(super) struct ProcessRow {
    zh: String,
    en: String,
    department: String,
    verdict: Chip,
    value: String,
    limit: String,
    score: String,
    samples: String,
}

/// Rows that are shown; the API has all.
const ROWS_MAX: usize = 12;

/// Rows, the worst first.
pub(super) fn rows(snapshot: &Snapshot) -> Vec<ProcessRow> {
    let mut values: Vec<&ProcessValue> = snapshot.process_values.iter().collect();
    let badness = |of: &ProcessValue| of.score.unwrap_or(f64::INFINITY);
    values.sort_by(|a, b| badness(a).total_cmp(&badness(b)));
    let rows = values.into_iter().take(ROWS_MAX).map(|of| ProcessRow {
        zh: of.kqi.name.zh.clone(),
        en: of.kqi.name.en.clone(),
        department: match of.department.as_str() {
            "" => "全部 all".to_owned(),
            id => department(&snapshot.plan.book, Some(id)),
        },
        verdict: match of.score {
            None => chip("blind", "样本不足", "too few samples"),
            Some(points) if of.is_over => severity_chip(severity_of_score(points)),
            Some(_) => chip("ok", "正常", "normal"),
        },
        value: measured(Some((of.value * 100.0).round() / 100.0), of.kqi.unit()),
        limit: limits(None, Some(of.limit()), of.kqi.unit()),
        score: of
            .score
            .map_or_else(|| "—".to_owned(), |score| format!("{score:.1}")),
        samples: thousands(of.samples),
    });
    rows.collect()
}
