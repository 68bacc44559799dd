//! Scores up the tree on the wire.

use serde::Serialize;
use utoipa::ToSchema;

use crate::api::current::GroupNow;
use crate::api::views::RuleBookView;
use crate::api::views::kqi::ProvenanceView;
use crate::api::views::words::layer_name;
use crate::rules::{Kqi, RuleBook};
use crate::scores::{Amount, Board, ServiceHealth, Shares};

/// Objects that are named beside those that are told.
const LEFT_OUT_MAX: usize = 100;
/// How many of the largest make the concentration (前三种投诉占比; domain fact G11).
const TOP: usize = 3;

/// The health of services.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct HealthsView {
    /// The rule book that weighs and judges.
    pub rules: RuleBookView,
    /// Services, in catalogue order.
    pub services: Vec<HealthView>,
}

/// The health of a service.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct HealthView {
    /// The rule book that weighs and judges.
    pub rules: RuleBookView,
    /// Service.
    pub service: String,
    /// Weighted mean of its layers, 5 best to 1 worst; null where nothing was judged.
    pub mean: Option<f64>,
    /// The worst score of an object, because a mean hides it.
    pub min: Option<f64>,
    /// Its layers.
    pub layers: Vec<LayerHealthView>,
    /// KQIs of the service that have no scale and so take no part in the score: what fails and why, counts, and the like.
    pub unscored: Vec<UnscoredView>,
}

/// A KQI without a scale.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct UnscoredView {
    /// KQI.
    pub kqi: String,
    /// `experience`, `platform` or `network`.
    pub layer: String,
    /// What it is made of.
    pub contributions: String,
}

/// A layer of a service.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct LayerHealthView {
    /// `experience`, `platform` or `network`.
    pub layer: String,
    /// Weight by the rule book.
    pub weight: f64,
    /// Share of the service's score: empty layers have none, and the others share theirs.
    pub share: f64,
    /// Weighted mean of its KQIs; null where it is empty.
    pub mean: Option<f64>,
    /// The worst score of an object of it.
    pub min: Option<f64>,
    /// Its KQIs, the worst first, empty ones last.
    pub kqis: Vec<KqiHealthView>,
}

/// A KQI of a layer.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct KqiHealthView {
    /// KQI.
    pub kqi: String,
    /// Weight within the layer.
    pub weight: f64,
    /// Mean score of its judged objects; null where it is empty.
    pub mean: Option<f64>,
    /// The worst of them.
    pub min: Option<f64>,
    /// Objects.
    pub objects: usize,
    /// Objects that were judged.
    pub judged: usize,
    /// Objects outside their interval.
    pub abnormal: usize,
    /// Where its limit comes from.
    pub limit_source: Option<ProvenanceView>,
    /// Where its trouble comes from.
    pub contributions: String,
}

/// What dimension values contribute to a KQI's trouble.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct SharesView {
    /// The rule book that judges.
    pub rules: RuleBookView,
    /// KQI.
    pub kqi: String,
    /// Where its limit comes from.
    pub limit_source: Option<ProvenanceView>,
    /// `bad_facts` of a ratio, `facts` of a count, `facts_beyond` the limit of a quantile or an extreme, `excess` over the
    /// limit of a mean, in its unit, `sum` of a sum, `facts_more` of a change, `level_more` of a gauge's in its own unit, `facts_outside` of a dispersion: of objects
    /// outside the interval.
    pub counted: String,
    /// Start of the window that it is of, the same for all objects, ms; null where there is none.
    pub from_ms: Option<i64>,
    /// End of it, ms.
    pub to_ms: Option<i64>,
    /// Of all objects together.
    #[schema(value_type = f64)]
    pub total: AmountView,
    /// Its dimensions.
    pub dimensions: Vec<DimensionSharesView>,
    /// Objects that have no window of that time and are no part of this: what was abnormal first, of that the newest; the
    /// first hundred.
    pub left_out: Vec<LeftOutView>,
    /// How many such objects there are.
    pub left_out_total: usize,
}

