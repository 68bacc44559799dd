//! The secret that links are signed with.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use thiserror::Error;

/// Shortest secret: as long as what SHA-256 gives (RFC 2104, section 3).
pub const KEY_BYTES_MIN: usize = 32;

/// A secret; never shown.
#[derive(Clone)]
pub struct LinkKey(Hmac<Sha256>);

impl std::fmt::Debug for LinkKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LinkKey")
    }
}

/// There is no secret to sign with.
#[derive(Debug, Error)]
pub enum KeyError {
    /// The file cannot be read or made.
    #[error("cannot {action} the key of action links {path}")]
    File {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// Anybody could guess it.
    #[error("the key of action links {path} has {bytes} bytes, wanted {KEY_BYTES_MIN} or more")]
    Short {
        /// The file.
        path: PathBuf,
        /// Bytes in it.
        bytes: usize,
    },
}

impl LinkKey {
    /// A key of these bytes.
    pub fn of(secret: &[u8]) -> Option<LinkKey> {
        let hmac = Hmac::new_from_slice(secret).ok()?;
        (secret.len() >= KEY_BYTES_MIN).then_some(LinkKey(hmac))
    }

    /// The key in a file; a line end after it does not count.
    ///
    /// # Errors
    /// [`KeyError`]
    pub fn read(path: &Path) -> Result<LinkKey, KeyError> {
        let secret = std::fs::read(path).map_err(|source| file("read", path, source))?;
        let secret = secret.trim_ascii_end();
        LinkKey::of(secret).ok_or_else(|| KeyError::Short {
            path: path.to_owned(),
            bytes: secret.len(),
        })
    }

    /// The key in a file, which is made with one of chance where it is not there, for its owner alone.
    ///
    /// # Errors
    /// [`KeyError`]
    pub fn read_or_make(path: &Path) -> Result<LinkKey, KeyError> {
        if !path.exists() {
            let mut secret = [0; KEY_BYTES_MIN];
            getrandom::fill(&mut secret)
                .map_err(|error| file("make", path, io::Error::other(error)))?;
            let words: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
            write_for_owner(path, words.as_bytes()).map_err(|error| file("make", path, error))?;
        }
        LinkKey::read(path)
    }

    /// The signature of a text that is of one purpose.
    pub(super) fn sign(&self, purpose: &str, text: &str) -> Vec<u8> {
        self.over(purpose, text).finalize().into_bytes().to_vec()
    }

    /// Whether a signature is that of a text; takes as long whichever byte differs.
    pub(super) fn is_of(&self, purpose: &str, text: &str, signature: &[u8]) -> bool {
        self.over(purpose, text).verify_slice(signature).is_ok()
    }

    fn over(&self, purpose: &str, text: &str) -> Hmac<Sha256> {
        let mut hmac = self.0.clone();
        hmac.update(purpose.as_bytes());
        // No purpose holds this byte, so none can be read as the beginning of a text.
        hmac.update(&[0]);
        hmac.update(text.as_bytes());
        hmac
    }
}

/// Writes a whole file beside its place and puts it there, durably: a key that a crash halves would make
/// every link that was mailed before a forged one.
fn write_for_owner(path: &Path, bytes: &[u8]) -> io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    let beside = path.with_extension("new");
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    let mut file = options.open(&beside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&beside, path)?;
    if let Some(folder) = path.parent() {
        std::fs::File::open(folder)?.sync_all()?;
    }
    Ok(())
}

fn file(action: &'static str, path: &Path, source: io::Error) -> KeyError {
    KeyError::File {
        action,
        path: path.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_made_once_for_its_owner_alone() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("link.key");
        let first = LinkKey::read_or_make(&path).unwrap();
        let again = LinkKey::read_or_make(&path).unwrap();
        assert_eq!(first.sign("p", "t"), again.sign("p", "t"));
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(!format!("{first:?}").contains(&std::fs::read_to_string(&path).unwrap()));
        let other = LinkKey::read_or_make(&folder.path().join("other.key")).unwrap();
        assert_ne!(first.sign("p", "t"), other.sign("p", "t"));
    }

    #[test]
    fn a_key_that_is_short_or_not_there_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("k");
        assert!(LinkKey::read(&path).unwrap_err().to_string().contains("/k"));
        std::fs::write(&path, "0123456789\n").unwrap();
        let words = LinkKey::read(&path).unwrap_err().to_string();
        assert!(words.contains("has 10 bytes"), "{words}");
    }

    #[test]
    fn purposes_stay_apart() {
        let key = LinkKey::of(&[7; 32]).unwrap();
        assert_ne!(key.sign("a", "bc"), key.sign("ab", "c"));
        assert!(key.is_of("a", "bc", &key.sign("a", "bc")));
        assert!(!key.is_of("a", "bc", &key.sign("a", "bd")));
    }
}
