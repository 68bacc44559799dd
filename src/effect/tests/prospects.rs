//! What is to be expected of a mend, on the day it is done.

use std::borrow::Cow;

use crate::effect::{
    Better, Compared, Doubt, EffectReport, EffectRules, Judged, Mend, Point, Series, awaited, doubt,
};
use crate::rules::Text;

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const OPENED: i64 = 1_000 * HOUR;

/// A trouble of these windows, known until it was mended, without controls or history.
struct Trouble {
    series: Series,
    window_ms: i64,
    windows: i64,
    is_count: bool,
}

impl Trouble {
    fn of(window_ms: i64, values: &[f64]) -> Trouble {
        let mut series = Series::default();
        for (at, value) in (0..).zip(values) {
            series.put(Point {
                start_ms: OPENED + at * window_ms,
                value: Some(*value),
                samples: 50,
            });
        }
        Trouble {
            series,
            window_ms,
            windows: values.len() as i64,
            is_count: false,
        }
    }

    fn mended_ms(&self) -> i64 {
        OPENED + self.windows * self.window_ms
    }

    fn compared(&self) -> Compared<'_> {
        Compared {
            kqi: "k",
            group_label: "own".into(),
            mend: Mend {
                opened_ms: OPENED,
                begun_ms: OPENED + MINUTE,
                mended_ms: self.mended_ms(),
                waits_week: true,
                looks: 0,
            },
            is_count: self.is_count,
            better: Better::Lower,
            window_ms: self.window_ms,
            offset_ms: 0,
            ceiling: None,
            treated: Cow::Borrowed(&self.series),
            controls: Vec::new(),
        }
    }

    fn doubt(&self) -> Option<Doubt> {
        found(&[&self.compared()], self.mended_ms())
    }
}

