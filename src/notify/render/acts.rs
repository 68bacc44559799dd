//! Links of a trigger's mail: what its reader may do, each a button that asks before it acts, and where everything is.

use serde::Serialize;

use super::number::Clock;
use super::words::{Label, pick};
use crate::alerting::Notice;
use crate::links::{ACKNOWLEDGE, Links};
use crate::rules::Language;

/// What the reader may do.
#[derive(Debug, Serialize)]
pub(super) struct Acts {
    pub(super) label: Label,
    pub(super) buttons: Vec<Button>,
    /// How long they work, and that they are the reader's own.
    pub(super) note: String,
}

/// One link.
#[derive(Debug, Serialize)]
pub(super) struct Button {
    pub(super) text: String,
    pub(super) url: String,
    /// The step that is asked for; the others stand behind it.
    pub(super) is_first: bool,
}

/// Where everything about a trigger is.
#[derive(Debug, Serialize)]
pub(super) struct Page {
    pub(super) text: &'static str,
    pub(super) url: String,
}

/// The page of what a notice asks for or answers; none for a plain alert.
pub(super) fn page(notice: &Notice, links: &Links) -> Option<Page> {
    notice.demand.as_ref()?;
    Some(Page {
        text: pick(
            notice.recipient.language,
            "查看全部详情：依据、原因、处理办法与经过",
            "Everything about it: evidence, causes, remedies, history",
        ),
        url: links.page(&notice.alert.incident),
    })
}

/// The links of a notice; none where its reader may do nothing.
pub(super) fn offered(notice: &Notice, links: &Links) -> Option<Acts> {
    let demand = notice
        .demand
        .as_ref()
        .filter(|demand| !demand.acts.is_empty())?;
    let language = notice.recipient.language;
    let clock = Clock::of(&notice.time_zone);
    let url = |act: &str| {
        let (trigger, email) = (&notice.alert.incident, &notice.recipient.email);
        links.url(trigger, act, notice.revision, email, notice.decided_at_ms)
    };
    let buttons = demand.acts.iter().enumerate().map(|(at, act)| Button {
        text: words(language, act).to_owned(),
        url: url(act),
        is_first: at == 0,
    });
    let until = clock.full(links.expires_ms(notice.decided_at_ms));
    Some(Acts {
        label: Label::new(language, "直接操作", "Act on it"),
        buttons: buttons.collect(),
        note: match language {
            Language::Zh => format!(
                "点击后先显示确认页；每个链接只生效一次，{until} 前有效，以您的名义记录，请勿转发。"
            ),
            Language::En => format!(
                "Each opens a page that asks first, works once, until {until}, and acts in your name: do not forward this mail."
            ),
        },
    })
}

fn words(language: Language, act: &str) -> &str {
    let (zh, en) = match act {
        ACKNOWLEDGE => ("确认收到", "Acknowledge"),
        "classified" => ("完成分类", "Classified"),
        "analysed" => ("退回分析", "Analyse again"),
        "reviewed" => ("审核通过", "Approve"),
        "dispatched" => ("派发", "Dispatch"),
        "accepted" => ("受理", "Accept"),
        "in_progress" => ("开始处理", "Start work"),
        "mended" => ("处理完毕", "Mended"),
        "not_optimised" => ("不予优化…", "Will not be optimised…"),
        other => (other, other),
    };
    pick(language, zh, en)
}
