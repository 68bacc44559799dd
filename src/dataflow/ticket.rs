//! A complaint ticket: the fold of its versions.
//!
//! A ticket counts once, at its filing, under its latest path; excluded or withdrawn, it never
//! counted. Later versions say only what changed. Repeating a version changes nothing (G5).

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::dataflow::Counters;
use crate::dataflow::entity::{EntityFact, Room, View};
use crate::dataflow::subscriber::TicketDetail;
use crate::dataflow::update::is_record;
use crate::event::{Borrowed, Complaint, LEVELS, Stream, TicketState};

/// The filing, and what became of it: with fewer there is nothing to fold into.
const VERSIONS_MIN: usize = 2;

/// One ticket.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Ticket {
    /// In order of version, then time.
    versions: Vec<Complaint>,
}

impl Ticket {
    /// Texts that it has in common with others.
    pub(super) fn common_texts(&mut self) -> impl Iterator<Item = &mut Arc<str>> {
        self.versions.iter_mut().flat_map(Complaint::common_texts)
    }

    /// A version came. Beyond the bound, which is two at least, the oldest but the first is folded into its successor.
    pub(super) fn changed(&mut self, event: Complaint, room: Room<'_>) {
        // Without a version number time orders; equal in both, content does, the same everywhere.
        let order = |known: &Complaint| {
            (known.version, known.ts_ms, known).cmp(&(event.version, event.ts_ms, &event))
        };
        let Err(at) = self.versions.binary_search_by(order) else {
            return;
        };
        self.versions.reserve_exact(1);
        self.versions.insert(at, event);
        if self.versions.len() > room.limits.ticket_versions_max.max(VERSIONS_MIN) {
            Counters::add(&room.counters.versions_folded, 1);
            let older = self.versions.remove(1);
            let newer = &mut self.versions[1];
            *newer = Complaint {
                version: newer.version,
                ts_ms: newer.ts_ms,
                ..over(&older, newer)
            };
        }
    }

    /// How many records are kept.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.versions.len()
    }

    /// Whether a contact is on record for it.
    pub(super) fn is_on_record(&self) -> bool {
        self.versions.iter().any(is_record)
    }

    /// The caller's number, of the newest version that has it.
    pub(super) fn subscriber(&self) -> Option<Arc<str>> {
        let mut newest = self.versions.iter().rev();
        newest.find_map(|version| version.subscriber.clone())
    }

    /// Latest event time seen.
    pub(super) fn ts_ms_max(&self) -> i64 {
        self.versions
            .iter()
            .map(|version| version.ts_ms)
            .max()
            .unwrap_or(i64::MIN)
    }

    /// The ticket as all of its versions leave it, for who may see it.
    pub(super) fn detail(&self, view: View<'_>) -> Option<TicketDetail> {
        let (first, rest) = self.versions.split_first()?;
        let ticket = now(first, rest);
        let filed = self.versions.iter();
        let filed = filed.filter(|version| version.state == TicketState::Filed);
        let path: Option<Arc<str>> = self.path_of(&ticket, view).map(Arc::from);
        let by_tree = || view.plan.book.trees.service_of(path.as_deref()?);
        let service = ticket.service.clone();
        let service = service.or_else(|| by_tree().map(Arc::from));
        Some(TicketDetail {
            serial: ticket.serial.clone(),
            version: ticket.version,
            ts_ms: ticket.ts_ms,
            filed_ms: filed.map(|version| version.ts_ms).min(),
            state: ticket.state,
            path,
            service,
            city: ticket.city.clone(),
            channel: ticket.channel.clone(),
            number: ticket.subscriber.clone(),
            class: ticket.class.clone(),
            cause: ticket.cause.clone(),
            answers: ticket.answers,
            began_ms: ticket.began_ms,
            ended_ms: ticket.ended_ms,
        })
    }

    /// Its path: the one it says, or that of its code's node.
    fn path_of<'a>(&self, ticket: &'a Complaint, view: View<'a>) -> Option<&'a str> {
        let book = &view.plan.book;
        ticket.path.as_deref().or_else(|| {
            let code = book.codes.of(ticket.node.as_deref()?)?;
            book.trees.path_of(code)
        })
    }

    /// Its facts: one, or none.
    pub(super) fn facts(&self, view: View<'_>, facts: &mut Vec<EntityFact>) {
        let Some((first, rest)) = self.versions.split_first() else {
            return;
        };
        let ticket = now(first, rest);
        // A change of a ticket whose filing has not come, or has been forgotten, counts nothing.
        let filed = self
            .versions
            .iter()
            .filter(|version| version.state == TicketState::Filed);
        let Some(filed_ms) = filed.map(|version| version.ts_ms).min() else {
            return;
        };
        if !ticket.state.counts() || (ticket.path.is_none() && ticket.node.is_none()) {
            return;
        }
        let book = &view.plan.book;
        let path = self.path_of(&ticket, view);
        let leaf = path.and_then(|path| path.rsplit('/').next());
        let service = ticket.service.as_deref();
        let service = service.or_else(|| book.trees.service_of(path?));
        facts.push(
            view.fact(Stream::Complaint, filed_ms, None, |name| match name {
                "service" => service.into(),
                "city" => ticket.city.as_deref().into(),
                "channel" => ticket.channel.as_deref().into(),
                "path" => path.into(),
                "leaf" => leaf.into(),
                "node" => ticket.node.as_deref().into(),
                "cause" => ticket.cause.as_deref().into(),
                "escalated" => ticket.escalated.into(),
                "state" => Borrowed::Text(ticket.state.name()),
                "class" => ticket.class.as_deref().into(),
                "tree" => {
                    let tree = path.and_then(|path| book.trees.tree_of(path));
                    tree.map(|tree| tree.id.as_str()).into()
                }
                level => {
                    let at = LEVELS.iter().position(|name| *name == level);
                    path.zip(at)
                        .and_then(|(path, at)| path.split('/').nth(at))
                        .into()
                }
            }),
        );
    }
}

/// A ticket by its versions, in order.
fn now(first: &Complaint, rest: &[Complaint]) -> Complaint {
    rest.iter()
        .fold(first.clone(), |ticket, version| over(&ticket, version))
}

/// What `newer` says, and `older` where it says nothing.
fn over(older: &Complaint, newer: &Complaint) -> Complaint {
    let text = |newer: &Option<Arc<str>>, older: &Option<Arc<str>>| newer.clone().or(older.clone());
    Complaint {
        ts_ms: newer.ts_ms,
        version: newer.version,
        serial: newer.serial.clone(),
        state: newer.state,
        path: text(&newer.path, &older.path),
        node: text(&newer.node, &older.node),
        service: text(&newer.service, &older.service),
        city: text(&newer.city, &older.city),
        subscriber: text(&newer.subscriber, &older.subscriber),
        channel: text(&newer.channel, &older.channel),
        escalated: newer.escalated.or(older.escalated),
        cause: text(&newer.cause, &older.cause),
        class: text(&newer.class, &older.class),
        began_ms: newer.began_ms.or(older.began_ms),
        ended_ms: newer.ended_ms.or(older.ended_ms),
        answers: if newer.answers.is_empty() {
            older.answers.clone()
        } else {
            newer.answers.clone()
        },
    }
}
