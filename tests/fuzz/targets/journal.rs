//! The journal's segments: whatever lies in a folder, reading it gives whole records in order or names the
//! damage, opening it leaves a journal that works, and both agree.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use chrysalis::journal::{
    Audit, Disk, FakeDisk, Journal, JournalConfig, LineFormat, Position, Reader, Record,
};

use crate::harness::{Case, corpus_dir, read_corpus};

const DIR: &str = "/journal";
/// Magic and version, length, checksum and its own number: the header is 64 bytes, its checksum at 60.
const HEADER_BYTES: usize = 64;

fn config() -> JournalConfig {
    JournalConfig::default()
}

pub(crate) fn check(case: &mut Case<'_>) -> Result<(), String> {
    // Half of the cases have checksums that fit, so that what lies behind them is met.
    let is_mended = case.rng.below(2) == 0;
    if is_mended {
        mend(&mut case.input);
    }
    let first = case.input.get(16..24).map_or(0, |bytes| {
        u64::from_le_bytes(bytes.try_into().unwrap_or_default())
    });
    let first = if is_mended {
        first
    } else {
        first_of(case.original)
    };
    let disk = disk_with(&case.input, first);
    let (read, ended) = read(&disk);
    if !is_mended {
        for placed in &read {
            if !written().contains(placed) {
                let (position, record) = placed;
                return Err(format!("record {position} was never written: {record:?}"));
            }
        }
    }
    for pair in read.windows(2) {
        if pair[1].0 != pair[0].0.next() {
            return Err(format!("record {} follows {}", pair[1].0, pair[0].0));
        }
    }
    let audit: Vec<_> = Audit::open(Arc::new(disk.clone()), Path::new(DIR))
        .map_err(|error| error.to_string())?
        .collect();
    let audited: u64 = audit.iter().map(|audit| audit.contents.records()).sum();
    if audited > read.len() as u64 {
        return Err(format!("{audited} records audited, {} read", read.len()));
    }
    match Journal::open_on(Arc::new(disk.clone()), Path::new(DIR), config()) {
        // Opening looks at heads alone; reading may still name damage in a body.
        Ok((mut journal, recovery)) => {
            let position = journal.append(&tick(recovery.epochs_total));
            journal.commit().map_err(|error| error.to_string())?;
            if position.map_err(|error| error.to_string())? != recovery.next {
                return Err("a record was not appended where recovery said".to_owned());
            }
            drop(journal);
            let (again, again_ended) = self::read(&disk);
            if ended.is_none() && (again_ended.is_some() || again.len() != read.len() + 1) {
                return Err(format!(
                    "{} records before it was opened, {} after: {again_ended:?}",
                    read.len(),
                    again.len()
                ));
            }
        }
        Err(_) if ended.is_some() => {}
        // A lone segment that was never used is read as nothing, and cannot be continued.
        Err(_) if read.is_empty() => {}
        Err(error) => return Err(format!("it reads to its end and does not open: {error}")),
    }
    Ok(())
}

/// A disk that holds one segment.
fn disk_with(bytes: &[u8], first: u64) -> FakeDisk {
    let disk = FakeDisk::new();
    let path = PathBuf::from(format!("{DIR}/{first:020}.journal"));
    let mut file = disk.create(&path).unwrap();
    file.write_at(bytes, 0).unwrap();
    disk.sync_dir(Path::new(DIR)).unwrap();
    disk
}

type Records = Vec<(Position, Record)>;

/// All records up to the end, and the damage that ended them early.
fn read(disk: &FakeDisk) -> (Records, Option<String>) {
    let mut records = Vec::new();
    for read in Reader::open_on(Arc::new(disk.clone()), Path::new(DIR), None).unwrap() {
        match read {
            Ok(record) => records.push(record),
            Err(error) => return (records, Some(error.to_string())),
        }
    }
    (records, None)
}

