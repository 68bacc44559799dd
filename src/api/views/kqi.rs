//! The catalogue on the wire, with what is known of each object now.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::views::words::{aggregate_text, layer_name, unit_text};
use crate::api::views::{RuleBookView, TextView, WorstView, group_object};
use crate::api::{GroupNow, KqiNow, WindowNow, iso};
use crate::rules::{Kqi, Plan, Provenance, RuleBook, Scale, Service};

/// Services, in catalogue order.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct ServicesView {
    /// The rule book that judges.
    pub rules: RuleBookView,
    /// The services.
    pub services: Vec<ServiceView>,
}

/// One service.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct ServiceView {
    /// Identifier on the wire.
    pub id: String,
    /// Display name.
    pub name: TextView,
    /// Its KQIs.
    pub kqis: Vec<String>,
    /// The worst verdict of its objects; one that cannot be judged is worse than a normal one.
    pub verdict: String,
    /// Which KQI has that verdict, and by whose limit; null where nothing is known of any.
    pub verdict_of: Option<WorstView>,
    /// The worst score of its objects.
    pub score: Option<f64>,
    /// Which KQI has that score, and where its limit comes from.
    pub score_of: Option<WorstView>,
    /// How many objects have which verdict.
    pub objects: BTreeMap<String, u64>,
}

/// The catalogue.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct KqisView {
    /// The rule book that they are of.
    pub rules: RuleBookView,
    /// KQIs, in catalogue order.
    pub kqis: Vec<KqiView>,
}

/// A KQI.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct KqiView {
    /// Identifier.
    pub id: String,
    /// Display name.
    pub name: TextView,
    /// Service; null where the KQI reads every service.
    pub service: Option<String>,
    /// `experience`, `platform` or `network`.
    pub layer: String,
    /// For a platform's KQI: `in_platform`, or `inter_platform` for its interfaces.
    pub scope: Option<String>,
    /// Stream that it reads.
    pub stream: String,
    /// Unit of values, anchors and limits.
    pub unit: String,
    /// How facts become a value.
    pub aggregate: String,
    /// What a failed or lost answer counts with, ms, where that is part of the definition.
    pub timeout_ms: Option<f64>,
    /// Longest measured value of what counts as good, in the stream's raw unit (ms, or the gauge's own).
    pub good_within: Option<f64>,
    /// Length of its windows, ms.
    pub window_ms: i64,
    /// Distance between window starts, ms.
    pub hop_ms: i64,
    /// Dimensions that tell its objects apart.
    pub group_by: Vec<String>,
    /// Tolerance scale, if it is scored.
    pub anchors: Option<AnchorsView>,
    /// Smallest reasonable value.
    pub limit_min: Option<f64>,
    /// Largest reasonable value.
    pub limit_max: Option<f64>,
    /// Fewer facts than this give `insufficient`.
    pub min_samples: u64,
    /// Department that answers for it.
    pub department: Option<String>,
    /// Whether its stream is the operator's own data, and not what outsiders tell.
    pub internal: bool,
    /// Where its numbers come from.
    pub provenance: Vec<ProvenanceView>,
    /// Objects that are known.
    pub groups_total: usize,
    /// The first of them, by label.
    pub groups: Vec<GroupView>,
}

/// Anchors of the tolerance scale.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct AnchorsView {
    /// Name of the set, for example `A95`.
    pub set: Option<String>,
    /// Values that score 5, 4, 3, 2 and 1.
    pub values: Vec<f64>,
    /// `linear` or `log`.
    pub scale: String,
    /// Where the set's values come from; empty for anchors that the KQI gives itself.
    pub provenance: Vec<ProvenanceView>,
}

/// Where a number comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ProvenanceView {
    /// What it is about.
    pub of: String,
    /// `document`, `standard` or `judgement`.
    pub kind: String,
    /// The source.
    pub reference: String,
}

/// One object of a KQI.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct GroupView {
    /// `dim=value;dim=value`, as in `windows.csv`.
    pub group_label: String,
    /// The same as an object.
    pub group: BTreeMap<String, String>,
    /// Verdict now: that of the newest sealed window, unless the stream is silent or the group has
    /// nothing at the watermark.
    pub verdict: String,
    /// Newest sealed window that holds something.
    pub sealed: Option<CurrentView>,
    /// The window that is filling.
    pub provisional: Option<CurrentView>,
}

