//! What one decision made of several triggers: one mail to each reader, in the thread of each, and the same one after a
//! death at any step.

use std::time::Duration;

use mail_parser::MessageParser;

use super::delivering::{Bench, failure, numbered};
use crate::alerting::{Notice, NoticeReason};
use crate::links::{KEY_BYTES_MIN, LinkKey, Links};
use crate::notify::testing::{demands, later};
use crate::notify::{Composer, Failure, Mail, MailConfig};
use crate::rules::{Language, Severity};
use crate::store::{DEMANDS, DIGEST, Delivery, DeliveryState, Members, Resent};

async fn bench(group_from: u32) -> Bench {
    let mut bench = Bench::new().await;
    bench.config.group_from = group_from;
    bench
}

async fn settled() {
    tokio::time::sleep(Duration::from_millis(100)).await;
}

/// The Message-IDs in a header, without their brackets.
fn ids(eml: &[u8], header: &str) -> Vec<String> {
    let message = MessageParser::default().parse(eml).unwrap();
    let value = message.header_raw(header).unwrap_or_default();
    let ids = value.split_whitespace();
    ids.map(|id| id.trim_matches(['<', '>']).to_owned())
        .collect()
}

fn text_of(eml: &[u8]) -> String {
    let message = MessageParser::default().parse(eml).unwrap();
    format!(
        "Subject: {}\n\n{}",
        message.subject().unwrap(),
        message.body_text(0).unwrap().replace("\r\n", "\n")
    )
}

fn html_of(eml: &[u8]) -> String {
    let message = MessageParser::default().parse(eml).unwrap();
    message.body_html(0).unwrap().replace("\r\n", "\n")
}

async fn rows(bench: &Bench) -> Vec<Delivery> {
    bench.ledger.list(None, 99, 0).await.unwrap()
}

/// The mail of a group as a composer with links makes it.
fn composed(notices: &[Notice]) -> Vec<u8> {
    let key = LinkKey::of(&[7; KEY_BYTES_MIN]).unwrap();
    let links = Links::new("https://noc.example.com", key, 7 * 86_400_000);
    let config = MailConfig {
        from: "chrysalis@example.com".to_owned(),
        ..MailConfig::default()
    };
    let composer = Composer::new(&config).unwrap();
    let composer = composer.with_links(Some(links.unwrap()));
    let entries = composer.entries(notices);
    let (head, told) = entries.split_first().unwrap();
    assert!(
        told.iter()
            .all(|entry| entry.digest.as_ref() == Some(&head.id))
    );
    let members = Members {
        notices: told.iter().map(|entry| entry.notice.clone()).collect(),
        total: told.len() as u64,
        newest_at_ms: head.decided_at_ms,
    };
    let mail = composer.compose_demands(&head.message_id, &members);
    let mail = mail.unwrap();
    assert_eq!(
        composer
            .compose_demands(&head.message_id, &members)
            .unwrap(),
        mail,
        "the same bytes when made again"
    );
    mail.eml
}

#[tokio::test]
async fn three_triggers_of_one_decision_are_one_mail_in_the_thread_of_each() {
    let bench = bench(3).await;
    let notifier = bench.start().await;
    let mut three = demands(3, Language::En);
    three[1].alert.severity = Severity::Critical;
    let recorded = notifier.decide(1, &three).await.unwrap();
    assert_eq!(
        (recorded.new, recorded.known),
        (3, 0),
        "notices are counted"
    );
    // The mail, and the notices that it tells.
    bench.until(DeliveryState::Sent, 4).await;
    let sent = bench.memory.sent();
    assert_eq!(sent.len(), 1);
    let eml = &sent[0].eml;
    assert!(sent[0].message_id.starts_with("demands."));
    let text = text_of(eml);
    assert!(
        text.starts_with("Subject: [Triggers] 3 demands: "),
        "{text}"
    );
    let at = |number: &str| text.find(&format!("━━ {number}")).unwrap();
    assert!(at("T-000002") < at("T-000001") && at("T-000001") < at("T-000003"));
    let references = ids(eml, "References");
    assert_eq!(references.len(), 3);
    assert_eq!(ids(eml, "In-Reply-To"), references[..1]);
    let of = String::from_utf8_lossy(eml);
    assert!(of.contains("X-Chrysalis-Reason: demands\r\n"));
    assert!(of.contains("X-Chrysalis-Incident: T-000002, T-000001, T-000003\r\n"));
    assert!(of.contains("X-Chrysalis-Notices: 3\r\n"));
    // What is told of each later is in the same thread.
    for number in 0..3 {
        let mut later = three[number].clone();
        later.revision = 2;
        later.reason = NoticeReason::Reminder;
        later.id = format!("later {number}");
        later.decided_at_ms += 60_000;
        notifier.decide(2 + number as u64, &[later]).await.unwrap();
        bench.until(DeliveryState::Sent, 5 + number).await;
        let own = bench.memory.sent().pop().unwrap();
        let root = &references[number_in(&text, number)];
        assert_eq!(ids(&own.eml, "References"), std::slice::from_ref(root));
    }
    let counts = notifier.counts();
    assert_eq!((counts.groups, counts.digests, counts.folded), (1, 0, 0));
}

