//! A month of a small book: reports come when they are due, once, with the same bytes at any number of
//! workers and over any checkpoint.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use chrysalis::api::views::ReportView;
use chrysalis::engine::{Command, Effect, EngineLimits, JournaledCommand};
use chrysalis::notify::{Composer, MailConfig};
use chrysalis::reports::{Report, ReportNotice, ReportTold, Value, parquet};
use chrysalis::rules::{Language, parse};
use chrysalis::triggers::TriggerState;
use mail_parser::{MessageParser, MimeHeaders};
use serde_json::json;

use crate::generate::{Epoch, Handing, Journal};
use crate::run::{Bounds, Outcome, run, run_limited, run_restarting};

/// Monday 2 March 2026, 00:00 in Shanghai.
const MONDAY: i64 = 1_772_380_800_000;
const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
/// To the first of April, noon.
const HOURS: i64 = 30 * 24 + 12;
const CITIES: [&str; 3] = ["长沙", "衡阳", "永州"];

const BOOK: &str = "
book: {name: small, version: '1', time_zone: Asia/Shanghai}
departments:
  - id: NET
    name: {zh: 网络部, en: Network department}
    outlet: network
    roles: [{id: contact, name: {zh: 接口人, en: Contact}, contacts: [{name: 接口人, email: net@example.com, language: zh}]}]
  - id: BSC
    name: {zh: 业务支撑中心, en: Business support}
    outlet: support
    roles: [{id: contact, name: {zh: 接口人, en: Contact}, contacts: [{name: 支撑接口人, email: bsc@example.com, language: zh}]}]
  - id: DATA
    name: {zh: 数据部, en: Data department}
    roles:
      - id: coordinator
        name: {zh: 监督协调岗, en: Coordination}
        contacts: [{name: 协调岗, email: data@example.com, language: zh}, {name: Analyst, email: analyst@example.com, language: en}]
alert_policies:
  default: {for: 0s, keep_firing_for: 0s}
streams:
  dial_test: {allowed_lateness: 1m, idle_timeout: 2h, retention: 3d}
  complaint: {allowed_lateness: 1m, idle_timeout: 2h, retention: 40d}
knowledge:
  - id: slow_sms
    title: {zh: 短信厅回复慢, en: SMS hall answers slowly}
    service: sms_hall
    kqis: [sms_time]
    leaves: [回复慢]
    causes: [{zh: 接口被占用, en: An interface is held}]
    verify: [{zh: 查看接口连接, en: Look at the connections}]
    remedies:
      - {id: release, text: {zh: 释放被占用的接口连接, en: Release the connections that are held}}
      - {id: move, text: {zh: 把查询分流到其他主机, en: Move queries to other hosts}}
    complexity: 2
    owner: {department: BSC, role: contact}
    reference: made up
services:
  - id: sms_hall
    name: {zh: 短信营业厅, en: SMS hall}
    kqis:
      - {id: sms_time, name: {zh: 返回时延, en: Reply time}, layer: experience, stream: dial_test, aggregate: mean, group_by: [service, city], window: 1h, unit: s, anchors: [5, 10, 20, 30, 60], interval: {max: 20}, department: BSC, provenance: [{of: limit, kind: document, reference: made up}]}
      - {id: sms_ok, name: {zh: 返回成功率, en: Reply success}, layer: platform, stream: dial_test, good: ok, aggregate: ratio, group_by: [service, city], window: 1h, unit: percent, anchors: [99, 95, 90, 80, 60], interval: {min: 90}, department: BSC}
      - {id: sms_complaints, name: {zh: 短信厅投诉量, en: Complaints about the SMS hall}, layer: experience, stream: complaint, aggregate: count, group_by: [service, city], window: 1d, department: BSC}
  - id: web_hall
    name: {zh: 网上营业厅, en: Web hall}
    kqis:
      - {id: web_time, name: {zh: 页面时延, en: Page time}, layer: experience, stream: dial_test, aggregate: mean, group_by: [service, city], window: 1h, unit: s, anchors: [2, 4, 6, 10, 15], interval: {max: 6}, department: NET}
      - {id: web_ok, name: {zh: 页面成功率, en: Page success}, layer: platform, stream: dial_test, good: ok, aggregate: ratio, group_by: [service, city], window: 1h, unit: percent, anchors: [99, 95, 90, 80, 60], interval: {min: 90}, department: NET}
