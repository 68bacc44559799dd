//! Which notices of an epoch become one mail: what one decision made of several triggers, to one reader. Pure, so that a
//! replay groups the same.
//!
//! Invariants:
//! * only triggers' notices are grouped, those of one reader, in one language, decided at one moment;
//! * a notice is in one group at most, and fewer than asked for are no group;
//! * the most urgent are first, in the mail and among several mails of one decision.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use crate::alerting::Notice;
use crate::rules::Language;

/// Triggers that one mail tells; more are several mails of about the same length. Judgement: what a person works through,
/// and, with causes, remedies and links of each in text and HTML, well under the 100 KB at which mail programs cut.
const TRIGGERS_MAX: usize = 8;

/// Who is told, in which language, and when that was decided.
type Reading = (String, Language, i64);

/// The groups among the notices of an epoch, each by the places of its notices; `from` is the fewest triggers that are one,
/// and of 0 there is none.
pub(super) fn groups(notices: &[Notice], from: u32) -> Vec<Vec<usize>> {
    let from = from as usize;
    if from == 0 {
        return Vec::new();
    }
    let mut read: BTreeMap<Reading, Vec<usize>> = BTreeMap::new();
    for (at, notice) in notices.iter().enumerate() {
        if notice.demand.is_some() {
            read.entry(reading(notice)).or_default().push(at);
        }
    }
    let many = read
        .into_values()
        .filter(|of| of.len() >= from && of.len() > 1);
    many.flat_map(|mut of| {
        of.sort_by_key(|at| notices.get(*at).map(rank));
        let mails = of.len().div_ceil(TRIGGERS_MAX);
        let each = of.len().div_ceil(mails);
        of.chunks(each).map(<[usize]>::to_vec).collect::<Vec<_>>()
    })
    .collect()
}

fn reading(notice: &Notice) -> Reading {
    let reader = &notice.recipient;
    (
        reader.email.to_ascii_lowercase(),
        reader.language,
        notice.decided_at_ms,
    )
}

/// What comes first: the graver severity, the higher urgency by the four factors, the earlier due time, the older trigger.
pub(super) fn rank(notice: &Notice) -> impl Ord + use<> {
    let demand = notice.demand.as_ref();
    (
        Reverse(notice.alert.severity),
        Reverse(demand.map(|demand| demand.urgency)),
        demand.and_then(|demand| demand.due_ms).unwrap_or(i64::MAX),
        notice.alert.incident.clone(),
        notice.revision,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alerting::NoticeReason;
    use crate::notify::testing::{demands, later, notice};
    use crate::rules::Severity;

    #[test]
    fn one_decision_to_one_reader_is_one_mail_from_so_many_triggers_on() {
        let three = demands(3, Language::Zh);
        assert_eq!(groups(&three, 3), [[0, 1, 2]]);
        assert_eq!(groups(&three, 4), Vec::<Vec<usize>>::new());
        assert_eq!(groups(&three, 0), Vec::<Vec<usize>>::new());
        assert_eq!(groups(&three[..2], 2), [[0, 1]]);
        // One alone is a mail as it always was.
        assert!(groups(&three[..1], 1).is_empty());
    }

    #[test]
    fn other_readers_languages_moments_and_alerts_stay_apart() {
        let change: [fn(&mut Notice); 4] = [
            |notice| notice.recipient.email = "other@example.com".to_owned(),
            |notice| notice.recipient.language = Language::En,
            |notice| notice.decided_at_ms += 1,
            |notice| notice.demand = None,
        ];
        for change in change {
            let mut three = demands(3, Language::Zh);
            change(&mut three[1]);
            assert!(groups(&three, 3).is_empty());
            assert_eq!(groups(&three, 2), [[0, 2]]);
        }
        let alerts = [
            notice(),
            later(NoticeReason::Escalated, Language::Zh),
            notice(),
        ];
        assert!(groups(&alerts, 2).is_empty());
        // An address is the same in letters of either case.
        let mut three = demands(3, Language::Zh);
        three[2].recipient.email.make_ascii_uppercase();
        assert_eq!(groups(&three, 3), [[0, 1, 2]]);
    }

    #[test]
    fn the_most_urgent_leads_whatever_the_order_of_decision() {
        let mut three = demands(3, Language::Zh);
        three[2].alert.severity = Severity::Critical;
        three[0].demand.as_mut().unwrap().urgency = 9;
        assert_eq!(groups(&three, 3), [[2, 1, 0]]);
    }

    #[test]
    fn very_many_are_several_mails_of_about_the_same_length_and_none_is_left_out() {
        let many = demands(21, Language::En);
        let groups = groups(&many, 3);
        let lengths: Vec<usize> = groups.iter().map(Vec::len).collect();
        assert_eq!(lengths, [7, 7, 7]);
        let mut all: Vec<usize> = groups.concat();
        all.sort_unstable();
        assert_eq!(all, (0..21).collect::<Vec<_>>());
    }
}
