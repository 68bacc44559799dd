//! Evidence follows corrections; what people read at each step; counters of the process.

use crate::effect::EffectVerdict;
use crate::rules::{Contact, Severity};
use crate::triggers::tests::bench::{Bench, HOUR, measured, opening, path};
use crate::triggers::{NewsReason, Now, TriggerState};

#[test]
fn evidence_follows_corrections_while_the_trigger_is_open() {
    let mut bench = Bench::new();
    let label = "service=s;city=c1";
    let id = bench.fire("k", "c1", Severity::Minor).unwrap();
    let first_ms = bench.now_ms;
    for end_ms in [first_ms + 30, first_ms + 20] {
        let opening = opening(&bench.book, "k", "c1", Severity::Minor, end_ms);
        let evidence = opening.evidence.unwrap();
        let now = Now {
            book: &bench.book,
            at_ms: bench.now_ms,
        };
        bench
            .triggers
            .support_open(evidence, Severity::Minor, Vec::new(), now);
    }
    let ends = |bench: &Bench| {
        let evidence = bench.get(&id).evidence.iter();
        evidence
            .map(|e| (e.end_ms - first_ms, e.value.unwrap()))
            .collect::<Vec<_>>()
    };
    assert_eq!(ends(&bench), [(0, 60.0), (20, 60.0), (30, 60.0)]);
    let window = |end_ms: i64| (first_ms + end_ms - 5, first_ms + end_ms);
    bench
        .triggers
        .amend("k", label, window(20), Some((Some(70.0), None, 3)));
    bench.triggers.amend("k", label, window(0), None);
    bench.triggers.amend("far", label, window(30), None);
    assert_eq!(ends(&bench), [(20, 70.0), (30, 60.0)]);
    let before = bench.get(&id).history.len();
    let later_ms = bench.now_ms + 400;
    bench
        .triggers
        .withdraw("k", label, "another", false, "x", later_ms);
    assert_eq!(bench.get(&id).history.len(), before);
    for end_ms in [20, 30] {
        let incident = format!("i{}", first_ms + end_ms);
        bench
            .triggers
            .withdraw("k", label, &incident, true, "it never was", later_ms);
    }
    assert_eq!(ends(&bench), []);
    let last = bench.get(&id).history.last().unwrap();
    assert_eq!(
        (last.at_ms, &*last.actor, last.reason.as_deref()),
        (later_ms, "engine", Some("cause withdrawn: it never was"))
    );
    // What a closed trigger was decided on stays as it was.
    bench
        .wanted(
            &id,
            crate::triggers::tests::bench::wanted(TriggerState::NotOptimised),
        )
        .unwrap();
    let closed = bench.get(&id).clone();
    bench.triggers.amend("k", label, window(30), None);
    bench.triggers.withdraw("k", label, "x", true, "x", 700);
    assert_eq!(*bench.get(&id), closed);
}

#[test]
fn each_step_that_matters_to_customers_is_explained_to_agents() {
    let mut bench = Bench::new();
    let id = bench.fire("k", "c1", Severity::Minor).unwrap();
    let states = [
        TriggerState::Accepted,
        TriggerState::InProgress,
        TriggerState::Mended,
    ];
    bench.go(&id, &states);
    let said: Vec<&str> = bench
        .get(&id)
        .explanations
        .iter()
        .map(|said| &*said.text.zh)
        .collect();
    assert_eq!(
        said,
        [
            "业务（c1）「慢」目前异常，已转bsc处理，预计 03-02 14:00 前答复。请致歉并说明正在处理。",
            "业务（c1）「慢」目前异常，bsc已受理，正在处理，预计 03-05 10:00 前答复。",
            "业务（c1）「慢」已于 03-02 10:00 处理完毕，请客户重新使用；如仍异常，请重新受理。",
        ]
    );
    let news = bench.triggers.take_news();
    assert_eq!(news.len(), 1, "one mail of one step, of the newest state");
    let last = news.last().unwrap();
    let who: Vec<&str> = last.recipients.iter().map(|(who, _)| &*who.name).collect();
    assert_eq!((last.reason, who), (NewsReason::Answered, vec!["b", "cc"]));
    assert_eq!(last.revision, 2);
    assert_eq!(last.also, [], "what was of an earlier state is over");
}

