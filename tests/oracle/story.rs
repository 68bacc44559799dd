//! What happens, in event time: a few objects on every stream, with a bad phase in the middle.

use serde_json::{Value, json};

use crate::generate::{BEGIN_MS, Manner, SPAN_MS, event};
use crate::rng::Rng;

/// A random story, in no order.
pub(crate) fn tell(rng: &mut Rng, manner: Manner) -> Vec<Value> {
    let mut lines = Vec::new();
    let bad_ms = BEGIN_MS + rng.below(SPAN_MS / 2);
    let bad = bad_ms..bad_ms + SPAN_MS / 3;
    for _ in 0..90 {
        let ts_ms = moment(rng);
        lines.push(dial_test(rng, ts_ms, bad.contains(&ts_ms)));
    }
    for _ in 0..40 {
        let ts_ms = moment(rng);
        lines.push(boss_call(rng, ts_ms, bad.contains(&ts_ms)));
    }
    for number in 0..5 {
        connection(rng, number, &mut lines);
    }
    for number in 0..22 {
        message(rng, manner, number, &mut lines);
    }
    for number in 0..12 {
        ticket(rng, manner, number, &mut lines);
    }
    for _ in 0..14 {
        let city = rng.pick(&["cs", "zz"]);
        let mut line = event("gauge", moment(rng));
        line["name"] = json!(rng.pick(&["satisfaction", "satisfaction", "noise"]));
        line["value"] = json!(rng.below(100) as f64 / 10.0 - 1.0);
        line["dims"] = json!({"city": city});
        lines.push(line);
    }
    for _ in 0..5 {
        lines.push(reading(rng, manner));
    }
    for _ in 0..rng.below(3) {
        lines.push(annotation(rng));
    }
    for number in 0..10 {
        delivery(rng, manner, number, &mut lines);
    }
    lines
}

/// A time field of a line, ms.
pub(crate) fn time_of(value: &Value, field: &str) -> i64 {
    match &value[field] {
        Value::String(text) => text.parse::<jiff::Timestamp>().unwrap().as_millisecond(),
        number => number.as_i64().unwrap(),
    }
}

/// A moment; often on a whole minute or next to one, where off-by-one errors live.
fn moment(rng: &mut Rng) -> i64 {
    let ts_ms = BEGIN_MS + rng.below(SPAN_MS);
    match rng.below(8) {
        0 => ts_ms - ts_ms.rem_euclid(60_000),
        1 => ts_ms - ts_ms.rem_euclid(60_000) + 59_999,
        _ => ts_ms,
    }
}

fn dial_test(rng: &mut Rng, ts_ms: i64, bad: bool) -> Value {
    let mut line = event("dial_test", ts_ms);
    let ok = rng.chance(if bad { 45 } else { 92 });
    let services = ["svc_a", "svc_a", "svc_a", "svc_b", "svc_b", "nobody"];
    line["service"] = json!(rng.pick(&services));
    line["ok"] = json!(ok);
    for (field, values) in [
        ("city", &["cs", "zz"][..]),
        ("channel", &["sms", "wap"][..]),
        ("step", &["query", "submit"][..]),
        ("source", &["p1", "p2"][..]),
    ] {
        if rng.chance(85) {
            line[field] = json!(rng.pick(values));
        }
    }
    if ok || rng.chance(50) {
        let slow = if bad { 9_000 } else { 3_000 };
        let latency = [2_000.0, 5_000.0, 2_000.5, rng.below(slow) as f64 + 0.25];
        line["latency_ms"] = json!(latency[rng.below(4) as usize]);
    }
    if rng.chance(10) {
        let time = jiff::Timestamp::from_millisecond(ts_ms).unwrap();
        line["ts"] = json!(time.to_string());
    }
    line
}

fn boss_call(rng: &mut Rng, ts_ms: i64, bad: bool) -> Value {
    let mut line = event("boss_call", ts_ms);
    line["host"] = json!(rng.pick(&["h1", "h2"]));
    line["interface"] = json!(rng.pick(&["query", "bill;1%"]));
    line["client"] = json!("web");
    line["latency_ms"] = json!(rng.below(if bad { 9_000 } else { 2_500 }));
    if rng.chance(70) {
        line["wait_ms"] = json!(rng.below(if bad { 4_000 } else { 800 }));
    }
    if rng.chance(60) {
        line["tperrno"] = json!(if rng.chance(if bad { 60 } else { 8 }) {
            11
        } else {
            0
        });
    }
    line
}

/// Who tells a line that is told by two, or does not say who tells it; without a throw of dice.
fn told_by(number: i64) -> Value {
    [json!("p1"), json!("p2"), Value::Null][number.rem_euclid(3) as usize].clone()
}

