//! Fills the template. Every value is escaped: the template's name ends in `.html`.

use std::sync::LazyLock;

use minijinja::Environment;
use minijinja::value::Serde;

use crate::console::rows::PageView;

/// Name of the template; its ending turns escaping on.
const NAME: &str = "status.html";

static TEMPLATES: LazyLock<Result<Environment<'static>, minijinja::Error>> = LazyLock::new(|| {
    let mut templates = Environment::new();
    templates.add_template(NAME, include_str!("status.html"))?;
    Ok(templates)
});

/// The page as HTML.
pub(super) fn render(view: &PageView) -> Result<String, String> {
    let templates = TEMPLATES.as_ref().map_err(ToString::to_string)?;
    templates
        .get_template(NAME)
        .and_then(|template| template.render(Serde(view)))
        .map_err(|error| format!("{error:#}"))
}
