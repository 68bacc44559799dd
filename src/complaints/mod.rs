//! Contacts → tickets: the navigation form of a leaf, decided by its answers (domain facts H6, H7).
//!
//! * An excluded contact is helped at once and never counts as a complaint.
//! * "Unclear", like no answer at all, never decides anything.
//!
//! Pure: what is decided becomes a `complaint` line, and the caller has it journaled.

mod confirm;
mod full_file;
mod period;

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use thiserror::Error;

use crate::dataflow::TicketDetail;
use crate::rules::{Answer, Form, Leaf, Question, QuestionRole, Suspicion};

pub use confirm::{Ended, Evidence, Neighbours, Unclear, find};
pub use full_file::{Apart, Difference, Reconciled, Scope, reconcile, withdrawal};
pub use period::period;

/// Longest text of an element, characters.
const ELEMENT_CHARS_MAX: usize = 2_000;

/// What a customer's contact came to.
#[derive(Clone, Debug, PartialEq)]
pub enum Decision<'a> {
    /// No complaint: these questions say why, and what to tell the customer.
    Excluded(Vec<&'a Question>),
    /// A complaint, with the causes that its answers point to.
    Filed(Vec<(&'a Question, &'a Suspicion)>),
}

/// Answers that do not fit the form.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum AnswerError {
    /// The form has no such question.
    #[error("the form has no question {0:?}")]
    UnknownQuestion(String),
    /// Not one of the three words.
    #[error("{question:?} is answered {given}, wanted yes, no or unclear")]
    NotAnAnswer {
        /// The question.
        question: String,
        /// What was given.
        given: String,
    },
    /// An element is no text, or too long.
    #[error("{0:?} wants a text of at most {ELEMENT_CHARS_MAX} characters")]
    NotAText(String),
}

/// The contact itself, beside its answers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contact {
    /// Serial number of the call (投诉来电流水号).
    pub serial: String,
    /// When it came, ms.
    pub ts_ms: i64,
    /// The customer's number.
    pub subscriber: Option<String>,
    /// City.
    pub city: Option<String>,
    /// Channel it came in by.
    pub channel: Option<String>,
    /// Whether the customer went over the first line's head.
    pub escalated: Option<bool>,
    /// Since when the customer misses something, and until when where that is said, ms.
    pub period_ms: Option<(i64, Option<i64>)>,
}

/// Decides a contact by its answers.
///
/// # Errors
/// The answers do not fit the leaf's form.
pub fn decide<'a>(
    leaf: &'a Leaf,
    answers: &BTreeMap<String, Value>,
) -> Result<Decision<'a>, AnswerError> {
    if let Some(unknown) = answers
        .keys()
        .find(|id| !leaf.questions.iter().any(|question| question.id == **id))
    {
        return Err(AnswerError::UnknownQuestion(unknown.clone()));
    }
    let (mut exclusions, mut suspicions) = (Vec::new(), Vec::new());
    for question in &leaf.questions {
        let given = answers.get(&question.id);
        match &question.role {
            QuestionRole::Exclude { bad, .. } => {
                if read(question, given)? == *bad {
                    exclusions.push(question);
                }
            }
            QuestionRole::Suspect { bad, suspicion } => {
                if read(question, given)? == *bad {
                    suspicions.push((question, suspicion));
                }
            }
            QuestionRole::Element => {
                let fits = |text: &str| text.chars().count() <= ELEMENT_CHARS_MAX;
                if given.is_some_and(|given| !given.as_str().is_some_and(fits)) {
                    return Err(AnswerError::NotAText(question.id.clone()));
                }
            }
        }
    }
    Ok(if exclusions.is_empty() {
        Decision::Filed(suspicions)
    } else {
        Decision::Excluded(exclusions)
    })
}

/// One of the three words; no answer is unclear.
fn read(question: &Question, given: Option<&Value>) -> Result<Answer, AnswerError> {
    let Some(given) = given else {
        return Ok(Answer::Unclear);
    };
    let answer = given.as_str().and_then(answer_of);
    answer.ok_or_else(|| AnswerError::NotAnAnswer {
        question: question.id.clone(),
        given: given.to_string().chars().take(40).collect(),
    })
}

/// The answer that a word is, in either language.
pub fn answer_of(word: &str) -> Option<Answer> {
    match word {
        "yes" | "是" => Some(Answer::Yes),
        "no" | "否" => Some(Answer::No),
        "unclear" | "不清楚" => Some(Answer::Unclear),
        _ => None,
    }
}

