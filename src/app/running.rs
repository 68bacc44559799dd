//! The journal's writer and the threads behind it: they end together and in order, also when a start
//! fails half-way. The one that writes checkpoints comes last: it may wait for the history, which is waited for with the mails.

use std::thread::JoinHandle;

use anyhow::Context;

use crate::ingest::Attachment;
use crate::journal::writer::{Writer, WriterError};

/// Dropping it stops everything in it and waits.
pub(super) struct Running {
    writer: Option<Writer<Attachment>>,
    threads: Vec<(&'static str, JoinHandle<()>)>,
    last: Last,
}

/// The thread that ends last; dropping it waits for it.
#[derive(Default)]
pub(super) struct Last(Option<(&'static str, JoinHandle<()>)>);

impl Running {
    /// The writer, whose epochs somebody else takes: they must go on doing so until the end, or drop
    /// their receiver before this is dropped.
    pub(super) fn new(writer: Writer<Attachment>) -> Running {
        Running {
            writer: Some(writer),
            threads: Vec::new(),
            last: Last::default(),
        }
    }

    /// Lets the writer hand its epochs over: there is who takes them.
    pub(super) fn hand_over(&self) {
        if let Some(writer) = &self.writer {
            writer.hand_over();
        }
    }

    /// Starts a thread that ends by itself when the writer has ended.
    pub(super) fn spawn(
        &mut self,
        name: &'static str,
        work: impl FnOnce() + Send + 'static,
    ) -> anyhow::Result<()> {
        self.threads.push((name, begin(name, work)?));
        Ok(())
    }

    /// [`Running::spawn`] of the one that ends when those before it have, and may take longer.
    pub(super) fn spawn_last(
        &mut self,
        name: &'static str,
        work: impl FnOnce() + Send + 'static,
    ) -> anyhow::Result<()> {
        self.last = Last(Some((name, begin(name, work)?)));
        Ok(())
    }

    /// True once the writer has ended by itself.
    pub(super) fn has_failed(&self) -> bool {
        self.writer.as_ref().is_none_or(Writer::is_finished)
    }

    /// Stops the writer, then waits for the threads but the last.
    pub(super) fn stop(mut self) -> (Result<(), WriterError>, Last) {
        (self.end(), std::mem::take(&mut self.last))
    }

    fn end(&mut self) -> Result<(), WriterError> {
        let closed = self.writer.take().map_or(Ok(()), Writer::shutdown);
        for (name, thread) in self.threads.drain(..) {
            join(name, thread);
        }
        closed
    }
}

fn begin(
    name: &'static str,
    work: impl FnOnce() + Send + 'static,
) -> anyhow::Result<JoinHandle<()>> {
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(work)
        .with_context(|| format!("cannot start the {name} thread"))
}

fn join(name: &str, thread: JoinHandle<()>) {
    if thread.join().is_err() {
        tracing::error!(name, "a thread ended badly");
    }
}

impl Drop for Last {
    fn drop(&mut self) {
        if let Some((name, thread)) = self.0.take() {
            join(name, thread);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // One that is dropped, and was not stopped, is of a start that failed.
        let stats = self
            .writer
            .as_ref()
            .map(|writer| writer.submitter().stats());
        let kept = stats.map_or(0, |stats| stats.log.records_written_total);
        if kept > 0 {
            tracing::warn!(
                records = kept,
                "what was taken before the start failed is in the journal: the next one that goes on counts it"
            );
        }
        match self.end() {
            Ok(()) => {}
            // A start that failed before anybody took epochs.
            Err(WriterError::ConsumerGone(_)) => {
                tracing::info!("the journal is closed; nothing was taken from it");
            }
            Err(error) => tracing::error!(%error, "the journal did not close in order"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;
    use crate::journal::writer::WriterConfig;
    use crate::journal::{FakeDisk, Journal, JournalConfig};

    #[test]
    fn dropping_it_ends_all_threads_and_gives_the_journal_free() {
        let disk = FakeDisk::new();
        let open = || {
            let disk = Arc::new(disk.clone());
            Journal::open_on(disk, "/journal".as_ref(), JournalConfig::default())
        };
        let (journal, recovery) = open().unwrap();
        let config = WriterConfig::default();
        let (writer, epochs) =
            Writer::start(journal, recovery, config, Arc::new(|| 1_000)).unwrap();
        let mut running = Running::new(writer);
        let ended = Arc::new(AtomicBool::new(false));
        let telling = Arc::clone(&ended);
        let taking = move || {
            epochs.iter().for_each(drop);
            std::thread::sleep(std::time::Duration::from_millis(50));
            telling.store(true, Ordering::SeqCst);
        };
        running.spawn("taking", taking).unwrap();
        assert!(!running.has_failed());
        drop(running);
        assert!(ended.load(Ordering::SeqCst));
        assert!(open().is_ok());
    }
}
