//! Bounds of the engine's own state, and how near each is.
//!
//! A change of a bound applies from the restart on: what is beyond goes, in the order of the policy.

use serde::{Deserialize, Serialize};

use std::sync::Arc;

use crate::alerting::WithdrawnRoom;
use crate::dataflow::Limits;
use crate::engine::step::Engine;
use crate::triggers::TriggerLimits;

/// Bounds of the engine's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EngineLimits {
    /// Triggers that are not final; beyond it none is opened, and the mails go out all the same.
    pub open_triggers_max: usize,
    /// Final triggers; the oldest go first.
    pub final_triggers_max: usize,
    /// Alerts that ended and are still listed; the oldest go first.
    pub ended_alerts_max: usize,
    /// Complaint counts, by service, city and KQI; those whose windows ended first go first.
    pub complaint_counts_max: usize,
    /// Complaint tickets that wait for a trigger; beyond it the oldest of whoever has most of them go.
    pub waiting_tickets_max: usize,
    /// Complaint tickets linked to all triggers together; more are counted.
    pub linked_tickets_max: usize,
    /// Objects whose past is kept to measure effects from; new ones beyond it have none.
    pub past_series_max: usize,
    /// Mends that are looked at again when late data change what was compared; the oldest go first.
    pub mends_max: usize,
    /// How long that past is kept behind what can still be corrected, days. With fewer than the weeks before a trouble
    /// and after its mend, effects are measured with less to compare.
    pub past_days: u32,
    /// Annotations that readers are shown; those that end first go first. As many as the dataflow's.
    pub annotations_max: usize,
    /// Hosts with interfaces whose long holds are named in alerts; holds of more are not.
    pub hold_pairs_max: usize,
    /// Reports kept for reading, of all rules together; the oldest go, and their files stay.
    pub reports_max: usize,
    /// Subjects of one kind of the engine's own alerts whose episodes are numbered; one that does not fire goes first, and
    /// no number comes again.
    pub alert_subjects_max: usize,
    /// Hand-overs and stays that KQIs of the process average; the oldest go, and the counters of the process have all.
    pub process_samples_max: usize,
    /// Long holds of one host and interface, of which alerts name the longest; the shortest go.
    pub pair_holds_max: usize,
    /// Withdrawn episodes of one object; those that ended first go, and come back as incidents of their own.
    pub withdrawn_episodes_max: usize,
    /// Objects of the other side that a crossing names; more are not named.
    pub crossing_named_max: usize,
    /// Rows of one table of a report; more are counted.
    pub report_rows_max: usize,
    /// Complaint tickets linked to one trigger; more are counted. In no checkpoint, as the next.
    #[serde(skip)]
    pub trigger_tickets_max: usize,
    /// Windows that speak for one trigger; the first, of each KQI those that lie furthest out and the newest stay.
    #[serde(skip)]
    pub trigger_windows_max: usize,
    /// Objects named as sources of one trigger; more speak for it and are not named.
    #[serde(skip)]
    pub trigger_sources_max: usize,
    /// People remembered as told of one trigger; more are told once, and hear nothing of what becomes of it but in their role.
    #[serde(skip)]
    pub trigger_told_max: usize,
    /// Steps in the history of one trigger: beyond it moves alone are added. New acknowledgements are refused, and remarks on
    /// what late data say are left out.
    #[serde(skip)]
    pub trigger_moves_max: usize,
    /// Explanations of one trigger for agents; the oldest go, but for the first.
    #[serde(skip)]
    pub trigger_explanations_max: usize,
    /// KQIs that one mend is measured by, its own first, then those that spoke for it, then complaints; more are left out.
    #[serde(skip)]
    pub effect_kqis_max: usize,
    /// Blind sources of one stream that have an alert each; more share one.
    #[serde(skip)]
    pub blind_sources_max: usize,
}

