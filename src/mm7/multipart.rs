//! The SOAP document of a message that has attachments.

use memchr::memmem;

/// The document: of a `multipart` message its first part, which is where MM7 has the envelope; of any other, and of one
/// whose parts cannot be told apart, everything.
pub fn document<'a>(content_type: &str, bytes: &'a [u8]) -> &'a [u8] {
    boundary(content_type)
        .and_then(|boundary| first_part(boundary, bytes))
        .unwrap_or(bytes)
}

fn boundary(content_type: &str) -> Option<&str> {
    let (kind, parameters) = content_type.split_once(';')?;
    let (kind, _) = kind.trim().split_once('/')?;
    if !kind.eq_ignore_ascii_case("multipart") {
        return None;
    }
    let mut named = parameters.split(';').filter_map(|one| one.split_once('='));
    let (_, boundary) = named.find(|(name, _)| name.trim().eq_ignore_ascii_case("boundary"))?;
    let boundary = boundary.trim().trim_matches('"');
    (!boundary.is_empty()).then_some(boundary)
}

fn first_part<'a>(boundary: &str, bytes: &'a [u8]) -> Option<&'a [u8]> {
    let delimiter = format!("--{boundary}");
    let (_, rest) = split(bytes, delimiter.as_bytes())?;
    let (part, _) = split(rest, delimiter.as_bytes())?;
    let (_, document) = split(part, b"\r\n\r\n").or_else(|| split(part, b"\n\n"))?;
    Some(document)
}

/// What is before and after a mark.
fn split<'a>(bytes: &'a [u8], mark: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = memmem::find(bytes, mark)?;
    Some((&bytes[..at], &bytes[at + mark.len()..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MESSAGE: &[u8] =
        b"\r\n--b_1\r\nContent-Type: text/xml\r\n\r\n<a/>\r\n--b_1\r\n\r\nhello\r\n--b_1--\r\n";

    #[track_caller]
    fn check(content_type: &str, bytes: &[u8], want: &[u8]) {
        assert_eq!(document(content_type, bytes), want, "{content_type}");
    }

    #[test]
    fn the_envelope_is_the_first_part() {
        let related = "multipart/related; type=\"text/xml\"; start=\"<s>\"; boundary=b_1";
        check(related, MESSAGE, b"<a/>\r\n");
        check("Multipart/Related;Boundary=\"b_1\"", MESSAGE, b"<a/>\r\n");
        let bare = b"--b_1\n\n<a/>\n--b_1--";
        check("multipart/related; boundary=b_1", bare, b"<a/>\n");
    }

    #[test]
    fn what_has_no_parts_is_taken_whole() {
        for content_type in [
            "",
            "text/xml",
            "text/xml; boundary=b_1",
            "multipart/related",
            "multipart/related; boundary=",
            "multipart/related; boundary=another",
        ] {
            check(content_type, MESSAGE, MESSAGE);
        }
        // Cut short: where the first part ends is not known.
        check(
            "multipart/related; boundary=b_1",
            &MESSAGE[..40],
            &MESSAGE[..40],
        );
    }
}
