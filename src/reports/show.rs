//! Values as one reader reads them.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::reports::report::{Report, Value};
use crate::rules::{Language, ReportKind, Text};

/// A language, and the zone of times.
pub struct Reader {
    language: Language,
    zone: TimeZone,
}

impl Reader {
    /// Who reads a report in a language.
    pub fn of(report: &Report, language: Language) -> Reader {
        let zone = TimeZone::get(&report.time_zone).unwrap_or(TimeZone::UTC);
        Reader { language, zone }
    }

    /// The language.
    pub fn language(&self) -> Language {
        self.language
    }

    /// A text in the reader's language.
    pub fn words<'a>(&self, text: &'a Text) -> &'a str {
        match self.language {
            Language::Zh => &text.zh,
            Language::En => &text.en,
        }
    }

    /// A value for the eye: thousands apart, units, times without seconds.
    pub fn text(&self, value: &Value) -> String {
        match value {
            Value::Empty => "–".to_owned(),
            Value::Text(text) => self.words(text).to_owned(),
            Value::Name(name) => name.clone(),
            Value::Number {
                value,
                digits,
                unit,
                signed,
            } => {
                let number = figures(*value, *digits, *signed);
                match unit.as_str() {
                    "" => number,
                    unit => format!("{number} {unit}"),
                }
            }
            Value::Time(at_ms) => self.time(*at_ms),
        }
    }

    /// A value for a spreadsheet: plain numbers, nothing for nothing.
    pub fn cell(&self, value: &Value) -> String {
        match value {
            Value::Empty => String::new(),
            Value::Number { value, digits, .. } => {
                format!("{value:.digits$}", digits = usize::from(*digits))
            }
            other => self.text(other),
        }
    }

    /// `2026-03-02 08:30`.
    pub fn time(&self, at_ms: i64) -> String {
        self.format(at_ms, "%Y-%m-%d %H:%M")
    }

    /// What the report is about: `2026-03-02`, or the first and the last day; of a list of what is open
    /// the moment that it shows.
    pub fn period(&self, report: &Report) -> String {
        if matches!(report.kind, ReportKind::DemandList | ReportKind::Frontline) {
            let at = self.time(report.decided_at_ms);
            return match self.language {
                Language::Zh => format!("截至 {at}"),
                Language::En => format!("as of {at}"),
            };
        }
        let from = self.format(report.period.from_ms, "%Y-%m-%d");
        if report.is_daily {
            return from;
        }
        let last = self.format(report.period.to_ms - 1, "%Y-%m-%d");
        match self.language {
            Language::Zh => format!("{from} 至 {last}"),
            Language::En => format!("{from} to {last}"),
        }
    }

    fn format(&self, at_ms: i64, format: &str) -> String {
        let at = Timestamp::from_millisecond(at_ms).unwrap_or_default();
        at.to_zoned(self.zone.clone()).strftime(format).to_string()
    }
}

/// A number with its thousands apart, and a sign that is as wide as a digit.
fn figures(value: f64, digits: u8, signed: bool) -> String {
    let plain = format!("{:.digits$}", value.abs(), digits = usize::from(digits));
    let (whole, rest) = plain.split_at(plain.find('.').unwrap_or(plain.len()));
    let mut text = match value {
        value if value < 0.0 => "−".to_owned(),
        value if signed && value > 0.0 => "+".to_owned(),
        _ => String::new(),
    };
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_set_apart_and_signed() {
        let all = [(1_234_567.0, 0, false), (-0.5, 2, true), (12.0, 1, true)];
        let all = all.map(|(value, digits, signed)| figures(value, digits, signed));
        assert_eq!(all, ["1,234,567", "−0.50", "+12.0"]);
        assert_eq!(Value::change(-0.0001, 2, ""), Value::change(0.0, 2, ""));
        assert_eq!(Value::number(f64::NAN, 2, ""), Value::Empty);
    }
}
