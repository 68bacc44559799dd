//! `complaint`: one version of a ticket.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::event::decode::field::{Reject, bad_value, in_range, parse, required, shared, text};
use crate::event::decode::{Decoded, Decoder, note_unknown};
use crate::event::{
    COMPLAINT_CLASSES, Complaint, LEVELS, Record, RefusalReason, Stream, TicketState, wire,
};

impl Decoder {
    pub(super) fn complaint(&mut self, line: &str, decoded: &mut Decoded) -> Result<(), Reject> {
        let event: wire::Complaint<'_> = parse(line, self.parser)?;
        self.within_bounds(line, || event.longest())?;
        let ts_ms = self.time("ts", event.ts)?;
        let alias = self.layout.service_of(text(&event.service));
        let service = alias.or_else(|| shared(&event.service));
        self.known_service(service.as_deref())?;
        let word = text(&event.state).unwrap_or("filed");
        let Some((_, state)) = TicketState::NAMES
            .into_iter()
            .find(|(name, _)| *name == word)
        else {
            let known: Vec<&str> = TicketState::NAMES.iter().map(|(name, _)| *name).collect();
            return Err(bad_value("state", word, &known.join(", ")));
        };
        let path = event.path.as_ref().filter(|path| !path.0.is_empty());
        let path = path.map(|path| Arc::from(path.0.as_ref()));
        let levels = event
            .path
            .as_ref()
            .map_or(0, |path| path.0.split('/').count());
        if levels > LEVELS.len() {
            let words = format!(
                "a path of {levels} levels, a tree has at most {}",
                LEVELS.len()
            );
            return Err((RefusalReason::BadValue, words));
        }
        if let Some(node) = text(&event.node).filter(|node| !is_node_code(node)) {
            return Err(bad_value(
                "node",
                node,
                "a letter and three groups of two digits",
            ));
        }
        if let Some(class) = text(&event.class).filter(|class| !COMPLAINT_CLASSES.contains(class)) {
            return Err(bad_value("class", class, &COMPLAINT_CLASSES.join(", ")));
        }
        if state == TicketState::Filed && path.is_none() && event.node.is_none() {
            let words = "a filed complaint needs `path` or `node`".to_owned();
            return Err((RefusalReason::MissingField, words));
        }
        let record = Complaint {
            ts_ms,
            version: event.version,
            serial: required("serial", shared(&event.serial))?,
            state,
            path,
            node: shared(&event.node),
            service,
            city: shared(&event.city),
            subscriber: shared(&event.subscriber),
            channel: shared(&event.channel),
            escalated: event.escalated,
            cause: shared(&event.cause),
            class: shared(&event.class),
            answers: answers(event.answers.as_ref()),
            began_ms: in_range("began", event.began)?,
            ended_ms: in_range("ended", event.ended)?,
            source: shared(&event.source),
        };
        decoded
            .batch
            .advance(Stream::Complaint, text(&event.source), ts_ms);
        decoded.batch.records.push(Record::Complaint(record));
        note_unknown(&event.unknown, decoded);
        Ok(())
    }
}

/// Answers by question, each question once: the last stays, as with fields.
fn answers(given: Option<&wire::Answers>) -> Box<[(Arc<str>, bool)]> {
    let given = given.map(|given| given.0.as_slice()).unwrap_or_default();
    let by_question: BTreeMap<&str, bool> = given
        .iter()
        .map(|(question, said)| (question.as_str(), *said))
        .collect();
    let shared = by_question
        .into_iter()
        .map(|(question, said)| (question.into(), said));
    shared.collect()
}

/// Whether a text is a node's code in the complaint tree: `O010104` (domain fact G3).
fn is_node_code(text: &str) -> bool {
    let mut bytes = text.bytes();
    let letter = bytes.next().is_some_and(|first| first.is_ascii_uppercase());
    letter && bytes.len() == 6 && bytes.all(|digit| digit.is_ascii_digit())
}