/// What was ever written: every record of the corpus, for a case may continue one segment by another.
fn written() -> &'static Records {
    static WRITTEN: OnceLock<Records> = OnceLock::new();
    WRITTEN.get_or_init(|| {
        let corpus = read_corpus("journal");
        let segments = corpus.iter().map(|(_, segment)| segment);
        let records = segments.map(|segment| read(&disk_with(segment, first_of(segment))).0);
        records.flatten().collect()
    })
}

/// What the segment's header says its first record is; its name says the same.
fn first_of(segment: &[u8]) -> u64 {
    let bytes = segment.get(16..24).and_then(|bytes| bytes.try_into().ok());
    bytes.map_or(0, u64::from_le_bytes)
}

/// Sets the header's checksum, and those of the frames as far as their lengths lead.
fn mend(segment: &mut [u8]) {
    if segment.len() < HEADER_BYTES {
        return;
    }
    let checksum = crc32c::crc32c(&segment[..60]).to_le_bytes();
    segment[60..64].copy_from_slice(&checksum);
    let mut at = HEADER_BYTES;
    while let Some(head) = segment.get(at..at + 8) {
        let length = u32::from_le_bytes([head[0], head[1], head[2], head[3]]);
        let end = at + 8 + length as usize;
        let Some(payload) = segment.get(at + 8..end) else {
            return;
        };
        let checksum = crc32c::crc32c_append(crc32c::crc32c(&length.to_le_bytes()), payload);
        segment[at + 4..at + 8].copy_from_slice(&checksum.to_le_bytes());
        at = end;
    }
}

fn tick(epoch: u64) -> Record {
    Record::Tick {
        epoch,
        now_ms: i64::MAX,
    }
}

/// Segments as the journal writes them: every kind of record, packed and raw, and one that continues.
pub(crate) fn write_corpus() {
    let disk = FakeDisk::new();
    let config = JournalConfig {
        segment_bytes_max: 1_500,
        ..config()
    };
    let (mut journal, _) =
        Journal::open_on(Arc::new(disk.clone()), Path::new(DIR), config).unwrap();
    let line = "{\"type\":\"gauge\",\"ts\":1764000000000,\"name\":\"a\",\"value\":1}\n";
    for number in 0..12_u64 {
        let producer = (number % 3 != 0).then(|| (format!("p{}", number % 2), number));
        let batch = Record::Batch {
            producer,
            sender: (number % 4 == 1).then(|| "令牌".to_owned()),
            received_ms: 1_764_000_000_000,
            format: LineFormat::Ndjson,
            events: number,
            lines: line.repeat(number as usize).into_bytes().into(),
            decoded: (number % 2 == 0).then(|| line.as_bytes().to_vec().into()),
        };
        let command = Record::Command {
            at_ms: 1_764_000_000_000,
            actor: "王工".to_owned(),
            body: br#"{"a":1}"#.to_vec(),
        };
        let files = vec![("book.yaml".to_owned(), "book: {name: t}\n".to_owned())];
        let book = Record::RuleBook { at_ms: 1, files };
        for record in [batch, command, book] {
            journal.append(&record).unwrap();
        }
        journal.append(&tick(number)).unwrap();
        journal.commit().unwrap();
    }
    let dir = corpus_dir("journal");
    let is_segment = |path: &&PathBuf| path.extension().is_some_and(|end| end == "journal");
    for (number, path) in disk.paths().iter().filter(is_segment).enumerate() {
        let file = disk.open(path, false).unwrap();
        let mut bytes = vec![0; file.bytes().unwrap() as usize];
        file.read_at(&mut bytes, 0).unwrap();
        std::fs::write(dir.join(format!("v2-{number}.journal")), &bytes).unwrap();
        // Found by fuzzing: numbers at their end.
        bytes[16..40].fill(0xff);
        mend(&mut bytes);
        std::fs::write(dir.join(format!("v2-{number}-last.journal")), &bytes).unwrap();
    }
}
