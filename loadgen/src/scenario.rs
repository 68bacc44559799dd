//! Scenarios: what a stretch of operation looks like, written in YAML.
//!
//! A scenario is *what happens*, never how fast it is sent: pacing belongs to
//! the command line. Unknown fields are refused, and every complaint about a
//! file names its line.

mod check;
mod incident;
mod streams;

use std::path::Path;

use serde::Deserialize;

pub use incident::{
    BossCallEffect, BossConnectionEffect, ComplaintEffect, DialTestEffect, Effect, Incident,
    MmsEffect,
};
pub use streams::{
    Annotation, BossCallers, BossConnections, BossPair, Complaints, DialTestFleet, Edition,
    GaugeSeries, MmsTraffic, Multipart,
};

use crate::quantity::{Moment, Share, SpanMs};

/// A whole scenario file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// Name, also the default stem of the ground truth file.
    pub scenario: String,
    /// What it shows, for people.
    pub about: String,
    /// Event time of its beginning; `--start` overrides it.
    pub start: Moment,
    /// Length in event time.
    pub duration: SpanMs,
    /// Events that overtake each other on the way.
    #[serde(default)]
    pub disorder: Disorder,
    /// Events that come after any reasonable lateness.
    #[serde(default)]
    pub late: Late,
    /// Share of lines that are delivered twice, byte for byte.
    #[serde(default)]
    pub duplicates: Share,
    /// Broken lines added, as a share of the good ones.
    #[serde(default)]
    pub broken_lines: Share,
    /// Fleets of dial-test probes.
    #[serde(default)]
    pub dial_tests: Vec<DialTestFleet>,
    /// MMS sent out, with their receipts.
    #[serde(default)]
    pub mms: Vec<MmsTraffic>,
    /// Callers of BOSS interfaces.
    #[serde(default)]
    pub boss_calls: Vec<BossCallers>,
    /// Holders of BOSS connections.
    #[serde(default)]
    pub boss_connections: Vec<BossConnections>,
    /// Complaint tickets.
    #[serde(default)]
    pub complaints: Vec<Complaints>,
    /// Slow numbers such as the subscriber base.
    #[serde(default)]
    pub gauges: Vec<GaugeSeries>,
    /// Planned work, cut-overs, storms.
    #[serde(default)]
    pub annotations: Vec<Annotation>,
    /// What goes wrong, on purpose.
    #[serde(default)]
    pub incidents: Vec<Incident>,
}

/// Some events are overtaken by others, within a bound.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Disorder {
    /// Share of events held up.
    pub share: Share,
    /// Longest hold-up, in event time.
    pub max: SpanMs,
}

/// Some events are held up for so long that their windows are sealed.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Late {
    /// Share of events held up.
    pub share: Share,
    /// Shortest hold-up, in event time.
    pub min: SpanMs,
    /// Longest hold-up, in event time.
    pub max: SpanMs,
}

/// Why a scenario cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ScenarioError {
    /// The file is not there, or not text.
    #[error("cannot read scenario {path}")]
    Read {
        /// The file asked for.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The text is not a scenario.
    #[error("{file}:{line}:{column}: {message}")]
    Syntax {
        /// File name as given.
        file: String,
        /// Line, from 1.
        line: u64,
        /// Column, from 1.
        column: u64,
        /// What is wrong there.
        message: String,
    },
    /// The text is a scenario, but its parts do not fit together.
    #[error("{}", .0.join("\n"))]
    Inconsistent(
        /// Every problem, each with file and line.
        Vec<String>,
    ),
}

/// The scenarios that come with the program: name and text.
pub const BUNDLED: [(&str, &str); 5] = [
    ("kqi-1", include_str!("../scenarios/kqi-1.yaml")),
    (
        "four-streams",
        include_str!("../scenarios/four-streams.yaml"),
    ),
    (
        "experience-card",
        include_str!("../scenarios/experience-card.yaml"),
    ),
    (
        "mobile-newspaper",
        include_str!("../scenarios/mobile-newspaper.yaml"),
    ),
    (
        "newspaper-days",
        include_str!("../scenarios/newspaper-days.yaml"),
    ),
];

