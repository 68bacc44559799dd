//! Converters on real data: an excerpt that is always here, and the whole data
//! sets where they are.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use loadgen::convert::{
    ConvertError, Converted, Of, TelemetryAs, complaints, mbuni, smpp, telemetry,
};
use loadgen::open_text;
use serde_json::Value;

const EXCERPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data");

/// The real data, wherever above this checkout it is; its absence is no failure.
fn real(part: &str) -> Option<PathBuf> {
    let above = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    above
        .map(|folder| folder.join("shared/data").join(part))
        .find(|path| path.exists())
}

fn events(output: &[u8]) -> Vec<Value> {
    std::str::from_utf8(output)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn convert_complaints(path: &str) -> (Converted, Vec<Value>) {
    let mut output = Vec::new();
    let converted = complaints(path, open_text(path).unwrap(), &mut output).unwrap();
    (converted, events(&output))
}

fn check_complaints(path: &str) -> (Converted, Vec<Value>) {
    let (converted, events) = convert_complaints(path);
    assert_eq!(converted.events as usize, events.len());
    assert!(events.is_sorted_by_key(|event| event["ts"].as_i64()));
    let mut filed: HashMap<&str, u64> = HashMap::new();
    for event in &events {
        assert_eq!(event["type"], "complaint");
        assert!(
            event
                .get("city")
                .is_none_or(|city| !city.as_str().unwrap().is_empty())
        );
        match event["state"].as_str().unwrap() {
            "filed" => *filed.entry(event["serial"].as_str().unwrap()).or_default() += 1,
            "closed" => assert!(
                filed.contains_key(event["serial"].as_str().unwrap()),
                "closed before filed: {event}"
            ),
            other => panic!("{other}"),
        }
    }
    assert_eq!(
        filed.values().sum::<u64>(),
        converted.rows - converted.skipped
    );
    (converted, events)
}

#[test]
fn complaint_records_become_tickets() {
    let (converted, events) = check_complaints(&format!("{EXCERPTS}/complaints.csv"));
    assert!(converted.rows >= 50 && converted.events > converted.rows);
    assert!(
        events.iter().any(|event| event.get("city").is_none()),
        "an empty borough leaves the city out"
    );
    assert!(events.iter().any(|event| event["path"] == "(no type)"));
    // 2015-01-01 00:00 in the operator's zone.
    assert_eq!(events[0]["ts"], 1_420_041_600_000_i64);
}

#[test]
fn all_complaint_records_become_tickets() {
    if let Some(path) = real("complaints/constituent-complaints-2015-2019.csv.gz") {
        let (converted, _) = check_complaints(path.to_str().unwrap());
        assert_eq!(
            converted,
            Converted {
                rows: 233_331,
                events: 464_656,
                skipped: 0,
                ..Converted::default()
            }
        );
    }
}

#[test]
fn telemetry_becomes_gauges_and_latencies_dial_tests() {
    let convert = |file: &str, kind| {
        let path = format!("{EXCERPTS}/{file}");
        let mut output = Vec::new();
        let converted = telemetry(&path, open_text(&path).unwrap(), kind, &mut output).unwrap();
        (converted, events(&output))
    };
    let (converted, gauges) = convert("application-crash-rate-1/app1-05.csv", None);
    assert_eq!(converted.rows, 49);
    assert!(
        converted.skipped > 0,
        "points without a value are gaps, not zeros"
    );
    assert_eq!(converted.events, converted.rows - converted.skipped);
    assert_eq!(gauges[0]["name"], "telemetry_application_crash_rate_1");
    assert_eq!(gauges[0]["dims"]["series"], "app1-05");

    let (_, tests) = convert("middle-tier-api-dependency-latency/outbound-09.csv", None);
    assert_eq!(tests[0]["type"], "dial_test");
    assert!(tests[0]["latency_ms"].as_f64().unwrap() > 0.0);
    let (_, gauges) = convert(
        "middle-tier-api-dependency-latency/outbound-09.csv",
        Some(TelemetryAs::Gauge),
    );
    assert_eq!(gauges[0]["value"], tests[0]["latency_ms"]);
}

#[test]
fn every_real_series_converts() {
    let Some(telemetry_folder) = real("telemetry") else {
        return;
    };
    let mut series = 0;
    for domain in std::fs::read_dir(telemetry_folder)
        .unwrap()
        .map(|domain| domain.unwrap().path())
        .filter(|domain| domain.is_dir())
    {
        for file in std::fs::read_dir(domain).unwrap() {
            let path = file.unwrap().path();
            let path = path.to_str().unwrap();
            let mut output = Vec::new();
            let converted = telemetry(path, open_text(path).unwrap(), None, &mut output).unwrap();
            let events = events(&output);
            assert_eq!(converted.events as usize, events.len());
            assert!(
                events.is_sorted_by_key(|event| event["ts"].as_i64()),
                "{path}"
            );
            series += 1;
        }
    }
    assert_eq!(series, 33);
}

#[test]
fn bad_tables_are_named_with_file_line_and_value() {
    let check = |text: &'static str, expected: &str| {
        let error: ConvertError =
            complaints("in.csv", Box::new(text.as_bytes()), Vec::new()).unwrap_err();
        assert_eq!(error.to_string(), expected);
    };
    check(
        "unique_key,opendate\nA,2015-01-01\n",
        "in.csv: the table has no column `closedate`, only unique_key, opendate",
    );
    check(
        "unique_key,opendate,closedate,complaint_type,borough\nA,2015-01-01,,x,\nB,yesterday,,x,\n",
        "in.csv:3: `yesterday` is not a day such as 2015-01-31",
    );
    let error = telemetry(
        "d/s.csv",
        Box::new("TimeStamp,Value,Label\n2018-01-01 00:00:00,many,0\n".as_bytes()),
        None,
        Vec::new(),
    );
    assert_eq!(
        error.unwrap_err().to_string(),
        "d/s.csv:2: `many` is not a number"
    );
}

