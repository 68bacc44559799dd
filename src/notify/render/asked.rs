//! Why a reader hears of a trigger now, and what is asked of whom: by the reason, and by the state that it is in.

use super::view::clean;
use super::words::{self, pick};
use crate::alerting::{AlertState, DemandNotice, Notice, NoticeReason};
use crate::rules::Language;

/// Why the reader is told now, with what else the same step made of the trigger.
pub(super) fn why(language: Language, notice: &Notice) -> String {
    let also = notice.demand.iter().flat_map(|demand| &demand.also);
    let reasons = std::iter::once(notice.reason).chain(also.copied());
    let mut sentences: Vec<String> = Vec::new();
    for sentence in reasons.map(|reason| why_of(language, notice, reason)) {
        // Two reasons may come to the same.
        if !sentences.contains(&sentence) {
            sentences.push(sentence);
        }
    }
    sentences.join(pick(language, "", " "))
}

fn why_of(language: Language, notice: &Notice, reason: NoticeReason) -> String {
    let id = clean(&notice.alert.incident);
    let Some(demand) = &notice.demand else {
        return id;
    };
    let into = demand.absorbed_into.as_deref().map(clean);
    let is_over = notice.alert.state == AlertState::Resolved;
    let severity = words::severity(language, notice.alert.severity).main;
    let state = notice.trigger.as_ref().map(|of| of.state.as_str());
    // Nobody is assigned what is accepted but by that.
    let is_carried =
        state == Some("accepted") && (reason == NoticeReason::Assigned || demand.last.is_none());
    let (zh, en) = match reason {
        // Nobody took a step: it is accepted because a part of it was.
        NoticeReason::Progressed | NoticeReason::Assigned if is_carried => (
            format!(
                "触发单 {id} 现为「{}」：其中一部分此前已被受理。范围已扩大，处理请按新的范围重新开始。",
                words::trigger_state(Language::Zh, "accepted")
            ),
            format!(
                "Trigger {id} is \"{}\", because a part of it was accepted before. It is about more places now: the work \
                 begins anew.",
                words::trigger_state(Language::En, "accepted")
            ),
        ),
        NoticeReason::ReviewAsked => (
            format!("触发单 {id} 等待审核或确定责任方。"),
            format!("Trigger {id} waits for its review, or for an owner."),
        ),
        NoticeReason::Assigned if is_over => (
            format!("触发单 {id} 已派发，请受理。告警目前已解除，原因仍需查明。"),
            format!(
                "Trigger {id} has been dispatched: please accept it. The alert is over; its cause is still to be found."
            ),
        ),
        NoticeReason::Raised => (
            format!(
                "触发单 {id} 的级别升为「{severity}」，到期时间和抄送人随之调整，以下以现在为准。"
            ),
            format!(
                "The severity of trigger {id} rose to {severity}; its due time and its copies are now as shown here."
            ),
        ),
        NoticeReason::Assigned => (
            format!("触发单 {id} 已派发，请受理。"),
            format!("Trigger {id} has been dispatched: please accept it."),
        ),
        NoticeReason::Reminder => (
            format!("触发单 {id} 即将到期。"),
            format!("Trigger {id} is due soon."),
        ),
        NoticeReason::Overdue => (
            format!("触发单 {id} 已超时，逐级上报。"),
            format!("Trigger {id} is overdue and climbs the chain."),
        ),
        NoticeReason::HandedOver if demand.is_passed_around => (
            format!(
                "触发单 {id} 已转交，第 {} 次流转：一直没有部门承接，请协调岗和审核领导确定责任方。",
                demand.hops
            ),
            format!(
                "Trigger {id} was handed over (hop {}): no department keeps it. The coordinator and the lead are asked to \
                 settle whose it is.",
                demand.hops
            ),
        ),
        // No hop: no department handed it on.
        NoticeReason::HandedOver if demand.hops == 0 => (
            format!("触发单 {id} 按新的规则转由其他责任人处理。"),
            format!("Trigger {id} has another owner by the rule book."),
        ),
        NoticeReason::HandedOver => (
            format!("触发单 {id} 已转交，第 {} 次流转。", demand.hops),
            format!("Trigger {id} was handed over (hop {}).", demand.hops),
        ),
        NoticeReason::Answered if is_unprovable(demand) => (
            format!("触发单 {id} 已有答复；其效果数据无法证明。"),
            format!("Trigger {id} has been answered; the data cannot prove its effect."),
        ),
        NoticeReason::Answered => (
            format!("触发单 {id} 已有答复，等待效果评估。"),
            format!("Trigger {id} has been answered; its effect is awaited."),
        ),
        NoticeReason::Progressed => {
            let last = demand.last.as_ref();
            let actor = last.map_or(String::new(), |(actor, _, _)| clean(actor));
            let state = notice.trigger.as_ref().map(|trigger| trigger.state.clone());
            let state = state.unwrap_or_default();
            (
                format!(
                    "{actor} 已将触发单 {id} 置为「{}」。",
                    words::trigger_state(Language::Zh, &state)
                ),
                format!(
                    "{actor} has moved trigger {id} to \"{}\".",
                    words::trigger_state(Language::En, &state)
                ),
            )
        }
        NoticeReason::Measured => (
            format!("触发单 {id} 因补到的数据重新评估了效果。"),
            format!("The effect of trigger {id} was measured again, because of late data."),
        ),
        NoticeReason::Reopened => (
            format!("触发单 {id} 重新打开，请再次受理。"),
            format!("Trigger {id} was reopened: please accept it again."),
        ),
        _ => match into {
            Some(into) => (
                format!("触发单 {id} 已并入 {into}。"),
                format!("Trigger {id} became part of {into}."),
            ),
            None => (
                format!("触发单 {id} 已关闭。"),
                format!("Trigger {id} is closed."),
            ),
        },
    };
    pick(language, &zh, &en).to_owned()
}

