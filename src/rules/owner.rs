//! Who answers for a demand at an instant: the routing table, stand-ins, absences and desks of a book, read off
//! (domain facts H26 to H28).

use serde::{Deserialize, Serialize};

use crate::rules::{
    Contact, Department, Desk, EscalationStep, Layer, Outlet, Role, RuleBook, Severity, Text,
};

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
