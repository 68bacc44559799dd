use super::*;
use crate::complaints::tests::ticket;
use crate::rules::testing::{MINIMAL, book};

const DAY: Range<i64> = 1_000..2_000;
const A: &str = "投诉/甲";
const B: &str = "投诉/乙";

/// A version of the ticket `S` in a file.
fn line(version: Option<i64>, ts_ms: i64, state: TicketState) -> Complaint {
    Complaint {
        ts_ms,
        version,
        serial: "S".into(),
        state,
        path: Some(A.into()),
        node: None,
        service: None,
        city: Some("长沙".into()),
        subscriber: None,
        channel: None,
        escalated: None,
        cause: None,
        class: None,
        answers: Box::default(),
        began_ms: None,
        ended_ms: None,
        source: None,
    }
}

/// The same on record, filed at `filed_ms`.
fn known(version: Option<i64>, ts_ms: i64, state: TicketState, filed_ms: i64) -> TicketDetail {
    TicketDetail {
        filed_ms: Some(filed_ms),
        path: Some(A.into()),
        city: Some("长沙".into()),
        ..ticket(state, ts_ms, version)
    }
}

fn because(cause: &str, ticket: TicketDetail) -> TicketDetail {
    TicketDetail {
        cause: Some(cause.into()),
        ..ticket
    }
}

fn of_city(city: Option<&str>, file: &[Complaint], record: &[TicketDetail]) -> Reconciled {
    let scope = Scope {
        day_ms: DAY,
        city: city.map(str::to_owned),
    };
    let (file, record) = (file.iter().cloned(), record.iter().cloned());
    reconcile(file, record, &scope, &book(MINIMAL))
}

fn of(file: &[Complaint], record: &[TicketDetail]) -> Reconciled {
    of_city(None, file, record)
}

/// Of each word: state, version, time and cause.
fn words(found: &Reconciled) -> Vec<(&str, Option<i64>, i64, Option<&str>)> {
    let words = found.words.iter();
    words
        .map(|word| (word.state, word.version, word.ts_ms, word.cause.as_deref()))
        .collect()
}

fn whys(found: &Reconciled) -> Vec<&str> {
    found.apart.iter().map(|apart| apart.why.name()).collect()
}

use TicketState::{Closed, Confirmed, Excluded, Filed, Reclassified, Withdrawn};

#[test]
fn what_the_file_of_the_day_before_took_back_counts_again_on_its_own_day_and_no_file_takes_it_back_twice()
 {
    // Filed at 998 by the stream, at 1,005 by this file, and taken back as of the end of the day before.
    let gone = because(NOT_IN_FULL_FILE, known(Some(2), 1_000, Withdrawn, 998));
    let file = [line(Some(1), 1_005, Filed)];
    let found = of(&file, std::slice::from_ref(&gone));
    let back = ("reclassified", Some(2), 1_001, Some(IN_ANOTHER_FILE));
    assert_eq!((words(&found), found.returned), (vec![back], 1));
    assert_eq!(found.words[0].path.as_deref(), Some(A));
    // It counts on the day before, and the answer says so.
    assert_eq!(
        (whys(&found), found.apart[0].filed_ms),
        (vec!["another_day"], Some(998))
    );
    assert_eq!(
        (&found.only_in_file[..], found.on_record),
        (&["S".to_owned()][..], 0)
    );
    assert!(!found.agrees(0));
    // Its own day's file lacks it still, and leaves it.
    let back = because(IN_ANOTHER_FILE, known(Some(2), 1_001, Reclassified, 1_500));
    let found = of(&[], &[back]);
    assert_eq!((found.only_on_record.len(), found.lost().count()), (1, 0));
    assert!(!found.agrees(0));
    // What a file of its own day had brought back is lost like any other.
    let back = because(IN_FILE, known(Some(2), 1_501, Reclassified, 1_500));
    let found = of(&[], &[back]);
    assert_eq!(found.lost().count(), 1);
    assert!(found.agrees(1) && !found.agrees(0));
    // Of its own day it is back without a mark.
    let gone = because(NOT_IN_FULL_FILE, known(None, 2_000, Withdrawn, 1_500));
    let found = of(&[line(None, 1_500, Filed)], &[gone]);
    let back = ("reclassified", None, 2_001, Some(IN_FILE));
    assert_eq!((words(&found), found.returned), (vec![back], 1));
    assert!(found.agrees(0));
}

