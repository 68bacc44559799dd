//! What a trigger's page shows, as text.

use serde::Serialize;

use crate::api::views::{SuggestionView, TextView, TriggerView};
use crate::api::{iso, layer_name};
use crate::console::course::Course;
use crate::console::trigger_rows::crossing_chip;
use crate::console::words::{
    Chip, chip, clock, limit_source, limits, measured, place, service_name, severity_chip,
    thousands, trigger_chip,
};
use crate::effect::{EffectVerdict, Indicator};
use crate::engine::Snapshot;
use crate::reports::{in_both, verdict_text};
use crate::rules::Text;
use crate::triggers::{Evidence, Trigger, TriggerMove};

/// Windows of evidence that are shown, the newest ones; the API has all that are kept.
const EVIDENCE_SHOWN: usize = 12;

/// The page of one trigger.
#[derive(Debug, Serialize)]
pub(super) struct TriggerPage {
    id: String,
    zh: String,
    en: String,
    object: String,
    chips: Vec<Chip>,
    now: String,
    zone: String,
    facts: Vec<Fact>,
    urgency: u32,
    factors: Vec<Factor>,
    explanation: Option<TextView>,
    cause: String,
    suggestion: Option<SuggestionView>,
    evidence: Vec<EvidenceRow>,
    evidence_total: usize,
    complaints: Vec<(String, String)>,
    tickets: u64,
    limit: String,
    /// Where the limit comes from, with the kind of that source.
    limit_source: Option<String>,
    /// Name and version of the rule book.
    book: String,
    effect: Option<Chip>,
    effect_text: Option<TextView>,
    indicators: Vec<IndicatorRow>,
    history: Vec<MoveRow>,
    related: Vec<Related>,
}

/// A label and its value.
#[derive(Debug, Serialize)]
struct Fact {
    zh: &'static str,
    en: &'static str,
    value: String,
    aside: String,
}

/// One of the four factors.
#[derive(Debug, Serialize)]
struct Factor {
    zh: &'static str,
    en: &'static str,
    /// 1 to 5.
    value: u32,
    weight: u32,
}

/// A window that speaks for the trigger.
#[derive(Debug, Serialize)]
struct EvidenceRow {
    zh: String,
    en: String,
    object: String,
    window: String,
    value: String,
    score: String,
    samples: String,
    incident: String,
}

/// One KQI before and after.
#[derive(Debug, Serialize)]
struct IndicatorRow {
    zh: String,
    en: String,
    object: String,
    verdict: Chip,
    before: String,
    after: String,
    effect: String,
    interval: String,
    samples: String,
    compared: String,
    course: Option<Course>,
    low: String,
    high: String,
}

/// A move, or a remark.
#[derive(Debug, Serialize)]
struct MoveRow {
    at: String,
    from: Option<Chip>,
    to: Chip,
    is_remark: bool,
    actor: String,
    reason: Option<String>,
}

/// Another trigger.
#[derive(Debug, Serialize)]
struct Related {
    zh: &'static str,
    en: &'static str,
    id: String,
}

impl TriggerPage {
    /// The page of a trigger as of a snapshot; `is_masked` hides the numbers of subscribers in texts.
    pub(super) fn of(
        trigger: &Trigger,
        snapshot: &Snapshot,
        is_masked: bool,
        now_ms: i64,
    ) -> TriggerPage {
        let (book, zone) = (&snapshot.plan.book, &snapshot.plan.zone);
        let view = TriggerView::of(trigger, snapshot, is_masked);
        let at = |ms: i64| {
            let text = clock(ms, now_ms, zone);
            // Windows begin at whole minutes: their seconds say nothing.
            text.strip_suffix(":00").map_or(text.clone(), str::to_owned)
        };
        let service = service_name(book, trigger.service.as_deref());
        let evidence = trigger.evidence.iter().rev().take(EVIDENCE_SHOWN);
        let reports = trigger.measured.as_ref();
        let report = reports.and_then(|measured| measured.report.as_deref());
        let indicators = report.map(|report| report.indicators.as_slice());
        let effect = reports.map(|measured| effect_chip(measured.verdict));
        TriggerPage {
            object: joined([service, place(&trigger.group)]),
            chips: chips(trigger),
            now: iso(now_ms, zone)
                .chars()
                .take(19)
                .collect::<String>()
                .replace('T', " "),
            zone: book.time_zone.clone(),
            facts: facts(trigger, &view, at),
            urgency: trigger.urgency.total,
            factors: factors(trigger, snapshot),
            cause: trigger.cause.cause.clone(),
            evidence: evidence
                .map(|known| EvidenceRow::of(known, snapshot, at))
                .collect(),
            evidence_total: trigger.evidence.len(),
            complaints: trigger
                .complaints
                .iter()
                .map(|(name, count)| (name.zh.clone(), thousands(count.unsigned_abs())))
                .collect(),
            tickets: view.tickets,
            limit: limits(trigger.limit_min, trigger.limit_max, &trigger.unit),
            limit_source: limit_source(book, Some(&trigger.kqi)),
            book: format!("{} {}", book.name, book.version),
            effect,
            indicators: indicators
                .unwrap_or_default()
                .iter()
                .map(|of| IndicatorRow::of(of, snapshot, at))
                .collect(),
            history: trigger
                .history
                .iter()
                .rev()
                .zip(view.history.iter().rev())
                .map(|(step, said)| MoveRow::of(step, said.reason.clone(), at))
                .collect(),
            related: related(&view),
            id: view.id,
            zh: view.title.zh,
            en: view.title.en,
            explanation: view.explanation,
            suggestion: view.suggestion,
            effect_text: view.effect_text,
        }
    }
}