reports:
  - {id: daily, name: {zh: 每日通报, en: Daily bulletin}, kind: bulletin, period: daily, at: '08:00', recipients: [{department: DATA, role: coordinator}]}
  - {id: demands, name: {zh: 优化需求清单, en: List of demands}, kind: demand_list, period: weekly, weekday: mon, at: '08:30', recipients: [{department: DATA, role: coordinator}, {department: NET, role: contact}]}
  - {id: benchmark, name: {zh: 渠道对标周报, en: Weekly benchmark}, kind: benchmark, period: weekly, weekday: mon, at: '09:00', suggestions_min: 15, recipients: [{department: DATA, role: coordinator}]}
  - {id: effects, name: {zh: 优化效果月报, en: Effects of the month}, kind: effects, period: monthly, day: 1, at: '09:30', recipients: [{department: DATA, role: coordinator}]}
";

/// Probes and complaints of one hour. In Changsha the SMS hall is slow from the 5th, 10:00, to the 10th,
/// 10:00; in Hengyang pages fail from the 18th on, and Yongzhou's pages are never quick.
fn lines(hour: i64) -> Vec<String> {
    let from_ms = MONDAY + hour * HOUR;
    let mut lines = Vec::new();
    for (at, city) in CITIES.into_iter().enumerate() {
        for probe in 0..4 {
            let ts = from_ms + probe * 15 * MINUTE + at as i64;
            let wave = (hour * 7 + probe * 3 + at as i64) % 5;
            let is_slow = city == "长沙" && (3 * 24 + 10..8 * 24 + 10).contains(&hour);
            let sms_ms = if is_slow { 45_000 } else { 6_000 } + wave * 500;
            let fails = city == "衡阳" && hour >= 16 * 24 && probe == 1;
            let web_ms = if city == "永州" { 5_000 } else { 2_500 } + wave * 100;
            lines.push(json!({"type": "dial_test", "ts": ts, "id": format!("s{ts}"), "service": "sms_hall", "city": city, "ok": true, "latency_ms": sms_ms}).to_string());
            lines.push(json!({"type": "dial_test", "ts": ts, "id": format!("w{ts}"), "service": "web_hall", "city": city, "ok": !fails, "latency_ms": web_ms}).to_string());
        }
    }
    let is_slow = (3 * 24 + 10..8 * 24 + 10).contains(&hour);
    let path = "投诉/数据业务/自有业务/短信厅/查询/速度/回复慢";
    if hour % 24 == 12 || is_slow && hour % 3 == 0 {
        let ts = from_ms + 20 * MINUTE;
        lines.push(json!({"type": "complaint", "ts": ts, "serial": format!("C{hour}"), "state": "filed", "service": "sms_hall", "city": "长沙", "path": path}).to_string());
    }
    if hour % 24 == 15 {
        let ts = from_ms + 20 * MINUTE;
        lines.push(json!({"type": "complaint", "ts": ts, "serial": format!("E{hour}"), "state": "excluded", "service": "sms_hall", "city": "长沙", "path": path}).to_string());
    }
    lines
}

/// What the department does at the end of an hour.
fn commands(hour: i64) -> Vec<JournaledCommand> {
    let moves = match hour {
        h if h == 7 * 24 + 10 => vec![TriggerState::Accepted, TriggerState::InProgress],
        h if h == 8 * 24 + 10 => vec![TriggerState::Mended],
        _ => Vec::new(),
    };
    let command = |(at, to): (usize, TriggerState)| JournaledCommand {
        position: hour as u64 * 10 + at as u64,
        at_ms: MONDAY + (hour + 1) * HOUR,
        actor: "王工".to_owned(),
        command: Command::MoveTrigger {
            id: "T-000001".to_owned(),
            to,
            reason: Some("已释放".to_owned()),
            kind: None,
            review_at_ms: None,
            remedy: (to == TriggerState::Mended).then(|| "release".to_owned()),
        },
    };
    moves.into_iter().enumerate().map(command).collect()
}

