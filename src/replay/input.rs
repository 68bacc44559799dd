//! Files as a sequence of chunks that end at line ends.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use thiserror::Error;

use crate::event::Refusal;

/// Size of a chunk: small enough to share among workers, large enough to combine well.
const CHUNK_BYTES: usize = 2 * 1024 * 1024;
/// Room of a chunk's memory: behind the begin of a line that the chunk before left, which is seldom longer than this.
const BUFFER_BYTES: usize = CHUNK_BYTES + 64 * 1024;
/// A chunk grows beyond its size to hold the end of a line, but not beyond this.
const LINE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Why input cannot be read.
#[derive(Debug, Error)]
pub enum InputError {
    /// The file cannot be opened.
    #[error("cannot open {path}")]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Reading or decompressing failed.
    #[error("cannot read {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A line that no limit can hold.
    #[error("{path} has a line longer than {LINE_BYTES_MAX} bytes near line {line}")]
    Endless {
        /// The file.
        path: PathBuf,
        /// Line number in the file, roughly.
        line: u64,
    },
}

/// Whole lines from one file.
pub(super) struct Chunk {
    pub(super) lines: Bytes,
    /// Number of the first line, counted over all files.
    pub(super) first_line: u64,
}

/// Memory of chunks that have been taken in. New memory is made by the kernel, page by page; so it comes round again, and
/// there is as much of it as chunks were under way.
#[derive(Clone, Default)]
struct Buffers(Arc<Mutex<Vec<Vec<u8>>>>);

impl Buffers {
    fn free(&self) -> MutexGuard<'_, Vec<Vec<u8>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Empty memory of a chunk; the warmest that there is.
    fn take(&self) -> Vec<u8> {
        let free = self.free().pop();
        free.unwrap_or_else(|| Vec::with_capacity(BUFFER_BYTES))
    }
}

/// The bytes of a chunk; their memory goes back.
struct Borrowed {
    bytes: Vec<u8>,
    buffers: Buffers,
}

impl AsRef<[u8]> for Borrowed {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Borrowed {
    fn drop(&mut self) {
        let mut bytes = std::mem::take(&mut self.bytes);
        // What a long line took is not kept.
        if bytes.capacity() <= BUFFER_BYTES {
            bytes.clear();
            self.buffers.free().push(bytes);
        }
    }
}

/// Where files begin in the count of lines, to find a refusal's own file and line.
#[derive(Clone, Default)]
pub(super) struct Places(Arc<Mutex<Vec<(u64, PathBuf)>>>);

impl Places {
    /// The file of a refusal, and the refusal with its line number in that file.
    pub(super) fn locate(&self, refusal: &Refusal) -> (PathBuf, Refusal) {
        let places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let after = places.partition_point(|(first_line, _)| *first_line <= refusal.line);
        match after.checked_sub(1).and_then(|at| places.get(at)) {
            Some((first_line, path)) => {
                let line = refusal.line - first_line + 1;
                (
                    path.clone(),
                    Refusal {
                        line,
                        ..refusal.clone()
                    },
                )
            }
            None => (PathBuf::new(), refusal.clone()),
        }
    }

    fn begin(&self, first_line: u64, path: &Path) {
        let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        places.push((first_line, path.to_owned()));
    }
}

/// Reads files one after the other.
pub(super) struct Input {
    waiting: std::vec::IntoIter<PathBuf>,
    open: Option<(PathBuf, Box<dyn Read + Send>)>,
    /// Begin of a line whose end has not been read yet.
    rest: Vec<u8>,
    buffers: Buffers,
    next_line: u64,
    places: Places,
}

impl Input {
    pub(super) fn new(paths: Vec<PathBuf>) -> Input {
        Input {
            waiting: paths.into_iter(),
            open: None,
            rest: Vec::new(),
            buffers: Buffers::default(),
            next_line: 1,
            places: Places::default(),
        }
    }

    pub(super) fn places(&self) -> Places {
        self.places.clone()
    }

