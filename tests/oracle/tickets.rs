//! A complaint ticket, naively: where it is filed, and whose it is, by all of its lines.

use chrysalis::event::{DimensionValue, Stream};
use chrysalis::rules::RuleBook;
use serde_json::Value;

use crate::facts::{Fact, dimensions, text};
use crate::story::time_of;

/// What a ticket counts, by all of its versions at once.
pub(crate) fn ticket(lines: &[&Value], book: &RuleBook) -> Option<Fact> {
    let states = [
        "filed",
        "reclassified",
        "confirmed",
        "closed",
        "excluded",
        "withdrawn",
    ];
    let mut versions = lines.to_vec();
    versions.sort_by_key(|line| {
        let state = states
            .iter()
            .position(|state| line["state"] == *state)
            .unwrap();
        let texts = ["service", "city"].map(|field| text(line, field));
        let place = (path(line), text(line, "node"));
        let content = (state, place, texts, line["escalated"].as_bool());
        let content = (content, text(line, "source"));
        (line["version"].as_i64(), time_of(line, "ts"), content)
    });
    let last =
        |of: &dyn Fn(&Value) -> Option<String>| versions.iter().rev().find_map(|line| of(line));
    let state = versions.last()?["state"].as_str()?;
    if matches!(state, "excluded" | "withdrawn") {
        return None;
    }
    let [path, node, service] = filed_at(&versions, book)?;
    let mut dimensions = dimensions(&[
        ("service", service),
        ("city", last(&|line| text(line, "city"))),
        ("state", Some(state.to_owned())),
        (
            "leaf",
            path.as_ref()
                .and_then(|path| path.rsplit('/').next().map(str::to_owned)),
        ),
        ("path", path),
        ("node", node),
        (
            "source",
            versions.iter().find_map(|line| text(line, "source")),
        ),
    ]);
    if let Some(escalated) = versions
        .iter()
        .rev()
        .find_map(|line| line["escalated"].as_bool())
    {
        dimensions.insert("escalated".to_owned(), DimensionValue::Flag(escalated));
    }
    // It counts by its filing; without one it does not count.
    let filings = versions.iter().filter(|line| line["state"] == "filed");
    let ts_ms = filings.map(|line| time_of(line, "ts")).min()?;
    Some(Fact {
        stream: Stream::Complaint,
        ts_ms,
        value: None,
        weight: 1,
        dimensions,
    })
}

/// Path, node and service of a ticket; none of one that was filed nowhere.
fn filed_at(versions: &[&Value], book: &RuleBook) -> Option<[Option<String>; 3]> {
    let mut place: [Option<String>; 2] = [None, None];
    let mut moved_at = 0;
    for (at, line) in versions.iter().enumerate() {
        let said = [path(line), text(line, "node")];
        if said == [None, None] {
            continue;
        }
        let both: Vec<bool> = said
            .iter()
            .zip(&place)
            .filter(|(new, old)| new.is_some() && old.is_some())
            .map(|(new, old)| new == old)
            .collect();
        if both.is_empty() || both.contains(&false) {
            (place, moved_at) = (said, at);
        } else {
            let [path, node] = said;
            place = [path.or(place[0].take()), node.or(place[1].take())];
        }
    }
    let [path, node] = place;
    if path.is_none() && node.is_none() {
        return None;
    }
    let mut nodes = book.trees.trees.iter().flat_map(|tree| &tree.nodes);
    let path = path.or_else(|| {
        let mut nodes = nodes.clone();
        let has_code = nodes.find(|(_, of)| of.code.is_some() && of.code == node);
        has_code.map(|(path, _)| path.clone())
    });
    let of_node = nodes.find(|(known, _)| Some(*known) == path.as_ref());
    let by_tree = of_node.and_then(|(_, of)| of.service.clone());
    let said = |lines: &[&Value]| lines.iter().rev().find_map(|line| text(line, "service"));
    let (before, since) = versions.split_at(moved_at);
    Some([path, node, said(since).or(by_tree).or(said(before))])
}

fn path(line: &Value) -> Option<String> {
    match &line["path"] {
        Value::Array(levels) => {
            let levels: Vec<&str> = levels.iter().filter_map(Value::as_str).collect();
            Some(levels.join("/"))
        }
        other => other.as_str().map(str::to_owned),
    }
}
