//! Turns effects into sentences, and knows when a story is over.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;
use tokio::sync::broadcast::{Receiver, error::RecvError};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use crate::alerting::{Alert, AlertState, DemandNotice, Notice, NoticeReason};
use crate::engine::Effect;

/// What came of a story.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoryResult {
    /// Events that the engine took.
    pub accepted: u64,
    /// Events that it refused.
    pub refused: u64,
    /// Incidents that were told.
    pub alerts: usize,
    /// Incidents that are not over.
    pub open: usize,
    /// Notices to be mailed; one mail may tell several.
    pub mails: usize,
    /// Triggers opened, without those that became part of another.
    pub triggers: usize,
    /// Triggers that became part of another.
    pub absorbed: usize,
    /// Triggers that are not closed.
    pub waiting: usize,
    /// Triggers whose closing mail shows by a chart that the mend worked.
    pub proven: usize,
}

impl StoryResult {
    /// The story in one line.
    pub fn summary(&self) -> String {
        let StoryResult {
            accepted,
            refused,
            alerts,
            open,
            mails,
            triggers,
            absorbed,
            waiting,
            proven,
        } = self;
        let all = triggers + absorbed;
        format!(
            "  ─ {accepted} events taken, {refused} refused; {alerts} alerts, {open} still open; \
             {mails} notices by e-mail; {all} triggers: {absorbed} part of another, {proven} closed with a proven effect, \
             {waiting} not closed"
        )
    }

    /// Whether the whole loop was run: everything that began has ended, and every mend is proven.
    pub fn is_resolved(&self) -> bool {
        self.alerts > 0
            && self.open == 0
            && self.triggers > 0
            && self.waiting == 0
            && self.proven == self.triggers
    }
}

/// A story that is being told.
pub struct Tale {
    end: mpsc::Sender<(Duration, oneshot::Sender<StoryResult>)>,
}

struct Teller {
    zone: TimeZone,
    say: Arc<dyn Fn(&str) + Send + Sync>,
    /// Incidents that go on.
    open: BTreeSet<String>,
    /// Turns of incidents that have been told, however many people were.
    turns: BTreeSet<(String, u32)>,
    /// Triggers that asked somebody and are not closed.
    asking: BTreeSet<String>,
    /// Triggers that were closed with a proven effect.
    proven: BTreeSet<String>,
    result: StoryResult,
}

impl Tale {
    /// Begins to listen.
    pub(super) fn listen(
        effects: Receiver<Arc<Vec<Effect>>>,
        zone: TimeZone,
        say: Arc<dyn Fn(&str) + Send + Sync>,
    ) -> Tale {
        let (end, ending) = mpsc::channel(1);
        let teller = Teller {
            zone,
            say,
            open: BTreeSet::new(),
            turns: BTreeSet::new(),
            asking: BTreeSet::new(),
            proven: BTreeSet::new(),
            result: StoryResult::default(),
        };
        tokio::spawn(teller.tell(effects, ending));
        Tale { end }
    }

    /// The events are sent: waits until everything that began is over, but not for ever.
    pub(super) async fn end(self, wait_max: Duration) -> StoryResult {
        let (reply, result) = oneshot::channel();
        // The teller lives as long as this sender.
        let _ = self.end.send((wait_max, reply)).await;
        result.await.unwrap_or_default()
    }
}

impl Teller {
    async fn tell(
        mut self,
        mut effects: Receiver<Arc<Vec<Effect>>>,
        mut ending: mpsc::Receiver<(Duration, oneshot::Sender<StoryResult>)>,
    ) {
        let mut last: Option<(Instant, oneshot::Sender<StoryResult>)> = None;
        loop {
            if let Some((deadline, _)) = &last {
                let over = self.open.is_empty() && self.asking.is_empty();
                if over || Instant::now() >= *deadline {
                    break;
                }
            }
            tokio::select! {
                told = effects.recv() => match told {
                    Ok(told) => told.iter().for_each(|effect| self.hear(effect)),
                    Err(RecvError::Lagged(missed)) => {
                        (self.say)(&format!("  … {missed} steps of the tale were missed"));
                    }
                    Err(RecvError::Closed) => break,
                },
                asked = ending.recv(), if last.is_none() => match asked {
                    // Two more epochs, so that what the last events caused can be heard.
                    Some((wait_max, reply)) => {
                        tokio::time::sleep(Duration::from_millis(600)).await;
                        last = Some((Instant::now() + wait_max, reply));
                    }
                    None => return,
                },
                () = tokio::time::sleep(Duration::from_millis(100)), if last.is_some() => {}
            }
        }
        if let Some((_, reply)) = last {
            self.result.open = self.open.len();
            self.result.proven = self.proven.len();
            let _ = reply.send(self.result);
        }
    }

