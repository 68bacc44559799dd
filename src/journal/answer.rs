//! What a submission is told, before and after its group is committed.

use super::epochs::Ack;
use super::error::JournalError;
use super::record::Position;

/// The answer to a submission, before the commit.
pub(super) enum Answer {
    Appended(Position),
    /// Where the newest is, and whether that one is only in this group.
    Duplicate(Position, bool),
    /// The sequence goes back, or the name is another's, and whether only because of a batch in this group.
    Back(JournalError, bool),
    Refused(JournalError),
}

impl Answer {
    /// The answer once the group is committed, or was not for `failure`.
    pub(super) fn settle(
        self,
        events_total: u64,
        failure: Option<&JournalError>,
    ) -> Result<Ack, JournalError> {
        match (self, failure) {
            (Self::Refused(error), _) => Err(error),
            (Self::Appended(_) | Self::Duplicate(_, true) | Self::Back(_, true), Some(failure)) => {
                Err(failure.clone())
            }
            (Self::Back(error, _), _) => Err(error),
            (Self::Appended(position), None) => Ok(Ack {
                position,
                duplicate: false,
                events_total,
            }),
            (Self::Duplicate(position, _), _) => Ok(Ack {
                position,
                duplicate: true,
                events_total,
            }),
        }
    }
}
