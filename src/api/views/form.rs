//! Forms of complaint leaves, and contacts filed by them, on the wire.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::api::views::TextView;
use crate::api::views::when::{When, moment};
use crate::complaints::Decision;
use crate::rules::{Form, Question, QuestionRole, Suspicion};

/// Leaves that have a form.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct FormsView {
    /// In the order of the rule book.
    pub forms: Vec<FormView>,
}

/// The form of one leaf.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct FormView {
    /// Leaf.
    pub leaf: String,
    /// Path in the complaint tree.
    pub path: String,
    /// Node code.
    pub node: Option<String>,
    /// Service.
    pub service: String,
    /// Questions in the order they are asked.
    pub questions: Vec<QuestionView>,
}

/// One question.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct QuestionView {
    /// Key of its answer.
    pub id: String,
    /// What is asked.
    pub text: TextView,
    /// `exclude`, `suspect` or `element`.
    pub role: String,
    /// Answers to choose from; empty where text is wanted.
    pub answers: Vec<String>,
}

/// A contact that is to be filed.
#[derive(Clone, Debug, PartialEq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, expecting = "a JSON object")]
pub struct ContactRequest {
    /// Leaf whose form was answered, or the code of the node that it is filed under.
    #[schema(example = "newspaper_not_received")]
    pub leaf: String,
    /// Serial number of the call; the same serial again is the same ticket.
    pub serial: String,
    /// Answers by question: `yes`, `no`, `unclear`, or text; none is unclear.
    #[serde(default)]
    pub answers: BTreeMap<String, Value>,
    /// When it came, ms or RFC 3339; now when left out.
    #[serde(default, deserialize_with = "moment")]
    #[schema(value_type = Option<When>)]
    pub ts: Option<i64>,
    /// The customer's number.
    #[serde(default)]
    pub subscriber: Option<String>,
    /// City.
    #[serde(default)]
    pub city: Option<String>,
    /// Channel it came in by.
    #[serde(default)]
    pub channel: Option<String>,
    /// Whether the customer went over the first line's head.
    #[serde(default)]
    pub escalated: Option<bool>,
}

/// What a contact came to.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct ContactView {
    /// Serial number.
    pub serial: String,
    /// `filed`, or `excluded`: then it counts nothing.
    pub state: String,
    /// What to tell the customer, when it is excluded.
    pub guidance: Vec<GuidanceView>,
    /// Where its answers point.
    pub suspicions: Vec<SuspicionView>,
}

/// Why a contact is no complaint, and what helps.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct GuidanceView {
    /// Question whose answer decided.
    pub question: String,
    /// What to tell the customer.
    pub text: TextView,
}

/// A cause that an answer points to.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct SuspicionView {
    /// Question whose answer points there.
    pub question: String,
    /// What may be wrong.
    pub cause: TextView,
    /// Class of second confirmation.
    pub class: String,
    /// The class in Chinese.
    pub class_name: String,
    /// Department that would mend it.
    pub department: Option<String>,
    /// KQI that would show it.
    pub kqi: Option<String>,
}

impl From<Form<'_>> for FormView {
    fn from(form: Form<'_>) -> FormView {
        let leaf = form.leaf;
        FormView {
            leaf: leaf.id.clone(),
            path: form.path.to_owned(),
            node: form.node.map(str::to_owned),
            service: leaf.service.clone(),
            questions: leaf.questions.iter().map(QuestionView::from).collect(),
        }
    }
}

impl From<&Question> for QuestionView {
    fn from(question: &Question) -> QuestionView {
        let (role, answers): (&str, &[&str]) = match question.role {
            QuestionRole::Exclude { .. } => ("exclude", &["yes", "no", "unclear"]),
            QuestionRole::Suspect { .. } => ("suspect", &["yes", "no", "unclear"]),
            QuestionRole::Element => ("element", &[]),
        };
        QuestionView {
            id: question.id.clone(),
            text: TextView::from(&question.text),
            role: role.to_owned(),
            answers: answers.iter().map(|answer| (*answer).to_owned()).collect(),
        }
    }
}

impl ContactView {
    /// What was decided of a contact.
    pub fn of(serial: String, decision: &Decision<'_>) -> ContactView {
        let (mut guidance, mut suspicions) = (Vec::new(), Vec::new());
        match decision {
            Decision::Excluded(questions) => guidance.extend(questions.iter().map(|question| {
                let text = match &question.role {
                    QuestionRole::Exclude { guidance, .. } => guidance,
                    QuestionRole::Suspect { .. } | QuestionRole::Element => &question.text,
                };
                GuidanceView {
                    question: question.id.clone(),
                    text: TextView::from(text),
                }
            })),
            Decision::Filed(found) => suspicions.extend(
                found
                    .iter()
                    .map(|(question, suspicion)| SuspicionView::of(question, suspicion)),
            ),
        }
        ContactView {
            serial,
            state: crate::complaints::state(decision).to_owned(),
            guidance,
            suspicions,
        }
    }
}

impl SuspicionView {
    fn of(question: &Question, suspicion: &Suspicion) -> SuspicionView {
        let (class, class_name) = suspicion.class.names();
        SuspicionView {
            question: question.id.clone(),
            cause: TextView::from(&suspicion.cause),
            class: class.to_owned(),
            class_name: class_name.to_owned(),
            department: suspicion.department.clone(),
            kqi: suspicion.kqi.clone(),
        }
    }
}
