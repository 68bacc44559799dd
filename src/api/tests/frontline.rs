//! The pop-up's answer, at the engine's limit of open triggers.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::api::testing::BOOK;
use crate::api::views::FrontlineView;
use crate::engine::{Engine, Snapshot};
use crate::rules::testing::plan;
use crate::rules::{Layer, Severity, Text};
use crate::triggers::{Now, Opening, TriggerBook, TriggerLimits};

/// A snapshot with as many open triggers of one service as there may be.
fn crowded() -> Snapshot {
    let plan = plan(BOOK);
    let mut snapshot = Engine::new(plan.clone()).snapshot().clone();
    let limits = TriggerLimits::default();
    let mut triggers = TriggerBook::new(limits);
    let name = Text {
        zh: "拨测成功率".to_owned(),
        en: "Dial-test success".to_owned(),
    };
    for number in 0..limits.open_max {
        let opening = Opening {
            kqi: "news_success".to_owned(),
            name: name.clone(),
            service: Some("news".to_owned()),
            service_name: None,
            layer: Layer::Platform,
            group_label: format!("service=news;city=c{number}"),
            group: vec![("city".to_owned(), format!("c{number}"))],
            department: Some("NET".to_owned()),
            severity: Severity::Minor,
            limit_min: Some(95.0),
            limit_max: None,
            unit: "%".to_owned(),
            since_ms: 0,
            evidence: None,
            complaints: Vec::new(),
        };
        let now = Now {
            book: &plan.book,
            at_ms: 0,
        };
        triggers.demand(opening, now).unwrap();
        triggers.take_news();
    }
    snapshot.triggers = Arc::new(triggers.triggers().cloned().collect());
    snapshot
}

#[test]
fn agents_wait_less_than_20_ms_with_20000_open_triggers() {
    let snapshot = crowded();
    let fastest = |city: Option<&str>| {
        let times = (0..5).map(|_| {
            let began = Instant::now();
            let view = FrontlineView::of(&snapshot, "news", city, None, true);
            assert!(view.impaired && !view.explanations.is_empty());
            began.elapsed()
        });
        times.min().unwrap()
    };
    for city in [Some("c19999"), None] {
        let took = fastest(city);
        assert!(took < Duration::from_millis(20), "{city:?}: {took:?}");
    }
}
