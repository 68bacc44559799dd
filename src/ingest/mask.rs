//! Hides subscriber numbers in text that operators read: nobody needs a customer's number to see
//! what is wrong with a line.

/// Shortest run of digits that may be a subscriber number.
const DIGITS_MIN: usize = 7;
/// Digits of an epoch time in milliseconds.
const TIME_DIGITS: usize = 13;

/// Replaces the middle of long runs of digits by `*`; a 13-digit number right after `"ts":` is a
/// time and stays.
pub fn mask(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(|c: char| c.is_ascii_digit()) {
        let (before, digits) = rest.split_at(at);
        out.push_str(before);
        let end = digits
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(digits.len());
        let (run, after) = digits.split_at(end);
        let is_time = run.len() == TIME_DIGITS && before.trim_end().ends_with("\"ts\":");
        if run.len() < DIGITS_MIN || is_time {
            out.push_str(run);
        } else {
            out.push_str(&run[..3]);
            out.extend(std::iter::repeat_n('*', run.len() - 5));
            out.push_str(&run[run.len() - 2..]);
        }
        rest = after;
    }
    out.push_str(rest);
    out
}

/// Masks only what stands between quotation marks or backticks: a reason quotes the line there, and
/// its own numbers, such as limits and times, are what people need to see.
pub(super) fn mask_quoted(reason: &str) -> String {
    let mut out = String::with_capacity(reason.len());
    let mut rest = reason;
    while let Some(at) = rest.find(['"', '`']) {
        let (before, quote) = rest.split_at(at);
        let mark = &quote[..1];
        out.push_str(before);
        out.push_str(mark);
        // The closing one; a quotation that goes on to the end, or holds marks, is masked as well.
        let inner = &quote[1..];
        let end = inner.rfind(mark).unwrap_or(inner.len());
        out.push_str(&mask(&inner[..end]));
        rest = &inner[end..];
        if let Some(closed) = rest.strip_prefix(mark) {
            out.push_str(mark);
            rest = closed;
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::{mask, mask_quoted};

    #[test]
    fn only_what_a_reason_quotes_is_masked() {
        let same = "line of 20000095 bytes is longer than the limit of 65536000";
        assert_eq!(mask_quoted(same), same);
        assert_eq!(
            mask_quoted("service \"13812345678\" is not in the rule book of 20261121"),
            "service \"138******78\" is not in the rule book of 20261121"
        );
        assert_eq!(
            mask_quoted("field `ts`: integer `13812345678` and \"13812345678"),
            "field `ts`: integer `138******78` and \"138******78"
        );
        // What the line says may hold marks of its own: rather too much than a number.
        assert_eq!(
            mask_quoted("type \"a\"13812345678\" x"),
            "type \"a\"138******78\" x"
        );
    }

    #[test]
    fn numbers_of_people_are_hidden_and_times_are_not() {
        assert_eq!(
            mask(r#"{"ts":1764000000000,"subscriber":"13812345678","ok":1234}"#),
            r#"{"ts":1764000000000,"subscriber":"138******78","ok":1234}"#
        );
        assert_eq!(mask("+8613812345678 长沙"), "+861********78 长沙");
        assert_eq!(mask(""), "");
    }
}