    /// The next chunk; `None` after the last file.
    pub(super) fn next_chunk(&mut self) -> Result<Option<Chunk>, InputError> {
        loop {
            let (path, mut file) = match self.open.take() {
                Some(open) => open,
                None => {
                    let Some(path) = self.waiting.next() else {
                        return Ok(None);
                    };
                    self.places.begin(self.next_line, &path);
                    let file = open(&path)?;
                    (path, file)
                }
            };
            let mut buffer = self.buffers.take();
            buffer.append(&mut self.rest);
            let ended =
                fill(&mut *file, &mut buffer, CHUNK_BYTES).map_err(|source| InputError::Read {
                    path: path.clone(),
                    source,
                })?;
            let end = match memchr::memrchr(b'\n', &buffer) {
                _ if ended => buffer.len(),
                Some(at) => at + 1,
                None if buffer.len() >= LINE_BYTES_MAX => {
                    return Err(InputError::Endless {
                        path,
                        line: self.next_line,
                    });
                }
                None => {
                    // A line longer than a chunk: read on.
                    self.rest = buffer;
                    self.open = Some((path, file));
                    continue;
                }
            };
            self.rest.extend_from_slice(&buffer[end..]);
            buffer.truncate(end);
            if !ended {
                self.open = Some((path, file));
            }
            if buffer.is_empty() {
                continue;
            }
            let first_line = self.next_line;
            let newlines = memchr::memchr_iter(b'\n', &buffer).count() as u64;
            // A last line without its end is a line as well.
            self.next_line += newlines + u64::from(buffer.last() != Some(&b'\n'));
            let lines = Bytes::from_owner(Borrowed {
                bytes: buffer,
                buffers: self.buffers.clone(),
            });
            return Ok(Some(Chunk { lines, first_line }));
        }
    }
}

/// Reads up to `size` more bytes; true at the end of the file.
fn fill(file: &mut dyn Read, buffer: &mut Vec<u8>, size: usize) -> io::Result<bool> {
    buffer.reserve(size);
    let read = file.take(size as u64).read_to_end(buffer)?;
    Ok(read < size)
}

/// How a file is packed.
enum Packing {
    Plain,
    Gzip,
    Zstd,
}

/// Bytes that tell gzip (RFC 1952).
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];
/// Bytes that tell zstd (RFC 8878).
const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

impl Packing {
    /// What the first bytes say. The name counts only where there are too few of them to tell: a packed
    /// file that was cut to nothing must not pass for an empty plain one.
    fn of(head: &[u8], path: &Path) -> Packing {
        if head.starts_with(&GZIP_MAGIC) {
            return Packing::Gzip;
        }
        if head.starts_with(&ZSTD_MAGIC) {
            return Packing::Zstd;
        }
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("gz") if GZIP_MAGIC.starts_with(head) => Packing::Gzip,
            Some("zst") if ZSTD_MAGIC.starts_with(head) => Packing::Zstd,
            _ => Packing::Plain,
        }
    }
}

