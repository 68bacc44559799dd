use proptest::prelude::*;

use super::*;
use crate::rules::{Layer, Text, WindowSpec};

fn anchors(values: [f64; 5], scale: Scale) -> Anchors {
    Anchors {
        set: None,
        values,
        scale,
    }
}

fn kqi(anchors: Option<Anchors>, interval: Interval) -> Kqi {
    let text = Text {
        zh: "时延".to_owned(),
        en: "time".to_owned(),
    };
    Kqi {
        id: "k".to_owned(),
        service: None,
        name: text,
        layer: Layer::Experience,
        scope: None,
        stream: Stream::DialTest,
        filter: None,
        good: None,
        good_within: None,
        timeout: None,
        aggregate: Aggregate::Quantile(0.95),
        group_by: Vec::new(),
        window: WindowSpec {
            size_ms: 60_000,
            hop_ms: 60_000,
            offset_ms: 0,
        },
        unit: Unit::Seconds,
        anchors,
        interval,
        suppressible: true,
        min_samples: 10,
        department: None,
        provenance: Vec::new(),
        provenance_of_set: 0,
    }
}

const L6: [f64; 5] = [2.4, 3.8, 6.0, 9.5, 15.0];
const L30: [f64; 5] = [10.0, 17.3, 30.0, 52.0, 90.0];
const A95: [f64; 5] = [99.0, 97.0, 95.0, 92.0, 88.0];
const CC: [f64; 5] = [-20.0, -5.0, 10.0, 30.0, 50.0];

const LIMIT_30: Interval = Interval {
    min: None,
    max: Some(30.0),
};

#[track_caller]
fn scores(values: [f64; 5], scale: Scale, cases: &[(f64, f64)]) {
    let anchors = anchors(values, scale);
    for (value, want) in cases {
        let got = score(&anchors, *value);
        assert!(
            (got - want).abs() < 0.05,
            "{value} scores {got}, not {want}"
        );
    }
}

#[test]
fn the_web_hall_before_and_after() {
    // Domain fact E5: from over 15 seconds to within 6.
    scores(
        L6,
        Scale::Log,
        &[
            (15.0, 1.0),
            (16.0, 1.0),
            (6.0, 3.0),
            (0.0, 5.0),
            (-1.0, 5.0),
        ],
    );
}

#[test]
fn the_prefecture_table() {
    // Domain fact H31: 永州, 常德, 怀化.
    scores(
        CC,
        Scale::Linear,
        &[(51.6, 1.0), (17.1, 2.6), (0.6, 3.6), (-78.0, 5.0)],
    );
}

#[test]
fn falling_scales() {
    scores(
        A95,
        Scale::Linear,
        &[(100.0, 5.0), (98.0, 4.5), (93.5, 2.5), (0.0, 1.0)],
    );
    scores(
        [120.0, 80.0, 50.0, 30.0, 15.0],
        Scale::Log,
        &[(0.0, 1.0), (-3.0, 1.0), (200.0, 5.0)],
    );
}

#[test]
fn infinite_values_are_the_ends() {
    scores(
        L30,
        Scale::Log,
        &[(f64::INFINITY, 1.0), (f64::NEG_INFINITY, 5.0)],
    );
    scores(
        A95,
        Scale::Linear,
        &[(f64::INFINITY, 5.0), (f64::NEG_INFINITY, 1.0)],
    );
}

#[track_caller]
fn judged(kqi: &Kqi, samples: u64, value: Option<f64>, want: &str) {
    let (_, verdict) = judge(kqi, samples, value);
    assert_eq!(verdict.name(), want, "{samples} samples, {value:?}");
}

#[test]
fn thirty_seconds_is_in_time_and_thirty_one_is_over() {
    // Domain fact C3.
    let kqi = kqi(Some(anchors(L30, Scale::Log)), LIMIT_30);
    judged(&kqi, 10, Some(30.0), "normal");
    judged(&kqi, 10, Some(30.001), "abnormal_minor");
    judged(&kqi, 10, Some(31.0), "abnormal_minor");
    judged(&kqi, 10, Some(52.0), "abnormal_minor");
    judged(&kqi, 10, Some(52.1), "abnormal_major");
    judged(&kqi, 10, Some(90.0), "abnormal_critical");
}

