//! Small rule books for the tests of other rooms.

use std::sync::Arc;

use crate::event::Stream;
use crate::rules::{Plan, RuleBook, StreamRule, parse};

/// Parses a book that must be without problems.
#[track_caller]
pub(crate) fn book(text: &str) -> RuleBook {
    let (book, problems) = parse(&[("test.yaml".to_owned(), text.to_owned())]);
    let words: Vec<String> = problems.iter().map(ToString::to_string).collect();
    book.unwrap_or_else(|| panic!("{}", words.join("\n")))
}

/// The plan of a book, in a fresh run.
#[track_caller]
pub(crate) fn plan(text: &str) -> Arc<Plan> {
    Arc::new(Plan::new(Arc::new(book(text)), None).unwrap())
}

/// A book without KQIs whose one stream has these times, in milliseconds.
pub(crate) fn book_with_stream(stream: Stream, lateness_ms: i64, idle_ms: i64) -> RuleBook {
    let mut book = book(MINIMAL);
    book.streams.insert(
        stream,
        StreamRule {
            allowed_lateness_ms: lateness_ms,
            idle_timeout_ms: idle_ms,
            retention_ms: 86_400_000,
            quiet_max_ms: 86_400_000,
            unheard_percent_max: 5,
            dimensions: Vec::new(),
            internal: true,
        },
    );
    book
}

/// The least that is a book.
pub(crate) const MINIMAL: &str = "
book: {name: test, version: '1', time_zone: Asia/Shanghai}
";
