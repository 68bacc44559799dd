//! A small rule book of dial tests, and the midnight that their times count from.

/// Midnight in Shanghai, ms.
pub(crate) const T0: i64 = 1_764_000_000_000;
/// Tests of a city in a minute, of which more than five alert nobody.
pub(crate) const RULES: &str = "
book: {name: dial_tests, version: '1', time_zone: Asia/Shanghai, any_service: true}
streams: {dial_test: {allowed_lateness: 0s, idle_timeout: 1h, retention: 26h}}
kqis:
  - {id: tests, name: Tests, layer: network, stream: dial_test, aggregate: count, group_by: [city], window: 1m, unit: count, interval: {max: 5}}
alert_policies:
  default: {for: 0s, keep_firing_for: 0s, severity: major, missing: hold}
";
