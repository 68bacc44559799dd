//! What alerts demand of departments: triggers, their evidence, and the complaints beside them.

use crate::alerting::{Episode, Phase, TransitionReason};
use crate::dataflow::{Cell, Standing, WindowUpdate};
use crate::engine::complaints::Counted;
use crate::engine::instance::{Instance, unit_text};
use crate::engine::step::Engine;
use crate::engine::watchlist::{Object, Watch};
use crate::engine::withdraw::Gone;
use crate::event::Stream;
use crate::rules::{Aggregate, Kqi, Text, Verdict};
use crate::triggers::{Evidence, Now, Opening};

impl Engine {
    /// An alert fires, or fires again after all: its trigger opens or is joined.
    pub(super) fn demand(&mut self, object: Object<'_>, episode: Episode, now_ms: i64) {
        let Object { watch, rule, label } = object;
        let complaints = self.complaints_for(object);
        let Some(instance) = self.instances[rule].get(label) else {
            return;
        };
        let (start_ms, end_ms, cell) = instance.values.newest();
        let complaints = with_own(complaints, watch.kqi, cell.samples);
        let service = watch.kqi.service.as_deref();
        let service = service.or_else(|| instance.group.get("service"));
        let mut services = watch.book.services.iter();
        let named = services.find(|known| Some(&*known.id) == service);
        let opening = Opening {
            kqi: watch.kqi.id.clone(),
            name: watch.kqi.name.clone(),
            service: service.map(str::to_owned),
            service_name: named.map(|service| service.name.clone()),
            layer: watch.kqi.layer,
            group_label: label.to_string(),
            group: instance.group.values.clone(),
            department: watch.kqi.department.clone(),
            severity: episode.severity,
            limit_min: watch.kqi.interval.min,
            limit_max: watch.kqi.interval.max,
            unit: unit_text(&watch.kqi.unit),
            since_ms: episode.since_ms,
            // An alert that fires by a correction may fire while its newest window is normal.
            evidence: matches!(cell.verdict, Verdict::Abnormal(_)).then(|| Evidence {
                kqi: watch.kqi.id.clone(),
                group_label: label.to_string(),
                unit: unit_text(&watch.kqi.unit),
                incident: instance.incident(&watch.rule.id, episode.number),
                start_ms,
                end_ms,
                value: cell.value,
                score: cell.score,
                samples: cell.samples,
            }),
            complaints,
        };
        let now = Now {
            book: watch.book,
            at_ms: now_ms,
        };
        let effects = &self.effects;
        let mended_ms = |id: &str| effects.mended_ms(id);
        self.triggers.demand_beside(opening, mended_ms, now);
        self.triggers_changed = true;
    }

    /// An abnormal window of a firing alert speaks for the open trigger of its object.
    pub(super) fn support_trigger(
        &mut self,
        object: Object<'_>,
        update: &WindowUpdate,
        cell: &Cell,
    ) {
        let Object { watch, rule, label } = object;
        let Some(instance) = self.instances[rule].get(label) else {
            return;
        };
        let (Verdict::Abnormal(_), Phase::Firing { since_ms, .. }) =
            (cell.verdict, instance.timeline.phase())
        else {
            return;
        };
        let episode = instance.timeline.episodes().last();
        let Some(episode) = episode.filter(|_| update.end_ms >= since_ms) else {
            return;
        };
        let evidence = Evidence {
            kqi: watch.kqi.id.clone(),
            group_label: label.to_string(),
            unit: unit_text(&watch.kqi.unit),
            incident: instance.incident(&watch.rule.id, episode.number),
            start_ms: update.start_ms,
            end_ms: update.end_ms,
            value: cell.value,
            score: cell.score,
            samples: cell.samples,
        };
        let severity = episode.severity;
        let complaints = with_own(self.complaints_for(object), watch.kqi, cell.samples);
        let now = Now {
            book: watch.book,
            at_ms: self.snapshot.now_ms,
        };
        self.triggers
            .support_open(evidence, severity, complaints, now);
        let refused = self.triggers.newest(&watch.kqi.id, label);
        if refused.is_some_and(|refused| refused.rests(now.at_ms)) {
            let windows = evidence_of(instance, watch, *episode, self.triggers.windows_max());
            self.triggers.weigh_refusal(watch.kqi, &windows, now);
        }
        self.triggers_changed = true;
    }

