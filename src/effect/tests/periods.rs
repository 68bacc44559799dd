use crate::effect::{Mend, Periods, Point, Series, pairs};

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
const WEEK: i64 = 7 * DAY;

fn mend(opened_ms: i64, begun_ms: i64, mended_ms: i64) -> Mend {
    Mend {
        opened_ms,
        begun_ms,
        mended_ms,
        waits_week: false,
        looks: 0,
    }
}

#[test]
fn two_weeks_are_set_against_the_same_hours_of_two_weeks() {
    let mend = mend(10 * WEEK, 13 * WEEK + 5 * HOUR, 13 * WEEK + 2 * DAY);
    let periods = Periods::of(mend, 2 * WEEK, HOUR, 0);
    assert_eq!((periods.length_ms, periods.block_ms), (2 * WEEK, DAY));
    assert_eq!(periods.after_ms, 13 * WEEK + 2 * DAY);
    assert_eq!((periods.after_ms - periods.before_ms) % WEEK, 0);
    assert!(periods.before_ms + periods.length_ms <= mend.begun_ms);
    assert_eq!(periods.blocks().count(), 14);
}

#[test]
fn no_longer_than_the_trouble_was_known() {
    // Ten days: one whole week, in twelve-hour blocks.
    let periods = Periods::of(mend(0, 10 * DAY, 10 * DAY), 2 * WEEK, HOUR, 0);
    assert_eq!((periods.length_ms, periods.block_ms), (WEEK, 12 * HOUR));
    // Five hours of five-minute windows.
    let periods = Periods::of(mend(0, 5 * HOUR, 6 * HOUR), 2 * WEEK, 5 * MINUTE, 0);
    assert_eq!(
        (periods.length_ms, periods.block_ms),
        (5 * HOUR, 15 * MINUTE)
    );
    assert_eq!((periods.before_ms, periods.after_ms), (0, 6 * HOUR));
}

#[test]
fn short_trouble_goes_on_into_the_work_and_never_back_to_when_all_was_well() {
    let of = |mend| Periods::of(mend, 2 * WEEK, 5 * MINUTE, 0);
    let periods = of(mend(HOUR, HOUR + MINUTE, 2 * HOUR));
    assert_eq!(
        (periods.length_ms, periods.block_ms),
        (30 * MINUTE, 5 * MINUTE)
    );
    assert_eq!((periods.before_ms, periods.after_ms), (HOUR, 2 * HOUR));
    // Over after two windows: there is no more to compare.
    let periods = of(mend(HOUR, HOUR + MINUTE, HOUR + 12 * MINUTE));
    assert_eq!(
        (periods.before_ms, periods.length_ms),
        (HOUR + 5 * MINUTE, 10 * MINUTE)
    );
}

#[test]
fn whole_weeks_do_not_reach_back_to_when_all_was_well() {
    // A week and an hour of trouble, two days of work: two whole weeks behind the period after begin before it.
    let long = mend(0, 7 * DAY + HOUR, 9 * DAY);
    let periods = Periods::of(long, 2 * WEEK, HOUR, 0);
    assert!(periods.before_ms >= -HOUR, "{periods:?}");
    assert!(periods.are_weeks_apart() && periods.has_enough());
    assert!(periods.after_ms >= long.mended_ms);
    assert_eq!(periods.length_ms % DAY, 0, "of days whole ones");
    for hours in (170..700).step_by(7) {
        for work in [1, 5, 30, 100, 200] {
            let mend = mend(0, hours * HOUR, (hours + work) * HOUR);
            let periods = Periods::of(mend, 2 * WEEK, HOUR, 0);
            let is_clean = periods.before_ms >= -HOUR;
            let would_be_short = periods.length_ms + periods.before_ms < DAY + 4 * periods.block_ms;
            assert!(
                is_clean || would_be_short,
                "{hours} h, {work} h: {periods:?}"
            );
        }
    }
}

fn point(start_ms: i64, value: f64) -> Point {
    Point {
        start_ms,
        value: Some(value),
        samples: 2,
    }
}

#[test]
fn periods_begin_where_windows_begin() {
    // Days of Shanghai begin at 16:00 UTC.
    let periods = Periods::of(mend(0, 15 * DAY, 15 * DAY + HOUR), 2 * WEEK, DAY, 16 * HOUR);
    assert_eq!(periods.after_ms, 15 * DAY + 16 * HOUR);
    assert_eq!(periods.before_ms, periods.after_ms - 2 * WEEK);
}