fn journal_of(book: &str, hours: i64) -> Journal {
    let (book, problems) = parse(&[("small.yaml".to_owned(), book.to_owned())]);
    let book = book.unwrap_or_else(|| panic!("{problems:?}"));
    let mut book = Some(Arc::new(book));
    let epoch = |hour: i64| Epoch {
        now_ms: MONDAY + (hour + 1) * HOUR,
        book: book.take(),
        works: vec![(Handing::Lines, lines(hour))],
        commands: commands(hour),
        end: false,
    };
    Journal {
        epochs: (0..hours).map(epoch).collect(),
    }
}

fn told(outcome: &Outcome) -> Vec<&ReportTold> {
    let effects = outcome.effects.iter().flatten();
    let told = effects.filter_map(|effect| match effect {
        Effect::Report(told) => Some(told),
        _ => None,
    });
    told.collect()
}

/// Every report for every recipient, as the ledger keeps it.
fn notices(outcome: &Outcome) -> Vec<ReportNotice> {
    told(outcome)
        .into_iter()
        .flat_map(ReportTold::notices)
        .collect()
}

/// The mail as it goes on the wire.
fn mail(notice: &ReportNotice) -> Vec<u8> {
    let config = MailConfig {
        from: "Chrysalis <chrysalis@example.com>".to_owned(),
        ..MailConfig::default()
    };
    let composer = Composer::new(&config).unwrap();
    let entry = composer.entry_of_report(notice);
    let message = composer.compose_report(&entry.message_id, &entry.notice);
    message.unwrap().eml
}

/// Subject, text and files of a mail.
fn read(eml: &[u8]) -> String {
    let message = MessageParser::default().parse(eml).unwrap();
    let mut read = format!(
        "Subject: {}\n\n{}",
        message.subject().unwrap(),
        message.body_text(0).unwrap()
    );
    for file in message.attachments() {
        let name = file.attachment_name().unwrap();
        let text = String::from_utf8(file.contents().to_vec()).unwrap();
        assert!(text.starts_with('\u{feff}'), "{name}: for Excel");
        write!(
            read,
            "\n=== {name}\n{}",
            text.trim_start_matches('\u{feff}')
        )
        .unwrap();
    }
    read.replace("\r\n", "\n")
}

/// Each table as Parquet and as JSON, for `tests/reports/parquet.py`, which reads both with another program.
fn keep_files(folder: &Path, report: &Report) {
    let place = folder.join(&report.id).join(&report.period.key);
    std::fs::create_dir_all(&place).unwrap();
    let json = serde_json::to_vec(&ReportView::of(report)).unwrap();
    std::fs::write(place.join("report.json"), json).unwrap();
    for table in &report.tables {
        let bytes = parquet(table).unwrap();
        assert_eq!(bytes, parquet(table).unwrap(), "the same bytes");
        std::fs::write(place.join(format!("{}.parquet", table.key)), bytes).unwrap();
    }
}

/// Complaints filed from an instant to another, counted one by one.
fn filed(from_ms: i64, to_ms: i64) -> f64 {
    let all = (0..HOURS).flat_map(lines);
    let filed = all.filter(|line| {
        let event: serde_json::Value = serde_json::from_str(line).unwrap();
        let ts = event["ts"].as_i64().unwrap();
        event["state"] == "filed" && (from_ms..to_ms).contains(&ts)
    });
    filed.count() as f64
}

