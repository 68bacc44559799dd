//! Departments, their roles, and addresses that can be written to.

use super::{Ids, name_of, text_of};
use crate::rules::book::{Contact, Department, Language, Role};
use crate::rules::problem::Problems;
use crate::rules::syntax::{Node, Value};
use crate::rules::team::Outlet;

pub(super) fn read(nodes: &[&Node], problems: &mut Problems) -> Vec<Department> {
    let mut ids = Ids::new("department");
    let mut departments = Vec::new();
    for node in nodes {
        let is_new = node.get("id").is_some_and(|id| ids.claim(id, problems));
        let id = text_of(node, "id");
        let roles = read_roles(&id, node, problems);
        if is_new {
            departments.push(Department {
                name: name_of(node),
                outlet: match node.get("outlet").and_then(Node::text) {
                    Some("group") => Outlet::Group,
                    Some("support") => Outlet::Support,
                    Some("network") => Outlet::Network,
                    _ => Outlet::Data,
                },
                roles,
                id,
            });
        }
    }
    departments
}

fn read_roles(department: &str, node: &Node, problems: &mut Problems) -> Vec<Role> {
    let Some(list) = node.get("roles") else {
        return Vec::new();
    };
    if list.value == Value::List(Vec::new()) {
        problems.error(
            list.at,
            format!("department {department:?} has no role, so nobody is told"),
        );
    }
    let mut ids = Ids::new("role");
    let mut roles = Vec::new();
    for item in list.items() {
        let is_new = item.get("id").is_some_and(|id| ids.claim(id, problems));
        let id = text_of(item, "id");
        let contacts = item.get("contacts");
        if let Some(empty) = contacts.filter(|list| list.value == Value::List(Vec::new())) {
            problems.error(
                empty.at,
                format!("role {id:?} has no contact, so nobody is told"),
            );
        }
        let contacts = contacts.map(Node::items).unwrap_or_default().iter();
        let role = Role {
            name: name_of(item),
            contacts: contacts
                .map(|contact| read_contact(contact, problems))
                .collect(),
            id,
        };
        if is_new {
            roles.push(role);
        }
    }
    roles
}

fn read_contact(node: &Node, problems: &mut Problems) -> Contact {
    let email = text_of(node, "email");
    let field = node.get("email").filter(|field| field.text().is_some());
    if let Some(field) = field.filter(|_| !looks_like_address(&email)) {
        problems.error(field.at, format!("{email:?} is not a mail address"));
    }
    Contact {
        name: text_of(node, "name"),
        email,
        language: match node.get("language").and_then(Node::text) {
            Some("en") => Language::En,
            _ => Language::Zh,
        },
    }
}

/// Plain addresses only: no quoting, no comments, nothing that could break a header.
fn looks_like_address(text: &str) -> bool {
    let Some((local, domain)) = text.split_once('@') else {
        return false;
    };
    let local_fits = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+/=?^_`{|}~.-".contains(c);
    let label_fits = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
    };
    !local.is_empty()
        && !local.starts_with('.')
        && !local.ends_with('.')
        && !local.contains("..")
        && local.chars().all(local_fits)
        && domain.contains('.')
        && domain.split('.').all(label_fits)
        && text.len() <= 254
}
