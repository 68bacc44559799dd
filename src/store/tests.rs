//! The ledger against a real SQLite, in memory and on disk.

use super::*;

fn entry(id: &str, incident: &str, revision: u32) -> Entry {
    Entry {
        id: id.to_owned(),
        incident: incident.to_owned(),
        revision,
        reason: "first".to_owned(),
        recipient: "noc@example.com".to_owned(),
        urgency: 1,
        message_id: format!("{id}@example.com"),
        notice: format!("notice {id}").into_bytes(),
        decided_at_ms: 1_000,
        digest: None,
    }
}

/// Begins an attempt with the message `eml of` the notice.
async fn sending(ledger: &Ledger, id: &str) -> bool {
    let eml = format!("eml of {id}");
    let attempt = Attempt {
        id,
        message: Some(("[告警] 体验卡 长沙", eml.as_bytes())),
    };
    ledger.mark_sending(&[attempt]).await.unwrap() == [true]
}

async fn due_ids(ledger: &Ledger, now_ms: i64) -> Vec<String> {
    ledger
        .due(now_ms, 100, &Lane::ALL)
        .await
        .unwrap()
        .into_iter()
        .map(|due| due.id)
        .collect()
}

#[tokio::test]
async fn a_replayed_epoch_is_skipped_and_a_known_notice_left_alone() {
    let ledger = Ledger::in_memory().await.unwrap();
    assert_eq!(ledger.decided_upto().await.unwrap(), None);
    let two = [entry("a", "i", 1), entry("b", "j", 1)];
    assert_eq!(
        ledger.record(7, &two).await.unwrap(),
        Recorded { new: 2, known: 0 }
    );
    assert_eq!(
        ledger.record(7, &two).await.unwrap(),
        Recorded { new: 0, known: 2 }
    );
    // Epoch boundaries may differ in a replay: the id alone stops the second copy.
    let mixed = [entry("b", "j", 1), entry("c", "k", 1)];
    assert_eq!(
        ledger.record(8, &mixed).await.unwrap(),
        Recorded { new: 1, known: 1 }
    );
    assert_eq!(
        ledger.record(3, &[entry("d", "l", 1)]).await.unwrap().new,
        0
    );
    assert_eq!(ledger.decided_upto().await.unwrap(), Some(8));
    assert_eq!(due_ids(&ledger, 0).await, ["a", "b", "c"]);
}

#[tokio::test]
async fn an_epoch_without_notices_still_moves_decided_upto() {
    let ledger = Ledger::in_memory().await.unwrap();
    ledger.record(1, &[]).await.unwrap();
    assert_eq!(ledger.decided_upto().await.unwrap(), Some(1));
}

#[tokio::test]
async fn survives_a_crash_between_sending_and_sent() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(dir.path()).await.unwrap();
    ledger.record(1, &[entry("a", "i", 1)]).await.unwrap();
    assert!(sending(&ledger, "a").await);
    assert!(!sending(&ledger, "a").await, "an attempt is under way");
    drop(ledger);

    let ledger = Ledger::open(dir.path()).await.unwrap();
    assert_eq!(due_ids(&ledger, i64::MAX).await, Vec::<String>::new());
    assert_eq!(ledger.requeue(&Lane::ALL).await.unwrap(), 1);
    let due = ledger.due(0, 10, &Lane::ALL).await.unwrap();
    assert_eq!((due[0].id.as_str(), due[0].attempts), ("a", 1));
    assert!(sending(&ledger, "a").await);
    assert!(ledger.mark_sent("a", 5_000).await.unwrap());
    assert_eq!(ledger.requeue(&Lane::ALL).await.unwrap(), 0);
    let row = &ledger.list(Some(DeliveryState::Sent), 10, 0).await.unwrap()[0];
    assert_eq!(
        (row.attempts, row.settled_at_ms, row.last_error.as_ref()),
        (2, Some(5_000), None)
    );
    ledger.close().await;
}

