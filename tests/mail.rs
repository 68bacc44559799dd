//! Mails through real servers: Postfix with STARTTLS and AUTH, read back over IMAP from Dovecot by
//! Python's parser, and `smtp-sink` for faults.
//!
//! `cargo test --test mail -- --include-ignored`, after `tests/mail/install.sh`; as root, for Postfix.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test's helpers fail the test; clippy.toml allows that only inside #[test]"
)]

#[path = "mail/servers.rs"]
mod servers;

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use chrysalis::alerting::{AlertState, Notice, NoticeReason, TransitionReason};
use chrysalis::notify::{
    Clock, Composer, Failure, Mail, MailConfig, Mailer, Notifier, Security, SmtpConfig,
};
use chrysalis::rules::{Language, Severity};
use chrysalis::store::{DeliveryState, Ledger};
use servers::{ACCOUNT, MailServer, Process, free_port, require_parts};

const CHINESE: &str = "bsc-contact@example.com";
const ENGLISH: &str = "noc-duty@example.com";

fn notice(revision: u32, reason: NoticeReason, language: Language) -> Notice {
    let mut notice: Notice = serde_json::from_str(include_str!("mail/notice.json")).unwrap();
    notice.id = format!("{revision}-{language:?}");
    notice.revision = revision;
    notice.reason = reason;
    notice.recipient.language = language;
    if language == Language::En {
        notice.recipient.email = ENGLISH.to_owned();
        notice.recipient.name = "NOC duty".to_owned();
    }
    match reason {
        NoticeReason::Escalated => notice.alert.severity = Severity::Critical,
        NoticeReason::Resolved => {
            notice.alert.state = AlertState::Resolved;
            notice.alert.reason = TransitionReason::Cleared;
            notice.alert.resolved_at_ms = Some(notice.alert.window_ms.1);
            notice.alert.value = Some(11.8);
        }
        // Of the others only the words differ.
        _ => {}
    }
    notice
}

fn config(smtp: SmtpConfig) -> MailConfig {
    MailConfig {
        from: "Chrysalis 监控 <chrysalis@example.com>".to_owned(),
        smtp: Some(smtp),
        attempts_max: 50,
        backoff_ms_min: 100,
        backoff_ms_max: 200,
        ..MailConfig::default()
    }
}

fn plain(port: u16) -> SmtpConfig {
    SmtpConfig {
        host: "127.0.0.1".to_owned(),
        port: Some(port),
        security: Security::None,
        username: None,
        password_file: None,
        password_env: None,
        ca_file: None,
        timeout_s: 10,
    }
}

fn protected(server: &MailServer, password: &str) -> SmtpConfig {
    SmtpConfig {
        security: Security::Starttls,
        username: Some(ACCOUNT.0.to_owned()),
        password_file: Some(server.password_file("password", password)),
        ca_file: Some(server.ca_file()),
        ..plain(server.smtp_port)
    }
}

async fn start(config: &MailConfig, ledger: &Ledger) -> Notifier {
    let mailer = Mailer::open(config, Path::new("/nonexistent")).unwrap();
    let clock: Clock = Arc::new(chrysalis::time::now_ms);
    Notifier::start(ledger.clone(), mailer, config.clone(), clock)
        .await
        .unwrap()
}

