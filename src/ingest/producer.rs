//! The two headers that make a batch safe to retry.

use axum::http::HeaderMap;

use crate::ingest::IngestError;

/// Header with the producer's name.
const PRODUCER: &str = "chrysalis-producer";
/// Header with the producer's own number for the batch.
const SEQUENCE: &str = "chrysalis-sequence";
/// Longest name, bytes. The journal remembers thousands of them.
const NAME_BYTES_MAX: usize = 128;

/// Highest sequence: one of all ones, as a counter that was never set may hold, would leave its
/// producer no number above it.
const SEQUENCE_MAX: u64 = i64::MAX as u64;

/// Name and sequence, or neither.
pub(super) fn of(headers: &HeaderMap) -> Result<Option<(String, u64)>, IngestError> {
    let refused = |words: String| Err(IngestError::Header(words));
    let (name, sequence) = match (headers.get(PRODUCER), headers.get(SEQUENCE)) {
        (None, None) => return Ok(None),
        (Some(name), Some(sequence)) => (name, sequence),
        (Some(_), None) => {
            return refused(
                "header Chrysalis-Producer came without Chrysalis-Sequence: send both or neither"
                    .to_owned(),
            );
        }
        (None, Some(_)) => {
            return refused(
                "header Chrysalis-Sequence came without Chrysalis-Producer: send both or neither"
                    .to_owned(),
            );
        }
    };
    let name = String::from_utf8_lossy(name.as_bytes());
    let name = name.trim();
    if name.is_empty() || name.len() > NAME_BYTES_MAX {
        return refused(format!(
            "header Chrysalis-Producer has {} bytes, wanted 1 to {NAME_BYTES_MAX}",
            name.len()
        ));
    }
    let sequence = String::from_utf8_lossy(sequence.as_bytes());
    match sequence.trim().parse::<u64>() {
        Ok(sequence) if sequence <= SEQUENCE_MAX => Ok(Some((name.to_owned(), sequence))),
        _ => {
            let shown: String = sequence.chars().take(40).collect();
            refused(format!(
                "header Chrysalis-Sequence is {shown:?}, wanted a whole number from 0 to {SEQUENCE_MAX}"
            ))
        }
    }
}
