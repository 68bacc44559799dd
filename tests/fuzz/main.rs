//! Inputs that nobody would write, made from a kept corpus by seed: no target may panic, hang, or take
//! what is not whole for whole. `FUZZ_SECONDS` says for how long each runs, `FUZZ_BASE` where its seeds
//! begin, `FUZZ_SEED` runs one case alone. A failure names its seed, its input and the command that
//! repeats it.
//!
//! `corpus/` holds what cases are made from; whatever made a target fail once belongs there.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "helpers of tests: a panic is how a test says that it cannot go on, and a print how it \
              says what it did"
)]

mod harness;
mod mutate;

mod targets {
    pub(crate) mod body;
    pub(crate) mod checkpoint;
    pub(crate) mod event;
    pub(crate) mod journal;
    pub(crate) mod mm7;
    pub(crate) mod rules;
}

#[test]
fn journal() {
    harness::run("journal", mutate::Kind::Binary, targets::journal::check);
}

#[test]
fn checkpoint() {
    harness::run(
        "checkpoint",
        mutate::Kind::Binary,
        targets::checkpoint::check,
    );
}

#[test]
fn event() {
    harness::run("event", mutate::Kind::Json, targets::event::check);
}

#[test]
fn mm7() {
    harness::run("mm7", mutate::Kind::Xml, targets::mm7::check);
}

#[test]
fn rules() {
    harness::run("rules", mutate::Kind::Yaml, targets::rules::check);
}

#[test]
fn body() {
    let mut target = targets::body::Target::new();
    harness::run("body", mutate::Kind::Binary, |case| target.check(case));
}

/// Writes the parts of the corpus that only a program can write.
#[test]
#[ignore = "makes files: run it after a change of a format, and keep the old ones"]
fn write_corpus() {
    targets::journal::write_corpus();
    targets::checkpoint::write_corpus();
    targets::body::write_corpus();
}
