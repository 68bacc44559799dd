//! Channels and cities side by side, by the scores of their KQIs, and what would lift them (domain fact E9).
//!
//! A channel's score is the mean over its KQIs of the mean over their objects, so that a KQI with many
//! objects does not outvote the others; a city's is the same over what is measured in it.

use std::collections::BTreeMap;

use crate::event::CITY;
use crate::reports::bulletin::tone;
use crate::reports::demands::figure;
use crate::reports::facts::{Facts, Judged, dimension, mean, text};
use crate::reports::report::{Bar, Chart, Report, Shown, Table, Value};
use crate::reports::suggestions::{self, Found};
use crate::rules::Text;

const RANKED: &[(&str, &str, &str, Shown)] = &[
    ("rank", "#", "#", Shown::Everywhere),
    ("name", "名称", "Name", Shown::Everywhere),
    ("score", "得分", "Score", Shown::Everywhere),
    ("before", "前期", "Before", Shown::Everywhere),
    ("change", "变化", "Change", Shown::Everywhere),
    ("kqis", "指标", "KQIs", Shown::Everywhere),
    ("objects", "对象", "Objects", Shown::Everywhere),
    ("outside", "异常对象", "Outside limits", Shown::Everywhere),
];

/// Demands that a sentence names; the list of effects has all of them. Judgement: what a reader looks up.
const PROVEN_MAX: usize = 12;

/// Scores of the objects of one KQI.
#[derive(Default)]
struct Scores {
    now: Vec<f64>,
    before: Vec<f64>,
}

/// A channel or a city.
#[derive(Default)]
struct Ranked {
    /// By KQI.
    kqis: BTreeMap<String, Scores>,
    objects: usize,
    outside: usize,
}

pub(super) fn fill(facts: &Facts<'_>, report: &mut Report) {
    let (mut judged, insufficient) = facts.judged();
    let channels = &facts.rule.services;
    judged.retain(|object| {
        let service = object.service();
        channels.is_empty() || service.is_some_and(|id| channels.iter().any(|known| known == id))
    });
    let services = rank(&judged, Judged::service);
    let cities = rank(&judged, |object| dimension(object.dimensions, CITY));
    let found = suggestions::find(facts, &judged);
    report.figures = vec![
        figure("channels", "渠道", "Channels", services.len() as u64),
        figure("cities", "地市", "Cities", cities.len() as u64),
        figure("objects", "已评对象", "Objects judged", judged.len() as u64),
        figure(
            "suggestions",
            "优化建议",
            "Suggestions",
            found.suggestions.len() as u64,
        ),
    ];
    report
        .remarks
        .push(statement(facts, &judged, insufficient, &found));
    report.remarks.extend(mended(&found));
    let name = |id: &str| match facts.service_name(Some(id)) {
        Value::Text(text) => text,
        _ => text(id, id),
    };
    report.chart = chart(&services, name);
    let title = text("渠道得分排名", "Channels by score");
    report
        .tables
        .push(table("channels", title, &services, name));
    let title = text("地市得分排名", "Cities by score");
    report
        .tables
        .push(table("cities", title, &cities, |id| text(id, id)));
    report
        .tables
        .push(suggestions::table(facts, &judged, &found));
}

