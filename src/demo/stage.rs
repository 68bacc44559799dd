//! Tells the events of a story, a slice of its time at a time: the next one waits until the engine has decided about
//! the last, and the departments have done what was theirs to do. So a seed has one outcome, however fast the machine
//! is: every slice is one request and one epoch, and who acts acts at the same moment of the story.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, ensure};
use arc_swap::ArcSwap;
use loadgen::{GeneratedEvent, Generator};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::demo::cast::Cast;
use crate::engine::Snapshot;

/// Pause between two looks at the engine.
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// Longest wait for the engine to decide about a slice.
const DECIDED_WAIT_MAX: Duration = Duration::from_secs(30);

/// Where a story is told.
pub(super) struct Stage<'a> {
    pub(super) url: &'a str,
    pub(super) snapshot: &'a ArcSwap<Snapshot>,
    pub(super) departments: &'a Cast,
    /// Length of a slice, ms of the story's time.
    pub(super) slice_ms: i64,
    /// Least time that a slice takes on the wall, so that people, and what scrapes, can follow.
    pub(super) slice_pause: Duration,
}

/// Events taken and refused.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Taken {
    pub(super) accepted: u64,
    pub(super) refused: u64,
}

#[derive(Deserialize)]
struct Answer {
    accepted: u64,
    #[serde(default)]
    refused: Vec<serde::de::IgnoredAny>,
}

/// Connections that a story still holds: it ends in the middle of some, and until another is told nothing would give
/// them back.
#[derive(Default)]
struct Held {
    lines: BTreeMap<String, Map<String, Value>>,
}

impl Held {
    fn note(&mut self, line: &str) {
        if !line.starts_with(r#"{"type":"boss_connection""#) {
            return;
        }
        let Ok(event) = serde_json::from_str::<Map<String, Value>>(line) else {
            return;
        };
        let connection = event.get("connection").and_then(Value::as_str);
        let Some(connection) = connection.map(str::to_owned) else {
            return;
        };
        match event.get("state").and_then(Value::as_str) {
            Some("acquired") => {
                self.lines.insert(connection, event);
            }
            Some("released") => {
                self.lines.remove(&connection);
            }
            _ => {}
        }
    }

    /// Lines that give them back at the end.
    fn released(&mut self, at_ms: i64) -> String {
        let mut body = String::new();
        for mut event in std::mem::take(&mut self.lines).into_values() {
            event.insert("ts".to_owned(), at_ms.into());
            event.insert("state".to_owned(), "released".into());
            body.push_str(&Value::Object(event).to_string());
            body.push('\n');
        }
        body
    }
}

impl Stage<'_> {
    /// Tells everything that a generator has.
    ///
    /// # Errors
    /// The engine does not answer, or refuses a department's step.
    pub(super) async fn tell(&self, generator: Generator, start_ms: i64) -> anyhow::Result<Taken> {
        let client = reqwest::Client::new();
        let mut taken = Taken::default();
        let mut held = Held::default();
        let mut events = generator.peekable();
        let mut end_ms = start_ms;
        while let Some(next) = events.peek() {
            let began = tokio::time::Instant::now();
            let behind = (next.delivery.due_ms - end_ms).max(0) / self.slice_ms + 1;
            end_ms += behind * self.slice_ms;
            let mut body = String::new();
            let mut newest_ms = i64::MIN;
            while let Some(GeneratedEvent { line, delivery }) =
                events.next_if(|event| event.delivery.due_ms < end_ms)
            {
                newest_ms = newest_ms.max(delivery.ts_ms);
                held.note(&line);
                body.push_str(&line);
                body.push('\n');
            }
            if events.peek().is_none() {
                body.push_str(&held.released(newest_ms));
            }
            let request = client.post(format!("{}/v1/events", self.url)).body(body);
            let answer = request
                .send()
                .await
                .and_then(reqwest::Response::error_for_status);
            let answer: Answer = answer
                .context("a slice of the story was refused")?
                .json()
                .await?;
            taken.accepted += answer.accepted;
            taken.refused += answer.refused.len() as u64;
            self.decided(newest_ms).await?;
            self.departments.act(end_ms).await?;
            tokio::time::sleep_until(began + self.slice_pause).await;
        }
        Ok(taken)
    }

    /// Waits until the engine has decided about the epoch that has an event of this moment, the newest of its slice.
    async fn decided(&self, newest_ms: i64) -> anyhow::Result<()> {
        let began = tokio::time::Instant::now();
        loop {
            let snapshot = self.snapshot.load_full();
            let seen_ms = snapshot
                .watermarks
                .sources()
                .map(|(_, state)| state.ts_ms_max)
                .max();
            if seen_ms >= Some(newest_ms) {
                return Ok(());
            }
            ensure!(
                began.elapsed() < DECIDED_WAIT_MAX,
                "the engine does not come to a decision"
            );
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}
