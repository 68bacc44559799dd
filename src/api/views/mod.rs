//! Wire types: what goes over HTTP, and nothing else. Each converts from what it shows.
//!
//! A time is told twice: `…_ms` for programs, the same name without it as RFC 3339 in the operator's
//! zone for people.

mod alert;
mod annotation;
mod connection;
mod crossing;
mod demand;
mod effect;
mod event;
mod form;
mod frontline;
mod health;
mod history;
mod kqi;
mod notice;
mod report;
mod rule;
mod status;
mod subscriber;
mod ticket;
mod tree;
mod trigger;
mod when;
mod window;
pub(crate) mod words;

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

pub use alert::{AlertView, AlertsView};
pub use annotation::AnnotationView;
pub use connection::{HoldView, HoldsView};
pub use crossing::{AgainstView, CrossingView, CrossingsView};
pub use demand::{
    ProcessKqiView, ProcessView, RemedyView, StayView, SuggestionView, TicketView, TicketsView,
    UrgencyView, WorkedView,
};
pub use effect::{EffectView, IndicatorView};
pub use event::{QuarantineView, QuarantinedView, ReceiptView, RefusalView};
pub use form::{ContactRequest, ContactView, FormView, FormsView};
pub use frontline::{FrontlineView, SayView};
pub use health::{
    BoardLineView, BoardView, DimensionSharesView, HealthView, HealthsView, KqiHealthView,
    LayerHealthView, LeftOutView, ShareView, SharesView, WorstView,
};
pub use history::HistoryView;
pub use kqi::{
    CurrentView, GroupView, KqiView, KqisView, ProvenanceView, ServiceView, ServicesView,
};
pub(in crate::api) use notice::masked;
pub use notice::{
    NoticeCountsView, NoticeView, NoticesView, ResendAllRequest, ResendAllView, ResendRequest,
    ResendView,
};
pub use report::{
    FigureView, ReportColumnView, ReportHeadView, ReportView, ReportsView, TableView,
};
pub use rule::ReloadView;
pub use status::{
    AccessView, JournalView, QueuesView, RuleBookView, SourceView, StatusView, StreamView,
};
pub use subscriber::{
    AffectedSubscriberView, AffectedView, MessageView, MessagesRequest, MessagesView,
};
pub use ticket::{
    CloseRequest, ConfirmRequest, ConfirmationView, ConfirmedMessageView, DifferenceView,
    FullFileView, SampleView, TicketOnRecordView, class_named,
};
pub use tree::{NodeCountView, TreeCountsView, TreeNodeView, TreeView, TreesView};
pub use trigger::{
    AcknowledgeRequest, EvidenceView, HandOverRequest, MoveRequest, MoveView, SourceOfTriggerView,
    TriggerView, TriggersView,
};
pub use window::{WindowView, WindowsView};

/// What went wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ErrorBody {
    /// The error.
    pub error: ErrorView,
}

/// An error.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ErrorView {
    /// For programs.
    pub code: String,
    /// For people.
    pub message: String,
    /// Every problem, where there can be several.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<String>,
}

/// A name in two languages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct TextView {
    /// Chinese.
    pub zh: String,
    /// English.
    pub en: String,
}

impl TextView {
    /// A text that people wrote into: numbers of subscribers are masked for who may not see them.
    pub(in crate::api) fn written(text: &crate::rules::Text, is_masked: bool) -> TextView {
        TextView {
            zh: subscriber::shown(&text.zh, is_masked),
            en: subscriber::shown(&text.en, is_masked),
        }
    }
}

impl From<&crate::rules::Text> for TextView {
    fn from(text: &crate::rules::Text) -> TextView {
        TextView {
            zh: text.zh.clone(),
            en: text.en.clone(),
        }
    }
}

/// Complaints counted for the same service and place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ComplaintsView {
    /// Complaint KQI.
    pub name: TextView,
    /// Tickets.
    pub count: i64,
}

/// The dimensions of an object.
fn group_object(group: &[(String, String)]) -> BTreeMap<String, String> {
    group.iter().cloned().collect()
}