/// How many suggestions there are, and why not more: the data's count, never a wished one.
fn statement(
    facts: &Facts<'_>,
    judged: &[Judged<'_>],
    insufficient: usize,
    found: &Found<'_>,
) -> Text {
    let (settled, found) = (found.settled, &found.suggestions);
    let unexplained = found.iter().filter(|of| !of.is_explained()).count();
    let found = found.len();
    let (beside_zh, beside_en) = match unexplained {
        0 => (String::new(), String::new()),
        of => (
            format!("其中 {of} 条知识库尚无条目，须先查明原因。"),
            format!(
                " The knowledge base has no entry for {of} of them: their causes are to be found first."
            ),
        ),
    };
    let wanted = facts.rule.suggestions_min;
    let below = facts.rule.score_below;
    let of = judged.len();
    if found >= wanted {
        return text(
            format!(
                "数据支持 {found} 条优化建议（要求不少于 {wanted} 条），按优先级排列。{beside_zh}"
            ),
            format!(
                "The data support {found} suggestions (at least {wanted} are wanted), ranked by priority.{beside_en}"
            ),
        );
    }
    let one = match found {
        1 => "suggestion",
        _ => "suggestions",
    };
    let (or_mended_zh, or_mended_en) = match settled {
        0 => ("", ""),
        _ => ("，或已处理并证实有效", ", or were mended and proven"),
    };
    text(
        format!(
            "数据只支持 {found} 条优化建议，少于要求的 {wanted} 条：同一业务的同一原因只算一条；已评 {of} 个对象，未列入的得分不低于 {below} 且无告警{or_mended_zh}；另有 {insufficient} 个对象样本不足，无法判断。不以无据之言凑数。{beside_zh}"
        ),
        format!(
            "The data support only {found} {one}, fewer than the {wanted} wanted, one a service and cause: {of} objects were judged, and those that belong to none of them score {below} or better without an alert{or_mended_en}; {insufficient} more had too few samples. None is made up to fill the list.{beside_en}"
        ),
    )
}

/// What would have been suggested and is over: how much, and where that is proven.
fn mended(found: &Found<'_>) -> Option<Text> {
    let count = found.mended;
    let shown = found.proven.iter().take(PROVEN_MAX);
    let mut numbers: Vec<&str> = shown.copied().collect();
    if found.proven.len() > PROVEN_MAX {
        numbers.push("…");
    }
    let (zh, en) = (numbers.join("、"), numbers.join(", "));
    let were = if count == 1 { "was" } else { "were" };
    (count > 0).then(|| {
        text(
            format!("另有 {count} 项问题已处理并证实有效，不再列为建议，见 {zh}。"),
            format!("{count} more {were} mended and proven effective: see {en}."),
        )
    })
}

fn rank<'a>(
    judged: &[Judged<'a>],
    key: impl Fn(&Judged<'a>) -> Option<&'a str>,
) -> Vec<(&'a str, f64, Option<f64>, Ranked)> {
    let mut ranked: BTreeMap<&str, Ranked> = BTreeMap::new();
    for object in judged {
        let (Some(key), Some(score)) = (key(object), object.score) else {
            continue;
        };
        let of = ranked.entry(key).or_default();
        let scores = of.kqis.entry(object.kqi.id.clone()).or_default();
        scores.now.push(score);
        scores.before.extend(object.score_before);
        of.objects += 1;
        of.outside += usize::from(object.is_outside);
    }
    let mut ranked: Vec<_> = ranked
        .into_iter()
        .filter_map(|(key, of)| {
            let means = |pick: fn(&Scores) -> &[f64]| {
                let means = of.kqis.values().filter_map(|scores| mean(pick(scores)));
                mean(&means.collect::<Vec<f64>>())
            };
            let (now, before) = (means(|scores| &scores.now)?, means(|scores| &scores.before));
            Some((key, now, before, of))
        })
        .collect();
    // The sort is stable: equal scores stay in the order of their names.
    ranked.sort_by(|(_, a, ..), (_, b, ..)| b.total_cmp(a));
    ranked
}

fn table(
    key: &str,
    title: Text,
    ranked: &[(&str, f64, Option<f64>, Ranked)],
    name: impl Fn(&str) -> Text,
) -> Table {
    let mut table = Table::new(key, title, RANKED);
    for (index, (id, score, before, of)) in ranked.iter().enumerate() {
        let number = |value: &f64| Value::number(*value, 2, "");
        table.push([
            Value::count(index + 1),
            name(id).into(),
            number(score),
            before.as_ref().map_or(Value::Empty, number),
            before.map_or(Value::Empty, |before| Value::change(score - before, 2, "")),
            Value::count(of.kqis.len()),
            Value::count(of.objects),
            Value::count(of.outside),
        ]);
    }
    table
}

fn chart(
    services: &[(&str, f64, Option<f64>, Ranked)],
    name: impl Fn(&str) -> Text,
) -> Option<Chart> {
    let bars = services.iter().map(|(id, score, ..)| Bar {
        name: name(id),
        value: *score,
        text: Value::number(*score, 2, ""),
        tone: tone(*score),
    });
    (services.len() > 1).then(|| Chart {
        title: text("各渠道得分（满分 5）", "Channels by score (of 5)"),
        full: 5.0,
        bars: bars.collect(),
    })
}
