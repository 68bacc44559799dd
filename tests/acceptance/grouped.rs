//! One decision about several triggers is one mail to whom it asks (issue 6: grouped per recipient, threaded per trigger):
//! three demands get a new person at their desks, who is asked for all of them at once.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, Instant};

use chrysalis::notify::{Security, SmtpConfig};
use mail_parser::MessageParser;
use serde_json::{Value, json};

use crate::engine::{Engine, HOUR, MONDAY, SECOND, series};
use crate::servers::{ACCOUNT, MailServer};

const EIGHT: i64 = MONDAY + 8 * HOUR;
const DESK: &str = "desk@example.com";
const PUBLIC: &str = "https://noc.example.com";
/// What fails: each is a demand of its own.
const FAILING: [(&str, &str); 3] = [("crbt", "play"), ("mms", "send"), ("sms_hall", "query")];

/// A mail as its reader has it.
#[derive(Clone, Debug)]
struct Read {
    subject: String,
    text: String,
    message_id: Vec<String>,
    references: Vec<String>,
    in_reply_to: Vec<String>,
}

fn ids(header: &str) -> Vec<String> {
    header.split_whitespace().map(str::to_owned).collect()
}

/// The mails to the desk in an outbox.
fn in_outbox(outbox: &Path) -> Vec<Read> {
    let read = |eml: Vec<u8>| {
        let mail = MessageParser::default().parse(&eml).unwrap();
        let to = mail.to().and_then(|to| to.first());
        let to = to.and_then(|to| to.address()).unwrap_or_default();
        let header = |name: &str| ids(mail.header_raw(name).unwrap_or_default());
        (to == DESK).then(|| Read {
            subject: mail.subject().unwrap_or_default().to_owned(),
            text: mail.body_text(0).unwrap_or_default().into_owned(),
            message_id: header("Message-ID"),
            references: header("References"),
            in_reply_to: header("In-Reply-To"),
        })
    };
    let files = std::fs::read_dir(outbox).into_iter().flatten();
    let paths = files.map(|file| file.unwrap().path());
    paths
        .filter(|path| path.extension().is_some_and(|ending| ending == "eml"))
        .filter_map(|path| read(std::fs::read(path).unwrap()))
        .collect()
}

/// The same in the mailbox of a real server, as Python reads them.
fn in_mailbox(server: &MailServer) -> Vec<Read> {
    let read = |mail: &Value| {
        let said = |key: &str| mail[key].as_str().unwrap().to_owned();
        assert_eq!(mail["defects"], json!([]));
        Read {
            subject: said("subject"),
            text: said("text"),
            message_id: ids(&said("message_id")),
            references: ids(&said("references")),
            in_reply_to: ids(&said("in_reply_to")),
        }
    };
    server.read_back(DESK, 0).iter().map(read).collect()
}

