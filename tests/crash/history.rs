//! Kill -9 again and again, and the history: every row that an engine decides which nobody killed, from the same journal, and
//! no other.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use reqwest::Client;
use serde_json::{Value, json};

use crate::server::Server;
use crate::{Dice, RULES, decided, now_ms};

const TABLES: [&str; 7] = [
    "alert_transitions",
    "notices",
    "triggers",
    "trigger_moves",
    "feedback",
    "effects",
    "audit",
];

fn set_up(folder: &Path, config: &str) {
    // Few events make an alert.
    let rules = RULES.replace("max: 175", "max: 5");
    std::fs::write(folder.join("rules.yaml"), rules).unwrap();
    std::fs::write(folder.join("config.yaml"), config).unwrap();
}

/// Two minutes in turn busy and calm, in four cities.
fn minute(number: i64, base_ms: i64) -> String {
    let tests = if number / 2 % 2 == 0 { 2 } else { 10 };
    let mut lines = String::new();
    for n in 0..tests * 4 {
        let (city, ts) = (n % 4, base_ms + number * 60_000 + n * 100);
        lines.push_str(&format!(
            "{{\"type\":\"dial_test\",\"ts\":{ts},\"service\":\"sms\",\"city\":\"c{city}\",\"ok\":true}}\n"
        ));
    }
    lines
}

/// Sends minutes, and acknowledges triggers in between, until the engine is dead or has all of them; answers which comes next.
async fn load(url: &str, from: i64, base_ms: i64) -> i64 {
    let client = Client::builder().timeout(Duration::from_secs(10)).build();
    let client = client.unwrap();
    for number in from.. {
        let sent = client.post(format!("{url}/v1/events"));
        let sent = sent.header("Chrysalis-Producer", "crash");
        let sent = sent.header("Chrysalis-Sequence", (number + 1).to_string());
        let sent = sent.body(minute(number, base_ms)).send().await;
        if !sent.is_ok_and(|answer| answer.status().is_success()) {
            return number;
        }
        let id = 1 + number % 7;
        let asked = client.post(format!("{url}/v1/triggers/T-{id:06}/acknowledge"));
        // Refused or not, it is journaled where there is such a trigger.
        if asked.json(&json!({"actor": "w"})).send().await.is_err() {
            return number + 1;
        }
    }
    from
}

/// Every row of every table, by what tells it apart, up to an epoch.
async fn recorded(server: &Server, upto: u64) -> BTreeMap<String, Vec<String>> {
    let mut tables = BTreeMap::new();
    for table in TABLES {
        let mut all = Vec::new();
        for offset in (0..).step_by(1_000) {
            let path = format!("/v1/history/{table}?limit=1000&offset={offset}");
            let answer = server.json(&path).await;
            let rows = answer["rows"].as_array().unwrap();
            all.extend(rows.iter().filter_map(|row| {
                let is_old = row["epoch"].as_u64().unwrap() <= upto;
                is_old.then(|| row.to_string())
            }));
            if rows.len() < 1_000 {
                break;
            }
        }
        all.sort();
        tables.insert(table.to_owned(), all);
    }
    tables
}

/// Waits until no row waits any more, and says which epoch everything is there of.
async fn until_recorded(server: &Server) -> u64 {
    let upto = server.json("/v1/status").await["epoch"].as_u64().unwrap();
    let begun = Instant::now();
    loop {
        let page = reqwest::get(format!("{}/metrics", server.url)).await;
        let page = page.unwrap().text().await.unwrap();
        if page.contains("chrysalis_history_rows_waiting 0\n") {
            return upto;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "rows wait");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_history_has_every_row_that_was_decided() {
    let kills = std::env::var("CRASH_KILLS")
        .ok()
        .and_then(|kills| kills.parse().ok())
        .unwrap_or(12);
    let folder = tempfile::tempdir().unwrap();
    set_up(folder.path(), decided::CONFIG);
    let base_ms = (now_ms() - 25 * 3_600_000) / 60_000 * 60_000;
    let mut dice = Dice(77);
    let (mut next, mut deaths) = (0, 0);
    while deaths < kills || next < 100 {
        deaths += 1;
        let workers = [1, 2, 4][dice.roll(3) as usize];
        let server = Server::start(folder.path(), workers).await;
        let url = server.url.clone();
        let die_at = Instant::now() + Duration::from_millis(50 + dice.roll(800));
        let killer = tokio::spawn(async move {
            tokio::time::sleep_until(die_at.into()).await;
            server.kill();
        });
        next = load(&url, next, base_ms).await;
        killer.await.unwrap();
    }
    let server = Server::start(folder.path(), 2).await;
    let upto = until_recorded(&server).await;
    let have = recorded(&server, upto).await;
    // No epoch is missing either.
    let status: Value = server.json("/v1/status").await;
    assert_eq!(status["checkpoint"]["history_misses_epochs"], 0);
    assert_eq!(server.stop(), Some(0));

    let whole = tempfile::tempdir().unwrap();
    let config = decided::CONFIG.replace("interval_ms: 40", "interval_ms: 3600000");
    set_up(whole.path(), &config);
    decided::copy_journal(&folder.path().join("data/journal"), whole.path());
    let anew = ["--new-ledger", "untold"];
    let server = Server::start_as(whole.path(), 2, &anew, &[]).await;
    until_recorded(&server).await;
    let want = recorded(&server, upto).await;
    for (table, rows) in &want {
        let missing: Vec<_> = rows
            .iter()
            .filter(|row| !have[table].contains(row))
            .collect();
        let beyond = have[table].iter().filter(|row| !rows.contains(row)).count();
        assert!(
            missing.is_empty() && beyond == 0,
            "{table}: {} of {} rows are missing, {beyond} are others: {missing:#?}",
            missing.len(),
            rows.len()
        );
    }
    for table in ["alert_transitions", "notices", "trigger_moves", "audit"] {
        assert!(want[table].len() > 10, "{table}: {}", want[table].len());
    }
    println!(
        "{deaths} kills, {} notices recorded once",
        want["notices"].len()
    );
}