/// An object that is told of another time.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct LeftOutView {
    /// `dim=value;dim=value` in the KQI's own order.
    pub group: String,
    /// Start of its last window, ms.
    pub from_ms: i64,
    /// End of it, ms: ask for it by `at`.
    pub to_ms: i64,
    /// What that window was judged.
    pub verdict: String,
}

/// How much of it: facts are whole numbers. One number to a reader of the schema.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum AmountView {
    /// Facts.
    Facts(i64),
    /// In the KQI's unit.
    Measured(f64),
}

impl From<Amount> for AmountView {
    fn from(amount: Amount) -> AmountView {
        match amount {
            Amount::Facts(facts) => AmountView::Facts(facts),
            Amount::Measured(value) => AmountView::Measured(value),
        }
    }
}

/// One dimension.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct DimensionSharesView {
    /// Dimension.
    pub dimension: String,
    /// Values that there are.
    pub values_total: usize,
    /// Share of the first three values together, 0 to 1 (concentration).
    pub top3_share: f64,
    /// Those that make it worse most.
    pub values: Vec<ShareView>,
}

/// One value of a dimension.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct ShareView {
    /// Value.
    pub value: String,
    /// What is counted of it: those of a dimension's values sum to the total.
    #[schema(value_type = f64)]
    pub count: AmountView,
    /// Its share of what makes the whole worse, at most 1; below 0 where it makes it better, as what stays within a mean's
    /// limit does.
    pub share: f64,
    /// Its share of all facts: what it would have if trouble were everywhere alike.
    pub share_of_facts: f64,
    /// The worst score there, for dimensions that tell the KQI's objects apart.
    pub min: Option<f64>,
}

/// A board.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct BoardView {
    /// The rule book that weighs and judges.
    pub rules: RuleBookView,
    /// `cities` or `channels`.
    pub by: String,
    /// The worst first, those without data last.
    pub lines: Vec<BoardLineView>,
    /// Cities that the book's places do not name, by the first hundred: a word that a probe misspells is a line of its own
    /// among the cities, and in no province and no group. Empty where the book has no places.
    pub unmapped_cities: Vec<String>,
}

/// A line of a board.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct BoardLineView {
    /// City, or service.
    pub name: String,
    /// Mean over its services; null where nothing was judged.
    pub mean: Option<f64>,
    /// The worst score of an object.
    pub min: Option<f64>,
    /// What has that score, and by whose limit.
    pub worst: Option<WorstView>,
    /// Services that take part.
    pub services: usize,
    /// Objects that were judged.
    pub judged: usize,
    /// Objects outside their interval.
    pub abnormal: usize,
}

/// What makes the minimum of a line.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct WorstView {
    /// Service.
    pub service: String,
    /// KQI.
    pub kqi: String,
    /// Where its limit comes from.
    pub limit_source: Option<ProvenanceView>,
}

impl HealthView {
    /// A service with its layers and KQIs.
    pub fn of(health: &ServiceHealth, book: &RuleBook) -> HealthView {
        let layers = health.layers.iter().map(|layer| LayerHealthView {
            layer: layer_name(layer.layer).to_owned(),
            weight: layer.weight,
            share: layer.share,
            mean: layer.mean,
            min: layer.min,
            kqis: layer
                .kqis
                .iter()
                .map(|kqi| KqiHealthView {
                    kqi: kqi.kqi.clone(),
                    weight: kqi.weight,
                    mean: kqi.mean,
                    min: kqi.min,
                    objects: kqi.objects,
                    judged: kqi.judged,
                    abnormal: kqi.abnormal,
                    limit_source: limit_source(book, &kqi.kqi),
                    contributions: contributions(&kqi.kqi),
                })
                .collect(),
        });
        HealthView {
            rules: RuleBookView::of(book),
            service: health.service.clone(),
            mean: health.mean,
            min: health.min,
            layers: layers.collect(),
            unscored: book
                .kqis
                .iter()
                .filter(|kqi| kqi.anchors.is_none())
                .filter(|kqi| kqi.service.as_ref() == Some(&health.service))
                .map(|kqi| UnscoredView {
                    kqi: kqi.id.clone(),
                    layer: layer_name(kqi.layer).to_owned(),
                    contributions: contributions(&kqi.id),
                })
                .collect(),
        }
    }
}

