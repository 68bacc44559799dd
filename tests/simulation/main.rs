//! Seeded simulation: journal, checkpoints, dataflow, engine, ledger and mail server on a disk and a clock
//! that do what the seed says. After every seed the state and all decisions must equal those of a run that
//! nothing disturbed.
//!
//! `SIMULATION_SEEDS=10000 cargo test --test simulation` tries more, `SIMULATION_SEEDS=1000..6000` those; `SIMULATION_SEED=17`
//! repeats one, and `SIMULATION_TRACE=1` tells each of its actions.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test may fail loudly, and says what it did"
)]

mod chance;
mod happened;
mod judge;
mod machine;
mod memory;
mod outside;
mod soak;
mod story;
mod vfs;
mod world;

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use happened::Happened;
use world::World;

const SEEDS: u64 = 1_000;
/// Seeds beyond that found something once.
const KEPT: [u64; 3] = [1_015, 2_508, 10_481];

/// One test at a time: the soak looks at the memory of the whole process.
static ALONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// So many from 0 on, with those that are kept; or those of a range, `1000..6000`.
fn seeds(asked: Option<&str>) -> Vec<u64> {
    if let Some((from, to)) = asked.and_then(|asked| asked.split_once("..")) {
        return (from.parse().unwrap()..to.parse().unwrap()).collect();
    }
    let many = asked.map_or(SEEDS, |asked| asked.parse().unwrap());
    let kept = KEPT.into_iter().filter(|seed| *seed >= many);
    (0..many).chain(kept).collect()
}

#[test]
fn nothing_is_lost_and_nothing_is_decided_twice_whatever_happens() {
    let _alone = ALONE.blocking_lock();
    let seeds = match std::env::var("SIMULATION_SEED") {
        Ok(seed) => vec![seed.parse().unwrap()],
        Err(_) => seeds(std::env::var("SIMULATION_SEEDS").ok().as_deref()),
    };
    let begun = std::time::Instant::now();
    let (next, happened) = (AtomicUsize::new(0), Mutex::new(Happened::default()));
    // Seeds have nothing in common, so every core may have its own.
    let run = || {
        loop {
            let Some(&seed) = seeds.get(next.fetch_add(1, Ordering::Relaxed)) else {
                return;
            };
            let run = std::panic::AssertUnwindSafe(|| World::new(seed).run());
            match std::panic::catch_unwind(run) {
                Ok(more) => happened.lock().unwrap().add(&more),
                Err(why) => {
                    println!("seed {seed} failed; repeat it with SIMULATION_SEED={seed}");
                    // The others end with their seed.
                    next.store(seeds.len(), Ordering::Relaxed);
                    std::panic::resume_unwind(why);
                }
            }
        }
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        (0..cores).for_each(|_| {
            scope.spawn(run);
        });
    });
    let mut happened = happened.into_inner().unwrap();
    let tried = seeds.len();
    println!("{tried} seeds in {:?}: {happened:?}", begun.elapsed());
    if tried >= 150 {
        happened.check();
    }
}
