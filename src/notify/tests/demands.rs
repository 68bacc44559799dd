//! Mails about triggers: nothing that a reader must have is cut, and nobody is asked about another person's step.

use mail_parser::MessageParser;

use crate::alerting::{Notice, NoticeReason};
use crate::notify::testing::{START_MS, later, text};
use crate::notify::{Composer, MailConfig};
use crate::rules::Language;

/// Text and HTML of a mail, without its line breaks.
fn bodies(notice: &Notice) -> [String; 2] {
    let composer = Composer::new(&MailConfig {
        from: "Chrysalis <chrysalis@example.com>".to_owned(),
        ..MailConfig::default()
    })
    .unwrap();
    let entry = composer.entry(notice);
    let message = composer.compose(&entry.message_id, &entry.notice).unwrap();
    let mail = MessageParser::default().parse(&message.eml).unwrap();
    [mail.body_text(0), mail.body_html(0)].map(|body| body.unwrap().replace("\r\n", "\n"))
}

#[test]
fn agents_read_their_text_to_its_end_and_the_effect_is_told_kqi_by_kqi() {
    for language in [Language::Zh, Language::En] {
        let mut notice = later(NoticeReason::Closed, language);
        let demand = notice.demand.as_mut().unwrap();
        let say = format!(
            "{}：请客户重新使用，仍异常的请重新受理。",
            "很长的口径".repeat(60)
        );
        demand.explanation = text(&say, &say);
        demand.grounds = (1..=3)
            .map(|at| {
                let words = format!(
                    "KQI{at} {}; 1200 → 1100 samples, 5 controls",
                    "x".repeat(200)
                );
                text(&words, &words)
            })
            .collect();
        for body in bodies(&notice) {
            assert!(body.contains(&say), "{body}");
            for at in 1..=3 {
                assert!(body.contains(&format!("KQI{at} ")), "{body}");
            }
            assert_eq!(
                body.matches("1200 → 1100 samples, 5 controls").count(),
                3,
                "{body}"
            );
        }
    }
}

#[test]
fn the_four_factors_stand_beside_the_score() {
    let notice = later(NoticeReason::Assigned, Language::En);
    for body in bodies(&notice) {
        assert!(
            body.contains("36 (impact on satisfaction 4, key-ness 4, simplicity 3, pressing 2"),
            "{body}"
        );
    }
}

#[test]
fn only_who_took_a_step_is_asked_whether_they_did() {
    for (actor, is_asked) in [(None, true), (Some("王五"), false)] {
        let mut notice = later(NoticeReason::Progressed, Language::En);
        let own = notice.recipient.name.clone();
        let actor = actor.map_or(own, str::to_owned);
        notice.demand.as_mut().unwrap().last = Some((actor.clone(), String::new(), START_MS));
        for body in bodies(&notice) {
            assert!(
                body.contains(&format!("{actor} has moved trigger")),
                "{body}"
            );
            assert_eq!(body.contains("If you did not do this"), is_asked, "{body}");
        }
    }
}

/// What the engine writes for people's steps is English in the history.
#[test]
fn a_chinese_mail_says_the_engines_words_in_both_languages() {
    let said = "handed over from NET (contact) to BSC (contact): 光缆";
    for (language, wanted) in [
        (
            Language::Zh,
            format!("王五: 由 NET（contact）转交 BSC（contact） {said}"),
        ),
        (Language::En, format!("王五: {said}")),
    ] {
        let mut notice = later(NoticeReason::HandedOver, language);
        let demand = notice.demand.as_mut().unwrap();
        demand.last = Some(("王五".to_owned(), said.to_owned(), START_MS));
        for body in bodies(&notice) {
            assert!(body.contains(&wanted), "{body}");
        }
    }
}

/// A province of which a city was accepted, with its owner's earlier steps or without, and a desk with a new person: nobody
/// is asked to accept what is accepted.
#[test]
fn what_is_accepted_asks_nobody_to_accept_it() {
    for (reason, state) in [
        (NoticeReason::Assigned, "accepted"),
        (NoticeReason::HandedOver, "accepted"),
        (NoticeReason::HandedOver, "in_progress"),
    ] {
        for last in [None, Some(("王五".to_owned(), "看过".to_owned(), START_MS))] {
            let mut notice = later(reason, Language::Zh);
            notice.trigger.as_mut().unwrap().state = state.to_owned();
            notice.demand.as_mut().unwrap().last = last;
            for body in bodies(&notice) {
                assert!(!body.contains("请受理"), "{body}");
                assert!(body.contains("无需再次受理"), "{body}");
            }
            let is_carried = reason == NoticeReason::Assigned;
            let says = bodies(&notice)[0].contains("其中一部分此前已被受理");
            assert_eq!(says, is_carried);
        }
    }
    // What was dispatched is asked for.
    let notice = later(NoticeReason::Assigned, Language::Zh);
    assert!(bodies(&notice)[0].contains("请受理触发单 T-000017"));
}

#[test]
fn two_reasons_that_come_to_the_same_are_told_once() {
    let mut notice = later(NoticeReason::Progressed, Language::En);
    notice.trigger.as_mut().unwrap().state = "accepted".to_owned();
    let demand = notice.demand.as_mut().unwrap();
    demand.last = None;
    demand.also = vec![NoticeReason::Assigned];
    let [text, _] = bodies(&notice);
    let told = text
        .matches("because a part of it was accepted before")
        .count();
    // Why now, and nowhere twice in it.
    assert_eq!(told, 1, "{text}");
}

#[test]
fn what_no_data_can_prove_is_not_awaited() {
    let mut notice = later(NoticeReason::Answered, Language::Zh);
    let why = text(
        "数据无法证明：只有 2 个窗口",
        "not provable by data: 2 windows",
    );
    notice.demand.as_mut().unwrap().verdict = Some(("unprovable".to_owned(), why));
    for body in bodies(&notice) {
        assert!(body.contains("已有答复；其效果数据无法证明"), "{body}");
        assert!(body.contains("数据无法证明：只有 2 个窗口"), "{body}");
        assert!(!body.contains("等待效果评估"), "{body}");
    }
}
