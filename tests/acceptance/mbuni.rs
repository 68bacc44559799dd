//! Messages that a real MMSC sent over MM7 (`tests/mm7/mbuni`), replayed byte for byte: what is answered, what is
//! counted, and for whom.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::engine::{Engine, HOUR, MINUTE, MONDAY, near};

const HALF_PAST_SEVEN: i64 = MONDAY + 7 * HOUR + 30 * MINUTE;
const RELAYS: &str = "token-of-the-relays";

/// Every report: its file, the number of the handset, and the word that it brings. The versions that the MMSC was
/// configured to begin the names.
const REPORTS: [(&str, &str, &str); 22] = [
    ("5.3.0-retrieved", "13900000001", "Retrieved"),
    ("5.3.0-fetched", "13900000008", "Retrieved"),
    ("5.3.0-expired", "13900000000", "Expired"),
    ("5.3.0-expired-in-mmsc", "13900000009", "Expired"),
    ("5.3.0-rejected", "13900000002", "Rejected"),
    ("5.3.0-rejected-by-mmsc", "61400000000", "Rejected"),
    ("5.3.0-unrecognised", "13900000004", "Unrecognised"),
    ("5.3.0-indeterminate", "13900000005", "Indeterminate"),
    ("5.3.0-deferred", "13900000003", "Deferred"),
    ("5.3.0-forwarded", "13900000006", "Forwarded"),
    // One message twice: not now, and three seconds later yes.
    ("5.3.0-first-deferred", "13900000007", "Deferred"),
    ("5.3.0-then-retrieved", "13900000007", "Retrieved"),
    ("5.3.0-plus-retrieved", "13910000001", "Retrieved"),
    ("5.1.0-retrieved", "13900000301", "Retrieved"),
    ("5.1.0-expired", "13900000300", "Expired"),
    ("5.1.0-plus-expired", "13910000300", "Expired"),
    ("5.6.0-retrieved", "13900000101", "Retrieved"),
    ("5.6.0-rejected", "13900000102", "Rejected"),
    ("6.3.0-basic-retrieved", "13900000401", "Retrieved"),
    ("6.8.0-fetched", "13900000208", "Retrieved"),
    ("6.8.0-expired", "13900000200", "Expired"),
    ("6.8.0-plus-retrieved", "13910000201", "Retrieved"),
];
/// What is no delivery report: its file and its operation. The last two have attachments.
const OTHERS: [(&str, &str); 3] = [
    ("5.3.0-read-reply", "ReadReplyReq"),
    ("5.3.0-deliver", "DeliverReq"),
    ("5.3.0-submit", "SubmitReq"),
];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/mm7/mbuni")
}

fn recorded(file: &str) -> String {
    std::fs::read_to_string(folder().join(format!("{file}.http"))).unwrap()
}

/// The first text between two marks.
fn between<'a>(text: &'a str, from: &str, to: &str) -> &'a str {
    let (_, rest) = text.split_once(from).unwrap();
    rest.split_once(to).unwrap().0
}

fn transaction(message: &str) -> &str {
    let (_, rest) = message.split_once("TransactionID ").unwrap();
    between(rest, ">", "<")
}

/// An engine whose book says how Mbuni writes reports; it names no relay.
async fn engine() -> Engine {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("rules/mms.yaml");
    let shipped = std::fs::read_to_string(shipped).unwrap();
    let book = format!("{shipped}  gateways:\n    - {{relay: \"*\", recipient: sender}}\n");
    Engine::with_rules(&[("mms.yaml", &book)]).await
}

#[test]
fn every_recorded_message_is_replayed() {
    let files = std::fs::read_dir(folder()).unwrap();
    let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    let recorded: BTreeSet<String> = names.filter(|name| name.ends_with(".http")).collect();
    let reports = REPORTS.iter().map(|(file, ..)| file);
    let others = OTHERS.iter().map(|(file, _)| file);
    let replayed = reports.chain(others).map(|file| format!("{file}.http"));
    assert_eq!(recorded, replayed.collect());
}

