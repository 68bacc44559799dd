//! Windows on the wire: the fields of a row of `windows.csv`, and `sealed`.

use serde::Serialize;
use utoipa::ToSchema;

use crate::api::views::RuleBookView;
use crate::api::views::annotation::AnnotationView;
use crate::api::views::kqi::ProvenanceView;
use crate::dataflow::{Cell, Standing, WindowUpdate};
use crate::engine::Snapshot;
use crate::rules::Kqi;

/// Windows of one KQI.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct WindowsView {
    /// KQI.
    pub kqi: String,
    /// Unit of the values.
    pub unit: String,
    /// The rule book that judged them.
    pub rules: RuleBookView,
    /// Where the KQI's anchors, limit, window and the like come from.
    pub provenance: Vec<ProvenanceView>,
    /// Start of the time asked for, ms.
    pub from_ms: i64,
    /// End of the time asked for, ms.
    pub to_ms: i64,
    /// There are more rows: ask again from `next_from_ms`.
    pub truncated: bool,
    /// Where the next question begins, when this answer is truncated.
    pub next_from_ms: Option<i64>,
    /// Rows, oldest first.
    pub windows: Vec<WindowView>,
}

/// One window of one object.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct WindowView {
    /// KQI.
    pub kqi: String,
    /// `dim=value;dim=value` in the KQI's own order.
    pub group: String,
    /// Start, inclusive, ms.
    pub window_start_ms: i64,
    /// End, exclusive, ms.
    pub window_end_ms: i64,
    /// Facts that the value is based on.
    pub count: i64,
    /// Value in the KQI's unit.
    pub value: Option<f64>,
    /// What the same hours of earlier weeks let expect, for surges.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected: Option<f64>,
    /// Score, 5 best to 1 worst.
    pub score: Option<f64>,
    /// Verdict.
    pub verdict: String,
    /// Whether the watermark has passed its end.
    pub sealed: bool,
    /// What was going on there meanwhile: planned work, a storm.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub annotations: Vec<AnnotationView>,
}

impl WindowView {
    /// One cell of a window, with what explains it.
    pub fn of(kqi: &Kqi, window: &WindowUpdate, cell: &Cell, snapshot: &Snapshot) -> WindowView {
        let window_ms = (window.start_ms, window.end_ms);
        let (known, places) = (&snapshot.annotations, &snapshot.plan.book.places);
        let annotations = known.about(kqi, &window.group.values, window_ms, places);
        WindowView {
            kqi: kqi.id.clone(),
            group: window.group.label.clone(),
            window_start_ms: window.start_ms,
            window_end_ms: window.end_ms,
            count: cell.samples,
            value: cell.value,
            expected: cell.expected,
            score: cell.score,
            verdict: cell.verdict.name().to_owned(),
            sealed: window.standing != Standing::Provisional,
            annotations: AnnotationView::all(&annotations, &snapshot.plan.zone),
        }
    }
}
