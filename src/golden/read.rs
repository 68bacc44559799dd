//! Files → cases, or everything that is wrong with them.

use std::path::Path;

use crate::dataflow::Group;
use crate::golden::case::{
    Absence, Case, Expectation, ExpectedNumber, ExpectedTransition, ExpectedWindow, TimedEvent,
};
use crate::golden::grammar::{FILE, NONE};
use crate::rules::{
    Kqi, Node, Position, Problem, Problems, RuleBook, Shape, Value, did_you_mean, parse_duration,
    parse_text, read_files,
};

/// Folder of a rule book that holds its golden cases.
const FOLDER: &str = "tests";
/// Events of one case: more is a scenario for loadgen.
const EVENTS_MAX: usize = 100_000;
/// Relative tolerance of a value that is given without one: what the last bits of a sum may do.
const EXACT: f64 = 1e-9;
/// Scores are compared as people read them.
const SCORE_TOLERANCE: f64 = 0.005;
/// Fields of events that hold times; they may be written as time since the start.
const TIME_FIELDS: &[&str] = &["submitted_at", "valid_until", "start", "end"];

/// Reads the cases of a rule book: `RULES_DIR/tests/*.yaml`.
///
/// # Errors
/// Every problem of every file; unknown fields, KQIs and alerts among them.
pub fn load_cases(rules: &Path, book: &RuleBook) -> Result<Vec<Case>, Vec<Problem>> {
    let files = read_files(&rules.join(FOLDER))?;
    parse_cases(&files, book)
}

/// Checks cases given as (path, text) pairs.
///
/// # Errors
/// Every problem of every file.
pub fn parse_cases(files: &[(String, String)], book: &RuleBook) -> Result<Vec<Case>, Vec<Problem>> {
    let mut problems = Problems::new(files.iter().map(|(path, _)| path.clone()).collect());
    let mut cases = Vec::new();
    for (index, (path, text)) in files.iter().enumerate() {
        match parse_text(text, index) {
            Ok(node) => {
                let mut form = Problems::new(files.iter().map(|(path, _)| path.clone()).collect());
                Shape::Record(&FILE).judge(&node, &mut form);
                let sound = !form.has_errors();
                problems.append(form);
                if sound {
                    let items = node.get("cases").map_or(&[][..], Node::items);
                    let mut reader = Reader {
                        book,
                        problems: &mut problems,
                        start_ms: 0,
                    };
                    cases.extend(items.iter().filter_map(|case| reader.case(path, case)));
                }
            }
            Err((at, message)) => problems.error(at, message),
        }
    }
    if problems.has_errors() {
        return Err(problems.into_list());
    }
    Ok(cases)
}

/// Reads nodes whose form has been judged.
struct Reader<'a> {
    book: &'a RuleBook,
    problems: &'a mut Problems,
    start_ms: i64,
}

