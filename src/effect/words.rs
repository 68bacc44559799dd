//! An effect as people read it.

use crate::effect::{Doubt, EffectReport, Estimate, Incomparable, Indicator, Matching};
use crate::rules::{Text, show_duration};

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

/// By what a mend will be judged, as far as is known when it is done.
#[derive(Clone, Debug, PartialEq)]
pub enum Judged {
    /// By what spoke for its trigger.
    Well,
    /// Hardly, or not at all, and why: the KQI's name.
    Hardly(Doubt, Text),
    /// By complaints alone: what spoke for its trigger cannot be compared, by its own doubt.
    ByComplaints(Doubt, Text),
    /// By nothing: no past is kept.
    Nothing,
}

impl Judged {
    /// Whether no proof can come.
    pub fn is_hopeless(&self) -> bool {
        match self {
            Judged::Hardly(doubt, _) => doubt.is_final(),
            Judged::Nothing => true,
            Judged::Well | Judged::ByComplaints(..) => false,
        }
    }
}

/// Why a verdict is still out, and what is to be expected of it.
pub fn awaited(until: &str, judged: &Judged) -> Text {
    match judged {
        Judged::Well => Text {
            zh: format!("{until} 之后评估效果"),
            en: format!("the effect is measured after {until}"),
        },
        Judged::Hardly(doubt, name) if doubt.is_final() => {
            let why = why_hardly(doubt, name);
            hopeless(
                until,
                (
                    &format!(
                        "{}；需要窗口更短的指标，或同一业务、同一地点足够的投诉数据",
                        why.zh
                    ),
                    &format!(
                        "{}; it would take a KQI with shorter windows, or enough complaints about the same service there",
                        why.en
                    ),
                ),
            )
        }
        Judged::Nothing => {
            let why = nothing_kept();
            hopeless(until, (&why.zh, &why.en))
        }
        Judged::Hardly(doubt, name) => {
            let why = why_hardly(doubt, name);
            let (zh, en) = match doubt {
                Doubt::Small { .. } => ("较小的改善难以证明", "a small one is hardly proven"),
                _ => ("预计难以证明", "it will hardly be proven"),
            };
            Text {
                zh: format!("{until} 之后评估效果；{zh}：{}", why.zh),
                en: format!("the effect is measured after {until}; {en}: {}", why.en),
            }
        }
        Judged::ByComplaints(doubt, name) => {
            let why = why_hardly(doubt, name);
            Text {
                zh: format!("{until} 之后仅按投诉评估效果：{}", why.zh),
                en: format!(
                    "the effect is measured after {until}, by complaints alone: {}",
                    why.en
                ),
            }
        }
    }
}

fn hopeless(until: &str, (zh, en): (&str, &str)) -> Text {
    Text {
        zh: format!("数据无法证明：{zh}。{until} 之后如无告警，按「未能证实」关闭"),
        en: format!(
            "not provable by data: {en}. After {until} it is closed as not proven, if it is well by then"
        ),
    }
}

fn why_hardly(doubt: &Doubt, name: &Text) -> Text {
    let (zh, en) = match *doubt {
        Doubt::Windows {
            found,
            wanted,
            window_ms,
        } => {
            let window = show_duration(window_ms);
            (
                format!(
                    "整改前可对比的时段只有 {found} 个窗口（每个 {window}），至少需要 {wanted} 个"
                ),
                format!(
                    "the time before the work that can be compared has {found} of its windows ({window} each), and {wanted} are needed"
                ),
            )
        }
        Doubt::Count { found, wanted } => (
            format!(
                "整改前只计到 {}，前后合计需要 {}",
                number(found),
                number(wanted)
            ),
            format!(
                "{} counted before the work; {} are needed, before and after together",
                number(found),
                number(wanted)
            ),
        ),
        Doubt::Spread { blocks } => (
            format!("整改前 {blocks} 个时段之间相差太大，即使问题完全消除，也难与偶然区分"),
            format!(
                "the {blocks} periods before the work differ so much that even the end of all trouble would not be told from chance"
            ),
        ),
        Doubt::Small {
            share,
            blocks,
            controls,
        } => {
            let share = number(share * 100.0);
            (
                format!(
                    "整改前 {blocks} 个时段、{controls} 个对照地市，改善不到 {share} % 则难与偶然区分"
                ),
                format!(
                    "with {blocks} periods before the work and {controls} places that nobody touched, less than {share} % better would not be told from chance"
                ),
            )
        }
    };
    Text {
        zh: format!("{}：{zh}", name.zh),
        en: format!("{}: {en}", name.en),
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
