//! Lines → batch. Every line is judged alone: what cannot be taken is refused with its number and
//! the reason, and the rest is taken.

use std::collections::BTreeMap;
use std::str;
use std::sync::Arc;

use crate::event::batch::{Batch, SourceId, SourceProgress};
use crate::event::decode::field::{
    Reject, bad_value, in_range, iso, measured, parse, quoted, required, shared, text,
};
use crate::event::table::{Borrowed, TupleTable};
use crate::event::{
    BossConnection, ConnectionState, Layout, MmsReceipt, MmsSubmit, Record, Refusal, RefusalReason,
    Stream, wire,
};

pub use limits::{CLOCK_SKEW_MS_MAX, DecodeLimits};

/// Distinct unknown field names that a batch reports; more are only counted together. Of one answer: what is kept of names has
/// `http.unknown_fields_max`.
const UNKNOWN_NAMES_MAX: usize = 64;

/// What came of a piece of input.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Decoded {
    /// What was taken.
    pub batch: Batch,
    /// What was not, in line order.
    pub refused: Vec<Refusal>,
    /// What was taken although something in it is unknown, in line order.
    pub doubtful: Vec<Refusal>,
    /// Names of fields that nobody knows, each with the number of lines that had it.
    pub unknown_fields: BTreeMap<String, u64>,
}

/// What reads the JSON of a line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Parser {
    /// The fast parser, and the plain one for what it does not take.
    #[default]
    Fast,
    /// The plain one alone: what the fast one is held against.
    Plain,
}

/// Decodes NDJSON by a layout.
#[derive(Debug)]
pub struct Decoder {
    layout: Arc<Layout>,
    limits: DecodeLimits,
    parser: Parser,
    tuples: TupleTable,
    /// Kept dimensions of `dial_test`.
    dial_dimensions: Vec<scan::Dimension>,
    /// Progress of the dial tests that name no source, until the end of the piece.
    nameless: Option<SourceProgress>,
    /// The line that is being decoded, from 1.
    line_number: u64,
}

impl Decoder {
    /// A decoder for lines that are read with `layout`.
    pub fn new(layout: Arc<Layout>, limits: DecodeLimits) -> Decoder {
        let dimensions = &layout.of(Stream::DialTest).dimensions;
        Decoder {
            dial_dimensions: dimensions
                .iter()
                .map(|name| scan::Dimension::named(name))
                .collect(),
            layout,
            limits,
            parser: Parser::default(),
            tuples: TupleTable::default(),
            nameless: None,
            line_number: 0,
        }
    }

    /// The same decoder with another parser.
    #[must_use]
    pub fn parsing(self, parser: Parser) -> Decoder {
        Decoder { parser, ..self }
    }

    /// The layout that it decodes with.
    pub fn layout(&self) -> &Arc<Layout> {
        &self.layout
    }

    /// The same decoder within other limits.
    #[must_use]
    pub fn within(self, limits: DecodeLimits) -> Decoder {
        Decoder { limits, ..self }
    }

    /// Whether it is the decoder for this layout and these limits.
    pub fn is_for(&self, layout: &Layout, limits: DecodeLimits) -> bool {
        self.layout.version == layout.version && self.limits == limits
    }

    /// Decodes lines separated by `\n`; blank ones are skipped. Tuples are remembered from piece to
    /// piece: equal ones are the same allocation.
    pub fn decode(&mut self, input: &[u8]) -> Decoded {
        let mut decoded = Decoded::default();
        decoded.batch.layout = self.layout.version;
        decoded.batch.facts.reserve(input.len() / 160);
        // One look at a long text is cheaper a byte than many short ones; what is wrong is told line by
        // line.
        let text = simdutf8::basic::from_utf8(input).ok();
        let mut begin = 0;
        let ends = memchr::memchr_iter(b'\n', input).chain([input.len()]);
        for (index, end) in ends.enumerate() {
            let range = begin..end;
            begin = end + 1;
            let line = &input[range.clone()];
            if line.trim_ascii().is_empty() {
                continue;
            }
            let number = index as u64 + 1;
            self.line_number = number;
            let text = text.and_then(|text| text.get(range));
            if let Err((class, reason)) = self.line(line, text, &mut decoded) {
                decoded.refused.push(Refusal {
                    line: number,
                    class,
                    reason,
                });
            }
        }
        if let Some(progress) = self.nameless.take() {
            decoded.batch.events += progress.events;
            let id = SourceId {
                stream: Stream::DialTest,
                name: None,
            };
            decoded.batch.sources.insert(id, progress);
        }
        decoded.batch.tuples = self.tuples.take(&mut decoded.batch.facts);
        decoded
    }

    /// Places of the tuples of the piece that was decoded last, as [`TupleTable::places`] tells them.
    pub fn places(&self) -> (u64, &[u32]) {
        self.tuples.places()
    }

