//! What one group does: duplicates, limits, ticks, failure.

use super::{batch, batch_from, open, open_with};
use crate::journal::{
    Ack, Committed, EpochConfig, Epochs, FakeDisk, JournalConfig, JournalError, Memory, Position,
    Record, Submit,
};

fn start(disk: &FakeDisk, config: EpochConfig) -> Epochs<u32> {
    let (journal, recovery) = open(disk).unwrap();
    Epochs::new(journal, recovery.producers, config)
}

fn commit(
    epochs: &mut Epochs<u32>,
    records: Vec<Record>,
    close: bool,
    now_ms: i64,
) -> Committed<u32> {
    let prepare = |record| {
        Submit {
            record,
            attachment: 7,
        }
        .prepare(1 << 20)
        .unwrap()
    };
    epochs.commit(records.into_iter().map(prepare).collect(), close, now_ms)
}

fn acks(committed: Committed<u32>) -> Vec<(u64, bool, u64)> {
    let ack = |ack: Ack| (ack.position.0, ack.duplicate, ack.events_total);
    committed
        .answers
        .into_iter()
        .map(|answer| ack(answer.unwrap()))
        .collect()
}

#[test]
fn a_repeated_sequence_counts_once_also_after_a_restart() {
    let disk = FakeDisk::new();
    let mut epochs = start(&disk, EpochConfig::default());
    let group = vec![batch_from("p", 5), batch_from("p", 5), batch_from("q", 5)];
    assert_eq!(
        acks(commit(&mut epochs, group, false, 1)),
        [(0, false, 2), (0, true, 2), (1, false, 2)]
    );
    let group = vec![batch_from("p", 5), batch_from("p", 6), batch_from("q", 5)];
    assert_eq!(
        acks(commit(&mut epochs, group, false, 1)),
        [(0, true, 3), (2, false, 3), (1, true, 3)]
    );
    assert_eq!(epochs.duplicates_total(), 3);
    drop(epochs);
    let mut epochs = start(&disk, EpochConfig::default());
    let group = vec![batch_from("p", 6), batch_from("q", 6)];
    assert_eq!(
        acks(commit(&mut epochs, group, false, 1)),
        [(2, true, 4), (3, false, 4)]
    );
}

/// What each answer says: a repeat, a new one, or why not.
fn words(committed: Committed<u32>) -> Vec<String> {
    let word = |answer: Result<Ack, _>| match answer {
        Ok(ack) if ack.duplicate => "repeat".to_owned(),
        Ok(_) => "new".to_owned(),
        Err(JournalError::SequenceBack { newest, .. }) => format!("below {newest}"),
        Err(error) => error.to_string(),
    };
    committed.answers.into_iter().map(word).collect()
}

#[test]
fn a_sequence_that_goes_back_is_a_repeat_only_if_it_is_remembered_also_after_a_restart() {
    let disk = FakeDisk::new();
    let mut epochs = start(&disk, EpochConfig::default());
    let of = |sequences: &[u64]| sequences.iter().map(|at| batch_from("p", *at)).collect();
    let answers = words(commit(&mut epochs, of(&[5, 7, 6, 5, 7]), false, 1));
    assert_eq!(answers, ["new", "new", "below 7", "repeat", "repeat"]);
    let asked = [4, 5, 6, 7];
    let wanted = ["below 7", "repeat", "below 7", "repeat"];
    assert_eq!(words(commit(&mut epochs, of(&asked), false, 1)), wanted);
    drop(epochs);
    let mut epochs = start(&disk, EpochConfig::default());
    assert_eq!(words(commit(&mut epochs, of(&asked), false, 1)), wanted);
    // Beyond what is remembered nobody can say any more.
    let answers = words(commit(&mut epochs, of(&[71, 7, 72, 7, 1]), true, 1));
    let wanted = ["new", "repeat", "new", "below 72", "below 72"];
    assert_eq!(answers, wanted);
    let text = JournalError::SequenceBack {
        sequence: 1,
        newest: 72,
        before: 64,
    };
    assert_eq!(
        text.to_string(),
        "sequence 1 is below 72, the newest of this producer, and not among the 64 before it that \
         are remembered: nothing was kept; number batches upwards, or begin again under another name"
    );
}

#[test]
fn fewer_sequences_are_remembered_where_the_settings_say_so() {
    let disk = FakeDisk::new();
    let start_with = |sequences_max| {
        let config = JournalConfig {
            memory: Memory {
                sequences_max,
                ..Memory::default()
            },
            ..JournalConfig::default()
        };
        let (journal, recovery) = open_with(&disk, config).unwrap();
        Epochs::new(journal, recovery.producers, EpochConfig::default())
    };
    let of = |sequences: &[u64]| sequences.iter().map(|at| batch_from("p", *at)).collect();
    let mut epochs = start_with(2);
    let answers = words(commit(&mut epochs, of(&[1, 2, 3, 3, 2, 1]), false, 1));
    assert_eq!(
        answers,
        ["new", "new", "new", "repeat", "repeat", "below 3"]
    );
    drop(epochs);
    // The newest is always known; and what was written is not forgotten by a setting.
    for (sequences_max, wanted) in [
        (1, ["repeat", "below 3", "below 3"]),
        (65, ["repeat", "repeat", "repeat"]),
    ] {
        let mut epochs = start_with(sequences_max);
        let answers = words(commit(&mut epochs, of(&[3, 2, 1]), false, 1));
        assert_eq!(answers, wanted, "{sequences_max}");
    }
}

