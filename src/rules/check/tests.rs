//! One door for broken books: `check(text, expected problems)`, over a sound book and its variants.

mod kqis;
mod leaves;
mod listing;
mod places;
mod reports;
mod shipped;
mod sources;
mod team;
mod trees;

use super::*;
use crate::rules::ProblemSeverity;

fn list(problems: &[Problem]) -> String {
    let lines: Vec<String> = problems.iter().map(Problem::to_string).collect();
    lines.join("\n")
}

/// A sound book of everything; cases replace one line or add some.
const SOUND: &str = "\
book:
  name: hunan
  version: '1'
  time_zone: Asia/Shanghai
streams:
  dial_test: {retention: 26h}
anchor_sets:
  A95:
    values: [99, 97, 95, 92, 88]
    unit: percent
    provenance: [{of: b3, kind: standard, reference: MIIT}]
departments:
  - id: BSC
    name: {zh: 业务支撑中心, en: Business support}
    roles:
      - id: duty
        name: 值班
        contacts: [{name: 值班, email: bsc@example.com}]
alert_policies:
  default: {for: 5m}
mms:
  validity: 72h
services:
  - id: sms_hall
    name: 短信营业厅
    kqis:
      - id: busy
        name: 系统繁忙率
        layer: platform
        stream: dial_test
        filter: step == 'query'
        good: code != 'busy'
        aggregate: ratio
        group_by: [service, city]
        window: 5m
        anchors: A95
        department: BSC
";

/// The sound book with one piece of text replaced by another.
fn with(old: &str, new: &str) -> String {
    assert_eq!(
        SOUND.matches(old).count(),
        1,
        "{old:?} must stand once in the sound book"
    );
    SOUND.replace(old, new)
}

fn plus(more: &str) -> String {
    format!("{SOUND}{more}")
}

#[track_caller]
fn check(text: &str, want: &[&str]) {
    let (book, problems) = parse(&[("t.yaml".to_owned(), text.to_owned())]);
    let got: Vec<String> = problems.iter().map(Problem::to_string).collect();
    assert_eq!(got, want, "\n{}", list(&problems));
    let has_error = problems
        .iter()
        .any(|p| p.severity == ProblemSeverity::Error);
    assert_eq!(
        book.is_none(),
        has_error,
        "a book exactly when nothing is an error"
    );
}

#[test]
fn a_sound_book_is_sound() {
    check(SOUND, &[]);
}

#[test]
fn fields_and_their_types() {
    check(
        &with(
            "window: 5m",
            "window: 5m\n        treshold: 3\n        windw: 5m",
        ),
        &[
            "t.yaml:36:9: unknown field \"treshold\", write interval: {min: …, max: …}",
            "t.yaml:37:9: unknown field \"windw\", did you mean \"window\"?",
        ],
    );
    check(
        &with("window: 5m", "window: 300"),
        &["t.yaml:35:17: expected a length of time or a mapping (window), found the number 300"],
    );
    check(
        &with("window: 5m", "window: 5 min"),
        &["t.yaml:35:17: \"5 min\" is not a length of time, write for example 35s, 5m, 26h or 1d"],
    );
    check(
        &with("validity: 72h", "validity: 72"),
        &[
            "t.yaml:22:13: expected a length of time, found the number 72, add a unit, for example 72s",
        ],
    );
    check(
        &with("version: '1'", "version: 1.10"),
        &["t.yaml:3:12: expected text, found the number 1.1, put it in quotes"],
    );
    check(
        &with("version: '1'", "version:"),
        &["t.yaml:3:3: field \"version\" has no value"],
    );
    check(
        &with("version: '1'", "version: ''"),
        &["t.yaml:3:12: expected text, found an empty one"],
    );
    check(
        &with("  version: '1'\n", ""),
        &["t.yaml:2:3: missing field \"version\" of this book"],
    );
    check(
        &with("name: hunan", "name: hunan\n  name: gd"),
        &["t.yaml:3:3: \"name\" is given twice, first at t.yaml:2"],
    );
    check(
        &with("layer: platform", "layer: platfrom"),
        &["t.yaml:29:16: unknown word \"platfrom\", did you mean \"platform\"?"],
    );
    check(
        &with("id: busy", "id: 系统繁忙"),
        &[
            "t.yaml:27:13: \"系统繁忙\" is not a usable id, ids are up to 100 letters, digits, _, - and ., beginning with a letter",
        ],
    );
    check(
        &with("window: 5m", "window: 5m\n        min_samples: -1"),
        &["t.yaml:36:22: expected a whole number from 0, found -1"],
    );
    check(
        "[1, 2]",
        &["t.yaml:1:1: expected a mapping (rule book), found a list"],
    );
    check("", &["t.yaml:1:1: no section \"book\" in any file"]);
}

