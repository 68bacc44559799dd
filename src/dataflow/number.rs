//! Subscribers' numbers, however they are written: what is compared, and the mark that they are found by.

use std::hash::Hasher;
use std::sync::Arc;

use rustc_hash::FxHasher;

/// The mark of a number; none of what has no digits.
pub(super) fn mark_of(number: Option<&Arc<str>>) -> Option<u64> {
    let digits = digits(number?);
    (!digits.is_empty()).then(|| hash_of(&digits))
}

/// A number as it is compared: its digits, without the country's code (86, 0086) before a mobile one.
pub(super) fn digits(number: &str) -> String {
    #[cfg(test)]
    crate::dataflow::steps::step();
    let digits: String = number.chars().filter(char::is_ascii_digit).collect();
    let own = |code: &str| digits.strip_prefix(code).filter(|own| own.len() == 11);
    match own("86").or_else(|| own("0086")) {
        Some(own) => own.to_owned(),
        None => digits,
    }
}

/// Whether two numbers are the same one, however they are written; none is the same as none.
pub(super) fn is_same(one: Option<&Arc<str>>, other: Option<&Arc<str>>) -> bool {
    match (one, other) {
        (None, None) => true,
        (Some(one), Some(other)) => one == other || digits(one) == digits(other),
        _ => false,
    }
}

/// The mark of digits.
pub(super) fn hash_of(digits: &str) -> u64 {
    let mut hasher = FxHasher::default();
    hasher.write(digits.as_bytes());
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_found_however_it_is_written() {
        for one in [
            "13912345678",
            "+86 139-1234-5678",
            "8613912345678",
            "0086-13912345678",
        ] {
            assert_eq!(digits(one), "13912345678");
        }
        assert_eq!(digits("073184120000"), "073184120000");
        assert_eq!(mark_of(Some(&"anonymous".into())), None);
    }
}
