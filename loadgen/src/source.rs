//! Where lines to send come from: a scenario, or a file.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use serde::Deserialize;

use crate::generate::Generator;
use crate::quantity::parse_moment;

/// Longest line that is read from a file; anything longer is not an event.
const LINE_BYTES_MAX: usize = 16 << 20;

/// Read from a file at once. Judgement: a call for every 8 KiB, as is usual, costs more than what it copies.
const READ_BYTES: usize = 256 << 10;

/// Lines in order of delivery.
pub trait Source: Send {
    /// Appends the next line, without newline, and returns when it is due on the
    /// event-time axis (milliseconds); `None` at the end.
    ///
    /// # Errors
    /// When the lines cannot be read.
    fn next_line(&mut self, buffer: &mut Vec<u8>) -> Result<Option<i64>, SourceError>;
}

/// Why lines cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The file cannot be opened.
    #[error("cannot open {path}")]
    Open {
        /// The file asked for.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file cannot be read on.
    #[error("cannot read {path} after line {line}")]
    Read {
        /// The file.
        path: String,
        /// The last line that was read.
        line: u64,
        /// What the system said.
        source: std::io::Error,
    },
}

impl Source for Generator {
    fn next_line(&mut self, buffer: &mut Vec<u8>) -> Result<Option<i64>, SourceError> {
        Ok(self.next_into(buffer).map(|delivery| delivery.due_ms))
    }
}

/// A file of events.
pub struct FileSource {
    path: String,
    reader: Box<dyn BufRead + Send>,
    line: u64,
    /// Highest event time so far: a file's lines are due in the order they stand.
    due_ms: Option<i64>,
    /// Event times are only looked for when the pace needs them.
    timed: bool,
}

impl FileSource {
    /// Opens `.ndjson`, `.ndjson.gz`, `.ndjson.zst`, or `-` for stdin.
    ///
    /// `timed` says whether the moments of delivery matter.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub fn open(path: &str, timed: bool) -> Result<Self, SourceError> {
        Ok(Self {
            path: path.to_owned(),
            reader: open_text(path)?,
            line: 0,
            due_ms: None,
            timed,
        })
    }
}

/// Opens a text file, unpacked by its suffix; `-` is stdin.
///
/// # Errors
/// When the file cannot be opened.
pub fn open_text(path: &str) -> Result<Box<dyn BufRead + Send>, SourceError> {
    let failed = |source| SourceError::Open {
        path: path.to_owned(),
        source,
    };
    if path == "-" {
        return Ok(Box::new(BufReader::new(std::io::stdin())));
    }
    let file = File::open(path).map_err(failed)?;
    match Path::new(path)
        .extension()
        .and_then(|suffix| suffix.to_str())
    {
        Some("gz") => Ok(Box::new(BufReader::new(flate2::read::MultiGzDecoder::new(
            file,
        )))),
        Some("zst") => Ok(Box::new(BufReader::new(
            zstd::Decoder::new(file).map_err(failed)?,
        ))),
        _ => Ok(Box::new(BufReader::with_capacity(READ_BYTES, file))),
    }
}

impl Source for FileSource {
    fn next_line(&mut self, buffer: &mut Vec<u8>) -> Result<Option<i64>, SourceError> {
        loop {
            let mark = buffer.len();
            let mut limited = std::io::Read::take(&mut self.reader, LINE_BYTES_MAX as u64);
            let read = limited
                .read_until(b'\n', buffer)
                .map_err(|source| SourceError::Read {
                    path: self.path.clone(),
                    line: self.line,
                    source,
                })?;
            if read == 0 {
                return Ok(None);
            }
            self.line += 1;
            while buffer.len() > mark && matches!(buffer.last(), Some(b'\n' | b'\r')) {
                buffer.pop();
            }
            if buffer.len() == mark {
                continue;
            }
            // A line without a time, or a broken one, goes with the one before it.
            if self.timed
                && let Some(ts_ms) = event_time(&buffer[mark..])
            {
                self.due_ms = Some(self.due_ms.map_or(ts_ms, |due_ms| due_ms.max(ts_ms)));
            }
            return Ok(Some(self.due_ms.unwrap_or(0)));
        }
    }
}

fn event_time(line: &[u8]) -> Option<i64> {
    #[derive(Deserialize)]
    struct Timed {
        ts: serde_json::Value,
    }
    let timed: Timed = serde_json::from_slice(line).ok()?;
    timed
        .ts
        .as_i64()
        .or_else(|| parse_moment(timed.ts.as_str()?).ok().map(|moment| moment.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    #[test]
    fn packed_files_give_the_same_lines() {
        let folder = tempfile::tempdir().unwrap();
        let text =
            "{\"ts\":1000}\r\n\n{\"ts\":\"1970-01-01T00:00:00.500Z\"}\nbroken\n{\"ts\":3000}";
        let plain = folder.path().join("a.ndjson");
        std::fs::write(&plain, text).unwrap();
        let zst = folder.path().join("a.ndjson.zst");
        std::fs::write(&zst, zstd::encode_all(text.as_bytes(), 1).unwrap()).unwrap();
        let gz = folder.path().join("a.ndjson.gz");
        let mut encoder =
            flate2::write::GzEncoder::new(File::create(&gz).unwrap(), flate2::Compression::fast());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap();

        for path in [plain, zst, gz] {
            let mut source = FileSource::open(path.to_str().unwrap(), true).unwrap();
            let (mut dues, mut lines) = (Vec::new(), Vec::new());
            let mut buffer = Vec::new();
            while let Some(due) = source.next_line(&mut buffer).unwrap() {
                dues.push(due);
                lines.push(String::from_utf8(std::mem::take(&mut buffer)).unwrap());
            }
            assert_eq!(dues, [1000, 1000, 1000, 3000]);
            assert_eq!(lines[2], "broken");
        }
    }
}
