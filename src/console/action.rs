//! The pages behind the links of mails: one that asks, one that says what was done, and those that say why
//! nothing was. Words and layout; what a link may do is decided elsewhere.

use std::sync::LazyLock;

use minijinja::Environment;
use minijinja::value::Serde;
use serde::Serialize;

use crate::api::iso;
use crate::console::words::{severity_chip, trigger_chip};
use crate::engine::Snapshot;
use crate::rules::{Contact, Language, Text};
use crate::triggers::{Refusal, Trigger, TriggerState};

const NAME: &str = "action.html";

static TEMPLATES: LazyLock<Result<Environment<'static>, minijinja::Error>> = LazyLock::new(|| {
    let mut templates = Environment::new();
    templates.add_template(NAME, include_str!("action.html"))?;
    Ok(templates)
});

/// One page.
#[derive(Debug, Serialize)]
pub(crate) struct ActionPage {
    lang: &'static str,
    /// `ask`, `done` or `none`: the colour of its head.
    tone: &'static str,
    tag: String,
    title: String,
    lines: Vec<String>,
    facts: Vec<(String, String)>,
    form: Option<Form>,
    /// Steps that can follow, with their links.
    next_label: String,
    next: Vec<(String, String)>,
    footer: String,
}

/// What must be answered before something is done.
#[derive(Debug, Serialize)]
struct Form {
    problem: Option<String>,
    kinds_label: String,
    kinds: Vec<(&'static str, String)>,
    remedies_label: String,
    remedies: Vec<(String, String)>,
    reason_label: String,
    is_reason_required: bool,
    submit: String,
}

/// Why nothing is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Nothing {
    /// The link was used by its reader.
    Used,
    /// The trigger stands otherwise since.
    Over,
    /// Its time is over.
    Expired,
    /// It is none of ours, or nobody's.
    Forged,
    /// The trigger is kept no more.
    Gone,
    /// This engine makes no links.
    Off,
}

/// What a page is about: the trigger, who asks, and for what; no state asks to hold reminders back.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked<'a> {
    pub(crate) snapshot: &'a Snapshot,
    pub(crate) trigger: &'a Trigger,
    pub(crate) reader: &'a Contact,
    pub(crate) to: Option<TriggerState>,
}

impl ActionPage {
    /// Asks before it is done; with what was wrong with the answer before, where there was one.
    pub(crate) fn ask(asked: Asked<'_>, problem: Option<String>) -> ActionPage {
        let language = asked.reader.language;
        let to = asked.to;
        let refuses = to == Some(TriggerState::NotOptimised);
        let kinds = Refusal::ALL.map(|kind| (kind.name(), refusal(language, kind).to_owned()));
        let book = &asked.snapshot.plan.book;
        let cause = &asked.trigger.cause.cause;
        let entry = book.knowledge.iter().find(|entry| entry.id == *cause);
        let entry = entry.filter(|_| to == Some(TriggerState::Mended));
        let remedies = entry.map(|entry| {
            let remedies = entry.remedies.iter();
            remedies.map(|remedy| (remedy.id.clone(), said(language, &remedy.text)))
        });
        let form = Form {
            problem,
            kinds_label: pick(language, "原因类别（必选）", "Kind (required)").to_owned(),
            kinds: if refuses { kinds.to_vec() } else { Vec::new() },
            remedies_label: pick(language, "采用的措施（选填）", "What mended it (optional)")
                .to_owned(),
            remedies: remedies.into_iter().flatten().collect(),
            reason_label: match refuses {
                true => pick(
                    language,
                    "原因（必填，将告知一线和客户）",
                    "Reason (required; agents and customers are told)",
                ),
                false => pick(language, "说明（选填）", "Remark (optional)"),
            }
            .to_owned(),
            is_reason_required: refuses,
            submit: format!(
                "{}{}",
                pick(language, "确认：", "Confirm: "),
                act(language, to)
            ),
        };
        let question = pick(language, "请确认", "Please confirm");
        ActionPage {
            lines: vec![consequence(asked)],
            facts: facts(asked),
            form: Some(form),
            ..ActionPage::plain(language, "ask", question, about(asked))
        }
    }