#[tokio::test]
async fn retries_at_the_time_given_and_dies_when_told() {
    let ledger = Ledger::in_memory().await.unwrap();
    ledger.record(1, &[entry("a", "i", 1)]).await.unwrap();
    sending(&ledger, "a").await;
    ledger
        .mark_failed("a", Failed::RetryAt(9_000), &"x".repeat(2_000), "permanent")
        .await
        .unwrap();
    assert_eq!(due_ids(&ledger, 8_999).await, Vec::<String>::new());
    assert_eq!(
        ledger.next_due_at_ms(&Lane::ALL).await.unwrap(),
        Some(9_000)
    );
    assert_eq!(due_ids(&ledger, 9_000).await, ["a"]);
    sending(&ledger, "a").await;
    ledger
        .mark_failed("a", Failed::Dead(9_500), "550 no such user", "permanent")
        .await
        .unwrap();
    let row = &ledger.list(Some(DeliveryState::Dead), 10, 0).await.unwrap()[0];
    assert_eq!(row.last_error.as_deref(), Some("550 no such user"));
    assert_eq!(
        ledger.counts().await.unwrap(),
        Counts {
            dead: 1,
            ..Counts::default()
        }
    );
}

#[tokio::test]
async fn only_dead_letters_are_resent() {
    let ledger = Ledger::in_memory().await.unwrap();
    ledger.record(1, &[entry("a", "i", 1)]).await.unwrap();
    assert_eq!(
        ledger.resend("nobody", "duty", None, 5).await.unwrap(),
        Resent::Unknown
    );
    assert_eq!(
        ledger.resend("a", "duty", None, 5).await.unwrap(),
        Resent::NotDead(DeliveryState::Queued)
    );
    sending(&ledger, "a").await;
    ledger
        .mark_failed("a", Failed::Dead(1), "550", "permanent")
        .await
        .unwrap();
    assert_eq!(
        ledger.resend("a", "duty", None, 5).await.unwrap(),
        Resent::Queued
    );
    assert_eq!(ledger.due(0, 1, &Lane::ALL).await.unwrap()[0].attempts, 0);
}

#[tokio::test]
async fn what_cannot_become_a_message_is_a_dead_letter_and_can_be_resent() {
    let ledger = Ledger::in_memory().await.unwrap();
    ledger.record(1, &[entry("a", "i", 1)]).await.unwrap();
    assert!(ledger.mark_refused("a", "no address", 70).await.unwrap());
    assert!(!ledger.mark_refused("a", "again", 71).await.unwrap());
    assert_eq!(due_ids(&ledger, i64::MAX).await, Vec::<String>::new());
    let row = &ledger.list(Some(DeliveryState::Dead), 10, 0).await.unwrap()[0];
    assert_eq!(
        (row.attempts, row.settled_at_ms, row.last_error.as_deref()),
        (0, Some(70), Some("no address"))
    );
    assert_eq!(row.subject, None);
    assert_eq!(
        ledger.resend("a", "duty", None, 5).await.unwrap(),
        Resent::Queued
    );
    let due = &ledger.due(0, 1, &Lane::ALL).await.unwrap()[0];
    assert_eq!((due.notice.as_slice(), &due.eml), (&b"notice a"[..], &None));
}

#[tokio::test]
async fn the_first_message_stays() {
    let ledger = Ledger::in_memory().await.unwrap();
    ledger.record(1, &[entry("a", "i", 1)]).await.unwrap();
    assert_eq!(ledger.eml("a").await.unwrap(), None);
    let later = Attempt {
        id: "a",
        message: Some(("other", b"other")),
    };
    for attempt in [
        None,
        Some(later),
        Some(Attempt {
            message: None,
            ..later
        }),
    ] {
        match attempt {
            None => assert!(sending(&ledger, "a").await),
            Some(attempt) => assert_eq!(ledger.mark_sending(&[attempt]).await.unwrap(), [true]),
        }
        assert_eq!(ledger.eml("a").await.unwrap().unwrap(), b"eml of a");
        ledger.requeue(&Lane::ALL).await.unwrap();
    }
    let row = &ledger.list(None, 10, 0).await.unwrap()[0];
    assert_eq!(row.subject.as_deref(), Some("[告警] 体验卡 长沙"));
    assert_eq!(
        ledger.due(0, 1, &Lane::ALL).await.unwrap()[0]
            .eml
            .as_ref()
            .unwrap(),
        b"eml of a"
    );
    let stranger = Attempt { id: "b", ..later };
    assert_eq!(
        ledger.mark_sending(&[later, stranger]).await.unwrap(),
        [true, false]
    );
}

