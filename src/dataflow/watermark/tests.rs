use super::*;
use crate::rules::testing::book_with_stream;

fn id(name: &str) -> SourceId {
    SourceId {
        stream: Stream::DialTest,
        name: Some(name.into()),
    }
}

fn at(ts_ms_max: i64) -> SourceProgress {
    SourceProgress {
        ts_ms_max,
        events: 1,
    }
}

fn state(marks: &Watermarks, name: &str) -> SourceState {
    *marks.sources().find(|(at, _)| **at == id(name)).unwrap().1
}

#[test]
fn the_slowest_active_source_decides_and_an_idle_one_does_not() {
    let book = book_with_stream(Stream::DialTest, 10, 100);
    let mut marks = Watermarks::default();
    assert_eq!(marks.of(Stream::DialTest), i64::MIN);
    marks.observe(id("a"), at(1000), Owner::default());
    marks.observe(id("b"), at(500), Owner::default());
    marks.tick(5000, &book);
    assert_eq!(marks.of(Stream::DialTest), 490);
    marks.observe(id("a"), at(2000), Owner::default());
    marks.tick(5100, &book);
    assert_eq!(
        marks.of(Stream::DialTest),
        490,
        "b is silent, but not for long enough"
    );
    marks.tick(5101, &book);
    assert_eq!(marks.of(Stream::DialTest), 1990, "b is idle");
    marks.observe(id("b"), at(600), Owner::default());
    marks.tick(5102, &book);
    assert_eq!(marks.of(Stream::DialTest), 1990, "never back");
    assert!(!marks.is_silent(Stream::DialTest));
    marks.tick(6000, &book);
    assert!(marks.is_silent(Stream::DialTest));
    assert!(
        !marks.is_silent(Stream::BossCall),
        "a stream that never spoke is not silent"
    );
}

#[test]
fn an_event_of_the_future_closes_no_window_before_its_time() {
    let book = book_with_stream(Stream::DialTest, 10, 1_000_000);
    let mut marks = Watermarks::default();
    marks.observe(id("a"), at(600_000), Owner::default());
    marks.tick(1_000, &book);
    assert_eq!(marks.of(Stream::DialTest), 990);
    marks.tick(2_000, &book);
    assert_eq!(marks.of(Stream::DialTest), 1_990, "it moves with the clock");
    marks.tick(700_000, &book);
    assert_eq!(
        marks.of(Stream::DialTest),
        599_990,
        "and not beyond what was heard"
    );
    let mut replay = Watermarks::default();
    replay.observe(id("a"), at(600_000), Owner::default());
    replay.tick(0, &book);
    assert_eq!(
        replay.of(Stream::DialTest),
        599_990,
        "a replay has no clock"
    );
}

#[test]
fn the_time_in_which_the_engine_was_down_is_nobodys_silence() {
    let book = book_with_stream(Stream::DialTest, 10, 300_000);
    let mut marks = Watermarks::default();
    marks.observe(id("a"), at(1_000), Owner::default());
    marks.tick(1_000, &book);
    marks.tick(1_000 + 7_200_000, &book);
    assert!(!state(&marks, "a").idle, "two hours between two ticks");
    for second in 1..=301 {
        marks.tick(7_201_000 + second * 1_000, &book);
    }
    assert!(state(&marks, "a").idle, "five minutes of listening");
}

#[test]
fn a_source_that_speaks_only_of_the_past_lags_once_it_has_for_long_enough() {
    let book = book_with_stream(Stream::DialTest, 0, 10_000);
    let mut marks = Watermarks::default();
    let mut run = |from: i64, to: i64, behind: i64| {
        for now_ms in (from..to).step_by(1_000) {
            marks.observe(id("a"), at(now_ms), Owner::default());
            marks.observe(id("b"), at(now_ms - behind), Owner::default());
            marks.tick(now_ms, &book);
        }
        (state(&marks, "b").lagging, marks.of(Stream::DialTest))
    };
    assert_eq!(run(100_000, 130_000, 9_000), (false, 120_000));
    assert_eq!(
        run(130_000, 139_000, 60_000),
        (false, 120_000),
        "not for long enough"
    );
    let (lagging, watermark_ms) = run(139_000, 145_000, 60_000);
    assert!(lagging);
    assert_eq!(watermark_ms, 144_000, "it holds nobody up, and says so");
    assert!(!run(145_000, 150_000, 0).0, "it has caught up");
}

