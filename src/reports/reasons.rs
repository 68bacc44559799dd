//! The engine's own words in the history of a trigger, in Chinese: why it took a step, and what it writes when people hand
//! over or acknowledge. They are kept in English; who reads Chinese gets both.

use crate::triggers::ENGINE;

/// What the engine writes for people's steps, with `{}` for what stands in it; the first that fits counts. What is said
/// behind stays where it is.
const OF_PEOPLE: &[(&str, &str)] = &[
    ("acknowledged", "已确认收到"),
    (
        "handed over from {} ({}) to {} ({}): {}",
        "由 {}（{}）转交 {}（{}）",
    ),
];

/// What it writes for its own.
const OF_ENGINE: &[(&str, &str)] = &[
    ("{} of {} left its interval", "{}（{}）超出合理区间"),
    ("cause {}, at everywhere", "原因 {}，不限地点"),
    ("cause {}, at {}", "原因 {}，地点 {}"),
    ("{} of {}, by route", "{}（{}），按派单规则"),
    ("{} of {}, by knowledge", "{}（{}），按知识库"),
    ("{} of {}, by kqi", "{}（{}），按指标的责任部门"),
    ("{} of {}, by coordinator", "{}（{}），由协调人确定"),
    ("{} of {}, by hand_over", "{}（{}），按此前的转交"),
    ("no review required", "无需审核"),
    ("reviewed", "已审核"),
    ("reminded: its due time comes near", "催办：即将到期"),
    ("overdue: escalated to {} of {}", "超时：上报至 {}（{}）"),
    ("overdue", "超时"),
    ("severity raised to warning", "级别升为提示"),
    ("severity raised to minor", "级别升为次要"),
    ("severity raised to major", "级别升为重要"),
    ("severity raised to critical", "级别升为紧急"),
    (
        "cause withdrawn: under the changed rule the alert never was",
        "原因撤销：按更改后的规则，告警不成立",
    ),
    (
        "cause withdrawn: late data showed that the alert never was",
        "原因撤销：补到的数据表明告警不成立",
    ),
    (
        "cause confirmed again: another incident of the same object",
        "原因再次确认：同一对象又有告警",
    ),
    (
        "cause confirmed again: under the changed rule the alert was after all",
        "原因再次确认：按更改后的规则，告警成立",
    ),
    (
        "cause confirmed again: late data showed that the alert was after all",
        "原因再次确认：补到的数据表明告警成立",
    ),
    (
        "cause confirmed again: the alert went on and fires after all",
        "原因再次确认：告警持续并再次触发",
    ),
    ("explained to the front line", "已向一线说明"),
    (
        "not optimised, and the front line knows",
        "不优化，已告知一线",
    ),
    (
        "effective: {}; it is still beyond its limit",
        "评估：有效，但仍超出限值",
    ),
    ("effective: {}", "评估：有效"),
    ("no_effect: {}", "评估：无效"),
    ("worse: {}", "评估：恶化"),
    ("too_early: {}", "评估：尚早"),
    ("not_proven: {}", "评估：未能证实"),
    ("unprovable: {}", "评估：数据无法证明"),
    ("measured again, effective: {}", "再次评估：有效"),
    ("measured again, no_effect: {}", "再次评估：无效"),
    ("measured again, worse: {}", "再次评估：恶化"),
    ("measured again, too_early: {}", "再次评估：尚早"),
    ("measured again, not_proven: {}", "再次评估：未能证实"),
    ("fired again after it was mended: {}", "处理后再次告警"),
    (
        "still beyond its limit in windows after the mend: {}",
        "处理后的窗口仍超出限值",
    ),
    (
        "the rule book changed: from {} ({}, {}) to {} ({}, {})",
        "规则已更改：由 {}（{}，{}）改为 {}（{}，{}）",
    ),
    (
        "the review date of {} has come, and it still fires",
        "{} 的复核日期已到，告警仍在",
    ),
    (
        "clearly worse than {} was refused on: {} windows in a row are {} times as far outside",
        "比 {} 不优化时明显更差：连续 {} 个窗口的偏离达到 {} 倍",
    ),
    (
        "{}, which is a part of it now, was handed over to {} ({})",
        "已并入的 {} 此前转交 {}（{}）",
    ),
    (
        "{}, which is a part of it now, was accepted by {}",
        "已并入的 {} 此前由 {} 受理",
    ),
    ("part of {}, which is of a wider place", "并入范围更大的 {}"),
];

