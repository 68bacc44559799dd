//! Documents name paths that exist; rule books and scenarios can be read.

use std::collections::BTreeSet;
use std::path::Path;

use crate::sources::{files, read, top};

/// Documents that speak of the tree.
const DOCUMENTS: &[&str] = &["ARCHITECTURE.md", "README.md"];
/// What a path in a document begins with, from the top or from `src/`.
const FOLDERS: &[&str] = &[
    "src",
    "rules",
    "tests",
    "loadgen",
    "benches",
    "dashboards",
    "grafana",
    "contrib",
    ".ci",
];

/// Paths that a document names and the tree does not have.
pub(crate) fn lost_paths() -> Vec<String> {
    let mut problems = Vec::new();
    for document in DOCUMENTS {
        if !top().join(document).exists() {
            continue;
        }
        for (number, line) in read(document).lines().enumerate() {
            for path in paths_in(line) {
                if !exists(path) {
                    problems.push(format!("{document}:{}: {path} does not exist", number + 1));
                }
            }
        }
    }
    problems
}

/// Words in backticks or link targets that look like paths of this tree.
fn paths_in(line: &str) -> impl Iterator<Item = &str> {
    let ticked = line.split('`').skip(1).step_by(2);
    let linked = line
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next());
    ticked.chain(linked).filter(|word| {
        let first = word.split('/').next().unwrap_or_default();
        let is_file = word.contains('/') && word.ends_with(".rs");
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '_' | '-');
        word.chars().all(plain) && (is_file || (word.contains('/') && FOLDERS.contains(&first)))
    })
}

fn exists(path: &str) -> bool {
    top().join(path).exists() || top().join("src").join(path).exists()
}

/// What is wrong with the shipped rule books and scenarios.
pub(crate) fn unreadable() -> Vec<String> {
    let mut problems = Vec::new();
    let mut known = BTreeSet::new();
    let mut books = files("rules/bench", "yaml");
    books.push("rules".to_owned());
    for path in books {
        let (book, found) = chrysalis::rules::load(&top().join(path));
        problems.extend(found.iter().map(ToString::to_string));
        if let Some(book) = book {
            known.extend(book.kqis.into_iter().map(|kqi| kqi.id));
            known.extend(book.alerts.into_iter().map(|alert| alert.id));
        }
    }
    for path in files("loadgen/scenarios", "yaml") {
        match serde_saphyr::from_str::<serde_json::Value>(&read(&path)) {
            Ok(scenario) => problems.extend(unknown_expectations(&path, &scenario, &known)),
            Err(error) => problems.push(format!("{path}: {error}")),
        }
    }
    problems
}

/// Incidents that wait for alerts which no rule book can raise.
fn unknown_expectations(
    path: &str,
    scenario: &serde_json::Value,
    known: &BTreeSet<String>,
) -> Vec<String> {
    let mut problems = Vec::new();
    let incidents = scenario["incidents"].as_array();
    for incident in incidents.into_iter().flatten() {
        for id in incident["expect"].as_array().into_iter().flatten() {
            let id = id.as_str().unwrap_or_default();
            if !known.contains(id) {
                let incident = &incident["id"];
                problems.push(format!(
                    "{path}: incident {incident} expects {id:?}, which no rule book has"
                ));
            }
        }
    }
    problems
}

#[test]
fn paths_are_told_from_other_words() {
    let line = "`src/event/` and `GET /v1/events`, [rules](rules/tests), `x/y.rs`, `and/or`";
    let found: Vec<_> = paths_in(line).collect();
    assert_eq!(found, ["src/event/", "x/y.rs", "rules/tests"]);
    assert!(Path::new(&top()).join("Cargo.toml").exists());
}
