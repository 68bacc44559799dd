use std::sync::Arc;

use super::*;
use crate::rules::Plan;
use crate::rules::testing::book;

const BOOK: &str = "
book: {name: test, version: '1', time_zone: Asia/Shanghai}
services:
  - id: sms_hall
    name: {zh: 短信营业厅, en: SMS hall}
    kqis:
      - {id: slow, name: 慢, layer: platform, stream: dial_test, aggregate: max, unit: s, group_by: [city],
         window: 5m, interval: {max: 30}, min_samples: 1, department: BSC,
         provenance: [{of: limit, kind: judgement, reference: test}]}
departments:
  - id: BSC
    name: {zh: 业务支撑中心, en: Business support centre}
    roles: [{id: duty, name: 值班, contacts: [{name: 值班, email: bsc@example.com}]}]
";

/// Two windows of 长沙: 31 s up to 10:05, 5 s up to 10:10.
fn case(expect: &str) -> String {
    format!(
        "cases:
  - name: slow, then fast
    start: 2026-03-02T10:00:00+08:00
    events:
      - {{at: 0s, every: 1m, times: 5, event: {{type: dial_test, service: sms_hall, city: 长沙, ok: true, latency_ms: 31000}}}}
      - {{at: 5m, every: 1m, times: 5, event: {{type: dial_test, service: sms_hall, city: 长沙, ok: true, latency_ms: 5000}}}}
    expect: {{{expect}}}
"
    )
}

fn outcome(cases: &str) -> Result<Vec<String>, Vec<String>> {
    let plan = Arc::new(Plan::new(Arc::new(book(BOOK)), None).unwrap());
    let files = [("t.yaml".to_owned(), cases.to_owned())];
    match parse_cases(&files, &plan.book) {
        Err(problems) => Err(problems.iter().map(ToString::to_string).collect()),
        Ok(cases) => Ok(cases
            .iter()
            .filter_map(|case| compare(&plan, case, &run(&plan, case).unwrap()))
            .map(|failure| failure.to_string())
            .collect()),
    }
}

/// The case holds, or fails with a text that contains every one of `want`.
#[track_caller]
fn check(expect: &str, want: &[&str]) {
    let failures = outcome(&case(expect)).unwrap().join("\n");
    assert_eq!(failures.is_empty(), want.is_empty(), "{failures}");
    for words in want {
        assert!(failures.contains(words), "{failures}");
    }
}

/// The file is refused, with exactly this.
#[track_caller]
fn refused(cases: &str, want: &str) {
    assert_eq!(outcome(cases), Err(vec![want.to_owned()]));
}

const FIRED: &str = "alerts: [{alert: slow, group: {city: 长沙}, state: firing, at: 5m}]";

#[test]
fn holds_when_everything_is_as_expected() {
    check(
        &format!(
            "{FIRED}, windows: [{{kqi: slow, group: {{city: 长沙}}, end: 5m, value: 31, verdict: abnormal_major, score: none, count: 5}}],
             no_windows: [{{kqi: slow, group: {{city: 永州}}}}, {{kqi: slow, end: 15m}}]"
        ),
        &[],
    );
    check("other_alerts: allowed", &[]);
}

#[test]
fn a_wrong_window_is_shown_beside_its_neighbours() {
    check(
        &format!(
            "{FIRED}, windows: [{{kqi: slow, group: {{city: 长沙}}, end: 10m, value: 31, within: 10%}}]"
        ),
        &[
            "FAIL t.yaml:2: slow, then fast\n",
            "  line 7: window of slow city=长沙, end 10m (02 10:10:00)\n    expected  value 31 ± 3.1\n    \
             came      value 5, score none, normal, count 5, samples 5\n    \
             beside    5m (02 10:05:00): value 31, score none, abnormal_major, count 5, samples 5",
        ],
    );
    check(
        &format!("{FIRED}, windows: [{{kqi: slow, group: {{city: 永州}}, end: 10m, value: 31}}]"),
        &["came      no such window\n    groups    city=长沙"],
    );
    check(
        &format!("{FIRED}, no_windows: [{{kqi: slow}}]"),
        &["line 7: no window of slow\n    came      city=长沙, end 5m (02 10:05:00): value 31"],
    );
}

#[test]
fn nothing_else_may_fire() {
    check(
        "windows: []",
        &[
            "alert that no line expects\n    came      slow city=长沙 firing at 5m (02 10:05:00), major, breach, value 31",
        ],
    );
    check(
        "alerts: [{alert: slow, group: {city: 长沙}, state: firing, at: 10m}]",
        &[
            "line 7: alert slow city=长沙\n    expected  firing, at 10m (02 10:10:00)\n    \
             came      slow city=长沙 firing at 5m",
            "alert that no line expects",
        ],
    );
    check(
        "other_alerts: allowed, alerts: [{alert: slow, group: {city: 永州}, state: firing}]",
        &["came      nothing of this alert and group"],
    );
}

#[test]
fn refused_lines_must_be_expected() {
    let cases = case("other_alerts: allowed").replace(
        "service: sms_hall, city: 长沙, ok: true, latency_ms: 5000",
        "service: nobody, ok: true",
    );
    let failures = outcome(&cases).unwrap().join("\n");
    assert!(
        failures.contains(
            "refused lines\n    expected  0\n    came      5\n      \
             t.yaml:6: service \"nobody\" is not in the rule book"
        ),
        "{failures}"
    );
    let expected = cases.replace("allowed", "allowed, refused: 5");
    assert_eq!(outcome(&expected), Ok(Vec::new()));
}

#[test]
fn slips_of_the_author_are_named_with_their_place() {
    refused(
        &case("windows: [{kqi: slo, group: {city: 长沙}, end: 5m}]"),
        "t.yaml:7:30: the rule book has no KQI \"slo\", did you mean \"slow\"?",
    );
    refused(
        &case("windows: [{kqi: slow, group: {town: 长沙}, end: 5m}]"),
        "t.yaml:7:44: slow is not grouped by \"town\"",
    );
    refused(
        &case("windows: [{kqi: slow, group: {}, end: 5m}]"),
        "t.yaml:7:43: slow is grouped by \"city\", which is missing",
    );
    refused(
        &case("windows: [{kqi: slow, group: {city: 长沙}, end: 6m}]"),
        "t.yaml:7:60: no window of slow ends then, they end every 5m",
    );
    refused(
        &case("windows: [{kqi: slow, group: {city: 长沙}, end: 5m, valeu: 3}]"),
        "t.yaml:7:64: unknown field \"valeu\", did you mean \"value\"?",
    );
    refused(
        &case("alerts: [{alert: fast, group: {city: 长沙}, state: firing}]"),
        "t.yaml:7:31: the rule book has no alert \"fast\"",
    );
    refused(
        &case("").replace("at: 5m, every: 1m", "at: 5m"),
        "t.yaml:6:9: a series needs \"every\", the distance of its events",
    );
    refused(
        &case("").replace("at: 5m, every", "at: five, every"),
        "t.yaml:6:14: \"five\" is not a time, write time since the start, for example 90s, or RFC 3339 with an offset",
    );
}

#[test]
fn texts_carry_the_number_in_the_series() {
    let cases = case("other_alerts: allowed").replace("city: 长沙", "city: \"c{n}\"");
    let expected = cases.replace(
        "allowed",
        "allowed, windows: [{kqi: slow, group: {city: c5}, end: 5m, count: 1}]",
    );
    assert_eq!(outcome(&expected), Ok(Vec::new()));
}
