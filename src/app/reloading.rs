//! The rule book on disk: what an engine begins with, and how another comes into force, through the journal.
//!
//! A book that is not accepted changes nothing: the one of the journal stays, the log says what is wrong with the other,
//! and the trouble is alarmed until one is accepted (`Trouble::RulesRefused`).

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::anyhow;
use arc_swap::ArcSwapOption;
use tokio::sync::Mutex;

use crate::api::{Health, Lifecycle, Reload, ReloadProblems, ReloadReport};
use crate::app::place;
use crate::app::rulebook::{RuleBookError, RuleFiles, RuleSource, book_of, plan_after, plan_of};
use crate::checkpoint::Folder;
use crate::config::Config;
use crate::ingest::Attachment;
use crate::journal::writer::{SubmitError, Submitter};
use crate::journal::{JournalError, Reader, RealDisk, Record, Submit, oldest};
use crate::rules::Plan;
use crate::time::now_ms;

/// A way to read the rules again and put them in force through the journal.
pub(super) fn reload_of(
    rules: RuleSource,
    submitter: Submitter<Attachment>,
    applied: Arc<ArcSwapOption<RuleFiles>>,
    health: Arc<Health>,
) -> Reload {
    // The newest book that was journaled by this; it may not be in force yet.
    let journaled: Arc<Mutex<Option<RuleFiles>>> = Arc::default();
    Arc::new(move || {
        let (rules, submitter, applied) = (rules.clone(), submitter.clone(), applied.clone());
        let journaled = journaled.clone();
        let health = health.clone();
        Box::pin(async move {
            let refused = |error: RuleBookError| {
                health.set_rule_problems(error.problems.len().max(1));
                ReloadProblems::Rules(error.problems)
            };
            // One after the other: what is read later is in force later.
            let mut journaled = journaled.lock().await;
            let files = rules.read().map_err(refused)?;
            let book = book_of(&files).map_err(refused)?;
            health.set_rule_problems(0);
            let report = ReloadReport {
                name: book.name.clone(),
                version: book.version.clone(),
                kqis: book.kqis.len(),
                alerts: book.alerts.len(),
                warnings: Vec::new(),
            };
            let in_force = applied.load();
            let is_in_force =
                |files: &RuleFiles| in_force.as_ref().is_some_and(|of| **of == *files);
            // Another one that is on its way would come into force after this answer.
            if is_in_force(&files) && journaled.as_ref().is_none_or(is_in_force) {
                return Ok(report);
            }
            let record = Record::RuleBook {
                at_ms: now_ms(),
                files: files.clone(),
            };
            let submitted = submitter
                .submit(Submit {
                    record,
                    attachment: None,
                })
                .await;
            submitted.map_err(|error| ReloadProblems::Failed(not_taken(&error)))?;
            *journaled = Some(files);
            Ok(report)
        })
    })
}

/// Why the journal did not take a rule book.
fn not_taken(error: &SubmitError) -> String {
    match error {
        SubmitError::TooLarge(JournalError::TooLarge { bytes, bytes_max }) => format!(
            "the rule book takes {bytes} bytes as a record of the journal, and journal.record_bytes_max is {bytes_max}"
        ),
        other => format!("the rule book cannot be put in force: {other}"),
    }
}

/// Why a reload did nothing, each problem in a line of its own.
pub(super) fn reload_failure(problems: ReloadProblems) -> anyhow::Error {
    match problems {
        ReloadProblems::Rules(problems) => rule_problems(RuleBookError { problems }),
        ReloadProblems::Failed(reason) => anyhow!(reason),
    }
}

/// After a restart the book on disk may be another than the journal's: it comes into force once the
/// past has been replayed.
pub(super) fn apply_after_replay(health: Arc<Health>, reload: Reload) {
    tokio::spawn(async move {
        while matches!(health.now().lifecycle, Lifecycle::Starting { .. }) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        if health.now().lifecycle == Lifecycle::Stopping {
            return;
        }
        if let Err(problems) = reload().await {
            tracing::error!(
                "the rule book on disk is not accepted, the journal's stays: {:#}",
                reload_failure(problems)
            );
        }
    });
}

/// The plan of the rules as they are now.
///
/// # Errors
/// All that is wrong with them.
pub fn first_plan(rules: &RuleSource) -> anyhow::Result<Arc<Plan>> {
    let files = rules.read().map_err(rule_problems)?;
    plan_of(&files, None).map_err(rule_problems)
}

/// [`first_plan`], or, where the rules are not accepted and the data folder has a book that was, the plan of that one: an
/// engine that is down sees less than one with the rules of yesterday.
///
/// # Errors
/// All that is wrong with the rules, and there is no other book.
pub(super) fn plan_to_begin_with(rules: &RuleSource, config: &Config) -> anyhow::Result<Arc<Plan>> {
    let error = match first_plan(rules) {
        Ok(plan) => return Ok(plan),
        Err(error) => error,
    };
    let Some(plan) = plan_in_data(config) else {
        return Err(error);
    };
    tracing::error!(
        version = plan.book.version,
        "the rule book on disk is not accepted, beginning with the journal's: {error:#}"
    );
    Ok(plan)
}

/// The plan that the data folder begins with: the newest checkpoint's, or that of the journal's first book.
fn plan_in_data(config: &Config) -> Option<Arc<Plan>> {
    let journal = place::journal_of(config);
    oldest(&RealDisk, &journal).ok().flatten()?;
    let folder = Folder::open(Arc::new(RealDisk), &config.data.join("checkpoints")).ok()?;
    // What is wrong with them is said by the start itself.
    let newest = folder.newest().ok().and_then(|found| found.newest);
    match newest {
        Some(newest) => plan_after(&newest.head.rules, &newest.head.lineage).ok(),
        None => first_book(&journal),
    }
}

fn first_book(journal: &Path) -> Option<Arc<Plan>> {
    let reader = Reader::open_on(Arc::new(RealDisk), journal, None).ok()?;
    let records = reader.map_while(Result::ok);
    let mut books = records.filter_map(|(_, record)| match record {
        Record::RuleBook { files, .. } => Some(files),
        _ => None,
    });
    plan_of(&books.next()?, None).ok()
}

fn rule_problems(error: RuleBookError) -> anyhow::Error {
    let mut words = error.to_string();
    for problem in &error.problems {
        words.push('\n');
        words.push_str(&problem.to_string());
    }
    anyhow!(words)
}
