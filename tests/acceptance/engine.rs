//! One running engine on a folder of its own, and the few questions that tests ask it.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use chrysalis::app::{App, RuleSource};
use chrysalis::config::Config;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

/// Midnight of Monday 2 March 2026 in Shanghai, ms.
pub(crate) const MONDAY: i64 = 1_772_380_800_000;
pub(crate) const SECOND: i64 = 1_000;
pub(crate) const MINUTE: i64 = 60 * SECOND;
pub(crate) const HOUR: i64 = 60 * MINUTE;
pub(crate) const DAY: i64 = 24 * HOUR;

/// How long an answer may take to become what it should be.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running engine.
pub(crate) struct Engine {
    app: App,
    config: Config,
    client: reqwest::Client,
    folder: tempfile::TempDir,
}

impl Engine {
    /// With the shipped rule book.
    pub(crate) async fn start() -> Engine {
        Engine::with_rules(&[]).await
    }

    /// With the shipped rule book and more files: configuration, and nothing else.
    pub(crate) async fn with_rules(more: &[(&str, &str)]) -> Engine {
        Engine::with(more, |_| {}).await
    }

    /// With more rules, and another configuration.
    pub(crate) async fn with(more: &[(&str, &str)], change: impl FnOnce(&mut Config)) -> Engine {
        let folder = tempfile::tempdir().unwrap();
        let rules = folder.path().join("rules");
        copy_rules(&rules);
        for (name, text) in more {
            std::fs::write(rules.join(name), text).unwrap();
        }
        let mut config = Config {
            data: folder.path().join("data"),
            listen: "127.0.0.1:0".to_owned(),
            workers: 2,
            ..Config::default()
        };
        config.history.url = crate::database::fresh().await;
        change(&mut config);
        let app = App::start(config.clone(), RuleSource::Path(rules));
        let engine = Engine {
            app: app.await.unwrap(),
            config,
            client: reqwest::Client::new(),
            folder,
        };
        engine.until_ready().await;
        engine
    }

    /// Ends it and starts it again on the same folder.
    pub(crate) async fn restart(self) -> Engine {
        self.app.shutdown().await.unwrap();
        let rules = RuleSource::Path(self.folder.path().join("rules"));
        let app = App::start(self.config.clone(), rules).await.unwrap();
        let engine = Engine { app, ..self };
        engine.until_ready().await;
        engine
    }

