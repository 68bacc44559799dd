use crate::effect::{
    Better, Course, EffectRules, EffectVerdict, Incomparable, Pair, Pairs, Totals, compare, judge,
    read,
};

fn count(sum: f64) -> Totals {
    Totals {
        sum,
        weighted: sum,
        samples: sum as i64,
    }
}

fn level(value: f64) -> Totals {
    Totals {
        sum: value,
        weighted: value * 10.0,
        samples: 10,
    }
}

fn pairs(of: fn(f64) -> Totals, before: &[f64], after: &[f64]) -> Course {
    let both = before.iter().zip(after);
    let pairs: Pairs = both
        .map(|(before, after)| {
            Some(Pair {
                before: of(*before),
                after: of(*after),
            })
        })
        .collect();
    Course::from(pairs)
}

/// Spreads a week's count over its days, as evenly as whole complaints allow.
fn days(week: i64) -> Vec<f64> {
    (0..7)
        .map(|day| (week * (day + 1) / 7 - week * day / 7) as f64)
        .collect()
}

/// Domain fact G14: login complaints of four weeks, 106, 98, 24, 21.
#[test]
fn the_mailbox_login_fell_by_78_percent() {
    let before = [days(106), days(98)].concat();
    let after = [days(24), days(21)].concat();
    let rules = EffectRules::default();
    let estimate = compare(
        &pairs(count, &before, &after),
        &[],
        true,
        rules.error,
        &rules,
    )
    .unwrap();
    assert_eq!((estimate.before, estimate.after), (204.0, 45.0));
    assert_eq!(format!("{:.2}", estimate.effect * 100.0), "-77.94");
    // Poisson counts of that size: exp(ln 45/204 ± t · 0.165).
    assert!(-0.86 < estimate.low && estimate.low < -0.82, "{estimate:?}");
    assert!(
        -0.72 < estimate.high && estimate.high < -0.67,
        "{estimate:?}"
    );
    assert_eq!(
        read(&estimate, Better::Lower, &rules),
        EffectVerdict::Effective
    );
    assert_eq!(
        read(&estimate, Better::Higher, &rules),
        EffectVerdict::Worse
    );
}

#[test]
fn what_happened_everywhere_is_no_effect() {
    let rules = EffectRules::default();
    let fell = pairs(
        count,
        &[40.0, 38.0, 41.0, 39.0, 42.0],
        &[20.0, 21.0, 19.0, 18.0, 22.0],
    );
    let alone = compare(&fell, &[], true, rules.error, &rules).unwrap();
    assert_eq!(
        read(&alone, Better::Lower, &rules),
        EffectVerdict::Effective
    );
    let others = vec![fell.clone(); 3];
    let against = compare(&fell, &others, true, rules.error, &rules).unwrap();
    assert_eq!((against.controls, against.effect.abs() < 1e-9), (3, true));
    assert_eq!(
        against.drift.map(|drift| (drift * 100.0).round()),
        Some(-50.0)
    );
    assert_eq!(
        read(&against, Better::Lower, &rules),
        EffectVerdict::NoEffect
    );
}

#[test]
fn a_reply_time_that_fell_is_a_difference_in_seconds() {
    let rules = EffectRules::default();
    let slow = pairs(
        level,
        &[80.0, 83.0, 79.0, 82.0, 81.0, 80.0],
        &[42.0, 40.0, 43.0, 41.0, 40.0, 42.0],
    );
    let steady = pairs(
        level,
        &[30.0, 31.0, 30.0, 29.0, 30.0, 31.0],
        &[31.0, 32.0, 31.0, 30.0, 31.0, 32.0],
    );
    let estimate = compare(&slow, &[steady.clone(), steady], false, rules.error, &rules).unwrap();
    assert!((estimate.effect + 40.5).abs() < 0.1, "{estimate:?}");
    assert!((estimate.drift.unwrap() - 1.0).abs() < 1e-9);
    assert!(
        estimate.high < -37.0 && estimate.low > -44.0,
        "{estimate:?}"
    );
    assert!((estimate.share() + 0.5).abs() < 0.01);
    assert_eq!(
        read(&estimate, Better::Lower, &rules),
        EffectVerdict::Effective
    );
}