#[test]
fn a_sequence_below_one_that_was_not_kept_is_not_said_to_be_below_it() {
    let disk = FakeDisk::new();
    let mut epochs = start(&disk, EpochConfig::default());
    disk.set_capacity_bytes(Some(0));
    let done = commit(
        &mut epochs,
        vec![batch_from("p", 9), batch_from("p", 3)],
        true,
        1,
    );
    for answer in done.answers {
        assert!(
            matches!(answer, Err(JournalError::Full { .. })),
            "{answer:?}"
        );
    }
}

#[test]
fn an_epoch_closes_at_its_limit_within_a_group_and_time_never_goes_back() {
    let disk = FakeDisk::new();
    let mut epochs = start(
        &disk,
        EpochConfig {
            epoch_events_max: 2,
            ..EpochConfig::default()
        },
    );
    let group = vec![
        batch("a"),
        batch("b\nc"),
        batch("d"),
        batch("e"),
        batch("f"),
    ];
    let done = commit(&mut epochs, group, false, 50);
    let shape: Vec<_> = done
        .epochs
        .iter()
        .map(|e| (e.epoch, e.now_ms, e.records.len(), e.next))
        .collect();
    assert_eq!(shape, [(0, 50, 2, Position(3)), (1, 50, 2, Position(6))]);
    assert!(
        done.epochs[0]
            .records
            .iter()
            .all(|(_, _, attachment)| *attachment == 7)
    );
    assert!(epochs.has_open());
    let done = commit(&mut epochs, Vec::new(), true, 20);
    assert_eq!(
        (done.epochs[0].now_ms, done.epochs[0].records.len()),
        (50, 1)
    );
    assert!(!epochs.has_open());
}

#[test]
fn an_idle_tick_syncs_only_if_it_must() {
    for (idle_ticks_synced, syncs) in [(true, 1), (false, 0)] {
        let disk = FakeDisk::new();
        let mut epochs = start(
            &disk,
            EpochConfig {
                idle_ticks_synced,
                ..EpochConfig::default()
            },
        );
        let before = disk.syncs_total();
        assert_eq!(commit(&mut epochs, Vec::new(), true, 1).epochs.len(), 1);
        assert_eq!(disk.syncs_total() - before, syncs);
        commit(&mut epochs, vec![batch("a")], true, 1);
        assert_eq!(disk.syncs_total() - before, syncs + 1);
    }
}

#[test]
fn a_group_that_does_not_fit_changes_nothing() {
    let disk = FakeDisk::new();
    let mut epochs = start(&disk, EpochConfig::default());
    commit(&mut epochs, vec![batch_from("p", 1)], false, 1);
    disk.set_capacity_bytes(Some(0));
    let done = commit(
        &mut epochs,
        vec![batch_from("p", 1), batch_from("p", 2), batch_from("p", 2)],
        true,
        1,
    );
    assert!(done.failure.is_some_and(|error| !error.is_fatal()));
    // What had been acknowledged before still is; the rest is not, nor its repeat.
    assert_eq!(
        done.answers.iter().map(Result::is_ok).collect::<Vec<_>>(),
        [true, false, false]
    );
    assert!(done.epochs.is_empty());
    disk.set_capacity_bytes(None);
    let done = commit(&mut epochs, vec![batch_from("p", 2)], true, 1);
    assert_eq!((done.epochs[0].epoch, done.epochs[0].records.len()), (0, 2));
    assert_eq!(acks(done), [(1, false, 2)]);
}

#[test]
fn counts_go_on_over_a_segment_that_a_full_disk_did_not_let_begin() {
    let disk = FakeDisk::new();
    let config = JournalConfig {
        segment_bytes_max: 1,
        ..JournalConfig::default()
    };
    let (journal, recovery) = open_with(&disk, config).unwrap();
    let mut epochs: Epochs<u32> = Epochs::new(journal, recovery.producers, EpochConfig::default());
    commit(&mut epochs, vec![batch("a")], true, 1);
    disk.set_capacity_bytes(Some(0));
    assert!(
        commit(&mut epochs, vec![batch("b")], true, 1)
            .failure
            .is_some()
    );
    disk.set_capacity_bytes(None);
    let done = commit(&mut epochs, vec![batch("b")], true, 1);
    assert_eq!(
        (done.epochs[0].epoch, done.epochs[0].next),
        (1, Position(4))
    );
    drop(epochs);
    assert_eq!(open(&disk).unwrap().1.segments, 2);
}
