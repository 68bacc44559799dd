//! `dial_test`, the commonest event: read the short way or the general one, judged in one place.

use std::sync::Arc;

use crate::event::batch::SourceProgress;
use crate::event::decode::field::{Reject, bad_value, measured, parse, quoted, required};
use crate::event::decode::scan::{self, Dial};
use crate::event::decode::{Decoded, Decoder, Parser, note_unknown};
use crate::event::{DialPart, FAILURE_OTHER, Record, Refusal, RefusalReason, Stream, wire};

impl Decoder {
    pub(super) fn dial_test(&mut self, line: &str, decoded: &mut Decoded) -> Result<(), Reject> {
        if self.parser == Parser::Fast
            && line.starts_with(scan::HEAD)
            && let Some(event) = scan::dial_test(line)
        {
            self.within_bounds(line, || event.longest())?;
            return self.dial(event, decoded);
        }
        let event: wire::DialTest<'_> = parse(line, self.parser)?;
        self.within_bounds(line, || event.longest())?;
        self.dial(Dial::of(&event), decoded)?;
        note_unknown(&event.unknown, decoded);
        Ok(())
    }

    fn dial(&mut self, event: Dial<'_>, decoded: &mut Decoded) -> Result<(), Reject> {
        let ts_ms = self.time("ts", event.ts.map(wire::Time))?;
        let alias = self.layout.service_of(event.service);
        let mut event = event;
        event.service = alias.as_deref().or(event.service);
        self.known_service(Some(required("service", event.service)?))?;
        required("ok", event.ok)?;
        let value = event
            .latency_ms
            .map(|value| measured("latency_ms", value, 0.0))
            .transpose()?;
        let stream = Stream::DialTest;
        // What went well and says no more, as most, costs no look.
        let says_more = event.code.is_some() || event.ok == Some(false);
        if says_more && let Some(failures) = &self.layout.failures {
            let ending = failures.read(event.ok, event.code);
            if let Some(word) = event.code.filter(|_| ending.is_unknown) {
                // Kept raw in the journal; a word that is mapped later counts from then on.
                decoded.doubtful.push(Refusal {
                    line: self.line_number,
                    class: RefusalReason::UnknownFailure,
                    reason: format!(
                        "failure {} is in no class of the rule book, taken as {FAILURE_OTHER:?}",
                        quoted(word)
                    ),
                });
            }
            (event.ok, event.code) = (ending.ok, ending.class);
        }
        if let Some(part) = part_of(&event, ts_ms, value)? {
            decoded.batch.advance(stream, event.source, ts_ms);
            decoded.batch.records.push(Record::Part(part));
            return Ok(());
        }
        let bound = self.layout.of(stream).bound_of(value);
        let values = self.dial_dimensions.iter().map(|name| name.of(&event));
        let fact = (ts_ms, value.unwrap_or(f64::NAN));
        let facts = &mut decoded.batch.facts;
        self.tuples.add((stream, bound), values, fact, facts);
        if let Some(source) = event.source {
            decoded.batch.advance(stream, Some(source), ts_ms);
        } else {
            // As if told one by one; a look-up for every line of the one nameless source is dear.
            let own = SourceProgress {
                ts_ms_max: ts_ms,
                events: 0,
            };
            let progress = self.nameless.get_or_insert(own);
            progress.ts_ms_max = progress.ts_ms_max.max(ts_ms);
            progress.events += 1;
        }
        Ok(())
    }
}

/// Parts of one delivery at most.
const PARTS_MAX: i64 = 64;

/// The part that a test is of, where it names a delivery.
fn part_of(event: &Dial<'_>, ts_ms: i64, value: Option<f64>) -> Result<Option<DialPart>, Reject> {
    let Some(delivery) = event.delivery else {
        return Ok(None);
    };
    let part = required("part", event.part)?;
    let parts = required("parts", event.parts)?;
    if !(1..=PARTS_MAX).contains(&parts) {
        return Err(bad_value(
            "parts",
            &parts.to_string(),
            "a number from 1 to 64",
        ));
    }
    if !(1..=parts).contains(&part) {
        let wanted = "a number from 1 to `parts`";
        return Err(bad_value("part", &part.to_string(), wanted));
    }
    let more = [
        ("channel", event.channel),
        ("city", event.city),
        ("network", event.network),
        ("speed", event.speed),
        ("method", event.method),
        ("target", event.target),
        ("step", event.step),
    ];
    let more = more
        .into_iter()
        .filter_map(|(name, value)| Some((name.into(), value?.into())));
    let shared = |text: Option<&str>| text.map(Arc::from);
    Ok(Some(DialPart {
        ts_ms,
        part,
        parts,
        delivery: delivery.into(),
        ok: event.ok == Some(true),
        content_ok: event.content_ok,
        latency_bits: value.map(f64::to_bits),
        service: required("service", event.service)?.into(),
        code: shared(event.code),
        probe: shared(event.probe),
        source: shared(event.source),
        more: more.collect(),
    }))
}
