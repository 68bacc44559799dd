//! The chart inside a mail: a KQI's windows as a line, its limit dashed, the moment it fired marked.
//!
//! Opaque and light on purpose: a mail reader in dark mode does not invert pictures, and a
//! transparent one would lose its lines there. Words are not drawn; they stand beside it as text.

use tiny_skia::{
    Color, LineCap, LineJoin, Paint, Path, PathBuilder, Pixmap, Rect, Stroke, StrokeDash, Transform,
};

use super::digits;
use super::marks::{Marks, Period};
use super::number::{Clock, number};
use crate::alerting::{Alert, ChartPoint};

/// Width at which it is shown, CSS pixels. It is drawn twice as large, for sharp screens.
pub(super) const WIDTH: u32 = 640;
/// Height at which it is shown, CSS pixels.
pub(super) const HEIGHT: u32 = 270;

/// More windows than this cannot be told apart at this width; the newest stay.
const POINTS_MAX: usize = 300;

const SCALE: f32 = 2.0;
const LEFT: f32 = 70.0;
const RIGHT: f32 = 18.0;
const TOP: f32 = 16.0;
const BOTTOM: f32 = 36.0;
// Large, for a telephone shows the chart at half its width.
const FIGURE_HEIGHT: f32 = 14.0;
/// Room between two times below the chart.
const LABELS_APART: f32 = 8.0;

/// Colours of the lines, as the legend in the mail repeats them.
pub(super) const LINE: [u8; 3] = [0x2a, 0x72, 0xc3];
/// The limit.
pub(super) const LIMIT: [u8; 3] = [0xd0, 0x3a, 0x3a];
/// The moment of firing.
pub(super) const FIRED: [u8; 3] = [0x8a, 0x5c, 0xc7];
/// The moment of the end.
pub(super) const ENDED: [u8; 3] = [0x2f, 0x8f, 0x3f];
/// The moment at which a department said that it is mended.
pub(super) const MENDED: [u8; 3] = [0xc7, 0x7a, 0x00];
/// What the effect was measured from: the period before.
pub(super) const BEFORE: [u8; 3] = [0x6b, 0x72, 0x80];
/// And the one after.
pub(super) const AFTER: [u8; 3] = [0x0f, 0x8b, 0x8d];
const GRID: [u8; 3] = [0xe3, 0xe6, 0xea];
const FIGURES: [u8; 3] = [0x46, 0x4e, 0x58];

/// Draws a chart as PNG, with what is marked in it; `None` where no window has a value.
pub(super) fn draw(
    points: &[ChartPoint],
    alert: &Alert,
    marks: &Marks,
    clock: &Clock,
) -> Option<Vec<u8>> {
    let points = &points[points.len().saturating_sub(POINTS_MAX)..];
    let frame = Frame::of(points, alert)?;
    let size = |css: u32| css * SCALE as u32;
    let mut picture = Picture(Pixmap::new(size(WIDTH), size(HEIGHT))?);
    picture.0.fill(Color::WHITE);
    picture.shade(&frame, alert);
    picture.axes(&frame, clock);
    for limit in [alert.limit_min, alert.limit_max].into_iter().flatten() {
        picture.level(frame.y(limit), LIMIT, 1.5, &[7.0, 5.0]);
    }
    for period in &marks.periods {
        picture.period(&frame, period);
    }
    for moment in &marks.moments {
        if let Some(x) = frame.place(moment.at_ms) {
            picture.moment(x, moment.colour);
        }
    }
    picture.line(points, &frame);
    picture.outliers(points, &frame, alert);
    picture.0.encode_png().ok()
}

/// Whether a value is outside its reasonable interval.
pub(super) fn is_outside(value: f64, alert: &Alert) -> bool {
    alert.limit_min.is_some_and(|min| value < min) || alert.limit_max.is_some_and(|max| value > max)
}

/// From times and values to places in the picture, in CSS pixels.
struct Frame {
    from_ms: i64,
    to_ms: i64,
    /// Time that is left out because nothing is shown of most of the picture: an effect may be measured a week later.
    cut: Option<(i64, i64)>,
    low: f64,
    high: f64,
    step: f64,
}

