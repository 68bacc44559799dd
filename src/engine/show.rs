//! What readers see of the engine, and what it forgets.

use std::sync::Arc;

use crate::alerting::Alert;
use crate::dataflow::Cut;
use crate::engine::step::Engine;

/// Timelines are tidied so often on the journal's clock, ms, however long epochs are: the work is in proportion to the
/// objects. Judgement: little is forgotten too late.
const TIDY_MS: i64 = 900_000;

impl Engine {
    /// Brings the snapshot up to date; lists are copied only when they changed.
    pub(super) fn show(&mut self, cut: &Cut) {
        self.snapshot.epoch = Some(cut.epoch);
        self.snapshot.now_ms = cut.now_ms;
        self.snapshot.plan = self.watchlist.plan.clone();
        self.snapshot.triggers_refused_total = self.triggers.refused_total();
        self.snapshot.past_refused_total = self.past.refused_total();
        self.snapshot.reports = self.reporting.told();
        if !cut.overflow.is_empty() || !self.snapshot.folded.is_empty() {
            self.snapshot.folded = Arc::new(self.overflows.folded());
        }
        self.show_crossings();
        if *self.snapshot.process_values != self.process.values() {
            self.snapshot.process_values = Arc::new(self.process.values().to_vec());
        }
        self.snapshot.bounds = self.bounds();
        let before_ms = self.snapshot.watermarks.now_ms();
        self.snapshot.watermarks = Arc::new(cut.watermarks.clone());
        if before_ms.div_euclid(TIDY_MS) != cut.watermarks.now_ms().div_euclid(TIDY_MS) {
            self.forget(cut);
        }
        let values_changed = !self.restless.is_empty() && !cut.updates.is_empty();
        let recounted = self.silences.take_recounted();
        if std::mem::take(&mut self.alerts_changed) || values_changed || recounted {
            self.snapshot.alerts = Arc::new(self.shown_alerts());
        }
        if std::mem::take(&mut self.triggers_changed) {
            self.snapshot.triggers = Arc::new(self.triggers.triggers().cloned().collect());
            self.snapshot.effects_due = Arc::new(self.effects.due());
            self.snapshot.process = Arc::new(self.triggers.process().clone());
        }
    }

    fn show_crossings(&mut self) {
        self.snapshot.crossed = self.crossings.crossed();
        self.snapshot.crossings_began_total = self.crossings.began_total();
    }

    /// Makes the lists of the snapshot, whatever changed.
    pub(super) fn show_all(&mut self) {
        self.show_crossings();
        self.snapshot.bounds = self.bounds();
        self.snapshot.folded = Arc::new(self.overflows.folded());
        self.snapshot.reports = self.reporting.told();
        self.snapshot.triggers_refused_total = self.triggers.refused_total();
        self.snapshot.alerts = Arc::new(self.shown_alerts());
        self.snapshot.triggers = Arc::new(self.triggers.triggers().cloned().collect());
        self.snapshot.effects_due = Arc::new(self.effects.due());
        self.snapshot.process = Arc::new(self.triggers.process().clone());
        self.snapshot.process_values = Arc::new(self.process.values().to_vec());
    }

    /// Alerts that go on, the most severe and newest first, and then those that ended.
    pub(super) fn shown_alerts(&self) -> Vec<Arc<Alert>> {
        let mut alerts: Vec<Arc<Alert>> = self
            .silences
            .alerts()
            .chain(self.overflows.alerts())
            .chain(self.troubles.alerts())
            .chain(self.process.alerts())
            .chain(self.crossings.alerts())
            .cloned()
            .map(Arc::new)
            .collect();
        for (rule, label) in &self.restless {
            let Some(watch) = self.watchlist.watch(*rule) else {
                continue;
            };
            let Some(instance) = self.instances[*rule].get(label) else {
                continue;
            };
            let episode = instance.timeline.episodes().last().copied();
            let episode = episode.filter(|episode| episode.resolved_at_ms.is_none());
            let trigger = self.triggers.newest(&watch.kqi.id, label);
            let now_ms = self.snapshot.now_ms;
            let trigger =
                trigger.filter(|trigger| !trigger.state.is_final() || trigger.rests(now_ms));
            let trigger = trigger.map(|trigger| trigger.id.clone());
            let mut alert = instance.alert(watch, episode, instance.reason, trigger);
            self.name_holder(watch.kqi, &mut alert);
            alerts.push(Arc::new(alert));
        }
        alerts.sort_by(|a, b| {
            let key = |alert: &Alert| (alert.severity, alert.active_since_ms);
            key(b)
                .cmp(&key(a))
                .then_with(|| a.alert.cmp(&b.alert))
                .then_with(|| a.group_label.cmp(&b.group_label))
        });
        alerts.extend(self.ended.alerts().cloned());
        alerts
    }

    /// Lets timelines forget what the dataflow can no longer correct.
    fn forget(&mut self, cut: &Cut) {
        let plan = &self.watchlist.plan;
        self.past.forget(|id| {
            let kqi = plan.book.kqis.iter().find(|kqi| kqi.id == id)?;
            let rule = plan.book.streams.get(&kqi.stream)?;
            let horizon_ms = cut.watermarks.horizon(kqi.stream, rule.retention_ms);
            let phase_ms = -plan.standard_offset_ms();
            (horizon_ms != i64::MIN).then_some((horizon_ms, phase_ms))
        });
        self.crossings.unalerted.forget(|id| {
            let kqi = plan.book.kqis.iter().find(|kqi| kqi.id == id)?;
            let rule = plan.book.streams.get(&kqi.stream)?;
            let horizon_ms = cut.watermarks.horizon(kqi.stream, rule.retention_ms);
            (horizon_ms != i64::MIN).then_some((kqi, horizon_ms))
        });
        for (rule, instances) in self.instances.iter_mut().enumerate() {
            let Some(watch) = self.watchlist.watch(rule) else {
                continue;
            };
            let rule = watch.book.streams.get(&watch.kqi.stream);
            let retention_ms = rule.map_or(0, |rule| rule.retention_ms);
            let horizon_ms = cut.watermarks.horizon(watch.kqi.stream, retention_ms);
            if horizon_ms == i64::MIN {
                continue;
            }
            instances.retain(|_, instance| {
                let instance = Arc::make_mut(instance);
                instance.timeline.forget(&watch.reading(), horizon_ms);
                instance.forget_values_before(horizon_ms);
                let timeline = &instance.timeline;
                instance.told.retain(|number, _| timeline.knows(*number));
                !instance.timeline.is_empty()
            });
        }
    }
}
