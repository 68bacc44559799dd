//! Plays the departments: takes triggers, works on them, and finishes them once the alert is over.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::sync::mpsc;

/// Commands that may wait; the demo has some dozens.
const WAITING_MAX: usize = 1_000;
/// Pause between two moves of a department, so that people can watch.
const PAUSE: Duration = Duration::from_millis(120);

/// What a department says.
pub(super) enum Line {
    /// A move was refused.
    Trouble(String),
}

enum Cue {
    Demand(String),
    Relieve(String),
}

/// The departments.
pub(super) struct Departments {
    cues: mpsc::Sender<Cue>,
    lines: mpsc::Receiver<Line>,
    /// Cues that did not fit; tried again with the next.
    late: VecDeque<Cue>,
}

impl Departments {
    /// Lets them act through the API at `url`.
    pub(super) fn play(url: String) -> Departments {
        let (cues, cue) = mpsc::channel(WAITING_MAX);
        let (say, lines) = mpsc::channel(WAITING_MAX);
        tokio::spawn(act(url, cue, say));
        Departments {
            cues,
            lines,
            late: VecDeque::new(),
        }
    }

    /// A trigger asks a department.
    pub(super) fn demand(&mut self, trigger: &str) {
        self.cue(Cue::Demand(trigger.to_owned()));
    }

    /// The alert of a trigger is over.
    pub(super) fn relieve(&mut self, trigger: &str) {
        self.cue(Cue::Relieve(trigger.to_owned()));
    }

    /// The next thing that a department says.
    pub(super) async fn next_line(&mut self) -> Option<Line> {
        self.lines.recv().await
    }

    fn cue(&mut self, cue: Cue) {
        self.late.push_back(cue);
        while let Some(cue) = self.late.pop_front() {
            if let Err(mpsc::error::TrySendError::Full(cue)) = self.cues.try_send(cue) {
                self.late.push_front(cue);
                break;
            }
        }
    }
}

async fn act(url: String, mut cues: mpsc::Receiver<Cue>, say: mpsc::Sender<Line>) {
    let client = reqwest::Client::new();
    while let Some(cue) = cues.recv().await {
        let (id, moves): (String, &[(&str, &str)]) = match cue {
            Cue::Demand(id) => (id, &[("accepted", "已受理"), ("in_progress", "处理中")]),
            Cue::Relieve(id) => (id, &[("mended", "指标已恢复")]),
        };
        for (to, reason) in moves {
            tokio::time::sleep(PAUSE).await;
            let body = serde_json::json!({ "to": to, "reason": reason, "actor": "demo" });
            let address = format!("{url}/v1/triggers/{id}/moves");
            let line = match client.post(&address).json(&body).send().await {
                Ok(answer) if answer.status().is_success() => continue,
                // Somebody was faster: another trigger absorbed it, or it was reopened.
                Ok(answer) if answer.status() == reqwest::StatusCode::CONFLICT => break,
                Ok(answer) => Line::Trouble(format!(
                    "trigger {id} did not become {to}: {}",
                    answer.status()
                )),
                Err(error) => Line::Trouble(format!("trigger {id} did not become {to}: {error}")),
            };
            if say.send(line).await.is_err() {
                return;
            }
        }
    }
}
