//! What a step tells people of a trigger: one mail each, however much happened to it.
//!
//! A trigger that opens and rises, or is handed over and falls due, within one step would be two mails to the same
//! person at the same moment. The newest state is told, the strongest reason first, and the others beside it. Mails of
//! different triggers stay apart, because each has its thread; `notify` groups them where they are many.

use std::collections::{BTreeMap, BTreeSet};

use crate::rules::{Contact, Text};
use crate::triggers::TriggerBook;
use crate::triggers::book::{News, NewsReason};

/// A reader, with the department and role that they are told for.
pub(super) type Reader = (Contact, Option<(Text, Text)>);

/// What a reader is told beside it, and under which number.
type Told = (Vec<NewsReason>, u32);

impl TriggerBook {
    /// What people must be told since this was asked last, each of them once of a trigger. A trigger is told as it
    /// is now, unless it has moved on: what opened it may be over by the same cut.
    pub fn take_news(&mut self) -> Vec<News> {
        let mut news = std::mem::take(&mut self.news);
        // A trigger that opened and became a part of another by the same step is nobody's news: who would hear that it is
        // over never heard that it began.
        let unheard: BTreeSet<String> = news
            .iter()
            .filter(|one| one.revision == 1)
            .map(|one| one.trigger.id.clone())
            .filter(|id| self.now_within(id) != id)
            .collect();
        news.retain(|one| !unheard.contains(&one.trigger.id));
        self.leave_out_parts(&mut news);
        for one in &mut news {
            let now = self.triggers.get(&one.trigger.id);
            if let Some(now) = now.filter(|now| now.state == one.trigger.state) {
                one.trigger = now.clone();
            }
        }
        group(news)
    }
}

impl TriggerBook {
    /// That a trigger became a part of another needs no mail of its own to whom the same step tells of that other, which
    /// names its parts: eight cities that are one cause would be eight mails that ask nothing.
    fn leave_out_parts(&self, news: &mut Vec<News>) {
        let heard: BTreeSet<(String, String)> = news
            .iter()
            .flat_map(|one| {
                let readers = one.recipients.iter();
                readers.map(|(who, _)| (one.trigger.id.clone(), who.email.clone()))
            })
            .collect();
        for one in news.iter_mut() {
            let within = self.now_within(&one.trigger.id).to_owned();
            if within != one.trigger.id {
                let is_heard = |who: &Contact| heard.contains(&(within.clone(), who.email.clone()));
                one.recipients.retain(|(who, _)| !is_heard(who));
            }
        }
        news.retain(|one| !one.recipients.is_empty());
    }
}

/// One news for each trigger and reader.
fn group(news: Vec<News>) -> Vec<News> {
    // By trigger and address: where its news are.
    let mut heard: BTreeMap<(&str, &str), Vec<usize>> = BTreeMap::new();
    for (at, one) in news.iter().enumerate() {
        for (who, _) in &one.recipients {
            let key = (one.trigger.id.as_str(), who.email.as_str());
            heard.entry(key).or_default().push(at);
        }
    }
    if heard.values().all(|of| of.len() == 1) {
        return news;
    }
    let mut grouped = Vec::new();
    for (at, one) in news.iter().enumerate() {
        // Readers of one news who missed different ones read different mails, each under the newest number that its
        // reader would have been told.
        let mut by_missed: Vec<(Told, Vec<Reader>)> = Vec::new();
        for (who, role) in &one.recipients {
            let of = &heard[&(one.trigger.id.as_str(), who.email.as_str())];
            if strongest(&news, of) != at {
                continue;
            }
            // What was of an earlier state is over, and that something is due soon when it is overdue.
            let others = of.iter().map(|other| &news[*other]);
            let others = others.filter(|other| other.trigger.state == one.trigger.state);
            let mut also: Vec<NewsReason> = others.map(|other| other.reason).collect();
            also.retain(|reason| ![one.reason, NewsReason::Reminder].contains(reason));
            also.sort_unstable();
            also.dedup();
            // Who is asked by one of them is asked.
            let role = role.clone().or_else(|| {
                let mut roles = of.iter().flat_map(|other| &news[*other].recipients);
                roles.find_map(|(known, role)| role.clone().filter(|_| known.email == who.email))
            });
            let reader = (who.clone(), role);
            let newest = of.last().map_or(one.revision, |last| news[*last].revision);
            let missed = (also, newest);
            match by_missed.iter_mut().find(|(known, _)| *known == missed) {
                Some((_, readers)) => readers.push(reader),
                None => by_missed.push((missed, vec![reader])),
            }
        }
        let mails = by_missed.into_iter();
        grouped.extend(mails.map(|((also, revision), recipients)| News {
            also,
            revision,
            recipients,
            ..one.clone()
        }));
    }
    grouped
}

/// Which of a reader's news of a trigger is the mail: of those that tell the newest state, the one that asks or ends
/// something, and of such the newest.
fn strongest(news: &[News], of: &[usize]) -> usize {
    let newest = of.last().map(|at| news[*at].trigger.state);
    let same = of
        .iter()
        .filter(|at| Some(news[**at].trigger.state) == newest);
    let strength = |reason: NewsReason| match reason {
        NewsReason::Raised | NewsReason::Progressed | NewsReason::Measured => 0,
        NewsReason::Reminder => 1,
        _ => 2,
    };
    let best = same.max_by_key(|at| (strength(news[**at].reason), **at));
    best.copied().unwrap_or_default()
}
