//! How many complained, by service, city and KQI, in the newest window of each: what notices and
//! triggers set beside a KQI.
//!
//! Invariants:
//! * the newest window is that as of the stream's clock. Nobody tells a window in which there is
//!   nothing to count, so a count reads zero once the window after its own has passed untold;
//! * at most `complaint_counts_max` counts; beyond it those go whose windows ended first, because old
//!   complaints say least about what happens now.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::engine::limits::EngineLimits;
use crate::rules::{Kqi, Text};

/// Service, city, KQI.
type Key = (String, String, String);

/// The newest count of a complaint KQI in one place.
#[derive(Clone, Serialize, Deserialize)]
struct Count {
    end_ms: i64,
    /// When the next window has passed, ms: from then on nothing is counted here.
    until_ms: i64,
    name: Text,
    count: i64,
}

/// The newest counts.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Complaints {
    counts: BTreeMap<Key, Count>,
    by_end: BTreeSet<(i64, Key)>,
    counts_max: usize,
    forgotten_total: u64,
    /// How far event time has come on the complaints' stream, ms.
    clock_ms: i64,
}

/// One window of a complaint KQI in one place.
pub(super) struct Counted<'a> {
    /// Service; empty where the KQI is of none.
    pub(super) service: &'a str,
    /// City; empty where the KQI is of all.
    pub(super) city: &'a str,
    pub(super) kqi: &'a Kqi,
    /// End of the window, ms.
    pub(super) end_ms: i64,
    pub(super) count: i64,
}

impl Default for Complaints {
    fn default() -> Self {
        Complaints::with_limit(EngineLimits::default().complaint_counts_max)
    }
}

impl Complaints {
    fn with_limit(counts_max: usize) -> Complaints {
        Complaints {
            counts: BTreeMap::new(),
            by_end: BTreeSet::new(),
            counts_max,
            clock_ms: i64::MIN,
            forgotten_total: 0,
        }
    }

    /// Puts another limit in force; what is beyond goes.
    pub(super) fn set_limit(&mut self, counts_max: usize) {
        self.counts_max = counts_max;
        self.forget();
    }

    /// How many there are, how many there may be, how many went for that.
    pub(super) fn bound(&self) -> (usize, usize, u64) {
        (self.counts.len(), self.counts_max, self.forgotten_total)
    }

    fn forget(&mut self) {
        while self.counts.len() > self.counts_max
            && let Some((_, oldest)) = self.by_end.pop_first()
        {
            self.counts.remove(&oldest);
            self.forgotten_total += 1;
        }
    }

    /// Event time goes on.
    pub(super) fn pass_to(&mut self, clock_ms: i64) {
        self.clock_ms = clock_ms;
    }

    /// Takes the count of a window; an older one than the newest says nothing new.
    pub(super) fn note(&mut self, counted: &Counted<'_>) {
        let &Counted {
            kqi, end_ms, count, ..
        } = counted;
        let (service, city) = (counted.service.to_owned(), counted.city.to_owned());
        let key = (service, city, kqi.id.clone());
        if let Some(known) = self.counts.get(&key) {
            if known.end_ms > end_ms {
                return;
            }
            self.by_end.remove(&(known.end_ms, key.clone()));
        }
        self.by_end.insert((end_ms, key.clone()));
        let count = Count {
            end_ms,
            until_ms: end_ms.saturating_add(kqi.window.hop_ms),
            name: kqi.name.clone(),
            count,
        };
        self.counts.insert(key, count);
        self.forget();
    }

    /// Forgets KQIs that nobody counts any more.
    pub(super) fn retain(&mut self, is_counted: impl Fn(&str) -> bool) {
        self.counts.retain(|(_, _, kqi), _| is_counted(kqi));
        self.by_end.retain(|(_, (_, _, kqi))| is_counted(kqi));
    }

