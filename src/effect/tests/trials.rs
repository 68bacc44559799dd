//! A thousand made-up mends: data in which nothing was done must seldom be called effective, and a
//! real mend must be seen. The trouble that opens a trigger is chance itself here: the day that the
//! method would have caught for being bad.

use crate::effect::{
    Better, Course, EffectRules, EffectVerdict, Mend, Periods, Point, Series, compare, pairs, read,
};

const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;
const CITIES: usize = 14;
const DAYS: i64 = 70;
const TRIALS: u64 = 1_000;

/// SplitMix64.
pub(super) struct Chance(pub(super) u64);

impl Chance {
    pub(super) fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Standard normal, by the sum of twelve.
    pub(super) fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.next()).sum::<f64>() - 6.0
    }

    /// Poisson, by inversion.
    pub(super) fn poisson(&mut self, mean: f64) -> f64 {
        let limit = (-mean).exp();
        let (mut count, mut product) = (0.0, self.next());
        while product > limit {
            count += 1.0;
            product *= self.next();
        }
        count
    }
}

/// What the values of a city are.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Complaints,
    ReplyTime,
}

/// Values by city and day, with weekends, a mood of the province and one of each city that lasts.
fn province(chance: &mut Chance, kind: Kind, lasting: f64) -> Vec<Vec<f64>> {
    let mut province_mood = 0.0;
    let mut moods = [0.0; CITIES];
    let mut values = vec![Vec::new(); CITIES];
    for day in 0..DAYS {
        province_mood = 0.7 * province_mood + 0.1 * chance.normal();
        let weekend = if day % 7 >= 5 { 0.7 } else { 1.0 };
        for (city, mood) in moods.iter_mut().enumerate() {
            *mood = lasting * *mood + 0.1 * chance.normal();
            let size = 3.0 + city as f64;
            let level = weekend * f64::exp(province_mood + *mood);
            values[city].push(match kind {
                Kind::Complaints => chance.poisson(size * level),
                Kind::ReplyTime => 30.0 * level + chance.normal(),
            });
        }
    }
    values
}

/// The verdict on a mend of a city that had its worst day of two weeks and was mended 15 days later,
/// to `factor` of what it would have been. City `n` files about `3 + n` complaints a day; `smallest`
/// is the first that takes part.
fn trial(seed: u64, kind: Kind, lasting: f64, factor: f64, smallest: usize) -> EffectVerdict {
    let chance = &mut Chance(seed);
    let mut values = province(chance, kind, lasting);
    let city = smallest + (chance.next() * (CITIES - smallest) as f64) as usize;
    let worst = (14..28).max_by(|a, b| values[city][*a].total_cmp(&values[city][*b]));
    let opened = worst.unwrap() as i64 + 1;
    let mended = opened + 15;
    for day in mended..DAYS {
        let value = &mut values[city][day as usize];
        *value = match kind {
            Kind::Complaints => (0..*value as i64)
                .filter(|_| chance.next() < factor)
                .count() as f64,
            Kind::ReplyTime => *value * factor,
        };
    }
    let mend = Mend {
        opened_ms: opened * DAY,
        begun_ms: (mended - 1) * DAY,
        mended_ms: mended * DAY,
        waits_week: false,
        looks: 0,
    };
    let rules = EffectRules::default();
    let periods = Periods::of(mend, rules.longest_ms, DAY, 0);
    let places: Vec<_> = values
        .iter()
        .map(|days| {
            let mut series = Series::default();
            for (day, value) in days.iter().enumerate() {
                let start_ms = day as i64 * DAY;
                let samples = 100;
                let value = Some(*value);
                series.put(Point {
                    start_ms,
                    value,
                    samples,
                });
            }
            Course::from(pairs(&series, &periods, DAY))
        })
        .collect();
    let others: Vec<_> = places
        .iter()
        .enumerate()
        .filter(|(at, _)| *at != city)
        .map(|(_, of)| of.clone())
        .collect();
    compare(
        &places[city],
        &others,
        kind == Kind::Complaints,
        rules.error,
        &rules,
    )
    .map_or(EffectVerdict::TooEarly, |estimate| {
        read(&estimate, Better::Lower, &rules)
    })
}

/// Share of trials with a verdict.
fn share(kind: Kind, lasting: f64, factor: f64, smallest: usize, wanted: EffectVerdict) -> f64 {
    let verdicts = (0..TRIALS).map(|seed| trial(seed, kind, lasting, factor, smallest));
    verdicts.filter(|verdict| *verdict == wanted).count() as f64 / TRIALS as f64
}

#[test]
fn made_up_mends_are_seldom_called_effective() {
    for kind in [Kind::Complaints, Kind::ReplyTime] {
        for lasting in [0.0, 0.6, 0.9] {
            let effective = share(kind, lasting, 1.0, 0, EffectVerdict::Effective);
            let worse = share(kind, lasting, 1.0, 0, EffectVerdict::Worse);
            eprintln!("lasting {lasting}: effective {effective}, worse {worse}");
            assert!(
                effective <= 0.05,
                "{effective} of made-up mends at {lasting}"
            );
            assert!(
                effective + worse <= 0.08,
                "{effective} + {worse} at {lasting}"
            );
        }
    }
}

/// Two weeks of three complaints a day are 38 against 19 when they are halved, which chance does too;
/// from eight a day on a halving must be seen nearly always.
#[test]
fn a_mend_that_halves_the_trouble_is_seen() {
    let seen = |kind, smallest| share(kind, 0.6, 0.5, smallest, EffectVerdict::Effective);
    let (any, larger) = (seen(Kind::Complaints, 0), seen(Kind::Complaints, 5));
    let times = seen(Kind::ReplyTime, 0);
    eprintln!("halved: {any} of all, {larger} of the larger cities', {times} of the reply times");
    assert!(any >= 0.75, "{any} of real mends seen by complaints");
    assert!(
        larger >= 0.85,
        "{larger} of real mends of larger cities seen by complaints"
    );
    assert!(times >= 0.9, "{times} of real mends seen by times");
}
