//! One module per command.

pub(crate) mod convert;
pub(crate) mod departments;
pub(crate) mod generate;
pub(crate) mod replay;
pub(crate) mod run;
mod sending;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Says something to the person at the terminal; results go to stdout.
#[expect(clippy::print_stderr, reason = "this is the one door to the terminal")]
pub(crate) fn say(text: &str) {
    eprintln!("{text}");
}

/// Prints a result to stdout.
#[expect(clippy::print_stdout, reason = "results of a command belong on stdout")]
fn print(text: &str) {
    print!("{text}");
}

/// The wall clock, milliseconds since the epoch; it names runs and may begin
/// them, and decides nothing else.
#[expect(clippy::disallowed_methods, reason = "the load tester's own clock")]
fn now_ms() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

/// A progress bar over `total` lines (0 when unknown) on stderr; invisible unless
/// that is a terminal.
pub(crate) fn progress_bar(total: u64) -> ProgressBar {
    // indicatif hides a bar on stderr by itself when that is not a terminal.
    let bar =
        ProgressBar::with_draw_target((total > 0).then_some(total), ProgressDrawTarget::stderr());
    let style = if total > 0 {
        "{elapsed_precise} {wide_bar} {human_pos}/{human_len} lines {per_sec} {msg}"
    } else {
        "{elapsed_precise} {spinner} {human_pos} lines {per_sec} {msg}"
    };
    if let Ok(style) = ProgressStyle::with_template(style) {
        bar.set_style(style);
    }
    bar
}
