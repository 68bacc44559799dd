//! Calls of BOSS interfaces by the platforms that need them.

use std::collections::BTreeMap;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::Frame;
use super::strike::{Strike, note, strikes};
use crate::line::{LineWriter, prepare_text};
use crate::quantity::{LogNormal, Share};
use crate::scenario::{BossCallEffect, BossCallers, Effect};
use crate::truth::IncidentTruth;

/// The service refused the call itself (Tuxedo's TPESVCFAIL).
const TPESVCFAIL: u8 = 11;

/// What such a refusal answers with, for want of the operator's own list.
const REFUSED_URCODE: i64 = 1001;

/// Share of a call's time that it waits in the server's queue.
const QUEUE_SHARE: f64 = 0.2;

/// The calls of one group of platforms, evenly spread over the scenario's time.
pub(super) struct BossCalls {
    rng: ChaCha8Rng,
    routes: Vec<Route>,
    latency: LogNormal,
    errors: BTreeMap<u8, Share>,
    start_ms: i64,
    interval_ms: f64,
    total: u64,
    made: u64,
}

/// One client at one interface of one host.
struct Route {
    fields: Vec<u8>,
    strikes: Vec<Strike<BossCallEffect>>,
}

impl BossCalls {
    pub(super) fn new(frame: Frame<'_>, callers: &BossCallers, rng: ChaCha8Rng) -> Self {
        let duration_ms = frame.scenario.duration.0 as f64;
        let total = (callers.rate_per_min.0 * frame.scale * duration_ms / 60_000.0).round() as u64;
        let mut routes = Vec::new();
        for pair in &callers.pairs {
            for client in &callers.clients {
                let mut fields = Vec::new();
                prepare_text(&mut fields, "host", &pair.host);
                prepare_text(&mut fields, "interface", &pair.interface);
                prepare_text(&mut fields, "client", client);
                let dims = [
                    ("host", pair.host.as_str()),
                    ("interface", pair.interface.as_str()),
                ];
                routes.push(Route {
                    fields,
                    strikes: strikes(frame, effect, Some(client), &dims),
                });
            }
        }
        Self {
            rng,
            routes,
            latency: callers.latency,
            errors: callers.errors.clone(),
            start_ms: frame.start_ms,
            interval_ms: duration_ms / total.max(1) as f64,
            total,
            made: 0,
        }
    }

    pub(super) fn next_ms(&self) -> Option<i64> {
        (self.made < self.total)
            .then(|| self.start_ms + (self.made as f64 * self.interval_ms) as i64)
    }

    pub(super) fn write(&mut self, buffer: &mut Vec<u8>, truth: &mut [IncidentTruth]) -> i64 {
        let ts_ms = self.next_ms().unwrap_or(self.start_ms);
        let rng = &mut self.rng;
        let route = &self.routes[rng.random_range(0..self.routes.len())];

        let mut latency_ms = self.latency.draw_ms(rng);
        let mut tperrno = 0;
        let at: f64 = rng.random();
        let mut reached = 0.0;
        for (error, share) in &self.errors {
            reached += share.0;
            if at < reached {
                tperrno = *error;
                break;
            }
        }
        for strike in route.strikes.iter().filter(|strike| strike.is_on(ts_ms)) {
            latency_ms *= strike.effect.latency_factor.map_or(1.0, |factor| factor.0);
            if strike.effect.failed.hit(rng) {
                tperrno = strike.effect.tperrno;
            }
        }

        let mut line = LineWriter::start(buffer, "boss_call", ts_ms);
        line.prepared(&route.fields)
            .integer("latency_ms", latency_ms.round() as i64)
            .integer("wait_ms", (latency_ms * QUEUE_SHARE) as i64)
            .integer("tperrno", i64::from(tperrno));
        if tperrno == TPESVCFAIL {
            line.integer("urcode", REFUSED_URCODE);
        }
        line.end();

        for strike in route.strikes.iter().filter(|strike| strike.is_on(ts_ms)) {
            note(truth, strike.incident, 1, u64::from(tperrno != 0));
        }
        self.made += 1;
        ts_ms
    }
}

fn effect(effect: &Effect) -> Option<&BossCallEffect> {
    match effect {
        Effect::BossCall(effect) => Some(effect),
        _ => None,
    }
}
