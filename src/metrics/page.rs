//! The whole page, in the text format. Blocking for as long as encoding takes.

use prometheus::{Encoder, TextEncoder};

use crate::api::{Current, HealthNow};
use crate::engine::Snapshot;
use crate::journal::writer::WriterStats;
use crate::metrics::{Metrics, checkpoint, engine, kqi, limits, notify};

/// What a page is made of.
pub struct Scrape<'a> {
    /// Wall clock, ms.
    pub now_ms: i64,
    /// The engine's state.
    pub snapshot: &'a Snapshot,
    /// The journal's counts.
    pub journal: &'a WriterStats,
    /// Life cycle and dataflow counts.
    pub health: &'a HealthNow,
    /// Windows of every KQI.
    pub current: &'a Current,
    /// Bytes of bodies under way.
    pub in_flight_bytes: usize,
    /// Connections that are open.
    pub connections: u64,
}

impl Metrics {
    /// Media type of the page.
    pub const CONTENT_TYPE: &'static str = "text/plain; version=0.0.4; charset=utf-8";

    /// Makes the page.
    ///
    /// # Errors
    /// What the encoder says.
    pub fn page(&self, scrape: &Scrape<'_>) -> Result<Vec<u8>, prometheus::Error> {
        let mut families = self.registry.gather();
        engine::state(scrape, &mut families);
        engine::journal(scrape, &mut families);
        checkpoint::checkpoint(scrape, &mut families);
        engine::event_time(scrape, &mut families);
        engine::dataflow(scrape, &mut families);
        engine::alerts(scrape, &self.alerts_seen, &mut families);
        engine::triggers(scrape, &mut families);
        let sizes = self.limits.get().copied().unwrap_or_default();
        let mails = self.notify_counts();
        limits::limits(scrape, &sizes, mails.as_ref(), &mut families);
        if let Some(counts) = mails {
            notify::notify(&counts, &mut families);
        }
        kqi::catalogue(scrape, &mut families);
        kqi::objects(scrape, &mut families);
        let mut text = Vec::with_capacity(256 * 1024);
        TextEncoder::new().encode(&families, &mut text)?;
        Ok(text)
    }
}
