//! From a notice to the ledger's entry, and from that to the bytes of a message. Pure: the same notice gives the same bytes.
//!
//! Invariants:
//! * Message-ID, MIME boundaries, Content-ID and Date come from the notice, never from chance or a clock;
//! * every message after an incident's first refers to that first one, so that clients thread them;
//! * one that tells several triggers refers to the first of each, and belongs to each of their threads.

use std::time::{Duration, SystemTime};

use lettre::address::AddressError;
use lettre::message::header::{
    ContentDisposition, ContentId, ContentTransferEncoding, ContentType, HeaderName, HeaderValue,
};
use lettre::message::{Mailbox, MessageBuilder, MultiPart, SinglePart};
use thiserror::Error;

use super::config::MailConfig;
use super::grouping::{groups, rank};
use super::identity;
use super::render::{RenderError, Rendered, Renderer};
use crate::alerting::Notice;
use crate::links::Links;
use crate::reports::{Reader, ReportNotice, csv};
use crate::rules::{Contact, Severity};
use crate::store::{DEMANDS, DIGEST, Entry, Members, REPORT};

/// Why a notice cannot become a message.
#[derive(Debug, Error)]
pub enum EmailError {
    /// An address of the configuration.
    #[error("mail setting {setting} is not an address: \"{value}\"")]
    Setting {
        /// The setting's name.
        setting: &'static str,
        /// Its value.
        value: String,
        /// What is wrong with it.
        #[source]
        source: AddressError,
    },
    /// The recipient's address.
    #[error("contact has no usable mail address: \"{0}\"")]
    Recipient(String, #[source] AddressError),
    /// A mistake in a template.
    #[error(transparent)]
    Render(#[from] RenderError),
    /// What the ledger keeps is no notice of this program.
    #[error("cannot read the stored notice")]
    Stored(#[source] serde_json::Error),
    /// A digest without a notice: its notices have ended otherwise.
    #[error("nothing is left to tell in this digest")]
    Nothing,
    /// lettre refused what was put together.
    #[error("cannot put the message together")]
    Build(#[source] lettre::error::Error),
}

/// A notice made into a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Subject line.
    pub subject: String,
    /// The whole message as it goes on the wire.
    pub eml: Vec<u8>,
}

/// Makes messages under one configuration.
#[derive(Debug)]
pub struct Composer {
    renderer: Renderer,
    from: Mailbox,
    reply_to: Option<Mailbox>,
    domain: String,
    links: Option<Links>,
    group_from: u32,
}

impl Composer {
    /// Checks the configuration's addresses and parses the templates.
    pub fn new(config: &MailConfig) -> Result<Composer, EmailError> {
        let from = mailbox("from", &config.from)?;
        let reply_to = config
            .reply_to
            .as_deref()
            .map(|to| mailbox("reply_to", to))
            .transpose()?;
        let domain = config
            .domain
            .clone()
            .unwrap_or_else(|| from.email.domain().to_owned());
        // The domain ends up inside Message-IDs, so it must be one.
        mailbox("domain", &format!("id@{domain}"))?;
        Ok(Composer {
            renderer: Renderer::new()?,
            from,
            reply_to,
            domain,
            links: None,
            group_from: config.group_from,
        })
    }

    /// The same, with links to act by in the mails of triggers.
    pub fn with_links(self, links: Option<Links>) -> Composer {
        Composer { links, ..self }
    }

    /// The sender's address, for the envelope.
    pub fn sender(&self) -> &Mailbox {
        &self.from
    }

    /// What an epoch tells as the ledger keeps it: its notices, and before them the mails that tell several of them.
    pub fn entries(&self, notices: &[Notice]) -> Vec<Entry> {
        let mut entries: Vec<Entry> = notices.iter().map(|notice| self.entry(notice)).collect();
        let mut heads = Vec::new();
        for group in groups(notices, self.group_from) {
            let told: Vec<&Entry> = group.iter().filter_map(|at| entries.get(*at)).collect();
            // The most urgent leads.
            let Some(first) = told.first() else { continue };
            let message_ids: Vec<&str> = told.iter().map(|entry| &*entry.message_id).collect();
            let (id, message_id) = identity::group(&message_ids, &self.domain);
            heads.push(Entry {
                id: id.clone(),
                incident: id.clone(),
                revision: 1,
                reason: DEMANDS.to_owned(),
                message_id,
                notice: Vec::new(),
                ..(*first).clone()
            });
            for at in group {
                if let Some(entry) = entries.get_mut(at) {
                    entry.digest = Some(id.clone());
                }
            }
        }
        heads.append(&mut entries);
        heads
    }

    /// A notice as the ledger keeps it. Cheap: nothing is rendered or checked.
    pub fn entry(&self, notice: &Notice) -> Entry {
        Entry {
            id: notice.id.clone(),
            incident: notice.alert.incident.clone(),
            revision: notice.revision,
            reason: notice.reason.name().to_owned(),
            recipient: notice.recipient.email.clone(),
            urgency: urgency(notice.alert.severity),
            message_id: identity::message_id(notice, &self.domain),
            // Plain data always has a JSON form. Should it ever not, the mail is refused when it is due,
            // with a reason, and the others of the epoch are recorded.
            notice: serde_json::to_vec(notice).unwrap_or_default(),
            decided_at_ms: notice.decided_at_ms,
            digest: None,
        }
    }

    /// A report as the ledger keeps it: behind everything that is urgent.
    pub fn entry_of_report(&self, notice: &ReportNotice) -> Entry {
        Entry {
            id: notice.id.clone(),
            incident: notice.thread(),
            revision: 1,
            reason: REPORT.to_owned(),
            recipient: notice.recipient.email.clone(),
            urgency: urgency(Severity::Warning),
            message_id: identity::report_id(notice, &self.domain),
            notice: serde_json::to_vec(notice).unwrap_or_default(),
            decided_at_ms: notice.report.decided_at_ms,
            digest: None,
        }
    }

    /// Makes the message of an entry, by its Message-ID and its notice. Takes milliseconds, for it
    /// draws and encodes a picture: no work for threads that serve IO.
    pub fn compose(&self, message_id: &str, notice: &[u8]) -> Result<Message, EmailError> {
        let notice = serde_json::from_slice(notice).map_err(EmailError::Stored)?;
        self.message(message_id, &notice)
    }

    /// Makes the message of a digest, by its Message-ID and the notices that it tells.
    pub fn compose_digest(
        &self,
        message_id: &str,
        members: &Members,
    ) -> Result<Message, EmailError> {
        let notices = read(members)?;
        let first = notices.first().ok_or(EmailError::Nothing)?;
        let rendered = self
            .renderer
            .digest(&notices, members.total, self.links.as_ref())?;
        let rendered = rendered.ok_or(EmailError::Nothing)?;
        let message = self
            .addressed(
                message_id,
                &first.recipient,
                &rendered.subject,
                members.newest_at_ms,
            )?
            .raw_header(header("X-Chrysalis-Reason", DIGEST.to_owned()))
            .raw_header(header("X-Chrysalis-Notices", members.total.to_string()));
        finish(message, rendered, message_id, "", Vec::new())
    }

    /// Makes the message of a group, by its Message-ID and the notices that it tells: one reader's, of one decision.
    pub fn compose_demands(
        &self,
        message_id: &str,
        members: &Members,
    ) -> Result<Message, EmailError> {
        let mut notices = read(members)?;
        notices.sort_by_cached_key(rank);
        let first = notices.first().ok_or(EmailError::Nothing)?;
        let content_id = format!("chart.{message_id}");
        let rendered = self
            .renderer
            .demands(&notices, &content_id, self.links.as_ref())?;
        let rendered = rendered.ok_or(EmailError::Nothing)?;
        let domain = self.domain_of(message_id);
        let root_ids = notices.iter();
        let root_ids: Vec<String> = root_ids
            .map(|notice| format!("<{}>", identity::root_id(notice, domain)))
            .collect();
        let incidents: Vec<&str> = notices.iter().map(|one| &*one.alert.incident).collect();
        let mut message = self.addressed(
            message_id,
            &first.recipient,
            &rendered.subject,
            members.newest_at_ms,
        )?;
        if let Some(root_id) = root_ids.first() {
            message = message.in_reply_to(root_id.clone());
        }
        let message = message
            .references(root_ids.join(" "))
            .raw_header(header(
                "X-Chrysalis-Incident",
                one_line(&incidents.join(", ")),
            ))
            .raw_header(header("X-Chrysalis-Reason", DEMANDS.to_owned()))
            .raw_header(header("X-Chrysalis-Notices", members.total.to_string()));
        finish(message, rendered, message_id, &content_id, Vec::new())
    }

    /// Makes the message of a report: texts, and each table as CSV.
    pub fn compose_report(&self, message_id: &str, stored: &[u8]) -> Result<Message, EmailError> {
        let notice: ReportNotice = serde_json::from_slice(stored).map_err(EmailError::Stored)?;
        let report = &notice.report;
        let reader = Reader::of(report, notice.recipient.language);
        let rendered = self.renderer.report(report, &reader)?;
        let message = self
            .addressed(
                message_id,
                &notice.recipient,
                &rendered.subject,
                report.decided_at_ms,
            )?
            .raw_header(header("X-Chrysalis-Reason", REPORT.to_owned()))
            .raw_header(header("X-Chrysalis-Report", one_line(&report.id)));
        let tables = report.tables.iter().filter(|table| !table.rows.is_empty());
        let files = tables.map(|table| {
            let name = format!("{}-{}-{}.csv", report.id, report.period.key, table.key);
            (name, csv(table, &reader))
        });
        finish(message, rendered, message_id, "", files.collect())
    }

    /// Identity and Message-ID of the digest that begins with a notice.
    pub(super) fn digest_identity(&self, recipient: &str, first_id: &str) -> (String, String) {
        identity::digest(recipient, first_id, &self.domain)
    }

    fn message(&self, message_id: &str, notice: &Notice) -> Result<Message, EmailError> {
        let root_id = identity::root_id(notice, self.domain_of(message_id));
        let content_id = format!("chart.{message_id}");
        let rendered = self
            .renderer
            .render(notice, &content_id, self.links.as_ref())?;
        let mut message = self.addressed(
            message_id,
            &notice.recipient,
            &rendered.subject,
            notice.decided_at_ms,
        )?;
        if message_id != root_id {
            message = message
                .in_reply_to(format!("<{root_id}>"))
                .references(format!("<{root_id}>"));
        }
        for (name, value) in [
            ("X-Chrysalis-Incident", one_line(&notice.alert.incident)),
            ("X-Chrysalis-Reason", notice.reason.name().to_owned()),
            ("X-Chrysalis-Revision", notice.revision.to_string()),
        ] {
            message = message.raw_header(header(name, value));
        }
        finish(message, rendered, message_id, &content_id, Vec::new())
    }

    /// A thread keeps the domain that its notices were decided under.
    fn domain_of<'a>(&'a self, message_id: &'a str) -> &'a str {
        message_id
            .rsplit_once('@')
            .map_or(self.domain.as_str(), |(_, domain)| domain)
    }

    /// The headers that every message has.
    fn addressed(
        &self,
        message_id: &str,
        recipient: &Contact,
        subject: &str,
        at_ms: i64,
    ) -> Result<MessageBuilder, EmailError> {
        let address = recipient
            .email
            .parse()
            .map_err(|source| EmailError::Recipient(recipient.email.clone(), source))?;
        let to = Mailbox::new(Some(one_line(&recipient.name)), address);
        let mut message = lettre::Message::builder()
            .from(self.from.clone())
            .to(to)
            .subject(subject)
            .date(date(at_ms))
            .message_id(Some(format!("<{message_id}>")));
        if let Some(reply_to) = &self.reply_to {
            message = message.reply_to(reply_to.clone());
        }
        let sender = &self.from.email;
        for (name, value) in [
            ("Auto-Submitted", "auto-generated".to_owned()),
            ("X-Auto-Response-Suppress", "All".to_owned()),
            (
                "List-Id",
                format!("Chrysalis alerts <alerts.{}>", self.domain),
            ),
            (
                "List-Unsubscribe",
                format!("<mailto:{sender}?subject=unsubscribe>"),
            ),
        ] {
            message = message.raw_header(header(name, value));
        }
        Ok(message)
    }
}

/// The notices that a digest or a group tells.
fn read(members: &Members) -> Result<Vec<Notice>, EmailError> {
    let read = |stored: &Vec<u8>| serde_json::from_slice(stored).map_err(EmailError::Stored);
    members.notices.iter().map(read).collect()
}

fn header(name: &'static str, value: String) -> HeaderValue {
    HeaderValue::new(HeaderName::new_from_ascii_str(name), value)
}

/// Puts the texts, the chart where there is one, and files by their names below the headers.
fn finish(
    message: MessageBuilder,
    rendered: Rendered,
    message_id: &str,
    content_id: &str,
    files: Vec<(String, String)>,
) -> Result<Message, EmailError> {
    let boundary = |part: &str| format!("{:016x}", identity::hash(&[message_id, part]));
    let text = SinglePart::plain(rendered.text);
    let html = SinglePart::html(rendered.html);
    let texts = MultiPart::alternative()
        .boundary(boundary("alternative"))
        .singlepart(text);
    let texts = match rendered.chart {
        None => texts.singlepart(html),
        Some(png) => {
            let chart = SinglePart::builder()
                .header(ContentType::parse("image/png").unwrap_or(ContentType::TEXT_PLAIN))
                .header(ContentDisposition::inline_with_name("chart.png"))
                .header(ContentId::from(format!("<{content_id}>")))
                .header(ContentTransferEncoding::Base64)
                .body(png);
            let related = MultiPart::related().boundary(boundary("related"));
            texts.multipart(related.singlepart(html).singlepart(chart))
        }
    };
    let content = if files.is_empty() {
        texts
    } else {
        let mixed = MultiPart::mixed().boundary(boundary("mixed"));
        files
            .into_iter()
            .fold(mixed.multipart(texts), |content, (name, text)| {
                content.singlepart(attached(&name, text))
            })
    };
    let message = message.multipart(content).map_err(EmailError::Build)?;
    Ok(Message {
        subject: rendered.subject,
        eml: message.formatted(),
    })
}

/// A file as bytes: a mail server that turned its line ends would change what the mark promises.
fn attached(name: &str, text: String) -> SinglePart {
    SinglePart::builder()
        .header(ContentType::parse("text/csv; charset=utf-8").unwrap_or(ContentType::TEXT_PLAIN))
        .header(ContentDisposition::attachment(name))
        .header(ContentTransferEncoding::Base64)
        .body(text)
}

/// What comes first where not all can be sent at once: the rank of the severity.
pub(super) const fn urgency(severity: Severity) -> u8 {
    match severity {
        Severity::Warning => 0,
        Severity::Minor => 1,
        Severity::Major => 2,
        Severity::Critical => 3,
    }
}

fn mailbox(setting: &'static str, value: &str) -> Result<Mailbox, EmailError> {
    value.parse().map_err(|source| EmailError::Setting {
        setting,
        value: value.to_owned(),
        source,
    })
}

/// A header is one line: a name from a rule book must not be able to add another.
fn one_line(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

fn date(ms: i64) -> SystemTime {
    let since = Duration::from_millis(u64::try_from(ms).unwrap_or(0));
    // A date that the header cannot hold (after 9999) is the journal clock's mistake, not the mail's.
    let last = Duration::from_secs(253_402_300_799);
    SystemTime::UNIX_EPOCH + since.min(last)
}
