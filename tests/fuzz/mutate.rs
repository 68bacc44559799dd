//! Makes new inputs of old ones, by seed alone.

/// What an input is made of.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Lengths, numbers and checksums.
    Binary,
    /// Lines of JSON.
    Json,
    /// A rule book.
    Yaml,
    /// A SOAP message.
    Xml,
}

/// Deterministic chance (splitmix64).
pub(crate) struct Rng(u64);

impl Rng {
    pub(crate) fn new(seed: u64) -> Rng {
        Rng(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Below a limit; 0 if that is 0.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        (self.next() % (limit.max(1) as u64)) as usize
    }
}

/// Longest input: what is slow because it is long tells nothing.
const BYTES_MAX: usize = 256 << 10;

/// Numbers at the edges of what fields hold.
const NUMBERS: &[u64] = &[
    0,
    1,
    0x7f,
    0x80,
    0xff,
    0x7fff,
    0xffff,
    0x0010_0000,
    0x0400_0000,
    0x7fff_ffff,
    0xffff_ffff,
    0x7fff_ffff_ffff_ffff,
    0xffff_ffff_ffff_ffff,
];
const JSON: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    "\"",
    ":",
    ",",
    "null",
    "true",
    "false",
    "0",
    "-1",
    "-0",
    "1e400",
    "1e-400",
    "0.1",
    "9007199254740993",
    "18446744073709551616",
    "-9223372036854775809",
    "01",
    "+1",
    "1.",
    ".5",
    "NaN",
    "\\u0000",
    "\\ud800",
    "\\udc00",
    "\\ud83d\\ude00",
    "\\",
    "\\x",
    "\u{0}",
    "\u{1f}",
    "\u{feff}",
    "\u{2028}",
    "长沙",
    "\"type\":\"dial_test\",",
    "\"type\":\"gauge\",",
    "\"type\":\"complaint\",",
    "\"ts\":1764000000000,",
    "\"ts\":\"2026-11-21T20:00:00+08:00\",",
    "\"ts\":\"2026-02-30T00:00:00Z\",",
    "\"ok\":true,",
    "\"latency_ms\":",
    "\"value\":",
    "\"dims\":{\"a\":\"b\"},",
    "\"scope\":{",
    "\"city\":\"长沙\",",
    "\"service\":\"news\",",
    "\"path\":[\"a\",",
    "\"part\":1.0,",
    "\n",
    "\r\n",
    "\t",
    " ",
    "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
    "{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":",
];
const YAML: &[&str] = &[
    ":",
    ": ",
    "- ",
    "{",
    "}",
    "[",
    "]",
    "\"",
    "'",
    "#",
    "&a ",
    "*a",
    "!!int ",
    "!x ",
    "|\n",
    ">\n",
    "---\n",
    "...\n",
    "<<: *a",
    "? ",
    "~",
    "null",
    "true",
    "no",
    "0x7f",
    "1e999",
    ".inf",
    ".nan",
    "-1",
    "1m",
    "0s",
    "-5h",
    "99999999999999999999d",
    "\t",
    "\n",
    "  ",
    "\u{0}",
    "\u{feff}",
    "\u{2028}",
    "长沙",
    "%YAML 1.1\n",
    "book:",
    "kqis:",
    "stream: dial_test",
    "window: 1m",
    "where: \"ok ==\"",
    "good: latency_ms <= 30s",
    "group_by: [city]",
    "aggregate: p95",
    "anchors: [1, 2, 3, 4, 5]",
    "&x [*x]",
    "((((((((((((((((((((((((((((((((((((((((",
    "!(!(!(!(!(!(!(!(",
    "a ? b : c",
    "\\u0000",
    "\"\\x00\"",
];

const XML: &[&str] = &[
    "<",
    ">",
    "/",
    "</",
    "/>",
    "<a>",
    "</a>",
    "<a/>",
    "<a:b>",
    "=",
    "\"",
    "'",
    "&amp;",
    "&lt;",
    "&#0;",
    "&#x10ffff;",
    "&#xd800;",
    "&a;",
    "&",
    ";",
    "<!--",
    "-->",
    "--",
    "<![CDATA[",
    "]]>",
    "<?xml",
    "?>",
    "<!DOCTYPE a [",
    "<!ENTITY a 'b'>",
    "]>",
    " xmlns=\"a\"",
    " xmlns:b=\"\"",
    "\n",
    "\r",
    "\t",
    "\u{0}",
    "\u{1}",
    "\u{feff}",
    "\u{fffe}",
    "长沙",
    "<DeliveryReportReq>",
    "</DeliveryReportReq>",
    "<Number>",
    "<MMStatus>",
    "<TimeStamp>",
    "2026-13-40T25:61:61Z",
    "<a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a>",
    "encoding=\"UTF-16\"",
];

/// A few changes to `original`; parts may come from `other`.
pub(crate) fn mutate(original: &[u8], other: &[u8], kind: Kind, rng: &mut Rng) -> Vec<u8> {
    let mut bytes = original.to_vec();
    for _ in 0..=rng.below(5) {
        once(&mut bytes, other, kind, rng);
    }
    bytes.truncate(BYTES_MAX);
    bytes
}

fn once(bytes: &mut Vec<u8>, other: &[u8], kind: Kind, rng: &mut Rng) {
    let at = rng.below(bytes.len() + 1);
    let rest = bytes.len() - at;
    let words = match kind {
        Kind::Binary => &[][..],
        Kind::Json => JSON,
        Kind::Yaml => YAML,
        Kind::Xml => XML,
    };
    // Half of the changes to text speak its language.
    if !words.is_empty() && rng.below(2) == 0 {
        let word = words[rng.below(words.len())];
        let replaced = if rng.below(2) == 0 {
            0
        } else {
            rng.below(12).min(rest)
        };
        bytes.splice(at..at + replaced, word.bytes());
        return;
    }
    match rng.below(9) {
        0 if rest > 0 => bytes[at] ^= 1 << rng.below(8),
        1 if rest > 0 => bytes[at] = rng.next() as u8,
        2 => {
            let number = NUMBERS[rng.below(NUMBERS.len())].to_le_bytes();
            let width = [1, 2, 4, 8][rng.below(4)].min(rest);
            bytes[at..at + width].copy_from_slice(&number[..width]);
        }
        3 => {
            let random: Vec<u8> = (0..=rng.below(16)).map(|_| rng.next() as u8).collect();
            bytes.splice(at..at, random);
        }
        4 => {
            let length = short(rest, rng);
            bytes.drain(at..at + length);
        }
        5 => bytes.truncate(at),
        6 => {
            let again = bytes[at..at + short(rest, rng)].to_vec();
            let to = rng.below(bytes.len() + 1);
            let times = 1 + rng.below(3);
            bytes.splice(to..to, again.repeat(times));
        }
        7 => {
            let from = rng.below(other.len() + 1);
            let length = short(other.len() - from, rng);
            bytes.splice(at..at, other[from..from + length].iter().copied());
        }
        _ => {
            let length = short(rest, rng);
            let byte = [0, 0xff, b' ', rng.next() as u8][rng.below(4)];
            bytes[at..at + length].fill(byte);
        }
    }
}

/// Mostly a few bytes, now and then many.
fn short(rest: usize, rng: &mut Rng) -> usize {
    let most = if rng.below(4) == 0 {
        rest
    } else {
        rest.min(32)
    };
    rng.below(most + 1)
}
