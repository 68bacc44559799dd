//! KQIs: every field against every other, and against the sections they refer to.

use std::collections::{BTreeMap, BTreeSet};

use super::alerts::{self, Policies};
use super::anchors::{self, AnchorSets};
use super::windows::Clock;
use super::{
    Ids, Sections, conditions, dial, measures, name_of, streams, surges, text_of, texts_of, units,
    unknown,
};
use crate::event::{DERIVED, FailureClasses, Stream};
use crate::rules::book::{
    Anchors, Department, Interval, Kqi, Layer, PlatformScope, Service, StreamRule,
};
use crate::rules::places::Places;
use crate::rules::problem::{Kind, Position, Problems};
use crate::rules::syntax::{Node, Value};

/// What KQIs refer to.
pub(super) struct Context<'a> {
    pub(super) clock: &'a Clock,
    pub(super) departments: &'a [Department],
    pub(super) services: &'a [Service],
    pub(super) sets: &'a AnchorSets,
    pub(super) streams: &'a BTreeMap<Stream, StreamRule>,
    pub(super) policies: &'a Policies,
    pub(super) places: &'a Places,
    pub(super) failures: Option<&'a FailureClasses>,
}

/// The KQIs of a book, and what alert rules want to know of those that did not pass.
pub(super) struct Kqis {
    pub(super) checked: Vec<Kqi>,
    /// The `alert` field of each checked KQI, and where an alert of it stands.
    pub(super) alert_fields: Vec<(Option<String>, Position)>,
    /// Every id that was claimed, also by KQIs with problems: references to those are no news.
    pub(super) ids: BTreeMap<String, Position>,
    /// Those that say nothing of what is abnormal.
    pub(super) limitless: BTreeSet<String>,
}

pub(super) fn read(
    sections: &Sections<'_>,
    context: &Context<'_>,
    problems: &mut Problems,
) -> Kqis {
    let inside = sections.services.iter().flat_map(|service| {
        let kqis = service.get("kqis").map(Node::items).unwrap_or_default();
        kqis.iter().map(|kqi| (service.get("id"), kqi))
    });
    let outside = sections.kqis.iter().map(|kqi| (None, *kqi));
    let mut ids = Ids::new("kqi");
    let mut kqis = Kqis {
        checked: Vec::new(),
        alert_fields: Vec::new(),
        ids: BTreeMap::new(),
        limitless: BTreeSet::new(),
    };
    for (service, node) in inside.chain(outside) {
        let service = match (service, node.get("service")) {
            (Some(_), Some(field)) => {
                problems.error(field.at, "the service is given by the place of this kqi");
                service
            }
            (None, Some(field)) => {
                if !context
                    .services
                    .iter()
                    .any(|known| Some(known.id.as_str()) == field.text())
                {
                    let known = context.services.iter().map(|known| known.id.as_str());
                    unknown(Kind::Service, field, known, problems);
                }
                Some(field)
            }
            (service, None) => service,
        };
        let id = node.get("id").filter(|id| ids.claim(id, problems));
        let service = service.and_then(Node::text);
        // Judged in any case: one run shows an author everything.
        let kqi = read_kqi(&text_of(node, "id"), service, node, context, problems);
        let Some(id) = id else {
            continue;
        };
        if !alerts::has_limit(node) {
            kqis.limitless.insert(text_of(node, "id"));
        }
        if let Some(kqi) = kqi {
            let alert = node.get("alert");
            kqis.checked.push(kqi);
            kqis.alert_fields.push((
                alert.and_then(Node::text).map(str::to_owned),
                alert.unwrap_or(id).at,
            ));
        }
    }
    kqis.ids = ids.seen;
    kqis
}

