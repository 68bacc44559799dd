//! What epochs came to, beside the journal: files that nobody needs, from which a start is quicker. Not what is in a
//! digest: that is opaque here.
//!
//! ```text
//! magic u32 | length u32 | crc32c of the digest u32 | epoch u64 | first u64 | next u64 | seal u64 | crc32c of the
//! 44 bytes before u32 | digest                                                                               (LE)
//! ```
//!
//! * The journal is the truth. A digest stands for an epoch only if the checksums of that epoch's records are those that
//!   it was made of: what is missing, torn, damaged or of other records is as if it were not there.
//! * Nothing here is synced, and nothing waits for it.
//! * A file is written by one process, from its beginning; the next process begins another. Files go with the records
//!   that their epochs are of.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;

use super::cursor::read_up_to;
use super::disk::{Disk, DiskFile};
use super::error::JournalError;
use super::frame::{u32_at, u64_at};
use super::read::Reader;
use super::record::{Position, RECORD_BYTES_MAX, Record};
use super::retention::oldest;
use super::scan::Place;
use super::segment::Tally;
use super::sweep::Noted;

/// "DGST".
const MAGIC: u32 = u32::from_le_bytes(*b"DGST");
const HEAD_BYTES: usize = 48;
const HEAD_CHECKSUM_AT: usize = HEAD_BYTES - 4;
const SUFFIX: &str = ".digests";
/// A file that has reached this many bytes is followed by another. Judgement: a quarter of what segments are by default,
/// so that they go soon after the segments do.
const FILE_BYTES_MAX: u64 = 16 << 20;

/// What the records of an epoch come to: a digest of the checksums of their frames, in order. Each of those covers a
/// record's position and its bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Seal(u64);

impl Seal {
    /// Adds the next record's.
    pub(super) fn add(&mut self, checksum: u32) {
        // As rustc's hasher mixes: every bit of what came before counts.
        let mixed = self.0.rotate_left(5) ^ u64::from(checksum);
        self.0 = mixed.wrapping_mul(0x517c_c1b7_2722_0a95);
    }
}

/// An epoch whose digest is to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Undigested {
    /// Its number.
    pub epoch: u64,
    /// Its first record.
    pub first: Position,
    /// Where the next epoch begins.
    pub next: Position,
    /// What its records come to.
    pub seal: Seal,
}

/// A digest that was read back, in place of the records of its epoch.
#[derive(Clone)]
pub struct Digest {
    bytes: Bytes,
    found: Arc<Found>,
    disk: Arc<dyn Disk>,
    dir: PathBuf,
}

impl Digest {
    /// What was written.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    pub(super) fn seal(&self) -> Seal {
        self.found.of.seal
    }

    /// The records that it stands for, for who cannot use it.
    ///
    /// # Errors
    /// What reading says.
    pub fn records(&self) -> Result<Vec<(Position, Arc<Record>)>, JournalError> {
        let reader = Reader::at(Arc::clone(&self.disk), &self.dir, &self.found.begin)?;
        let mut records = Vec::new();
        for read in reader {
            match read? {
                (_, Record::Tick { .. }) => break,
                (position, record) => records.push((position, Arc::new(record))),
            }
        }
        Ok(records)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Undigested { epoch, seal, .. } = &self.found.of;
        write!(f, "Digest({epoch}, {seal:?}, {} bytes)", self.bytes.len())
    }
}

impl PartialEq for Digest {
    fn eq(&self, other: &Digest) -> bool {
        self.bytes == other.bytes && self.found.of == other.found.of
    }
}

impl Eq for Digest {}

/// Where a digest lies.
#[derive(Debug, Clone)]
struct Written {
    of: Undigested,
    path: Arc<Path>,
    offset: u64,
    bytes: usize,
    checksum: u32,
}

/// A digest of records that are there.
#[derive(Debug)]
struct Found {
    of: Undigested,
    digest: Written,
    /// Where its epoch's first record is, and its tick.
    begin: Place,
    tick: Place,
    /// Bytes of those records.
    records_bytes: u64,
}

/// The digests of the epochs that were found on opening, and what else is known of those.
pub(super) struct Digests {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    found: BTreeMap<u64, Arc<Found>>,
    /// Epochs that a rule book came in.
    books: BTreeSet<u64>,
    /// The newest that is closed.
    last: Option<u64>,
}

impl Digests {
    /// Whether the epoch after this one is there, too, and brings no rule book.
    pub(super) fn is_followed(&self, epoch: u64) -> bool {
        self.last.is_some_and(|last| epoch < last) && !self.books.contains(&(epoch + 1))
    }

