//! Unpacks a body up to a limit: a small body that unpacks to gigabytes is refused when it passes
//! the limit, not when memory is gone.

use std::io::{self, Read};

use bytes::Bytes;
use flate2::read::MultiGzDecoder;

use crate::ingest::budget::Lease;
use crate::ingest::{Encoding, IngestError};

/// Unpacked bytes between two looks at the limits.
const STEP_BYTES: usize = 256 * 1024;
/// Largest zstd window: 8 MiB, the most that RFC 9659 lets a sender of HTTP use.
const ZSTD_WINDOW_LOG_MAX: u32 = 23;

/// Unpacks `packed` to at most `bytes_max`, paying from `lease`.
pub(super) fn unpack(
    encoding: Encoding,
    packed: Bytes,
    bytes_max: usize,
    lease: &mut Lease,
) -> Result<Bytes, IngestError> {
    match encoding {
        Encoding::Plain if packed.len() > bytes_max => {
            Err(IngestError::PlainTooLarge { bytes_max })
        }
        Encoding::Plain => Ok(packed),
        Encoding::Gzip => drain("gzip", MultiGzDecoder::new(&*packed), bytes_max, lease),
        Encoding::Zstd => {
            let refused = |error: io::Error| IngestError::Unpack {
                encoding: "zstd",
                reason: error.to_string(),
            };
            let mut decoder =
                zstd::stream::read::Decoder::with_buffer(&*packed).map_err(refused)?;
            decoder
                .window_log_max(ZSTD_WINDOW_LOG_MAX)
                .map_err(refused)?;
            drain("zstd", decoder, bytes_max, lease)
        }
    }
}

fn drain(
    encoding: &'static str,
    mut from: impl Read,
    bytes_max: usize,
    lease: &mut Lease,
) -> Result<Bytes, IngestError> {
    let mut plain = Vec::new();
    loop {
        lease.grow(STEP_BYTES)?;
        let before = plain.len();
        from.by_ref()
            .take(STEP_BYTES as u64)
            .read_to_end(&mut plain)
            .map_err(|error| IngestError::Unpack {
                encoding,
                reason: error.to_string(),
            })?;
        if plain.len() > bytes_max {
            return Err(IngestError::PlainTooLarge { bytes_max });
        }
        if plain.len() - before < STEP_BYTES {
            return Ok(plain.into());
        }
    }
}