#[test]
fn ever_new_names_that_tell_of_the_past_hold_nobody_up() {
    let book = book_with_stream(Stream::DialTest, 0, 10_000);
    let mut marks = Watermarks::default();
    for now_ms in (1_000_000..1_060_000).step_by(1_000) {
        marks.observe(id("true"), at(now_ms), Owner::default());
        if now_ms % 5_000 == 0 {
            let name = format!("broken-{now_ms}");
            marks.observe(id(&name), at(0), Owner::default());
        }
        marks.tick(now_ms, &book);
        assert_eq!(marks.of(Stream::DialTest), now_ms);
    }
    assert!(state(&marks, "broken-1055000").lagging);
    // Who had kept up, and comes back with what it has gathered meanwhile, is waited for.
    marks.observe(id("back"), at(1_060_000), Owner::default());
    marks.tick(1_060_000, &book);
    for now_ms in (1_061_000..1_100_000).step_by(1_000) {
        marks.observe(id("true"), at(now_ms), Owner::default());
        marks.tick(now_ms, &book);
    }
    assert!(state(&marks, "back").idle);
    marks.observe(id("back"), at(1_061_000), Owner::default());
    marks.tick(1_100_000, &book);
    assert!(!state(&marks, "back").lagging);
}

#[test]
fn a_backfill_that_never_kept_up_with_the_clock_is_not_called_lagging() {
    let book = book_with_stream(Stream::DialTest, 0, 10_000);
    let mut marks = Watermarks::default();
    for step in 0..100 {
        marks.observe(id("a"), at(step * 1_000), Owner::default());
        marks.tick(86_400_000 + step * 1_000, &book);
    }
    assert!(!state(&marks, "a").lagging);
}

#[test]
fn nobody_lags_behind_a_clock_that_was_set_ahead() {
    let book = book_with_stream(Stream::DialTest, 0, 10_000);
    let mut marks = Watermarks::default();
    let run = |marks: &mut Watermarks, from: i64, ahead_ms: i64, sources: &[(&str, i64)]| {
        for now_ms in (from..from + 60_000).step_by(1_000) {
            for (name, behind_ms) in sources {
                marks.observe(id(name), at(now_ms - behind_ms), Owner::default());
            }
            marks.tick(now_ms + ahead_ms, &book);
        }
        sources
            .iter()
            .map(|(name, _)| state(marks, name).lagging)
            .collect::<Vec<_>>()
    };
    let (fresh, old) = (("a", 0), ("b", 50_000));
    assert_eq!(
        run(&mut marks, 1_000_000, 0, &[fresh, ("b", 0)]),
        [false; 2]
    );
    assert_eq!(marks.believed_ms(), marks.now_ms());
    // Three hours, for as long as the clock needs to come down to what everybody knows.
    let set = 3 * 3_600_000;
    assert_eq!(
        run(&mut marks, 1_060_000, set, &[fresh, ("b", 0)]),
        [false; 2]
    );
    assert!(!marks.is_silent(Stream::DialTest));
    assert_eq!(marks.believed_ms(), 1_119_000, "what everybody tells");
    assert_eq!(
        run(&mut marks, 1_120_000, set, &[fresh, old]),
        [false, true],
        "behind the other"
    );
    assert_eq!(
        run(&mut marks, 1_180_000, set - 60_000, &[fresh, ("b", 0)]),
        [false; 2]
    );
    // The engine was down for as long, and who is behind afterwards lags as ever once somebody tells of now.
    let mut marks = Watermarks::default();
    assert_eq!(
        run(&mut marks, 1_000_000, 0, &[fresh, ("b", 0)]),
        [false; 2]
    );
    let later = 1_060_000 + set;
    assert_eq!(
        run(&mut marks, later, 0, &[old]),
        [false],
        "nobody knows yet"
    );
    assert_eq!(
        run(&mut marks, later + 60_000, 0, &[old, fresh]),
        [true, false]
    );
    assert_eq!(run(&mut marks, later + 120_000, 0, &[old]), [true]);
}

