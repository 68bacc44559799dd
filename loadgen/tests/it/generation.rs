//! What generated lines promise: same seed, same bytes; bounds and shares kept;
//! the ground truth is what a recount of the lines finds.

use std::collections::{BTreeMap, HashMap, HashSet};

use loadgen::{Delivery, GenerateOptions, Generator, GroundTruth, Scenario, Size};
use serde_json::Value;

pub(crate) fn generate(
    name: &str,
    options: GenerateOptions,
) -> (Vec<(Delivery, String)>, GroundTruth) {
    let scenario = Scenario::bundled(name).unwrap().unwrap();
    let mut generator = Generator::new(&scenario, options);
    let lines = generator
        .by_ref()
        .map(|event| (event.delivery, event.line))
        .collect();
    (lines, generator.truth().clone())
}

fn sized(events: u64, seed: u64) -> GenerateOptions {
    GenerateOptions {
        seed,
        size: Size::Events(events),
        ..Default::default()
    }
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_does_not() {
    for name in [
        "kqi-1",
        "four-streams",
        "experience-card",
        "mobile-newspaper",
    ] {
        let (first, truth) = generate(name, sized(20_000, 7));
        let (again, truth_again) = generate(name, sized(20_000, 7));
        let (other, _) = generate(name, sized(20_000, 8));
        assert!(first == again, "{name}: seed 7 gave two different outputs");
        assert_eq!(
            serde_json::to_string(&truth).unwrap(),
            serde_json::to_string(&truth_again).unwrap()
        );
        assert!(first != other, "{name}: seeds 7 and 8 gave the same output");
    }
}

#[test]
fn kqi_1_has_exactly_the_lines_asked_for_spread_evenly_over_its_keys_and_time() {
    let (lines, truth) = generate("kqi-1", sized(600_000, 1));
    assert_eq!(lines.len(), 600_000);
    assert_eq!(truth.lines.total, 600_000);
    assert_eq!(truth.incidents.len(), 20);

    let mut keys: HashMap<String, u64> = HashMap::new();
    let mut minutes: BTreeMap<i64, u64> = BTreeMap::new();
    let mut bytes = 0;
    for (delivery, line) in &lines {
        let event: Value = serde_json::from_str(line).unwrap();
        assert_eq!(event["ts"].as_i64(), Some(delivery.ts_ms));
        *keys
            .entry(format!(
                "{} {} {}",
                event["service"], event["city"], event["channel"]
            ))
            .or_default() += 1;
        *minutes
            .entry((delivery.ts_ms - truth.start_ms) / 60_000)
            .or_default() += 1;
        bytes += line.len() + 1;
    }
    assert_eq!(keys.len(), 1_344);
    assert_eq!(minutes.len(), 120);
    assert!(
        minutes
            .values()
            .all(|count| (4_990..=5_010).contains(count)),
        "{minutes:?}"
    );
    assert!(
        (220..260).contains(&(bytes / lines.len())),
        "{} bytes a line",
        bytes / lines.len()
    );
}

#[test]
fn disorder_stays_within_its_bound_and_its_share() {
    let (lines, truth) = generate("kqi-1", sized(200_000, 3));
    let (mut newest, mut overtaken, mut worst) = (i64::MIN, 0, 0);
    for (delivery, _) in &lines {
        newest = newest.max(delivery.ts_ms);
        worst = worst.max(newest - delivery.ts_ms);
        overtaken += u64::from(newest > delivery.ts_ms);
    }
    assert!(lines.is_sorted_by_key(|(delivery, _)| delivery.due_ms));
    assert!((25_000..=30_000).contains(&worst), "{worst} ms");
    let share = truth.lines.disordered as f64 / lines.len() as f64;
    assert!((0.018..0.022).contains(&share), "{share}");
    assert!(overtaken <= truth.lines.disordered && overtaken > truth.lines.disordered * 9 / 10);
}

#[test]
fn copies_broken_and_late_lines_come_as_counted() {
    let (lines, truth) = generate("four-streams", sized(300_000, 5));
    let near = |count: u64, share: f64| {
        let expected = share * 300_000.0;
        assert!(
            (expected * 0.8..expected * 1.2).contains(&(count as f64)),
            "{count}, expected about {expected}"
        );
    };
    near(truth.lines.total, 1.0);
    near(truth.lines.duplicates, 0.002);
    near(truth.lines.broken, 0.0002);
    near(truth.lines.late, 0.0005);

    let unreadable = |line: &str| {
        let event: Result<Value, _> = serde_json::from_str(line);
        event.is_err()
            || event.is_ok_and(|event| {
                event["type"] == "dial_tset"
                    || !event["ts"].is_i64()
                    || event["latency_ms"].is_string()
            })
    };
    let broken = lines.iter().filter(|(_, line)| unreadable(line)).count() as u64;
    assert_eq!(broken, truth.lines.broken);
    assert!(
        lines
            .iter()
            .all(|(delivery, line)| delivery.broken == unreadable(line))
    );

    // Complaints repeat a ticket on purpose, and a gauge or a connection may say
    // the same thing twice; ids of dial tests are unique, so copies stand out.
    let mut ids = HashSet::new();
    let mut copies = 0;
    let mut tests = 0;
    for (_, line) in lines
        .iter()
        .filter(|(delivery, line)| !delivery.broken && line.contains("\"dial_test\""))
    {
        tests += 1;
        copies += u64::from(!ids.insert(line));
    }
    let share = copies as f64 / tests as f64;
    assert!((0.0015..0.0025).contains(&share), "{share}");

    let beyond = lines
        .iter()
        .filter(|(delivery, _)| delivery.due_ms - delivery.ts_ms > 21_000)
        .count() as u64;
    assert_eq!(beyond, truth.lines.late);
    assert!(
        lines
            .iter()
            .all(|(delivery, _)| delivery.due_ms - delivery.ts_ms <= 901_000)
    );
}

#[test]
fn a_recount_of_the_lines_finds_the_ground_truth() {
    let (lines, truth) = generate("four-streams", sized(300_000, 2));
    let mut seen = HashSet::new();
    // A resend of a ticket has the bytes of the first; so do copies.
    let events: Vec<Value> = lines
        .iter()
        .filter(|(delivery, line)| !delivery.broken && seen.insert(line.as_str()))
        .map(|(_, line)| serde_json::from_str(line).unwrap())
        .collect();
    let submits: HashMap<&str, &Value> = events
        .iter()
        .filter(|event| event["type"] == "mms_submit")
        .map(|event| (text(event, "message_id"), event))
        .collect();

    for incident in &truth.incidents {
        let strikes = |event: &Value| {
            let ts_ms = event["ts"].as_i64().unwrap();
            let service = event.get("client").or_else(|| event.get("service"));
            (incident.from_ms..incident.until_ms).contains(&ts_ms)
                && service.is_none_or(|service| {
                    incident.service.is_none() || service.as_str() == incident.service.as_deref()
                })
                && incident
                    .dims
                    .iter()
                    .all(|(dim, value)| event[dim] == value.as_str())
        };
        let of = |kind: &'static str| events.iter().filter(move |event| event["type"] == kind);
        let count = |found: Vec<&Value>, bad: &dyn Fn(&Value) -> bool| {
            let bad = found.iter().filter(|event| bad(event)).count() as u64;
            (found.len() as u64, bad)
        };
        let (matched, bad) = match incident.stream.as_str() {
            "dial_test" => count(of("dial_test").filter(|e| strikes(e)).collect(), &|e| {
                e["ok"] == false
            }),
            "boss_call" => count(of("boss_call").filter(|e| strikes(e)).collect(), &|e| {
                e["tperrno"] != 0
            }),
            "mms" => {
                let submitted = of("mms_submit").filter(|e| strikes(e)).count() as u64;
                let expired = of("mms_receipt").filter(|e| {
                    e["status"] == "Expired" && strikes(submits[text(e, "message_id")])
                });
                (submitted, expired.count() as u64)
            }
            "boss_connection" => {
                let acquired = of("boss_connection")
                    .filter(|e| e["state"] == "acquired" && strikes(e))
                    .count() as u64;
                (acquired, incident.observed.bad)
            }
            "complaint" => {
                let filed = of("complaint")
                    .filter(|e| e["state"] == "filed" && strikes(e))
                    .count() as u64;
                (filed, incident.observed.bad)
            }
            other => panic!("no recount for {other}"),
        };
        assert!(matched > 0 && bad > 0, "{} left no trace", incident.id);
        assert_eq!(
            (matched, bad),
            (incident.observed.events, incident.observed.bad),
            "{}",
            incident.id
        );
    }
}

#[test]
fn an_incident_moves_its_own_key_and_no_other() {
    let (lines, truth) = generate("kqi-1", sized(2_000_000, 4));
    let struck: HashSet<(&str, &str, &str)> = truth
        .incidents
        .iter()
        .map(|incident| {
            (
                incident.service.as_deref().unwrap(),
                incident.dims["city"].as_str(),
                incident.dims["channel"].as_str(),
            )
        })
        .collect();
    let (mut good, mut total) = (0, 0);
    for (_, line) in &lines {
        let event: Value = serde_json::from_str(line).unwrap();
        if event["service"] != "hotline"
            && !struck.contains(&(
                text(&event, "service"),
                text(&event, "city"),
                text(&event, "channel"),
            ))
        {
            total += 1;
            good += u64::from(event["ok"] == true);
        }
    }
    let ratio = good as f64 / total as f64;
    assert!((0.9975..0.9985).contains(&ratio), "{ratio}");
    for incident in &truth.incidents {
        let ratio = 1.0 - incident.observed.bad as f64 / incident.observed.events as f64;
        assert!(ratio < 0.92, "{}: {ratio}", incident.id);
    }
}

#[test]
fn a_start_moves_everything() {
    let options = GenerateOptions {
        size: Size::Scale(0.01),
        ..Default::default()
    };
    let (usual, truth) = generate("four-streams", options);
    let hour = 3_600_000;
    let (moved, moved_truth) = generate(
        "four-streams",
        GenerateOptions {
            start_ms: Some(truth.start_ms + hour),
            ..options
        },
    );
    assert_eq!(usual.len(), moved.len());
    assert!(
        usual
            .iter()
            .zip(&moved)
            .all(|((a, _), (b, _))| a.ts_ms + hour == b.ts_ms && a.due_ms + hour == b.due_ms)
    );
    assert_eq!(
        truth.incidents[0].from_ms + hour,
        moved_truth.incidents[0].from_ms
    );
}

pub(crate) fn text<'a>(event: &'a Value, field: &str) -> &'a str {
    event[field]
        .as_str()
        .unwrap_or_else(|| panic!("no text {field} in {event}"))
}
