//! Webhooks: told once, in order, signed, tried again with the same bytes, given up with a reason.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::alerting::{Feedback, NoticeReason};
use crate::notify::testing::{START_MS, later, notice, text};
use crate::notify::tests::delivering::numbered;
use crate::notify::{
    Clocks, Composer, HookConfig, HookEvent, Hooks, MailConfig, Mailer, Memory, Notifier, Told,
};
use crate::rules::{Language, Severity};
use crate::store::{Delivery, DeliveryState, Ledger, WEBHOOK, Wanted};

/// A receiver that answers with these statuses, then with 200, and keeps what it heard.
struct Receiver {
    url: String,
    heard: Arc<Mutex<Vec<String>>>,
}

async fn receiver(statuses: &[u16]) -> Receiver {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let heard: Arc<Mutex<Vec<String>>> = Arc::default();
    let keeping = heard.clone();
    let mut statuses = std::collections::VecDeque::from(statuses.to_vec());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let status = statuses.pop_front().unwrap_or(200);
            let mut request = String::new();
            let mut piece = [0; 4096];
            while !is_whole(&request) {
                let count = stream.read(&mut piece).await.unwrap();
                request.push_str(&String::from_utf8_lossy(&piece[..count]));
            }
            keeping.lock().unwrap().push(request);
            let answer = format!(
                "HTTP/1.1 {status} x\r\ncontent-length: 4\r\nconnection: close\r\n\r\nsaid"
            );
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    Receiver { url, heard }
}

pub(super) fn is_whole(request: &str) -> bool {
    let Some((head, body)) = request.split_once("\r\n\r\n") else {
        return false;
    };
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    length.is_some_and(|length| body.len() >= length.parse().unwrap())
}

pub(super) fn feedback(number: u32) -> Feedback {
    Feedback {
        trigger: "T-000017".to_owned(),
        number,
        decided_at_ms: START_MS,
        service: "experience_card".to_owned(),
        place: "长沙".to_owned(),
        cities: vec!["长沙".to_owned()],
        title: text("体验卡回复慢", "Experience card slow"),
        severity: Severity::Major,
        state: "dispatched".to_owned(),
        outcome: None,
        text: text("请致歉", "Apologise"),
        due_ms: None,
        tickets: 12,
    }
}

async fn notifier(ledger: &Ledger, url: &str, events: &[HookEvent]) -> Notifier {
    notifier_trusting(ledger, url, events, None).await
}

/// With a further authority that receivers may be signed by.
pub(super) async fn notifier_trusting(
    ledger: &Ledger,
    url: &str,
    events: &[HookEvent],
    ca_file: Option<std::path::PathBuf>,
) -> Notifier {
    let folder = tempfile::tempdir().unwrap();
    let key_file = folder.path().join("key");
    std::fs::write(&key_file, "a secret of the receiver\n").unwrap();
    let hooks = Hooks::open(&[HookConfig {
        name: "itsm".to_owned(),
        url: url.to_owned(),
        key_file: Some(key_file),
        ca_file,
        events: events.to_vec(),
        timeout_s: 2,
    }]);
    let config = MailConfig {
        backoff_ms_min: 20,
        backoff_ms_max: 40,
        attempts_max: 4,
        ..MailConfig::default()
    };
    let composer = Composer::new(&config).unwrap();
    let mailer = Mailer::Memory(Arc::new(Memory::default()));
    let clocks = Clocks::one(Arc::new(crate::time::now_ms));
    Notifier::start_with(
        composer,
        hooks.unwrap(),
        ledger.clone(),
        mailer,
        config,
        clocks,
    )
    .await
    .unwrap()
}