/// Where a KQI's parts are.
fn contributions(id: &str) -> String {
    format!("/v1/kqis/{id}/contributions")
}

fn limit_source(book: &RuleBook, id: &str) -> Option<ProvenanceView> {
    let kqi = book.kqis.iter().find(|known| known.id == id);
    kqi.and_then(Kqi::limit_provenance)
        .map(ProvenanceView::from)
}

impl SharesView {
    /// At most `limit` values a dimension.
    pub fn of(
        kqi: &Kqi,
        shares: &Shares,
        span_ms: Option<(i64, i64)>,
        limit: usize,
        book: &RuleBook,
    ) -> SharesView {
        let values = shares.values.iter();
        let mut names: Vec<&str> = values.map(|of| of.dimension.as_str()).collect();
        // Those of a dimension stand together.
        names.dedup();
        let dimension = |name: &str| {
            let own: Vec<_> = shares
                .values
                .iter()
                .filter(|of| of.dimension == name)
                .collect();
            let top = own.iter().take(TOP).map(|of| of.share.max(0.0));
            DimensionSharesView {
                dimension: name.to_owned(),
                values_total: own.len(),
                top3_share: top.sum::<f64>().min(1.0),
                values: own
                    .into_iter()
                    .take(limit)
                    .map(|of| ShareView {
                        value: of.value.clone(),
                        count: of.amount.into(),
                        share: of.share,
                        share_of_facts: of.share_of_facts,
                        min: of.min,
                    })
                    .collect(),
            }
        };
        SharesView {
            rules: RuleBookView::of(book),
            kqi: kqi.id.clone(),
            limit_source: limit_source(book, &kqi.id),
            counted: shares.counted.to_owned(),
            from_ms: span_ms.map(|(from_ms, _)| from_ms),
            to_ms: span_ms.map(|(_, to_ms)| to_ms),
            total: shares.total.into(),
            dimensions: names.into_iter().map(dimension).collect(),
            left_out: Vec::new(),
            left_out_total: 0,
        }
    }

    /// With the objects that it leaves out, each with its last window.
    pub(in crate::api) fn without(self, left_out: &[GroupNow]) -> SharesView {
        let last = left_out.iter().filter_map(|of| {
            let last = of.sealed.as_ref()?;
            Some(LeftOutView {
                group: of.group.label.clone(),
                from_ms: last.start_ms,
                to_ms: last.end_ms,
                verdict: last.verdict.name().to_owned(),
            })
        });
        SharesView {
            left_out: last.take(LEFT_OUT_MAX).collect(),
            left_out_total: left_out.len(),
            ..self
        }
    }
}

impl BoardView {
    /// A board by that name.
    pub fn of(
        by: &str,
        lines: &[Board],
        unmapped_cities: Vec<String>,
        book: &RuleBook,
    ) -> BoardView {
        let line = |of: &Board| BoardLineView {
            name: of.name.clone(),
            mean: of.mean,
            min: of.min,
            worst: of.worst.as_ref().map(|(service, kqi)| WorstView {
                service: service.clone(),
                kqi: kqi.clone(),
                limit_source: limit_source(book, kqi),
            }),
            services: of.services,
            judged: of.judged,
            abnormal: of.abnormal,
        };
        BoardView {
            rules: RuleBookView::of(book),
            by: by.to_owned(),
            lines: lines.iter().map(line).collect(),
            unmapped_cities,
        }
    }
}
