//! Compares the target's alerts with the ground truth.
//!
//! An alert has noticed an incident when it names one of the expected ids (if
//! any are given; an empty list says that no alert is due), when every dimension of the incident that the alert's group
//! has is equal there, and when it fired between the incident's beginning and
//! its end plus grace. Delays are in event time, from the alert's own times: how
//! fast the scenario was played does not matter.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;
use serde_json::Value;

use crate::truth::IncidentTruth;

/// One firing of an alert, as far as the target tells.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct SeenAlert {
    /// Id of the alert or of its KQI.
    pub alert: String,
    /// The object it is about.
    pub group: BTreeMap<String, String>,
    /// When it fired, event time, milliseconds since the epoch.
    pub fired_at_ms: i64,
}

/// What the target noticed.
#[derive(Debug, Clone, Serialize)]
pub struct Detection {
    /// One finding per incident, in the order of the scenario.
    pub findings: Vec<Finding>,
    /// Firings that no incident explains.
    pub unexplained: Vec<SeenAlert>,
    /// Why the alerts could not be read, if they could not be.
    pub unreadable: Option<String>,
}

/// What became of one incident.
#[derive(Debug, Clone, Serialize)]
pub struct Finding {
    /// Id of the incident.
    pub incident: String,
    /// Whether it was noticed.
    pub verdict: FindingVerdict,
}

/// Whether an incident was noticed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FindingVerdict {
    /// An alert fired for it.
    Detected {
        /// The first one.
        alert: String,
        /// When, event time.
        fired_at_ms: i64,
        /// How long after the incident began, milliseconds of event time.
        delay_ms: i64,
    },
    /// It was played, and nothing fired.
    Missed,
    /// It was played, no alert is due for it, and none fired.
    Quiet,
    /// Sending ended before it began.
    NotPlayed,
}

/// Reads the target's list of alerts. Unknown fields do not matter; entries
/// that never fired are left out.
///
/// # Errors
/// Says what is missing when it is no such list.
pub fn read_alerts(text: &str) -> Result<Vec<SeenAlert>, String> {
    let body: Value = serde_json::from_str(text)
        .map_err(|error| format!("the list of alerts is not JSON: {error}"))?;
    let list = body
        .get("alerts")
        .and_then(Value::as_array)
        .ok_or("the list of alerts has no field `alerts`")?;
    Ok(list.iter().filter_map(seen).collect())
}

fn seen(entry: &Value) -> Option<SeenAlert> {
    let word = |value: &Value| {
        value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned)
    };
    let group = match entry.get("group") {
        Some(Value::Object(dims)) => dims
            .iter()
            .map(|(dim, value)| (dim.clone(), word(value)))
            .collect(),
        // The form of `alerts.csv`.
        Some(Value::String(dims)) => dims
            .split(';')
            .filter_map(|dim| dim.split_once('='))
            .map(|(dim, value)| (dim.to_owned(), value.to_owned()))
            .collect(),
        _ => BTreeMap::new(),
    };
    Some(SeenAlert {
        alert: entry.get("alert").map(word)?,
        group,
        fired_at_ms: entry.get("fired_at_ms")?.as_i64()?,
    })
}

/// Compares the incidents with the firings seen. `played_until_ms` is the
/// moment, in event time, at which sending ended.
pub fn judge(incidents: &[IncidentTruth], alerts: &[SeenAlert], played_until_ms: i64) -> Detection {
    let findings = incidents
        .iter()
        .map(|incident| {
            let first = alerts
                .iter()
                .filter(|alert| explains(incident, alert))
                .min_by_key(|alert| alert.fired_at_ms);
            let verdict = match first {
                Some(alert) => FindingVerdict::Detected {
                    alert: alert.alert.clone(),
                    fired_at_ms: alert.fired_at_ms,
                    delay_ms: alert.fired_at_ms - incident.from_ms,
                },
                None if played_until_ms <= incident.from_ms => FindingVerdict::NotPlayed,
                None if incident.expect.as_ref().is_some_and(Vec::is_empty) => {
                    FindingVerdict::Quiet
                }
                None => FindingVerdict::Missed,
            };
            Finding {
                incident: incident.id.clone(),
                verdict,
            }
        })
        .collect();
    let unexplained = alerts
        .iter()
        .filter(|alert| !incidents.iter().any(|incident| explains(incident, alert)))
        .cloned()
        .collect();
    Detection {
        findings,
        unexplained,
        unreadable: None,
    }
}

fn explains(incident: &IncidentTruth, alert: &SeenAlert) -> bool {
    let in_time =
        (incident.from_ms..=incident.until_ms + incident.grace_ms).contains(&alert.fired_at_ms);
    let expect = incident.expect.as_ref();
    let expected = expect.is_none_or(|ids| ids.contains(&alert.alert));
    let service = incident
        .service
        .as_ref()
        .map(|service| ("service", service));
    let dims = incident
        .dims
        .iter()
        .map(|(dim, value)| (dim.as_str(), value))
        .chain(service);
    let mut shared = 0;
    let equal = dims.into_iter().all(|(dim, value)| {
        alert.group.get(dim).is_none_or(|of_alert| {
            shared += 1;
            of_alert == value
        })
    });
    // Without an expected id something must connect the two.
    in_time && expected && equal && (shared > 0 || expect.is_some())
}