impl Default for EngineLimits {
    fn default() -> Self {
        let triggers = TriggerLimits::default();
        // Judgement: a hundred departments with two hundred open demands each, half as many closed, a week
        // of ended alerts at one every two minutes, the cities of a country by their services, the past of
        // 71 KQIs in 14 places four times (one takes up to 60 KB), as many mends as final triggers, and a
        // past of two weeks before, two after, and two of work.
        EngineLimits {
            open_triggers_max: 20_000,
            final_triggers_max: 10_000,
            ended_alerts_max: 5_000,
            complaint_counts_max: 20_000,
            waiting_tickets_max: triggers.waiting_max,
            linked_tickets_max: triggers.linked_max,
            past_series_max: 4_000,
            mends_max: 10_000,
            past_days: 42,
            annotations_max: Limits::default().annotations_max,
            // Judgement: a thousand hosts of ten interfaces, a fortnight of four reports, and as many subjects as sources
            // are told apart.
            hold_pairs_max: 10_000,
            reports_max: 64,
            alert_subjects_max: Limits::default().sources_max,
            process_samples_max: triggers.samples_max,
            // Judgement: the longest of a pair is what is wanted, and so many are released, and forgotten, before it.
            pair_holds_max: 32,
            withdrawn_episodes_max: WithdrawnRoom::default().max,
            // Judgement: more names than anybody reads in an alert.
            crossing_named_max: 20,
            // Judgement: what a person still sorts in a spreadsheet.
            report_rows_max: 500,
            trigger_tickets_max: triggers.tickets_max,
            trigger_windows_max: triggers.windows_max,
            trigger_sources_max: triggers.sources_max,
            trigger_told_max: triggers.told_max,
            trigger_moves_max: triggers.moves_max,
            trigger_explanations_max: triggers.explanations_max,
            // Judgement: the error is shared among them, so each more makes all of them harder to prove.
            effect_kqis_max: 12,
            // Judgement: a person can act on twenty names in a mailbox, and a dead gateway silences thousands.
            blind_sources_max: 20,
        }
    }
}

/// Something that is bounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bound {
    /// Name of the limit: its dotted key of the configuration.
    pub name: &'static str,
    /// How many there are; none for a bound of one thing, of which there are many.
    pub held: Option<u64>,
    /// How many there may be.
    pub max: u64,
    /// How often something was refused or had to go for it.
    pub over_total: u64,
}

impl Bound {
    /// How many things are bounded.
    pub const COUNT: usize = 24;

    /// Of an engine that has not looked yet.
    pub(super) const NONE: Bound = Bound {
        name: "",
        held: None,
        max: 0,
        over_total: 0,
    };
}

impl Engine {
    /// Puts bounds in force.
    pub fn set_limits(&mut self, limits: EngineLimits) {
        self.triggers.set_limits(TriggerLimits {
            final_max: limits.final_triggers_max,
            open_max: limits.open_triggers_max,
            waiting_max: limits.waiting_tickets_max,
            linked_max: limits.linked_tickets_max,
            samples_max: limits.process_samples_max,
            tickets_max: limits.trigger_tickets_max,
            windows_max: limits.trigger_windows_max,
            sources_max: limits.trigger_sources_max,
            told_max: limits.trigger_told_max,
            moves_max: limits.trigger_moves_max,
            explanations_max: limits.trigger_explanations_max,
        });
        Arc::make_mut(&mut self.snapshot.annotations).set_limits(limits);
        self.holders.set_limits(limits);
        self.reporting.set_limits(limits);
        self.silences.set_limits(limits);
        self.overflows.episodes.set_limits(limits);
        self.crossings.episodes.set_limits(limits);
        self.limits = limits;
        self.withdrawn_room.max = limits.withdrawn_episodes_max;
        self.ended.set_limit(limits.ended_alerts_max);
        self.complaints.set_limit(limits.complaint_counts_max);
        self.past
            .set_limits(limits.past_series_max, limits.past_days);
        self.effects.set_limit(limits.mends_max);
        self.show_all();
    }