#[test]
fn a_window_is_corrected_or_taken_back() {
    let mut series = Series::default();
    for at in 0..4 {
        series.put(point(at * 5 * MINUTE, 1.0));
    }
    series.put(point(5 * MINUTE, 8.0));
    series.put(Point {
        value: None,
        ..point(10 * MINUTE, 0.0)
    });
    let totals = series.totals(0, 20 * MINUTE).unwrap();
    let found = (totals.sum, totals.samples, totals.mean());
    assert_eq!(found, (10.0, 6, Some(10.0 / 3.0)));
}

#[test]
fn old_windows_become_hours_and_hours_go() {
    let mut series = Series::default();
    for at in 0..48 {
        series.put(point(at * 30 * MINUTE, at as f64));
    }
    let before = series.totals(3 * HOUR, 20 * HOUR);
    series.forget(12 * HOUR + MINUTE, 2 * HOUR, 0);
    assert_eq!(series.len(), 10 + 24);
    assert_eq!(series.totals(3 * HOUR, 20 * HOUR), before);
    assert_eq!(series.totals(0, 2 * HOUR), None);
    // Nothing corrects what has been added up.
    series.put(point(3 * HOUR, 1_000.0));
    assert_eq!(series.totals(3 * HOUR, 20 * HOUR), before);
}

#[test]
fn what_a_series_does_not_reach_back_to_is_no_pair() {
    let mut series = Series::default();
    for at in 2..30 {
        series.put(point(at * HOUR, 1.0));
    }
    let periods = Periods {
        before_ms: 0,
        after_ms: 12 * HOUR,
        length_ms: 6 * HOUR,
        block_ms: HOUR,
    };
    let pairs = pairs(&series, &periods, HOUR);
    assert_eq!(
        pairs.iter().map(Option::is_some).collect::<Vec<_>>(),
        [false, false, true, true, true, true]
    );
}

#[test]
fn an_hour_of_work_does_not_cost_a_week() {
    let mend = mend(0, 28 * DAY - HOUR, 28 * DAY - MINUTE);
    let periods = Periods::of(mend, 2 * WEEK, DAY, 0);
    assert_eq!((periods.before_ms, periods.after_ms), (14 * DAY, 28 * DAY));
}

#[test]
fn a_mend_that_waits_is_set_against_the_same_hours_a_week_later() {
    let short = Mend {
        waits_week: true,
        ..mend(2 * DAY, 2 * DAY + 3 * HOUR, 2 * DAY + 4 * HOUR)
    };
    let periods = Periods::of(short, 2 * WEEK, 5 * MINUTE, 0);
    assert_eq!(periods.length_ms, 3 * HOUR);
    assert_eq!(periods.before_ms, 2 * DAY);
    assert_eq!(periods.after_ms, 2 * DAY + WEEK);
    assert!(periods.are_weeks_apart());
    // Five days of trouble: the week that begins behind the work.
    let days = Mend {
        waits_week: true,
        ..mend(0, 5 * DAY, 6 * DAY)
    };
    let periods = Periods::of(days, 2 * WEEK, HOUR, 0);
    assert!(periods.are_weeks_apart() && periods.after_ms >= days.mended_ms);
    assert!(periods.after_ms < days.mended_ms + WEEK);
}

#[test]
fn of_an_hour_that_is_cut_its_part_counts() {
    let mut series = Series::default();
    for at in 0..24 * 12 {
        series.put(point(at * 5 * MINUTE, 1.0));
    }
    series.forget(12 * HOUR, 0, 0);
    let of = |from_ms, to_ms| series.within(from_ms, to_ms, 5 * MINUTE).unwrap();
    // Half an hour inside an hour, one and a half across two, and one across the edge of what is kept whole.
    for (from_ms, to_ms, windows) in [
        (3 * HOUR + 15 * MINUTE, 3 * HOUR + 45 * MINUTE, 6.0),
        (3 * HOUR, 3 * HOUR + 30 * MINUTE, 6.0),
        (3 * HOUR + 30 * MINUTE, 5 * HOUR, 18.0),
        (11 * HOUR + 30 * MINUTE, 12 * HOUR + 30 * MINUTE, 12.0),
        (3 * HOUR, 5 * HOUR, 24.0),
    ] {
        let totals = of(from_ms, to_ms);
        assert_eq!(
            (totals.sum, totals.mean()),
            (windows, Some(1.0)),
            "{from_ms}"
        );
    }
}

/// Local midnight is half an hour off the hours of UTC in Kolkata.
#[test]
fn hours_begin_where_local_days_do() {
    let mut series = Series::default();
    for at in 0..96 {
        series.put(point(at * 30 * MINUTE, 1.0));
    }
    series.forget(40 * HOUR, 0, 30 * MINUTE);
    let midnight_ms = 18 * HOUR + 30 * MINUTE;
    let day = series.totals(midnight_ms - 12 * HOUR, midnight_ms).unwrap();
    assert_eq!(day.sum, 24.0);
}
