//! How many events of each kind make the size that was asked for.

use crate::places::expand;
use crate::quantity::{DAY_MS, LogNormal};
use crate::scenario::{DialTestFleet, MmsTraffic, Scenario};

use super::Size;

/// The sizes of one generation.
pub(super) struct Plan {
    /// Factor on all rates.
    pub(super) scale: f64,
    /// Tests of each fleet.
    pub(super) dial_tests: Vec<u64>,
}

/// Shares the size out. Dial tests are counted exactly, and take up what
/// rounding leaves over; the rest follows its rates.
pub(super) fn plan(scenario: &Scenario, size: Size) -> Plan {
    let copies = 1.0 + scenario.duplicates.0 + scenario.broken_lines.0;
    let fleets: Vec<f64> = scenario
        .dial_tests
        .iter()
        .map(|fleet| fleet_tests(scenario, fleet))
        .collect();
    let tests: f64 = fleets.iter().sum();
    let scaled = scaled_events(scenario);
    let fixed = fixed_events(scenario);
    let scale = match size {
        Size::Natural => 1.0,
        Size::Scale(factor) => factor,
        Size::Events(events) => ((events as f64 / copies - fixed) / (tests + scaled)).max(0.0),
    };
    // Rounding the running total, not each fleet, makes the sum exact.
    let mut reached = 0.0;
    let dial_tests = fleets
        .iter()
        .map(|tests| {
            let before = (reached * scale).round();
            reached += tests;
            ((reached * scale).round() - before) as u64
        })
        .collect();
    Plan { scale, dial_tests }
}

/// About how many lines a scenario gives at its own rates.
pub fn nominal_events(scenario: &Scenario) -> f64 {
    let tests: f64 = scenario
        .dial_tests
        .iter()
        .map(|fleet| fleet_tests(scenario, fleet))
        .sum();
    let copies = 1.0 + scenario.duplicates.0 + scenario.broken_lines.0;
    (tests + scaled_events(scenario) + fixed_events(scenario)) * copies
}

fn fleet_tests(scenario: &Scenario, fleet: &DialTestFleet) -> f64 {
    let duration_ms = scenario.duration.0 as f64;
    match (fleet.rate_per_min, fleet.every) {
        (Some(rate), _) => rate.0 * duration_ms / 60_000.0,
        (None, Some(every)) => {
            let probes = fleet.services.len()
                * expand(&fleet.cities).len()
                * fleet.channels.len()
                * fleet.networks.len()
                * fleet.steps.len().max(1);
            probes as f64 * duration_ms / every.0 as f64
        }
        // The check of the scenario refuses this.
        (None, None) => 0.0,
    }
}

/// Messages a scenario's MMS traffic submits in its own size.
fn messages(scenario: &Scenario, traffic: &MmsTraffic) -> f64 {
    let cities = expand(&traffic.cities).len() as f64;
    let (start_ms, end_ms) = (scenario.start.0, scenario.start.0 + scenario.duration.0);
    let editions: f64 = traffic
        .editions
        .iter()
        .map(|edition| {
            let first_ms = edition.at.first_at_or_after(start_ms);
            let days = ((end_ms - first_ms).max(0) + DAY_MS - 1) / DAY_MS;
            days as f64 * f64::from(edition.per_city) * cities
        })
        .sum();
    editions
        + traffic
            .rate_per_min
            .map_or(0.0, |rate| rate.0 * scenario.duration.0 as f64 / 60_000.0)
}

/// Events, other than dial tests, that follow the scale.
fn scaled_events(scenario: &Scenario) -> f64 {
    let duration_ms = scenario.duration.0 as f64;
    // A message is a submission, an interim and a final receipt.
    let mms: f64 = scenario
        .mms
        .iter()
        .map(|traffic| messages(scenario, traffic) * 3.0)
        .sum();
    let calls: f64 = scenario
        .boss_calls
        .iter()
        .map(|callers| callers.rate_per_min.0 * duration_ms / 60_000.0)
        .sum();
    let connections: f64 = scenario
        .boss_connections
        .iter()
        .map(|connections| {
            // The mean of a log-normal is above its median.
            let mean =
                |shape: LogNormal| shape.median_ms.0 * (shape.sigma * shape.sigma / 2.0).exp();
            let cycle_ms = mean(connections.hold) + mean(connections.rest);
            f64::from(connections.per_pair) * connections.pairs.len() as f64 * 3.0 * duration_ms
                / cycle_ms
        })
        .sum();
    mms + calls + connections
}

/// Events that are the same at any scale.
fn fixed_events(scenario: &Scenario) -> f64 {
    let duration_ms = scenario.duration.0 as f64;
    let gauges: f64 = scenario
        .gauges
        .iter()
        .map(|series| {
            let combinations: usize = series
                .dims
                .values()
                .map(|values| expand(values).len())
                .product();
            combinations as f64 * (duration_ms / series.every.0 as f64).ceil()
        })
        .sum();
    let tickets: f64 = scenario
        .complaints
        .iter()
        .map(|tickets| {
            let filed = tickets.rate_per_h.0 * duration_ms / 3_600_000.0
                * expand(&tickets.cities).len() as f64;
            let once = tickets.reclassified.0
                + tickets.excluded.0
                + tickets.withdrawn.0
                + tickets.duplicated.0;
            filed * (1.0 + once + 2.0 * tickets.closed.0)
        })
        .sum();
    gauges + tickets + scenario.annotations.len() as f64
}
