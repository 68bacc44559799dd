//! Who answers for a demand and how fast: routes, stand-ins, absences, copies, due times, escalation
//! (domain facts H26 to H28, E7).
//!
//! Invariant, kept by `check`: every department and role that is named exists.

use std::collections::BTreeMap;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::rules::calendar::Calendar;
use crate::rules::{
    Anchors, Contact, Department, Layer, Provenance, Role, RuleBook, Severity, Text,
};

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

/// Who answers for a trigger. There is no trigger without one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// Department.
    pub department: String,
    /// Its display name.
    pub department_name: Text,
    /// Role.
    pub role: String,
    /// Its display name.
    pub role_name: Text,
    /// The person who holds it, or who stands in.
    pub person: Contact,
    /// Outlet that it leaves by.
    pub outlet: Outlet,
    /// How it was found.
    pub by: OwnerBy,
}

/// How an owner was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OwnerBy {
    /// A line of the routing table.
    Route,
    /// The knowledge base's entry for the cause.
    Knowledge,
    /// The KQI's department.
    Kqi,
    /// Nobody else was found: the coordinator.
    Coordinator,
    /// A person handed it over.
    HandOver,
}

impl OwnerBy {
    /// The name in the API.
    pub const fn name(self) -> &'static str {
        match self {
            OwnerBy::Route => "route",
            OwnerBy::Knowledge => "knowledge",
            OwnerBy::Kqi => "kqi",
            OwnerBy::Coordinator => "coordinator",
            OwnerBy::HandOver => "hand_over",
        }
    }
}

/// What a demand is about, as far as routing looks.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// Cause.
    pub cause: &'a str,
    /// Service.
    pub service: Option<&'a str>,
    /// Layer.
    pub layer: Layer,
    /// Department of the KQI.
    pub department: Option<&'a str>,
}

impl RuleBook {
    /// Who answers for a demand at an instant: a route that names its cause, the knowledge base's owner, a
    /// route by service and layer, the KQI's department, and in the end the coordinator. None only where a
    /// book names nobody at all.
    pub fn owner(&self, subject: Subject<'_>, at_ms: i64) -> Option<Owner> {
        let route = |by_cause: bool| {
            let mut routes = self.triggers.routes.iter();
            let route = routes.find(|route| {
                let fits = |wanted: &Option<String>, is: Option<&str>| {
                    wanted.as_deref().is_none_or(|wanted| Some(wanted) == is)
                };
                route.cause.is_some() == by_cause
                    && fits(&route.cause, Some(subject.cause))
                    && fits(&route.service, subject.service)
                    && route.layer.is_none_or(|layer| layer == subject.layer)
            });
            route.map(|route| (route.to.clone(), OwnerBy::Route))
        };
        let mut entries = self.knowledge.iter();
        let entry = entries.find(|entry| entry.id == subject.cause);
        let known = entry.and_then(|entry| Some((entry.owner.clone()?, OwnerBy::Knowledge)));
        let own = subject.department.and_then(|id| self.first_desk(id));
        let own = own.map(|desk| (desk, OwnerBy::Kqi));
        let last = self.triggers.coordinator.clone();
        let last = last.map(|desk| (desk, OwnerBy::Coordinator));
        [route(true), known, route(false), own, last]
            .into_iter()
            .flatten()
            .find_map(|(desk, by)| self.at_desk(&desk, by, at_ms))
    }

    /// Who sits at a desk at an instant, or stands in; where all are away, the desk's first person of
    /// all, because a demand without an owner cannot be.
    pub fn at_desk(&self, desk: &Desk, by: OwnerBy, at_ms: i64) -> Option<Owner> {
        let (department, role) = self.desk(desk)?;
        let at_work = role.contacts.iter().find(|who| !self.is_away(who, at_ms));
        if at_work.is_none()
            && let Some(last) = &self.triggers.coordinator
            && last != desk
        {
            return self.at_desk(last, OwnerBy::Coordinator, at_ms);
        }
        let person = at_work.or(role.contacts.first())?;
        Some(Owner {
            department: department.id.clone(),
            department_name: department.name.clone(),
            role: role.id.clone(),
            role_name: role.name.clone(),
            person: person.clone(),
            outlet: department.outlet,
            by,
        })
    }

