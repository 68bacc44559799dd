//! A producer that floods while the next stage is behind leaves room for the others.

use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::{DIR, batch, batch_from};
use crate::handover::Taker;
use crate::journal::writer::{SubmitError, Submitter, Writer, WriterConfig};
use crate::journal::{Ack, Epoch, FakeDisk, Holder, Journal, JournalConfig, Record, Submit};

const QUEUE_BYTES: usize = 40_000;

type Answer = oneshot::Receiver<Result<Ack, SubmitError>>;

/// A writer whose epochs nobody takes yet.
fn stalled() -> (Writer<u32>, Taker<Epoch<u32>>) {
    let config = JournalConfig {
        record_bytes_max: 2_000,
        ..JournalConfig::default()
    };
    let disk = Arc::new(FakeDisk::new());
    let (journal, recovery) = Journal::open_on(disk, Path::new(DIR), config).unwrap();
    let config = WriterConfig {
        epoch_interval_ms: 1,
        queue_bytes_max: QUEUE_BYTES,
        epochs_ahead_max: 1,
        ..WriterConfig::default()
    };
    Writer::start(journal, recovery, config, Arc::new(|| 1)).unwrap()
}

fn send(submitter: &Submitter<u32>, name: &str, record: Record) -> Result<Answer, SubmitError> {
    let submit = Submit {
        record,
        attachment: 0,
    };
    submitter.try_submit_for(Holder::Producer(name.into()), submit)
}

#[test]
fn one_that_floods_is_told_to_come_back_and_one_that_does_not_gets_in() {
    let (writer, epochs) = stalled();
    let submitter = writer.submitter();
    let text = "x".repeat(744);
    let deadline = Instant::now() + Duration::from_secs(20);
    let mut taken = Vec::new();
    let mut refused_in_a_row = 0;
    // Until nothing moves any more: the queue is as full as a flood can make it.
    while refused_in_a_row < 20 {
        match send(&submitter, "flood", batch(&text)) {
            Ok(answer) => {
                taken.push(answer);
                refused_in_a_row = 0;
            }
            Err(SubmitError::Share { requests, bytes }) => {
                assert!(bytes >= QUEUE_BYTES / 2 - 1_000, "{requests} {bytes}");
                refused_in_a_row += 1;
                thread::sleep(Duration::from_millis(2));
            }
            Err(other) => panic!("{other}"),
        }
        assert!(Instant::now() < deadline, "never refused");
    }
    assert!(submitter.stats().queue_bytes <= QUEUE_BYTES / 2);
    // Half of the room is left, and the flood cannot have it; others can, also two at once.
    for sequence in 0..5 {
        taken.push(send(&submitter, "slow", batch_from("slow", sequence)).unwrap());
        taken.push(send(&submitter, "other", batch(&text)).unwrap());
        let again = send(&submitter, "flood", batch(&text)).unwrap_err();
        assert!(
            again
                .to_string()
                .starts_with("the journal is behind, and this producer's fair share "),
            "{again}"
        );
    }
    assert!(submitter.stats().refused_share_total >= 25);
    let taking = thread::spawn(move || {
        let records = epochs.iter().map(|epoch| epoch.records.len());
        records.sum::<usize>()
    });
    let total = taken.len();
    for answer in taken {
        assert!(answer.blocking_recv().unwrap().is_ok());
    }
    // Repeats give their room back as well.
    let repeat = send(&submitter, "slow", batch_from("slow", 4)).unwrap();
    assert!(repeat.blocking_recv().unwrap().unwrap().duplicate);
    writer.shutdown().unwrap();
    assert_eq!(taking.join().unwrap(), total);
    let stats = submitter.stats();
    assert_eq!((stats.queue_requests, stats.queue_bytes), (0, 0));
}
