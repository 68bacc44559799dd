//! Windows of one KQI over a stretch of event time.
//!
//! The workers are asked in slices, so that an answer costs memory for about as many rows as it may
//! have, however long the stretch and however many the groups.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Extension, State};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::api::access::Caller;
use crate::api::clock::time;
use crate::api::error::ApiError;
use crate::api::extract::{ApiPath, ApiQuery};
use crate::api::router::Server;
use crate::api::unit_text;
use crate::api::views::{ErrorBody, ProvenanceView, RuleBookView, WindowView, WindowsView};
use crate::dataflow::{Queries, Watermarks};
use crate::engine::Snapshot;
use crate::event::Stream;
use crate::metrics::EdgeLimit;
use crate::rules::Kqi;

/// Stretch that is shown when nothing else is asked for, ms.
const STRETCH_DEFAULT_MS: i64 = 3 * 3_600_000;
/// Questions to the workers for one answer; after that it is truncated.
const SLICES_MAX: usize = 64;

/// Which windows to list.
#[derive(Debug, Deserialize, IntoParams)]
pub(in crate::api) struct WindowsQuery {
    /// Start, milliseconds or RFC 3339; three hours before `to` when left out.
    from: Option<String>,
    /// End, exclusive; just after the newest event when left out.
    to: Option<String>,
    /// Label of one group, `dim=value;dim=value`.
    group: Option<String>,
}

/// Windows that overlap a stretch of event time, oldest first, provisional ones included.
#[utoipa::path(
    get,
    path = "/v1/kqis/{id}/windows",
    tag = "kqis",
    params(("id" = String, Path, description = "the KQI"), WindowsQuery),
    responses(
        (status = 200, description = "rows as in `windows.csv`", body = WindowsView),
        (status = 400, description = "a time cannot be read", body = ErrorBody),
        (status = 404, description = "the rule book has no such KQI", body = ErrorBody),
        (status = 503, description = "the rules changed meanwhile, or the engine starts (`starting`)", body = ErrorBody),
    )
)]
pub(in crate::api) async fn list(
    State(server): State<Arc<Server>>,
    Extension(caller): Extension<Caller>,
    ApiPath(id): ApiPath<String>,
    ApiQuery(query): ApiQuery<WindowsQuery>,
) -> Result<Json<WindowsView>, ApiError> {
    let snapshot = server.snapshot();
    let plan = Arc::clone(&snapshot.plan);
    let index = plan
        .book
        .kqis
        .iter()
        .position(|kqi| kqi.id == id)
        .ok_or_else(|| ApiError::not_found(format!("there is no KQI {id:?} in the rule book")))?;
    let kqi = plan.book.kqis[index].clone();
    let marks = &snapshot.watermarks;
    let newest_ms = newest_event(marks, kqi.stream);
    let to_ms = time("to", query.to.as_deref())?.unwrap_or(newest_ms.saturating_add(1));
    let from_ms = time("from", query.from.as_deref())?.unwrap_or(to_ms - STRETCH_DEFAULT_MS);
    if from_ms >= to_ms {
        return Err(ApiError::bad_request(
            "bad_query",
            format!("from {from_ms} is not before to {to_ms}"),
        ));
    }
    server.caught_up()?;
    let groups = match &query.group {
        Some(_) => 1,
        None => {
            let current = server.current(&snapshot).await?;
            let known = current.kqis.get(index);
            known.map_or(1, |known| known.groups.len().max(1))
        }
    };
    let rule = plan.book.streams.get(&kqi.stream);
    let horizon_ms = rule.map_or(i64::MIN, |rule| {
        marks.horizon(kqi.stream, rule.retention_ms + kqi.window.size_ms)
    });
    let question = Question {
        queries: server.state.queries.clone(),
        snapshot: snapshot.clone(),
        index,
        version: plan.version,
        group: query.group,
        // Nothing is kept beyond these ends, so nothing is asked there.
        from_ms: from_ms.max(horizon_ms),
        to_ms: to_ms.min(newest_ms.saturating_add(kqi.window.size_ms)),
        groups: groups as i64,
        rows_max: server.state.config.window_rows_max,
        kqi,
        caller,
    };
    let unit = unit_text(&question.kqi.unit).to_owned();
    let found = tokio::task::spawn_blocking(move || question.ask())
        .await
        .map_err(|_| ApiError::internal("the workers could not be asked about windows"))??;
    if found.next_from_ms.is_some() {
        server.state.metrics.went_over(EdgeLimit::WindowRows);
    }
    Ok(Json(WindowsView {
        kqi: id,
        unit,
        rules: RuleBookView::of(&plan.book),
        provenance: plan.book.kqis[index]
            .provenance
            .iter()
            .map(ProvenanceView::from)
            .collect(),
        from_ms,
        to_ms,
        truncated: found.next_from_ms.is_some(),
        next_from_ms: found.next_from_ms,
        windows: found.rows,
    }))
}

