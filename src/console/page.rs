//! Fills the templates. Every value is escaped: the templates' names end in `.html`.

use std::sync::LazyLock;

use minijinja::Environment;
use minijinja::value::Serde;
use serde::Serialize;

use crate::console::rows::PageView;
use crate::console::trigger_page::TriggerPage;

/// Names of the templates; their ending turns escaping on.
const STATUS: &str = "status.html";
const TRIGGER: &str = "trigger.html";

static TEMPLATES: LazyLock<Result<Environment<'static>, minijinja::Error>> = LazyLock::new(|| {
    let mut templates = Environment::new();
    templates.add_template("style.css", include_str!("style.css"))?;
    templates.add_template("chip.html", include_str!("chip.html"))?;
    templates.add_template(STATUS, include_str!("status.html"))?;
    templates.add_template(TRIGGER, include_str!("trigger.html"))?;
    Ok(templates)
});

/// The status page as HTML.
pub(super) fn status(view: &PageView) -> Result<String, String> {
    render(STATUS, view)
}

/// A trigger's page as HTML.
pub(super) fn trigger(view: &TriggerPage) -> Result<String, String> {
    render(TRIGGER, view)
}

fn render(name: &str, view: &impl Serialize) -> Result<String, String> {
    let templates = TEMPLATES.as_ref().map_err(ToString::to_string)?;
    templates
        .get_template(name)
        .and_then(|template| template.render(Serde(view)))
        .map_err(|error| format!("{error:#}"))
}