#[test]
fn the_process_counts_stays_and_what_came_of_it() {
    let mut bench = Bench::new();
    let id = bench.fire("k", "c1", Severity::Minor).unwrap();
    for to in [
        TriggerState::Accepted,
        TriggerState::InProgress,
        TriggerState::Mended,
    ] {
        bench.now_ms += HOUR;
        bench.go(&id, &[to]);
    }
    bench.now_ms += HOUR;
    bench.judge(&id, EffectVerdict::Effective);
    let process = bench.triggers.process();
    let stay = |state| process.stays[&("BSC".to_owned(), state)];
    assert_eq!(
        (
            stay(TriggerState::Dispatched).count,
            stay(TriggerState::Dispatched).total_ms
        ),
        (1, HOUR)
    );
    assert_eq!(stay(TriggerState::FeedbackGiven).total_ms, HOUR);
    let closed = process.closed[&("BSC".to_owned(), "mended".to_owned())];
    assert_eq!((closed.count, closed.total_ms), (1, 4 * HOUR));
    assert_eq!(bench.get(&id).resolution_ms(), Some(4 * HOUR));
}

/// A trigger that the data closed as effective, at an hour.
fn proven(bench: &mut Bench) -> String {
    let id = bench.fire("k", "c1", Severity::Minor).unwrap();
    bench.go(&id, &[TriggerState::Accepted, TriggerState::InProgress]);
    let mended = crate::triggers::Wanted {
        remedy: Some("release"),
        ..crate::triggers::Wanted::plain(TriggerState::Mended, "王工", None)
    };
    bench.wanted(&id, mended).unwrap();
    let now = Now {
        book: &bench.book,
        at_ms: bench.now_ms,
    };
    let verdict = measured(EffectVerdict::Effective, "−78 %");
    bench.triggers.effect_measured(&id, verdict, now).unwrap();
    bench.triggers.take_news();
    id
}

#[test]
fn late_data_that_take_the_proof_away_reopen_what_it_had_closed() {
    let again = |bench: &mut Bench, id: &str, verdict| {
        let now = Now {
            book: &bench.book,
            at_ms: bench.now_ms,
        };
        let verdict = measured(verdict, "+2 %");
        bench
            .triggers
            .effect_measured_again(id, verdict, now)
            .unwrap();
    };
    let mut bench = Bench::new();
    let id = proven(&mut bench);
    again(&mut bench, &id, EffectVerdict::NoEffect);
    let trigger = bench.get(&id);
    assert_eq!(
        path(trigger)[9..],
        ["closed", "reopened", "analysed", "dispatched"]
    );
    assert_eq!(
        (trigger.outcome.is_none(), trigger.resolution_ms()),
        (true, None)
    );
    let news = bench.triggers.take_news();
    assert_eq!(news[0].reason, NewsReason::Reopened);
    // It is the one of its cause again: what fires joins it.
    assert_eq!(bench.fire("k", "c1", Severity::Minor), Some(id.clone()));
    let worked = bench.triggers.process().worked("slow", "release");
    assert_eq!((worked.effective, worked.no_effect), (0, 1));

    // Where its cause has another trigger by then, that one is told, and this one stays.
    let mut bench = Bench::new();
    let id = proven(&mut bench);
    let newer = bench.fire("k", "c1", Severity::Minor).unwrap();
    assert_ne!(newer, id);
    again(&mut bench, &id, EffectVerdict::Worse);
    assert_eq!(bench.get(&id).state, TriggerState::Closed);
    let news = bench.triggers.take_news();
    let measured = news.iter().find(|news| news.reason == NewsReason::Measured);
    // Whoever was told that the data show that it helped is told otherwise, and so are agents.
    let readers = &measured.unwrap().recipients;
    let told = &bench.get(&id).told;
    let heard = |who: &Contact| readers.iter().any(|(to, _)| to.email == who.email);
    assert!(!told.is_empty() && told.iter().all(heard), "{told:?}");
    let said = &bench.get(&id).explanation().unwrap().text.en;
    assert!(said.contains("later data do not show"), "{said}");

    // Nor after the time for which a refusal would rest, nor for data that still prove it.
    let mut bench = Bench::new();
    let id = proven(&mut bench);
    again(&mut bench, &id, EffectVerdict::Effective);
    assert_eq!(bench.get(&id).state, TriggerState::Closed);
    bench.now_ms += bench.book.triggers.review_after_ms + 1;
    again(&mut bench, &id, EffectVerdict::NoEffect);
    assert_eq!(bench.get(&id).state, TriggerState::Closed);
}

#[test]
fn what_one_step_makes_of_a_trigger_is_one_mail_to_each_reader() {
    let mut bench = Bench::new();
    let id = bench.fire("k", "c1", Severity::Minor).unwrap();
    assert_eq!(bench.fire("k", "c1", Severity::Critical), Some(id));
    let news = bench.triggers.take_news();
    let mut readers: Vec<&str> = news
        .iter()
        .flat_map(|news| &news.recipients)
        .map(|(who, _)| &*who.email)
        .collect();
    let told = readers.len();
    readers.sort_unstable();
    readers.dedup();
    assert_eq!(readers.len(), told, "{news:#?}");
    let own = news
        .iter()
        .find(|news| news.recipients.iter().any(|(who, _)| who.name == "b"));
    let own = own.unwrap();
    assert_eq!(
        (own.reason, &own.also[..]),
        (NewsReason::Assigned, &[NewsReason::Raised][..])
    );
    assert_eq!(own.trigger.severity, Severity::Critical);
}

