//! What one run lists: every problem, and none that only follows from another.

use super::*;

#[test]
fn all_problems_are_listed_in_reading_order() {
    let text = with("time_zone: Asia/Shanghai", "time_zone: Asia/Shangai")
        .replace("department: BSC", "department: BCS")
        .replace("stream: dial_test", "stream: dial_tests")
        .replace("bsc@example.com", "bsc at example.com");
    check(
        &text,
        &[
            "t.yaml:4:14: unknown time zone \"Asia/Shangai\", use an IANA name such as Asia/Shanghai",
            "t.yaml:18:38: \"bsc at example.com\" is not a mail address",
            "t.yaml:30:17: unknown word \"dial_tests\", did you mean \"dial_test\"?",
            "t.yaml:37:21: unknown department \"BCS\", did you mean \"BSC\"?",
        ],
    );
}

#[test]
fn what_is_wrong_in_form_is_judged_further() {
    let text = with("aggregate: ratio", "aggregate: 5")
        .replace("filter: step == 'query'", "filter: stp == 'query'")
        .replace("group_by: [service, city]", "group_by: [servce]")
        .replace("window: 5m", "window: 90s")
        .replace("department: BSC", "department: BCS\n        alert: defualt");
    check(
        &text,
        &[
            "t.yaml:31:17: unknown dimension \"stp\" of dial_test in \"stp == 'query'\", did you mean \"step\"?",
            "t.yaml:33:20: expected text, found the number 5, put it in quotes",
            "t.yaml:34:20: unknown dimension of dial_test \"servce\", did you mean \"service\"?",
            "t.yaml:35:17: window hop 90s is not a multiple of the pane 1m",
            "t.yaml:37:21: unknown department \"BCS\", did you mean \"BSC\"?",
            "t.yaml:38:16: unknown alert policy \"defualt\", did you mean \"default\"?",
        ],
    );
    // Of an unknown stream nothing is said about dimensions, but that a condition is none.
    check(
        &with("stream: dial_test", "stream: dial")
            .replace("step == 'query'", "step.map(x, x)")
            .replace("group_by: [service, city]", "group_by: [nothing]")
            .replace("anchors: A95", "anchors: [1, 2, 3, 2, 1]"),
        &[
            "t.yaml:30:17: unknown word \"dial\", use one of dial_test, mms_submit, mms_receipt, boss_call, boss_connection, complaint, gauge, boss_wait, boss_occupancy",
            "t.yaml:31:17: \"map\" walks over a list, and dimensions are single values: use in or ||",
            "t.yaml:36:18: anchors [1.0, 2.0, 3.0, 2.0, 1.0] turn at 3 and 2, they must rise or fall all the way from b5 to b1",
        ],
    );
}

#[test]
fn what_is_defined_again_is_judged_too() {
    check(
        &plus(
            "kqis:\n  - {id: busy, name: k, layer: platform, stream: dial_test, aggregate: maen, window: 5m, department: BCS}\n",
        ),
        &[
            "t.yaml:39:10: kqi \"busy\" exists already, at t.yaml:27",
            "t.yaml:39:72: unknown aggregate \"maen\", did you mean \"mean\"?",
            "t.yaml:39:102: unknown department \"BCS\", did you mean \"BSC\"?",
        ],
    );
    let again =
        "  - {id: BSC, name: b, roles: [{id: r, name: r, contacts: [{name: c, email: nobody}]}]}\n";
    check(
        &with("alert_policies:\n", &format!("{again}alert_policies:\n")),
        &[
            "t.yaml:19:10: department \"BSC\" exists already, at t.yaml:13",
            "t.yaml:19:77: \"nobody\" is not a mail address",
        ],
    );
}

