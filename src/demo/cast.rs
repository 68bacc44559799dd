//! When the departments of a story work; loadgen plays them, over the same API that people use.

use loadgen::{Departments, Shift};

use crate::engine::Snapshot;

/// When the departments of a story work.
#[derive(Clone, Copy)]
pub(super) enum Repair {
    /// At once, until nothing fires any more.
    WhenQuiet,
    /// Between these hours of the story.
    At {
        /// Work begins.
        from_h: i64,
        /// Work is done.
        to_h: i64,
    },
}

/// The departments in a story.
pub(super) struct Cast {
    departments: Departments,
    repair: Repair,
    start_ms: i64,
    /// Triggers up to this one are of an earlier story.
    since: Option<String>,
}

impl Cast {
    /// Lets them act through the API at `url`, on what opens from now on.
    ///
    /// # Errors
    /// There is no HTTP client.
    pub(super) fn play(
        url: &str,
        repair: Repair,
        start_ms: i64,
        snapshot: &Snapshot,
    ) -> anyhow::Result<Cast> {
        Ok(Cast {
            departments: Departments::at(url, None)?,
            repair,
            start_ms,
            since: snapshot.triggers.last().map(|trigger| trigger.id.clone()),
        })
    }

    /// Identifiers of the triggers of this story, oldest first, with how they stand.
    pub(super) fn of_story<'a>(
        &'a self,
        snapshot: &'a Snapshot,
    ) -> impl Iterator<Item = (&'a str, &'a str, Option<&'static str>)> {
        let triggers = snapshot.triggers.iter();
        let own = triggers.filter(|trigger| Some(&trigger.id) > self.since.as_ref());
        own.map(|trigger| {
            let outcome = trigger.outcome.as_ref();
            (
                trigger.id.as_str(),
                trigger.state.name(),
                outcome.map(|outcome| outcome.name()),
            )
        })
    }

    /// Each department takes the step that is its turn at a moment of the story, one after the other.
    ///
    /// # Errors
    /// A step was refused.
    pub(super) async fn act(&self, clock_ms: i64) -> anyhow::Result<()> {
        let shift = match self.repair {
            Repair::WhenQuiet => Shift {
                begins: true,
                is_done: None,
            },
            Repair::At { from_h, to_h } => {
                let hours = (clock_ms - self.start_ms) / 3_600_000;
                Shift {
                    begins: hours >= from_h,
                    is_done: Some(hours >= to_h),
                }
            }
        };
        self.departments.act(shift, self.since.as_deref()).await?;
        Ok(())
    }
}
