//! Lines → facts, naively: joined, folded and expired from all the lines at once.

use std::collections::{BTreeMap, BTreeSet};

use chrysalis::event::{DimensionValue, Stream};
use chrysalis::rules::RuleBook;
use serde_json::Value;

use crate::clock::{Clocks, stream_of};
use crate::story::time_of;
use crate::tickets::ticket;

const DAY_MS: i64 = 86_400_000;
/// Shanghai has had no daylight saving since 1991.
const SHANGHAI_MS: i64 = 8 * 3_600_000;

/// One thing that counts.
#[derive(Clone, Debug)]
pub(crate) struct Fact {
    pub(crate) stream: Stream,
    pub(crate) ts_ms: i64,
    pub(crate) value: Option<f64>,
    /// Facts that it stands for.
    pub(crate) weight: i64,
    pub(crate) dimensions: BTreeMap<String, DimensionValue>,
}

/// Every fact that follows from the lines.
pub(crate) fn of(lines: &[Value], book: &RuleBook, clocks: &Clocks) -> Vec<Fact> {
    let mut facts = Vec::new();
    let mut messages: BTreeMap<String, Vec<&Value>> = BTreeMap::new();
    let mut connections: BTreeMap<[String; 3], Vec<&Value>> = BTreeMap::new();
    let mut tickets: BTreeMap<String, Vec<&Value>> = BTreeMap::new();
    let mut deliveries: BTreeMap<(Option<String>, String), Vec<&Value>> = BTreeMap::new();
    let own = |line: &Value, field: &str| text(line, field).unwrap();
    for line in lines {
        match stream_of(line) {
            Some(Stream::DialTest) if line["delivery"].is_string() => {
                let probe = text(line, "probe").or_else(|| text(line, "source"));
                let key = (probe, own(line, "delivery"));
                deliveries.entry(key).or_default().push(line);
            }
            Some(Stream::DialTest) => facts.push(linear(line, "latency_ms")),
            Some(Stream::BossCall) => {
                facts.push(linear(line, "latency_ms"));
                if line["wait_ms"].is_number() {
                    let stream = Stream::BossWait;
                    let wait = linear(line, "wait_ms");
                    facts.push(Fact { stream, ..wait });
                }
            }
            Some(Stream::Gauge) => {
                let mut fact = linear(line, "value");
                for (name, value) in line["dims"].as_object().into_iter().flatten() {
                    fact.dimensions.insert(name.clone(), dimension(value));
                }
                facts.push(fact);
            }
            Some(Stream::MmsSubmit | Stream::MmsReceipt) => {
                messages
                    .entry(own(line, "message_id"))
                    .or_default()
                    .push(line);
            }
            Some(Stream::BossConnection) => {
                let key = ["host", "interface", "connection"].map(|field| own(line, field));
                connections.entry(key).or_default().push(line);
            }
            Some(Stream::Complaint) => {
                tickets.entry(own(line, "serial")).or_default().push(line);
            }
            Some(Stream::BossWait | Stream::BossOccupancy) | None => {}
        }
    }
    messages.values().for_each(|lines| {
        copies(lines)
            .iter()
            .for_each(|lines| message(lines, book, clocks, &mut facts));
    });
    connections
        .values()
        .for_each(|lines| connection(lines, book, clocks, &mut facts));
    let delivered = deliveries.values();
    facts.extend(delivered.filter_map(|lines| delivery(lines, book, clocks)));
    tickets
        .values()
        .for_each(|lines| facts.extend(ticket(lines, book)));
    facts.iter_mut().for_each(|fact| locate(fact, book));
    facts
}

/// Province and group of a fact, by its city and the book in force, and whose its source is: looked up for every fact
/// anew.
fn locate(fact: &mut Fact, book: &RuleBook) {
    // Of every stream with a source; of the oracle's streams complaints alone are an outsider's by default.
    let of_source = match fact.dimensions.get("source") {
        Some(DimensionValue::Text(source)) => book.sources.get(&**source),
        _ => None,
    };
    let internal = of_source.and_then(|source| source.internal);
    let internal = internal.unwrap_or(fact.stream != Stream::Complaint);
    let internal = DimensionValue::Flag(internal);
    fact.dimensions.insert("internal".to_owned(), internal);
    let Some(DimensionValue::Text(city)) = fact.dimensions.get("city") else {
        return;
    };
    if let Some(place) = book.places.cities.get(&**city) {
        for (name, value) in [("province", &place.province), ("group", &place.group)] {
            let value = DimensionValue::Text(value.as_str().into());
            fact.dimensions.insert(name.to_owned(), value);
        }
    }
}

