//! How deep a line may nest.

/// Levels of arrays and objects that a line may have. Known fields need two; parsers recurse, and a line
/// of opening brackets must not use up a thread's stack.
pub(super) const DEPTH_MAX: usize = 64;

/// Whether a line opens more arrays and objects within each other than it may.
pub(super) fn nests_too_deep(line: &[u8]) -> bool {
    let opens = |byte: &&u8| matches!(**byte, b'{' | b'[');
    // Almost every line has one or two: counting them is all that it costs.
    if line.iter().filter(opens).count() <= DEPTH_MAX {
        return false;
    }
    let (mut depth, mut in_text, mut escaped) = (0_usize, false, false);
    for byte in line {
        match (in_text, byte) {
            (true, _) if escaped => escaped = false,
            (true, b'\\') => escaped = true,
            (_, b'"') => in_text = !in_text,
            (false, b'{' | b'[') => depth += 1,
            (false, b'}' | b']') => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > DEPTH_MAX {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{DecodeLimits, Decoder, Layout};

    #[test]
    fn depth_is_counted_and_not_width_or_text() {
        let nested = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
        assert!(!nests_too_deep(nested(DEPTH_MAX).as_bytes()));
        assert!(nests_too_deep(nested(DEPTH_MAX + 1).as_bytes()));
        assert!(nests_too_deep("{\"a\":".repeat(5_000).as_bytes()));
        assert!(!nests_too_deep("[],".repeat(500).as_bytes()));
        let text = format!("\"{}\"", "[\\\"{".repeat(500));
        assert!(!nests_too_deep(text.as_bytes()));
    }

    #[test]
    fn a_line_of_brackets_is_refused_before_a_parser_recurses_into_it() {
        let layout = Layout {
            version: 0,
            streams: Default::default(),
            services: None,
            references: Default::default(),
            statuses: Default::default(),
            failures: None,
            aliases: Default::default(),
        };
        let levels = 30_000;
        for kind in ["dial_test", "gauge", "mms_submit"] {
            let line = format!(
                "{{\"type\":\"{kind}\",\"ts\":1,\"x\":{}{}}}",
                "[".repeat(levels),
                "]".repeat(levels)
            );
            let mut decoder = Decoder::new(layout.clone().into(), DecodeLimits::default());
            let decoded = decoder.decode(line.as_bytes());
            let reasons = decoded.refused.iter().map(|refusal| &*refusal.reason);
            let wanted = ["values are nested more than 64 deep"];
            assert_eq!(reasons.collect::<Vec<_>>(), wanted, "{kind}");
        }
    }
}