#[tokio::test]
async fn a_thread_is_sent_in_order_and_others_do_not_wait_for_it() {
    let ledger = Ledger::in_memory().await.unwrap();
    let three = [
        entry("i1", "i", 1),
        entry("i2", "i", 2),
        entry("j1", "j", 1),
    ];
    ledger.record(1, &three).await.unwrap();
    assert_eq!(due_ids(&ledger, 0).await, ["i1", "j1"]);
    sending(&ledger, "i1").await;
    assert_eq!(due_ids(&ledger, 0).await, ["j1"]);
    // A dead letter does not hold back the end of its incident.
    ledger
        .mark_failed("i1", Failed::Dead(0), "550", "permanent")
        .await
        .unwrap();
    assert_eq!(due_ids(&ledger, 0).await, ["i2", "j1"]);
}

#[tokio::test]
async fn sheds_the_oldest_beyond_the_limit_and_forgets_what_is_settled() {
    let ledger = Ledger::in_memory().await.unwrap();
    let all: Vec<Entry> = (0..5)
        .map(|n| entry(&format!("n{n}"), &format!("i{n}"), 1))
        .collect();
    ledger.record(1, &all).await.unwrap();
    assert_eq!(ledger.shed(5, 10).await.unwrap(), 0);
    assert_eq!(ledger.shed(3, 10).await.unwrap(), 2);
    assert_eq!(due_ids(&ledger, 0).await, ["n2", "n3", "n4"]);
    let dead = ledger.list(Some(DeliveryState::Dead), 10, 0).await.unwrap();
    assert_eq!(
        dead[1].last_error.as_deref(),
        Some("the delivery queue was over its limit of 3")
    );
    assert_eq!(ledger.forget(10).await.unwrap(), 0);
    assert_eq!(ledger.forget(11).await.unwrap(), 2);
    assert_eq!(ledger.list(None, 10, 0).await.unwrap().len(), 3);
}

#[tokio::test]
async fn keeps_the_bytes_and_pages_newest_first() {
    let ledger = Ledger::in_memory().await.unwrap();
    let all: Vec<Entry> = (0..5)
        .map(|n| entry(&format!("n{n}"), &format!("i{n}"), 1))
        .collect();
    ledger.record(1, &all).await.unwrap();
    sending(&ledger, "n3").await;
    assert_eq!(ledger.eml("n3").await.unwrap().unwrap(), b"eml of n3");
    assert_eq!(ledger.eml("none").await.unwrap(), None);
    let page = ledger.list(None, 2, 1).await.unwrap();
    assert_eq!(
        page.iter().map(|row| row.id.as_str()).collect::<Vec<_>>(),
        ["n3", "n2"]
    );
}

#[tokio::test]
async fn two_writers_wait_for_each_other() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(dir.path()).await.unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..20_u64 {
        let ledger = ledger.clone();
        tasks.spawn(async move {
            let id = format!("n{n}");
            ledger.record(n, &[entry(&id, &id, 1)]).await.map(|_| ())
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap().unwrap();
    }
    assert_eq!(ledger.decided_upto().await.unwrap(), Some(19));
}

#[tokio::test]
async fn says_which_file_cannot_be_opened() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(
        dir.path().join("ledger.sqlite"),
        b"this is not a database at all",
    )
    .unwrap();
    let error = Ledger::open(dir.path()).await.unwrap_err();
    let path = dir.path().join("ledger.sqlite");
    assert_eq!(
        error.to_string(),
        format!("cannot open ledger {}", path.display())
    );
}

