//! The newest windows of every KQI, asked of the workers at most once a second and shared by the
//! catalogue, the console and the metrics.
//!
//! Here an object's verdict becomes a verdict *now*: a stream that is silent, or a group without a
//! window at the watermark, is told as such, whatever its last window said.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rustc_hash::{FxHashMap, FxHashSet};
use tokio::sync::Mutex;

use crate::alerting::AlertState;
use crate::api::error::ApiError;
use crate::dataflow::{Cell, Group, Queries, Standing, Watermarks, WindowUpdate};
use crate::engine::Snapshot;
use crate::rules::{Kqi, Plan, Verdict};
use crate::scores::Measured;

/// Judgement: workers that take longer than this for all KQIs are not asked for the rest.
const PATIENCE: Duration = Duration::from_secs(10);

/// One window of one object.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct WindowNow {
    /// Start, ms.
    pub start_ms: i64,
    /// End, ms.
    pub end_ms: i64,
    /// Facts that the value is based on.
    pub samples: i64,
    /// Good facts.
    pub good: i64,
    /// Value in the KQI's unit.
    pub value: Option<f64>,
    /// Score.
    pub score: Option<f64>,
    /// Verdict of the window.
    pub verdict: Verdict,
}

impl WindowNow {
    /// One cell of a window.
    pub(super) fn of(window: &WindowUpdate, cell: &Cell) -> WindowNow {
        WindowNow {
            start_ms: window.start_ms,
            end_ms: window.end_ms,
            samples: cell.samples,
            good: window.good,
            value: cell.value,
            score: cell.score,
            verdict: cell.verdict,
        }
    }
}

/// One object: a KQI in one group.
#[derive(Clone, Debug, PartialEq)]
pub struct GroupNow {
    /// Group.
    pub group: Arc<Group>,
    /// The newest sealed window that holds something.
    pub sealed: Option<WindowNow>,
    /// The window that is filling.
    pub filling: Option<WindowNow>,
    /// Verdict now.
    pub verdict: Verdict,
}

/// One KQI.
#[derive(Clone, Debug, PartialEq)]
pub struct KqiNow {
    /// Index into the book's KQIs.
    pub index: usize,
    /// Its stream has spoken and is silent.
    pub silent: bool,
    /// Objects, by label.
    pub groups: Vec<GroupNow>,
}

/// All KQIs.
#[derive(Clone, Debug)]
pub struct Current {
    /// Plan that the indices belong to.
    pub plan: Arc<Plan>,
    /// One entry a KQI, in catalogue order.
    pub kqis: Vec<KqiNow>,
    /// Objects beyond the bound.
    pub left_out: u64,
    /// The same, summed over all times that the workers were asked.
    pub left_out_total: u64,
}

impl Current {
    /// Every object, as scores are made of it.
    pub fn measured(&self) -> Vec<Measured<'_>> {
        let kqis = &self.plan.book.kqis;
        let objects = self.kqis.iter().filter_map(|now| {
            let kqi = kqis.get(now.index)?;
            Some(now.groups.iter().map(move |group| (kqi, group)))
        });
        objects
            .flatten()
            .map(|(kqi, of)| of.measured(kqi))
            .collect()
    }
}

impl GroupNow {
    /// The object, as scores are made of it.
    pub(super) fn measured<'a>(&'a self, kqi: &'a Kqi) -> Measured<'a> {
        let service = kqi.service.as_deref();
        let service = service.or_else(|| self.group.get("service"));
        Measured {
            kqi,
            service: service.unwrap_or_default(),
            dimensions: &self.group.values,
            verdict: self.verdict,
            score: self.sealed.as_ref().and_then(|sealed| sealed.score),
        }
    }
}

/// The shared, short-lived copy.
pub(crate) struct CurrentCache {
    queries: Queries,
    max_age: Duration,
    objects_max: usize,
    /// Locked while the workers are asked, so that many readers ask once.
    cached: Mutex<Option<(Instant, Arc<Current>)>>,
}

impl CurrentCache {
    pub(super) fn new(queries: Queries, max_age: Duration, objects_max: usize) -> CurrentCache {
        CurrentCache {
            queries,
            max_age,
            objects_max,
            cached: Mutex::new(None),
        }
    }

    /// The windows, at most `max_age` old.
    pub(crate) async fn get(&self, snapshot: &Arc<Snapshot>) -> Result<Arc<Current>, ApiError> {
        let mut cached = self.cached.lock().await;
        if let Some((at, current)) = &*cached
            && at.elapsed() < self.max_age
            && current.plan.version == snapshot.plan.version
        {
            return Ok(Arc::clone(current));
        }
        let (queries, snapshot) = (self.queries.clone(), Arc::clone(snapshot));
        let objects_max = self.objects_max;
        let asked = tokio::task::spawn_blocking(move || ask(&queries, &snapshot, objects_max));
        let mut current = asked
            .await
            .ok()
            .flatten()
            .ok_or_else(ApiError::workers_late)?;
        let before = cached.as_ref().map_or(0, |(_, last)| last.left_out_total);
        current.left_out_total = before + current.left_out;
        let current = Arc::new(current);
        *cached = Some((Instant::now(), Arc::clone(&current)));
        Ok(current)
    }
}

