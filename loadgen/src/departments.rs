//! Plays the departments: takes optimization triggers, works on them, and finishes them, over the same API that
//! people use.
//!
//! It decides nothing by the clock: whoever calls says what a shift may do, so that a story has one outcome.

use std::time::Duration;

use anyhow::Context;
use serde::Deserialize;
use serde_json::json;

/// Patience with one answer. Judgement: a target that decides for longer is one whose answer nobody waits for.
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(30);

/// Departments of a target.
#[derive(Debug)]
pub struct Departments {
    client: reqwest::Client,
    url: String,
    token: Option<String>,
}

/// What the departments may do on a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shift {
    /// Work may begin.
    pub begins: bool,
    /// Whether the work is done; none: it is when nothing fires any more.
    pub is_done: Option<bool>,
}

/// A step that was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepTaken {
    /// The trigger.
    pub trigger: String,
    /// State that it has now.
    pub to: &'static str,
    /// Who took it.
    pub actor: String,
}

#[derive(Deserialize)]
struct Listed {
    triggers: Vec<Asked>,
}

/// What a trigger says of itself, as far as a department's next step depends on it.
#[derive(Deserialize)]
struct Asked {
    id: String,
    state: String,
    /// Who has to act now: the lead where it waits for a review, and not whom it shall ask.
    asked: Option<String>,
    review_required: bool,
    alert_firing: bool,
    suggestion: Option<Suggestion>,
}

#[derive(Deserialize)]
struct Suggestion {
    remedies: Vec<Remedy>,
}

#[derive(Deserialize)]
struct Remedy {
    id: String,
}

impl Asked {
    /// The step that is its department's turn, and why; none where it waits for somebody else.
    fn step(&self, shift: Shift) -> Option<(&'static str, &'static str)> {
        let is_done = shift.is_done.unwrap_or(!self.alert_firing);
        Some(match self.state.as_str() {
            "analysed" if self.review_required => ("reviewed", "同意"),
            "dispatched" => ("accepted", "已受理"),
            "accepted" if shift.begins => ("in_progress", "处理中"),
            "in_progress" if is_done => ("mended", "已按知识库措施处理"),
            _ => return None,
        })
    }
}

impl Departments {
    /// Those of the target at `url`, with a token where it wants one.
    ///
    /// # Errors
    /// The HTTP client cannot be made.
    pub fn at(url: &str, token: Option<&str>) -> anyhow::Result<Departments> {
        let client = reqwest::Client::builder()
            .timeout(ANSWER_WAIT_MAX)
            .build()?;
        Ok(Departments {
            client,
            url: url.trim_end_matches('/').to_owned(),
            token: token.map(str::to_owned),
        })
    }

    /// Each department takes the step that is its turn, one after the other, of the triggers that were opened behind
    /// `since` (all without).
    ///
    /// # Errors
    /// The target does not answer, or refuses a step.
    pub async fn act(&self, shift: Shift, since: Option<&str>) -> anyhow::Result<Vec<StepTaken>> {
        let list = self.client.get(format!("{}/v1/triggers", self.url));
        let listed = self.signed(list).send().await;
        let listed = listed.and_then(reqwest::Response::error_for_status);
        let listed = listed.context("the target does not list its triggers")?;
        let listed: Listed = listed.json().await?;
        let mut taken = Vec::new();
        let behind = |trigger: &&Asked| since.is_none_or(|since| *trigger.id > *since);
        for trigger in listed.triggers.iter().filter(behind) {
            let Some((to, reason)) = trigger.step(shift) else {
                continue;
            };
            let mut body = json!({ "to": to, "reason": reason });
            let actor = trigger.asked.clone().unwrap_or_default();
            if self.token.is_none() {
                // With a token it is the token's name.
                body["actor"] = json!(actor);
            }
            let remedies = trigger.suggestion.iter().flat_map(|known| &known.remedies);
            if let Some(remedy) = remedies.take(1).find(|_| to == "mended") {
                body["remedy"] = json!(remedy.id);
            }
            let address = format!("{}/v1/triggers/{}/moves", self.url, trigger.id);
            let answer = self
                .signed(self.client.post(address))
                .json(&body)
                .send()
                .await;
            answer
                .and_then(reqwest::Response::error_for_status)
                .with_context(|| format!("trigger {} did not become {to}", trigger.id))?;
            taken.push(StepTaken {
                trigger: trigger.id.clone(),
                to,
                actor,
            });
        }
        Ok(taken)
    }

    fn signed(&self, request: reqwest::RequestBuilder) -> reqwest::RequestBuilder {
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_state_has_one_turn_and_what_fires_is_not_mended() {
        let asked = |state: &str, alert_firing, review_required| Asked {
            id: "T-000001".to_owned(),
            state: state.to_owned(),
            asked: Some("王工".to_owned()),
            review_required,
            alert_firing,
            suggestion: None,
        };
        let quiet = Shift {
            begins: true,
            is_done: None,
        };
        let step = |asked: Asked, shift| asked.step(shift).map(|(to, _)| to);
        assert_eq!(step(asked("analysed", true, true), quiet), Some("reviewed"));
        assert_eq!(step(asked("analysed", true, false), quiet), None);
        assert_eq!(
            step(asked("dispatched", true, false), quiet),
            Some("accepted")
        );
        assert_eq!(
            step(asked("accepted", true, false), quiet),
            Some("in_progress")
        );
        assert_eq!(step(asked("in_progress", true, false), quiet), None);
        assert_eq!(
            step(asked("in_progress", false, false), quiet),
            Some("mended")
        );
        assert_eq!(step(asked("feedback_given", false, false), quiet), None);
        let night = Shift {
            begins: false,
            is_done: Some(false),
        };
        assert_eq!(step(asked("accepted", true, false), night), None);
        assert_eq!(step(asked("in_progress", false, false), night), None);
        let done = Shift {
            begins: true,
            is_done: Some(true),
        };
        assert_eq!(
            step(asked("in_progress", true, false), done),
            Some("mended")
        );
    }
}
