//! What is over a recipient's cap: one digest when the minute is over, the most urgent first, no copy
//! more after a death at any step.

use std::time::Duration;

use mail_parser::MessageParser;

use super::delivering::{Bench, failure, numbered};
use crate::alerting::{Notice, NoticeReason};
use crate::notify::testing::later;
use crate::notify::{Failure, Mail};
use crate::rules::{Language, Severity};
use crate::store::{DIGEST, DeliveryState, Resent};

async fn bench(cap: u32) -> Bench {
    let mut bench = Bench::new().await;
    bench.config.per_recipient_minute_max = cap;
    bench
}

fn of_severity(n: usize, severity: Severity) -> Notice {
    let mut notice = numbered(n);
    notice.alert.severity = severity;
    notice
}

fn text_of(mail: &Mail) -> String {
    let message = MessageParser::default().parse(&mail.eml).unwrap();
    format!(
        "Subject: {}\n\n{}",
        message.subject().unwrap(),
        message.body_text(0).unwrap().replace("\r\n", "\n")
    )
}

async fn settled() {
    tokio::time::sleep(Duration::from_millis(100)).await;
}

#[tokio::test]
async fn what_is_over_the_cap_is_one_mail_when_the_minute_is_over() {
    let bench = bench(3).await;
    let notifier = bench.start().await;
    notifier
        .decide(1, &(0..7).map(numbered).collect::<Vec<_>>())
        .await
        .unwrap();
    bench.until(DeliveryState::Sent, 3).await;
    settled().await;
    assert_eq!(bench.memory.sent().len(), 3, "the minute is not over");
    bench.advance(&notifier, 60_000);
    // Three mails, the digest, and the four notices that it tells.
    bench.until(DeliveryState::Sent, 8).await;
    settled().await;
    let sent = bench.memory.sent();
    assert_eq!(sent.len(), 4);
    assert!(sent[3].message_id.starts_with("digest."));
    let text = text_of(&sent[3]);
    assert!(text.starts_with("Subject: [告警汇总] 4 条通知\n"), "{text}");
    assert_eq!(text.matches("体验卡 长沙").count(), 4, "{text}");
    let counts = notifier.counts();
    assert_eq!((counts.digests, counts.folded), (1, 4));
    assert_eq!(counts.sent[0], ("first", 3), "single mails");
}

#[tokio::test]
async fn a_digest_reads_in_both_languages() {
    for language in [Language::Zh, Language::En] {
        let bench = bench(1).await;
        let notifier = bench.start().await;
        let steps = [
            NoticeReason::First,
            NoticeReason::Escalated,
            NoticeReason::Corrected,
        ];
        let notices = steps.map(|reason| {
            let mut notice = later(reason, language);
            if language == Language::En {
                "noc-duty@example.com".clone_into(&mut notice.recipient.email);
                notice.recipient.language = language;
            }
            notice.id = format!("{reason:?}");
            notice.alert.incident = format!("of {reason:?}");
            notice
        });
        let mut all = vec![numbered(0)];
        all[0].recipient = notices[0].recipient.clone();
        // The cap takes the first; the escalated one is critical, and a cap of one has no reserve.
        notifier.decide(1, &all).await.unwrap();
        bench.until(DeliveryState::Sent, 1).await;
        notifier.decide(2, &notices).await.unwrap();
        settled().await;
        bench.advance(&notifier, 60_000);
        bench.until(DeliveryState::Sent, 5).await;
        let digest = &bench.memory.sent()[1];
        let message = MessageParser::default().parse(&digest.eml).unwrap();
        insta::assert_snapshot!(format!("digest_{language:?}"), text_of(digest));
        if language == Language::En {
            let html = message.body_html(0).unwrap().replace("\r\n", "\n");
            insta::assert_snapshot!("digest_html", html);
        }
    }
}

