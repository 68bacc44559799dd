//! Last-level nodes of the complaint tree, with the questions that decide whether a contact is a
//! complaint at all and where its cause may lie (domain facts H6 to H8, part D).

use serde::{Deserialize, Serialize};

use crate::rules::book::RuleBook;
use crate::rules::{ConfirmRule, Text};

/// A last-level node (末级节点).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leaf {
    /// Identifier in addresses, for example `newspaper_not_received`.
    pub id: String,
    /// Its path in the tree, levels joined by `/`.
    pub path: String,
    /// Node code, for example `O010104`.
    pub node: Option<String>,
    /// Paths of other nodes whose form this is too.
    pub also: Vec<String>,
    /// Service it belongs to.
    pub service: String,
    /// Questions in the order they are asked.
    pub questions: Vec<Question>,
    /// How its complaints are confirmed.
    pub confirm: Option<ConfirmRule>,
}

/// A form, and the node that is filed by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Form<'a> {
    /// The leaf whose questions are asked.
    pub leaf: &'a Leaf,
    /// Path of the node.
    pub path: &'a str,
    /// Its code, where it is known.
    pub node: Option<&'a str>,
}

impl Leaf {
    /// Whether a node's complaints are filed by this form.
    pub fn is_at(&self, path: &str) -> bool {
        self.path == path || self.also.iter().any(|also| also == path)
    }

    /// The form at its own node.
    pub fn form(&self) -> Form<'_> {
        Form {
            leaf: self,
            path: &self.path,
            node: self.node.as_deref(),
        }
    }
}

impl RuleBook {
    /// The form by its leaf's identifier, or by the code of a node that it files: one of today or of before.
    pub fn form(&self, name: &str) -> Option<Form<'_>> {
        if let Some(leaf) = self.leaves.iter().find(|leaf| leaf.id == name) {
            return Some(leaf.form());
        }
        let code = self.codes.of(name)?;
        let own = |leaf: &&Leaf| leaf.node.as_deref() == Some(code);
        if let Some(leaf) = self.leaves.iter().find(own) {
            return Some(leaf.form());
        }
        let path = self.trees.path_of(code)?;
        let leaf = self.leaves.iter().find(|leaf| leaf.is_at(path))?;
        let node = Some(code);
        Some(Form { leaf, path, node })
    }
}

/// One question of a leaf's form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// Identifier within the leaf.
    pub id: String,
    /// What is asked.
    pub text: Text,
    /// What the answer does.
    pub role: QuestionRole,
}

/// What the answer to a question does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum QuestionRole {
    /// A bad answer means that this is no complaint: the customer is helped at once (投诉排除条件).
    Exclude {
        /// The bad answer.
        bad: Answer,
        /// What to tell the customer.
        guidance: Text,
    },
    /// A bad answer points to a cause (末级节点判别条件).
    Suspect {
        /// The bad answer.
        bad: Answer,
        /// Where it points.
        suspicion: Suspicion,
    },
    /// Text that the ticket carries (受理要素).
    Element,
}

/// Where a bad answer points.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suspicion {
    /// What may be wrong.
    pub cause: Text,
    /// Class that it would be confirmed into.
    pub class: ComplaintClass,
    /// Department that would mend it.
    pub department: Option<String>,
    /// KQI that would show it.
    pub kqi: Option<String>,
}

/// An answer to a question of yes and no.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Answer {
    /// 是.
    Yes,
    /// 否.
    No,
    /// 不清楚: never decides anything.
    Unclear,
}

/// The nine classes that a complaint is confirmed into (二次确认).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ComplaintClass {
    /// 终端问题类.
    Terminal,
    /// 网络类.
    Network,
    /// 使用类.
    Usage,
    /// 支撑类.
    Support,
    /// 营销类.
    Marketing,
    /// 平台类.
    Platform,
    /// 第三方类.
    ThirdParty,
    /// 服务质量类.
    ServiceQuality,
    /// 计费类.
    Billing,
}

impl ComplaintClass {
    /// Every class with its name in rule files and its Chinese name.
    pub const NAMES: [(&'static str, &'static str, ComplaintClass); 9] = [
        ("terminal", "终端问题类", ComplaintClass::Terminal),
        ("network", "网络类", ComplaintClass::Network),
        ("usage", "使用类", ComplaintClass::Usage),
        ("support", "支撑类", ComplaintClass::Support),
        ("marketing", "营销类", ComplaintClass::Marketing),
        ("platform", "平台类", ComplaintClass::Platform),
        ("third_party", "第三方类", ComplaintClass::ThirdParty),
        (
            "service_quality",
            "服务质量类",
            ComplaintClass::ServiceQuality,
        ),
        ("billing", "计费类", ComplaintClass::Billing),
    ];

    /// Its names: in rule files, and in Chinese.
    pub fn names(self) -> (&'static str, &'static str) {
        Self::NAMES
            .iter()
            .find(|(.., class)| *class == self)
            .map_or(("", ""), |(name, zh, _)| (name, zh))
    }
}