fn linear(line: &Value, measured: &str) -> Fact {
    let dimensions = line.as_object().unwrap().iter();
    Fact {
        stream: stream_of(line).unwrap(),
        ts_ms: time_of(line, "ts"),
        value: line[measured].as_f64(),
        weight: 1,
        dimensions: dimensions
            .map(|(name, value)| (name.clone(), dimension(value)))
            .collect(),
    }
}

fn dimension(value: &Value) -> DimensionValue {
    match value {
        Value::Bool(flag) => DimensionValue::Flag(*flag),
        Value::Number(number) if number.is_i64() => {
            DimensionValue::Integer(number.as_i64().unwrap())
        }
        Value::String(text) => DimensionValue::Text(text.as_str().into()),
        _ => DimensionValue::Null,
    }
}

pub(crate) fn text(line: &Value, field: &str) -> Option<String> {
    line[field].as_str().map(str::to_owned)
}

fn time(line: &Value, field: &str) -> Option<i64> {
    (!line[field].is_null()).then(|| time_of(line, field))
}

pub(crate) fn dimensions(of: &[(&str, Option<String>)]) -> BTreeMap<String, DimensionValue> {
    let value = |text: &Option<String>| match text {
        Some(text) => DimensionValue::Text(text.as_str().into()),
        None => DimensionValue::Null,
    };
    of.iter()
        .map(|(name, text)| ((*name).to_owned(), value(text)))
        .collect()
}

/// The lines of each recipient of a message: its own, and those that name nobody.
fn copies<'a>(lines: &[&'a Value]) -> Vec<Vec<&'a Value>> {
    let numbers: BTreeSet<String> = lines
        .iter()
        .filter_map(|line| text(line, "recipient"))
        .collect();
    if numbers.len() < 2 {
        return vec![lines.to_vec()];
    }
    let of = |number: &String| {
        let own = |line: &&Value| text(line, "recipient").as_ref() == Some(number);
        let has_submit = lines
            .iter()
            .any(|line| line["type"] == "mms_submit" && own(line));
        let fits = |line: &&&Value| match text(line, "recipient") {
            Some(other) => other == *number,
            None => line["type"] == "mms_receipt" || !has_submit,
        };
        lines.iter().filter(fits).copied().collect()
    };
    numbers.iter().map(of).collect()
}

