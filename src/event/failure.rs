//! The closed list of failure classes of dial tests (domain fact C5), and what is read of a test by it.

use std::sync::Arc;

/// The class of failures whose word no rule maps, and of those that name none.
pub const FAILURE_OTHER: &str = "other";

/// Which words of `code` name which failure.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct FailureClasses {
    /// Words as they come, each with its class; without a class it names no failure. A word that ends in
    /// `*` stands for all that begin so. The first that fits decides.
    pub words: Vec<(String, Option<Arc<str>>)>,
}

/// What a test's `ok` and `code` come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ending<'a> {
    /// Whether it succeeded: never, where a failure is named.
    pub(super) ok: Option<bool>,
    /// Its failure class.
    pub(super) class: Option<&'a str>,
    /// Whether its word is in no list.
    pub(super) is_unknown: bool,
}

impl FailureClasses {
    /// What a test comes to.
    pub(super) fn read(&self, ok: Option<bool>, code: Option<&str>) -> Ending<'_> {
        let known = code.map(|code| self.words.iter().find(|(word, _)| is_meant(word, code)));
        let (class, is_unknown) = match known {
            Some(Some((_, class))) => (class.as_deref(), false),
            Some(None) => (Some(FAILURE_OTHER), true),
            None => (None, false),
        };
        Ending {
            ok: if class.is_some() {
                ok.map(|_| false)
            } else {
                ok
            },
            class: class.or((ok == Some(false)).then_some(FAILURE_OTHER)),
            is_unknown,
        }
    }

    /// Whether it is a class.
    pub fn has(&self, class: &str) -> bool {
        let mut classes = self.words.iter().filter_map(|(_, class)| class.as_deref());
        class == FAILURE_OTHER || classes.any(|known| known == class)
    }
}

fn is_meant(word: &str, code: &str) -> bool {
    match word.strip_suffix('*') {
        Some(head) => code
            .get(..head.len())
            .is_some_and(|begin| begin.eq_ignore_ascii_case(head)),
        None => word.eq_ignore_ascii_case(code),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_names_a_failure_has_failed_and_what_failed_has_a_class() {
        let class = |class: &str| Some(Arc::from(class));
        let classes = FailureClasses {
            words: vec![
                ("busy".to_owned(), class("busy")),
                ("系统繁忙".to_owned(), class("busy")),
                ("http_*".to_owned(), class("page")),
                ("200".to_owned(), None),
            ],
        };
        for (ok, code, want) in [
            (true, None, (true, None, false)),
            (true, Some("200"), (true, None, false)),
            (true, Some("BUSY"), (false, Some("busy"), false)),
            (false, Some("系统繁忙"), (false, Some("busy"), false)),
            (false, Some("http_503"), (false, Some("page"), false)),
            (false, Some("http"), (false, Some("other"), true)),
            (false, Some("系统"), (false, Some("other"), true)),
            (true, Some("banana"), (false, Some("other"), true)),
            (false, Some("200"), (false, Some("other"), false)),
            (false, None, (false, Some("other"), false)),
        ] {
            let read = classes.read(Some(ok), code);
            let got = (read.ok == Some(true), read.class, read.is_unknown);
            assert_eq!(got, want, "{ok} {code:?}");
        }
        assert!(classes.has("busy") && classes.has("other") && !classes.has("banana"));
    }
}