/// Waits until a mail to the desk is as wished.
async fn mail(look: &impl Fn() -> Vec<Read>, wish: impl Fn(&Read) -> bool) -> Read {
    let began = Instant::now();
    loop {
        let mails = look();
        if let Some(mail) = mails.iter().find(|mail| wish(mail)) {
            return mail.clone();
        }
        assert!(
            began.elapsed() < Duration::from_secs(30),
            "never mailed: {mails:#?}"
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// The first trigger of each service that fails, once there are all, and nobody has to review one first.
async fn demanded(engine: &Engine) -> BTreeMap<String, Value> {
    for (service, step) in FAILING {
        let probe = json!({"type": "dial_test", "service": service, "city": "长沙", "step": step, "ok": false, "latency_ms": 90_000});
        engine.tell(&series(EIGHT, 10 * SECOND, 400, &probe)).await;
    }
    engine.pass(EIGHT + 3 * HOUR).await;
    let mut demanded = BTreeMap::new();
    for (service, _) in FAILING {
        let path = format!("/v1/triggers?service={service}");
        let asked = engine
            .until(&path, |answer| answer["triggers"] != json!([]))
            .await;
        let trigger = asked["triggers"][0].clone();
        assert_eq!(trigger["state"], "dispatched", "{trigger:#}");
        let id = trigger["id"].as_str().unwrap().to_owned();
        demanded.insert(id, trigger);
    }
    demanded
}

/// The section of a mail that is about a trigger.
fn section<'a>(text: &'a str, id: &str) -> &'a str {
    let found = text
        .split("━━ ")
        .skip(1)
        .find(|section| section.starts_with(id));
    found.unwrap_or_else(|| panic!("no section of {id} in {text}"))
}

/// Gives the desk of all that is demanded to one person by a new book, and does what the mail asks.
async fn one_mail_asks_for_all(engine: Engine, look: impl Fn() -> Vec<Read>) {
    let demanded = demanded(&engine).await;
    assert_eq!(demanded.len(), 3);
    let owners: BTreeSet<&str> = demanded
        .values()
        .map(|trigger| trigger["owner_email"].as_str().unwrap())
        .collect();
    let mut departments = engine.rules("departments.yaml");
    for owner in owners {
        departments = departments.replace(owner, DESK);
    }
    engine.reload_with("departments.yaml", &departments).await;

    let asked = mail(&look, |mail| mail.text.contains("━━ ")).await;
    let sections: Vec<&str> = asked.text.split("━━ ").skip(1).collect();
    let subject = format!("[触发单] {} 项：", sections.len());
    assert!(sections.len() >= 3, "{}", asked.text);
    assert!(asked.subject.starts_with(&subject), "{}", asked.subject);
    assert_eq!(asked.references.len(), sections.len());
    assert_eq!(asked.in_reply_to, asked.references[..1]);
    for (id, trigger) in &demanded {
        // No mail of its own asks for it, too.
        let alone = look().into_iter();
        let alone = alone.filter(|mail| mail.subject.contains(&format!("[触发单 {id}]")));
        assert_eq!(alone.count(), 0, "{id}");
        let own = section(&asked.text, id);
        let title = trigger["title"]["zh"].as_str().unwrap();
        for words in [title, "已转交", "到期", "处理建议"] {
            assert!(own.contains(words), "{words} in {own}");
        }
        assert!(asked.text.split("━━ ").next().unwrap().contains(id));
        // Its own link, which opens a page that asks, and acts once.
        let mut lines = own.lines().map(str::trim);
        lines.find(|line| *line == "受理").unwrap();
        let link = lines.next().unwrap().strip_prefix(PUBLIC).unwrap();
        let path = format!("/v1/triggers/{id}");
        let (status, page) = engine.ask(link).await;
        assert!(status.is_success(), "{page}");
        assert_eq!(engine.get(&path).await["state"], "dispatched");
        let (status, page) = engine.post_form(link, "").await;
        assert!(status.is_success(), "{page}");
        assert_eq!(engine.get(&path).await["state"], "accepted");
        let (status, _) = engine.post_form(link, "").await;
        assert_eq!(status.as_u16(), 409);
        // What is told of it from now on is in the thread that the mail of all belongs to.
        let subject = format!("[触发单 {id}]");
        let later = mail(&look, |mail| mail.subject.contains(&subject)).await;
        let at = sections.iter().position(|section| section.starts_with(id));
        assert_eq!(later.references, [asked.references[at.unwrap()].clone()]);
    }
    let notices = engine.get("/v1/notices?limit=1000").await;
    let rows = notices["notices"].as_array().unwrap().iter();
    let is_asked = |row: &&Value| {
        let id = row["message_id"].as_str().unwrap();
        row["reason"] == "demands" && asked.message_id == [format!("<{id}>")]
    };
    let group = { rows.clone() }.find(is_asked).unwrap();
    let told = rows.filter(|row| row["digest"] == group["id"]);
    assert_eq!(told.count(), sections.len());
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn three_demands_of_one_decision_are_one_mail_with_the_links_and_the_thread_of_each() {
    let engine = Engine::with(&[], |config| {
        config.server.public_url = Some(PUBLIC.to_owned());
    })
    .await;
    let outbox = engine.outbox_folder();
    one_mail_asks_for_all(engine, move || in_outbox(&outbox)).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "starts real servers, which tests/mail/install.sh installs"]
async fn a_real_server_has_the_one_mail_and_another_program_finds_its_threads() {
    let server = MailServer::start(&[DESK]);
    let smtp = SmtpConfig {
        host: "127.0.0.1".to_owned(),
        port: Some(server.smtp_port),
        security: Security::Starttls,
        username: Some(ACCOUNT.0.to_owned()),
        password_file: Some(server.password_file("password", ACCOUNT.1)),
        password_env: None,
        ca_file: Some(server.ca_file()),
        timeout_s: 10,
    };
    let engine = Engine::with(&[], |config| {
        config.server.public_url = Some(PUBLIC.to_owned());
        config.mail.from = "Chrysalis <chrysalis@example.com>".to_owned();
        config.mail.smtp = Some(smtp);
    })
    .await;
    one_mail_asks_for_all(engine, || in_mailbox(&server)).await;
}
