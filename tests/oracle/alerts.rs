//! Alerts, naively: the marks of final windows in order, one alert on one object at a time.

use std::collections::{BTreeMap, BTreeSet};

use chrysalis::alerting::{AlertState, Notice, NoticeReason, TransitionReason, Truth as Reading};
use chrysalis::engine::Effect;
use chrysalis::rules::{Aggregate, AlertRule, Missing, Severity, Verdict, judge};

use crate::naive::{Row, Truth};
use crate::run::Outcome;

/// Alert rule and label of the group.
pub(crate) type Object = (String, String);

/// State, event time and severity of a transition.
pub(crate) type Move = (AlertState, i64, Severity);

/// What became of one alert on one object.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Course {
    pub(crate) moves: Vec<Move>,
    /// State now, severity, first abnormal window's end, end of the window at which it fired.
    pub(crate) stands: Option<(AlertState, Severity, i64, Option<i64>)>,
    /// Every firing: end of the first abnormal window, of the window at which it fired, and of the one
    /// at which it ended.
    pub(crate) firings: Vec<(i64, i64, Option<i64>)>,
}

/// Folds the sealed windows of every alert rule and object.
pub(crate) fn courses(truth: &Truth) -> BTreeMap<Object, Course> {
    let mut courses = BTreeMap::new();
    for rule in &truth.book.alerts {
        let mut groups: BTreeMap<&str, BTreeMap<i64, &Row>> = BTreeMap::new();
        for ((kqi, label, _), row) in &truth.rows {
            if *kqi == rule.kqi && row.sealed {
                groups.entry(label).or_default().insert(row.end_ms, row);
            }
        }
        for (label, rows) in groups {
            let course = fold(truth, rule, &rows);
            courses.insert((rule.id.clone(), label.to_owned()), course);
        }
    }
    courses
}

fn fold(truth: &Truth, rule: &AlertRule, rows: &BTreeMap<i64, &Row>) -> Course {
    let kqi = truth
        .book
        .kqis
        .iter()
        .find(|kqi| kqi.id == rule.kqi)
        .unwrap();
    // Counting nothing is an answer, measuring nothing is none.
    let zero_is_an_answer = matches!(
        kqi.aggregate,
        Aggregate::Count
            | Aggregate::RatePer10k { .. }
            | Aggregate::Change { .. }
            | Aggregate::Surge { .. }
    );
    let hop_ms = kqi.window.hop_ms;
    let (first_ms, last_ms) = (*rows.keys().next().unwrap(), *rows.keys().last().unwrap());
    let mut course = Course::default();
    let mut calm_ms: Option<i64> = None;
    let mut waiting = Waiting::default();
    let mut end_ms = first_ms;
    while end_ms <= last_ms.max(truth.clocks.clock(kqi.stream)) {
        let verdict =
            rows.get(&end_ms)
                .map(|row| match judge(kqi, row.samples as u64, row.value).1 {
                    Verdict::Abnormal(_) if row.suppressible => Verdict::Suppressed,
                    verdict => verdict,
                });
        let holds = rule.missing == Missing::Hold;
        match verdict {
            Some(Verdict::Abnormal(severity)) => {
                let severity = rule.severity.unwrap_or(severity);
                calm_ms = None;
                if course.stands.is_none() {
                    waiting = Waiting::default();
                }
                waiting.bad += 1;
                waiting.blind = 0;
                let waited_ms = (waiting.bad - 1) * hop_ms;
                breach(&mut course, rule, end_ms, severity, waited_ms);
            }
            Some(Verdict::Normal | Verdict::Suppressed) => {
                calm(&mut course, &mut calm_ms, rule, end_ms);
            }
            None if zero_is_an_answer => calm(&mut course, &mut calm_ms, rule, end_ms),
            _ if holds => {
                waiting.blind += 1;
                if waiting.blind * hop_ms > rule.for_ms.max(hop_ms) {
                    lapse(&mut course, end_ms);
                }
            }
            _ => calm(&mut course, &mut calm_ms, rule, end_ms),
        }
        end_ms += hop_ms;
    }
    course
}