/// One window of an object.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct CurrentView {
    /// Start, ms.
    pub window_start_ms: i64,
    /// End, ms.
    pub window_end_ms: i64,
    /// End.
    pub window_end: String,
    /// Facts that the value is based on.
    pub count: i64,
    /// Value in the KQI's unit.
    pub value: Option<f64>,
    /// Score.
    pub score: Option<f64>,
    /// Verdict of this window.
    pub verdict: String,
}

impl From<&Provenance> for ProvenanceView {
    fn from(provenance: &Provenance) -> ProvenanceView {
        ProvenanceView {
            of: provenance.of.clone(),
            kind: provenance.kind.name().to_owned(),
            reference: provenance.reference.clone(),
        }
    }
}

impl CurrentView {
    fn of(window: &WindowNow, zone: &TimeZone) -> CurrentView {
        CurrentView {
            window_start_ms: window.start_ms,
            window_end_ms: window.end_ms,
            window_end: iso(window.end_ms, zone),
            count: window.samples,
            value: window.value,
            score: window.score,
            verdict: window.verdict.name().to_owned(),
        }
    }
}

impl GroupView {
    fn of(now: &GroupNow, zone: &TimeZone) -> GroupView {
        GroupView {
            group_label: now.group.label.clone(),
            group: group_object(&now.group.values),
            verdict: now.verdict.name().to_owned(),
            sealed: now
                .sealed
                .as_ref()
                .map(|window| CurrentView::of(window, zone)),
            provisional: now
                .filling
                .as_ref()
                .map(|window| CurrentView::of(window, zone)),
        }
    }
}

impl KqiView {
    /// A KQI with its first `limit` objects.
    pub fn of(kqi: &Kqi, now: Option<&KqiNow>, limit: usize, plan: &Plan) -> KqiView {
        let zone = &plan.zone;
        let rule = plan.book.streams.get(&kqi.stream);
        let groups = now.map_or(&[][..], |now| &now.groups);
        KqiView {
            id: kqi.id.clone(),
            name: (&kqi.name).into(),
            service: kqi.service.clone(),
            layer: layer_name(kqi.layer).to_owned(),
            scope: kqi.scope.map(|scope| scope.name().to_owned()),
            stream: kqi.stream.name().to_owned(),
            unit: unit_text(&kqi.unit).to_owned(),
            aggregate: aggregate_text(&kqi.aggregate),
            timeout_ms: kqi.timeout,
            good_within: kqi.good_within,
            window_ms: kqi.window.size_ms,
            hop_ms: kqi.window.hop_ms,
            group_by: kqi.group_by.clone(),
            anchors: kqi.anchors.as_ref().map(|anchors| AnchorsView {
                set: anchors.set.clone(),
                values: anchors.values.to_vec(),
                scale: match anchors.scale {
                    Scale::Linear => "linear",
                    Scale::Log => "log",
                }
                .to_owned(),
                provenance: kqi.provenance[..kqi.provenance_of_set]
                    .iter()
                    .map(ProvenanceView::from)
                    .collect(),
            }),
            limit_min: kqi.interval.min,
            limit_max: kqi.interval.max,
            min_samples: kqi.min_samples,
            department: kqi.department.clone(),
            internal: rule.is_none_or(|rule| rule.internal),
            provenance: kqi.provenance.iter().map(ProvenanceView::from).collect(),
            groups_total: groups.len(),
            groups: groups
                .iter()
                .take(limit)
                .map(|group| GroupView::of(group, zone))
                .collect(),
        }
    }
}

impl ServiceView {
    /// A service with the standing of its objects.
    pub fn of(
        service: &Service,
        kqis: Vec<String>,
        standing: &crate::api::Standing,
        book: &RuleBook,
    ) -> ServiceView {
        let of = |index: usize| {
            let kqi = book.kqis.get(index)?;
            Some(WorstView {
                service: service.id.clone(),
                kqi: kqi.id.clone(),
                limit_source: kqi.limit_provenance().map(ProvenanceView::from),
            })
        };
        let verdict = standing.worst();
        ServiceView {
            id: service.id.clone(),
            name: (&service.name).into(),
            kqis,
            verdict: verdict.name().to_owned(),
            verdict_of: standing.first.get(&verdict).copied().and_then(of),
            score: standing.score,
            score_of: standing.score_of.and_then(of),
            objects: standing
                .counts
                .iter()
                .map(|(verdict, count)| (verdict.name().to_owned(), *count))
                .collect(),
        }
    }
}
