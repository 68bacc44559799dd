//! How the place of a ticket stood when its messages ended: what tells a customer's trouble from that of a whole place.

use crate::api::error::ApiError;
use crate::api::router::Server;
use crate::complaints::Neighbours;
use crate::dataflow::{MessageDetail, TicketDetail};
use crate::engine::Snapshot;
use crate::rules::{ConfirmRule, Leaf};

/// How the KQI of the ticket's city stood then.
///
/// # Errors
/// The workers do not answer, or the engine starts.
pub(super) async fn neighbours(
    server: &Server,
    snapshot: &Snapshot,
    (leaf, rule): (&Leaf, &ConfirmRule),
    ticket: &TicketDetail,
    messages: &[MessageDetail],
) -> Result<Neighbours, ApiError> {
    let Some(regional) = &rule.regional else {
        // The leaf's table does not ask for them.
        return Ok(Neighbours::Fine);
    };
    let failed = messages.iter().filter(|message| message.is_failed());
    let ends = |of: &mut dyn Iterator<Item = &MessageDetail>| -> Vec<i64> {
        of.filter_map(|message| message.decided_ms).collect()
    };
    let failed_ms = ends(&mut failed.clone());
    let expired_ms = ends(&mut failed.filter(|message| message.is_expired()));
    let (Some(first_ms), Some(last_ms)) = (failed_ms.iter().min(), failed_ms.iter().max()) else {
        return Ok(Neighbours::Fine);
    };
    let kqis = &snapshot.plan.book.kqis;
    let at = kqis.iter().position(|kqi| kqi.id == *regional);
    let of_messages = messages.iter().find_map(|message| message.city.as_deref());
    let city = ticket.city.as_deref().or(of_messages);
    let (Some(at), Some(city)) = (at, city) else {
        return Ok(Neighbours::Unclear);
    };
    let (from_ms, to_ms) = (*first_ms, last_ms.saturating_add(1));
    server.caught_up()?;
    let queries = server.state.queries.clone();
    let asked = tokio::task::spawn_blocking(move || queries.between(at, from_ms, to_ms, None));
    let asked = asked.await.ok().flatten();
    let (_, mut windows) = asked.ok_or_else(ApiError::workers_late)?;
    windows.retain(|window| {
        let mut values = window.group.values.iter();
        values.all(|(name, value)| match name.as_str() {
            "city" => value == city,
            "service" => *value == leaf.service,
            _ => true,
        })
    });
    Ok(Neighbours::of(at, &windows, &failed_ms, &expired_ms))
}
