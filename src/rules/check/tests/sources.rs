//! Sources: each is given once, and its word goes before its stream's.

use super::*;
use crate::event::Stream;

const SOURCES: &str = "sources:\n  - {id: 第三方拨测, name: t, internal: false}\n  - {id: crm, name: c, internal: true}\n  - {id: p1, name: p}\n";

#[test]
fn a_source_is_as_it_is_registered_and_else_as_its_stream() {
    let (book, problems) = parse(&[("t.yaml".to_owned(), format!("{SOUND}{SOURCES}"))]);
    assert_eq!(list(&problems), "");
    let book = book.unwrap();
    for (stream, source, internal) in [
        (Stream::DialTest, Some("第三方拨测"), false),
        (Stream::DialTest, Some("p1"), true),
        (Stream::DialTest, Some("p2"), true),
        (Stream::DialTest, None, true),
        (Stream::Complaint, Some("crm"), true),
        (Stream::Complaint, Some("p1"), false),
        (Stream::Complaint, None, false),
    ] {
        let got = book.is_internal(stream, source);
        assert_eq!(got, internal, "{source:?} of {}", stream.name());
    }
}

#[test]
fn a_source_is_given_once_with_words_that_are_known() {
    check(
        &format!("{SOUND}{SOURCES}  - {{id: crm, name: d}}\n"),
        &["t.yaml:42:10: source \"crm\" exists already, at t.yaml:40"],
    );
    check(
        &format!("{SOUND}sources:\n  - {{id: crm, name: c, internl: true}}\n"),
        &["t.yaml:39:24: unknown field \"internl\", did you mean \"internal\"?"],
    );
    check(
        &format!("{SOUND}sources:\n  - {{id: crm, name: c, internal: perhaps}}\n"),
        &["t.yaml:39:34: expected true or false, found \"perhaps\""],
    );
}

#[test]
fn every_stream_can_be_grouped_and_filtered_by_whose_it_is() {
    let text = with("filter: step == 'query'", "filter: \"!internal\"")
        .replace("group_by: [service, city]", "group_by: [service, internal]");
    check(&(text + SOURCES), &[]);
    for stream in Stream::ALL {
        assert!(
            stream.derived_dimensions().contains(&"internal"),
            "{}",
            stream.name()
        );
    }
}