/// Why a step was taken, in both languages where these are the engine's own words: `已确认收到 acknowledged`. What people
/// wrote themselves stays as it is.
pub fn in_both(actor: &str, reason: &str) -> String {
    let phrases = if actor == ENGINE {
        OF_ENGINE
    } else {
        OF_PEOPLE
    };
    let found = phrases
        .iter()
        .find_map(|(en, zh)| Some(filled(zh, &captured(en, reason)?)));
    found.map_or_else(|| reason.to_owned(), |zh| format!("{zh} {reason}"))
}

/// What stands in the places of a phrase; `None` where these are other words.
fn captured<'a>(phrase: &str, said: &'a str) -> Option<Vec<&'a str>> {
    let mut parts = phrase.split("{}");
    let mut rest = said.strip_prefix(parts.next()?)?;
    let mut parts = parts.peekable();
    let mut found = Vec::new();
    while let Some(part) = parts.next() {
        let end = match parts.peek() {
            Some(_) => rest.find(part)?,
            None => rest.strip_suffix(part)?.len(),
        };
        found.push(&rest[..end]);
        rest = &rest[end + part.len()..];
    }
    rest.is_empty().then_some(found)
}

fn filled(phrase: &str, captured: &[&str]) -> String {
    let mut parts = phrase.split("{}");
    let mut text = parts.next().unwrap_or_default().to_owned();
    for (found, part) in captured.iter().zip(parts) {
        text.push_str(found);
        text.push_str(part);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_engines_words_are_said_in_both_languages_and_peoples_as_they_are() {
        let handed = "handed over from NET (contact) to BSC (lead): not ours: BOSS";
        assert_eq!(
            in_both("a", handed),
            format!("由 NET（contact）转交 BSC（lead） {handed}")
        );
        assert_eq!(in_both("a", "acknowledged"), "已确认收到 acknowledged");
        for own in [
            "审核通过 agreed",
            "overdue",
            "acknowledged by me",
            "",
            "处理",
        ] {
            assert_eq!(in_both("a", own), own);
        }
        for (en, zh) in [
            ("overdue", "超时"),
            (
                "overdue: escalated to leader of NET",
                "超时：上报至 leader（NET）",
            ),
            (
                "k of service=s;city=c1 left its interval",
                "k（service=s;city=c1）超出合理区间",
            ),
            ("cause slow, at everywhere", "原因 slow，不限地点"),
            ("cause slow, at 长沙", "原因 slow，地点 长沙"),
            (
                "effective: 1 → 0; it is still beyond its limit",
                "评估：有效，但仍超出限值",
            ),
            ("effective: 1 → 0", "评估：有效"),
        ] {
            assert_eq!(in_both(ENGINE, en), format!("{zh} {en}"));
        }
    }

    #[test]
    fn no_phrase_is_hidden_by_one_before_it_and_none_has_more_places_in_chinese() {
        for phrases in [OF_PEOPLE, OF_ENGINE] {
            for (at, (en, zh)) in phrases.iter().enumerate() {
                let places = |text: &str| text.matches("{}").count();
                assert!(places(zh) <= places(en), "{en}");
                let said = en.replace("{}", "x");
                let fits = |(known, _): &(&str, &str)| captured(known, &said).is_some();
                assert_eq!(phrases.iter().position(fits), Some(at), "{en}");
            }
        }
    }
}
