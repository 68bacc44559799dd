//! What alerts ask of departments: triggers with their evidence, and the complaints beside them.

use std::collections::BTreeMap;

use crate::alerting::Episode;
use crate::dataflow::{Cell, Standing, WindowUpdate};
use crate::engine::instance::{Object, unit_text};
use crate::engine::step::Engine;
use crate::rules::{Severity, Text};
use crate::triggers::{Evidence, Opening};

impl Engine {
    pub(super) fn demand(&mut self, object: Object<'_>, episode: Episode, now_ms: i64) {
        let Object { watch, rule, label } = object;
        let complaints = self.complaints_for(object);
        let Some(instance) = self.instances[rule].get(label) else {
            return;
        };
        let Some(department) = watch.kqi.department.as_ref().and_then(|id| {
            watch
                .book
                .departments
                .iter()
                .find(|department| department.id == *id)
        }) else {
            return;
        };
        let role = department
            .roles
            .first()
            .map_or(&department.name, |role| &role.name);
        let (start_ms, end_ms, cell) = instance.newest.unwrap_or((0, 0, Cell::absent(0)));
        let opening = Opening {
            kqi: watch.kqi.id.clone(),
            name: watch.kqi.name.clone(),
            service: watch
                .kqi
                .service
                .clone()
                .or_else(|| instance.group.get("service").map(str::to_owned)),
            layer: watch.kqi.layer,
            group_label: label.to_string(),
            group: instance.group.values.clone(),
            department: department.id.clone(),
            department_name: department.name.clone(),
            role: role.clone(),
            severity: episode.severity,
            limit_min: watch.kqi.interval.min,
            limit_max: watch.kqi.interval.max,
            unit: unit_text(&watch.kqi.unit),
            since_ms: episode.since_ms,
            evidence: Evidence {
                incident: instance.incident(&watch.rule.id, episode.number),
                start_ms,
                end_ms,
                value: cell.value,
                score: cell.score,
                samples: cell.samples,
            },
            complaints,
        };
        self.triggers.demand(opening, now_ms);
        self.triggers_changed = true;
    }

    /// An abnormal window of a firing alert speaks for the open trigger of its object.
    pub(super) fn support_trigger(
        &mut self,
        object: Object<'_>,
        update: &WindowUpdate,
        severity: Severity,
    ) {
        let Object { watch, rule, label } = object;
        let complaints = self.complaints_for(object);
        let Some(instance) = self.instances[rule].get(label) else {
            return;
        };
        let number = instance
            .timeline
            .episodes()
            .last()
            .map_or(0, |episode| episode.number);
        let Some(cell) = update.cells.iter().find(|cell| {
            self.plan
                .book
                .kqis
                .get(cell.kqi)
                .is_some_and(|kqi| kqi.id == watch.kqi.id)
        }) else {
            return;
        };
        let evidence = Evidence {
            incident: instance.incident(&watch.rule.id, number),
            start_ms: update.start_ms,
            end_ms: update.end_ms,
            value: cell.value,
            score: cell.score,
            samples: cell.samples,
        };
        self.triggers
            .support_open(&watch.kqi.id, label, evidence, severity, complaints);
        self.triggers_changed = true;
    }

    /// Remembers the newest count of a complaint KQI for a service and city.
    pub(super) fn count_complaints(
        &mut self,
        update: &WindowUpdate,
        service: Option<&str>,
        kqi: &str,
        name: &Text,
    ) {
        let service = service
            .or_else(|| update.group.get("service"))
            .unwrap_or_default()
            .to_owned();
        let city = update.group.get("city").unwrap_or_default().to_owned();
        let count = if update.standing == Standing::Removed {
            0
        } else {
            update.count
        };
        let counts = self.complaints.entry((service, city)).or_default();
        let known = counts
            .entry(kqi.to_owned())
            .or_insert((update.end_ms, name.clone(), count));
        if known.0 <= update.end_ms {
            *known = (update.end_ms, name.clone(), count);
        }
    }

    pub(super) fn complaints_for(&self, object: Object<'_>) -> Vec<(Text, i64)> {
        let Object { watch, rule, label } = object;
        let Some(instance) = self.instances[rule].get(label) else {
            return Vec::new();
        };
        let service = watch
            .kqi
            .service
            .as_deref()
            .or_else(|| instance.group.get("service"));
        let city = instance.group.get("city");
        let mut sums: BTreeMap<&String, (Text, i64)> = BTreeMap::new();
        for ((of_service, of_city), counts) in &self.complaints {
            if service.is_some_and(|service| service != of_service)
                || city.is_some_and(|city| city != of_city)
            {
                continue;
            }
            for (kqi, (_, name, count)) in counts {
                sums.entry(kqi).or_insert((name.clone(), 0)).1 += count;
            }
        }
        sums.into_values().filter(|(_, count)| *count > 0).collect()
    }
}
