//! Limits of keys, projects, tenants and models. They act on every gateway within a second.

use axum::{Json, extract::State};
use http::StatusCode;
use kubemate_ledger::LimitRow;
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{operator::Operator, tenants::Listed};
use crate::{
    api::{ApiError, Json as Body, Path, names},
    app::{App, unix_now},
    auth::Deed,
    limits::{Caps, Scope},
};

pub(super) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(put, delete))
}

/// What is limited, and how far. What is absent is not limited here.
#[derive(Debug, Serialize, ToSchema)]
struct Limit {
    /// `key`, `project`, `tenant` or `model`.
    scope: String,
    /// The id of the key or project, or the name of the tenant or model.
    subject: String,
    #[serde(flatten)]
    caps: Caps,
    /// Unix seconds.
    updated_at: i64,
}

impl From<&LimitRow> for Limit {
    fn from(row: &LimitRow) -> Self {
        Self {
            scope: row.scope.clone(),
            subject: row.subject.clone(),
            caps: Caps::from(row),
            updated_at: row.updated_at,
        }
    }
}

/// All limits that were set here. Those of the configuration hold where nothing was set, limit by limit.
#[utoipa::path(get, path = "/admin/v1/limits", tag = "admin", responses((status = 200, body = Listed<Limit>)))]
async fn list(State(app): State<App>, operator: Operator) -> Result<Json<Listed<Limit>>, ApiError> {
    operator.must_be_of_instance()?;
    let rows = app.ledger.limits().await?;
    Ok(Json(Listed { data: rows.iter().map(Limit::from).collect() }))
}

/// Set the limits of one key, project, tenant or model; what is left out is taken off.
#[utoipa::path(put, path = "/admin/v1/limits/{scope}/{subject}", tag = "admin",
    params(("scope" = Scope, Path), ("subject" = String, Path)), request_body = Caps, responses((status = 200, body = Limit)))]
async fn put(
    State(app): State<App>,
    operator: Operator,
    Path((scope, subject)): Path<(String, String)>,
    body: Body<Caps>,
) -> Result<Json<Limit>, ApiError> {
    operator.must_be_of_instance()?;
    let (scope, caps) = (known(&scope)?, body.value);
    names::check("subject", &subject)?;
    caps.check(scope).map_err(|(field, why)| ApiError::invalid(field, format!("`{field}` {why}")))?;
    if caps.is_empty() {
        return Err(ApiError::invalid("", "nothing is limited; name a limit, or DELETE what there is"));
    }
    let row = caps.row(scope, &subject, unix_now());
    let deed = Deed::new("limit.set", format!("{}/{subject}", scope.as_str())).with(json!(caps));
    app.audit.change(operator.caller(), deed, app.ledger.put_limit(row.clone())).await?;
    app.limits.refresh().await;
    Ok(Json(Limit::from(&row)))
}

/// Take all limits off one key, project, tenant or model; those of the configuration hold again.
#[utoipa::path(delete, path = "/admin/v1/limits/{scope}/{subject}", tag = "admin",
    params(("scope" = Scope, Path), ("subject" = String, Path)), responses((status = 204)))]
async fn delete(
    State(app): State<App>,
    operator: Operator,
    Path((scope, subject)): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    operator.must_be_of_instance()?;
    let scope = known(&scope)?.as_str();
    let deed = Deed::new("limit.delete", format!("{scope}/{subject}"));
    app.audit.change(operator.caller(), deed, app.ledger.delete_limit(scope, &subject)).await?;
    app.limits.refresh().await;
    Ok(StatusCode::NO_CONTENT)
}

fn known(scope: &str) -> Result<Scope, ApiError> {
    let unknown = || ApiError::invalid("scope", format!("`{scope}` is no scope; use key, project, tenant or model"));
    Scope::parse(scope).ok_or_else(unknown)
}