impl Reader<'_> {
    fn case(&mut self, file: &str, node: &Node) -> Option<Case> {
        let start = node.get("start")?;
        self.start_ms = 0;
        self.start_ms = self.time(start)?;
        let mut events = Vec::new();
        for series in node.get("events")?.items() {
            self.series(series, &mut events)?;
        }
        events.sort_by_key(|event: &TimedEvent| event.arrives_ms);
        Some(Case {
            file: file.to_owned(),
            line: node.at.line,
            name: node.get("name")?.text()?.to_owned(),
            start_ms: self.start_ms,
            events,
            expect: self.expectation(node.get("expect")?)?,
        })
    }

    fn series(&mut self, node: &Node, events: &mut Vec<TimedEvent>) -> Option<()> {
        let first_ms = self.time(node.get("at")?)?;
        let length = |name: &str| node.get(name).and_then(Node::text).and_then(parse_duration);
        let times = natural(node, "times").unwrap_or(1);
        let (every_ms, late_ms) = (length("every"), length("late_by").unwrap_or(0));
        if times > 1 && every_ms.is_none() {
            let words = "a series needs \"every\", the distance of its events";
            self.problems.error(node.at, words);
            return None;
        }
        if events.len() + times as usize > EVENTS_MAX {
            let words = format!("more than {EVENTS_MAX} events, the most that a case may have");
            self.problems.error(node.at, words);
            return None;
        }
        let event = node.get("event")?;
        for number in 0..times {
            let ts_ms = first_ms + number * every_ms.unwrap_or(0);
            events.push(TimedEvent {
                arrives_ms: ts_ms + late_ms,
                line: self.line(event, ts_ms, number + 1)?,
                case_line: node.at.line,
            });
        }
        Some(())
    }

    /// The event's line on the wire; the type first, as producers write it.
    fn line(&mut self, event: &Node, ts_ms: i64, number: i64) -> Option<String> {
        let mut entries: Vec<_> = event.entries().iter().collect();
        entries.sort_by_key(|entry| entry.key != "type");
        if entries.first().is_none_or(|entry| entry.key != "type") {
            self.problems.error(event.at, "the event has no \"type\"");
            return None;
        }
        let mut parts = Vec::new();
        for entry in entries {
            let value = match &entry.node.value {
                _ if entry.key == "ts" => {
                    let words = "\"ts\" follows from \"at\": leave it out";
                    self.problems.error(entry.at, words);
                    return None;
                }
                Value::Text(_) if TIME_FIELDS.contains(&entry.key.as_str()) => {
                    self.time(&entry.node)?.into()
                }
                _ => json(&entry.node, number),
            };
            parts.push(format!("{}:{value}", serde_json::Value::from(&*entry.key)));
        }
        parts.insert(1, format!("\"ts\":{ts_ms}"));
        Some(format!("{{{}}}", parts.join(",")))
    }

    fn expectation(&mut self, node: &Node) -> Option<Expectation> {
        let items = |name: &str| node.get(name).map_or(&[][..], Node::items);
        let mut expect = Expectation {
            others_allowed: text(node, "other_alerts").as_deref() == Some("allowed"),
            refused: natural(node, "refused").unwrap_or(0) as usize,
            ..Expectation::default()
        };
        for item in items("windows") {
            expect.windows.push(self.window(item)?);
        }
        for item in items("no_windows") {
            expect.absences.push(self.absence(item)?);
        }
        for item in items("alerts") {
            expect.transitions.push(self.transition(item)?);
        }
        Some(expect)
    }

    fn window(&mut self, node: &Node) -> Option<ExpectedWindow> {
        let kqi = self.kqi(node.get("kqi")?)?;
        let known = &self.book.kqis[kqi];
        let end_ms = self.time(node.get("end")?)?;
        self.is_an_end(known, node.get("end")?.at, end_ms)?;
        Some(ExpectedWindow {
            line: node.at.line,
            kqi,
            group: self.group(known, node.get("group")?)?,
            end_ms,
            value: self.number(node, "value")?,
            score: node.get("score").map(|score| ExpectedNumber {
                number: score.number(),
                tolerance: SCORE_TOLERANCE,
            }),
            verdict: text(node, "verdict"),
            count: natural(node, "count"),
            samples: natural(node, "samples"),
        })
    }

    fn absence(&mut self, node: &Node) -> Option<Absence> {
        let kqi = self.kqi(node.get("kqi")?)?;
        let known = &self.book.kqis[kqi];
        let group = match node.get("group") {
            Some(group) => Some(self.group(known, group)?),
            None => None,
        };
        let end_ms = match node.get("end") {
            Some(end) => {
                let end_ms = self.time(end)?;
                self.is_an_end(known, end.at, end_ms)?;
                Some(end_ms)
            }
            None => None,
        };
        Some(Absence {
            line: node.at.line,
            kqi,
            group,
            end_ms,
        })
    }

    fn transition(&mut self, node: &Node) -> Option<ExpectedTransition> {
        let id = node.get("alert")?;
        let alert = id.text()?;
        let Some(rule) = self.book.alerts.iter().find(|rule| rule.id == alert) else {
            let hint = did_you_mean(alert, self.book.alerts.iter().map(|rule| rule.id.as_str()));
            let words = format!("the rule book has no alert {alert:?}");
            self.problems.error_with(id.at, words, hint);
            return None;
        };
        let known = self.book.kqis.iter().find(|kqi| kqi.id == rule.kqi)?;
        let at_ms = match node.get("at") {
            Some(at) => Some(self.time(at)?),
            None => None,
        };
        Some(ExpectedTransition {
            line: node.at.line,
            alert: alert.to_owned(),
            group: self.group(known, node.get("group")?)?,
            state: text(node, "state")?,
            at_ms,
            severity: text(node, "severity"),
            reason: text(node, "reason"),
            value: self.number(node, "value")?,
        })
    }

    fn kqi(&mut self, node: &Node) -> Option<usize> {
        let id = node.text()?;
        let found = self.book.kqis.iter().position(|kqi| kqi.id == id);
        if found.is_none() {
            let hint = did_you_mean(id, self.book.kqis.iter().map(|kqi| kqi.id.as_str()));
            let words = format!("the rule book has no KQI {id:?}");
            self.problems.error_with(node.at, words, hint);
        }
        found
    }

    /// The label of a group, in the KQI's own order of dimensions.
    fn group(&mut self, kqi: &Kqi, node: &Node) -> Option<String> {
        for entry in node.entries() {
            if !kqi.group_by.contains(&entry.key) {
                let hint = did_you_mean(&entry.key, kqi.group_by.iter().map(String::as_str));
                let words = format!("{} is not grouped by {:?}", kqi.id, entry.key);
                self.problems.error_with(entry.at, words, hint);
                return None;
            }
        }
        let mut values = Vec::new();
        for name in &kqi.group_by {
            let Some(value) = node.get(name).and_then(Node::text) else {
                let words = format!("{} is grouped by {name:?}, which is missing", kqi.id);
                self.problems.error(node.at, words);
                return None;
            };
            values.push((name.clone(), value.to_owned()));
        }
        Some(Group::new(values).label)
    }

    /// A window that cannot exist is a slip of the author, not of the rules.
    fn is_an_end(&mut self, kqi: &Kqi, at: Position, end_ms: i64) -> Option<()> {
        let spec = kqi.window;
        if (end_ms - spec.size_ms - spec.offset_ms).rem_euclid(spec.hop_ms) == 0 {
            return Some(());
        }
        let words = format!("no window of {} ends then", kqi.id);
        let every = crate::rules::show_duration(spec.hop_ms);
        let hint = Some(format!("they end every {every}"));
        self.problems.error_with(at, words, hint);
        None
    }

    /// An expected number with its tolerance; the outer `None` is a problem.
    fn number(&mut self, node: &Node, name: &str) -> Option<Option<ExpectedNumber>> {
        let Some(value) = node.get(name) else {
            return Some(None);
        };
        let number = value.number();
        debug_assert!(number.is_some() || value.text() == Some(NONE));
        let size = number.unwrap_or(0.0).abs();
        let tolerance = match node.get("within") {
            None => size * EXACT,
            Some(within) => {
                let share = within.text().and_then(percent).map(|share| share * size);
                let Some(tolerance) = within.number().or(share) else {
                    let words = format!("{} is not a tolerance", within.describe());
                    let hint = Some("write for example 2% or 0.5".to_owned());
                    self.problems.error_with(within.at, words, hint);
                    return None;
                };
                tolerance
            }
        };
        Some(Some(ExpectedNumber { number, tolerance }))
    }

    /// A time since the start, or an absolute one, ms.
    fn time(&mut self, node: &Node) -> Option<i64> {
        let text = node.text()?;
        let absolute = || text.parse::<jiff::Timestamp>().ok();
        let ms = parse_duration(text)
            .map(|since_ms| self.start_ms + since_ms)
            .or_else(|| absolute().map(jiff::Timestamp::as_millisecond));
        if ms.is_none() {
            let words = format!("{text:?} is not a time");
            let hint = "write time since the start, for example 90s, or RFC 3339 with an offset";
            self.problems
                .error_with(node.at, words, Some(hint.to_owned()));
        }
        ms
    }
}