    /// A window of the past was corrected: what it says for the object's trigger is said anew, or
    /// taken back.
    pub(super) fn amend_evidence(
        &mut self,
        object: Object<'_>,
        update: &WindowUpdate,
        cell: &Cell,
    ) {
        let Object { watch, label, .. } = object;
        let numbers = matches!(cell.verdict, Verdict::Abnormal(_)).then_some((
            cell.value,
            cell.score,
            cell.samples,
        ));
        let window_ms = (update.start_ms, update.end_ms);
        self.triggers
            .amend(&watch.kqi.id, label, window_ms, numbers);
        self.triggers_changed = true;
        self.support_trigger(object, update, cell);
    }

    /// Whether windows of an episode speak for the open trigger of its object.
    pub(super) fn speaks_for_trigger(&self, object: Object<'_>, episode: Episode) -> bool {
        let Object { watch, rule, label } = object;
        let instance = self.instances[rule].get(label);
        let trigger = self.triggers.newest(&watch.kqi.id, label);
        instance.zip(trigger).is_some_and(|(instance, trigger)| {
            let incident = instance.incident(&watch.rule.id, episode.number);
            let mut evidence = trigger.evidence.iter();
            evidence.any(|known| known.incident == incident)
        })
    }

    /// An episode is no incident any more: its trigger loses this cause, or has it under the name of
    /// the incident that holds it now.
    pub(super) fn withdraw_cause(
        &mut self,
        object: Object<'_>,
        gone: Gone,
        reason: TransitionReason,
        now_ms: i64,
    ) {
        let Object { watch, rule, label } = object;
        let Gone { was, within, .. } = gone;
        let Some(instance) = self.instances[rule].get(label) else {
            return;
        };
        let kqi = &watch.kqi.id;
        let incident = instance.incident(&watch.rule.id, was.number);
        if let Some(within) = within {
            let within = instance.incident(&watch.rule.id, within.number);
            self.triggers.reassign(kqi, label, &incident, &within);
        } else {
            let why = match reason {
                TransitionReason::RuleChanged => "under the changed rule the alert never was",
                _ => "late data showed that the alert never was",
            };
            let had_spoken = gone.had_spoken.unwrap_or(false);
            self.triggers
                .withdraw(kqi, label, &incident, had_spoken, why, now_ms);
        }
        self.triggers_changed = true;
    }

    /// An episode fires, or was after all: a trigger whose cause had been withdrawn has it again, with
    /// the windows that speak for it.
    pub(super) fn confirm_cause(
        &mut self,
        object: Object<'_>,
        episode: Episode,
        reason: TransitionReason,
        is_back: bool,
        now_ms: i64,
    ) {
        let Object { watch, rule, label } = object;
        let Some(instance) = self.instances[rule].get(label) else {
            return;
        };
        let windows = evidence_of(instance, watch, episode, self.triggers.windows_max());
        let why = match reason {
            _ if !is_back => "another incident of the same object",
            TransitionReason::RuleChanged => "under the changed rule the alert was after all",
            TransitionReason::Corrected => "late data showed that the alert was after all",
            _ => "the alert went on and fires after all",
        };
        self.triggers
            .confirm(&watch.kqi.id, label, windows, why, now_ms);
        self.triggers_changed = true;
    }

    /// The windows of an episode that goes on speak for the open trigger of its object.
    pub(super) fn support_open_trigger(&mut self, object: Object<'_>, episode: Episode) {
        let Object { watch, rule, label } = object;
        let complaints = self.complaints_for(object);
        let Some(instance) = self.instances[rule].get(label) else {
            return;
        };
        let now = Now {
            book: watch.book,
            at_ms: self.snapshot.now_ms,
        };
        for window in evidence_of(instance, watch, episode, self.triggers.windows_max()) {
            let complaints = complaints.clone();
            self.triggers
                .support_open(window, episode.severity, complaints, now);
        }
        self.triggers_changed = true;
    }

