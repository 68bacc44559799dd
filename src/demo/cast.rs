//! Plays the departments: takes triggers, works on them, and finishes them, at moments of the story's own time.

use anyhow::Context;
use serde_json::json;

use crate::engine::Snapshot;

/// When the departments of a story work.
#[derive(Clone, Copy)]
pub(super) enum Repair {
    /// At once, until nothing fires any more.
    WhenQuiet,
    /// Between these hours of the story.
    At {
        /// Work begins.
        from_h: i64,
        /// Work is done.
        to_h: i64,
    },
}

/// The departments.
pub(super) struct Departments {
    client: reqwest::Client,
    url: String,
    repair: Repair,
    start_ms: i64,
    /// Triggers up to this one are of an earlier story.
    since: Option<String>,
}

impl Departments {
    /// Lets them act through the API at `url`, on what opens from now on.
    pub(super) fn play(
        url: &str,
        repair: Repair,
        start_ms: i64,
        snapshot: &Snapshot,
    ) -> Departments {
        Departments {
            client: reqwest::Client::new(),
            url: url.to_owned(),
            repair,
            start_ms,
            since: snapshot.triggers.last().map(|trigger| trigger.id.clone()),
        }
    }

    /// Identifiers of the triggers of this story, oldest first, with how they stand.
    pub(super) fn of_story<'a>(
        &'a self,
        snapshot: &'a Snapshot,
    ) -> impl Iterator<Item = (&'a str, &'a str, Option<&'static str>)> {
        let triggers = snapshot.triggers.iter();
        let own = triggers.filter(|trigger| Some(&trigger.id) > self.since.as_ref());
        own.map(|trigger| {
            let outcome = trigger.outcome.as_ref();
            (
                trigger.id.as_str(),
                trigger.state.name(),
                outcome.map(|outcome| outcome.name()),
            )
        })
    }

    /// Each department takes the step that is its turn at an hour of the story, one after the other.
    ///
    /// # Errors
    /// A step was refused.
    pub(super) async fn act(&self, snapshot: &Snapshot, clock_ms: i64) -> anyhow::Result<()> {
        let (begins, ends) = match self.repair {
            Repair::WhenQuiet => (true, None),
            Repair::At { from_h, to_h } => {
                let hours = (clock_ms - self.start_ms) / 3_600_000;
                (hours >= from_h, Some(hours >= to_h))
            }
        };
        let ids: Vec<&str> = self.of_story(snapshot).map(|(id, ..)| id).collect();
        for trigger in snapshot.triggers.iter() {
            if !ids.contains(&trigger.id.as_str()) {
                continue;
            }
            let is_over = ends.unwrap_or(!trigger.alert_firing);
            let step = match trigger.state.name() {
                "analysed" if trigger.review_required => ("reviewed", "同意"),
                "dispatched" => ("accepted", "已受理"),
                "accepted" if begins => ("in_progress", "处理中"),
                "in_progress" if is_over => ("mended", "已按知识库措施处理"),
                _ => continue,
            };
            let (to, reason) = step;
            let knowledge = &snapshot.plan.book.knowledge;
            let known = knowledge
                .iter()
                .find(|entry| entry.id == trigger.cause.cause);
            let remedy = known.and_then(|entry| entry.remedies.first());
            let mut body =
                json!({ "to": to, "reason": reason, "actor": trigger.owner.person.name });
            if let Some(remedy) = remedy.filter(|_| to == "mended") {
                body["remedy"] = json!(remedy.id);
            }
            let address = format!("{}/v1/triggers/{}/moves", self.url, trigger.id);
            let answer = self.client.post(&address).json(&body).send().await;
            answer
                .and_then(reqwest::Response::error_for_status)
                .with_context(|| format!("trigger {} did not become {to}", trigger.id))?;
        }
        Ok(())
    }
}
