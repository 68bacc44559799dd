//! The delivery loop against memory: nothing twice, nothing lost, nobody flooded.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use crate::alerting::{Notice, NoticeReason};
use crate::notify::testing::{START_MS, later, notice};
use crate::notify::{
    Clock, Clocks, Composer, DeliveryError, Failure, Hooks, MailConfig, Mailer, Memory, Notifier,
    NotifyError,
};
use crate::rules::Language;
use crate::store::{Attempt, DeliveryState, Ledger, Recorded, Resent};

pub(super) struct Bench {
    pub(super) ledger: Ledger,
    pub(super) memory: Arc<Memory>,
    pub(super) now_ms: Arc<AtomicI64>,
    /// By so much the clock is not believed.
    ahead_ms: Arc<AtomicI64>,
    pub(super) config: MailConfig,
}

impl Bench {
    pub(super) async fn new() -> Bench {
        let config = MailConfig {
            from: "chrysalis@example.com".to_owned(),
            attempts_max: 3,
            backoff_ms_min: 1_000,
            ..MailConfig::default()
        };
        Bench {
            ledger: Ledger::in_memory().await.unwrap(),
            memory: Arc::default(),
            now_ms: Arc::new(AtomicI64::new(START_MS)),
            ahead_ms: Arc::default(),
            config,
        }
    }

    pub(super) async fn start(&self) -> Notifier {
        let (now_ms, ahead_ms) = (self.now_ms.clone(), self.ahead_ms.clone());
        let now: Clock = Arc::new(move || now_ms.load(Ordering::SeqCst));
        let of_now = now.clone();
        let believed = Arc::new(move || of_now() - ahead_ms.load(Ordering::SeqCst));
        let clocks = Clocks { now, believed };
        let mailer = Mailer::Memory(Arc::clone(&self.memory));
        let (ledger, config) = (self.ledger.clone(), self.config.clone());
        let composer = Composer::new(&config).unwrap();
        Notifier::start_with(composer, Hooks::default(), ledger, mailer, config, clocks)
            .await
            .unwrap()
    }

    pub(super) fn advance(&self, notifier: &Notifier, ms: i64) {
        self.now_ms.fetch_add(ms, Ordering::SeqCst);
        notifier.wake();
    }