/// Bad windows since an alert began to wait, and windows in a row, up to now, that nobody could
/// judge: `for` is so many bad windows, and blind ones are none of them.
#[derive(Default)]
struct Waiting {
    bad: i64,
    blind: i64,
}

/// Nothing can be said for longer than the rule would wait: what waits is dropped.
fn lapse(course: &mut Course, end_ms: i64) {
    if let Some((AlertState::Pending, severity, _, _)) = course.stands {
        course.moves.push((AlertState::Resolved, end_ms, severity));
        course.stands = None;
    }
}

fn breach(course: &mut Course, rule: &AlertRule, end_ms: i64, severity: Severity, waited_ms: i64) {
    let (state, worst, since_ms, fired_ms) = course.stands.unwrap_or_else(|| {
        if rule.for_ms > 0 {
            course.moves.push((AlertState::Pending, end_ms, severity));
        }
        (AlertState::Pending, severity, end_ms, None)
    });
    let severity = severity.max(worst);
    let fires = state == AlertState::Pending && waited_ms >= rule.for_ms;
    if fires || (state == AlertState::Firing && severity > worst) {
        course.moves.push((AlertState::Firing, end_ms, severity));
    }
    if fires {
        course.firings.push((since_ms, end_ms, None));
    }
    course.stands = match fires {
        true => Some((AlertState::Firing, severity, since_ms, Some(end_ms))),
        false => Some((state, severity, since_ms, fired_ms)),
    };
}

fn calm(course: &mut Course, calm_ms: &mut Option<i64>, rule: &AlertRule, end_ms: i64) {
    let Some((state, severity, _, _)) = course.stands else {
        return;
    };
    let since_ms = *calm_ms.get_or_insert(end_ms);
    if state == AlertState::Pending || end_ms - since_ms >= rule.keep_firing_for_ms {
        course.moves.push((AlertState::Resolved, end_ms, severity));
        course.stands = None;
        *calm_ms = None;
        if state == AlertState::Firing
            && let Some((_, _, ended_ms)) = course.firings.last_mut()
        {
            *ended_ms = Some(end_ms);
        }
    }
}

/// The engine's own alerts are on another clock, or follow from others; see `silence.rs` and `crossing.rs` of the engine.
fn is_own(alert: &str) -> bool {
    matches!(alert, "source_silent" | "source_lagging" | "blind_spot")
}

/// What the engine did, by object.
pub(crate) fn moves(outcome: &Outcome) -> BTreeMap<Object, Vec<Move>> {
    let mut moves: BTreeMap<Object, Vec<Move>> = BTreeMap::new();
    for step in outcome.transitions().filter(|step| !is_own(&step.alert)) {
        let object = (step.alert.clone(), step.group.clone());
        moves
            .entry(object)
            .or_default()
            .push((step.state, step.at_ms, step.severity));
    }
    moves
}

/// Transitions equal the fold, and none of them is a correction.
#[track_caller]
pub(crate) fn check_moves(seed: u64, truth: &Truth, outcome: &Outcome) {
    let corrected = outcome
        .transitions()
        .find(|step| step.reason == TransitionReason::Corrected);
    assert_eq!(corrected, None, "seed {seed}: nothing was late");
    let mut wanted: BTreeMap<Object, Vec<Move>> = courses(truth)
        .into_iter()
        .map(|(object, course)| (object, course.moves))
        .collect();
    wanted.retain(|_, moves| !moves.is_empty());
    let got = moves(outcome);
    for (object, wanted) in &wanted {
        assert_eq!(got.get(object), Some(wanted), "seed {seed}, {object:?}");
    }
    assert_eq!(
        got.len(),
        wanted.len(),
        "seed {seed}: alerts that nobody wanted"
    );
}