    /// Takes a line; `text` is it where the whole piece is known to be UTF-8.
    fn line(
        &mut self,
        line: &[u8],
        text: Option<&str>,
        decoded: &mut Decoded,
    ) -> Result<(), Reject> {
        if line.len() > self.limits.line_bytes_max {
            let words = format!(
                "line of {} bytes is longer than the limit of {}",
                line.len(),
                self.limits.line_bytes_max
            );
            return Err((RefusalReason::TooLong, words));
        }
        let line = match text {
            Some(text) => text,
            None => str::from_utf8(line)
                .map_err(|error| (RefusalReason::Syntax, format!("not UTF-8: {error}")))?,
        };
        // Producers write the type first; then the line is parsed once.
        if line.starts_with(scan::HEAD) {
            return self.dial_test(line, decoded);
        }
        let kind = parse::<wire::TypeOnly<'_>>(line, self.parser)?.kind;
        match kind.as_ref().map(|kind| kind.0.as_ref()) {
            Some("dial_test") => self.dial_test(line, decoded),
            Some("boss_call") => self.boss_call(line, decoded),
            Some("gauge") => self.gauge(line, decoded),
            Some("mms_submit") => self.mms_submit(line, decoded),
            Some("mms_receipt") => self.mms_receipt(line, decoded),
            Some("boss_connection") => self.boss_connection(line, decoded),
            Some("complaint") => self.complaint(line, decoded),
            Some("annotation") => self.annotation(line, decoded),
            Some(other) => Err((
                RefusalReason::UnknownType,
                format!("unknown type {}", quoted(other)),
            )),
            None => Err((
                RefusalReason::UnknownType,
                "field `type` is missing".to_owned(),
            )),
        }
    }

    fn boss_call(&mut self, line: &str, decoded: &mut Decoded) -> Result<(), Reject> {
        let event: wire::BossCall<'_> = parse(line, self.parser)?;
        self.within_bounds(line, || event.longest())?;
        let ts_ms = self.time("ts", event.ts)?;
        required("host", text(&event.host))?;
        required("interface", text(&event.interface))?;
        let value = measured("latency_ms", required("latency_ms", event.latency_ms)?, 0.0)?;
        let wait = event.wait_ms.map(|wait| measured("wait_ms", wait, 0.0));
        let wait = wait.transpose()?;
        let source = text(&event.source);
        let value_of = |name: &str| match name {
            "host" => text(&event.host).into(),
            "interface" => text(&event.interface).into(),
            "client" => text(&event.client).into(),
            "tperrno" => event.tperrno.into(),
            "urcode" => event.urcode.into(),
            "city" => text(&event.city).into(),
            "source" => source.into(),
            _ => Borrowed::Null,
        };
        self.fact(
            Stream::BossCall,
            ts_ms,
            Some(value),
            source,
            decoded,
            value_of,
        );
        if let Some(wait) = wait {
            // The same event seen a second way: its progress is its own, its line is counted.
            self.state(Stream::BossWait, ts_ms, Some(wait), decoded, value_of);
            decoded.batch.follow(Stream::BossWait, source, ts_ms);
        }
        note_unknown(&event.unknown, decoded);
        Ok(())
    }

    fn mms_submit(&mut self, line: &str, decoded: &mut Decoded) -> Result<(), Reject> {
        let event: wire::MmsSubmit<'_> = parse(line, self.parser)?;
        self.within_bounds(line, || event.longest())?;
        let ts_ms = self.time("ts", event.ts)?;
        let alias = self.layout.service_of(text(&event.service));
        let service = alias.as_deref().or(text(&event.service));
        let service = required("service", service)?;
        self.known_service(Some(service))?;
        let record = MmsSubmit {
            ts_ms,
            message_id: required("message_id", shared(&event.message_id))?,
            service: service.into(),
            city: shared(&event.city),
            recipient: shared(&event.recipient),
            edition: shared(&event.edition),
            campaign: shared(&event.campaign),
            valid_until_ms: in_range("valid_until", event.valid_until)?,
            source: shared(&event.source),
        };
        decoded
            .batch
            .advance(Stream::MmsSubmit, text(&event.source), ts_ms);
        decoded.batch.records.push(Record::Submit(record));
        note_unknown(&event.unknown, decoded);
        Ok(())
    }

