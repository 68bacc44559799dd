//! Writes one event as one JSON line, by hand.
//!
//! Load has to be made faster than it is taken, on the same two cores. So no
//! tree of values is built: texts are escaped once when the scenario is read,
//! and an event is a few copies and a few digits.

use std::fmt::Display;

/// A text already written as JSON, quotes and escapes included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct JsonText(String);

impl JsonText {
    /// Escapes `text` once, for use in any number of lines.
    pub(crate) fn new(text: &str) -> Self {
        Self(serde_json::Value::from(text).to_string())
    }
}

/// Appends the fields of one event to a buffer.
///
/// The first field is always `type`, so every later one may start with a comma.
pub(crate) struct LineWriter<'a> {
    buffer: &'a mut Vec<u8>,
}

impl<'a> LineWriter<'a> {
    /// Starts a line with its type and event time (milliseconds since the epoch).
    pub(crate) fn start(buffer: &'a mut Vec<u8>, event_type: &str, ts_ms: i64) -> Self {
        buffer.extend_from_slice(b"{\"type\":\"");
        buffer.extend_from_slice(event_type.as_bytes());
        buffer.extend_from_slice(b"\",\"ts\":");
        let mut line = Self { buffer };
        line.digits_signed(ts_ms);
        line
    }

    fn key(&mut self, key: &str) {
        self.buffer.extend_from_slice(b",\"");
        self.buffer.extend_from_slice(key.as_bytes());
        self.buffer.extend_from_slice(b"\":");
    }

    /// Adds fields written earlier, each with its leading comma.
    pub(crate) fn prepared(&mut self, fields: &[u8]) -> &mut Self {
        self.buffer.extend_from_slice(fields);
        self
    }

    /// Adds a text field.
    pub(crate) fn text(&mut self, key: &str, value: &JsonText) -> &mut Self {
        self.key(key);
        self.buffer.extend_from_slice(value.0.as_bytes());
        self
    }

    /// Adds a text that consists of `prefix` and a number padded to `width`
    /// digits. `prefix` must need no escaping.
    pub(crate) fn numbered(
        &mut self,
        key: &str,
        prefix: &str,
        number: u64,
        width: usize,
    ) -> &mut Self {
        self.key(key);
        self.buffer.push(b'"');
        self.buffer.extend_from_slice(prefix.as_bytes());
        self.digits(number, width);
        self.buffer.push(b'"');
        self
    }

    /// Adds a whole number.
    pub(crate) fn integer(&mut self, key: &str, value: i64) -> &mut Self {
        self.key(key);
        self.digits_signed(value);
        self
    }

    /// Adds a truth value.
    pub(crate) fn flag(&mut self, key: &str, value: bool) -> &mut Self {
        self.key(key);
        self.buffer
            .extend_from_slice(if value { b"true" } else { b"false" });
        self
    }

    /// Adds a value that is already JSON, such as a number with a fraction.
    pub(crate) fn raw(&mut self, key: &str, value: impl Display) -> &mut Self {
        use std::io::Write as _;
        self.key(key);
        // Writing into a Vec cannot fail.
        let _ = write!(self.buffer, "{value}");
        self
    }

    /// Closes the line; the newline is the writer's business.
    pub(crate) fn end(self) {
        self.buffer.push(b'}');
    }

    fn digits_signed(&mut self, value: i64) {
        if value < 0 {
            self.buffer.push(b'-');
        }
        self.digits(value.unsigned_abs(), 1);
    }

    fn digits(&mut self, mut value: u64, width: usize) {
        // 20 digits hold any u64.
        let mut text = [b'0'; 20];
        let mut at = text.len();
        while value > 0 {
            at -= 1;
            text[at] = b'0' + (value % 10) as u8;
            value /= 10;
        }
        let first = at.min(text.len() - width.clamp(1, text.len()));
        self.buffer.extend_from_slice(&text[first..]);
    }
}

/// Writes `,"key":"value"` into fields prepared for many lines.
pub(crate) fn prepare_text(fields: &mut Vec<u8>, key: &str, value: &str) {
    LineWriter { buffer: fields }.text(key, &JsonText::new(value));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_json() {
        let mut buffer = Vec::new();
        let mut line = LineWriter::start(&mut buffer, "dial_test", -12);
        line.text("city", &JsonText::new("长\"沙"))
            .numbered("id", "p-", 42, 5)
            .integer("latency_ms", 0)
            .flag("ok", true)
            .raw("value", 1.5);
        line.end();
        assert_eq!(
            String::from_utf8(buffer).unwrap(),
            r#"{"type":"dial_test","ts":-12,"city":"长\"沙","id":"p-00042","latency_ms":0,"ok":true,"value":1.5}"#
        );
    }

    #[test]
    fn any_number_is_written_in_full() {
        for number in [0, 7, 10, u64::MAX] {
            let mut buffer = Vec::new();
            LineWriter {
                buffer: &mut buffer,
            }
            .digits(number, 1);
            assert_eq!(String::from_utf8(buffer).unwrap(), number.to_string());
        }
    }
}
