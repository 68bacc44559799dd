//! The newest refused lines, for people who look after the producers. Bounded: the oldest go first.
//! In memory only: a line that was refused is no fact, and nothing is derived from it. Receipts whose
//! status word no rule maps are shown here as well, although they are taken.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use crate::event::{Refusal, RefusalReason};
use crate::masking::{mask, mask_quoted};

/// Bytes kept of a line.
const LINE_BYTES_MAX: usize = 1_024;

/// A refused line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quarantined {
    /// When it came, wall clock, ms.
    pub at_ms: i64,
    /// Who sent it, if they said.
    pub producer: Option<String>,
    /// Its number in its body.
    pub line: u64,
    /// Class of the reason.
    pub class: RefusalReason,
    /// The reason in words; what it quotes of the line is masked, its own numbers are not.
    pub reason: String,
    /// The line: its beginning, numbers of subscribers masked.
    pub text: String,
}

/// The ring of refused lines.
#[derive(Debug)]
pub struct Quarantine {
    inner: Mutex<Inner>,
    /// Lines kept.
    max: usize,
}

#[derive(Debug, Default)]
struct Inner {
    lines: VecDeque<Quarantined>,
    total: u64,
}

impl Quarantine {
    /// An empty one for at most so many lines.
    pub fn new(max: usize) -> Quarantine {
        Quarantine {
            inner: Mutex::default(),
            max,
        }
    }

    /// Keeps the refused lines of a body.
    pub(super) fn keep(
        &self,
        at_ms: i64,
        producer: Option<&str>,
        plain: &[u8],
        refused: &[Refusal],
    ) {
        if refused.is_empty() {
            return;
        }
        // Of a long list only the newest would stay.
        let kept = &refused[refused.len().saturating_sub(self.max)..];
        let mut wanted = kept.iter().peekable();
        let mut found = VecDeque::with_capacity(kept.len());
        for (number, line) in (1..).zip(plain.split(|byte| *byte == b'\n')) {
            let Some(refusal) = wanted.next_if(|refusal| refusal.line == number) else {
                if wanted.peek().is_none() {
                    break;
                }
                continue;
            };
            let shown = &line[..line.len().min(LINE_BYTES_MAX)];
            found.push_back(Quarantined {
                at_ms,
                producer: producer.map(str::to_owned),
                line: number,
                class: refusal.class,
                reason: mask_quoted(&refusal.reason),
                text: mask(String::from_utf8_lossy(shown).trim()),
            });
        }
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.total += refused.len() as u64;
        inner.lines.append(&mut found);
        let excess = inner.lines.len().saturating_sub(self.max);
        inner.lines.drain(..excess);
    }

    /// How many lines are kept, may be, and how many went.
    pub fn bound(&self) -> (u64, u64, u64) {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = inner.lines.len() as u64;
        (kept, self.max as u64, inner.total.saturating_sub(kept))
    }

    /// The newest lines, the newest first, and how many there have been since the start.
    pub fn newest(&self, limit: usize) -> (Vec<Quarantined>, u64) {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let lines = inner.lines.iter().rev().take(limit).cloned().collect();
        (lines, inner.total)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(line: u64) -> Refusal {
        Refusal {
            line,
            class: RefusalReason::Syntax,
            reason: "not JSON".to_owned(),
        }
    }

    const LINES_MAX: usize = 1_000;

    #[test]
    fn the_newest_lines_stay_and_the_count_goes_on() {
        let ring = Quarantine::new(LINES_MAX);
        let body = "bad 13812345678\ngood\nworse\n".as_bytes();
        ring.keep(7, Some("p"), body, &[refusal(1), refusal(3)]);
        let (lines, total) = ring.newest(10);
        assert_eq!(total, 2);
        let texts: Vec<_> = lines.iter().map(|line| (line.line, &*line.text)).collect();
        assert_eq!(texts, [(3, "worse"), (1, "bad 138******78")]);

        let body = "x\n".repeat(LINES_MAX + 5);
        let refused: Vec<Refusal> = (1..=LINES_MAX as u64 + 5).map(refusal).collect();
        ring.keep(8, None, body.as_bytes(), &refused);
        let (lines, total) = ring.newest(usize::MAX);
        assert_eq!((lines.len(), total), (LINES_MAX, LINES_MAX as u64 + 7));
        assert_eq!(lines[0].line, LINES_MAX as u64 + 5);
        assert_eq!(ring.bound(), (LINES_MAX as u64, LINES_MAX as u64, 7));
    }

    #[test]
    fn long_lines_are_cut() {
        let ring = Quarantine::new(LINES_MAX);
        ring.keep(7, None, "长".repeat(5_000).as_bytes(), &[refusal(1)]);
        assert!(ring.newest(1).0[0].text.len() <= LINE_BYTES_MAX + 3);
    }
}
