//! Figures for a chart's axes as strokes, so that no font is needed and every machine draws the same.

use tiny_skia::{Path, PathBuilder};

/// Height of a figure in grid units; its width is at most eight.
const HEIGHT: f32 = 12.0;

/// Distance from one figure to the next, in grid units.
const ADVANCE: f32 = 11.0;

/// The same for points and colons.
const ADVANCE_NARROW: f32 = 6.0;

/// Strokes on a grid: `M` move, `L` line, `Q` curve by its control point; each point is one
/// hexadecimal digit for x (to the right) and one for y (down).
const fn strokes(figure: char) -> &'static str {
    match figure {
        '0' => "M40Q8086Q8c4cQ0c06Q0040",
        '1' => "M23L50L5c",
        '2' => "M03Q0040Q8083Q8648L0cL8c",
        '3' => "M02Q1040Q8083Q8646L36M46Q8689Q8c4cQ1c0a",
        '4' => "M6cL60L08L88",
        '5' => "M70L10L06Q2444Q8488Q8c4cQ1c0a",
        '6' => "M71Q6050Q0008Q0c4cQ8c88Q8545Q0508",
        '7' => "M00L80L3c",
        '8' => "M40Q7073Q7646Q1613Q1040M46Q8689Q8c4cQ0c09Q0646",
        '9' => "M1bQ2c3cQ8c84Q8040Q0004Q0747Q8784",
        '.' => "M2bL2c",
        ',' => "M2bL1d",
        ':' => "M23L24M29L2a",
        '-' => "M17L77",
        _ => "",
    }
}

/// Width of a text of figures that is `height` high, in the same unit.
pub(super) fn width(text: &str, height: f32) -> f32 {
    text.chars().map(advance).sum::<f32>() * height / HEIGHT
}

/// The strokes of a text whose top left corner is at (`x`, `y`). `None` for a text without any.
pub(super) fn outline(text: &str, x: f32, y: f32, height: f32) -> Option<Path> {
    let scale = height / HEIGHT;
    let mut path = PathBuilder::new();
    let mut left = x;
    for figure in text.chars() {
        let mut numbers = strokes(figure).chars();
        while let Some(stroke) = numbers.next() {
            let mut point = || {
                let mut next = || numbers.next().and_then(|c| c.to_digit(16)).unwrap_or(0) as f32;
                (left + next() * scale, y + next() * scale)
            };
            let (to_x, to_y) = point();
            match stroke {
                'M' => path.move_to(to_x, to_y),
                'L' => path.line_to(to_x, to_y),
                _ => {
                    let (end_x, end_y) = point();
                    path.quad_to(to_x, to_y, end_x, end_y);
                }
            }
        }
        left += advance(figure) * scale;
    }
    path.finish()
}

const fn advance(figure: char) -> f32 {
    match figure {
        '.' | ',' | ':' => ADVANCE_NARROW,
        _ => ADVANCE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_figure_that_an_axis_needs_has_strokes() {
        for figure in "0123456789.,:-".chars() {
            let path = outline(&figure.to_string(), 0.0, 0.0, HEIGHT).unwrap();
            let bounds = path.bounds();
            assert!(
                bounds.right() <= 8.0 && bounds.bottom() <= 13.0,
                "{figure}: {bounds:?}"
            );
        }
        assert!(outline(" ", 0.0, 0.0, HEIGHT).is_none());
        assert_eq!(width("10:05", 24.0), 2.0 * (4.0 * ADVANCE + ADVANCE_NARROW));
    }
}
