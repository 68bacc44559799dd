//! The program as people call it.

use std::path::Path;
use std::process::{Command, Output};

fn loadgen(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_loadgen"))
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn generate_writes_lines_and_the_truth_beside_them() {
    let folder = tempfile::tempdir().unwrap();
    let output = loadgen(
        folder.path(),
        &["generate", "kqi-1", "--events", "5000", "--seed", "3"],
    );
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(
        output.stdout.iter().filter(|byte| **byte == b'\n').count(),
        5_000
    );
    let truth = std::fs::read_to_string(folder.path().join("kqi-1.truth.json")).unwrap();
    let truth: loadgen::GroundTruth = serde_json::from_str(&truth).unwrap();
    assert_eq!(
        (truth.seed, truth.lines.total, truth.incidents.len()),
        (3, 5_000, 20)
    );
    assert!(said(&output).contains("5000 lines, 20 incidents"));
}

#[test]
fn a_scenario_of_ones_own_is_read_and_its_mistakes_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let (_, text) = loadgen::BUNDLED[2];
    std::fs::write(folder.path().join("mine.yaml"), text).unwrap();
    let output = loadgen(
        folder.path(),
        &["generate", "mine.yaml", "--truth", "t.json"],
    );
    assert!(output.status.success() && folder.path().join("t.json").exists());

    std::fs::write(
        folder.path().join("mine.yaml"),
        text.replace("every: 30s", "evry: 30s"),
    )
    .unwrap();
    let output = loadgen(folder.path(), &["generate", "mine.yaml"]);
    assert!(!output.status.success() && output.stdout.is_empty());
    let line = 1 + text
        .lines()
        .position(|line| line.contains("every: 30s"))
        .unwrap();
    assert!(
        said(&output).contains(&format!("mine.yaml:{line}:5: unknown field `evry`")),
        "{}",
        said(&output)
    );
}

#[test]
fn bad_arguments_are_refused_with_what_was_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let check = |arguments: &[&str], expected: &str| {
        let output = loadgen(folder.path(), arguments);
        assert!(!output.status.success());
        assert!(
            said(&output).contains(expected),
            "`{expected}` is not in: {}",
            said(&output)
        );
    };
    check(&["generate", "no-such"], "cannot read scenario no-such");
    check(
        &["run", "kqi-1", "--target", "https://x"],
        "`https://x` is not a usable target",
    );
    check(
        &["run", "kqi-1", "--target", "http://x", "--speed", "0"],
        "`0` is not a number above 0",
    );
    check(
        &["run", "kqi-1", "--target", "http://x", "--duration", "soon"],
        "`soon` is not a length of time",
    );
    check(
        &["replay", "none.ndjson", "--target", "http://x"],
        "cannot open none.ndjson",
    );
    check(
        &[
            "replay", "a", "--target", "http://x", "--rate", "1", "--speed", "1",
        ],
        "cannot be used with",
    );
    check(
        &["convert", "complaints", "none.csv"],
        "cannot open none.csv",
    );
}

#[test]
fn convert_writes_to_a_file_or_to_stdout() {
    let folder = tempfile::tempdir().unwrap();
    let table = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/data/application-crash-rate-1/app1-05.csv"
    );
    let to_file = loadgen(
        folder.path(),
        &["convert", "telemetry", table, "out.ndjson"],
    );
    assert!(
        to_file.status.success() && to_file.stdout.is_empty(),
        "{}",
        said(&to_file)
    );
    let to_stdout = loadgen(
        folder.path(),
        &["convert", "telemetry", table, "--as", "gauge"],
    );
    assert_eq!(
        std::fs::read(folder.path().join("out.ndjson")).unwrap(),
        to_stdout.stdout
    );
    assert!(
        said(&to_file).contains("49 rows, 46 events, 3 rows left out"),
        "{}",
        said(&to_file)
    );
}
