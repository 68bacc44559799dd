//! Messages: what a person reads, and what a mail program makes of the bytes.

use mail_parser::{Message, MessageParser, MimeHeaders};

use crate::alerting::{AlertState, Notice, NoticeReason, TransitionReason};
use crate::notify::testing::{later, notice, text};
use crate::notify::{Composer, MailConfig};
use crate::rules::{Language, Verdict};

fn composer() -> Composer {
    Composer::new(&MailConfig {
        from: "Chrysalis 监控 <chrysalis@example.com>".to_owned(),
        reply_to: Some("noc@example.com".to_owned()),
        ..MailConfig::default()
    })
    .unwrap()
}

pub(super) fn eml(notice: &Notice) -> Vec<u8> {
    let entry = composer().entry(notice);
    let message = composer().compose(&entry.message_id, &entry.notice);
    message.unwrap().eml
}

pub(super) fn parse(eml: &[u8]) -> Message<'_> {
    MessageParser::default().parse(eml).unwrap()
}

fn header(message: &Message<'_>, name: &'static str) -> String {
    message
        .header_raw(name)
        .unwrap_or_default()
        .trim()
        .to_owned()
}

#[test]
fn a_terminal_reads_every_reason_in_both_languages() {
    for reason in NoticeReason::ALL {
        for language in [Language::Zh, Language::En] {
            let eml = eml(&later(reason, language));
            let message = parse(&eml);
            let seen = format!(
                "Subject: {}\n\n{}",
                message.subject().unwrap(),
                message.body_text(0).unwrap().replace("\r\n", "\n")
            );
            insta::assert_snapshot!(format!("{}_{language:?}", reason.name()), seen);
        }
    }
}

#[test]
fn the_html_of_a_first_notice() {
    let eml = eml(&notice());
    insta::assert_snapshot!(
        "html",
        parse(&eml).body_html(0).unwrap().replace("\r\n", "\n")
    );
}

#[test]
fn has_the_parts_that_every_mail_program_shows() {
    for reason in NoticeReason::ALL {
        let eml = eml(&later(reason, Language::Zh));
        assert!(eml.len() < 100_000, "{reason:?}: {} bytes", eml.len());
        assert!(
            eml.split(|b| *b == b'\n').all(|line| line.len() <= 998),
            "a line is too long"
        );
        let message = parse(&eml);
        assert_eq!(
            (message.text_body_count(), message.html_body_count()),
            (1, 1)
        );
        let html = message.body_html(0).unwrap();
        let chart = message.attachment(0).unwrap();
        assert_eq!(chart.content_type().unwrap().subtype(), Some("png"));
        let content_id = chart.content_id().unwrap().to_owned();
        assert!(
            html.contains(&format!("src=\"cid:{content_id}\"")),
            "{content_id}"
        );
        assert!(chart.contents().starts_with(b"\x89PNG"));
        assert_eq!(message.attachment_count(), 1);
        for wrong in ["NaN", "undefined", "none"] {
            assert!(!message.body_text(0).unwrap().contains(wrong), "{wrong}");
        }
    }
}

#[test]
fn headers_say_what_machines_ask() {
    let eml = eml(&notice());
    let message = parse(&eml);
    assert_eq!(message.subject(), Some("[告警] 体验卡 长沙 短信回复时延"));
    let from = message.from().unwrap().first().unwrap();
    assert_eq!(
        (from.name(), from.address()),
        (Some("Chrysalis 监控"), Some("chrysalis@example.com"))
    );
    let to = message.to().unwrap().first().unwrap();
    assert_eq!(
        (to.name(), to.address()),
        (Some("业务支撑接口人"), Some("bsc-contact@example.com"))
    );
    assert_eq!(message.date().unwrap().to_rfc3339(), "2026-11-21T02:20:00Z");
    for (name, want) in [
        ("Auto-Submitted", "auto-generated"),
        ("X-Auto-Response-Suppress", "All"),
        ("List-Id", "Chrysalis alerts <alerts.example.com>"),
        (
            "List-Unsubscribe",
            "<mailto:chrysalis@example.com?subject=unsubscribe>",
        ),
        ("X-Chrysalis-Reason", "first"),
        ("Reply-To", "noc@example.com"),
        ("MIME-Version", "1.0"),
    ] {
        assert_eq!(header(&message, name), want, "{name}");
    }
    assert!(eml.is_ascii(), "headers and bodies are encoded");
}

