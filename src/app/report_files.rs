//! Reports as files: `reports/<id>/<period>/` with `report.json`, each table as CSV in both languages, and as Parquet.
//!
//! A folder is written beside, synced, and renamed: it is there whole or not at all, and written once. Of
//! each report the newest periods stay.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::api::views::ReportView;
use crate::reports::{Reader, Report, csv, parquet};
use crate::rules::Language;

/// The folder of reports.
pub(super) struct ReportFiles {
    folder: PathBuf,
    /// Periods of one report that stay.
    periods_max: usize,
}

impl ReportFiles {
    /// Name of the folder in the data folder.
    const FOLDER: &str = "reports";

    pub(super) fn in_folder(data: &Path, periods_max: usize) -> ReportFiles {
        ReportFiles {
            folder: data.join(ReportFiles::FOLDER),
            periods_max,
        }
    }

    /// Writes a report's files, unless they are there; tells how many older periods went for it.
    ///
    /// # Errors
    /// What could not be written.
    pub(super) fn keep(&self, report: &Report) -> anyhow::Result<u64> {
        // Both are safe as names: the rule book allows no other ids, and a period is digits and hyphens.
        let of_report = self.folder.join(&report.id);
        let place = of_report.join(&report.period.key);
        if place.is_dir() {
            return Ok(0);
        }
        let beside = of_report.join(format!("{}.tmp", report.period.key));
        let _ = fs::remove_dir_all(&beside);
        fs::create_dir_all(&beside).with_context(|| beside.display().to_string())?;
        let json = serde_json::to_vec_pretty(&ReportView::of(report))?;
        write(&beside.join("report.json"), &json)?;
        for (language, name) in [(Language::Zh, "zh"), (Language::En, "en")] {
            let reader = Reader::of(report, language);
            for table in &report.tables {
                let path = beside.join(format!("{}.{name}.csv", table.key));
                write(&path, csv(table, &reader).as_bytes())?;
            }
        }
        for table in &report.tables {
            let path = beside.join(format!("{}.parquet", table.key));
            write(&path, &parquet(table)?)?;
        }
        fs::rename(&beside, &place).with_context(|| place.display().to_string())?;
        File::open(&of_report)?.sync_all()?;
        forget(&of_report, self.periods_max)
    }
}

fn write(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let write = || {
        let mut file = File::create(path)?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    write().with_context(|| path.display().to_string())
}

/// Keeps the newest periods, whose names sort by time; tells how many went.
fn forget(of_report: &Path, periods_max: usize) -> anyhow::Result<u64> {
    let mut periods: Vec<PathBuf> = fs::read_dir(of_report)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.is_dir())
        .collect();
    periods.sort();
    let beyond = periods.len().saturating_sub(periods_max);
    for period in periods.iter().take(beyond) {
        fs::remove_dir_all(period).with_context(|| period.display().to_string())?;
    }
    Ok(beyond as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reports::testing::report;

    #[test]
    fn a_report_is_written_once_and_whole() {
        let folder = tempfile::tempdir().unwrap();
        let files = ReportFiles::in_folder(folder.path(), 2);
        let mut report = report();
        files.keep(&report).unwrap();
        let path = folder.path().join("reports/daily/2026-03-02/report.json");
        let first = fs::read(&path).unwrap();
        report.rule_version = "another".to_owned();
        files.keep(&report).unwrap();
        assert_eq!(fs::read(&path).unwrap(), first, "the first stays");
        // What a death left half written is in nobody's way.
        report.period.key = "2026-03-03".to_owned();
        let beside = folder.path().join("reports/daily/2026-03-03.tmp");
        fs::create_dir_all(&beside).unwrap();
        fs::write(beside.join("half"), "x").unwrap();
        files.keep(&report).unwrap();
        let place = folder.path().join("reports/daily/2026-03-03");
        assert!(place.join("report.json").is_file() && !place.join("half").exists());
        // Of more periods than stay the oldest goes, and is told.
        report.period.key = "2026-03-04".to_owned();
        assert_eq!(files.keep(&report).unwrap(), 1);
        assert!(!path.exists() && place.exists());
    }

    #[test]
    fn the_oldest_periods_go() {
        let folder = tempfile::tempdir().unwrap();
        for day in 0..12 {
            fs::create_dir_all(folder.path().join(format!("{day:05}"))).unwrap();
        }
        assert_eq!(forget(folder.path(), 10).unwrap(), 2);
        assert_eq!(forget(folder.path(), 10).unwrap(), 0);
        assert!(!folder.path().join("00001").exists() && folder.path().join("00002").exists());
    }
}
