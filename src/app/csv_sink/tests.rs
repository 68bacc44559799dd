use super::*;
use crate::alerting::{Alert, AlertState, TransitionReason};
use crate::rules::testing::{MINIMAL, plan};
use crate::rules::{Severity, Text};

const DAY_MS: i64 = 86_400_000;
/// Ten in the morning in Shanghai.
const MORNING: i64 = 1_772_416_800_000;

fn settings(folder: &Path) -> CsvSinkSettings {
    CsvSinkSettings {
        folder: Some(folder.to_owned()),
        ..CsvSinkSettings::default()
    }
}

fn open(settings: &CsvSinkSettings) -> CsvSink {
    CsvSink::open(Some(settings), Path::new("/nowhere"), u64::MAX).unwrap()
}

fn transition(object: &str) -> Effect {
    Effect::Transition(Transition {
        alert: "slow".to_owned(),
        group: object.to_owned(),
        severity: Severity::Major,
        state: AlertState::Firing,
        at_ms: MORNING - 1_000,
        value: Some(12.5),
        reason: TransitionReason::Breach,
    })
}

/// Epoch `epoch`, a quarter of a day after the one before, with as many transitions as its number.
fn tell(sink: &mut CsvSink, epoch: u64) {
    let mut snapshot = crate::engine::Engine::new(plan(MINIMAL)).snapshot().clone();
    snapshot.epoch = Some(epoch);
    snapshot.now_ms = MORNING + epoch as i64 * DAY_MS / 4;
    let effects: Vec<Effect> = (0..epoch)
        .map(|n| transition(&format!("city=c{n}")))
        .collect();
    sink.take(&effects, &snapshot);
}

/// Every file, by name.
fn all(folder: &Path) -> Vec<(String, String)> {
    let names = list(folder).unwrap();
    let text = |name: &Name| fs::read_to_string(folder.join(name.file())).unwrap();
    names.iter().map(|name| (name.file(), text(name))).collect()
}

#[test]
fn rows_are_in_the_file_of_their_day() {
    let folder = tempfile::tempdir().unwrap();
    let mut sink = open(&settings(folder.path()));
    for epoch in 0..4 {
        tell(&mut sink, epoch);
    }
    let files = all(folder.path());
    let names: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        ["alerts-2026-03-02-001.csv", "alerts-2026-03-03-001.csv"]
    );
    assert_eq!(
        files[0].1,
        "id,decided_at,at,alert,object,state,severity,reason,value,unit,limit_min,limit_max,limit_source,rules\r\n\
         1-0,2026-03-02T16:00:00.000+08:00,2026-03-02T09:59:59.000+08:00,slow,city=c0,firing,major,breach,12.5,,,,,test 1\r\n\
         2-0,2026-03-02T22:00:00.000+08:00,2026-03-02T09:59:59.000+08:00,slow,city=c0,firing,major,breach,12.5,,,,,test 1\r\n\
         2-1,2026-03-02T22:00:00.000+08:00,2026-03-02T09:59:59.000+08:00,slow,city=c1,firing,major,breach,12.5,,,,,test 1\r\n"
    );
    assert_eq!(files[1].1.lines().count(), 4);
}

/// A book whose KQI has a limit, and a source of it.
const LIMITED: &str = "
book: {name: test, version: '1', time_zone: Asia/Shanghai, any_service: true}
departments:
  - id: NET
    name: {zh: 网络部, en: Network}
    roles:
      - {id: duty, name: {zh: 值班, en: Duty}, contacts: [{name: A, email: a@example.com, language: en}]}
kqis:
  - {id: slow, name: Slow, layer: network, stream: dial_test, aggregate: ratio, good: ok, unit: percent, group_by: [city], window: 1m, department: NET, interval: {min: 95.5}, provenance: [{of: limit, kind: standard, reference: 'MIIT, 2009'}]}
alert_policies:
  default: {for: 0s, keep_firing_for: 1m, severity: major, missing: hold}
";

#[test]
fn a_row_tells_what_its_value_is_held_against_and_who_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let mut sink = open(&settings(folder.path()));
    let mut snapshot = crate::engine::Engine::new(plan(LIMITED)).snapshot().clone();
    snapshot.epoch = Some(0);
    snapshot.now_ms = MORNING;
    sink.take(&[transition("city=c")], &snapshot);
    let text = &all(folder.path())[0].1;
    let row = text.lines().nth(1).unwrap();
    let told = ",slow,city=c,firing,major,breach,12.5,%,95.5,,\"standard: MIIT, 2009\",test 1";
    assert!(row.ends_with(told), "{row}");
}