#[test]
fn one_incident_is_one_thread_with_one_subject() {
    let root = eml(&notice());
    let root = parse(&root);
    let root_id = root.message_id().unwrap();
    assert_eq!(header(&root, "References"), "");
    for reason in [
        NoticeReason::Escalated,
        NoticeReason::Resolved,
        NoticeReason::Corrected,
        NoticeReason::RuleChanged,
    ] {
        let eml = eml(&later(reason, Language::Zh));
        let message = parse(&eml);
        assert_eq!(message.subject(), root.subject());
        assert_ne!(message.message_id(), Some(root_id));
        assert_eq!(header(&message, "References"), format!("<{root_id}>"));
        assert_eq!(header(&message, "In-Reply-To"), format!("<{root_id}>"));
    }
}

#[test]
fn the_same_notice_has_the_same_bytes() {
    for reason in NoticeReason::ALL {
        let notice = later(reason, Language::En);
        assert_eq!(eml(&notice), eml(&notice));
    }
}

#[test]
fn text_from_events_cannot_drive_anything() {
    let mut hostile = notice();
    hostile.alert.group[1].1 = "长沙\r\nBcc: x@y.z\u{1b}[2J\u{202e}<script>".to_owned();
    hostile.alert.incident = "a\r\nBcc: x@y.z".to_owned();
    hostile.recipient.name = "x\r\nBcc: x@y.z".to_owned();
    hostile.alert.name = text("{{ 7 * 7 }}<b>", "x");
    hostile.annotations = vec!["x".repeat(5_000); 40];
    let eml = eml(&hostile);
    let message = parse(&eml);
    assert!(message.bcc().is_none());
    let body = message.body_text(0).unwrap();
    assert!(!body.contains('\u{1b}') && !body.contains('\u{202e}'));
    assert!(body.contains("另有 32 项"), "{body}");
    let html = message.body_html(0).unwrap();
    assert!(html.contains("&lt;script&gt;") && html.contains("{{ 7 * 7 }}&lt;b&gt;"));
    assert!(eml.len() < 100_000);
}

#[test]
fn says_what_it_does_not_know() {
    let mut bare = notice();
    bare.alert.service_name = None;
    bare.alert.service = None;
    bare.alert.group.clear();
    bare.alert.value = None;
    bare.alert.limit_max = None;
    bare.alert.layer = None;
    bare.alert.score = None;
    bare.alert.reason = TransitionReason::SourceSilent;
    bare.chart.clear();
    (bare.trigger, bare.role, bare.provenance) = (None, None, None);
    bare.complaints.clear();
    let eml = eml(&bare);
    let message = parse(&eml);
    assert_eq!(message.attachment_count(), 0);
    let body = message.body_text(0).unwrap();
    assert!(
        body.contains("无值") && body.contains("没有数据不等于正常"),
        "{body}"
    );
}

#[test]
fn a_value_of_too_few_samples_proves_nothing() {
    for (language, unjudged, within) in [
        (
            Language::En,
            "too few samples to judge",
            "reasonable interval (",
        ),
        (Language::Zh, "样本不足，无法判断", "合理区间（"),
    ] {
        for reason in [
            NoticeReason::First,
            NoticeReason::Resolved,
            NoticeReason::Corrected,
            NoticeReason::RuleChanged,
        ] {
            let mut notice = later(reason, language);
            notice.recipient.language = language;
            (notice.alert.value, notice.alert.samples) = (Some(1.2), 2);
            notice.alert.verdict = Some(Verdict::Insufficient);
            let body = parse(&eml(&notice)).body_text(0).unwrap().into_owned();
            assert!(body.contains(unjudged), "{reason:?}: {body}");
            for lie in ["在合理区间内", "within it", within] {
                assert!(!body.contains(lie), "{reason:?}: {body}");
            }
        }
    }
}

#[test]
fn what_was_worst_is_told_where_the_newest_value_is_back() {
    let mut notice = later(NoticeReason::Assigned, Language::Zh);
    notice.alert.value = Some(5.0);
    notice.alert.worst_value = Some(97.5);
    notice.alert.state = AlertState::Resolved;
    let body = parse(&eml(&notice)).body_text(0).unwrap().into_owned();
    assert!(body.contains("最差值 (Worst): 97.5 s"), "{body}");
    assert!(body.contains("告警目前已解除"), "{body}");
}

