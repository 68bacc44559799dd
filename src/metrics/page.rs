//! The whole page, in the text format. Blocking for as long as encoding takes.

use prometheus::proto::MetricFamily;
use prometheus::{Encoder, TextEncoder};

use crate::api::{Current, HealthNow};
use crate::engine::{Bound, Snapshot};
use crate::journal::Amount;
use crate::journal::writer::WriterStats;
use crate::metrics::{
    Metrics, checkpoint, crossing, csv_sink, engine, health, history, journal, kqi, limits, notify,
    reports,
};

/// What a page is made of.
pub struct Scrape<'a> {
    /// Wall clock, ms.
    pub now_ms: i64,
    /// How far that is ahead of the machine's clock, ms.
    pub clock_ahead_ms: i64,
    /// The engine's state.
    pub snapshot: &'a Snapshot,
    /// The journal's counts.
    pub journal: &'a WriterStats,
    /// Life cycle and dataflow counts.
    pub health: &'a HealthNow,
    /// Windows of every KQI; nothing while a start catches up.
    pub current: Option<&'a Current>,
    /// Bodies under way.
    pub in_flight: Amount,
    /// Connections that are open.
    pub connections: u64,
    /// Bounds of what the server keeps and asks.
    pub bounds: &'a [Bound],
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
        journal::journal(scrape, &mut families);
        checkpoint::checkpoint(scrape, &mut families);
        reports::reports(scrape, &mut families);
        engine::event_time(scrape, &mut families);
        engine::dataflow(scrape, &mut families);
        let mails = self.notify_counts();
        let sent = mails.clone().unwrap_or_default();
        let recorded = self.history_counts();
        let kept = recorded.unwrap_or_default();
        limits::limits(scrape, self, &sent, kept, &mut families);
        if let Some(counts) = mails {
            notify::notify(&counts, &mut families);
        }
        if let Some(counts) = recorded {
            history::history(counts, &mut families);
        }
        journal::digests(self.digest_counts(), &mut families);
        if let Some(counts) = self.csv_sink_counts() {
            csv_sink::csv_sink(counts, &mut families);
        }
        kqi::catalogue(scrape, &mut families);
        // What is not known goes away, and is no zero; nor is what fired in the past told as firing.
        if let Some(current) = scrape.current {
            engine::alerts(scrape, &self.alerts_seen, &mut families);
            engine::triggers(scrape, &mut families);
            crossing::crossings(scrape.snapshot, &mut families);
            kqi::objects(current, &mut families);
            health::scores(current, &mut families);
        }
        families.iter_mut().for_each(escape_controls);
        let mut text = Vec::with_capacity(256 * 1024);
        TextEncoder::new().encode(&families, &mut text)?;
        Ok(text)
    }

    /// The page of a process that stands by: that it does, and what the process itself uses.
    ///
    /// # Errors
    /// What the encoder says.
    pub fn page_of(&self, state: &str) -> Result<Vec<u8>, prometheus::Error> {
        let mut families = self.registry.gather();
        engine::life(state, &mut families);
        let mut text = Vec::new();
        TextEncoder::new().encode(&families, &mut text)?;
        Ok(text)
    }
}

/// Label values come from events too, and a city's name must not drive a terminal: control characters
/// are written as `\u{1b}`, which keeps different values different. The encoder escapes line ends itself.
fn escape_controls(family: &mut MetricFamily) {
    let is_raw = |c: char| c.is_control() && c != '\n';
    for metric in family.mut_metric() {
        for label in metric.mut_label() {
            if !label.value().contains(is_raw) {
                continue;
            }
            let mut value = String::new();
            for c in label.value().chars() {
                if is_raw(c) {
                    value.extend(c.escape_unicode());
                } else {
                    value.push(c);
                }
            }
            label.set_value(value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::family::Family;

    #[test]
    fn control_characters_do_not_reach_the_page() {
        let mut family = Family::gauge("g", "Help.", &["city"]);
        for city in ["长沙\u{1b}[31m", "a\tb", "a\nb", "a\u{85}b", "长沙"] {
            family.add([city], 1.0);
        }
        let mut page = Vec::new();
        family.finish(&mut page);
        page.iter_mut().for_each(escape_controls);
        let mut text = Vec::new();
        TextEncoder::new().encode(&page, &mut text).unwrap();
        let text = String::from_utf8(text).unwrap();
        let is_raw = |c: char| c.is_control() && c != '\n';
        assert!(!text.contains(is_raw), "{text:?}");
        assert!(text.contains(r#"city="长沙\\u{1b}[31m""#), "{text}");
        assert!(
            text.contains(r#"city="a\nb""#) && text.contains(r#"city="长沙""#),
            "{text}"
        );
    }
}