impl EvidenceRow {
    fn of(known: &Evidence, snapshot: &Snapshot, at: impl Fn(i64) -> String) -> EvidenceRow {
        let Text { zh, en } = name(&known.kqi, snapshot).0;
        EvidenceRow {
            zh,
            en,
            object: object(&known.group_label),
            window: format!("{} – {}", at(known.start_ms), at(known.end_ms)),
            value: measured(known.value, &known.unit),
            score: known
                .score
                .map_or_else(|| "—".to_owned(), |score| format!("{score:.1}")),
            samples: thousands(known.samples.unsigned_abs()),
            incident: known.incident.clone(),
        }
    }
}

impl IndicatorRow {
    fn of(indicator: &Indicator, snapshot: &Snapshot, at: impl Fn(i64) -> String) -> IndicatorRow {
        let (Text { zh, en }, unit) = name(&indicator.kqi, snapshot);
        let unit = if indicator.is_count { "" } else { &unit };
        let found = indicator.found.as_ref();
        // Three digits are more than an interval of tens of per cent bears.
        let shown = |value: f64, unit: &str| {
            let scale = if value.abs() >= 100.0 { 1.0 } else { 100.0 };
            measured(Some((value * scale).round() / scale), unit)
        };
        let change = |value: f64, relative: bool| {
            let sign = if value > 0.0 { "+" } else { "" };
            let text = match relative {
                true => shown((value * 1_000.0).round() / 10.0, "%"),
                false => shown(value, unit),
            };
            format!("{sign}{}", text.replace('-', "−"))
        };
        let periods = indicator.periods;
        let span = |from_ms: i64| format!("{} – {}", at(from_ms), at(from_ms + periods.length_ms));
        let course = Course::of(indicator);
        let (low, high) = course.as_ref().map_or((0.0, 0.0), Course::edges);
        IndicatorRow {
            zh,
            en,
            object: object(&indicator.group_label),
            verdict: effect_chip(indicator.verdict),
            before: found.map_or("—".to_owned(), |of| shown(of.before, unit)),
            after: found.map_or("—".to_owned(), |of| shown(of.after, unit)),
            effect: found.map_or_else(ToString::to_string, |of| change(of.effect, of.relative)),
            interval: found.map_or(String::new(), |of| {
                format!(
                    "{} … {}",
                    change(of.low, of.relative),
                    change(of.high, of.relative)
                )
            }),
            samples: found.map_or(String::new(), |of| {
                let [before, after] = [of.samples_before, of.samples_after];
                format!(
                    "{} → {}",
                    thousands(before.unsigned_abs()),
                    thousands(after.unsigned_abs())
                )
            }),
            compared: format!(
                "{} ⇄ {}{}",
                span(periods.before_ms),
                span(periods.after_ms),
                match indicator.controls.len() {
                    0 => String::new(),
                    count => format!(
                        " · 对照 {count} controls: {}",
                        indicator.controls.join("、")
                    ),
                }
            ),
            low: shown(low, unit),
            high: shown(high, unit),
            course,
        }
    }
}

impl MoveRow {
    fn of(step: &TriggerMove, reason: Option<String>, at: impl Fn(i64) -> String) -> MoveRow {
        let is_remark = step.from == Some(step.to);
        MoveRow {
            at: at(step.at_ms),
            from: step.from.filter(|_| !is_remark).map(trigger_chip),
            to: trigger_chip(step.to),
            is_remark,
            actor: step.actor.clone(),
            reason: reason.map(|reason| in_both(&step.actor, &reason)),
        }
    }
}