impl Frame {
    fn of(points: &[ChartPoint], alert: &Alert) -> Option<Frame> {
        let values = || {
            points
                .iter()
                .filter_map(|point| point.value)
                .filter(|v| v.is_finite())
        };
        let limits = || [alert.limit_min, alert.limit_max].into_iter().flatten();
        values().next()?;
        let (low, high) = values()
            .chain(limits())
            .fold((f64::MAX, f64::MIN), |(low, high), v| {
                (low.min(v), high.max(v))
            });
        // From zero, unless that would press the line flat against the top.
        let low = if low >= 0.0 && low < 0.6 * high {
            0.0
        } else {
            low
        };
        let room = if high > low {
            (high - low) * 0.08
        } else {
            high.abs().max(1.0) * 0.1
        };
        let step = nice_step((high - low + 2.0 * room) / 5.0);
        let (from_ms, to_ms) = (points.first()?.end_ms, points.last()?.end_ms);
        let top = ((high + room) / step).ceil() * step;
        // There are no more than all of them.
        let is_share = alert.unit == "%" && high <= 100.0 && values().all(|value| value >= 0.0);
        Some(Frame {
            from_ms,
            to_ms: to_ms.max(from_ms + 1),
            cut: cut_of(points),
            low: if low == 0.0 {
                0.0
            } else {
                ((low - room) / step).floor() * step
            },
            high: if is_share { top.min(100.0) } else { top },
            step,
        })
    }

    fn holds(&self, at_ms: i64) -> bool {
        let is_cut = self.cut.is_some_and(|cut| cut.0 < at_ms && at_ms < cut.1);
        (self.from_ms..=self.to_ms).contains(&at_ms) && !is_cut
    }

    /// Where a moment is: within what is left out, in the middle of that; none outside the picture.
    fn place(&self, at_ms: i64) -> Option<f32> {
        let is_shown = (self.from_ms..=self.to_ms).contains(&at_ms);
        match self.cut {
            Some(cut) if cut.0 < at_ms && at_ms < cut.1 => {
                Some((self.x(cut.0) + self.x(cut.1)) / 2.0)
            }
            _ => is_shown.then(|| self.x(at_ms)),
        }
    }

    /// Time that is shown, ms.
    fn shown_ms(&self) -> i64 {
        self.to_ms - self.from_ms - self.cut.map_or(0, |cut| cut.1 - cut.0)
    }

    fn x(&self, at_ms: i64) -> f32 {
        // What is cut is as wide as an eighth of what is shown.
        let shown_ms = self.shown_ms();
        let gap_ms = self.cut.map_or(0, |_| shown_ms / 8);
        let passed_ms = match self.cut {
            Some(cut) if at_ms >= cut.1 => at_ms - self.from_ms - (cut.1 - cut.0) + gap_ms,
            _ => at_ms - self.from_ms,
        };
        let share = passed_ms as f64 / (shown_ms + gap_ms).max(1) as f64;
        LEFT + 6.0 + share as f32 * (WIDTH as f32 - LEFT - RIGHT - 12.0)
    }

    fn y(&self, value: f64) -> f32 {
        let share = (value - self.low) / (self.high - self.low);
        HEIGHT as f32 - BOTTOM - share as f32 * (HEIGHT as f32 - TOP - BOTTOM)
    }
}

/// The one stretch without windows that is longer than twice everything else.
fn cut_of(points: &[ChartPoint]) -> Option<(i64, i64)> {
    let span_ms = points.last()?.end_ms - points.first()?.end_ms;
    let pairs = points.windows(2).map(|two| (two[0].end_ms, two[1].end_ms));
    let longest = pairs.max_by_key(|(from_ms, to_ms)| to_ms - from_ms)?;
    let gap_ms = longest.1 - longest.0;
    (points.len() > 4 && gap_ms > 2 * (span_ms - gap_ms)).then_some(longest)
}

/// 1, 2 or 5 times a power of ten, at least `raw`.
fn nice_step(raw: f64) -> f64 {
    let power = 10_f64.powf(raw.log10().floor());
    let nice = [1.0, 2.0, 5.0]
        .into_iter()
        .find(|n| n * power >= raw * 0.999)
        .unwrap_or(10.0);
    nice * power
}

/// A time below the chart.
struct TimeLabel {
    x: f32,
    width: f32,
    text: String,
    is_day: bool,
}

