//! `gauge` and `annotation`: events that say in an object of their own whom they are about (`dims`, `scope`).
//!
//! Service and city may stand at the top of the line as well, as with every other event: what stands there
//! narrows, and never is passed over, or planned work in one city would silence them all.

use std::collections::BTreeMap;

use crate::event::decode::field::{
    Reject, bad_value, in_range, measured, parse, quoted, required, shared, text,
};
use crate::event::decode::{Decoded, Decoder, note_unknown};
use crate::event::{Annotation, Borrowed, CITY, Reading, SOURCE, Stream, wire};
use crate::measure::VALUE_MAX;

impl Decoder {
    pub(super) fn gauge(&mut self, line: &str, decoded: &mut Decoded) -> Result<(), Reject> {
        let event: wire::Gauge<'_> = parse(line, self.parser)?;
        self.within_bounds(line, || event.longest())?;
        let ts_ms = self.time("ts", event.ts)?;
        let name = required("name", text(&event.name))?;
        // What rates divide by is a number of subscribers.
        let is_base = self.layout.references.contains(name);
        let least = if is_base { 0.0 } else { -VALUE_MAX };
        let value = measured("value", required("value", event.value)?, least)?;
        let top = [("service", text(&event.service)), (CITY, text(&event.city))];
        let dimensions = self.dimensions(("dims", event.dims.as_ref()), top)?;
        let source = text(&event.source);
        self.fact(
            Stream::Gauge,
            ts_ms,
            Some(value),
            source,
            decoded,
            |wanted| match wanted {
                "name" => Borrowed::Text(name),
                SOURCE if !dimensions.contains_key(SOURCE) => source.into(),
                _ => dimensions.get(wanted).map(String::as_str).into(),
            },
        );
        if is_base {
            decoded.batch.readings.push(Reading {
                ts_ms,
                name: name.into(),
                dimensions,
                value,
            });
        }
        note_unknown(&event.unknown, decoded);
        Ok(())
    }

    pub(super) fn annotation(&mut self, line: &str, decoded: &mut Decoded) -> Result<(), Reject> {
        let event: wire::Annotation<'_> = parse(line, self.parser)?;
        self.within_bounds(line, || event.longest())?;
        // An annotation may speak of the future: planned work is announced.
        let start_ms = required("start", in_range("start", event.start)?)?;
        let end_ms = required("end", in_range("end", event.end)?)?;
        if end_ms <= start_ms {
            return Err(bad_value(
                "end",
                &end_ms.to_string(),
                "a time after `start`",
            ));
        }
        let top = [("service", text(&event.service)), (CITY, text(&event.city))];
        let scope = self.dimensions(("scope", event.scope.as_ref()), top)?;
        decoded.batch.annotations.push(Annotation {
            start_ms,
            end_ms,
            kind: required("kind", shared(&event.kind))?,
            text: shared(&event.text).unwrap_or_default(),
            scope,
        });
        decoded.batch.events += 1;
        note_unknown(&event.unknown, decoded);
        Ok(())
    }

    /// What an event's object says, of equal keys the last, and what stands at the top of its line; services by
    /// the name that the rule book has for them. Two words for one thing are refused: neither can be guessed.
    fn dimensions(
        &self,
        (object, given): (&str, Option<&wire::Texts>),
        top: [(&str, Option<&str>); 2],
    ) -> Result<BTreeMap<String, String>, Reject> {
        let own = |name: &str, value: &str| {
            let alias = (name == "service").then(|| self.layout.service_of(Some(value)));
            let alias = alias.flatten();
            alias.as_deref().unwrap_or(value).to_owned()
        };
        let given = given.map(|given| given.0.as_slice()).unwrap_or_default();
        let mut dimensions: BTreeMap<String, String> = given
            .iter()
            .map(|(name, value)| (name.clone(), own(name, value)))
            .collect();
        for (name, value) in top {
            let Some(value) = value.map(|value| own(name, value)) else {
                continue;
            };
            if let Some(other) = dimensions.get(name).filter(|other| **other != value) {
                let wanted = format!("{} as in `{object}`", quoted(other));
                return Err(bad_value(name, &value, &wanted));
            }
            dimensions.insert(name.to_owned(), value);
        }
        self.known_service(dimensions.get("service").map(String::as_str))?;
        Ok(dimensions)
    }
}
