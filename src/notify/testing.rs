//! Notices for tests: the story of the experience card (domain facts H21 and H22).

use crate::alerting::{
    Alert, AlertState, ChartPoint, Correction, DemandNotice, KnownRemedy, Limit, Notice,
    NoticeReason, Statement, Suggestion, TransitionReason, TriggerBrief, Truth,
};
use crate::rules::{Contact, Language, Layer, Severity, Text, Verdict};

/// 2026-11-21 10:00 in Changsha.
pub(crate) const START_MS: i64 = 1_795_226_400_000;
const MINUTE_MS: i64 = 60_000;

pub(crate) fn text(zh: &str, en: &str) -> Text {
    Text {
        zh: zh.to_owned(),
        en: en.to_owned(),
    }
}

/// The first notice of slow SMS replies in Changsha, in Chinese.
pub(crate) fn notice() -> Notice {
    let values = [
        8.2, 9.1, 8.8, 10.4, 9.7, 9.9, 12.6, 14.1, 18.3, 16.9, 22.7, 31.0, 36.4, 44.2, 47.9, 53.1,
        57.6, 58.9, 61.0, 62.43,
    ];
    let fired_at_ms = START_MS + 17 * MINUTE_MS;
    Notice {
        id: "n-1".to_owned(),
        revision: 1,
        reason: NoticeReason::First,
        recipient: Contact {
            name: "业务支撑接口人".to_owned(),
            email: "bsc-contact@example.com".to_owned(),
            language: Language::Zh,
        },
        role: Some((
            text("业务支撑中心", "Business support centre"),
            text("接口人", "Contact"),
        )),
        decided_at_ms: START_MS + 20 * MINUTE_MS,
        alert: Alert {
            alert: "xcard_sms_reply_time_p95".to_owned(),
            incident: "xcard_sms_reply_time_p95/长沙/1795226400000".to_owned(),
            kqi: Some("xcard_sms_reply_time_p95".to_owned()),
            name: text("短信回复时延", "SMS reply time (p95)"),
            service: Some("experience_card".to_owned()),
            service_name: Some(text("体验卡", "Experience card")),
            layer: Some(Layer::Experience),
            department: Some("BSC".to_owned()),
            group_label: "service=experience_card;city=长沙".to_owned(),
            group: vec![
                ("service".to_owned(), "experience_card".to_owned()),
                ("city".to_owned(), "长沙".to_owned()),
            ],
            severity: Severity::Major,
            state: AlertState::Firing,
            active_since_ms: START_MS + 15 * MINUTE_MS,
            fired_at_ms: Some(fired_at_ms),
            resolved_at_ms: None,
            reason: TransitionReason::Persisted,
            value: Some(62.43),
            verdict: Some(Verdict::Abnormal(Severity::Major)),
            expected: None,
            worst_value: Some(62.43),
            score: Some(1.7),
            samples: 42,
            limit_min: None,
            limit_max: Some(50.0),
            unit: "s".to_owned(),
            window_ms: (START_MS + 14 * MINUTE_MS, START_MS + 19 * MINUTE_MS),
            trigger: Some("T-000017".to_owned()),
            holder: None,
            beside: None,
        },
        correction: None,
        limit_before: None,
        chart: points(&values),
        complaints: vec![
            (
                text("查询无回复投诉", "Complaints: no reply to a query"),
                14,
            ),
            (text("回复慢投诉", "Complaints: slow reply"), 9),
        ],
        trigger: Some(TriggerBrief {
            id: "T-000017".to_owned(),
            state: "dispatched".to_owned(),
            department: text("业务支撑中心", "Business support centre"),
            role: text("业务支撑接口人", "Business support contact"),
            suggestion: None,
        }),
        demand: None,
        annotations: vec!["planned_work: BOSS 10:00–11:00 割接".to_owned()],
        provenance: Some("MIIT 3G service norm, 2009".to_owned()),
        time_zone: "Asia/Shanghai".to_owned(),
        rule_version: "chrysalis-four-services 2026.1".to_owned(),
    }
}