    /// The digest of the epoch that begins where the journal has come to so much, with the place of its tick and the
    /// bytes that lie before that.
    pub(super) fn read(&self, next: &Tally) -> Option<(Digest, Place, u64)> {
        let found = self.found.get(&next.next_epoch)?;
        if found.begin.tally.next != next.next {
            return None;
        }
        let bytes = match found.digest.read(&*self.disk) {
            Ok(bytes) => bytes,
            Err(reason) => {
                let path = found.digest.path.display();
                tracing::warn!(epoch = next.next_epoch, %path, "a digest cannot be used, its epoch is read: {reason}");
                return None;
            }
        };
        let digest = Digest {
            bytes,
            found: Arc::clone(found),
            disk: Arc::clone(&self.disk),
            dir: self.dir.clone(),
        };
        Some((digest, found.tick.clone(), found.records_bytes))
    }
}

impl Written {
    fn read(&self, disk: &dyn Disk) -> Result<Bytes, String> {
        let mut bytes = vec![0; self.bytes];
        let file = disk.open(&self.path, false);
        let read = file.and_then(|file| read_up_to(&*file, &mut bytes, self.offset));
        let read = read.map_err(|error| error.to_string())?;
        if read < self.bytes {
            return Err("it is cut short".to_owned());
        }
        if crc32c::crc32c(&bytes) != self.checksum {
            return Err("its checksum is another".to_owned());
        }
        Ok(bytes.into())
    }
}

/// Finds out, on opening, of which epochs there are digests.
pub(super) struct Matching {
    written: BTreeMap<u64, Written>,
    found: BTreeMap<u64, Arc<Found>>,
    books: BTreeSet<u64>,
    last: Option<u64>,
    /// Of the epoch that is walked over, if it has been met from its beginning.
    is_whole: bool,
    begin: Option<Place>,
    seal: Seal,
    bytes: u64,
}

impl Matching {
    /// What is written in `dir`. What cannot be read there is not there.
    pub(super) fn of(disk: &dyn Disk, dir: &Path) -> Matching {
        let mut written = BTreeMap::new();
        let listed = list(disk, dir).unwrap_or_default();
        for (_, path) in listed {
            if let Err(error) = walk(disk, &path, &mut written) {
                tracing::warn!(path = %path.display(), %error, "digests cannot be read, their epochs are");
            }
        }
        Matching {
            written,
            found: BTreeMap::new(),
            books: BTreeSet::new(),
            last: None,
            is_whole: false,
            begin: None,
            seal: Seal::default(),
            bytes: 0,
        }
    }

    /// Takes note of the next record.
    pub(super) fn note(&mut self, noted: &Noted) {
        let before = &noted.place.tally;
        self.is_whole |= before.next == Position(0);
        let wanted = self
            .written
            .get(&before.next_epoch)
            .filter(|_| self.is_whole);
        if noted.is_book {
            self.books.insert(before.next_epoch);
        }
        if noted.summary.tick.is_none() {
            if wanted.is_some() && self.begin.is_none() {
                self.begin = Some(noted.place.clone());
            }
            self.seal.add(noted.checksum);
            self.bytes += noted.bytes;
            return;
        }
        self.last = Some(before.next_epoch);
        if let (Some(digest), Some(begin)) = (wanted, self.begin.take()) {
            let of = Undigested {
                epoch: before.next_epoch,
                first: begin.tally.next,
                next: before.next.next(),
                seal: self.seal,
            };
            if of == digest.of {
                let found = Found {
                    of,
                    digest: digest.clone(),
                    begin,
                    tick: noted.place.clone(),
                    records_bytes: self.bytes,
                };
                self.found.insert(of.epoch, Arc::new(found));
            }
        }
        (self.is_whole, self.begin) = (true, None);
        (self.seal, self.bytes) = (Seal::default(), 0);
    }

    /// What was found.
    pub(super) fn found(self, disk: Arc<dyn Disk>, dir: &Path) -> Digests {
        Digests {
            disk,
            dir: dir.to_owned(),
            found: self.found,
            books: self.books,
            last: self.last,
        }
    }
}

/// The files of digests in a directory, oldest first: first record and path.
fn list(disk: &dyn Disk, dir: &Path) -> io::Result<Vec<(Position, PathBuf)>> {
    let numbered = |name: String| {
        let digits = name.strip_suffix(SUFFIX)?;
        let number = digits.parse().ok().filter(|_| digits.len() == 20)?;
        Some((Position(number), dir.join(name)))
    };
    let mut files: Vec<_> = disk.list(dir)?.into_iter().filter_map(numbered).collect();
    files.sort_unstable();
    Ok(files)
}