/// Local days begin at 16:00 UTC: windows that slide by the hour must add up to them, and a week to no day.
#[test]
fn the_bulletin_counts_the_complaints_of_exactly_its_day() {
    let day = "{id: sms_complaints, name: {zh: 短信厅投诉量, en: Complaints about the SMS hall}, layer: experience, stream: complaint, aggregate: count, group_by: [service, city], window: 1d, department: BSC}";
    let other = |id: &str, window: &str| {
        let other = day
            .replace("sms_complaints", id)
            .replace("短信厅投诉量", id);
        format!("\n      - {}", other.replace("window: 1d", window))
    };
    let book = [
        day.to_owned(),
        other("sliding", "window: {size: 1d, hop: 1h}"),
        other("hourly", "window: 1h"),
        other("weekly", "window: {size: 7d, hop: 1d}"),
    ];
    let book = BOOK.replace(day, &book.concat());
    let outcome = run(&journal_of(&book, 12 * 24), 2, |_, _, _, _| {});
    let daily = told(&outcome)
        .into_iter()
        .filter(|told| told.report.id == "daily");
    let (mut compared, mut unheard, mut partly) = (0, 0, 0);
    for told in daily {
        let Report {
            period,
            tables,
            remarks,
            ..
        } = &*told.report;
        // Said so: the stream was silent, and what came last waits for more.
        let is_partial = remarks.iter().any(|remark| remark.zh.contains("只完整到"));
        let table = tables.iter().find(|table| table.key == "complaints");
        let table = table.unwrap();
        let at = |key: &str| table.columns.iter().position(|of| of.key == key).unwrap();
        let number = |value: &Value| match value {
            Value::Number { value, .. } => Some(*value),
            Value::Empty => None,
            _ => panic!("{value:?}"),
        };
        // The first word came in the middle of the first day.
        let is_heard = period.before_ms > MONDAY;
        let is_said = remarks.iter().any(|of| of.zh.contains("没有收全"));
        assert_eq!(
            is_said,
            !is_heard && !table.rows.is_empty(),
            "{}",
            period.key
        );
        unheard += usize::from(is_said);
        // So it is for that day itself, whose numbers are of its second half.
        let is_whole = period.from_ms != MONDAY;
        let is_marked = remarks.iter().any(|of| of.zh.contains("没有收到"));
        assert_eq!(is_marked, !is_whole, "{}", period.key);
        partly += usize::from(is_marked && !table.rows.is_empty());
        let want = (
            Some(filed(period.from_ms, period.to_ms)),
            is_heard.then(|| filed(period.before_ms, period.from_ms)),
        );
        let mut names = Vec::new();
        for row in &table.rows {
            let Value::Text(name) = &row[at("name")] else {
                panic!("{row:?}");
            };
            let found = (number(&row[at("count")]), number(&row[at("before")]));
            let mark = match &row[at("unheard")] {
                Value::Text(mark) => Some(&*mark.en),
                Value::Empty => None,
                other => panic!("{other:?}"),
            };
            assert_eq!(mark, (!is_whole).then_some("13 h not heard"));
            assert!(is_whole || row[at("change")] == Value::Empty, "{row:?}");
            if is_partial {
                assert_eq!(name.zh, "hourly", "{}", period.key);
                assert!(found.0 <= want.0, "{found:?} of {want:?}");
            } else {
                assert_eq!(found, want, "{} of {}", name.zh, period.key);
                compared += 1;
            }
            names.push(&*name.zh);
        }
        if (want.0, want.1.unwrap_or(0.0)) != (Some(0.0), 0.0) && !is_partial {
            names.sort_unstable();
            assert_eq!(
                names,
                ["hourly", "sliding", "短信厅投诉量"],
                "{}",
                period.key
            );
        }
    }
    assert!(
        compared >= 12 && unheard > 0 && partly > 0,
        "{compared} {unheard} {partly}"
    );
}

