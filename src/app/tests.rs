//! Starts that fail, and what they leave behind.

use std::path::Path;

use super::*;
use crate::alerting::AlertState;
use crate::store::{Ledger, testing};

fn config(folder: &Path) -> Config {
    let mut config = Config {
        data: folder.to_owned(),
        listen: "127.0.0.1:0".to_owned(),
        workers: 1,
        ..Config::default()
    };
    config.history.url = testing::history_url(folder);
    config
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_that_fails_leaves_nothing_running() {
    let folder = tempfile::tempdir().unwrap();
    let mut failing = config(folder.path());
    let smtp = "{host: localhost, username: u, password_file: /no/such/password}";
    failing.mail.smtp = serde_saphyr::from_str(smtp).unwrap();
    let failed = App::start(failing, RuleSource::Shipped).await;
    let words = format!("{:#}", failed.err().unwrap());
    assert!(words.contains("/no/such/password"), "{words}");
    // The lock of the journal is free at once.
    let app = App::start(config(folder.path()), RuleSource::Shipped);
    app.await.unwrap().shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_are_read_again_over_http_and_a_bad_book_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let rules = folder.path().join("book.yaml");
    let book = |version: &str, more: &str| {
        format!("book: {{name: t, version: '{version}', time_zone: Asia/Shanghai{more}}}\n")
    };
    std::fs::write(&rules, book("1", "")).unwrap();
    let source = RuleSource::Path(rules.clone());
    let app = App::start(config(folder.path()), source).await.unwrap();
    let url = format!("http://{}/v1/rules/reload", app.address);
    let client = reqwest::Client::new();
    let reload = || async {
        let answer = client.post(&url).send().await.unwrap();
        let status = answer.status().as_u16();
        let json: serde_json::Value = answer.json().await.unwrap();
        (status, json)
    };
    std::fs::write(&rules, book("2", "")).unwrap();
    let (status, json) = reload().await;
    assert_eq!(
        (status, &json["name"], &json["version"]),
        (200, &"t".into(), &"2".into())
    );
    std::fs::write(&rules, book("3", ", pnae: 1m")).unwrap();
    let (status, json) = reload().await;
    assert_eq!((status, &json["error"]["code"]), (422, &"bad_rules".into()));
    let words = "the rule book has 1 problem, the one in force stays";
    assert_eq!(json["error"]["message"], words);
    let problem = json["error"]["problems"][0].as_str().unwrap();
    let wanted = "book.yaml:1:57: unknown field \"pnae\", did you mean \"pane\"?";
    assert!(problem.ends_with(wanted), "{problem}");
    std::fs::remove_file(&rules).unwrap();
    let (status, json) = reload().await;
    assert_eq!(status, 422);
    let problem = json["error"]["problems"][0].as_str().unwrap();
    assert!(
        problem.contains("book.yaml") && problem.contains("cannot be read"),
        "{problem}"
    );
    let deadline = Instant::now() + Duration::from_secs(10);
    while app.snapshot.load().plan.book.version != "2" {
        assert!(Instant::now() < deadline);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    app.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_small_queue_goes_with_a_small_record() {
    let folder = tempfile::tempdir().unwrap();
    let mut small = config(folder.path());
    small.journal.queue_bytes_max = 8 << 20;
    let refused = App::start(small.clone(), RuleSource::Shipped).await;
    let words = format!("{:#}", refused.err().unwrap());
    assert!(words.contains("at least twice record_bytes_max"), "{words}");
    small.journal.record_bytes_max = 4 << 20;
    let app = App::start(small, RuleSource::Shipped).await.unwrap();
    app.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_book_that_is_no_record_ends_the_start_in_words() {
    let folder = tempfile::tempdir().unwrap();
    let mut small = config(folder.path());
    small.journal.record_bytes_max = 1;
    let refused = App::start(small, RuleSource::Shipped).await;
    let words = format!("{:#}", refused.err().unwrap());
    assert!(words.starts_with("the rule book takes "), "{words}");
    assert!(words.ends_with("journal.record_bytes_max is 1"), "{words}");
    // Nothing is left running, and a start that takes it goes on.
    let app = App::start(config(folder.path()), RuleSource::Shipped);
    app.await.unwrap().shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_history_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let app = App::start(config(folder.path()), RuleSource::Shipped);
    app.await.unwrap().shutdown().await.unwrap();
    let history = testing::history(folder.path()).await;
    history.record(1_000_000, &[]).await.unwrap();
    let refused = App::start(config(folder.path()), RuleSource::Shipped).await;
    let words = format!("{:#}", refused.err().unwrap());
    let place = match testing::history_url(folder.path()) {
        Some(_) => "the history at `history.url`",
        None => History::FILE,
    };
    let wanted = format!("{place} knows what was decided up to epoch 1000000, but the journal");
    assert!(words.contains(&wanted), "{words}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_that_does_not_open_is_told_once_with_advice() {
    let folder = tempfile::tempdir().unwrap();
    let before = tempfile::tempdir().unwrap();
    let app = App::start(config(before.path()), RuleSource::Shipped);
    app.await.unwrap().shutdown().await.unwrap();
    std::fs::rename(before.path().join("journal"), folder.path().join("journal")).unwrap();
    let file = folder.path().join(Ledger::FILE);
    std::fs::write(&file, "this was a database once, and is none any more").unwrap();
    let refused = App::start(config(folder.path()), RuleSource::Shipped).await;
    let words = format!("{:#}", refused.err().unwrap());
    let path = file.display().to_string();
    assert_eq!(
        words.matches("file is not a database").count(),
        1,
        "{words}"
    );
    assert_eq!(words.matches(&path).count(), 1, "{words}");
    assert!(
        words.contains("`chrysalis serve --new-ledger told`"),
        "{words}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_history_that_is_away_stops_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let mut away = config(folder.path());
    away.shutdown_deadline_s = 1;
    away.history.url = Some("postgres://u:secret@127.0.0.1:1/x".to_owned());
    let app = App::start(away, RuleSource::Shipped).await.unwrap();
    let url = format!("http://{}/v1/history/audit", app.address);
    let answer = reqwest::get(&url).await.unwrap();
    assert_eq!(answer.status().as_u16(), 503);
    app.shutdown().await.unwrap();
    // A file that is no database.
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("other.sqlite"), "no database").unwrap();
    let mut garbage = config(folder.path());
    garbage.shutdown_deadline_s = 1;
    let file = folder.path().join("other.sqlite");
    garbage.history.url = Some(format!("sqlite://{}", file.display()));
    let app = App::start(garbage, RuleSource::Shipped).await.unwrap();
    app.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_lost_its_journal_is_not_begun_anew() {
    let folder = tempfile::tempdir().unwrap();
    let start = || App::start(config(folder.path()), RuleSource::Shipped);
    start().await.unwrap().shutdown().await.unwrap();
    start().await.unwrap().shutdown().await.unwrap();
    std::fs::remove_dir_all(folder.path().join("journal")).unwrap();
    std::fs::remove_dir_all(folder.path().join("checkpoints")).unwrap();
    let words = format!("{:#}", start().await.err().unwrap());
    assert!(
        words.contains("has a ledger.sqlite, but no journal"),
        "{words}"
    );
    assert!(!folder.path().join("journal").exists());
}

/// Times and sizes of files: they bound nothing that fills up, and refuse nothing.
const NO_POLICY: [&str; 3] = [
    "journal.segment_bytes_max",
    "mail.backoff_ms_max",
    "mail.backoff_ms_min",
];
/// Limits of one thing: nothing of it fills up.
const OF_ONE: [&str; 33] = [
    "http.access_addresses_max",
    "http.body_bytes_max",
    "http.clock_ahead_ms_max",
    "http.clock_skew_ms_max",
    "http.connections_per_peer_max",
    "http.line_bytes_max",
    "http.lines_max",
    "http.plain_bytes_max",
    "http.text_bytes_max",
    "http.window_rows_max",
    "journal.record_bytes_max",
    "journal.sequences_max",
    "limits.base_readings_max",
    "limits.blind_sources_max",
    "limits.connection_changes_max",
    "limits.crossing_named_max",
    "limits.delivery_parts_max",
    "limits.effect_kqis_max",
    "limits.effects_max",
    "limits.message_receipts_max",
    "limits.message_records_max",
    "limits.pair_holds_max",
    "limits.report_periods_max",
    "limits.report_rows_max",
    "limits.ticket_versions_max",
    "limits.trigger_explanations_max",
    "limits.trigger_moves_max",
    "limits.trigger_sources_max",
    "limits.trigger_tickets_max",
    "limits.trigger_told_max",
    "limits.trigger_windows_max",
    "limits.withdrawn_episodes_max",
    "mail.attempts_max",
];

#[tokio::test(flavor = "multi_thread")]
async fn every_limit_of_the_configuration_has_its_series() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = config(folder.path());
    config.http.lines_max = 2;
    config.csv_sink = Some(crate::config::CsvSinkSettings::default());
    config.limits.ticket_versions_max = 2;
    let bounds = config.bounds();
    assert!(bounds.len() > 20, "{bounds:?}");
    let app = App::start(config, RuleSource::Shipped).await.unwrap();
    let url = format!("http://{}", app.address);
    let client = reqwest::Client::new();
    let sent = client.post(format!("{url}/v1/events")).body("{}\n{}\n{}\n");
    assert_eq!(sent.send().await.unwrap().status().as_u16(), 413);
    let page = client.get(format!("{url}/metrics")).send().await.unwrap();
    let page = page.text().await.unwrap();
    let value = |family: &str, limit: &str| {
        let series = format!("chrysalis_limit_{family}{{limit=\"{limit}\"}} ");
        let line = page.lines().find_map(|line| line.strip_prefix(&series));
        line.map(|value| value.parse::<f64>().unwrap())
    };
    for (limit, bound) in &bounds {
        let limit = limit.as_str();
        if NO_POLICY.contains(&limit) {
            assert_eq!(value("over_total", limit), None, "{limit}");
            continue;
        }
        assert_eq!(value("max", limit), Some(*bound as f64), "{limit}");
        assert!(value("over_total", limit).is_some(), "{limit}");
        let has_held = value("held", limit).is_some();
        assert_eq!(has_held, !OF_ONE.contains(&limit), "{limit}");
    }
    assert_eq!(value("over_total", "http.lines_max"), Some(1.0));
    assert_eq!(value("over_total", "limits.ticket_versions_max"), Some(0.0));
    app.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_one_producers_tickets_leaves_room_for_anothers() {
    let folder = tempfile::tempdir().unwrap();
    let rules = folder.path().join("book.yaml");
    let book = "book: {name: t, version: '1', time_zone: Asia/Shanghai, any_service: true}\n\
                streams: {complaint: {allowed_lateness: 0s, idle_timeout: 1h, retention: 26h}}\n";
    std::fs::write(&rules, book).unwrap();
    let mut config = config(folder.path());
    config.limits.entities_max = 90;
    let source = RuleSource::Path(rules.clone());
    let app = App::start(config.clone(), source).await.unwrap();
    let ts = now_ms();
    let client = reqwest::Client::new();
    let send = async |app: &App, producer: &str, sequence: u64, serials: std::ops::Range<u64>| {
        let line = |n: u64| serde_json::json!({"type": "complaint", "ts": ts, "serial": format!("{producer}-{n:04}"), "state": "filed", "path": "a/b", "service": "s", "city": "c"});
        let lines: String = serials.map(|n| format!("{}\n", line(n))).collect();
        let url = format!("http://{}/v1/events", app.address);
        let sent = client.post(url).header("chrysalis-producer", producer);
        let sent = sent
            .header("chrysalis-sequence", sequence)
            .body(lines)
            .send();
        assert_eq!(sent.await.unwrap().status().as_u16(), 200);
    };
    let value = async |app: &App, series: &str| {
        let page = client.get(format!("http://{}/metrics", app.address));
        let page = page.send().await.unwrap().text().await.unwrap();
        let series = format!("chrysalis_{series} ");
        let line = page.lines().find_map(|line| line.strip_prefix(&series));
        line.unwrap().parse::<u64>().unwrap()
    };
    let until = async |app: &App, series: &str, wanted: u64| {
        let begun = Instant::now();
        while value(app, series).await != wanted {
            let is = value(app, series).await;
            assert!(begun.elapsed() < Duration::from_secs(20), "{series}: {is}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let (held, over) = (
        "dataflow_held{kind=\"entities\"}",
        "dataflow_entities_over_share_total",
    );
    send(&app, "hostile", 1, 0..400).await;
    // Eight ninths.
    until(&app, held, 80).await;
    assert_eq!(value(&app, over).await, 320);
    send(&app, "other", 1, 0..5).await;
    until(&app, held, 85).await;
    // Somebody without a name speaks of the flood's tickets: they stay in its share.
    let again = |n: u64| serde_json::json!({"type": "complaint", "ts": ts + 1, "serial": format!("hostile-{n:04}"), "state": "confirmed"});
    let lines: String = (0..80).map(|n| format!("{}\n", again(n))).collect();
    let url = format!("http://{}/v1/events", app.address);
    let sent = client.post(url).body(lines).send().await.unwrap();
    assert_eq!(sent.status().as_u16(), 200);
    // What is known goes on, and what is new of the flood is refused.
    send(&app, "hostile", 2, 60..90).await;
    let is_known = "limit_over_total{limit=\"limits.entities_max\"}";
    until(&app, over, 330).await;
    assert_eq!(value(&app, is_known).await, 330);
    assert_eq!(value(&app, "dataflow_entities_refused_total").await, 0);
    // The same journal, the same decisions: from a checkpoint, and from its beginning.
    app.shutdown().await.unwrap();
    for everything in [false, true] {
        config.replay_everything = everything;
        let source = RuleSource::Path(rules.clone());
        let app = App::start(config.clone(), source).await.unwrap();
        until(&app, held, 85).await;
        send(&app, "hostile", 3 + u64::from(everything), 100..110).await;
        let before = if everything { 340 } else { 0 };
        until(&app, over, before + 10).await;
        assert_eq!(value(&app, held).await, 85);
        app.shutdown().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_rule_file_does_not_keep_an_engine_down_that_has_a_book() {
    let folder = tempfile::tempdir().unwrap();
    let rules = folder.path().join("book.yaml");
    let book = |version: &str, more: &str| {
        format!("book: {{name: t, version: '{version}', time_zone: Asia/Shanghai{more}}}\n")
    };
    let start = || App::start(config(folder.path()), RuleSource::Path(rules.clone()));
    // The first start has nothing else to go by.
    std::fs::write(&rules, book("1", ", pnae: 1m")).unwrap();
    let refused = format!("{:#}", start().await.err().unwrap());
    assert!(refused.contains("unknown field \"pnae\""), "{refused}");
    std::fs::write(&rules, book("1", "")).unwrap();
    start().await.unwrap().shutdown().await.unwrap();
    let fires = |app: &App| {
        let snapshot = app.snapshot.load();
        let mut alerts = snapshot.alerts.iter();
        alerts.any(|alert| alert.alert == "rules_refused" && alert.state == AlertState::Firing)
    };
    let until = async |app: &App, what: &dyn Fn(&App) -> bool| {
        let deadline = Instant::now() + Duration::from_secs(60);
        while !what(app) {
            assert!(Instant::now() < deadline);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    // From a checkpoint, and, without one, from the journal's beginning.
    for has_checkpoint in [true, false] {
        std::fs::write(&rules, book("2", ", pnae: 1m")).unwrap();
        if !has_checkpoint {
            let data = config(folder.path()).data;
            std::fs::remove_dir_all(data.join("checkpoints")).unwrap();
        }
        let app = start().await.unwrap();
        until(&app, &fires).await;
        assert_eq!(app.snapshot.load().plan.book.version, "1");
        if has_checkpoint {
            // Mended, it is over.
            std::fs::write(&rules, book("1", "")).unwrap();
            app.reload().await.unwrap();
            until(&app, &|app| !fires(app)).await;
        }
        app.shutdown().await.unwrap();
    }
}
