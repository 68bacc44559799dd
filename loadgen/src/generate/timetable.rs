//! Events at set times: gauges and annotations.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::Frame;
use crate::line::{JsonText, LineWriter};
use crate::pending::Pending;
use crate::places::expand;
use crate::quantity::Share;
use crate::scenario::GaugeSeries;

/// The gauges and annotations of a scenario.
pub(super) struct Timetable {
    rng: ChaCha8Rng,
    due: Pending<Entry>,
}

enum Entry {
    Gauge {
        name: JsonText,
        dims: String,
        value: f64,
        wobble: Share,
        every_ms: i64,
    },
    Annotation {
        start_ms: i64,
        end_ms: i64,
        kind: JsonText,
        text: JsonText,
        scope: String,
    },
}

impl Timetable {
    pub(super) fn new(frame: Frame<'_>, rng: ChaCha8Rng) -> Self {
        let mut due = Pending::default();
        for series in &frame.scenario.gauges {
            for dims in combinations(series) {
                let entry = Entry::Gauge {
                    name: JsonText::new(&series.name.value),
                    dims: object(&dims),
                    value: series.value.0,
                    wobble: series.wobble,
                    every_ms: series.every.0,
                };
                due.push(frame.start_ms, entry);
            }
        }
        for annotation in &frame.scenario.annotations {
            let scope: Vec<_> = annotation
                .scope
                .iter()
                .map(|(dim, value)| (dim.clone(), value.clone()))
                .collect();
            let entry = Entry::Annotation {
                start_ms: frame.start_ms + annotation.from.0,
                end_ms: frame.start_ms + annotation.until.value.0,
                kind: JsonText::new(&annotation.kind),
                text: JsonText::new(&annotation.text),
                scope: object(&scope),
            };
            due.push(frame.start_ms + annotation.at.0, entry);
        }
        Self { rng, due }
    }

    pub(super) fn next_ms(&self) -> Option<i64> {
        self.due.next_ms()
    }

    pub(super) fn write(&mut self, buffer: &mut Vec<u8>) -> i64 {
        let Some((ts_ms, entry)) = self.due.pop() else {
            return 0;
        };
        match entry {
            Entry::Gauge {
                name,
                dims,
                value,
                wobble,
                every_ms,
            } => {
                let deviation = (self.rng.random::<f64>() * 2.0 - 1.0) * wobble.0;
                // Six digits are more than any survey knows, and keep lines short.
                let reported = (value * (1.0 + deviation) * 1e6).round() / 1e6;
                let mut line = LineWriter::start(buffer, "gauge", ts_ms);
                line.text("name", &name)
                    .raw("value", reported)
                    .raw("dims", &dims);
                line.end();
                self.due.push(
                    ts_ms + every_ms,
                    Entry::Gauge {
                        name,
                        dims,
                        value,
                        wobble,
                        every_ms,
                    },
                );
            }
            Entry::Annotation {
                start_ms,
                end_ms,
                kind,
                text,
                scope,
            } => {
                let mut line = LineWriter::start(buffer, "annotation", ts_ms);
                line.integer("start", start_ms)
                    .integer("end", end_ms)
                    .text("kind", &kind)
                    .text("text", &text)
                    .raw("scope", &scope);
                line.end();
            }
        }
        ts_ms
    }
}

/// Every combination of the values of a series' dimensions.
fn combinations(series: &GaugeSeries) -> Vec<Vec<(String, String)>> {
    let mut all = vec![Vec::new()];
    for (dim, values) in &series.dims {
        let values = expand(values);
        all = all
            .into_iter()
            .flat_map(|chosen: Vec<(String, String)>| {
                values.iter().map(move |value| {
                    let mut longer = chosen.clone();
                    longer.push((dim.clone(), value.clone()));
                    longer
                })
            })
            .collect();
    }
    all
}

/// A JSON object of texts.
fn object(entries: &[(String, String)]) -> String {
    let map: serde_json::Map<_, _> = entries
        .iter()
        .map(|(dim, value)| (dim.clone(), serde_json::Value::from(value.as_str())))
        .collect();
    serde_json::Value::Object(map).to_string()
}
