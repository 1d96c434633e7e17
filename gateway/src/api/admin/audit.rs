//! The audit trail.

use axum::{Json, extract::State};
use kubemate_ledger::AuditRow;
use kubemate_wire::page::ListQuery;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::operator::Operator;
use crate::{
    api::{ApiError, Path, Query, v1::paging::page},
    app::App,
};

pub(super) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(rows)).routes(routes!(all)).routes(routes!(verify))
}

/// One thing that was done or refused.
#[derive(Debug, Serialize, ToSchema)]
struct Row {
    seq: i64,
    at_ms: i64,
    tenant: Option<String>,
    actor: String,
    action: String,
    target: String,
    outcome: String,
    detail: serde_json::Value,
}

impl From<&AuditRow> for Row {
    fn from(row: &AuditRow) -> Self {
        Self {
            seq: row.seq,
            at_ms: row.at_ms,
            tenant: row.tenant.as_ref().map(ToString::to_string),
            actor: row.actor.clone(),
            action: row.action.clone(),
            target: row.target.clone(),
            outcome: row.outcome.clone(),
            detail: row.detail.clone(),
        }
    }
}

/// A page of the trail.
#[derive(Debug, Serialize, ToSchema)]
struct Rows {
    data: Vec<Row>,
    has_more: bool,
    /// The `after` of the next page.
    last_id: Option<String>,
}

/// The trail of a tenant, newest first.
#[utoipa::path(get, path = "/admin/v1/tenants/{tenant}/audit", tag = "admin", params(("tenant" = String, Path)),
    responses((status = 200, body = Rows)))]
async fn rows(
    State(app): State<App>,
    operator: Operator,
    Path(tenant): Path<String>,
    Query(query): Query<ListQuery>,
) -> Result<Json<Rows>, ApiError> {
    let tenant = operator.tenant(&tenant)?;
    let page = app.ledger.audit_rows(&tenant, &page(&query, 100, 1000)?).await?;
    Ok(Json(Rows { data: page.data.iter().map(Row::from).collect(), has_more: page.has_more, last_id: page.last_id }))
}

/// The trail of the whole instance, newest first: every tenant's rows, and those of strangers.
#[utoipa::path(get, path = "/admin/v1/audit", tag = "admin", responses((status = 200, body = Rows)))]
async fn all(
    State(app): State<App>,
    operator: Operator,
    Query(query): Query<ListQuery>,
) -> Result<Json<Rows>, ApiError> {
    operator.must_be_of_instance()?;
    let page = app.ledger.audit_rows_of_all(&page(&query, 100, 1000)?).await?;
    Ok(Json(Rows { data: page.data.iter().map(Row::from).collect(), has_more: page.has_more, last_id: page.last_id }))
}

/// Whether the chain is whole.
#[derive(Debug, Serialize, ToSchema)]
struct Verified {
    rows: u64,
    /// The first row that does not fit; null when all do.
    broken_at: Option<i64>,
}

/// Recompute the chain of the whole instance.
#[utoipa::path(get, path = "/admin/v1/audit/verify", tag = "admin", responses((status = 200, body = Verified)))]
async fn verify(State(app): State<App>, operator: Operator) -> Result<Json<Verified>, ApiError> {
    operator.must_be_of_instance()?;
    let report = app.ledger.verify_audit().await?;
    Ok(Json(Verified { rows: report.rows, broken_at: report.broken_at }))
}
