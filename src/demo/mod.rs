//! The demonstration: everything embedded, two stories of the domain at speed, told as they happen.
//!
//! Events go the way that real ones go: HTTP, journal, dataflow, engine. Only the departments are
//! played, by commands over the same API that people use.

mod cast;
mod tale;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow};
use loadgen::{GenerateOptions, Generator, Pace, Scenario, SendOptions, Size, send};

use crate::app::{App, RuleSource};
use crate::config::{Config, ServerSettings};
use crate::time::now_ms;

use cast::Departments;
pub use tale::{StoryResult, Tale};

/// Longest wait for the last alert of a story to end, after its last event.
const ENDING_WAIT_MAX: Duration = Duration::from_secs(30);
const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;
const WEEK_MS: i64 = 7 * DAY_MS;
/// What the departments still say before a week passes.
const WEEK_WAIT: Duration = Duration::from_secs(4);

/// How to run the demonstration.
#[derive(Clone, Debug)]
pub struct DemoOptions {
    /// Address of the HTTP server.
    pub listen: String,
    /// Data folder; a fresh one in the system's temporary folder without it.
    pub data: Option<PathBuf>,
    /// Return when the stories are told, instead of leaving the server up.
    pub exit: bool,
    /// Seed of the stories.
    pub seed: u64,
}

/// A story: a bundled scenario with what it is about.
struct Story {
    scenario: &'static str,
    title: &'static str,
    /// Seconds of event time in one second.
    speed: f64,
    /// Local hour at which it begins.
    hour: Option<i64>,
    /// Whether the same hours of the next week are told as well: where the trouble was in every city, nothing else
    /// proves that it is over, and not only the time of day.
    week_later: bool,
}

/// Stories that are told.
pub const STORIES_TOTAL: usize = 2;

/// In the order in which they are told. Speeds make each take about half a minute.
const STORIES: [Story; STORIES_TOTAL] = [
    Story {
        scenario: "mobile-newspaper",
        title: "手机报 mobile newspaper: MMS expire in one city, a morning edition arrives in the afternoon (H15–H18)",
        speed: 6_000.0,
        hour: Some(6),
        week_later: false,
    },
    Story {
        scenario: "experience-card",
        title: "体验卡 experience card: slow SMS replies, one BOSS host holds its interface (H21, H22)",
        speed: 500.0,
        hour: None,
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
    let mut generator = Generator::new(&scenario, generate);
    let zone = app.snapshot.load().plan.zone.clone();
    let departments = Departments::play(url.to_owned());
    let tale = Tale::listen(app.effects(), zone, departments, say.clone());
    let sending = SendOptions {
        target: url.to_owned(),
        token: None,
        pace: Pace::Speed(story.speed),
        batch_lines: 2_000,
        linger: Duration::from_millis(100),
        // One at a time keeps the order of event time at these speeds.
        in_flight: 1,
        producer: format!("demo-{}-{}", story.scenario, now_ms()),
        gzip: false,
        retry_for: Duration::from_secs(30),
        duration: None,
    };
    let tally = send(&mut generator, &sending, std::future::pending(), |_| {}).await?;
    let report = tally.report();
    let (mut accepted, mut refused) = (report.lines_accepted, report.lines_refused);
    if story.week_later {
        tokio::time::sleep(WEEK_WAIT).await;
        say("  … a week later, the same hours");
        let healthy = scenario.healthy();
        let generate = GenerateOptions {
            seed: options.seed,
            start_ms: Some(start_ms + WEEK_MS),
            size: Size::Natural,
        };
        let sending = SendOptions {
            producer: format!("{}-later", sending.producer),
            ..sending
        };
        let mut generator = Generator::new(&healthy, generate);
        let tally = send(&mut generator, &sending, std::future::pending(), |_| {}).await?;
        let report = tally.report();
        accepted += report.lines_accepted;
        refused += report.lines_refused;
    }
    Ok(tale.end(accepted, refused, ENDING_WAIT_MAX).await)
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