/// Which section of the mail is about a trigger.
fn number_in(text: &str, number: usize) -> usize {
    let heads = text.lines().filter(|line| line.starts_with("━━ "));
    let number = format!("━━ T-{:06} ", number + 1);
    let mut heads = heads.enumerate();
    heads.find(|(_, line)| line.starts_with(&number)).unwrap().0
}

#[tokio::test]
async fn two_or_what_is_not_asked_to_be_grouped_are_mails_of_their_own() {
    for (group_from, count) in [(3, 2), (0, 5)] {
        let bench = bench(group_from).await;
        let notifier = bench.start().await;
        let all = demands(count, Language::Zh);
        notifier.decide(1, &all).await.unwrap();
        bench.until(DeliveryState::Sent, count).await;
        assert_eq!(bench.memory.sent().len(), count);
        assert!(rows(&bench).await.iter().all(|row| row.digest.is_none()));
    }
}

#[test]
fn a_group_reads_in_both_languages_with_a_section_and_the_links_of_each() {
    for language in [Language::Zh, Language::En] {
        let mut three = demands(3, language);
        three[1].alert.severity = Severity::Critical;
        three[2].reason = NoticeReason::Reminder;
        let eml = composed(&three);
        let text = text_of(&eml);
        insta::assert_snapshot!(format!("group_{language:?}"), text);
        let html = html_of(&eml);
        if language == Language::En {
            insta::assert_snapshot!("group_html", html);
        }
        for notice in &three {
            let own = composed_alone(notice);
            let mut links = own.lines().filter(|line| line.contains("/actions/"));
            assert_eq!(links.clone().count(), 2, "{own}");
            // The very links of a mail of its own, in both parts.
            assert!(links.all(|link| text.contains(link.trim()) && html.contains(link.trim())));
        }
        let of = String::from_utf8_lossy(&eml);
        assert_eq!(
            of.matches("image/png").count(),
            1,
            "the most urgent's chart"
        );
        assert_eq!(html.matches("src=\"cid:chart.demands.").count(), 1);
    }
}

fn composed_alone(notice: &Notice) -> String {
    let key = LinkKey::of(&[7; KEY_BYTES_MIN]).unwrap();
    let links = Links::new("https://noc.example.com", key, 7 * 86_400_000);
    let composer = Composer::new(&MailConfig::default()).unwrap();
    let composer = composer.with_links(Some(links.unwrap()));
    let entry = composer.entry(notice);
    let mail = composer.compose(&entry.message_id, &entry.notice);
    text_of(&mail.unwrap().eml)
}

#[test]
fn as_many_as_one_mail_tells_stay_under_what_mail_programs_cut() {
    let mut eight = demands(8, Language::Zh);
    for notice in &mut eight {
        let demand = notice.demand.as_mut().unwrap();
        demand.explanation.zh = "口径".repeat(250);
        demand.cities = (0..14).map(|n| format!("城市{n}")).collect();
    }
    let html = html_of(&composed(&eight));
    assert!(html.len() < 100_000, "{} bytes", html.len());
}

#[tokio::test]
async fn a_death_at_any_step_sends_the_same_mail_and_no_second() {
    let mut bench = bench(3).await;
    bench.config.attempts_max = 9;
    let three = demands(3, Language::Zh);
    bench.memory.fail_with([failure(Failure::Transient)]);
    let notifier = bench.start().await;
    notifier.decide(1, &three).await.unwrap();
    bench.until_failed(&notifier, 1).await;
    drop(notifier);
    let head = rows(&bench).await.into_iter();
    let head = { head }.find(|row| row.reason == DEMANDS).unwrap();
    let bytes = bench.ledger.eml(&head.id).await.unwrap().unwrap();
    // The journal is replayed and decides the same again; and the server has had it already when the process dies.
    let notifier = bench.start().await;
    notifier.decide(1, &three).await.unwrap();
    bench.advance(&notifier, 60_000);
    bench.until(DeliveryState::Sent, 4).await;
    settled().await;
    let sent: Vec<Mail> = bench.memory.sent();
    assert_eq!(sent.len(), 1);
    assert_eq!(
        (&sent[0].message_id, &sent[0].eml),
        (&head.message_id, &bytes)
    );
    drop(notifier);
    // With another ledger the same journal makes the same mail.
    let other = self::bench(3).await;
    let notifier = other.start().await;
    notifier.decide(1, &three).await.unwrap();
    other.until(DeliveryState::Sent, 4).await;
    assert_eq!(other.memory.sent(), sent);
}