    /// Complaints by KQI of a service and a city, or of all where one is not given.
    pub(super) fn of(&self, service: Option<&str>, city: Option<&str>) -> Vec<(Text, i64)> {
        let from = (
            service.unwrap_or_default().to_owned(),
            service.and(city).unwrap_or_default().to_owned(),
            String::new(),
        );
        let mut sums: BTreeMap<&str, (Text, i64)> = BTreeMap::new();
        let of_service = self
            .counts
            .range(from..)
            .take_while(|((of, _, _), _)| service.is_none_or(|service| service == of));
        for ((_, of, kqi), count) in of_service {
            match city {
                // In order: behind the city of one service there is no more of it.
                Some(city) if service.is_some() && of.as_str() > city => break,
                Some(city) if city != of => continue,
                _ => {}
            }
            let sum = sums.entry(kqi).or_insert_with(|| (count.name.clone(), 0));
            if self.clock_ms < count.until_ms {
                sum.1 += count.count;
            }
        }
        sums.into_values().filter(|(_, count)| *count > 0).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::rules::testing::book;

    fn name(kqi: &str) -> Text {
        Text {
            zh: kqi.to_owned(),
            en: kqi.to_owned(),
        }
    }

    /// Counts windows of ten milliseconds.
    fn note(complaints: &mut Complaints, place: (&str, &str), id: &str, end_ms: i64, count: i64) {
        let text = "
book: {name: t, version: '1', time_zone: Asia/Shanghai, any_service: true}
kqis:
  - {id: k, name: n, layer: experience, stream: complaint, aggregate: count, group_by: [city], window: 1m, unit: count}
";
        let mut kqi = book(text).kqis[0].clone();
        (kqi.id, kqi.name, kqi.window.hop_ms) = (id.to_owned(), name(id), 10);
        complaints.note(&Counted {
            service: place.0,
            city: place.1,
            kqi: &kqi,
            end_ms,
            count,
        });
    }

    #[test]
    fn sums_what_is_asked_for() {
        let mut complaints = Complaints::default();
        note(&mut complaints, ("mail", "长沙"), "slow", 10, 3);
        note(&mut complaints, ("mail", "长沙"), "slow", 5, 99);
        note(&mut complaints, ("mail", "永州"), "slow", 10, 4);
        note(&mut complaints, ("mail", "永州"), "login", 10, 0);
        note(&mut complaints, ("news", "长沙"), "late", 10, 5);
        let of = |service, city| {
            let sums = complaints.of(service, city).into_iter();
            sums.map(|(name, count)| format!("{}:{count}", name.en))
                .collect::<Vec<_>>()
                .join(" ")
        };
        assert_eq!(of(Some("mail"), Some("长沙")), "slow:3");
        assert_eq!(of(Some("mail"), None), "slow:7");
        assert_eq!(of(None, Some("长沙")), "late:5 slow:3");
        assert_eq!(of(None, None), "late:5 slow:7");
        assert_eq!(of(Some("m"), None), "");
    }

    #[test]
    fn a_window_that_passed_without_complaints_reads_zero() {
        let mut complaints = Complaints::default();
        note(&mut complaints, ("s", "a"), "k", 30, 8);
        let of = |complaints: &Complaints| complaints.of(Some("s"), Some("a"));
        complaints.pass_to(39);
        assert_eq!(of(&complaints), [(name("k"), 8)], "its next window is open");
        complaints.pass_to(40);
        assert_eq!(of(&complaints), []);
        // A late complaint in a window of the past is not of the newest one; one in that is.
        note(&mut complaints, ("s", "a"), "k", 30, 9);
        assert_eq!(of(&complaints), []);
        note(&mut complaints, ("s", "a"), "k", 40, 1);
        assert_eq!(of(&complaints), [(name("k"), 1)]);
        // Withdrawn: the newest window is empty, whatever was before it.
        note(&mut complaints, ("s", "a"), "k", 40, 0);
        assert_eq!(of(&complaints), []);
    }

    #[test]
    fn beyond_the_limit_the_oldest_window_goes() {
        let mut complaints = Complaints::with_limit(2);
        note(&mut complaints, ("s", "a"), "k", 30, 1);
        note(&mut complaints, ("s", "b"), "k", 10, 2);
        // Counted again: it is not the oldest any more.
        note(&mut complaints, ("s", "b"), "k", 40, 2);
        note(&mut complaints, ("s", "c"), "k", 20, 4);
        assert_eq!((complaints.counts.len(), complaints.by_end.len()), (2, 2));
        assert_eq!(complaints.of(Some("s"), None), [(name("k"), 3)]);
        complaints.retain(|kqi| kqi != "k");
        assert!(complaints.counts.is_empty() && complaints.by_end.is_empty());
    }

    #[test]
    fn what_goes_for_the_limit_is_counted() {
        let mut complaints = Complaints::with_limit(2);
        for (at, city) in ["a", "b", "c", "d"].iter().enumerate() {
            note(&mut complaints, ("news", city), "k", at as i64, 1);
        }
        assert_eq!(complaints.bound(), (2, 2, 2));
        complaints.set_limit(1);
        assert_eq!(complaints.bound(), (1, 1, 3));
        assert_eq!(complaints.of(Some("news"), Some("d")).len(), 1);
    }
}