impl Scenario {
    /// The same without what goes wrong, for another week: its tickets are others.
    #[must_use]
    pub fn healthy(mut self) -> Scenario {
        self.incidents.clear();
        for tickets in &mut self.complaints {
            tickets.name.value.push_str("-later");
        }
        self
    }

    /// Reads a scenario from a file, or a bundled one by its name.
    ///
    /// # Errors
    /// When the file cannot be read, is not a scenario, or contradicts itself.
    pub fn open(path_or_name: &str) -> Result<Self, ScenarioError> {
        if !Path::new(path_or_name).exists()
            && let Some(scenario) = Self::bundled(path_or_name)
        {
            return scenario;
        }
        let text = std::fs::read_to_string(path_or_name).map_err(|source| ScenarioError::Read {
            path: path_or_name.to_owned(),
            source,
        })?;
        Self::parse(path_or_name, &text)
    }

    /// A scenario that comes with the program; `None` for an unknown name.
    pub fn bundled(name: &str) -> Option<Result<Self, ScenarioError>> {
        BUNDLED
            .iter()
            .find(|(bundled, _)| *bundled == name)
            .map(|(bundled, text)| Self::parse(&format!("scenarios/{bundled}.yaml"), text))
    }

    /// Reads a scenario from text; `file` is only named in errors.
    ///
    /// # Errors
    /// When the text is not a scenario or contradicts itself.
    pub fn parse(file: &str, text: &str) -> Result<Self, ScenarioError> {
        let scenario: Self = serde_saphyr::from_str(text).map_err(|error| {
            let location = error.location();
            ScenarioError::Syntax {
                file: file.to_owned(),
                line: location.map_or(0, |place| place.line()),
                column: location.map_or(0, |place| place.column()),
                message: bare_message(&error),
            }
        })?;
        let problems = check::problems(file, &scenario);
        if problems.is_empty() {
            Ok(scenario)
        } else {
            Err(ScenarioError::Inconsistent(problems))
        }
    }
}

/// The first line of the reader's message without its own position, which is
/// said once, in front.
fn bare_message(error: &serde_saphyr::Error) -> String {
    let full = error.without_snippet().to_string();
    let first = full.lines().next().unwrap_or_default();
    first
        .split(" at line ")
        .next()
        .unwrap_or(first)
        .trim_start_matches("error: ")
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "scenario: t\nabout: t\nstart: 2026-03-02T00:00:00+08:00\nduration: 1h\n";

    #[track_caller]
    fn check(rest: &str, expected: &[&str]) {
        let error = Scenario::parse("t.yaml", &format!("{HEAD}{rest}"))
            .unwrap_err()
            .to_string();
        for part in expected {
            assert!(error.contains(part), "`{part}` is not in: {error}");
        }
    }

    #[test]
    fn every_bundled_scenario_reads() {
        for (name, _) in BUNDLED {
            if let Err(error) = Scenario::bundled(name).unwrap() {
                panic!("{error}");
            }
        }
    }

    #[test]
    fn mistakes_name_file_line_and_value() {
        check("durration: 1h\n", &["t.yaml:5:", "durration"]);
        check("duplicates: 1.5\n", &["t.yaml:5:", "1.5 is not a share"]);
        check(
            "disorder: {share: 0.1, max: soon}\n",
            &["t.yaml:5:", "`soon` is not a length of time"],
        );
    }

    #[test]
    fn contradictions_are_all_listed() {
        let fleet = "dial_tests:\n  - name: a\n    services: [sms]\n    cities: [长沙]\n    channels: [sms]\n    success_ratio: 0.99\n    latency: {median_ms: 100}\n";
        check(fleet, &["t.yaml:6:", "`a`", "rate_per_min", "every"]);
        let incident = format!(
            "{fleet}    every: 60s\nincidents:\n  - id: x\n    kind: k\n    service: sms\n    match: {{city: 株洲, colour: red}}\n    from: 30m\n    until: 20m\n    effect: {{dial_test: {{success_ratio: 0.5}}}}\n"
        );
        check(
            &incident,
            &["t.yaml:14:", "ends before it begins", "`colour`"],
        );
        let nothing = incident.replace(", colour: red", "").replace("20m", "40m");
        check(&nothing, &["t.yaml:14:", "matches nothing"]);
    }
}
