//! The tree: weighted means with their minima.

use std::collections::BTreeMap;

use crate::rules::{HealthWeights, Kqi, Layer, RuleBook, Verdict};

/// One object: a KQI in one group, as it stands now.
#[derive(Clone, Copy, Debug)]
pub struct Measured<'a> {
    /// Its KQI.
    pub kqi: &'a Kqi,
    /// Service that it is of; empty for none.
    pub service: &'a str,
    /// Dimensions of the group, in order.
    pub dimensions: &'a [(String, String)],
    /// Verdict now.
    pub verdict: Verdict,
    /// Score of the newest sealed window.
    pub score: Option<f64>,
}

impl<'a> Measured<'a> {
    /// The score, where the object was judged.
    pub fn judged(&self) -> Option<f64> {
        self.score.filter(|_| self.verdict.is_judged())
    }

    /// A dimension's value.
    pub fn dimension(&self, name: &str) -> Option<&'a str> {
        let mut known = self.dimensions.iter();
        let found = known.find(|(known, _)| known == name)?;
        Some(&found.1)
    }
}

/// A KQI.
#[derive(Clone, Debug, PartialEq)]
pub struct KqiHealth {
    /// KQI.
    pub kqi: String,
    /// Its weight within the layer.
    pub weight: f64,
    /// Mean score of its judged objects; none where it is empty.
    pub mean: Option<f64>,
    /// The worst of them.
    pub min: Option<f64>,
    /// Objects.
    pub objects: usize,
    /// Objects that were judged.
    pub judged: usize,
    /// Objects outside their interval.
    pub abnormal: usize,
}

/// A layer of a service.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerHealth {
    /// Layer.
    pub layer: Layer,
    /// Its weight as the book has it.
    pub weight: f64,
    /// Its share of the service's score, after empty layers have gone; zero where it is empty.
    pub share: f64,
    /// Weighted mean of its KQIs; none where it is empty.
    pub mean: Option<f64>,
    /// The worst score of an object of it.
    pub min: Option<f64>,
    /// Its KQIs, the worst first, empty ones last.
    pub kqis: Vec<KqiHealth>,
}

/// A service.
#[derive(Clone, Debug, PartialEq)]
pub struct ServiceHealth {
    /// Service.
    pub service: String,
    /// Weighted mean of its layers; none where all are empty.
    pub mean: Option<f64>,
    /// The worst score of an object of it.
    pub min: Option<f64>,
    /// Its layers, in the method's order.
    pub layers: Vec<LayerHealth>,
}

/// A line of a board.
#[derive(Clone, Debug, PartialEq)]
pub struct Board {
    /// Channel or city.
    pub name: String,
    /// Mean over its services.
    pub mean: Option<f64>,
    /// The worst score of an object of it.
    pub min: Option<f64>,
    /// Service and KQI of that object; of several the first by name.
    pub worst: Option<(String, String)>,
    /// Services that take part.
    pub services: usize,
    /// Objects that were judged.
    pub judged: usize,
    /// Objects outside their interval.
    pub abnormal: usize,
}

const LAYERS: [Layer; 3] = [Layer::Experience, Layer::Platform, Layer::Network];

