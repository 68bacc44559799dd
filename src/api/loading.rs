//! How far a start is before there is an engine: the step that it is at, and the bytes of it. `app` tells it, and who
//! asks the address reads it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;

/// How long a step has been under way before it is said how long it still takes. Judgement: what the first few blocks
/// took says nothing of the others.
const LEFT_AFTER: Duration = Duration::from_millis(500);

/// What is read, or built, before the engine serves; in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The newest checkpoint is read through, to see that it is whole.
    Checkpoint,
    /// The journal is checked from that checkpoint on.
    Journal,
    /// History and CSV sink are opened; the ledger of mails is read through. Lines are taken from then on.
    Ledger,
    /// The checkpoint is read once more, for what is in it, and workers take their share.
    Engine,
}

impl Step {
    /// The name in the API.
    pub const fn name(self) -> &'static str {
        match self {
            Step::Checkpoint => "checkpoint",
            Step::Journal => "journal",
            Step::Ledger => "ledger",
            Step::Engine => "engine",
        }
    }
}

/// A step that has begun.
#[derive(Clone, Copy, Debug)]
struct Begun {
    step: Step,
    at: Instant,
    /// What there is to read, bytes; none where that is not known.
    all_bytes: Option<u64>,
    /// What had been read when it began, bytes.
    read_before: u64,
}

/// How far a start is, told and read at the same time.
#[derive(Debug)]
pub struct Loading {
    begun: ArcSwap<Begun>,
    /// Read since the process began, bytes.
    read_bytes: AtomicU64,
}

/// The state at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoadingNow {
    /// What is under way.
    pub step: Step,
    /// What was read of it, bytes; no more than there is, also where damage makes something be read again.
    pub read_bytes: u64,
    /// What there is to read, bytes; none where that is not known.
    pub all_bytes: Option<u64>,
    /// How long it has been under way.
    pub took: Duration,
}

impl Loading {
    /// A process that has not read anything.
    pub fn new(at: Instant) -> Loading {
        Loading {
            begun: ArcSwap::from_pointee(Begun {
                step: Step::Checkpoint,
                at,
                all_bytes: None,
                read_before: 0,
            }),
            read_bytes: AtomicU64::new(0),
        }
    }

    /// A step begins, in which so many bytes are read; none where that is not known.
    pub fn begin(&self, step: Step, all_bytes: Option<u64>, at: Instant) {
        self.begun.store(Arc::new(Begun {
            step,
            at,
            all_bytes: all_bytes.filter(|all| *all > 0),
            read_before: self.read_bytes.load(Ordering::Relaxed),
        }));
    }

    /// So much more was read.
    pub fn note_read(&self, bytes: u64) {
        self.read_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// How far it is at a moment.
    pub fn now(&self, at: Instant) -> LoadingNow {
        let begun = self.begun.load();
        let read = self.read_bytes.load(Ordering::Relaxed);
        let read = read.saturating_sub(begun.read_before);
        LoadingNow {
            step: begun.step,
            read_bytes: begun.all_bytes.map_or(read, |all| read.min(all)),
            all_bytes: begun.all_bytes,
            took: at.saturating_duration_since(begun.at),
        }
    }
}

impl LoadingNow {
    /// How much of the step is done; less than 100, for it is not over while somebody asks. None where nobody knows.
    pub fn percent(&self) -> Option<u8> {
        let all = u128::from(self.all_bytes?);
        let percent = (u128::from(self.read_bytes) * 100).checked_div(all)?;
        Some(percent.min(99) as u8)
    }

    /// How long the step still takes if it goes on as so far, seconds; none before that can be told.
    pub fn left_s(&self) -> Option<f64> {
        let left_bytes = self.all_bytes?.saturating_sub(self.read_bytes);
        if self.took < LEFT_AFTER || self.read_bytes == 0 {
            return None;
        }
        Some(self.took.as_secs_f64() * left_bytes as f64 / self.read_bytes as f64)
    }

    /// All of it in words.
    pub fn words(&self) -> String {
        let mut words = format!("loading, {}", self.step.name());
        if let (Some(percent), Some(all)) = (self.percent(), self.all_bytes) {
            words.push_str(&format!(
                ": {percent} %, {} of {all} bytes",
                self.read_bytes
            ));
        }
        if let Some(left) = self.left_s() {
            words.push_str(&format!(", about {} s left", left.ceil()));
        }
        words
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_step_says_its_own_bytes_and_how_long_they_take() {
        let began = Instant::now();
        let after = |ms| began + Duration::from_millis(ms);
        let loading = Loading::new(began);
        let now = loading.now(after(9_000));
        assert_eq!((now.percent(), now.left_s()), (None, None));
        assert_eq!(now.words(), "loading, checkpoint");
        loading.begin(Step::Checkpoint, Some(1_000), began);
        loading.note_read(250);
        let now = loading.now(after(2_000));
        assert_eq!((now.percent(), now.left_s()), (Some(25), Some(6.0)));
        assert_eq!(
            now.words(),
            "loading, checkpoint: 25 %, 250 of 1000 bytes, about 6 s left"
        );
        let early = loading.now(after(499));
        assert_eq!((early.percent(), early.left_s()), (Some(25), None));
        // A second checkpoint is read where the first was damaged: it is no more than all.
        loading.note_read(5_000);
        let now = loading.now(after(3_000));
        assert_eq!((now.read_bytes, now.percent()), (1_000, Some(99)));
        // The next step begins at nothing.
        loading.begin(Step::Journal, Some(u64::MAX), after(3_000));
        let now = loading.now(after(4_000));
        assert_eq!((now.read_bytes, now.percent()), (0, Some(0)));
        assert_eq!(now.left_s(), None);
        loading.begin(Step::Ledger, Some(0), after(4_000));
        let now = loading.now(after(5_000));
        assert_eq!((now.all_bytes, now.percent()), (None, None));
        assert_eq!(now.words(), "loading, ledger");
    }
}
