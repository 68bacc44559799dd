//! The rule book: text → checked values → a plan of work.

mod book;
mod plan;
mod predicate;

pub use book::*;
pub use plan::{Family, FamilyWindow, Plan};
pub use predicate::{Predicate, PredicateError};
