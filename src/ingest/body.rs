//! Reads a request body up to a limit. Not here: unpacking it (`unpack`).

use std::future::poll_fn;
use std::pin::Pin;
use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::http::HeaderMap;
use axum::http::header::{CONTENT_ENCODING, CONTENT_LENGTH};
use bytes::{Bytes, BytesMut};

use crate::ingest::IngestError;
use crate::ingest::budget::Lease;

/// How a body is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// Not at all.
    Plain,
    /// RFC 1952.
    Gzip,
    /// RFC 8878.
    Zstd,
}

impl Encoding {
    /// Reads it from the headers.
    pub(super) fn of(headers: &HeaderMap) -> Result<Encoding, IngestError> {
        let Some(value) = headers.get(CONTENT_ENCODING) else {
            return Ok(Encoding::Plain);
        };
        let word = String::from_utf8_lossy(value.as_bytes());
        match word.trim().to_ascii_lowercase().as_str() {
            "" | "identity" => Ok(Encoding::Plain),
            "gzip" | "x-gzip" => Ok(Encoding::Gzip),
            "zstd" => Ok(Encoding::Zstd),
            _ => Err(IngestError::Encoding(word.chars().take(80).collect())),
        }
    }
}

/// Reads a body of at most `bytes_max`, paying for it from `lease` as it comes, and waiting at most
/// `patience` for each piece: a slow sender is served, one that has stopped is not waited for.
pub(super) async fn read(
    headers: &HeaderMap,
    mut body: Body,
    bytes_max: usize,
    patience: Duration,
    lease: &mut Lease,
) -> Result<Bytes, IngestError> {
    let announced = headers
        .get(CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.parse::<u64>().ok());
    if announced.is_some_and(|bytes| bytes > bytes_max as u64) {
        return Err(IngestError::BodyTooLarge { bytes_max });
    }
    let mut first = Bytes::new();
    let mut all = BytesMut::new();
    let mut total = 0;
    loop {
        let next = poll_fn(|context| Pin::new(&mut body).poll_frame(context));
        let Ok(next) = tokio::time::timeout(patience, next).await else {
            return Err(IngestError::BodyLate {
                waited_s: patience.as_secs_f64(),
                bytes: total,
            });
        };
        let Some(frame) = next else {
            break;
        };
        let frame = frame.map_err(|error| IngestError::Read(error.to_string()))?;
        let Ok(data) = frame.into_data() else {
            continue;
        };
        total += data.len();
        if total > bytes_max {
            return Err(IngestError::BodyTooLarge { bytes_max });
        }
        if let Err(busy) = lease.grow(data.len()) {
            drop((first, all));
            drain(&mut body, bytes_max - total).await;
            return Err(busy);
        }
        // One frame is the usual case for small batches; it is handed on as it is.
        if first.is_empty() && all.is_empty() {
            first = data;
            continue;
        }
        if all.is_empty() {
            all.reserve(announced.map_or(0, |bytes| bytes as usize).max(total));
            all.extend_from_slice(&std::mem::take(&mut first));
        }
        all.extend_from_slice(&data);
    }
    Ok(if all.is_empty() { first } else { all.freeze() })
}

/// Reads on without keeping anything, so that a producer which is still sending gets to read the answer
/// instead of a reset connection.
async fn drain(body: &mut Body, bytes_max: usize) {
    let mut drained = 0;
    while let Some(Ok(frame)) = poll_fn(|context| Pin::new(&mut *body).poll_frame(context)).await {
        drained += frame.data_ref().map_or(0, Bytes::len);
        if drained > bytes_max {
            return;
        }
    }
}
