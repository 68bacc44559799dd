//! `loadgen departments`: plays the departments of a target, so that its whole loop can be watched.

use std::time::Duration;

use loadgen::{Departments, Shift};

use super::{print, say};

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The target, for example http://127.0.0.1:8080.
    #[arg(long)]
    target: String,
    /// File with a token of the role operator, where the target wants one.
    #[arg(long)]
    token_file: Option<std::path::PathBuf>,
    /// Seconds between two looks at the open triggers.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..))]
    every_s: u64,
    /// Take every step that is due now, and end.
    #[arg(long)]
    once: bool,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let token = match &arguments.token_file {
        Some(path) => Some(std::fs::read_to_string(path)?.trim().to_owned()),
        None => None,
    };
    let departments = Departments::at(&arguments.target, token.as_deref())?;
    // At once, until nothing fires any more.
    let shift = Shift {
        begins: true,
        is_done: None,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        loop {
            match departments.act(shift, None).await {
                Ok(taken) => {
                    for step in &taken {
                        print(&format!("{} {} {}\n", step.trigger, step.to, step.actor));
                    }
                    if arguments.once && taken.is_empty() {
                        return Ok(());
                    }
                }
                Err(error) if arguments.once => return Err(error),
                // The target may be starting, or somebody else was first.
                Err(error) => say(&format!("loadgen: {error:#}")),
            }
            if !arguments.once {
                tokio::time::sleep(Duration::from_secs(arguments.every_s)).await;
            }
        }
    })
}