/// What is added to a ticket that is on record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Word {
    /// Its serial number.
    pub serial: String,
    /// When it is said, ms.
    pub ts_ms: i64,
    /// Number of this version, where the source counts them.
    pub version: Option<i64>,
    /// `confirmed`, `closed`, ….
    pub state: &'static str,
    /// Class that it is confirmed into.
    pub class: Option<&'static str>,
    /// Path that it is filed again under.
    pub path: Option<String>,
    /// Code of the node that it is filed again at, where that is known.
    pub node: Option<String>,
    /// What was found.
    pub cause: Option<String>,
}

impl Word {
    /// Puts it after the newest version of the ticket that it is said of, so that it is what counts. What the ticket says
    /// already is no news, and may have its moment.
    pub fn follow(&mut self, ticket: &TicketDetail) {
        let has_class = self.class.is_none() || ticket.class.as_deref() == self.class;
        let is_news = ticket.state.name() != self.state || !has_class;
        let least_ms = ticket.ts_ms.saturating_add(i64::from(is_news));
        self.ts_ms = self.ts_ms.max(least_ms);
        self.version = ticket.version.map(|version| version.saturating_add(1));
    }

    /// Whether a ticket has it on record: its newest version is this word, or came after it and kept what it says.
    pub fn is_on_record(&self, ticket: &TicketDetail) -> bool {
        let (said, newest) = ((self.version, self.ts_ms), (ticket.version, ticket.ts_ms));
        let is_kept = self.class.is_none() || ticket.class.as_deref() == self.class;
        is_kept && (newest > said || newest == said && ticket.state.name() == self.state)
    }

    /// Its `complaint` line.
    pub fn line(&self) -> String {
        let mut line = Map::new();
        let mut put = |name: &str, value: Value| line.insert(name.to_owned(), value);
        put("type", "complaint".into());
        put("ts", self.ts_ms.into());
        put("serial", self.serial.as_str().into());
        put("state", self.state.into());
        let optional = [
            ("class", self.class),
            ("path", self.path.as_deref()),
            ("node", self.node.as_deref()),
            ("cause", self.cause.as_deref()),
        ];
        for (name, value) in optional {
            if let Some(value) = value {
                put(name, value.into());
            }
        }
        if let Some(version) = self.version {
            put("version", version.into());
        }
        Value::Object(line).to_string()
    }
}

/// The `complaint` line of a decided contact. An excluded one is kept too, and counts nothing.
pub fn line(
    form: Form<'_>,
    contact: &Contact,
    decision: &Decision<'_>,
    answers: &BTreeMap<String, Value>,
) -> String {
    let mut line = Map::new();
    let mut put = |name: &str, value: Value| line.insert(name.to_owned(), value);
    put("type", "complaint".into());
    put("ts", contact.ts_ms.into());
    put("serial", contact.serial.as_str().into());
    put("state", state(decision).into());
    put("path", form.path.into());
    put("service", form.leaf.service.as_str().into());
    let optional = [
        ("node", form.node),
        ("subscriber", contact.subscriber.as_deref()),
        ("city", contact.city.as_deref()),
        ("channel", contact.channel.as_deref()),
    ];
    for (name, value) in optional {
        if let Some(value) = value {
            put(name, value.into());
        }
    }
    if let Some(escalated) = contact.escalated {
        put("escalated", escalated.into());
    }
    if let Some((began_ms, ended_ms)) = contact.period_ms {
        put("began", began_ms.into());
        if let Some(ended_ms) = ended_ms {
            put("ended", ended_ms.into());
        }
    }
    put("answers", answers.clone().into_iter().collect());
    Value::Object(line).to_string()
}

