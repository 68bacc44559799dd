//! What was expected against what came, in words that a rule author can act on.

use std::fmt::{self, Write as _};

use crate::alerting::{AlertState, Transition, TransitionReason};
use crate::golden::case::{Absence, Case, ExpectedNumber, ExpectedTransition, ExpectedWindow};
use crate::golden::run::{Observed, Row};
use crate::rules::{Plan, show_duration};

/// Windows shown on either side of one that is wrong.
const NEIGHBOURS: usize = 3;

/// A case that did not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// File it stands in.
    pub file: String,
    /// Line it begins at.
    pub line: u64,
    /// What it shows.
    pub name: String,
    /// Everything that differs, one text each.
    pub differences: Vec<String>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FAIL {}:{}: {}", self.file, self.line, self.name)?;
        for difference in &self.differences {
            write!(f, "\n  {difference}")?;
        }
        Ok(())
    }
}

/// Compares; `None` when everything is as expected.
pub fn compare(plan: &Plan, case: &Case, observed: &Observed) -> Option<Failure> {
    let judge = Judge {
        plan,
        case,
        observed,
    };
    let expect = &case.expect;
    let mut differences = Vec::new();
    differences.extend(judge.refusals());
    differences.extend(expect.windows.iter().filter_map(|want| judge.window(want)));
    differences.extend(
        expect
            .absences
            .iter()
            .filter_map(|want| judge.absence(want)),
    );
    differences.extend(judge.transitions());
    (!differences.is_empty()).then(|| Failure {
        file: case.file.clone(),
        line: case.line,
        name: case.name.clone(),
        differences,
    })
}

struct Judge<'a> {
    plan: &'a Plan,
    case: &'a Case,
    observed: &'a Observed,
}

impl Judge<'_> {
    fn refusals(&self) -> Option<String> {
        let (want, came) = (self.case.expect.refused, self.observed.refusals.len());
        if want == came {
            return None;
        }
        let mut text = format!("refused lines\n    expected  {want}\n    came      {came}");
        for refusal in &self.observed.refusals {
            let Case { file, .. } = self.case;
            let _ = write!(text, "\n      {file}:{}: {}", refusal.line, refusal.reason);
        }
        Some(text)
    }

    fn window(&self, want: &ExpectedWindow) -> Option<String> {
        let key = (want.kqi, want.group.clone());
        let rows = self.observed.rows.get(&key);
        let came = rows.and_then(|rows| rows.get(&want.end_ms));
        if came.is_some_and(|row| fits(want, row)) {
            return None;
        }
        let mut text = format!(
            "line {}: window of {} {}, end {}\n    expected  {}\n    came      {}",
            want.line,
            self.kqi(want.kqi),
            want.group,
            self.time(want.end_ms),
            show_expected(want),
            came.map_or_else(|| "no such window".to_owned(), show_row),
        );
        match rows {
            Some(rows) => {
                let before = rows.range(..want.end_ms).rev().take(NEIGHBOURS);
                let after = rows.range(want.end_ms + 1..).take(NEIGHBOURS);
                let mut around: Vec<_> = before.chain(after).collect();
                around.sort_by_key(|(end_ms, _)| **end_ms);
                for (end_ms, row) in around {
                    let _ = write!(text, "\n    beside    {}: ", self.time(*end_ms));
                    text.push_str(&show_row(row));
                }
            }
            None => self.show_groups(want.kqi, &mut text),
        }
        Some(text)
    }

    /// Which groups of the KQI there are, where the expected one is not.
    fn show_groups(&self, kqi: usize, text: &mut String) {
        let mut groups = self.observed.rows.keys().filter(|(known, _)| *known == kqi);
        match groups.next() {
            None => text.push_str("\n    the KQI has no window at all"),
            Some((_, first)) => {
                let _ = write!(text, "\n    groups    {first}");
                for (_, group) in groups.take(NEIGHBOURS) {
                    let _ = write!(text, ", {group}");
                }
            }
        }
    }

    fn absence(&self, want: &Absence) -> Option<String> {
        let mut found = self
            .observed
            .rows
            .iter()
            .filter(|((kqi, group), _)| {
                *kqi == want.kqi && want.group.as_ref().is_none_or(|wanted| wanted == group)
            })
            .flat_map(|((_, group), rows)| rows.iter().map(move |(end, row)| (group, *end, row)))
            .filter(|(_, end_ms, _)| want.end_ms.is_none_or(|wanted| wanted == *end_ms))
            .peekable();
        found.peek()?;
        let mut text = format!("line {}: no window of {}", want.line, self.kqi(want.kqi));
        for (group, end_ms, row) in found.take(NEIGHBOURS) {
            let _ = write!(
                text,
                "\n    came      {group}, end {}: {}",
                self.time(end_ms),
                show_row(row)
            );
        }
        Some(text)
    }

    /// Every expected transition must come once; no other alert may fire.
    fn transitions(&self) -> Vec<String> {
        let came = &self.observed.transitions;
        let mut met = vec![false; came.len()];
        let mut differences = Vec::new();
        for want in &self.case.expect.transitions {
            let found = (0..came.len()).find(|at| !met[*at] && moved_as(want, &came[*at]));
            match found {
                Some(at) => met[at] = true,
                None => differences.push(self.missing(want)),
            }
        }
        if self.case.expect.others_allowed {
            return differences;
        }
        for (transition, met) in came.iter().zip(met) {
            let fired = transition.state == AlertState::Firing
                && transition.reason != TransitionReason::Escalated;
            if fired && !met {
                differences.push(format!(
                    "alert that no line expects\n    came      {}",
                    self.show_transition(transition)
                ));
            }
        }
        differences
    }

    fn missing(&self, want: &ExpectedTransition) -> String {
        let mut parts = vec![want.state.clone()];
        parts.extend(want.at_ms.map(|at_ms| format!("at {}", self.time(at_ms))));
        parts.extend(want.severity.clone());
        parts.extend(want.reason.clone());
        parts.extend(want.value.map(|value| format!("value {}", tolerant(value))));
        let mut text = format!(
            "line {}: alert {} {}\n    expected  {}",
            want.line,
            want.alert,
            want.group,
            parts.join(", ")
        );
        let came = self.observed.transitions.iter();
        let mut same = came
            .filter(|came| came.alert == want.alert && came.group == want.group)
            .peekable();
        if same.peek().is_none() {
            text.push_str("\n    came      nothing of this alert and group");
        }
        for transition in same {
            let _ = write!(text, "\n    came      {}", self.show_transition(transition));
        }
        text
    }

    fn show_transition(&self, transition: &Transition) -> String {
        format!(
            "{} {} {} at {}, {}, {}, value {}",
            transition.alert,
            transition.group,
            transition.state.name(),
            self.time(transition.at_ms),
            transition.severity.name(),
            transition.reason.name(),
            show(transition.value),
        )
    }

    fn kqi(&self, index: usize) -> &str {
        self.plan.book.kqis.get(index).map_or("?", |kqi| &kqi.id)
    }

    /// A time as the case counts it, and as a clock in the book's zone shows it.
    fn time(&self, ms: i64) -> String {
        let since_ms = ms - self.case.start_ms;
        let sign = if since_ms < 0 { "-" } else { "" };
        let since = show_duration(since_ms.abs());
        match jiff::Timestamp::from_millisecond(ms) {
            Ok(time) => {
                let clock = time
                    .to_zoned(self.plan.zone.clone())
                    .strftime("%d %H:%M:%S");
                format!("{sign}{since} ({clock})")
            }
            Err(_) => format!("{sign}{since}"),
        }
    }
}