#[test]
fn a_file_of_fewer_columns_is_kept_and_the_next_row_begins_another() {
    let folder = tempfile::tempdir().unwrap();
    let before = "id,decided_at,at,alert,object,state,severity,reason,value\r\n\
         2.0,2026-03-02T22:00:00.000+08:00,2026-03-02T09:59:59.000+08:00,slow,city=c0,firing,major,breach,12.5\r\n";
    let first = folder.path().join("alerts-2026-03-02-001.csv");
    fs::write(&first, before).unwrap();
    // Twice: the second time the newest file has today's columns.
    for _ in 0..2 {
        let mut sink = open(&settings(folder.path()));
        // Its row is not told again, and the one after it in another file of the same day.
        tell(&mut sink, 2);
    }
    let files = all(folder.path());
    assert_eq!(files.len(), 2, "{files:?}");
    assert_eq!(
        files[0],
        ("alerts-2026-03-02-001.csv".to_owned(), before.to_owned())
    );
    assert_eq!(files[1].0, "alerts-2026-03-02-002.csv");
    let rows: Vec<&str> = files[1].1.lines().collect();
    assert!(
        rows.len() == 2 && rows[0].ends_with(",rules") && rows[1].starts_with("2-1,"),
        "{rows:?}"
    );
}

#[test]
fn ids_are_no_numbers_and_a_file_with_ids_of_the_form_before_is_followed_by_another() {
    let folder = tempfile::tempdir().unwrap();
    let row = ",2026-03-02T22:00:00.000+08:00,2026-03-02T09:59:59.000+08:00,slow,city=c0,firing,major,breach,12.5,,,,,test 1";
    let before = format!("{}2.0{row}\r\n", csv_row(&HEADER));
    let first = folder.path().join("alerts-2026-03-02-001.csv");
    fs::write(&first, &before).unwrap();
    for _ in 0..2 {
        let mut sink = open(&settings(folder.path()));
        // Its row is known by either form.
        tell(&mut sink, 2);
        tell(&mut sink, 3);
    }
    let files = all(folder.path());
    assert_eq!(files[0].1, before);
    let later = files[1..].iter().flat_map(|(_, text)| text.lines());
    let ids: Vec<&str> = later.filter_map(|line| line.split(',').next()).collect();
    assert_eq!(ids.first(), Some(&"id"), "{files:?}");
    assert!(ids.contains(&"2-1") && !ids.contains(&"2-0"), "{ids:?}");
    // A row comes once, and no id reads as a number.
    let mut rows: Vec<&str> = ids.into_iter().filter(|id| *id != "id").collect();
    assert!(rows.iter().all(|id| id.parse::<f64>().is_err()), "{rows:?}");
    let told = rows.len();
    rows.sort_unstable();
    rows.dedup();
    assert_eq!(rows.len(), told);
}

#[test]
fn after_a_crash_anywhere_the_rows_are_those_of_an_engine_that_nobody_killed() {
    let undisturbed = tempfile::tempdir().unwrap();
    let mut sink = open(&settings(undisturbed.path()));
    (0..8).for_each(|epoch| tell(&mut sink, epoch));
    let want = all(undisturbed.path());
    let newest = want.last().unwrap().1.len();
    // Every length that the newest file may have after the death of the machine, with and without garbage behind it.
    for kept in 0..=newest {
        for garbage in ["", "\0\0\0\0", "7-1,\u{e9}"] {
            let folder = tempfile::tempdir().unwrap();
            for (name, text) in &want {
                fs::write(folder.path().join(name), text).unwrap();
            }
            let path = folder.path().join(&want.last().unwrap().0);
            let mut text = want.last().unwrap().1.as_bytes()[..kept].to_vec();
            text.extend(garbage.as_bytes());
            fs::write(path, text).unwrap();
            let mut sink = open(&settings(folder.path()));
            // The checkpoint is of the third epoch, and the rest is decided again.
            (3..8).for_each(|epoch| tell(&mut sink, epoch));
            assert!(sink.unsynced().is_ok());
            assert_eq!(all(folder.path()), want, "{kept} bytes, then {garbage:?}");
        }
    }
}

#[test]
fn no_checkpoint_covers_rows_that_are_not_written() {
    let folder = tempfile::tempdir().unwrap();
    let exports = folder.path().join("exports");
    let mut sink = open(&settings(&exports));
    assert!(sink.unsynced().unwrap().is_none(), "nothing was written");
    tell(&mut sink, 1);
    assert!(sink.unsynced().unwrap().is_some());
    assert!(sink.unsynced().unwrap().is_none(), "the same file again");
    // The next day needs a file that cannot be made.
    fs::remove_dir_all(&exports).unwrap();
    fs::write(&exports, "in the way").unwrap();
    tell(&mut sink, 4);
    let words = sink.unsynced().err().unwrap().to_string();
    assert!(words.starts_with("4 rows cannot be written"), "{words}");
    let counts = sink.counts().unwrap();
    assert!(counts().failures > 0 && counts().rows == 1);
    fs::remove_file(&exports).unwrap();
    fs::create_dir(&exports).unwrap();
    assert!(sink.unsynced().unwrap().is_some());
    assert_eq!(counts().rows, 5);
}