fn connection(rng: &mut Rng, number: i64, lines: &mut Vec<Value>) {
    let (host, connection) = (rng.pick(&["h1", "h2"]), format!("c{number}"));
    let mut ts_ms = moment(rng);
    for _ in 0..2 + rng.below(6) {
        let mut line = event("boss_connection", ts_ms);
        line["host"] = json!(host);
        line["interface"] = json!("query");
        line["connection"] = json!(connection);
        line["state"] = json!(rng.pick(&["acquired", "active", "released"]));
        // Mostly by one; now and then by another.
        let other = i64::from(ts_ms.rem_euclid(5) == 0);
        line["source"] = told_by(number + other);
        lines.push(line);
        let pause_ms = 1_000 + rng.below(240_000);
        ts_ms += rng.pick(&[0, 1, 60_000, pause_ms]);
        if ts_ms >= BEGIN_MS + SPAN_MS {
            break;
        }
    }
}

fn message(rng: &mut Rng, manner: Manner, number: i64, lines: &mut Vec<Value>) {
    const FINAL: [&str; 8] = [
        "Retrieved",
        "delivered",
        "Retrieved",
        " EXPIRED ",
        "Refused",
        "Strange",
        "Rejected",
        "3",
    ];
    let id = format!("m{number}");
    let (service, city) = (
        rng.pick(&["svc_a", "svc_a", "svc_b"]),
        rng.pick(&["cs", "zz"]),
    );
    let submitted_ms = moment(rng);
    let known = manner == Manner::Punctual || rng.chance(85);
    let mut submit = event("mms_submit", submitted_ms);
    submit["message_id"] = json!(id);
    submit["service"] = json!(service);
    submit["city"] = json!(city);
    submit["source"] = told_by(number);
    if rng.chance(50) {
        submit["edition"] = json!(rng.pick(&["morning", "morning", "unknown"]));
    }
    let validity_ms = if rng.chance(30) { 150_000 } else { 600_000 };
    if validity_ms == 150_000 {
        submit["valid_until"] = json!(submitted_ms + validity_ms);
    }
    if known {
        lines.push(submit.clone());
        if manner == Manner::Wild && rng.chance(8) {
            submit["ts"] = json!(submitted_ms + rng.below(100_000));
            submit["city"] = json!("cs");
            lines.push(submit);
        }
    }
    let receipts = match manner {
        Manner::Punctual => rng.below(2),
        Manner::Wild => rng.below(4),
    };
    // Several recipients of one id, some of whom only a report names.
    let recipients = if manner == Manner::Wild && rng.chance(30) {
        3
    } else {
        0
    };
    for _ in 0..receipts {
        let wild = manner == Manner::Wild;
        // A punctual receipt comes before the message would expire, or the past would change.
        let delay_ms = if wild {
            rng.below(900_000) - 20_000
        } else {
            rng.below(149_000)
        };
        let mut receipt = event("mms_receipt", submitted_ms + delay_ms);
        receipt["message_id"] = json!(id);
        receipt["source"] = told_by(number + delay_ms);
        if recipients > 0 {
            receipt["recipient"] = json!(format!("1390000{:04}", rng.below(recipients)));
        }
        let interim = wild && rng.chance(25);
        receipt["status"] = json!(if interim {
            "Forwarded"
        } else {
            rng.pick(&FINAL)
        });
        if rng.chance(50) {
            receipt["status_text"] = json!(rng.pick(&["手机关机", "gateway timeout", "?"]));
        }
        if !known && rng.chance(70) {
            receipt["service"] = json!(service);
            receipt["city"] = json!(rng.pick(&["cs", "zz"]));
            receipt["submitted_at"] = json!(submitted_ms);
        }
        if wild && rng.chance(30) {
            // Sent again, with a time of its own.
            let mut again = receipt.clone();
            let after_ms = rng.pick(&[-7_000, 1, 6_000, 400_000]);
            again["ts"] = json!(submitted_ms + delay_ms + after_ms);
            lines.push(again);
        }
        lines.push(receipt);
    }
}

