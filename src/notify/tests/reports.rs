//! Reports through the ledger: each once for each recipient, and never folded into a digest.

use mail_parser::{MessageParser, MimeHeaders};

use super::delivering::{Bench, numbered};
use crate::notify::Told;
use crate::notify::testing::notice;
use crate::reports::testing::report;
use crate::reports::{ReportNotice, ReportTold};
use crate::store::{DeliveryState, REPORT};

/// The report for the reader of [`notice`].
fn reports() -> Vec<ReportNotice> {
    let told = ReportTold {
        report: report().into(),
        recipients: vec![notice().recipient],
    };
    told.notices().collect()
}

fn told(notices: usize) -> Told {
    Told {
        notices: (0..notices).map(numbered).collect(),
        reports: reports(),
        ..Told::default()
    }
}

#[tokio::test]
async fn a_report_that_is_decided_again_is_no_second_mail() {
    let bench = Bench::new().await;
    let notifier = bench.start().await;
    let recorded = notifier.tell(1, &told(0)).await.unwrap();
    assert_eq!((recorded.new, recorded.known), (1, 0));
    // The same epoch by a replay, and the same report in a later one.
    let recorded = notifier.tell(1, &told(0)).await.unwrap();
    assert_eq!((recorded.new, recorded.known), (0, 1));
    let recorded = notifier.tell(2, &told(0)).await.unwrap();
    assert_eq!((recorded.new, recorded.known), (0, 1));
    bench.until(DeliveryState::Sent, 1).await;
    let sent = bench.memory.sent();
    assert_eq!(sent.len(), 1);
    assert!(sent[0].message_id.starts_with("report.daily.2026-03-02."));
    let message = MessageParser::default().parse(&sent[0].eml).unwrap();
    assert_eq!(message.subject(), Some("[报告] 每日通报 2026-03-02"));
    assert_eq!(
        message
            .attachments()
            .filter_map(|of| of.attachment_name())
            .count(),
        0
    );
    assert_eq!(notifier.counts().reports, 1);
}

#[tokio::test]
async fn over_the_cap_a_report_waits_for_the_next_minute_by_itself() {
    let mut bench = Bench::new().await;
    bench.config.per_recipient_minute_max = 2;
    let notifier = bench.start().await;
    notifier.tell(1, &told(5)).await.unwrap();
    bench.until(DeliveryState::Sent, 2).await;
    bench.advance(&notifier, 60_000);
    // Two mails, the digest with the three that it tells, and the report.
    bench.until(DeliveryState::Sent, 7).await;
    let sent = bench.memory.sent();
    let reports = sent
        .iter()
        .filter(|mail| mail.message_id.starts_with(REPORT));
    assert_eq!((sent.len(), reports.count()), (4, 1));
    assert_eq!(notifier.counts().folded, 3);
}
