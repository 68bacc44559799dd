//! Hides subscriber numbers in text that people read: nobody needs a customer's number to see what is wrong with a
//! line, or why a trigger was refused. Texts are kept whole; they are masked where they are shown.

/// Fewest digits that may be a subscriber number.
const DIGITS_MIN: usize = 7;
/// Digits of an epoch time in milliseconds.
const TIME_DIGITS: usize = 13;
/// Characters that may stand between two digits of one number, as in `(0731) - 8412`.
const GAP_CHARS_MAX: usize = 3;
/// Characters of a date, as in `2026-11-21`.
const DATE_CHARS: usize = 10;

/// Replaces the middle of long numbers by `*`, however they are written: in one run, in groups
/// (`139-1234-5678`, `+86 139 1234 5678`), in full-width digits. A 13-digit number right after
/// `"ts":` is a time and stays, as dates do.
pub fn mask(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(is_digit) {
        let (before, number) = rest.split_at(at);
        out.push_str(before);
        if is_date(number) {
            out.push_str(&number[..DATE_CHARS]);
            rest = &number[DATE_CHARS..];
            continue;
        }
        if let Some(end) = host_end(number) {
            out.push_str(&number[..end]);
            rest = &number[end..];
            continue;
        }
        let (run, after) = number.split_at(number_end(number));
        let digits = run.chars().filter(|c| is_digit(*c)).count();
        let is_time = run.len() == TIME_DIGITS
            && digits == TIME_DIGITS
            && before.trim_end().ends_with("\"ts\":");
        if digits < DIGITS_MIN || is_time {
            out.push_str(run);
        } else {
            let mut seen = 0;
            out.extend(run.chars().map(|c| {
                seen += usize::from(is_digit(c));
                let hidden = is_digit(c) && seen > 3 && seen <= digits - 2;
                if hidden { '*' } else { c }
            }));
        }
        rest = after;
    }
    out.push_str(rest);
    out
}

/// Digits of any script.
fn is_digit(c: char) -> bool {
    c.is_numeric()
}

/// What people put between the groups of one number.
fn is_gap(c: char) -> bool {
    let mark = matches!(
        c,
        '-' | '_' | '.' | '(' | ')' | '‐'..='―' | '·' | '－' | '．' | '（' | '）'
    );
    mark || (c.is_whitespace() && !c.is_control())
}

/// Whether a text begins with a date of our times: year, month and day.
fn is_date(text: &str) -> bool {
    let Some((date, rest)) = text.split_at_checked(DATE_CHARS) else {
        return false;
    };
    let fields: Vec<Option<u32>> = date.split('-').map(|field| field.parse().ok()).collect();
    let [Some(1900..=2199), Some(1..=12), Some(1..=31)] = fields[..] else {
        return false;
    };
    !rest.starts_with(is_digit)
}

/// Where an IPv4 address ends that a text begins with: hosts are what people must see. What could as well be a mobile
/// number, eleven digits from 13 to 19, is none.
fn host_end(text: &str) -> Option<usize> {
    let is_part = |c: char| c.is_ascii_digit() || c == '.';
    let end = text.find(|c| !is_part(c)).unwrap_or(text.len());
    let parts: Vec<&str> = text[..end].split('.').collect();
    let is_octet = |part: &&str| part.len() <= 3 && part.parse::<u8>().is_ok();
    let digits = end + 1 - parts.len();
    let is_mobile = digits == 11 && matches!(text.as_bytes(), [b'1', b'3'..=b'9', ..]);
    let goes_on = text[end..].starts_with(|c| is_digit(c) || (is_gap(c) && !c.is_whitespace()));
    let is_host = parts.len() == 4 && parts.iter().all(is_octet) && !is_mobile && !goes_on;
    is_host.then_some(end)
}

/// Where a number ends that begins with a digit: behind its last digit.
fn number_end(text: &str) -> usize {
    // Ends of its groups, and whether only a dot follows.
    let mut groups: Vec<usize> = Vec::new();
    let mut dots = 0;
    let mut end = 0;
    let (mut gap_chars, mut gap) = (0, None);
    for (at, c) in text.char_indices() {
        if is_digit(c) {
            if gap_chars > 0 {
                if is_date(&text[at..]) {
                    break;
                }
                groups.push(end);
                dots += usize::from(gap == Some('.') && gap_chars == 1);
            }
            end = at + c.len_utf8();
            (gap_chars, gap) = (0, None);
        } else if is_gap(c) && gap_chars < GAP_CHARS_MAX {
            gap_chars += 1;
            gap = Some(c);
        } else {
            break;
        }
    }
    match groups[..] {
        // A number with a fraction.
        [whole] if dots == 1 => whole,
        _ => end,
    }
}

/// Masks only what stands between quotation marks or backticks: a reason quotes the line there, and
/// its own numbers, such as limits and times, are what people need to see.
pub(crate) fn mask_quoted(reason: &str) -> String {
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

    #[test]
    fn numbers_are_hidden_however_they_are_written() {
        for (text, wanted) in [
            ("139-1234-5678", "139-****-**78"),
            ("139 1234 5678", "139 **** **78"),
            ("139.123.245.67", "139.***.***.67"),
            ("10.154.50.52-139-1234", "10.1**.**.**-***-**34"),
            ("139.1234.5678", "139.****.**78"),
            ("139\u{3000}1234\u{a0}5678", "139\u{3000}****\u{a0}**78"),
            ("139–1234－5678", "139–****－**78"),
            ("+86 139 1234 5678", "+86 1** **** **78"),
            ("+86-139-1234-5678", "+86-1**-****-**78"),
            ("0086 (139) 12345678", "008* (***) ******78"),
            ("(0731) 8412 3456", "(073*) **** **56"),
            ("１３９１２３４５６７８", "１３９******７８"),
            (
                "＋８６ １３９－１２３４－５６７８",
                "＋８６ １**－****－**７８",
            ),
            ("电话139-1234-5678，在家", "电话139-****-**78，在家"),
            (
                r#"{"ts":1764000000000,"phone":"139 1234 5678"}"#,
                r#"{"ts":1764000000000,"phone":"139 **** **78"}"#,
            ),
        ] {
            assert_eq!(mask(text), wanted);
        }
    }

    #[test]
    fn what_is_no_number_of_a_person_stays() {
        for text in [
            r#"{"ts":"2026-11-21T10:00:00.123+08:00"}"#,
            "2026-11-21 10:00:00",
            "10:00 2026-11-21",
            "[12, 345, 678, 901]",
            "12345.25",
            "at host=10.154.50.52;interface=ITF_CCOSVC",
            "10.154.50.52, 192.168.100.200:8080",
            "1.2.3",
            "-1.5 s",
            r#"{"a":139,"b":1234,"c":5678}"#,
        ] {
            assert_eq!(mask(text), text);
        }
    }
}
