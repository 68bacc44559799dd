//! KQIs of the process itself: names that nothing else has, scales that rise, windows that end.

use std::collections::BTreeSet;

use super::{anchors, duration_of, name_of, text_of};
use crate::rules::book::{Anchors, Scale};
use crate::rules::duration::{DAY_MS, HOUR_MS};
use crate::rules::problem::Problems;
use crate::rules::syntax::Node;
use crate::rules::team::{ProcessKqi, ProcessMeasure};

/// Samples wanted where the book names no number. Judgement: one slow demand is a case, five are a habit.
const SAMPLES_MIN: u64 = 5;
/// Longest window, ms. Judgement: a year and a month, to have the same month twice.
const WINDOW_MS_MAX: i64 = 396 * DAY_MS;

/// Reads the list; `kqis` are the identifiers that are taken.
pub(super) fn read(nodes: &[Node], kqis: &[&str], problems: &mut Problems) -> Vec<ProcessKqi> {
    let mut taken: BTreeSet<String> = kqis.iter().map(|id| (*id).to_owned()).collect();
    let read = nodes.iter().filter_map(|node| {
        let kqi = read_one(node, problems)?;
        if !taken.insert(kqi.id.clone()) {
            problems.error(node.at, format!("there is another KQI {:?}", kqi.id));
            return None;
        }
        Some(kqi)
    });
    read.collect()
}

fn read_one(node: &Node, problems: &mut Problems) -> Option<ProcessKqi> {
    let scale = node.get("anchors")?;
    let values = anchors::read_values(scale, Scale::Linear, problems)?;
    if values[0] > values[4] || values[0] < 0.0 {
        problems.error_with(
            scale.at,
            format!("anchors {values:?}: more hand-overs and more hours are worse"),
            Some("write them rising, from 0 or more".to_owned()),
        );
        return None;
    }
    let window_ms = duration_of(node, "window")?;
    if !(HOUR_MS..=WINDOW_MS_MAX).contains(&window_ms) {
        let at = node.get("window").map_or(node.at, |window| window.at);
        problems.error(at, "a window of the process is 1h to 396d");
        return None;
    }
    let samples = node.get("min_samples").and_then(Node::number);
    Some(ProcessKqi {
        id: text_of(node, "id"),
        name: name_of(node),
        measure: match text_of(node, "measure").as_str() {
            "hops" => ProcessMeasure::Hops,
            "resolution" => ProcessMeasure::Resolution,
            state => ProcessMeasure::Stay(state.to_owned()),
        },
        by_department: node.get("by").and_then(Node::text) != Some("all"),
        window_ms,
        anchors: Anchors {
            set: None,
            values,
            scale: Scale::Linear,
        },
        provenance: anchors::read_provenance(node),
        min_samples: samples.map_or(SAMPLES_MIN, |samples| (samples as u64).max(1)),
    })
}
