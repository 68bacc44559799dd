//! Event lines: every line is taken or refused with a reason, and the fast parser, the plain one and the
//! short way for the commonest type take the same lines for the same events.

use std::sync::{Arc, LazyLock};

use chrysalis::event::{DecodeLimits, Decoded, Decoder, Layout, Parser, RefusalReason};
use chrysalis::rules::{Plan, parse};

use crate::harness::Case;

/// A book whose layout has something of everything.
const BOOK: &str = include_str!("../event.yaml");

static LAYOUT: LazyLock<Arc<Layout>> = LazyLock::new(|| {
    let (book, problems) = parse(&[("event.yaml".to_owned(), BOOK.to_owned())]);
    let book = book.unwrap_or_else(|| panic!("{problems:?}"));
    Arc::clone(&Plan::new(Arc::new(book), None).unwrap().layout)
});

pub(crate) fn check(case: &mut Case<'_>) -> Result<(), String> {
    for line in case.input.split(|byte| *byte == b'\n') {
        let fast = decode(line, Parser::Fast);
        let plain = decode(line, Parser::Plain);
        // Through their words: a fact without a value holds a NaN, which equals nothing.
        let (told, plain_told) = (format!("{fast:?}"), format!("{plain:?}"));
        // The fast parser passes over values that nobody reads without a close look, so it may take what
        // is no JSON there. What is JSON, both must read the same.
        let is_json = |decoded: &Decoded| {
            let mut refused = decoded.refused.iter();
            refused.all(|refusal| refusal.class != RefusalReason::Syntax)
        };
        if told != plain_told && is_json(&plain) {
            return Err(format!(
                "the parsers differ on {:?}:\nfast:  {told}\nplain: {plain_told}",
                String::from_utf8_lossy(line)
            ));
        }
        // With a blank in front it is not recognized by its beginning.
        let mut shifted = vec![b' '];
        shifted.extend_from_slice(line);
        let shifted = decode(&shifted, Parser::Fast);
        let same = format!("{:?}", fast.batch) == format!("{:?}", shifted.batch)
            && classes(&fast) == classes(&shifted)
            && fast.unknown_fields == shifted.unknown_fields;
        if !same {
            return Err(format!(
                "a blank in front of {:?} makes it another:\n{told}\n{shifted:?}",
                String::from_utf8_lossy(line)
            ));
        }
    }
    // All together: one line spoils no other.
    let all = decode(&case.input, Parser::Fast);
    let lines = case.input.split(|byte| *byte == b'\n');
    let events = lines.map(|line| decode(line, Parser::Fast).batch.events);
    let alone: u64 = events.sum();
    if all.batch.events == alone {
        Ok(())
    } else {
        Err(format!(
            "{} events together, {alone} alone",
            all.batch.events
        ))
    }
}

fn decode(input: &[u8], parser: Parser) -> Decoded {
    let limits = DecodeLimits {
        ts_ms_max: Some(1_800_000_000_000),
        ..DecodeLimits::default()
    };
    let decoder = Decoder::new(Arc::clone(&LAYOUT), limits);
    decoder.parsing(parser).decode(input)
}

/// Lines and classes; which of two faults of a line is met first does not matter.
fn classes(decoded: &Decoded) -> Vec<(u64, RefusalReason)> {
    let refusals = decoded.refused.iter().chain(&decoded.doubtful);
    let class = |class| match class {
        RefusalReason::Syntax => RefusalReason::BadValue,
        other => other,
    };
    refusals
        .map(|refusal| (refusal.line, class(refusal.class)))
        .collect()
}