/// Puts a label behind the others where there is room; one that says the day takes the place of the one before it.
fn put(labels: &mut Vec<TimeLabel>, label: TimeLabel) {
    let meets = |last: &TimeLabel| last.x + last.width + LABELS_APART > label.x;
    if labels.last().is_some_and(meets) {
        if !label.is_day {
            return;
        }
        labels.pop();
    }
    labels.push(label);
}

struct Picture(Pixmap);

impl Picture {
    /// A breath of the limit's colour over what is not reasonable.
    fn shade(&mut self, frame: &Frame, alert: &Alert) {
        let (top, bottom) = (frame.y(frame.high), frame.y(frame.low));
        let above = alert.limit_max.map(|max| (top, frame.y(max)));
        let below = alert.limit_min.map(|min| (frame.y(min), bottom));
        for (from, to) in [above, below].into_iter().flatten() {
            let area = Rect::from_ltrb(LEFT, from, WIDTH as f32 - RIGHT, to);
            if let Some(area) = area {
                self.0.fill_rect(area, &paint(LIMIT, 0x12), scaled(), None);
            }
        }
    }

    fn axes(&mut self, frame: &Frame, clock: &Clock) {
        // Counted, not added up: next to a large value a small step would never arrive.
        let levels = ((frame.high - frame.low) / frame.step)
            .round()
            .clamp(0.0, 12.0) as u32;
        for index in 0..=levels {
            let level = frame.low + f64::from(index) * frame.step;
            let y = frame.y(level);
            self.level(y, GRID, 1.0, &[]);
            let text = number(level);
            let x = LEFT - 8.0 - digits::width(&text, FIGURE_HEIGHT);
            self.figures(&text, x, y - FIGURE_HEIGHT / 2.0);
        }
        let step_ms = tick_step_ms(frame.shown_ms());
        // Of two stretches each says its day, at its first mark.
        let mut wants_day = frame.cut.is_some();
        for at_ms in frame.cut.into_iter().flat_map(|cut| [cut.0, cut.1]) {
            let x = frame.x(at_ms);
            self.upright(x, TOP, HEIGHT as f32 - BOTTOM, GRID, 1.0);
        }
        let mut labels: Vec<TimeLabel> = Vec::new();
        let offset_ms = clock.offset_ms(frame.from_ms);
        let mut at_ms = (frame.from_ms + offset_ms).div_euclid(step_ms) * step_ms - offset_ms;
        while at_ms <= frame.to_ms {
            let ahead = frame
                .cut
                .filter(|cut| cut.0 < at_ms && at_ms + step_ms < cut.1);
            if let Some((_, to_ms)) = ahead {
                at_ms += (to_ms - at_ms) / step_ms * step_ms;
                continue;
            }
            if frame
                .cut
                .is_some_and(|cut| at_ms - step_ms < cut.1 && at_ms >= cut.1)
            {
                wants_day = true;
            }
            if frame.holds(at_ms) {
                let days = step_ms >= 86_400_000 || std::mem::take(&mut wants_day);
                let text = if days {
                    clock.day(at_ms)
                } else {
                    clock.hour(at_ms)
                };
                let width = digits::width(&text, FIGURE_HEIGHT);
                let (x, y) = (frame.x(at_ms), HEIGHT as f32 - BOTTOM);
                self.upright(x, y, y + 5.0, GRID, 1.0);
                let x = (x - width / 2.0).min(WIDTH as f32 - width - 2.0);
                let is_day = days;
                put(
                    &mut labels,
                    TimeLabel {
                        x,
                        width,
                        text,
                        is_day,
                    },
                );
            }
            at_ms += step_ms;
        }
        for label in labels {
            self.figures(&label.text, label.x, HEIGHT as f32 - BOTTOM + 14.0);
        }
    }

    /// A bar on the axis: the windows that were compared.
    fn period(&mut self, frame: &Frame, period: &Period) {
        let shown = |at_ms: i64| frame.place(at_ms.clamp(frame.from_ms, frame.to_ms));
        let bottom = HEIGHT as f32 - BOTTOM;
        let ends = shown(period.from_ms).zip(shown(period.to_ms));
        let bar = ends.and_then(|(from, to)| Rect::from_ltrb(from, bottom - 4.0, to, bottom));
        if let Some(bar) = bar {
            let paint = paint(period.colour, 0xff);
            self.0.fill_rect(bar, &paint, scaled(), None);
        }
    }

