//! The blocks of an effect as a small picture: before and after, over each other at the same hours.

use serde::Serialize;

use crate::effect::Indicator;

/// Width of the picture in its own units; it is stretched to the page's.
const WIDTH: f64 = 500.0;
/// Height of the picture in its own units.
const HEIGHT: f64 = 90.0;
/// Room above and below the lines, for their width.
const ROOM: f64 = 6.0;

/// Two lines, each cut where nothing was measured.
#[derive(Debug, Serialize)]
pub(super) struct Course {
    /// Points of the stretches before the work, as SVG wants them.
    before: Vec<String>,
    /// Those after it.
    after: Vec<String>,
    /// Blocks that stand alone, before and after: a line of one point shows nothing.
    dots_before: Vec<(String, String)>,
    dots_after: Vec<(String, String)>,
    /// What the upper edge stands for, and the lower one.
    high: f64,
    low: f64,
}

impl Course {
    /// The picture of an indicator; none where fewer than two blocks have values.
    pub(super) fn of(indicator: &Indicator) -> Option<Course> {
        let blocks = &indicator.blocks;
        let values = || {
            let all = blocks.iter().flat_map(|(before, after)| [*before, *after]);
            all.flatten().filter(|value| value.is_finite())
        };
        if values().count() < 2 {
            return None;
        }
        let high = values().fold(f64::MIN, f64::max);
        let least = values().fold(f64::MAX, f64::min);
        // From zero, unless that would press the lines flat against the top.
        let low = if least >= 0.0 && least < 0.6 * high {
            0.0
        } else {
            least
        };
        let span = if high > low { high - low } else { 1.0 };
        let step = WIDTH / (blocks.len().max(2) - 1) as f64;
        let place = |at: usize, value: f64| {
            let up = (value - low) / span * (HEIGHT - 2.0 * ROOM);
            (
                format!("{:.1}", at as f64 * step),
                format!("{:.1}", HEIGHT - ROOM - up),
            )
        };
        let line = |values: Vec<Option<f64>>| {
            let mut lines = Vec::new();
            let mut dots = Vec::new();
            let mut stretch: Vec<(String, String)> = Vec::new();
            let all = values.into_iter().chain([None]);
            for (at, value) in all.enumerate() {
                match value.filter(|value| value.is_finite()) {
                    Some(value) => stretch.push(place(at, value)),
                    None => match std::mem::take(&mut stretch) {
                        alone if alone.len() == 1 => dots.extend(alone),
                        stretch if stretch.is_empty() => {}
                        stretch => {
                            let points = stretch.iter().map(|(x, y)| format!("{x},{y}"));
                            lines.push(points.collect::<Vec<_>>().join(" "));
                        }
                    },
                }
            }
            (lines, dots)
        };
        let (before, dots_before) = line(blocks.iter().map(|block| block.0).collect());
        let (after, dots_after) = line(blocks.iter().map(|block| block.1).collect());
        Some(Course {
            before,
            after,
            dots_before,
            dots_after,
            high,
            low,
        })
    }

    /// The values of the edges, low and high.
    pub(super) fn edges(&self) -> (f64, f64) {
        (self.low, self.high)
    }
}
