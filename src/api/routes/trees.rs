//! Complaint trees: what an agent navigates by, down to the form of a leaf.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Extension, State};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::api::access::Caller;
use crate::api::error::ApiError;
use crate::api::extract::{ApiPath, ApiQuery};
use crate::api::router::Server;
use crate::api::routes::full_file::filed_on;
use crate::api::views::{ErrorBody, TreeCountsView, TreeView, TreesView};
use crate::rules::{ComplaintTree, RuleBook};

/// Every complaint tree with its nodes.
#[utoipa::path(
    get,
    path = "/v1/complaints/trees",
    tag = "complaints",
    responses((status = 200, description = "in the order of the rule book", body = TreesView))
)]
pub(in crate::api) async fn list(State(server): State<Arc<Server>>) -> Json<TreesView> {
    let snapshot = server.snapshot();
    let book = &snapshot.plan.book;
    let trees = book.trees.trees.iter();
    Json(TreesView {
        trees: trees.map(|tree| TreeView::of(tree, &book.leaves)).collect(),
    })
}

/// One complaint tree with its nodes, their codes, and the forms of its leaves.
#[utoipa::path(
    get,
    path = "/v1/complaints/trees/{id}",
    tag = "complaints",
    params(("id" = String, Path, description = "the tree, for example `seven_levels`")),
    responses(
        (status = 200, description = "the tree", body = TreeView),
        (status = 404, description = "the rule book has no such tree", body = ErrorBody),
    )
)]
pub(in crate::api) async fn one(
    State(server): State<Arc<Server>>,
    ApiPath(id): ApiPath<String>,
) -> Result<Json<TreeView>, ApiError> {
    let snapshot = server.snapshot();
    let book = &snapshot.plan.book;
    Ok(Json(TreeView::of(named(book, &id)?, &book.leaves)))
}

/// Which tickets to count.
#[derive(Debug, Deserialize, IntoParams)]
pub(in crate::api) struct CountsQuery {
    /// The day of their filing, as 2026-03-02, in the rule book's zone.
    day: String,
    /// Only this city's; a token of some cities counts those of its own without it.
    city: Option<String>,
}

/// How many tickets that were filed on a day count under each node now, wherever they were filed first: a node has those
/// of its own and those of the nodes below it, at every instant.
#[utoipa::path(
    get,
    path = "/v1/complaints/trees/{id}/counts",
    tag = "complaints",
    params(("id" = String, Path, description = "the tree, for example `seven_levels`"), CountsQuery),
    responses(
        (status = 200, description = "nodes that have tickets, those above before those below", body = TreeCountsView),
        (status = 400, description = "the query is wrong", body = ErrorBody),
        (status = 403, description = "the token is for other cities", body = ErrorBody),
        (status = 404, description = "the rule book has no such tree", body = ErrorBody),
        (status = 413, description = "the day has too many tickets", body = ErrorBody),
        (status = 503, description = "the workers do not answer, or the engine starts (`starting`)", body = ErrorBody),
    )
)]
pub(in crate::api) async fn counts(
    State(server): State<Arc<Server>>,
    Extension(caller): Extension<Caller>,
    ApiPath(id): ApiPath<String>,
    ApiQuery(query): ApiQuery<CountsQuery>,
) -> Result<Json<TreeCountsView>, ApiError> {
    let snapshot = server.snapshot();
    let book = &snapshot.plan.book;
    let tree = named(book, &id)?;
    caller.check_city(query.city.as_deref())?;
    let (tickets, _) = filed_on(&server, &query.day, query.city.as_deref()).await?;
    let paths = tickets
        .iter()
        .filter(|ticket| ticket.state.counts() && caller.sees(ticket.city.as_deref()))
        .map(|ticket| ticket.path.as_deref().unwrap_or_default());
    let is_here = |path: &str| {
        book.trees
            .tree_around(path)
            .is_some_and(|of| of.id == tree.id)
    };
    let mut counts = TreeCountsView::of(tree, &query.day, paths, is_here);
    counts.cities = caller.cities().map(<[String]>::to_vec);
    Ok(Json(counts))
}

fn named<'a>(book: &'a RuleBook, id: &str) -> Result<&'a ComplaintTree, ApiError> {
    let tree = book.trees.trees.iter().find(|tree| tree.id == id);
    tree.ok_or_else(|| {
        let id: String = id.chars().take(80).collect();
        ApiError::not_found(format!("there is no complaint tree {id:?}"))
    })
}
