//! What came of a reload.

use serde::Serialize;
use utoipa::ToSchema;

use crate::api::ReloadReport;

/// The rule book that is in force now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ReloadView {
    /// Name of the book.
    pub name: String,
    /// Its version.
    pub version: String,
    /// KQIs in it.
    pub kqis: usize,
    /// Alert rules in it.
    pub alerts: usize,
    /// `file:line:column: warning: …`
    pub warnings: Vec<String>,
}

impl From<&ReloadReport> for ReloadView {
    fn from(report: &ReloadReport) -> ReloadView {
        ReloadView {
            name: report.name.clone(),
            version: report.version.clone(),
            kqis: report.kqis,
            alerts: report.alerts,
            warnings: report.warnings.iter().map(ToString::to_string).collect(),
        }
    }
}
