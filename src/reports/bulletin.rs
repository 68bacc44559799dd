//! 通报: what happened in the period, and which KQIs were worst in it (domain fact C2).
//!
//! Alerts, windows and complaints are of the period by event time, triggers by the journal's clock.

use crate::alerting::{Alert, AlertState};
use crate::event::Stream;
use crate::reports::demands::figure;
use crate::reports::facts::{
    Facts, Judged, Object, dimension, limit, limit_source, measured, percent, place, text, unit,
};
use crate::reports::report::{Bar, Chart, Report, Shown, Table, Tone, Value};
use crate::reports::words::{severity_text, state_text, words};
use crate::rules::Text;
use crate::triggers::Trigger;

/// An hour, ms.
const HOUR_MS: u64 = 3_600_000;
/// KQIs in the table of the worst. Judgement: more are no headline.
const WORST_MAX: usize = 20;
/// Scores from here on are full marks, as they are written: nobody is worst with them.
const FULL: f64 = 4.995;
/// Of these as bars.
const BARS_MAX: usize = 8;
/// Score from which on a value is as it should be, and from which on it is only to be watched: the words
/// of the tolerance scale.
const GOOD: (f64, f64) = (4.0, 3.0);

const WORST: &[(&str, &str, &str, Shown)] = &[
    ("rank", "#", "#", Shown::Everywhere),
    ("name", "指标", "KQI", Shown::Everywhere),
    ("service", "业务", "Service", Shown::Beneath),
    ("place", "地点", "Place", Shown::Everywhere),
    ("score", "得分", "Score", Shown::Everywhere),
    ("change", "较前期", "Change", Shown::Everywhere),
    ("value", "值", "Value", Shown::Everywhere),
    ("unit", "单位", "Unit", Shown::Files),
    ("limit", "合理区间", "Limit", Shown::Beneath),
    (
        "limit_source",
        "限值出处",
        "Source of the limit",
        Shown::Noted,
    ),
    ("samples", "样本", "Samples", Shown::Everywhere),
    ("kqi", "指标编号", "KQI id", Shown::Files),
];

const ALERTS: &[(&str, &str, &str, Shown)] = &[
    ("severity", "级别", "Severity", Shown::Everywhere),
    ("name", "告警", "Alert", Shown::Everywhere),
    ("service", "业务", "Service", Shown::Beneath),
    ("place", "地点", "Place", Shown::Everywhere),
    ("fired", "触发", "Fired", Shown::Everywhere),
    ("resolved", "恢复", "Resolved", Shown::Everywhere),
    ("worst", "最差值", "Worst", Shown::Everywhere),
    ("unit", "单位", "Unit", Shown::Files),
    ("limit", "合理区间", "Limit", Shown::Beneath),
    (
        "limit_source",
        "限值出处",
        "Source of the limit",
        Shown::Noted,
    ),
    ("trigger", "触发单", "Trigger", Shown::Everywhere),
    ("incident", "事件编号", "Incident", Shown::Files),
];

const COMPLAINTS: &[(&str, &str, &str, Shown)] = &[
    ("name", "投诉指标", "Complaints", Shown::Everywhere),
    ("service", "业务", "Service", Shown::Beneath),
    ("place", "地点", "Place", Shown::Everywhere),
    ("count", "本期", "Now", Shown::Everywhere),
    ("unheard", "未收到", "Not heard", Shown::Beneath),
    ("before", "前期", "Before", Shown::Everywhere),
    ("change", "变化", "Change", Shown::Everywhere),
];

const TRIGGERS: &[(&str, &str, &str, Shown)] = &[
    ("trigger", "编号", "Number", Shown::Everywhere),
    ("title", "需求", "Demand", Shown::Everywhere),
    ("place", "地点", "Place", Shown::Beneath),
    ("department", "责任部门", "Owner", Shown::Everywhere),
    ("state", "状态", "State", Shown::Everywhere),
    ("opened", "发现", "Opened", Shown::Everywhere),
    ("closed", "关闭", "Closed", Shown::Everywhere),
];