    /// How near every bound is.
    pub(super) fn bounds(&self) -> [Bound; Bound::COUNT] {
        let triggers = &self.triggers;
        let (open_max, final_max) = triggers.limits();
        let (open, ended) = triggers.held();
        let (alerts, alerts_max, alerts_gone) = self.ended.bound();
        let (counts, counts_max, counts_gone) = self.complaints.bound();
        let (series, series_max, without_past) = self.past.bound();
        let (mends, mends_max, mends_gone) = self.effects.bound();
        let (pairs, holds_left_out) = self.holders.bound();
        let (reports, reports_gone) = self.reporting.bound();
        let (silences, overflows) = (self.silences.bound(), self.overflows.episodes.bound());
        let blind_spots = self.crossings.episodes.bound();
        let subjects = [silences, overflows, blind_spots];
        let most = subjects.iter().map(|(known, _)| *known).max().unwrap_or(0);
        let forgotten = subjects.iter().map(|(_, gone)| *gone).sum();
        let [waiting, linked, samples] = triggers.bounds();
        let [
            tickets_of_one,
            windows_of_one,
            sources,
            told,
            moves,
            explanations,
        ] = triggers.bounds_of_one();
        let bound = |name, held: usize, max: usize, over_total| Bound {
            name,
            held: Some(held as u64),
            max: max as u64,
            over_total,
        };
        let of_one = |name, max: usize, over_total| Bound {
            name,
            held: None,
            max: max as u64,
            over_total,
        };
        [
            of_one(
                "limits.pair_holds_max",
                self.limits.pair_holds_max,
                self.holders.shorter_total(),
            ),
            of_one(
                "limits.withdrawn_episodes_max",
                self.limits.withdrawn_episodes_max,
                self.withdrawn_room.gone_total,
            ),
            of_one(
                "limits.crossing_named_max",
                self.limits.crossing_named_max,
                self.crossings.unnamed_total(),
            ),
            of_one(
                "limits.report_rows_max",
                self.limits.report_rows_max,
                self.report_rows_left_out,
            ),
            of_one(
                "limits.trigger_tickets_max",
                tickets_of_one.0,
                tickets_of_one.1,
            ),
            of_one(
                "limits.trigger_windows_max",
                windows_of_one.0,
                windows_of_one.1,
            ),
            of_one("limits.trigger_sources_max", sources.0, sources.1),
            of_one("limits.trigger_told_max", told.0, told.1),
            of_one("limits.trigger_moves_max", moves.0, moves.1),
            of_one(
                "limits.trigger_explanations_max",
                explanations.0,
                explanations.1,
            ),
            of_one(
                "limits.effect_kqis_max",
                self.limits.effect_kqis_max,
                self.effect_kqis_left_out,
            ),
            of_one(
                "limits.blind_sources_max",
                self.limits.blind_sources_max,
                self.silences.unnamed_total(),
            ),
            bound(
                "limits.open_triggers_max",
                open,
                open_max,
                triggers.refused_total(),
            ),
            bound(
                "limits.final_triggers_max",
                ended,
                final_max,
                triggers.forgotten_total(),
            ),
            bound("limits.ended_alerts_max", alerts, alerts_max, alerts_gone),
            bound(
                "limits.complaint_counts_max",
                counts,
                counts_max,
                counts_gone,
            ),
            bound("limits.past_series_max", series, series_max, without_past),
            bound("limits.mends_max", mends, mends_max, mends_gone),
            bound(
                "limits.hold_pairs_max",
                pairs,
                self.limits.hold_pairs_max,
                holds_left_out,
            ),
            bound(
                "limits.reports_max",
                reports,
                self.limits.reports_max,
                reports_gone,
            ),
            bound(
                "limits.alert_subjects_max",
                most,
                self.limits.alert_subjects_max,
                forgotten,
            ),
            bound(
                "limits.waiting_tickets_max",
                waiting.0,
                waiting.1,
                waiting.2,
            ),
            bound("limits.linked_tickets_max", linked.0, linked.1, linked.2),
            bound(
                "limits.process_samples_max",
                samples.0,
                samples.1,
                samples.2,
            ),
        ]
    }
}
