//! Links of mails: one act, and only while the trigger stands as it did.

use crate::rules::Severity;
use crate::triggers::tests::bench::{Bench, HOUR};
use crate::triggers::{MoveError, NewsReason, Now, TriggerState};

fn check(bench: &Bench, id: &str, to: Option<TriggerState>, revision: u32) -> bool {
    bench.triggers.check_link(id, to, revision).is_ok()
}

#[test]
fn a_link_is_good_until_the_trigger_moves_and_never_again() {
    let mut bench = Bench::new();
    let id = bench.fire("k", "c1", Severity::Major).unwrap();
    let assigned = bench.get(&id).revision;
    let accept = Some(TriggerState::Accepted);
    assert!(check(&bench, &id, accept, assigned));
    // A reminder is another mail of the same state: both are good.
    let reminded = bench.pass(HOUR).last().unwrap().revision;
    assert!(check(&bench, &id, accept, assigned) && check(&bench, &id, accept, reminded));
    bench.go(&id, &[TriggerState::Accepted]);
    assert!(!check(&bench, &id, accept, assigned) && !check(&bench, &id, accept, reminded));
    // Back in the same state under another owner: the first one's link is not good again.
    bench.hand_over(&id, ("NET", "contact")).unwrap();
    assert_eq!(bench.get(&id).state, TriggerState::Dispatched);
    assert!(!check(&bench, &id, accept, reminded));
    assert!(check(&bench, &id, accept, bench.get(&id).revision));
    let over = bench.triggers.check_link(&id, accept, assigned);
    assert_eq!(
        over.unwrap_err().to_string(),
        "the link is over: trigger T-000001 is dispatched since it was sent"
    );
}

#[test]
fn a_hand_over_within_one_state_ends_the_links_before_it() {
    let mut bench = Bench::new();
    let id = bench.fire("k", "c1", Severity::Major).unwrap();
    let assigned = bench.get(&id).revision;
    bench.hand_over(&id, ("NET", "contact")).unwrap();
    assert!(!check(&bench, &id, Some(TriggerState::Accepted), assigned));
}

#[test]
fn a_link_to_acknowledge_acts_once_and_leaves_those_to_move() {
    let mut bench = Bench::new();
    let id = bench.fire("k", "c1", Severity::Major).unwrap();
    let reminded = bench.pass(HOUR).last().unwrap().revision;
    assert!(check(&bench, &id, None, reminded));
    let now = Now {
        book: &bench.book,
        at_ms: bench.now_ms,
    };
    bench.triggers.acknowledge(&id, "b", now).unwrap();
    assert!(!check(&bench, &id, None, reminded));
    assert!(check(&bench, &id, Some(TriggerState::Accepted), reminded));
}

#[test]
fn who_used_a_link_hears_of_it_and_the_owner_finds_the_next_step() {
    let mut bench = Bench::new();
    let id = bench.fire("k", "c1", Severity::Major).unwrap();
    bench.go(&id, &[TriggerState::Accepted]);
    bench.triggers.take_news();
    let now = Now {
        book: &bench.book,
        at_ms: bench.now_ms,
    };
    bench.triggers.tell_progress(&id, "b", now).unwrap();
    let news = bench.triggers.take_news();
    assert_eq!(news.len(), 1);
    assert_eq!(news[0].reason, NewsReason::Progressed);
    // The owner himself, once, with his role.
    assert_eq!(news[0].recipients.len(), 1);
    assert!(news[0].recipients[0].1.is_some());
    let unknown = bench.triggers.tell_progress("T-9", "b", now);
    assert!(matches!(unknown, Err(MoveError::Unknown { .. })));
    // Steps that mail something themselves need no more.
    bench.go(&id, &[TriggerState::InProgress, TriggerState::Mended]);
    bench.triggers.take_news();
    let now = Now {
        book: &bench.book,
        at_ms: bench.now_ms,
    };
    bench.triggers.tell_progress(&id, "b", now).unwrap();
    assert!(bench.triggers.take_news().is_empty());
}