fn chips(trigger: &Trigger) -> Vec<Chip> {
    let alert = match trigger.alert_firing {
        true => chip("major", "告警中", "still firing"),
        false => chip("blind", "告警已结束", "alert over"),
    };
    let mut chips = vec![
        trigger_chip(trigger.state),
        severity_chip(trigger.severity),
        alert,
    ];
    chips.extend(trigger.crossing.map(crossing_chip));
    chips
}

fn facts(trigger: &Trigger, view: &TriggerView, at: impl Fn(i64) -> String) -> Vec<Fact> {
    let fact = |zh, en, value: String, aside: String| Fact {
        zh,
        en,
        value,
        aside,
    };
    let none = || "—".to_owned();
    let owner = &trigger.owner;
    vec![
        fact(
            "责任方",
            "owner",
            format!("{} · {}", owner.department_name.zh, owner.role_name.zh),
            match &view.stand_in {
                Some(today) => format!("{} → {today}", owner.person.name),
                None => format!("{} · {}", owner.person.name, owner.person.email),
            },
        ),
        fact(
            "到期",
            "due",
            trigger.deadline.map_or_else(none, |of| at(of.due_ms)),
            String::new(),
        ),
        fact("开单", "opened", at(trigger.opened_at_ms), String::new()),
        fact(
            "流转次数",
            "hand-overs",
            trigger.hops.to_string(),
            String::new(),
        ),
        fact(
            "出口",
            "outlet",
            view.outlet.clone(),
            format!("owner by {}", view.owner_by),
        ),
        fact(
            "层级",
            "layer",
            layer_name(trigger.layer).to_owned(),
            String::new(),
        ),
        fact(
            "抄送",
            "copies",
            match view.copies.is_empty() {
                true => none(),
                false => view.copies.join("、"),
            },
            String::new(),
        ),
        fact(
            "关联工单",
            "tickets",
            thousands(view.tickets),
            String::new(),
        ),
    ]
}

fn factors(trigger: &Trigger, snapshot: &Snapshot) -> Vec<Factor> {
    let weights = snapshot.plan.book.triggers.weights;
    let of = &trigger.urgency;
    let factor = |zh, en, value, weight| Factor {
        zh,
        en,
        value,
        weight,
    };
    vec![
        factor(
            "满意度影响",
            "impact on satisfaction",
            of.impact,
            weights.impact,
        ),
        factor(
            "关键性",
            "key-ness of the service",
            of.keyness,
            weights.keyness,
        ),
        factor("易处理", "simplicity", of.simplicity, weights.complexity),
        factor("迫切性", "pressing", of.pressing, weights.urgency),
    ]
}

fn related(view: &TriggerView) -> Vec<Related> {
    let one = |zh, en| {
        move |id: &String| Related {
            zh,
            en,
            id: id.clone(),
        }
    };
    let into = view.absorbed_into.iter().map(one("已并入", "part of"));
    let parts = view.absorbed.iter().map(one("包含", "has taken in"));
    let before = view
        .recurrence_of
        .iter()
        .map(one("上一次", "came back after"));
    into.chain(parts).chain(before).collect()
}

/// A verdict on an effect: green for what is proven alone.
fn effect_chip(verdict: EffectVerdict) -> Chip {
    let class = match verdict {
        EffectVerdict::Effective => "ok",
        EffectVerdict::Worse => "critical",
        EffectVerdict::NoEffect => "major",
        EffectVerdict::NotProven | EffectVerdict::TooEarly | EffectVerdict::Unprovable => "blind",
    };
    let (zh, en) = verdict_text(verdict.name()).unwrap_or((verdict.name(), verdict.name()));
    chip(class, zh, en)
}

/// Display name and unit of a KQI; its identifier where the book has it no more.
fn name(kqi: &str, snapshot: &Snapshot) -> (Text, String) {
    let mut kqis = snapshot.plan.book.kqis.iter();
    match kqis.find(|known| known.id == kqi) {
        Some(known) => (known.name.clone(), known.unit.text().to_owned()),
        None => {
            let id = kqi.to_owned();
            let name = Text {
                zh: id.clone(),
                en: id,
            };
            (name, String::new())
        }
    }
}

/// The values of a label, without the service.
fn object(label: &str) -> String {
    let parts = label.split(';').filter_map(|part| part.split_once('='));
    let values = parts.filter(|(name, value)| *name != "service" && !value.is_empty());
    values
        .map(|(_, value)| value)
        .collect::<Vec<_>>()
        .join(" · ")
}

fn joined(parts: [String; 2]) -> String {
    let parts = parts.into_iter().filter(|part| !part.is_empty());
    parts.collect::<Vec<_>>().join(" · ")
}