/// The health of one service from its objects.
pub fn health(book: &RuleBook, service: &str, objects: &[Measured<'_>]) -> ServiceHealth {
    let own: Vec<&Measured<'_>> = objects.iter().filter(|of| of.service == service).collect();
    let kqis = book.kqis.iter().filter(|kqi| {
        let of = kqi.service.as_deref();
        of == Some(service) || own.iter().any(|of| of.kqi.id == kqi.id)
    });
    let kqis: Vec<&Kqi> = kqis.filter(|kqi| kqi.anchors.is_some()).collect();
    let weights = &book.health;
    let mut layers: Vec<LayerHealth> = LAYERS
        .map(|layer| {
            let of_layer = kqis.iter().filter(|kqi| kqi.layer == layer);
            let healths = of_layer.map(|kqi| kqi_health(weights, kqi, &own)).collect();
            layer_health(weights, layer, healths)
        })
        .into();
    let whole: f64 = layers
        .iter()
        .filter(|layer| layer.mean.is_some())
        .map(|layer| layer.weight)
        .sum();
    for layer in &mut layers {
        if layer.mean.is_some() && whole > 0.0 {
            layer.share = layer.weight / whole;
        }
    }
    ServiceHealth {
        service: service.to_owned(),
        mean: weighted(layers.iter().map(|layer| (layer.mean, layer.weight))),
        min: least(layers.iter().map(|layer| layer.min)),
        layers,
    }
}

fn kqi_health(weights: &HealthWeights, kqi: &Kqi, own: &[&Measured<'_>]) -> KqiHealth {
    let objects: Vec<_> = own.iter().filter(|of| of.kqi.id == kqi.id).collect();
    let scores: Vec<f64> = objects.iter().filter_map(|of| of.judged()).collect();
    KqiHealth {
        kqi: kqi.id.clone(),
        weight: weights.kqis.get(&kqi.id).copied().unwrap_or(1.0),
        mean: weighted(scores.iter().map(|score| (Some(*score), 1.0))),
        min: least(scores.iter().map(|score| Some(*score))),
        objects: objects.len(),
        judged: scores.len(),
        abnormal: objects
            .iter()
            .filter(|of| matches!(of.verdict, Verdict::Abnormal(_)))
            .count(),
    }
}

fn layer_health(weights: &HealthWeights, layer: Layer, mut kqis: Vec<KqiHealth>) -> LayerHealth {
    // Stable: equal ones stay in the order of the catalogue.
    let last = |of: &KqiHealth| of.mean.unwrap_or(f64::INFINITY);
    kqis.sort_by(|a, b| last(a).total_cmp(&last(b)));
    LayerHealth {
        layer,
        weight: weights.of(layer),
        share: 0.0,
        mean: weighted(kqis.iter().map(|kqi| (kqi.mean, kqi.weight))),
        min: least(kqis.iter().map(|kqi| kqi.min)),
        kqis,
    }
}

/// What a place or channel comes to: the mean over the services that have data there.
pub fn board(
    book: &RuleBook,
    objects: &[Measured<'_>],
    key: impl Fn(&Measured<'_>) -> Option<String>,
) -> Vec<Board> {
    let mut by_name: BTreeMap<String, Vec<Measured<'_>>> = BTreeMap::new();
    for object in objects {
        if let Some(name) = key(object).filter(|name| !name.is_empty()) {
            by_name.entry(name).or_default().push(*object);
        }
    }
    let mut boards: Vec<Board> = by_name
        .into_iter()
        .map(|(name, own)| {
            let mut services: Vec<&str> = own.iter().map(|of| of.service).collect();
            services.sort_unstable();
            services.dedup();
            let healths = services.iter().filter(|service| !service.is_empty());
            let healths: Vec<ServiceHealth> =
                healths.map(|service| health(book, service, &own)).collect();
            let judged = own.iter().filter(|of| of.judged().is_some());
            Board {
                name,
                mean: weighted(healths.iter().map(|health| (health.mean, 1.0))),
                min: least(healths.iter().map(|health| health.min)),
                worst: worst(&healths),
                services: healths.iter().filter(|of| of.mean.is_some()).count(),
                judged: judged.count(),
                abnormal: own
                    .iter()
                    .filter(|of| matches!(of.verdict, Verdict::Abnormal(_)))
                    .count(),
            }
        })
        .collect();
    let last = |of: &Board| of.mean.unwrap_or(f64::INFINITY);
    boards.sort_by(|a, b| last(a).total_cmp(&last(b)));
    boards
}

/// The weighted mean of what there is; none where there is nothing.
fn weighted(parts: impl Iterator<Item = (Option<f64>, f64)>) -> Option<f64> {
    let (mut sum, mut whole) = (0.0, 0.0);
    for (score, weight) in parts {
        if let Some(score) = score {
            sum += score * weight;
            whole += weight;
        }
    }
    (whole > 0.0).then(|| sum / whole)
}

/// Service and KQI of the lowest minimum.
fn worst(healths: &[ServiceHealth]) -> Option<(String, String)> {
    let kqis = healths.iter().flat_map(|health| {
        let of_layers = health.layers.iter().flat_map(|layer| &layer.kqis);
        of_layers.filter_map(|kqi| Some((kqi.min?, &health.service, &kqi.kqi)))
    });
    let lowest = kqis.min_by(|(a, of, kqi), (b, other, than)| {
        a.total_cmp(b).then_with(|| (of, kqi).cmp(&(other, than)))
    });
    lowest.map(|(_, service, kqi)| (service.clone(), kqi.clone()))
}

fn least(scores: impl Iterator<Item = Option<f64>>) -> Option<f64> {
    scores.flatten().reduce(f64::min)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::testing::book;

    const BOOK: &str = "
book: {name: t, version: '1', time_zone: Asia/Shanghai}
health: {experience: 3, platform: 2, network: 1, kqis: {fast: 3}}
services:
  - id: s
    name: s
    kqis:
      - {id: fast, name: n, layer: experience, stream: dial_test, aggregate: mean, group_by: [city], window: 5m, unit: s, anchors: [1, 2, 3, 4, 5], provenance: [{of: anchors, kind: judgement, reference: t}], alert: none}
      - {id: ok, name: n, layer: experience, stream: dial_test, aggregate: ratio, good: ok, group_by: [city], window: 5m, unit: percent, anchors: [99, 97, 95, 92, 88], provenance: [{of: anchors, kind: judgement, reference: t}], alert: none}
      - {id: held, name: n, layer: platform, stream: boss_call, aggregate: mean, group_by: [host], window: 5m, unit: s, anchors: [1, 2, 3, 4, 5], provenance: [{of: anchors, kind: judgement, reference: t}], alert: none}
      - {id: net, name: n, layer: network, stream: dial_test, aggregate: count, group_by: [city], window: 5m, anchors: [1, 2, 3, 4, 5], provenance: [{of: anchors, kind: judgement, reference: t}], alert: none}
";

    fn object<'a>(
        book: &'a RuleBook,
        kqi: &str,
        dimensions: &'a [(String, String)],
        score: Option<f64>,
    ) -> Measured<'a> {
        Measured {
            kqi: book.kqis.iter().find(|of| of.id == kqi).unwrap(),
            service: "s",
            dimensions,
            verdict: match score {
                Some(_) => Verdict::Normal,
                None => Verdict::NoTraffic,
            },
            score,
        }
    }

    #[test]
    fn layers_are_weighted_and_renormalised_where_one_is_empty() {
        let book = book(BOOK);
        let at = |city: &str| vec![("city".to_owned(), city.to_owned())];
        let (cs, zz) = (at("长沙"), at("株洲"));
        let mut objects = vec![
            object(&book, "fast", &cs, Some(2.0)),
            object(&book, "fast", &zz, Some(4.0)),
            object(&book, "ok", &cs, Some(5.0)),
            object(&book, "held", &[], None),
            object(&book, "net", &cs, Some(1.0)),
        ];
        let of = health(&book, "s", &objects);
        let [experience, platform, network] = of.layers.as_slice() else {
            panic!("{of:?}");
        };
        // (3 · 3 + 1 · 5) / 4; a KQI counts by its weight, an object of it does not.
        assert_eq!((experience.mean, experience.min), (Some(3.5), Some(2.0)));
        assert_eq!((platform.mean, platform.share), (None, 0.0));
        assert_eq!((network.mean, network.share), (Some(1.0), 0.25));
        assert_eq!(experience.kqis[0].kqi, "fast", "the worst first");
        // (3 · 3.5 + 1 · 1) / 4: nothing is taken for the empty platform.
        assert_eq!((of.mean, of.min), (Some(2.875), Some(1.0)));
        objects[3] = object(&book, "held", &[], Some(5.0));
        let of = health(&book, "s", &objects);
        assert!((of.mean.unwrap() - 21.5 / 6.0).abs() < 1e-12);
        let cities = board(&book, &objects, |of| {
            of.dimension("city").map(str::to_owned)
        });
        let names: Vec<&str> = cities.iter().map(|of| of.name.as_str()).collect();
        assert_eq!(names, ["长沙", "株洲"], "the worst first");
        // In 长沙 experience is (3 · 2 + 5) / 4 and the network 1; the platform serves no city alone.
        assert_eq!(cities[0].mean, Some((3.0 * 2.75 + 1.0) / 4.0));
        let worst = |of: &Board| of.worst.as_ref().map(|(_, kqi)| kqi.clone());
        let worst: Vec<_> = cities.iter().map(worst).collect();
        assert_eq!(worst, [Some("net".to_owned()), Some("fast".to_owned())]);
        assert_eq!((cities[1].mean, cities[1].judged), (Some(4.0), 1));
    }

    #[test]
    fn what_has_no_data_is_neither_zero_nor_five() {
        let book = book(BOOK);
        let of = health(&book, "s", &[object(&book, "held", &[], None)]);
        assert_eq!((of.mean, of.min), (None, None));
        assert_eq!(of.layers[1].kqis[0].objects, 1);
    }
}
