//! Second confirmation (二次确认): what the engine's own evidence finds of a complaint, and the class, owner and
//! next step that follow (domain fact H8, part D's table).

use crate::rules::{ComplaintClass, Outlet, Text};

/// How complaints of a leaf are confirmed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfirmRule {
    /// How long before its filing a ticket's messages are looked at, where nobody says since when, ms.
    pub within_ms: i64,
    /// KQI that tells a customer's trouble from that of a whole place.
    pub regional: Option<String>,
    /// Question whose answer says whether there is an order.
    pub order: Option<String>,
    /// Element whose text says since when and for how long.
    pub period: Option<String>,
    /// What follows from each finding; those that are not listed decide nothing.
    pub verdicts: Vec<ConfirmVerdict>,
}

/// What follows from a finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfirmVerdict {
    /// The finding.
    pub found: Finding,
    /// The one class that it is confirmed into.
    pub class: ComplaintClass,
    /// Department that goes on.
    pub department: Option<String>,
    /// Outlet by which it leaves, where that is another than the department's own.
    pub outlet: Option<Outlet>,
    /// What is done.
    pub action: Text,
    /// Path that the ticket is filed again under.
    pub refile: Option<String>,
}

/// What evidence finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Finding {
    /// There is no order, and it was charged.
    ChargedWithoutOrder,
    /// There is an order that the customer did not give.
    OrderedWithoutConsent,
    /// There is no order.
    NoOrder,
    /// There is an order, nothing was submitted, and the platform stands outside the province.
    NothingSubmittedOutside,
    /// There is an order, and nothing was submitted.
    NothingSubmitted,
    /// Submitted, and no final report until its validity was over.
    NoFinalReport,
    /// The handset refused it, or did not know it.
    Rejected,
    /// Expired, and the place's KQI is abnormal too.
    ExpiredTogether,
    /// Expired, and neighbours are fine.
    ExpiredAlone,
    /// Delivered after the deadline.
    Late,
    /// Delivered in time.
    Delivered,
}

impl Finding {
    /// Every finding with its name in rule files and answers.
    pub const NAMES: [(&'static str, Finding); 11] = [
        ("charged_without_order", Finding::ChargedWithoutOrder),
        ("ordered_without_consent", Finding::OrderedWithoutConsent),
        ("no_order", Finding::NoOrder),
        (
            "nothing_submitted_outside",
            Finding::NothingSubmittedOutside,
        ),
        ("nothing_submitted", Finding::NothingSubmitted),
        ("no_final_report", Finding::NoFinalReport),
        ("rejected", Finding::Rejected),
        ("expired_together", Finding::ExpiredTogether),
        ("expired_alone", Finding::ExpiredAlone),
        ("late", Finding::Late),
        ("delivered", Finding::Delivered),
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        let mut names = Self::NAMES.iter();
        names
            .find(|(_, finding)| *finding == self)
            .map_or("", |(name, _)| name)
    }
}
