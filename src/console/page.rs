//! Fills the templates. Every value is escaped: the templates' names end in `.html`.

use std::sync::LazyLock;

use minijinja::value::{Serde, Value};
use minijinja::{Environment, context};

use crate::console::rows::PageView;
use crate::console::trigger_page::TriggerPage;

/// Names of the templates; their ending turns escaping on.
const STATUS: &str = "status.html";
const TRIGGER: &str = "trigger.html";
const NONE: &str = "none.html";

static TEMPLATES: LazyLock<Result<Environment<'static>, minijinja::Error>> = LazyLock::new(|| {
    let mut templates = Environment::new();
    templates.add_template("style.css", include_str!("style.css"))?;
    templates.add_template("chip.html", include_str!("chip.html"))?;
    templates.add_template(STATUS, include_str!("status.html"))?;
    templates.add_template(TRIGGER, include_str!("trigger.html"))?;
    templates.add_template(NONE, include_str!("none.html"))?;
    Ok(templates)
});

/// The status page as HTML.
pub(super) fn status(view: &PageView) -> Result<String, String> {
    render(STATUS, Serde(view))
}

/// A trigger's page as HTML.
pub(super) fn trigger(view: &TriggerPage) -> Result<String, String> {
    render(TRIGGER, Serde(view))
}

/// What people read where a trigger is not, or is none of theirs, as HTML.
pub(super) fn no_trigger(id: &str) -> Result<String, String> {
    render(NONE, context! { id })
}

fn render(name: &str, view: impl Into<Value>) -> Result<String, String> {
    let templates = TEMPLATES.as_ref().map_err(ToString::to_string)?;
    templates
        .get_template(name)
        .and_then(|template| template.render(view.into()))
        .map_err(|error| format!("{error:#}"))
}