pub(super) async fn until(heard: &Mutex<Vec<String>>, count: usize) -> Vec<String> {
    for _ in 0..500 {
        let now = heard.lock().unwrap().clone();
        if now.len() >= count {
            return now;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("heard {:?}", heard.lock().unwrap());
}

pub(super) fn body(request: &str) -> serde_json::Value {
    serde_json::from_str(request.split_once("\r\n\r\n").unwrap().1).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_decided_is_told_once_in_order_and_signed() {
    let receiver = receiver(&[]).await;
    let ledger = Ledger::in_memory().await.unwrap();
    let all = [HookEvent::Feedback, HookEvent::Trigger, HookEvent::Alert];
    let notifier = notifier(&ledger, &receiver.url, &all).await;
    let mut copy = notice();
    copy.id = "n-2".to_owned();
    copy.recipient.email = "other@example.com".to_owned();
    let told = Told {
        // Two readers of one notice are one delivery.
        notices: vec![notice(), copy, later(NoticeReason::Assigned, Language::Zh)],
        feedback: vec![feedback(1), feedback(2)],
        ..Told::default()
    };
    assert_eq!(notifier.tell(1, &told).await.unwrap().new, 3 + 4);
    // A replay of the same epoch, and of the same notices under another number.
    assert_eq!(notifier.tell(1, &told).await.unwrap().new, 0);
    assert_eq!(notifier.tell(2, &told).await.unwrap().new, 0);
    let heard = until(&receiver.heard, 4).await;
    let types: Vec<_> = heard
        .iter()
        .map(|request| body(request)["type"].clone())
        .collect();
    let of = |kind: &str| types.iter().filter(|known| *known == kind).count();
    assert_eq!(
        (of("alert"), of("trigger"), of("feedback")),
        (1, 1, 2),
        "{types:?}"
    );
    let said: Vec<_> = heard.iter().map(|request| body(request)).collect();
    let said: Vec<_> = said
        .iter()
        .filter(|said| said["type"] == "feedback")
        .collect();
    assert_eq!(
        (&said[0]["number"], &said[1]["number"]),
        (&1.into(), &2.into())
    );
    assert_eq!(said[0]["text"]["zh"], "请致歉");
    // Of what an alert tells: the limit with its source, and the book that has it.
    let mut bodies = heard.iter().map(|request| body(request));
    let alert = bodies.find(|said| said["type"] == "alert").unwrap();
    assert_eq!(alert["limit_max"], 50.0);
    assert_eq!(alert["limit_source"], "MIIT 3G service norm, 2009");
    assert_eq!(alert["rule_version"], "chrysalis-four-services 2026.1");
    for request in &heard {
        let head = request.split_once("\r\n\r\n").unwrap().0;
        assert!(head.contains("chrysalis-signature: sha256="), "{head}");
        assert!(head.contains("idempotency-key: "), "{head}");
        assert!(
            !request.contains("example.com"),
            "nobody's address: {request}"
        );
    }
    notifier.shutdown(Duration::from_secs(2)).await.unwrap();
    assert_eq!(receiver.heard.lock().unwrap().len(), 4);
    assert_eq!(notifier.counts().webhooks, 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_that_hangs_holds_up_neither_mails_nor_others() {
    // It takes connections, and never says a word.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", silent.local_addr().unwrap());
    let well = receiver(&[]).await;
    let hook = |name: &str, url: &str| HookConfig {
        name: name.to_owned(),
        url: url.to_owned(),
        key_file: None,
        ca_file: None,
        events: vec![HookEvent::Alert],
        timeout_s: 60,
    };
    let hooks = Hooks::open(&[hook("hangs", &url), hook("well", &well.url)]).unwrap();
    let config = MailConfig::default();
    let composer = Composer::new(&config).unwrap();
    let memory = Arc::new(Memory::default());
    let ledger = Ledger::in_memory().await.unwrap();
    let mailer = Mailer::Memory(memory.clone());
    let clocks = Clocks::one(Arc::new(crate::time::now_ms));
    let notifier = Notifier::start_with(composer, hooks, ledger, mailer, config, clocks);
    let notifier = notifier.await.unwrap();
    // More than are sent at a time, of different threads.
    let told: Vec<_> = (0..12).map(numbered).collect();
    notifier.decide(1, &told).await.unwrap();
    assert_eq!(until(&well.heard, 12).await.len(), 12);
    // What was heard is counted when its mark is in the ledger.
    let counted = || {
        let counts = notifier.counts();
        (counts.webhooks, counts.in_flight)
    };
    for _ in 0..500 {
        if memory.sent().len() == 12 && counted() == (12, 4) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(memory.sent().len(), 12);
    assert_eq!(counted(), (12, 4), "{:?}", notifier.counts());
    let left = notifier.shutdown(Duration::from_millis(200)).await.unwrap();
    assert_eq!(
        left.queued + left.sending,
        12,
        "they are told once it answers"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_that_people_wrote_into_an_answer_are_masked() {
    let receiver = receiver(&[]).await;
    let ledger = Ledger::in_memory().await.unwrap();
    let notifier = notifier(&ledger, &receiver.url, &[HookEvent::Feedback]).await;
    let told = Told {
        feedback: vec![Feedback {
            text: text("用户 13800138000 已恢复", "13800138000 is well"),
            ..feedback(1)
        }],
        ..Told::default()
    };
    notifier.tell(1, &told).await.unwrap();
    let heard = until(&receiver.heard, 1).await;
    let said = &body(&heard[0])["text"];
    assert_eq!(said["zh"], "用户 138******00 已恢复");
    assert_eq!(said["en"], "138******00 is well");
    notifier.shutdown(Duration::from_secs(2)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_is_tried_again_with_the_same_bytes() {
    let receiver = receiver(&[503, 429]).await;
    let ledger = Ledger::in_memory().await.unwrap();
    let notifier = notifier(&ledger, &receiver.url, &[HookEvent::Feedback]).await;
    let told = Told {
        notices: vec![notice()],
        feedback: vec![feedback(1)],
        ..Told::default()
    };
    // The webhook is not told of alerts.
    assert_eq!(notifier.tell(1, &told).await.unwrap().new, 2);
    let heard = until(&receiver.heard, 3).await;
    assert_eq!(heard[0], heard[1]);
    assert_eq!(heard[1], heard[2]);
    notifier.shutdown(Duration::from_secs(2)).await.unwrap();
    assert_eq!(ledger.counts().await.unwrap().dead, 0);
}

/// The dead letters, once there are any; none after five seconds.
pub(super) async fn dead_letters(ledger: &Ledger) -> Vec<Delivery> {
    let wanted = Wanted {
        state: Some(DeliveryState::Dead),
        incident: None,
        digest: None,
        limit: 10,
        offset: 0,
    };
    for _ in 0..500 {
        let dead = ledger.find(&wanted).await.unwrap();
        if !dead.is_empty() {
            return dead;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Vec::new()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_for_good_or_too_often_is_a_dead_letter_with_its_reason() {
    for (statuses, words) in [(vec![410], "410"), (vec![500; 10], "500")] {
        let receiver = receiver(&statuses).await;
        let ledger = Ledger::in_memory().await.unwrap();
        let notifier = notifier(&ledger, &receiver.url, &[HookEvent::Feedback]).await;
        let told = Told {
            feedback: vec![feedback(1)],
            ..Told::default()
        };
        notifier.tell(1, &told).await.unwrap();
        let dead = dead_letters(&ledger).await;
        let why = dead[0].last_error.clone().unwrap();
        assert!(why.contains(words) && why.contains("said"), "{why}");
        assert_eq!(dead[0].reason, WEBHOOK);
        notifier.shutdown(Duration::from_secs(2)).await.unwrap();
    }
}