    /// Waits until the ledger has so many notices in a state.
    #[track_caller]
    pub(super) fn until(
        &self,
        state: DeliveryState,
        count: usize,
    ) -> impl Future<Output = ()> + '_ {
        let caller = std::panic::Location::caller();
        async move {
            for _ in 0..500 {
                if self.ledger.list(Some(state), 100, 0).await.unwrap().len() == count {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            let rows = self.ledger.list(None, 100, 0).await.unwrap();
            panic!("{caller}: never {count} {state:?}: {rows:#?}");
        }
    }

    /// Sends a dead letter again, as an operator does.
    pub(super) async fn resend(&self, notifier: &Notifier, id: &str) -> Resent {
        let now_ms = self.now_ms.load(Ordering::SeqCst);
        let resent = self.ledger.resend(id, "王工", Some("mended"), now_ms).await;
        notifier.wake();
        resent.unwrap()
    }

    /// Waits until so many attempts have failed.
    pub(super) async fn until_failed(&self, notifier: &Notifier, attempts: u64) {
        for _ in 0..500 {
            let failed = notifier.counts().failed;
            if failed.iter().map(|(_, count)| count).sum::<u64>() == attempts
                && self.ledger.counts().await.unwrap().sending == 0
            {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("never {attempts} failed attempts: {:?}", notifier.counts());
    }
}

pub(super) fn numbered(n: usize) -> Notice {
    let mut notice = notice();
    notice.id = format!("n-{n}");
    notice.alert.incident = format!("incident-{n}");
    notice
}

pub(super) fn failure(failure: Failure) -> DeliveryError {
    DeliveryError {
        failure,
        message: format!("scripted {failure:?}"),
    }
}

#[tokio::test]
async fn recorded_twice_is_sent_once() {
    let bench = Bench::new().await;
    let notifier = bench.start().await;
    let first = notifier.decide(4, &[notice()]).await.unwrap();
    assert_eq!(first, Recorded { new: 1, known: 0 });
    bench.until(DeliveryState::Sent, 1).await;
    assert_eq!(
        notifier.decide(4, &[notice()]).await.unwrap(),
        Recorded { new: 0, known: 1 }
    );
    drop(notifier);
    // After a crash the same epoch is decided anew, and another one that holds the notice again.
    let notifier = bench.start().await;
    notifier.decide(4, &[notice()]).await.unwrap();
    notifier.decide(5, &[notice()]).await.unwrap();
    assert_eq!(notifier.counts().known, 2);
    let left = notifier.shutdown(Duration::from_secs(5)).await.unwrap();
    assert_eq!((left.sent, left.queued), (1, 0));
    assert_eq!(bench.memory.sent().len(), 1);
}

#[tokio::test]
async fn an_open_attempt_is_made_again_with_the_same_message_id() {
    let bench = Bench::new().await;
    let notifier = bench.start().await;
    notifier.decide(1, &[notice()]).await.unwrap();
    bench.until(DeliveryState::Sent, 1).await;
    drop(notifier);
    // The server had taken it, but the crash came before our note.
    let first = bench.memory.sent();
    let ledger = &bench.ledger;
    ledger.forget(i64::MAX).await.unwrap();
    let composer = Composer::new(&bench.config).unwrap();
    let entry = composer.entry(&notice());
    ledger.record(2, &[entry]).await.unwrap();
    let (id, message) = ("n-1", None);
    let open = [Attempt { id, message }];
    ledger.mark_sending(&open).await.unwrap();
    let notifier = bench.start().await;
    bench.until(DeliveryState::Sent, 1).await;
    assert_eq!(notifier.counts().requeued, 1);
    let sent = bench.memory.sent();
    assert_eq!(sent.len(), 2, "at least once, said openly");
    assert_eq!(
        sent[1], first[0],
        "the second copy is the first, byte for byte"
    );
}

#[tokio::test]
async fn a_passing_failure_is_tried_again_after_its_time() {
    let bench = Bench::new().await;
    bench
        .memory
        .fail_with([failure(Failure::Transient), failure(Failure::Transient)]);
    let notifier = bench.start().await;
    notifier.decide(1, &[notice()]).await.unwrap();
    bench.until_failed(&notifier, 1).await;
    assert_eq!(
        bench
            .ledger
            .list(Some(DeliveryState::Queued), 9, 0)
            .await
            .unwrap()
            .len(),
        1
    );
    bench.advance(&notifier, 500);
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(bench.memory.sent().len(), 0, "not before its time");
    bench.advance(&notifier, 1_000);
    bench.until_failed(&notifier, 2).await;
    bench.advance(&notifier, 3_000);
    bench.until(DeliveryState::Sent, 1).await;
    let counts = notifier.counts();
    assert_eq!(counts.sent[0], ("first", 1));
    assert_eq!(
        counts.failed,
        [("transient", 2), ("setup", 0), ("permanent", 0)]
    );
}

#[tokio::test]
async fn gives_up_with_a_reason_and_can_be_told_to_resend() {
    let bench = Bench::new().await;
    bench.memory.fail_with([failure(Failure::Permanent)]);
    let notifier = bench.start().await;
    notifier.decide(1, &[notice()]).await.unwrap();
    bench.until(DeliveryState::Dead, 1).await;
    let dead = &bench
        .ledger
        .list(Some(DeliveryState::Dead), 9, 0)
        .await
        .unwrap()[0];
    assert_eq!(
        (dead.attempts, dead.last_error.as_deref()),
        (1, Some("scripted Permanent"))
    );
    assert_eq!(bench.resend(&notifier, &dead.id).await, Resent::Queued);
    bench.until(DeliveryState::Sent, 1).await;

    // Passing failures end after `attempts_max`, a wrong set-up never.
    bench.memory.fail_with(vec![failure(Failure::Transient); 3]);
    notifier.decide(2, &[numbered(2)]).await.unwrap();
    for attempt in 0..3 {
        bench.until_failed(&notifier, 2 + attempt).await;
        bench.advance(&notifier, 60_000);
    }
    bench.until(DeliveryState::Dead, 1).await;
    bench.memory.fail_with(vec![failure(Failure::Setup); 5]);
    notifier.decide(3, &[numbered(3)]).await.unwrap();
    for attempt in 0..5 {
        bench.until_failed(&notifier, 5 + attempt).await;
        bench.advance(&notifier, 3_600_000);
    }
    bench.until(DeliveryState::Sent, 2).await;
}

#[tokio::test]
async fn too_many_waiting_that_no_digest_can_tell_become_dead_letters_oldest_first() {
    let mut bench = Bench::new().await;
    bench.memory.fail_with(vec![failure(Failure::Setup); 9]);
    let notifier = bench.start().await;
    notifier
        .decide(1, &(0..5).map(numbered).collect::<Vec<_>>())
        .await
        .unwrap();
    // They are messages of their own by now.
    bench.until_failed(&notifier, 5).await;
    drop(notifier);
    bench.config.queued_max = 2;
    let notifier = bench.start().await;
    bench.until(DeliveryState::Dead, 3).await;
    assert_eq!(notifier.counts().shed, 3);
    let dead = bench
        .ledger
        .list(Some(DeliveryState::Dead), 9, 0)
        .await
        .unwrap();
    assert_eq!(
        dead.iter().map(|row| row.id.as_str()).collect::<Vec<_>>(),
        ["n-2", "n-1", "n-0"]
    );
}

#[tokio::test]
async fn a_thread_arrives_in_order_though_its_first_mail_fails() {
    let bench = Bench::new().await;
    bench.memory.fail_with([failure(Failure::Transient)]);
    let notifier = bench.start().await;
    let resolved = later(NoticeReason::Resolved, Language::Zh);
    notifier.decide(1, &[notice(), resolved]).await.unwrap();
    bench.until_failed(&notifier, 1).await;
    assert!(
        bench.memory.sent().is_empty(),
        "an ending waits for its beginning"
    );
    bench.advance(&notifier, 5_000);
    bench.until(DeliveryState::Sent, 2).await;
    let order: Vec<bool> = bench
        .memory
        .sent()
        .iter()
        .map(|mail| mail.message_id.contains(".1."))
        .collect();
    assert_eq!(order, [true, false]);
}

#[tokio::test]
async fn a_contact_without_an_address_does_not_hold_up_the_others() {
    let bench = Bench::new().await;
    let notifier = bench.start().await;
    let mut lost = numbered(1);
    lost.recipient.email = "nobody".to_owned();
    notifier.decide(1, &[lost, numbered(2)]).await.unwrap();
    bench.until(DeliveryState::Sent, 1).await;
    bench.until(DeliveryState::Dead, 1).await;
    assert_eq!(notifier.counts().refused, 1);
}

#[tokio::test]
async fn stops_by_its_deadline_and_refuses_what_comes_after() {
    let bench = Bench::new().await;
    bench.memory.fail_with(vec![failure(Failure::Transient); 1]);
    let notifier = bench.start().await;
    notifier.decide(1, &[notice(), numbered(7)]).await.unwrap();
    let left = notifier.shutdown(Duration::from_secs(5)).await.unwrap();
    // One failed and waits for its next attempt; that is no reason to stay.
    assert_eq!((left.sent, left.queued, left.sending), (1, 1, 0));
    let error = notifier.decide(2, &[notice()]).await.unwrap_err();
    assert!(matches!(error, NotifyError::Stopped), "{error}");
}

#[tokio::test]
async fn the_outbox_has_one_file_a_message_however_often_it_is_sent() {
    let bench = Bench::new().await;
    let dir = tempfile::tempdir().unwrap();
    let mailer = Mailer::open(&bench.config, dir.path()).unwrap();
    let clock: Clock = Arc::new(|| START_MS);
    let notifier = Notifier::start(
        bench.ledger.clone(),
        mailer.clone(),
        bench.config.clone(),
        clock,
    )
    .await
    .unwrap();
    notifier.decide(1, &[notice(), numbered(2)]).await.unwrap();
    bench.until(DeliveryState::Sent, 2).await;
    let files = || {
        let names = std::fs::read_dir(dir.path().join("outbox")).unwrap();
        let mut names: Vec<_> = names.map(|file| file.unwrap().file_name()).collect();
        names.sort();
        names
    };
    assert_eq!(files().len(), 2);
    assert!(
        files()[0].to_str().unwrap().ends_with(".eml"),
        "{:?}",
        files()
    );
    let eml = std::fs::read(dir.path().join("outbox").join(&files()[1])).unwrap();
    assert!(
        mail_parser::MessageParser::default()
            .parse(&eml)
            .unwrap()
            .message_id()
            .is_some()
    );
}

#[tokio::test]
async fn an_old_outbox_file_goes_and_a_stranger_stays() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["a.eml", "b.tmp", "notes.txt"] {
        std::fs::write(dir.path().join(name), "x").unwrap();
    }
    let mailer = Mailer::Outbox(dir.path().to_owned());
    mailer.forget(1_000).await.unwrap();
    assert_eq!(
        std::fs::read_dir(dir.path()).unwrap().count(),
        3,
        "nothing is that old"
    );
    mailer.forget(crate::time::now_ms() + 60_000).await.unwrap();
    let left: Vec<_> = std::fs::read_dir(dir.path())
        .unwrap()
        .map(|f| f.unwrap().file_name())
        .collect();
    assert_eq!(left, ["notes.txt"]);
}

#[tokio::test]
async fn epochs_without_notices_move_the_ledger_on_now_and_then() {
    let bench = Bench::new().await;
    let notifier = bench.start().await;
    for epoch in 1..=20 {
        notifier.decide(epoch, &Vec::new()).await.unwrap();
        bench.advance(&notifier, 150);
    }
    let upto = bench.ledger.decided_upto().await.unwrap().unwrap();
    assert!((12..20).contains(&upto), "{upto}");
}

#[tokio::test]
async fn a_ledger_that_fails_for_a_while_leaves_nothing_stuck() {
    let bench = Bench::new().await;
    bench
        .ledger
        .execute(
            "CREATE TRIGGER broken BEFORE UPDATE ON notices WHEN NEW.state = 'sent'
             BEGIN SELECT RAISE(ABORT, 'disk trouble'); END",
        )
        .await;
    let notifier = bench.start().await;
    notifier
        .decide(1, &[numbered(1), numbered(2)])
        .await
        .unwrap();
    for _ in 0..500 {
        if notifier.counts().ledger_failures > 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(
        bench.memory.sent().len(),
        2,
        "both were tried though the first could not be noted"
    );
    bench.ledger.execute("DROP TRIGGER broken").await;
    bench.until(DeliveryState::Sent, 2).await;
    assert_eq!(notifier.counts().requeued, 2);
}

#[tokio::test]
async fn a_server_that_says_nothing_does_not_hold_up_the_end() {
    let bench = Bench::new().await;
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = silent.local_addr().unwrap().port();
    let smtp = format!(r#"{{"host":"127.0.0.1","port":{port},"security":"none"}}"#);
    let config = MailConfig {
        smtp: Some(serde_json::from_str(&smtp).unwrap()),
        ..bench.config.clone()
    };
    let mailer = Mailer::open(&config, std::path::Path::new("/nowhere")).unwrap();
    let clock: Clock = Arc::new(|| START_MS);
    let notifier = Notifier::start(bench.ledger.clone(), mailer, config, clock)
        .await
        .unwrap();
    notifier.decide(1, &[notice()]).await.unwrap();
    bench.until(DeliveryState::Sending, 1).await;
    let started = std::time::Instant::now();
    let left = notifier.shutdown(Duration::from_millis(200)).await.unwrap();
    assert_eq!(left.sending, 1);
    assert!(
        started.elapsed() < Duration::from_secs(3),
        "{:?}",
        started.elapsed()
    );
    // The next process takes it up, and counts it as a mail that may have two copies.
    let notifier = bench.start().await;
    bench.until(DeliveryState::Sent, 1).await;
    assert_eq!(notifier.counts().requeued, 1);
}

#[tokio::test]
async fn a_clock_that_is_set_back_does_not_make_mails_wait_for_hours() {
    let bench = Bench::new().await;
    bench.memory.fail_with([failure(Failure::Transient)]);
    let notifier = bench.start().await;
    notifier.decide(1, &[notice()]).await.unwrap();
    bench.until_failed(&notifier, 1).await;
    bench.advance(&notifier, -9 * 3_600_000);
    bench.until(DeliveryState::Sent, 1).await;
    // The same over a restart with an older clock.
    bench.memory.fail_with([failure(Failure::Transient)]);
    notifier.decide(2, &[numbered(2)]).await.unwrap();
    bench.until_failed(&notifier, 2).await;
    drop(notifier);
    bench.now_ms.fetch_sub(26 * 3_600_000, Ordering::SeqCst);
    let _notifier = bench.start().await;
    bench.until(DeliveryState::Sent, 2).await;
}

#[tokio::test]
async fn dead_letters_stay_as_long_as_the_clock_that_would_end_them_is_not_believed() {
    let bench = Bench::new().await;
    bench.memory.fail_with([failure(Failure::Permanent)]);
    let notifier = bench.start().await;
    notifier.decide(1, &[notice()]).await.unwrap();
    bench.until(DeliveryState::Dead, 1).await;
    let month_ms = 31 * 86_400_000;
    bench.ahead_ms.store(month_ms, Ordering::SeqCst);
    bench.advance(&notifier, month_ms);
    notifier.decide(2, &[numbered(2)]).await.unwrap();
    bench.until(DeliveryState::Sent, 1).await;
    bench.until(DeliveryState::Dead, 1).await;
    // It is the truth after all.
    bench.ahead_ms.store(0, Ordering::SeqCst);
    bench.advance(&notifier, 86_400_000);
    bench.until(DeliveryState::Dead, 0).await;
}
