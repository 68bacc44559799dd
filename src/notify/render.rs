//! A notice as texts and a picture. No headers, no MIME, no sending.

mod chart;
mod correction;
mod demand;
mod digits;
mod lists;
mod number;
mod story;
mod view;
mod words;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{Environment, Value, context};
use thiserror::Error;

use crate::alerting::Notice;
use view::View;

/// A notice in the recipient's language.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rendered {
    /// Subject line, the same for a whole incident.
    pub(super) subject: String,
    /// For plain terminals.
    pub(super) text: String,
    /// For everybody else; the chart is `cid:` + the content id given.
    pub(super) html: String,
    /// The chart as PNG; `None` where there is nothing to draw.
    pub(super) chart: Option<Vec<u8>>,
}

/// A template and a view do not fit: a mistake in this program.
#[derive(Debug, Error)]
#[error("cannot render a notice")]
pub struct RenderError(#[from] minijinja::Error);

/// The templates, parsed once.
#[derive(Debug)]
pub(super) struct Renderer {
    templates: Environment<'static>,
}

impl Renderer {
    /// Parses the templates that the program carries.
    pub(super) fn new() -> Result<Renderer, RenderError> {
        let mut templates = Environment::new();
        // A name that a template misspells is a mistake, not an empty line in somebody's mail.
        templates.set_undefined_behavior(minijinja::UndefinedBehavior::Strict);
        let syntax = SyntaxConfig::builder()
            .trim_blocks(true)
            .lstrip_blocks(true)
            .keep_trailing_newline(true)
            .build()?;
        templates.set_syntax(syntax);
        // The names' endings decide about escaping: `.html` is, `.txt` is not.
        templates.add_template("mail.txt", include_str!("templates/mail.txt"))?;
        templates.add_template("mail.html", include_str!("templates/mail.html"))?;
        Ok(Renderer { templates })
    }

    /// Renders a notice whose chart will be the MIME part `content_id`.
    pub(super) fn render(
        &self,
        notice: &Notice,
        content_id: &str,
    ) -> Result<Rendered, RenderError> {
        let clock = number::Clock::of(&notice.time_zone);
        let chart = chart::draw(
            &notice.chart,
            &notice.alert,
            correction::moments(notice),
            &clock,
        );
        let mut view = View::of(notice);
        if chart.is_none() {
            view.chart = None;
        }
        let view = context! { cid => content_id, ..Value::from(Serde(&view)) };
        Ok(Rendered {
            subject: view::subject(notice),
            text: self.templates.get_template("mail.txt")?.render(&view)?,
            html: self.templates.get_template("mail.html")?.render(&view)?,
            chart,
        })
    }
}
