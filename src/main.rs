//! The commands of Chrysalis: `serve | demo | check | test | replay | journal | backup | restore`; nothing else.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};

use chrysalis::config::NewLedger;
use chrysalis::demo::DemoOptions;
use chrysalis::replay::ReplayOptions;
use chrysalis::time::now_ms;

mod commands;
mod serve;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Parser)]
#[command(
    name = "chrysalis",
    version,
    about = "Stream-processing monitoring with a closed loop"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

/// What a new ledger takes for told.
#[derive(Clone, Copy, ValueEnum)]
enum NewLedgerArgument {
    /// Everything decided so far counts as told: none of it is mailed.
    Told,
    /// What is decided again since the checkpoint is mailed, perhaps for a second time.
    Untold,
}

impl NewLedgerArgument {
    fn meaning(self) -> NewLedger {
        match self {
            NewLedgerArgument::Told => NewLedger::Told,
            NewLedgerArgument::Untold => NewLedger::Untold,
        }
    }
}

#[derive(Subcommand)]
enum Command {
    /// Run the engine.
    Serve {
        /// Configuration file; options on the command line come before it.
        #[arg(long)]
        config: Option<PathBuf>,
        /// Folder for journal, ledger and outbox.
        #[arg(long)]
        data: Option<PathBuf>,
        /// Address of the HTTP server, for example 127.0.0.1:8080.
        #[arg(long)]
        listen: Option<String>,
        /// Rule book folder, or one file.
        #[arg(long)]
        rules: Option<PathBuf>,
        /// Dataflow worker threads; 0 takes one for each core.
        #[arg(long, value_parser = clap::value_parser!(u16).range(0..=256))]
        workers: Option<u16>,
        /// Begin from the journal's first record and set the checkpoints aside: what to do when none can be
        /// read.
        #[arg(long)]
        replay_everything: bool,
        /// Begin a new ledger of mails in place of one that is lost, older or damaged, which is set aside.
        #[arg(long, value_enum)]
        new_ledger: Option<NewLedgerArgument>,
        /// Wait while another process has the data folder, and take over when it ends, however that comes.
        #[arg(long, conflicts_with_all = ["replay_everything", "new_ledger"])]
        standby: bool,
    },
    /// Copy everything that a start needs; the engine may run meanwhile.
    Backup {
        /// Where to, a folder that is empty or not there.
        to: PathBuf,
        /// Configuration of the engine: its data folder, and what stays free for it (`journal.disk_free_bytes_min`).
        #[arg(long)]
        config: Option<PathBuf>,
        /// Data folder of the engine; comes before that of the configuration.
        #[arg(long)]
        data: Option<PathBuf>,
    },
    /// Put a backup into an empty data folder.
    Restore {
        /// The backup.
        from: PathBuf,
        /// Data folder to fill, empty or not there.
        #[arg(long, default_value = "chrysalis-data")]
        data: PathBuf,
    },
    /// Start everything embedded and tell two stories at speed.
    Demo {
        /// Address of the HTTP server.
        #[arg(long, default_value = "127.0.0.1:8080")]
        listen: String,
        /// Data folder; a fresh one in the temporary folder without it.
        #[arg(long)]
        data: Option<PathBuf>,
        /// URL of a database for the history, `postgres://user@host/name`; a SQLite file in the data folder without it.
        #[arg(long)]
        history: Option<String>,
        /// End when the stories are told; exit 1 unless everything in them was resolved.
        #[arg(long)]
        exit: bool,
        /// Seed of the stories.
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    /// List every problem of a rule book, with file and line; exit 1 if there is any.
    Check {
        /// Rule book folder, or one file.
        rules: PathBuf,
    },
    /// Run the golden cases of a rule book; exit 1 if any fails.
    Test {
        /// Rule book folder; its cases are the files of its folder `tests`.
        rules: PathBuf,
    },
    /// Run files through the dataflow and the engine on their own time axis, without effects.
    Replay {
        /// Rule book folder, or one file.
        #[arg(long)]
        rules: PathBuf,
        /// Worker threads.
        #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=256))]
        workers: u16,
        /// Folder for windows.csv, alerts.csv, and kqis.csv with what their values are held against.
        #[arg(long)]
        out: Option<PathBuf>,
        /// Do not write windows.csv.
        #[arg(long)]
        alerts_only: bool,
        /// Present of the replay, RFC 3339 or milliseconds: lines more than ten minutes later are
        /// refused. The time of the start without it.
        #[arg(long, value_parser = commands::moment)]
        now: Option<i64>,
        /// Files of NDJSON, plain, gzip or zstd, or - for standard input.
        #[arg(required = true)]
        inputs: Vec<PathBuf>,
    },
    /// Look into a journal; changes nothing and needs no engine to be stopped.
    Journal {
        #[command(subcommand)]
        command: commands::journal::JournalCommand,
    },
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Serve {
            config,
            data,
            listen,
            rules,
            workers,
            replay_everything,
            new_ledger,
            standby,
        } => serve::serve(serve::ServeArguments {
            config,
            data,
            listen,
            rules,
            workers: workers.map(usize::from),
            replay_everything,
            new_ledger: new_ledger.map(NewLedgerArgument::meaning),
            standby,
        }),
        Command::Demo {
            listen,
            data,
            history,
            exit,
            seed,
        } => serve::demo(DemoOptions {
            listen,
            data,
            history,
            exit,
            seed,
        }),
        Command::Backup { to, config, data } => {
            commands::backup::take(config.as_deref(), data, &to)
        }
        Command::Restore { from, data } => commands::backup::put_back(&from, &data),
        Command::Check { rules } => commands::check(&rules),
        Command::Test { rules } => commands::test(&rules),
        Command::Replay {
            rules,
            workers,
            out,
            alerts_only,
            now,
            inputs,
        } => {
            let options = ReplayOptions {
                workers: usize::from(workers),
                out,
                alerts_only,
                now_ms: now.unwrap_or_else(now_ms),
                inputs,
            };
            commands::replay(&rules, &options)
        }
        Command::Journal { command } => commands::journal::run(&command),
    };
    result.unwrap_or_else(|error| {
        commands::complain(&error);
        ExitCode::FAILURE
    })
}
