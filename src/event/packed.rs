//! A decoded batch in bytes, so that who reads it again need not decode its lines: recovery is mostly
//! that. Texts, bounds and tuples are tables, facts are columns of small numbers.
//!
//! Invariants:
//! * unpacking gives the batch that was packed, equal in every field;
//! * what another version of this program packed, or was packed under another layout, is told by its
//!   first bytes, and is not unpacked: the lines are the truth, this is only quicker.

use std::hash::Hash;
use std::sync::Arc;

use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

use crate::event::batch::{Batch, Fact, SourceId, SourceProgress};
use crate::event::numbered::{Key, NumberedTuples};
use crate::event::{Annotation, Bound, DimensionValue, Reading, Record, Stream, Tuple};
use crate::measure::{Packed, put, put_signed};

/// Raised whenever the same lines are decoded to another batch, or a batch is packed otherwise.
const VERSION: u32 = 3;

/// A batch as it is written.
#[derive(Serialize)]
struct Written<'a> {
    texts: Vec<&'a str>,
    bounds: Vec<Bound>,
    /// Stream, number of the bound, how many values.
    tuples: Vec<(Stream, u32, u32)>,
    /// Of all tuples, one after the other.
    values: Vec<Value>,
    /// How many facts follow: of each the tuple, the distance to the time of the one before, ms, and the
    /// measured value.
    facts: u32,
    /// Bytes that they take.
    facts_bytes: u32,
    records: &'a [Record],
    annotations: &'a [Annotation],
    readings: &'a [Reading],
    sources: Vec<(SourceId, SourceProgress)>,
    events: u64,
}

/// A dimension value; a text is a number in the table.
#[derive(Clone, Copy, Serialize)]
enum Value {
    Null,
    No,
    Yes,
    Integer(i64),
    Text(u32),
}

/// How a [`Value`] begins, as it is read back.
const NULL: u64 = 0;
const NO: u64 = 1;
const YES: u64 = 2;
const INTEGER: u64 = 3;
const TEXT: u64 = 4;
/// No measured value.
const NONE: u64 = 0;
/// The eight bytes of a measured value follow.
const BITS: u64 = 1;
/// A whole measured value, as most are, so much greater than itself.
const WHOLE: u64 = 2;
/// Beyond it not every whole number is a double.
const WHOLE_MAX: f64 = (1_u64 << 53) as f64;

/// What is equal has one number.
struct Table<T>(FxHashMap<T, u32>, Vec<T>);

impl<T: Copy + Eq + Hash> Table<T> {
    fn new() -> Table<T> {
        Table(FxHashMap::default(), Vec::new())
    }

    fn number(&mut self, item: T) -> u32 {
        *self.0.entry(item).or_insert_with(|| {
            self.1.push(item);
            self.1.len() as u32 - 1
        })
    }
}

/// Texts by where they lie: a decoder gives equal ones as one allocation, and looking at each would cost more than
/// all else. Equal ones of two decoders are there twice, which costs bytes and nothing else.
#[derive(Default)]
struct Texts<'a>(FxHashMap<(usize, usize), u32>, Vec<&'a str>);

impl<'a> Texts<'a> {
    fn number(&mut self, text: &'a str) -> u32 {
        let place = (text.as_ptr().addr(), text.len());
        *self.0.entry(place).or_insert_with(|| {
            self.1.push(text);
            self.1.len() as u32 - 1
        })
    }
}

/// The bytes of a batch; `None` if it cannot be written, which leaves its lines.
pub fn pack(batch: &Batch) -> Option<Vec<u8>> {
    let (mut texts, mut bounds) = (Texts::default(), Table::new());
    let mut tuples = Vec::with_capacity(batch.tuples.len());
    let mut values = Vec::with_capacity(batch.tuples.len() * 4);
    for tuple in &batch.tuples {
        let bound = bounds.number(tuple.bound);
        tuples.push((tuple.stream, bound, tuple.values.len() as u32));
        values.extend(tuple.values.iter().map(|value| match value {
            DimensionValue::Null => Value::Null,
            DimensionValue::Flag(false) => Value::No,
            DimensionValue::Flag(true) => Value::Yes,
            DimensionValue::Integer(number) => Value::Integer(*number),
            DimensionValue::Text(text) => Value::Text(texts.number(text)),
        }));
    }
    let mut facts = Vec::with_capacity(batch.facts.len() * 8);
    let mut before_ms = 0;
    for fact in &batch.facts {
        put(u64::from(fact.tuple), &mut facts);
        put_signed(fact.ts_ms.wrapping_sub(before_ms), &mut facts);
        put_value(fact.value, &mut facts);
        before_ms = fact.ts_ms;
    }
    let sources = batch.sources.iter();
    let mut sources: Vec<_> = sources.map(|(id, told)| (id.clone(), *told)).collect();
    sources.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
    let written = Written {
        bounds: bounds.1,
        tuples,
        values,
        facts: u32::try_from(batch.facts.len()).ok()?,
        facts_bytes: u32::try_from(facts.len()).ok()?,
        records: &batch.records,
        annotations: &batch.annotations,
        readings: &batch.readings,
        sources,
        events: batch.events,
        texts: texts.1,
    };
    let mut bytes = Vec::with_capacity(64 + batch.tuples.len() * 16 + facts.len());
    bytes.extend(VERSION.to_le_bytes());
    bytes.extend(batch.layout.to_le_bytes());
    let mut bytes = postcard::to_extend(&written, bytes).ok()?;
    bytes.append(&mut facts);
    Some(bytes)
}