fn message(lines: &[&Value], book: &RuleBook, clocks: &Clocks, facts: &mut Vec<Fact>) {
    let (submits, mut receipts): (Vec<&Value>, Vec<&Value>) =
        lines.iter().partition(|line| line["type"] == "mms_submit");
    let of_submit = |line: &&&Value| {
        (
            time_of(line, "ts"),
            text(line, "service"),
            text(line, "city"),
            text(line, "edition"),
            time(line, "valid_until"),
            text(line, "source"),
        )
    };
    // Of one recipient's the earliest; one that names the recipient before one that does not.
    let named = |line: &&&Value| line["recipient"].is_string();
    let submit = submits.iter().filter(named).min_by_key(of_submit);
    let submit = submit.or_else(|| submits.iter().min_by_key(of_submit));
    receipts.sort_by_key(|line| {
        let texts = ["status", "status_text", "service", "city"].map(|field| text(line, field));
        let source = text(line, "source");
        (
            time_of(line, "ts"),
            texts,
            time(line, "submitted_at"),
            source,
        )
    });
    let said = |field: &str| {
        let of_submit = submit.and_then(|line| text(line, field));
        of_submit.or_else(|| receipts.iter().find_map(|line| text(line, field)))
    };
    let Some(service) = said("service") else {
        return;
    };
    let submitted_ms = submit
        .map(|line| time_of(line, "ts"))
        .or_else(|| receipts.iter().find_map(|line| time(line, "submitted_at")));

    let word = |line: &Value| {
        let met = text(line, "status").unwrap().trim().to_lowercase();
        book.mms
            .statuses
            .get(&met)
            .map_or("Indeterminate", String::as_str)
            .to_owned()
    };
    let is_final = |line: &&&Value| !book.mms.interim.contains(&word(line));
    let is_known = |line: &&&Value| is_final(line) && word(line) != "Indeterminate";
    let deciding = receipts.iter().rfind(is_known);
    let deciding = deciding.or_else(|| receipts.iter().rfind(is_final));
    let is_early = |ts_ms: i64| {
        submitted_ms.is_some_and(|from_ms| ts_ms < from_ms - book.mms.early_tolerance_ms)
    };
    // It counts when that word was said first, by a clock that can be right.
    let mut same: Vec<_> = receipts
        .iter()
        .filter(|line| deciding.is_some_and(|last| word(last) == word(line)))
        .collect();
    same.sort_by_key(|line| (is_early(time_of(line, "ts")), time_of(line, "ts")));
    let deciding = same.first().copied();
    let valid_ms = submit.map(|line| {
        time(line, "valid_until").unwrap_or(time_of(line, "ts") + book.mms.validity_ms)
    });
    let clock_ms = clocks
        .clock(Stream::MmsSubmit)
        .max(clocks.clock(Stream::MmsReceipt));
    let (status, decided_ms) = match (deciding, valid_ms) {
        (Some(line), _) => (word(line), Some(time_of(line, "ts"))),
        (None, Some(valid_ms)) if valid_ms <= clock_ms => ("Expired".to_owned(), Some(valid_ms)),
        (None, _) => ("pending".to_owned(), None),
    };
    let cause = deciding
        .and_then(|line| text(line, "status_text"))
        .and_then(|text| {
            let known = book
                .mms
                .causes
                .iter()
                .find(|cause| text.contains(&cause.contains));
            known.map(|known| known.cause.clone())
        });
    let retrieved_ms = decided_ms.filter(|_| status == "Retrieved");
    let delay = match (retrieved_ms, submitted_ms) {
        (Some(to_ms), Some(from_ms)) if to_ms >= from_ms => Some((to_ms - from_ms) as f64),
        _ => None,
    };
    let edition = submit.and_then(|line| text(line, "edition"));
    let deadline = book
        .mms
        .editions
        .iter()
        .find(|known| Some(&known.id) == edition.as_ref());
    let on_time = match (deadline, retrieved_ms, submit) {
        (Some(edition), Some(retrieved_ms), Some(line)) if !is_early(retrieved_ms) => {
            let local_ms = time_of(line, "ts") + SHANGHAI_MS;
            // Half a day after the deadline the next day's issue begins.
            let is_next = local_ms.rem_euclid(DAY_MS) >= (edition.deadline_minutes + 720) * 60_000;
            let day = local_ms.div_euclid(DAY_MS) + i64::from(is_next);
            let midnight_ms = day * DAY_MS - SHANGHAI_MS;
            Some(retrieved_ms <= midnight_ms + edition.deadline_minutes * 60_000)
        }
        _ => None,
    };
    let mut dimensions = dimensions(&[
        ("service", Some(service)),
        ("city", said("city")),
        ("edition", edition),
        ("status", Some(status)),
        ("cause", cause),
        ("source", said("source")),
    ]);
    if let Some(on_time) = on_time {
        dimensions.insert("on_time".to_owned(), DimensionValue::Flag(on_time));
    }
    if let Some(ts_ms) = decided_ms {
        dimensions.insert("early".to_owned(), DimensionValue::Flag(is_early(ts_ms)));
    }
    let fact = |stream, ts_ms| Fact {
        stream,
        ts_ms,
        value: delay,
        weight: 1,
        dimensions: dimensions.clone(),
    };
    facts.extend(submit.map(|line| fact(Stream::MmsSubmit, time_of(line, "ts"))));
    facts.extend(decided_ms.map(|ts_ms| fact(Stream::MmsReceipt, ts_ms)));
}