async fn until(ledger: &Ledger, state: DeliveryState, count: usize, hint: impl Fn() -> String) {
    for _ in 0..1_000 {
        if ledger.list(Some(state), 100, 0).await.unwrap().len() == count {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let rows = ledger.list(None, 100, 0).await.unwrap();
    panic!("never {count} {state:?}: {rows:#?}\n{}", hint());
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "starts real servers, which tests/mail/install.sh installs"]
async fn a_real_server_takes_them_and_another_program_reads_them() {
    let server = MailServer::start(&[CHINESE, ENGLISH]);
    let config = config(protected(&server, ACCOUNT.1));
    let ledger = Ledger::in_memory().await.unwrap();
    let notifier = start(&config, &ledger).await;
    let steps = [
        NoticeReason::First,
        NoticeReason::Escalated,
        NoticeReason::Resolved,
    ];
    for (revision, reason) in (1..).zip(steps) {
        let both = [Language::Zh, Language::En].map(|to| notice(revision, reason, to));
        notifier.decide(u64::from(revision), &both).await.unwrap();
    }
    until(&ledger, DeliveryState::Sent, 6, || server.logs()).await;

    for (mailbox, name, subject, words) in [
        (
            CHINESE,
            "业务支撑接口人",
            "[告警] 体验卡 长沙 短信回复时延",
            ["异常 (Abnormal)", "已升级 (Escalated)", "已恢复 (Resolved)"],
        ),
        (
            ENGLISH,
            "NOC duty",
            "[Alert] Experience card 长沙 SMS reply time (p95)",
            ["Abnormal", "Escalated", "Resolved"],
        ),
    ] {
        let mails = server.read_back(mailbox, 3);
        assert_eq!(mails.len(), 3);
        let root = mails[0]["message_id"].as_str().unwrap();
        for (index, mail) in mails.iter().enumerate() {
            for (field, want) in [
                ("from", "Chrysalis 监控"),
                ("from_address", "chrysalis@example.com"),
                ("to", name),
                ("to_address", mailbox),
                ("subject", subject),
                ("reason", steps[index].name()),
                ("date", "2026-11-21T02:20:00+00:00"),
                ("auto_submitted", "auto-generated"),
                ("list_id", "Chrysalis alerts <alerts.example.com>"),
                ("text_charset", "utf-8"),
                ("html_charset", "utf-8"),
                ("references", if index == 0 { "" } else { root }),
                ("in_reply_to", if index == 0 { "" } else { root }),
            ] {
                assert_eq!(mail[field], want, "{field} of mail {index} to {mailbox}");
            }
            assert!(
                mail["text"].as_str().unwrap().contains(words[index]),
                "{mail:#}"
            );
            assert!(mail["html"].as_str().unwrap().contains("<!DOCTYPE html>"));
            assert_eq!(mail["images_resolved"], true, "{mail:#}");
            assert_eq!(mail["defects"], serde_json::json!([]));
            let structure = serde_json::json!([
                "multipart/alternative",
                "text/plain",
                "multipart/related",
                "text/html",
                "image/png"
            ]);
            assert_eq!(mail["structure"], structure);
            let received = mail["received_with"].as_str().unwrap();
            assert!(
                received.contains("ESMTPSA") && received.contains("TLS"),
                "{received}"
            );
        }
        // Under the lines that servers put on top lies what the ledger kept, byte for byte.
        let id = format!(
            "3-{:?}",
            if mailbox == CHINESE {
                Language::Zh
            } else {
                Language::En
            }
        );
        let kept = String::from_utf8(ledger.eml(&id).await.unwrap().unwrap()).unwrap();
        assert!(
            mails[2]["raw"]
                .as_str()
                .unwrap()
                .trim_end()
                .ends_with(kept.trim_end())
        );
    }
    let left = notifier.shutdown(Duration::from_secs(5)).await.unwrap();
    assert_eq!((left.queued, left.sending, left.dead), (0, 0, 0));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "starts real servers, which tests/mail/install.sh installs"]
async fn a_real_server_refuses_and_we_know_what_that_means() {
    let server = MailServer::start(&[CHINESE]);
    let good = protected(&server, ACCOUNT.1);
    let wrong_password = protected_with(&server, "wrong-password", "a wrong one");
    let no_account = SmtpConfig {
        username: None,
        password_file: None,
        ..good.clone()
    };
    let in_the_clear = SmtpConfig {
        security: Security::None,
        ..no_account.clone()
    };
    let no_authority = SmtpConfig {
        ca_file: None,
        ..good.clone()
    };
    let tls_at_once = SmtpConfig {
        security: Security::Tls,
        ..good.clone()
    };
    let attempt = async |smtp: SmtpConfig, to: &str| {
        let config = config(smtp);
        let composer = Composer::new(&config).unwrap();
        let entry = composer.entry(&notice(1, NoticeReason::First, Language::Zh));
        let message = composer.compose(&entry.message_id, &entry.notice).unwrap();
        let mail = Mail {
            message_id: entry.message_id,
            from: composer.sender().email.clone(),
            to: to.to_owned(),
            eml: message.eml,
        };
        let mailer = Mailer::open(&config, Path::new("/nonexistent")).unwrap();
        mailer
            .deliver(&mail)
            .await
            .map_err(|error| (error.failure, error.message))
    };
    for (smtp, to, want, said) in [
        (wrong_password, CHINESE, Failure::Setup, "535"),
        (in_the_clear, CHINESE, Failure::Setup, "530"),
        (no_authority, CHINESE, Failure::Setup, "certificate"),
        (no_account, CHINESE, Failure::Permanent, "554"),
        (
            good.clone(),
            "nobody@example.com",
            Failure::Permanent,
            "550",
        ),
        (tls_at_once, CHINESE, Failure::Transient, ""),
    ] {
        let (failure, message) = attempt(smtp, to).await.unwrap_err();
        println!("{failure:?}: {message}");
        assert_eq!(failure, want, "{message}\n{}", server.logs());
        assert!(message.contains(said), "{said}: {message}");
        assert!(!message.contains("a wrong one"), "{message}");
    }
    assert_eq!(attempt(good, CHINESE).await, Ok(()));
}

fn protected_with(server: &MailServer, file: &str, password: &str) -> SmtpConfig {
    SmtpConfig {
        password_file: Some(server.password_file(file, password)),
        ..protected(server, ACCOUNT.1)
    }
}

/// `smtp-sink`, which writes each message that it takes into a file of `dump`.
fn sink(port: u16, dump: &Path, faults: &[&str]) -> Process {
    let mut command = Command::new("smtp-sink");
    command
        .args(["-u", "nobody", "-d"])
        .arg(dump.join("%M."))
        .args(faults);
    let mut sink = Process::start(
        "smtp-sink",
        command.arg(format!("127.0.0.1:{port}")).arg("16"),
    );
    sink.until_listening(port);
    sink
}

fn dump_folder() -> tempfile::TempDir {
    let dump = tempfile::tempdir().unwrap();
    servers::run(Command::new("chown").arg("nobody").arg(dump.path()));
    dump
}

fn taken(dump: &Path) -> usize {
    let files = std::fs::read_dir(dump).unwrap();
    files
        .filter(|file| file.as_ref().unwrap().metadata().unwrap().len() > 1_000)
        .count()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "starts real servers, which tests/mail/install.sh installs"]
async fn what_fails_for_a_while_is_delivered_exactly_once() {
    require_parts();
    for faults in [
        ["-r", "rcpt"],
        ["-r", "data"],
        ["-r", "."],
        ["-q", "mail"],
        ["-q", "data"],
    ] {
        let (port, dump) = (free_port(), dump_folder());
        let ledger = Ledger::in_memory().await.unwrap();
        let failing = sink(port, dump.path(), &faults);
        let notifier = start(&config(plain(port)), &ledger).await;
        notifier
            .decide(1, &[notice(1, NoticeReason::First, Language::Zh)])
            .await
            .unwrap();
        for _ in 0..1_000 {
            if notifier.counts().failed[0].1 >= 2 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let counts = notifier.counts();
        assert!(counts.failed[0].1 >= 2, "{faults:?}: {counts:?}");
        assert_eq!((counts.dead, counts.sent[0].1), (0, 0), "{faults:?}");
        drop(failing);
        // What a server took down before it refused is no delivery.
        for file in std::fs::read_dir(dump.path()).unwrap() {
            std::fs::remove_file(file.unwrap().path()).unwrap();
        }
        let healthy = sink(port, dump.path(), &[]);
        until(&ledger, DeliveryState::Sent, 1, || format!("{faults:?}")).await;
        notifier
            .decide(1, &[notice(1, NoticeReason::First, Language::Zh)])
            .await
            .unwrap();
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert_eq!(taken(dump.path()), 1, "{faults:?}");
        drop((notifier, healthy));
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "starts real servers, which tests/mail/install.sh installs"]
async fn what_is_refused_for_good_is_a_dead_letter() {
    require_parts();
    let (port, dump) = (free_port(), dump_folder());
    let ledger = Ledger::in_memory().await.unwrap();
    let refusing = sink(port, dump.path(), &["-f", "rcpt"]);
    let notifier = start(&config(plain(port)), &ledger).await;
    notifier
        .decide(1, &[notice(1, NoticeReason::First, Language::Zh)])
        .await
        .unwrap();
    until(&ledger, DeliveryState::Dead, 1, String::new).await;
    let dead = &ledger.list(Some(DeliveryState::Dead), 9, 0).await.unwrap()[0];
    assert_eq!(dead.attempts, 1);
    assert!(
        dead.last_error.as_ref().unwrap().contains("500"),
        "{:?}",
        dead.last_error
    );
    assert_eq!(dead.failure.as_deref(), Some("permanent"));

    // An operator mends the address, and sends it again.
    drop(refusing);
    let healthy = sink(port, dump.path(), &[]);
    ledger
        .resend(&dead.id, "duty", None, chrysalis::time::now_ms())
        .await
        .unwrap();
    notifier.wake();
    until(&ledger, DeliveryState::Sent, 1, String::new).await;
    assert_eq!(taken(dump.path()), 1);
    drop(healthy);
}

/// A clock that stands until it is set: minutes end when the test says so.
fn standing_clock() -> (Arc<AtomicI64>, Clock) {
    let now_ms = Arc::new(AtomicI64::new(chrysalis::time::now_ms()));
    let reading = Arc::clone(&now_ms);
    (now_ms, Arc::new(move || reading.load(Ordering::SeqCst)))
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "starts real servers, which tests/mail/install.sh installs"]
async fn a_real_server_gets_one_digest_for_a_flood_also_over_a_restart() {
    let server = MailServer::start(&[CHINESE, ENGLISH]);
    let config = MailConfig {
        per_recipient_minute_max: 4,
        ..config(protected(&server, ACCOUNT.1))
    };
    let data = tempfile::tempdir().unwrap();
    let (now_ms, clock) = standing_clock();
    let start = async |ledger: &Ledger| {
        let mailer = Mailer::open(&config, data.path()).unwrap();
        Notifier::start(ledger.clone(), mailer, config.clone(), Arc::clone(&clock))
            .await
            .unwrap()
    };
    let flood = || {
        let of = |language: Language| {
            (0..30).map(move |n| {
                let mut notice = notice(1, NoticeReason::First, language);
                notice.id = format!("{n}-{language:?}");
                notice.alert.incident = format!("flood-{n}");
                // The last comes last, and is the one that must not wait.
                notice.alert.severity = if n == 29 {
                    Severity::Critical
                } else {
                    Severity::Minor
                };
                notice
            })
        };
        of(Language::Zh).chain(of(Language::En)).collect::<Vec<_>>()
    };
    let ledger = Ledger::open(data.path()).await.unwrap();
    let notifier = start(&ledger).await;
    notifier.decide(1, &flood()).await.unwrap();
    until(&ledger, DeliveryState::Sent, 6, || server.logs()).await;
    for mailbox in [CHINESE, ENGLISH] {
        let incidents: Vec<String> = server
            .read_back(mailbox, 3)
            .iter()
            .map(|mail| mail["message_id"].as_str().unwrap().to_owned())
            .collect();
        assert!(
            incidents.iter().any(|id| id.starts_with("<flood-29.")),
            "{incidents:?}"
        );
    }
    // The process dies; the next one replays the journal and decides the same again.
    drop(notifier);
    ledger.close().await;
    let ledger = Ledger::open(data.path()).await.unwrap();
    let notifier = start(&ledger).await;
    notifier.decide(1, &flood()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    now_ms.fetch_add(60_000, Ordering::SeqCst);
    notifier.wake();
    // Of each: three mails, the digest, and what it tells.
    until(&ledger, DeliveryState::Sent, 62, || server.logs()).await;
    for (mailbox, subject, row) in [
        (CHINESE, "[告警汇总] 27 条通知", "| 异常 | 次要 |"),
        (ENGLISH, "[Alert digest] 27 notices", "| Abnormal | Minor |"),
    ] {
        let mails = server.read_back(mailbox, 4);
        assert_eq!(mails.len(), 4, "three and one digest");
        let digest = mails
            .iter()
            .find(|mail| mail["reason"] == "digest")
            .unwrap();
        assert_eq!(digest["subject"], subject);
        let text = digest["text"].as_str().unwrap();
        assert_eq!(text.matches(row).count(), 27, "{text}");
        assert!(digest["html"].as_str().unwrap().contains("<!DOCTYPE html>"));
        assert_eq!(digest["defects"], serde_json::json!([]));
        assert_eq!(digest["in_reply_to"], "");
    }
}
