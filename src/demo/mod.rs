//! The demonstration: everything embedded, two stories of the domain at speed, told as they happen.
//!
//! Events go the way that real ones go: HTTP, journal, dataflow, engine. Only the departments are
//! played, by commands over the same API that people use.

mod cast;
mod stage;
mod tale;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow};
use loadgen::{GenerateOptions, Generator, Scenario, Size};

use crate::app::{App, RuleSource};
use crate::config::{Config, HistorySettings, JournalSettings, ServerSettings};
use crate::notify::MailConfig;
use crate::time::now_ms;

use cast::{Cast, Repair};
use stage::{Stage, Taken};
pub use tale::{StoryResult, Tale};

/// Longest wait for the last mail of a story to be decided, after its last event.
const ENDING_WAIT_MAX: Duration = Duration::from_secs(10);
const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const DAY_MS: i64 = 24 * HOUR_MS;
const WEEK_MS: i64 = 7 * DAY_MS;
/// Length of an epoch, ms: a story waits one out at every slice.
const EPOCH_MS: u64 = 20;

/// Mails to one reader in a minute: days are told in it, and each mail should be there to be looked at.
const MAILS_MAX: u32 = 1_000;

/// How to run the demonstration.
#[derive(Clone, Debug)]
pub struct DemoOptions {
    /// Address of the HTTP server.
    pub listen: String,
    /// Data folder; a fresh one in the system's temporary folder without it.
    pub data: Option<PathBuf>,
    /// URL of a database for the history; a SQLite file in the data folder without it.
    pub history: Option<String>,
    /// Return when the stories are told, instead of leaving the server up.
    pub exit: bool,
    /// Seed of the stories.
    pub seed: u64,
}

/// A story: a bundled scenario with what it is about.
struct Story {
    scenario: &'static str,
    title: &'static str,
    /// Length of a slice that is told at once, ms of event time.
    slice_ms: i64,
    /// Least time that a slice takes where somebody watches.
    slice_pause: Duration,
    /// Local hour at which it begins.
    hour: Option<i64>,
    /// When the departments work.
    repair: Repair,
    /// Whether the same hours of the next week are told as well: where the trouble was in every city, nothing else
    /// proves that it is over, and not only the time of day.
    week_later: bool,
}

/// Stories that are told.
pub const STORIES_TOTAL: usize = 2;

/// In the order in which they are told. Slices make each take about half a minute.
const STORIES: [Story; STORIES_TOTAL] = [
    Story {
        scenario: "newspaper-days",
        title: "手机报 mobile newspaper: for five days MMS expire in one city and come hours late in another (H15–H18)",
        slice_ms: 2 * HOUR_MS,
        slice_pause: Duration::from_millis(250),
        hour: Some(6),
        repair: Repair::At {
            from_h: 110,
            to_h: 112,
        },
        week_later: false,
    },
    Story {
        scenario: "experience-card",
        title: "体验卡 experience card: slow SMS replies, one BOSS host holds its interface (H21, H22)",
        slice_ms: 10 * MINUTE_MS,
        slice_pause: Duration::from_millis(500),
        hour: None,
        repair: Repair::WhenQuiet,
        week_later: true,
    },
];

/// Runs the demonstration; `say` gets each line of the tale.
///
/// # Errors
/// The engine does not start, or a story does not come to its end.
pub async fn run(
    options: DemoOptions,
    say: impl Fn(&str) + Send + Sync + 'static,
    stop: impl Future<Output = ()>,
) -> anyhow::Result<Vec<StoryResult>> {
    let say: Arc<dyn Fn(&str) + Send + Sync> = Arc::new(say);
    let data = options
        .data
        .clone()
        .unwrap_or_else(|| std::env::temp_dir().join(format!("chrysalis-demo-{}", now_ms())));
    let config = Config {
        data: data.clone(),
        listen: options.listen.clone(),
        // The mails in the outbox are read on this machine.
        server: ServerSettings {
            public_url: Some(format!("http://{}", options.listen)),
            ..ServerSettings::default()
        },
        journal: JournalSettings {
            epoch_interval_ms: EPOCH_MS,
            ..JournalSettings::default()
        },
        history: HistorySettings {
            url: options.history.clone(),
            ..HistorySettings::default()
        },
        mail: MailConfig {
            per_recipient_minute_max: MAILS_MAX,
            ..MailConfig::default()
        },
        ..Config::default()
    };
    let app = App::start(config, RuleSource::find(None)).await?;
    let url = format!("http://{}", app.address);
    say("Chrysalis is up. Look here while the stories are told:");
    say(&format!("  status page  {url}/"));
    say(&format!("  alerts       {url}/v1/alerts"));
    say(&format!("  triggers     {url}/v1/triggers"));
    say(&format!("  metrics      {url}/metrics"));
    if let Some(outbox) = &app.outbox {
        say(&format!("  e-mails      {}/*.eml", outbox.display()));
    }
    say(&format!(
        "  journal      {}",
        data.join("journal").display()
    ));

    tokio::pin!(stop);
    let mut results = Vec::new();
    let mut interrupted = false;
    for (story, start_ms) in STORIES.iter().zip(schedule()?) {
        say("");
        say(&format!("■ {}", story.title));
        let told = tokio::select! {
            () = &mut stop => { interrupted = true; break }
            told = tell(story, start_ms, &options, &app, &url, &say) => told?,
        };
        say(&told.summary());
        results.push(told);
    }
    if !interrupted && !options.exit {
        say("");
        say(&format!(
            "The stories are told; the server stays up at {url}/ until Ctrl-C."
        ));
        say(
            "The probes are silent from now on: in a few minutes the engine will say so, as it should.",
        );
        tokio::select! {
            () = &mut stop => {}
            reason = app.failure() => return Err(anyhow!(reason)),
        }
    }
    app.shutdown().await?;
    Ok(results)
}