/// The snapshot shows what is pending and firing, as the fold over the final windows has it.
#[track_caller]
pub(crate) fn check_standing(seed: u64, truth: &Truth, outcome: &Outcome) {
    let wanted: BTreeMap<Object, _> = courses(truth)
        .into_iter()
        .filter_map(|(object, course)| Some((object, course.stands?)))
        .collect();
    let alerts = outcome.snapshot.alerts.iter();
    let got: BTreeMap<Object, _> = alerts
        .filter(|alert| alert.state != AlertState::Resolved && !is_own(&alert.alert))
        .map(|alert| {
            let stands = (
                alert.state,
                alert.severity,
                alert.active_since_ms,
                alert.fired_at_ms,
            );
            ((alert.alert.clone(), alert.group_label.clone()), stands)
        })
        .collect();
    assert_eq!(got, wanted, "seed {seed}: pending and firing alerts");
}

/// What notices of a run came to.
#[derive(Default)]
pub(crate) struct Told {
    pub(crate) incidents: usize,
    pub(crate) endings: usize,
    pub(crate) corrections: usize,
    pub(crate) rule_changes: usize,
    /// Corrections by which an incident was after all that had been told never to have been, or to be a
    /// part of another.
    pub(crate) confirmations: usize,
}

/// Every incident is told from 1 without gaps, first as `First`, and each that is over has been
/// told so to everybody who had been told that it fires.
#[track_caller]
pub(crate) fn check_notices(seed: u64, outcome: &Outcome) -> Told {
    let mut ids = BTreeSet::new();
    let mut threads: BTreeMap<(&str, &str), Vec<_>> = BTreeMap::new();
    let mut news: BTreeMap<&str, BTreeSet<u32>> = BTreeMap::new();
    for notice in outcome.notices() {
        assert!(
            ids.insert(&notice.id),
            "seed {seed}: notice {} is decided twice",
            notice.id
        );
        if notice.demand.is_some() {
            // Of a trigger: another thread, with a story of its own.
            news.entry(&notice.alert.incident)
                .or_default()
                .insert(notice.revision);
            continue;
        }
        let thread = (
            notice.alert.incident.as_str(),
            notice.recipient.email.as_str(),
        );
        threads.entry(thread).or_default().push(notice);
    }
    // The newest number of each is told, whatever was told together with it.
    for trigger in outcome.snapshot.triggers.iter() {
        let told = news.get(trigger.id.as_str());
        let newest = told.and_then(BTreeSet::last).copied().unwrap_or(0);
        assert_eq!(
            newest, trigger.revision,
            "seed {seed}: news of {}",
            trigger.id
        );
    }
    for (epoch, effects) in outcome.effects.iter().enumerate() {
        let mut told = BTreeSet::new();
        for effect in effects {
            if let Effect::Notice(notice) = effect
                && notice.demand.is_some()
            {
                let mail = (&notice.alert.incident, &notice.recipient.email);
                assert!(
                    told.insert(mail),
                    "seed {seed}, epoch {epoch}: two mails of {mail:?}"
                );
            }
        }
    }
    let alerts = outcome.snapshot.alerts.iter();
    let firing: BTreeMap<&str, _> = alerts
        .filter(|alert| alert.state == AlertState::Firing)
        .map(|alert| (alert.incident.as_str(), alert))
        .collect();
    let mut told = Told {
        incidents: threads.len(),
        ..Told::default()
    };
    for ((incident, _), notices) in &threads {
        let words = || {
            let line = |notice: &&Notice| {
                let alert = &notice.alert;
                let (state, label) = (alert.state, &alert.group_label);
                format!(
                    "{} {:?} {state:?} {} {label}",
                    notice.id, notice.reason, alert.alert
                )
            };
            notices.iter().map(line).collect::<Vec<_>>().join("\n  ")
        };
        let revisions: Vec<u32> = notices.iter().map(|notice| notice.revision).collect();
        let wanted: Vec<u32> = (1..=notices.len() as u32).collect();
        assert_eq!(
            revisions,
            wanted,
            "seed {seed}: revisions of\n  {}",
            words()
        );
        assert_eq!(
            notices[0].reason,
            NoticeReason::First,
            "seed {seed}: begins\n  {}",
            words()
        );
        let over = notices.last().unwrap().alert.state == AlertState::Resolved;
        assert_eq!(
            over,
            !firing.contains_key(incident),
            "seed {seed}: ends\n  {}",
            words()
        );
        check_listed(seed, notices.last().unwrap(), outcome, &words());
        told.endings += usize::from(over);
        let corrected = notices
            .iter()
            .filter(|notice| notice.reason == NoticeReason::Corrected);
        told.corrections += corrected.count();
        let changed = notices
            .iter()
            .filter(|notice| notice.reason == NoticeReason::RuleChanged);
        told.rule_changes += changed.count();
        for pair in notices.windows(2) {
            check_quote(seed, pair[0], pair[1], &words());
        }
        let confirms = |notice: &&&Notice| {
            let correction = notice.correction.as_ref();
            correction.is_some_and(|it| it.told.is_withdrawal() && !it.truth.is_none())
        };
        told.confirmations += notices.iter().filter(confirms).count();
    }
    check_stories(seed, outcome);
    for (incident, alert) in &firing {
        let heard = threads.keys().any(|(known, _)| known == incident);
        assert!(
            heard || alert.department.is_none(),
            "seed {seed}: nobody was told of {alert:?}"
        );
    }
    told
}