#[test]
fn nobody_closes_what_the_data_have_not_judged() {
    let mut bench = Bench::new();
    let id = bench.fire("k", "c1", Severity::Minor).unwrap();
    bench.go(
        &id,
        &[
            TriggerState::Accepted,
            TriggerState::InProgress,
            TriggerState::Mended,
        ],
    );
    // Neither while its alert fires nor when that is over, and whatever reason is given.
    for is_over in [false, true] {
        if is_over {
            bench.alert_ended("k", "service=s;city=c1");
        }
        let closed = bench.advance(&id, TriggerState::Closed).unwrap_err();
        assert_eq!(
            closed.to_string(),
            "trigger T-000001 is feedback_given, it can become reopened, not closed"
        );
    }
    bench.judge(&id, EffectVerdict::TooEarly);
    assert_eq!(bench.get(&id).state, TriggerState::FeedbackGiven);
    bench.judge(&id, EffectVerdict::Effective);
    assert_eq!(bench.get(&id).state, TriggerState::Closed);
}

#[test]
fn a_look_that_comes_to_the_same_changes_nothing() {
    let mut bench = Bench::new();
    let id = proven(&mut bench);
    let before = bench.get(&id).clone();
    let now = Now {
        book: &bench.book,
        at_ms: bench.now_ms + HOUR,
    };
    let mut again = measured(EffectVerdict::Effective, "−78 %");
    again.at_ms = now.at_ms;
    bench
        .triggers
        .effect_measured_again(&id, again, now)
        .unwrap();
    assert_eq!(*bench.get(&id), before);
    // Other numbers of the same verdict are kept, and told nobody.
    let other = measured(EffectVerdict::Effective, "−77 %");
    bench
        .triggers
        .effect_measured_again(&id, other, now)
        .unwrap();
    let kept = bench.get(&id).measured.as_ref().unwrap();
    assert_eq!(kept.text.en, "−77 %");
    assert_eq!(bench.triggers.take_news(), []);
}

#[test]
fn what_helped_too_little_or_stayed_red_is_reopened() {
    let mended = [
        TriggerState::Accepted,
        TriggerState::InProgress,
        TriggerState::Mended,
    ];
    let mut bench = Bench::new();
    let id = bench.fire("k", "c1", Severity::Minor).unwrap();
    let now = Now {
        book: &bench.book.clone(),
        at_ms: bench.now_ms,
    };
    // Nobody has called it mended yet.
    bench.triggers.not_mended(&id, "still red", now);
    assert_eq!(bench.get(&id).state, TriggerState::Dispatched);
    bench.go(&id, &mended);
    bench.triggers.not_mended(&id, "still red", now);
    let last = path(bench.get(&id));
    assert_eq!(last[8..], ["reopened", "analysed", "dispatched"]);
    bench.go(&id, &mended);
    let verdict = measured(EffectVerdict::Effective, "78.5 s → 47.0 s");
    bench.triggers.effect_too_small(&id, verdict, now).unwrap();
    let trigger = bench.get(&id);
    assert_eq!(path(trigger)[16..], ["reopened", "analysed", "dispatched"]);
    // What was measured stays known, and how often the remedy worked counts it.
    let kept = trigger.measured.as_ref().unwrap();
    assert_eq!(kept.verdict, EffectVerdict::Effective);
    let why =
        trigger.history.iter().rev().find_map(|step| {
            (step.to == TriggerState::Reopened).then_some(step.reason.as_deref())?
        });
    assert!(why.unwrap().ends_with("it is still beyond its limit"));
}

#[test]
fn a_refusal_rests_until_its_review_date() {
    let mut bench = Bench::new();
    let id = bench.fire("k", "c1", Severity::Minor).unwrap();
    assert!(!bench.get(&id).rests(bench.now_ms));
    let review_at_ms = bench.now_ms + 30 * 24 * HOUR;
    let refused = crate::triggers::Wanted {
        review_at_ms: Some(review_at_ms),
        ..crate::triggers::tests::bench::wanted(TriggerState::NotOptimised)
    };
    bench.wanted(&id, refused).unwrap();
    assert!(bench.get(&id).rests(review_at_ms - 1));
    assert!(!bench.get(&id).rests(review_at_ms));
}
