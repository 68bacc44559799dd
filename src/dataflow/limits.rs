//! Bounds of the dataflow's state, and the counters that show how near they are.
//!
//! Counters are per worker and plain cells: the worker is one thread. They describe work and not
//! results, so nothing that is decided may read them.

use std::cell::Cell;

use serde::{Deserialize, Serialize};

/// Bounds on keyed state, each per worker unless it says otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Messages, tickets and connections; at the limit new ones are refused and counted, and once more than half is
    /// used those of a producer that holds more than eight times what is left.
    pub entities_max: usize,
    /// Records of all of them together: submissions and reports, versions, changes of hand, parts. At the limit, and once more
    /// than half is used for a producer that holds more than eight times what is left, more of a message or a delivery are
    /// refused and counted, and tickets and connections keep two each, as at their own bounds.
    pub records_max: usize,
    /// Distinct dimension tuples; at the limit facts of new ones are refused and counted, and before it those of who
    /// holds its share, as above.
    pub tuples_max: usize,
    /// Groups of one KQI, over all workers; beyond it new ones are folded into one whose every dimension
    /// is `__other__`, counted and alarmed. A change applies from the restart on.
    pub groups_max: usize,
    /// Hours in which a stream was heard that are remembered of each; the oldest go. A week of a baseline, and a window that
    /// a change is compared with, whose hours are not remembered read as not known.
    pub heard_hours: usize,
    /// Questions of readers that may wait for the workers, all together; more are not asked.
    pub questions_max: usize,
    /// Sources whose progress is told apart, over all workers; more share their stream's unnamed one, and once more than
    /// half is used those of a producer that holds more than eight times what is left.
    pub sources_max: usize,
    /// Series of readings of one gauge that rates divide by; readings of new ones are left out and counted.
    pub base_series_max: usize,
    /// Annotations kept; those that end first go first, and are counted.
    pub annotations_max: usize,
    /// Delivery reports kept for one recipient of a message; of more one goes, first the oldest that only repeats a later
    /// one's word.
    pub message_receipts_max: usize,
    /// Records of one message id, submissions and reports of all its recipients; more are refused and counted.
    pub message_records_max: usize,
    /// Parts of one delivery; more are refused and counted.
    pub delivery_parts_max: usize,
    /// Versions of one ticket; of more the oldest but the first is folded into its successor.
    pub ticket_versions_max: usize,
    /// Changes of one connection; of more the oldest go, and their facts stand. What is older than those is not taken.
    pub connection_changes_max: usize,
    /// Readings of one series that rates divide by; the oldest go.
    pub base_readings_max: usize,
    /// Epochs handed to the workers that wait to be reported; the next waits.
    pub epochs_in_flight_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        // Judgement: 24 GiB hold some 8 million messages of a few hundred bytes beside the panes.
        Limits {
            entities_max: 8_000_000,
            // Judgement: three of each of them, a submission, an interim report and a final one; some ten GiB with the index of
            // numbers, of the same 24.
            records_max: 24_000_000,
            tuples_max: 4_000_000,
            groups_max: 1_000_000,
            // A quarter for the longest baseline, and half a year for what is corrected.
            heard_hours: 40 * 168,
            // Judgement: a page asks a few, a scrape one for each KQI, one after the other.
            questions_max: 1_024,
            // Judgement: a hundred probes and gateways in each of a hundred cities.
            sources_max: 10_000,
            // Judgement: sixteen services in each of six thousand cities or sites.
            base_series_max: 100_000,
            // Judgement: ten a day for three years.
            annotations_max: 10_000,
            // Judgement: a gateway that sends more only repeats itself.
            message_receipts_max: 16,
            // Judgement: a thousand recipients with a few reports each.
            message_records_max: 4_096,
            // A reply has three to five (domain fact C4); the rest is room.
            delivery_parts_max: 64,
            // Judgement: a ticket is touched some ten times from its filing to its closing.
            ticket_versions_max: 32,
            // Judgement: a change every twenty seconds for a day.
            connection_changes_max: 4_096,
            // Judgement: two months of a daily reading, of which rates need the newest.
            base_readings_max: 64,
            // One being fed, one in the graph, one being reported; and as many again, so that who is held up for a moment
            // holds up nobody: a start reads back a fifth faster than with three, and hardly faster with sixteen.
            epochs_in_flight_max: 6,
        }
    }
}