#[test]
fn references_resolve() {
    check(
        &with("department: BSC", "department: BCS"),
        &["t.yaml:37:21: unknown department \"BCS\", did you mean \"BSC\"?"],
    );
    check(
        &with("anchors: A95", "anchors: A59"),
        &["t.yaml:36:18: unknown anchor set \"A59\", did you mean \"A95\"?"],
    );
    check(
        &with("department: BSC", "department: BSC\n        alert: defualt"),
        &["t.yaml:38:16: unknown alert policy \"defualt\", did you mean \"default\"?"],
    );
    check(
        &plus("alerts: [{id: a, kqi: bussy}]"),
        &["t.yaml:38:23: unknown kqi \"bussy\", did you mean \"busy\"?"],
    );
    check(
        &plus("alerts: [{id: a, kqi: busy, policy: slow}]"),
        &["t.yaml:38:37: unknown alert policy \"slow\""],
    );
    check(
        &plus(
            "kqis:\n  - {id: k, name: k, service: sms_hal, layer: platform, stream: dial_test, aggregate: count, window: 5m, department: BSC}\n",
        ),
        &["t.yaml:39:31: unknown service \"sms_hal\", did you mean \"sms_hall\"?"],
    );
    check(
        &with(
            "layer: platform",
            "layer: platform\n        service: sms_hall",
        ),
        &["t.yaml:30:18: the service is given by the place of this kqi"],
    );
    check(
        &with("        department: BSC\n", ""),
        &["t.yaml:27:9: warning: kqi \"busy\" has no department, so nobody answers for it"],
    );
}

#[test]
fn ids_are_unique_within_their_kind() {
    check(
        &plus(
            "kqis:\n  - {id: busy, name: k, layer: platform, stream: dial_test, aggregate: count, window: 5m}\n",
        ),
        &["t.yaml:39:10: kqi \"busy\" exists already, at t.yaml:27"],
    );
    check(
        &plus("alerts: [{id: busy, kqi: busy}]"),
        &["t.yaml:38:15: alert \"busy\" exists already, at t.yaml:27"],
    );
    check(
        &with(
            "  default: {for: 5m}\n",
            "  default: {for: 5m}\n  default: {for: 1m}\n",
        ),
        &["t.yaml:21:3: \"default\" is given twice, first at t.yaml:20"],
    );
}

#[test]
fn sections_merge_over_files() {
    let file = |name: &str, text: &str| (name.to_owned(), text.to_owned());
    let second = "book: {name: two, version: '2', time_zone: UTC}\nservices:\n  - {id: sms_hall, name: 又一个}\n  - {id: crbt, name: 彩铃}\nalert_policies:\n  default: {for: 1m}\n";
    let (book, problems) = parse(&[
        file("a.yaml", SOUND),
        file("b.yaml", second),
        file("c.yaml", "# nothing\n"),
    ]);
    assert!(book.is_none());
    assert_eq!(
        list(&problems),
        "b.yaml:1:1: section \"book\" is given twice, first at a.yaml:2\n\
         b.yaml:3:10: service \"sms_hall\" exists already, at a.yaml:24\n\
         b.yaml:6:3: alert policy \"default\" exists already, at a.yaml:20"
    );
    let third = "services:\n  - {id: crbt, name: 彩铃}\n";
    let (book, problems) = parse(&[file("a.yaml", SOUND), file("b.yaml", third)]);
    assert_eq!(list(&problems), "");
    assert_eq!(book.unwrap().services.len(), 2);
}

