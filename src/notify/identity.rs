//! Names that a replay finds again: Message-IDs, thread roots, MIME boundaries, and jitter.
//!
//! Invariants:
//! * a name of an incident's notice depends on (incident, revision, recipient, domain) and on nothing else;
//! * a trigger is named by a counter, which begins anew in a new folder and goes on from an older state after a restore:
//!   the name of its notice depends on its first KQI, its object and the journal's time of the decision as well, and
//!   that of its thread on what never changes of it, the first KQI and the object;
//! * the hash never changes between versions of the program, for a second copy of a mail is known by it.

use crate::alerting::Notice;
use crate::reports::ReportNotice;

/// Characters of an incident that a Message-ID repeats, so that people can read it.
const INCIDENT_CHARS_MAX: usize = 48;

/// Message-ID of a notice, without angle brackets: `<incident>.<revision>.<hash>@<domain>`.
pub(super) fn message_id(notice: &Notice, domain: &str) -> String {
    if notice.demand.is_none() {
        return revision_id(notice, notice.revision, &[], domain);
    }
    let decided_at_ms = notice.decided_at_ms.to_string();
    let [kqi, object] = of_trigger(notice);
    revision_id(
        notice,
        notice.revision,
        &[kqi, object, &decided_at_ms],
        domain,
    )
}

/// Message-ID that everything told to this recipient about this incident refers to: clients thread by a common
/// reference. It is that of revision 1, whether or not this recipient was told it, and for a trigger that of a
/// revision 0 that nobody is told, for a later notice does not know when the first was decided.
pub(super) fn root_id(notice: &Notice, domain: &str) -> String {
    if notice.demand.is_none() {
        return revision_id(notice, 1, &[], domain);
    }
    revision_id(notice, 0, &of_trigger(notice), domain)
}

/// What never changes of the trigger that a notice is about: the KQI that left its interval first, and its object.
fn of_trigger(notice: &Notice) -> [&str; 2] {
    [&notice.alert.alert, &notice.alert.group_label]
}

fn revision_id(notice: &Notice, revision: u32, besides: &[&str], domain: &str) -> String {
    let incident = &notice.alert.incident;
    // The readable part may be cut; the hash covers all of it.
    let readable: String = incident
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || c == '-' || c == '_' {
                c
            } else {
                '-'
            }
        })
        .take(INCIDENT_CHARS_MAX)
        .collect();
    let recipient = notice.recipient.email.to_ascii_lowercase();
    let number = revision.to_string();
    let mut parts = vec![incident.as_str(), &number, &recipient];
    parts.extend(besides);
    let hash = hash(&parts);
    format!("{readable}.{revision}.{hash:016x}@{domain}")
}

/// Identity and Message-ID (without angle brackets) of the digest that begins with a notice. A notice
/// begins one digest at most, so the name is used once.
pub(super) fn digest(recipient: &str, first_id: &str, domain: &str) -> (String, String) {
    let recipient = recipient.to_ascii_lowercase();
    let id = format!("digest.{:016x}", hash(&["digest", first_id, &recipient]));
    let message_id = format!("{id}@{domain}");
    (id, message_id)
}

/// Identity and Message-ID (without angle brackets) of the group that tells notices of these Message-IDs, which say by
/// themselves whose they are and when they were decided.
pub(super) fn group(message_ids: &[&str], domain: &str) -> (String, String) {
    let parts: Vec<&str> = ["demands"].iter().chain(message_ids).copied().collect();
    let id = format!("demands.{:016x}", hash(&parts));
    let message_id = format!("{id}@{domain}");
    (id, message_id)
}

/// Message-ID of a report, without angle brackets: `report.<id>.<period>.<hash>@<domain>`.
pub(super) fn report_id(notice: &ReportNotice, domain: &str) -> String {
    let recipient = notice.recipient.email.to_ascii_lowercase();
    let thread = notice.thread();
    let hash = hash(&["report", &thread, &recipient]);
    format!("{thread}.{hash:016x}@{domain}")
}

/// FNV-1a, 64 bits, over parts that stay apart. Not for secrets: it tells mails apart.
pub(super) fn hash(parts: &[&str]) -> u64 {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    let mut take = |byte: u8| {
        hash ^= u64::from(byte);
        hash = hash.wrapping_mul(0x0000_0100_0000_01b3);
    };
    for part in parts {
        part.bytes().for_each(&mut take);
        // No UTF-8 text holds this byte, so ("ab", "c") and ("a", "bc") differ.
        take(0xff);
    }
    hash
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alerting::NoticeReason;
    use crate::notify::testing::{demands, later, notice};
    use crate::rules::Language;

    #[test]
    fn names_do_not_change_between_versions() {
        assert_eq!(hash(&[]), 0xcbf2_9ce4_8422_2325);
        assert_ne!(hash(&["ab", "c"]), hash(&["a", "bc"]));
        assert_eq!(
            message_id(&notice(), "example.com"),
            "xcard_sms_reply_time_p95----1795226400000.1.30fd76eb60345375@example.com"
        );
    }

    #[test]
    fn a_thread_has_one_root_for_each_recipient() {
        let first = notice();
        let mut second = notice();
        second.revision = 2;
        assert_eq!(root_id(&first, "d"), message_id(&first, "d"));
        assert_eq!(root_id(&second, "d"), root_id(&first, "d"));
        assert_ne!(message_id(&second, "d"), message_id(&first, "d"));
        let mut other = notice();
        other.recipient.email = "other@example.com".to_owned();
        assert_ne!(root_id(&other, "d"), root_id(&first, "d"));
    }

    #[test]
    fn a_group_is_named_by_what_it_tells_and_to_whom() {
        let told = |notices: &[Notice]| {
            let ids: Vec<String> = notices.iter().map(|one| message_id(one, "d")).collect();
            let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
            group(&ids, "d")
        };
        let three = demands(3, Language::En);
        assert_eq!(told(&three), told(&three.clone()));
        let (id, message_id) = told(&three);
        assert_eq!(message_id, format!("{id}@d"));
        assert_ne!(told(&three[..2]).0, id);
        let mut other = three.clone();
        for notice in &mut other {
            notice.recipient.email = "other@example.com".to_owned();
        }
        assert_ne!(told(&other).0, id);
        let mut other = three;
        other[1].decided_at_ms += 1;
        assert_ne!(told(&other).0, id);
    }

    #[test]
    fn another_trigger_of_the_same_number_has_other_names_and_a_replay_the_same() {
        let told = later(NoticeReason::Assigned, Language::En);
        assert!(told.demand.is_some());
        let again = later(NoticeReason::Assigned, Language::En);
        assert_eq!(message_id(&told, "d"), message_id(&again, "d"));
        let mut other = told.clone();
        other.decided_at_ms += 1;
        assert_ne!(message_id(&other, "d"), message_id(&told, "d"));
        let mut other = told.clone();
        other.alert.group_label = "service=experience_card;city=湘潭".to_owned();
        assert_ne!(message_id(&other, "d"), message_id(&told, "d"));
        assert_ne!(root_id(&other, "d"), root_id(&told, "d"));
        // Everything that is told of one is one thread, whatever its mails show by then.
        let mut closed = later(NoticeReason::Closed, Language::En);
        closed.alert.kqi = Some("another".to_owned());
        closed.alert.active_since_ms -= 60_000;
        assert_eq!(root_id(&closed, "d"), root_id(&told, "d"));
        assert_ne!(message_id(&closed, "d"), message_id(&told, "d"));
    }
}