fn put_value(value: f64, bytes: &mut Vec<u8>) {
    let is_whole = (0.0..WHOLE_MAX).contains(&value) && value.fract() == 0.0;
    if value.is_nan() {
        put(NONE, bytes);
    } else if is_whole && value.is_sign_positive() {
        put(WHOLE + value as u64, bytes);
    } else {
        put(BITS, bytes);
        bytes.extend(value.to_bits().to_le_bytes());
    }
}

/// What is behind the values.
#[derive(Deserialize)]
struct Rest {
    facts: u32,
    facts_bytes: u32,
    records: Vec<Record>,
    annotations: Vec<Annotation>,
    readings: Vec<Reading>,
    sources: Vec<(SourceId, SourceProgress)>,
    events: u64,
}

/// Lists the facts behind the rest; `None` if they are not all, of known tuples, and nothing more.
fn list_facts(
    rest: &Rest,
    tuples: usize,
    mut bytes: Packed<'_>,
    into: &mut Vec<Fact>,
) -> Option<()> {
    if bytes.0.len() != rest.facts_bytes as usize {
        return None;
    }
    into.clear();
    // Three bytes is the least that a fact takes.
    into.reserve((rest.facts as usize).min(bytes.0.len() / 3));
    let mut ts_ms = 0_i64;
    for _ in 0..rest.facts {
        let tuple = u32::try_from(bytes.number()).ok()?;
        ts_ms = ts_ms.wrapping_add(bytes.signed());
        if tuple as usize >= tuples || bytes.is_empty() {
            return None;
        }
        let value = match bytes.number() {
            NONE => f64::NAN,
            BITS => f64::from_bits(u64::from_le_bytes(bytes.bytes(8).try_into().ok()?)),
            whole => (whole - WHOLE) as f64,
        };
        into.push(Fact {
            ts_ms,
            value,
            tuple,
        });
    }
    bytes.is_empty().then_some(())
}

/// Whether bytes say of themselves that this version packed them, under that layout.
pub fn is_packed_under(bytes: &[u8], layout: u64) -> bool {
    body_of(bytes, layout).is_some()
}

/// What is behind version and layout, if they are these.
fn body_of(bytes: &[u8], layout: u64) -> Option<&[u8]> {
    let (version, rest) = bytes.split_first_chunk()?;
    let (packed_under, rest) = rest.split_first_chunk()?;
    let is_own = u32::from_le_bytes(*version) == VERSION;
    (is_own && u64::from_le_bytes(*packed_under) == layout).then_some(rest)
}

/// Unpacks batches; remembers their tuples, as a decoder does.
#[derive(Default)]
pub struct Unpacker {
    known: NumberedTuples,
    /// Of the batch: numbers of its texts, its tuples as they are written, their places, its facts.
    texts: Vec<u32>,
    heads: Vec<(Stream, Bound, u32)>,
    places: Vec<u32>,
    facts: Vec<Fact>,
    key: Key,
}

/// A batch that was unpacked. Its tuples are places in a table that knows them from batches before: what is done once a
/// tuple need not be done once a batch.
#[derive(Debug)]
pub struct Unpacked<'a> {
    known: &'a NumberedTuples,
    places: &'a [u32],
    facts: &'a [Fact],
    rest: Batch,
}

