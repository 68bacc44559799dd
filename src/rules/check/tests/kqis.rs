//! KQIs and alerts: one wrong thing at a time.

use super::*;
use crate::rules::{Aggregate, Severity};

#[test]
fn windows_fit_panes_and_hops() {
    check(
        &with("window: 5m", "window: 90s"),
        &["t.yaml:35:17: window hop 90s is not a multiple of the pane 1m"],
    );
    check(
        &with("window: 5m", "window: {size: 5m, hop: 2m}"),
        &["t.yaml:35:17: window size 5m is not a multiple of its hop 2m"],
    );
    check(
        &with("window: 5m", "window: 0s"),
        &["t.yaml:35:17: a window of no length"],
    );
    check(
        &with("window: 5m", "window: {size: 5m}"),
        &["t.yaml:35:17: missing field \"hop\" of this window"],
    );
    check(
        &with("version: '1'", "version: '1'\n  pane: 7m"),
        &[
            "t.yaml:4:9: a pane of 7m does not divide a day",
            "t.yaml:36:17: window hop 5m is not a multiple of the pane 7m",
        ],
    );
    check(
        &with("window: 5m", "window: 2d"),
        &[
            "t.yaml:35:17: kqi \"busy\" looks back 2d, but stream dial_test is kept for 26h, give streams.dial_test.retention at least 3d",
        ],
    );
}

#[test]
fn days_begin_at_local_midnight() {
    let offset = |zone: &str, window: &str| {
        let text = with("time_zone: Asia/Shanghai", &format!("time_zone: {zone}"))
            .replace("retention: 26h", "retention: 60d")
            .replace("window: 5m", &format!("window: {window}"));
        let (book, problems) = parse(&[("t.yaml".to_owned(), text)]);
        (
            book.unwrap().kqis[0].window.offset_ms / 60_000,
            list(&problems),
        )
    };
    let none = String::new();
    assert_eq!(offset("Asia/Shanghai", "1d"), (16 * 60, none.clone()));
    assert_eq!(
        offset("Asia/Shanghai", "{size: 1d, hop: 1h}"),
        (0, none.clone())
    );
    assert_eq!(offset("Asia/Shanghai", "1h"), (0, none.clone()));
    // Monday 1970-01-05 00:00 in Shanghai.
    assert_eq!(
        offset("Asia/Shanghai", "1w"),
        (3 * 1440 + 16 * 60, none.clone())
    );
    assert_eq!(offset("Asia/Kathmandu", "1d"), (18 * 60 + 15, none.clone()));
    assert_eq!(offset("America/Sao_Paulo", "1d"), (3 * 60, none));
    assert_eq!(
        offset("Europe/Berlin", "1d"),
        (23 * 60, "t.yaml:35:17: warning: \"Europe/Berlin\" has daylight saving, so days begin an hour off in summer, windows have one length and use the zone's standard time".to_owned())
    );
    // Summer is in January there.
    assert_eq!(offset("Australia/Sydney", "1d").0, 14 * 60);
}

#[test]
fn conditions_compile_and_know_their_dimensions() {
    check(
        &with("step == 'query'", "step = 'query'"),
        &[
            "t.yaml:31:17: expression \"step = 'query'\" does not parse: ERROR: <input>:1:6: Syntax error: token recognition error at: '= '",
        ],
    );
    check(
        &with("step == 'query'", "setp == 'query' && host == 'a'"),
        &[
            "t.yaml:31:17: unknown dimension \"host\" of dial_test in \"setp == 'query' && host == 'a'\"",
            "t.yaml:31:17: unknown dimension \"setp\" of dial_test in \"setp == 'query' && host == 'a'\", did you mean \"step\"?",
        ],
    );
    check(
        &with("step == 'query'", "step"),
        &[
            "t.yaml:31:17: warning: condition has no truth on an ordinary fact: \"step\" gives String(\"x\"), not true or false, such facts count as false",
        ],
    );
    check(
        &with("[service, city]", "[service, cty]"),
        &["t.yaml:34:29: unknown dimension of dial_test \"cty\", did you mean \"city\"?"],
    );
    let deep = format!("{}ok{}", "(".repeat(200), ")".repeat(200));
    check(
        &with("step == 'query'", &deep),
        &["t.yaml:31:17: an expression nested more than 32 deep"],
    );
    let long = format!("\"{}ok\"", "ok && ".repeat(1000));
    check(
        &with("step == 'query'", &long),
        &["t.yaml:31:17: an expression of 6002 characters, the most is 4000"],
    );
}

