//! Which report of a recipient goes where there are too many.

use std::collections::BTreeMap;

use crate::event::MmsReceipt;

/// The place of the one that goes, of reports in order: the oldest that only repeats the word of the one before it, or one
/// that came before and comes again, or one that comes again, or else the oldest. A look at each.
pub(super) fn surplus(receipts: &[&MmsReceipt]) -> usize {
    let word = |at: usize| &*receipts[at].status;
    let repeats = (1..receipts.len()).find(|at| word(*at) == word(at - 1));
    if let Some(repeats) = repeats {
        return repeats;
    }
    // By word, where it was said first and last.
    let mut said: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for at in 0..receipts.len() {
        said.entry(word(at)).or_insert((at, at)).1 = at;
    }
    let span = |at: usize| said.get(word(at)).copied().unwrap_or((at, at));
    let between = (1..receipts.len()).find(|at| span(*at).0 < *at && *at < span(*at).1);
    let again = || (0..receipts.len()).find(|at| *at < span(*at).1);
    between.or_else(again).unwrap_or(0)
}
