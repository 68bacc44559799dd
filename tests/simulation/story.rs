//! What producers and operators send: dial tests, also of deliveries in parts, messages with receipts, calls and
//! connections of BOSS, tickets that change, late lines, rule books and moves of triggers.

use bytes::Bytes;
use chrysalis::app::{RuleFiles, plan_of};
use chrysalis::engine::{Command, Snapshot};
use chrysalis::event::{DecodeLimits, Decoder, pack};
use chrysalis::journal::{LineFormat, Lines, Record};
use chrysalis::triggers::{Refusal, TriggerState};
use serde_json::{Value, json};

use crate::chance::Chance;

/// Midnight in Shanghai, ms: event time and the clock begin here.
pub(crate) const BEGIN_MS: i64 = 1_764_000_000_000;

const BOOK: &str = "
book: {name: simulation, version: '1', time_zone: Asia/Shanghai, any_service: true}
streams:
  dial_test: {allowed_lateness: 20s, idle_timeout: 5m, retention: 2h}
  mms_submit: {allowed_lateness: 20s, idle_timeout: 5m, retention: 2h}
  mms_receipt: {allowed_lateness: 20s, idle_timeout: 5m, retention: 2h}
  boss_call: {allowed_lateness: 20s, idle_timeout: 5m, retention: 2h}
  boss_connection: {allowed_lateness: 20s, idle_timeout: 5m, retention: 2h}
  complaint: {allowed_lateness: 20s, idle_timeout: 1h, retention: 2h}
mms: {validity: 30m, statuses: {Retrieved: [Delivered], Expired: [Unreachable], Forwarded: [Held]}, interim: [Forwarded]}
departments:
  - id: NET
    name: {zh: 网络部, en: Network}
    roles:
      - {id: duty, name: {zh: 值班, en: Duty}, contacts: [{name: A, email: a@example.com, language: zh}, {name: B, email: b@example.com, language: en}]}
