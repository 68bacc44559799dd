//! How one record lies in a segment: a checked frame. Pure: bytes in, bytes out.
//!
//! ```text
//! length u32 LE | crc32c u32 LE | position u64 LE | durable_below u64 LE | body
//!                                 `------------- payload: `length` bytes ------------'
//! ```
//!
//! * The checksum covers the length and the payload.
//! * `position` is the record's own number: a frame in the wrong place is noticed.
//! * `durable_below`: every record below it was on stable storage when this frame was written. It
//!   is what tells a torn write from damage. After a crash the unsynced pages of the last group may
//!   have reached the disk in any order, so a whole frame *may* follow a broken one; but if that
//!   frame says the broken one had already been durable, then acknowledged data was lost.

use super::error::Damage;
use super::record::{Position, RECORD_BYTES_MAX};

/// Length and checksum.
pub(super) const HEAD_BYTES: usize = 8;
/// Position and `durable_below`.
const PREFIX_BYTES: usize = 16;
/// The largest payload: a record's text, its head and, for a rule book, the length of every text.
const PAYLOAD_BYTES_MAX: usize = RECORD_BYTES_MAX + (1 << 20);

/// A whole, checked frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Frame<'a> {
    pub(super) position: Position,
    pub(super) durable_below: Position,
    pub(super) body: &'a [u8],
}

impl Frame<'_> {
    /// Bytes of the frame in the file.
    pub(super) fn bytes(&self) -> usize {
        HEAD_BYTES + PREFIX_BYTES + self.body.len()
    }
}

/// What the bytes at a place are.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Parsed<'a> {
    /// A frame.
    Whole(Frame<'a>),
    /// Perhaps a frame, if the file went on: see [`needed`].
    Cut,
    /// No frame.
    Broken(Damage),
}

/// Appends a frame to `out`; tells its checksum.
pub(super) fn push(out: &mut Vec<u8>, frame: Frame<'_>) -> u32 {
    // Records are limited far below 4 GiB by `record::encode`.
    let length = (PREFIX_BYTES + frame.body.len()) as u32;
    let start = out.len();
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&frame.position.0.to_le_bytes());
    out.extend_from_slice(&frame.durable_below.0.to_le_bytes());
    out.extend_from_slice(frame.body);
    let crc = checksum(length, &out[start + HEAD_BYTES..]);
    out[start + 4..start + HEAD_BYTES].copy_from_slice(&crc.to_le_bytes());
    crc
}

/// How many bytes [`parse`] must see to judge the frame that starts at the first of `bytes`.
pub(super) fn needed(bytes: &[u8]) -> usize {
    match u32_at(bytes, 0) {
        // Never read far for a length that cannot be.
        Some(length) if length as usize <= PAYLOAD_BYTES_MAX => HEAD_BYTES + length as usize,
        _ => HEAD_BYTES,
    }
}

/// Reads the frame that starts at the first of `bytes`.
pub(super) fn parse(bytes: &[u8]) -> Parsed<'_> {
    let (Some(length), Some(crc)) = (u32_at(bytes, 0), u32_at(bytes, 4)) else {
        return Parsed::Cut;
    };
    let payload_bytes = length as usize;
    // A body has at least one byte. Zeroes, which some file systems leave after a crash, end here.
    if payload_bytes <= PREFIX_BYTES || payload_bytes > PAYLOAD_BYTES_MAX {
        return Parsed::Broken(Damage::Length { bytes: length });
    }
    let Some(payload) = bytes.get(HEAD_BYTES..HEAD_BYTES + payload_bytes) else {
        return Parsed::Cut;
    };
    let (Some(position), Some(durable_below)) = (u64_at(payload, 0), u64_at(payload, 8)) else {
        return Parsed::Cut;
    };
    if checksum(length, payload) != crc {
        return Parsed::Broken(Damage::Checksum);
    }
    Parsed::Whole(Frame {
        position: Position(position),
        durable_below: Position(durable_below),
        body: &payload[PREFIX_BYTES..],
    })
}

/// The body of the whole frame in `bytes`; empty if there is none.
pub(super) fn body(bytes: &[u8]) -> &[u8] {
    bytes.get(HEAD_BYTES + PREFIX_BYTES..).unwrap_or_default()
}

/// The checksum of the frame in `bytes`; 0 if there is none.
pub(super) fn checksum_of(bytes: &[u8]) -> u32 {
    u32_at(bytes, 4).unwrap_or_default()
}

/// Looks in `tail`, which starts with the broken frame of record `broken`, for proof that this
/// record had been durable; returns where the proof lies, in bytes from the start of `tail`.
pub(super) fn find_proof_of_damage(tail: &[u8], broken: Position) -> Option<usize> {
    // A later record can be at most one for every smallest frame away. Asking that first keeps the
    // search linear: checksums are only computed where position and mark are believable.
    let highest = broken
        .0
        .saturating_add((tail.len() / (HEAD_BYTES + PREFIX_BYTES)) as u64 + 1);
    (1..tail.len()).find(|&at| {
        let (Some(position), Some(durable_below)) = (
            u64_at(tail, at + HEAD_BYTES),
            u64_at(tail, at + HEAD_BYTES + 8),
        ) else {
            return false;
        };
        position > broken.0
            && position <= highest
            && durable_below > broken.0
            && durable_below <= position
            && matches!(parse(&tail[at..]), Parsed::Whole(_))
    })
}

/// The little-endian number at `at`, if the bytes reach that far.
pub(super) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

/// The little-endian number at `at`, if the bytes reach that far.
pub(super) fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

fn checksum(length: u32, payload: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&length.to_le_bytes()), payload)
}