async fn tell(
    story: &Story,
    start_ms: i64,
    options: &DemoOptions,
    app: &App,
    url: &str,
    say: &Arc<dyn Fn(&str) + Send + Sync>,
) -> anyhow::Result<StoryResult> {
    let scenario = Scenario::bundled(story.scenario)
        .with_context(|| format!("there is no scenario {:?}", story.scenario))??;
    let generate = GenerateOptions {
        seed: options.seed,
        start_ms: Some(start_ms),
        size: Size::Natural,
    };
    let generator = Generator::new(&scenario, generate);
    let snapshot = app.snapshot.load_full();
    let departments = Cast::play(url, story.repair, start_ms, &snapshot)?;
    let tale = Tale::listen(app.effects(), snapshot.plan.zone.clone(), say.clone());
    let stage = Stage {
        url,
        snapshot: &app.snapshot,
        departments: &departments,
        slice_ms: story.slice_ms,
        // Who wants to see only how it ends is not kept waiting.
        slice_pause: match options.exit {
            true => Duration::ZERO,
            false => story.slice_pause,
        },
    };
    let mut taken = stage.tell(generator, start_ms).await?;
    if story.week_later {
        say("  … a week later, the same hours");
        let start_ms = start_ms + WEEK_MS;
        let generate = GenerateOptions {
            seed: options.seed,
            start_ms: Some(start_ms),
            size: Size::Natural,
        };
        let generator = Generator::new(&scenario.healthy(), generate);
        let later = stage.tell(generator, start_ms).await?;
        taken = Taken {
            accepted: taken.accepted + later.accepted,
            refused: taken.refused + later.refused,
        };
    }
    let heard = tale.end(ENDING_WAIT_MAX).await;
    let snapshot = app.snapshot.load_full();
    let opened = departments.of_story(&snapshot);
    let (absorbed, own): (Vec<_>, Vec<_>) =
        opened.partition(|(_, _, outcome)| *outcome == Some("absorbed"));
    Ok(StoryResult {
        accepted: taken.accepted,
        refused: taken.refused,
        triggers: own.len(),
        absorbed: absorbed.len(),
        waiting: own
            .iter()
            .filter(|(_, state, _)| *state != "closed")
            .count(),
        ..heard
    })
}

/// When each story begins, so that the last one ends now and none overlaps the next.
fn schedule() -> anyhow::Result<Vec<i64>> {
    let mut end_ms = now_ms();
    let mut starts = Vec::new();
    for story in STORIES.iter().rev() {
        let scenario = Scenario::bundled(story.scenario)
            .with_context(|| format!("there is no scenario {:?}", story.scenario))??;
        let later_ms = if story.week_later { WEEK_MS } else { 0 };
        let mut start_ms = end_ms - scenario.duration.0 - later_ms;
        // Windows lie about the events of a seed as they did the last time.
        start_ms -= start_ms.rem_euclid(HOUR_MS);
        if let Some(hour) = story.hour {
            // Editions have their hours: begin at the last such hour of Asia/Shanghai (UTC+8).
            let shift_ms = (hour - 8) * HOUR_MS;
            start_ms -= (start_ms - shift_ms).rem_euclid(DAY_MS);
        }
        starts.push(start_ms);
        end_ms = start_ms;
    }
    starts.reverse();
    Ok(starts)
}
