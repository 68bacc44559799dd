//! Delivery reports: every message is a report whose line can be read back, or is refused with words; the
//! answer is sound XML that says whose it is.

use std::sync::LazyLock;

use chrysalis::event::{DecodeLimits, Decoder};
use chrysalis::mm7::{Status, answer, line, read};
use chrysalis::rules::{Plan, parse};

use crate::harness::Case;

const NOW_MS: i64 = 1_772_413_200_000;

static PLAN: LazyLock<Plan> = LazyLock::new(|| {
    let text = include_str!("../event.yaml").to_owned();
    let (book, problems) = parse(&[("event.yaml".to_owned(), text)]);
    let book = book.unwrap_or_else(|| panic!("{problems:?}"));
    Plan::new(book.into(), None).unwrap()
});

pub(crate) fn check(case: &mut Case<'_>) -> Result<(), String> {
    let request = read(&case.input);
    let told = match &request.report {
        Ok(report) => line(
            report,
            &PLAN.book.mms,
            &PLAN.zone,
            NOW_MS,
            || NOW_MS,
            600_000,
            512,
        ),
        Err(refused) => Err(refused.clone()),
    };
    let (status, words) = match told {
        Ok(line) => {
            let layout = PLAN.layout.clone();
            let decoded = Decoder::new(layout, DecodeLimits::default()).decode(line.as_bytes());
            let events = decoded.batch.events + decoded.refused.len() as u64;
            // One report is one line, whatever is in its fields.
            if events != 1 {
                return Err(format!("{events} events of one report: {line:?}"));
            }
            let refused = decoded.refused.first().map(|refusal| &refusal.reason);
            if let Some(reason) = refused.filter(|reason| reason.starts_with("not JSON")) {
                return Err(format!("its line is no JSON: {reason}: {line:?}"));
            }
            (Status::Success, None)
        }
        Err((_, words)) if words.is_empty() => return Err("refused without words".to_owned()),
        Err((status, words)) => (status, Some(words)),
    };
    let answer = answer(&request, status, words.as_deref());
    let again = read(answer.as_bytes());
    let same = |text: &Option<String>| text.as_deref().map(|text| text.trim().to_owned());
    if same(&again.transaction) != same(&request.transaction) {
        return Err(format!("answered to {:?}: {answer}", again.transaction));
    }
    Ok(())
}
