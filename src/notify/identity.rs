//! Names that a replay finds again: Message-IDs, thread roots, MIME boundaries, and jitter.
//!
//! Invariants:
//! * a name depends on (incident, revision, recipient, domain) and on nothing else;
//! * the hash never changes between versions of the program, for a second copy of a mail is known by it.

use crate::alerting::Notice;
use crate::reports::ReportNotice;

/// Characters of an incident that a Message-ID repeats, so that people can read it.
const INCIDENT_CHARS_MAX: usize = 48;

/// Message-ID of a notice, without angle brackets: `<incident>.<revision>.<hash>@<domain>`.
pub(super) fn message_id(notice: &Notice, domain: &str) -> String {
    revision_id(notice, notice.revision, domain)
}

/// Message-ID that everything told to this recipient about this incident refers to. It is that of
/// revision 1, whether or not this recipient was told it: clients thread by a common reference.
pub(super) fn root_id(notice: &Notice, domain: &str) -> String {
    revision_id(notice, 1, domain)
}

fn revision_id(notice: &Notice, revision: u32, domain: &str) -> String {
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
    let hash = hash(&[incident, &revision.to_string(), &recipient]);
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
    use crate::notify::testing::notice;

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
}
