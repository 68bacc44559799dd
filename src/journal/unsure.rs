//! What a start cannot know to be durable.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;

use super::record::Position;
use super::scan::Place;
use super::segment::HEADER_BYTES;
use super::sweep::Noted;

/// Where the frames of the last segment begin that nothing says are on stable storage.
///
/// The process before may have died of a failed sync. The system then has dropped the error, and
/// perhaps the bytes, and still shows them in its cache: a sync now would succeed and prove nothing.
/// So what is not known to be durable is written again before it is synced.
#[derive(Default)]
pub(super) struct Unsure {
    /// The last segment met.
    path: Option<Arc<Path>>,
    /// Positions and offsets of its frames, oldest first.
    frames: VecDeque<(Position, u64)>,
}

impl Unsure {
    /// Takes note of the next record.
    pub(super) fn note(&mut self, noted: &Noted) {
        let Place { path, offset, .. } = &noted.place;
        if self.path.as_ref() != Some(path) {
            // The segment before was synced before this one was made.
            self.path = Some(Arc::clone(path));
            self.frames.clear();
        }
        self.frames.push_back((noted.position(), *offset));
        let sure = |(position, _): &(Position, u64)| *position < noted.durable_below;
        while self.frames.front().is_some_and(sure) {
            self.frames.pop_front();
        }
    }

    /// Where they begin in the last segment. Without a frame that is durable its header need not be.
    pub(super) fn from(&self, path: &Path) -> u64 {
        let is_last = self.path.as_deref() == Some(path);
        let first = self.frames.front().filter(|_| is_last);
        let offset = first.map_or(0, |(_, offset)| *offset);
        if offset <= HEADER_BYTES as u64 {
            0
        } else {
            offset
        }
    }
}
