//! Writes a generated stretch of events to a file or pipe.

use std::io::Write;

use crate::generate::Generator;

/// Lines are handed on in pieces of this size.
const CHUNK_BYTES: usize = 1 << 20;

/// Writes every line of `generator` as NDJSON.
///
/// `progress` is told, now and then, how many lines are out.
///
/// # Errors
/// When `output` cannot be written.
pub fn write_all(
    generator: &mut Generator,
    mut output: impl Write,
    mut progress: impl FnMut(u64),
) -> std::io::Result<()> {
    let mut buffer = Vec::with_capacity(CHUNK_BYTES + 4096);
    while generator.next_into(&mut buffer).is_some() {
        buffer.push(b'\n');
        if buffer.len() >= CHUNK_BYTES {
            output.write_all(&buffer)?;
            buffer.clear();
            progress(generator.truth().lines.total);
        }
    }
    output.write_all(&buffer)?;
    progress(generator.truth().lines.total);
    output.flush()
}
