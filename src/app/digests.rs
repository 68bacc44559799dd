//! Digests of the epochs that come in: made and written beside everything else, for the next start. Nothing waits for
//! them; an epoch for whose digest there is no time, or no room, has none, and is counted.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use crate::dataflow::{Digester, Work};
use crate::journal::{DigestFiles, Disk, Undigested};
use crate::metrics::DigestsNow;
use crate::rules::Plan;

/// Which epochs have digests.
#[derive(Debug, Clone, Copy)]
pub struct DigestRule {
    /// Those with at least so many events.
    pub events_min: u64,
    /// Also those that were read back.
    pub read_back: bool,
    /// None are written while less is free for the journal, bytes: what is kept free is for others.
    pub free_bytes_min: u64,
    /// Epochs that may wait for their digest; of more none is made. Each holds on to its decoded batches, 16 MiB at most.
    pub waiting_max: usize,
}

impl Default for DigestRule {
    /// Judgement: to read the batches of five thousand events takes half a millisecond; and a start that makes digests
    /// would be a slow one.
    fn default() -> DigestRule {
        DigestRule {
            events_min: 5_000,
            read_back: false,
            free_bytes_min: 0,
            // Judgement: one that is being handed over, and one for the time in which the disk is slow.
            waiting_max: 2,
        }
    }
}

/// What became of the epochs that were nothing but batches, since the start, and of digests that it found.
#[derive(Debug, Default)]
pub(super) struct DigestCounts {
    waiting: AtomicU64,
    written: AtomicU64,
    busy: AtomicU64,
    useless: AtomicU64,
    short: AtomicU64,
    failed: AtomicU64,
    /// Found, and of another version or layout.
    pub(super) foreign: AtomicU64,
    /// Found, and not what their first bytes say.
    pub(super) unreadable: AtomicU64,
}

impl DigestCounts {
    /// One more.
    pub(super) fn add(count: &AtomicU64) {
        count.fetch_add(1, Ordering::Relaxed);
    }

    /// One less.
    fn less(count: &AtomicU64) {
        count.fetch_sub(1, Ordering::Relaxed);
    }

    /// The counts now.
    pub(super) fn now(&self) -> DigestsNow {
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        DigestsNow {
            waiting: of(&self.waiting),
            written: of(&self.written),
            busy: of(&self.busy),
            useless: of(&self.useless),
            short: of(&self.short),
            failed: of(&self.failed),
            foreign: of(&self.foreign),
            unreadable: of(&self.unreadable),
        }
    }
}

/// An epoch on its way.
struct Job {
    of: Undigested,
    plan: Arc<Plan>,
    work: Vec<Work>,
}

/// Takes epochs whose digests are to be written.
pub struct DigestDesk {
    jobs: Option<SyncSender<Job>>,
    rule: DigestRule,
    counts: Arc<DigestCounts>,
}

/// Makes and writes them.
pub struct DigestWriter {
    jobs: Receiver<Job>,
    files: DigestFiles,
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    free_bytes_min: u64,
    digester: Digester,
    counts: Arc<DigestCounts>,
}

impl DigestDesk {
    /// One that takes none.
    pub fn closed() -> DigestDesk {
        DigestDesk {
            jobs: None,
            rule: DigestRule::default(),
            counts: Arc::default(),
        }
    }

    /// Takes an epoch that is nothing but this work, under a plan, if the rule has it and there is time. It does not wait.
    pub fn offer(&self, of: Undigested, plan: &Arc<Plan>, work: &[Work]) {
        let Some(jobs) = &self.jobs else { return };
        let events: u64 = work.iter().map(Work::events).sum();
        let came_in = |work: &Work| matches!(work, Work::Decoded { .. });
        if events < self.rule.events_min || !(self.rule.read_back || work.iter().all(came_in)) {
            return;
        }
        let job = Job {
            of,
            plan: plan.clone(),
            work: work.to_vec(),
        };
        // Before it can be taken.
        DigestCounts::add(&self.counts.waiting);
        if jobs.try_send(job).is_err() {
            DigestCounts::less(&self.counts.waiting);
            DigestCounts::add(&self.counts.busy);
        }
    }

    /// What became of epochs.
    pub(super) fn counts(&self) -> Arc<DigestCounts> {
        self.counts.clone()
    }
}