fn fits(want: &ExpectedWindow, came: &Row) -> bool {
    want.value.is_none_or(|value| value.holds(came.value))
        && want.score.is_none_or(|score| score.holds(came.score))
        && want
            .verdict
            .as_ref()
            .is_none_or(|name| name == came.verdict)
        && want.count.is_none_or(|count| count == came.count)
        && want.samples.is_none_or(|samples| samples == came.samples)
}

fn moved_as(want: &ExpectedTransition, came: &Transition) -> bool {
    want.alert == came.alert
        && want.group == came.group
        && want.state == came.state.name()
        && want.at_ms.is_none_or(|at_ms| at_ms == came.at_ms)
        && want
            .severity
            .as_ref()
            .is_none_or(|name| name == came.severity.name())
        && want
            .reason
            .as_ref()
            .is_none_or(|name| name == came.reason.name())
        && want.value.is_none_or(|value| value.holds(came.value))
}

/// Only the parts that are given.
fn show_expected(want: &ExpectedWindow) -> String {
    let mut parts = Vec::new();
    parts.extend(want.value.map(|value| format!("value {}", tolerant(value))));
    parts.extend(want.score.map(|score| format!("score {}", tolerant(score))));
    parts.extend(want.verdict.clone());
    parts.extend(want.count.map(|count| format!("count {count}")));
    parts.extend(want.samples.map(|samples| format!("samples {samples}")));
    if parts.is_empty() {
        parts.push("a window".to_owned());
    }
    parts.join(", ")
}

fn show_row(row: &Row) -> String {
    format!(
        "value {}, score {}, {}, count {}, samples {}",
        show(row.value),
        show(row.score),
        row.verdict,
        row.count,
        row.samples
    )
}

fn tolerant(expected: ExpectedNumber) -> String {
    match expected.number {
        Some(number) if expected.tolerance > number.abs() * 1e-6 => {
            format!("{number} ± {}", show(Some(expected.tolerance)))
        }
        number => show(number),
    }
}

fn show(number: Option<f64>) -> String {
    number.map_or_else(
        || "none".to_owned(),
        |number| ((number * 1e6).round() / 1e6).to_string(),
    )
}