#[test]
fn conditions_do_not_walk_over_lists() {
    let walk = "\"['q', 'r'].exists (p, step.startsWith(p))\"";
    check(
        &with("step == 'query'", walk),
        &[
            "t.yaml:31:17: \"exists\" walks over a list, and dimensions are single values: use in or ||",
        ],
    );
}

#[test]
fn the_longest_and_deepest_expressions_allowed_do_no_harm() {
    let chain = |term: &str| [term].repeat(3_900 / (term.len() + 4)).join(" && ");
    let nested = format!("{}ok{}", "(".repeat(32), ")".repeat(32));
    let sums = format!("1{} > 0", " + 1".repeat(900));
    let steps = format!("city{} == ''", ".size".repeat(700));
    let comparisons = format!("1{}", " == 1".repeat(700));
    for expression in [
        chain("ok"),
        chain(&nested),
        chain("!!!!ok"),
        sums,
        steps,
        comparisons,
    ] {
        let text = with("step == 'query'", &format!("\"{expression}\""));
        // Sound or not does not matter here; that an answer comes does.
        let _ = parse(&[("t.yaml".to_owned(), text)]);
    }
}

/// The sound book's KQI with other measure lines.
fn measure(stream: &str, lines: &str) -> String {
    with("stream: dial_test", &format!("stream: {stream}"))
        .replace("        filter: step == 'query'\n        good: code != 'busy'\n        aggregate: ratio\n", lines)
        .replace("[service, city]", "[]")
        .replace("        anchors: A95\n", "")
}

#[test]
fn aggregates_have_what_they_need() {
    check(
        &measure("dial_test", "        aggregate: ratio\n"),
        &["t.yaml:31:20: aggregate \"ratio\" needs \"good\", \"counted\" or \"good_within\""],
    );
    check(
        &measure("complaint", "        aggregate: mean\n"),
        &["t.yaml:31:20: aggregate \"mean\" needs a measured value, and complaint facts have none"],
    );
    check(
        &measure("dial_test", "        aggregate: p95\n        good: ok\n"),
        &[
            "t.yaml:32:15: \"good\" has no meaning for a measured value, use filter to choose the facts",
        ],
    );
    check(
        &measure("complaint", "        aggregate: latest\n"),
        &[
            "t.yaml:31:20: aggregate \"latest\" needs a measured value, and complaint facts have none",
        ],
    );
    check(
        &measure("dial_test", "        aggregate: p100\n"),
        &[
            "t.yaml:31:20: unknown aggregate \"p100\", use p50 to p99.9 or one of count, ratio, sum, mean, min, max, dispersion, latest, rate_per_10k, change, surge",
        ],
    );
    check(
        &measure("dial_test", "        aggregate: men\n"),
        &["t.yaml:31:20: unknown aggregate \"men\", did you mean \"mean\"?"],
    );
    check(
        &measure("complaint", "        aggregate: rate_per_10k\n"),
        &["t.yaml:31:20: aggregate \"rate_per_10k\" needs \"base\""],
    );
    check(
        &measure("complaint", "        aggregate: change\n"),
        &["t.yaml:31:20: aggregate \"change\" needs \"against\""],
    );
    check(
        &measure(
            "complaint",
            "        aggregate: change\n        against: 7m\n",
        ),
        &["t.yaml:32:18: no window begins 7m earlier: that is not a multiple of the hop 5m"],
    );
    check(
        &measure(
            "complaint",
            "        aggregate: change\n        against: 1w\n",
        ),
        &[
            "t.yaml:34:17: kqi \"busy\" looks back 1w5m, but stream complaint is kept for 26h, give streams.complaint.retention at least 8d",
        ],
    );
    check(
        &measure("dial_test", "        aggregate: count\n        base: x\n"),
        &["t.yaml:32:15: aggregate \"count\" takes no \"base\""],
    );
    check(
        &measure(
            "dial_test",
            "        aggregate: ratio\n        good: ok\n        counted: ok\n",
        ),
        &["t.yaml:33:18: \"good\" and \"counted\" are two words for one condition, give one"],
    );
    check(
        &measure("gauge", "        aggregate: mean\n"),
        &["t.yaml:27:9: a kqi over gauges needs \"unit\""],
    );
    check(
        &measure(
            "gauge",
            "        aggregate: ratio\n        good_within: 30s\n",
        ),
        &["t.yaml:32:22: a gauge is compared with a number, not a length of time"],
    );
    check(
        &measure(
            "dial_test",
            "        aggregate: ratio\n        good_within: 30\n",
        ),
        &[
            "t.yaml:32:22: latency_ms is compared with a length of time, not 30, add a unit, for example 30s",
        ],
    );
    let (book, problems) = parse(&[(
        "t.yaml".to_owned(),
        measure(
            "dial_test",
            "        aggregate: ratio\n        good_within: 30s\n",
        ),
    )]);
    assert_eq!(list(&problems), "");
    assert_eq!(book.unwrap().kqis[0].good_within, Some(30_000.0));
}