#[test]
fn a_difference_of_percentages_is_in_points() {
    for (language, words) in [
        (Language::En, "under by 46 percentage points"),
        (Language::Zh, "低于限值 46 个百分点"),
    ] {
        let mut notice = notice();
        notice.recipient.language = language;
        let alert = &mut notice.alert;
        alert.unit = "%".to_owned();
        (alert.limit_min, alert.limit_max) = (Some(95.0), None);
        alert.value = Some(49.0);
        let body = parse(&eml(&notice)).body_text(0).unwrap().into_owned();
        assert!(body.contains(words), "{body}");
    }
}

#[test]
fn a_mail_about_a_source_speaks_of_sources() {
    for (language, no_data, only_old, sources) in [
        (Language::En, "no data", "only old data", "Sources"),
        (Language::Zh, "没有数据", "只有旧数据", "数据源"),
    ] {
        let mut notice = notice();
        notice.recipient.language = language;
        let alert = &mut notice.alert;
        (alert.kqi, alert.value, alert.score) = (None, None, None);
        (alert.limit_max, alert.samples) = (None, 1);
        for (reason, value) in [
            (TransitionReason::SourceSilent, no_data),
            (TransitionReason::SourceLagging, only_old),
        ] {
            notice.alert.alert = reason.name().to_owned();
            notice.alert.reason = reason;
            let body = parse(&eml(&notice)).body_text(0).unwrap().into_owned();
            assert!(body.contains(value) && body.contains(sources), "{body}");
            for wrong in ["no value", "无值", "Samples", "样本", "Window", "窗口  "] {
                assert!(!body.contains(wrong), "{wrong}: {body}");
            }
        }
    }
}

#[test]
fn a_window_that_spans_days_has_both_dates() {
    let mut notice = notice();
    notice.recipient.language = Language::En;
    let end_ms = notice.alert.window_ms.1;
    notice.alert.window_ms.0 = end_ms - 86_400_000;
    let body = parse(&eml(&notice)).body_text(0).unwrap().into_owned();
    let days = body.lines().find(|line| line.contains("Window")).unwrap();
    assert!(
        days.contains("11-20 ") && days.contains("– 11-21 "),
        "{days}"
    );
}

#[test]
fn an_ending_says_what_kind_of_ending_it_is() {
    let mut ending = later(NoticeReason::Resolved, Language::En);
    assert_eq!(ending.alert.state, AlertState::Resolved);
    for (reason, want) in [
        (
            TransitionReason::Cleared,
            "back in the reasonable interval (11.8 s) after 15 min",
        ),
        (TransitionReason::NoData, "no proof of health"),
        (TransitionReason::RuleChanged, "rule was changed or removed"),
        (TransitionReason::SourceBack, "speaks again after 15 min"),
    ] {
        ending.alert.reason = reason;
        let eml = eml(&ending);
        let body = parse(&eml).body_text(0).unwrap().into_owned();
        assert!(body.contains(want), "{want}: {body}");
    }
}

#[test]
fn a_contact_without_an_address_is_refused_alone() {
    let mut lost = notice();
    lost.recipient.email = "nobody at all".to_owned();
    let entry = composer().entry(&lost);
    let refused = composer().compose(&entry.message_id, &entry.notice);
    let refused = refused.unwrap_err().to_string();
    assert!(
        refused.contains("no usable mail address: \"nobody at all\""),
        "{refused}"
    );
}

#[test]
fn settings_that_are_no_addresses_are_named() {
    let config = MailConfig {
        from: "not an address".to_owned(),
        ..MailConfig::default()
    };
    let error = Composer::new(&config).unwrap_err().to_string();
    assert_eq!(
        error,
        "mail setting from is not an address: \"not an address\""
    );
}

#[test]
fn a_notice_of_an_older_program_can_be_read() {
    let mut json = serde_json::to_value(notice()).unwrap();
    let fields = json.as_object_mut().unwrap();
    assert!(fields.remove("correction").is_some() && fields.remove("limit_before").is_some());
    let read: Notice = serde_json::from_value(json).unwrap();
    assert_eq!(read, notice());
}