/// The same incident at a later revision, for one reason, in one language.
pub(crate) fn later(reason: NoticeReason, language: Language) -> Notice {
    let mut notice = notice();
    notice.reason = reason;
    if language == Language::En {
        notice.recipient = Contact {
            name: "NOC duty".to_owned(),
            email: "noc-duty@example.com".to_owned(),
            language,
        };
    }
    let alert = &mut notice.alert;
    let long = [
        9.9, 12.6, 14.1, 18.3, 16.9, 22.7, 31.0, 36.4, 44.2, 47.9, 53.1, 57.6, 58.9, 61.0, 62.43,
        66.8, 71.2, 74.5, 70.1, 63.3, 55.2, 49.1, 38.4, 24.0, 17.2, 13.9, 11.8,
    ];
    match reason {
        NoticeReason::First => return notice,
        NoticeReason::Escalated => {
            notice.revision = 2;
            alert.severity = Severity::Critical;
            alert.reason = TransitionReason::Escalated;
            (alert.value, alert.worst_value) = (Some(74.5), Some(74.5));
            alert.score = Some(1.0);
            alert.window_ms = (START_MS + 17 * MINUTE_MS, START_MS + 22 * MINUTE_MS);
            notice.chart = points(&long[..18]);
        }
        NoticeReason::Resolved => {
            notice.revision = 3;
            alert.severity = Severity::Critical;
            alert.state = AlertState::Resolved;
            alert.reason = TransitionReason::Cleared;
            alert.resolved_at_ms = Some(START_MS + 21 * MINUTE_MS + 4 * MINUTE_MS);
            (alert.value, alert.worst_value) = (Some(11.8), Some(74.5));
            alert.verdict = Some(Verdict::Normal);
            alert.score = Some(4.6);
            alert.active_since_ms = START_MS + 10 * MINUTE_MS;
            alert.fired_at_ms = Some(START_MS + 12 * MINUTE_MS);
            alert.window_ms = (START_MS + 21 * MINUTE_MS, START_MS + 26 * MINUTE_MS);
            notice.chart = points(&long);
            notice.annotations.clear();
        }
        NoticeReason::Corrected => {
            notice.revision = 4;
            notice.correction = Some(Correction {
                told: Statement::of(alert, notice.decided_at_ms, None),
                truth: Truth::NeverWas,
            });
            alert.state = AlertState::Resolved;
            alert.reason = TransitionReason::Corrected;
            alert.fired_at_ms = None;
            alert.resolved_at_ms = Some(START_MS + 19 * MINUTE_MS);
            (alert.value, alert.worst_value) = (Some(46.2), None);
            alert.verdict = Some(Verdict::Normal);
            alert.score = Some(3.1);
            notice.chart = points(&[
                8.2, 9.1, 8.8, 10.4, 9.7, 9.9, 12.6, 14.1, 18.3, 16.9, 22.7, 31.0, 36.4, 44.2,
                46.9, 49.8, 48.6, 47.1, 45.9, 46.2,
            ]);
            notice.complaints.clear();
            notice.annotations.clear();
        }
        NoticeReason::RuleChanged => {
            notice.revision = 5;
            notice.correction = Some(Correction {
                told: Statement::of(alert, notice.decided_at_ms, None),
                truth: Truth::Ended,
            });
            notice.limit_before = Some(Limit {
                min: None,
                max: Some(50.0),
                unit: "s".to_owned(),
            });
            alert.state = AlertState::Resolved;
            alert.reason = TransitionReason::RuleChanged;
            alert.limit_max = Some(65.0);
            alert.verdict = Some(Verdict::Normal);
            alert.resolved_at_ms = Some(START_MS + 18 * MINUTE_MS);
            alert.worst_value = Some(66.8);
        }
        _ => return demand(notice, reason),
    }
    notice.id = format!("n-{}", notice.revision);
    notice.decided_at_ms += i64::from(notice.revision) * 5 * MINUTE_MS;
    notice
}