#[test]
fn no_data_is_neither_healthy_nor_a_breach() {
    // Domain fact H15.
    let kqi = kqi(Some(anchors(L30, Scale::Log)), LIMIT_30);
    judged(&kqi, 0, None, "no_traffic");
    judged(&kqi, 0, Some(0.0), "no_traffic");
    judged(&kqi, 9, Some(500.0), "insufficient");
    judged(&kqi, 10, None, "insufficient");
    judged(&kqi, 10, Some(f64::NAN), "insufficient");
    assert_eq!(judge(&kqi, 9, Some(500.0)).0, None);
}

#[test]
fn without_a_scale_a_breach_is_major_and_a_tight_interval_only_warns() {
    judged(&kqi(None, LIMIT_30), 10, Some(31.0), "abnormal_major");
    judged(&kqi(None, LIMIT_30), 10, Some(29.0), "normal");
    judged(&kqi(None, Interval::default()), 10, Some(1e9), "normal");
    let tight = Interval {
        min: None,
        max: Some(20.0),
    };
    judged(
        &kqi(Some(anchors(L30, Scale::Log)), tight),
        10,
        Some(25.0),
        "abnormal_warning",
    );
}

#[test]
fn values_are_brought_to_the_unit() {
    let mut kqi = kqi(None, LIMIT_30);
    assert_eq!(kqi.in_unit(30_000.0), 30.0);
    kqi.unit = Unit::Milliseconds;
    assert_eq!(kqi.in_unit(30_000.0), 30_000.0);
    kqi.aggregate = Aggregate::Ratio;
    assert_eq!(kqi.in_unit(0.5), 0.5);
    kqi.unit = Unit::Percent;
    assert_eq!(kqi.in_unit(0.5), 50.0);
    kqi.aggregate = Aggregate::Change { against_ms: 1 };
    assert_eq!(kqi.in_unit(-0.25), -25.0);
    // A gauge's reading is what it is, in seconds as in anything else.
    kqi.stream = Stream::Gauge;
    kqi.aggregate = Aggregate::Mean;
    kqi.unit = Unit::Seconds;
    assert_eq!(kqi.in_unit(7.0), 7.0);
}

#[test]
fn names_and_texts_tell_verdicts_apart() {
    for language in [Language::Zh, Language::En] {
        let mut texts: Vec<&str> = Verdict::ALL.iter().map(|v| v.text(language)).collect();
        texts.sort_unstable();
        texts.dedup();
        assert_eq!(texts.len(), Verdict::ALL.len());
    }
    for verdict in Verdict::ALL {
        assert_eq!(Verdict::from_name(verdict.name()), Some(verdict));
    }
}

/// Five distinct positive numbers in rising or falling order, far enough apart to be anchors.
fn any_anchors() -> impl Strategy<Value = Anchors> {
    let steps = proptest::array::uniform5(0.01_f64..100.0);
    (steps, any::<bool>(), any::<bool>()).prop_map(|(steps, falling, log)| {
        let mut total = 0.0;
        let mut values = steps.map(|step| {
            total += step;
            total
        });
        if falling {
            values.reverse();
        }
        anchors(values, if log { Scale::Log } else { Scale::Linear })
    })
}

proptest! {
    #[test]
    fn scores_lie_between_one_and_five(anchors in any_anchors(), value in any::<f64>()) {
        prop_assume!(!value.is_nan());
        let got = score(&anchors, value);
        prop_assert!((1.0..=5.0).contains(&got), "{got}");
    }

    #[test]
    fn scores_never_rise_while_values_get_worse(
        anchors in any_anchors(),
        a in -50.0_f64..600.0,
        b in -50.0_f64..600.0,
    ) {
        let falling = anchors.values[0] > anchors.values[4];
        let (better, worse) = if (a < b) == falling { (b, a) } else { (a, b) };
        prop_assert!(score(&anchors, better) >= score(&anchors, worse));
    }

    #[test]
    fn anchors_score_exactly(anchors in any_anchors()) {
        for (value, want) in anchors.values.into_iter().zip([5.0, 4.0, 3.0, 2.0, 1.0]) {
            prop_assert_eq!(score(&anchors, value), want);
        }
    }

    #[test]
    fn the_default_interval_is_score_three_and_better(anchors in any_anchors(), value in -50.0_f64..600.0) {
        let b3 = anchors.values[2];
        let reasonable = if anchors.values[0] > b3 { value >= b3 } else { value <= b3 };
        // Just beyond b3 rounding may still give exactly 3: the interval, not the score, decides.
        let got = score(&anchors, value);
        prop_assert!(if reasonable { got >= 3.0 } else { got <= 3.0 }, "{got}");
    }
}
