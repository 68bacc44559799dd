//! Dimension values and tuples, and the layout that says which dimensions are kept.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet, FxHasher};
use serde::{Deserialize, Serialize};

use crate::event::{FailureClasses, Stream};
use crate::measure::Parts;

/// A dimension's value in one tuple.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum DimensionValue {
    /// The field was absent.
    Null,
    /// A flag.
    Flag(bool),
    /// A whole number.
    Integer(i64),
    /// Text.
    Text(Arc<str>),
}

impl fmt::Display for DimensionValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DimensionValue::Null => Ok(()),
            DimensionValue::Flag(flag) => flag.fmt(f),
            DimensionValue::Integer(number) => number.fmt(f),
            DimensionValue::Text(text) => text.fmt(f),
        }
    }
}

/// What rules may know about a fact's measured value without seeing it: the smallest of the
/// stream's limits that it does not exceed.
///
/// It is part of the tuple, so "at most 30 s" has one answer for the whole tuple, exact at the edge,
/// and the answer survives later rule books with other limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Bound(u64);

impl Bound {
    /// The fact carries no measured value.
    pub const NO_VALUE: Bound = Bound(u64::MAX);
    /// The value exceeds every limit, or there is none.
    pub const UNLIMITED: Bound = Bound(f64::INFINITY.to_bits());

    /// Whether the value is known to be at most `limit`.
    ///
    /// A limit that no rule had when the fact was counted is judged on the safe side.
    pub fn is_within(self, limit: f64) -> bool {
        self != Bound::NO_VALUE && f64::from_bits(self.0) <= limit
    }

    /// The bound of these bits.
    pub(super) fn from_bits(bits: u64) -> Bound {
        Bound(bits)
    }

    /// The bits, for keys.
    pub fn to_bits(self) -> u64 {
        self.0
    }
}

/// One distinct combination of kept dimension values of a stream; rules are evaluated once for it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(from = "Values")]
pub struct Tuple {
    /// Stream the fact belongs to.
    pub stream: Stream,
    /// What is known of the measured value.
    pub bound: Bound,
    /// One value for each of [`StreamLayout::dimensions`], in that order. Layouts of one run only
    /// ever grow at the end, so a shorter tuple of an earlier layout reads `Null` for the rest.
    pub values: Box<[DimensionValue]>,
    /// Hash of all the others: tuples are looked up by many tables, and their values lie far apart.
    #[serde(skip_serializing)]
    hash: u64,
}

/// A tuple as it is written.
#[derive(Deserialize)]
struct Values {
    stream: Stream,
    bound: Bound,
    values: Box<[DimensionValue]>,
}

impl From<Values> for Tuple {
    fn from(written: Values) -> Tuple {
        Tuple::new(written.stream, written.bound, written.values)
    }
}

impl Tuple {
    /// The tuple of these values.
    pub fn new(stream: Stream, bound: Bound, values: Box<[DimensionValue]>) -> Tuple {
        let mut hasher = FxHasher::default();
        (stream, bound, &values).hash(&mut hasher);
        Tuple {
            stream,
            bound,
            values,
            hash: hasher.finish(),
        }
    }
}

impl Tuple {
    /// The hash of all its fields.
    pub fn fingerprint(&self) -> u64 {
        self.hash
    }
}

impl Hash for Tuple {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

/// Which dimensions of a stream are kept, in tuple order, and what else rules need of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StreamLayout {
    /// Names of the kept dimensions.
    pub dimensions: Vec<String>,
    /// Limits that rules compare measured values with, ascending.
    pub limits: Vec<f64>,
    /// Parts of the measure that rules need.
    pub parts: Parts,
}

impl StreamLayout {
    /// What rules may know about a measured value.
    pub fn bound_of(&self, value: Option<f64>) -> Bound {
        match value {
            Some(value) => self
                .limits
                .iter()
                .find(|limit| value <= **limit)
                .map_or(Bound::UNLIMITED, |limit| Bound(limit.to_bits())),
            None => Bound::NO_VALUE,
        }
    }
}

/// What decoding must know of the rules: a value, so that `event` depends on no rule.
#[derive(Clone, Debug, PartialEq)]
pub struct Layout {
    /// Fingerprint: equal exactly for equal layouts.
    pub version: u64,
    /// One layout a stream, by [`Stream::index`].
    pub streams: [StreamLayout; Stream::ALL.len()],
    /// Services that may appear; `None` accepts any.
    pub services: Option<FxHashSet<String>>,
    /// Other names of services, each with the service's own.
    pub aliases: Arc<FxHashMap<String, Arc<str>>>,
    /// Names of gauges that rates refer to.
    pub references: FxHashSet<String>,
    /// Status words of receipts that mean something; case does not matter.
    pub statuses: FxHashSet<String>,
    /// Failure classes of dial tests; without them `code` is any text.
    pub failures: Option<Arc<FailureClasses>>,
}

impl Layout {
    /// The layout of one stream.
    pub fn of(&self, stream: Stream) -> &StreamLayout {
        &self.streams[stream.index()]
    }

    /// The service's own name, where this is another one of it.
    pub fn service_of(&self, name: Option<&str>) -> Option<Arc<str>> {
        if self.aliases.is_empty() {
            return None;
        }
        self.aliases.get(name?).cloned()
    }

    /// Whether a receipt's status word means something.
    pub fn knows_status(&self, word: &str) -> bool {
        let word = word.trim();
        self.statuses
            .iter()
            .any(|known| known.eq_ignore_ascii_case(word))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_is_exact_at_the_edge() {
        let layout = StreamLayout {
            limits: vec![30_000.0, 60_000.0],
            ..StreamLayout::default()
        };
        for (value, within) in [
            (30_000.0, true),
            (30_000.1, false),
            (0.0, true),
            (61_000.0, false),
        ] {
            assert_eq!(
                layout.bound_of(Some(value)).is_within(30_000.0),
                within,
                "{value}"
            );
        }
        assert!(!layout.bound_of(None).is_within(60_000.0));
        assert!(
            !layout.bound_of(Some(10.0)).is_within(20_000.0),
            "a limit nobody had"
        );
    }
}
