//! The rules of who answers for a demand and how fast: routes, absences, copies, due times, escalation
//! (domain facts H26 to H28, E7).
//!
//! Invariant, kept by `check`: every department and role that is named exists.

use std::collections::BTreeMap;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::rules::calendar::Calendar;
use crate::rules::{Anchors, Layer, Provenance, Severity, Text};

/// Where demands leave the data department to (集团、支撑、网管、数据; domain fact H27).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outlet {
    /// 集团: the group company and bases outside the province.
    Group,
    /// 支撑: business support.
    Support,
    /// 网管: network management.
    Network,
    /// 数据: the data department and whom it coordinates.
    Data,
}

impl Outlet {
    /// The names in files and the API, in the order of the variants.
    pub const NAMES: [&'static str; 4] = ["group", "support", "network", "data"];

    /// The name in files and the API.
    pub const fn name(self) -> &'static str {
        Outlet::NAMES[self as usize]
    }

    /// The outlet of a name.
    pub fn from_name(name: &str) -> Option<Outlet> {
        let all = [
            Outlet::Group,
            Outlet::Support,
            Outlet::Network,
            Outlet::Data,
        ];
        all.into_iter().find(|outlet| outlet.name() == name)
    }
}

/// A role of a department.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Desk {
    /// Department.
    pub department: String,
    /// Role within it.
    pub role: String,
}

/// One line of the routing table; what is left out fits everything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Cause: an entry of the knowledge base, or a KQI without one.
    pub cause: Option<String>,
    /// Service.
    pub service: Option<String>,
    /// Layer.
    pub layer: Option<Layer>,
    /// Where it goes.
    pub to: Desk,
}

/// From which severity on something is done, for one department or all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReviewRule {
    /// Department that would be asked; every one without it.
    pub department: Option<String>,
    /// From this severity on.
    pub severity: Severity,
}

/// Who gets copies of a department's demands (抄送; H26).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopyRule {
    /// Department that is asked; every one without it.
    pub department: Option<String>,
    /// From this severity on.
    pub severity: Severity,
    /// Who gets them.
    pub to: Desk,
}

/// How long a department has, in open time, ms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DueTimes {
    /// To accept it, from dispatch on.
    pub accept_ms: i64,
    /// To mend it or say why not, from acceptance on.
    pub mend_ms: i64,
}

/// One link of the chain that a demand climbs when it is overdue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EscalationStep {
    /// Open time after the due time, or after the step before, ms.
    pub after_ms: i64,
    /// Role of the department that is asked; where it has none, the step goes to the coordinator.
    pub role: String,
    /// Another department's role.
    pub department: Option<String>,
}

/// Days on which somebody is away, both inclusive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Absence {
    /// Mail address of who is away.
    pub email: String,
    /// First day.
    pub from: Date,
    /// Last day.
    pub to: Date,
}

/// Weights of the four factors of urgency (domain fact E7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UrgencyWeights {
    /// 对满意度影响的程度.
    pub impact: u32,
    /// 关键性.
    pub keyness: u32,
    /// 复杂度: what is simple comes first.
    pub complexity: u32,
    /// 迫切性.
    pub urgency: u32,
}

/// When one cause in many cities is one cause of their province.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ProvinceRule {
    /// Cities at least.
    pub cities_min: usize,
    /// Share of the province's cities at least, 0 to 1.
    pub share_min: f64,
}

/// How complaints are set against KQIs of the same service, place and time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CrossingRule {
    /// How long before a KQI turns red people may complain already, ms.
    pub lead_ms: i64,
    /// How long after a KQI was red people may still complain of it, ms.
    pub lag_ms: i64,
    /// KQIs with longer windows take no part, ms.
    pub window_ms_max: i64,
    /// Department that is told of blind spots; the coordinator's without it.
    pub department: Option<String>,
    /// Points that confirmation adds to the impact of a trigger.
    pub confirmed_adds: u32,
    /// Points that silence of customers takes from the pressure of a trigger.
    pub silent_takes: u32,
}

