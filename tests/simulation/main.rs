//! Seeded simulation: journal, checkpoints, dataflow, engine, ledger and mail server on a disk and a clock
//! that do what the seed says. After every seed the state and all decisions must equal those of a run that
//! nothing disturbed.
//!
//! `SIMULATION_SEEDS=10000 cargo test --test simulation` tries more; `SIMULATION_SEED=17` repeats one.
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
use std::sync::atomic::{AtomicU64, Ordering};

use happened::Happened;
use world::World;

const SEEDS: u64 = 1_000;

#[test]
fn nothing_is_lost_and_nothing_is_decided_twice_whatever_happens() {
    let number = |name: &str| {
        let text = std::env::var(name).ok()?;
        Some(text.parse::<u64>().unwrap())
    };
    let seeds = match number("SIMULATION_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("SIMULATION_SEEDS").unwrap_or(SEEDS),
    };
    let begun = std::time::Instant::now();
    let (next, happened) = (AtomicU64::new(seeds.start), Mutex::new(Happened::default()));
    // Seeds have nothing in common, so every core may have its own.
    let run = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                return;
            }
            let run = std::panic::AssertUnwindSafe(|| World::new(seed).run());
            match std::panic::catch_unwind(run) {
                Ok(more) => happened.lock().unwrap().add(&more),
                Err(why) => {
                    println!("seed {seed} failed; repeat it with SIMULATION_SEED={seed}");
                    // The others end with their seed.
                    next.store(seeds.end, Ordering::Relaxed);
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
    let tried = seeds.end - seeds.start;
    println!("{tried} seeds in {:?}: {happened:?}", begun.elapsed());
    if tried >= 150 {
        happened.check();
    }
}