#[test]
fn a_ticket_that_another_days_file_names_first_is_marked_once() {
    let file = [line(None, 1_005, Filed)];
    let counted = known(None, 998, Closed, 998);
    let found = of(&file, std::slice::from_ref(&counted));
    // The file's line is the newer, so that it must be closed again.
    assert_eq!(
        words(&found),
        [("closed", None, 1_006, Some(IN_ANOTHER_FILE))]
    );
    let marked = because(IN_ANOTHER_FILE, known(None, 1_006, Closed, 998));
    let found = of(&file, &[marked]);
    assert_eq!((words(&found), whys(&found)), (vec![], vec!["another_day"]));
    // What was found of it is not written over.
    let cause = because("expired_alone", known(None, 1_500, Confirmed, 998));
    assert!(of(&file, &[cause]).words.is_empty());
    // One that only the file names, of a day that is not its own.
    let found = of(&[line(None, 2_500, Filed)], &[]);
    assert_eq!(
        words(&found),
        [("reclassified", None, 2_501, Some(IN_ANOTHER_FILE))]
    );
    // Another city's file is another file.
    let found = of_city(
        Some("株洲"),
        &[line(None, 1_500, Filed)],
        &[known(None, 1_600, Reclassified, 1_500)],
    );
    assert_eq!((whys(&found), found.words.len()), (vec!["another_city"], 1));
}

#[test]
fn whether_an_excluded_ticket_counts_is_as_the_newer_says_and_else_as_the_file() {
    for (ts_ms, said, why) in [
        (1_400, vec![], vec![]),
        (
            1_500,
            vec![("reclassified", None, 1_501, Some(IN_FILE))],
            vec![],
        ),
        (1_600, vec![], vec!["excluded"]),
    ] {
        let excluded = known(None, ts_ms, Excluded, 1_500);
        let found = of(&[line(None, 1_500, Filed)], &[excluded]);
        assert_eq!(
            (words(&found), whys(&found)),
            (said, why.clone()),
            "{ts_ms}"
        );
        assert_eq!((found.agrees(0), found.returned), (why.is_empty(), 0));
    }
    let withdrawn = known(Some(3), 1_400, Withdrawn, 1_300);
    let found = of(&[line(Some(1), 1_500, Filed)], &[withdrawn]);
    assert_eq!((words(&found), whys(&found)), (vec![], vec!["withdrawn"]));
}

#[test]
fn what_was_confirmed_or_closed_stays_so_when_a_file_tells_of_the_filing() {
    // The stream counts no versions, the file does: its filing is the newest version.
    for state in [Confirmed, Closed] {
        let ticket = known(None, 1_700, state, 1_500);
        let found = of(&[line(Some(1), 1_500, Filed)], &[ticket]);
        assert_eq!(words(&found), [(state.name(), Some(1), 1_501, None)]);
        assert!(found.agrees(0));
        // Sent again it finds its own word, and says nothing.
        let ticket = known(Some(1), 1_501, state, 1_500);
        assert!(
            of(&[line(Some(1), 1_500, Filed)], &[ticket])
                .words
                .is_empty()
        );
    }
    // A path that differs at the same version opens nothing either.
    let mut ticket = known(None, 1_500, Closed, 1_400);
    ticket.path = Some(B.into());
    let found = of(&[line(None, 1_500, Filed)], &[ticket]);
    assert_eq!(words(&found), [("closed", None, 1_501, None)]);
    assert_eq!(found.words[0].path.as_deref(), Some(A));
    // One that is closed in the file as well is as the file says.
    let found = of(
        &[line(Some(1), 1_500, Closed)],
        &[known(None, 1_700, Confirmed, 1_500)],
    );
    assert!(found.words.is_empty());
}

#[test]
fn what_a_file_takes_back_itself_counts_unless_it_was_told_of_after_that() {
    for (ts_ms, said, why) in [
        (1_400, vec![], vec![]),
        (1_500, vec![("withdrawn", None, 1_501, None)], vec![]),
        (1_600, vec![], vec!["still_counts"]),
    ] {
        let ticket = known(None, ts_ms, Reclassified, 1_300);
        let found = of(&[line(None, 1_500, Withdrawn)], &[ticket]);
        assert_eq!((words(&found), whys(&found)), (said, why), "{ts_ms}");
    }
}

#[test]
fn what_nobody_filed_counts_nowhere_and_is_named() {
    let found = of(&[line(None, 1_500, Closed)], &[]);
    assert_eq!((words(&found), whys(&found)), (vec![], vec!["not_filed"]));
    // With its filing in the same file it counts.
    let file = [line(None, 1_400, Filed), line(None, 1_500, Closed)];
    let found = of(&file, &[]);
    assert!(found.agrees(0) && found.words.is_empty());
}
