//! A link's token: what it says, in the open, and the signature of that.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use thiserror::Error;

use super::key::LinkKey;

/// The act of a link that holds reminders back; every other act is a state to move to.
pub const ACKNOWLEDGE: &str = "acknowledge";

/// Where pages of links are, below the public URL.
const PATH: &str = "/actions/";
/// Where pages of triggers are, below the public URL.
const PAGES: &str = "/triggers/";
/// Between the fields; identifiers and states hold none.
const BETWEEN: char = '~';
/// What is signed here, so that a signature made for something else is none of a link.
const PURPOSE: &str = "chrysalis action link 1";
/// What marks of readers are made for.
const READER: &str = "chrysalis link reader 1";
/// Bytes of a reader's mark: it tells the people of one trigger apart.
const READER_BYTES: usize = 12;
/// Longest token that is looked at, bytes.
const TOKEN_BYTES_MAX: usize = 400;

/// Makes and reads links.
#[derive(Clone, Debug)]
pub struct Links {
    /// The public URL without a slash behind it.
    base: String,
    key: LinkKey,
    valid_ms: i64,
}

/// What a link says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The trigger.
    pub trigger: String,
    /// State that it shall have, or [`ACKNOWLEDGE`].
    pub act: String,
    /// Revision of the trigger's news that it came with.
    pub revision: u32,
    /// Until when it may be used, ms.
    pub expires_ms: i64,
    /// Mark of the reader that it was made for.
    reader: String,
}

/// A token is no link of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the signature does not fit")]
pub struct LinkError;

/// The public URL cannot be one.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "{url:?} is no public URL, wanted https://host or http://host, with a path if there is one"
)]
pub struct UrlError {
    /// What was given.
    pub url: String,
}

impl Links {
    /// Links below a public URL that may be used for so long after the decision that they were mailed for.
    ///
    /// # Errors
    /// The URL is none of a web server.
    pub fn new(public_url: &str, key: LinkKey, valid_ms: i64) -> Result<Links, UrlError> {
        let base = public_url.trim_end_matches('/');
        let host = base
            .strip_prefix("https://")
            .or_else(|| base.strip_prefix("http://"));
        let is_plain = |c: char| c.is_ascii_graphic() && !"\"'<>?#&\\".contains(c);
        let fits = host.is_some_and(|host| {
            !host.is_empty() && !host.starts_with('/') && host.chars().all(is_plain)
        });
        if !fits {
            return Err(UrlError {
                url: public_url.to_owned(),
            });
        }
        Ok(Links {
            base: base.to_owned(),
            key,
            valid_ms,
        })
    }

    /// When a link of a decision ends, ms.
    pub fn expires_ms(&self, decided_at_ms: i64) -> i64 {
        decided_at_ms.saturating_add(self.valid_ms)
    }

    /// The link for one reader to one act.
    pub fn url(
        &self,
        trigger: &str,
        act: &str,
        revision: u32,
        email: &str,
        decided_at_ms: i64,
    ) -> String {
        let expires_ms = self.expires_ms(decided_at_ms);
        let reader = self.mark(email);
        let said = format!("{trigger}~{act}~{revision}~{expires_ms}~{reader}");
        let signature = URL_SAFE_NO_PAD.encode(self.key.sign(PURPOSE, &said));
        format!("{}{PATH}{said}~{signature}", self.base)
    }

    /// The page of a trigger: whoever may read it finds everything there, and nothing is done by opening it.
    pub fn page(&self, trigger: &str) -> String {
        format!("{}{PAGES}{trigger}", self.base)
    }

    /// What a token says.
    ///
    /// # Errors
    /// It was not made with this key.
    pub fn read(&self, token: &str) -> Result<Link, LinkError> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(LinkError);
        }
        let (said, signature) = token.rsplit_once(BETWEEN).ok_or(LinkError)?;
        let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| LinkError)?;
        if !self.key.is_of(PURPOSE, said, &signature) {
            return Err(LinkError);
        }
        let mut fields = said.split(BETWEEN);
        let mut next = || fields.next().ok_or(LinkError);
        Ok(Link {
            trigger: next()?.to_owned(),
            act: next()?.to_owned(),
            revision: next()?.parse().map_err(|_| LinkError)?,
            expires_ms: next()?.parse().map_err(|_| LinkError)?,
            reader: next()?.to_owned(),
        })
    }

    /// Whether a link was made for the person with this address.
    pub fn is_for(&self, link: &Link, email: &str) -> bool {
        self.mark(email) == link.reader
    }

    fn mark(&self, email: &str) -> String {
        let signature = self.key.sign(READER, &email.to_ascii_lowercase());
        URL_SAFE_NO_PAD.encode(&signature[..READER_BYTES])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn links(secret: u8) -> Links {
        let key = LinkKey::of(&[secret; 32]).unwrap();
        Links::new("https://noc.example.com/chrysalis/", key, 1_000).unwrap()
    }

    fn token(links: &Links) -> String {
        let url = links.url("T-000017", "accepted", 3, "Wang@example.com", 5_000);
        let token = url.strip_prefix("https://noc.example.com/chrysalis/actions/");
        token.unwrap().to_owned()
    }

    #[test]
    fn a_link_says_what_it_was_made_for_and_nobodys_address() {
        let links = links(1);
        let token = token(&links);
        let link = links.read(&token).unwrap();
        assert_eq!(
            (&*link.trigger, &*link.act, link.revision, link.expires_ms),
            ("T-000017", "accepted", 3, 6_000)
        );
        assert!(links.is_for(&link, "wang@example.com"));
        assert!(!links.is_for(&link, "li@example.com"));
        assert!(!token.to_lowercase().contains("wang"), "{token}");
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-._~".contains(c);
        assert!(token.chars().all(is_plain), "{token}");
    }

    #[test]
    fn whatever_is_changed_in_a_token_makes_it_none() {
        let links = links(1);
        let token = token(&links);
        for at in 0..token.len() {
            for other in ["0", "~", "A"] {
                let changed = format!("{}{other}{}", &token[..at], &token[at + 1..]);
                // The last character of a signature has bits that say nothing; base64 refuses those set.
                assert!(
                    changed == token || links.read(&changed).is_err(),
                    "{changed}"
                );
            }
        }
        let other_key = self::links(2);
        assert_eq!(other_key.read(&token), Err(LinkError));
        for none in ["", "~", "~~~~~", &"a".repeat(5_000)] {
            assert_eq!(links.read(none), Err(LinkError));
        }
    }

    #[test]
    fn a_public_url_is_a_web_servers() {
        let new = |url| Links::new(url, LinkKey::of(&[1; 32]).unwrap(), 1);
        for good in ["http://127.0.0.1:8080", "https://a.b/c"] {
            assert!(new(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "a.b",
            "ftp://a",
            "https://",
            "https:///x",
            "https://a b",
            "https://a?q",
        ] {
            assert!(new(bad).is_err(), "{bad}");
        }
    }
}
