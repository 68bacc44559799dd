//! What gets into the history, and what happens when it does not keep up.

use super::*;
use crate::engine::{Command, Engine};
use crate::store::{AUDIT, Filter, Table};
use crate::triggers::{MoveError, TriggerState};

fn snapshot(epoch: u64) -> Snapshot {
    let plan =
        crate::rules::testing::plan("book: {name: t, version: '1', time_zone: Asia/Shanghai}");
    let mut snapshot = Engine::new(plan).snapshot().clone();
    snapshot.epoch = Some(epoch);
    snapshot
}

fn refused(position: u64) -> (JournaledCommand, Effect) {
    let id = "T-000009".to_owned();
    let command = JournaledCommand {
        position,
        at_ms: 7,
        actor: "王工".to_owned(),
        command: Command::MoveTrigger {
            id: id.clone(),
            to: TriggerState::Accepted,
            reason: None,
            kind: None,
            review_at_ms: None,
            remedy: None,
        },
    };
    let result = Box::new(Err(MoveError::Unknown { id }));
    (command, Effect::Answer { position, result })
}

async fn rows(history: &History, table: &Table) -> Vec<serde_json::Map<String, serde_json::Value>> {
    let filter = Filter {
        limit: 1_000,
        ..Filter::default()
    };
    history.read(table, &filter).await.unwrap().rows
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_are_recorded_once_however_often_they_are_decided() {
    let folder = tempfile::tempdir().unwrap();
    for _ in 0..2 {
        let history = History::in_folder(folder.path()).await.unwrap();
        let upto = history.recorded_upto().await.unwrap();
        let (mut recorder, recording) =
            Recorder::start(history.clone(), upto, &HistorySettings::default());
        for epoch in 3..6 {
            let (command, effect) = refused(epoch * 10);
            recorder.take(&[command], &[effect], &snapshot(epoch));
        }
        drop(recorder);
        recording.stop(Duration::from_secs(30)).await;
        let audit = rows(&history, &AUDIT).await;
        assert_eq!(audit.len(), 3);
        assert_eq!(audit[0]["position"], 50);
        assert_eq!(audit[0]["command"]["command"], "move_trigger");
        let words = "there is no trigger \"T-000009\"";
        assert_eq!(audit[0]["outcome"]["refused"], words);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_fit_is_counted_and_the_engine_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    drop(History::in_folder(folder.path()).await.unwrap());
    let file = folder.path().join(History::FILE);
    let read_only = format!("sqlite://{}?mode=ro", file.display());
    let history = History::open(&read_only).await.unwrap();
    let settings = HistorySettings {
        queue_epochs_max: 100,
        ..HistorySettings::default()
    };
    let (mut recorder, recording) = Recorder::start(history, None, &settings);
    let all = 110;
    for epoch in 0..all {
        let (command, effect) = refused(epoch);
        recorder.take(&[command], &[effect], &snapshot(epoch));
    }
    let counts = recording.counts();
    // One may be in the writer's hands already.
    assert!((9..=10).contains(&counts().left_out), "{:?}", counts());
    assert!(counts().waiting_epochs >= 99, "{:?}", counts());
    drop(recorder);
    recording.stop(Duration::from_millis(300)).await;
    let counts = counts();
    assert_eq!((counts.recorded, counts.epoch), (0, -1));
    assert!(counts.failures > 0 && counts.waiting >= 100, "{counts:?}");
}