    /// Says what was done, and offers what can follow.
    pub(crate) fn done(asked: Asked<'_>, next: Vec<(TriggerState, String)>) -> ActionPage {
        let language = asked.reader.language;
        let next = next.into_iter();
        let next = next.map(|(to, url)| (act(language, Some(to)).to_owned(), url));
        ActionPage {
            facts: facts(asked),
            lines: vec![
                pick(
                    language,
                    "已记录。此链接不再有效。",
                    "It is recorded. The link is used now.",
                )
                .to_owned(),
            ],
            next: next.collect(),
            ..ActionPage::plain(
                language,
                "done",
                pick(language, "已完成", "Done"),
                about(asked),
            )
        }
    }

    /// Says why nothing is done, and what to do instead; in the reader's language where that is known.
    pub(crate) fn nothing(why: Nothing, asked: Option<Asked<'_>>) -> ActionPage {
        let (title, lines) = why.words();
        let language = asked.map(|asked| asked.reader.language);
        let in_language = |text: &(&'static str, &'static str)| match language {
            Some(language) => pick(language, text.0, text.1).to_owned(),
            None => format!("{} {}", text.0, text.1),
        };
        let mut page = ActionPage::plain(
            language.unwrap_or(Language::Zh),
            "none",
            &in_language(&("未执行任何操作", "Nothing was done")),
            in_language(&title),
        );
        page.lines = match language {
            Some(language) => vec![pick(language, lines.0, lines.1).to_owned()],
            None => vec![lines.0.to_owned(), lines.1.to_owned()],
        };
        page.facts = asked.map(facts).unwrap_or_default();
        page
    }

    /// Says that it did not work for a reason that has nothing to do with the link.
    pub(crate) fn failed(asked: Asked<'_>, reason: &str) -> ActionPage {
        let language = asked.reader.language;
        let advice = pick(
            language,
            "请稍后从邮件中再次打开此链接；页面会显示是否已执行。",
            "Open the link from the mail again in a while: the page will say whether it was done.",
        );
        ActionPage {
            lines: vec![reason.to_owned(), advice.to_owned()],
            facts: facts(asked),
            ..ActionPage::plain(
                language,
                "none",
                pick(language, "未完成", "Not done"),
                about(asked),
            )
        }
    }

    /// The page as HTML.
    ///
    /// # Errors
    /// Template and page do not fit, which the tests rule out.
    pub(crate) fn render(&self) -> Result<String, String> {
        let templates = TEMPLATES.as_ref().map_err(ToString::to_string)?;
        templates
            .get_template(NAME)
            .and_then(|template| template.render(Serde(self)))
            .map_err(|error| format!("{error:#}"))
    }

    fn plain(language: Language, tone: &'static str, tag: &str, title: String) -> ActionPage {
        ActionPage {
            lang: pick(language, "zh-CN", "en"),
            tone,
            tag: tag.to_owned(),
            title,
            lines: Vec::new(),
            facts: Vec::new(),
            form: None,
            next_label: pick(language, "下一步", "Next").to_owned(),
            next: Vec::new(),
            footer: pick(
                language,
                "Chrysalis · 此页面仅供邮件收件人使用",
                "Chrysalis · this page is for the reader of the mail",
            )
            .to_owned(),
        }
    }
}

