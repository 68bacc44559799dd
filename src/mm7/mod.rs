//! MM7: delivery reports of MMSCs (3GPP TS 23.140, SOAP 1.1), read as `mms_receipt` lines.
//!
//! Gateways of releases 5 and 6 differ in namespaces, prefixes and order, and some are not even sound
//! XML with namespaces: elements are known by their local names. What a report says is kept as it is;
//! the rule book maps status words, and says how a gateway writes its times. Pure: HTTP, the clock and
//! the journal are the caller's.

mod answer;
mod line;
mod multipart;
mod report;
mod time;
mod xml;

pub use answer::{Status, answer};
pub use line::line;
pub use multipart::document;
pub use report::{DeliveryReport, Request, read};

/// Largest message, bytes. Reports are one or two kilobytes.
pub const MESSAGE_BYTES_MAX: usize = 64 * 1024;

#[cfg(test)]
mod tests;
