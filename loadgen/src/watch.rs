//! Polls the target's alerts while and after the events are sent.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use crate::detect::{Detection, SeenAlert, judge, read_alerts};
use crate::send::{SendError, client, endpoint, root_cause};
use crate::truth::IncidentTruth;

/// Time between two looks.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Longest wait for one answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// Collects every firing that the target's list of alerts ever showed. It looks
/// during the run as well: a list may forget what is resolved.
pub struct Watcher {
    client: reqwest::Client,
    url: reqwest::Url,
    seen: BTreeSet<SeenAlert>,
    problem: Option<String>,
}

impl Watcher {
    /// A watcher of `GET {target}/v1/alerts`, which may want a token.
    ///
    /// # Errors
    /// When the target's address is no URL, or the token cannot be sent.
    pub fn new(target: &str, token: Option<&str>) -> Result<Self, SendError> {
        let url = endpoint(target, "/v1/alerts")?;
        Ok(Self {
            client: client(token, ANSWER_TIMEOUT)?,
            url,
            seen: BTreeSet::new(),
            problem: None,
        })
    }

    /// Looks until `done` turns true.
    pub async fn watch(mut self, mut done: watch::Receiver<bool>) -> Self {
        loop {
            self.look().await;
            tokio::select! {
                _ = done.wait_for(|done| *done) => return self,
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
        }
    }

    /// Looks on for `drain`, or until every incident is noticed, and judges.
    pub async fn drain(
        mut self,
        drain: Duration,
        incidents: &[IncidentTruth],
        played_until_ms: i64,
    ) -> Detection {
        let until = Instant::now() + drain;
        loop {
            self.look().await;
            let seen: Vec<_> = self.seen.iter().cloned().collect();
            let mut detection = judge(incidents, &seen, played_until_ms);
            detection.unreadable = self.problem.clone();
            let complete = self.problem.is_none() && detection.is_complete();
            if complete || Instant::now() + LOOK_EVERY > until {
                return detection;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    async fn look(&mut self) {
        let answer = async {
            let response = self
                .client
                .get(self.url.clone())
                .send()
                .await
                .map_err(|error| root_cause(&error))?;
            let status = response.status();
            let text = response.text().await.map_err(|error| root_cause(&error))?;
            if status.is_success() {
                read_alerts(&text)
            } else {
                Err(format!("GET {} answered {status}", self.url))
            }
        };
        match answer.await {
            Ok(alerts) => {
                self.seen.extend(alerts);
                self.problem = None;
            }
            Err(problem) => self.problem = Some(problem),
        }
    }
}
