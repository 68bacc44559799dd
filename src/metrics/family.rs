//! A metric family with values that are known at scrape time.

use prometheus::proto::{Counter, Gauge, LabelPair, Metric, MetricFamily, MetricType};

/// One family under construction: its name, help and labels are said once, where it is made.
pub(super) struct Family {
    inner: MetricFamily,
    labels: &'static [&'static str],
    kind: MetricType,
}

impl Family {
    /// A family of gauges.
    pub(super) fn gauge(name: &str, help: &str, labels: &'static [&'static str]) -> Family {
        Family::new(name, help, labels, MetricType::GAUGE)
    }

    /// A family of counters.
    pub(super) fn counter(name: &str, help: &str, labels: &'static [&'static str]) -> Family {
        Family::new(name, help, labels, MetricType::COUNTER)
    }

    fn new(name: &str, help: &str, labels: &'static [&'static str], kind: MetricType) -> Family {
        let mut inner = MetricFamily::default();
        inner.set_name(format!("chrysalis_{name}"));
        inner.set_help(help.to_owned());
        inner.set_field_type(kind);
        Family {
            inner,
            labels,
            kind,
        }
    }

    /// Adds a value; `values` are those of the labels, in their order.
    pub(super) fn add<const N: usize>(&mut self, values: [&str; N], value: f64) {
        debug_assert_eq!(N, self.labels.len());
        let labels = self.labels.iter().zip(values).map(|(name, value)| {
            let mut pair = LabelPair::default();
            pair.set_name((*name).to_owned());
            pair.set_value(value.to_owned());
            pair
        });
        let mut metric = Metric::from_label(labels.collect());
        if self.kind == MetricType::COUNTER {
            let mut counter = Counter::default();
            counter.set_value(value);
            metric.set_counter(counter);
        } else {
            let mut gauge = Gauge::default();
            gauge.set_value(value);
            metric.set_gauge(gauge);
        }
        self.inner.mut_metric().push(metric);
    }

    /// The same with a single value, for chains.
    pub(super) fn with(mut self, value: f64) -> Family {
        self.add([], value);
        self
    }

    /// Puts the family on the page; one without values is left out, as the text format wants.
    pub(super) fn finish(self, page: &mut Vec<MetricFamily>) {
        if !self.inner.get_metric().is_empty() {
            page.push(self.inner);
        }
    }
}
