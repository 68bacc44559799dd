//! What the commands print; the work is the library's.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "this is the terminal's edge"
)]

pub(crate) mod backup;
pub(crate) mod journal;

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, bail};

use chrysalis::golden;
use chrysalis::replay::{ReplayOptions, ReplaySummary};
use chrysalis::rules::{Plan, ProblemSeverity, RuleBook, load};

/// `chrysalis check`.
pub(crate) fn check(rules: &Path) -> anyhow::Result<ExitCode> {
    let (book, problems) = load(rules);
    for problem in &problems {
        println!("{problem}");
    }
    match book {
        Some(book) if problems.is_empty() => {
            println!(
                "{}: rule book {} {}: {} services, {} KQIs, {} alerts, no problems",
                rules.display(),
                book.name,
                book.version,
                book.services.len(),
                book.kqis.len(),
                book.alerts.len()
            );
            Ok(ExitCode::SUCCESS)
        }
        _ => {
            let problems = problems.len();
            eprintln!(
                "{}: {problems} problem{}",
                rules.display(),
                plural(problems)
            );
            Ok(ExitCode::FAILURE)
        }
    }
}

/// `chrysalis test`.
pub(crate) fn test(rules: &Path) -> anyhow::Result<ExitCode> {
    let plan = Arc::new(Plan::new(Arc::new(load_book(rules)?), None)?);
    let cases = match golden::load_cases(rules, &plan.book) {
        Ok(cases) => cases,
        Err(problems) => {
            for problem in &problems {
                println!("{problem}");
            }
            let problems = problems.len();
            bail!(
                "the golden cases of {} have {problems} problem{}",
                rules.display(),
                plural(problems)
            );
        }
    };
    let mut failed = 0;
    for case in &cases {
        let observed = golden::run(&plan, case)?;
        if let Some(failure) = golden::compare(&plan, case, &observed) {
            println!("{failure}");
            failed += 1;
        }
    }
    println!("{} passed, {failed} failed", cases.len() - failed);
    Ok(if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// `chrysalis replay`.
pub(crate) fn replay(rules: &Path, options: &ReplayOptions) -> anyhow::Result<ExitCode> {
    let plan = Arc::new(Plan::new(Arc::new(load_book(rules)?), None)?);
    let summary = chrysalis::replay::replay(&plan, options)?;
    tell(&summary, options.workers);
    if summary.events == 0 && summary.refused > 0 {
        // Whoever scripts this must not take empty windows for an answer.
        bail!("no line of the input could be taken, so nothing was written");
    }
    Ok(ExitCode::SUCCESS)
}

/// Reads a point in time: RFC 3339 or milliseconds.
pub(crate) fn moment(text: &str) -> Result<i64, String> {
    if let Ok(ms) = text.parse() {
        return Ok(ms);
    }
    let time = text.parse::<jiff::Timestamp>();
    time.map(jiff::Timestamp::as_millisecond)
        .map_err(|_| "wanted RFC 3339 with an offset, or milliseconds".to_owned())
}

/// Prints an error with its causes.
pub(crate) fn complain(error: &anyhow::Error) {
    eprintln!("chrysalis: {error:#}");
}

/// Loads a book that has no errors; its problems go to standard error.
pub(crate) fn load_book(rules: &Path) -> anyhow::Result<RuleBook> {
    let (book, problems) = load(rules);
    for problem in &problems {
        eprintln!("{problem}");
    }
    let errors = problems
        .iter()
        .filter(|problem| problem.severity == ProblemSeverity::Error)
        .count();
    if errors > 0 {
        bail!("{} has {errors} error{}", rules.display(), plural(errors));
    }
    book.with_context(|| format!("{} holds no rule book", rules.display()))
}

fn tell(summary: &ReplaySummary, workers: usize) {
    for (path, refusal) in &summary.refusals {
        eprintln!("{}: {refusal}", path.display());
    }
    if summary.refused > summary.refusals.len() as u64 {
        eprintln!(
            "… and {} more refused lines",
            summary.refused - summary.refusals.len() as u64
        );
    }
    for (name, count) in &summary.unknown_fields {
        eprintln!("unknown field {name:?} in {count} lines: left out");
    }
    if summary.unknown_words > 0 {
        eprintln!(
            "{} line{} with a status or failure that no rule maps: taken as Indeterminate, or as a failure of the class other",
            summary.unknown_words,
            plural(summary.unknown_words as usize)
        );
    }
    if summary.too_late > 0 {
        eprintln!(
            "{} facts were older than their stream's retention",
            summary.too_late
        );
    }
    let seconds = summary.elapsed.as_secs_f64();
    eprintln!(
        "{} events in {seconds:.3} s, {:.0} events/s with {workers} worker{}; {} refused, {} windows, {} alert transitions",
        summary.events,
        summary.events as f64 / seconds.max(1e-9),
        plural(workers),
        summary.refused,
        summary.windows,
        summary.transitions
    );
}

fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}
