//! A disk that runs low: batches are refused, commands and ticks go on, and it ends by itself.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use super::{batch, open};
use crate::handover::Taker;
use crate::journal::writer::{SubmitError, Submitter, Writer, WriterConfig};
use crate::journal::{
    Ack, Epoch, FakeDisk, Holder, Journal, JournalConfig, RealDisk, Record, Submit,
};

fn submit(submitter: &Submitter<u32>, record: Record) -> Result<Ack, SubmitError> {
    let submit = Submit {
        record,
        attachment: 0,
    };
    submitter.try_submit(submit)?.blocking_recv().unwrap()
}

fn command() -> Record {
    Record::Command {
        at_ms: 1,
        actor: "a".to_owned(),
        body: b"{}".to_vec(),
    }
}

fn config(disk_free_bytes_min: u64) -> WriterConfig {
    WriterConfig {
        disk_free_bytes_min,
        idle_tick_ms: 20,
        ..WriterConfig::default()
    }
}

/// Waits until the writer thinks as wished.
#[track_caller]
fn until_low(submitter: &Submitter<u32>, low: bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while submitter.stats().space.is_low() != low {
        assert!(Instant::now() < deadline, "{:?}", submitter.stats().space);
        thread::sleep(Duration::from_millis(5));
    }
}

fn drain(epochs: Taker<Epoch<u32>>) {
    thread::spawn(move || epochs.iter().for_each(drop));
}

#[test]
fn batches_are_refused_while_commands_and_ticks_go_on() {
    let disk = FakeDisk::new();
    disk.set_capacity_bytes(Some(1_000_000));
    let (journal, recovery) = open(&disk).unwrap();
    let clock = Arc::new(|| 1_000);
    // From its first moment on: nothing is taken before the disk has been looked at.
    let (writer, epochs) = Writer::start(journal, recovery, config(1_000_001), clock).unwrap();
    drain(epochs);
    let submitter = writer.submitter();
    let refused = submit(&submitter, batch("a")).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "999936 bytes are free for the journal, less than the 1000001 that are kept for commands \
         and notices: nothing was kept, try again when there is room"
    );
    assert!(!submit(&submitter, command()).unwrap().duplicate);
    let ticks = submitter.stats().epochs_total;
    let deadline = Instant::now() + Duration::from_secs(10);
    while submitter.stats().epochs_total < ticks + 3 {
        assert!(Instant::now() < deadline, "time stands still");
        thread::sleep(Duration::from_millis(5));
    }
    disk.set_capacity_bytes(Some(2_000_000));
    until_low(&submitter, false);
    submit(&submitter, batch("a")).unwrap();
    let stats = submitter.stats();
    assert_eq!((stats.refused_low_total, stats.events_total), (1, 1));
    writer.shutdown().unwrap();
}

#[test]
fn a_flood_is_refused_while_others_still_get_in_and_only_for_as_long_as_room_is_short() {
    const MARK: u64 = 200_000;
    let disk = FakeDisk::new();
    disk.set_capacity_bytes(Some(3 * MARK));
    let (journal, recovery) = open(&disk).unwrap();
    let clock = Arc::new(|| 1_000);
    let (writer, epochs) = Writer::start(journal, recovery, config(MARK), clock).unwrap();
    drain(epochs);
    let submitter = writer.submitter();
    let mut seed = 1_u64;
    let mut send = |name: &str, bytes: usize| {
        // Nothing that could be compressed much.
        let text: String = (0..bytes)
            .map(|_| {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                char::from(33 + u8::try_from((seed >> 33) % 90).unwrap())
            })
            .collect();
        let submit = Submit {
            record: batch(&text),
            attachment: 0,
        };
        let answer = submitter.try_submit_for(Holder::Token(name.into()), submit)?;
        answer.blocking_recv().unwrap()
    };
    let refused = loop {
        match send("flood", 4_000) {
            Ok(_) => {}
            Err(refused) => break refused,
        }
    };
    assert!(
        matches!(refused, SubmitError::DiskShare { .. }),
        "{refused}"
    );
    let stats = submitter.stats();
    let free = stats.space.free_bytes.unwrap();
    assert!(free > MARK * 14 / 10 && free < MARK * 15 / 10, "{free}");
    assert!(stats.disk_share_refuses && stats.refused_disk_share_total == 1);
    for _ in 0..5 {
        send("quiet", 4_000).unwrap();
        assert!(send("flood", 4_000).is_err());
    }
    // Room comes back: nobody is refused for what was.
    disk.set_capacity_bytes(Some(6 * MARK));
    let deadline = Instant::now() + Duration::from_secs(10);
    while submitter.stats().disk_share_refuses {
        assert!(Instant::now() < deadline, "{:?}", submitter.stats());
        thread::sleep(Duration::from_millis(5));
    }
    send("flood", 4_000).unwrap();
    assert_eq!(submitter.stats().refused_low_total, 0);
    writer.shutdown().unwrap();
}

/// A file system of eight MiB, gone when dropped.
struct Tmpfs(tempfile::TempDir);

impl Tmpfs {
    /// `None` where this test may not mount one; why is printed.
    fn mount() -> Option<Tmpfs> {
        let dir = tempfile::tempdir().unwrap();
        let told = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=8m", "chrysalis-test"])
            .arg(dir.path())
            .output();
        match told {
            Ok(output) if output.status.success() => Some(Tmpfs(dir)),
            Ok(output) => {
                let words = String::from_utf8_lossy(&output.stderr).into_owned();
                eprintln!("skipped: this user may not mount a tmpfs: {}", words.trim());
                None
            }
            Err(error) => {
                eprintln!("skipped: there is no mount command: {error}");
                None
            }
        }
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0.path()).status();
    }
}

#[test]
fn a_real_file_system_that_runs_low_and_gets_room_again() {
    let Some(disk) = Tmpfs::mount() else {
        return;
    };
    let dir = disk.path().join("journal");
    let (journal, recovery) =
        Journal::open_on(Arc::new(RealDisk), &dir, JournalConfig::default()).unwrap();
    let clock = Arc::new(|| 1_000);
    let (writer, epochs) = Writer::start(journal, recovery, config(4 << 20), clock).unwrap();
    drain(epochs);
    let submitter = writer.submitter();
    submit(&submitter, batch("a")).unwrap();
    let ballast = disk.path().join("ballast");
    std::fs::write(&ballast, vec![7; 5 << 20]).unwrap();
    until_low(&submitter, true);
    let refused = submit(&submitter, batch("b")).unwrap_err();
    assert!(matches!(refused, SubmitError::Low { free_bytes, .. } if free_bytes < 4 << 20));
    submit(&submitter, command()).unwrap();
    std::fs::remove_file(&ballast).unwrap();
    until_low(&submitter, false);
    submit(&submitter, batch("b")).unwrap();
    assert_eq!(submitter.stats().events_total, 2);
    writer.shutdown().unwrap();
}
