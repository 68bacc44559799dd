//! An effect as people read it.

use crate::effect::{EffectReport, Estimate, Incomparable, Indicator, Matching};
use crate::rules::Text;

/// What a report says, in one sentence an indicator. `name` gives the display name of a KQI and the unit
/// of its values.
pub fn sentence(report: &EffectReport, name: impl Fn(&str) -> (Text, String)) -> Text {
    let sentences = sentences(report, name);
    let join = |of: fn(&Text) -> &str, by: &str| {
        let all: Vec<&str> = sentences.iter().map(of).collect();
        all.join(by)
    };
    Text {
        zh: join(|text| &text.zh, "；"),
        en: join(|text| &text.en, "; "),
    }
}

/// What each indicator says.
pub fn sentences(report: &EffectReport, name: impl Fn(&str) -> (Text, String)) -> Vec<Text> {
    let indicators = report.indicators.iter();
    let sentences = indicators.map(|indicator| {
        let (name, unit) = name(&indicator.kqi);
        of_indicator(indicator, &name, &unit)
    });
    sentences.collect()
}

fn of_indicator(indicator: &Indicator, name: &Text, unit: &str) -> Text {
    match &indicator.found {
        Ok(estimate) => numbers(estimate, indicator, name, unit),
        Err(why) => Text {
            zh: format!("{}：{}", name.zh, why_not(*why)),
            en: format!("{}: {why}", name.en),
        },
    }
}

fn numbers(estimate: &Estimate, indicator: &Indicator, name: &Text, unit: &str) -> Text {
    let unit = if unit.is_empty() || indicator.is_count {
        String::new()
    } else {
        format!(" {unit}")
    };
    let value = |value: f64| format!("{}{unit}", number(value));
    let (before, after) = (value(estimate.before), value(estimate.after));
    let change = |change: f64| -> String {
        if estimate.relative {
            format!("{} %", signed(change * 100.0))
        } else {
            format!("{}{unit}", signed(change))
        }
    };
    let (effect, low, high) = (
        change(estimate.effect),
        change(estimate.low),
        change(estimate.high),
    );
    let (pairs, controls) = (estimate.pairs, estimate.controls);
    let (samples_before, samples_after) = (estimate.samples_before, estimate.samples_after);
    let (drift_zh, drift_en) = match estimate.drift {
        Some(drift) => (
            format!("，{controls} 个未处理地市同期 {}", change(drift)),
            format!(
                ", {} in {controls} places that nobody touched",
                change(drift)
            ),
        ),
        None => (
            "，无对照，仅前后对比".to_owned(),
            ", no control, before and after only".to_owned(),
        ),
    };
    let (hours_zh, hours_en) = hours(indicator.matching, estimate.usual.map(change));
    Text {
        zh: format!(
            "{} {before} → {after}，效果 {effect}（95 % 区间 {low} 至 {high}，{pairs} 对时段，样本 {samples_before} → {samples_after}，{hours_zh}{drift_zh}）",
            name.zh
        ),
        en: format!(
            "{} {before} → {after}, effect {effect} (95 % interval {low} to {high}, {pairs} matched periods, {samples_before} → {samples_after} samples, {hours_en}{drift_en})",
            name.en
        ),
    }
}

/// Which hours were compared with which.
fn hours(matching: Option<Matching>, usual: Option<String>) -> (String, String) {
    let usual = usual.unwrap_or_else(|| "0".to_owned());
    match matching {
        Some(Matching::SameHours) => (
            "每周同一时段".to_owned(),
            "the same hours of the week".to_owned(),
        ),
        Some(Matching::EarlierWeeks(count)) => (
            format!("已扣除前 {count} 周同一时段的通常变化 {usual}"),
            format!("less the {usual} that the same hours of {count} earlier weeks made"),
        ),
        Some(Matching::EarlierDays(count)) => (
            format!("已扣除前 {count} 天同一时段的通常变化 {usual}"),
            format!("less the {usual} that the same hours of {count} earlier days made"),
        ),
        Some(Matching::Places) | None => (
            "历史不足，只与其他地市的同一时段对比".to_owned(),
            "too little history: only against other places at the same hours".to_owned(),
        ),
    }
}

fn why_not(why: Incomparable) -> String {
    match why {
        Incomparable::Pairs { found } => format!("数据不足（两侧均有数据的时段只有 {found} 对）"),
        Incomparable::Hours => "历史和其他地市的同一时段数据不足，无法对比".to_owned(),
        Incomparable::Count { found, wanted } => {
            format!("数据不足（前后合计 {found}，需要 {wanted}）")
        }
    }
}

/// Two digits behind the point at most, and none where they say nothing.
fn number(value: f64) -> String {
    let digits = if value.abs() >= 100.0 { 1 } else { 2 };
    let text = format!("{value:.digits$}");
    match text.split_once('.') {
        Some((whole, rest)) if rest.bytes().all(|byte| byte == b'0') => whole.to_owned(),
        _ => text,
    }
}

/// With a sign that is as wide as a digit.
fn signed(value: f64) -> String {
    let text = number(value.abs());
    match value {
        _ if text.bytes().all(|byte| matches!(byte, b'0' | b'.')) => text,
        value if value < 0.0 => format!("−{text}"),
        _ => format!("+{text}"),
    }
}

/// Why a verdict is still out.
pub fn awaited(until: &str) -> Text {
    Text {
        zh: format!("{until} 之后评估效果"),
        en: format!("the effect is measured after {until}"),
    }
}

/// What a look said that decided nothing, and when the next one comes.
pub fn looks_again(so_far: &Text, until: &str) -> Text {
    Text {
        zh: format!("尚不能判定：{}；{until} 之后再次评估", so_far.zh),
        en: format!(
            "not decided yet: {}; looked at again after {until}",
            so_far.en
        ),
    }
}

/// Why there are no numbers at all.
pub fn nothing_kept() -> Text {
    Text {
        zh: "没有可对比的历史数据".to_owned(),
        en: "nothing is kept that could be compared".to_owned(),
    }
}
