//! What is in the ledger after all deaths, and what an engine that nobody killed decides from the same journal.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::server::Server;
use crate::set_up;

/// Everything is kept of the journal, to be decided once more, and no mail is folded into another.
pub(crate) const CONFIG: &str = "
checkpoint: {interval_ms: 40}
journal: {segment_bytes_max: 8192, retention_h: 48}
csv_sink: {}
mail:
  from: Chrysalis <chrysalis@example.com>
  per_recipient_minute_max: 1000000
  backoff_ms_min: 100
  backoff_ms_max: 1000
";

/// The ledger's mails by Message-ID: a group is one, and what it tells has none of its own.
pub(crate) async fn rows(server: &Server) -> BTreeMap<String, Value> {
    let mut rows = BTreeMap::new();
    for offset in (0..).step_by(1_000) {
        let path = format!("/v1/notices?limit=1000&offset={offset}");
        let answer = server.json(&path).await;
        let some = answer["notices"].as_array().unwrap();
        for row in some.iter().filter(|row| row["digest"].is_null()) {
            let id = format!("<{}>", row["message_id"].as_str().unwrap());
            assert!(
                rows.insert(id, row.clone()).is_none(),
                "one Message-ID, two notices"
            );
        }
        if some.len() < 1_000 {
            break;
        }
    }
    rows
}

/// Waits until no notice waits any more.
pub(crate) async fn until_sent(server: &Server) {
    let begun = Instant::now();
    loop {
        let counts = &server.json("/v1/notices?limit=1").await["counts"];
        if counts["queued"] == 0 && counts["sending"] == 0 {
            assert_eq!(counts["dead"], 0, "{counts}");
            return;
        }
        assert!(begun.elapsed() < Duration::from_secs(120), "{counts}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Every file of the CSV sink in a data folder.
pub(crate) fn exported(data: &Path) -> BTreeMap<String, String> {
    let entries = std::fs::read_dir(data.join("alerts")).unwrap();
    let read = |entry: std::io::Result<std::fs::DirEntry>| {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        (name, std::fs::read_to_string(&path).unwrap())
    };
    entries.map(read).collect()
}

/// Copies a journal into the data of a folder that has none.
pub(crate) fn copy_journal(journal: &Path, folder: &Path) {
    std::fs::create_dir(folder.join("data")).unwrap();
    let copied = Command::new("cp")
        .arg("-r")
        .arg(journal)
        .arg(folder.join("data/journal"))
        .status();
    assert!(copied.unwrap().success());
}

/// What an engine decides which nobody disturbs, from the same journal: Message-IDs of its mails, and the files of
/// its CSV sink.
pub(crate) async fn decided(journal: &Path) -> (BTreeSet<String>, BTreeMap<String, String>) {
    let folder = tempfile::tempdir().unwrap();
    set_up(folder.path());
    let config = CONFIG.replace("interval_ms: 40", "interval_ms: 3600000");
    std::fs::write(folder.path().join("config.yaml"), config).unwrap();
    copy_journal(journal, folder.path());
    let anew = ["--new-ledger", "untold"];
    let server = Server::start_as(folder.path(), 2, &anew, &[]).await;
    until_sent(&server).await;
    let mails = rows(&server).await.into_keys().collect();
    (mails, exported(&folder.path().join("data")))
}

/// Every alert of the final state that anybody was told of has its mails: that it fired and, if it did, that it
/// ended. One that fired and ended within one cut is for the record. Returns how many fired, and ended.
pub(crate) fn told_of(
    alerts: &Value,
    rows: &BTreeMap<String, Value>,
    have: &BTreeSet<String>,
) -> (usize, usize) {
    let mailed = |incident: &Value, reason: &str| {
        let mut found = rows.iter();
        found.any(|(id, row)| {
            row["incident"] == *incident && row["reason"] == reason && have.contains(id)
        })
    };
    let (mut fired, mut ended) = (0, 0);
    for alert in alerts["alerts"].as_array().unwrap() {
        let incident = &alert["incident"];
        let (first, resolved) = (mailed(incident, "first"), mailed(incident, "resolved"));
        match alert["state"].as_str().unwrap() {
            "firing" => assert!(first && !resolved, "{alert:#}"),
            "resolved" => assert_eq!(first, resolved, "{alert:#}"),
            other => assert_eq!(other, "pending"),
        }
        fired += usize::from(first);
        ended += usize::from(resolved);
    }
    assert!(fired > 0 && ended > 0, "{alerts:#}");
    (fired, ended)
}
