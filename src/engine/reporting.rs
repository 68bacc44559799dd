//! When a report is due, and that it is told once.
//!
//! The journal's ticks decide, so a replay tells the same reports at the same epochs, and a restart none
//! twice. Invariants:
//! * a period of a report is told at most once, and due times only go forward, whatever the clock does; a clock that is
//!   set ahead tells none before the sources know of that time ([`crate::dataflow::Watermarks::believed_ms`]);
//! * a rule that comes new begins with its next due time: what was over before it is not its business;
//! * of periods that became due while nobody ticked, the newest is told; the others are counted, and the
//!   next issue says so.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use crate::dataflow::{Cut, TicketHeard, hour_of, unheard_ms};
use crate::engine::limits::EngineLimits;
use crate::engine::past::is_counted;
use crate::engine::step::{Effect, Engine};
use crate::event::Stream;
use crate::reports::{Facts, Object, Records, Report, ReportTold, build};
use crate::rules::{Contact, Period, Plan, ReportRule, RuleBook};

/// What is heard is kept by the hour, ms; windows up to this length give counts of a day that is not over in event time.
const HOUR_MS: i64 = 3_600_000;
/// Days whose complaint records are counted: a month, the one before, and a week. What reports are made of, and no bound: it
/// grows with nothing that is sent.
const DAYS_MAX: usize = 70;
/// The longest that is heard of a day.
const HOURS_A_DAY: usize = 24;
/// Due times that are looked at to count those that were missed. Of one step, and nothing is kept of them.
const MISSED_MAX: u64 = 1_000;

/// Reports that were told, for readers.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Reports {
    /// The newest last; bounded.
    pub newest: VecDeque<Arc<Report>>,
    /// How often each report was told, by its identifier.
    pub told_total: BTreeMap<String, u64>,
    /// Periods that nobody was told of because the engine was not running.
    pub skipped_total: u64,
}

/// Everything that decides about reports.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(super) struct Reporting {
    /// By report.
    standing: BTreeMap<String, Standing>,
    told: Arc<Reports>,
    /// Complaint records by local day of the journal's clock, as 2026-03-02.
    records: BTreeMap<String, Records>,
    /// Hours in which complaints were heard, by their starts in event time, ms: of as many days.
    heard_hours: BTreeSet<i64>,
    #[serde(skip)]
    limits: EngineLimits,
}

/// How far a report has come.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Standing {
    /// The newest due time that is behind it, ms.
    due_ms: i64,
    /// The period that was told last; empty before the first.
    key: String,
    /// Its next due time, ms.
    next_ms: i64,
}

impl Reporting {
    /// Puts bounds in force; what is beyond them goes with the next report.
    pub(super) fn set_limits(&mut self, limits: EngineLimits) {
        self.limits = limits;
    }

    /// What readers see.
    pub(super) fn told(&self) -> Arc<Reports> {
        self.told.clone()
    }

    /// Counts complaint records, and notes when complaints were heard.
    fn hear(&mut self, tickets: &[TicketHeard], now_ms: i64, zone: &TimeZone) {
        for ticket in tickets {
            self.heard_hours.insert(hour_of(ticket.ts_ms));
            if self.heard_hours.len() > DAYS_MAX * HOURS_A_DAY {
                self.heard_hours.pop_first();
            }
        }
        let mut filed = tickets.iter().filter(|ticket| ticket.is_record).peekable();
        if filed.peek().is_none() {
            return;
        }
        let records = self.records.entry(day(now_ms, zone)).or_default();
        for ticket in filed {
            records.received += 1;
            records.valid += u64::from(ticket.counts && ticket.has_place());
        }
        if self.records.len() > DAYS_MAX {
            self.records.pop_first();
        }
    }

    /// How much of `[from_ms, to_ms)` nobody heard complaints of, ms; 0 where that is so little that a change is told of it all
    /// the same. A silence that goes on now is one when it is longer than usual: until then nothing may have happened.
    fn unheard_ms(&self, from_ms: i64, to_ms: i64, now_ms: i64, book: &RuleBook) -> i64 {
        let Some(rule) = book.streams.get(&Stream::Complaint) else {
            return to_ms - from_ms;
        };
        let (hours, quiet_ms) = (&self.heard_hours, rule.quiet_max_ms);
        let now_hour_ms = hour_of(now_ms);
        let newest = hours.range(..=now_hour_ms).next_back();
        let is_quiet = |last_ms: &&i64| now_hour_ms - **last_ms <= quiet_ms.max(HOUR_MS);
        let asked_to_ms = newest
            .filter(is_quiet)
            .map_or(to_ms, |last_ms| to_ms.min(last_ms + HOUR_MS));
        let unheard_ms = unheard_ms(hours, from_ms, asked_to_ms, quiet_ms);
        let bearable = i128::from(to_ms - from_ms) * i128::from(rule.unheard_percent_max);
        match i128::from(unheard_ms) * 100 <= bearable {
            true => 0,
            false => unheard_ms,
        }
    }