fn text(node: &Node, name: &str) -> Option<String> {
    node.get(name).and_then(Node::text).map(str::to_owned)
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "the shape has judged it a whole number below 2^53"
)]
fn natural(node: &Node, name: &str) -> Option<i64> {
    node.get(name)
        .and_then(Node::number)
        .map(|number| number as i64)
}

fn percent(text: &str) -> Option<f64> {
    let number: f64 = text.strip_suffix('%')?.trim().parse().ok()?;
    (number >= 0.0).then_some(number / 100.0)
}

/// A field's value as JSON; whole numbers stay whole.
#[expect(
    clippy::cast_possible_truncation,
    reason = "only whole numbers that fit are cast"
)]
fn json(node: &Node, number: i64) -> serde_json::Value {
    match &node.value {
        Value::Null => serde_json::Value::Null,
        Value::Flag(flag) => (*flag).into(),
        Value::Number(value) if value.fract() == 0.0 && value.abs() < 9e15 => {
            (*value as i64).into()
        }
        Value::Number(value) => (*value).into(),
        Value::Text(text) => text.replace("{n}", &number.to_string()).into(),
        Value::List(items) => items.iter().map(|item| json(item, number)).collect(),
        Value::Map(entries) => entries
            .iter()
            .map(|entry| (entry.key.clone(), json(&entry.node, number)))
            .collect(),
    }
}
