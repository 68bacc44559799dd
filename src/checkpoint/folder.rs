//! The folder of checkpoints: writing one so that it is there whole or not at all, keeping the newest,
//! finding the newest that can be read.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::checkpoint::file::{FileReader, FileWriter};
use crate::checkpoint::{CheckpointError, Head, Section};
use crate::journal::{Disk, Position};

/// Checkpoints that are kept: what is promised of a damaged one counts on them, so it is no choice.
pub const KEPT: usize = 3;

const PREFIX: &str = "checkpoint-";
const SUFFIX: &str = ".chk";
/// What comes behind the name of a file that no start begins from any more, but somebody may look into.
const ASIDE: &str = ".aside";
/// What is being written; one that a crash left is removed by the next.
const UNFINISHED: &str = "unfinished.tmp";

/// The folder.
#[derive(Clone)]
pub struct Folder {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
}

/// A checkpoint that can be read, from its second section on.
pub struct Opened {
    /// What it is of.
    pub head: Head,
    /// Its file.
    pub path: PathBuf,
    reader: FileReader,
}

/// What a look for the newest found.
pub struct Found {
    /// The newest that can be read.
    pub newest: Option<Opened>,
    /// Newer ones that cannot, each with its file, and why.
    pub passed_over: Vec<(PathBuf, CheckpointError)>,
}

