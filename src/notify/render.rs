//! A notice as texts and a picture; several as a table with a section each; many of them as a table. No headers, no MIME, no sending.

mod acts;
mod asked;
mod chart;
mod correction;
mod demand;
mod digest;
mod digits;
mod group;
mod head;
mod lists;
mod marks;
mod number;
mod report;
mod story;
mod view;
mod words;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{Environment, Value, context};
use thiserror::Error;

use crate::alerting::Notice;
use crate::links::Links;
use crate::reports::{Reader, Report};
use digest::DigestView;
use group::GroupView;
use report::ReportView;
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
        templates.add_template("base.html", include_str!("templates/base.html"))?;
        templates.add_template("pieces.txt", include_str!("templates/pieces.txt"))?;
        templates.add_template("pieces.html", include_str!("templates/pieces.html"))?;
        templates.add_template("mail.txt", include_str!("templates/mail.txt"))?;
        templates.add_template("mail.html", include_str!("templates/mail.html"))?;
        templates.add_template("digest.txt", include_str!("templates/digest.txt"))?;
        templates.add_template("digest.html", include_str!("templates/digest.html"))?;
        templates.add_template("group.txt", include_str!("templates/group.txt"))?;
        templates.add_template("group.html", include_str!("templates/group.html"))?;
        templates.add_template("report.txt", include_str!("templates/report.txt"))?;
        templates.add_template("report.html", include_str!("templates/report.html"))?;
        Ok(Renderer { templates })
    }

    /// Renders a notice whose chart will be the MIME part `content_id`; with links it offers what its reader
    /// may do.
    pub(super) fn render(
        &self,
        notice: &Notice,
        content_id: &str,
        links: Option<&Links>,
    ) -> Result<Rendered, RenderError> {
        let (view, chart) = viewed(notice, links);
        let view = context! { cid => content_id, ..Value::from(Serde(&view)) };
        Ok(Rendered {
            subject: view::subject(notice),
            text: self.templates.get_template("mail.txt")?.render(&view)?,
            html: self.templates.get_template("mail.html")?.render(&view)?,
            chart,
        })
    }

    /// Renders notices about triggers of one recipient, the most urgent first, each with a section and its links; the
    /// chart of the first that has one will be the MIME part `content_id`. None of no notice.
    pub(super) fn demands(
        &self,
        notices: &[Notice],
        content_id: &str,
        links: Option<&Links>,
    ) -> Result<Option<Rendered>, RenderError> {
        let Some((view, chart)) = GroupView::of(notices, links) else {
            return Ok(None);
        };
        let values = context! { cid => content_id, ..Value::from(Serde(&view)) };
        Ok(Some(Rendered {
            text: self.templates.get_template("group.txt")?.render(&values)?,
            html: self.templates.get_template("group.html")?.render(&values)?,
            subject: view.head.subject,
            chart,
        }))
    }

    /// Renders a report for one reader. Its chart is part of the page: bars with words beside them, which
    /// a picture without fonts cannot have.
    pub(super) fn report(&self, report: &Report, reader: &Reader) -> Result<Rendered, RenderError> {
        let view = ReportView::of(report, reader);
        let values = Value::from(Serde(&view));
        Ok(Rendered {
            text: self.templates.get_template("report.txt")?.render(&values)?,
            html: self
                .templates
                .get_template("report.html")?
                .render(&values)?,
            subject: view.subject,
            chart: None,
        })
    }

    /// Renders notices of one recipient, the most urgent first, as one table; `total` of them are told.
    /// None of no notice.
    pub(super) fn digest(
        &self,
        notices: &[Notice],
        total: u64,
        links: Option<&Links>,
    ) -> Result<Option<Rendered>, RenderError> {
        let Some(view) = DigestView::of(notices, total, links) else {
            return Ok(None);
        };
        let values = Value::from(Serde(&view));
        Ok(Some(Rendered {
            text: self.templates.get_template("digest.txt")?.render(&values)?,
            html: self
                .templates
                .get_template("digest.html")?
                .render(&values)?,
            subject: view.head.subject,
            chart: None,
        }))
    }
}

/// What a mail says of a notice, with what its reader may do, and its chart.
fn viewed(notice: &Notice, links: Option<&Links>) -> (View, Option<Vec<u8>>) {
    let clock = number::Clock::of(&notice.time_zone);
    let marks = marks::Marks::of(notice);
    let chart = chart::draw(&notice.chart, &notice.alert, &marks, &clock);
    let mut view = View::of(notice);
    if chart.is_none() {
        view.chart = None;
    }
    view.acts = links.and_then(|links| acts::offered(notice, links));
    view.page = links.and_then(|links| acts::page(notice, links));
    (view, chart)
}