/// The ticket's state on the wire.
pub fn state(decision: &Decision<'_>) -> &'static str {
    match decision {
        Decision::Excluded(_) => "excluded",
        Decision::Filed(_) => "filed",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::event::TicketState;
    use crate::rules::testing::book;

    fn leaf() -> Leaf {
        let text = "
book: {name: test, version: '1', time_zone: Asia/Shanghai}
services: [{id: news, name: 报}]
leaves:
  - id: none
    path: 投诉/手机报/没有收到
    node: O010104
    service: news
    questions:
      - {id: capable, text: 支持, role: exclude, bad: \"no\", guidance: 换机}
      - {id: new, text: 新, role: exclude, bad: \"yes\", guidance: 等}
      - {id: coverage, text: 覆盖, role: suspect, bad: \"no\", cause: 信号, class: network}
      - {id: other, text: 其他, role: element}
";
        book(text).leaves.remove(0)
    }

    fn answers(given: Value) -> BTreeMap<String, Value> {
        serde_json::from_value(given).unwrap()
    }

    #[test]
    fn one_bad_answer_excludes_whatever_else_was_said() {
        let leaf = leaf();
        let given = answers(json!({"new": "yes", "coverage": "no"}));
        let Ok(Decision::Excluded(questions)) = decide(&leaf, &given) else {
            panic!("not excluded");
        };
        assert_eq!(questions, [&leaf.questions[1]]);
        let contact = Contact {
            serial: "S".to_owned(),
            ts_ms: 7,
            ..Contact::default()
        };
        let line = line(
            leaf.form(),
            &contact,
            &Decision::Excluded(questions),
            &given,
        );
        let want = json!({
            "type": "complaint", "ts": 7, "serial": "S", "state": "excluded", "path": "投诉/手机报/没有收到",
            "service": "news", "node": "O010104", "answers": {"new": "yes", "coverage": "no"},
        });
        assert_eq!(serde_json::from_str::<Value>(&line).unwrap(), want);
    }

    /// A ticket of this state, as of an instant.
    pub(super) fn ticket(state: TicketState, ts_ms: i64, version: Option<i64>) -> TicketDetail {
        TicketDetail {
            serial: "S".into(),
            version,
            ts_ms,
            filed_ms: Some(0),
            state,
            path: None,
            service: None,
            city: None,
            channel: None,
            source: None,
            number: None,
            class: None,
            cause: None,
            answers: Box::default(),
            began_ms: None,
            ended_ms: None,
        }
    }

    fn word(state: &'static str, class: Option<&'static str>) -> Word {
        Word {
            serial: "S".to_owned(),
            ts_ms: 100,
            state,
            class,
            ..Word::default()
        }
    }

    #[test]
    fn a_word_comes_after_what_it_is_said_of_however_far_ahead_that_is() {
        for (ts_ms, want_ms) in [(50, 100), (100, 101), (300_100, 300_101)] {
            let mut word = word("confirmed", Some("usage"));
            word.follow(&ticket(TicketState::Closed, ts_ms, Some(3)));
            assert_eq!((word.ts_ms, word.version), (want_ms, Some(4)));
        }
        // Said again at the same moment it is the same.
        let mut known = ticket(TicketState::Confirmed, 100, None);
        known.class = Some("usage".into());
        let mut word = word("confirmed", Some("usage"));
        word.follow(&known);
        assert_eq!((word.ts_ms, word.version), (100, None));
    }

    #[test]
    fn a_word_is_on_record_when_the_ticket_has_come_to_it_and_kept_its_class() {
        let mut known = ticket(TicketState::Filed, 100, None);
        known.class = Some("usage".into());
        let confirmed = word("confirmed", Some("usage"));
        assert!(!confirmed.is_on_record(&known), "filed in that class");
        known.state = TicketState::Confirmed;
        assert!(confirmed.is_on_record(&known));
        assert!(!word("confirmed", Some("billing")).is_on_record(&known));
        known.ts_ms = 99;
        assert!(!confirmed.is_on_record(&known), "an earlier word");
        (known.ts_ms, known.state) = (101, TicketState::Closed);
        assert!(confirmed.is_on_record(&known), "closed since");
        assert!(!word("closed", None).is_on_record(&ticket(TicketState::Filed, 100, None)));
    }

    #[test]
    fn unclear_and_unanswered_never_decide_in_either_language() {
        let leaf = leaf();
        for given in [
            json!({}),
            json!({"capable": "unclear", "new": "不清楚", "coverage": "unclear"}),
            json!({"capable": "是", "new": "否", "coverage": "yes", "other": "x"}),
        ] {
            let decided = decide(&leaf, &answers(given)).unwrap();
            assert_eq!(decided, Decision::Filed(Vec::new()));
        }
        let given = answers(json!({"coverage": "否"}));
        let decided = decide(&leaf, &given).unwrap();
        assert!(matches!(decided, Decision::Filed(found) if found.len() == 1));
    }

    #[test]
    fn answers_that_do_not_fit_are_told() {
        let leaf = leaf();
        for (given, words) in [
            (json!({"colour": "yes"}), "no question \"colour\""),
            (json!({"capable": true}), "\"capable\" is answered true"),
            (json!({"other": 3}), "\"other\" wants a text"),
            (json!({"other": "x".repeat(2_001)}), "at most 2000"),
        ] {
            let error = decide(&leaf, &answers(given)).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
    }
}
