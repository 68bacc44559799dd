//! Complaint tickets: filed by customers, changed by those who handle them.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::Frame;
use super::strike::{note, strikes};
use crate::line::{JsonText, LineWriter, prepare_text};
use crate::pending::Pending;
use crate::places::{expand, subscriber};
use crate::scenario::{ComplaintEffect, Complaints, Effect};
use crate::truth::IncidentTruth;

/// Complainants come from the first subscribers of a city, who are the ones
/// that editions are sent to.
const COMPLAINANTS: u64 = 200;

/// A second delivery of a ticket follows within this time.
const REPEAT_AFTER_MS: std::ops::Range<i64> = 1..1_000;

/// The tickets of one service and path.
pub(super) struct Tickets {
    rng: ChaCha8Rng,
    due: Pending<Due>,
    arrivals: Vec<Arrivals>,
    cities: Vec<City>,
    settings: Complaints,
    serial_prefix: String,
    path: JsonText,
    reclassified_path: JsonText,
    serials: u64,
}

struct City {
    fields: Vec<u8>,
    /// Incidents that may be going on here: index, from, until.
    strikes: Vec<(usize, i64, i64)>,
}

/// Tickets that come in at one rate, in one city.
struct Arrivals {
    city: usize,
    mean_gap_ms: f64,
    until_ms: i64,
    /// The incident that causes them, if it is one.
    incident: Option<usize>,
}

enum Due {
    Arrive(usize),
    Change(Ticket),
    Repeat { ts_ms: i64, ticket: Ticket },
}

#[derive(Clone, Copy)]
struct Ticket {
    serial: u64,
    version: i64,
    city: usize,
    subscriber: u64,
    escalated: bool,
    state: State,
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    Filed,
    Reclassified,
    Excluded,
    Withdrawn,
    Confirmed,
    Closed,
}

impl State {
    fn word(self) -> &'static str {
        match self {
            Self::Filed => "\"filed\"",
            Self::Reclassified => "\"reclassified\"",
            Self::Excluded => "\"excluded\"",
            Self::Withdrawn => "\"withdrawn\"",
            Self::Confirmed => "\"confirmed\"",
            Self::Closed => "\"closed\"",
        }
    }
}

impl Tickets {
    pub(super) fn new(frame: Frame<'_>, settings: &Complaints, rng: ChaCha8Rng) -> Self {
        let mut tickets = Self {
            rng,
            due: Pending::default(),
            arrivals: Vec::new(),
            cities: Vec::new(),
            serial_prefix: format!("{}-", settings.name.value),
            path: JsonText::new(&settings.path),
            reclassified_path: JsonText::new(
                settings
                    .reclassified_path
                    .as_deref()
                    .unwrap_or(&settings.path),
            ),
            settings: settings.clone(),
            serials: 0,
        };
        // Never scaled: more probes do not make more customers.
        let gap_ms = |per_h: f64| 3_600_000.0 / per_h;
        for (city, name) in expand(&settings.cities).iter().enumerate() {
            let mut fields = Vec::new();
            prepare_text(&mut fields, "service", &settings.service);
            prepare_text(&mut fields, "city", name);
            let strikes = strikes(frame, effect, Some(&settings.service), &[("city", name)]);
            let usual = Arrivals {
                city,
                mean_gap_ms: gap_ms(settings.rate_per_h.0),
                until_ms: frame.end_ms,
                incident: None,
            };
            tickets.add_arrivals(frame.start_ms, usual);
            for strike in &strikes {
                let burst = Arrivals {
                    city,
                    mean_gap_ms: gap_ms(strike.effect.burst_per_h.0),
                    until_ms: strike.end_ms(),
                    incident: Some(strike.incident),
                };
                tickets.add_arrivals(strike.begin_ms(), burst);
            }
            let strikes = strikes
                .iter()
                .map(|strike| (strike.incident, strike.begin_ms(), strike.end_ms()))
                .collect();
            tickets.cities.push(City { fields, strikes });
        }
        tickets
    }

    fn add_arrivals(&mut self, from_ms: i64, arrivals: Arrivals) {
        let index = self.arrivals.len();
        self.arrivals.push(arrivals);
        self.plan_arrival(from_ms, index);
    }

