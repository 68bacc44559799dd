//! The engine's own alert on key cardinality: a KQI has more groups than its limit, so some of them are
//! told only together, as `__other__`.
//!
//! On the journal's clock, as all of the engine's own alerts are. KQIs of one family have the same groups,
//! so one alert speaks for all of them, under the name of the first.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::alerting::{Alert, AlertState, NoticeReason, Transition, TransitionReason};
use crate::dataflow::Cut;
use crate::engine::episodes::Episodes;
use crate::engine::instance::incident_of;
use crate::engine::silence::transition;
use crate::rules::{Kqi, Plan, Text};

/// KQIs that fold groups now.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Overflows {
    /// By KQI, with how many groups it folds.
    firing: BTreeMap<String, Alert>,
    pub(super) episodes: Episodes<String>,
}

impl Overflows {
    /// Brings the counts of what fires up to date; true if one is another now.
    pub(super) fn recount(&mut self, plan: &Plan, cut: &Cut) -> bool {
        let mut changed = false;
        for (family, groups) in &cut.overflow {
            let kqi = plan
                .first_kqi_of(*family)
                .and_then(|at| plan.book.kqis.get(at));
            if let Some(alert) = kqi.and_then(|kqi| self.firing.get_mut(&kqi.id)) {
                let samples = i64::try_from(*groups).unwrap_or(i64::MAX);
                changed |= alert.samples != samples;
                alert.samples = samples;
            }
        }
        changed
    }

    /// Compares a cut with what was known; tells what began and ended.
    pub(super) fn look(
        &mut self,
        plan: &Plan,
        cut: &Cut,
    ) -> Vec<(Alert, Transition, NoticeReason)> {
        let folding: BTreeMap<&str, (&Kqi, u64)> = cut
            .overflow
            .iter()
            .filter_map(|(family, groups)| {
                let kqi = plan.book.kqis.get(plan.first_kqi_of(*family)?)?;
                Some((kqi.id.as_str(), (kqi, *groups)))
            })
            .collect();
        let mut changes = Vec::new();
        let over: Vec<String> = self
            .firing
            .keys()
            .filter(|id| !folding.contains_key(id.as_str()))
            .cloned()
            .collect();
        for id in over {
            if let Some(mut alert) = self.firing.remove(&id) {
                alert.state = AlertState::Resolved;
                alert.resolved_at_ms = Some(cut.now_ms);
                alert.reason = TransitionReason::WithinLimit;
                changes.push((
                    transition(&alert, cut.now_ms),
                    alert,
                    NoticeReason::Resolved,
                ));
            }
        }
        for (id, (kqi, groups)) in folding {
            if self.firing.contains_key(id) {
                continue;
            }
            let fires = |known: &String| self.firing.contains_key(known);
            let number = self.episodes.begin(&id.to_owned(), fires);
            let mut alert = alert(plan, kqi, number, cut.now_ms);
            alert.samples = i64::try_from(groups).unwrap_or(i64::MAX);
            self.firing.insert(id.to_owned(), alert.clone());
            changes.push((transition(&alert, cut.now_ms), alert, NoticeReason::First));
        }
        changes
            .into_iter()
            .map(|(transition, alert, reason)| (alert, transition, reason))
            .collect()
    }

    /// Alerts that fire.
    pub(super) fn alerts(&self) -> impl Iterator<Item = &Alert> {
        self.firing.values()
    }

    /// How many groups are folded, by the KQI that speaks for its family.
    pub(super) fn folded(&self) -> BTreeMap<String, u64> {
        let count = |(id, alert): (&String, &Alert)| (id.clone(), alert.samples.unsigned_abs());
        self.firing.iter().map(count).collect()
    }
}

fn alert(plan: &Plan, kqi: &Kqi, number: u32, now_ms: i64) -> Alert {
    const ALERT: &str = "key_overflow";
    let service = kqi.service.as_deref();
    let mut services = plan.book.services.iter();
    let named = services.find(|known| Some(known.id.as_str()) == service);
    let name = Text {
        zh: format!("对象数超过上限，其余合并为 __other__：{}", kqi.name.zh),
        en: format!(
            "More groups than the limit, the rest is told as __other__: {}",
            kqi.name.en
        ),
    };
    let group = vec![("kqi".to_owned(), kqi.id.clone())];
    let own = Alert::of_engine(ALERT, name, group, TransitionReason::OverLimit, now_ms);
    Alert {
        incident: incident_of(ALERT, &own.group_label, Default::default(), number),
        service: kqi.service.clone(),
        service_name: named.map(|service| service.name.clone()),
        layer: Some(kqi.layer),
        department: kqi.department.clone(),
        ..own
    }
}
