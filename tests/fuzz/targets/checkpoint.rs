//! Checkpoint files: read to the end as they were written, or damage that is named.

use std::path::Path;
use std::sync::Arc;

use chrysalis::checkpoint::{CheckpointError, Folder, Head, Section};
use chrysalis::journal::{Disk, FakeDisk, Position};

use crate::harness::{Case, corpus_dir};

const DIR: &str = "/checkpoints";

pub(crate) fn check(case: &mut Case<'_>) -> Result<(), String> {
    let is_mended = case.rng.below(2) == 0;
    if is_mended {
        mend(&mut case.input);
    }
    let (folder, path) = folder_with(&case.input);
    let sections = sections(&folder, &path);
    if let (Ok(sections), false) = (&sections, is_mended) {
        let (folder, path) = folder_with(case.original);
        let written = self::sections(&folder, &path).map_err(|error| error.to_string())?;
        if *sections != written {
            return Err("it reads otherwise than it was written".to_owned());
        }
    }
    // The way of a start: what cannot be read is passed over by name, and never taken.
    match folder.newest() {
        Ok(found) => match (found.newest, sections) {
            (Some(_), Err(error)) => Err(format!("taken, although {error}")),
            (None, Ok(_)) => Err(format!("not taken: {:?}", found.passed_over)),
            (None, Err(_)) if found.passed_over.len() != 1 => Err("not told".to_owned()),
            _ => Ok(()),
        },
        Err(CheckpointError::NewerFormat { .. }) => Ok(()),
        Err(error) => Err(error.to_string()),
    }
}

fn folder_with(bytes: &[u8]) -> (Folder, std::path::PathBuf) {
    let disk = FakeDisk::new();
    let folder = Folder::open(Arc::new(disk.clone()), Path::new(DIR)).unwrap();
    let path = folder.path_of(7);
    disk.create(&path).unwrap().write_at(bytes, 0).unwrap();
    (folder, path)
}

fn sections(folder: &Folder, path: &Path) -> Result<Vec<(Section, Vec<u8>)>, CheckpointError> {
    let mut opened = folder.check(path)?;
    let mut sections = Vec::new();
    while let Some(section) = opened.next()? {
        sections.push(section);
    }
    Ok(sections)
}

/// Sets the checksums of the sections, as far as their lengths lead.
fn mend(file: &mut [u8]) {
    let (mut at, mut checksum) = (12, 0);
    while let Some(head) = file.get(at..at + 13) {
        let packed = u32::from_le_bytes([head[1], head[2], head[3], head[4]]) as usize;
        let Some(bytes) = file.get(at + 13..at + 13 + packed) else {
            return;
        };
        checksum = crc32c::crc32c_append(crc32c::crc32c_append(checksum, &file[at..at + 9]), bytes);
        file[at + 9..at + 13].copy_from_slice(&checksum.to_le_bytes());
        at += 13 + packed;
    }
}

/// Files as they are written.
pub(crate) fn write_corpus() {
    for (name, sections) in [("v8-empty.chk", 0_u8), ("v8-some.chk", 5)] {
        let disk = FakeDisk::new();
        let folder = Folder::open(Arc::new(disk.clone()), Path::new(DIR)).unwrap();
        let head = Head {
            epoch: 7,
            now_ms: 1_764_000_000_000,
            next: Position(40),
            told_upto: None,
            created_at_ms: 1_764_000_000_500,
            program: "0.1.0".to_owned(),
            rules: vec![("book.yaml".to_owned(), "book: {name: t}\n".to_owned())],
            lineage: chrysalis::rules::Lineage::default(),
        };
        let written = folder.write(&head, |add| {
            for number in 0..sections {
                let kind = [Section::Producers, Section::Engine, Section::Dataflow];
                let bytes: Vec<u8> = (0..200).map(|at| at / 7 * number).collect();
                add(kind[usize::from(number) % 3], &bytes)?;
            }
            Ok(())
        });
        written.unwrap();
        let file = disk.open(&folder.path_of(7), false).unwrap();
        let mut bytes = vec![0; file.bytes().unwrap() as usize];
        file.read_at(&mut bytes, 0).unwrap();
        std::fs::write(corpus_dir("checkpoint").join(name), bytes).unwrap();
    }
}
