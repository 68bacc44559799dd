//! What became of mends, by remedy and department, and the funnel that led to them (domain facts E8, G10).
//!
//! A mend is told in the period in which its verdict came, and before that, as too early, in the one in
//! which it was made.

use std::collections::BTreeMap;

use crate::effect::EffectVerdict;
use crate::reports::demands::figure;
use crate::reports::facts::{Facts, percent, text};
use crate::reports::report::{Bar, Chart, Figure, Report, Shown, Table, Tone, Value};
use crate::reports::words::{verdict_text, words};
use crate::rules::Text;
use crate::triggers::{Outcome, Trigger, TriggerState};

const VERDICTS: [EffectVerdict; 5] = [
    EffectVerdict::Effective,
    EffectVerdict::NoEffect,
    EffectVerdict::Worse,
    EffectVerdict::NotProven,
    EffectVerdict::TooEarly,
];

const REMEDIES: &[(&str, &str, &str, Shown)] = &[
    ("cause", "原因", "Cause", Shown::Everywhere),
    ("remedy", "措施", "Remedy", Shown::Beneath),
    ("mends", "整改", "Mends", Shown::Everywhere),
    ("effective", "有效", "Effective", Shown::Everywhere),
    ("no_effect", "无效", "No effect", Shown::Everywhere),
    ("worse", "恶化", "Worse", Shown::Everywhere),
    ("not_proven", "未能证实", "Not proven", Shown::Everywhere),
    ("too_early", "尚早", "Too early", Shown::Everywhere),
    ("ever", "历来有效", "Effective so far", Shown::Everywhere),
];

const DEPARTMENTS: &[(&str, &str, &str, Shown)] = &[
    ("department", "部门", "Department", Shown::Everywhere),
    ("mends", "整改", "Mends", Shown::Everywhere),
    ("effective", "有效", "Effective", Shown::Everywhere),
    ("no_effect", "无效", "No effect", Shown::Everywhere),
    ("worse", "恶化", "Worse", Shown::Everywhere),
    ("not_proven", "未能证实", "Not proven", Shown::Everywhere),
    ("too_early", "尚早", "Too early", Shown::Everywhere),
    ("refused", "不优化", "Not optimised", Shown::Everywhere),
];

const MENDS: &[(&str, &str, &str, Shown)] = &[
    ("trigger", "编号", "Number", Shown::Everywhere),
    ("title", "需求", "Demand", Shown::Everywhere),
    ("place", "地点", "Place", Shown::Beneath),
    ("department", "责任部门", "Owner", Shown::Everywhere),
    ("verdict", "效果", "Effect", Shown::Everywhere),
    ("grounds", "依据", "Grounds", Shown::Everywhere),
    ("mended", "完成时间", "Mended", Shown::Files),
];

/// Mends by verdict, in the order of [`VERDICTS`], and refusals.
#[derive(Default)]
struct Tally {
    verdicts: [usize; 5],
    refused: usize,
}

impl Tally {
    fn mends(&self) -> usize {
        self.verdicts.iter().sum()
    }

    fn values(&self) -> [Value; 6] {
        let [effective, no_effect, worse, not_proven, too_early] = self.verdicts.map(Value::count);
        [
            Value::count(self.mends()),
            effective,
            no_effect,
            worse,
            not_proven,
            too_early,
        ]
    }
}

pub(super) fn fill(facts: &Facts<'_>, report: &mut Report) {
    let mends: Vec<(&Trigger, EffectVerdict)> = facts
        .triggers
        .iter()
        .filter_map(|trigger| Some((*trigger, verdict_in(trigger, facts)?)))
        .collect();
    let mut all = Tally::default();
    let mut remedies: BTreeMap<(&str, &str), Tally> = BTreeMap::new();
    let mut departments: BTreeMap<&str, (Text, Tally)> = BTreeMap::new();
    for (trigger, verdict) in &mends {
        // What cannot be proven is counted with what is still awaited, and named one by one.
        let at = VERDICTS
            .iter()
            .position(|known| known == verdict)
            .unwrap_or(4);
        let remedy = trigger.remedy.as_deref().unwrap_or_default();
        let of_remedy = remedies.entry((&trigger.cause.cause, remedy)).or_default();
        let of_department = &mut department_of(&mut departments, trigger).1;
        for tally in [&mut all, of_remedy, of_department] {
            tally.verdicts[at] += 1;
        }
    }
    for trigger in &facts.triggers {
        let is_refused = matches!(trigger.outcome, Some(Outcome::NotOptimised { .. }));
        let at_ms = entered(trigger, TriggerState::NotOptimised);
        if is_refused && at_ms.is_some_and(|at_ms| facts.is_within(at_ms)) {
            department_of(&mut departments, trigger).1.refused += 1;
            all.refused += 1;
        }
    }
    report.figures = funnel(facts);
    if mends.is_empty() {
        report.remarks.push(text(
            "本期没有整改完成，也没有新的效果结论。",
            "Nothing was mended in this period, and no verdict came.",
        ));
    }
    report.chart = chart(&all);
    let mut table = Table::new("departments", text("按部门", "By department"), DEPARTMENTS);
    for (name, tally) in departments.into_values() {
        let [mends, effective, no_effect, worse, not_proven, too_early] = tally.values();
        let refused = Value::count(tally.refused);
        table.push([
            name.into(),
            mends,
            effective,
            no_effect,
            worse,
            not_proven,
            too_early,
            refused,
        ]);
    }
    report.tables.push(table);
    report.tables.push(by_remedy(facts, &remedies));
    report.tables.push(one_by_one(&mends));
}

