//! Tidiness that no compiler holds: who uses whom, what is left lying about, what documents promise,
//! what we depend on. A failure names the file and what to do.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests: a panic is how a test says that it cannot go on"
)]

#[path = "tidy/documents.rs"]
mod documents;
#[path = "tidy/policy.rs"]
mod policy;
#[path = "tidy/rooms.rs"]
mod rooms;
#[path = "tidy/sources.rs"]
mod sources;
#[path = "tidy/text.rs"]
mod text;

#[track_caller]
fn none(problems: Vec<String>) {
    assert!(problems.is_empty(), "\n{}\n", problems.join("\n"));
}

#[test]
fn rooms_use_only_whom_they_may() {
    none(rooms::problems());
}

#[test]
fn files_are_short_and_finished() {
    none(text::problems());
}

#[test]
fn documents_name_what_exists() {
    none(documents::lost_paths());
}

#[test]
fn rule_books_and_scenarios_can_be_read() {
    none(documents::unreadable());
}

#[test]
fn dependencies_are_what_we_allow() {
    none(policy::problems());
}