/// What a worker has counted so far, or holds now.
#[derive(Debug, Default)]
pub struct Counters {
    /// Facts older than the retention of their stream.
    pub facts_too_late: Cell<u64>,
    /// Tickets that were told, or told again, when they would have been forgotten: old versions, and no records of today.
    pub tickets_too_late: Cell<u64>,
    /// Facts of new tuples beyond the limit.
    pub facts_over_limit: Cell<u64>,
    /// Facts of new tuples of producers that hold their share of the limit.
    pub facts_over_share: Cell<u64>,
    /// Facts that were counted for the overflow group, for their own was beyond the limit.
    pub facts_folded: Cell<u64>,
    /// Groups that are folded.
    pub groups_folded: Cell<u64>,
    /// Records of new entities beyond the limit.
    pub entities_refused: Cell<u64>,
    /// Records of new entities of producers that hold their share of the limit.
    pub entities_over_share: Cell<u64>,
    /// Records beyond the limit on all of them together.
    pub records_refused: Cell<u64>,
    /// Records of producers that hold their share of that limit.
    pub records_over_share: Cell<u64>,
    /// Delivery reports that are earlier than their message's submission, beyond what clocks differ.
    pub reports_early: Cell<u64>,
    /// Delivery reports held whose submission nobody told, and that say no service: they count in no window.
    pub receipts_waiting: Cell<u64>,
    /// Such reports that were forgotten since the start.
    pub receipts_unclaimed: Cell<u64>,
    /// Conditions that had no answer for a tuple.
    pub predicate_errors: Cell<u64>,
    /// Entities held.
    pub entities: Cell<u64>,
    /// Records of entities held.
    pub records: Cell<u64>,
    /// Tuples held.
    pub tuples: Cell<u64>,
    /// Tuple panes held.
    pub tuple_panes: Cell<u64>,
    /// Groups held.
    pub groups: Cell<u64>,
    /// Group panes held.
    pub group_panes: Cell<u64>,
    /// Series of readings held of the gauge that has most; every worker holds all.
    pub base_series: Cell<u64>,
    /// Readings of further series, which were left out.
    pub readings_left_out: Cell<u64>,
    /// Annotations held; every worker holds all.
    pub annotations: Cell<u64>,
    /// Annotations that had to go.
    pub annotations_gone: Cell<u64>,
    /// Delivery reports that had to go, of recipients with too many.
    pub receipts_gone: Cell<u64>,
    /// Records that were refused, of message ids with too many.
    pub message_records_refused: Cell<u64>,
    /// Parts that were refused, of deliveries with too many.
    pub parts_refused: Cell<u64>,
    /// Versions that were folded into their successors, of tickets with too many.
    pub versions_folded: Cell<u64>,
    /// Changes that had to go, or were older than those that had, of connections with too many.
    pub changes_gone: Cell<u64>,
    /// Readings that had to go, of series with too many.
    pub readings_gone: Cell<u64>,
}

/// A reading of [`Counters`]; readings of several workers add up, but for what all of
/// them hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// See [`Counters::facts_too_late`].
    pub facts_too_late: u64,
    /// See [`Counters::tickets_too_late`].
    pub tickets_too_late: u64,
    /// See [`Counters::facts_over_limit`].
    pub facts_over_limit: u64,
    /// See [`Counters::facts_over_share`].
    pub facts_over_share: u64,
    /// See [`Counters::facts_folded`].
    pub facts_folded: u64,
    /// See [`Counters::groups_folded`].
    pub groups_folded: u64,
    /// See [`Counters::entities_refused`].
    pub entities_refused: u64,
    /// See [`Counters::entities_over_share`].
    pub entities_over_share: u64,
    /// See [`Counters::reports_early`].
    pub reports_early: u64,
    /// See [`Counters::records_refused`].
    pub records_refused: u64,
    /// See [`Counters::records_over_share`].
    pub records_over_share: u64,
    /// See [`Counters::records`].
    pub records: u64,
    /// See [`Counters::receipts_waiting`].
    pub receipts_waiting: u64,
    /// See [`Counters::receipts_unclaimed`].
    pub receipts_unclaimed: u64,
    /// See [`Counters::predicate_errors`].
    pub predicate_errors: u64,
    /// See [`Counters::entities`].
    pub entities: u64,
    /// See [`Counters::tuples`].
    pub tuples: u64,
    /// See [`Counters::tuple_panes`].
    pub tuple_panes: u64,
    /// See [`Counters::groups`].
    pub groups: u64,
    /// See [`Counters::group_panes`].
    pub group_panes: u64,
    /// See [`Counters::base_series`].
    pub base_series: u64,
    /// See [`Counters::readings_left_out`].
    pub readings_left_out: u64,
    /// See [`Counters::annotations`].
    pub annotations: u64,
    /// See [`Counters::annotations_gone`].
    pub annotations_gone: u64,
    /// See [`Counters::receipts_gone`].
    pub receipts_gone: u64,
    /// See [`Counters::message_records_refused`].
    pub message_records_refused: u64,
    /// See [`Counters::parts_refused`].
    pub parts_refused: u64,
    /// See [`Counters::versions_folded`].
    pub versions_folded: u64,
    /// See [`Counters::changes_gone`].
    pub changes_gone: u64,
    /// See [`Counters::readings_gone`].
    pub readings_gone: u64,
}