#[test]
fn rows_beyond_the_bound_are_left_out_of_a_report_and_counted() {
    let journal = journal_of(BOOK, 8 * 24);
    let whole = run(&journal, 2, |_, _, _, _| {});
    let limits = Bounds {
        engine: EngineLimits {
            report_rows_max: 1,
            ..EngineLimits::default()
        },
        ..Bounds::default()
    };
    let few = run_limited(
        &journal,
        limits,
        &mut |_| 2,
        &mut |_| false,
        |_, _, _, _| {},
    );
    let (whole, cut) = (told(&whole), told(&few));
    assert_eq!(whole.len(), cut.len());
    let mut left_out = 0;
    for (whole, cut) in whole.into_iter().zip(cut) {
        assert_eq!(whole.report.figures, cut.report.figures);
        for (whole, cut) in whole.report.tables.iter().zip(&cut.report.tables) {
            assert_eq!(cut.rows.as_slice(), &whole.rows[..whole.rows.len().min(1)]);
            assert_eq!(
                cut.rows.len() as u64 + cut.left_out,
                whole.rows.len() as u64
            );
            left_out += cut.left_out;
        }
    }
    assert!(left_out > 0, "no table had more than a row");
    let mut bounds = few.snapshot.bounds.iter();
    let bound = bounds.find(|bound| bound.name == "limits.report_rows_max");
    assert_eq!(bound.unwrap().over_total, left_out);
}

#[test]
fn a_month_of_reports_reads_the_same_at_any_number_of_workers_and_over_checkpoints() {
    let journal = journal_of(BOOK, HOURS);
    let undisturbed = run(&journal, 1, |_, _, _, _| {});
    let want = notices(&undisturbed);
    for workers in [2, 4] {
        assert!(
            want == notices(&run(&journal, workers, |_, _, _, _| {})),
            "{workers} workers"
        );
    }
    // With a restart in each hour in which a report is due, and others: none is told twice.
    let mut restart = |hour: usize| hour % 24 == 6 || hour % 24 == 7 || hour % 24 == 8;
    let restarted = run_restarting(
        &journal,
        &mut |hour| 1 + hour % 3,
        &mut restart,
        |_, _, _, _| {},
    );
    assert!(want == notices(&restarted), "restarts");

    let mut issues: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let all = told(&undisturbed);
    for told in &all {
        let report = &told.report;
        issues
            .entry(&report.id)
            .or_default()
            .push(&report.period.key);
    }
    assert_eq!(issues["daily"].len(), 31);
    assert_eq!(issues["daily"][..2], ["2026-03-01", "2026-03-02"]);
    for weekly in ["demands", "benchmark"] {
        let weeks = [
            "2026-02-23",
            "2026-03-02",
            "2026-03-09",
            "2026-03-16",
            "2026-03-23",
        ];
        assert_eq!(issues[weekly], weeks, "{weekly}");
    }
    assert_eq!(issues["effects"], ["2026-03"]);
    let everyone: Vec<&str> = all[0].recipients.iter().map(|who| &*who.email).collect();
    assert_eq!(everyone, ["analyst@example.com", "data@example.com"]);
    let snapshot = &undisturbed.snapshot.reports;
    assert_eq!(snapshot.told_total["daily"], 31);
    assert_eq!(
        (snapshot.newest.len(), snapshot.skipped_total),
        (all.len(), 0)
    );

    // Golden bytes: one of each kind, in both languages.
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("reports");
    std::fs::create_dir_all(&folder).unwrap();
    for told in &all {
        keep_files(&folder, &told.report);
    }
    let golden = [
        ("daily", "2026-03-05"),
        ("demands", "2026-03-16"),
        ("benchmark", "2026-03-02"),
        ("effects", "2026-03"),
    ];
    for (id, period) in golden {
        let of_both = want
            .iter()
            .filter(|notice| notice.report.id == id && notice.report.period.key == period)
            .filter(|notice| notice.recipient.email != "net@example.com");
        for notice in of_both {
            let eml = mail(notice);
            assert_eq!(eml, mail(notice), "the same bytes");
            let language = match notice.recipient.language {
                Language::Zh => "zh",
                Language::En => "en",
            };
            std::fs::write(folder.join(format!("{id}.{language}.eml")), &eml).unwrap();
            insta::assert_snapshot!(format!("report_{id}_{language}"), read(&eml));
            if (id, language) == ("benchmark", "en") {
                let message = MessageParser::default().parse(&eml).unwrap();
                let html = message.body_html(0).unwrap().replace("\r\n", "\n");
                insta::assert_snapshot!("report_html", html);
            }
        }
    }
}
