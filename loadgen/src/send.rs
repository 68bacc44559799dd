//! Sends lines to a target by a schedule that does not wait for it.
//!
//! * **Open loop.** When a batch is to be sent is decided before anything is
//!   known about the answers. A target that stalls makes later batches late, and
//!   their latency counts from the moment they should have gone: nothing that a
//!   user would have waited for is left out.
//! * **Bounded.** At most `in_flight` requests are open. Beyond that, batches
//!   wait here, and the wait is in their latency.
//! * **Safe to repeat.** Each lane is a producer of its own, with one request at
//!   a time and a rising sequence; a retry carries the sequence of its batch.

mod batch;
mod http;
mod pace;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::source::Source;
use batch::Batcher;
use http::Lane;
pub use http::SendError;
pub(crate) use http::{Outcome, client, endpoint, root_cause};
pub use pace::Pace;

use crate::report::SendTally;

/// How to send.
#[derive(Debug, Clone)]
pub struct SendOptions {
    /// Base URL of the target, such as `http://127.0.0.1:8080`.
    pub target: String,
    /// Token that the target wants, where it wants one.
    pub token: Option<String>,
    /// The schedule.
    pub pace: Pace,
    /// Most lines in one request.
    pub batch_lines: usize,
    /// Longest that a line waits for its batch to fill.
    pub linger: Duration,
    /// Most requests open at a time.
    pub in_flight: usize,
    /// Prefix of the producers' names. Another run under the same name would
    /// repeat sequences, and the target would take its batches for repetitions.
    pub producer: String,
    /// Whether bodies are compressed.
    pub gzip: bool,
    /// How long a batch is retried before it is given up.
    pub retry_for: Duration,
    /// Stop after this long, whatever is left; `None` sends everything.
    pub duration: Option<Duration>,
}

/// Sends everything `source` has; `progress` is told the lines acknowledged.
///
/// Ends early, with the requests under way finished, when `stop` resolves.
///
/// # Errors
/// When the source cannot be read, or the target's address is no URL. What the
/// target does is not an error but a result, in the tally.
pub async fn send(
    source: &mut dyn Source,
    options: &SendOptions,
    stop: impl Future<Output = ()>,
    progress: impl Fn(u64) + Send + Sync + 'static,
) -> Result<SendTally, SendError> {
    let tally = Arc::new(Mutex::new(SendTally::new()?));
    let progress = Arc::new(progress);
    let (give_back, mut free_lanes) = mpsc::channel(options.in_flight.max(1));
    for lane in http::lanes(options)? {
        // The channel has room for every lane, so this never waits.
        let _ = give_back.send((lane, Vec::new())).await;
    }

    let begun = Instant::now();
    let mut requests = JoinSet::new();
    let mut batcher = Batcher::new(options.pace, options.batch_lines, options.linger);
    tokio::pin!(stop);
    let mut failure = None;
    loop {
        let batch = match batcher.next(source) {
            Ok(Some(batch)) => batch,
            Ok(None) => break,
            Err(error) => {
                failure = Some(error);
                break;
            }
        };
        if options
            .duration
            .is_some_and(|duration| batch.due.unwrap_or_else(|| begun.elapsed()) > duration)
        {
            break;
        }
        let send_at = batch.due.map(|due| begun + due);
        let free: Option<(Lane, Vec<u8>)> = tokio::select! {
            biased;
            () = &mut stop => break,
            lane = async {
                if let Some(send_at) = send_at {
                    tokio::time::sleep_until(send_at).await;
                }
                free_lanes.recv().await
            } => lane,
        };
        let Some((mut lane, room)) = free else { break };
        batcher.give_back(room);
        let scheduled = send_at.unwrap_or_else(Instant::now);
        let (tally, progress, give_back) =
            (Arc::clone(&tally), Arc::clone(&progress), give_back.clone());
        requests.spawn(async move {
            let body = Bytes::from(batch.body);
            let outcome = lane.deliver(&body, batch.lines).await;
            record(
                &tally,
                &outcome,
                batch.lines,
                scheduled.elapsed(),
                progress.as_ref(),
            );
            let _ = give_back.send((lane, room_of(body))).await;
        });
        // Finished requests are swept up as we go, so the set stays small.
        while requests.try_join_next().is_some() {}
    }
    while requests.join_next().await.is_some() {}

    let mut tally = tally.lock().unwrap_or_else(PoisonError::into_inner).clone();
    tally.wall = begun.elapsed();
    tally.last_due_ms = batcher.last_due_ms();
    match failure {
        Some(error) => Err(error.into()),
        None => Ok(tally),
    }
}

/// The room of a body, unless somebody still holds on to it.
fn room_of(body: Bytes) -> Vec<u8> {
    let mut room = body.try_into_mut().unwrap_or_default();
    // Else what is in it is copied.
    room.clear();
    room.into()
}

fn record(
    tally: &Mutex<SendTally>,
    outcome: &Outcome,
    lines: u64,
    latency: Duration,
    progress: &impl Fn(u64),
) {
    let done = {
        let mut tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
        tally.add(outcome, lines, latency);
        tally.lines_sent
    };
    progress(done);
}