fn read_kqi(
    id: &str,
    service: Option<&str>,
    node: &Node,
    context: &Context<'_>,
    problems: &mut Problems,
) -> Option<Kqi> {
    let stream = node.get("stream").and_then(Node::text);
    let stream = stream.and_then(Stream::from_name);
    let window = context.clock.window(node, problems);
    let hop_ms = window.map(|window| window.hop_ms);
    let aggregate = measures::read_aggregate(stream, node, hop_ms, problems);
    let filter = conditions::read(stream, node.get("filter"), problems);
    let good = conditions::read(stream, node.get("good").or(node.get("counted")), problems);
    measures::check_good(aggregate.as_ref(), node, problems);
    if let Some(failures) = context
        .failures
        .filter(|_| stream == Some(Stream::DialTest))
    {
        dial::conditions(node).for_each(|field| dial::check_condition(failures, field, problems));
    }
    surges::check(aggregate.as_ref(), window, node, problems);
    for dimension in node.get("group_by").map(Node::items).unwrap_or_default() {
        if let Some(stream) = stream {
            streams::check_dimension(stream, dimension, problems);
        }
        if context.places.cities.is_empty()
            && !problems.doubts(Kind::Place)
            && let Some(name) = dimension.text().filter(|name| DERIVED.contains(name))
        {
            problems.warn(
                dimension.at,
                format!("the book has no places, so {name:?} is empty everywhere"),
                Some("add a section places".to_owned()),
            );
        }
    }
    let chosen = anchors::choose(node, context.sets, problems);
    let of_set = chosen.unit.as_ref();
    let unit = units::read(stream, aggregate.as_ref(), of_set, node, problems);
    let provenance_of_set = chosen.provenance.len();
    let provenance = [chosen.provenance, anchors::read_provenance(node)].concat();
    if let Some(field) = node
        .get("anchors")
        .filter(|_| chosen.anchors.is_some() && !anchors::vouches_for_anchors(&provenance))
    {
        problems.warn(
            field.at,
            format!("kqi {id:?} does not say where its anchors come from"),
            Some("add provenance of: anchors".to_owned()),
        );
    }
    if let Some(field) = node
        .get("timeout")
        .filter(|_| !provenance.iter().any(|known| known.of == "timeout"))
    {
        problems.warn(
            field.at,
            format!("kqi {id:?} does not say where its timeout comes from"),
            Some("add provenance of: timeout".to_owned()),
        );
    }
    if let Some(unit) = &unit {
        units::check_percent_like(unit, chosen.anchors.as_ref(), node, problems);
    }
    let good_within = stream.and_then(|stream| measures::read_good_within(stream, node, problems));
    let timeout = measures::read_timeout(stream, aggregate.as_ref(), node, problems);
    let good = good.or_else(|| timeout.and_then(|_| measures::success(stream?)));
    let interval = read_interval(chosen.anchors.as_ref(), node, problems);
    let department = read_department(service, node, context, problems);
    context.policies.check_reference(node, problems);
    let (stream, window, aggregate, unit) = (stream?, window?, aggregate?, unit?);
    let layer = match node.get("layer").and_then(Node::text) {
        Some("platform") => Layer::Platform,
        Some("network") => Layer::Network,
        _ => Layer::Experience,
    };
    let kqi = Kqi {
        id: id.to_owned(),
        service: service.map(str::to_owned),
        name: name_of(node),
        scope: read_scope(layer, stream, node, problems),
        layer,
        stream,
        filter: conditions::of_service(service, stream, filter),
        good,
        good_within,
        timeout,
        aggregate,
        group_by: texts_of(node, "group_by"),
        window,
        unit,
        interval,
        anchors: chosen.anchors,
        min_samples: min_samples(node),
        suppressible: node
            .get("suppressible")
            .and_then(Node::flag)
            .unwrap_or(true),
        department,
        provenance,
        provenance_of_set,
    };
    streams::check_retention(
        &kqi,
        context.streams,
        node.get("window").unwrap_or(node).at,
        problems,
    );
    Some(kqi)
}

/// Where a platform's KQI looks: at what passes to the BOSS where it reads the BOSS's streams, unless it says.
fn read_scope(
    layer: Layer,
    stream: Stream,
    node: &Node,
    problems: &mut Problems,
) -> Option<PlatformScope> {
    let field = node.get("scope");
    if layer != Layer::Platform {
        if let Some(field) = field {
            problems.error(field.at, "only KQIs of the layer platform have a scope");
        }
        return None;
    }
    let given = PlatformScope::NAMES.iter();
    let given = given
        .clone()
        .find(|(name, _)| field.and_then(Node::text) == Some(*name));
    let natural = match stream {
        Stream::BossCall | Stream::BossConnection | Stream::BossWait | Stream::BossOccupancy => {
            PlatformScope::InterPlatform
        }
        _ => PlatformScope::InPlatform,
    };
    Some(given.map_or(natural, |(_, scope)| *scope))
}

/// The interval given, or score 3 and better: b3 is the limit (domain part B2).
fn read_interval(anchors: Option<&Anchors>, node: &Node, problems: &mut Problems) -> Interval {
    if let Some(field) = node.get("interval") {
        let end = |name: &str| field.get(name).and_then(Node::number);
        let interval = Interval {
            min: end("min"),
            max: end("max"),
        };
        match (interval.min, interval.max) {
            // Ends that are no numbers, and what is no mapping, were reported by `shape`.
            (None, None) if field.value == Value::Map(Vec::new()) => {
                problems.error(field.at, "an interval without \"min\" and \"max\"");
            }
            (Some(min), Some(max)) if min > max => {
                problems.error(field.at, format!("nothing lies between {min} and {max}"));
            }
            _ => {}
        }
        return interval;
    }
    match anchors.map(|anchors| anchors.values) {
        Some([b5, _, b3, _, b1]) if b5 > b1 => Interval {
            min: Some(b3),
            max: None,
        },
        Some([_, _, b3, _, _]) => Interval {
            min: None,
            max: Some(b3),
        },
        None => Interval::default(),
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "`shape` has reported what is not a natural number"
)]
fn min_samples(node: &Node) -> u64 {
    node.get("min_samples")
        .and_then(Node::number)
        .map_or(1, |number| number as u64)
}

fn read_department(
    service: Option<&str>,
    node: &Node,
    context: &Context<'_>,
    problems: &mut Problems,
) -> Option<String> {
    let Some(field) = node.get("department") else {
        if service.is_some() {
            problems.warn(
                node.at,
                format!(
                    "kqi {:?} has no department, so nobody answers for it",
                    text_of(node, "id")
                ),
                None,
            );
        }
        return None;
    };
    let name = field.text()?;
    if !context.departments.iter().any(|known| known.id == name) {
        let known = context.departments.iter().map(|known| known.id.as_str());
        unknown(Kind::Department, field, known, problems);
    }
    Some(name.to_owned())
}
