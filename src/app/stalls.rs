//! A connection whose answers must be taken: one whose reader stops, or takes next to nothing, is ended.
//!
//! From the moment that the system takes no more of an answer until all of it is taken, at least
//! [`MOVED_BYTES_MIN`] must move within each patience. What fits into the system's buffers is nobody's stall.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

/// What must move within the patience, bytes. Judgement: with the default of half a minute 2 KiB a second, less than
/// any line that an operator sits behind.
const MOVED_BYTES_MIN: u64 = 64 * 1024;

/// The connection.
pub(super) struct Stalls<S, F> {
    stream: S,
    patience: Duration,
    /// Called once when the patience is over.
    told: Option<F>,
    /// While something waits: when to look, and how much had moved at the last look.
    watch: Pin<Box<Sleep>>,
    waiting: bool,
    moved: u64,
    moved_before: u64,
}

impl<S, F: FnOnce()> Stalls<S, F> {
    /// A connection with so much patience; `told` hears of its end.
    pub(super) fn new(stream: S, patience: Duration, told: F) -> Stalls<S, F> {
        Stalls {
            stream,
            patience,
            told: Some(told),
            watch: Box::pin(tokio::time::sleep(Duration::ZERO)),
            waiting: false,
            moved: 0,
            moved_before: 0,
        }
    }

    fn moved(&mut self, bytes: usize) {
        self.moved = self.moved.saturating_add(bytes as u64);
    }

    /// Something waits to be taken; an error once that has lasted too long.
    fn wait(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            if !self.waiting {
                self.waiting = true;
                self.moved_before = self.moved;
                let until = Instant::now() + self.patience;
                self.watch.as_mut().reset(until);
            }
            ready!(self.watch.as_mut().poll(context));
            self.waiting = false;
            if self.moved - self.moved_before < MOVED_BYTES_MIN {
                if let Some(told) = self.told.take() {
                    told();
                }
                let words = "the reader does not take its answer";
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, words)));
            }
        }
    }
}

impl<S: AsyncRead + Unpin, F: Unpin> AsyncRead for Stalls<S, F> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin, F: FnOnce() + Unpin> AsyncWrite for Stalls<S, F> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match Pin::new(&mut self.stream).poll_write(context, bytes) {
            Poll::Ready(written) => {
                self.moved(*written.as_ref().unwrap_or(&0));
                Poll::Ready(written)
            }
            Poll::Pending => self.wait(context).map(|waited| waited.map(|()| 0)),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match Pin::new(&mut self.stream).poll_write_vectored(context, bytes) {
            Poll::Ready(written) => {
                self.moved(*written.as_ref().unwrap_or(&0));
                Poll::Ready(written)
            }
            Poll::Pending => self.wait(context).map(|waited| waited.map(|()| 0)),
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    /// hyper flushes when all of an answer has been written.
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match Pin::new(&mut self.stream).poll_flush(context) {
            Poll::Ready(flushed) => {
                self.waiting = false;
                Poll::Ready(flushed)
            }
            Poll::Pending => self.wait(context),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    const PATIENCE: Duration = Duration::from_secs(1);

    /// A connection with a buffer, its other end, and how often a stall was told.
    fn pair(
        buffer_bytes: usize,
    ) -> (
        Stalls<tokio::io::DuplexStream, impl FnOnce() + Unpin>,
        tokio::io::DuplexStream,
        Arc<AtomicU32>,
    ) {
        let (ours, theirs) = tokio::io::duplex(buffer_bytes);
        let told = Arc::new(AtomicU32::new(0));
        let telling = Arc::clone(&told);
        let stalls = Stalls::new(ours, PATIENCE, move || {
            telling.fetch_add(1, Ordering::Relaxed);
        });
        (stalls, theirs, told)
    }

    #[tokio::test]
    async fn a_reader_that_stops_is_ended_and_one_that_trickles_is_too() {
        let (mut stalls, theirs, told) = pair(1024);
        let began = Instant::now();
        let ended = stalls.write_all(&[0; 2048]).await.unwrap_err();
        assert_eq!(ended.kind(), io::ErrorKind::TimedOut);
        assert!(began.elapsed() >= PATIENCE);
        assert_eq!(told.load(Ordering::Relaxed), 1);
        drop(theirs);

        let (mut stalls, mut theirs, told) = pair(1024);
        let reading = tokio::spawn(async move {
            let mut byte = [0];
            while theirs.read(&mut byte).await.is_ok_and(|read| read == 1) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        });
        assert!(stalls.write_all(&[0; 2048]).await.is_err());
        assert_eq!(told.load(Ordering::Relaxed), 1);
        reading.abort();
    }

    #[tokio::test]
    async fn a_slow_reader_of_a_long_answer_and_a_pause_between_answers_are_no_stall() {
        let (mut stalls, mut theirs, told) = pair(16 * 1024);
        let reading = tokio::spawn(async move {
            let mut some = vec![0; 16 * 1024];
            let mut all = 0;
            loop {
                match theirs.read(&mut some).await {
                    Ok(0) | Err(_) => return all,
                    Ok(read) => all += read,
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
        // Much longer than the patience, but never nearly as little as must move within it.
        stalls.write_all(&vec![0; 2 << 20]).await.unwrap();
        stalls.flush().await.unwrap();
        tokio::time::sleep(2 * PATIENCE).await;
        stalls.write_all(&[0; 512]).await.unwrap();
        stalls.shutdown().await.unwrap();
        assert_eq!(reading.await.unwrap(), (2 << 20) + 512);
        assert_eq!(told.load(Ordering::Relaxed), 0);
    }
}