pub(super) fn fill(facts: &Facts<'_>, report: &mut Report) {
    let fired = |alert: &&&Alert| {
        alert
            .fired_at_ms
            .is_some_and(|at_ms| facts.is_within(at_ms))
    };
    let ended = |alert: &&&Alert| {
        let over = alert.resolved_at_ms.filter(|_| alert.fired_at_ms.is_some());
        over.is_some_and(|at_ms| facts.is_within(at_ms))
    };
    // What began or ended after the period is another one's: a report may be made long after its end.
    let fires = |alert: &&&Alert| {
        let began = alert
            .fired_at_ms
            .filter(|_| alert.state != AlertState::Pending);
        let is_open = alert
            .resolved_at_ms
            .is_none_or(|at_ms| at_ms >= facts.period.to_ms);
        is_open && began.is_some_and(|at_ms| at_ms < facts.period.to_ms)
    };
    let count = |of: &dyn Fn(&&&Alert) -> bool| facts.alerts.iter().filter(of).count() as u64;
    let opened = |trigger: &Trigger| facts.is_within(trigger.opened_at_ms);
    let closed = |trigger: &Trigger| closed_at(trigger).is_some_and(|at_ms| facts.is_within(at_ms));
    let triggers = |of: &dyn Fn(&Trigger) -> bool| {
        let all = facts.triggers.iter();
        all.filter(|trigger| of(trigger)).count() as u64
    };
    report.figures = vec![
        figure("alerts_fired", "新增告警", "Alerts fired", count(&fired)),
        figure(
            "alerts_resolved",
            "恢复告警",
            "Alerts resolved",
            count(&ended),
        ),
        figure(
            "alerts_firing",
            "期末告警中",
            "Firing at its end",
            count(&fires),
        ),
        figure(
            "complaint_records",
            "有效投诉记录",
            "Valid complaint records",
            facts.records.valid,
        ),
        figure(
            "triggers_opened",
            "新增需求",
            "Demands opened",
            triggers(&opened),
        ),
        figure(
            "triggers_closed",
            "关闭需求",
            "Demands closed",
            triggers(&closed),
        ),
    ];
    worst(facts, report);
    let mut table = Table::new("alerts", text("告警", "Alerts"), ALERTS);
    let told = facts.alerts.iter();
    let mut told: Vec<&Alert> = told
        .filter(|alert| fired(alert) || ended(alert) || fires(alert))
        .copied()
        .collect();
    told.sort_by(|a, b| {
        let key = |alert: &Alert| (alert.severity, alert.fired_at_ms);
        key(b)
            .cmp(&key(a))
            .then_with(|| a.incident.cmp(&b.incident))
    });
    for alert in told {
        push_alert(&mut table, alert, facts);
    }
    report.tables.push(table);
    complaints(facts, report);
    let mut table = Table::new(
        "triggers",
        text("新增和关闭的优化需求", "Demands opened and closed"),
        TRIGGERS,
    );
    for trigger in facts.triggers.iter().filter(|t| opened(t) || closed(t)) {
        table.push([
            Value::name(&trigger.id),
            trigger.title.clone().into(),
            Value::name(trigger.cause.place.name()),
            trigger.owner.department_name.clone().into(),
            words(state_text(trigger.state.name()), trigger.state.name()).into(),
            Value::Time(trigger.opened_at_ms),
            closed_at(trigger).map_or(Value::Empty, Value::Time),
        ]);
    }
    report.tables.push(table);
}