    fn mms_receipt(&mut self, line: &str, decoded: &mut Decoded) -> Result<(), Reject> {
        let event: wire::MmsReceipt<'_> = parse(line, self.parser)?;
        self.within_bounds(line, || event.longest())?;
        let ts_ms = self.time("ts", event.ts)?;
        let alias = self.layout.service_of(text(&event.service));
        let service = alias.or_else(|| shared(&event.service));
        self.known_service(service.as_deref())?;
        let record = MmsReceipt {
            ts_ms,
            message_id: required("message_id", shared(&event.message_id))?,
            status: required("status", shared(&event.status))?,
            status_text: shared(&event.status_text),
            recipient: shared(&event.recipient),
            service,
            city: shared(&event.city),
            submitted_at_ms: in_range("submitted_at", event.submitted_at)?,
            source: shared(&event.source),
        };
        if !self.layout.knows_status(&record.status) {
            // Kept raw and mapped to Indeterminate; a word that is mapped later counts then.
            decoded.doubtful.push(Refusal {
                line: self.line_number,
                class: RefusalReason::UnknownStatus,
                reason: format!(
                    "status {} is not mapped by the rule book, taken as Indeterminate",
                    quoted(&record.status)
                ),
            });
        }
        decoded
            .batch
            .advance(Stream::MmsReceipt, text(&event.source), ts_ms);
        decoded.batch.records.push(Record::Receipt(record));
        note_unknown(&event.unknown, decoded);
        Ok(())
    }

    fn boss_connection(&mut self, line: &str, decoded: &mut Decoded) -> Result<(), Reject> {
        let event: wire::BossConnection<'_> = parse(line, self.parser)?;
        self.within_bounds(line, || event.longest())?;
        let ts_ms = self.time("ts", event.ts)?;
        let state = match required("state", text(&event.state))? {
            "acquired" => ConnectionState::Acquired,
            "active" => ConnectionState::Active,
            "released" => ConnectionState::Released,
            other => {
                return Err(bad_value("state", other, "acquired, active or released"));
            }
        };
        let record = BossConnection {
            ts_ms,
            host: required("host", shared(&event.host))?,
            interface: required("interface", shared(&event.interface))?,
            connection: required("connection", shared(&event.connection))?,
            client: shared(&event.client),
            state,
            source: shared(&event.source),
        };
        decoded
            .batch
            .advance(Stream::BossConnection, text(&event.source), ts_ms);
        // The same event seen a second way.
        decoded
            .batch
            .follow(Stream::BossOccupancy, text(&event.source), ts_ms);
        decoded.batch.records.push(Record::Connection(record));
        note_unknown(&event.unknown, decoded);
        Ok(())
    }

    /// Adds the fact of an event; `value_of` gives the event's value of a kept dimension.
    fn fact<'a>(
        &mut self,
        stream: Stream,
        ts_ms: i64,
        value: Option<f64>,
        source: Option<&str>,
        decoded: &mut Decoded,
        value_of: impl Fn(&str) -> Borrowed<'a>,
    ) {
        self.state(stream, ts_ms, value, decoded, value_of);
        decoded.batch.advance(stream, source, ts_ms);
    }

    /// Adds a fact alone.
    fn state<'a>(
        &mut self,
        stream: Stream,
        ts_ms: i64,
        value: Option<f64>,
        decoded: &mut Decoded,
        value_of: impl Fn(&str) -> Borrowed<'a>,
    ) {
        let layout = self.layout.of(stream);
        let values = layout.dimensions.iter().map(|name| value_of(name));
        let of = (stream, layout.bound_of(value));
        let fact = (ts_ms, value.unwrap_or(f64::NAN));
        let facts = &mut decoded.batch.facts;
        self.tuples.add(of, values, fact, facts);
    }

    fn time(&self, field: &str, time: Option<wire::Time>) -> Result<i64, Reject> {
        let ts_ms = required(field, in_range(field, time)?)?;
        match self.limits.ts_ms_max {
            Some(max) if ts_ms > max => {
                let ahead_s = (ts_ms - max) / 1000;
                let words = format!(
                    "{field} {} lies {ahead_s} s beyond the tolerance for clocks that run ahead",
                    iso(ts_ms)
                );
                Err((RefusalReason::FutureTime, words))
            }
            _ => Ok(ts_ms),
        }
    }

    fn known_service(&self, service: Option<&str>) -> Result<(), Reject> {
        match (&self.layout.services, service) {
            (Some(known), Some(service)) if !known.contains(service) => {
                let words = format!("service {} is not in the rule book", quoted(service));
                Err((RefusalReason::UnknownService, words))
            }
            _ => Ok(()),
        }
    }
}

fn note_unknown(names: &[std::borrow::Cow<'_, str>], decoded: &mut Decoded) {
    for name in names {
        let known = decoded.unknown_fields.len() < UNKNOWN_NAMES_MAX
            || decoded.unknown_fields.contains_key(name.as_ref());
        let key = if known { name.as_ref() } else { "…" };
        match decoded.unknown_fields.get_mut(key) {
            Some(count) => *count += 1,
            None => {
                decoded.unknown_fields.insert(key.to_owned(), 1);
            }
        }
    }
}

mod depth;
mod dial;
mod field;
mod limits;
mod scan;
mod scoped;
#[cfg(test)]
mod tests;
mod ticket;