    fn line(&mut self, points: &[ChartPoint], frame: &Frame) {
        let mut path = PathBuilder::new();
        let mut drawing = false;
        for point in points {
            // A window without a value leaves a gap: no data is not a straight line.
            let Some(value) = point.value.filter(|value| value.is_finite()) else {
                drawing = false;
                continue;
            };
            let (x, y) = (frame.x(point.end_ms), frame.y(value));
            if drawing {
                path.line_to(x, y);
            } else {
                path.move_to(x, y);
                // A lone window between gaps would have no length and not be seen.
                path.line_to(x + 0.01, y);
            }
            drawing = true;
        }
        self.stroke(path.finish(), LINE, 2.0, &[]);
    }

    fn outliers(&mut self, points: &[ChartPoint], frame: &Frame, alert: &Alert) {
        let radius = if points.len() > 120 { 1.5 } else { 3.0 };
        for point in points {
            let Some(value) = point.value.filter(|value| is_outside(*value, alert)) else {
                continue;
            };
            let circle = PathBuilder::from_circle(frame.x(point.end_ms), frame.y(value), radius);
            if let Some(circle) = circle {
                let paint = paint(LIMIT, 0xff);
                self.0.fill_path(
                    &circle,
                    &paint,
                    tiny_skia::FillRule::Winding,
                    scaled(),
                    None,
                );
            }
        }
    }

    /// An upright line with a flag on top.
    fn moment(&mut self, x: f32, colour: [u8; 3]) {
        self.upright(x, TOP - 6.0, HEIGHT as f32 - BOTTOM, colour, 1.5);
        let mut flag = PathBuilder::new();
        flag.move_to(x, TOP - 10.0);
        flag.line_to(x + 9.0, TOP - 5.5);
        flag.line_to(x, TOP - 1.0);
        flag.close();
        if let Some(flag) = flag.finish() {
            let paint = paint(colour, 0xff);
            self.0
                .fill_path(&flag, &paint, tiny_skia::FillRule::Winding, scaled(), None);
        }
    }

    fn level(&mut self, y: f32, colour: [u8; 3], width: f32, dash: &[f32]) {
        let mut path = PathBuilder::new();
        path.move_to(LEFT, y);
        path.line_to(WIDTH as f32 - RIGHT, y);
        self.stroke(path.finish(), colour, width, dash);
    }

    fn upright(&mut self, x: f32, from: f32, to: f32, colour: [u8; 3], width: f32) {
        let mut path = PathBuilder::new();
        path.move_to(x, from);
        path.line_to(x, to);
        self.stroke(path.finish(), colour, width, &[]);
    }

    fn figures(&mut self, text: &str, x: f32, y: f32) {
        self.stroke(
            digits::outline(text, x, y, FIGURE_HEIGHT),
            FIGURES,
            1.1,
            &[],
        );
    }

    fn stroke(&mut self, path: Option<Path>, colour: [u8; 3], width: f32, dash: &[f32]) {
        let Some(path) = path else { return };
        let dash = StrokeDash::new(dash.to_vec(), 0.0);
        let stroke = Stroke {
            width,
            line_cap: if dash.is_some() {
                LineCap::Butt
            } else {
                LineCap::Round
            },
            line_join: LineJoin::Round,
            dash,
            ..Stroke::default()
        };
        self.0
            .stroke_path(&path, &paint(colour, 0xff), &stroke, scaled(), None);
    }
}

fn scaled() -> Transform {
    Transform::from_scale(SCALE, SCALE)
}

fn paint([red, green, blue]: [u8; 3], alpha: u8) -> Paint<'static> {
    let mut paint = Paint::default();
    paint.set_color_rgba8(red, green, blue, alpha);
    paint
}

/// Distance between the times below the chart: at most six of them.
fn tick_step_ms(span_ms: i64) -> i64 {
    const MINUTES: [i64; 11] = [1, 2, 5, 10, 15, 30, 60, 120, 240, 480, 1440];
    let fits = |minutes: &&i64| span_ms / (**minutes * 60_000) <= 5;
    let minutes = MINUTES.iter().find(fits).copied();
    // Longer than some days: as many days as it takes.
    minutes.unwrap_or_else(|| (span_ms / 5 / 86_400_000 + 1) * 1440) * 60_000
}

#[cfg(test)]
mod tests;