/// The worst objects of the period, and a word where there is nothing to judge.
fn worst(facts: &Facts<'_>, report: &mut Report) {
    let (judged, insufficient) = facts.judged();
    let mut scored: Vec<(f64, &Judged<'_>)> = judged
        .iter()
        .filter_map(|object| Some((object.score?, object)))
        .collect();
    if scored.is_empty() {
        report.remarks.push(text(
            format!("本期没有可评分的指标（{insufficient} 个对象样本不足）：没有数据不等于正常。"),
            format!("Nothing can be scored in this period ({insufficient} objects with too few samples): no data is not health."),
        ));
    }
    let judged_well = scored.len();
    scored.retain(|(score, _)| *score < FULL);
    if scored.is_empty() && judged_well > 0 {
        report.remarks.push(text(
            format!("本期已评的 {judged_well} 个对象全部满分。"),
            format!("All {judged_well} objects that were judged have full marks."),
        ));
    }
    scored.sort_by(|(a, one), (b, other)| {
        let key = |object: &Judged<'_>| (object.kqi.id.clone(), place(object.dimensions));
        a.total_cmp(b).then_with(|| key(one).cmp(&key(other)))
    });
    let bars = scored.iter().take(BARS_MAX).map(|(score, object)| Bar {
        name: text(
            format!("{} {}", object.kqi.name.zh, place(object.dimensions)),
            format!("{} {}", object.kqi.name.en, place(object.dimensions)),
        ),
        value: *score,
        text: Value::number(*score, 2, ""),
        tone: tone(*score),
    });
    report.chart = (!scored.is_empty()).then(|| Chart {
        title: text("得分最低的指标（满分 5）", "Lowest scores (of 5)"),
        full: 5.0,
        bars: bars.collect(),
    });
    let mut table = Table::new("worst_kqis", text("最差指标", "Worst KQIs"), WORST);
    for (index, (score, object)) in scored.iter().take(WORST_MAX).enumerate() {
        let kqi = object.kqi;
        let change = object.score_before.map(|before| score - before);
        let limit = limit(kqi.interval.min, kqi.interval.max, &unit(kqi));
        let limit_source = limit_source(Some(kqi), &limit);
        table.push([
            Value::count(index + 1),
            kqi.name.clone().into(),
            facts.service_name(object.service()),
            Value::name(place(object.dimensions)),
            Value::number(*score, 2, ""),
            change.map_or(Value::Empty, |change| Value::change(change, 2, "")),
            object.shown(),
            Value::name(unit(kqi)),
            limit,
            limit_source,
            Value::number(object.samples as f64, 0, ""),
            Value::name(&kqi.id),
        ]);
    }
    report.tables.push(table);
}

fn push_alert(table: &mut Table, alert: &Alert, facts: &Facts<'_>) {
    let service = alert.service_name.clone().map(Value::from);
    let limit = limit(alert.limit_min, alert.limit_max, &alert.unit);
    let mut kqis = facts.book.kqis.iter();
    let kqi = kqis.find(|kqi| Some(&kqi.id) == alert.kqi.as_ref());
    let limit_source = limit_source(kqi, &limit);
    table.push([
        words(Some(severity_text(alert.severity)), "").into(),
        alert.name.clone().into(),
        service.unwrap_or_else(|| facts.service_name(alert.service.as_deref())),
        Value::name(place(&alert.group)),
        alert.fired_at_ms.map_or(Value::Empty, Value::Time),
        alert.resolved_at_ms.map_or(Value::Empty, Value::Time),
        alert
            .worst_value
            .map_or(Value::Empty, |value| measured(value, &alert.unit)),
        Value::name(&alert.unit),
        limit,
        limit_source,
        Value::name(alert.trigger.as_deref().unwrap_or_default()),
        Value::name(&alert.incident),
    ]);
}

/// Complaints counted by their filing, the most first: of KQIs whose windows add up to exactly the period. Nothing stands
/// beside them where nobody heard the period before; where nobody heard their own, they say so and are no change.
fn complaints(facts: &Facts<'_>, report: &mut Report) {
    let sum = |totals: Option<crate::effect::Totals>| totals.map_or(0.0, |totals| totals.sum);
    let (mut counted, others): (Vec<&Object<'_>>, Vec<&Object<'_>>) = facts
        .objects
        .iter()
        .filter(|object| object.kqi.stream == Stream::Complaint)
        .filter(|object| sum(object.now) > 0.0 || sum(object.before) > 0.0)
        .partition(|object| object.is_exact);
    let upto_ms = facts.complaints_upto_ms;
    if upto_ms < facts.period.to_ms && !(counted.is_empty() && others.is_empty()) {
        let upto = facts.moment(upto_ms);
        report.remarks.push(text(
            format!("投诉数据目前只完整到 {upto}，其后的投诉尚未计入；统计窗口更长的指标不列出。"),
            format!("Complaints are known in full up to {upto}; what came later is not counted yet, and KQIs with longer windows are left out."),
        ));
    } else if counted.is_empty() && !others.is_empty() {
        report.remarks.push(text(
            "投诉指标的统计窗口与本期起止不一致，不列出投诉数，以免计入其他日期。",
            "The windows of the complaint KQIs do not add up to this period: no counts are given, for they would be of other days as well.",
        ));
    }
    // Without a row there is no complaint to be seen either; who has never heard of any waits for none.
    let is_asked = upto_ms != i64::MIN || !(counted.is_empty() && others.is_empty());
    let unheard = unheard(facts.unheard_ms).filter(|_| is_asked);
    report.remarks.extend(unheard.as_ref().map(|(hours, _)| {
        text(
            format!("本期有 {hours} 小时没有收到投诉数据，本期投诉数只是其余时间的，不计算变化：没有数据不等于没有投诉。"),
            format!("Complaints of {hours} h of this period were not heard: the counts are of the rest and no change is told, for no data is not no complaints."),
        )
    }));
    let (hears, is_told) = (facts.is_before_heard, !counted.is_empty());
    if !hears && is_told {
        report.remarks.push(text(
            "前期的投诉数据没有收全，不与前期比较：没有数据不等于没有投诉。",
            "Complaints of the period before were not heard: nothing is compared with it, for no data is not no complaints.",
        ));
    }
    counted.sort_by(|a, b| {
        let key = |object: &Object<'_>| (object.kqi.id.clone(), place(object.dimensions));
        sum(b.now)
            .total_cmp(&sum(a.now))
            .then_with(|| key(a).cmp(&key(b)))
    });
    let mut table = Table::new("complaints", text("投诉", "Complaints"), COMPLAINTS);
    for object in counted {
        let (now, before) = (sum(object.now), sum(object.before));
        let before = hears.then_some(before);
        let comparable = before.filter(|_| unheard.is_none());
        let change = comparable.and_then(|before| percent(now as u64, before as u64));
        let change = change.map(|share| share - 100.0);
        let service = object.kqi.service.as_deref();
        table.push([
            object.kqi.name.clone().into(),
            facts.service_name(service.or_else(|| dimension(object.dimensions, "service"))),
            Value::name(place(object.dimensions)),
            Value::number(now, 0, ""),
            unheard.as_ref().map(|(_, mark)| mark.clone()).into(),
            before.map_or(Value::Empty, |before| Value::number(before, 0, "")),
            change.map_or(Value::Empty, |change| Value::change(change, 1, "%")),
        ]);
    }
    report.tables.push(table);
}

/// How many hours nobody heard, begun ones whole, and what marks a number of such a time; nothing where there are none.
fn unheard(unheard_ms: i64) -> Option<(u64, Text)> {
    let hours = unheard_ms.unsigned_abs().div_ceil(HOUR_MS);
    let mark = text(
        format!("{hours} 小时未收到"),
        format!("{hours} h not heard"),
    );
    (unheard_ms > 0).then_some((hours, mark))
}

/// When a trigger was closed, ms.
pub(super) fn closed_at(trigger: &Trigger) -> Option<i64> {
    trigger.state.is_final().then(|| trigger.entered_at_ms())
}

/// How a score is to be taken.
pub(super) fn tone(score: f64) -> Tone {
    match score {
        score if score >= GOOD.0 => Tone::Good,
        score if score >= GOOD.1 => Tone::Fair,
        _ => Tone::Bad,
    }
}
