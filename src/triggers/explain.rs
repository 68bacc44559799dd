//! What agents tell customers in each state that matters to them (客服解释口径; domain facts H23 to H25).

use jiff::Timestamp;

use crate::effect::EffectVerdict;
use crate::rules::Text;
use crate::triggers::book::Now;
use crate::triggers::flow::Refusal;
use crate::triggers::trigger::Outcome;
use crate::triggers::{Place, Trigger, TriggerState};

/// The text for a trigger's present state; none where it tells customers nothing new.
pub(super) fn explain(trigger: &Trigger, now: Now<'_>) -> Option<Text> {
    let moment = |at_ms: i64| {
        let zone = now.book.triggers.calendar.zone.clone();
        let at = Timestamp::from_millisecond(at_ms).ok()?;
        let today = Timestamp::from_millisecond(now.at_ms).ok()?;
        let at = at.to_zoned(zone.clone());
        let format = match at.year() == today.to_zoned(zone).year() {
            true => "%m-%d %H:%M",
            false => "%Y-%m-%d %H:%M",
        };
        Some(at.strftime(format).to_string())
    };
    let due_ms = trigger.deadline.map(|deadline| deadline.due_ms);
    let due = due_ms.and_then(moment);
    let is_over = due_ms.is_some_and(|due_ms| due_ms <= now.at_ms);
    let (due_zh, due_en) = match due {
        Some(_) if is_over => (
            "，已超过预计时间，正在催办".to_owned(),
            ", later than expected: it is being urged".to_owned(),
        ),
        Some(due) => (
            format!("，预计 {due} 前答复"),
            format!(", expected by {due}"),
        ),
        None => (String::new(), String::new()),
    };
    let department = &trigger.owner.department_name;
    let at = moment(now.at_ms).unwrap_or_default();
    let (zh, en) = match (trigger.state, &trigger.outcome) {
        _ if trigger.waits_for_decision(now.book) && trigger.alert_firing => (
            "目前异常，正在核实。请致歉并说明正在核实。".to_owned(),
            "is impaired, and is looked into. Apologise, and say so.".to_owned(),
        ),
        // Not "is well again": an alert is also over when there is nothing left to judge.
        (TriggerState::Dispatched, _) if !trigger.alert_firing => (
            format!(
                "曾出现异常，目前告警已解除；已转{}查明原因{due_zh}。",
                department.zh
            ),
            format!(
                "was impaired; the alert is over. {} has been asked for the cause{due_en}.",
                department.en
            ),
        ),
        (TriggerState::Accepted | TriggerState::InProgress, _) if !trigger.alert_firing => (
            format!(
                "曾出现异常，目前告警已解除；{}正在查明原因{due_zh}。",
                department.zh
            ),
            format!(
                "was impaired; the alert is over. {} looks into the cause{due_en}.",
                department.en
            ),
        ),
        (TriggerState::Dispatched, _) => (
            format!(
                "目前异常，已转{}处理{due_zh}。请致歉并说明正在处理。",
                department.zh
            ),
            format!(
                "is impaired; {} has been asked{due_en}. Apologise, and say that it is being worked on.",
                department.en
            ),
        ),
        (TriggerState::Accepted | TriggerState::InProgress, _) => (
            format!("目前异常，{}已受理，正在处理{due_zh}。", department.zh),
            format!("is impaired; {} is working on it{due_en}.", department.en),
        ),
        (TriggerState::FeedbackGiven, Some(Outcome::Mended)) => (
            format!("已于 {at} 处理完毕，请客户重新使用；如仍异常，请重新受理。"),
            format!("was mended at {at}. Ask customers to try again; file anew what still fails."),
        ),
        (
            TriggerState::FeedbackGiven,
            Some(Outcome::NotOptimised {
                kind,
                reason,
                review_at_ms,
            }),
        ) => {
            let (kind_zh, kind_en) = match kind {
                Refusal::TechnicallyInfeasible => ("技术上不可行", "technically infeasible"),
                Refusal::Uneconomic => ("不经济", "uneconomic"),
            };
            let review = moment(*review_at_ms).unwrap_or_default();
            (
                format!("经核实暂不优化（{kind_zh}）：{reason}。将于 {review} 复核。"),
                format!("will not be optimised for now ({kind_en}): {reason}. Review at {review}."),
            )
        }
        (TriggerState::FeedbackGiven, Some(Outcome::Absorbed { into })) => (
            format!("已并入更大范围的处理单 {into}，以其口径为准。"),
            format!("is part of {into}, which is of a wider place: say what that says."),
        ),
        (TriggerState::Closed, Some(Outcome::Mended)) => {
            let (zh, en) = match trigger.measured.as_ref().map(|measured| measured.verdict) {
                Some(EffectVerdict::Effective) => (
                    "已处理完毕，数据显示已恢复。",
                    "was mended, and the data show that it helped.",
                ),
                // Data that came later say so of what could not be reopened any more.
                Some(EffectVerdict::NoEffect | EffectVerdict::Worse) => (
                    "曾处理，但后来的数据没有显示好转；如仍异常，请重新受理。",
                    "was worked on, but later data do not show that it helped. File anew what still fails.",
                ),
                _ => ("已处理完毕。", "was mended."),
            };
            (zh.to_owned(), en.to_owned())
        }
        (TriggerState::Reopened, _) => (
            "再次出现异常，已重新分析处理。请致歉并说明正在处理。".to_owned(),
            "is impaired again, and is looked into once more. Apologise, and say so.".to_owned(),
        ),
        _ => return None,
    };
    let (about_zh, about_en) = about(trigger);
    let entry = now.book.knowledge.iter();
    let mut entry = entry.filter(|entry| entry.id == trigger.cause.cause);
    let say = entry.find_map(|entry| entry.say.as_ref());
    let still = trigger.state.is_unanswered();
    let say = say.filter(|_| still);
    let more_zh = say.map_or(String::new(), |say| say.zh.clone());
    let more_en = say.map_or(String::new(), |say| format!(" {}", say.en));
    Some(Text {
        zh: format!("{about_zh}{zh}{more_zh}"),
        en: format!("{about_en} {en}{more_en}"),
    })
}

/// Service, place and what is wrong.
fn about(trigger: &Trigger) -> (String, String) {
    let service = trigger.service_name.clone().unwrap_or_else(|| {
        let id = trigger.service.clone().unwrap_or_default();
        Text {
            zh: id.clone(),
            en: id,
        }
    });
    // Customers hear of cities and provinces, not of hosts and interfaces.
    let place = match &trigger.cause.place {
        Place::City(place) | Place::Province(place) => place,
        Place::Whole | Place::Site(_) => "",
    };
    let at_zh = if place.is_empty() {
        String::new()
    } else {
        format!("（{place}）")
    };
    let at_en = if place.is_empty() {
        String::new()
    } else {
        format!(" ({place})")
    };
    (
        format!("{}{at_zh}「{}」", service.zh, trigger.title.zh),
        format!("{}{at_en}: \"{}\"", service.en, trigger.title.en),
    )
}