/// The lists say of an incident what was mailed last of it: that it never was, or that it was.
#[track_caller]
fn check_listed(seed: u64, last: &Notice, outcome: &Outcome, words: &str) {
    let incident = &last.alert.incident;
    let mut listed = outcome.snapshot.alerts.iter();
    let listed = listed.find(|alert| alert.incident == *incident);
    let truth = last.correction.as_ref().map(|correction| correction.truth);
    let Some(listed) = listed.filter(|_| !is_own(&last.alert.alert)) else {
        return;
    };
    assert_eq!(
        listed.fired_at_ms.is_none(),
        truth == Some(Reading::NeverWas),
        "seed {seed}: told {truth:?}, listed {listed:?}\n  {words}"
    );
}

/// A correction quotes the mail before it in the thread, and says something else.
#[track_caller]
fn check_quote(seed: u64, before: &Notice, notice: &Notice, words: &str) {
    let takes_back = notice.reason == NoticeReason::Corrected;
    assert!(
        !takes_back || notice.correction.is_some(),
        "seed {seed}: takes back nothing\n  {words}"
    );
    let Some(correction) = &notice.correction else {
        return;
    };
    let (said, told) = (&before.alert, &correction.told);
    assert_eq!(
        (told.decided_at_ms, told.state, told.severity, told.since_ms),
        (
            before.decided_at_ms,
            said.state,
            said.severity,
            said.active_since_ms
        ),
        "seed {seed}: quotes another mail\n  {words}"
    );
    assert_eq!(
        (
            told.fired_at_ms,
            told.resolved_at_ms,
            told.value,
            told.worst_value
        ),
        (
            said.fired_at_ms,
            said.resolved_at_ms,
            said.value,
            said.worst_value
        ),
        "seed {seed}: quotes another mail\n  {words}"
    );
    let withdrew = before
        .correction
        .as_ref()
        .map(|correction| correction.truth);
    assert_eq!(
        told.truth.filter(|truth| truth.is_none()),
        withdrew.filter(|truth| truth.is_none()),
        "seed {seed}: forgets that it was taken back\n  {words}"
    );
    let is_over = notice.alert.state == AlertState::Resolved;
    let says_so = correction.truth != Reading::Fires;
    assert_eq!(
        is_over, says_so,
        "seed {seed}: contradicts itself\n  {words}"
    );
}

