//! The rule book: text → checked values → a plan of work.

mod book;
mod predicate;

pub use book::*;
pub use predicate::{DimensionValue, Predicate, PredicateError};