#[test]
fn a_timeout_is_of_a_time_that_may_not_come() {
    let of = |stream: &str, lines: &str| {
        let text = measure(stream, lines);
        let (book, problems) = parse(&[("t.yaml".to_owned(), text)]);
        (book, list(&problems))
    };
    let sourced = "        aggregate: p95\n        timeout: 90s\n        provenance: [{of: timeout, kind: judgement, reference: t}]\n";
    let (book, problems) = of("dial_test", sourced);
    assert_eq!(problems, "");
    let kqi = &book.unwrap().kqis[0];
    assert_eq!(kqi.timeout, Some(90_000.0));
    assert_eq!(kqi.good.as_ref().unwrap().source(), "ok == true");
    let failures = "        aggregate: ratio\n        counted: '!ok'\n        timeout: 90s\n        provenance: [{of: timeout, kind: judgement, reference: t}]\n";
    let (book, problems) = of("dial_test", failures);
    assert_eq!(problems, "");
    let kqi = &book.unwrap().kqis[0];
    assert_eq!(kqi.counted_after(), Some(90_000.0));
    assert_eq!(kqi.good.as_ref().unwrap().source(), "!ok");
    for (stream, lines, words) in [
        (
            "dial_test",
            "        aggregate: ratio\n        counted: '!ok'\n        good_within: 90s\n",
            "would leave out what took longer",
        ),
        (
            "dial_test",
            "        aggregate: p95\n        timeout: 90s\n",
            "does not say where its timeout comes from",
        ),
        (
            "dial_test",
            "        aggregate: ratio\n        good: ok\n        timeout: 90s\n",
            "a timeout is of a mean, a max or a quantile",
        ),
        (
            "boss_wait",
            "        aggregate: mean\n        timeout: 90s\n",
            "have no success to wait for",
        ),
        (
            "dial_test",
            "        aggregate: mean\n        timeout: 0s\n",
            "a timeout of no length",
        ),
        (
            "boss_occupancy",
            "        aggregate: p95\n        unit: percent\n",
            "weighted by time",
        ),
    ] {
        let (_, problems) = of(stream, lines);
        assert!(problems.contains(words), "{problems}");
    }
}

#[test]
fn surges_have_weeks_to_look_back_on() {
    let surge = |options: &str, window: &str| {
        measure("dial_test", &format!("        aggregate: surge\n{options}"))
            .replace("window: 5m", window)
    };
    let (book, problems) = parse(&[(
        "t.yaml".to_owned(),
        surge(
            "        weeks: 7\n        interval: {max: 4}\n",
            "window: 1h",
        ),
    )]);
    assert_eq!(list(&problems), "");
    let kqi = &book.unwrap().kqis[0];
    let half = Aggregate::Surge {
        weeks: 7,
        min_weeks: 4,
    };
    assert_eq!((&kqi.aggregate, kqi.unit.text()), (&half, "σ"));
    let told = |options: &str, window: &str| {
        let (_, problems) = parse(&[("t.yaml".to_owned(), surge(options, window))]);
        list(&problems)
    };
    for (options, window, words) in [
        ("", "window: 1h", "aggregate \"surge\" needs \"weeks\""),
        (
            "        weeks: 14\n",
            "window: 1h",
            "a baseline is of 1 to 13 weeks, not 14",
        ),
        (
            "        weeks: 2\n        min_weeks: 3\n",
            "window: 1h",
            "of 2 weeks 3 cannot be known: give 1 to 2",
        ),
        (
            "        weeks: 2\n",
            "window: 5m",
            "too fine for that, give a hop of at least 15m",
        ),
        (
            "        weeks: 2\n",
            "window: 5h",
            "no window begins a week earlier: 7d is not a multiple of the hop 5h",
        ),
        (
            "        weeks: 2\n",
            "window: {size: 8d, hop: 1d}",
            "a window of 8d overlaps the same window of the week before",
        ),
        (
            "        weeks: 2\n        unit: percent\n",
            "window: 1h",
            "its values are in \"σ\"",
        ),
    ] {
        let told = told(options, window);
        assert!(told.contains(words), "{words:?} is not in {told:?}");
    }
}