    fn hear(&mut self, effect: &Effect) {
        let Effect::Notice(notice) = effect else {
            return;
        };
        self.result.mails += 1;
        if self
            .turns
            .insert((notice.alert.incident.clone(), notice.revision))
        {
            match &notice.demand {
                Some(demand) => self.demand(notice, demand),
                None => self.turn(notice),
            }
        }
    }

    fn turn(&mut self, notice: &Notice) {
        let alert = &notice.alert;
        let incident = alert.incident.clone();
        match alert.state {
            AlertState::Resolved => {
                self.open.remove(&incident);
            }
            _ => {
                if self.open.insert(incident) {
                    self.result.alerts += 1;
                }
            }
        }
        (self.say)(&self.sentence(notice));
    }

    /// Something happened to a trigger.
    fn demand(&mut self, notice: &Notice, demand: &DemandNotice) {
        let id = notice.alert.incident.clone();
        let say = |sign: &str, words: &str| {
            let place = &demand.place;
            (self.say)(&format!(
                "          {sign} trigger {id} {words} · {} {place}",
                demand.title.zh
            ));
        };
        match notice.reason {
            NoticeReason::Assigned | NoticeReason::Reopened | NoticeReason::HandedOver => {
                let department = notice.trigger.as_ref().map_or("", |of| &of.department.zh);
                say("↳", &format!("asks {department} ({})", demand.owner));
                self.proven.remove(&id);
                self.asking.insert(id);
            }
            NoticeReason::Answered => say("✔", "is mended, agents know"),
            NoticeReason::Closed => {
                let verdict = demand.verdict.as_ref().map(|(verdict, _)| verdict.as_str());
                match (&demand.absorbed_into, verdict) {
                    (Some(into), _) => say("✔", &format!("is part of {into}")),
                    (None, Some(verdict)) => say("✔", &format!("is closed, {verdict}")),
                    (None, None) => say("✔", "is closed"),
                }
                for ground in demand
                    .grounds
                    .iter()
                    .filter(|_| demand.absorbed_into.is_none())
                {
                    (self.say)(&format!("              {}", ground.en));
                }
                let is_shown = demand.effect.is_some() && !notice.chart.is_empty();
                if verdict == Some("effective") && is_shown {
                    self.proven.insert(id.clone());
                }
                self.asking.remove(&id);
            }
            _ => say("·", notice.reason.name()),
        }
    }

    fn sentence(&self, notice: &Notice) -> String {
        let alert = &notice.alert;
        let at_ms = match notice.reason {
            // It fired earlier; what is told is its newest window.
            NoticeReason::Escalated => alert.window_ms.1,
            _ => alert
                .resolved_at_ms
                .or(alert.fired_at_ms)
                .unwrap_or(alert.active_since_ms),
        };
        let sign = match notice.reason {
            NoticeReason::First => "▲",
            NoticeReason::Escalated => "⏫",
            NoticeReason::Resolved => "▽",
            NoticeReason::Corrected => "≠",
            NoticeReason::RuleChanged => "§",
            _ => "·",
        };
        let service = alert
            .service_name
            .as_ref()
            .map_or("", |name| name.zh.as_str());
        let place: Vec<&str> = alert
            .group
            .iter()
            .filter(|(name, _)| name != "service")
            .map(|(_, value)| value.as_str())
            .collect();
        format!(
            "  {} {sign} {:<8} {service} {} {} {}{} → mail to {}",
            self.local(at_ms),
            if alert.state == AlertState::Resolved {
                "resolved"
            } else {
                alert.severity.name()
            },
            place.join(" "),
            alert.name.zh,
            number(alert),
            limit(alert),
            notice.recipient.email
        )
    }

    fn local(&self, ms: i64) -> String {
        jiff::Timestamp::from_millisecond(ms).map_or_else(
            |_| ms.to_string(),
            |time| {
                time.to_zoned(self.zone.clone())
                    .strftime("%m-%d %H:%M")
                    .to_string()
            },
        )
    }
}

fn number(alert: &Alert) -> String {
    let value = alert
        .value
        .map_or("–".to_owned(), |value| format!("{value:.1}"));
    format!("{value} {}", alert.unit).trim_end().to_owned()
}

fn limit(alert: &Alert) -> String {
    match (alert.limit_min, alert.limit_max) {
        (Some(min), _) => format!(" (at least {min})"),
        (None, Some(max)) => format!(" (at most {max})"),
        (None, None) => String::new(),
    }
}
