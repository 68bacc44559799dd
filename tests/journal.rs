//! `chrysalis journal` on real journals: whole, empty, torn, damaged, of a running engine, and folders
//! that are none. What people are told is part of the test.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests: a panic is how a test says that it cannot go on"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use chrysalis::checkpoint::{Folder, Head};
use chrysalis::journal::{Journal, JournalConfig, LineFormat, Position, RealDisk, Record};
use chrysalis::store::Ledger;
use serde_json::Value;

/// 2026-11-21T20:00:00+08:00.
const START_MS: i64 = 1_795_262_400_000;

/// What a command said: exit code, standard output, standard error.
fn chrysalis(arguments: &[&str], dir: &Path) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_chrysalis"))
        .arg("journal")
        .args(arguments)
        .args(["--zone", "Asia/Shanghai"])
        .arg(dir)
        .output()
        .unwrap();
    // Without the temporary folder's name, so that whole lines can be compared.
    let text = |bytes| {
        let text = String::from_utf8(bytes).unwrap();
        text.replace(dir.to_str().unwrap(), "DIR")
    };
    (
        output.status.code().unwrap(),
        text(output.stdout),
        text(output.stderr),
    )
}

fn open(data: &Path) -> Journal {
    let config = JournalConfig {
        segment_bytes_max: 250,
        ..JournalConfig::default()
    };
    Journal::open(&data.join("journal"), config).unwrap().0
}

/// Sixteen records in several segments: a rule book, then batches, a command, and ticks.
fn write(journal: &mut Journal) {
    let rules = vec![("book.yaml".to_owned(), "book: {name: t}\n".to_owned())];
    commit(
        journal,
        Record::RuleBook {
            at_ms: START_MS,
            files: rules,
        },
    );
    for number in 0..5_i64 {
        let line = format!(
            "{{\"type\":\"complaint\",\"ts\":{},\"subscriber\":\"1381234567{number}\"}}\n",
            START_MS + number
        );
        let producer = (number != 3).then(|| ("probe".to_owned(), number as u64));
        commit(
            journal,
            Record::Batch {
                producer,
                sender: None,
                received_ms: START_MS + number * 1_000,
                format: LineFormat::Ndjson,
                events: 2,
                lines: line.repeat(2).into_bytes().into(),
                decoded: None,
            },
        );
        if number == 2 {
            commit(
                journal,
                Record::Command {
                    at_ms: START_MS + 2_500,
                    actor: "王工".to_owned(),
                    body: br#"{"call":"13812345678"}"#.to_vec(),
                },
            );
        }
        tick(journal, number as u64);
    }
    for number in 5..9 {
        tick(journal, number);
    }
}

fn tick(journal: &mut Journal, epoch: u64) {
    let now_ms = START_MS + epoch as i64 * 1_000 + 200;
    commit(journal, Record::Tick { epoch, now_ms });
}

fn commit(journal: &mut Journal, record: Record) {
    journal.append(&record).unwrap();
    journal.commit().unwrap();
}

fn written(data: &Path) {
    write(&mut open(data));
}

fn segments(data: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = fs::read_dir(data.join("journal"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "journal"))
        .collect();
    paths.sort();
    assert!(paths.len() >= 3, "{paths:?}");
    paths
}

fn change(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(path).unwrap();
    change(&mut bytes);
    fs::write(path, bytes).unwrap();
}

fn checkpoint(data: &Path, epoch: u64, next: u64) {
    let folder = Folder::open(Arc::new(RealDisk), &data.join("checkpoints")).unwrap();
    let head = Head {
        epoch,
        now_ms: START_MS,
        next: Position(next),
        told_upto: None,
        created_at_ms: START_MS,
        program: "0".to_owned(),
        rules: Vec::new(),
        lineage: chrysalis::rules::Lineage::default(),
    };
    folder.write(&head, |_| Ok(())).unwrap();
}

