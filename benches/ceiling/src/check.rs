//! Holds the ceiling's files against those of `chrysalis replay`.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};

/// Group, start, end.
type Window = (String, i64, i64);

/// Error that the histograms promise, of either side: 1/64 each.
const QUANTILE_ERROR: f64 = 1.0 / 32.0;
/// Means and ratios are divisions of equal whole numbers.
const EXACT: f64 = 1e-12;

/// Compares every window and every alert that begins; the words say how many were equal.
///
/// # Errors
/// A file that cannot be read, or the first difference.
pub(crate) fn compare(mine: &Path, replayed: &Path) -> Result<String> {
    let mut windows = own_windows(&mine.join("windows.csv"))?;
    let mut values = 0_u64;
    let mut reader = open(&replayed.join("windows.csv"))?;
    let mut seen: BTreeMap<Window, u32> = BTreeMap::new();
    for row in reader.records() {
        let row = row?;
        let window = (row[1].to_owned(), row[2].parse()?, row[3].parse()?);
        let Some((count, own)) = windows.get(&window) else {
            bail!("replay has window {window:?}, the ceiling has not");
        };
        ensure!(
            row[4] == *count,
            "{window:?}: {} events, not {count}",
            &row[4]
        );
        let (own, error) = match &row[0] {
            kqi if kqi.contains("success") => (own[0], EXACT),
            kqi if kqi.contains("mean") => (own[1], EXACT),
            _ => (own[2], QUANTILE_ERROR),
        };
        let theirs = number(&row[5])?;
        let close = match (own, theirs) {
            (Some(own), Some(theirs)) => {
                (own - theirs).abs() <= error * own.abs().max(theirs.abs())
            }
            (own, theirs) => own == theirs,
        };
        ensure!(
            close,
            "{} of {window:?} is {theirs:?}, not {own:?}",
            &row[0]
        );
        *seen.entry(window).or_default() += 1;
        values += 1;
    }
    for (window, times) in &seen {
        ensure!(*times == 3, "{window:?} has {times} values, not 3");
        windows.remove(window);
    }
    if let Some((window, _)) = windows.first_key_value() {
        bail!("the ceiling has window {window:?}, replay has not");
    }
    let (own, theirs) = (
        fired(&mine.join("alerts.csv"), 0, 1, 2)?,
        fired(&replayed.join("alerts.csv"), 1, 4, 3)?,
    );
    ensure!(own == theirs, "{own:?} fired, in replay {theirs:?}");
    Ok(format!(
        "equal: {values} values of {} windows, {} alerts",
        seen.len(),
        own.len()
    ))
}

fn open(path: &Path) -> Result<csv::Reader<std::fs::File>> {
    csv::Reader::from_path(path).with_context(|| format!("cannot read {}", path.display()))
}

/// Count and values of a window, as the file has them.
type Row = (String, [Option<f64>; 3]);

fn own_windows(path: &Path) -> Result<BTreeMap<Window, Row>> {
    let mut windows = BTreeMap::new();
    for row in open(path)?.records() {
        let row = row?;
        let window = (row[0].to_owned(), row[1].parse()?, row[2].parse()?);
        let values = [number(&row[4])?, number(&row[5])?, number(&row[6])?];
        windows.insert(window, (row[3].to_owned(), values));
    }
    Ok(windows)
}

fn number(text: &str) -> Result<Option<f64>> {
    Ok(match text {
        "" => None,
        text => Some(text.parse()?),
    })
}

/// Group and time of every alert that began.
fn fired(path: &Path, group: usize, at_ms: usize, state: usize) -> Result<Vec<(String, String)>> {
    let mut fired = Vec::new();
    for row in open(path)?.records() {
        let row = row?;
        if &row[state] == "firing" {
            fired.push((row[at_ms].to_owned(), row[group].to_owned()));
        }
    }
    fired.sort();
    Ok(fired)
}