#[tokio::test(flavor = "multi_thread")]
async fn b4_reports_of_mbuni_are_taken_and_count_for_the_handset() {
    let engine = engine().await;
    let mut submitted = BTreeMap::new();
    // Of a message with two reports the later word is the one that stays.
    let mut ends = BTreeMap::new();
    for (file, number, word) in REPORTS {
        let message = recorded(file);
        let id = between(&message, "MessageID>", "<");
        submitted.insert(number, json!({"type": "mms_submit", "ts": HALF_PAST_SEVEN, "message_id": id, "recipient": number, "service": "mobile_newspaper", "city": "长沙", "edition": "morning"}));
        let is_interim = ["Deferred", "Forwarded"].contains(&word);
        ends.insert(number, if is_interim { "pending" } else { word });
    }
    let submitted: Vec<Value> = submitted.into_values().collect();
    engine.tell(&submitted).await;
    for (file, ..) in REPORTS {
        let message = recorded(file);
        let (status, answer) = engine.replay(message.as_bytes()).await;
        assert_eq!(status, 200, "{file}: {answer}");
        // Read as the MMSC reads it: its transaction, its version, its namespace, and whether it went well.
        assert_eq!(transaction(&answer), transaction(&message), "{file}");
        let release = between(&message, "/schema/", "\"");
        for part in [
            format!("/schema/{release}\"><MM7Version>"),
            format!("<MM7Version>{}</MM7Version>", &file[..5]),
            "<StatusCode>1000</StatusCode>".to_owned(),
        ] {
            assert!(answer.contains(&part), "{file}: no {part} in {answer}");
        }
    }
    let end = MONDAY + 8 * HOUR;
    engine.pass(end).await;
    // Nine retrieved of eighteen: an Indeterminate says nothing, and two are not decided.
    let group = "service=mobile_newspaper;city=长沙";
    let kqi = "mnews_delivery_success_ratio_raw";
    let row = engine.window(kqi, group, end).await;
    near(&row["value"], 50.0, 1e-9);
    assert_eq!(row["count"], 18);
    let path = "/v1/kqis/mnews_failures/contributions";
    let shares = engine.until(path, |answer| answer["total"] == 9).await;
    let mut dimensions = shares["dimensions"].as_array().unwrap().iter();
    let of = dimensions.find(|of| of["dimension"] == "status").unwrap();
    let values = of["values"].as_array().unwrap().iter();
    let counts: Vec<_> = values.map(|of| (&of["value"], &of["count"])).collect();
    let want = json!([["Expired", 5], ["Rejected", 3], ["Unrecognised", 1]]);
    assert_eq!(json!(counts), want);
    // Each is the handset's own; of the services that sent them, which Mbuni writes as recipients, none.
    let path = "/v1/subscribers/messages";
    for (number, end) in ends {
        let asked = json!({"number": number});
        let (_, told) = engine.with_token("", path, Some(asked)).await;
        assert_eq!(told["total"], 1, "{number}: {told:#}");
        assert_eq!(told["messages"][0]["status"], end, "{number}");
    }
    for service in ["111", "10658001", "10658002", "10658003", "10658004"] {
        let asked = json!({"number": service});
        let (_, told) = engine.with_token("", path, Some(asked)).await;
        assert_eq!(told["total"], 0, "{service}: {told:#}");
    }
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_mbuni_sends_beside_reports_is_refused_by_its_name() {
    let engine = engine().await;
    for (file, operation) in OTHERS {
        let message = recorded(file);
        let (status, answer) = engine.replay(message.as_bytes()).await;
        assert_eq!(status, 500, "{file}: {answer}");
        assert_eq!(transaction(&answer), transaction(&message), "{file}");
        assert!(answer.contains("<StatusCode>4003</StatusCode>"), "{answer}");
        let details = between(&answer, "<Details>", "</Details>");
        assert!(details.contains(operation), "{file}: {details}");
    }
    let refused = engine.get("/v1/quarantine").await;
    assert_eq!(refused["total"], OTHERS.len());
    engine.stop().await;
}

/// An MMSC has a URL with a name and a password, and sends them unasked.
#[tokio::test(flavor = "multi_thread")]
async fn the_password_of_the_mmscs_url_is_a_token() {
    let engine = Engine::with(&[], |config| {
        std::fs::create_dir_all(&config.data).unwrap();
        let path = config.data.join("relays.token");
        std::fs::write(&path, RELAYS).unwrap();
        let token = json!({"name": "relays", "token_file": path, "roles": ["producer"]});
        config.access = serde_json::from_value(json!({"tokens": [token]})).unwrap();
    })
    .await;
    let (status, answer) = engine
        .replay(recorded("6.3.0-basic-retrieved").as_bytes())
        .await;
    assert_eq!(status, 200, "{answer}");
    assert!(answer.contains("<StatusCode>1000</StatusCode>"), "{answer}");
    let (status, _) = engine.replay(recorded("5.3.0-retrieved").as_bytes()).await;
    assert_eq!(status, 401);
    engine.stop().await;
}
