//! The history on both of its databases: every test here runs on SQLite and on a real PostgreSQL.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test's helpers fail the test; clippy.toml allows that only inside #[test]"
)]

#[path = "history/server.rs"]
mod server;

use chrysalis::store::{
    ALERT_TRANSITIONS, AUDIT, Filter, History, HistoryRow, NOTICES, Page, TRIGGER_MOVES, TRIGGERS,
    Table,
};
use serde_json::json;
use server::Postgres;

/// Runs a test on both databases, each of them empty.
async fn on_both<F: Future<Output = ()>>(test: impl Fn(History) -> F) {
    let folder = tempfile::tempdir().unwrap();
    test(History::in_folder(folder.path()).await.unwrap()).await;
    let server = Postgres::start();
    test(History::open(&server.url()).await.unwrap()).await;
}

fn transition(ordinal: i64, at_ms: i64, alert: &str, value: Option<f64>) -> HistoryRow {
    ALERT_TRANSITIONS.row([
        ("ordinal", ordinal.into()),
        ("at_ms", at_ms.into()),
        ("decided_at_ms", (at_ms + 5).into()),
        ("alert", alert.into()),
        ("object", "city=长沙".into()),
        ("state", "firing".into()),
        ("severity", "major".into()),
        ("reason", "breach".into()),
        ("value", value.into()),
    ])
}

fn trigger(state: &str, document: &str) -> HistoryRow {
    TRIGGERS.row([
        ("id", "T-000001".into()),
        ("at_ms", 7.into()),
        ("state", state.into()),
        ("severity", "major".into()),
        ("kqi", "k".into()),
        ("object", "city=长沙".into()),
        ("department", "NET".into()),
        ("document", document.into()),
    ])
}

async fn all(history: &History, table: &Table) -> Page {
    let filter = Filter {
        limit: 100,
        ..Filter::default()
    };
    history.read(table, &filter).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "starts real servers, which tests/history/install.sh installs"]