#[test]
fn no_more_rows_wait_than_may_and_the_others_are_counted() {
    let folder = tempfile::tempdir().unwrap();
    let exports = folder.path().join("exports");
    let settings = CsvSinkSettings {
        waiting_rows_max: 3,
        ..settings(&exports)
    };
    let mut sink = open(&settings);
    fs::remove_dir_all(&exports).unwrap();
    fs::write(&exports, "in the way").unwrap();
    tell(&mut sink, 5);
    let counts = sink.counts().unwrap();
    assert_eq!((counts().waiting, counts().left_out), (3, 2));
    fs::remove_file(&exports).unwrap();
    fs::create_dir(&exports).unwrap();
    assert!(sink.unsynced().unwrap().is_some());
    assert_eq!(
        (counts().waiting, counts().left_out, counts().rows),
        (0, 2, 3)
    );
}

#[test]
fn the_oldest_files_go_by_age_and_by_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let young = CsvSinkSettings {
        keep_days: 2,
        ..settings(folder.path())
    };
    let mut sink = open(&young);
    (0..20).for_each(|epoch| tell(&mut sink, epoch));
    let days: Vec<String> = all(folder.path()).into_iter().map(|file| file.0).collect();
    assert_eq!(days.len(), 3, "{days:?}");
    assert!(days[0].contains("2026-03-05"), "{days:?}");
    let folder = tempfile::tempdir().unwrap();
    let small = CsvSinkSettings {
        bytes_max: 20_000,
        ..settings(folder.path())
    };
    let mut sink = open(&small);
    (0..60).for_each(|epoch| tell(&mut sink, epoch));
    let bytes: usize = all(folder.path()).iter().map(|file| file.1.len()).sum();
    // One epoch's rows go together.
    assert!((5_000..26_000).contains(&bytes), "{bytes}");
    let counts = sink.counts().unwrap()();
    assert_eq!(counts.bytes, bytes as u64);
    assert!(counts.forgotten > 0);
}

#[test]
fn another_engines_folder_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(folder.path());
    let mut sink = open(&settings);
    tell(&mut sink, 9);
    let refused = CsvSink::open(Some(&settings), Path::new("/nowhere"), 9);
    let words = refused.err().unwrap().to_string();
    assert!(words.contains("has rows of epoch 9"), "{words}");
    assert!(CsvSink::open(Some(&settings), Path::new("/nowhere"), 10).is_ok());
}

#[test]
fn names_that_break_lines_or_begin_formulas_do_neither() {
    let folder = tempfile::tempdir().unwrap();
    let mut sink = open(&settings(folder.path()));
    let mut snapshot = crate::engine::Engine::new(plan(MINIMAL)).snapshot().clone();
    snapshot.epoch = Some(0);
    snapshot.now_ms = MORNING;
    sink.take(&[transition("=1+1\n,x")], &snapshot);
    let text = &all(folder.path())[0].1;
    assert_eq!(text.lines().count(), 2, "{text}");
    assert!(text.contains(",\"'=1+1 ,x\","), "{text}");
}

/// It tells the value of a KQI; whoever reads the row must see what that is held against, and why.
#[test]
fn a_blind_spot_has_the_limit_of_its_kqi_and_where_that_comes_from() {
    let text = "
book: {name: t, version: '1', time_zone: Asia/Shanghai, any_service: true}
kqis:
  - {id: k, name: n, layer: experience, stream: complaint, aggregate: count, group_by: [city], window: 1h, unit: count, interval: {max: 5}, provenance: [{of: limit, kind: judgement, reference: six are a pattern}]}
";
    let folder = tempfile::tempdir().unwrap();
    let mut sink = open(&settings(folder.path()));
    let mut snapshot = crate::engine::Engine::new(plan(text)).snapshot().clone();
    snapshot.epoch = Some(1);
    snapshot.now_ms = MORNING;
    let name = Text {
        zh: "盲点".to_owned(),
        en: "Blind spot".to_owned(),
    };
    let group = vec![("city".to_owned(), "长沙".to_owned())];
    let reason = TransitionReason::BlindSpot;
    let spot = Alert {
        kqi: Some("k".to_owned()),
        ..Alert::of_engine("blind_spot", name, group, reason, MORNING)
    };
    snapshot.alerts = Arc::new(vec![Arc::new(spot)]);
    let transition = Transition {
        alert: "blind_spot".to_owned(),
        group: "city=长沙".to_owned(),
        severity: Severity::Major,
        state: AlertState::Firing,
        at_ms: MORNING,
        value: Some(8.0),
        reason,
    };
    sink.take(&[Effect::Transition(transition)], &snapshot);
    let text = &all(folder.path())[0].1;
    let row = text.lines().nth(1).unwrap();
    let end = "blind_spot,city=长沙,firing,major,blind_spot,8,,,5,judgement: six are a pattern,t 1";
    assert!(row.ends_with(end), "{row}");
}
