//! Rows of the history on the wire.

use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

/// A page of the history.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct HistoryView {
    /// The table.
    pub table: String,
    /// What a row of it is.
    pub about: String,
    /// Rows, newest first; one value a column.
    #[schema(value_type = Vec<Object>)]
    pub rows: Vec<Map<String, Value>>,
    /// Whether there are more behind them.
    pub has_more: bool,
}
