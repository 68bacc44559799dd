//! Hands one message to whoever carries it: an SMTP server, a folder, or a test's memory.
//!
//! It tries once and says how it went; when to try again is `delivery`'s business.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use lettre::address::Envelope;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::transport::smtp::{self, extension::ClientId};
use lettre::{Address, AsyncSmtpTransport, AsyncTransport, Tokio1Executor};
use thiserror::Error;

use super::config::{MailConfig, Security, SmtpConfig};

/// A message with its envelope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// Message-ID without angle brackets; also the file's name in an outbox.
    pub message_id: String,
    /// Address that bounces go to.
    pub from: Address,
    /// Recipient.
    pub to: String,
    /// The message as it goes on the wire.
    pub eml: Vec<u8>,
}

/// What a failed attempt means for the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Failure {
    /// May pass by itself: no connection, 4xx, a time-out.
    Transient,
    /// Our own settings are wrong (password, STARTTLS, certificate): every mail would fail alike, so
    /// none is given up, and somebody must look.
    Setup,
    /// The server will never take this message: 5xx.
    Permanent,
}

impl Failure {
    /// The name in metrics and logs.
    pub const fn name(self) -> &'static str {
        match self {
            Failure::Transient => "transient",
            Failure::Setup => "setup",
            Failure::Permanent => "permanent",
        }
    }
}

/// An attempt that failed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{message}")]
pub struct DeliveryError {
    /// What it means.
    pub failure: Failure,
    /// What the other side said.
    pub message: String,
}

/// Why a mailer cannot be set up.
#[derive(Debug, Error)]
pub enum MailerError {
    /// A file of the configuration cannot be read.
    #[error("cannot read mail setting {setting} from {path}")]
    File {
        /// The setting's name.
        setting: &'static str,
        /// The file.
        path: PathBuf,
        /// What the file system said.
        #[source]
        source: std::io::Error,
    },
    /// Settings that do not go together.
    #[error("mail settings {0}")]
    Settings(String),
    /// The outbox folder cannot be made.
    #[error("cannot create outbox {path}")]
    Outbox {
        /// The folder.
        path: PathBuf,
        /// What the file system said.
        #[source]
        source: std::io::Error,
    },
    /// TLS cannot be set up.
    #[error("cannot set up tls for mail server \"{host}\"")]
    Tls {
        /// The server.
        host: String,
        /// What the library said.
        #[source]
        source: smtp::Error,
    },
}

/// Who carries messages.
#[derive(Clone, Debug)]
pub enum Mailer {
    /// A mail server, with connections kept open between mails.
    Smtp(AsyncSmtpTransport<Tokio1Executor>),
    /// A folder of `.eml` files.
    Outbox(PathBuf),
    /// Memory, with scripted failures.
    Memory(Arc<Memory>),
}

/// Mails that went nowhere, for tests.
#[derive(Debug, Default)]
pub struct Memory {
    sent: Mutex<Vec<Mail>>,
    script: Mutex<VecDeque<DeliveryError>>,
}

impl Memory {
    /// Lets coming attempts fail, in order; after them all succeed.
    pub fn fail_with(&self, failures: impl IntoIterator<Item = DeliveryError>) {
        self.script
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .extend(failures);
    }

    /// What was taken so far.
    pub fn sent(&self) -> Vec<Mail> {
        self.sent
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn take(&self, mail: &Mail) -> Result<(), DeliveryError> {
        let scripted = self
            .script
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop_front();
        match scripted {
            Some(error) => Err(error),
            None => {
                let mut sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
                sent.push(mail.clone());
                Ok(())
            }
        }
    }
}

impl Mailer {
    /// The mailer that a configuration asks for; an outbox in `data_dir` if it names none.
    pub fn open(config: &MailConfig, data_dir: &Path) -> Result<Mailer, MailerError> {
        match &config.smtp {
            Some(smtp) => Mailer::smtp(smtp, config.in_flight_max),
            None => {
                let path = config
                    .outbox
                    .clone()
                    .unwrap_or_else(|| data_dir.join("outbox"));
                std::fs::create_dir_all(&path).map_err(|source| MailerError::Outbox {
                    path: path.clone(),
                    source,
                })?;
                Ok(Mailer::Outbox(path))
            }
        }
    }

    fn smtp(config: &SmtpConfig, in_flight_max: u32) -> Result<Mailer, MailerError> {
        type Smtp = AsyncSmtpTransport<Tokio1Executor>;
        let (port, tls) = match config.security {
            Security::None => (25, Tls::None),
            Security::Starttls => (587, Tls::Required(tls_parameters(config)?)),
            Security::Tls => (465, Tls::Wrapper(tls_parameters(config)?)),
        };
        let pool = smtp::PoolConfig::new().max_size(in_flight_max.max(1));
        let mut builder = Smtp::builder_dangerous(&config.host)
            .port(config.port.unwrap_or(port))
            .tls(tls)
            .timeout(Some(Duration::from_secs(config.timeout_s)))
            .pool_config(pool);
        if let Some(username) = &config.username {
            let credentials = Credentials::new(username.clone(), password(config)?);
            builder = builder.credentials(credentials);
        }
        Ok(Mailer::Smtp(
            builder.hello_name(ClientId::default()).build(),
        ))
    }