/// A cut makes at most one story of an incident by corrections, and lists show an incident once.
#[track_caller]
fn check_stories(seed: u64, outcome: &Outcome) {
    for (epoch, effects) in outcome.effects.iter().enumerate() {
        let mut stories = BTreeSet::new();
        for effect in effects {
            if let Effect::Notice(notice) = effect
                && notice.correction.is_some()
            {
                let story = (&notice.alert.incident, &notice.recipient.email);
                assert!(
                    stories.insert(story),
                    "seed {seed}, epoch {epoch}: two stories of {}",
                    notice.id
                );
            }
        }
    }
    let mut shown = BTreeSet::new();
    for alert in outcome.snapshot.alerts.iter() {
        let pending = alert.state == AlertState::Pending;
        assert!(
            pending || shown.insert(&alert.incident),
            "seed {seed}: shown twice: {alert:?}"
        );
    }
}

/// The last thing that each reader was told is true of the fold over the final windows: what fires is
/// one that fires, what ended is listed with the times of one that did, what is a part of another lies
/// within one, and where there never was anything, nothing is. For one book only.
#[track_caller]
pub(crate) fn check_last_words(seed: u64, truth: &Truth, outcome: &Outcome) {
    let courses = courses(truth);
    let mut last: BTreeMap<(&str, &str), &Notice> = BTreeMap::new();
    for notice in outcome
        .notices()
        .filter(|notice| notice.demand.is_none() && !is_own(&notice.alert.alert))
    {
        let (incident, email) = (&notice.alert.incident, &notice.recipient.email);
        last.insert((incident, email), notice);
    }
    for notice in last.into_values() {
        let alert = &notice.alert;
        let object = (alert.alert.clone(), alert.group_label.clone());
        let firings = courses
            .get(&object)
            .map_or(&[][..], |course| &course.firings);
        let since_ms = alert.active_since_ms;
        let lasts_until = |ended_ms: &Option<i64>| ended_ms.unwrap_or(i64::MAX);
        let truth = notice
            .correction
            .as_ref()
            .map(|correction| correction.truth);
        let is_true = match (truth, alert.state) {
            (Some(Reading::NeverWas), _) => {
                let mut firings = firings.iter();
                !firings.any(|(since, _, ended)| (*since..lasts_until(ended)).contains(&since_ms))
            }
            (Some(Reading::PartOf { .. }), _) => firings
                .iter()
                .any(|(_, _, ended)| lasts_until(ended) > since_ms),
            (_, AlertState::Resolved) => {
                // That it ended otherwise than told is corrected in the lists alone.
                let mut listed = outcome.snapshot.alerts.iter();
                let listed = listed
                    .find(|listed| listed.incident == alert.incident)
                    .unwrap();
                let fired_ms = listed.fired_at_ms.unwrap();
                firings.contains(&(listed.active_since_ms, fired_ms, listed.resolved_at_ms))
            }
            (_, _) => firings.iter().any(|(_, _, ended)| ended.is_none()),
        };
        assert!(
            is_true,
            "seed {seed}: {} ({} {}) says {truth:?} {:?} since {since_ms}; firings are {firings:?}",
            notice.id, alert.alert, alert.group_label, alert.state
        );
    }
}

/// Windows that speak for a trigger are abnormal in truth, with those numbers. For one book only.
#[track_caller]
pub(crate) fn check_evidence(seed: u64, truth: &Truth, outcome: &Outcome) -> usize {
    let mut windows = 0;
    for trigger in outcome.snapshot.triggers.iter() {
        for evidence in &trigger.evidence {
            let mut kqis = truth.book.kqis.iter();
            let kqi = kqis.find(|kqi| kqi.id == evidence.kqi);
            let label = evidence.group_label.clone();
            let row = truth
                .rows
                .get(&(evidence.kqi.clone(), label, evidence.start_ms));
            let abnormal = row.is_some_and(|row| {
                let verdict = judge(kqi.unwrap(), row.samples as u64, row.value).1;
                row.sealed && !row.suppressible && matches!(verdict, Verdict::Abnormal(_))
            });
            assert!(
                abnormal,
                "seed {seed}: {evidence:?} speaks for {}",
                trigger.id
            );
            assert_eq!(
                row.map(|row| row.samples),
                Some(evidence.samples),
                "seed {seed}"
            );
            windows += 1;
        }
    }
    windows
}