#[test]
fn a_whole_journal_beside_the_engine_that_holds_it() {
    let data = tempfile::tempdir().unwrap();
    let mut journal = open(data.path());
    write(&mut journal);
    checkpoint(data.path(), 3, 9);
    let (code, out, err) = chrysalis(&["verify"], data.path());
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    let first = out.lines().next().unwrap();
    assert!(
        first.starts_with("DIR/journal/00000000000000000000.journal: records 0 to ")
            && first.ends_with(
                " bytes, 2026-11-21T20:00:00.000+08:00 to 2026-11-21T20:00:00.200+08:00"
            ),
        "{out}"
    );
    let of_checkpoint = "DIR/checkpoints/checkpoint-00000000000000000003.chk: epoch 3, goes on at \
                         record 9, 2026-11-21T20:00:00.000+08:00\n";
    assert!(out.contains(of_checkpoint), "{out}");
    let last = out.lines().last().unwrap();
    assert!(
        last.starts_with("DIR/journal: whole: ")
            && last.contains(" segments, 16 records, 10 events, 9 epochs, "),
        "{out}"
    );
    // The folder itself is as good as the one around it.
    let (code, _, _) = chrysalis(&["verify"], &data.path().join("journal"));
    assert_eq!(code, 0);
    drop(journal);
    let before = segments(data.path());
    assert_eq!(chrysalis(&["verify"], data.path()).1, out);
    assert_eq!(segments(data.path()), before);
}

#[test]
fn statistics_as_text_and_as_json() {
    let data = tempfile::tempdir().unwrap();
    written(data.path());
    let (code, out, _) = chrysalis(&["stat"], data.path());
    assert_eq!(code, 0);
    for words in [
        "records      16 from 0 on: 5 batches, 1 commands, 1 rule books, 9 ticks\n",
        "events       10\nepochs       9\n",
        "times        2026-11-21T20:00:00.000+08:00 to 2026-11-21T20:00:08.200+08:00\n",
        "producers    1\n  probe: 4 batches, 8 events, newest sequence 4\n",
    ] {
        assert!(out.contains(words), "{words:?} in {out}");
    }
    let (_, out, _) = chrysalis(&["stat", "--json"], data.path());
    let stat: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(stat["records"]["batch"], 5);
    assert_eq!(stat["next_position"], 16);
    assert_eq!(stat["producers"]["probe"]["newest_sequence"], 4);
    let on_disk: u64 = segments(data.path())
        .iter()
        .map(|path| path.metadata().unwrap().len())
        .sum();
    assert_eq!(stat["file_bytes"], on_disk);
    let compression = stat["compression"].as_f64().unwrap();
    assert!((0.1..10.0).contains(&compression), "{compression}");
}

#[test]
fn records_as_lines_masked_unless_raw() {
    let data = tempfile::tempdir().unwrap();
    written(data.path());
    let rows = |arguments: &[&str]| -> Vec<Value> {
        let (code, out, err) = chrysalis(&[&["dump"], arguments].concat(), data.path());
        assert_eq!((code, err.as_str()), (0, ""));
        out.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    };
    let all = rows(&[]);
    let positions: Vec<u64> = all
        .iter()
        .map(|row| row["position"].as_u64().unwrap())
        .collect();
    assert_eq!(positions, (0..16).collect::<Vec<_>>());
    assert_eq!(all[0]["kind"], "rulebook");
    assert_eq!(all[1]["at"], "2026-11-21T20:00:00.000+08:00");
    assert!(all[1].get("lines").is_none());
    let batches = rows(&["--kind", "batch", "--lines", "--limit", "1"]);
    assert_eq!(batches.len(), 1);
    let line = "{\"type\":\"complaint\",\"ts\":1795262400000,\"subscriber\":\"138******70\"}";
    assert_eq!(batches[0]["lines"], serde_json::json!([line, line]));
    let batches = rows(&["--kind", "batch", "--lines", "--raw"]);
    assert!(
        batches[0]["lines"][0]
            .as_str()
            .unwrap()
            .contains("13812345670")
    );
    let commands = rows(&["--kind", "command"]);
    assert_eq!(commands[0]["body"], "{\"call\":\"138******78\"}");
    let some = rows(&["--from", "4", "--to", "7"]);
    assert_eq!(some.len(), 3);
    assert_eq!(some[0]["position"], 4);
}

#[test]
fn a_torn_tail_is_told_and_is_no_damage() {
    let data = tempfile::tempdir().unwrap();
    written(data.path());
    let last = segments(data.path()).pop().unwrap();
    change(&last, |bytes| bytes.truncate(bytes.len() - 3));
    let (code, out, _) = chrysalis(&["verify"], data.path());
    assert_eq!(code, 0);
    assert!(
        out.contains(
            " are no whole record: a running engine is writing them, or a crash left them"
        ),
        "{out}"
    );
    assert!(out.contains(" segments, 15 records, "), "{out}");
}

