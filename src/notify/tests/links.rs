//! What a trigger's mail offers to do.

use mail_parser::MessageParser;

use crate::alerting::{Notice, NoticeReason};
use crate::links::{KEY_BYTES_MIN, LinkKey, Links};
use crate::notify::testing::later;
use crate::notify::{Composer, MailConfig};
use crate::rules::Language;

fn links() -> Links {
    let key = LinkKey::of(&[7; KEY_BYTES_MIN]).unwrap();
    Links::new("https://noc.example.com", key, 7 * 86_400_000).unwrap()
}

fn asked(language: Language, acts: &[&str]) -> Notice {
    let mut notice = later(NoticeReason::Assigned, language);
    let demand = notice.demand.as_mut().unwrap();
    demand.acts = acts.iter().map(|act| (*act).to_owned()).collect();
    notice
}

/// Plain text and HTML of a mail.
fn read(notice: &Notice, links: Option<Links>) -> (String, String) {
    let composer = Composer::new(&MailConfig::default()).unwrap();
    let composer = composer.with_links(links);
    let entry = composer.entry(notice);
    let first = composer.compose(&entry.message_id, &entry.notice).unwrap();
    let again = composer.compose(&entry.message_id, &entry.notice).unwrap();
    assert_eq!(first, again, "a mail is the same bytes when made again");
    let mail = MessageParser::default().parse(&first.eml).unwrap();
    let text = |text: std::borrow::Cow<'_, str>| text.replace("\r\n", "\n");
    (
        text(mail.body_text(0).unwrap()),
        text(mail.body_html(0).unwrap()),
    )
}

#[test]
fn each_act_is_a_link_of_its_own_that_says_until_when() {
    let acts = ["accepted", "not_optimised"];
    for (language, words) in [
        (Language::Zh, ["受理", "不予优化…", "请勿转发"]),
        (
            Language::En,
            ["Accept", "Will not be optimised…", "do not forward"],
        ),
    ] {
        let notice = asked(language, &acts);
        let (text, html) = read(&notice, Some(links()));
        for word in words {
            assert!(text.contains(word) && html.contains(word), "{word}: {text}");
        }
        for act in acts {
            let url = links().url(
                "T-000017",
                act,
                notice.revision,
                &notice.recipient.email,
                notice.decided_at_ms,
            );
            assert!(text.contains(&url), "{text}");
            assert!(html.contains(&format!("href=\"{url}\"")), "{html}");
        }
        assert!(text.contains("2026-11-28"), "{text}");
    }
}

#[test]
fn without_a_public_address_or_an_act_there_is_no_link() {
    for (notice, links) in [
        (asked(Language::En, &["accepted"]), None),
        (asked(Language::En, &[]), Some(links())),
    ] {
        let (text, html) = read(&notice, links);
        assert!(!text.contains("/actions/") && !html.contains("/actions/"));
        assert!(!text.contains("Act on it") && !html.contains("Act on it"));
    }
}

/// A mail has no role: nobody's number stands in it, whatever people wrote; and one step is one mail.
#[test]
fn numbers_of_subscribers_are_masked_and_what_else_happened_is_said() {
    let mut notice = asked(Language::Zh, &[]);
    let demand = notice.demand.as_mut().unwrap();
    demand.last = Some(("王工".to_owned(), "用户 138-0013-8000 来电".to_owned(), 0));
    demand.explanation.zh = "暂不优化：只有 13800138000 受影响".to_owned();
    demand.also = vec![NoticeReason::Raised];
    let (text, html) = read(&notice, None);
    for mail in [text, html] {
        assert!(!mail.contains("0013"), "{mail}");
        assert!(mail.contains("138-****-**00") && mail.contains("138******00"));
        assert!(mail.contains("已派发，请受理。") && mail.contains("的级别升为"));
    }
}