    /// Customers know nothing of each other, so gaps are exponential.
    fn plan_arrival(&mut self, after_ms: i64, index: usize) {
        let arrivals = &self.arrivals[index];
        let gap_ms = -(1.0 - self.rng.random::<f64>()).ln() * arrivals.mean_gap_ms;
        let at_ms = after_ms.saturating_add(gap_ms as i64);
        if at_ms < arrivals.until_ms {
            self.due.push(at_ms, Due::Arrive(index));
        }
    }

    pub(super) fn next_ms(&self) -> Option<i64> {
        self.due.next_ms()
    }

    pub(super) fn write(&mut self, buffer: &mut Vec<u8>, truth: &mut [IncidentTruth]) -> i64 {
        let Some((at_ms, due)) = self.due.pop() else {
            return 0;
        };
        match due {
            Due::Arrive(index) => {
                let ticket = self.file(at_ms, index, truth);
                self.line(buffer, at_ms, ticket);
                at_ms
            }
            Due::Change(ticket) => {
                if ticket.state == State::Confirmed {
                    let closed = Ticket {
                        state: State::Closed,
                        version: ticket.version + 1,
                        ..ticket
                    };
                    let after_ms = self.settings.follow_up.draw_ms(&mut self.rng) as i64;
                    self.due.push(at_ms + after_ms, Due::Change(closed));
                }
                self.line(buffer, at_ms, ticket);
                at_ms
            }
            Due::Repeat { ts_ms, ticket } => {
                self.line(buffer, ts_ms, ticket);
                ts_ms
            }
        }
    }

    /// Files a new ticket and plans what becomes of it.
    fn file(&mut self, at_ms: i64, index: usize, truth: &mut [IncidentTruth]) -> Ticket {
        self.plan_arrival(at_ms, index);
        let Arrivals { city, incident, .. } = self.arrivals[index];
        let (settings, rng) = (&self.settings, &mut self.rng);
        let ticket = Ticket {
            serial: self.serials,
            version: 1,
            city,
            subscriber: subscriber(city, rng.random_range(0..COMPLAINANTS)),
            escalated: settings.escalated.hit(rng),
            state: State::Filed,
        };
        self.serials += 1;
        for &(strike, from_ms, until_ms) in &self.cities[city].strikes {
            if (from_ms..until_ms).contains(&at_ms) {
                note(truth, strike, 1, u64::from(incident == Some(strike)));
            }
        }
        let fates = [
            (settings.reclassified, State::Reclassified),
            (settings.excluded, State::Excluded),
            (settings.withdrawn, State::Withdrawn),
            (settings.closed, State::Confirmed),
        ];
        let at: f64 = rng.random();
        let mut reached = 0.0;
        for (share, state) in fates {
            reached += share.0;
            if at < reached {
                let after_ms = settings.follow_up.draw_ms(rng) as i64;
                // A change never comes before the repetition of what it changes.
                let change_ms = at_ms + after_ms.max(REPEAT_AFTER_MS.end);
                self.due.push(
                    change_ms,
                    Due::Change(Ticket {
                        version: 2,
                        state,
                        ..ticket
                    }),
                );
                break;
            }
        }
        if settings.duplicated.hit(rng) {
            let repeat_ms = at_ms + rng.random_range(REPEAT_AFTER_MS);
            self.due.push(
                repeat_ms,
                Due::Repeat {
                    ts_ms: at_ms,
                    ticket,
                },
            );
        }
        ticket
    }

    fn line(&self, buffer: &mut Vec<u8>, ts_ms: i64, ticket: Ticket) {
        let path = if ticket.state == State::Reclassified {
            &self.reclassified_path
        } else {
            &self.path
        };
        let mut line = LineWriter::start(buffer, "complaint", ts_ms);
        line.numbered("serial", &self.serial_prefix, ticket.serial, 6)
            .integer("version", ticket.version)
            .raw("state", ticket.state.word())
            .text("path", path)
            .prepared(&self.cities[ticket.city].fields)
            .numbered("subscriber", "", ticket.subscriber, 11)
            .text("channel", &JsonText::new(&self.settings.channel))
            .flag("escalated", ticket.escalated);
        if !self.settings.text.is_empty() {
            line.text("text", &JsonText::new(&self.settings.text));
        }
        line.end();
    }
}

fn effect(effect: &Effect) -> Option<&ComplaintEffect> {
    match effect {
        Effect::Complaint(effect) => Some(effect),
        _ => None,
    }
}
