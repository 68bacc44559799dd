//! A delivery report → the `mms_receipt` line that is journaled.

use jiff::tz::TimeZone;
use serde_json::{Map, Value};

use crate::mm7::report::DeliveryReport;
use crate::mm7::{Status, time};
use crate::rules::{ANY_RELAY, DateMeaning, Habits, MmsRule, RecipientPlace};

/// The line, without its end. Times and numbers are read as the rule book says of the gateway; words are kept, a remark
/// as far as texts may go: it is no reason to lose a report.
///
/// # Errors
/// The report has a time that nobody can read.
pub fn line(
    report: &DeliveryReport,
    rule: &MmsRule,
    zone: &TimeZone,
    now_ms: i64,
    stamp_ms: impl FnOnce() -> i64,
    clock_skew_ms_max: i64,
    text_bytes_max: usize,
) -> Result<String, (Status, String)> {
    let relay = report.relay.as_deref();
    let of = |name: Option<&str>| {
        let mut gateways = rule.gateways.iter();
        gateways.find(|known| Some(known.relay.as_str()) == name)
    };
    let gateway = of(relay).or_else(|| of(Some(ANY_RELAY)));
    let habits = gateway.map_or(Habits::STANDARD, |gateway| gateway.habits);
    let date_ms = report.date.as_deref().map(|date| {
        time::read(
            date,
            zone,
            habits.clock,
            now_ms.saturating_add(clock_skew_ms_max),
        )
        .ok_or_else(|| {
            let words = format!("the time {:?} cannot be read", clip(date));
            (Status::ValidationError, words)
        })
    });
    let date_ms = date_ms.transpose()?;
    let (ts_ms, submitted_ms) = match habits.date {
        DateMeaning::Handling => (date_ms.unwrap_or_else(stamp_ms), None),
        DateMeaning::Submission => (stamp_ms(), date_ms),
    };
    // Where the habit says Sender, Recipient is the service: a report without one is of nobody by name.
    let recipient = match habits.recipient {
        RecipientPlace::Recipient => report.recipient.as_deref(),
        RecipientPlace::Sender => report.sender.as_deref(),
    };
    let mut line = Map::new();
    let mut put = |name: &str, value: Value| line.insert(name.to_owned(), value);
    put("type", "mms_receipt".into());
    put("ts", ts_ms.into());
    put("message_id", report.message_id.as_str().into());
    put("status", report.status.as_str().into());
    if let Some(text) = &report.status_text {
        put("status_text", within(text, text_bytes_max).into());
    }
    if let Some(recipient) = recipient {
        put("recipient", number(recipient).into());
    }
    if let Some(ms) = submitted_ms {
        put("submitted_at", ms.into());
    }
    if let Some(relay) = relay {
        put("source", relay.into());
    }
    Ok(Value::Object(line).to_string())
}

/// A subscriber's number as everybody else writes it: `+86138…`, `0086138…`, `86138…` and `138…/TYPE=PLMN@…` are
/// eleven digits. What is no Chinese mobile number stays as it is, without the plus.
fn number(text: &str) -> String {
    let plain = text.split(['/', '@']).next().unwrap_or_default().trim();
    let plain = plain.strip_prefix("tel:").unwrap_or(plain);
    let plain = plain.strip_prefix('+').unwrap_or(plain);
    let mobile = plain
        .strip_prefix("0086")
        .or_else(|| plain.strip_prefix("86"))
        .filter(|rest| rest.len() == 11 && rest.starts_with('1'));
    mobile.unwrap_or(plain).to_owned()
}

/// As much of a text as fits, in whole characters.
fn within(text: &str, bytes_max: usize) -> &str {
    &text[..text.floor_char_boundary(bytes_max)]
}

/// As much of a text as an answer should repeat.
fn clip(text: &str) -> String {
    text.chars().take(40).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_eleven_digits_however_they_are_written() {
        for written in [
            "+8613280872320",
            "8613280872320",
            "13280872320",
            " +8613280872320/TYPE=PLMN@mms.example ",
            "tel:+8613280872320",
        ] {
            assert_eq!(number(written), "13280872320", "{written}");
        }
        assert_eq!(number("+61400000000/TYPE=PLMN@x"), "61400000000");
        assert_eq!(number("10658000"), "10658000");
    }
}
