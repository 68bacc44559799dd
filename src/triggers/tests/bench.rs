//! A trigger book under a small rule book: six cities, two services, four departments.

use crate::effect::EffectVerdict;
use crate::rules::testing::book;
use crate::rules::{Desk, Layer, RuleBook, Severity, Text};
use crate::triggers::{
    Evidence, Measured, MoveError, News, Now, Opening, Refusal, TicketNews, Trigger, TriggerBook,
    TriggerLimits, TriggerState, Wanted,
};

pub(super) const HOUR: i64 = 3_600_000;
/// Monday 2 March 2026, 10:00 in Shanghai.
pub(super) const MONDAY: i64 = 1_772_380_800_000 + 10 * HOUR;

pub(super) const BOOK: &str = "
book: {name: t, version: '1', time_zone: Asia/Shanghai}
places: [{province: P, group: G, cities: [c1, c2, c3, c4, c5, c6]}]
departments:
  - {id: NET, name: net, outlet: network, roles: [
      {id: contact, name: nc, contacts: [{name: n1, email: n1@example.com}, {name: n2, email: n2@example.com}]},
      {id: leader, name: nl, contacts: [{name: nl, email: nl@example.com}]}]}
  - {id: BSC, name: bsc, outlet: support, roles: [{id: contact, name: bc, contacts: [{name: b, email: b@example.com}]}]}
  - {id: DATA, name: data, roles: [
      {id: coordinator, name: co, contacts: [{name: co, email: co@example.com}]},
      {id: lead, name: le, contacts: [{name: le, email: le@example.com}]}]}
  - {id: CS, name: cs, roles: [{id: contact, name: cc, contacts: [{name: cc, email: cc@example.com}]}]}
services:
  - {id: s, name: {zh: 业务, en: service}, kqis: [
      {id: k, name: n, layer: platform, stream: dial_test, aggregate: mean, group_by: [service, city], window: 1m, unit: s, interval: {max: 50}, department: BSC},
      {id: wide, name: n, layer: experience, stream: dial_test, aggregate: count, group_by: [service], window: 1m, interval: {max: 50}, department: BSC},
      {id: far, name: n, layer: network, stream: dial_test, aggregate: count, group_by: [service, city], window: 1m, interval: {max: 50}, department: NET},
      {id: lost, name: n, layer: experience, stream: dial_test, aggregate: count, group_by: [service, city], window: 1m, interval: {max: 50}}]}
triggers:
  reviewer: {department: DATA, role: lead}
  frontline: {department: CS, role: contact}
  review: [{department: NET, severity: critical}]
  copies: [{department: NET, severity: major, to: {department: NET, role: leader}}]
  due: {minor: {accept: 4h, mend: 18h}, major: {accept: 2h, mend: 9h}}
  remind_before: 1h
  escalation: [{after: 0s, role: leader}, {after: 2h, department: DATA, role: coordinator}]
  acknowledged_for: 3h
  not_optimised: {review_after: 30d, worse_by: 1}
  province_wide: {cities: 3, share: 0.5}
  calendar: {from: '09:00', to: '18:00', holidays: ['2026-03-04']}
  absences: [{email: n1@example.com, from: '2026-03-03', to: '2026-03-05'}]
knowledge:
  - id: slow
    title: {zh: 慢, en: slow}
    service: s
    kqis: [k, wide]
    leaves: [回复慢]
    causes: [c]
    verify: [v]
    remedies: [{id: release, text: release it}, {id: restart, text: restart it}]
    owner: {department: BSC, role: contact}
    reference: r
";

pub(super) struct Bench {
    pub(super) book: RuleBook,
    pub(super) triggers: TriggerBook,
    pub(super) now_ms: i64,
}

impl Bench {
    pub(super) fn new() -> Bench {
        Bench::under(BOOK)
    }

    pub(super) fn under(text: &str) -> Bench {
        Bench {
            book: book(text),
            triggers: TriggerBook::new(TriggerLimits::default()),
            now_ms: MONDAY,
        }
    }

    /// An incident of a KQI fires at a place.
    pub(super) fn fire(&mut self, kqi: &str, place: &str, severity: Severity) -> Option<String> {
        let now = Now {
            book: &self.book,
            at_ms: self.now_ms,
        };
        self.triggers
            .demand(opening(&self.book, kqi, place, severity, self.now_ms), now)
    }

    pub(super) fn alert_ended(&mut self, kqi: &str, group_label: &str) {
        let now = Now {
            book: &self.book,
            at_ms: self.now_ms,
        };
        self.triggers.alert_ended(kqi, group_label, now);
    }

    pub(super) fn wanted(&mut self, id: &str, wanted: Wanted<'_>) -> Result<Trigger, MoveError> {
        let now = Now {
            book: &self.book,
            at_ms: self.now_ms,
        };
        self.triggers.advance(id, wanted, now).cloned()
    }

    pub(super) fn advance(&mut self, id: &str, to: TriggerState) -> Result<Trigger, MoveError> {
        self.wanted(id, wanted(to))
    }

