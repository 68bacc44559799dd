//! MMS: a submission, an interim receipt, and a final one that may take hours.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::Frame;
use super::dial_test::{pick, weighted};
use super::strike::{Strike, note, strikes};
use crate::line::{JsonText, LineWriter, prepare_text};
use crate::pending::Pending;
use crate::places::{expand, subscriber};
use crate::quantity::{DAY_MS, LogNormal, Share};
use crate::scenario::{Effect, MmsEffect, MmsTraffic};
use crate::truth::IncidentTruth;

/// Width of the pool of subscribers for messages outside editions, per city.
const STEADY_SUBSCRIBERS: u64 = 20_000;

/// How long the relay takes to say that it forwarded a message.
const FORWARDED_AFTER_MS: std::ops::Range<i64> = 300..3_000;

/// How long a message may wait for its handset, ms: MIIT's norm keeps it at least 72 h. The MMSC
/// gives up on a handset that it cannot reach before that (`expires_after`), a held-up one it keeps.
const VALIDITY_MS: i64 = 72 * 3_600_000;
/// Messages held back are not all released in one moment.
const RELEASE_SPREAD_MS: i64 = 600_000;

/// The messages of one service.
pub(super) struct Mms {
    rng: ChaCha8Rng,
    due: Pending<Due>,
    /// Cities of every issue.
    cities: usize,
    places: Vec<Place>,
    issues: Vec<Issue>,
    message_prefix: String,
    messages: u64,
    expired: Share,
    rejected: Share,
    unrecognised: Share,
    retrieved_after: LogNormal,
    expires_after_ms: i64,
    expired_texts: Vec<(JsonText, f64)>,
}

/// A city as messages see it, for one source of messages.
struct Place {
    city_index: usize,
    fields: Vec<u8>,
    strikes: Vec<Strike<MmsEffect>>,
}

/// One source of submissions: an edition of one day, or the steady traffic.
struct Issue {
    first_place: usize,
    start_ms: i64,
    interval_ms: f64,
    total: u64,
    /// An edition goes to each subscriber once; steady traffic picks.
    everyone: bool,
}

enum Due {
    Submit {
        issue: usize,
        number: u64,
    },
    Forwarded(Message),
    Final {
        message: Message,
        status: Status,
        text: JsonText,
        caused_by: Option<usize>,
    },
}

#[derive(Clone, Copy)]
struct Message {
    id: u64,
    recipient: u64,
}

#[derive(Clone, Copy, PartialEq)]
enum Status {
    Retrieved,
    Expired,
    Rejected,
    Unrecognised,
}

impl Status {
    fn word(self) -> &'static str {
        match self {
            Self::Retrieved => "Retrieved",
            Self::Expired => "Expired",
            Self::Rejected => "Rejected",
            Self::Unrecognised => "Unrecognised",
        }
    }
}

impl Mms {
    pub(super) fn new(frame: Frame<'_>, traffic: &MmsTraffic, rng: ChaCha8Rng) -> Self {
        let cities = expand(&traffic.cities);
        let mut mms = Self {
            rng,
            due: Pending::default(),
            cities: cities.len(),
            places: Vec::new(),
            issues: Vec::new(),
            message_prefix: format!("{}-", traffic.name.value),
            messages: 0,
            expired: traffic.expired,
            rejected: traffic.rejected,
            unrecognised: traffic.unrecognised,
            retrieved_after: traffic.retrieved_after,
            expires_after_ms: traffic.expires_after.0,
            expired_texts: weighted(
                traffic
                    .expired_texts
                    .iter()
                    .map(|(text, weight)| (text.as_str(), weight.0)),
            ),
        };
        for edition in &traffic.editions {
            let first_place = mms.add_places(frame, &traffic.service, &cities, Some(&edition.name));
            let per_city = (f64::from(edition.per_city) * frame.scale).round() as u64;
            let total = per_city * cities.len() as u64;
            let mut start_ms = edition.at.first_at_or_after(frame.start_ms);
            while start_ms < frame.end_ms {
                let interval_ms = edition.spread.0 as f64 / total.max(1) as f64;
                mms.add_issue(Issue {
                    first_place,
                    start_ms,
                    interval_ms,
                    total,
                    everyone: true,
                });
                start_ms += DAY_MS;
            }
        }
        if let Some(rate) = traffic.rate_per_min {
            let first_place = mms.add_places(frame, &traffic.service, &cities, None);
            let duration_ms = frame.scenario.duration.0 as f64;
            let total = (rate.0 * frame.scale * duration_ms / 60_000.0).round() as u64;
            let interval_ms = duration_ms / total.max(1) as f64;
            mms.add_issue(Issue {
                first_place,
                start_ms: frame.start_ms,
                interval_ms,
                total,
                everyone: false,
            });
        }
        mms
    }

    /// Adds the cities for one edition; returns where they begin.
    fn add_places(
        &mut self,
        frame: Frame<'_>,
        service: &str,
        cities: &[String],
        edition: Option<&str>,
    ) -> usize {
        let first = self.places.len();
        for (city_index, city) in cities.iter().enumerate() {
            let mut fields = Vec::new();
            prepare_text(&mut fields, "service", service);
            prepare_text(&mut fields, "city", city);
            let mut dims = vec![("city", city.as_str())];
            if let Some(edition) = edition {
                prepare_text(&mut fields, "edition", edition);
                dims.push(("edition", edition));
            }
            let strikes = strikes(frame, effect, Some(service), &dims);
            self.places.push(Place {
                city_index,
                fields,
                strikes,
            });
        }
        first
    }

