//! Annotations for readers: what explains a window or an alert beside its numbers (domain facts H31, H32). They
//! hide nothing; what they suppress is decided where windows are.
//!
//! Invariant: at most [`EngineLimits::annotations_max`] are kept, as many as the windows look at; those that end first
//! go.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use crate::engine::limits::EngineLimits;
use crate::event::Annotation;
use crate::rules::{Kqi, Places, concerns};

/// Every annotation that is kept, by its end.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Annotations {
    by_end: BTreeSet<(i64, Arc<Annotation>)>,
    #[serde(skip)]
    limits: EngineLimits,
}

impl Annotations {
    /// Puts bounds in force; what is beyond them goes with the next that comes.
    pub(super) fn set_limits(&mut self, limits: EngineLimits) {
        self.limits = limits;
    }

    /// Takes one in; true if it is new.
    pub(super) fn note(&mut self, annotation: &Annotation) -> bool {
        let is_new = self
            .by_end
            .insert((annotation.end_ms, Arc::new(annotation.clone())));
        while self.by_end.len() > self.limits.annotations_max {
            self.by_end.pop_first();
        }
        is_new
    }

    /// Those that concern an object of a KQI in a window, in the order in which they began.
    pub fn about(
        &self,
        kqi: &Kqi,
        group: &[(String, String)],
        window_ms: (i64, i64),
        places: &Places,
    ) -> Vec<Arc<Annotation>> {
        // Nothing that ended before the window is looked at.
        let first = (window_ms.0, Arc::new(Annotation::default()));
        let mut about: Vec<Arc<Annotation>> = self
            .by_end
            .range(first..)
            .map(|(_, annotation)| annotation)
            .filter(|annotation| concerns(annotation, kqi, group, window_ms, places))
            .cloned()
            .collect();
        about.sort();
        about
    }
}

/// An annotation in one line, with its times in the operator's zone: `cut_over: BOSS割接 (04-11 00:00–04-12 00:00)`.
pub(super) fn line(annotation: &Annotation, zone: &TimeZone) -> String {
    let time = |ms: i64| {
        let time = Timestamp::from_millisecond(ms).map(|time| time.to_zoned(zone.clone()));
        time.map_or(ms.to_string(), |time| {
            time.strftime("%m-%d %H:%M").to_string()
        })
    };
    let (from, to) = (time(annotation.start_ms), time(annotation.end_ms));
    format!("{}: {} ({from}–{to})", annotation.kind, annotation.text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::testing::book;

    fn annotation(start_ms: i64, end_ms: i64, scope: &[(&str, &str)]) -> Annotation {
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Annotation {
            start_ms,
            end_ms,
            kind: "cut_over".into(),
            text: "割接".into(),
            scope: scope.iter().map(own).collect(),
        }
    }

    #[test]
    fn an_object_has_those_of_its_time_and_place() {
        let book = book(
            "
book: {name: t, version: '1', time_zone: Asia/Shanghai}
places: [{province: 湖南, group: 集团, cities: [永州, 常德]}]
services: [{id: stock, name: n, kqis: [{id: k, name: n, layer: experience, stream: complaint, aggregate: count, group_by: [city], window: 1m, unit: count}]}]
",
        );
        let mut known = Annotations::default();
        for annotation in [
            annotation(30, 40, &[]),
            annotation(0, 10, &[]),
            annotation(5, 50, &[("province", "湖南"), ("service", "stock")]),
            annotation(5, 50, &[("city", "常德")]),
            annotation(5, 50, &[("kqi", "other")]),
        ] {
            assert!(known.note(&annotation));
            assert!(!known.note(&annotation), "known already");
        }
        let group = [("city".to_owned(), "永州".to_owned())];
        let about = |window_ms| {
            let about = known.about(&book.kqis[0], &group, window_ms, &book.places);
            about
                .iter()
                .map(|annotation| (annotation.start_ms, annotation.end_ms))
                .collect::<Vec<_>>()
        };
        assert_eq!(about((10, 20)), [(5, 50)]);
        assert_eq!(about((9, 31)), [(0, 10), (5, 50), (30, 40)]);
        assert_eq!(about((50, 60)), []);
    }

    #[test]
    fn a_line_says_what_and_when() {
        let of = annotation(1_772_380_800_000, 1_772_384_400_000, &[]);
        let zone = TimeZone::get("Asia/Shanghai").unwrap();
        assert_eq!(line(&of, &zone), "cut_over: 割接 (03-02 00:00–03-02 01:00)");
    }
}
