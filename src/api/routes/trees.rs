//! Complaint trees: what an agent navigates by, down to the form of a leaf.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;

use crate::api::error::ApiError;
use crate::api::extract::ApiPath;
use crate::api::router::Server;
use crate::api::views::{ErrorBody, TreeView, TreesView};

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
    let tree = book.trees.trees.iter().find(|tree| tree.id == id);
    let tree = tree.ok_or_else(|| {
        let id: String = id.chars().take(80).collect();
        ApiError::not_found(format!("there is no complaint tree {id:?}"))
    })?;
    Ok(Json(TreeView::of(tree, &book.leaves)))
}
