//! What must hold at the end of every run, whatever happened in it: said about the run itself and not against
//! another run of the same engine.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use chrysalis::alerting::{Alert, AlertState, Notice, NoticeReason};
use chrysalis::journal::{Epoch, Position, Record, Seal};

use crate::machine::{Gathered, Mind};
use crate::outside::composer;

/// Batches by producer and sequence, with their lines.
pub(crate) type Batches = BTreeMap<(String, u64), Bytes>;

/// The batches of a journal; none may be there twice.
pub(crate) fn batches(history: &[Record], seed: u64) -> Batches {
    let mut batches = Batches::new();
    for record in history {
        if let Some((producer, lines)) = batch(record) {
            let before = batches.insert(producer.clone(), lines);
            assert!(before.is_none(), "seed {seed}: {producer:?} twice");
        }
    }
    batches
}

/// The identity and the lines of a batch.
pub(crate) fn batch(record: &Record) -> Option<((String, u64), Bytes)> {
    match record {
        Record::Batch {
            producer: Some(producer),
            lines,
            ..
        } => Some((producer.clone(), lines.plain().unwrap())),
        _ => None,
    }
}

/// Everything that was acknowledged is kept, and as it was sent.
pub(crate) fn kept(acknowledged: &Batches, kept: &Batches, seed: u64) {
    for (producer, lines) in acknowledged {
        let found = kept.get(producer);
        let found = found.unwrap_or_else(|| panic!("seed {seed}: {producer:?} is lost"));
        assert_eq!(found, lines, "seed {seed}: {producer:?} was kept otherwise");
    }
}

/// Whoever was told that something fires, and it fires no more, was told that it ended. Gives how many were.
pub(crate) fn endings<'a>(
    told: impl Iterator<Item = &'a Notice> + Clone,
    alerts: &[Arc<Alert>],
    seed: u64,
) -> usize {
    let firing: BTreeSet<&str> = alerts
        .iter()
        .filter(|alert| alert.state == AlertState::Firing)
        .map(|alert| alert.incident.as_str())
        .collect();
    let of = |notice: &'a Notice| (&notice.alert.incident, &notice.recipient.email);
    let is_ending = |notice: &&Notice| {
        matches!(
            notice.reason,
            NoticeReason::Resolved | NoticeReason::Corrected | NoticeReason::RuleChanged
        )
    };
    let ended: BTreeSet<_> = told.clone().filter(is_ending).map(of).collect();
    let first = told.filter(|notice| notice.reason == NoticeReason::First);
    let over = first.filter(|notice| !firing.contains(notice.alert.incident.as_str()));
    over.map(|notice| {
        let (incident, reader) = of(notice);
        assert!(
            ended.contains(&(incident, reader)),
            "seed {seed}: {reader} was told of {incident}, and not that it is over"
        );
    })
    .count()
}

/// Each notice by its id, with the group that tells it, if any.
pub(crate) type Decided = BTreeMap<String, (Notice, Option<String>)>;

/// A mail about several triggers is of one decision to one reader, and tells each of its notices once and nothing else, as
/// often as it is sent. Gives the ids of such mails.
pub(crate) fn grouped<'a>(
    mailbox: &[(String, Vec<u8>)],
    notices: &'a Decided,
    seed: u64,
) -> BTreeSet<&'a String> {
    let mut groups: BTreeMap<&String, Vec<&Notice>> = BTreeMap::new();
    for (notice, group) in notices.values() {
        if let Some(group) = group {
            groups.entry(group).or_default().push(notice);
        }
    }
    for (id, of) in &groups {
        let decision = |notice: &Notice| (notice.recipient.clone(), notice.decided_at_ms);
        let are_one = of
            .windows(2)
            .all(|two| decision(two[0]) == decision(two[1]));
        assert!(of.len() > 1 && are_one, "seed {seed}: {id} groups {of:?}");
        let mut wanted: Vec<Vec<u8>> = of
            .iter()
            .map(|notice| serde_json::to_vec(notice).unwrap())
            .collect();
        wanted.sort_unstable();
        for (_, mail) in mailbox.iter().filter(|(mail, _)| mail == *id) {
            let mut told: Vec<&[u8]> = mail.split(|byte| *byte == b'\n').collect();
            told.sort_unstable();
            assert!(told == wanted, "seed {seed}: {id} tells something else");
        }
    }
    groups.into_keys().collect()
}

/// A run of the same journal that nothing disturbs, with its notices.
pub(crate) fn undisturbed(history: &[Record]) -> (Mind, Decided) {
    let (mut mind, composer) = (Mind::new(1), composer());
    let mut notices = BTreeMap::new();
    let mut records = Vec::new();
    for (at, record) in history.iter().enumerate() {
        let position = Position(at as u64);
        let Record::Tick { epoch, now_ms } = record else {
            records.push((position, Arc::new(record.clone()), None));
            continue;
        };
        let epoch = Epoch {
            epoch: *epoch,
            now_ms: *now_ms,
            records: std::mem::take(&mut records),
            next: Position(at as u64 + 1),
            last: false,
            seal: Seal::default(),
            digest: None,
            is_followed: false,
        };
        let mut gathered = Gathered::default();
        assert!(mind.think(epoch, false, &mut gathered));
        let entries = composer.entries(&gathered.notices);
        let mut groups: BTreeMap<String, Option<String>> = entries
            .into_iter()
            .map(|entry| (entry.id, entry.digest))
            .collect();
        for notice in gathered.notices {
            let id = notice.id.clone();
            let group = groups.remove(&id).flatten();
            let earlier = notices.insert(id, (notice, group));
            assert_eq!(earlier, None, "one notice decided twice");
        }
    }
    assert!(records.is_empty(), "an epoch is left open");
    (mind, notices)
}