#[test]
fn a_change_that_does_not_matter_is_no_effect_however_sure() {
    let rules = EffectRules::default();
    let slightly = pairs(level, &[100.0; 8], &[99.0; 8]);
    let estimate = compare(&slightly, &[], false, rules.error, &rules).unwrap();
    assert_eq!((estimate.low, estimate.high), (-1.0, -1.0));
    assert_eq!(
        read(&estimate, Better::Lower, &rules),
        EffectVerdict::NoEffect
    );
}

#[test]
fn too_little_is_said_to_be_too_little() {
    let rules = EffectRules::default();
    let few = pairs(level, &[1.0; 3], &[2.0; 3]);
    assert_eq!(
        compare(&few, &[], false, rules.error, &rules),
        Err(Incomparable::Pairs { found: 3 })
    );
    let rare = pairs(count, &[1.0, 2.0, 1.0, 1.0], &[0.0; 4]);
    let refused = compare(&rare, &[], true, rules.error, &rules).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "counted 5, before and after together; 10 are needed"
    );
    // None left at all is an effect, when there were enough.
    let many = pairs(count, &[9.0, 12.0, 11.0, 10.0], &[0.0; 4]);
    let estimate = compare(&many, &[], true, rules.error, &rules).unwrap();
    assert_eq!(
        read(&estimate, Better::Lower, &rules),
        EffectVerdict::Effective
    );
}

#[test]
fn a_control_without_data_is_none() {
    let rules = EffectRules::default();
    let own = pairs(level, &[5.0, 6.0, 5.0, 6.0], &[1.0, 2.0, 1.0, 2.0]);
    let silent = Course::from(vec![None; 4]);
    let empty = pairs(|_| Totals::default(), &[0.0; 4], &[0.0; 4]);
    let estimate = compare(&own, &[silent, empty], false, rules.error, &rules).unwrap();
    assert_eq!((estimate.controls, estimate.drift), (0, None));
}

#[test]
fn one_that_is_worse_decides() {
    use EffectVerdict::{Effective, NoEffect, NotProven, TooEarly, Worse};
    assert_eq!(judge([]), TooEarly);
    assert_eq!(judge([NoEffect, TooEarly]), NoEffect);
    assert_eq!(judge([NoEffect, Effective]), Effective);
    assert_eq!(judge([Effective, Worse]), Worse);
    // What may still show a large effect is not without one.
    assert_eq!(judge([NoEffect, NotProven, TooEarly]), NotProven);
    assert_eq!(judge([NotProven, Effective]), Effective);
}

/// What an evening does by itself is no effect, of means and of counts, and is told.
#[test]
fn what_the_same_hours_usually_do_is_taken_off() {
    let rules = EffectRules::default();
    let falls = |by: f64, of: fn(f64) -> Totals| {
        let before = [60.0, 62.0, 58.0, 61.0, 59.0, 60.0];
        let after = before.map(|value| (value * by).round());
        pairs(of, &before, &after).now
    };
    for of in [level, count] {
        let is_count = of(1.0).samples == 1;
        let earlier: Vec<Pairs> = [0.5, 0.52, 0.48, 0.51].map(|by| falls(by, of)).to_vec();
        let with = |by: f64, earlier: &[Pairs]| {
            let own = Course {
                now: falls(by, of),
                earlier: earlier.to_vec(),
            };
            compare(&own, &[], is_count, rules.error, &rules).unwrap()
        };
        let plain = with(0.5, &[]);
        assert_eq!(
            read(&plain, Better::Lower, &rules),
            EffectVerdict::Effective
        );
        assert_eq!(plain.usual, None);
        let usual = with(0.5, &earlier);
        assert_eq!(read(&usual, Better::Lower, &rules), EffectVerdict::NoEffect);
        let found = usual.usual.unwrap();
        let wanted = if is_count { -0.5 } else { -30.0 };
        assert!((found / wanted - 1.0).abs() < 0.02, "{usual:?}");
        // More than an evening does is an effect, and only what is more.
        let mended = with(0.1, &earlier);
        assert_eq!(
            read(&mended, Better::Lower, &rules),
            EffectVerdict::Effective
        );
        let wanted = if is_count { -0.8 } else { -24.0 };
        assert!((mended.effect / wanted - 1.0).abs() < 0.05, "{mended:?}");
    }
}
