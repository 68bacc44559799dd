//! Runs a target over its corpus and over what becomes of it, and tells how to repeat a failure.

use std::any::Any;
use std::env;
use std::fs;
use std::os::unix::fs::FileExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::mutate::{Kind, Rng, mutate};

/// How long a case may take. Judgement: thousands of times what the slowest should take unoptimised.
const CASE_MAX: Duration = Duration::from_secs(20);

/// A piece of the corpus, perhaps changed.
pub(crate) struct Case<'a> {
    /// The file it was made from.
    pub(crate) name: &'a str,
    /// As it was.
    pub(crate) original: &'a [u8],
    /// What the target is given.
    pub(crate) input: Vec<u8>,
    /// Chance for what a target chooses itself.
    pub(crate) rng: Rng,
}

/// Where a target's corpus is.
pub(crate) fn corpus_dir(target: &str) -> PathBuf {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    top.join("tests/fuzz/corpus").join(target)
}

fn number(variable: &str) -> Option<u64> {
    let text = env::var(variable).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{variable}={text} is no number")),
    )
}

/// Runs `check` until the time is over; what it says, panics with or hangs in ends the test.
pub(crate) fn run(
    target: &str,
    kind: Kind,
    mut check: impl FnMut(&mut Case<'_>) -> Result<(), String>,
) {
    let corpus = read_corpus(target);
    let report = Report::new(target);
    report.watch();
    if let Some(seed) = number("FUZZ_SEED") {
        report.case(&mut check, &mut made(&corpus, kind, seed), seed);
        return;
    }
    for (name, original) in &corpus {
        // As it is, under some of what a target chooses itself.
        for choice in 0..8 {
            let mut case = Case {
                name,
                original,
                input: original.clone(),
                rng: Rng::new(choice),
            };
            report.case(&mut check, &mut case, 0);
        }
    }
    // Two seconds find little, and keep the harness and the corpus alive.
    let length = Duration::from_secs(number("FUZZ_SECONDS").unwrap_or(2));
    let base = number("FUZZ_BASE").unwrap_or(1) << 32;
    let began = Instant::now();
    let mut cases = 0;
    while began.elapsed() < length {
        cases += 1;
        let seed = base + cases;
        report.case(&mut check, &mut made(&corpus, kind, seed), seed);
    }
    println!(
        "{target}: {} files, {cases} cases from seed {}",
        corpus.len(),
        base + 1
    );
    report.remove();
}

/// The case of a seed: a function of the seed and the corpus alone.
fn made<'a>(corpus: &'a [(String, Vec<u8>)], kind: Kind, seed: u64) -> Case<'a> {
    let mut rng = Rng::new(seed);
    let (name, original) = &corpus[rng.below(corpus.len())];
    let (_, other) = &corpus[rng.below(corpus.len())];
    Case {
        name,
        original,
        input: mutate(original, other, kind, &mut rng),
        rng,
    }
}

/// The pieces of a target's corpus with their names, in the order of these.
pub(crate) fn read_corpus(target: &str) -> Vec<(String, Vec<u8>)> {
    let dir = corpus_dir(target);
    let mut corpus: Vec<(String, Vec<u8>)> = fs::read_dir(&dir)
        .unwrap_or_else(|error| panic!("{}: {error}", dir.display()))
        .map(|entry| entry.unwrap())
        .map(|entry| {
            let name = entry.file_name().to_string_lossy().into_owned();
            (name, fs::read(entry.path()).unwrap())
        })
        .collect();
    corpus.sort();
    assert!(!corpus.is_empty(), "{} is empty", dir.display());
    corpus
}

/// Where a failure is told.
struct Report {
    target: String,
    dir: PathBuf,
    /// Holds the seed of the case that runs: all that is left after a stack overflow.
    running: fs::File,
    /// Cases begun; odd while one runs.
    begun: Arc<AtomicU64>,
    seed: Arc<AtomicU64>,
}

impl Report {
    fn new(target: &str) -> Report {
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("fuzz");
        fs::create_dir_all(&dir).unwrap();
        let running = fs::File::create(dir.join(format!("{target}.running"))).unwrap();
        Report {
            target: target.to_owned(),
            dir,
            running,
            begun: Arc::default(),
            seed: Arc::default(),
        }
    }

    fn case(
        &self,
        check: &mut impl FnMut(&mut Case<'_>) -> Result<(), String>,
        case: &mut Case<'_>,
        seed: u64,
    ) {
        let words = format!("{seed:020}\n");
        self.running.write_all_at(words.as_bytes(), 0).unwrap();
        self.seed.store(seed, Ordering::SeqCst);
        self.begun.fetch_add(1, Ordering::SeqCst);
        let input = case.input.clone();
        let done = catch_unwind(AssertUnwindSafe(|| check(case)));
        self.begun.fetch_add(1, Ordering::SeqCst);
        let trouble = match done {
            Ok(Ok(())) => return,
            Ok(Err(words)) => words,
            Err(panic) => format!("a panic: {}", panic_words(&*panic)),
        };
        let path = self.dir.join(format!("{}-{seed}", self.target));
        fs::write(&path, input).unwrap();
        panic!("{}: {trouble}\n{}", case.name, self.how(seed, &path));
    }

    /// How to see it again.
    fn how(&self, seed: u64, path: &Path) -> String {
        let again = again(&self.target, seed);
        format!("input: {}\nagain: {again}", path.display())
    }

    /// Ends the process when a case does not end: nothing else could.
    fn watch(&self) {
        let (begun, seed) = (Arc::clone(&self.begun), Arc::clone(&self.seed));
        let target = self.target.clone();
        thread::spawn(move || {
            let mut before = 0;
            loop {
                thread::sleep(CASE_MAX);
                let now = begun.load(Ordering::SeqCst);
                if now == before && now % 2 == 1 {
                    let again = again(&target, seed.load(Ordering::SeqCst));
                    eprintln!("{target}: a case hangs for {CASE_MAX:?}\nagain: {again}");
                    std::process::abort();
                }
                before = now;
            }
        });
    }

    fn remove(&self) {
        let _ = fs::remove_file(self.dir.join(format!("{}.running", self.target)));
    }
}

fn again(target: &str, seed: u64) -> String {
    match seed {
        0 => format!("cargo test -p chrysalis --test fuzz {target}"),
        seed => format!("FUZZ_SEED={seed} cargo test -p chrysalis --test fuzz {target}"),
    }
}

fn panic_words(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or(panic.downcast_ref::<&str>().copied())
        .unwrap_or("without words")
}