#[test]
fn smpp_receipts_are_messages_with_their_ends() {
    let text = "\
id:0123456789 sub:001 dlvrd:001 submit date:2603020700 done date:2603020701 stat:DELIVRD err:000 Text:chaxun
2026-03-02T07:05:00 INFO pdu deliver_sm id:99 sub:001 dlvrd:000 submit date:2603020702 done date:2603020704 stat:UNDELIV err:027 text:

a line of something else
";
    let mut output = Vec::new();
    let converted = smpp(
        "smsc.log",
        Box::new(text.as_bytes()),
        Of::service("sms"),
        &mut output,
    )
    .unwrap();
    assert_eq!(
        (converted.rows, converted.events, converted.skipped),
        (3, 4, 1)
    );
    let events = events(&output);
    // 2026-03-02 07:00 in the operator's zone.
    let seven = 1_772_406_000_000_i64;
    let line = |event: &Value| {
        let text = |name: &str| event[name].as_str().unwrap_or("-").to_owned();
        let minute = (event["ts"].as_i64().unwrap() - seven) / 60_000;
        format!(
            "{} {minute} {} {} {}",
            text("type"),
            text("message_id"),
            text("status"),
            text("status_text")
        )
    };
    let lines: Vec<String> = events.iter().map(line).collect();
    assert_eq!(
        lines,
        [
            "mms_submit 0 0123456789 - -",
            "mms_receipt 1 0123456789 DELIVRD -",
            "mms_submit 2 99 - -",
            "mms_receipt 4 99 UNDELIV err:027"
        ]
    );
    let broken = "id:1 sub:001 submit date:26x done date:2603020701 stat:DELIVRD";
    let never = "id:2 sub:001 submit date:2603020700 done date:0000000000 stat:ENROUTE";
    let good = "id:3 sub:001 submit date:2603020700 done date:2603020701 stat:DELIVRD";
    let input = format!("{broken}\n{never}\n{good}\n");
    let converted = smpp(
        "smsc.log",
        Box::new(input.as_bytes()),
        Of::service("sms"),
        &mut Vec::new(),
    );
    let converted = converted.unwrap();
    assert_eq!(
        (converted.rows, converted.events, converted.wrong),
        (3, 2, 2)
    );
    let named = &converted.wrong_first;
    assert!(
        named[0].starts_with("smsc.log:1: `26x` is not"),
        "{named:?}"
    );
    assert!(
        named[1].starts_with("smsc.log:2: `0000000000`"),
        "{named:?}"
    );
}

#[test]
fn mbuni_log_lines_are_submissions_to_handsets() {
    let text = "\
2026-03-02 07:00:01\tMM7\tMM1\t90210\t+8613900000000/TYPE=PLMN\tm1@mmsc\t10240
2026-03-02 07:00:02\tMM1\tMM3\t+8613900000000/TYPE=PLMN\tsomebody@example.com\tm2@mmsc\t512
";
    let mut output = Vec::new();
    let of = Of {
        service: "mms",
        city: Some("长沙"),
    };
    let converted = mbuni("mmsc.log", Box::new(text.as_bytes()), of, &mut output).unwrap();
    assert_eq!(
        (converted.rows, converted.events, converted.skipped),
        (2, 1, 1)
    );
    let events = events(&output);
    assert_eq!(events[0]["ts"], 1_772_406_001_000_i64);
    assert_eq!(events[0]["message_id"], "m1@mmsc");
    assert_eq!(events[0]["city"], "长沙");
    assert_eq!(events[0]["recipient"], "+8613900000000");
    // What gwlib writes of itself, and a time that is none, cost their own lines and no other.
    let odd = format!(
        "2026-03-02 06:59:59 Log begins\n{text}2026-03-32 07:00:01\tMM7\tMM1\ta\tb\tc\t1\n"
    );
    let mut output = Vec::new();
    let converted = mbuni(
        "mmsc.log",
        Box::new(odd.as_bytes()),
        Of::service("mms"),
        &mut output,
    )
    .unwrap();
    assert_eq!(
        (converted.rows, converted.events, converted.wrong),
        (4, 1, 2)
    );
    let named = &converted.wrong_first;
    assert!(
        named[0].starts_with("mmsc.log:1: `2026-03-02 06:59:59 Log begins` is not"),
        "{named:?}"
    );
    assert!(named[1].starts_with("mmsc.log:4: `2026-03-32"), "{named:?}");
}