impl Nothing {
    fn words(self) -> ((&'static str, &'static str), (&'static str, &'static str)) {
        match self {
            Nothing::Used => (
                ("您已用过此链接", "You have used this link"),
                (
                    "该操作已记录，无需重复。后续步骤的链接在最新一封邮件中。",
                    "What it does is done already. Links to the next steps are in the newest mail.",
                ),
            ),
            Nothing::Over => (
                ("此链接已失效", "This link is over"),
                (
                    "发出邮件之后，触发单的状态或责任方已变化。请以下方现状和最新一封邮件为准。",
                    "The trigger has moved, or has another owner, since the mail was sent. What holds now is below; the newest mail has the links that work.",
                ),
            ),
            Nothing::Expired => (
                ("此链接已过期", "This link has expired"),
                (
                    "请使用最新一封邮件中的链接，或联系监督协调岗。",
                    "Use the links of the newest mail, or ask the coordinator.",
                ),
            ),
            Nothing::Forged => (
                ("此链接无效", "This link is not valid"),
                (
                    "链接不完整，或并非由本系统签发。请从邮件中完整打开，不要手工复制一部分。",
                    "It is not whole, or was not made by this engine. Open it from the mail itself, not from a part of it.",
                ),
            ),
            Nothing::Gone => (
                ("触发单已不在列表中", "The trigger is kept no more"),
                (
                    "该触发单早已关闭。历史记录中仍可查到。",
                    "It was closed long ago. The history still has it.",
                ),
            ),
            Nothing::Off => (
                (
                    "本系统未启用邮件操作",
                    "This engine takes no actions from mails",
                ),
                (
                    "请通过接口或联系管理员处理。",
                    "Use the API, or ask your administrator.",
                ),
            ),
        }
    }
}

/// What is asked for, of which trigger.
fn about(asked: Asked<'_>) -> String {
    let language = asked.reader.language;
    let between = pick(language, "：", ": ");
    let id = &asked.trigger.id;
    format!("{}{between}{id}", act(language, asked.to))
}

fn facts(asked: Asked<'_>) -> Vec<(String, String)> {
    let Asked {
        snapshot,
        trigger,
        reader,
        ..
    } = asked;
    let language = reader.language;
    let service = trigger.service_name.as_ref();
    let service = service.map(|text| said(language, text)).unwrap_or_default();
    let place = trigger.cause.place.name();
    let parts = [service, place.to_owned(), said(language, &trigger.title)];
    let parts: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    let owner = &trigger.owner;
    let mut facts = vec![
        (pick(language, "问题", "What"), parts.join(" · ")),
        (
            pick(language, "严重程度", "Severity"),
            severity_of(language, trigger),
        ),
        (
            pick(language, "当前状态", "State"),
            state(language, trigger.state),
        ),
        (
            pick(language, "责任方", "Owner"),
            format!(
                "{} · {}",
                said(language, &owner.department_name),
                owner.person.name
            ),
        ),
    ];
    if let Some(deadline) = trigger.deadline {
        facts.push((
            pick(language, "到期", "Due"),
            moment(deadline.due_ms, snapshot),
        ));
    }
    let last = trigger
        .history
        .iter()
        .rev()
        .find(|step| step.from != Some(step.to));
    if let Some(last) = last {
        let at = moment(last.at_ms, snapshot);
        facts.push((
            pick(language, "最近变化", "Last change"),
            format!("{at} · {} · {}", last.actor, state(language, last.to)),
        ));
    }
    facts.push((
        pick(language, "以谁的名义", "In whose name"),
        reader.name.clone(),
    ));
    let own = |(label, value): (&str, String)| (label.to_owned(), value);
    facts.into_iter().map(own).collect()
}

/// A time to the minute, with its zone: `2026-03-02 08:30 (UTC+08:00)`.
fn moment(at_ms: i64, snapshot: &Snapshot) -> String {
    let at = iso(at_ms, &snapshot.plan.zone);
    let (at, zone) = at.split_at_checked(23).unwrap_or((&at, ""));
    let at: String = at.chars().take(16).collect();
    format!("{} (UTC{zone})", at.replace('T', " "))
}

fn severity_of(language: Language, trigger: &Trigger) -> String {
    let chip = severity_chip(trigger.severity);
    pick(language, &chip.zh, &chip.en).to_owned()
}

