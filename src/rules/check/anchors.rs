//! Tolerance scales: named sets, scales given in place, and where their numbers come from.

use std::collections::BTreeMap;

use super::{Ids, text_of, units, unknown};
use crate::rules::book::{Anchors, Scale, Unit};
use crate::rules::problem::{Kind, Position, Problems};
use crate::rules::provenance::{Provenance, ProvenanceKind};
use crate::rules::syntax::{Entry, Node};

/// The named sets of a book. One with a problem of its own is there without a value, so that those
/// who use it hear nothing twice.
pub(super) type AnchorSets = BTreeMap<String, Option<AnchorSet>>;

/// A named set.
pub(super) struct AnchorSet {
    anchors: Anchors,
    unit: Unit,
    provenance: Vec<Provenance>,
}

pub(super) fn read_sets(entries: &[&Entry], problems: &mut Problems) -> AnchorSets {
    let mut ids = Ids::new("anchor set");
    let mut sets = BTreeMap::new();
    for entry in entries {
        let is_new = ids.claim_across_files(entry, problems);
        let set = read_set(entry, problems);
        if is_new {
            sets.insert(entry.key.clone(), set);
        }
    }
    sets
}

fn read_set(entry: &Entry, problems: &mut Problems) -> Option<AnchorSet> {
    let node = &entry.node;
    let provenance = read_provenance(node);
    if provenance.is_empty() {
        problems.warn(
            entry.at,
            format!(
                "anchor set {:?} does not say where its numbers come from",
                entry.key
            ),
            Some("add provenance".to_owned()),
        );
    }
    let scale = scale_of(node).unwrap_or(Scale::Linear);
    let values = read_values(node.get("values")?, scale, problems)?;
    Some(AnchorSet {
        anchors: Anchors {
            set: Some(entry.key.clone()),
            values,
            scale,
        },
        unit: units::parse(node.get("unit")?.text()?),
        provenance,
    })
}

/// What a KQI has from its `anchors` field.
#[derive(Default)]
pub(super) struct Chosen {
    pub(super) anchors: Option<Anchors>,
    pub(super) unit: Option<Unit>,
    pub(super) provenance: Vec<Provenance>,
}

pub(super) fn choose(kqi: &Node, sets: &AnchorSets, problems: &mut Problems) -> Chosen {
    let Some(node) = kqi.get("anchors") else {
        if let Some(scale) = kqi.get("scale") {
            problems.error(scale.at, "a scale without anchors");
        }
        return Chosen::default();
    };
    if let Some(name) = node.text() {
        if let Some(scale) = kqi.get("scale") {
            problems.error(
                scale.at,
                format!("the scale is part of anchor set {name:?}"),
            );
        }
        return match sets.get(name) {
            Some(None) => Chosen::default(),
            Some(Some(set)) => Chosen {
                anchors: Some(set.anchors.clone()),
                unit: Some(set.unit.clone()),
                provenance: set.provenance.clone(),
            },
            None => {
                unknown(
                    Kind::AnchorSet,
                    node,
                    sets.keys().map(String::as_str),
                    problems,
                );
                Chosen::default()
            }
        };
    }
    let scale = scale_of(kqi).unwrap_or(Scale::Linear);
    let values = read_values(node, scale, problems);
    Chosen {
        anchors: values.map(|values| Anchors {
            set: None,
            values,
            scale,
        }),
        ..Chosen::default()
    }
}

/// Whether any entry vouches for the scale: as a whole, for its limit, or for one of its points.
pub(super) fn vouches_for_anchors(provenance: &[Provenance]) -> bool {
    provenance.iter().any(|entry| {
        matches!(
            entry.of.as_str(),
            "anchors" | "limit" | "b1" | "b2" | "b3" | "b4" | "b5"
        )
    })
}

pub(super) fn read_provenance(node: &Node) -> Vec<Provenance> {
    let items = node.get("provenance").map(Node::items).unwrap_or_default();
    items
        .iter()
        .map(|item| Provenance {
            of: text_of(item, "of"),
            kind: match item.get("kind").and_then(Node::text) {
                Some("document") => ProvenanceKind::Document,
                Some("standard") => ProvenanceKind::Standard,
                _ => ProvenanceKind::Judgement,
            },
            reference: text_of(item, "reference"),
        })
        .collect()
}

fn scale_of(node: &Node) -> Option<Scale> {
    match node.get("scale").and_then(Node::text)? {
        "log" => Some(Scale::Log),
        "linear" => Some(Scale::Linear),
        _ => None,
    }
}

pub(super) fn read_values(node: &Node, scale: Scale, problems: &mut Problems) -> Option<[f64; 5]> {
    let numbers: Vec<f64> = node.items().iter().filter_map(Node::number).collect();
    let values: [f64; 5] = numbers.try_into().ok()?;
    (is_monotone(&values, node.at, problems) && suits_scale(&values, scale, node.at, problems))
        .then_some(values)
}

fn is_monotone(values: &[f64; 5], at: Position, problems: &mut Problems) -> bool {
    let falling = values[0] > values[1];
    let broken = values.windows(2).find(|pair| {
        let in_order = if falling {
            pair[0] > pair[1]
        } else {
            pair[0] < pair[1]
        };
        !in_order
    });
    if let Some(pair) = broken {
        problems.error_with(
            at,
            format!("anchors {values:?} turn at {} and {}", pair[0], pair[1]),
            Some("they must rise or fall all the way from b5 to b1".to_owned()),
        );
    }
    broken.is_none()
}

fn suits_scale(values: &[f64; 5], scale: Scale, at: Position, problems: &mut Problems) -> bool {
    let unsuited = values
        .iter()
        .find(|value| scale == Scale::Log && **value <= 0.0);
    if let Some(value) = unsuited {
        problems.error(
            at,
            format!("anchor {value} is not positive, as a log scale needs"),
        );
    }
    unsuited.is_none()
}
