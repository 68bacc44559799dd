//! What the data can prove of a mend at all, as far as is known on the day it is done.
//!
//! The period before is known then, and of the period after the best that can come: a mend that takes all of the trouble,
//! or a share of it, evenly, while nothing else changes. What would not be proven of these will not be of the mend.

use crate::effect::compare::PAIRS_MIN;
use crate::effect::{
    Better, Compared, Course, EffectRules, EffectVerdict, Incomparable, Pair, Pairs, Periods,
    Totals, compare, read,
};

/// Shares of the trouble that are tried, where the end of a large one ([`EffectRules::change_large`]) would not be proven.
const SHARES: [f64; 4] = [0.6, 0.7, 0.8, 0.9];

/// Why a mend can hardly be proven by one KQI, or not at all.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Doubt {
    /// By design: the period before has too few windows, however they turn out.
    Windows {
        /// Those that it has.
        found: usize,
        /// Those that are needed.
        wanted: usize,
        /// Length of each, ms.
        window_ms: i64,
    },
    /// So little was counted that nothing at all after the work would be chance, too.
    Count {
        /// What was counted before the work.
        found: f64,
        /// What is needed, before and after together.
        wanted: f64,
    },
    /// What was before the work differs so much from block to block that the end of all trouble would not be told from
    /// chance.
    Spread {
        /// Blocks before the work.
        blocks: usize,
    },
    /// A mend that takes less than this share of the trouble would not be told from chance.
    Small {
        /// The share: the smallest tenth that would be.
        share: f64,
        /// Blocks before the work.
        blocks: usize,
        /// Places that nobody touched.
        controls: usize,
    },
}

impl Doubt {
    /// Whether nothing that the data may still say can change it.
    pub const fn is_final(&self) -> bool {
        matches!(self, Doubt::Windows { .. })
    }

    /// The less is left to prove, the more.
    const fn weight(&self) -> u8 {
        match self {
            Doubt::Small { .. } => 1,
            Doubt::Spread { .. } => 2,
            Doubt::Count { .. } => 3,
            Doubt::Windows { .. } => 4,
        }
    }
}

/// The least doubt about a mend, and the indicator that leaves it; none where one of them can prove the mend.
/// `known_to_ms` tells of a KQI how far its windows are known, event time.
pub fn doubt<'c, 'a>(
    indicators: &[&'c Compared<'a>],
    rules: &EffectRules,
    known_to_ms: impl Fn(&str) -> i64,
) -> Option<(&'c Compared<'a>, Doubt)> {
    let all = indicators.len().max(1) as f64;
    let doubts = indicators.iter().map(|of| {
        // As in a report, they share the error.
        let error = rules.spent(of.mend.looks) / all;
        (*of, of.doubt(rules, error, known_to_ms(of.kqi)))
    });
    let mut least: Option<(&Compared<'_>, Doubt)> = None;
    for (of, doubt) in doubts {
        let doubt = doubt?;
        if least.is_none_or(|(_, known)| doubt.weight() < known.weight()) {
            least = Some((of, doubt));
        }
    }
    least
}

impl Compared<'_> {
    fn doubt(&self, rules: &EffectRules, error: f64, known_to_ms: i64) -> Option<Doubt> {
        let periods = self.periods(rules);
        if !periods.has_enough() {
            return Some(Doubt::Windows {
                found: periods.blocks().count(),
                wanted: PAIRS_MIN,
                window_ms: self.window_ms,
            });
        }
        let longer = periods.coarser().filter(|_| !self.is_count);
        let mut least: Option<Doubt> = None;
        for periods in std::iter::once(periods).chain(longer) {
            let doubt = self.doubt_in(&periods, rules, error, known_to_ms)?;
            if least.is_none_or(|known| doubt.weight() < known.weight()) {
                least = Some(doubt);
            }
        }
        least
    }

    /// The doubt in blocks of one length; none where there is none, or nothing to tell it by.
    fn doubt_in(
        &self,
        periods: &Periods,
        rules: &EffectRules,
        error: f64,
        known_to_ms: i64,
    ) -> Option<Doubt> {
        let matched = self.matched(periods)?;
        let error = self.error_of(periods, error);
        let before = filled(&matched.treated.now, periods, known_to_ms)?;
        let controls = matched.controls.iter();
        let controls = controls.map(|(_, of)| unchanged(of, periods, known_to_ms));
        let controls: Vec<Course> = controls.collect();
        let found = |share: f64| {
            let treated = self.foreseen(&matched.treated, &before, share)?;
            let found = compare(&treated, &controls, self.is_count, error, rules);
            let is_proven = found.is_ok_and(|estimate| {
                let estimate = self.with_base(estimate);
                read(&estimate, self.better, rules) == EffectVerdict::Effective
            });
            Some((found, is_proven))
        };
        let (all, is_proven) = found(1.0)?;
        let blocks = before.iter().flatten().count();
        match all {
            Err(Incomparable::Count { found, wanted }) => Some(Doubt::Count { found, wanted }),
            // What is missing may yet come.
            Err(_) => None,
            Ok(_) if !is_proven => Some(Doubt::Spread { blocks }),
            Ok(estimate) => {
                let is_proven = |share: &f64| found(*share).is_some_and(|(_, is_proven)| is_proven);
                let controls = estimate.controls;
                let small = |share: f64| Doubt::Small {
                    share,
                    blocks,
                    controls,
                };
                if is_proven(&rules.change_large) {
                    return None;
                }
                let share = SHARES.into_iter().find(is_proven);
                Some(small(share.unwrap_or(1.0)))
            }
        }
    }

    /// The treated place as a mend would leave it that takes such a share of the trouble, evenly; none where nobody can say
    /// what no trouble is.
    fn foreseen(&self, of: &Course, before: &Pairs, share: f64) -> Option<Course> {
        let well = match (self.better, self.ceiling) {
            (Better::Lower, _) => 0.0,
            (Better::Higher, Some(ceiling)) => ceiling,
            (Better::Higher, None) => return None,
        };
        let (all, blocks) = added(before.iter().flatten());
        let of_block = all.sum / blocks.max(1) as f64;
        let mean = all.mean().unwrap_or(well);
        // A hair more than the share: what is just as large must not fall short of it by rounding.
        let share = (share * 1.001).min(1.0);
        let value = mean + (well - mean) * share;
        Some(with_after(of, before, |before| Totals {
            sum: of_block * (1.0 - share),
            weighted: value * before.samples as f64,
            samples: before.samples,
        }))
    }
}