impl Counters {
    /// Adds to a counter.
    pub(super) fn add(counter: &Cell<u64>, more: u64) {
        counter.set(counter.get() + more);
    }

    /// Reads all of them.
    pub(super) fn read(&self) -> Counts {
        Counts {
            facts_too_late: self.facts_too_late.get(),
            tickets_too_late: self.tickets_too_late.get(),
            facts_over_limit: self.facts_over_limit.get(),
            facts_over_share: self.facts_over_share.get(),
            facts_folded: self.facts_folded.get(),
            groups_folded: self.groups_folded.get(),
            entities_refused: self.entities_refused.get(),
            entities_over_share: self.entities_over_share.get(),
            records_refused: self.records_refused.get(),
            records_over_share: self.records_over_share.get(),
            records: self.records.get(),
            reports_early: self.reports_early.get(),
            receipts_waiting: self.receipts_waiting.get(),
            receipts_unclaimed: self.receipts_unclaimed.get(),
            predicate_errors: self.predicate_errors.get(),
            entities: self.entities.get(),
            tuples: self.tuples.get(),
            tuple_panes: self.tuple_panes.get(),
            groups: self.groups.get(),
            group_panes: self.group_panes.get(),
            base_series: self.base_series.get(),
            readings_left_out: self.readings_left_out.get(),
            annotations: self.annotations.get(),
            annotations_gone: self.annotations_gone.get(),
            receipts_gone: self.receipts_gone.get(),
            message_records_refused: self.message_records_refused.get(),
            parts_refused: self.parts_refused.get(),
            versions_folded: self.versions_folded.get(),
            changes_gone: self.changes_gone.get(),
            readings_gone: self.readings_gone.get(),
        }
    }
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, other: Counts) {
        self.facts_too_late += other.facts_too_late;
        self.tickets_too_late += other.tickets_too_late;
        self.facts_over_limit += other.facts_over_limit;
        self.facts_over_share += other.facts_over_share;
        self.facts_folded += other.facts_folded;
        self.groups_folded += other.groups_folded;
        self.entities_refused += other.entities_refused;
        self.entities_over_share += other.entities_over_share;
        self.records_refused += other.records_refused;
        self.records_over_share += other.records_over_share;
        self.records += other.records;
        self.reports_early += other.reports_early;
        self.receipts_waiting += other.receipts_waiting;
        self.receipts_unclaimed += other.receipts_unclaimed;
        self.predicate_errors += other.predicate_errors;
        self.entities += other.entities;
        self.tuples += other.tuples;
        self.tuple_panes += other.tuple_panes;
        self.groups += other.groups;
        self.group_panes += other.group_panes;
        self.receipts_gone += other.receipts_gone;
        self.message_records_refused += other.message_records_refused;
        self.parts_refused += other.parts_refused;
        self.versions_folded += other.versions_folded;
        self.changes_gone += other.changes_gone;
        // Every worker is told the same.
        self.base_series = self.base_series.max(other.base_series);
        self.readings_left_out = self.readings_left_out.max(other.readings_left_out);
        self.annotations = self.annotations.max(other.annotations);
        self.annotations_gone = self.annotations_gone.max(other.annotations_gone);
        self.readings_gone = self.readings_gone.max(other.readings_gone);
    }
}