#[tokio::test]
async fn a_full_disk_is_told_as_such_and_leaves_no_transaction_stuck() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(dir.path()).await.unwrap();
    let many: Vec<Entry> = (0..500).map(|n| entry(&format!("n{n}"), "i", n)).collect();
    // No further page for any connection: what SQLite answers on a disk that is full.
    let mut connections = Vec::new();
    for _ in 0..4 {
        let mut connection = ledger.pool.acquire().await.unwrap();
        let limit = sqlx::query("PRAGMA max_page_count = 1");
        limit.execute(&mut *connection).await.unwrap();
        connections.push(connection);
    }
    drop(connections);
    let error = ledger.record(1, &many).await.unwrap_err();
    assert!(error.is_full(), "{error:?}");
    assert_eq!(ledger.decided_upto().await.unwrap(), None);
    // A connection goes with the transaction that it could not end, and who comes after it has room.
    let mut recorded = None;
    for _ in 0..9 {
        match ledger.record(1, &many).await {
            Ok(done) => recorded = Some(done),
            Err(error) => assert!(error.is_full(), "{error:?}"),
        }
    }
    assert_eq!(recorded, Some(Recorded { new: 0, known: 500 }));
    assert_eq!(ledger.counts().await.unwrap().queued, 500);
    ledger.execute("DROP TABLE meta").await;
    let error = ledger.record(2, &[]).await.unwrap_err();
    assert!(!error.is_full(), "{error:?}");
    ledger.close().await;
}

#[tokio::test]
async fn all_dead_letters_of_a_filter_are_resent_in_order_and_the_others_stay() {
    let ledger = Ledger::in_memory().await.unwrap();
    let mut entries: Vec<Entry> = (0..6)
        .map(|n| entry(&format!("n{n}"), &format!("i{}", n % 2), n))
        .collect();
    entries[5].recipient = "Boss@Example.com".to_owned();
    ledger.record(1, &entries).await.unwrap();
    for n in [0, 1, 2, 3, 5] {
        let id = format!("n{n}");
        sending(&ledger, &id).await;
        let failure = if n == 3 { "permanent" } else { "transient" };
        ledger
            .mark_failed(&id, Failed::Dead(5), "x", failure)
            .await
            .unwrap();
    }
    let wanted = |limit| DeadLetters {
        limit,
        ..DeadLetters::default()
    };
    let one = DeadLetters {
        recipient: Some("boss@example.com".to_owned()),
        failure: Some("transient".to_owned()),
        ..wanted(10)
    };
    assert_eq!(resent(&ledger, &one).await, (1, 1, 0));
    let one = DeadLetters {
        incident: Some("i1".to_owned()),
        ..wanted(1)
    };
    // The oldest first, and how many are left.
    assert_eq!(resent(&ledger, &one).await, (1, 1, 1));
    assert_eq!(ledger.delivery("n1").await.unwrap().unwrap().attempts, 0);
    assert_eq!(resent(&ledger, &wanted(10)).await, (3, 3, 0));
    assert_eq!(resent(&ledger, &wanted(10)).await, (0, 0, 0));
    let counts = ledger.counts().await.unwrap();
    assert_eq!((counts.queued, counts.dead), (6, 0));
    let row = ledger.delivery("n3").await.unwrap().unwrap();
    assert_eq!(row.resent, Some(("w".to_owned(), 9)));
}

/// How many dead letters, in how many mails, and how many are left.
async fn resent(ledger: &Ledger, wanted: &DeadLetters) -> (u64, u64, u64) {
    let all = ledger.resend_all(wanted, "w", Some("why"), 9).await;
    let all = all.unwrap();
    (all.dead_letters, all.mails, all.left)
}