    fn records_in(&self, period: &Period, zone: &TimeZone) -> Records {
        let days = day(period.from_ms, zone)..=day(period.to_ms - 1, zone);
        let mut sum = Records::default();
        for (_, records) in self.records.range(days) {
            sum.received += records.received;
            sum.valid += records.valid;
        }
        sum
    }

    /// Brings standings in line with a book that came into force.
    fn follow(&mut self, plan: &Plan) {
        let rules = &plan.book.reports;
        self.standing
            .retain(|id, _| rules.iter().any(|rule| rule.id == *id));
        for rule in rules {
            if let Some(standing) = self.standing.get_mut(&rule.id) {
                let next_ms = rule.due_after(standing.due_ms, &plan.zone);
                standing.next_ms = next_ms.unwrap_or(i64::MAX);
            }
        }
    }

    /// Whether a report is due now: its period, and how many were missed before it.
    fn due(&mut self, rule: &ReportRule, now_ms: i64, zone: &TimeZone) -> Option<(Period, u64)> {
        let next_ms = || rule.due_after(now_ms, zone).unwrap_or(i64::MAX);
        let Some(standing) = self.standing.get_mut(&rule.id) else {
            let due_ms = rule.due_by(now_ms, zone).map_or(i64::MIN, |due| due.0);
            let standing = Standing {
                due_ms,
                key: String::new(),
                next_ms: next_ms(),
            };
            self.standing.insert(rule.id.clone(), standing);
            return None;
        };
        if now_ms < standing.next_ms {
            return None;
        }
        let (due_ms, period) = rule.due_by(now_ms, zone)?;
        let mut missed = 0;
        let mut at_ms = standing.next_ms;
        while at_ms < due_ms && missed < MISSED_MAX {
            missed += 1;
            at_ms = rule.due_after(at_ms, zone)?;
        }
        let is_new = due_ms > standing.due_ms && period.key != standing.key;
        *standing = Standing {
            due_ms: due_ms.max(standing.due_ms),
            key: period.key.clone(),
            next_ms: next_ms(),
        };
        is_new.then_some((period, missed))
    }

    /// How many reports are kept for reading, and how many went.
    pub(super) fn bound(&self) -> (usize, u64) {
        let (kept, told) = (self.told.newest.len(), self.told.told_total.values());
        (kept, told.sum::<u64>().saturating_sub(kept as u64))
    }

    fn note(&mut self, report: Arc<Report>, missed: u64) {
        let told = Arc::make_mut(&mut self.told);
        *told.told_total.entry(report.id.clone()).or_default() += 1;
        told.skipped_total += missed;
        told.newest.push_back(report);
        while told.newest.len() > self.limits.reports_max {
            told.newest.pop_front();
        }
    }
}

impl Engine {
    /// Tells the reports that this tick makes due.
    pub(super) fn tell_reports(&mut self, cut: &Cut, effects: &mut Vec<Effect>) {
        let watchlist = self.watchlist.clone();
        let plan = &watchlist.plan;
        let now_ms = cut.watermarks.believed_ms();
        self.reporting.hear(&cut.tickets, now_ms, &plan.zone);
        if cut.plan.is_some() {
            self.reporting.follow(plan);
        }
        for rule in &plan.book.reports {
            let Some((period, missed)) = self.reporting.due(rule, now_ms, &plan.zone) else {
                continue;
            };
            let mut report = self.report(rule, &period, missed, cut);
            self.report_rows_left_out += report.cut_to(self.limits.report_rows_max);
            let report = Arc::new(report);
            self.reporting.note(report.clone(), missed);
            effects.push(Effect::Report(ReportTold {
                report,
                recipients: recipients(rule, &plan.book),
            }));
        }
    }

