//! How a service stands: its objects by verdict, and the worst of them.

use std::collections::BTreeMap;

use crate::api::Current;
use crate::rules::{Severity, Verdict};

/// Objects of a service.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Standing {
    /// Objects with each verdict.
    pub counts: BTreeMap<Verdict, u64>,
    /// The worst score of judged objects.
    pub score: Option<f64>,
    /// Whose it is: index of the KQI.
    pub score_of: Option<usize>,
    /// KQI by verdict: the first that has it.
    pub first: BTreeMap<Verdict, usize>,
}

impl Standing {
    /// The standing of a service; groups of KQIs that read every service count where they name it.
    pub fn of(current: &Current, service: &str) -> Standing {
        let mut standing = Standing::default();
        let book = &current.plan.book;
        for now in &current.kqis {
            let own = book.kqis[now.index].service.as_deref();
            for group in &now.groups {
                if own.or_else(|| group.group.get("service")) != Some(service) {
                    continue;
                }
                *standing.counts.entry(group.verdict).or_default() += 1;
                standing.first.entry(group.verdict).or_insert(now.index);
                let score = group.sealed.and_then(|sealed| sealed.score);
                let score = score.filter(|_| group.verdict.is_judged());
                let is_worse = |score: &f64| standing.score.is_none_or(|worst| *score < worst);
                if let Some(score) = score.filter(is_worse) {
                    (standing.score, standing.score_of) = (Some(score), Some(now.index));
                }
            }
        }
        standing
    }

    /// The worst verdict. What cannot be judged is worse than normal: it may hide anything.
    pub fn worst(&self) -> Verdict {
        self.counts
            .keys()
            .copied()
            .max_by_key(|verdict| badness(*verdict))
            .unwrap_or(Verdict::NoTraffic)
    }
}

/// Order of what to look at first.
pub(crate) const fn badness(verdict: Verdict) -> u8 {
    match verdict {
        Verdict::Normal => 0,
        Verdict::Suppressed => 1,
        Verdict::Insufficient => 2,
        Verdict::NoTraffic => 3,
        Verdict::SourceSilent => 4,
        Verdict::Abnormal(Severity::Warning) => 5,
        Verdict::Abnormal(Severity::Minor) => 6,
        Verdict::Abnormal(Severity::Major) => 7,
        Verdict::Abnormal(Severity::Critical) => 8,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_cannot_be_judged_reads_as_healthy() {
        let worst = |verdicts: &[Verdict]| {
            let counts = verdicts.iter().map(|verdict| (*verdict, 1)).collect();
            Standing {
                counts,
                ..Standing::default()
            }
            .worst()
        };
        for verdict in Verdict::ALL {
            assert_eq!(worst(&[Verdict::Normal, verdict]), verdict);
        }
        assert_eq!(worst(&[]), Verdict::NoTraffic);
        let minor = Verdict::Abnormal(Severity::Minor);
        assert_eq!(worst(&[Verdict::SourceSilent, minor]), minor);
    }
}
