//! The short way for the commonest line: a scanner that knows how `dial_test` is written.
//!
//! It takes lines without blanks and escapes whose fields are all known and of their usual kinds, in any
//! order, and of those it makes exactly what the general parsers make: an oddity is not judged here but
//! left to them (`None`). `tests/fuzz` holds the two against each other.

use crate::event::decode::field::text;
use crate::event::table::Borrowed;
use crate::event::wire;

/// How a line begins that is worth a look.
pub(super) const HEAD: &str = r#"{"type":"dial_test","#;

/// Digits that are read; more could exceed what a double holds exactly.
const DIGITS_MAX: usize = 15;
/// Powers of ten that a double holds exactly, as far as digits go.
const TENS: [f64; DIGITS_MAX + 1] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
];

/// A `dial_test` as it was read, nothing judged; empty texts are absent.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Dial<'a> {
    pub(super) ts: Option<i64>,
    pub(super) service: Option<&'a str>,
    pub(super) channel: Option<&'a str>,
    pub(super) city: Option<&'a str>,
    pub(super) network: Option<&'a str>,
    pub(super) speed: Option<&'a str>,
    pub(super) method: Option<&'a str>,
    pub(super) probe: Option<&'a str>,
    pub(super) target: Option<&'a str>,
    pub(super) step: Option<&'a str>,
    pub(super) code: Option<&'a str>,
    pub(super) source: Option<&'a str>,
    pub(super) ok: Option<bool>,
    pub(super) content_ok: Option<bool>,
    pub(super) latency_ms: Option<f64>,
    pub(super) part: Option<i64>,
    pub(super) parts: Option<i64>,
    /// Never read the short way: what comes in parts is not the commonest line.
    pub(super) delivery: Option<&'a str>,
}

impl Dial<'_> {
    /// As [`wire::DialTest::longest`].
    pub(super) fn longest(&self) -> (&'static str, usize) {
        let texts = [
            ("service", self.service),
            ("channel", self.channel),
            ("city", self.city),
            ("network", self.network),
            ("probe", self.probe),
            ("target", self.target),
            ("step", self.step),
            ("code", self.code),
            ("source", self.source),
        ];
        let bytes = texts.map(|(field, text)| (field, text.map_or(0, str::len)));
        // The first of equally long ones.
        bytes
            .into_iter()
            .rev()
            .max_by_key(|(_, bytes)| *bytes)
            .unwrap_or_default()
    }
}

/// A kept dimension of `dial_test`, found by name once and not for every line.
#[derive(Clone, Copy, Debug)]
pub(super) enum Dimension {
    Service,
    Channel,
    City,
    Network,
    Speed,
    Method,
    Probe,
    Target,
    Ok,
    Step,
    Code,
    ContentOk,
    Part,
    Parts,
    Source,
    /// One that no dial test has.
    Other,
}

impl Dimension {
    pub(super) fn named(name: &str) -> Dimension {
        match name {
            "service" => Dimension::Service,
            "channel" => Dimension::Channel,
            "city" => Dimension::City,
            "network" => Dimension::Network,
            "speed" => Dimension::Speed,
            "method" => Dimension::Method,
            "probe" => Dimension::Probe,
            "target" => Dimension::Target,
            "ok" => Dimension::Ok,
            "step" => Dimension::Step,
            "code" => Dimension::Code,
            "content_ok" => Dimension::ContentOk,
            "part" => Dimension::Part,
            "parts" => Dimension::Parts,
            "source" => Dimension::Source,
            _ => Dimension::Other,
        }
    }

    pub(super) fn of<'a>(self, event: &Dial<'a>) -> Borrowed<'a> {
        match self {
            Dimension::Service => event.service.into(),
            Dimension::Channel => event.channel.into(),
            Dimension::City => event.city.into(),
            Dimension::Network => event.network.into(),
            Dimension::Speed => event.speed.into(),
            Dimension::Method => event.method.into(),
            Dimension::Probe => event.probe.into(),
            Dimension::Target => event.target.into(),
            Dimension::Ok => event.ok.into(),
            Dimension::Step => event.step.into(),
            Dimension::Code => event.code.into(),
            Dimension::ContentOk => event.content_ok.into(),
            Dimension::Part => event.part.into(),
            Dimension::Parts => event.parts.into(),
            Dimension::Source => event.source.into(),
            Dimension::Other => Borrowed::Null,
        }
    }
}