#[tokio::test]
async fn what_is_critical_passes_a_flood_and_leads_a_digest() {
    let bench = bench(4).await;
    let notifier = bench.start().await;
    let flood: Vec<Notice> = (0..20).map(|n| of_severity(n, Severity::Minor)).collect();
    notifier.decide(1, &flood).await.unwrap();
    bench.until(DeliveryState::Sent, 3).await;
    settled().await;
    let critical = [
        of_severity(90, Severity::Critical),
        of_severity(91, Severity::Critical),
    ];
    notifier.decide(2, &critical).await.unwrap();
    bench.until(DeliveryState::Sent, 4).await;
    settled().await;
    let sent = bench.memory.sent();
    assert_eq!(sent.len(), 4);
    assert!(sent[3].message_id.starts_with("incident-90."));
    bench.advance(&notifier, 60_000);
    bench.until(DeliveryState::Sent, 23).await;
    let text = text_of(&bench.memory.sent()[4]);
    let rows: Vec<&str> = text
        .lines()
        .filter(|line| line.contains("体验卡"))
        .collect();
    assert_eq!(rows.len(), 18);
    assert!(
        rows[0].contains("紧急") && rows[1].contains("次要"),
        "{text}"
    );
}

#[tokio::test]
async fn a_death_at_any_step_sends_no_second_digest() {
    let mut bench = bench(1).await;
    bench.config.attempts_max = 9;
    let notifier = bench.start().await;
    notifier
        .decide(1, &(0..4).map(numbered).collect::<Vec<_>>())
        .await
        .unwrap();
    bench.until(DeliveryState::Sent, 1).await;
    settled().await;
    // It dies while the digest waits; the journal is replayed and decides the same again.
    drop(notifier);
    let notifier = bench.start().await;
    notifier
        .decide(1, &(0..4).map(numbered).collect::<Vec<_>>())
        .await
        .unwrap();
    // An attempt fails, and it dies before the next.
    bench.memory.fail_with([failure(Failure::Transient)]);
    bench.advance(&notifier, 60_000);
    bench.until_failed(&notifier, 1).await;
    drop(notifier);
    let made = bench.ledger.list(None, 9, 0).await.unwrap();
    let digest = made.iter().find(|row| row.reason == DIGEST).unwrap();
    let bytes = bench.ledger.eml(&digest.id).await.unwrap().unwrap();
    let notifier = bench.start().await;
    // What comes now must not get into a message that is made.
    notifier
        .decide(2, &[numbered(7), numbered(8)])
        .await
        .unwrap();
    bench.until(DeliveryState::Sent, 2).await;
    bench.advance(&notifier, 60_000);
    bench.until(DeliveryState::Sent, 6).await;
    settled().await;
    let digests: Vec<Mail> = bench
        .memory
        .sent()
        .into_iter()
        .filter(|mail| mail.message_id.starts_with("digest."))
        .collect();
    assert_eq!(
        digests.len(),
        1,
        "one of 7 and 8 went alone, the other waits"
    );
    assert_eq!(
        (digests[0].message_id.as_str(), &digests[0].eml),
        (digest.message_id.as_str(), &bytes)
    );
    assert!(text_of(&digests[0]).contains("3 条通知"));
    let waits = bench
        .ledger
        .list(Some(DeliveryState::Queued), 9, 0)
        .await
        .unwrap();
    drop(notifier);
    assert!(
        waits
            .iter()
            .all(|row| row.digest.is_some() || row.reason == DIGEST),
        "{waits:#?}"
    );
}

#[tokio::test]
async fn an_ending_is_told_with_its_beginning_or_after_it() {
    let bench = bench(1).await;
    let notifier = bench.start().await;
    notifier.decide(1, &[numbered(0)]).await.unwrap();
    bench.until(DeliveryState::Sent, 1).await;
    let first = later(NoticeReason::First, Language::Zh);
    let mut over = later(NoticeReason::Resolved, Language::Zh);
    over.alert.severity = first.alert.severity;
    notifier.decide(2, &[first, over]).await.unwrap();
    settled().await;
    bench.advance(&notifier, 60_000);
    bench.until(DeliveryState::Sent, 4).await;
    let text = text_of(&bench.memory.sent()[1]);
    let at = |word| text.rfind(word).unwrap();
    assert!(at("| 异常 |") < at("| 已恢复 |"), "{text}");
}

