//! Scores up the tree as series; absent while nothing was judged.

use prometheus::proto::MetricFamily;

use crate::api::{Current, layer_name};
use crate::metrics::family::Family;
use crate::scores::{board, health};

/// Services, their layers, and cities.
pub(super) fn scores(current: &Current, page: &mut Vec<MetricFamily>) {
    let mut services = Family::gauge(
        "service_health",
        "Weighted mean score of a service's layers, 5 best to 1 worst; of: mean or min, the worst object.",
        &["service", "of"],
    );
    let mut layers = Family::gauge(
        "layer_health",
        "Weighted mean score of the KQIs of a service's layer.",
        &["service", "layer"],
    );
    let mut cities = Family::gauge(
        "city_health",
        "Mean score of a city's services; of: mean or min, the worst object.",
        &["city", "of"],
    );
    let (book, objects) = (&current.plan.book, current.measured());
    for service in &book.services {
        let health = health(book, &service.id, &objects);
        for (of, score) in [("mean", health.mean), ("min", health.min)] {
            if let Some(score) = score {
                services.add([service.id.as_str(), of], score);
            }
        }
        for layer in &health.layers {
            if let Some(mean) = layer.mean {
                layers.add([service.id.as_str(), layer_name(layer.layer)], mean);
            }
        }
    }
    let lines = board(book, &objects, |of| of.dimension("city").map(str::to_owned));
    for line in &lines {
        for (of, score) in [("mean", line.mean), ("min", line.min)] {
            if let Some(score) = score {
                cities.add([line.name.as_str(), of], score);
            }
        }
    }
    services.finish(page);
    layers.finish(page);
    cities.finish(page);
}
