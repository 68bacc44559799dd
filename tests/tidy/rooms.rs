//! Who may use whom: the `crate::` paths of the code against this table.

use std::collections::BTreeSet;

use crate::sources::{Source, sources};

/// Rooms of `src/` in reading order, each with the rooms that its code (not its tests) may name.
const ROOMS: &[(&str, &[&str])] = &[
    ("time", &[]),
    ("supervisor", &[]),
    ("links", &[]),
    ("masking", &[]),
    ("bounded", &[]),
    ("handover", &[]),
    ("measure", &[]),
    ("event", &["measure"]),
    ("rules", &["event", "measure"]),
    ("dataflow", &["event", "handover", "measure", "rules"]),
    ("alerting", &["effect", "rules"]),
    ("triggers", &["effect", "rules"]),
    ("effect", &["rules"]),
    ("scores", &["measure", "rules"]),
    (
        "reports",
        &[
            "alerting", "effect", "event", "masking", "rules", "triggers",
        ],
    ),
    (
        "engine",
        &[
            "alerting", "dataflow", "effect", "event", "links", "reports", "rules", "triggers",
        ],
    ),
    ("journal", &["handover"]),
    ("checkpoint", &["dataflow", "journal", "rules"]),
    ("store", &[]),
    (
        "ingest",
        &["engine", "event", "journal", "masking", "metrics", "rules"],
    ),
    ("complaints", &["dataflow", "event", "rules"]),
    ("mm7", &["rules"]),
    ("probes", &[]),
    (
        "notify",
        &[
            "alerting", "bounded", "links", "masking", "reports", "rules", "store",
        ],
    ),
    (
        "api",
        &[
            "alerting",
            "bounded",
            "complaints",
            "console",
            "dataflow",
            "effect",
            "engine",
            "event",
            "ingest",
            "journal",
            "links",
            "masking",
            "metrics",
            "mm7",
            "reports",
            "rules",
            "scores",
            "store",
            "time",
            "triggers",
        ],
    ),
    (
        "console",
        &[
            "alerting", "api", "dataflow", "effect", "engine", "event", "journal", "metrics",
            "reports", "rules", "scores", "triggers",
        ],
    ),
    (
        "metrics",
        &[
            "alerting", "api", "engine", "event", "journal", "rules", "scores", "triggers",
        ],
    ),
    (
        "config",
        &[
            "api", "bounded", "dataflow", "engine", "journal", "notify", "probes", "rules",
        ],
    ),
    (
        "replay",
        &["alerting", "dataflow", "engine", "event", "rules"],
    ),
    (
        "golden",
        &["alerting", "dataflow", "engine", "event", "rules"],
    ),
    (
        "demo",
        &["alerting", "app", "config", "engine", "notify", "time"],
    ),
    // `app` wires all of them.
];

/// Words of libraries that a room's code must not name, and who alone may.
const WORDS: &[(&str, &[&str], &str)] = &[
    (
        "timely::",
        &["dataflow"],
        "everybody else gives and takes plain values",
    ),
    (
        "differential_dataflow::",
        &["dataflow", "measure"],
        "a measure is a difference by its traits; the rest is dataflow's",
    ),
    (
        "tokio::",
        &[
            "api", "app", "commands", "demo", "ingest", "journal", "notify", "probes", "serve",
        ],
        "pure rooms and workers have no runtime",
    ),
    (
        "axum::",
        &["api", "app", "console", "ingest", "metrics"],
        "HTTP stays at the edge",
    ),
    ("lettre::", &["notify"], "mail is notify's"),
    ("sqlx::", &["store"], "SQL is the store's"),
    ("quick_xml::", &["mm7"], "XML is MM7's"),
    (
        "SystemTime::now",
        &["time"],
        "take `now` from the caller; `time.rs` alone reads the wall clock",
    ),
    (
        "Timestamp::now",
        &["time"],
        "take `now` from the caller; `time.rs` alone reads the wall clock",
    ),
];

/// Everything that breaks the table.
pub(crate) fn problems() -> Vec<String> {
    let mut problems = Vec::new();
    for source in sources("src") {
        let room = room_of(&source);
        if let Some((_, allowed)) = ROOMS.iter().find(|(name, _)| *name == room) {
            for used in used_rooms(&source.code()) {
                if used != room && !allowed.contains(&used.as_str()) {
                    problems.push(format!(
                        "{}: room `{room}` must not use `crate::{used}`",
                        source.path
                    ));
                }
            }
        }
        let code = source.code();
        for (word, allowed, reason) in WORDS {
            if code.contains(word) && !allowed.contains(&room.as_str()) {
                problems.push(format!(
                    "{}: `{word}` is not for room `{room}`: {reason}",
                    source.path
                ));
            }
        }
    }
    problems
}

/// `src/event/wire.rs` and `src/event.rs` are both of room `event`.
fn room_of(source: &Source) -> String {
    let rest = source.path.strip_prefix("src/").unwrap_or(&source.path);
    let first = rest.split('/').next().unwrap_or(rest);
    first.trim_end_matches(".rs").to_owned()
}

/// First names of all `crate::` paths, those in braces among them.
fn used_rooms(code: &str) -> BTreeSet<String> {
    let mut rooms = BTreeSet::new();
    for (at, _) in code.match_indices("crate::") {
        if code[..at].ends_with(|c: char| c.is_alphanumeric() || matches!(c, '_' | '$')) {
            continue;
        }
        let rest = &code[at + "crate::".len()..];
        match rest.strip_prefix('{') {
            None => rooms.extend(first_word(rest)),
            Some(list) => {
                let mut depth = 0;
                let mut begins = true;
                for (at, c) in list.char_indices() {
                    match c {
                        '{' => depth += 1,
                        '}' if depth == 0 => break,
                        '}' => depth -= 1,
                        ',' if depth == 0 => begins = true,
                        c if begins && c.is_alphabetic() => {
                            rooms.extend(first_word(&list[at..]));
                            begins = false;
                        }
                        _ => {}
                    }
                }
            }
        }
    }
    rooms
}

fn first_word(text: &str) -> Option<String> {
    let end = text
        .find(|c: char| !c.is_alphanumeric() && c != '_')
        .unwrap_or(text.len());
    let word = &text[..end];
    // Types and macros of the crate's root are no rooms.
    word.starts_with(|c: char| c.is_ascii_lowercase())
        .then(|| word.to_owned())
}

#[test]
fn braces_and_plain_paths_are_read() {
    let code = "use crate::{a, b::{c, d}};\nuse crate::e::F; x = crate::g::h(); $crate::no";
    let used: Vec<_> = used_rooms(code).into_iter().collect();
    assert_eq!(used, ["a", "b", "e", "g"]);
}