/// A KQI of the process itself (domain fact H29): how demands are handled, and not what they are about. Its value is a
/// mean over what ended within the window before now, by the journal's clock.
#[derive(Clone, Debug, PartialEq)]
pub struct ProcessKqi {
    /// Identifier.
    pub id: String,
    /// Display name.
    pub name: Text,
    /// What is averaged.
    pub measure: ProcessMeasure,
    /// Whether each department has a value of its own; else there is one for all.
    pub by_department: bool,
    /// How far back it looks, ms.
    pub window_ms: i64,
    /// Scale; the middle is the limit. Hand-overs, or hours.
    pub anchors: Anchors,
    /// Where its numbers come from.
    pub provenance: Vec<Provenance>,
    /// With fewer there is no verdict.
    pub min_samples: u64,
}

/// What a KQI of the process averages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProcessMeasure {
    /// Hand-overs between departments, of triggers that ended and of those that are open.
    Hops,
    /// Time from opening to closing, hours.
    Resolution,
    /// Time in the state of that name, hours.
    Stay(String),
}

impl ProcessKqi {
    /// Unit of its values.
    pub fn unit(&self) -> &'static str {
        match self.measure {
            ProcessMeasure::Hops => "",
            ProcessMeasure::Resolution | ProcessMeasure::Stay(_) => "h",
        }
    }
}

/// When a refused cause is clearly worse by its value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct WorseValue {
    /// So many times as far outside its interval as the worst window that it was refused on; 0: never.
    pub times: f64,
    /// For so many abnormal windows in a row, at least 1.
    pub windows: usize,
}

/// Everything that optimization triggers go by.
#[derive(Clone, Debug, PartialEq)]
pub struct TriggerPolicy {
    /// The engine takes the early steps itself: classified, analysed, dispatched.
    pub automatic: bool,
    /// Who gets what finds no other owner (监督协调岗).
    pub coordinator: Option<Desk>,
    /// Who reviews (the data department's lead).
    pub reviewer: Option<Desk>,
    /// Who hands explanations on to agents.
    pub frontline: Option<Desk>,
    /// What is reviewed before it is dispatched.
    pub review: Vec<ReviewRule>,
    /// The first that fits decides; those that name a cause go before all others.
    pub routes: Vec<Route>,
    /// All that fit.
    pub copies: Vec<CopyRule>,
    /// By severity; every one has them.
    pub due: BTreeMap<Severity, DueTimes>,
    /// Open time between a reminder and the due time, ms.
    pub remind_before_ms: i64,
    /// In the order of climbing.
    pub escalation: Vec<EscalationStep>,
    /// From so many hand-overs between departments on the coordinator and the reviewer hear of each; 0: they do not.
    pub hops_max: u32,
    /// Open time for which an acknowledgement holds reminders back, ms.
    pub ack_ms: i64,
    /// Tickets filed for so long before a trigger's first window are linked to it, ms.
    pub tickets_back_ms: i64,
    /// The data may decide about a mend for so long after it; then its effect is not proven, ms.
    pub effect_within_ms: i64,
    /// `not_optimised` rests for so long unless a review date is given, ms.
    pub review_after_ms: i64,
    /// Steps of severity by which a refused cause must get worse to come back before that; 0: it does not by them.
    pub worse_by: u8,
    /// See there.
    pub worse_value: WorseValue,
    /// See there.
    pub province: ProvinceRule,
    /// See there.
    pub crossing: CrossingRule,
    /// See there.
    pub weights: UrgencyWeights,
    /// 关键性 of services, 1 to 5; 3 without an entry.
    pub keyness: BTreeMap<String, u32>,
    /// Open hours.
    pub calendar: Calendar,
    /// Who is away when.
    pub absences: Vec<Absence>,
    /// KQIs of the process itself.
    pub process: Vec<ProcessKqi>,
}
