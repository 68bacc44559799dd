//! What we depend on: licences, banned crates, crates that come in two major versions.
//!
//! `cargo metadata` knows all of it from the lock file, so no further tool is needed.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

use crate::sources::top;

/// Licences that an Apache-2.0 product may be built from.
const LICENCES: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];
/// Crates that must not come in, and why.
const BANNED: &[(&str, &str)] = &[
    (
        "openssl-sys",
        "TLS is rustls: one binary, no system library",
    ),
    ("native-tls", "TLS is rustls: one binary, no system library"),
    ("time", "times are jiff's"),
    ("serde_yaml", "unmaintained; YAML is serde-saphyr's"),
    ("rdkafka-sys", "no C client in the default build"),
];
/// Crates that a library may bring along for its own use, and that ours must not name: chrono comes with parquet, which
/// reads dates by it.
const NOT_OURS: &[(&str, &str)] = &[("chrono", "times are jiff's")];
/// Crates in two incompatible versions, as many as there were; let it shrink. Two of them (rustix and
/// linux-raw-sys) are prometheus's, which reads `/proc` for the process metrics with an older procfs.
/// One more (itertools) is criterion's, which benchmarks need and the product does not.
const DUPLICATES_MAX: usize = 15;

/// Everything that breaks the policy.
pub(crate) fn problems() -> Vec<String> {
    let packages = packages();
    let mut problems = Vec::new();
    let mut versions: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for package in packages.as_array().into_iter().flatten() {
        let text = |field: &str| package[field].as_str().unwrap_or_default();
        let (name, version) = (text("name"), text("version"));
        if let Some((_, reason)) = BANNED.iter().find(|(banned, _)| *banned == name) {
            problems.push(format!("crate {name} is banned: {reason}"));
        }
        if package["source"].is_null() {
            // Our own.
            let wanted = package["dependencies"].as_array().into_iter().flatten();
            for dependency in wanted {
                let known = NOT_OURS.iter().find(|(of, _)| dependency["name"] == *of);
                if let Some((of, reason)) = known {
                    problems.push(format!("{name} must not depend on {of}: {reason}"));
                }
            }
            continue;
        }
        if !is_allowed(text("license")) {
            let license = text("license");
            problems.push(format!("{name} {version} has the licence {license:?}"));
        }
        versions.entry(name).or_default().insert(major(version));
    }
    versions.retain(|_, majors| majors.len() > 1);
    if versions.len() > DUPLICATES_MAX {
        problems.push(format!(
            "{} crates come in several major versions, more than {DUPLICATES_MAX}: {versions:?}",
            versions.len()
        ));
    }
    problems
}

fn packages() -> Value {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked"])
        // Only what is built here: the lock file holds other systems' crates as well.
        .args(["--filter-platform", "x86_64-unknown-linux-gnu"])
        .current_dir(top())
        .output()
        .unwrap();
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "cargo metadata: {words}");
    let mut metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    metadata["packages"].take()
}

/// Reads the SPDX expressions that crates really have: `A OR B`, `A AND B`, `A/B`, parentheses.
fn is_allowed(licence: &str) -> bool {
    let plain = licence.replace('/', " OR ");
    let alternatives = split(&plain, " OR ");
    if alternatives.len() > 1 {
        return alternatives.iter().any(|part| is_allowed(part));
    }
    let parts = split(&plain, " AND ");
    if parts.len() > 1 {
        return parts.iter().all(|part| is_allowed(part));
    }
    let one = plain.trim();
    match one.strip_prefix('(').and_then(|one| one.strip_suffix(')')) {
        Some(inner) => is_allowed(inner),
        None => LICENCES.contains(&one),
    }
}

/// Splits outside of parentheses.
fn split<'a>(text: &'a str, by: &str) -> Vec<&'a str> {
    let mut parts = Vec::new();
    let mut from = 0;
    for (at, _) in text.match_indices(by) {
        let open = text[..at].matches('(').count();
        if open == text[..at].matches(')').count() {
            parts.push(&text[from..at]);
            from = at + by.len();
        }
    }
    parts.push(&text[from..]);
    parts
}

/// What must be equal for two versions to be one in Cargo's eyes.
fn major(version: &str) -> String {
    let mut numbers = version.split('.');
    let first = numbers.next().unwrap_or_default();
    match first {
        "0" => format!("0.{}", numbers.next().unwrap_or_default()),
        _ => first.to_owned(),
    }
}

#[test]
fn licence_expressions() {
    for good in [
        "MIT",
        "MIT OR Apache-2.0",
        "GPL-3.0 OR MIT",
        "MIT/Apache-2.0",
        "(MIT OR Apache-2.0) AND Unicode-3.0",
        "Apache-2.0 WITH LLVM-exception OR GPL-2.0",
    ] {
        assert!(is_allowed(good), "{good}");
    }
    for bad in [
        "",
        "GPL-3.0",
        "MIT AND GPL-3.0",
        "(MIT OR GPL-3.0) AND AGPL-3.0",
    ] {
        assert!(!is_allowed(bad), "{bad}");
    }
}
