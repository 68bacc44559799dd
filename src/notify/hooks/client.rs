//! Posts a body once, and says how it went; when to try again is `delivery`'s business.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use http_body_util::{BodyExt, Full, Limited};
use hyper::header::CONTENT_TYPE;
use hyper::{Request, StatusCode, Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{Client, Error as ClientError};
use hyper_util::rt::TokioExecutor;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use sha2::Sha256;
use thiserror::Error;

use super::RECIPIENT;
use super::body::{of_feedback, of_notice};
use super::config::HookConfig;
use crate::alerting::{Feedback, Notice};
use crate::notify::backend::{DeliveryError, Failure, Mail};
use crate::store::Entry;

/// Header with the signature of the body: `sha256=` and the HMAC-SHA256 in hexadecimal.
const SIGNATURE: &str = "chrysalis-signature";
/// Header by which a receiver knows a second copy.
const IDEMPOTENCY_KEY: &str = "idempotency-key";
/// Characters of an answer that are kept of a failure.
const ANSWER_CHARS_MAX: usize = 200;
/// Bytes of an answer that are read.
const ANSWER_BYTES_MAX: usize = 4_096;

type Web = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// Every webhook, ready to be told.
#[derive(Clone, Debug, Default)]
pub struct Hooks {
    all: BTreeMap<String, Hook>,
    configs: Vec<HookConfig>,
}

#[derive(Clone)]
struct Hook {
    client: Web,
    url: Uri,
    timeout: Duration,
    key: Option<Hmac<Sha256>>,
}

impl std::fmt::Debug for Hook {
    /// Without the key, and without a URL that may hold one.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hook").finish_non_exhaustive()
    }
}

