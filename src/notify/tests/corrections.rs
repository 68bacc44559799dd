//! Mails that take back what a mail said: late data, and a changed rule.

use super::message::{eml, parse};
use crate::alerting::{AlertState, Notice, NoticeReason, Truth};
use crate::notify::testing::{START_MS, later};
use crate::rules::Language;

/// A correction of the story, told as firing, that reads so now.
fn corrected(truth: Truth, language: Language) -> Notice {
    let mut notice = later(NoticeReason::Corrected, language);
    notice.correction.as_mut().unwrap().truth = truth;
    if truth == Truth::Fires || truth == Truth::Ended {
        let told = &notice.correction.as_ref().unwrap().told;
        (notice.alert.fired_at_ms, notice.alert.worst_value) = (told.fired_at_ms, Some(57.1));
    }
    if truth == Truth::Fires {
        notice.alert.state = AlertState::Firing;
        let ended_ms = notice.alert.resolved_at_ms.take();
        notice.correction.as_mut().unwrap().told.resolved_at_ms = ended_ms;
    }
    notice
}

#[test]
fn a_correction_says_what_was_mailed_and_what_is_true() {
    let since_ms = START_MS;
    for (truth, english, chinese) in [
        (
            Truth::NeverWas,
            "With all data in, it never was an alert",
            "补齐数据后，当时不构成告警",
        ),
        (
            Truth::Ended,
            "It is over: abnormal from 10:15 to 10:19 (4 min), Major, worst 57.1 s",
            "已经结束：10:15 至 10:19 异常（4 分钟），重要，最差值 57.1 s",
        ),
        (
            Truth::Fires,
            "It is not over: abnormal since 10:15, Major, worst 57.1 s",
            "并未结束：自 10:15 起异常，重要，最差值 57.1 s",
        ),
        (
            Truth::PartOf { since_ms },
            "It is a part of the alert that began at 2026-11-21 10:00",
            "它属于自 2026-11-21 10:00 (UTC+08:00) 起的那次告警",
        ),
    ] {
        for (language, now, told) in [
            (Language::En, english, "Mail of 2026-11-21 10:20"),
            (Language::Zh, chinese, "2026-11-21 10:20 (UTC+08:00) 的邮件"),
        ] {
            let eml = eml(&corrected(truth, language));
            let message = parse(&eml);
            let text = message.body_text(0).unwrap().into_owned();
            let html = message.body_html(0).unwrap().into_owned();
            for body in [&text, &html] {
                assert!(
                    body.contains(told) && body.contains(now),
                    "{truth:?}: {body}"
                );
                assert!(
                    body.contains("62.43 s"),
                    "the worst value that was mailed: {body}"
                );
            }
            // What was not, has no beginning, no end and no worst value of its own.
            let is_none = !matches!(truth, Truth::Fires | Truth::Ended);
            for word in ["Lasted", "触发 ", "fired "] {
                assert!(
                    !is_none || !text.contains(word),
                    "{truth:?}, {word}: {text}"
                );
            }
        }
    }
}

#[test]
fn a_correction_of_a_correction_quotes_it() {
    let since_ms = START_MS;
    let part_of = Truth::PartOf { since_ms };
    let never = [
        "what had been told as abnormal since 10:15 (Major) never was an alert.",
        "自 10:15 起的异常（重要）当时不构成告警。",
    ];
    let part = [
        "(Major) is a part of the alert that began at 2026-11-21 10:00",
        "（重要）属于自 2026-11-21 10:00 (UTC+08:00) 起的那次告警。",
    ];
    let fires = [
        "It fires after all: abnormal since 10:15, Major, worst 57.1 s",
        "确有其事，仍在持续：自 10:15 起异常，重要，最差值 57.1 s",
    ];
    let ended = [
        "It was after all, and is over: abnormal from 10:15 to 10:19 (4 min), Major",
        "确有其事，现已结束：10:15 至 10:19 异常（4 分钟），重要",
    ];
    for (said, told, truth, now) in [
        (Truth::NeverWas, never, Truth::Fires, fires),
        (Truth::NeverWas, never, Truth::Ended, ended),
        (part_of, part, Truth::Fires, fires),
        (part_of, part, Truth::Ended, ended),
    ] {
        for (at, language) in [Language::En, Language::Zh].into_iter().enumerate() {
            let mut notice = corrected(truth, language);
            let correction = notice.correction.as_mut().unwrap();
            correction.told.truth = Some(said);
            correction.told.fired_at_ms = None;
            correction.told.resolved_at_ms = notice.alert.resolved_at_ms;
            let eml = eml(&notice);
            let message = parse(&eml);
            let why = ["overturned the correction", "此前的更正又被"];
            for body in [message.body_text(0), message.body_html(0)] {
                let body = body.unwrap();
                for wanted in [told[at], now[at], why[at]] {
                    assert!(body.contains(wanted), "{wanted}: {body}");
                }
                for wrong in ["You had not been told", "此前未通知过您"] {
                    assert!(!body.contains(wrong), "{body}");
                }
            }
        }
    }
}

#[test]
fn a_changed_rule_is_named_with_both_limits() {
    for (language, limits, unchanged) in [
        (
            Language::En,
            "limit ≤ 50 s before, ≤ 65 s now",
            "its limit was not",
        ),
        (Language::Zh, "限值由 ≤ 50 s 改为 ≤ 65 s", "限值未变"),
    ] {
        let mut notice = later(NoticeReason::RuleChanged, language);
        let body = |notice: &Notice| parse(&eml(notice)).body_text(0).unwrap().into_owned();
        assert!(body(&notice).contains(limits), "{}", body(&notice));
        for late in ["Late data", "迟到"] {
            assert!(!body(&notice).contains(late), "{}", body(&notice));
        }
        notice.reason = NoticeReason::First;
        notice.correction = None;
        notice.alert.state = AlertState::Firing;
        notice.alert.resolved_at_ms = None;
        assert!(body(&notice).contains(limits), "{}", body(&notice));
        notice.limit_before = None;
        assert!(body(&notice).contains(unchanged), "{}", body(&notice));
    }
}
