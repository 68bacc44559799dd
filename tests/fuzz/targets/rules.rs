//! Rule books: every text is a book or has problems, each with its place.

use chrysalis::rules::{ProblemSeverity, parse};

use crate::harness::Case;

const FILE: &str = "fuzzed.yaml";

pub(crate) fn check(case: &mut Case<'_>) -> Result<(), String> {
    let text = String::from_utf8_lossy(&case.input).into_owned();
    // YAML ends lines with a lone carriage return as well.
    let lines = text.matches(['\n', '\r']).count() as u64 + 1;
    let (book, problems) = parse(&[(FILE.to_owned(), text)]);
    let is_wrong = problems
        .iter()
        .any(|problem| problem.severity == ProblemSeverity::Error);
    if book.is_none() != is_wrong {
        return Err(format!(
            "a book: {}, problems: {problems:?}",
            book.is_some()
        ));
    }
    for problem in &problems {
        let told = problem.to_string();
        if problem.file != FILE || !told.starts_with(&format!("{FILE}:")) {
            return Err(format!("without its file: {told:?}"));
        }
        if problem.line > lines || (problem.line == 0) != (problem.column == 0) {
            return Err(format!(
                "at a place that is not there: {told:?}, {lines} lines"
            ));
        }
        if problem.message.is_empty() {
            return Err(format!("without words: {told:?}"));
        }
    }
    Ok(())
}
