//! Scores up the tree: objects → KQI → layer → service → boards (domain facts G8, C12; part B2), and down
//! again: which layer, KQI and dimension values a bad score comes from. Pure.
//!
//! Invariants:
//! * a KQI's score is the mean over its judged objects, so a KQI with many objects does not outvote others;
//! * what has no data takes no part: weights are made to sum to one again without it, and it shows as
//!   empty. No data is neither 0 nor 5 (H15);
//! * beside every mean stands the minimum, because a mean hides what is worst.

mod contribution;
mod tree;

pub use contribution::{Amount, Contribution, Shares, SumsBy, contributions, stands};
pub use tree::{Board, KqiHealth, LayerHealth, Measured, ServiceHealth, board, health};