/// What the reader is asked to do.
pub(super) fn todo(language: Language, notice: &Notice, demand: &DemandNotice) -> Vec<String> {
    let id = clean(&notice.alert.incident);
    let owner = clean(&demand.owner);
    let (zh, en) = match notice.reason {
        NoticeReason::ReviewAsked => (
            format!("请审核触发单 {id}，或转交给责任部门。"),
            format!("Please review trigger {id}, or hand it over to whom it concerns."),
        ),
        // Somebody has accepted it, and it stays accepted: a part of it was, or who sits at the desk changed.
        NoticeReason::Assigned | NoticeReason::HandedOver if is_taken(notice) => (
            format!(
                "{owner}：触发单 {id} 已受理，无需再次受理；处理完毕后请登记；如不优化，请说明技术不可行或不经济及理由。"
            ),
            format!(
                "{owner}: trigger {id} is accepted, and need not be again. Please say when it is mended; if it will not be optimised, say whether that is infeasible or uneconomic, and why."
            ),
        ),
        NoticeReason::Assigned | NoticeReason::Reopened | NoticeReason::HandedOver => (
            format!("{owner}：请受理触发单 {id}；如不优化，请说明技术不可行或不经济及理由。"),
            format!(
                "{owner}: please accept trigger {id}; if it will not be optimised, say whether that is infeasible or uneconomic, and why."
            ),
        ),
        NoticeReason::Raised if demand.due_ms.is_some() => (
            format!("{owner}：请按新的到期时间处理触发单 {id}；抄送人知悉即可。"),
            format!(
                "{owner}: please see to trigger {id} by its new due time. Who gets a copy need do nothing."
            ),
        ),
        NoticeReason::Reminder | NoticeReason::Overdue => (
            format!("{owner}：请处理触发单 {id}，或先确认已收到。"),
            format!("{owner}: please see to trigger {id}, or acknowledge it first."),
        ),
        NoticeReason::Progressed => {
            // Who hears of another person's step has nothing to deny.
            let actor = demand.last.as_ref().map(|(actor, _, _)| actor);
            let is_own = actor.is_some_and(|actor| *actor == notice.recipient.name);
            let (deny_zh, deny_en) = match is_own {
                true => (
                    "若此操作并非您本人所为，请立即联系管理员。",
                    " If you did not do this, tell your administrator at once.",
                ),
                false => ("", ""),
            };
            (
                format!(
                    "{owner}：处理完毕后请登记；如不优化，请说明技术不可行或不经济及理由。{deny_zh}"
                ),
                format!(
                    "{owner}: please say when it is mended; if it will not be optimised, say whether that is infeasible or uneconomic, and why.{deny_en}"
                ),
            )
        }
        NoticeReason::Answered if is_unprovable(demand) => (
            "请按上述口径答复客户；请另行核实整改是否有效，数据不会给出结论。".to_owned(),
            "Please answer customers as above, and see for yourselves whether it helped: the data will not tell."
                .to_owned(),
        ),
        NoticeReason::Answered => (
            "请按上述口径答复客户；效果评估后另行通知。".to_owned(),
            "Please answer customers as above; you will be told what the data say.".to_owned(),
        ),
        _ => (
            "无需其他操作；请按上述口径答复客户。".to_owned(),
            "Nothing else is needed; answer customers as above.".to_owned(),
        ),
    };
    vec![pick(language, &zh, &en).to_owned()]
}

/// Whether somebody has accepted it.
fn is_taken(notice: &Notice) -> bool {
    let state = notice.trigger.as_ref().map(|of| of.state.as_str());
    matches!(state, Some("accepted" | "in_progress"))
}

/// Whether no data will be able to prove what was answered.
fn is_unprovable(demand: &DemandNotice) -> bool {
    let verdict = demand.verdict.as_ref();
    verdict.is_some_and(|(verdict, _)| verdict == "unprovable")
}