impl<'a> Unpacked<'a> {
    /// The tuple of a place.
    pub fn tuple(&self, place: u32) -> &'a Arc<Tuple> {
        self.known.tuple(place)
    }

    /// Places of the batch's tuples, in their order, among all that are remembered: an equal tuple has the same in a
    /// later batch. With how often the table had begun anew: where that differs, places are of others.
    pub fn places(&self) -> (u64, &'a [u32]) {
        (self.known.renewals(), self.places)
    }

    /// Facts, of tuples by their number in the batch.
    pub fn facts(&self) -> &'a [Fact] {
        self.facts
    }

    /// All of the batch but tuples and facts, of which it has none.
    pub fn rest(&self) -> &Batch {
        &self.rest
    }

    /// The same, to keep.
    pub fn into_rest(self) -> Batch {
        self.rest
    }

    /// The batch as it was packed.
    pub fn whole(self) -> Batch {
        let tuples = self.places.iter().map(|place| self.tuple(*place).clone());
        Batch {
            tuples: tuples.collect(),
            facts: self.facts.to_vec(),
            ..self.rest
        }
    }
}

impl Unpacker {
    /// The batch that was packed; `None` if it was decoded under another layout, by another version, or
    /// if the bytes are not whole.
    pub fn unpack(&mut self, bytes: &[u8], layout: u64) -> Option<Unpacked<'_>> {
        let body = body_of(bytes, layout)?;
        let (texts, body) = postcard::take_from_bytes::<Vec<&str>>(body).ok()?;
        let (bounds, body) = postcard::take_from_bytes::<Vec<Bound>>(body).ok()?;
        self.known.begin();
        self.texts.clear();
        let numbers = texts.iter().map(|text| self.known.text(text));
        self.texts.extend(numbers);
        let body = self.find_tuples(&bounds, body)?;
        let (rest, body) = postcard::take_from_bytes::<Rest>(body).ok()?;
        list_facts(&rest, self.places.len(), Packed(body), &mut self.facts)?;
        Some(Unpacked {
            known: &self.known,
            places: &self.places,
            facts: &self.facts,
            rest: Batch {
                layout,
                tuples: Vec::new(),
                facts: Vec::new(),
                records: rest.records,
                annotations: rest.annotations,
                readings: rest.readings,
                sources: rest.sources.into_iter().collect(),
                events: rest.events,
            },
        })
    }

    /// Finds the places of the tuples; gives what is behind their values. These are read as they come, and not by
    /// serde: they are most of a batch of few events beside its facts.
    fn find_tuples<'a>(&mut self, bounds: &[Bound], bytes: &'a [u8]) -> Option<&'a [u8]> {
        let mut bytes = Packed(bytes);
        self.heads.clear();
        for _ in 0..bytes.number() {
            // What is cut off reads as zeroes, without end.
            if bytes.is_empty() {
                return None;
            }
            let stream = *Stream::ALL.get(usize::try_from(bytes.number()).ok()?)?;
            let bound = *bounds.get(usize::try_from(bytes.number()).ok()?)?;
            let values = u32::try_from(bytes.number()).ok()?;
            self.heads.push((stream, bound, values));
        }
        let mut left = bytes.number();
        self.places.clear();
        for (stream, bound, values) in self.heads.iter().copied() {
            left = left.checked_sub(u64::from(values))?;
            self.key.begin(stream, bound);
            for _ in 0..values {
                if bytes.is_empty() {
                    return None;
                }
                match bytes.number() {
                    TEXT => {
                        let number = usize::try_from(bytes.number()).ok()?;
                        self.key.text(*self.texts.get(number)?);
                    }
                    NULL => self.key.null(),
                    NO => self.key.flag(false),
                    YES => self.key.flag(true),
                    INTEGER => self.key.integer(bytes.signed()),
                    _ => return None,
                }
            }
            let place = self.known.place(stream, bound, &self.key);
            self.places.push(place);
        }
        (left == 0).then_some(bytes.0)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::event::{DecodeLimits, Decoder, Layout, StreamLayout};

    const LINES: &str = r#"{"type":"dial_test","ts":1000,"service":"sms_hall","city":"长沙","ok":true,"latency_ms":30000}
{"type":"dial_test","ts":900,"service":"sms_hall","city":"长沙","ok":false,"latency_ms":12.5,"source":"p1"}
{"type":"dial_test","ts":70000,"service":"wap","city":null,"ok":false,"part":-3}
{"type":"boss_call","ts":1500,"host":"h1","interface":"i","ok":true,"tperrno":0,"latency_ms":0}
{"type":"boss_connection","ts":1600,"host":"h1","interface":"i","connection":"7","state":"acquired"}
{"type":"mms_submit","ts":2000,"message_id":"m1","service":"mobile_newspaper","recipient":"8613800000000"}
{"type":"mms_receipt","ts":3000,"message_id":"m1","status":"Retrieved","source":"mmsc-2"}
{"type":"complaint","ts":4000,"serial":"c1","path":"a/b","city":"长沙"}
{"type":"annotation","start":0,"end":9000,"kind":"cut_over","text":"割接","scope":{"city":"长沙"}}
{"type":"gauge","ts":5000,"name":"subscriber_base","value":1e6,"dims":{"city":"长沙"}}
"#;

    fn layout(version: u64) -> Arc<Layout> {
        let mut streams: [StreamLayout; Stream::ALL.len()] = Default::default();
        for (stream, dimensions) in [
            (Stream::DialTest, vec!["service", "city", "ok", "part"]),
            (Stream::BossCall, vec!["host", "tperrno"]),
            (Stream::Gauge, vec!["name", "city"]),
        ] {
            let dimensions = dimensions.into_iter().map(str::to_owned);
            streams[stream.index()].dimensions = dimensions.collect();
        }
        streams[Stream::DialTest.index()].limits = vec![30_000.0];
        Arc::new(Layout {
            version,
            streams,
            services: None,
            references: ["subscriber_base".to_owned()].into_iter().collect(),
            statuses: Default::default(),
            failures: None,
            aliases: Default::default(),
        })
    }

    fn decoded(lines: &str) -> Batch {
        let decoded = Decoder::new(layout(7), DecodeLimits::default()).decode(lines.as_bytes());
        assert_eq!(decoded.refused, []);
        decoded.batch
    }

    /// Facts without a value are equal to nothing but by their words.
    fn words(batch: &Batch) -> String {
        let mut batch = batch.clone();
        let sources: BTreeMap<_, _> = batch.sources.drain().collect();
        format!("{batch:?} {sources:?}")
    }

    #[test]
    fn a_batch_comes_back_as_it_was() {
        let batch = decoded(LINES);
        let kinds = (batch.facts.len(), batch.records.len(), batch.readings.len());
        assert_eq!(kinds, (5, 4, 1), "every stream is in it");
        let bytes = pack(&batch).unwrap();
        let mut unpacker = Unpacker::default();
        // Tuples that are known from the batch before are numbered anew.
        for part in [LINES, LINES.lines().nth(1).unwrap(), LINES] {
            let batch = decoded(part);
            let back = unpacker.unpack(&pack(&batch).unwrap(), 7).unwrap();
            assert_eq!(words(&back.whole()), words(&batch));
        }
        assert!(unpacker.unpack(&bytes, 8).is_none(), "another layout");
        let mut other = bytes;
        other[0] += 1;
        assert!(unpacker.unpack(&other, 7).is_none(), "another version");
    }

    #[test]
    fn numbers_come_back_to_the_bit() {
        let values = [
            0.0,
            -0.0,
            0.1,
            -3.0,
            1e300,
            f64::INFINITY,
            9e15,
            9.1e15,
            f64::NAN,
        ];
        let mut batch = decoded(LINES);
        let fact = batch.facts[0];
        batch.facts = values.map(|value| Fact { value, ..fact }).to_vec();
        let mut unpacker = Unpacker::default();
        let back = unpacker.unpack(&pack(&batch).unwrap(), 7).unwrap();
        let bits = back.facts().iter().map(|fact| fact.value.to_bits());
        assert_eq!(bits.collect::<Vec<_>>(), values.map(f64::to_bits));
    }

    /// Tuples are written by serde and read by hand.
    #[test]
    fn streams_are_written_by_their_place_among_all() {
        for (at, stream) in (0..).zip(Stream::ALL) {
            assert_eq!(postcard::to_allocvec(&stream).unwrap(), [at]);
        }
    }

    /// Journals hold what was packed for as long as they are kept.
    #[test]
    fn whoever_changes_the_bytes_raises_the_version() {
        let bytes = pack(&decoded(LINES)).unwrap();
        let checksum = crc32c::crc32c(&bytes);
        insta::assert_snapshot!(format!("version {VERSION}, checksum {checksum:08x}"));
    }

    proptest! {
        #[test]
        fn broken_bytes_are_told(at: prop::sample::Index, byte: u8, length: prop::sample::Index) {
            let mut bytes = pack(&decoded(LINES)).unwrap();
            let cut = length.index(bytes.len());
            let mut unpacker = Unpacker::default();
            prop_assert!(unpacker.unpack(&bytes[..cut], 7).is_none());
            let at = at.index(bytes.len());
            bytes[at] = byte;
            if let Some(batch) = unpacker.unpack(&bytes, 7) {
                let tuples = batch.places().1.len() as u32;
                prop_assert!(batch.facts().iter().all(|fact| fact.tuple < tuples));
            }
            let whole = decoded(LINES);
            let back = unpacker.unpack(&pack(&whole).unwrap(), 7).unwrap();
            prop_assert_eq!(words(&back.whole()), words(&whole));
        }
    }
}