/// A place where nothing changes.
fn unchanged(of: &Course, periods: &Periods, known_to_ms: i64) -> Course {
    let before = filled(&of.now, periods, known_to_ms);
    with_after(of, before.as_ref().unwrap_or(&of.now), |before| before)
}

fn with_after(of: &Course, before: &Pairs, after: impl Fn(Totals) -> Totals) -> Course {
    let foreseen = |pair: &Pair| Pair {
        before: pair.before,
        after: after(pair.before),
    };
    let now = before.iter().map(|pair| pair.as_ref().map(foreseen));
    Course {
        now: now.collect(),
        earlier: of.earlier.clone(),
    }
}

/// What blocks have before the work, and how many they are.
fn added<'p>(pairs: impl Iterator<Item = &'p Pair>) -> (Totals, usize) {
    let add = |(mut all, count): (Totals, usize), pair: &Pair| {
        all += pair.before;
        (all, count + 1)
    };
    pairs.fold((Totals::default(), 0), add)
}

/// The blocks before the work, those that are not over as the mean of the others; none where nothing is known.
fn filled(pairs: &Pairs, periods: &Periods, known_to_ms: i64) -> Option<Pairs> {
    let blocks = periods.blocks().map(|(before_ms, _)| before_ms);
    let is_over = |start_ms: i64| start_ms + periods.block_ms <= known_to_ms;
    let blocks: Vec<(bool, Option<Pair>)> =
        blocks.map(is_over).zip(pairs.iter().copied()).collect();
    let over = blocks.iter().filter(|(is_over, _)| *is_over);
    let (all, count) = added(over.filter_map(|(_, pair)| pair.as_ref()));
    if count == 0 {
        return None;
    }
    let samples = all.samples / count as i64;
    let mean = Pair {
        before: Totals {
            sum: all.sum / count as f64,
            weighted: all.mean().unwrap_or(0.0) * samples as f64,
            samples,
        },
        after: Totals::default(),
    };
    let filled = blocks.into_iter().map(|(is_over, pair)| match is_over {
        true => pair,
        false => Some(mean),
    });
    Some(filled.collect())
}
