//! The SMTP backend against a server that says what the test wants: which answer means what.
//! Real servers are in `tests/mail.rs`; here are the faults that they do not show on request.

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;

use crate::notify::{Failure, Mail, MailConfig, Mailer, Security, SmtpConfig};

/// What the server does at one command.
#[derive(Clone, Copy)]
enum At {
    /// Answers this to commands that begin so.
    Say(&'static str, &'static str),
    /// Closes the connection without an answer.
    Hang(&'static str),
}

/// Tries to deliver one mail to a server that is fine but for `fault`.
async fn attempt(fault: At, username: bool) -> Result<(), (Failure, String)> {
    attempt_to("noc@example.com", fault, username).await
}

async fn attempt_to(to: &str, fault: At, username: bool) -> Result<(), (Failure, String)> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let (read, mut write) = stream.into_split();
        let mut lines = BufReader::new(read).lines();
        write.write_all(b"220 fake ready\r\n").await.unwrap();
        let mut in_data = false;
        while let Ok(Some(line)) = lines.next_line().await {
            let command = if in_data { "." } else { line.as_str() };
            if in_data && line != "." {
                continue;
            }
            let usual = match command.split(' ').next().unwrap_or_default() {
                "EHLO" => "250-fake\r\n250-AUTH PLAIN\r\n250 8BITMIME",
                "AUTH" => "235 welcome",
                "DATA" => "354 go on",
                "QUIT" => "221 bye",
                _ => "250 fine",
            };
            in_data = command == "DATA";
            let answer = match fault {
                At::Hang(at) if command.starts_with(at) => return,
                At::Say(at, answer) if command.starts_with(at) => answer,
                _ => usual,
            };
            in_data &= answer.starts_with("354");
            if write
                .write_all(format!("{answer}\r\n").as_bytes())
                .await
                .is_err()
            {
                return;
            }
        }
    });
    let dir = tempfile::tempdir().unwrap();
    let password_file = dir.path().join("password");
    std::fs::write(&password_file, "secret\n").unwrap();
    let smtp = SmtpConfig {
        host: "127.0.0.1".to_owned(),
        port: Some(port),
        security: Security::None,
        username: username.then(|| "chrysalis".to_owned()),
        password_file: username.then_some(password_file),
        password_env: None,
        ca_file: None,
        timeout_s: 5,
    };
    let config = MailConfig {
        smtp: Some(smtp),
        ..MailConfig::default()
    };
    let mailer = Mailer::open(&config, dir.path()).unwrap();
    let mail = Mail {
        message_id: "a@b".to_owned(),
        from: "chrysalis@example.com".parse().unwrap(),
        to: to.to_owned(),
        eml: b"Subject: x\r\n\r\n.leading dot\r\n".to_vec(),
    };
    let outcome = mailer.deliver(&mail).await;
    server.abort();
    outcome.map_err(|error| (error.failure, error.message))
}

#[tokio::test]
async fn every_answer_has_its_meaning() {
    assert_eq!(attempt(At::Say("NOOP", "250 fine"), false).await, Ok(()));
    assert_eq!(attempt(At::Say("NOOP", "250 fine"), true).await, Ok(()));
    for (fault, want, said) in [
        (At::Say("MAIL", "451 try later"), Failure::Transient, "451"),
        (
            At::Say("RCPT", "450 mailbox busy"),
            Failure::Transient,
            "mailbox busy",
        ),
        (
            At::Say("RCPT", "550 5.1.1 no such user"),
            Failure::Permanent,
            "no such user",
        ),
        (
            At::Say("DATA", "452 disk full"),
            Failure::Transient,
            "disk full",
        ),
        (
            At::Say(".", "554 looks like spam"),
            Failure::Permanent,
            "spam",
        ),
        (
            At::Say("AUTH", "535 5.7.8 bad password"),
            Failure::Setup,
            "bad password",
        ),
        (
            At::Say("AUTH", "454 4.7.0 directory is down"),
            Failure::Transient,
            "directory",
        ),
        (
            At::Say("EHLO", "250 fake"),
            Failure::Setup,
            "authentication mechanism",
        ),
        (At::Hang("MAIL"), Failure::Transient, ""),
        (At::Hang("."), Failure::Transient, ""),
    ] {
        let (failure, message) = attempt(fault, true).await.unwrap_err();
        assert_eq!(failure, want, "{message}");
        assert!(message.contains(said), "{message}");
        assert!(!message.contains("secret"), "{message}");
    }
}

#[tokio::test]
async fn an_address_that_a_server_cannot_spell_concerns_no_other_mail() {
    let usual = At::Say("NOOP", "250 fine");
    let (failure, message) = attempt_to("接口人@example.com", usual, false)
        .await
        .unwrap_err();
    assert_eq!(failure, Failure::Permanent, "{message}");
}

#[tokio::test]
async fn a_server_that_is_not_there_may_come_back() {
    let smtp: SmtpConfig =
        serde_json::from_str(r#"{"host":"127.0.0.1","port":1,"security":"none"}"#).unwrap();
    let config = MailConfig {
        smtp: Some(smtp),
        ..MailConfig::default()
    };
    let mailer = Mailer::open(&config, std::path::Path::new("/nowhere")).unwrap();
    let mail = Mail {
        message_id: "a@b".to_owned(),
        from: "a@b.c".parse().unwrap(),
        to: "x@y.z".to_owned(),
        eml: Vec::new(),
    };
    let error = mailer.deliver(&mail).await.unwrap_err();
    assert_eq!(error.failure, Failure::Transient, "{error}");
}

#[test]
fn settings_that_cannot_work_are_said_before_the_first_mail() {
    for (json, want) in [
        (
            r#"{"host":"m","username":"u"}"#,
            "neither password_file nor password_env",
        ),
        (
            r#"{"host":"m","username":"u","password_file":"/no/such"}"#,
            "password_file from /no/such",
        ),
        (
            r#"{"host":"m","username":"u","password_env":"NO_SUCH_VARIABLE_"}"#,
            "NO_SUCH_VARIABLE_",
        ),
        (
            r#"{"host":"m","ca_file":"/no/ca.pem"}"#,
            "ca_file from /no/ca.pem",
        ),
    ] {
        let smtp: SmtpConfig = serde_json::from_str(json).unwrap();
        let config = MailConfig {
            smtp: Some(smtp),
            ..MailConfig::default()
        };
        let error = Mailer::open(&config, std::path::Path::new("/tmp"))
            .unwrap_err()
            .to_string();
        assert!(error.contains(want), "{error}");
    }
}