#[test]
fn every_damage_is_named_with_its_file_and_offset() {
    let data = tempfile::tempdir().unwrap();
    written(data.path());
    let paths = segments(data.path());
    // The body of the second record of the first segment; its checksum is at 4 of its head.
    let length = u32::from_le_bytes(fs::read(&paths[0]).unwrap()[64..68].try_into().unwrap());
    let second = 64 + 8 + length as usize;
    change(&paths[0], |bytes| bytes[second + 30] ^= 1);
    change(&paths[2], |bytes| bytes[3] ^= 1);
    let (code, out, err) = chrysalis(&["verify"], data.path());
    assert_eq!(code, 1);
    for words in [
        format!(
            "  DAMAGED: journal segment DIR/journal/00000000000000000000.journal is damaged at \
             offset {second}: the checksum does not match\n  records 1 to "
        ),
        " is damaged at offset 0: the header does not check\n".to_owned(),
    ] {
        assert!(out.contains(&words), "{words:?} in {out}");
    }
    assert_eq!(
        err,
        "chrysalis: DIR/journal: 2 problems: nothing was changed; put the named files back from a \
         backup, the engine does not start over damage that it needs to read\n"
    );
    // The others give what is before the damage, and then say it.
    let (code, out, err) = chrysalis(&["dump"], data.path());
    assert_eq!((code, out.lines().count()), (1, 1));
    assert!(
        err.contains(&format!("is damaged at offset {second}: ")),
        "{err}"
    );
    assert_eq!(chrysalis(&["stat"], data.path()).0, 1);
}

#[test]
fn a_missing_segment_is_a_gap_and_the_rest_is_read() {
    let data = tempfile::tempdir().unwrap();
    written(data.path());
    let paths = segments(data.path());
    fs::remove_file(&paths[1]).unwrap();
    let (code, out, _) = chrysalis(&["verify"], data.path());
    assert_eq!(code, 1);
    assert!(
        out.contains("it does not continue the segment before, which ends below record "),
        "{out}"
    );
    assert_eq!(out.matches(": records ").count(), paths.len() - 1, "{out}");
}

#[test]
fn checkpoints_that_are_damaged_or_fit_no_journal_are_named() {
    let data = tempfile::tempdir().unwrap();
    written(data.path());
    checkpoint(data.path(), 7, 99);
    checkpoint(data.path(), 5, 14);
    change(
        &data
            .path()
            .join("checkpoints/checkpoint-00000000000000000005.chk"),
        |bytes| bytes[30] ^= 1,
    );
    let (code, out, _) = chrysalis(&["verify"], data.path());
    assert_eq!(code, 1);
    for words in [
        "checkpoint-00000000000000000005.chk is damaged at offset 16: a section's checksum does not fit",
        "  USELESS: journal DIR ends below record 16, but the checkpoint is of record 99: ",
    ] {
        assert!(out.contains(words), "{words:?} in {out}");
    }
}

#[test]
fn what_a_newer_program_wrote_is_no_damage() {
    let data = tempfile::tempdir().unwrap();
    written(data.path());
    checkpoint(data.path(), 5, 14);
    let path = data
        .path()
        .join("checkpoints/checkpoint-00000000000000000005.chk");
    change(&path, |bytes| {
        bytes[8..12].copy_from_slice(&99_u32.to_le_bytes());
        let checksum = crc32c::crc32c(&bytes[..12]);
        bytes[12..16].copy_from_slice(&checksum.to_le_bytes());
    });
    let (code, out, err) = chrysalis(&["verify"], data.path());
    assert_eq!(code, 1);
    let newer = "  NEWER: checkpoint DIR/checkpoints/checkpoint-00000000000000000005.chk has format version 99, ";
    assert!(out.contains(newer), "{out}");
    assert!(!out.contains("DAMAGED"), "{out}");
    assert_eq!(
        err,
        "chrysalis: DIR/journal: 1 file of a newer Chrysalis, which this one does not read: start the newer program. \
         Nothing was changed\n"
    );
}