#[test]
fn a_clock_that_nobody_contradicts_is_believed_and_time_never_goes_back() {
    let book = book_with_stream(Stream::DialTest, 0, 10_000);
    let mut marks = Watermarks::default();
    let mut before = 0;
    let mut tick = |marks: &mut Watermarks, now_ms| {
        marks.tick(now_ms, &book);
        assert!(marks.believed_ms() >= before);
        before = marks.believed_ms();
        before
    };
    assert_eq!(tick(&mut marks, 1_000_000), 1_000_000, "the first of all");
    assert_eq!(tick(&mut marks, 5_000_000), 5_000_000, "there is no source");
    marks.observe(id("a"), at(5_000_000), Owner::default());
    assert_eq!(tick(&mut marks, 5_001_000), 5_001_000);
    assert_eq!(
        tick(&mut marks, 9_000_000),
        5_001_000,
        "the source is asked"
    );
    // And says nothing.
    let mut marks = Watermarks::default();
    marks.observe(id("a"), at(1_000_000), Owner::default());
    marks.tick(1_000_000, &book);
    for second in 0..=300 {
        marks.tick(9_000_000 + second * 1_000, &book);
        assert_eq!(marks.believed_ms(), 1_000_000 + second * 1_000);
    }
    marks.tick(9_301_000, &book);
    assert_eq!(marks.believed_ms(), 9_301_000);
}

#[test]
fn a_flood_of_names_leaves_room_for_the_sources_of_others_also_after_a_restart() {
    let [flood, honest] = ["flood", "honest"].map(|name| Owner::of(Some(name), None));
    let mut marks = Watermarks::default();
    let named = |marks: &Watermarks, of: &str| {
        let names = marks.sources().filter_map(|(id, _)| id.name.as_deref());
        names.filter(|name| name.starts_with(of)).count()
    };
    for number in 0..2 * sources_max() {
        marks.observe(id(&format!("f{number}")), at(1_000), flood);
    }
    let held = named(&marks, "f");
    assert!(
        (8 * sources_max() / 9..=8 * sources_max() / 9 + 1).contains(&held),
        "{held}"
    );
    assert_eq!(marks.bound().2, (2 * sources_max() - held) as u64);
    let saved = postcard::to_allocvec(&marks).unwrap();
    let mut marks: Watermarks = postcard::from_bytes(&saved).unwrap();
    for number in 0..900 {
        marks.observe(id(&format!("f-new{number}")), at(1_000), flood);
        marks.observe(id(&format!("h{number}")), at(1_000), honest);
    }
    assert_eq!(named(&marks, "h"), 900);
    assert_eq!(named(&marks, "f"), held);
}

#[test]
fn sources_that_are_long_gone_make_room_for_new_ones() {
    let book = book_with_stream(Stream::DialTest, 0, 10_000);
    let mut marks = Watermarks::default();
    for number in 0..sources_max() {
        let owner = Owner::of(None, Some(&number.to_string()));
        marks.observe(id(&format!("s{number}")), at(1_000), owner);
    }
    marks.tick(1_000, &book);
    marks.observe(id("one too many"), at(1_000), Owner::default());
    assert_eq!(marks.bound().2, 1);
    // All but one fall silent, and a week goes by.
    let mut now_ms = 1_000;
    for step_ms in [5_000, 5_000, 5_000, GONE_AFTER_MS - 30_000, 5_000, 5_000] {
        now_ms += step_ms;
        marks.observe(id("s0"), at(now_ms), Owner::default());
        marks.observe(id("still too many"), at(now_ms), Owner::default());
        marks.tick(now_ms, &book);
    }
    assert_eq!(marks.bound().2, 7, "nobody has been silent for a week");
    now_ms += 15_000;
    marks.observe(id("s0"), at(now_ms), Owner::default());
    marks.tick(now_ms, &book);
    marks.observe(id("new"), at(now_ms), Owner::default());
    assert_eq!(marks.bound().2, 7);
    let names: Vec<_> = marks
        .sources()
        .filter_map(|(id, _)| id.name.clone())
        .collect();
    assert_eq!(
        names,
        ["new".into(), "s0".into()] as [std::sync::Arc<str>; 2]
    );
}

#[test]
fn the_clock_never_goes_back() {
    let book = book_with_stream(Stream::DialTest, 0, 100);
    let mut marks = Watermarks::default();
    marks.observe(id("a"), at(7), Owner::default());
    marks.tick(1000, &book);
    marks.tick(10, &book);
    assert_eq!(marks.now_ms(), 1000);
    assert!(!marks.is_silent(Stream::DialTest));
}

#[test]
fn the_end_of_input_seals_but_does_not_age() {
    let mut marks = Watermarks::default();
    marks.end();
    assert_eq!(marks.of(Stream::Gauge), i64::MAX);
    assert_eq!(marks.horizon(Stream::Gauge, 5), i64::MIN);
}