fn found(indicators: &[&Compared<'_>], known_to_ms: i64) -> Option<Doubt> {
    let found = doubt(indicators, &EffectRules::default(), |_| known_to_ms);
    found.map(|(_, doubt)| doubt)
}

/// Windows of an hour, and a mend within two.
#[test]
fn two_windows_of_trouble_can_never_prove_a_mend_and_that_is_said_at_once() {
    let trouble = Trouble::of(HOUR, &[9.0, 9.1]);
    let doubt = trouble.doubt().unwrap();
    assert_eq!(
        doubt,
        Doubt::Windows {
            found: 2,
            wanted: 4,
            window_ms: HOUR
        }
    );
    // As the report will have it, whatever comes.
    let report = EffectReport::of(
        trouble.compared().mend,
        &[trouble.compared()],
        &EffectRules::default(),
        0,
    );
    assert!(report.indicators[0].found.is_err());
    let name = Text {
        zh: "系统失败率".to_owned(),
        en: "System failures".to_owned(),
    };
    let judged = Judged::Hardly(doubt, name);
    assert!(judged.is_hopeless());
    let text = awaited("2026-12-20 10:00 CST", &judged);
    assert!(
        text.zh.starts_with("数据无法证明：系统失败率：整改前可对比的时段只有 2 个窗口（每个 1h），至少需要 4 个；需要"),
        "{}",
        text.zh
    );
    assert!(text.zh.contains("2026-12-20 10:00 CST"), "{}", text.zh);
    assert!(
        text.en
            .starts_with("not provable by data: System failures:")
            && text
                .en
                .contains("has 2 of its windows (1h each), and 4 are needed"),
        "{}",
        text.en
    );
}

#[test]
fn a_steady_trouble_of_six_windows_leaves_no_doubt() {
    let trouble = Trouble::of(5 * MINUTE, &[8.0, 8.2, 7.9, 8.1, 8.0, 8.1]);
    assert_eq!(trouble.doubt(), None);
    assert!(!Judged::Well.is_hopeless());
    let text = awaited("T", &Judged::Well);
    assert_eq!(text.zh, "T 之后评估效果");
}

#[test]
fn a_trouble_that_comes_and_goes_is_not_told_from_chance_even_where_it_ends() {
    let trouble = Trouble::of(5 * MINUTE, &[1.0, 9.0, 1.0, 16.0, 1.0, 8.0]);
    assert_eq!(trouble.doubt(), Some(Doubt::Spread { blocks: 6 }));
    let judged = Judged::Hardly(Doubt::Spread { blocks: 6 }, name());
    assert!(!judged.is_hopeless(), "more may come");
    let text = awaited("T", &judged);
    assert!(
        text.zh
            .starts_with("T 之后评估效果；预计难以证明：名：整改前 6 个时段")
    );
    assert!(
        text.en
            .contains("it will hardly be proven: name: the 6 periods")
    );
}

fn name() -> Text {
    Text {
        zh: "名".to_owned(),
        en: "name".to_owned(),
    }
}

/// Six uneven windows: that it ends is proven, that it halves is not.
#[test]
fn what_the_smallest_mend_is_that_would_be_proven_is_said() {
    let trouble = Trouble::of(5 * MINUTE, &[8.0, 3.0, 9.0, 4.0, 8.0, 4.0]);
    let doubt = trouble.doubt().unwrap();
    let Doubt::Small {
        share,
        blocks: 6,
        controls: 0,
    } = doubt
    else {
        panic!("{doubt:?}");
    };
    assert!((0.6..=0.8).contains(&share), "{share}");
    let text = awaited("T", &Judged::Hardly(doubt, name()));
    assert!(
        text.en.contains("a small one is hardly proven"),
        "{}",
        text.en
    );
}

#[test]
fn a_handful_of_complaints_proves_nothing_even_if_none_come_after_it() {
    let mut trouble = Trouble::of(HOUR, &[1.0; 6]);
    trouble.is_count = true;
    let wanted = EffectRules::default().count_min;
    assert_eq!(trouble.doubt(), Some(Doubt::Count { found: 6.0, wanted }));
    let mut many = Trouble::of(HOUR, &[20.0; 6]);
    many.is_count = true;
    assert_eq!(many.doubt(), None);
}

/// The window in which the work was done is not over when that is said.
#[test]
fn what_is_not_yet_known_is_not_held_against_a_mend() {
    let trouble = Trouble::of(5 * MINUTE, &[8.0, 8.2, 7.9]);
    let mut compared = trouble.compared();
    compared.mend.mended_ms = OPENED + 20 * MINUTE;
    // Of three known windows nothing would be compared; the fourth is taken to be like them.
    assert_eq!(found(&[&compared], trouble.mended_ms()), None);
}

#[test]
fn one_indicator_that_can_prove_it_is_enough() {
    let (hours, minutes) = (
        Trouble::of(HOUR, &[9.0, 9.1]),
        Trouble::of(5 * MINUTE, &[8.0, 8.2, 7.9, 8.1, 8.0, 8.1]),
    );
    let wild = Trouble::of(5 * MINUTE, &[1.0, 9.0, 1.0, 16.0, 1.0, 8.0]);
    let (hours, minutes, wild) = (hours.compared(), minutes.compared(), wild.compared());
    let known_ms = OPENED + 2 * HOUR;
    assert_eq!(found(&[&hours, &minutes], known_ms), None);
    assert_eq!(
        found(&[&hours, &wild], known_ms),
        Some(Doubt::Spread { blocks: 6 })
    );
    assert_eq!(found(&[], known_ms), None);
}

/// What a success ratio can gain is known where it cannot be more than all of them.
#[test]
fn a_ratio_can_gain_what_it_lacks_and_of_another_nobody_knows() {
    let trouble = Trouble::of(5 * MINUTE, &[95.0, 95.4, 94.8, 95.1, 95.2, 94.9]);
    let mut ratio = trouble.compared();
    ratio.better = Better::Higher;
    ratio.ceiling = Some(100.0);
    assert_eq!(found(&[&ratio], trouble.mended_ms()), None);
    let near = Trouble::of(5 * MINUTE, &[99.9, 100.0, 99.5, 100.0, 99.9, 100.0]);
    let mut ratio = near.compared();
    ratio.better = Better::Higher;
    ratio.ceiling = Some(100.0);
    assert_eq!(
        found(&[&ratio], near.mended_ms()),
        Some(Doubt::Spread { blocks: 6 })
    );
    ratio.ceiling = None;
    assert_eq!(found(&[&ratio], near.mended_ms()), None);
}
