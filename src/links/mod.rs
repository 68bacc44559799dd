//! Signed links that let somebody act on a trigger from a mail: made here, and read here again.
//!
//! A link says which trigger, which act, for which reader, since which revision and until when; the
//! signature covers all of it. That it acts only once is the engine's decision, from the journal: a link of
//! a revision before the trigger came into its present state is refused.
//!
//! Invariants:
//! * nothing is read of a token before its signature has been found good;
//! * a reader's address is not in the link: logs of servers on the way do not learn it;
//! * the same key, notice and address make the same link, so a mail is the same bytes when made again.

mod key;
mod token;

pub use key::{KEY_BYTES_MIN, KeyError, LinkKey};
pub use token::{ACKNOWLEDGE, Link, LinkError, Links, UrlError};