/// Opens a file, packed or not; `-` is standard input.
fn open(path: &Path) -> Result<Box<dyn Read + Send>, InputError> {
    let failed = |source| InputError::Open {
        path: path.to_owned(),
        source,
    };
    let mut file: Box<dyn Read + Send> = if path == Path::new("-") {
        Box::new(io::stdin())
    } else {
        Box::new(File::open(path).map_err(failed)?)
    };
    let mut head = Vec::with_capacity(ZSTD_MAGIC.len());
    file.by_ref()
        .take(ZSTD_MAGIC.len() as u64)
        .read_to_end(&mut head)
        .map_err(failed)?;
    let packing = Packing::of(&head, path);
    let whole = io::Cursor::new(head).chain(file);
    Ok(match packing {
        Packing::Plain => Box::new(whole),
        Packing::Gzip => Box::new(flate2::read::MultiGzDecoder::new(whole)),
        Packing::Zstd => Box::new(zstd::Decoder::new(whole).map_err(failed)?),
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn read_all(paths: Vec<PathBuf>) -> (Vec<u8>, Input) {
        let mut input = Input::new(paths);
        let mut all = Vec::new();
        while let Some(chunk) = input.next_chunk().unwrap() {
            let lines = all.iter().filter(|byte| **byte == b'\n').count() as u64;
            assert_eq!(chunk.first_line, lines + 1);
            all.extend_from_slice(&chunk.lines);
        }
        (all, input)
    }

    #[test]
    fn chunks_end_at_line_ends_and_lose_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let long = "x".repeat(CHUNK_BYTES + 17);
        let text: String =
            (0..400_000).map(|n| format!("{n}\n")).collect::<String>() + &long + "\nlast\n";
        let path = folder.path().join("a.ndjson");
        std::fs::write(&path, &text).unwrap();
        assert_eq!(read_all(vec![path]).0, text.as_bytes());
    }

    #[test]
    fn the_memory_of_chunks_comes_round_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.ndjson");
        std::fs::write(&path, "0123456\n".repeat(3 * CHUNK_BYTES / 8)).unwrap();
        let mut input = Input::new(vec![path]);
        let mut place = || {
            let chunk = input.next_chunk().unwrap().unwrap();
            (chunk.lines.as_ptr(), chunk)
        };
        let (first, chunk) = place();
        let (second, other) = place();
        assert_ne!(first, second, "it is not there yet");
        drop(chunk);
        assert_eq!(place().0, first);
        drop(other);
    }

    #[test]
    fn compressed_files_and_the_place_of_a_refusal() {
        let folder = tempfile::tempdir().unwrap();
        let (plain, packed, zst) = (
            folder.path().join("a.ndjson"),
            folder.path().join("b.ndjson.gz"),
            folder.path().join("c.ndjson.zst"),
        );
        std::fs::write(&plain, "1\n2\n").unwrap();
        let mut gz =
            flate2::write::GzEncoder::new(File::create(&packed).unwrap(), Default::default());
        gz.write_all(b"3\n4\n").unwrap();
        gz.finish().unwrap();
        std::fs::write(&zst, zstd::encode_all(&b"5\n6\n"[..], 1).unwrap()).unwrap();
        let (all, input) = read_all(vec![plain, packed.clone(), zst.clone()]);
        assert_eq!(all, b"1\n2\n3\n4\n5\n6\n");
        let refusal = |line| Refusal {
            line,
            class: Default::default(),
            reason: String::new(),
        };
        let place = |line| {
            let (path, refusal) = input.places().locate(&refusal(line));
            (path, refusal.line)
        };
        assert_eq!(place(4), (packed, 2));
        assert_eq!(place(5), (zst, 1));
    }

    #[test]
    fn a_missing_file_is_named() {
        let mut input = Input::new(vec![PathBuf::from("/no/such/file.ndjson")]);
        let error = input.next_chunk().err().unwrap();
        // The cause is told by whoever prints the chain: once.
        assert_eq!(error.to_string(), "cannot open /no/such/file.ndjson");
        assert!(std::error::Error::source(&error).is_some());
    }

    #[test]
    fn packed_content_is_known_by_its_first_bytes_whatever_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let mut gz = flate2::write::GzEncoder::new(Vec::new(), Default::default());
        gz.write_all(b"1\n").unwrap();
        let packed = [
            ("a.ndjson", gz.finish().unwrap()),
            ("b.ndjson", zstd::encode_all(&b"2\n"[..], 1).unwrap()),
            ("c.gz", b"3\n".to_vec()),
            ("d.ndjson.zst", b"4\n".to_vec()),
            ("e", Vec::new()),
            ("f.gz", b"5".to_vec()),
        ];
        let paths = packed.map(|(name, bytes)| {
            let path = folder.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            path
        });
        assert_eq!(read_all(paths.to_vec()).0, b"1\n2\n3\n4\n5");
    }

    #[test]
    fn a_packed_file_that_was_cut_is_an_error_however_short() {
        let folder = tempfile::tempdir().unwrap();
        let mut gz = flate2::write::GzEncoder::new(Vec::new(), Default::default());
        gz.write_all(b"1\n2\n").unwrap();
        let whole = gz.finish().unwrap();
        for length in [0, 1, 5, whole.len() - 1] {
            let path = folder.path().join("a.gz");
            std::fs::write(&path, &whole[..length]).unwrap();
            let error = Input::new(vec![path]).next_chunk().err();
            assert!(
                matches!(error, Some(InputError::Read { .. })),
                "{length}: {error:?}"
            );
        }
    }
}
