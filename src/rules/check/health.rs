//! Health: weights weigh something, and the KQIs that they name exist.

use std::collections::BTreeMap;

use super::unknown;
use crate::rules::health::HealthWeights;
use crate::rules::problem::{Kind, Position, Problems};
use crate::rules::syntax::Node;

pub(super) fn read(
    node: Option<&Node>,
    kqis: &BTreeMap<String, Position>,
    problems: &mut Problems,
) -> HealthWeights {
    let mut weights = HealthWeights::default();
    let Some(node) = node else {
        return weights;
    };
    let layers = ["experience", "platform", "network"];
    for (name, weight) in layers.into_iter().zip(&mut weights.layers) {
        if let Some(number) = node.get(name).and_then(|field| weigh(field, problems)) {
            *weight = number;
        }
    }
    if weights.layers.iter().sum::<f64>() <= 0.0 {
        problems.error(node.at, "no layer weighs anything");
    }
    for entry in node.get("kqis").map(Node::entries).unwrap_or_default() {
        if !kqis.contains_key(&entry.key) {
            let known = kqis.keys().map(String::as_str);
            let name = Node {
                at: entry.at,
                value: crate::rules::syntax::Value::Text(entry.key.clone()),
            };
            unknown(Kind::Kqi, &name, known, problems);
        }
        if let Some(number) = weigh(&entry.node, problems) {
            weights.kqis.insert(entry.key.clone(), number);
        }
    }
    weights
}

fn weigh(field: &Node, problems: &mut Problems) -> Option<f64> {
    let number = field.number()?;
    if !(0.0..=1_000.0).contains(&number) {
        problems.error(field.at, format!("a weight is 0 to 1000, not {number}"));
        return None;
    }
    Some(number)
}