/// Records, those that are valid, demands, those that were carried out.
fn funnel(facts: &Facts<'_>) -> Vec<Figure> {
    let demands: Vec<&&Trigger> = facts
        .triggers
        .iter()
        .filter(|trigger| facts.is_within(trigger.opened_at_ms))
        // A part of another demand is none of its own.
        .filter(|trigger| !matches!(trigger.outcome, Some(Outcome::Absorbed { .. })))
        .collect();
    let executed = demands
        .iter()
        .filter(|trigger| trigger.outcome == Some(Outcome::Mended))
        .count() as u64;
    stages(
        facts.records.received,
        facts.records.valid,
        demands.len() as u64,
        executed,
    )
}

/// The funnel's figures, with the shares that lead from one to the next.
pub(super) fn stages(received: u64, valid: u64, demands: u64, executed: u64) -> Vec<Figure> {
    let share = |part: u64, whole: u64| {
        let percent = percent(part, whole)?;
        Some(text(format!("{percent:.1} %"), format!("{percent:.1} %")))
    };
    let mut figures = vec![
        figure("records", "投诉记录", "Complaint records", received),
        figure("valid", "有效记录", "Valid records", valid),
        figure("demands", "优化需求", "Demands", demands),
        figure("executed", "已执行", "Carried out", executed),
    ];
    figures[1].beside = share(valid, received);
    figures[3].beside = share(executed, demands);
    figures
}

/// What is to be said of a mend in the period.
fn verdict_in(trigger: &Trigger, facts: &Facts<'_>) -> Option<EffectVerdict> {
    let measured = trigger.measured.as_ref();
    let decided = measured.filter(|measured| !measured.verdict.is_awaited());
    if let Some(decided) = decided.filter(|decided| facts.is_within(decided.at_ms)) {
        return Some(decided.verdict);
    }
    let mended_at_ms = entered(trigger, TriggerState::Mended)?;
    let awaited = measured.map_or(EffectVerdict::TooEarly, |measured| measured.verdict);
    (decided.is_none() && facts.is_within(mended_at_ms)).then_some(awaited)
}

/// When a trigger last came into a state, ms.
fn entered(trigger: &Trigger, state: TriggerState) -> Option<i64> {
    let mut moves = trigger.history.iter().rev();
    let moved = moves.find(|step| step.to == state && step.from != Some(state));
    moved.map(|step| step.at_ms)
}

fn department_of<'m, 't>(
    departments: &'m mut BTreeMap<&'t str, (Text, Tally)>,
    trigger: &'t Trigger,
) -> &'m mut (Text, Tally) {
    let owner = &trigger.owner;
    departments
        .entry(owner.department.as_str())
        .or_insert_with(|| (owner.department_name.clone(), Tally::default()))
}

fn by_remedy(facts: &Facts<'_>, remedies: &BTreeMap<(&str, &str), Tally>) -> Table {
    let mut table = Table::new("remedies", text("按措施", "By remedy"), REMEDIES);
    for ((cause, remedy), tally) in remedies {
        let entry = facts.book.knowledge.iter().find(|entry| entry.id == *cause);
        let kqi = facts.book.kqis.iter().find(|kqi| kqi.id == *cause);
        let title = entry
            .map(|entry| &entry.title)
            .or_else(|| kqi.map(|kqi| &kqi.name));
        let of_entry = entry.into_iter().flat_map(|entry| &entry.remedies);
        let known = of_entry.into_iter().find(|known| known.id == *remedy);
        let ever = facts.process.worked(cause, remedy);
        let [mends, effective, no_effect, worse, not_proven, too_early] = tally.values();
        table.push([
            title.map_or_else(|| Value::name(*cause), |title| title.clone().into()),
            match known {
                Some(known) => known.text.clone().into(),
                None => text("未注明措施", "no remedy named").into(),
            },
            mends,
            effective,
            no_effect,
            worse,
            not_proven,
            too_early,
            Value::name(format!("{} / {}", ever.effective, ever.tried())),
        ]);
    }
    table
}

fn one_by_one(mends: &[(&Trigger, EffectVerdict)]) -> Table {
    let mut table = Table::new("mends", text("逐项", "One by one"), MENDS);
    for (trigger, verdict) in mends {
        let grounds = trigger.measured.as_ref().map(|measured| &measured.text);
        table.push([
            Value::name(&trigger.id),
            trigger.title.clone().into(),
            Value::name(trigger.cause.place.name()),
            trigger.owner.department_name.clone().into(),
            words(verdict_text(verdict.name()), verdict.name()).into(),
            grounds.cloned().into(),
            entered(trigger, TriggerState::Mended).map_or(Value::Empty, Value::Time),
        ]);
    }
    table
}

fn chart(all: &Tally) -> Option<Chart> {
    let full = all
        .verdicts
        .iter()
        .max()
        .copied()
        .filter(|most| *most > 0)?;
    let bars = VERDICTS
        .iter()
        .zip(all.verdicts)
        .map(|(verdict, count)| Bar {
            name: words(verdict_text(verdict.name()), verdict.name()),
            value: count as f64,
            text: Value::count(count),
            tone: match verdict {
                EffectVerdict::Effective => Tone::Good,
                EffectVerdict::NoEffect => Tone::Fair,
                EffectVerdict::Worse => Tone::Bad,
                EffectVerdict::NotProven | EffectVerdict::TooEarly | EffectVerdict::Unprovable => {
                    Tone::Plain
                }
            },
        });
    Some(Chart {
        title: text("整改效果", "Mends by verdict"),
        full: full as f64,
        bars: bars.collect(),
    })
}
