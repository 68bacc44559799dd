//! The words of the wire for rule-book values that have no name of their own.

use crate::rules::{Aggregate, Layer, Severity, Unit};

/// Severity on the wire.
pub(crate) const fn severity_name(severity: Severity) -> &'static str {
    match severity {
        Severity::Warning => "warning",
        Severity::Minor => "minor",
        Severity::Major => "major",
        Severity::Critical => "critical",
    }
}

/// Layer on the wire.
pub(crate) const fn layer_name(layer: Layer) -> &'static str {
    match layer {
        Layer::Experience => "experience",
        Layer::Platform => "platform",
        Layer::Network => "network",
    }
}

/// Unit as people write it.
pub(crate) fn unit_text(unit: &Unit) -> &str {
    unit.text()
}

/// Aggregate as the rule book writes it.
pub(super) fn aggregate_text(aggregate: &Aggregate) -> String {
    match aggregate {
        Aggregate::Count => "count".to_owned(),
        Aggregate::Ratio => "ratio".to_owned(),
        Aggregate::Sum => "sum".to_owned(),
        Aggregate::Mean => "mean".to_owned(),
        Aggregate::Min => "min".to_owned(),
        Aggregate::Max => "max".to_owned(),
        Aggregate::Latest => "latest".to_owned(),
        Aggregate::Dispersion => "dispersion".to_owned(),
        Aggregate::Quantile(share) => format!("p{}", number_text(share * 100.0)),
        Aggregate::RatePer10k { base, .. } => format!("rate per 10k of {base}"),
        Aggregate::Change { .. } => "change".to_owned(),
        Aggregate::Surge { .. } => "surge".to_owned(),
    }
}

/// A number with at most three decimals, without trailing zeros.
pub(crate) fn number_text(value: f64) -> String {
    let text = format!("{value:.3}");
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        let texts = [95.0, 99.95, 0.12345, 0.0, -3.5].map(number_text);
        assert_eq!(texts, ["95", "99.95", "0.123", "0", "-3.5"]);
        assert_eq!(aggregate_text(&Aggregate::Quantile(0.95)), "p95");
    }
}
