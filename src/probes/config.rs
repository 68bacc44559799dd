//! Which exporters are asked, and what their tests are called here.

use serde::Deserialize;
use thiserror::Error;

/// Most probes: each is a question every few seconds.
const PROBES_MAX: usize = 1_000;
/// Shortest and longest time between two questions, s.
const INTERVAL_S: std::ops::RangeInclusive<u64> = 1..=86_400;

/// One probe of an exporter.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProbeConfig {
    /// Its name: `probe` of its dial tests.
    pub name: String,
    /// The exporter's address with module and target, for example
    /// `http://127.0.0.1:9115/probe?module=http_2xx&target=https://portal.example.com`.
    pub url: String,
    /// Service that is tested.
    pub service: String,
    /// Step that is tested, as the rules name it.
    #[serde(default)]
    pub step: Option<String>,
    /// City of the exporter.
    #[serde(default)]
    pub city: Option<String>,
    /// Channel.
    #[serde(default)]
    pub channel: Option<String>,
    /// Network of the exporter.
    #[serde(default)]
    pub network: Option<String>,
    /// Time between two questions, s.
    #[serde(default = "interval_s")]
    pub interval_s: u64,
    /// How long an answer may take, s; the exporter has its own limit, which should be shorter.
    #[serde(default = "timeout_s")]
    pub timeout_s: u64,
}

/// Judgement: three probes of a city are the ten samples in five minutes that the shipped rules want.
const fn interval_s() -> u64 {
    30
}

/// Judgement: what an SMS probe may take, and a little more.
const fn timeout_s() -> u64 {
    35
}

/// A probe cannot be used as configured.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ProbeConfigError {
    /// Too many.
    #[error("{0} blackbox probes, at most {PROBES_MAX}")]
    TooMany(usize),
    /// A name that is taken or empty.
    #[error("blackbox probe name {0:?} is empty, or two have it")]
    Name(String),
    /// No URL of an exporter.
    #[error("blackbox probe {name}: url {url:?} is no http:// address")]
    Url {
        /// The probe.
        name: String,
        /// The URL.
        url: String,
    },
    /// An interval or a time-out without sense.
    #[error("blackbox probe {name}: interval_s and timeout_s must be 1 to 86400")]
    Times {
        /// The probe.
        name: String,
    },
}

/// Checks every probe.
pub(super) fn check(probes: &[ProbeConfig]) -> Result<(), ProbeConfigError> {
    if probes.len() > PROBES_MAX {
        return Err(ProbeConfigError::TooMany(probes.len()));
    }
    let mut names = std::collections::BTreeSet::new();
    for probe in probes {
        let name = probe.name.clone();
        if name.trim().is_empty() || !names.insert(&probe.name) {
            return Err(ProbeConfigError::Name(name));
        }
        let url: Option<hyper::Uri> = probe.url.parse().ok();
        let is_http = |url: &hyper::Uri| url.scheme_str() == Some("http") && url.host().is_some();
        if !url.as_ref().is_some_and(is_http) {
            let url = probe.url.clone();
            return Err(ProbeConfigError::Url { name, url });
        }
        if !INTERVAL_S.contains(&probe.interval_s) || !INTERVAL_S.contains(&probe.timeout_s) {
            return Err(ProbeConfigError::Times { name });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn probe(name: &str, url: &str) -> ProbeConfig {
        ProbeConfig {
            name: name.to_owned(),
            url: url.to_owned(),
            service: "wap_hall".to_owned(),
            step: None,
            city: None,
            channel: None,
            network: None,
            interval_s: 30,
            timeout_s: 5,
        }
    }

    #[test]
    fn what_cannot_be_asked_is_refused() {
        let sound = probe("a", "http://127.0.0.1:9115/probe?target=x");
        assert_eq!(check(std::slice::from_ref(&sound)), Ok(()));
        let error = |probes: &[ProbeConfig]| check(probes).unwrap_err().to_string();
        assert!(error(&[sound.clone(), sound.clone()]).contains("two have it"));
        assert!(error(&[probe("b", "https://x/probe")]).contains("http://"));
        assert!(error(&[probe("b", "/probe")]).contains("http://"));
        let hasty = ProbeConfig {
            interval_s: 0,
            ..sound.clone()
        };
        assert!(error(&[hasty]).contains("1 to 86400"));
        assert!(error(&vec![sound; 1_001]).contains("at most 1000"));
    }
}