/// What follows from it.
fn consequence(asked: Asked<'_>) -> String {
    let trigger = asked.trigger;
    let language = asked.reader.language;
    let tickets = trigger.tickets.len() as u64 + trigger.tickets_beyond;
    let department = said(language, &trigger.owner.department_name);
    let (who_zh, who_en) = match tickets {
        0 => ("一线".to_owned(), "Agents".to_owned()),
        1 => (
            "一线和 1 张关联工单".to_owned(),
            "Agents and one linked ticket".to_owned(),
        ),
        _ => (
            format!("一线和 {tickets} 张关联工单"),
            format!("Agents and {tickets} linked tickets"),
        ),
    };
    let (zh, en) = match asked.to {
        None => (
            "催办和逐级上报将暂停一段时间；状态不变。".to_owned(),
            "Reminders and escalation are held back for a while; the state stays.".to_owned(),
        ),
        Some(TriggerState::Reviewed | TriggerState::Dispatched) => (
            format!("触发单将派发给{department}，并开始计算受理时限。"),
            format!("It is dispatched to {department}, whose time to accept it begins."),
        ),
        Some(TriggerState::Accepted) => (
            "触发单转为“已受理”，处理时限开始计算，一线口径随之更新。".to_owned(),
            "Your department takes it: the time to mend it begins, and agents tell customers so."
                .to_owned(),
        ),
        Some(TriggerState::InProgress) => (
            "记录开始处理的时间；效果评估以此为界。".to_owned(),
            "The beginning of the work is recorded; its effect is measured from here.".to_owned(),
        ),
        Some(TriggerState::Mended) => (
            format!("{who_zh}立即得到答复；之后由数据评估效果，无效会重新打开。"),
            format!(
                "{who_en} get the answer at once. The data will then say whether it helped; if not, it is reopened."
            ),
        ),
        Some(TriggerState::NotOptimised) => (
            format!(
                "触发单立即关闭；{who_zh}得到您填写的原因；复核日期之前，同一原因不再触发（除非明显恶化）。"
            ),
            format!(
                "It is closed at once. {who_en} get your reason. The same cause does not trigger again before the review date, unless it gets clearly worse."
            ),
        ),
        Some(_) => (
            "触发单进入下一步。".to_owned(),
            "The trigger goes on to its next step.".to_owned(),
        ),
    };
    pick(language, &zh, &en).to_owned()
}

fn act(language: Language, to: Option<TriggerState>) -> &'static str {
    let (zh, en) = match to {
        None => ("确认收到", "Acknowledge"),
        Some(TriggerState::Classified) => ("完成分类", "Classified"),
        Some(TriggerState::Analysed) => ("退回分析", "Analyse again"),
        Some(TriggerState::Reviewed) => ("审核通过", "Approve"),
        Some(TriggerState::Dispatched) => ("派发", "Dispatch"),
        Some(TriggerState::Accepted) => ("受理", "Accept"),
        Some(TriggerState::InProgress) => ("开始处理", "Start work"),
        Some(TriggerState::Mended) => ("处理完毕", "Mended"),
        Some(TriggerState::NotOptimised) => ("不予优化", "Will not be optimised"),
        Some(other) => (other.name(), other.name()),
    };
    pick(language, zh, en)
}

fn state(language: Language, state: TriggerState) -> String {
    let chip = trigger_chip(state);
    pick(language, &chip.zh, &chip.en).to_owned()
}

fn refusal(language: Language, kind: Refusal) -> &'static str {
    let (zh, en) = match kind {
        Refusal::TechnicallyInfeasible => ("技术上不可行", "Technically infeasible"),
        Refusal::Uneconomic => ("不经济", "Uneconomic"),
    };
    pick(language, zh, en)
}

fn said(language: Language, text: &Text) -> String {
    pick(language, &text.zh, &text.en).to_owned()
}

fn pick<'a>(language: Language, zh: &'a str, en: &'a str) -> &'a str {
    match language {
        Language::Zh => zh,
        Language::En => en,
    }
}
