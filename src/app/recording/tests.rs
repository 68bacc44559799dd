//! What gets into the history, and what happens when it does not keep up.

use std::path::Path;

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

fn found(recorded_upto: Option<u64>, epochs: u64) -> Found {
    Found {
        recorded_upto,
        triggers: Arc::default(),
        epochs,
    }
}

fn live() -> Lifecycle {
    Lifecycle::Ready
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

/// A history that can be read and not written, so that whatever is recorded waits.
async fn read_only(folder: &Path) -> History {
    drop(History::in_folder(folder).await.unwrap());
    let file = folder.join(History::FILE);
    let address = format!("sqlite://{}?mode=ro", file.display());
    History::open(&address).await.unwrap()
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
            Recorder::start(history.clone(), found(upto, 9), &HistorySettings::default());
        for epoch in 3..6 {
            let (command, effect) = refused(epoch * 10);
            recorder.take(&[command], &[effect], &snapshot(epoch), live);
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
async fn a_history_that_knows_more_than_the_journal_takes_nothing_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let history = History::in_folder(folder.path()).await.unwrap();
    assert!(history.record(8, &[]).await.unwrap());
    // It did not answer at the start, where it would have been refused.
    let (mut recorder, recording) =
        Recorder::start(history.clone(), found(None, 8), &HistorySettings::default());
    for epoch in 8..11 {
        let (command, effect) = refused(epoch * 10);
        recorder.take(&[command], &[effect], &snapshot(epoch), live);
    }
    drop(recorder);
    let counts = recording.counts();
    recording.stop(Duration::from_secs(30)).await;
    assert_eq!(rows(&history, &AUDIT).await.len(), 0);
    let counts = counts();
    assert_eq!(
        (counts.recorded, counts.left_out, counts.waiting),
        (0, 3, 0)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_fit_is_counted_and_the_engine_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let history = read_only(folder.path()).await;
    let settings = HistorySettings {
        queue_epochs_max: 100,
        ..HistorySettings::default()
    };
    let (mut recorder, recording) = Recorder::start(history, found(None, 9), &settings);
    let all = 110;
    for epoch in 0..all {
        let (command, effect) = refused(epoch);
        recorder.take(&[command], &[effect], &snapshot(epoch), live);
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

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_wait_are_bounded_but_one_epoch_always_fits() {
    let folder = tempfile::tempdir().unwrap();
    let history = read_only(folder.path()).await;
    let settings = HistorySettings {
        queue_rows_max: 5,
        ..HistorySettings::default()
    };
    let (mut recorder, recording) = Recorder::start(history, found(None, 9), &settings);
    let counts = recording.counts();
    let mut take = |epoch: u64, rows: u64| {
        let (commands, effects): (Vec<_>, Vec<_>) =
            (0..rows).map(|row| refused(epoch * 100 + row)).unzip();
        recorder.take(&commands, &effects, &snapshot(epoch), live);
        let counts = counts();
        (counts.waiting, counts.left_out, counts.left_out_by_rows)
    };
    // Where nothing waits an epoch of any size is taken: else it never would be.
    assert_eq!(take(1, 7), (7, 0, 0));
    assert_eq!(take(2, 1), (7, 1, 1));
    drop(recorder);
    // And what waited when it ended is told.
    assert_eq!(recording.stop(Duration::from_millis(300)).await, 7);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_ends_records_nothing_behind_a_gap() {
    let folder = tempfile::tempdir().unwrap();
    let history = History::in_folder(folder.path()).await.unwrap();
    let settings = HistorySettings {
        queue_epochs_max: 1,
        ..HistorySettings::default()
    };
    let (mut recorder, recording) = Recorder::start(history.clone(), found(None, 99), &settings);
    let counts = recording.counts();
    let (mut epoch, mut mark) = (0, Mark(Some(0)));
    while mark != Mark(None) {
        epoch += 1;
        let (command, effect) = refused(epoch);
        recorder.take(&[command], &[effect], &snapshot(epoch), || {
            Lifecycle::Stopping
        });
        mark = recorder.mark(epoch);
    }
    // It has room again, and quiet epochs come, too.
    while recorder.backlog().done() < recorder.sent {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let (command, effect) = refused(epoch + 2);
    let stops = || Lifecycle::Stopping;
    recorder.take(&[], &[], &snapshot(epoch + 1), stops);
    recorder.take(&[command], &[effect], &snapshot(epoch + 2), stops);
    assert_eq!(recorder.mark(epoch + 2), Mark(None));
    drop(recorder);
    // Those two wait for the next start, and the history does not seem to have them.
    assert_eq!(recording.stop(Duration::from_secs(30)).await, 2);
    assert_eq!(counts().left_out, 0);
    assert_eq!(history.recorded_upto().await.unwrap(), Some(epoch - 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_reads_the_journal_back_waits_for_room() {
    for lifecycle in [Lifecycle::Starting { percent: 1 }, Lifecycle::Ready] {
        let folder = tempfile::tempdir().unwrap();
        let history = History::in_folder(folder.path()).await.unwrap();
        let settings = HistorySettings {
            queue_epochs_max: 1,
            ..HistorySettings::default()
        };
        let (mut recorder, recording) =
            Recorder::start(history.clone(), found(None, 99), &settings);
        let counts = recording.counts();
        let taking = move || {
            for epoch in 0..40 {
                let (command, effect) = refused(epoch);
                recorder.take(&[command], &[effect], &snapshot(epoch), || lifecycle);
            }
        };
        tokio::task::spawn_blocking(taking).await.unwrap();
        assert_eq!(recording.stop(Duration::from_secs(30)).await, 0);
        let left_out = counts().left_out;
        assert_eq!(left_out == 0, lifecycle != Lifecycle::Ready, "{left_out}");
        let audit = rows(&history, &AUDIT).await.len() as u64;
        assert_eq!(audit + left_out, 40);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mark_is_taken_when_all_before_it_is_recorded_and_not_before() {
    let folder = tempfile::tempdir().unwrap();
    let history = History::in_folder(folder.path()).await.unwrap();
    let settings = HistorySettings::default();
    let (mut recorder, recording) = Recorder::start(history.clone(), found(None, 99), &settings);
    let (command, effect) = refused(3);
    recorder.take(&[command], &[effect], &snapshot(3), live);
    let (mark, backlog) = (recorder.mark(5), recorder.backlog());
    let asking = move || backlog.has_taken(mark, Duration::from_secs(30), || false);
    assert!(tokio::task::spawn_blocking(asking).await.unwrap());
    assert_eq!(history.recorded_upto().await.unwrap(), Some(5));
    drop(recorder);
    recording.stop(Duration::from_secs(30)).await;

    // One that cannot be written has it only where there is nothing to write.
    let read_only = format!(
        "sqlite://{}?mode=ro",
        folder.path().join(History::FILE).display()
    );
    let history = History::open(&read_only).await.unwrap();
    let (mut recorder, recording) = Recorder::start(history, found(Some(5), 99), &settings);
    let ask = |recorder: &mut Recorder, epoch| {
        let (mark, backlog) = (recorder.mark(epoch), recorder.backlog());
        let asking = move || backlog.has_taken(mark, Duration::from_millis(200), || false);
        tokio::task::spawn_blocking(asking)
    };
    assert!(ask(&mut recorder, 6).await.unwrap());
    let (command, effect) = refused(7);
    recorder.take(&[command], &[effect], &snapshot(7), live);
    assert!(!ask(&mut recorder, 7).await.unwrap());
    // However many there are, no more of them wait than two, beside the epoch.
    let marks: Vec<Mark> = (8..20).map(|epoch| recorder.mark(epoch)).collect();
    assert!(marks.iter().all(|mark| *mark == Mark(Some(3))), "{marks:?}");
    // An engine that ends gives it up.
    let (mark, backlog) = (recorder.mark(10), recorder.backlog());
    let asking = move || backlog.has_taken(mark, Duration::ZERO, || true);
    let asked = tokio::task::spawn_blocking(asking);
    drop(recorder);
    assert_eq!(recording.stop(Duration::from_millis(300)).await, 1);
    assert!(!asked.await.unwrap());
}