    /// The person with an address who holds a desk, at work or not; none once the book has it otherwise.
    pub fn holder(&self, desk: &Desk, email: &str) -> Option<&Contact> {
        let (_, role) = self.desk(desk)?;
        role.contacts.iter().find(|who| who.email == email)
    }

    /// The first role of a department, which is told of alerts.
    pub fn first_desk(&self, department: &str) -> Option<Desk> {
        let department = self.departments.iter().find(|d| d.id == department)?;
        Some(Desk {
            department: department.id.clone(),
            role: department.roles.first()?.id.clone(),
        })
    }

    /// Who gets copies, one contact a desk: those at work.
    pub fn copies(&self, department: &str, severity: Severity, at_ms: i64) -> Vec<Contact> {
        let rules = self.triggers.copies.iter().filter(|copy| {
            let own = copy.department.as_deref();
            severity >= copy.severity && own.is_none_or(|own| own == department)
        });
        let mut copies: Vec<Contact> = Vec::new();
        for copy in rules {
            let owner = self.at_desk(&copy.to, OwnerBy::Route, at_ms);
            copies.extend(owner.map(|owner| owner.person));
        }
        copies.sort();
        copies.dedup();
        copies
    }

    /// Whether a demand on a department is reviewed before it is dispatched.
    pub fn needs_review(&self, department: &str, severity: Severity) -> bool {
        self.triggers.review.iter().any(|rule| {
            let own = rule.department.as_deref();
            severity >= rule.severity && own.is_none_or(|own| own == department)
        })
    }

    /// Whose the things are that no department owns: the coordinator's, or, where the book has none, the first one's.
    pub fn coordinating_department(&self) -> Option<&str> {
        let coordinator = self.triggers.coordinator.as_ref();
        let first = || self.departments.first().map(|first| first.id.as_str());
        coordinator
            .map(|desk| desk.department.as_str())
            .or_else(first)
    }

    /// An owner as of an instant: who stands in at the same desk while the person is away.
    pub fn at_work(&self, owner: &Owner, at_ms: i64) -> Owner {
        let desk = Desk {
            department: owner.department.clone(),
            role: owner.role.clone(),
        };
        let is_away = self.is_away(&owner.person, at_ms);
        let stands_in = is_away.then(|| self.at_desk(&desk, owner.by, at_ms));
        stands_in.flatten().unwrap_or_else(|| owner.clone())
    }

    /// The person of one step of escalation, above `asked`, who is overdue and hears of it as such. Where a department has
    /// no such role the reviewer stands in, who leads the demands of all of them. Where that is who is overdue himself,
    /// whoever comes next in the chain is told, then the coordinator, and in the end the first desk of another department
    /// that is not the asked one's. None only where the book names nobody but who is overdue.
    pub fn escalated_to(&self, step: &EscalationStep, asked: &Owner, at_ms: i64) -> Option<Owner> {
        let desk_of = |step: &EscalationStep| Desk {
            department: step
                .department
                .clone()
                .unwrap_or_else(|| asked.department.clone()),
            role: step.role.clone(),
        };
        let own = desk_of(step);
        let lead = self.triggers.reviewer.clone();
        let lead = lead.filter(|_| self.desk(&own).is_none());
        let chain = self.triggers.escalation.iter().map(desk_of);
        let last = self.triggers.coordinator.clone();
        let last = last.into_iter().chain(self.triggers.reviewer.clone());
        let others = self.departments.iter();
        let others = others.filter(|other| other.id != asked.department);
        let others = others.filter_map(|other| self.first_desk(&other.id));
        let desks = std::iter::once(own).chain(lead).chain(chain).chain(last);
        desks
            .chain(others)
            .filter_map(|desk| self.at_desk(&desk, OwnerBy::Route, at_ms))
            .find(|above| above.person.email != asked.person.email)
    }

    fn desk(&self, desk: &Desk) -> Option<(&Department, &Role)> {
        let department = self.departments.iter().find(|d| d.id == desk.department)?;
        let role = department.roles.iter().find(|role| role.id == desk.role)?;
        Some((department, role))
    }

    /// Whether somebody is away on the day of an instant.
    pub fn is_away(&self, who: &Contact, at_ms: i64) -> bool {
        let Some(day) = self.triggers.calendar.date(at_ms) else {
            return false;
        };
        self.triggers
            .absences
            .iter()
            .any(|absence| absence.email == who.email && (absence.from..=absence.to).contains(&day))
    }
}
