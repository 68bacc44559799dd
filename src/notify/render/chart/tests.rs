use super::*;
use crate::notify::testing::notice;

fn size_of(points: &[ChartPoint]) -> Option<usize> {
    let notice = notice();
    let png = draw(
        points,
        &notice.alert,
        &Marks::of(&notice),
        &Clock::of("Asia/Shanghai"),
    )?;
    let picture = Pixmap::decode_png(&png).unwrap();
    assert_eq!((picture.width(), picture.height()), (2 * WIDTH, 2 * HEIGHT));
    Some(png.len())
}

fn point(minute: i64, value: Option<f64>) -> ChartPoint {
    ChartPoint {
        end_ms: minute * 60_000,
        value,
    }
}

#[test]
fn draws_whatever_windows_there_are() {
    assert_eq!(size_of(&[]), None);
    assert_eq!(size_of(&[point(1, None), point(2, None)]), None);
    assert_eq!(size_of(&[point(1, Some(f64::NAN))]), None);
    assert!(size_of(&[point(1, Some(0.0))]).is_some());
    assert!(size_of(&[point(1, Some(-3.0)), point(2, None), point(3, Some(1e12))]).is_some());
}

#[test]
fn stays_small_however_many_windows() {
    let noisy = |n: i64| point(n, Some((n * 7919 % 997) as f64));
    let points: Vec<ChartPoint> = (0..100_000).map(noisy).collect();
    assert!(size_of(&points).unwrap() < 70_000, "{:?}", size_of(&points));
}

/// An hour, and the same hour a week later: both are seen, and the week between them is not.
#[test]
fn a_week_without_windows_does_not_press_the_rest_together() {
    const WEEK: i64 = 7 * 24 * 60;
    let hours = (0..12).map(|n| 5 * n).chain((0..12).map(|n| WEEK + 5 * n));
    let points: Vec<ChartPoint> = hours.map(|minute| point(minute, Some(2.0))).collect();
    let frame = Frame::of(&points, &notice().alert).unwrap();
    let x = |minute: i64| frame.x(minute * 60_000);
    let width = x(WEEK + 55) - x(0);
    assert!((x(55) - x(0)) / width > 0.4 && (x(WEEK + 55) - x(WEEK)) / width > 0.4);
    assert!(x(55) < x(WEEK));
    assert!(frame.holds(0) && !frame.holds(WEEK * 30_000) && frame.holds(WEEK * 60_000));
    assert!(size_of(&points).is_some());
    // A gap that is not most of the picture stays.
    let points: Vec<ChartPoint> = [0, 5, 10, 60, 65, 70].map(|m| point(m, Some(2.0))).into();
    assert_eq!(cut_of(&points), Some((600_000, 3_600_000)));
    let points: Vec<ChartPoint> = [0, 5, 10, 25, 30, 35].map(|m| point(m, Some(2.0))).into();
    assert_eq!(cut_of(&points), None);
}

#[test]
fn times_below_do_not_overlap_and_a_day_stays() {
    let mut labels = Vec::new();
    for (x, is_day) in [(0.0, true), (90.0, false), (130.0, false), (140.0, true)] {
        let text = String::new();
        let width = 50.0;
        put(
            &mut labels,
            TimeLabel {
                x,
                width,
                text,
                is_day,
            },
        );
    }
    let left: Vec<f32> = labels.iter().map(|label| label.x).collect();
    assert_eq!(left, [0.0, 140.0]);
}

/// The work is done within the week that is left out: it is marked there, and nowhere else.
#[test]
fn what_was_left_out_has_its_place_between_both_sides() {
    const WEEK: i64 = 7 * 24 * 60;
    let hours = (0..12).map(|n| 5 * n).chain((0..12).map(|n| WEEK + 5 * n));
    let points: Vec<ChartPoint> = hours.map(|minute| point(minute, Some(2.0))).collect();
    let frame = Frame::of(&points, &notice().alert).unwrap();
    let place = |minute: i64| frame.place(minute * 60_000);
    let (left, right) = (place(55).unwrap(), place(WEEK).unwrap());
    let mended = place(300).unwrap();
    assert!(left < mended && mended < right, "{left} {mended} {right}");
    assert_eq!((place(-1), place(WEEK + 56)), (None, None));
}

#[test]
fn ticks_are_round_and_few() {
    assert_eq!(
        [0.3, 7.0, 12.0, 0.02].map(nice_step),
        [0.5, 10.0, 20.0, 0.02]
    );
    for span_min in [1, 5, 30, 60, 1440, 10_080, 100_000] {
        let ticks = span_min * 60_000 / tick_step_ms(span_min * 60_000);
        assert!(ticks <= 5, "{span_min} min: {ticks}");
    }
}
