//! The journal: the append-only, ordered record of everything the engine was told, and the only
//! ground truth. Not the history that people query, and it does not know what an event means.
//!
//! * Acknowledged means durable here.
//! * Epochs are closed here, by ticks in the journal; nothing else decides what happened together.
//! * The same journal hands over the same epochs, however often it is read.

mod error;
mod lines;
mod record;

mod frame;
mod segment;

mod disk;
mod fake_disk;

mod cursor;
mod scan;
mod sweep;

mod read;

mod audit;

mod producers;

mod retention;

mod lock;
mod log;

mod answer;
mod digests;
mod epochs;
mod peers;
mod prepared;
mod queue;
mod replay;
mod settings;
mod shares;
mod space;
mod submit;
mod unsure;
pub mod writer;

#[cfg(test)]
mod tests;

pub use audit::{Audit, Contents, ProducerAudit, SegmentAudit};
pub use cursor::TornTail;
pub use digests::{Digest, DigestFiles, Seal, Undigested};
pub use disk::{Disk, DiskFile, DiskLock, RealDisk};
pub use epochs::{Ack, Committed, Epoch, EpochConfig, Epochs};
pub use error::{Damage, JournalError};
pub use fake_disk::FakeDisk;
pub use lines::{Lines, LinesError};
pub use lock::Lock;
pub use log::{Journal, JournalConfig, LogStats, Recovery, Resume};
pub use prepared::{Prepared, Submit};
pub use producers::{Memory, Newest, Producers, REMEMBERED};
pub use read::Reader;
pub use record::{Encoded, LineFormat, Position, RECORD_BYTES_MAX, Record, encode};
pub use replay::{Replay, ReplayNow};
pub use retention::{Cut, Retention, cut, oldest};
pub use scan::ahead_bytes;
pub use shares::{Amount, Holder, NoMore, Shares, network_of};
pub use space::SpaceNow;