impl DigestWriter {
    /// Works until nobody can bring anything more.
    pub(super) fn run(mut self) {
        while let Ok(job) = self.jobs.recv() {
            DigestCounts::less(&self.counts.waiting);
            if let Some((of, digest)) = self.make(&job) {
                self.write(&of, &digest);
            }
        }
    }

    /// Makes the digest of the next epoch that waits; none if there is no such epoch, or no digest of it.
    pub fn next_digest(&mut self) -> Option<(Undigested, Vec<u8>)> {
        let job = self.jobs.try_recv().ok()?;
        DigestCounts::less(&self.counts.waiting);
        self.make(&job)
    }

    fn make(&mut self, job: &Job) -> Option<(Undigested, Vec<u8>)> {
        let digest = self.digester.digest(&job.work, &job.plan);
        if digest.is_none() {
            DigestCounts::add(&self.counts.useless);
        }
        digest.map(|digest| (job.of, digest))
    }

    /// Writes a digest, where there is room.
    pub fn write(&mut self, of: &Undigested, digest: &[u8]) {
        // A file system that does not say is taken for large, as the journal takes it.
        let free_bytes = self.disk.free_bytes(&self.dir).ok().flatten();
        if free_bytes.is_some_and(|free| free < self.free_bytes_min + digest.len() as u64) {
            DigestCounts::add(&self.counts.short);
            return;
        }
        let written = match self.files.write(of, digest) {
            Ok(()) => &self.counts.written,
            Err(error) => {
                if self.counts.failed.load(Ordering::Relaxed) == 0 {
                    tracing::warn!(epoch = of.epoch, %error, "no digest of an epoch: a start reads its batches");
                }
                &self.counts.failed
            }
        };
        DigestCounts::add(written);
    }
}

/// The two ends of writing digests beside the journal in `dir`.
pub fn digesting(disk: Arc<dyn Disk>, dir: &Path, rule: DigestRule) -> (DigestDesk, DigestWriter) {
    let (jobs_in, jobs) = sync_channel(rule.waiting_max);
    let counts = Arc::<DigestCounts>::default();
    let desk = DigestDesk {
        jobs: Some(jobs_in),
        rule,
        counts: counts.clone(),
    };
    let writer = DigestWriter {
        jobs,
        files: DigestFiles::new(disk.clone(), dir),
        disk,
        dir: dir.to_owned(),
        free_bytes_min: rule.free_bytes_min,
        digester: Digester::default(),
        counts,
    };
    (desk, writer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::{FakeDisk, Position, Seal};

    #[test]
    fn no_digest_takes_the_room_that_is_kept_free() {
        let disk = FakeDisk::new();
        let dir = Path::new("/journal");
        disk.create_dir(dir).unwrap();
        let rule = DigestRule {
            free_bytes_min: 1_000,
            ..DigestRule::default()
        };
        let (desk, mut writer) = digesting(Arc::new(disk.clone()), dir, rule);
        let of = Undigested {
            epoch: 1,
            first: Position(0),
            next: Position(2),
            seal: Seal::default(),
        };
        disk.set_capacity_bytes(Some(1_004));
        writer.write(&of, b"digest");
        assert_eq!(disk.list(dir).unwrap(), Vec::<String>::new());
        disk.set_capacity_bytes(Some(2_000));
        writer.write(&of, b"digest");
        assert_eq!(disk.list(dir).unwrap().len(), 1);
        let counts = desk.counts().now();
        assert_eq!((counts.short, counts.written, counts.failed), (1, 1, 0));
    }

    #[test]
    fn an_epoch_for_which_there_is_no_room_has_no_digest_and_is_counted() {
        let rule = DigestRule {
            events_min: 0,
            waiting_max: 1,
            ..DigestRule::default()
        };
        let dir = Path::new("/journal");
        let (desk, mut writer) = digesting(Arc::new(FakeDisk::new()), dir, rule);
        let plan = Arc::new(crate::rules::testing::plan(
            "book: {name: t, version: '1', time_zone: Asia/Shanghai}",
        ));
        for epoch in 1..=2 {
            let of = Undigested {
                epoch,
                first: Position(0),
                next: Position(2),
                seal: Seal::default(),
            };
            desk.offer(of, &plan, &[]);
        }
        let counts = desk.counts().now();
        assert_eq!((counts.waiting, counts.busy), (1, 1));
        writer.next_digest();
        assert_eq!(desk.counts().now().waiting, 0);
    }
}
