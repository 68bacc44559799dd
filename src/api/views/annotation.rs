//! Annotations on the wire: what explains a number beside it.

use std::sync::Arc;

use jiff::tz::TimeZone;
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::iso;
use crate::event::Annotation;

/// Something that was going on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct AnnotationView {
    /// Its kind, for example `cut_over`.
    pub kind: String,
    /// What people should read.
    pub text: String,
    /// Begin, inclusive, ms.
    pub start_ms: i64,
    /// Begin.
    pub start: String,
    /// End, exclusive, ms.
    pub end_ms: i64,
    /// End.
    pub end: String,
}

impl AnnotationView {
    /// Each, with times in the operator's zone.
    pub fn all(annotations: &[Arc<Annotation>], zone: &TimeZone) -> Vec<AnnotationView> {
        let view = |of: &Arc<Annotation>| AnnotationView {
            kind: of.kind.to_string(),
            text: of.text.to_string(),
            start_ms: of.start_ms,
            start: iso(of.start_ms, zone),
            end_ms: of.end_ms,
            end: iso(of.end_ms, zone),
        };
        annotations.iter().map(view).collect()
    }
}