    /// Remembers the newest count of a complaint KQI for a service and city.
    pub(super) fn count_complaints(&mut self, update: &WindowUpdate, kqi: &Kqi) {
        let service = kqi.service.as_deref().or(update.group.get("service"));
        let city = update.group.get("city").unwrap_or_default();
        let count = if update.standing == Standing::Removed {
            0
        } else {
            update.count
        };
        self.complaints.note(&Counted {
            service: service.unwrap_or_default(),
            city,
            kqi,
            end_ms: update.end_ms,
            count,
        });
    }

    pub(super) fn complaints_for(&self, object: Object<'_>) -> Vec<(Text, i64)> {
        let Object { watch, rule, label } = object;
        let Some(instance) = self.instances[rule].get(label) else {
            return Vec::new();
        };
        let service = watch.kqi.service.as_deref();
        let service = service.or_else(|| instance.group.get("service"));
        self.complaints.of(service, instance.group.get("city"))
    }
}

/// The complaints beside an alert's window. Where it counts complaints itself, its own number is that of this window: by
/// now a newer one may have passed, in the same cut.
pub(super) fn beside_window(
    mut complaints: Vec<(Text, i64)>,
    kqi: &Kqi,
    samples: i64,
) -> Vec<(Text, i64)> {
    let counts = matches!(
        kqi.aggregate,
        Aggregate::Count | Aggregate::RatePer10k { .. } | Aggregate::Surge { .. }
    );
    if kqi.stream != Stream::Complaint || !counts {
        return complaints;
    }
    complaints.retain(|(name, _)| *name != kqi.name);
    if samples > 0 {
        complaints.push((kqi.name.clone(), samples));
    }
    complaints
}

/// The complaints beside a KQI. A surge of them is what it is about itself: those of its own window are among them, however
/// few the newest window has by now.
fn with_own(mut complaints: Vec<(Text, i64)>, kqi: &Kqi, samples: i64) -> Vec<(Text, i64)> {
    if kqi.stream != Stream::Complaint || !matches!(kqi.aggregate, Aggregate::Surge { .. }) {
        return complaints;
    }
    match complaints.iter_mut().find(|(name, _)| *name == kqi.name) {
        Some((_, count)) => *count = samples.max(*count),
        None => complaints.push((kqi.name.clone(), samples)),
    }
    complaints
}

/// The newest abnormal windows of an episode.
fn evidence_of(
    instance: &Instance,
    watch: Watch<'_>,
    episode: Episode,
    windows_max: usize,
) -> Vec<Evidence> {
    let incident = instance.incident(&watch.rule.id, episode.number);
    let until_ms = episode.resolved_at_ms.unwrap_or(i64::MAX);
    let windows = instance.values.abnormal(episode.since_ms, until_ms);
    let evidence = |(end_ms, cell): (i64, &Cell)| Evidence {
        kqi: watch.kqi.id.clone(),
        group_label: instance.label.to_string(),
        unit: unit_text(&watch.kqi.unit),
        incident: incident.clone(),
        start_ms: end_ms - watch.kqi.window.size_ms,
        end_ms,
        value: cell.value,
        score: cell.score,
        samples: cell.samples,
    };
    windows.rev().take(windows_max).map(evidence).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::testing::book;

    #[test]
    fn a_mail_counts_the_complaints_of_the_window_that_it_is_about() {
        let text = "
book: {name: t, version: '1', time_zone: Asia/Shanghai, any_service: true}
kqis:
  - {id: k, name: 投诉, layer: experience, stream: complaint, aggregate: count, group_by: [city], window: 1h, unit: count}
";
        let mut kqi = book(text).kqis[0].clone();
        let other = || Text {
            zh: "别的".to_owned(),
            en: "other".to_owned(),
        };
        // Of the newest window, which closed in the same cut: one, and of that before it 31.
        let newest = || vec![(kqi.name.clone(), 1), (other(), 4)];
        let own = (kqi.name.clone(), 31);
        assert_eq!(beside_window(newest(), &kqi, 31), [(other(), 4), own]);
        assert_eq!(beside_window(newest(), &kqi, 0), [(other(), 4)]);
        // Samples of a share or a change are no number of complaints of one window.
        let all = newest();
        kqi.aggregate = Aggregate::Ratio;
        assert_eq!(beside_window(all.clone(), &kqi, 31), all);
    }
}