/// Notes the digests of a file up to the first that is not whole: a crash leaves none behind it.
fn walk(disk: &dyn Disk, path: &Path, into: &mut BTreeMap<u64, Written>) -> io::Result<()> {
    let file = disk.open(path, false)?;
    let end = file.bytes()?;
    let path: Arc<Path> = path.into();
    let mut offset = 0;
    loop {
        let mut head = [0; HEAD_BYTES];
        if read_up_to(&*file, &mut head, offset)? < HEAD_BYTES {
            return Ok(());
        }
        let Some((of, bytes, checksum)) = read_head(&head) else {
            return Ok(());
        };
        offset += HEAD_BYTES as u64;
        if end.saturating_sub(offset) < bytes as u64 {
            return Ok(());
        }
        let path = Arc::clone(&path);
        let written = Written {
            of,
            path,
            offset,
            bytes,
            checksum,
        };
        into.insert(of.epoch, written);
        offset += bytes as u64;
    }
}

fn head(of: &Undigested, digest: &[u8]) -> [u8; HEAD_BYTES] {
    let mut head = [0; HEAD_BYTES];
    // The writer has refused what is longer.
    let numbers = [MAGIC, digest.len() as u32, crc32c::crc32c(digest)];
    for (number, at) in numbers.iter().zip((0..).step_by(4)) {
        head[at..at + 4].copy_from_slice(&number.to_le_bytes());
    }
    let numbers = [of.epoch, of.first.0, of.next.0, of.seal.0];
    for (number, at) in numbers.iter().zip((12..).step_by(8)) {
        head[at..at + 8].copy_from_slice(&number.to_le_bytes());
    }
    let checksum = crc32c::crc32c(&head[..HEAD_CHECKSUM_AT]);
    head[HEAD_CHECKSUM_AT..].copy_from_slice(&checksum.to_le_bytes());
    head
}

/// Whose digest follows, its length and its checksum.
fn read_head(head: &[u8; HEAD_BYTES]) -> Option<(Undigested, usize, u32)> {
    let is_whole = u32_at(head, HEAD_CHECKSUM_AT)? == crc32c::crc32c(&head[..HEAD_CHECKSUM_AT]);
    let bytes = u32_at(head, 4)? as usize;
    let of = Undigested {
        epoch: u64_at(head, 12)?,
        first: Position(u64_at(head, 20)?),
        next: Position(u64_at(head, 28)?),
        seal: Seal(u64_at(head, 36)?),
    };
    (is_whole && u32_at(head, 0)? == MAGIC && bytes <= RECORD_BYTES_MAX).then_some((
        of,
        bytes,
        u32_at(head, 8)?,
    ))
}

/// Writes digests beside a journal.
pub struct DigestFiles {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    file: Option<(Box<dyn DiskFile>, u64)>,
}

impl DigestFiles {
    /// Those of the journal in `dir`; the first digest begins a file.
    pub fn new(disk: Arc<dyn Disk>, dir: &Path) -> DigestFiles {
        DigestFiles {
            disk,
            dir: dir.to_owned(),
            file: None,
        }
    }

    /// Writes the digest of an epoch.
    ///
    /// # Errors
    /// What the file system says; the next one begins another file.
    pub fn write(&mut self, of: &Undigested, digest: &[u8]) -> io::Result<()> {
        if digest.len() > RECORD_BYTES_MAX {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let (mut file, offset) = match self.file.take() {
            Some((file, offset)) if offset < FILE_BYTES_MAX => (file, offset),
            _ => (self.begin(of.first)?, 0),
        };
        let mut bytes = Vec::with_capacity(HEAD_BYTES + digest.len());
        bytes.extend(head(of, digest));
        bytes.extend(digest);
        file.write_at(&bytes, offset)?;
        self.file = Some((file, offset + bytes.len() as u64));
        Ok(())
    }

    /// A new file, and away with those whose records are gone.
    fn begin(&self, first: Position) -> io::Result<Box<dyn DiskFile>> {
        let files = list(&*self.disk, &self.dir)?;
        let kept = oldest(&*self.disk, &self.dir).map_err(io::Error::other)?;
        for pair in files.windows(2) {
            // All of a file is of records before those of the next.
            if kept.is_some_and(|kept| pair[1].0 <= kept) {
                self.disk.remove(&pair[0].1)?;
            }
        }
        let path = self.dir.join(format!("{:020}{SUFFIX}", first.0));
        if files.iter().any(|(known, _)| *known == first) {
            // Of records that were lost: those that took their place have other checksums.
            self.disk.remove(&path)?;
        }
        self.disk.create(&path)
    }
}