    fn add_issue(&mut self, issue: Issue) {
        if issue.total > 0 {
            self.due.push(
                issue.start_ms,
                Due::Submit {
                    issue: self.issues.len(),
                    number: 0,
                },
            );
            self.issues.push(issue);
        }
    }

    pub(super) fn next_ms(&self) -> Option<i64> {
        self.due.next_ms()
    }

    pub(super) fn write(&mut self, buffer: &mut Vec<u8>, truth: &mut [IncidentTruth]) -> i64 {
        let Some((ts_ms, due)) = self.due.pop() else {
            return 0;
        };
        match due {
            Due::Submit { issue, number } => self.submit(buffer, truth, ts_ms, issue, number),
            Due::Forwarded(message) => {
                self.receipt(buffer, ts_ms, message, "Forwarded", &JsonText::new("1000"));
            }
            Due::Final {
                message,
                status,
                text,
                caused_by,
            } => {
                self.receipt(buffer, ts_ms, message, status.word(), &text);
                if let Some(incident) = caused_by {
                    note(truth, incident, 0, 1);
                }
            }
        }
        ts_ms
    }

    fn submit(
        &mut self,
        buffer: &mut Vec<u8>,
        truth: &mut [IncidentTruth],
        ts_ms: i64,
        index: usize,
        number: u64,
    ) {
        let issue = &self.issues[index];
        if number + 1 < issue.total {
            let next_ms = issue.start_ms + ((number + 1) as f64 * issue.interval_ms) as i64;
            self.due.push(
                next_ms,
                Due::Submit {
                    issue: index,
                    number: number + 1,
                },
            );
        }
        let cities = self.cities;
        let (place, person) = if issue.everyone {
            (number as usize % cities, number / cities as u64)
        } else {
            (
                self.rng.random_range(0..cities),
                self.rng.random_range(0..STEADY_SUBSCRIBERS),
            )
        };
        let place = &self.places[issue.first_place + place];
        let message = Message {
            id: self.messages,
            recipient: subscriber(place.city_index, person),
        };
        self.messages += 1;

        let mut line = LineWriter::start(buffer, "mms_submit", ts_ms);
        line.numbered("message_id", &self.message_prefix, message.id, 8)
            .prepared(&place.fields)
            .numbered("recipient", "", message.recipient, 11)
            .integer("valid_until", ts_ms + VALIDITY_MS);
        line.end();

        let strike = place.strikes.iter().find(|strike| strike.is_on(ts_ms));
        let expired = strike
            .and_then(|strike| strike.effect.expired)
            .unwrap_or(self.expired);
        let at: f64 = self.rng.random();
        let (mut status, mut caused_by) = (Status::Retrieved, None);
        if at < expired.0 {
            status = Status::Expired;
            caused_by = strike
                .filter(|strike| strike.effect.expired.is_some())
                .map(|strike| strike.incident);
        } else if at < expired.0 + self.rejected.0 {
            status = Status::Rejected;
        } else if at < expired.0 + self.rejected.0 + self.unrecognised.0 {
            status = Status::Unrecognised;
        }
        let mut final_ms = match status {
            Status::Expired => ts_ms + self.expires_after_ms,
            Status::Retrieved => ts_ms + self.retrieved_after.draw_ms(&mut self.rng) as i64,
            Status::Rejected | Status::Unrecognised => ts_ms + self.rng.random_range(1_000..20_000),
        };
        if status == Status::Retrieved
            && let Some(strike) = strike
            && let Some(retrieved_at) = strike.effect.retrieved_at
            && strike.effect.delayed.hit(&mut self.rng)
        {
            final_ms =
                retrieved_at.first_at_or_after(ts_ms) + self.rng.random_range(0..RELEASE_SPREAD_MS);
            caused_by = Some(strike.incident);
        }
        let text = match status {
            Status::Expired => {
                let told = strike
                    .and_then(|strike| strike.effect.status_text.as_deref())
                    .map(JsonText::new);
                told.or_else(|| pick(&self.expired_texts, &mut self.rng).cloned())
                    .unwrap_or_else(|| JsonText::new("4446"))
            }
            Status::Retrieved => JsonText::new("1000"),
            Status::Rejected => JsonText::new("用户拒收"),
            Status::Unrecognised => JsonText::new("终端不支持"),
        };
        if let Some(strike) = strike {
            note(truth, strike.incident, 1, 0);
        }
        let forwarded_ms = ts_ms + self.rng.random_range(FORWARDED_AFTER_MS);
        self.due.push(forwarded_ms, Due::Forwarded(message));
        // A final receipt cannot overtake the interim one: they share a queue.
        self.due.push(
            final_ms.max(forwarded_ms + 1),
            Due::Final {
                message,
                status,
                text,
                caused_by,
            },
        );
    }

    fn receipt(
        &self,
        buffer: &mut Vec<u8>,
        ts_ms: i64,
        message: Message,
        status: &str,
        text: &JsonText,
    ) {
        let mut line = LineWriter::start(buffer, "mms_receipt", ts_ms);
        line.numbered("message_id", &self.message_prefix, message.id, 8)
            .text("status", &JsonText::new(status))
            .text("status_text", text)
            .numbered("recipient", "", message.recipient, 11);
        line.end();
    }
}

fn effect(effect: &Effect) -> Option<&MmsEffect> {
    match effect {
        Effect::Mms(effect) => Some(effect),
        _ => None,
    }
}