#[test]
fn nothing_is_said_of_what_only_follows() {
    // A section by a wrong name, or of a wrong form: its things are not unknown.
    check(
        &with("\ndepartments:", "\ndepartmens:"),
        &["t.yaml:12:1: unknown field \"departmens\", did you mean \"departments\"?"],
    );
    check(
        &SOUND.replace("book:\n", "bok:\n"),
        &["t.yaml:1:1: unknown field \"bok\", did you mean \"book\"?"],
    );
    check(
        &with("  - id: BSC\n", "  - di: BSC\n"),
        &["t.yaml:13:5: unknown field \"di\", did you mean \"id\"?"],
    );
    check(
        &with(
            "time_zone: Asia/Shanghai",
            "time_zone: Asia/Shanghai\n  pane: ten",
        )
        .replace("window: 5m", "window: 90s"),
        &["t.yaml:5:9: \"ten\" is not a length of time, write for example 35s, 5m, 26h or 1d"],
    );
    check(
        &with("anchors: A95", "anchors: A59\n        alert: default"),
        &["t.yaml:36:18: unknown anchor set \"A59\", did you mean \"A95\"?"],
    );
    check(
        &with(
            "anchors: A95",
            "interval: {min: low}\n        alert: default",
        ),
        &["t.yaml:36:25: expected a number, found \"low\""],
    );
    check(
        &with("{retention: 26h}", "{retention: never}").replace("window: 5m", "window: 7d"),
        &["t.yaml:6:26: \"never\" is not a length of time, write for example 35s, 5m, 26h or 1d"],
    );
    check(
        &with("bsc@example.com", "7"),
        &["t.yaml:18:38: expected text, found the number 7, put it in quotes"],
    );
}

#[test]
fn an_unread_file_is_not_blamed_on_those_who_refer_to_it() {
    let broken = ("a.yaml".to_owned(), "anchor_sets: {A95: [\n".to_owned());
    let other = with("  A95:", "  B95:").replace("window: 5m", "window: 5");
    let (book, problems) = parse(&[broken, ("b.yaml".to_owned(), other)]);
    assert!(book.is_none());
    let got: Vec<String> = problems.iter().map(Problem::to_string).collect();
    assert_eq!(got.len(), 2, "{}", list(&problems));
    assert!(
        got[0].starts_with("a.yaml:1:20: not readable as YAML"),
        "{}",
        got[0]
    );
    assert!(
        got[1].starts_with("b.yaml:35:17: expected a length of time"),
        "{}",
        got[1]
    );
    // What is wrong with the others in itself is listed.
    let broken = ("a.yaml".to_owned(), "book: [\n".to_owned());
    let other = SOUND.replace(
        "book:\n  name: hunan\n  version: '1'\n  time_zone: Asia/Shanghai\n",
        "",
    );
    let other = other.replace("bsc@example.com", "nobody");
    let other = other.replace("window: 5m", "window: 90s");
    let (_, problems) = parse(&[broken, ("b.yaml".to_owned(), other)]);
    let got: Vec<String> = problems.iter().map(Problem::to_string).collect();
    assert_eq!(got.len(), 2, "{}", list(&problems));
    assert_eq!(got[1], "b.yaml:14:38: \"nobody\" is not a mail address");
}

#[test]
fn a_broken_file_puts_only_its_own_sections_in_doubt() {
    let broken = ("a.yaml".to_owned(), "streams:\n  - [\n".to_owned());
    let other = with("department: BSC", "department: BCS");
    let (_, problems) = parse(&[broken, ("b.yaml".to_owned(), other)]);
    let got: Vec<String> = problems.iter().map(Problem::to_string).collect();
    assert_eq!(got.len(), 2, "{}", list(&problems));
    assert!(got[1].contains("unknown department \"BCS\""), "{}", got[1]);
}

#[test]
fn a_misspelt_field_is_not_missing_as_well() {
    check(
        &with("aggregate: ratio", "agregate: ratio"),
        &["t.yaml:33:9: unknown field \"agregate\", did you mean \"aggregate\"?"],
    );
}