    /// Tries once.
    pub async fn deliver(&self, mail: &Mail) -> Result<(), DeliveryError> {
        match self {
            Mailer::Smtp(transport) => {
                let to: Address = mail.to.parse().map_err(|error| DeliveryError {
                    failure: Failure::Permanent,
                    message: format!("recipient is not an address: {error}"),
                })?;
                let envelope = Envelope::new(Some(mail.from.clone()), vec![to]);
                let envelope = envelope.map_err(|error| DeliveryError {
                    failure: Failure::Permanent,
                    message: error.to_string(),
                })?;
                match transport.send_raw(&envelope, &mail.eml).await {
                    Ok(_) => Ok(()),
                    Err(error) => Err(classify(&error)),
                }
            }
            Mailer::Outbox(folder) => {
                write_atomically(folder, mail)
                    .await
                    .map_err(|error| DeliveryError {
                        failure: Failure::Transient,
                        message: format!("cannot write into outbox {}: {error}", folder.display()),
                    })
            }
            Mailer::Memory(memory) => memory.take(mail),
        }
    }

    /// Takes files out of an outbox that were written before a time, ms; other mailers keep none.
    pub(super) async fn forget(&self, before_ms: i64) -> std::io::Result<()> {
        let Mailer::Outbox(folder) = self else {
            return Ok(());
        };
        let before = Duration::from_millis(u64::try_from(before_ms).unwrap_or(0));
        let before = std::time::SystemTime::UNIX_EPOCH + before;
        let mut files = tokio::fs::read_dir(folder).await?;
        while let Some(file) = files.next_entry().await? {
            let path = file.path();
            let ours = path
                .extension()
                .is_some_and(|ending| ending == "eml" || ending == "tmp");
            if ours && file.metadata().await?.modified()? < before {
                tokio::fs::remove_file(path).await?;
            }
        }
        Ok(())
    }

    /// Closes connections.
    pub async fn close(&self) {
        if let Mailer::Smtp(transport) = self {
            transport.shutdown().await;
        }
    }
}

/// One file a message. Its name is the Message-ID's, so a second copy takes the first one's place.
async fn write_atomically(folder: &Path, mail: &Mail) -> std::io::Result<()> {
    let stem = mail.message_id.split('@').next().unwrap_or_default();
    let temporary = folder.join(format!("{stem}.tmp"));
    let mut options = tokio::fs::OpenOptions::new();
    let mut file = options
        .create(true)
        .write(true)
        .truncate(true)
        .open(&temporary)
        .await?;
    tokio::io::AsyncWriteExt::write_all(&mut file, &mail.eml).await?;
    file.sync_all().await?;
    tokio::fs::rename(&temporary, folder.join(format!("{stem}.eml"))).await
}

fn tls_parameters(config: &SmtpConfig) -> Result<TlsParameters, MailerError> {
    let tls = |source| MailerError::Tls {
        host: config.host.clone(),
        source,
    };
    let mut builder = TlsParameters::builder(config.host.clone());
    if let Some(path) = &config.ca_file {
        let pem = read("ca_file", path)?;
        builder = builder.add_root_certificate(Certificate::from_pem(&pem).map_err(tls)?);
    }
    builder.build_rustls().map_err(tls)
}

fn password(config: &SmtpConfig) -> Result<String, MailerError> {
    let settings = |message: String| MailerError::Settings(message);
    let password = match (&config.password_file, &config.password_env) {
        (Some(path), None) => String::from_utf8(read("password_file", path)?)
            .map_err(|_| settings(format!("have a password file that is not text: {path:?}")))?,
        (None, Some(name)) => std::env::var(name).map_err(|_| {
            settings(format!(
                "name a password variable that is not set: \"{name}\""
            ))
        })?,
        (Some(_), Some(_)) => {
            return Err(settings(
                "have both password_file and password_env".to_owned(),
            ));
        }
        (None, None) => {
            let message = "have a username but neither password_file nor password_env";
            return Err(settings(message.to_owned()));
        }
    };
    Ok(password.trim_end_matches(['\r', '\n']).to_owned())
}

fn read(setting: &'static str, path: &Path) -> Result<Vec<u8>, MailerError> {
    std::fs::read(path).map_err(|source| MailerError::File {
        setting,
        path: path.to_owned(),
        source,
    })
}

/// What an SMTP error means for the next attempt.
fn classify(error: &smtp::Error) -> DeliveryError {
    let code = error.status().map(u16::from);
    let message = with_causes(error);
    let failure = match code {
        // The server wants other credentials, or TLS: RFC 4954 and RFC 3207.
        Some(530 | 534 | 535 | 538) => Failure::Setup,
        Some(500..) => Failure::Permanent,
        Some(_) => Failure::Transient,
        // An address in Chinese, and a server without SMTPUTF8: no other mail is concerned.
        None if message.contains("non-ascii") => Failure::Permanent,
        // STARTTLS or a way to log in is not offered; or the certificate is not trusted.
        None if error.is_client() || error.is_tls() => Failure::Setup,
        None if message.contains("certificate") => Failure::Setup,
        None => Failure::Transient,
    };
    DeliveryError { failure, message }
}

/// lettre's own text already holds its cause; what lies below that is added.
fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            text = format!("{text}: {inner_text}");
        }
        cause = inner.source();
    }
    text
}