    /// A file of the engine's rule book.
    pub(crate) fn rules(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder.path().join("rules").join(name)).unwrap()
    }

    async fn until_ready(&self) {
        let began = Instant::now();
        while !self.ask("/ready").await.0.is_success() {
            assert!(began.elapsed() < PATIENCE, "never ready");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Puts one more file into the running engine's rule book.
    pub(crate) async fn reload_with(&self, name: &str, text: &str) {
        std::fs::write(self.folder.path().join("rules").join(name), text).unwrap();
        let (status, answer) = self.post("/v1/rules/reload", String::new()).await;
        assert!(status.is_success(), "{answer}");
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.app.address)
    }

    pub(crate) async fn ask(&self, path: &str) -> (reqwest::StatusCode, String) {
        let answer = self.client.get(self.url(path)).send().await.unwrap();
        (answer.status(), answer.text().await.unwrap())
    }

    /// Reads JSON.
    pub(crate) async fn get(&self, path: &str) -> Value {
        let (status, text) = self.ask(path).await;
        assert!(status.is_success(), "{path}: {status} {text}");
        serde_json::from_str(&text).unwrap()
    }

    /// Asks with a token; with a body it is posted.
    pub(crate) async fn with_token(
        &self,
        token: &str,
        path: &str,
        body: Option<Value>,
    ) -> (reqwest::StatusCode, Value) {
        let url = self.url(path);
        let request = match body {
            None => self.client.get(url),
            Some(body) => self.client.post(url).json(&body),
        };
        let answer = request.bearer_auth(token).send().await.unwrap();
        let status = answer.status();
        (status, answer.json().await.unwrap_or_default())
    }

    /// Reads what is no JSON, with a token.
    pub(crate) async fn ask_with(&self, token: &str, path: &str) -> String {
        let request = self.client.get(self.url(path)).bearer_auth(token);
        request.send().await.unwrap().text().await.unwrap()
    }

    /// Writes a file of the data folder.
    pub(crate) fn write(&self, path: &str, text: &str) {
        std::fs::write(self.folder.path().join("data").join(path), text).unwrap();
    }

    /// Posts a form as a browser does.
    pub(crate) async fn post_form(&self, path: &str, form: &str) -> (reqwest::StatusCode, String) {
        let request = self.client.post(self.url(path)).body(form.to_owned());
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        let answer = request.send().await.unwrap();
        (answer.status(), answer.text().await.unwrap())
    }

    /// Posts events, all of which must be taken.
    pub(crate) async fn tell(&self, events: &[Value]) {
        self.tell_with("", events).await;
    }

    /// The same, as the holder of a token.
    pub(crate) async fn tell_with(&self, token: &str, events: &[Value]) {
        for batch in events.chunks(20_000) {
            let mut body = String::new();
            for event in batch {
                writeln!(body, "{event}").unwrap();
            }
            let request = self.client.post(self.url("/v1/events")).body(body);
            let request = request.bearer_auth(token);
            let receipt: Value = request.send().await.unwrap().json().await.unwrap();
            assert_eq!(receipt["accepted"], batch.len(), "{receipt}");
        }
    }

    /// Lets event time pass `at_ms` on every stream, with events that no KQI counts.
    pub(crate) async fn pass(&self, at_ms: i64) {
        self.tell(&Engine::clock(at_ms)).await;
    }

    /// Events that let event time pass `at_ms`.
    pub(crate) fn clock(at_ms: i64) -> Vec<Value> {
        let ts = at_ms + 30 * MINUTE;
        vec![
            json!({"type": "dial_test", "ts": ts, "service": "sms_hall", "step": "clock", "ok": true}),
            json!({"type": "boss_call", "ts": ts, "host": "clock", "interface": "clock", "latency_ms": 1}),
            json!({"type": "boss_connection", "ts": ts, "host": "clock", "interface": "clock", "connection": "clock", "state": "released"}),
            json!({"type": "complaint", "ts": ts, "serial": format!("clock {ts}"), "state": "withdrawn"}),
            json!({"type": "gauge", "ts": ts, "name": "clock", "value": 1}),
            json!({"type": "mms_submit", "ts": ts, "message_id": format!("clock {ts}"), "service": "mms"}),
            json!({"type": "mms_receipt", "ts": ts, "message_id": format!("clock {ts}"), "status": "Forwarded"}),
        ]
    }

    /// The same, when a gateway has reported too: no source may hold the receipts back.
    pub(crate) async fn pass_gateway(&self, at_ms: i64, relay: &str) {
        let ts = at_ms + 30 * MINUTE;
        let id = format!("clock {relay}");
        self.tell(&[json!({"type": "mms_receipt", "ts": ts, "message_id": id, "status": "Forwarded", "source": relay})])
            .await;
        self.pass(at_ms).await;
    }

    /// Posts a body of another kind: JSON, or SOAP.
    pub(crate) async fn post(&self, path: &str, body: String) -> (reqwest::StatusCode, String) {
        let request = self.client.post(self.url(path));
        let request = request.header("content-type", "application/json");
        let answer = request.body(body).send().await.unwrap();
        (answer.status(), answer.text().await.unwrap())
    }

    /// Sends a recorded request as it is, head and body; status and body of the answer.
    pub(crate) async fn replay(&self, request: &[u8]) -> (u16, String) {
        let stream = TcpStream::connect(self.app.address).await.unwrap();
        let mut stream = BufReader::new(stream);
        stream.write_all(request).await.unwrap();
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            let read = stream.read_line(&mut head).await.unwrap();
            assert_ne!(read, 0, "hung up after {head:?}");
        }
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let mut lines = head.lines();
        let length = lines.find_map(|line| line.strip_prefix("content-length: "));
        let mut body = vec![0; length.unwrap().parse().unwrap()];
        stream.read_exact(&mut body).await.unwrap();
        (status, String::from_utf8(body).unwrap())
    }

    /// Asks until the answer is as wished.
    pub(crate) async fn until(&self, path: &str, wish: impl Fn(&Value) -> bool) -> Value {
        let began = Instant::now();
        loop {
            let (status, text) = self.ask(path).await;
            // While a rule book comes into force, readers are told to ask again; and what was just said of may not be there yet.
            if ![503, 404].contains(&status.as_u16()) {
                assert!(status.is_success(), "{path}: {status} {text}");
                let answer: Value = serde_json::from_str(&text).unwrap();
                if wish(&answer) {
                    return answer;
                }
            }
            assert!(began.elapsed() < PATIENCE, "{path} stays {text}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// The sealed window of an object that ends at `end_ms`.
    pub(crate) async fn window(&self, kqi: &str, group: &str, end_ms: i64) -> Value {
        let all = self.windows(kqi, group, end_ms).await;
        let row = all.into_iter().find(|row| row["group"] == group);
        row.unwrap_or_else(|| panic!("{kqi} has no window of {group:?}"))
    }

    /// The sealed windows of a KQI that end at `end_ms`, once the one of `group` is there.
    pub(crate) async fn windows(&self, kqi: &str, group: &str, end_ms: i64) -> Vec<Value> {
        let path = format!(
            "/v1/kqis/{kqi}/windows?from={}&to={end_ms}",
            end_ms - MINUTE
        );
        let ends_then = |row: &&Value| row["window_end_ms"] == end_ms && row["sealed"] == true;
        let rows = |answer: &Value| -> Vec<Value> {
            let rows = answer["windows"].as_array().unwrap();
            rows.iter().filter(ends_then).cloned().collect()
        };
        let has_group = |answer: &Value| rows(answer).iter().any(|row| row["group"] == group);
        rows(&self.until(&path, has_group).await)
    }

    /// Alerts of a rule, newest first, once one of them is in this state.
    pub(crate) async fn alerts(&self, alert: &str, state: &str) -> Vec<Value> {
        let of_rule = |answer: &Value| -> Vec<Value> {
            let alerts = answer["alerts"].as_array().unwrap();
            let own = alerts.iter().filter(|row| row["alert"] == alert);
            own.cloned().collect()
        };
        let wish = |answer: &Value| of_rule(answer).iter().any(|row| row["state"] == state);
        of_rule(&self.until("/v1/alerts", wish).await)
    }

    /// Subject and text of the mails in the outbox that say something, once there are so many.
    pub(crate) async fn mails(&self, say: &str, count: usize) -> Vec<String> {
        self.mails_to("", say, count).await
    }

    /// The same of those to an address.
    pub(crate) async fn mails_to(&self, to: &str, say: &str, count: usize) -> Vec<String> {
        let began = Instant::now();
        loop {
            let mut mails = self.outbox();
            mails.retain(|(reader, mail)| reader.contains(to) && mail.contains(say));
            if mails.len() >= count {
                return mails.into_iter().map(|(_, mail)| mail).collect();
            }
            assert!(began.elapsed() < PATIENCE, "no mail to {to:?} says {say}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// The mail that says all of these, once there is one: what one cut tells can come in several mails, in any order.
    pub(crate) async fn mail(&self, words: &[&str]) -> String {
        let says = |mail: &String| words.iter().all(|word| mail.contains(word));
        let began = Instant::now();
        loop {
            let mails = self.mails(words[0], 1).await;
            if let Some(mail) = mails.iter().find(|mail| says(mail)) {
                return mail.clone();
            }
            assert!(
                began.elapsed() < PATIENCE,
                "no mail says {words:?}: {mails:#?}"
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Where its mails are files.
    pub(crate) fn outbox_folder(&self) -> PathBuf {
        self.app.outbox.clone().unwrap()
    }

    /// Address, and subject and text, of every mail in the outbox.
    pub(crate) fn outbox(&self) -> Vec<(String, String)> {
        let outbox = self.outbox_folder();
        let mut mails = Vec::new();
        for entry in std::fs::read_dir(&outbox).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|ending| ending == "eml") {
                let eml = std::fs::read(&path).unwrap();
                let mail = mail_parser::MessageParser::default().parse(&eml).unwrap();
                let text = mail.body_text(0).unwrap_or_default();
                let to = mail.to().and_then(|to| to.first());
                let to = to.and_then(|to| to.address()).unwrap_or_default();
                let subject = mail.subject().unwrap_or_default();
                mails.push((to.to_owned(), format!("{subject}\n{text}")));
            }
        }
        mails
    }

    /// A file of the data folder.
    pub(crate) fn file(&self, path: &str) -> String {
        std::fs::read_to_string(self.folder.path().join("data").join(path)).unwrap()
    }

    /// Ends it in order.
    pub(crate) async fn stop(self) {
        self.app.shutdown().await.unwrap();
    }
}

/// The shipped book, without its golden cases and benches.
fn copy_rules(to: &Path) {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("rules");
    for folder in ["", "services"] {
        std::fs::create_dir_all(to.join(folder)).unwrap();
        for entry in std::fs::read_dir(from.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|ending| ending == "yaml") {
                std::fs::copy(&path, to.join(folder).join(path.file_name().unwrap())).unwrap();
            }
        }
    }
}

/// `times` events, `every_ms` apart from `from_ms` on; `{n}` in texts is the number, from 1.
pub(crate) fn series(from_ms: i64, every_ms: i64, times: i64, event: &Value) -> Vec<Value> {
    let one = |at: i64| {
        let text = event.to_string().replace("{n}", &(at + 1).to_string());
        let mut event: Value = serde_json::from_str(&text).unwrap();
        event["ts"] = (from_ms + at * every_ms).into();
        event
    };
    (0..times).map(one).collect()
}

/// Whether two numbers are equal to `within`.
#[track_caller]
pub(crate) fn near(got: &Value, want: f64, within: f64) {
    let got = got.as_f64().unwrap_or_else(|| panic!("{got} is no number"));
    assert!(
        (got - want).abs() <= within,
        "{got}, wanted {want} ± {within}"
    );
}

/// A seventeenth service, from the reserve of the catalogue, with these KQIs.
pub(crate) fn weather(kqis: &str) -> String {
    format!(
        "services:\n  - id: weather\n    name: {{zh: 天气预报, en: Weather forecast}}\n    kqis:{kqis}"
    )
}