    /// Moves that must be legal.
    #[track_caller]
    pub(super) fn go(&mut self, id: &str, states: &[TriggerState]) {
        for to in states {
            self.advance(id, *to).unwrap();
        }
    }

    /// The data speak about a mend that waits for them.
    pub(super) fn judge(&mut self, id: &str, verdict: EffectVerdict) {
        let now = Now {
            book: &self.book,
            at_ms: self.now_ms,
        };
        let verdict = measured(verdict, "t");
        self.triggers.effect_measured(id, verdict, now).unwrap();
    }

    /// The clock passes, and what falls due is told.
    pub(super) fn pass(&mut self, ms: i64) -> Vec<News> {
        self.pass_ahead(ms, 0)
    }

    /// The clock passes, and may be ahead by so much.
    pub(super) fn pass_ahead(&mut self, ms: i64, ahead_ms: i64) -> Vec<News> {
        self.now_ms += ms;
        let now = Now {
            book: &self.book,
            at_ms: self.now_ms,
        };
        self.triggers.tick(now, ahead_ms);
        self.triggers.take_news()
    }

    pub(super) fn ticket(&mut self, serial: &str, city: &str, counts: bool) {
        let news = self.filed(serial, city, "回复慢");
        self.hear(&TicketNews { counts, ..news });
    }

    /// A ticket of the first service that is filed now.
    pub(super) fn filed(&self, serial: &str, city: &str, path: &str) -> TicketNews {
        TicketNews {
            serial: serial.to_owned(),
            filed_at_ms: self.now_ms,
            service: "s".to_owned(),
            by_tree: String::new(),
            city: city.to_owned(),
            path: path.to_owned(),
            counts: true,
            owner: 0,
        }
    }

    /// One that is filed now is heard of.
    pub(super) fn complain(&mut self, serial: &str, city: &str, path: &str) {
        let news = self.filed(serial, city, path);
        self.hear(&news);
    }

    /// A person hands a trigger over to a desk.
    pub(super) fn hand_over(
        &mut self,
        id: &str,
        (department, role): (&str, &str),
    ) -> Result<(), MoveError> {
        let desk = Desk {
            department: department.to_owned(),
            role: role.to_owned(),
        };
        let now = Now {
            book: &self.book,
            at_ms: self.now_ms,
        };
        let handed = self.triggers.hand_over(id, &desk, "王工", Some("r"), now);
        handed.map(drop)
    }

    pub(super) fn hear(&mut self, news: &TicketNews) {
        let now = Now {
            book: &self.book,
            at_ms: self.now_ms,
        };
        self.triggers.hear_ticket(news, now);
    }

    #[track_caller]
    pub(super) fn get(&self, id: &str) -> &Trigger {
        self.triggers.get(id).unwrap()
    }

    pub(super) fn open(&self) -> Vec<&str> {
        let open = self.triggers.triggers().filter(|t| !t.state.is_final());
        open.map(|trigger| &*trigger.id).collect()
    }
}

/// A move with everything that it may need.
pub(super) fn wanted(to: TriggerState) -> Wanted<'static> {
    Wanted {
        kind: (to == TriggerState::NotOptimised).then_some(Refusal::Uneconomic),
        ..Wanted::plain(to, "王工", Some("r"))
    }
}

pub(super) fn opening(
    book: &RuleBook,
    kqi: &str,
    place: &str,
    severity: Severity,
    end_ms: i64,
) -> Opening {
    let known = book.kqis.iter().find(|known| known.id == kqi).unwrap();
    let mut group = vec![("service".to_owned(), "s".to_owned())];
    if !place.is_empty() {
        group.push(("city".to_owned(), place.to_owned()));
    }
    let label: Vec<String> = group
        .iter()
        .map(|(name, of)| format!("{name}={of}"))
        .collect();
    let label = label.join(";");
    Opening {
        kqi: kqi.to_owned(),
        name: known.name.clone(),
        service: Some("s".to_owned()),
        service_name: Some(Text {
            zh: "业务".to_owned(),
            en: "service".to_owned(),
        }),
        layer: Layer::Platform,
        group_label: label.clone(),
        group,
        department: known.department.clone(),
        severity,
        limit_min: None,
        limit_max: Some(50.0),
        unit: "s".to_owned(),
        since_ms: end_ms,
        evidence: Some(Evidence {
            kqi: kqi.to_owned(),
            group_label: label,
            incident: format!("i{end_ms}"),
            start_ms: end_ms - 5,
            end_ms,
            unit: "s".to_owned(),
            value: Some(60.0),
            score: Some(2.5),
            samples: 30,
        }),
        complaints: Vec::new(),
    }
}

/// States of the moves, remarks left out.
pub(super) fn path(trigger: &Trigger) -> Vec<&'static str> {
    let moves = trigger
        .history
        .iter()
        .filter(|step| step.from != Some(step.to));
    moves.map(|step| step.to.name()).collect()
}

/// What the data say, without numbers.
pub(super) fn measured(verdict: EffectVerdict, text: &str) -> Measured {
    let text = Text {
        zh: text.to_owned(),
        en: text.to_owned(),
    };
    Measured {
        verdict,
        text,
        report: None,
        at_ms: 0,
    }
}