#[tokio::test]
async fn a_group_tells_what_is_new_and_is_none_where_nothing_is() {
    let bench = bench(3).await;
    let notifier = bench.start().await;
    let three = demands(3, Language::Zh);
    notifier.decide(1, &three[..1]).await.unwrap();
    bench.until(DeliveryState::Sent, 1).await;
    // An engine from an older backup decides again, in other epochs.
    let recorded = notifier.decide(2, &three).await.unwrap();
    assert_eq!((recorded.new, recorded.known), (2, 1));
    bench.until(DeliveryState::Sent, 4).await;
    let text = text_of(&bench.memory.sent()[1].eml);
    assert!(text.starts_with("Subject: [触发单] 2 项："), "{text}");
    assert!(!text.contains("━━ T-000001"), "{text}");
    let recorded = notifier.decide(3, &three).await.unwrap();
    assert_eq!((recorded.new, recorded.known), (0, 3));
    settled().await;
    assert_eq!(
        (bench.memory.sent().len(), rows(&bench).await.len()),
        (2, 4)
    );
}

#[tokio::test]
async fn nothing_overtakes_what_waits_in_any_thread_of_a_group() {
    let mut bench = bench(3).await;
    bench.config.attempts_max = 9;
    let notifier = bench.start().await;
    let three = demands(3, Language::Zh);
    bench.memory.fail_with([failure(Failure::Transient)]);
    notifier.decide(1, &three[2..]).await.unwrap();
    bench.until_failed(&notifier, 1).await;
    let mut again = three.clone();
    for notice in &mut again {
        notice.revision = 2;
        notice.id = format!("{}.2", notice.alert.incident);
        notice.decided_at_ms += 1_000;
    }
    notifier.decide(2, &again).await.unwrap();
    settled().await;
    assert_eq!(bench.memory.sent().len(), 0, "the first of T-000003 waits");
    bench.advance(&notifier, 10_000);
    bench.until(DeliveryState::Sent, 5).await;
    let sent = bench.memory.sent();
    assert!(sent[0].message_id.starts_with("T-000003."));
    assert!(sent[1].message_id.starts_with("demands."));
    assert_eq!(sent.len(), 2);
}

#[tokio::test]
async fn a_group_over_the_cap_becomes_part_of_the_digest() {
    let mut bench = bench(3).await;
    bench.config.per_recipient_minute_max = 1;
    let notifier = bench.start().await;
    let mut alert = numbered(0);
    alert.recipient = demands(1, Language::Zh)[0].recipient.clone();
    notifier.decide(1, &[alert]).await.unwrap();
    bench.until(DeliveryState::Sent, 1).await;
    notifier.decide(2, &demands(4, Language::Zh)).await.unwrap();
    settled().await;
    let held = rows(&bench).await;
    assert!(held.iter().all(|row| row.reason != DEMANDS), "{held:#?}");
    let digest = held.iter().find(|row| row.reason == DIGEST).unwrap();
    let told = held
        .iter()
        .filter(|row| row.digest.as_ref() == Some(&digest.id));
    assert_eq!(told.count(), 4);
    bench.advance(&notifier, 60_000);
    bench.until(DeliveryState::Sent, 6).await;
    let sent = bench.memory.sent();
    assert_eq!(sent.len(), 2);
    assert!(sent[1].message_id.starts_with("digest."));
    let counts = notifier.counts();
    assert_eq!((counts.groups, counts.digests, counts.folded), (0, 1, 4));
}

#[tokio::test]
async fn a_group_that_dies_is_resent_whole_or_by_a_mail_of_one_trigger() {
    let bench = bench(3).await;
    bench.memory.fail_with([failure(Failure::Permanent)]);
    let notifier = bench.start().await;
    let three = demands(3, Language::Zh);
    notifier.decide(1, &three).await.unwrap();
    bench.until(DeliveryState::Dead, 4).await;
    assert_eq!(bench.resend(&notifier, &three[1].id).await, Resent::Queued);
    bench.until(DeliveryState::Sent, 1).await;
    let own = &bench.memory.sent()[0];
    assert!(own.message_id.starts_with("T-000002."));
    let head = rows(&bench).await.into_iter();
    let head = { head }.find(|row| row.reason == DEMANDS).unwrap();
    assert_eq!(bench.resend(&notifier, &head.id).await, Resent::Queued);
    bench.until(DeliveryState::Sent, 4).await;
    assert_eq!(bench.memory.sent()[1].message_id, head.message_id);
}

#[tokio::test]
async fn what_a_group_tells_is_given_up_with_it_where_too_many_wait() {
    let bench = bench(3).await;
    let composer = Composer::new(&bench.config).unwrap();
    let ledger = &bench.ledger;
    let first = composer.entries(&demands(3, Language::Zh));
    ledger.record(1, &first).await.unwrap();
    let alert = later(NoticeReason::First, Language::Zh);
    ledger.record(2, &[composer.entry(&alert)]).await.unwrap();
    // Two mails wait, and one may.
    assert_eq!(ledger.shed(2, 5).await.unwrap(), 0);
    assert_eq!(ledger.shed(1, 5).await.unwrap(), 4);
    let counts = ledger.counts().await.unwrap();
    assert_eq!((counts.dead, counts.queued), (4, 1));
}
