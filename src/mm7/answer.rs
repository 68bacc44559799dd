//! `DeliveryReportRsp`, and SOAP faults for messages that are none of ours.

use std::fmt::Write;

use quick_xml::escape::escape;

use crate::mm7::report::Request;

const SOAP: &str = "http://schemas.xmlsoap.org/soap/envelope/";
/// Namespace and version for those who did not say theirs: release 6.
const NAMESPACE: &str =
    "http://www.3gpp.org/ftp/Specs/archive/23_series/23.140/schema/REL-6-MM7-1-4";
const VERSION: &str = "6.8.0";

/// Status codes of 3GPP TS 23.140, those that we have a use for: 2xxx is the client's fault, 4xxx the
/// service's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// The report is durable.
    Success,
    /// Not XML, or not SOAP.
    MessageFormatCorrupt,
    /// Another operation than a delivery report.
    UnsupportedOperation,
    /// A field is missing or cannot be read.
    ValidationError,
    /// Not now: send it again.
    ServiceUnavailable,
}

impl Status {
    /// The number on the wire.
    pub const fn code(self) -> u16 {
        match self {
            Status::Success => 1000,
            Status::MessageFormatCorrupt => 2007,
            Status::UnsupportedOperation => 4003,
            Status::ValidationError => 4004,
            Status::ServiceUnavailable => 4006,
        }
    }

    /// The standard's words.
    pub const fn text(self) -> &'static str {
        match self {
            Status::Success => "Success",
            Status::MessageFormatCorrupt => "Message format corrupt",
            Status::UnsupportedOperation => "Unsupported operation",
            Status::ValidationError => "Validation error",
            Status::ServiceUnavailable => "Service unavailable",
        }
    }

    /// Whether the answer is a fault: what was asked is not known to be a delivery report.
    pub const fn is_fault(self) -> bool {
        matches!(
            self,
            Status::MessageFormatCorrupt | Status::UnsupportedOperation
        )
    }
}

/// The answer's document, in the namespace and version of the request.
pub fn answer(request: &Request, status: Status, details: Option<&str>) -> String {
    let namespace = escape(request.namespace.as_deref().unwrap_or(NAMESPACE));
    let version = escape(request.version.as_deref().unwrap_or(VERSION));
    let mut out = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<env:Envelope xmlns:env=\"{SOAP}\"><env:Header>"
    );
    // Writing to a string cannot fail.
    if let Some(transaction) = &request.transaction {
        let _ = write!(
            out,
            "<mm7:TransactionID xmlns:mm7=\"{namespace}\" env:mustUnderstand=\"1\">{}</mm7:TransactionID>",
            escape(transaction)
        );
    }
    out.push_str("</env:Header><env:Body>");
    let name = if status.is_fault() {
        out.push_str("<env:Fault><faultcode>env:Client</faultcode><faultstring>");
        out.push_str(status.text());
        out.push_str("</faultstring><detail>");
        "RSErrorRsp"
    } else {
        "DeliveryReportRsp"
    };
    let _ = write!(
        out,
        "<{name} xmlns=\"{namespace}\"><MM7Version>{version}</MM7Version><Status><StatusCode>{}</StatusCode>\
         <StatusText>{}</StatusText>",
        status.code(),
        status.text()
    );
    if let Some(details) = details {
        let _ = write!(out, "<Details>{}</Details>", escape(details));
    }
    let _ = write!(out, "</Status></{name}>");
    if status.is_fault() {
        out.push_str("</detail></env:Fault>");
    }
    out.push_str("</env:Body></env:Envelope>\n");
    out
}