#[tokio::test]
async fn a_dead_digest_is_resent_once_with_all_that_it_tells_and_an_incident_by_itself() {
    let ledger = Ledger::in_memory().await.unwrap();
    ledger
        .record(
            1,
            &["a", "b", "c"].map(|id| entry(id, &format!("of {id}"), 1)),
        )
        .await
        .unwrap();
    let fold = Fold {
        id: "digest",
        message_id: "digest@example.com",
        recipient: "noc@example.com",
        urgency_max: 9,
        now_ms: 1,
        until_ms: 2,
    };
    assert_eq!(ledger.fold(&fold).await.unwrap(), Some(3));
    sending(&ledger, "digest").await;
    ledger
        .mark_failed("digest", Failed::Dead(5), "x", "transient")
        .await
        .unwrap();
    assert_eq!(ledger.counts().await.unwrap().dead, 4);
    let wanted = |incident: Option<&str>| DeadLetters {
        incident: incident.map(str::to_owned),
        failure: Some("transient".to_owned()),
        limit: 10,
        ..DeadLetters::default()
    };
    assert_eq!(resent(&ledger, &wanted(Some("of b"))).await, (1, 1, 0));
    assert_eq!(due_ids(&ledger, 9).await, ["b"]);
    assert!(sending(&ledger, "b").await && ledger.mark_sent("b", 9).await.unwrap());
    assert_eq!(resent(&ledger, &wanted(None)).await, (3, 1, 0));
    assert_eq!(due_ids(&ledger, 9).await, ["digest"]);
}

#[tokio::test]
async fn a_ledger_that_is_too_large_forgets_what_was_sent_first_and_never_what_waits() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(folder.path()).await.unwrap();
    let empty = ledger.bytes().await.unwrap();
    let entries: Vec<Entry> = (0..1_500)
        .map(|n| Entry {
            notice: vec![7; 2_000],
            ..entry(&format!("n{n}"), &format!("i{n}"), 1)
        })
        .collect();
    ledger.record(1, &entries).await.unwrap();
    for n in 0..1_000 {
        let id = format!("n{n}");
        sending(&ledger, &id).await;
        if n < 100 {
            ledger
                .mark_failed(&id, Failed::Dead(5), "x", "permanent")
                .await
                .unwrap();
        } else {
            ledger.mark_sent(&id, 5).await.unwrap();
        }
    }
    let full = ledger.bytes().await.unwrap();
    assert!(full > empty + 3_000_000, "{empty} {full}");
    let bound = empty + (full - empty) * 8 / 10;
    let gone = ledger.forget_beyond(bound).await.unwrap();
    assert!((400..=900).contains(&gone), "{gone}");
    assert!(ledger.bytes().await.unwrap() <= bound);
    let counts = ledger.counts().await.unwrap();
    assert_eq!(
        (counts.queued, counts.dead, counts.sent),
        (500, 100, 900 - gone)
    );
    // Even one that may hold nothing keeps what waits.
    ledger.forget_beyond(1).await.unwrap();
    let counts = ledger.counts().await.unwrap();
    assert_eq!((counts.queued, counts.dead, counts.sent), (500, 0, 0));
}

#[tokio::test]
async fn a_ledger_begun_anew_is_whole_and_the_one_before_is_set_aside() {
    let folder = tempfile::tempdir().unwrap();
    // What a death in the middle of it left.
    std::fs::write(folder.path().join("ledger.sqlite.making"), "half").unwrap();
    let anew = |upto, now_ms| Ledger::begin_anew(folder.path(), upto, 9, now_ms);
    assert_eq!(anew(Some(8), 1).await.unwrap(), None);
    let ledger = Ledger::open(folder.path()).await.unwrap();
    assert_eq!(ledger.decided_upto().await.unwrap(), Some(8));
    assert_eq!(ledger.begun_at().await.unwrap(), Some(9));
    ledger.record(9, &[entry("a", "i", 1)]).await.unwrap();
    ledger.close().await;
    let aside = anew(None, 2).await.unwrap().unwrap();
    assert!(aside.ends_with("ledger.aside-2.sqlite"), "{aside:?}");
    let ledger = Ledger::open(folder.path()).await.unwrap();
    assert_eq!(ledger.decided_upto().await.unwrap(), None);
    assert_eq!(ledger.counts().await.unwrap().queued, 0);
}