kqis:
  - {id: success, name: Success, layer: network, stream: dial_test, aggregate: ratio, good: ok, group_by: [city], window: 1m, unit: percent, department: NET, interval: {min: LIMIT}}
  - {id: slow, name: Slow, layer: network, stream: dial_test, aggregate: p95, group_by: [city], window: {size: 3m, hop: 1m}, unit: ms, department: NET, interval: {max: 700}}
  - {id: delivered, name: Delivered, layer: platform, stream: mms_submit, aggregate: ratio, good: \"status == 'Retrieved'\", group_by: [], window: 1m, unit: percent, department: NET, interval: {min: 50}}
  - {id: tickets, name: Tickets, layer: experience, stream: complaint, aggregate: count, group_by: [city], window: 2m, unit: count, department: NET, interval: {max: 3}}
  - {id: refused, name: Refused, layer: platform, stream: boss_call, aggregate: ratio, good: tperrno == 0, group_by: [host], window: 2m, unit: percent, department: NET, interval: {min: 50}}
  - {id: held, name: Held, layer: platform, stream: boss_connection, aggregate: max, group_by: [host, interface], window: 2m, unit: ms, department: NET, interval: {max: 90000}}
alert_policies:
  default: {for: 1m, keep_firing_for: 1m, severity: major, missing: hold}
";

/// The texts of the rule book with a limit of the success ratio, percent.
pub(crate) fn files(limit: u64) -> RuleFiles {
    let text = BOOK.replace("LIMIT", &limit.to_string());
    vec![("simulation.yaml".to_owned(), text)]
}

/// The rule book comes into force.
pub(crate) fn book(limit: u64, at_ms: i64) -> Record {
    let files = files(limit);
    Record::RuleBook { at_ms, files }
}

/// A batch of lines about the present of event time, and some of them about earlier.
pub(crate) fn batch(chance: &mut Chance, event_ms: i64, producer: Option<(String, u64)>) -> Record {
    let count = 1 + chance.below(12);
    let lines: String = (0..count).map(|_| line(chance, event_ms)).collect();
    Record::Batch {
        producer,
        sender: None,
        received_ms: event_ms,
        format: LineFormat::Ndjson,
        events: count,
        decoded: decoded(chance, &lines),
        lines: lines.into(),
    }
}

/// What ingest made of the lines, most often: it may have been another layout, or another version.
fn decoded(chance: &mut Chance, lines: &str) -> Option<Bytes> {
    let plan = plan_of(&files(0), None).unwrap();
    let mut decoder = Decoder::new(plan.layout.clone(), DecodeLimits::default());
    let mut batch = decoder.decode(lines.as_bytes()).batch;
    match chance.below(10) {
        0 => return None,
        1 => batch.layout ^= 1,
        _ => {}
    }
    pack(&batch).map(Bytes::from)
}

fn line(chance: &mut Chance, event_ms: i64) -> String {
    let late_ms = match chance.below(10) {
        0 => chance.below(3_600_000),
        1..3 => chance.below(120_000),
        _ => chance.below(15_000),
    };
    let ts = event_ms - late_ms as i64;
    let city = ["cs", "zz"][chance.below(2) as usize];
    // A place goes through good and bad times of some minutes.
    let bad = (ts / 240_000 + city.len() as i64 + i64::from(city == "zz")) % 2 == 0;
    let value = match chance.below(10) {
        0 | 1 => {
            let id = chance.below(40);
            json!({"type": "mms_submit", "ts": ts, "message_id": format!("m{id}"), "service": "news", "city": city})
        }
        2 => {
            let id = chance.below(40);
            let status = ["Retrieved", "Expired", "Forwarded"][chance.below(3) as usize];
            json!({"type": "mms_receipt", "ts": ts, "message_id": format!("m{id}"), "status": status})
        }
        3 => {
            let (id, version) = (chance.below(30), chance.below(4));
            let state = ["filed", "filed", "reclassified", "withdrawn"][version as usize];
            json!({"type": "complaint", "ts": ts, "serial": format!("t{id}"), "version": version, "state": state, "path": "数据业务/手机报", "service": "news", "city": city})
        }
        4 => {
            let host = ["h1", "h2"][chance.below(2) as usize];
            let tperrno = if chance.percent(if bad { 70 } else { 1 }) {
                11
            } else {
                0
            };
            json!({"type": "boss_call", "ts": ts, "host": host, "interface": "i", "client": "news", "tperrno": tperrno, "latency_ms": chance.below(900)})
        }
        5 => {
            let (host, connection) = (["h1", "h2"][chance.below(2) as usize], chance.below(6));
            let state = ["acquired", "released"][chance.below(2) as usize];
            json!({"type": "boss_connection", "ts": ts, "host": host, "interface": "i", "connection": format!("c{connection}"), "client": "news", "state": state})
        }
        6 => {
            let (id, part) = (chance.below(20), 1 + chance.below(3));
            let ok = chance.percent(90);
            json!({"type": "dial_test", "ts": ts, "service": "news", "city": city, "delivery": format!("d{id}"), "part": part, "parts": 3, "ok": ok, "latency_ms": chance.below(900)})
        }
        _ => {
            let ok = chance.percent(if bad { 40 } else { 97 });
            let latency = chance.below(if bad { 1_500 } else { 500 });
            json!({"type": "dial_test", "ts": ts, "service": "news", "city": city, "ok": ok, "latency_ms": latency})
        }
    };
    format!("{value}\n")
}

/// How many lines of a batch are late by more than a minute, and how many are tickets that were reclassified.
pub(crate) fn kinds(lines: &Lines, event_ms: i64) -> (usize, usize) {
    let lines = lines.plain().unwrap();
    let lines = lines
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty());
    let lines = lines.map(|line| serde_json::from_slice::<Value>(line).unwrap());
    lines.fold((0, 0), |(late, reclassified), line| {
        let is_late = line["ts"].as_i64().unwrap() < event_ms - 60_000;
        let is_other = line["state"] == "reclassified";
        (
            late + usize::from(is_late),
            reclassified + usize::from(is_other),
        )
    })
}

/// An operator moves a trigger that is open, if there is one.
pub(crate) fn command(chance: &mut Chance, snapshot: &Snapshot, at_ms: i64) -> Option<Record> {
    let open: Vec<_> = snapshot
        .triggers
        .iter()
        .filter(|trigger| !trigger.state.is_final())
        .collect();
    if open.is_empty() {
        return None;
    }
    let trigger = open[chance.below(open.len() as u64) as usize];
    let id = trigger.id.clone();
    let legal = trigger.next();
    let command = match chance.below(8) {
        0 => Command::Acknowledge { id },
        1 => Command::HandOver {
            id,
            department: trigger.owner.department.clone(),
            role: None,
            reason: "simulated".to_owned(),
        },
        at if legal.is_empty() || at == 2 => moved(id, TriggerState::Accepted),
        _ => moved(id, legal[chance.below(legal.len() as u64) as usize]),
    };
    Some(Record::Command {
        at_ms,
        actor: "simulation".to_owned(),
        body: serde_json::to_vec(&command).unwrap(),
    })
}

fn moved(id: String, to: TriggerState) -> Command {
    Command::MoveTrigger {
        id,
        to,
        reason: Some("simulated".to_owned()),
        kind: (to == TriggerState::NotOptimised).then_some(Refusal::Uneconomic),
        review_at_ms: None,
        remedy: None,
    }
}
