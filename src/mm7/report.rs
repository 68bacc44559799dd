//! A SOAP message → what it asks: a delivery report, or something that we do not do.

use crate::mm7::Status;
use crate::mm7::xml::{self, Element};

/// Everything of 3GPP's own schemas begins so; nothing else is repeated in an answer.
const NAMESPACE_BASE: &str = "http://www.3gpp.org/ftp/Specs/archive/23_series/23.140/schema/";

/// A message, with what its answer must repeat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// `TransactionID` of the header.
    pub transaction: Option<String>,
    /// 3GPP's namespace that it is written in, to be answered in.
    pub namespace: Option<String>,
    /// `MM7Version`.
    pub version: Option<String>,
    /// The report, or why there is none.
    pub report: Result<DeliveryReport, (Status, String)>,
}

/// `DeliveryReportReq`, as it came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeliveryReport {
    /// `MMSRelayServerID`: the gateway that reports.
    pub relay: Option<String>,
    /// `MessageID`.
    pub message_id: String,
    /// Recipient: number or mail address.
    pub recipient: Option<String>,
    /// Sender: the service that sent the message, or, from some gateways, the handset that it was for.
    pub sender: Option<String>,
    /// `Date` or `TimeStamp`.
    pub date: Option<String>,
    /// `MMStatus`: words of the standard, of gateways, or a number.
    pub status: String,
    /// `StatusText`.
    pub status_text: Option<String>,
}

impl DeliveryReport {
    /// How long its remark is, where it is longer than texts may be, bytes.
    pub fn long_remark(&self, text_bytes_max: usize) -> Option<usize> {
        let bytes = self.status_text.as_ref().map(String::len);
        bytes.filter(|bytes| *bytes > text_bytes_max)
    }
}

/// Reads a message. What cannot be read at all has no transaction to answer to.
pub fn read(bytes: &[u8]) -> Request {
    match xml::read(bytes) {
        Ok(envelope) => of(&envelope),
        Err(words) => Request {
            transaction: None,
            namespace: None,
            version: None,
            report: Err((Status::MessageFormatCorrupt, words)),
        },
    }
}

fn of(envelope: &Element) -> Request {
    let header = envelope.child("Header");
    let transaction = header.and_then(|header| header.child("TransactionID"));
    let body = envelope
        .child("Body")
        .filter(|_| envelope.name == "Envelope");
    let operation = body.and_then(|body| body.children.first());
    let report = match operation {
        None => Err((
            Status::MessageFormatCorrupt,
            "not a SOAP envelope with a body".to_owned(),
        )),
        Some(operation) if operation.name != "DeliveryReportReq" => Err((
            Status::UnsupportedOperation,
            format!(
                "{:?} is not supported: send DeliveryReportReq",
                operation.name
            ),
        )),
        Some(operation) => report_of(operation),
    };
    // Some declare the namespace at the operation, some at the transaction, some at the envelope.
    let namespace = [operation, transaction, Some(envelope)]
        .into_iter()
        .flatten()
        .flat_map(|element| &element.namespaces)
        .find(|namespace| namespace.starts_with(NAMESPACE_BASE))
        .cloned();
    Request {
        transaction: transaction
            .map(|transaction| transaction.text.clone())
            .filter(|text| !text.is_empty()),
        namespace,
        version: operation
            .and_then(|operation| operation.text_of("MM7Version"))
            .map(str::to_owned),
        report,
    }
}

fn report_of(operation: &Element) -> Result<DeliveryReport, (Status, String)> {
    let text = |name: &str| operation.text_of(name).map(str::to_owned);
    let required = |name: &str| {
        text(name).ok_or_else(|| (Status::ValidationError, format!("{name} is missing")))
    };
    // `Recipients` is what a Korean gateway writes.
    let recipient = ["Recipient", "Recipients"]
        .into_iter()
        .find_map(|name| operation.child(name)?.any_text());
    Ok(DeliveryReport {
        relay: text("MMSRelayServerID"),
        message_id: required("MessageID")?,
        recipient: recipient.map(str::to_owned),
        sender: operation
            .child("Sender")
            .and_then(Element::any_text)
            .map(str::to_owned),
        date: text("TimeStamp").or_else(|| text("Date")),
        status: required("MMStatus")?,
        status_text: text("StatusText"),
    })
}