impl<'a> Dial<'a> {
    /// What the general way read.
    pub(super) fn of(event: &'a wire::DialTest<'_>) -> Dial<'a> {
        Dial {
            ts: event.ts.map(|time| time.0),
            service: text(&event.service),
            channel: text(&event.channel),
            city: text(&event.city),
            network: text(&event.network),
            speed: text(&event.speed),
            method: text(&event.method),
            probe: text(&event.probe),
            target: text(&event.target),
            step: text(&event.step),
            code: text(&event.code),
            source: text(&event.source),
            ok: event.ok,
            content_ok: event.content_ok,
            latency_ms: event.latency_ms,
            part: event.part,
            parts: event.parts,
            delivery: text(&event.delivery),
        }
    }
}

/// Reads a line that begins with [`HEAD`]; `None` leaves it to the general way.
pub(super) fn dial_test(line: &str) -> Option<Dial<'_>> {
    let mut cursor = Cursor {
        line,
        // The comma is the first field's.
        at: HEAD.len() - 1,
    };
    let mut event = Dial::default();
    loop {
        let before = cursor.at;
        // In the order in which producers write: then this is one straight run. A field that comes out of
        // order is met in the next round; of two the last stays, as in the general way.
        macro_rules! field {
            ($key:literal, $field:ident, $read:ident) => {
                if cursor.passes(concat!(",\"", $key, "\":").as_bytes()) {
                    event.$field = cursor.$read()?;
                }
            };
        }
        field!("ts", ts, whole);
        if cursor.passes(b",\"id\":") {
            cursor.skip()?;
        }
        field!("service", service, text);
        field!("channel", channel, text);
        field!("city", city, text);
        field!("network", network, text);
        field!("speed", speed, text);
        field!("method", method, text);
        field!("probe", probe, text);
        field!("target", target, text);
        field!("step", step, text);
        field!("ok", ok, flag);
        field!("latency_ms", latency_ms, number);
        field!("code", code, text);
        if cursor.passes(b",\"bytes\":") {
            cursor.skip()?;
        }
        field!("content_ok", content_ok, flag);
        field!("part", part, whole);
        field!("parts", parts, whole);
        field!("source", source, text);
        if cursor.rest() == b"}" {
            return Some(event);
        }
        if cursor.at == before {
            return None;
        }
    }
}

struct Cursor<'a> {
    line: &'a str,
    at: usize,
}

impl<'a> Cursor<'a> {
    #[inline(always)]
    fn rest(&self) -> &'a [u8] {
        self.line.as_bytes().get(self.at..).unwrap_or_default()
    }

    #[inline(always)]
    fn passes(&mut self, key: &[u8]) -> bool {
        let passes = self.rest().starts_with(key);
        if passes {
            self.at += key.len();
        }
        passes
    }

    /// A text without escapes; the outer option is whether it is one, the inner whether it says anything.
    #[inline]
    fn text(&mut self) -> Option<Option<&'a str>> {
        let rest = self.rest();
        if rest.first() != Some(&b'"') {
            return None;
        }
        let end = 1 + special(&rest[1..])?;
        if rest[end] != b'"' {
            return None;
        }
        let text = self.line.get(self.at + 1..self.at + end)?;
        self.at += end + 1;
        Some((!text.is_empty()).then_some(text))
    }

    #[inline(always)]
    fn flag(&mut self) -> Option<Option<bool>> {
        if self.passes(b"true") {
            Some(Some(true))
        } else if self.passes(b"false") {
            Some(Some(false))
        } else {
            None
        }
    }

    #[inline(always)]
    fn whole(&mut self) -> Option<Option<i64>> {
        let (digits, count) = self.digits(0)?;
        self.is_canonical(count).then_some(Some(digits as i64))
    }

    /// A number that digits and a division give exactly: both are exact in doubles, and one division of
    /// exact numbers rounds once, as reading the decimal text does.
    #[inline(always)]
    fn number(&mut self) -> Option<Option<f64>> {
        let (mut digits, count) = self.digits(0)?;
        if !self.is_canonical(count) {
            return None;
        }
        let mut places = 0;
        if self.rest().first() == Some(&b'.') {
            self.at += 1;
            (digits, places) = self.digits(digits)?;
            if count + places > DIGITS_MAX {
                return None;
            }
        }
        Some(Some(digits as f64 / TENS[places]))
    }

    /// A value that nobody reads.
    #[inline(always)]
    fn skip(&mut self) -> Option<()> {
        match self.rest().first() {
            Some(b'"') => self.text().map(drop),
            _ => self.number().map(drop),
        }
    }

    /// Digits, put behind those of `number`: at least one, and no more than are exact.
    #[inline(always)]
    fn digits(&mut self, mut number: u64) -> Option<(u64, usize)> {
        let rest = self.rest();
        let mut count = 0;
        while let Some(digit) = rest.get(count).filter(|byte| byte.is_ascii_digit()) {
            if count == DIGITS_MAX {
                return None;
            }
            number = number * 10 + u64::from(digit - b'0');
            count += 1;
        }
        self.at += count;
        (count > 0).then_some((number, count))
    }

    /// Whether the digits that were just read are a number in JSON: no zero in front.
    #[inline(always)]
    fn is_canonical(&self, count: usize) -> bool {
        count == 1 || self.line.as_bytes()[self.at - count] != b'0'
    }
}