#[test]
fn quantiles_are_exact() {
    for (word, want) in [("p50", 0.5), ("p95", 0.95), ("p99.9", 0.999)] {
        let text = measure("dial_test", &format!("        aggregate: {word}\n"));
        let (book, problems) = parse(&[("t.yaml".to_owned(), text)]);
        assert_eq!(list(&problems), "");
        assert_eq!(book.unwrap().kqis[0].aggregate, Aggregate::Quantile(want));
    }
}

#[test]
fn scales_and_units() {
    check(
        &with("[99, 97, 95, 92, 88]", "[99, 97, 97, 92, 88]"),
        &[
            "t.yaml:9:13: anchors [99.0, 97.0, 97.0, 92.0, 88.0] turn at 97 and 97, they must rise or fall all the way from b5 to b1",
        ],
    );
    check(
        &with("[99, 97, 95, 92, 88]", "[4, 3, 2, 1]"),
        &["t.yaml:9:13: expected 5 numbers, found 4"],
    );
    check(
        &with("unit: percent", "unit: percent\n    scale: log").replace("92, 88]", "92, 0]"),
        &["t.yaml:9:13: anchor 0 is not positive, as a log scale needs"],
    );
    check(
        &with("window: 5m", "window: 5m\n        unit: ratio"),
        &["t.yaml:36:15: unit \"ratio\" is not that of the anchor set, \"percent\""],
    );
    check(
        &with("unit: percent", "unit: ms"),
        &["t.yaml:36:18: \"ms\" cannot be the unit of this kqi, its values are in \"ratio\""],
    );
    check(
        &with("unit: percent", "unit: precent"),
        &["t.yaml:36:18: \"precent\" cannot be the unit of this kqi, did you mean \"percent\"?"],
    );
    check(
        &with("anchors: A95", "anchors: [99, 97, 95, 92, 88]"),
        &[
            "t.yaml:36:18: warning: kqi \"busy\" does not say where its anchors come from, add provenance of: anchors",
            "t.yaml:36:18: warning: anchor 99 is more than a ratio can be, did you mean unit: percent?",
        ],
    );
    check(
        &with("anchors: A95", "anchors: A95\n        scale: log"),
        &["t.yaml:37:16: the scale is part of anchor set \"A95\""],
    );
    check(
        &with("anchors: A95", "interval: {}"),
        &["t.yaml:36:19: an interval without \"min\" and \"max\""],
    );
    check(
        &with("anchors: A95", "interval: {min: 2, max: 1}"),
        &["t.yaml:36:19: nothing lies between 2 and 1"],
    );
    check(
        &with("        anchors: A95\n", "        alert: default\n"),
        &[
            "t.yaml:36:16: kqi \"busy\" has neither anchors nor an interval, so it is never abnormal",
        ],
    );
    check(
        &with(
            "    provenance: [{of: b3, kind: standard, reference: MIIT}]\n",
            "",
        ),
        &[
            "t.yaml:8:3: warning: anchor set \"A95\" does not say where its numbers come from, add provenance",
            "t.yaml:35:18: warning: kqi \"busy\" does not say where its anchors come from, add provenance of: anchors",
        ],
    );
}

#[test]
fn alerts_start_from_a_policy() {
    let text =
        plus("alerts: [{id: slow, kqi: busy, for: 1m, severity: critical, missing: resolve}]");
    let (book, problems) = parse(&[("t.yaml".to_owned(), text)]);
    assert_eq!(list(&problems), "");
    let alerts = book.unwrap().alerts;
    let shown: Vec<_> = alerts
        .iter()
        .map(|a| (a.id.as_str(), a.for_ms, a.severity))
        .collect();
    assert_eq!(
        shown,
        [
            ("busy", 300_000, None),
            ("slow", 60_000, Some(Severity::Critical))
        ]
    );
    let (book, _) = parse(&[(
        "t.yaml".to_owned(),
        with("anchors: A95", "anchors: A95\n        alert: none"),
    )]);
    assert_eq!(book.unwrap().alerts, []);
    check(
        &with("default: {for: 5m}", "none: {for: 5m}"),
        &["t.yaml:20:3: \"none\" means no alert and cannot be a policy"],
    );
}