async fn what_is_recorded_comes_back_newest_first() {
    on_both(|history| async move {
        assert_eq!(history.recorded_upto().await.unwrap(), None);
        let rows = [
            transition(0, 10, "a", Some(94.5)),
            transition(1, 20, "b", None),
        ];
        assert!(history.record(3, &rows).await.unwrap());
        assert_eq!(history.recorded_upto().await.unwrap(), Some(3));
        let page = all(&history, &ALERT_TRANSITIONS).await;
        let found: Vec<_> = page
            .rows
            .iter()
            .map(|row| (&row["at_ms"], &row["value"]))
            .collect();
        assert_eq!(
            found,
            [(&json!(20), &json!(null)), (&json!(10), &json!(94.5))]
        );
        assert_eq!(page.rows[1]["object"], "city=长沙");
        assert_eq!(page.rows[1]["epoch"], 3);
        // PostgreSQL keeps no NUL: a text that has one must not end the history.
        let row = transition(2, 30, "c\0d", None);
        assert!(history.record(4, &[row]).await.unwrap());
        let page = all(&history, &ALERT_TRANSITIONS).await;
        assert_eq!(page.rows[0]["alert"], "c\u{fffd}d");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "starts real servers, which tests/history/install.sh installs"]
async fn an_epoch_is_recorded_once() {
    on_both(|history| async move {
        assert!(
            history
                .record(3, &[transition(0, 10, "a", None)])
                .await
                .unwrap()
        );
        for epoch in [3, 2] {
            assert!(
                !history
                    .record(epoch, &[transition(0, 99, "z", None)])
                    .await
                    .unwrap()
            );
        }
        assert_eq!(all(&history, &ALERT_TRANSITIONS).await.rows.len(), 1);
        // Nothing to say is progress all the same.
        assert!(history.record(4, &[]).await.unwrap());
        assert_eq!(history.recorded_upto().await.unwrap(), Some(4));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "starts real servers, which tests/history/install.sh installs"]
async fn a_trigger_is_as_it_is_now_and_its_moves_stay() {
    on_both(|history| async move {
        let moved = |ordinal: i64, to: &str| {
            TRIGGER_MOVES.row([
                ("trigger_id", "T-000001".into()),
                ("ordinal", ordinal.into()),
                ("at_ms", (10 + ordinal).into()),
                ("to_state", to.into()),
                ("actor", "王工".into()),
            ])
        };
        let first = [trigger("detected", "{\"a\":1}"), moved(0, "detected")];
        history.record(1, &first).await.unwrap();
        let second = [
            trigger("accepted", "{\"a\":2}"),
            moved(0, "forged"),
            moved(1, "accepted"),
        ];
        history.record(2, &second).await.unwrap();
        let triggers = all(&history, &TRIGGERS).await.rows;
        assert_eq!(triggers.len(), 1);
        assert_eq!(
            (&triggers[0]["state"], &triggers[0]["document"]),
            (&json!("accepted"), &json!({"a": 2}))
        );
        assert_eq!(triggers[0]["service"], json!(null));
        let moves = all(&history, &TRIGGER_MOVES).await.rows;
        let states: Vec<_> = moves.iter().map(|row| &row["to_state"]).collect();
        assert_eq!(states, ["accepted", "detected"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "starts real servers, which tests/history/install.sh installs"]
async fn pages_and_filters() {
    on_both(|history| async move {
        let rows: Vec<HistoryRow> = (0..2_500)
            .map(|at| {
                transition(
                    at,
                    at,
                    if at % 2 == 0 { "even" } else { "odd" },
                    Some(at as f64),
                )
            })
            .collect();
        history.record(1, &rows).await.unwrap();
        let alert = ALERT_TRANSITIONS.column("alert").unwrap();
        let mut filter = Filter {
            from_ms: Some(100),
            to_ms: Some(200),
            equals: vec![(alert, "odd".into())],
            limit: 30,
            offset: 0,
        };
        let page = history.read(&ALERT_TRANSITIONS, &filter).await.unwrap();
        assert_eq!(
            (page.rows.len(), page.has_more, &page.rows[0]["at_ms"]),
            (30, true, &json!(199))
        );
        filter.offset = 30;
        let page = history.read(&ALERT_TRANSITIONS, &filter).await.unwrap();
        assert_eq!(
            (page.rows.len(), page.has_more, &page.rows[19]["at_ms"]),
            (20, false, &json!(101))
        );
        filter.equals = vec![(alert, "o'dd\"; DROP TABLE audit".into())];
        assert!(
            history
                .read(&ALERT_TRANSITIONS, &filter)
                .await
                .unwrap()
                .rows
                .is_empty()
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "starts real servers, which tests/history/install.sh installs"]
async fn every_table_takes_a_row() {
    on_both(|history| async move {
        for (epoch, table) in (1..).zip(chrysalis::store::TABLES) {
            let mut row = table.row([]);
            for (column, value) in table.columns.iter().zip(&mut row.values) {
                *value = match column.kind {
                    chrysalis::store::ColumnKind::Integer => 1.into(),
                    chrysalis::store::ColumnKind::Real => 0.5.into(),
                    _ => "x".into(),
                };
            }
            history.record(epoch, &[row]).await.unwrap();
            assert_eq!(all(&history, table).await.rows.len(), 1, "{}", table.name);
        }
        assert!(all(&history, &AUDIT).await.rows[0].contains_key("outcome"));
        assert!(all(&history, &NOTICES).await.rows[0].contains_key("recipient"));
    })
    .await;
}

/// A server that goes away fails the epoch whole, and takes it once it is back.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "starts real servers, which tests/history/install.sh installs"]
async fn a_server_that_dies_loses_nothing() {
    let server = Postgres::start();
    let history = History::open(&server.url()).await.unwrap();
    history
        .record(1, &[transition(0, 1, "a", None)])
        .await
        .unwrap();
    server.down();
    let failed = history
        .record(2, &[transition(0, 2, "b", None)])
        .await
        .unwrap_err();
    assert!(
        failed.to_string().starts_with("cannot write the history"),
        "{failed}"
    );
    server.up();
    assert!(
        history
            .record(2, &[transition(0, 2, "b", None)])
            .await
            .unwrap()
    );
    assert_eq!(all(&history, &ALERT_TRANSITIONS).await.rows.len(), 2);
    let refused = History::open("postgres://u:secret@127.0.0.1:1/x")
        .await
        .unwrap_err();
    assert!(
        refused
            .to_string()
            .contains("postgres://u:***@127.0.0.1:1/x"),
        "{refused}"
    );
    assert!(!format!("{refused:?}").contains("secret"), "{refused:?}");
}