fn ticket(rng: &mut Rng, manner: Manner, number: i64, lines: &mut Vec<Value>) {
    let serial = format!("s{number}");
    let mut ts_ms = moment(rng);
    let versions = if manner == Manner::Wild {
        1 + rng.below(4)
    } else {
        1
    };
    for version in 0..versions {
        let states = [
            "reclassified",
            "reclassified",
            "confirmed",
            "excluded",
            "withdrawn",
        ];
        let state = if version == 0 {
            "filed"
        } else {
            rng.pick(&states)
        };
        let mut line = event("complaint", ts_ms);
        line["serial"] = json!(serial);
        line["state"] = json!(state);
        if rng.chance(70) {
            line["version"] = json!(version);
        }
        if version == 0 || rng.chance(50) {
            let (path, node) = match rng.below(8) {
                0 => (json!("a/b/没有收到"), Value::Null),
                1 => (json!(["a", "c"]), Value::Null),
                2 => (json!("d"), Value::Null),
                // By code, by both, and by a code that no tree has.
                3 => (Value::Null, json!("O010101")),
                4 => (Value::Null, json!("O010102")),
                5 => (json!("a/c"), json!("O010102")),
                6 => (json!("d"), json!("O010101")),
                _ => (Value::Null, json!("O010199")),
            };
            line["path"] = path;
            line["node"] = node;
        }
        if version == 0 || rng.chance(20) {
            line["service"] = json!(rng.pick(&["svc_a", "svc_a", "svc_b"]));
            line["city"] = json!(rng.pick(&["cs", "zz"]));
        }
        if rng.chance(30) {
            line["escalated"] = json!(rng.chance(60));
        }
        line["source"] = told_by(number + version);
        lines.push(line);
        ts_ms += rng.below(200_000);
    }
}

/// A reply in parts: most come in order and in time, some twice, too late, or not at all.
fn delivery(rng: &mut Rng, manner: Manner, number: i64, lines: &mut Vec<Value>) {
    let begin_ms = moment(rng);
    let parts = 1 + rng.below(4);
    let mut numbers: Vec<i64> = (1..=parts).collect();
    if rng.chance(25) {
        rng.shuffle(&mut numbers);
    }
    if rng.chance(30) {
        numbers.remove(rng.below(parts) as usize);
    }
    if rng.chance(20) {
        numbers.push(1 + rng.below(parts));
    }
    let city = rng.pick(&["cs", "zz"]);
    let source = rng.pick(&["p1", "p2"]);
    let mut after_ms = 0;
    for part in numbers {
        // Some at the same instant; some when nobody waits any longer, or just before.
        after_ms += rng.pick(&[0, 5_000, 17_000]);
        let late_ms = rng.pick(&[60_000, 60_001, 90_000, 200_000]);
        let part_ms = if rng.chance(12) { late_ms } else { after_ms };
        let mut line = event("dial_test", begin_ms + part_ms);
        line["service"] = json!("svc_a");
        line["delivery"] = json!(format!("d{number}"));
        line["part"] = json!(part);
        line["parts"] = json!(parts);
        line["source"] = json!(source);
        line["ok"] = json!(rng.chance(92));
        line["city"] = json!(city);
        if manner == Manner::Wild && rng.chance(5) {
            // They do not agree.
            line["city"] = json!("zz");
            line["parts"] = json!(parts + 1);
        }
        if rng.chance(50) {
            line["content_ok"] = json!(rng.chance(90));
        }
        if rng.chance(80) {
            line["latency_ms"] = json!(part_ms + 1_000);
        }
        lines.push(line);
    }
}

fn reading(rng: &mut Rng, manner: Manner) -> Value {
    let ts_ms = match manner {
        Manner::Wild => BEGIN_MS + rng.below(SPAN_MS),
        // It arrives before all others, and must not make them late.
        Manner::Punctual => BEGIN_MS - rng.below(SPAN_MS),
    };
    let mut line = event("gauge", ts_ms);
    line["name"] = json!("subscriber_base");
    line["value"] = json!(1_000 * (1 + rng.below(5)));
    line["dims"] = match rng.below(6) {
        0 => json!({}),
        1 => json!({"city": rng.pick(&["cs", "zz"])}),
        2 => json!({"service": rng.pick(&["svc_a", "svc_b"])}),
        3 => json!({"province": "p"}),
        _ => json!({"city": rng.pick(&["cs", "zz"]), "service": rng.pick(&["svc_a", "svc_b"])}),
    };
    line
}

fn annotation(rng: &mut Rng) -> Value {
    let start_ms = BEGIN_MS + rng.below(SPAN_MS);
    let scope = match rng.below(4) {
        0 => json!({}),
        1 => json!({"city": rng.pick(&["cs", "zz"])}),
        2 => json!({"service": rng.pick(&["svc_a", "svc_b"])}),
        _ => json!({"kqi": rng.pick(&["dial_success", "dial_count"])}),
    };
    json!({
        "type": "annotation",
        "start": start_ms,
        "end": start_ms + 60_000 * (1 + rng.below(8)),
        "kind": rng.pick(&["planned_work", "planned_work", "storm"]),
        "scope": scope,
    })
}
