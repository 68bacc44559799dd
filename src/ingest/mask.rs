//! Hides subscriber numbers in text that operators read: nobody needs a customer's number to see
//! what is wrong with a line.

/// Shortest run of digits that may be a subscriber number.
const DIGITS_MIN: usize = 7;
/// Digits of an epoch time in milliseconds.
const TIME_DIGITS: usize = 13;

/// Replaces the middle of long runs of digits by `*`; a 13-digit number right after `"ts":` is a
/// time and stays.
pub(super) fn mask(text: &str) -> String {
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

#[cfg(test)]
mod tests {
    use super::mask;

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
