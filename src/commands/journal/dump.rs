//! `chrysalis journal dump`.

use std::io::Write;
use std::process::ExitCode;

use serde::Serialize;

use chrysalis::journal::{LinesError, Position, Reader, Record};
use chrysalis::masking::mask;

use super::{Folders, Kind, Place, Wanted};

/// One record as a line.
#[derive(Serialize)]
struct Row {
    position: u64,
    kind: &'static str,
    at_ms: i64,
    at: String,
    #[serde(flatten)]
    content: Content,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Content {
    Batch {
        producer: Option<String>,
        sequence: Option<u64>,
        sender: Option<String>,
        events: u64,
        bytes: usize,
        #[serde(skip_serializing_if = "Option::is_none")]
        lines: Option<Vec<String>>,
    },
    Command {
        actor: String,
        body: String,
    },
    RuleBook {
        files: Vec<RuleFile>,
    },
    Tick {
        epoch: u64,
    },
}

#[derive(Serialize)]
struct RuleFile {
    path: String,
    bytes: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
}

/// Writes the records that are wanted.
pub(super) fn dump(
    folders: &Folders,
    place: &Place,
    wanted: &Wanted,
    out: &mut impl Write,
) -> anyhow::Result<ExitCode> {
    let mut left = wanted.limit.unwrap_or(u64::MAX);
    for read in Reader::open(&folders.journal, wanted.from)? {
        if left == 0 {
            break;
        }
        let (position, record) = read?;
        if wanted.to.is_some_and(|to| position >= to) {
            break;
        }
        if wanted.kind.is_some_and(|kind| kind != kind_of(&record)) {
            continue;
        }
        serde_json::to_writer(&mut *out, &row(position, record, place, wanted)?)
            .map_err(std::io::Error::from)?;
        writeln!(out)?;
        left -= 1;
    }
    Ok(ExitCode::SUCCESS)
}

fn kind_of(record: &Record) -> Kind {
    match record {
        Record::Batch { .. } => Kind::Batch,
        Record::Command { .. } => Kind::Command,
        Record::RuleBook { .. } => Kind::RuleBook,
        Record::Tick { .. } => Kind::Tick,
    }
}

fn row(
    position: Position,
    record: Record,
    place: &Place,
    wanted: &Wanted,
) -> Result<Row, LinesError> {
    let shown = |text: &str| match wanted.raw {
        true => text.to_owned(),
        false => mask(text),
    };
    let shown_bytes = |bytes: &[u8]| shown(&String::from_utf8_lossy(bytes));
    let (kind, at_ms, content) = match record {
        Record::Batch {
            producer,
            sender,
            received_ms,
            events,
            lines,
            ..
        } => {
            let (producer, sequence) = producer.unzip();
            let plain = lines.plain()?;
            let split = || {
                let lines = plain.split(|byte| *byte == b'\n');
                lines
                    .filter(|line| !line.trim_ascii().is_empty())
                    .map(shown_bytes)
                    .collect()
            };
            let content = Content::Batch {
                producer: producer.as_deref().map(shown),
                sequence,
                sender: sender.as_deref().map(shown),
                events,
                bytes: lines.len(),
                lines: wanted.lines.then(split),
            };
            ("batch", received_ms, content)
        }
        Record::Command { at_ms, actor, body } => {
            let content = Content::Command {
                actor: shown(&actor),
                body: shown_bytes(&body),
            };
            ("command", at_ms, content)
        }
        Record::RuleBook { at_ms, files } => {
            let file = |(path, text): (String, String)| RuleFile {
                path,
                bytes: text.len(),
                text: wanted.lines.then(|| shown(&text)),
            };
            let files = files.into_iter().map(file).collect();
            ("rulebook", at_ms, Content::RuleBook { files })
        }
        Record::Tick { epoch, now_ms } => ("tick", now_ms, Content::Tick { epoch }),
    };
    Ok(Row {
        position: position.0,
        kind,
        at_ms,
        at: place.time(at_ms),
        content,
    })
}
