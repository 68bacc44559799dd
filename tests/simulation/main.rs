//! Seeded simulation: journal, checkpoints, dataflow, engine, ledger and mail server on a disk and a clock
//! that do what the seed says. After every seed the state and all decisions must equal those of a run that
//! nothing disturbed.
//!
//! `SIMULATION_SEEDS=2000 cargo test --test simulation` tries more; `SIMULATION_SEED=17` repeats one.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test may fail loudly, and says what it did"
)]

mod chance;
mod machine;
mod outside;
mod soak;
mod story;
mod world;

use world::{Happened, World};

const SEEDS: u64 = 150;

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
    let mut happened = Happened::default();
    let tried = seeds.end - seeds.start;
    for seed in seeds {
        let run = std::panic::AssertUnwindSafe(|| World::new(seed).run());
        match std::panic::catch_unwind(run) {
            Ok(more) => happened.add(&more),
            Err(why) => {
                println!("seed {seed} failed; repeat it with SIMULATION_SEED={seed}");
                std::panic::resume_unwind(why);
            }
        }
    }
    println!("{tried} seeds: {happened:?}");
    if tried >= SEEDS {
        happened.check();
    }
}
