//! When reports are told: by ticks alone, once, over restarts, reloads and clocks that jump.

use std::sync::Arc;

use super::bench::BOOK;
use crate::dataflow::{Cut, Owner, Watermarks};
use crate::engine::{Effect, Engine, SaveError};
use crate::event::{SourceId, SourceProgress};
use crate::rules::Plan;
use crate::rules::testing::book;

const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;
/// Monday 2 March 2026, 00:00 in Shanghai.
const MONDAY: i64 = 1_772_380_800_000;

fn daily_at(at: &str) -> String {
    format!(
        "{BOOK}reports:\n  - {{id: daily, name: daily, kind: bulletin, period: daily, at: '{at}', recipients: [{{department: D, role: r}}, {{department: D, role: r}}]}}\n"
    )
}

struct Ticking {
    engine: Engine,
    plan: Arc<Plan>,
    marks: Watermarks,
    epoch: u64,
}

impl Ticking {
    fn new(text: &str) -> Ticking {
        let plan = Arc::new(Plan::new(Arc::new(book(text)), None).unwrap());
        Ticking {
            engine: Engine::new(plan.clone()),
            plan,
            marks: Watermarks::default(),
            epoch: 0,
        }
    }

    /// A source tells of a time.
    fn hears(&mut self, ts_ms_max: i64) {
        let stream = *self.plan.book.streams.keys().next().unwrap();
        let name = Some("probe".into());
        let told = SourceProgress {
            ts_ms_max,
            events: 1,
        };
        let id = SourceId { stream, name };
        self.marks.observe(id, told, Owner::default());
    }

    /// A tick; the periods that it tells of.
    fn at(&mut self, now_ms: i64) -> Vec<String> {
        self.with(now_ms, None)
    }

    fn with(&mut self, now_ms: i64, text: Option<&str>) -> Vec<String> {
        let plan = text.map(|text| {
            self.plan = Arc::new(Plan::new(Arc::new(book(text)), Some(&self.plan)).unwrap());
            self.plan.clone()
        });
        self.epoch += 1;
        self.marks.tick(now_ms, &self.plan.book);
        let cut = Cut {
            epoch: self.epoch,
            now_ms,
            plan,
            watermarks: self.marks.clone(),
            updates: Vec::new(),
            tickets: Vec::new(),
            holds: Vec::new(),
            annotations: Vec::new(),
            refused: Vec::new(),
            events: 0,
            overflow: Vec::new(),
        };
        let effects = self.engine.step(&cut, &[]).into_iter();
        let told = effects.filter_map(|effect| match effect {
            Effect::Report(told) => {
                assert_eq!(told.recipients.len(), 1, "once, whatever their roles");
                Some(told.report.period.key.clone())
            }
            _ => None,
        });
        told.collect()
    }

    fn restarted(mut self) -> Ticking {
        let mut pieces = Vec::new();
        let keep = |piece| {
            pieces.push(piece);
            Ok::<(), SaveError>(())
        };
        self.engine.state().pieces(keep).unwrap();
        let pieces = pieces.iter().map(Vec::as_slice);
        self.engine = Engine::restored(self.plan.clone(), pieces).unwrap();
        self
    }
}

#[test]
fn a_report_is_told_once_at_the_first_tick_after_it_is_due() {
    let mut ticking = Ticking::new(&daily_at("08:00"));
    let none: [&str; 0] = [];
    assert_eq!(
        ticking.at(MONDAY + 9 * HOUR),
        none,
        "nothing of before the rule"
    );
    assert_eq!(ticking.at(MONDAY + DAY + 8 * HOUR - 1), none);
    let mut ticking = ticking.restarted();
    assert_eq!(ticking.at(MONDAY + DAY + 8 * HOUR), ["2026-03-02"]);
    let mut ticking = ticking.restarted();
    assert_eq!(ticking.at(MONDAY + DAY + 8 * HOUR + 1), none);
    // A clock that goes back tells nothing again.
    assert_eq!(ticking.at(MONDAY - 5 * DAY), none);
    assert_eq!(ticking.at(MONDAY + DAY + 9 * HOUR), none);
    assert_eq!(ticking.at(MONDAY + 2 * DAY + 9 * HOUR), ["2026-03-03"]);
    let reports = &ticking.engine.snapshot().reports;
    assert_eq!((reports.newest.len(), reports.told_total["daily"]), (2, 2));
}

