//! Dial tests: a probe tries a service and says how it went.

use rand::RngExt;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::Frame;
use super::strike::{Strike, note, strikes};
use crate::line::{JsonText, LineWriter, prepare_text};
use crate::places::expand;
use crate::scenario::{DialTestEffect, DialTestFleet, Effect};
use crate::truth::IncidentTruth;

/// The tests of one fleet, evenly spread over the scenario's time.
pub(super) struct DialTests {
    rng: ChaCha8Rng,
    fleet: DialTestFleet,
    id_prefix: String,
    probes: Vec<Probe>,
    codes: Vec<(JsonText, f64)>,
    no_reply: JsonText,
    start_ms: i64,
    interval_ms: f64,
    total: u64,
    made: u64,
}

struct Probe {
    /// The fields that never change, as they stand in a line.
    fields: Vec<u8>,
    strikes: Vec<Strike<DialTestEffect>>,
}

impl DialTests {
    pub(super) fn new(
        frame: Frame<'_>,
        fleet: &DialTestFleet,
        total: u64,
        mut rng: ChaCha8Rng,
    ) -> Self {
        let mut probes = probes(frame, fleet);
        // Neighbours in the list must not be neighbours in time.
        probes.shuffle(&mut rng);
        Self {
            rng,
            id_prefix: format!("{}-", fleet.name.value),
            probes,
            codes: weighted(
                fleet
                    .codes
                    .iter()
                    .map(|(code, weight)| (code.as_str(), weight.0)),
            ),
            no_reply: JsonText::new("no_reply"),
            start_ms: frame.start_ms,
            interval_ms: frame.scenario.duration.0 as f64 / total.max(1) as f64,
            total,
            made: 0,
            fleet: fleet.clone(),
        }
    }

    pub(super) fn next_ms(&self) -> Option<i64> {
        (self.made < self.total)
            .then(|| self.start_ms + (self.made as f64 * self.interval_ms) as i64)
    }

    pub(super) fn write(&mut self, buffer: &mut Vec<u8>, truth: &mut [IncidentTruth]) -> i64 {
        let ts_ms = self.next_ms().unwrap_or(self.start_ms);
        let Self { rng, fleet, .. } = self;
        let index = if fleet.every.is_some() {
            (self.made % self.probes.len() as u64) as usize
        } else {
            rng.random_range(0..self.probes.len())
        };
        let probe = &self.probes[index];

        let (mut success, mut latency_ms, mut code) = (fleet.success_ratio, None, None);
        let mut factor = 1.0;
        for strike in probe.strikes.iter().filter(|strike| strike.is_on(ts_ms)) {
            success = strike.effect.success_ratio.unwrap_or(success);
            factor *= strike.effect.latency_factor.map_or(1.0, |factor| factor.0);
            latency_ms = strike.effect.latency_ms.or(latency_ms);
            code = strike.effect.code.as_deref().or(code);
        }
        let mut latency_ms = match latency_ms {
            Some(range) => range.draw(rng),
            None => fleet.latency.draw_ms(rng) * factor,
        };
        let mut ok = success.hit(rng);
        let mut failure = None;
        if let Some(timeout) = fleet.timeout_ms
            && latency_ms >= timeout.0
        {
            // The probe stopped waiting: what would have come is never known.
            (ok, latency_ms, failure) = (false, timeout.0, Some(&self.no_reply));
        }

        let mut line = LineWriter::start(buffer, "dial_test", ts_ms);
        line.numbered("id", &self.id_prefix, self.made, 8)
            .prepared(&probe.fields)
            .flag("ok", ok)
            .integer("latency_ms", latency_ms.round() as i64);
        if !ok {
            match (failure, code) {
                (Some(failure), _) => {
                    line.text("code", failure);
                }
                (None, Some(code)) => {
                    line.text("code", &JsonText::new(code));
                }
                (None, None) => {
                    if let Some(code) = pick(&self.codes, rng) {
                        line.text("code", code);
                    }
                }
            }
        }
        if let Some(bytes) = fleet.bytes {
            line.integer("bytes", if ok { bytes.draw(rng) as i64 } else { 0 });
        }
        let content_ok = fleet.content_ok_ratio.map(|share| share.hit(rng));
        match fleet.multipart {
            Some(multipart) if ok && multipart.share.hit(rng) => {
                let parts = multipart.parts.draw(rng).round() as i64;
                let incomplete = multipart.incomplete.hit(rng);
                line.flag("content_ok", !incomplete)
                    .integer(
                        "part",
                        if incomplete {
                            (parts - 1).max(1)
                        } else {
                            parts
                        },
                    )
                    .integer("parts", parts);
            }
            // What did not come cannot be read: no verdict on its content.
            _ => {
                if let Some(content_ok) = content_ok
                    && ok
                {
                    line.flag("content_ok", content_ok);
                }
            }
        }
        line.end();

        for strike in probe.strikes.iter().filter(|strike| strike.is_on(ts_ms)) {
            note(truth, strike.incident, 1, u64::from(!ok));
        }
        self.made += 1;
        ts_ms
    }
}

fn probes(frame: Frame<'_>, fleet: &DialTestFleet) -> Vec<Probe> {
    let steps: Vec<Option<&str>> = if fleet.steps.is_empty() {
        vec![None]
    } else {
        fleet.steps.iter().map(|step| Some(step.as_str())).collect()
    };
    let cities = expand(&fleet.cities);
    let mut probes = Vec::new();
    for service in &fleet.services {
        for city in &cities {
            for channel in &fleet.channels {
                for network in &fleet.networks {
                    for step in &steps {
                        let mut fields = Vec::new();
                        prepare_text(&mut fields, "service", service);
                        prepare_text(&mut fields, "channel", channel);
                        prepare_text(&mut fields, "city", city);
                        prepare_text(&mut fields, "network", network);
                        prepare_text(&mut fields, "probe", &format!("probe-{city}-{channel}"));
                        prepare_text(&mut fields, "target", &fleet.target);
                        let mut dims = vec![
                            ("city", city.as_str()),
                            ("channel", channel.as_str()),
                            ("network", network.as_str()),
                        ];
                        if let Some(step) = step {
                            prepare_text(&mut fields, "step", step);
                            dims.push(("step", step));
                        }
                        let strikes = strikes(frame, effect, Some(service), &dims);
                        probes.push(Probe { fields, strikes });
                    }
                }
            }
        }
    }
    probes
}

fn effect(effect: &Effect) -> Option<&DialTestEffect> {
    match effect {
        Effect::DialTest(effect) => Some(effect),
        _ => None,
    }
}

/// Texts with cumulative weights that end at 1.
pub(super) fn weighted<'a>(entries: impl Iterator<Item = (&'a str, f64)>) -> Vec<(JsonText, f64)> {
    let entries: Vec<_> = entries.collect();
    let sum: f64 = entries.iter().map(|(_, weight)| weight).sum();
    let mut reached = 0.0;
    entries
        .into_iter()
        .map(|(text, weight)| {
            reached += weight / sum;
            (JsonText::new(text), reached)
        })
        .collect()
}

/// Picks a text by weight; `None` when there are none.
pub(super) fn pick<'a>(texts: &'a [(JsonText, f64)], rng: &mut ChaCha8Rng) -> Option<&'a JsonText> {
    let last = texts.last()?;
    let at: f64 = rng.random();
    Some(
        &texts
            .iter()
            .find(|(_, reached)| at < *reached)
            .unwrap_or(last)
            .0,
    )
}