impl Folder {
    /// The folder, made if need be.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn open(disk: Arc<dyn Disk>, dir: &Path) -> Result<Folder, CheckpointError> {
        disk.create_dir(dir)
            .map_err(|error| CheckpointError::io("create", dir, error))?;
        let dir = dir.to_owned();
        Ok(Folder { disk, dir })
    }

    /// Writes a checkpoint: `fill` gives the sections after the head. Then removes all but the newest
    /// [`KEPT`]. Returns the file's size in bytes.
    ///
    /// # Errors
    /// The file system, or what `fill` says; the folder then is as it was.
    pub fn write(
        &self,
        head: &Head,
        fill: impl FnOnce(
            &mut dyn FnMut(Section, &[u8]) -> Result<(), CheckpointError>,
        ) -> Result<(), CheckpointError>,
    ) -> Result<u64, CheckpointError> {
        let unfinished = self.dir.join(UNFINISHED);
        let io = |action, path: &Path| {
            let path = path.to_owned();
            move |error| CheckpointError::io(action, &path, error)
        };
        if self.names()?.iter().any(|name| name == UNFINISHED) {
            self.disk
                .remove(&unfinished)
                .map_err(io("remove", &unfinished))?;
        }
        let file = self
            .disk
            .create(&unfinished)
            .map_err(io("create", &unfinished))?;
        let mut writer = FileWriter::new(&unfinished, file);
        let text = postcard::to_allocvec(head)
            .map_err(|error| CheckpointError::content("the head", error))?;
        writer.section(Section::Head, &text)?;
        fill(&mut |kind, bytes| writer.section(kind, bytes))?;
        let bytes = writer.finish()?;
        let path = self.path_of(head.epoch);
        self.disk
            .rename(&unfinished, &path)
            .map_err(io("rename", &unfinished))?;
        self.disk
            .sync_dir(&self.dir)
            .map_err(io("sync", &self.dir))?;
        self.prune()?;
        Ok(bytes)
    }

    /// The newest checkpoint whose every byte is as it was written. It is read through for that, and
    /// handed out from its beginning.
    ///
    /// # Errors
    /// The folder cannot be read, or the newest is of a newer format: passing that over would throw
    /// away what the newer program did.
    pub fn newest(&self) -> Result<Found, CheckpointError> {
        let mut passed_over = Vec::new();
        for epoch in self.epochs()?.into_iter().rev() {
            let path = self.path_of(epoch);
            match self.check(&path) {
                Ok(opened) => {
                    return Ok(Found {
                        newest: Some(opened),
                        passed_over,
                    });
                }
                Err(error @ CheckpointError::NewerFormat { .. }) => return Err(error),
                Err(error) => passed_over.push((path, error)),
            }
        }
        Ok(Found {
            newest: None,
            passed_over,
        })
    }

    /// Gives files another name, under which they are no checkpoints: they would count among the three that
    /// are kept, and push out good ones that are written while the journal is replayed to where they were.
    /// The newest [`KEPT`] files that were ever set aside stay. Returns their new names.
    ///
    /// # Errors
    /// The file system.
    pub fn set_aside(&self, paths: &[PathBuf]) -> Result<Vec<PathBuf>, CheckpointError> {
        let mut aside = Vec::new();
        for path in paths {
            let mut name = path.clone().into_os_string();
            name.push(ASIDE);
            let to = PathBuf::from(name);
            self.disk
                .rename(path, &to)
                .map_err(|error| CheckpointError::io("set aside", path, error))?;
            aside.push(to);
        }
        let mut all = self.names()?;
        all.retain(|name| name.starts_with(PREFIX) && name.ends_with(ASIDE));
        all.sort_unstable();
        for name in all.iter().rev().skip(KEPT) {
            let path = self.dir.join(name);
            self.disk
                .remove(&path)
                .map_err(|error| CheckpointError::io("remove", &path, error))?;
        }
        self.disk
            .sync_dir(&self.dir)
            .map_err(|error| CheckpointError::io("sync", &self.dir, error))?;
        Ok(aside)
    }

    /// Where the oldest kept checkpoint that can be opened begins in the journal, and how many there
    /// are: the journal may be cut below it. Their names are durable then: one that a process before made, and died
    /// before it had synced the folder, is seen here and could still be gone after a crash of the machine.
    ///
    /// # Errors
    /// The folder cannot be read or synced.
    pub fn oldest(&self) -> Result<Option<(Position, usize)>, CheckpointError> {
        self.disk
            .sync_dir(&self.dir)
            .map_err(|error| CheckpointError::io("sync", &self.dir, error))?;
        let epochs = self.epochs()?;
        let readable = epochs
            .iter()
            .filter_map(|epoch| self.open_unread(&self.path_of(*epoch)).ok());
        let positions = readable.map(|opened| opened.head.next);
        Ok(positions.min().map(|position| (position, epochs.len())))
    }

    /// The newest epoch of which any file here, also one that was set aside, knows that something of it was
    /// told. Files whose head cannot be read know nothing.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn told_upto(&self) -> Result<Option<u64>, CheckpointError> {
        let names = self.names()?.into_iter();
        let files = names.filter(|name| name.starts_with(PREFIX));
        let heads = files.filter_map(|name| self.open_unread(&self.dir.join(name)).ok());
        Ok(heads.filter_map(|opened| opened.head.told_upto).max())
    }

    /// Epochs of the files, oldest first.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn epochs(&self) -> Result<Vec<u64>, CheckpointError> {
        let epoch = |name: String| {
            name.strip_prefix(PREFIX)?
                .strip_suffix(SUFFIX)?
                .parse()
                .ok()
        };
        let mut epochs: Vec<u64> = self.names()?.into_iter().filter_map(epoch).collect();
        epochs.sort_unstable();
        Ok(epochs)
    }

    /// The file of an epoch.
    pub fn path_of(&self, epoch: u64) -> PathBuf {
        self.dir.join(format!("{PREFIX}{epoch:020}{SUFFIX}"))
    }

    fn names(&self) -> Result<Vec<String>, CheckpointError> {
        self.disk
            .list(&self.dir)
            .map_err(|error| CheckpointError::io("list", &self.dir, error))
    }

    /// Opens a checkpoint of which every byte is as it was written.
    ///
    /// # Errors
    /// The file is damaged, of a newer format, or cannot be read.
    pub fn check(&self, path: &Path) -> Result<Opened, CheckpointError> {
        let mut opened = self.open_unread(path)?;
        while opened.next()?.is_some() {}
        self.open_unread(path)
    }

    /// Opens a checkpoint whose head is one; what comes behind it may be damaged.
    ///
    /// # Errors
    /// The head is damaged or of a newer format, or the file cannot be read.
    pub fn open_unread(&self, path: &Path) -> Result<Opened, CheckpointError> {
        let file = self
            .disk
            .open(path, false)
            .map_err(|error| CheckpointError::io("open", path, error))?;
        let mut reader = FileReader::new(path, file)?;
        let head = match reader.next()? {
            Some((Section::Head, bytes)) => postcard::from_bytes(&bytes)
                .map_err(|error| CheckpointError::content("the head", error))?,
            _ => return Err(CheckpointError::damaged(path, 0, "it has no head")),
        };
        Ok(Opened {
            head,
            path: path.to_owned(),
            reader,
        })
    }

    fn prune(&self) -> Result<(), CheckpointError> {
        let epochs = self.epochs()?;
        for epoch in epochs.iter().rev().skip(KEPT) {
            let path = self.path_of(*epoch);
            self.disk
                .remove(&path)
                .map_err(|error| CheckpointError::io("remove", &path, error))?;
        }
        Ok(())
    }
}

impl Opened {
    /// Size of its file; none where that cannot be told.
    pub fn bytes(&self) -> Option<u64> {
        self.reader.bytes()
    }

    /// The next section; `None` after the last.
    ///
    /// # Errors
    /// The file is damaged or cannot be read.
    #[expect(
        clippy::should_implement_trait,
        reason = "an error must not be passed over as iterators let one"
    )]
    pub fn next(&mut self) -> Result<Option<(Section, Vec<u8>)>, CheckpointError> {
        self.reader.next()
    }
}
