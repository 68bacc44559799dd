//! The rule book: text → checked values → a plan of work.
//!
//! `files` and `syntax` read YAML into nodes with positions, `shape` holds them against the `grammar`, `check`
//! makes a [`RuleBook`] of them or lists every [`Problem`], `score` judges values by it.

mod annotate;
mod book;
mod calendar;
mod check;
mod codes;
mod confirm;
mod duration;
mod files;
mod grammar;
mod health;
mod knowledge;
mod leaf;
mod local;
mod mms;
mod owner;
mod places;
mod plan;
mod predicate;
mod problem;
mod provenance;
mod reports;
mod schema;
mod score;
mod shape;
mod sources;
mod syntax;
mod team;
#[cfg(test)]
pub(crate) mod testing;
mod tree;

pub(crate) use duration::{HOUR_MS, WEEK_MS, parse_duration, show_duration};
pub(crate) use grammar::{may, must};
pub(crate) use problem::{Position, Problems, did_you_mean};
pub(crate) use shape::{Record, Shape};
pub(crate) use syntax::{Node, Value, parse_text};

pub use annotate::concerns;
pub use book::*;
pub use calendar::Calendar;
pub use check::{load, parse};
pub use codes::NodeCodes;
pub use confirm::{ConfirmRule, ConfirmVerdict, Finding};
pub use files::read_files;
pub use health::HealthWeights;
pub use knowledge::{KnowledgeEntry, Remedy};
pub use leaf::{Answer, ComplaintClass, Form, Leaf, Question, QuestionRole, Suspicion};
pub use mms::*;
pub use owner::{Owner, OwnerBy, Subject};
pub use places::{Place, Places};
pub use plan::{Family, FamilyBaseline, FamilyWindow, Lineage, Plan};
pub use predicate::{Predicate, PredicateError};
pub use problem::{Problem, ProblemSeverity};
pub use provenance::{Provenance, ProvenanceKind};
pub use reports::{Every, Period, ReportKind, ReportRule};
pub use schema::json_schema;
pub use score::{Verdict, judge, score, severity_of_score};
pub use sources::{Source, Sources};
pub use team::{
    Absence, CopyRule, CrossingRule, Desk, DueTimes, EscalationStep, Outlet, ProcessKqi,
    ProcessMeasure, ProvinceRule, ReviewRule, Route, TriggerPolicy, UrgencyWeights,
};
pub use tree::{ComplaintTree, ComplaintTrees, TreeNode};
