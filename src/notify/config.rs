//! How mail is configured. Values only; opening connections is `backend`'s business.

use std::path::PathBuf;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use crate::bounded::{DAY_S, WEEK_MS, at_least, between};

/// Mail: who it comes from, how it leaves, and how hard one tries.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MailConfig {
    /// Sender, `Name <address>`.
    pub from: String,
    /// Where answers go, if not to the sender.
    pub reply_to: Option<String>,
    /// Domain of Message-IDs; the sender's where it is left out. Changing it breaks open threads.
    pub domain: Option<String>,
    /// Where mails go. Without it they become files in the outbox.
    pub smtp: Option<SmtpConfig>,
    /// Folder of `.eml` files, used without `smtp`; `outbox` in the data folder where it is left out.
    pub outbox: Option<PathBuf>,
    /// Mails to one recipient within one minute of the clock, the last quarter of them only for what is
    /// critical; what is beyond is told by one digest when the minute is over.
    #[serde(deserialize_with = "at_least::<1, _, _>")]
    pub per_recipient_minute_max: u32,
    /// From so many triggers on, the news that one decision has of them for one recipient are one mail, with the sections and
    /// the links of each; 0 is never.
    #[serde(deserialize_with = "none_or_several")]
    pub group_from: u32,
    /// Attempts after which a passing failure is given up: a dead letter. With the longest wait between two,
    /// `backoff_ms_max`, it says for how long a server may be away.
    #[serde(deserialize_with = "at_least::<1, _, _>")]
    pub attempts_max: u32,
    /// Wait after the first failed attempt, ms; doubled after each further one.
    #[serde(deserialize_with = "between::<1, WEEK_MS, _, _>")]
    pub backoff_ms_min: i64,
    /// Longest wait between attempts, ms.
    #[serde(deserialize_with = "between::<1, WEEK_MS, _, _>")]
    pub backoff_ms_max: i64,
    /// Mails composed, and mails on their way, at the same time.
    #[serde(deserialize_with = "at_least::<1, _, _>")]
    pub in_flight_max: u32,
    /// Mails that may wait; the oldest beyond become dead letters, which can be sent again.
    #[serde(deserialize_with = "at_least::<1, _, _>")]
    pub queued_max: u64,
    /// Days after which sent mails and dead letters are forgotten.
    pub keep_days: u32,
    /// Size of the ledger, bytes; beyond it the mails that were sent first are forgotten before their days are
    /// over, then the oldest dead letters. What waits is bounded by `queued_max`.
    #[serde(deserialize_with = "at_least::<1_048_576, _, _>")]
    pub ledger_bytes_max: u64,
}

impl Default for MailConfig {
    fn default() -> Self {
        MailConfig {
            from: "Chrysalis <chrysalis@localhost>".to_owned(),
            reply_to: None,
            domain: None,
            smtp: None,
            outbox: None,
            // Judgement: one every two seconds is more than anybody reads one by one.
            per_recipient_minute_max: 30,
            // Judgement: of two, each is found sooner by its own subject; three at one moment are a list.
            group_from: 3,
            // Five days at a quarter of an hour each: RFC 5321, 4.5.4.1, wants four or five at least.
            attempts_max: 480,
            backoff_ms_min: 5_000,
            backoff_ms_max: 15 * 60_000,
            in_flight_max: 4,
            queued_max: 10_000,
            keep_days: 30,
            // Judgement: some 40,000 mails with their charts.
            ledger_bytes_max: 2 << 30,
        }
    }
}

/// A mail server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SmtpConfig {
    /// Name or address; its certificate must be for this name.
    pub host: String,
    /// Port; by `security` where it is left out: 587 for starttls, 465 for tls, 25 for none.
    #[serde(default)]
    pub port: Option<u16>,
    /// How the connection is protected.
    #[serde(default)]
    pub security: Security,
    /// Account. Without it one sends without AUTH.
    #[serde(default)]
    pub username: Option<String>,
    /// File that holds the password; a line end after it does not count.
    #[serde(default)]
    pub password_file: Option<PathBuf>,
    /// Environment variable that holds the password.
    #[serde(default)]
    pub password_env: Option<String>,
    /// PEM file of a further certificate authority, for servers that sign their own.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// Patience with the server, for each of its answers, seconds.
    #[serde(default = "timeout_s", deserialize_with = "between::<1, DAY_S, _, _>")]
    pub timeout_s: u64,
}

/// How a connection is protected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Security {
    /// Not at all: for relays on the same machine.
    None,
    /// In the clear at first, then STARTTLS; refused if the server cannot.
    #[default]
    Starttls,
    /// TLS from the first byte.
    Tls,
}

/// None, or more than one: one trigger alone is no group.
fn none_or_several<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    match u32::deserialize(deserializer)? {
        1 => Err(D::Error::custom("this is 0, or at least 2, and not 1")),
        number => Ok(number),
    }
}

const fn timeout_s() -> u64 {
    30
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_is_documented_and_refuses_what_is_not() {
        let config: MailConfig = serde_json::from_str(
            r#"{"from":"告警 <a@b.c>","smtp":{"host":"mail","username":"u","password_env":"P"}}"#,
        )
        .unwrap();
        let smtp = config.smtp.unwrap();
        assert_eq!(
            (smtp.security, smtp.timeout_s, smtp.port),
            (Security::Starttls, 30, None)
        );
        assert_eq!(config.attempts_max, 480);
        let from = |text: &str| serde_json::from_str::<MailConfig>(text);
        assert_eq!(from(r#"{"group_from":0}"#).unwrap().group_from, 0);
        let error = from(r#"{"group_from":1}"#).unwrap_err().to_string();
        assert!(error.contains("0, or at least 2"), "{error}");
        let error = serde_json::from_str::<MailConfig>(r#"{"smtp":{"host":"m","pasword":"x"}}"#);
        assert!(
            error
                .unwrap_err()
                .to_string()
                .contains("unknown field `pasword`")
        );
    }
}