struct Question {
    queries: Queries,
    snapshot: Arc<Snapshot>,
    index: usize,
    version: u64,
    kqi: Kqi,
    group: Option<String>,
    from_ms: i64,
    to_ms: i64,
    groups: i64,
    rows_max: usize,
    caller: Caller,
}

struct Found {
    rows: Vec<WindowView>,
    next_from_ms: Option<i64>,
}

impl Question {
    /// Asks slice by slice until the stretch or the row limit ends.
    fn ask(&self) -> Result<Found, ApiError> {
        let hop_ms = self.kqi.window.hop_ms;
        let hops = (self.rows_max as i64 / self.groups).max(1);
        let slice_ms = hop_ms.saturating_mul(hops);
        let mut rows = Vec::new();
        let mut at_ms = self.from_ms;
        for _ in 0..SLICES_MAX {
            if at_ms >= self.to_ms {
                return Ok(Found {
                    rows,
                    next_from_ms: None,
                });
            }
            let end_ms = at_ms.saturating_add(slice_ms).min(self.to_ms);
            let (version, windows) = self
                .queries
                .between(self.index, at_ms, end_ms, self.group.as_deref())
                .ok_or_else(ApiError::workers_late)?;
            if version != self.version && !windows.is_empty() {
                return Err(ApiError::retry_later(
                    axum::http::StatusCode::SERVICE_UNAVAILABLE,
                    "rules_changed",
                    "the rule book changed while the windows were read",
                ));
            }
            for window in &windows {
                if !self.caller.sees_group(&window.group.values) {
                    continue;
                }
                // Windows that reach over from the slice before have been listed with it.
                if window.start_ms < at_ms && at_ms > self.from_ms {
                    continue;
                }
                let cells = window.cells.iter().filter(|cell| cell.kqi == self.index);
                rows.extend(
                    cells.map(|cell| WindowView::of(&self.kqi, window, cell, &self.snapshot)),
                );
            }
            if rows.len() > self.rows_max {
                return Ok(self.cut(rows));
            }
            at_ms = end_ms;
        }
        Ok(Found {
            rows,
            next_from_ms: (at_ms < self.to_ms).then_some(at_ms),
        })
    }

    /// Cuts where a window's rows begin, so that the next question lists all of them. Where one
    /// window alone has more rows than fit, its rest is left to a question about a group.
    fn cut(&self, mut rows: Vec<WindowView>) -> Found {
        let over_ms = rows[self.rows_max].window_start_ms;
        let whole = rows[..self.rows_max].partition_point(|row| row.window_start_ms < over_ms);
        let (kept, next_ms) = if whole > 0 {
            (whole, over_ms)
        } else {
            (
                self.rows_max,
                over_ms.saturating_add(self.kqi.window.hop_ms),
            )
        };
        rows.truncate(kept);
        Found {
            rows,
            next_from_ms: Some(next_ms),
        }
    }
}

/// The newest event time that the stream has told, ms.
fn newest_event(marks: &Watermarks, stream: Stream) -> i64 {
    marks
        .sources()
        .filter(|(id, _)| id.stream == stream)
        .map(|(_, state)| state.ts_ms_max)
        .max()
        .unwrap_or(0)
}
