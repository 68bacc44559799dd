//! One module per command.

pub(crate) mod generate;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Says something to the person at the terminal; results go to stdout.
#[expect(clippy::print_stderr, reason = "this is the one door to the terminal")]
pub(crate) fn say(text: &str) {
    eprintln!("{text}");
}

/// A progress bar over `total` lines on stderr; invisible unless it is a terminal.
pub(crate) fn progress_bar(total: u64) -> ProgressBar {
    // indicatif hides a bar on stderr by itself when that is not a terminal.
    let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr());
    let style = "{elapsed_precise} {wide_bar} {human_pos}/{human_len} lines {per_sec} {msg}";
    if let Ok(style) = ProgressStyle::with_template(style) {
        bar.set_style(style);
    }
    bar
}