/// What one decision asks of one reader: so many triggers, from T-000001 on, each of a city of its own.
pub(crate) fn demands(count: usize, language: Language) -> Vec<Notice> {
    let cities = ["长沙", "湘潭", "株洲", "永州", "常德"];
    let numbered = |n: usize| {
        let mut notice = later(NoticeReason::Assigned, language);
        let id = format!("T-{:06}", n + 1);
        let city = cities[n % cities.len()];
        notice.id = format!("{id}.1.{}", notice.recipient.email);
        notice.revision = 1;
        notice.alert.group_label = format!("service=experience_card;city={city}");
        notice.alert.incident.clone_from(&id);
        if let Some(trigger) = &mut notice.trigger {
            trigger.id = id;
        }
        if let Some(demand) = &mut notice.demand {
            city.clone_into(&mut demand.place);
            demand.cities = vec![city.to_owned()];
            demand.due_ms = Some(START_MS + (120 + n as i64) * MINUTE_MS);
            demand.acts = vec!["accepted".to_owned(), "not_optimised".to_owned()];
        }
        notice
    };
    (0..count).map(numbered).collect()
}

/// The notice made into one about its trigger.
fn demand(mut notice: Notice, reason: NoticeReason) -> Notice {
    let mut demand = DemandNotice {
        title: text("体验卡回复慢", "Experience card slow"),
        place: "长沙".to_owned(),
        cities: vec!["长沙".to_owned()],
        shows: Some(text("短信回复时延", "SMS reply time")),
        owner: "业务支撑接口人".to_owned(),
        outlet: "support".to_owned(),
        copies: vec!["业务支撑中心领导".to_owned()],
        due_ms: Some(START_MS + 120 * MINUTE_MS),
        crossing: None,
        urgency: 36,
        factors: Some((4, 4, 3, 2)),
        hops: 1,
        tickets: 12,
        also: Vec::new(),
        acts: Vec::new(),
        explanation: text(
            "体验卡（长沙）目前异常，已转业务支撑中心处理。",
            "Experience card (长沙) is impaired; the business support centre has been asked.",
        ),
        last: Some((
            "engine".to_owned(),
            "no review required".to_owned(),
            START_MS,
        )),
        recurrence_of: None,
        absorbed_into: None,
        parts: Vec::new(),
        is_passed_around: false,
        verdict: None,
        effect: None,
        grounds: Vec::new(),
    };
    let over = matches!(reason, NoticeReason::Answered | NoticeReason::Closed);
    if over {
        demand.due_ms = None;
        demand.recurrence_of = Some("T-000003".to_owned());
        demand.verdict = Some(("effective".to_owned(), text("−78 %", "−78 %")));
    }
    let at = NoticeReason::ALL.iter().position(|known| *known == reason);
    notice.revision = at.unwrap_or(0) as u32;
    notice.id = format!("T-000017.{}", notice.revision);
    notice.alert.incident = "T-000017".to_owned();
    notice.decided_at_ms += i64::from(notice.revision) * 5 * MINUTE_MS;
    notice.reason = reason;
    notice.demand = Some(Box::new(demand));
    if let Some(trigger) = &mut notice.trigger {
        trigger.state = if over { "closed" } else { "dispatched" }.to_owned();
        trigger.suggestion = Some(Suggestion {
            title: text("体验卡回复慢", "Experience card slow"),
            causes: vec![text("占用不释放", "A hold that is not released")],
            verify: vec![text("监测接口", "Watch the interfaces")],
            remedies: vec![KnownRemedy {
                text: text("释放连接", "Release the connections"),
                tried: 3,
                effective: 2,
            }],
            reference: "S2".to_owned(),
        });
    }
    notice
}

fn points(values: &[f64]) -> Vec<ChartPoint> {
    let point = |(index, value): (usize, &f64)| ChartPoint {
        end_ms: START_MS + index as i64 * MINUTE_MS,
        // One window in each chart had nothing to judge.
        value: (index != 4).then_some(*value),
    };
    values.iter().enumerate().map(point).collect()
}