#[tokio::test]
async fn a_digest_that_dies_takes_its_notices_along_and_is_resent_whole_or_singly() {
    let bench = bench(1).await;
    let notifier = bench.start().await;
    notifier
        .decide(1, &(0..4).map(numbered).collect::<Vec<_>>())
        .await
        .unwrap();
    bench.until(DeliveryState::Sent, 1).await;
    settled().await;
    bench.memory.fail_with([failure(Failure::Permanent)]);
    bench.advance(&notifier, 60_000);
    bench.until(DeliveryState::Dead, 4).await;
    let dead = bench
        .ledger
        .list(Some(DeliveryState::Dead), 9, 0)
        .await
        .unwrap();
    assert!(
        dead.iter()
            .all(|row| row.failure.as_deref() == Some("permanent")
                && row.last_error.as_deref() == Some("scripted Permanent"))
    );
    // One of them alone, then the digest with the others.
    let resend = async |id: &str| bench.resend(&notifier, id).await;
    assert_eq!(resend("n-2").await, Resent::Queued);
    bench.advance(&notifier, 60_000);
    bench.until(DeliveryState::Sent, 2).await;
    let digest = dead.iter().find(|row| row.reason == DIGEST).unwrap();
    assert_eq!(resend(&digest.id).await, Resent::Queued);
    bench.advance(&notifier, 60_000);
    bench.until(DeliveryState::Sent, 5).await;
    assert_eq!(
        resend(&digest.id).await,
        Resent::Before(DeliveryState::Sent)
    );
    assert_eq!(resend("n-0").await, Resent::NotDead(DeliveryState::Sent));
    let row = bench.ledger.delivery(&digest.id).await.unwrap().unwrap();
    assert_eq!(row.resent.unwrap().0, "王工");
    assert_eq!(bench.memory.sent().len(), 3);
}

#[tokio::test]
async fn a_storm_over_the_cap_is_told_whole_by_one_digest_that_says_how_much_it_leaves_out() {
    let mut bench = bench(2).await;
    bench.config.queued_max = 10_000;
    let notifier = bench.start().await;
    notifier
        .decide(1, &(0..500).map(numbered).collect::<Vec<_>>())
        .await
        .unwrap();
    bench.until(DeliveryState::Sent, 2).await;
    settled().await;
    bench.advance(&notifier, 60_000);
    for _ in 0..200 {
        if bench.ledger.counts().await.unwrap().sent == 501 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let sent = bench.memory.sent();
    assert_eq!(sent.len(), 3);
    let text = text_of(&sent[2]);
    assert!(
        text.contains("498 条通知") && text.contains("还有 398 条未列出"),
        "{text}"
    );
    assert!(sent[2].eml.len() < 100_000, "{} bytes", sent[2].eml.len());
}

#[tokio::test]
async fn an_attempt_that_failed_does_not_use_up_the_cap() {
    let bench = bench(3).await;
    let failures = [Failure::Transient, Failure::Transient];
    bench.memory.fail_with(failures.map(failure));
    let notifier = bench.start().await;
    notifier
        .decide(1, &(0..2).map(numbered).collect::<Vec<_>>())
        .await
        .unwrap();
    bench.until_failed(&notifier, 2).await;
    // Within the same minute: two that failed are tried again, and a third is new.
    notifier.decide(2, &[numbered(2)]).await.unwrap();
    bench.advance(&notifier, 5_000);
    bench.until(DeliveryState::Sent, 3).await;
    let sent = bench.memory.sent();
    assert_eq!(sent.len(), 3);
    assert!(
        sent.iter()
            .all(|mail| !mail.message_id.starts_with("digest."))
    );
    assert_eq!(notifier.counts().held, 0);
    // The cap is used up now, by three that were taken.
    notifier.decide(3, &[numbered(3)]).await.unwrap();
    settled().await;
    assert_eq!((bench.memory.sent().len(), notifier.counts().held), (3, 1));
}