#[test]
fn what_is_no_journal_is_told_as_such() {
    let data = tempfile::tempdir().unwrap();
    let wanted = "give an engine's data folder, or the folder `journal` in it\n";
    for command in ["verify", "stat", "dump"] {
        let (code, out, err) = chrysalis(&[command], data.path());
        assert_eq!((code, out.as_str()), (1, ""));
        assert_eq!(err, format!("chrysalis: DIR holds no journal: {wanted}"));
    }
    let missing = data.path().join("missing");
    let (code, _, err) = chrysalis(&["verify"], &missing);
    assert_eq!(code, 1);
    assert_eq!(err, format!("chrysalis: DIR does not exist: {wanted}"));
    fs::write(&missing, "").unwrap();
    let (_, _, err) = chrysalis(&["verify"], &missing);
    assert_eq!(err, format!("chrysalis: DIR is a file: {wanted}"));
    assert!(
        fs::read_dir(data.path()).unwrap().count() == 1,
        "something was made"
    );
}

#[test]
fn an_empty_journal_is_whole_unless_a_checkpoint_knows_better() {
    let data = tempfile::tempdir().unwrap();
    fs::create_dir(data.path().join("journal")).unwrap();
    let (code, out, _) = chrysalis(&["verify"], data.path());
    assert_eq!(
        (code, out.as_str()),
        (0, "DIR/journal: whole, and holds no record yet\n")
    );
    let (code, out, _) = chrysalis(&["stat"], data.path());
    assert!(
        code == 0 && out.contains("records      0 from 0 on"),
        "{out}"
    );
    assert_eq!(
        chrysalis(&["dump"], data.path()),
        (0, String::new(), String::new())
    );
    checkpoint(data.path(), 1, 5);
    let (code, out, _) = chrysalis(&["verify"], data.path());
    assert_eq!(code, 1);
    assert!(
        out.contains("USELESS: journal DIR ends below record 0"),
        "{out}"
    );
}

#[test]
fn whoever_has_seen_enough_hangs_up_without_a_fuss() {
    let data = tempfile::tempdir().unwrap();
    let mut journal = open(data.path());
    for epoch in 0..5_000 {
        let now_ms = START_MS + epoch as i64;
        journal.append(&Record::Tick { epoch, now_ms }).unwrap();
    }
    journal.commit().unwrap();
    let command = format!(
        "{} journal dump {} | head -n 1; exit ${{PIPESTATUS[0]}}",
        env!("CARGO_BIN_EXE_chrysalis"),
        data.path().display()
    );
    let output = Command::new("bash")
        .args(["-c", &command])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
}

/// A ledger that knows the notices of an epoch.
fn ledger(data: &Path, epoch: u64) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let ledger = Ledger::open(data).await.unwrap();
        ledger.record(epoch, &[]).await.unwrap();
        ledger.close().await;
    });
}

#[test]
fn the_ledger_is_read_through_as_well() {
    let data = tempfile::tempdir().unwrap();
    written(data.path());
    ledger(data.path(), 8);
    let names = |data: &Path| {
        let entries = fs::read_dir(data).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    let before = names(data.path());
    let (code, out, err) = chrysalis(&["verify"], data.path());
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    let wanted =
        "DIR/ledger.sqlite: notices up to epoch 8, 0 notices kept, 0 of them not sent yet\n";
    assert!(out.contains(wanted), "{out}");
    assert_eq!(names(data.path()), before, "nothing is left behind");
    // The journal ends with epoch 8.
    ledger(data.path(), 9);
    let (code, out, err) = chrysalis(&["verify"], data.path());
    assert_eq!(code, 1, "{out}");
    assert!(
        out.contains("  AHEAD: it knows epoch 9, and the journal ends with epoch 8"),
        "{out}"
    );
    assert!(err.contains("1 problem"), "{err}");
    let file = data.path().join(Ledger::FILE);
    fs::write(&file, "this was a database once, and is none any more").unwrap();
    for side in ["-wal", "-shm"] {
        let _ = fs::remove_file(data.path().join(format!("{}{side}", Ledger::FILE)));
    }
    let (code, out, _) = chrysalis(&["verify"], data.path());
    assert_eq!(code, 1, "{out}");
    let once = out.matches("file is not a database").count();
    assert!(
        out.contains("  DAMAGED: cannot open ledger") && once == 1,
        "{out}"
    );
}
