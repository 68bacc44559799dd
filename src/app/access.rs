//! The tokens of the API, as the configuration says.

use anyhow::{Context, bail, ensure};

use crate::api::{Access, Grant, TOKEN_CHARS_MIN, sha256};
use crate::config::{Config, TokenSettings};

/// Reads the tokens, and says in the log who may come in.
pub(super) fn access_of(config: &Config) -> anyhow::Result<Access> {
    let mut grants: Vec<Grant> = Vec::new();
    for token in &config.access.tokens {
        let grant = grant_of(token).with_context(|| format!("access token of {:?}", token.name))?;
        ensure!(
            grants.iter().all(|known| known.sha256 != grant.sha256),
            "access token of {:?} is somebody else's, too",
            token.name
        );
        grants.push(grant);
    }
    let access = Access::of(grants);
    if access.is_open() {
        let host = config.listen.rsplit_once(':').map_or("", |(host, _)| host);
        let is_local = matches!(host, "127.0.0.1" | "[::1]" | "localhost");
        if is_local {
            tracing::info!(
                "no access tokens: whoever is on this machine may read and command, nobody sees numbers"
            );
        } else {
            tracing::warn!(
                listen = config.listen,
                "no access tokens, and the server listens beyond this machine: whoever reaches it may read and command; nobody sees numbers"
            );
        }
    }
    Ok(access)
}

fn grant_of(token: &TokenSettings) -> anyhow::Result<Grant> {
    ensure!(!token.name.trim().is_empty(), "it has no name");
    let sha256 = match (&token.token_file, &token.token_sha256) {
        (Some(path), None) => {
            let text = std::fs::read_to_string(path)
                .with_context(|| format!("cannot read {}", path.display()))?;
            let secret = text.trim_end();
            ensure!(
                secret.chars().count() >= TOKEN_CHARS_MIN,
                "{} has fewer than {TOKEN_CHARS_MIN} characters",
                path.display()
            );
            sha256(secret)
        }
        (None, Some(digits)) => {
            digest_of(digits).context("token_sha256 is not 64 hexadecimal digits")?
        }
        _ => bail!("it needs token_file or token_sha256, and not both"),
    };
    Ok(Grant {
        name: token.name.trim().to_owned(),
        sha256,
        roles: token.roles.clone(),
        departments: token.departments.clone(),
        cities: token.cities.clone(),
    })
}

fn digest_of(digits: &str) -> Option<[u8; 32]> {
    let mut digest = [0; 32];
    if digits.len() != 2 * digest.len() || !digits.is_ascii() {
        return None;
    }
    for (at, byte) in digest.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&digits[2 * at..2 * at + 2], 16).ok()?;
    }
    Some(digest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::AccessSettings;

    fn access(text: &str) -> anyhow::Result<Access> {
        let access: AccessSettings = serde_saphyr::from_str(text).unwrap();
        access_of(&Config {
            access,
            ..Config::default()
        })
    }

    #[test]
    fn tokens_come_from_files_or_as_digests() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t");
        std::fs::write(&path, "0123456789abcdef\n").unwrap();
        let file = path.display();
        let digest = "9f9f5111f7b27a781f1f1ddde5ebc2dd2b796bfc7365c9c28b548e564176929f";
        assert_eq!(digest_of(digest), Some(sha256("0123456789abcdef")));
        let both = format!("tokens: [{{name: a, token_file: {file}, roles: [operator]}}]");
        assert_eq!(access(&both).unwrap().tokens(), 1);
        for (bad, words) in [
            (
                format!(
                    "tokens: [{{name: a, token_file: {file}}}, {{name: b, token_sha256: {digest}}}]"
                ),
                "somebody else's",
            ),
            ("tokens: [{name: a}]".to_owned(), "not both"),
            (
                "tokens: [{name: a, token_sha256: xyz}]".to_owned(),
                "64 hexadecimal",
            ),
            (
                format!("tokens: [{{name: ' ', token_file: {file}}}]"),
                "no name",
            ),
            (
                "tokens: [{name: a, token_file: /no/such}]".to_owned(),
                "/no/such",
            ),
        ] {
            let error = format!("{:#}", access(&bad).unwrap_err());
            assert!(error.contains(words), "{error}");
        }
        std::fs::write(&path, "short").unwrap();
        assert!(format!("{:#}", access(&both).unwrap_err()).contains("fewer than 16"));
    }
}
