//! Walks all frames of the journal once, on opening: each segment on a thread of its own, for to read and to check them is
//! all that a start does then. What is found is shown in order, and judged as [`super::scan::Scan`] does.
//!
//! * Each segment continues the one before: same next record, same events, same epoch.
//! * As many segments are under way as there are threads; of each only what is noted of its records is in memory.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use super::cursor::{Cursor, Opened, TornTail};
use super::disk::Disk;
use super::error::{Damage, JournalError};
use super::record::{self, Position, Summary};
use super::scan::{Place, damaged_body};
use super::segment::Tally;

/// Threads at most. Judgement: memory, and not their number, is the bound of more.
const THREADS_MAX: usize = 4;

/// A record's frame, without its body.
pub(super) struct Noted {
    /// Where it lies, and what the journal comes to before it.
    pub(super) place: Place,
    pub(super) bytes: u64,
    pub(super) durable_below: Position,
    pub(super) checksum: u32,
    pub(super) summary: Summary,
    /// Name and sequence, when it is a batch that has them.
    pub(super) producer: Option<(String, u64)>,
    /// The token's name, when it is a batch that came under one.
    pub(super) sender: Option<String>,
    pub(super) is_book: bool,
}

impl Noted {
    /// The record's number.
    pub(super) fn position(&self) -> Position {
        self.place.tally.next
    }
}

/// What the whole walk found.
#[derive(Default)]
pub(super) struct Swept {
    /// What all records come to; `None` if there was no segment.
    pub(super) tally: Option<Tally>,
    /// The segment walked last and where its whole frames end.
    pub(super) end: Option<(PathBuf, u64)>,
    /// A last segment without a header.
    pub(super) unborn: Option<TornTail>,
    /// Half-written bytes behind the last whole frame.
    pub(super) torn: Option<TornTail>,
}

/// One segment.
enum Walked {
    Unborn(TornTail),
    Segment {
        frames: Vec<Noted>,
        header: Tally,
        tally: Tally,
        end: u64,
        torn: Option<TornTail>,
    },
}

/// Walks from the segment that holds the record before `from`, or from the oldest, as `scan::segments_from` has them, and
/// shows every record in order.
///
/// # Errors
/// What is damaged, or cannot be read: the first of it.
pub(super) fn sweep(
    disk: &Arc<dyn Disk>,
    segments: &[(Position, PathBuf)],
    mut each: impl FnMut(Noted),
) -> Result<Swept, JournalError> {
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let threads = threads.min(THREADS_MAX);
    let mut swept = Swept::default();
    let last = segments.last().map(|(first, _)| *first);
    for segments in segments.chunks(threads) {
        for (walked, (_, path)) in walk_all(disk, segments, last).into_iter().zip(segments) {
            match walked? {
                Walked::Unborn(torn) => swept.unborn = Some(torn),
                Walked::Segment {
                    frames,
                    header,
                    tally,
                    end,
                    torn,
                } => {
                    if let Some(before) = swept.tally.filter(|before| *before != header) {
                        let damage = Damage::Gap {
                            expected: before.next,
                        };
                        return Err(JournalError::damaged(path, 0, damage));
                    }
                    frames.into_iter().for_each(&mut each);
                    swept.tally = Some(tally);
                    swept.end = Some((path.clone(), end));
                    swept.torn = torn;
                }
            }
        }
    }
    Ok(swept)
}

/// Walks a few segments side by side.
fn walk_all(
    disk: &Arc<dyn Disk>,
    segments: &[(Position, PathBuf)],
    last: Option<Position>,
) -> Vec<Result<Walked, JournalError>> {
    let walk =
        |(first, path): &(Position, PathBuf)| walk(&**disk, path, *first, last == Some(*first));
    let [others @ .., own] = segments else {
        return Vec::new();
    };
    thread::scope(|scope| {
        let others: Vec<_> = others
            .iter()
            .map(|segment| {
                let thread = thread::Builder::new().name("journal-check".to_owned());
                (segment, thread.spawn_scoped(scope, move || walk(segment)))
            })
            .collect();
        let own = walk(own);
        let joined = others.into_iter().map(|(segment, thread)| {
            // Without a thread it is done here; one that has panicked panics again.
            let done = thread.ok().and_then(|thread| thread.join().ok());
            done.unwrap_or_else(|| walk(segment))
        });
        joined.chain([own]).collect()
    })
}

fn walk(
    disk: &dyn Disk,
    path: &Path,
    first: Position,
    is_last: bool,
) -> Result<Walked, JournalError> {
    let (mut cursor, header) = match Cursor::open(disk, path, first, is_last)? {
        Opened::Unborn(torn) => return Ok(Walked::Unborn(torn)),
        Opened::Segment(cursor, header) => (cursor, header),
    };
    let shared: Arc<Path> = path.into();
    let mut frames = Vec::new();
    let mut tally = header;
    while cursor.advance()? {
        let frame = cursor.frame();
        let peeked = record::peek(frame.body).map_err(|reason| damaged_body(&cursor, reason))?;
        let place = Place {
            path: Arc::clone(&shared),
            offset: cursor.offset(),
            tally,
        };
        tally.add(peeked.summary);
        frames.push(Noted {
            place,
            bytes: frame.bytes() as u64,
            durable_below: frame.durable_below,
            checksum: cursor.checksum(),
            summary: peeked.summary,
            producer: peeked
                .producer
                .map(|(name, sequence)| (name.to_owned(), sequence)),
            sender: peeked.sender.map(str::to_owned),
            is_book: peeked.is_book,
        });
    }
    Ok(Walked::Segment {
        frames,
        header,
        tally,
        end: cursor.offset(),
        torn: cursor.torn().cloned(),
    })
}