fn connection(lines: &[&Value], book: &RuleBook, clocks: &Clocks, facts: &mut Vec<Fact>) {
    let rank = |line: &&Value| {
        let states = ["acquired", "active", "released"];
        let state = states
            .iter()
            .position(|state| line["state"] == *state)
            .unwrap();
        (time_of(line, "ts"), state)
    };
    let changes: Vec<(i64, usize)> = lines
        .iter()
        .map(rank)
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect();
    let now_ms = clocks.clock(Stream::BossConnection);
    let told = lines.iter().filter(|line| line["source"].is_string());
    let told_by = told.max_by_key(|line| (time_of(line, "ts"), text(line, "source")));
    let source = told_by.and_then(|line| text(line, "source"));
    let mut held: BTreeMap<i64, i64> = BTreeMap::new();
    let mut renewed: BTreeMap<i64, (i64, i64)> = BTreeMap::new();
    for (at, (from_ms, state)) in changes.iter().enumerate() {
        if *state == 2 {
            continue;
        }
        // Millisecond by millisecond would be naive; pane by pane will do.
        let until_ms = changes.get(at + 1).map_or(
            now_ms.max(*from_ms).div_euclid(book.pane_ms) * book.pane_ms,
            |(next_ms, _)| *next_ms,
        );
        let mut pane_ms = from_ms.div_euclid(book.pane_ms) * book.pane_ms;
        while pane_ms < until_ms {
            let inside = until_ms.min(pane_ms + book.pane_ms) - pane_ms.max(*from_ms);
            *held.entry(pane_ms).or_default() += inside;
            pane_ms += book.pane_ms;
        }
        if let Some((next_ms, 0 | 1)) = changes.get(at + 1) {
            let pane_ms = next_ms.div_euclid(book.pane_ms) * book.pane_ms;
            let longest = renewed.entry(pane_ms).or_default();
            *longest = (*longest).max((next_ms - from_ms, *next_ms));
        }
        let mut state_fact = |ts_ms: i64, hold_ms: i64, state: &str| {
            let mut dimensions = dimensions(&[
                ("host", text(lines[0], "host")),
                ("interface", text(lines[0], "interface")),
                ("connection", text(lines[0], "connection")),
                ("source", source.clone()),
            ]);
            dimensions.insert("state".to_owned(), DimensionValue::Text(state.into()));
            let (stream, value) = (Stream::BossConnection, Some(hold_ms as f64));
            facts.push(Fact {
                stream,
                ts_ms,
                value,
                weight: 1,
                dimensions,
            });
        };
        let next = changes.get(at + 1);
        let mut end_ms = (from_ms.div_euclid(book.pane_ms) + 1) * book.pane_ms;
        while end_ms <= now_ms && next.is_none_or(|(next_ms, _)| end_ms < *next_ms) {
            state_fact(end_ms - 1, end_ms - from_ms, "held");
            end_ms += book.pane_ms;
        }
        if let Some((released_ms, 2)) = next {
            state_fact(*released_ms, released_ms - from_ms, "released");
        }
    }
    let of = dimensions(&[
        ("host", text(lines[0], "host")),
        ("interface", text(lines[0], "interface")),
        ("connection", text(lines[0], "connection")),
        ("source", source),
    ]);
    for (hold_ms, ts_ms) in renewed.into_values() {
        let mut dimensions = of.clone();
        dimensions.insert("state".to_owned(), DimensionValue::Text("active".into()));
        facts.push(Fact {
            stream: Stream::BossConnection,
            ts_ms,
            value: Some(hold_ms as f64),
            weight: 1,
            dimensions,
        });
    }
    for (pane_ms, held_ms) in held {
        facts.push(Fact {
            stream: Stream::BossOccupancy,
            ts_ms: pane_ms,
            value: Some(held_ms as f64 / book.pane_ms as f64),
            weight: held_ms,
            dimensions: of.clone(),
        });
    }
}

/// What became of a reply in parts, once that is known.
fn delivery(lines: &[&Value], book: &RuleBook, clocks: &Clocks) -> Option<Fact> {
    let number = |line: &Value, field: &str| line[field].as_i64().unwrap();
    let mut parts = lines.to_vec();
    parts.sort_by_key(|line| {
        let numbers = (number(line, "part"), number(line, "parts"));
        let said = (line["ok"].as_bool(), line["content_ok"].as_bool());
        let latency = line["latency_ms"].as_f64().map(f64::to_bits);
        let texts = ["service", "source", "city"].map(|field| text(line, field));
        (time_of(line, "ts"), numbers, said, latency, texts)
    });
    let deadline_ms = time_of(parts[0], "ts") + book.parts_wait_ms;
    parts.retain(|line| time_of(line, "ts") <= deadline_ms);
    let wanted = parts.iter().map(|line| number(line, "parts")).max()?;
    // The first coming of each number, in the order of coming.
    let mut came: Vec<(i64, i64)> = Vec::new();
    for line in &parts {
        let part = number(line, "part");
        if came.iter().all(|(known, _)| *known != part) {
            came.push((part, time_of(line, "ts")));
        }
    }
    let all = (1..=wanted).all(|part| came.iter().any(|(known, _)| *known == part));
    let (ts_ms, is_right) = match came.last() {
        Some((_, last_ms)) if all => (*last_ms, came.windows(2).all(|pair| pair[0].0 < pair[1].0)),
        _ if clocks.clock(Stream::DialTest) >= deadline_ms => (deadline_ms, false),
        _ => return None,
    };
    let says_wrong = parts.iter().any(|line| line["content_ok"] == false);
    let latencies = parts.iter().filter_map(|line| line["latency_ms"].as_f64());
    let mut fact = linear(parts[0], "latency_ms");
    fact.ts_ms = ts_ms;
    fact.value = latencies.reduce(f64::max);
    let is_ok = parts.iter().all(|line| line["ok"] == true);
    let judged = [("ok", is_ok), ("content_ok", is_right && !says_wrong)];
    for (name, flag) in judged {
        fact.dimensions
            .insert(name.to_owned(), DimensionValue::Flag(flag));
    }
    let wanted = DimensionValue::Integer(wanted);
    fact.dimensions.insert("parts".to_owned(), wanted);
    Some(fact)
}