/// A webhook cannot be used as configured.
#[derive(Debug, Error)]
pub enum HooksError {
    /// A name that cannot be part of an identity, or that two have.
    #[error("webhook name {0:?} is taken or has characters other than letters, digits, - and _")]
    Name(String),
    /// No URL of a web server.
    #[error("webhook {name}: {reason}")]
    Url {
        /// The webhook.
        name: String,
        /// What is wrong.
        reason: String,
    },
    /// The key cannot be read.
    #[error("webhook {name}: cannot read its key {path}")]
    Key {
        /// The webhook.
        name: String,
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// TLS cannot be set up.
    #[error("webhook {name}: cannot set up tls")]
    Tls {
        /// The webhook.
        name: String,
        /// Why not.
        #[source]
        source: rustls::Error,
    },
    /// The further certificate authority cannot be read.
    #[error("webhook {name}: no certificates in {path}: {reason}")]
    Authority {
        /// The webhook.
        name: String,
        /// The file.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
}

impl Hooks {
    /// Checks the configuration and reads the keys.
    ///
    /// # Errors
    /// [`HooksError`]
    pub fn open(configs: &[HookConfig]) -> Result<Hooks, HooksError> {
        let mut all = BTreeMap::new();
        for config in configs {
            let name = &config.name;
            let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
            if name.is_empty() || !name.chars().all(is_plain) || all.contains_key(name) {
                return Err(HooksError::Name(name.clone()));
            }
            all.insert(name.clone(), Hook::open(config)?);
        }
        Ok(Hooks {
            all,
            configs: configs.to_vec(),
        })
    }

    /// The recipients that they are in the ledger.
    pub(in crate::notify) fn recipients(&self) -> Vec<String> {
        let names = self.all.keys();
        names.map(|name| format!("{RECIPIENT}{name}")).collect()
    }

    /// What an epoch's decisions are to each webhook: a notice once, whoever else is mailed it.
    pub(in crate::notify) fn entries(
        &self,
        notices: &[Notice],
        feedback: &[Feedback],
    ) -> Vec<Entry> {
        let mut entries = Vec::new();
        for hook in &self.configs {
            let mut told = BTreeSet::new();
            let mut once = notices.iter();
            let once = once.by_ref().filter(|notice| {
                let what = (notice.alert.incident.clone(), notice.revision);
                told.insert(what)
            });
            entries.extend(once.filter_map(|notice| of_notice(notice, hook)));
            entries.extend(feedback.iter().filter_map(|said| of_feedback(said, hook)));
        }
        entries
    }

    /// Posts once. The bytes are the body, the Message-ID its identity.
    pub(in crate::notify) async fn deliver(&self, mail: &Mail) -> Result<(), DeliveryError> {
        let name = mail.to.strip_prefix(RECIPIENT).unwrap_or_default();
        let Some(hook) = self.all.get(name) else {
            return Err(DeliveryError {
                failure: Failure::Permanent,
                message: format!("no webhook {name:?} is configured any more"),
            });
        };
        hook.post(&mail.message_id, &mail.eml).await
    }
}

impl Hook {
    fn open(config: &HookConfig) -> Result<Hook, HooksError> {
        let name = || config.name.clone();
        let refused = |reason: String| HooksError::Url {
            name: name(),
            reason,
        };
        let url: Uri = config
            .url
            .parse()
            .map_err(|error| refused(format!("{error}")))?;
        if !matches!(url.scheme_str(), Some("http" | "https")) || url.host().is_none() {
            return Err(refused("its URL is neither http nor https".to_owned()));
        }
        let key = match &config.key_file {
            None => None,
            Some(path) => {
                let secret = std::fs::read(path).map_err(|source| HooksError::Key {
                    name: name(),
                    path: path.clone(),
                    source,
                })?;
                Hmac::new_from_slice(secret.trim_ascii_end()).ok()
            }
        };
        Ok(Hook {
            client: web(config)?,
            url,
            timeout: Duration::from_secs(config.timeout_s.max(1)),
            key,
        })
    }

    async fn post(&self, id: &str, body: &[u8]) -> Result<(), DeliveryError> {
        let mut request = Request::post(&self.url)
            .header(CONTENT_TYPE, "application/json")
            .header(IDEMPOTENCY_KEY, ascii(id));
        if let Some(key) = &self.key {
            request = request.header(SIGNATURE, signature(key, body));
        }
        let request = request
            .body(Full::new(Bytes::copy_from_slice(body)))
            .map_err(|error| permanent(error.to_string()))?;
        // The deadline is of the whole exchange. A redirect is not followed: it would carry a signed body to
        // whom nobody named.
        let answered = tokio::time::timeout(self.timeout, self.exchange(request)).await;
        let (status, said) = match answered {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => return Err(transient(reason_of(&error))),
            Err(_) => {
                let timeout_s = self.timeout.as_secs();
                return Err(transient(format!("no answer within {timeout_s} s")));
            }
        };
        if status.is_success() {
            return Ok(());
        }
        Err(DeliveryError {
            failure: meaning_of(status),
            message: format!("the webhook answered {status}: {said}"),
        })
    }

    async fn exchange(
        &self,
        request: Request<Full<Bytes>>,
    ) -> Result<(StatusCode, String), ClientError> {
        let answer = self.client.request(request).await?;
        let status = answer.status();
        // What it says matters only to whoever looks for the failure.
        let said = Limited::new(answer.into_body(), ANSWER_BYTES_MAX);
        let said = said.collect().await.map(|said| said.to_bytes());
        let said = said.unwrap_or_default();
        let said: String = String::from_utf8_lossy(&said)
            .chars()
            .take(ANSWER_CHARS_MAX)
            .collect();
        Ok((status, said))
    }
}

/// A client that trusts the well-known authorities and the one configured.
fn web(config: &HookConfig) -> Result<Web, HooksError> {
    let mut roots = RootCertStore {
        roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
    };
    if let Some(path) = &config.ca_file {
        let refused = |reason: String| HooksError::Authority {
            name: config.name.clone(),
            path: path.clone(),
            reason,
        };
        let found =
            CertificateDer::pem_file_iter(path).map_err(|error| refused(error.to_string()))?;
        let mut count = 0;
        for certificate in found {
            let certificate = certificate.map_err(|error| refused(error.to_string()))?;
            roots
                .add(certificate)
                .map_err(|error| refused(error.to_string()))?;
            count += 1;
        }
        if count == 0 {
            return Err(refused("it has none".to_owned()));
        }
    }
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let tls = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|source| HooksError::Tls {
            name: config.name.clone(),
            source,
        })?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connector = HttpsConnectorBuilder::new()
        .with_tls_config(tls)
        .https_or_http()
        .enable_http1()
        .build();
    Ok(Client::builder(TokioExecutor::new()).build(connector))
}

fn transient(message: String) -> DeliveryError {
    DeliveryError {
        failure: Failure::Transient,
        message,
    }
}

fn permanent(message: String) -> DeliveryError {
    DeliveryError {
        failure: Failure::Permanent,
        message,
    }
}

/// The signature of a body.
fn signature(key: &Hmac<Sha256>, body: &[u8]) -> String {
    let mut hmac = key.clone();
    hmac.update(body);
    let bytes = hmac.finalize().into_bytes();
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256={digits}")
}

/// Identities hold labels, which may be Chinese; a header is ASCII.
fn ascii(id: &str) -> String {
    let plain = |c: char| match c {
        ' '..='~' => c.to_string(),
        c => format!("u{:04x}", u32::from(c)),
    };
    id.chars().map(plain).collect()
}

/// What an answer means for the next attempt.
fn meaning_of(status: StatusCode) -> Failure {
    match status {
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS | StatusCode::TOO_EARLY => {
            Failure::Transient
        }
        // Every delivery would fail alike until somebody mends the settings.
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::NOT_FOUND => Failure::Setup,
        status if status.is_redirection() => Failure::Setup,
        status if status.is_client_error() => Failure::Permanent,
        _ => Failure::Transient,
    }
}

/// What went wrong, down to its first cause.
fn reason_of(error: &ClientError) -> String {
    let kind = match error.is_connect() {
        true => "no connection",
        false => "the request failed",
    };
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    format!("{kind}: {cause}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_that_of_rfc_4231() {
        // Test case 2.
        let key = Hmac::new_from_slice(b"Jefe").unwrap();
        assert_eq!(
            signature(&key, b"what do ya want for nothing?"),
            "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
    }

    #[test]
    fn an_answer_says_whether_to_try_again() {
        for (status, failure) in [
            (500, Failure::Transient),
            (503, Failure::Transient),
            (429, Failure::Transient),
            (401, Failure::Setup),
            (302, Failure::Setup),
            (400, Failure::Permanent),
            (410, Failure::Permanent),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(meaning_of(status), failure, "{status}");
        }
        assert_eq!(ascii("a;city=长沙.1"), "a;city=u957fu6c99.1");
    }

    #[test]
    fn a_webhook_that_cannot_be_is_refused_by_name() {
        let config = |name: &str, url: &str, key_file: Option<&str>| HookConfig {
            name: name.to_owned(),
            url: url.to_owned(),
            key_file: key_file.map(PathBuf::from),
            ca_file: None,
            events: Vec::new(),
            timeout_s: 1,
        };
        let good = config("itsm", "http://127.0.0.1:1/x", None);
        assert!(Hooks::open(std::slice::from_ref(&good)).is_ok());
        for (configs, words) in [
            (vec![good.clone(), good], "itsm"),
            (vec![config("a b", "http://a", None)], "a b"),
            (vec![config("a", "ftp://a", None)], "neither http nor https"),
            (vec![config("a", "http://a", Some("/no/key"))], "/no/key"),
        ] {
            let error = Hooks::open(&configs).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
    }
}