#[test]
fn somebody_is_told() {
    check(
        &with(
            "contacts: [{name: 值班, email: bsc@example.com}]",
            "contacts: []",
        ),
        &["t.yaml:18:19: role \"duty\" has no contact, so nobody is told"],
    );
    let text = with(
        "    roles:\n      - id: duty\n        name: 值班\n        contacts: [{name: 值班, email: bsc@example.com}]\n",
        "    roles: []\n",
    );
    check(
        &text,
        &["t.yaml:15:12: department \"BSC\" has no role, so nobody is told"],
    );
    for bad in [
        "a@b",
        "@x.com",
        "a b@x.com",
        "a@@x.com",
        "a@-x.com",
        "a..b@x.com",
        "a@x.com\\nBcc: all@x.com",
    ] {
        let (_, problems) = parse(&[(
            "t.yaml".to_owned(),
            with("email: bsc@example.com", &format!("email: \"{bad}\"")),
        )]);
        assert!(
            list(&problems).ends_with("is not a mail address"),
            "{bad}: {}",
            list(&problems)
        );
    }
}

#[test]
fn receipts_are_read_one_way() {
    check(
        &with("validity: 72h", "statuses: {Retreived: [x]}"),
        &["t.yaml:22:14: unknown status \"Retreived\", did you mean \"Retrieved\"?"],
    );
    check(
        &with(
            "validity: 72h",
            "statuses: {Retrieved: [OK, expired], Rejected: [ok]}",
        ),
        &[
            "t.yaml:22:30: \"expired\" already means Expired, it cannot mean Retrieved too",
            "t.yaml:22:51: \"ok\" already means Retrieved, it cannot mean Rejected too",
        ],
    );
    check(
        &with("validity: 72h", "interim: [Forwarded, Differed]"),
        &["t.yaml:22:24: unknown status \"Differed\", did you mean \"Deferred\"?"],
    );
    check(
        &with(
            "validity: 72h",
            "editions: [{id: morning, deadline: '9:00'}]",
        ),
        &["t.yaml:22:38: \"9:00\" is not a time of day, write for example \"09:00\""],
    );
    check(
        &with(
            "validity: 72h",
            "causes: [{contains: 信号, cause: coverage}, {contains: 无信号, cause: user}]",
        ),
        &["t.yaml:22:45: warning: \"无信号\" is never reached: \"信号\" stands before it and wins"],
    );
}

#[test]
fn streams_are_sane() {
    check(
        &with("{retention: 26h}", "{retention: 10s}"),
        &[
            "t.yaml:6:26: a retention of 10s is shorter than the allowed lateness of 1m",
            "t.yaml:35:17: kqi \"busy\" looks back 5m, but stream dial_test is kept for 10s, give streams.dial_test.retention at least 1d",
        ],
    );
    check(
        &with("{retention: 26h}", "{unheard_percent_max: 101}"),
        &["t.yaml:6:36: of a window no more than 100 percent can go unheard, not 101"],
    );
    check(
        &with("{retention: 26h}", "{dimensions: [chanel]}"),
        &["t.yaml:6:28: unknown dimension of dial_test \"chanel\", did you mean \"channel\"?"],
    );
    check(
        &with("  dial_test: {retention", "  dial_tst: {retention"),
        &["t.yaml:6:3: unknown field \"dial_tst\", did you mean \"dial_test\"?"],
    );
    check(
        &with("{retention: 26h}", "{idle_timeout: 0s}"),
        &["t.yaml:6:29: an idle timeout of no length would call every source silent"],
    );
}

#[test]
fn files_that_cannot_be_read_are_problems_too() {
    let (book, problems) = load(Path::new("/no/such/book"));
    assert!(book.is_none());
    assert!(
        list(&problems).starts_with("/no/such/book: cannot be read: "),
        "{}",
        list(&problems)
    );
    let (book, problems) = parse(&[("big.yaml".to_owned(), " ".repeat(1 + (1 << 20)))]);
    assert!(book.is_none());
    assert!(
        list(&problems).contains("big.yaml: larger than 1048576 bytes"),
        "{}",
        list(&problems)
    );
    assert!(parse(&[]).0.is_none());
}

proptest::proptest! {
    /// Whatever stands in a file, the answer is a list and never a panic.
    #[test]
    fn any_text_is_answered(cut in 0..SOUND.len(), noise in "[-:\\[{\\]},&*!|>'\"%@`#a-z0-9 \n]{0,12}") {
        let cut = SOUND.floor_char_boundary(cut);
        let text = format!("{}{noise}{}", &SOUND[..cut], &SOUND[cut..]);
        let (book, problems) = parse(&[("t.yaml".to_owned(), text)]);
        let has_error = problems.iter().any(|p| p.severity == ProblemSeverity::Error);
        proptest::prop_assert_eq!(book.is_none(), has_error);
    }
}