#[test]
fn a_clock_that_is_set_ahead_for_a_moment_tells_no_report_of_a_day_that_is_not_over() {
    let mut ticking = Ticking::new(&daily_at("08:00"));
    let none: [&str; 0] = [];
    let (four, later) = (MONDAY + 16 * HOUR, MONDAY + 33 * HOUR);
    ticking.hears(four);
    assert_eq!(ticking.at(four), none);
    // Seventeen hours, for four seconds and whatever it takes until the clock has come down to it.
    for second in 0..60 {
        ticking.hears(four + second * 1_000);
        assert_eq!(ticking.at(later + second * 1_000), none);
    }
    // The true morning comes, by half of the clock's pace or by what sources tell.
    ticking.hears(MONDAY + DAY + 8 * HOUR - 1_000);
    assert_eq!(ticking.at(later + 61_000), none);
    ticking.hears(MONDAY + DAY + 8 * HOUR + 1_000);
    assert_eq!(ticking.at(later + 62_000), ["2026-03-02"]);
    // The engine was down for a night: the first that is heard says that it was no mistake of the clock.
    let morning = MONDAY + 2 * DAY + 9 * HOUR;
    assert_eq!(ticking.at(morning), none);
    ticking.hears(morning + 1_000);
    assert_eq!(ticking.at(morning + 1_000), ["2026-03-03"]);
}

#[test]
fn of_issues_that_were_missed_the_newest_is_told_and_says_so() {
    let mut ticking = Ticking::new(&daily_at("08:00"));
    ticking.at(MONDAY);
    assert_eq!(ticking.at(MONDAY + 4 * DAY + 10 * HOUR), ["2026-03-05"]);
    let reports = &ticking.engine.snapshot().reports;
    assert_eq!(reports.skipped_total, 4);
    let remarks = &reports.newest[0].remarks;
    assert!(
        remarks
            .iter()
            .any(|of| of.en.starts_with("4 earlier issues")),
        "{remarks:?}"
    );
}

#[test]
fn another_time_of_day_tells_no_period_twice_and_none_less() {
    let mut ticking = Ticking::new(&daily_at("08:00"));
    ticking.at(MONDAY);
    assert_eq!(ticking.at(MONDAY + 8 * HOUR), ["2026-03-01"]);
    let none: [&str; 0] = [];
    // Later on the same day: that period has been told.
    assert_eq!(
        ticking.with(MONDAY + 9 * HOUR, Some(&daily_at("10:00"))),
        none
    );
    assert_eq!(ticking.at(MONDAY + 11 * HOUR), none);
    // Earlier on the next day: it is due at once.
    let early = daily_at("06:00");
    assert_eq!(
        ticking.with(MONDAY + DAY + 7 * HOUR, Some(&early)),
        ["2026-03-02"]
    );
    // Without its rule nothing is told, and a rule that comes back begins anew.
    assert_eq!(ticking.with(MONDAY + 2 * DAY, Some(BOOK)), none);
    assert_eq!(ticking.at(MONDAY + 3 * DAY), none);
    assert_eq!(
        ticking.with(MONDAY + 3 * DAY + 7 * HOUR, Some(&early)),
        none
    );
    assert_eq!(ticking.at(MONDAY + 4 * DAY + 6 * HOUR), ["2026-03-05"]);
}

#[test]
fn reports_that_are_kept_for_reading_are_bounded() {
    let mut ticking = Ticking::new(&daily_at("08:00"));
    for day in 0..100 {
        ticking.at(MONDAY + day * DAY + 9 * HOUR);
    }
    let reports = &ticking.engine.snapshot().reports;
    assert_eq!(
        (reports.newest.len(), reports.told_total["daily"]),
        (64, 99)
    );
}