/// Where the first quote, backslash or control character is: eight bytes at a time. A byte's high bit
/// in the mask is wrong only above one that is right, and the lowest is taken.
#[inline(always)]
fn special(bytes: &[u8]) -> Option<usize> {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = ONES * 0x80;
    let is = |word: u64, byte: u8| {
        let zeroed = word ^ (ONES * u64::from(byte));
        zeroed.wrapping_sub(ONES) & !zeroed
    };
    let mut at = 0;
    while let Some(chunk) = bytes.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
        let word = u64::from_le_bytes(*chunk);
        let control = word.wrapping_sub(ONES * 0x20) & !word;
        let mask = (is(word, b'"') | is(word, b'\\') | control) & HIGHS;
        if mask != 0 {
            return Some(at + mask.trailing_zeros() as usize / 8);
        }
        at += 8;
    }
    let is_special = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..0x20);
    bytes[at..]
        .iter()
        .position(is_special)
        .map(|tail| at + tail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn special_bytes_are_found_wherever_they_are() {
        for special_byte in [b'"', b'\\', 0, 0x1f] {
            for at in 0..20 {
                let mut bytes = "长沙湘潭娄底怀化株洲".as_bytes()[..24].to_vec();
                bytes[at] = special_byte;
                bytes[at + 2] = b'"';
                assert_eq!(special(&bytes), Some(at), "{special_byte} at {at}");
            }
        }
        assert_eq!(special(b"!#[]~\x7f 0123456789"), None);
    }

    #[test]
    fn what_is_odd_is_left_to_the_general_way() {
        let taken = |fields: &str| dial_test(&format!("{HEAD}{fields}")).is_some();
        for plain in [
            r#""ts":1,"service":"a","ok":true}"#,
            r#""ok":false,"service":"","ts":0,"latency_ms":0.25,"id":7,"part":3}"#,
            r#""ts":1,"ts":2}"#,
        ] {
            assert!(taken(plain), "{plain}");
        }
        for odd in [
            r#""ts":1, "ok":true}"#,
            r#""ts":1.0}"#,
            r#""ts":01}"#,
            r#""ts":-1}"#,
            r#""ts":"2026-03-02T08:00:00Z"}"#,
            r#""latency_ms":1e3}"#,
            r#""latency_ms":1.}"#,
            r#""latency_ms":.5}"#,
            r#""latency_ms":1234567890.123456}"#,
            r#""service":"a\n"}"#,
            r#""service":7}"#,
            r#""service":null}"#,
            r#""other":1}"#,
            r#""type":"dial_test"}"#,
            r#""ts":1}}"#,
            r#""ts":1"#,
            r#""ts":1,}"#,
            "}",
        ] {
            assert!(!taken(odd), "{odd}");
        }
    }

    #[test]
    fn numbers_are_read_as_the_standard_library_reads_them() {
        for text in [
            "0",
            "0.1",
            "123.456",
            "999999999999999",
            "0.00000000000001",
            "90.07",
        ] {
            let line = format!("{HEAD}\"latency_ms\":{text}}}");
            let read = dial_test(&line).and_then(|event| event.latency_ms);
            assert_eq!(read, text.parse().ok(), "{text}");
        }
    }
}
