//! Every limit of the configuration, by its name. A limit is a key that ends in `_max` or `_min`.

use std::collections::BTreeMap;

use crate::config::Config;

impl Config {
    /// Limits by their dotted names, such as `journal.queue_bytes_max`. Those of a worker are given for all
    /// workers together, as what they bound is counted.
    pub fn bounds(&self) -> BTreeMap<String, u64> {
        let mut bounds = BTreeMap::new();
        // Plain data always has a JSON form.
        let sections = serde_json::to_value(self).unwrap_or_default();
        for (section, keys) in sections.as_object().into_iter().flatten() {
            for (key, value) in keys.as_object().into_iter().flatten() {
                let is_limit = key.ends_with("_max") || key.ends_with("_min");
                if let (true, Some(bound)) = (is_limit, value.as_u64()) {
                    bounds.insert(format!("{section}.{key}"), bound);
                }
            }
        }
        for of_a_worker in [
            "limits.entities_max",
            "limits.records_max",
            "limits.tuples_max",
        ] {
            if let Some(bound) = bounds.get_mut(of_a_worker) {
                *bound = bound.saturating_mul(self.workers() as u64);
            }
        }
        bounds
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    /// Limits of which none is a choice: alarm at once, no time ahead, keep none, never refuse.
    const MAY_BE_NONE: [&str; 4] = [
        "http.access_refused_minute_max",
        "http.clock_skew_ms_max",
        "http.quarantined_lines_max",
        "journal.disk_free_bytes_min",
    ];

    #[test]
    fn a_limit_of_nothing_is_refused_with_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("c.yaml");
        let read = |text: String| {
            std::fs::write(&path, text).unwrap();
            Config::read(&path).map_err(|error| error.to_string())
        };
        let config = Config {
            csv_sink: Some(crate::config::CsvSinkSettings::default()),
            ..Config::default()
        };
        let bounds = config.bounds();
        assert!(bounds.len() > 50, "{bounds:?}");
        for name in bounds.keys() {
            let (section, key) = name.split_once('.').unwrap();
            let nothing = read(format!("{section}:\n  {key}: 0\n"));
            assert_eq!(nothing.is_ok(), MAY_BE_NONE.contains(&&**name), "{name}");
            if let Err(error) = nothing {
                let column = key.len() + 5;
                let words = format!("{}:2:{column}: this is at least ", path.display());
                assert!(error.starts_with(&words), "{name}: {error}");
            }
            let endless = read(format!("{section}:\n  {key}: {}\n", u64::MAX));
            assert_eq!(
                endless.is_ok(),
                *name == "journal.disk_free_bytes_min",
                "{name}"
            );
        }
    }

    #[test]
    fn limits_are_found_by_their_names_and_nothing_else_is() {
        let config = Config {
            workers: 3,
            ..Config::default()
        };
        let bounds = config.bounds();
        assert_eq!(bounds["journal.queue_requests_max"], 1_024);
        assert_eq!(bounds["journal.disk_free_bytes_min"], 1 << 30);
        assert_eq!(bounds["limits.entities_max"], 3 * 8_000_000);
        assert_eq!(bounds["limits.records_max"], 3 * 24_000_000);
        assert_eq!(bounds["limits.groups_max"], 1_000_000);
        assert!(!bounds.contains_key("http.request_timeout_ms"));
        // A secret is in no form of the configuration but the file.
        let mut config = config;
        config.history.url = Some("postgres://u:secret@h/n".to_owned());
        let all: Value = serde_json::to_value(&config).unwrap();
        assert!(!all.to_string().contains("secret"), "{all}");
    }
}
