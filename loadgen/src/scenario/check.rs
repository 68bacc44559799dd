//! What a scenario's parts must agree on. Single values checked themselves
//! while they were read; here are the rules that need two places of the file.

use std::collections::{BTreeMap, BTreeSet};

use serde_saphyr::Spanned;

use super::{Effect, Incident, Scenario};
use crate::places::expand;

/// Every contradiction, each as `file:line: what`.
pub(super) fn problems(file: &str, scenario: &Scenario) -> Vec<String> {
    let mut found = Problems {
        file,
        list: Vec::new(),
    };
    if scenario.duration.0 == 0 {
        found.list.push(format!("{file}: duration is 0"));
    }
    if scenario.late.min > scenario.late.max {
        found
            .list
            .push(format!("{file}: late.min is longer than late.max"));
    }
    streams(scenario, &mut found);
    let mut seen = BTreeSet::new();
    for incident in &scenario.incidents {
        if !seen.insert(incident.id.value.as_str()) {
            found.at(&incident.id, "this id is used twice");
        }
        check_incident(scenario, incident, &mut found);
    }
    found.list
}

struct Problems<'a> {
    file: &'a str,
    list: Vec<String>,
}

impl Problems<'_> {
    fn at(&mut self, place: &Spanned<String>, what: &str) {
        self.list.push(format!(
            "{}:{}: `{}`: {what}",
            self.file,
            place.referenced.line(),
            place.value
        ));
    }
}

fn streams(scenario: &Scenario, found: &mut Problems<'_>) {
    for fleet in &scenario.dial_tests {
        if fleet.rate_per_min.is_some() == fleet.every.is_some() {
            found.at(&fleet.name, "give either rate_per_min or every");
        }
        if fleet.every.is_some_and(|every| every.0 == 0) {
            found.at(&fleet.name, "every is 0");
        }
        if fleet.services.is_empty()
            || fleet.cities.is_empty()
            || fleet.channels.is_empty()
            || fleet.networks.is_empty()
        {
            found.at(
                &fleet.name,
                "services, cities, channels and networks need at least one entry each",
            );
        }
    }
    for traffic in &scenario.mms {
        if traffic.cities.is_empty() {
            found.at(&traffic.name, "cities is empty");
        }
        if traffic.editions.is_empty() && traffic.rate_per_min.is_none() {
            found.at(&traffic.name, "give editions, rate_per_min or both");
        }
        if traffic.expired.0 + traffic.rejected.0 + traffic.unrecognised.0 > 1.0 {
            found.at(
                &traffic.name,
                "expired, rejected and unrecognised are more than 1 together",
            );
        }
    }
    for callers in &scenario.boss_calls {
        if callers.pairs.is_empty() || callers.clients.is_empty() {
            found.at(
                &callers.name,
                "pairs and clients need at least one entry each",
            );
        }
        if callers.errors.values().map(|share| share.0).sum::<f64>() > 1.0 {
            found.at(
                &callers.name,
                "the shares of errors are more than 1 together",
            );
        }
    }
    for tickets in &scenario.complaints {
        if tickets.reclassified.0 > 0.0 && tickets.reclassified_path.is_none() {
            found.at(
                &tickets.name,
                "reclassified tickets need a reclassified_path",
            );
        }
        if tickets.reclassified.0 + tickets.excluded.0 + tickets.withdrawn.0 + tickets.closed.0
            > 1.0
        {
            found.at(
                &tickets.name,
                "reclassified, excluded, withdrawn and closed are more than 1 together",
            );
        }
    }
    for series in &scenario.gauges {
        if series.every.0 == 0 {
            found.at(&series.name, "every is 0");
        }
        if series.dims.values().any(Vec::is_empty) {
            found.at(&series.name, "a dimension has no values");
        }
    }
    for annotation in &scenario.annotations {
        if annotation.until.value < annotation.from {
            let line = annotation.until.referenced.line();
            found.list.push(format!(
                "{}:{line}: the annotation ends before it begins",
                found.file
            ));
        }
    }
}

fn check_incident(scenario: &Scenario, incident: &Incident, found: &mut Problems<'_>) {
    if incident.until <= incident.from {
        found.at(&incident.id, "it ends before it begins");
    }
    if incident.until > scenario.duration {
        found.at(&incident.id, "it ends after the scenario does");
    }
    if let Effect::Mms(effect) = &incident.effect
        && effect.delayed.0 > 0.0
        && effect.retrieved_at.is_none()
    {
        found.at(&incident.id, "delayed messages need retrieved_at");
    }
    let known = incident.effect.dimensions();
    for dim in incident.dims.keys() {
        if !known.contains(&dim.as_str()) {
            let stream = incident.effect.stream();
            found.at(
                &incident.id,
                &format!(
                    "{stream} has no dimension `{dim}`, only service, {}",
                    known.join(", ")
                ),
            );
        }
    }
    if incident
        .dims
        .keys()
        .all(|dim| known.contains(&dim.as_str()))
        && !strikes(scenario, incident)
    {
        found.at(&incident.id, "it matches nothing in this scenario");
    }
}

/// Whether any part of the scenario's traffic has the incident's dimensions.
fn strikes(scenario: &Scenario, incident: &Incident) -> bool {
    let service = |name: &str| {
        incident
            .service
            .as_deref()
            .is_none_or(|wanted| wanted == name)
    };
    let one_of = |dim: &str, values: &[String]| {
        incident
            .dims
            .get(dim)
            .is_none_or(|wanted| values.contains(wanted))
    };
    let pair = |dims: &BTreeMap<String, String>, host: &str, interface: &str| {
        dims.get("host").is_none_or(|wanted| wanted == host)
            && dims
                .get("interface")
                .is_none_or(|wanted| wanted == interface)
    };
    match &incident.effect {
        Effect::DialTest(_) => scenario.dial_tests.iter().any(|fleet| {
            fleet.services.iter().any(|name| service(name))
                && one_of("city", &expand(&fleet.cities))
                && one_of("channel", &fleet.channels)
                && one_of("network", &fleet.networks)
                && one_of("step", &fleet.steps)
        }),
        Effect::Mms(_) => scenario.mms.iter().any(|traffic| {
            let editions: Vec<_> = traffic
                .editions
                .iter()
                .map(|edition| edition.name.clone())
                .collect();
            service(&traffic.service)
                && one_of("city", &expand(&traffic.cities))
                && one_of("edition", &editions)
        }),
        Effect::BossCall(_) => scenario.boss_calls.iter().any(|callers| {
            callers.clients.iter().any(|name| service(name))
                && callers
                    .pairs
                    .iter()
                    .any(|to| pair(&incident.dims, &to.host, &to.interface))
        }),
        Effect::BossConnection(_) => scenario.boss_connections.iter().any(|connections| {
            connections
                .pairs
                .iter()
                .any(|to| pair(&incident.dims, &to.host, &to.interface))
        }),
        Effect::Complaint(_) => scenario
            .complaints
            .iter()
            .any(|tickets| service(&tickets.service) && one_of("city", &expand(&tickets.cities))),
    }
}
