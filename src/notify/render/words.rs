//! The words of a mail in its two languages. Text only; which of them are said is `view`'s business.

use serde::Serialize;

use crate::alerting::NoticeReason;
use crate::reports;
use crate::rules::{Language, Layer, Severity, Text};

/// A label: in Chinese mails the English word stands small beside it, for mixed teams.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Label {
    /// In the reader's language.
    pub(super) main: String,
    /// The English word in Chinese mails; otherwise empty.
    pub(super) aside: String,
}

impl Label {
    pub(super) fn new(language: Language, zh: &str, en: &str) -> Label {
        match language {
            Language::Zh => Label {
                main: zh.to_owned(),
                aside: en.to_owned(),
            },
            Language::En => Label {
                main: en.to_owned(),
                aside: String::new(),
            },
        }
    }
}

/// One of two texts.
pub(super) fn pick<'a>(language: Language, zh: &'a str, en: &'a str) -> &'a str {
    match language {
        Language::Zh => zh,
        Language::En => en,
    }
}

/// The language as a page declares it.
pub(super) fn lang(language: Language) -> &'static str {
    pick(language, "zh-CN", "en")
}

/// A name in the reader's language.
pub(super) fn name(language: Language, text: &Text) -> &str {
    pick(language, &text.zh, &text.en)
}

/// Severity by its X.733 name.
pub(super) fn severity(language: Language, severity: Severity) -> Label {
    let (zh, en) = reports::severity_text(severity);
    Label::new(language, zh, en)
}

/// What the mail is about, in one word.
pub(super) fn status(language: Language, reason: NoticeReason) -> Label {
    let (zh, en) = match reason {
        NoticeReason::First => ("异常", "Abnormal"),
        NoticeReason::Escalated => ("已升级", "Escalated"),
        NoticeReason::Resolved => ("已恢复", "Resolved"),
        NoticeReason::Corrected => ("更正", "Corrected"),
        NoticeReason::RuleChanged => ("规则变更", "Rule changed"),
        NoticeReason::ReviewAsked => ("待审核", "To be reviewed"),
        NoticeReason::Assigned => ("已派单", "Assigned"),
        NoticeReason::Reminder => ("催办", "Reminder"),
        NoticeReason::Overdue => ("超时上报", "Overdue"),
        NoticeReason::HandedOver => ("已转交", "Handed over"),
        NoticeReason::Answered => ("已答复", "Answered"),
        NoticeReason::Closed => ("已关闭", "Closed"),
        NoticeReason::Reopened => ("重新打开", "Reopened"),
        NoticeReason::Measured => ("效果复评", "Effect measured again"),
        NoticeReason::Raised => ("级别上升", "Severity raised"),
        NoticeReason::Progressed => ("有进展", "Progress"),
    };
    Label::new(language, zh, en)
}

/// Layer of a KQI.
pub(super) fn layer(language: Language, layer: Layer) -> &'static str {
    match (language, layer) {
        (Language::Zh, Layer::Experience) => "客户体验层",
        (Language::Zh, Layer::Platform) => "平台层",
        (Language::Zh, Layer::Network) => "网络层",
        (Language::En, Layer::Experience) => "experience",
        (Language::En, Layer::Platform) => "platform",
        (Language::En, Layer::Network) => "network",
    }
}

/// State of a trigger, from its name in the API.
pub(super) fn trigger_state(language: Language, state: &str) -> &str {
    let (zh, en) = reports::state_text(state).unwrap_or((state, state));
    pick(language, zh, en)
}

/// Outlet of a demand, from its name in the API.
pub(super) fn outlet(language: Language, outlet: &str) -> &'static str {
    let (zh, en) = match outlet {
        "group" => ("集团", "group company"),
        "support" => ("支撑", "business support"),
        "network" => ("网管", "network management"),
        _ => ("数据", "data department"),
    };
    pick(language, zh, en)
}

/// Verdict on an effect, from its name in the API.
pub(super) fn verdict(language: Language, verdict: &str) -> &str {
    let (zh, en) = reports::verdict_text(verdict).unwrap_or((verdict, verdict));
    pick(language, zh, en)
}

/// A dimension by its name on the wire.
pub(super) fn dimension(language: Language, id: &str) -> Label {
    let (zh, en) = match id {
        "service" => ("业务", "Service"),
        "city" => ("城市", "City"),
        "channel" => ("渠道", "Channel"),
        "network" => ("网络", "Network"),
        "probe" => ("探针", "Probe"),
        "target" => ("目标", "Target"),
        "step" => ("步骤", "Step"),
        "host" => ("主机", "Host"),
        "interface" => ("接口", "Interface"),
        "client" => ("调用方", "Client"),
        "edition" => ("刊次", "Edition"),
        "campaign" => ("活动", "Campaign"),
        "cause" => ("原因", "Cause"),
        "source" => ("数据源", "Source"),
        "internal" => ("内部数据", "Own data"),
        "node" => ("投诉节点", "Complaint node"),
        "leaf" => ("投诉现象", "Complaint leaf"),
        "province" => ("省份", "Province"),
        "group" => ("集团", "Group"),
        "speed" => ("网速", "Speed"),
        "method" => ("接入方式", "Method"),
        "code" => ("失败原因", "Failure"),
        // A dimension of the rule author's own has only the name that the author gave it.
        other => {
            return Label {
                main: other.to_owned(),
                aside: String::new(),
            };
        }
    };
    Label::new(language, zh, en)
}

/// Where one looks first, by layer.
pub(super) fn first_look(language: Language, at: Option<Layer>, has_host: bool) -> &'static str {
    match (language, at) {
        (Language::Zh, Some(Layer::Experience)) => {
            "用拨测复现一次，并对比其他城市和渠道：只有这里异常，还是处处异常？"
        }
        (Language::Zh, Some(Layer::Platform)) if !has_host => {
            "检查承载该业务的平台：时延、失败码，以及与其他平台的接口。"
        }
        (Language::En, Some(Layer::Platform)) if !has_host => {
            "Check the platforms that carry the service: latency, failure codes, and their interfaces to others."
        }
        (Language::Zh, Some(Layer::Platform)) => {
            "检查上列主机和接口：时延、失败码，以及长时间占用而不释放的接口连接。"
        }
        (Language::Zh, Some(Layer::Network)) => "检查该地区的承载网络：故障、割接和话务。",
        (Language::Zh, None) => "检查上列对象本身及其数据来源。",
        (Language::En, Some(Layer::Experience)) => {
            "Repeat it with a dial test and compare other cities and channels: only here, or everywhere?"
        }
        (Language::En, Some(Layer::Platform)) => {
            "Check the hosts and interfaces above: latency, failure codes, and connections that are held and not released."
        }
        (Language::En, Some(Layer::Network)) => {
            "Check the bearer network of that place: faults, cut-overs and load."
        }
        (Language::En, None) => "Check the object above and the source of its data.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::DERIVED;

    #[test]
    fn every_place_has_a_word_in_both_languages() {
        for id in DERIVED.into_iter().chain(["city"]) {
            let zh = dimension(Language::Zh, id);
            assert!(!zh.main.is_ascii() && !zh.aside.is_empty(), "{zh:?}");
            assert_ne!(dimension(Language::En, id).main, id);
        }
    }
}
