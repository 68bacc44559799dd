//! Reports: words, days and people.

use super::*;
use crate::rules::{Every, ReportKind};

/// The sound book, with a report of these fields beside its id and name.
fn with_report(fields: &str) -> String {
    format!("{SOUND}reports:\n  - {{id: r, name: r, {fields}}}\n")
}

const TO: &str = "recipients: [{department: BSC, role: duty}]";

#[test]
fn a_report_has_its_day_and_its_readers() {
    let text = with_report(&format!(
        "kind: benchmark, period: weekly, at: '08:30', {TO}"
    ));
    let (book, problems) = parse(&[("t.yaml".to_owned(), text)]);
    assert_eq!(list(&problems), "");
    let rule = &book.unwrap().reports[0];
    assert_eq!(rule.kind, ReportKind::Benchmark);
    assert_eq!(
        rule.every,
        Every::Week(jiff::civil::Weekday::Monday),
        "unless given"
    );
    assert_eq!((rule.at_minute, rule.suggestions_min), (510, 15));
    assert_eq!(rule.recipients.len(), 1);
    check(
        &with_report(&format!(
            "kind: effects, period: monthly, day: 28, at: '08:30', {TO}"
        )),
        &[],
    );
}

#[test]
fn what_cannot_be_is_told_with_its_place() {
    let at = SOUND.lines().count() + 2;
    let cases = [
        (
            format!("kind: bulletn, period: daily, at: '08:30', {TO}"),
            "unknown word \"bulletn\", did you mean \"bulletin\"?".to_owned(),
        ),
        (
            format!("kind: bulletin, period: daily, at: '08:30', weekday: tue, {TO}"),
            "\"weekday\" is for a weekly report, leave \"weekday\" out".to_owned(),
        ),
        (
            format!("kind: effects, period: monthly, day: 31, at: '08:30', {TO}"),
            "not every month has a day 31, use 1 to 28, which every month has".to_owned(),
        ),
        (
            format!("kind: bulletin, period: daily, at: '08:30', suggestions_min: 3, {TO}"),
            "\"suggestions_min\" is for a benchmark, leave \"suggestions_min\" out".to_owned(),
        ),
        (
            "kind: bulletin, period: daily, at: '08:30', recipients: []".to_owned(),
            "nobody gets this report, name for example {department: DATA, role: lead}".to_owned(),
        ),
        (
            "kind: bulletin, period: daily, at: '08:30', recipients: [{department: BSC, role: dut}]"
                .to_owned(),
            "unknown role \"dut\", did you mean \"duty\"?".to_owned(),
        ),
        (
            format!("kind: benchmark, period: daily, at: '08:30', services: [sms_hal], {TO}"),
            "unknown service \"sms_hal\", did you mean \"sms_hall\"?".to_owned(),
        ),
        (
            format!("kind: benchmark, period: daily, at: '08:30', score_below: 7, {TO}"),
            "a score is 1 to 5, not 7".to_owned(),
        ),
    ];
    for (fields, want) in cases {
        let (book, problems) = parse(&[("t.yaml".to_owned(), with_report(&fields))]);
        assert!(book.is_none(), "{fields}");
        let words = list(&problems);
        assert!(
            words.starts_with(&format!("t.yaml:{at}:")) && words.contains(&want),
            "{fields}\n{words}"
        );
        assert_eq!(problems.len(), 1, "{words}");
    }
    let twice = with_report(&format!("kind: bulletin, period: daily, at: '08:30', {TO}"));
    let again = format!(
        "{twice}  - {{id: r, name: r, kind: bulletin, period: daily, at: '08:30', {TO}}}\n"
    );
    check(
        &again,
        &[&format!(
            "t.yaml:{}:10: report \"r\" exists already, at t.yaml:{at}",
            at + 1
        )],
    );
}