impl Detection {
    /// Whether every incident that was played was noticed.
    pub fn is_complete(&self) -> bool {
        self.findings
            .iter()
            .all(|finding| finding.verdict != FindingVerdict::Missed)
    }
}

impl fmt::Display for Detection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(problem) = &self.unreadable {
            return writeln!(f, "detection  unknown: {problem}");
        }
        let count = |wanted: fn(&FindingVerdict) -> bool| {
            self.findings
                .iter()
                .filter(|finding| wanted(&finding.verdict))
                .count()
        };
        let detected = count(|verdict| matches!(verdict, FindingVerdict::Detected { .. }));
        let not_played = count(|verdict| *verdict == FindingVerdict::NotPlayed);
        let quiet = count(|verdict| *verdict == FindingVerdict::Quiet);
        writeln!(
            f,
            "detection  {detected} of {} incidents ({quiet} more expect no alert, {not_played} were not played); {} firings without an incident",
            self.findings.len() - not_played - quiet,
            self.unexplained.len()
        )?;
        for finding in &self.findings {
            match &finding.verdict {
                FindingVerdict::Detected {
                    alert, delay_ms, ..
                } => {
                    writeln!(
                        f,
                        "  detected    {}  by {alert} after {:.0} s",
                        finding.incident,
                        *delay_ms as f64 / 1_000.0
                    )?;
                }
                FindingVerdict::Missed => writeln!(f, "  missed      {}", finding.incident)?,
                FindingVerdict::Quiet => {
                    writeln!(f, "  quiet       {}  as expected", finding.incident)?;
                }
                // Counted above; a list of what did not happen helps nobody.
                FindingVerdict::NotPlayed => {}
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn incident(id: &str, dims: &[(&str, &str)], expect: &[&str]) -> IncidentTruth {
        IncidentTruth {
            id: id.to_owned(),
            kind: String::new(),
            stream: String::new(),
            service: Some("sms".to_owned()),
            dims: dims
                .iter()
                .map(|(dim, value)| ((*dim).to_owned(), (*value).to_owned()))
                .collect(),
            from: String::new(),
            until: String::new(),
            from_ms: 100_000,
            until_ms: 200_000,
            grace_ms: 50_000,
            expect: (expect != ["any"]).then(|| expect.iter().map(|id| (*id).to_owned()).collect()),
            observed: crate::Observed::default(),
        }
    }

    #[test]
    fn detected_missed_and_unexplained() {
        let alerts = read_alerts(
            r#"{"alerts":[
              {"alert":"slow","group":{"service":"sms","city":"长沙"},"state":"resolved","fired_at_ms":160000,"resolved_at_ms":1,"more":{}},
              {"alert":"slow","group":"service=sms;city=长沙","fired_at_ms":130000},
              {"alert":"slow","group":{"service":"sms","city":"株洲"},"fired_at_ms":251000},
              {"alert":"other","group":{"service":"sms","city":"株洲"},"fired_at_ms":150000},
              {"alert":"slow","group":{},"state":"pending","fired_at_ms":null}]}"#,
        )
        .unwrap();
        assert_eq!(alerts.len(), 4);
        let incidents = [
            incident("a", &[("city", "长沙"), ("step", "query")], &["slow"]),
            incident("b", &[("city", "株洲")], &["slow"]),
            incident("c", &[("city", "湘潭")], &["any"]),
            incident("d", &[("city", "株洲")], &[]),
        ];
        let detection = judge(&incidents, &alerts, 300_000);
        assert_eq!(
            detection.findings[0].verdict,
            FindingVerdict::Detected {
                alert: "slow".to_owned(),
                fired_at_ms: 130_000,
                delay_ms: 30_000
            }
        );
        assert_eq!(detection.findings[1].verdict, FindingVerdict::Missed);
        assert_eq!(detection.findings[2].verdict, FindingVerdict::Missed);
        assert_eq!(detection.findings[3].verdict, FindingVerdict::Quiet);
        assert_eq!(
            detection.unexplained.len(),
            2,
            "what no alert is due for explains none"
        );
        assert!(!detection.is_complete());
        assert_eq!(
            judge(&incidents, &[], 90_000).findings[0].verdict,
            FindingVerdict::NotPlayed
        );
        assert!(
            detection
                .to_string()
                .contains("detected    a  by slow after 30 s")
        );
        assert!(
            detection
                .to_string()
                .contains("1 of 3 incidents (1 more expect no alert, 0 were not played)")
        );
    }

    #[test]
    fn a_strange_answer_is_named() {
        assert!(read_alerts("oops").unwrap_err().contains("not JSON"));
        assert!(read_alerts("{}").unwrap_err().contains("`alerts`"));
    }
}
