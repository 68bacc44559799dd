//! `dial_test`, the commonest event: read the short way or the general one, judged in one place.

use crate::event::batch::{Fact, SourceProgress};
use crate::event::decode::field::{Reject, measured, parse, quoted, required};
use crate::event::decode::scan::{self, Dial};
use crate::event::decode::{Decoded, Decoder, Parser, note_unknown};
use crate::event::{FAILURE_OTHER, Refusal, RefusalReason, Stream, wire};

impl Decoder {
    pub(super) fn dial_test(&mut self, line: &str, decoded: &mut Decoded) -> Result<(), Reject> {
        if self.parser == Parser::Fast
            && line.starts_with(scan::HEAD)
            && let Some(event) = scan::dial_test(line)
        {
            return self.dial(&event, decoded);
        }
        let event: wire::DialTest<'_> = parse(line, self.parser)?;
        self.dial(&Dial::of(&event), decoded)?;
        note_unknown(&event.unknown, decoded);
        Ok(())
    }

    fn dial(&mut self, event: &Dial<'_>, decoded: &mut Decoded) -> Result<(), Reject> {
        let ts_ms = self.time("ts", event.ts.map(wire::Time))?;
        self.known_service(Some(required("service", event.service)?))?;
        required("ok", event.ok)?;
        let value = event
            .latency_ms
            .map(|value| measured("latency_ms", value, 0.0))
            .transpose()?;
        let stream = Stream::DialTest;
        let mut event = *event;
        // What went well and says no more, as most, costs no look.
        let says_more = event.code.is_some() || event.ok == Some(false);
        let failures = self.layout.failures.clone().filter(|_| says_more);
        if let Some(failures) = &failures {
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
        let bound = self.layout.of(stream).bound_of(value);
        let values = self.dial_dimensions.iter().map(|name| name.of(&event));
        let tuple = self.tuples.intern(stream, bound, values);
        let value = value.unwrap_or(f64::NAN);
        decoded.batch.facts.push(Fact {
            ts_ms,
            value,
            tuple,
        });
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
