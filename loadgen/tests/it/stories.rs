//! The two demo stories tell what the operator's papers tell.

use std::collections::{BTreeMap, HashMap};

use loadgen::GenerateOptions;
use serde_json::Value;

use crate::generation::{generate, text};

const MINUTE: i64 = 60_000;
const HOUR: i64 = 3_600_000;

fn events(name: &str) -> (Vec<Value>, i64) {
    let (lines, truth) = generate(
        name,
        GenerateOptions {
            seed: 1,
            ..Default::default()
        },
    );
    assert!(
        lines.len() <= 60_000,
        "{name} is too long for a demo: {}",
        lines.len()
    );
    (
        lines
            .iter()
            .map(|(_, line)| serde_json::from_str(line).unwrap())
            .collect(),
        truth.start_ms,
    )
}

fn ts(event: &Value) -> i64 {
    event["ts"].as_i64().unwrap()
}

fn p95(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() * 95 / 100]
}

#[test]
fn the_experience_card_slows_with_its_boss_host_and_recovers() {
    let (events, start) = events("experience-card");
    let latency = |kind: &str, field: &str, value: &str, from: i64, until: i64| {
        let found = events.iter().filter(|e| {
            e["type"] == kind && e[field] == value && (start + from..start + until).contains(&ts(e))
        });
        p95(found.map(|e| e["latency_ms"].as_f64().unwrap()).collect())
    };
    let replies = |from, until| latency("dial_test", "service", "experience_card", from, until);
    assert!(replies(0, HOUR) < 30_000.0);
    assert!(replies(HOUR, 3 * HOUR) > 87_000.0);
    assert!(replies(3 * HOUR, 5 * HOUR) < 50_000.0);
    assert!(latency("dial_test", "service", "sms_hall", 0, 5 * HOUR) < 30_000.0);

    let calls = |host, from, until| latency("boss_call", "host", host, from, until);
    assert!(calls("10.154.50.52", HOUR, 3 * HOUR) > 4_000.0);
    assert!(calls("10.154.50.51", HOUR, 3 * HOUR) < 1_000.0);
    assert!(calls("10.154.50.52", 3 * HOUR, 5 * HOUR) < 1_000.0);

    let filed = |from, until| {
        events
            .iter()
            .filter(|e| {
                e["type"] == "complaint"
                    && e["state"] == "filed"
                    && (start + from..start + until).contains(&ts(e))
            })
            .count()
    };
    assert!(filed(HOUR, 3 * HOUR) > 8 * filed(3 * HOUR, 5 * HOUR).max(1));

    // Longest hold of each pair, in order of event time.
    let mut steps: Vec<&Value> = events
        .iter()
        .filter(|e| e["type"] == "boss_connection")
        .collect();
    steps.sort_by_key(|e| ts(e));
    let (mut acquired, mut longest) = (HashMap::new(), BTreeMap::new());
    let mut last_release = 0;
    for step in steps {
        let connection = text(step, "connection");
        match text(step, "state") {
            "acquired" => {
                acquired.insert(connection, ts(step));
            }
            "released" => {
                let hold_ms = ts(step) - acquired.remove(connection).unwrap();
                let pair = format!("{} {}", text(step, "host"), text(step, "interface"));
                let pair_longest = longest.entry(pair).or_insert(0);
                *pair_longest = hold_ms.max(*pair_longest);
                if hold_ms > 180_000 {
                    last_release = ts(step);
                }
            }
            _ => {}
        }
    }
    assert_eq!(longest.len(), 5, "three hosts, four interfaces, five pairs");
    for (pair, hold_ms) in &longest {
        let held = pair == "10.154.50.52 ITF_CCOSVC";
        assert_eq!(*hold_ms > 180_000, held, "{pair} was held for {hold_ms} ms");
    }
    assert!(
        last_release <= start + 3 * HOUR + MINUTE,
        "the restart releases everything"
    );
}

#[test]
fn the_newspaper_expires_in_one_city_and_is_late_in_another() {
    let (events, start) = events("mobile-newspaper");
    assert!(
        events.iter().all(|e| !text(e, "type").starts_with("boss")),
        "its platform is outside the province"
    );

    let submits: HashMap<&str, &Value> = events
        .iter()
        .filter(|e| e["type"] == "mms_submit")
        .map(|e| (text(e, "message_id"), e))
        .collect();
    // (edition, day, city) → status → count; `late` is a retrieval after 14:00.
    let mut finals: BTreeMap<(String, i64, String), BTreeMap<String, u64>> = BTreeMap::new();
    for receipt in events
        .iter()
        .filter(|e| e["type"] == "mms_receipt" && e["status"] != "Forwarded")
    {
        let submit = submits[text(receipt, "message_id")];
        let Some(edition) = submit["edition"].as_str() else {
            continue;
        };
        let day = (ts(submit) - start) / (24 * HOUR);
        let statuses = finals
            .entry((edition.to_owned(), day, text(submit, "city").to_owned()))
            .or_default();
        *statuses
            .entry(text(receipt, "status").to_owned())
            .or_default() += 1;
        if edition == "morning" && ts(receipt) - start > 8 * HOUR && day == 0 {
            assert_eq!(text(submit, "city"), "株洲");
            *statuses.entry("late".to_owned()).or_default() += 1;
        }
    }
    assert_eq!(finals.len(), 4 * 14, "four editions in 14 cities");
    for ((edition, day, city), statuses) in &finals {
        let share = |status: &str| {
            let all: u64 = statuses
                .iter()
                .filter(|(status, _)| *status != "late")
                .map(|(_, count)| count)
                .sum();
            statuses.get(status).copied().unwrap_or(0) as f64 / all as f64
        };
        let struck = edition == "morning" && *day == 0;
        if struck && city == "永州" {
            assert!(share("Expired") >= 0.3, "{statuses:?}");
        } else {
            assert!(
                share("Expired") < 0.04,
                "{edition} {day} {city}: {statuses:?}"
            );
            assert!(
                share("Retrieved") > 0.94,
                "{edition} {day} {city}: {statuses:?}"
            );
        }
        assert_eq!(share("late") > 0.3, struck && city == "株洲");
    }
    assert!(
        events
            .iter()
            .any(|e| e["status"] == "Expired" && e["status_text"] == "信号较差")
    );

    let tickets = |state: &str| {
        events
            .iter()
            .filter(|e| e["type"] == "complaint" && e["city"] == "永州" && e["state"] == state)
            .count()
    };
    assert!(tickets("filed") > 40);
    assert!(tickets("reclassified") >= 1 && tickets("excluded") >= 1 && tickets("withdrawn") >= 1);
}