/// What fires, by KQI and object.
pub(super) fn firing(snapshot: &Snapshot) -> FxHashSet<(&str, &str)> {
    let alerts = snapshot.alerts.iter();
    alerts
        .filter(|alert| alert.state == AlertState::Firing)
        .filter_map(|alert| Some((alert.kqi.as_deref()?, alert.group_label.as_str())))
        .collect()
}

fn ask(queries: &Queries, snapshot: &Snapshot, objects_max: usize) -> Option<Current> {
    let began = Instant::now();
    let plan = &snapshot.plan;
    let mut left = objects_max;
    let mut left_out = 0;
    let firing = firing(snapshot);
    let kqis = plan
        .book
        .kqis
        .iter()
        .enumerate()
        .map(|(index, kqi)| {
            let mut groups = if began.elapsed() < PATIENCE {
                groups_of(queries, snapshot, index, kqi, &firing)?
            } else {
                Vec::new()
            };
            left_out += groups.len().saturating_sub(left) as u64;
            groups.truncate(left);
            left -= groups.len();
            Some(KqiNow {
                index,
                silent: snapshot.watermarks.is_silent(kqi.stream),
                groups,
            })
        })
        .collect::<Option<_>>()?;
    Some(Current {
        plan: Arc::clone(plan),
        kqis,
        left_out,
        left_out_total: left_out,
    })
}

/// Every object of a KQI as it stands now; none where a worker does not answer in time.
pub(super) fn groups_of(
    queries: &Queries,
    snapshot: &Snapshot,
    index: usize,
    kqi: &Kqi,
    firing: &FxHashSet<(&str, &str)>,
) -> Option<Vec<GroupNow>> {
    let (version, windows) = queries.newest(index)?;
    if version != snapshot.plan.version {
        // Between two rule books the index would name another KQI.
        return Some(Vec::new());
    }
    let mut by_label: FxHashMap<Arc<Group>, (Option<WindowNow>, Option<WindowNow>)> =
        FxHashMap::default();
    for window in &windows {
        let Some(cell) = window.cells.iter().find(|cell| cell.kqi == index) else {
            continue;
        };
        let now = WindowNow::of(window, cell);
        let (sealed, filling) = by_label.entry(Arc::clone(&window.group)).or_default();
        let place = match window.standing {
            Standing::Provisional => filling,
            Standing::Sealed | Standing::Corrected | Standing::Removed => sealed,
        };
        // Windows come by their end, so the last one is the newest.
        *place = Some(now);
    }
    let mut groups: Vec<GroupNow> = by_label
        .into_iter()
        .map(|(group, (sealed, filling))| {
            let fires = firing.contains(&(kqi.id.as_str(), &*group.label));
            GroupNow {
                verdict: verdict_now(kqi, &snapshot.watermarks, sealed.as_ref(), fires),
                group,
                sealed,
                filling,
            }
        })
        .collect();
    groups.sort_by(|a, b| a.group.label.cmp(&b.group.label));
    Some(groups)
}

/// What can be said of an object at the watermark. What was abnormal when it was last seen stays so while its alert fires:
/// an edition that went wrong in the morning is no less so at noon, when nothing is sent.
fn verdict_now(
    kqi: &Kqi,
    watermarks: &Watermarks,
    sealed: Option<&WindowNow>,
    fires: bool,
) -> Verdict {
    if watermarks.is_silent(kqi.stream) {
        return Verdict::SourceSilent;
    }
    match (sealed, newest_end(kqi, watermarks.of(kqi.stream))) {
        (Some(sealed), Some(end_ms)) if sealed.end_ms >= end_ms => sealed.verdict,
        (Some(sealed), None) => sealed.verdict,
        (Some(sealed), _) if fires && matches!(sealed.verdict, Verdict::Abnormal(_)) => {
            sealed.verdict
        }
        _ => Verdict::NoTraffic,
    }
}

/// End of the newest window that the watermark has passed.
pub(super) fn newest_end(kqi: &Kqi, watermark_ms: i64) -> Option<i64> {
    if watermark_ms == i64::MIN || watermark_ms == i64::MAX {
        return None;
    }
    let spec = kqi.window;
    Some(watermark_ms - (watermark_ms - spec.offset_ms).rem_euclid(spec.hop_ms))
}