    fn report(&self, rule: &ReportRule, period: &Period, skipped: u64, cut: &Cut) -> Report {
        let plan = &self.watchlist.plan;
        let alerts = self.shown_alerts();
        let offset_ms = plan.standard_offset_ms();
        let clock = |stream: Stream| cut.watermarks.clock(stream);
        let objects = plan.book.kqis.iter().flat_map(|kqi| {
            let window = kqi.window;
            let tiles = |from_ms, to_ms| window.tiles(from_ms, to_ms, offset_ms);
            // A day whose only window is not over yet would read as a day without complaints.
            let is_known = window.size_ms <= HOUR_MS || clock(kqi.stream) >= period.to_ms;
            let is_exact = is_known
                && tiles(period.from_ms, period.to_ms)
                && tiles(period.before_ms, period.from_ms);
            let is_count = is_counted(kqi);
            // A window that is longer than the period, or crosses its edges, is judged where it ends: until then
            // nobody knew of it.
            let back_ms = if is_count { 0 } else { window.size_ms - 1 };
            self.past.of(&kqi.id).map(move |(_, kept)| {
                let totals =
                    |from_ms, to_ms| kept.series.totals(from_ms - back_ms, to_ms - back_ms);
                Object {
                    kqi,
                    dimensions: &kept.group.values,
                    is_count,
                    is_exact,
                    now: totals(period.from_ms, period.to_ms),
                    before: totals(period.before_ms, period.from_ms),
                }
            })
        });
        let now_ms = cut.watermarks.believed_ms();
        let unheard_ms = |from_ms, to_ms| {
            let reporting = &self.reporting;
            reporting.unheard_ms(from_ms, to_ms, now_ms, &plan.book)
        };
        build(&Facts {
            book: &plan.book,
            rule,
            period,
            now_ms,
            triggers: self.triggers.triggers().map(|trigger| &**trigger).collect(),
            alerts: alerts.iter().map(|alert| &**alert).collect(),
            objects: objects.collect(),
            process: self.triggers.process(),
            complaints_upto_ms: clock(Stream::Complaint),
            unheard_ms: unheard_ms(period.from_ms, period.to_ms),
            is_before_heard: unheard_ms(period.before_ms, period.from_ms) == 0,
            records: self.reporting.records_in(period, &plan.zone),
            skipped,
        })
    }
}

/// Everybody who holds one of the report's roles, once.
fn recipients(rule: &ReportRule, book: &RuleBook) -> Vec<Contact> {
    let roles = rule.recipients.iter().filter_map(|desk| {
        let department = book.departments.iter().find(|of| of.id == desk.department);
        department?.roles.iter().find(|role| role.id == desk.role)
    });
    let mut recipients: Vec<Contact> = roles.flat_map(|role| role.contacts.clone()).collect();
    recipients.sort_by(|a, b| a.email.cmp(&b.email));
    recipients.dedup_by(|a, b| a.email == b.email);
    recipients
}

fn day(at_ms: i64, zone: &TimeZone) -> String {
    let at = Timestamp::from_millisecond(at_ms).unwrap_or_default();
    at.to_zoned(zone.clone()).strftime("%Y-%m-%d").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::testing::book_with_stream;

    const DAY_MS: i64 = 24 * HOUR_MS;

    /// Hours of the second day that nobody heard, when it is so late; complaints were heard in these hours, six without one
    /// are usual, and a twentieth of a day may be missed.
    fn unheard(heard: &[i64], now: i64) -> i64 {
        let mut book = book_with_stream(Stream::Complaint, 60_000, HOUR_MS);
        let rule = book.streams.get_mut(&Stream::Complaint).unwrap();
        rule.quiet_max_ms = 6 * HOUR_MS;
        let reporting = Reporting {
            heard_hours: heard.iter().map(|hour| hour * HOUR_MS).collect(),
            ..Reporting::default()
        };
        let now_ms = now * HOUR_MS + 1;
        reporting.unheard_ms(DAY_MS, 2 * DAY_MS, now_ms, &book) / HOUR_MS
    }

    #[test]
    fn a_day_says_how_much_of_it_was_not_heard_and_a_silence_that_goes_on_is_one_when_it_is_long() {
        let usual = [18, 24, 30, 36, 42, 47];
        assert_eq!(unheard(&[], 56), 24, "nobody ever spoke");
        assert_eq!(unheard(&usual, 53), 0);
        assert_eq!(unheard(&[18, 24, 30, 40, 46, 52], 56), 10, "a gap of it");
        assert_eq!(unheard(&[30, 36, 42, 48], 56), 7, "the first word");
        assert_eq!(unheard(&[18, 24, 30, 36, 42], 48), 0, "six hours so far");
        assert_eq!(unheard(&[18, 24, 30, 36, 42], 49), 5, "and seven");
        assert_eq!(
            unheard(&[18, 24, 30, 36, 42, 50], 49),
            5,
            "of a time to come"
        );
        assert_eq!(unheard(&[18, 24, 30, 36, 42, 49], 56), 5, "a word too late");
        assert_eq!(
            unheard(&[18, 24, 30, 36, 42, 46], 56),
            0,
            "an hour is little"
        );
        assert_eq!(unheard(&[18, 24, 30, 36, 42, 45], 56), 2, "two are not");
    }
}
