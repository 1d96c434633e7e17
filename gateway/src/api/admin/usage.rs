//! What was used, and what it cost.

mod table;

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, header};
use kubemate_identity::TenantId;
use kubemate_ledger::{UsageBy, UsageFilter};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use self::table::{Sum, csv, summed};
use super::{operator::Operator, tenants::Listed};
use crate::{
    api::{ApiError, Path, Query},
    app::{App, unix_now},
};

/// Seconds of the span that is summed when none is named: 30 days.
const USUAL_SPAN: i64 = 30 * 86_400;

pub(super) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(sums)).routes(routes!(all))
}

/// Which rows, what they are summed by, and how the sums are written.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
struct Asked {
    /// First second, Unix; 30 days ago when absent.
    from: Option<i64>,
    /// Second behind the last, Unix; now when absent.
    to: Option<i64>,
    /// `key`, `model`, `day`, `project`, `tenant` or `upstream`; `model` when absent.
    by: Option<String>,
    /// Of this tenant only.
    tenant: Option<String>,
    /// Of this project only.
    project: Option<String>,
    /// Of this key only.
    key: Option<String>,
    /// Of this model only.
    model: Option<String>,
    /// `json` or `csv`; what `accept` says when absent.
    format: Option<String>,
}

/// Sums of a tenant's usage.
#[utoipa::path(get, path = "/admin/v1/tenants/{tenant}/usage", tag = "admin", params(("tenant" = String, Path), Asked),
    responses((status = 200, body = Listed<Sum>)))]
async fn sums(
    State(app): State<App>,
    operator: Operator,
    Path(tenant): Path<String>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let tenant = operator.tenant(&tenant)?;
    answer(&app, Some(tenant), asked, &headers).await
}

/// Sums of usage in reach of this key: of all tenants for an operator of the instance, else of its own.
///
/// As CSV with `accept: text/csv` or `format=csv`.
#[utoipa::path(get, path = "/admin/v1/usage", tag = "admin", params(Asked), responses((status = 200, body = Listed<Sum>)))]
async fn all(
    State(app): State<App>,
    operator: Operator,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let tenant = match &asked.tenant {
        Some(name) => Some(operator.tenant(name)?),
        None if operator.of_instance() => None,
        None => Some(operator.caller().tenant.clone()),
    };
    answer(&app, tenant, asked, &headers).await
}

async fn answer(app: &App, tenant: Option<TenantId>, asked: Asked, headers: &HeaderMap) -> Result<Response, ApiError> {
    let as_csv = wants_csv(asked.format.as_deref(), headers)?;
    let by = by(asked.by.as_deref().unwrap_or("model"))?;
    let to = asked.to.unwrap_or_else(|| unix_now().saturating_add(1));
    let span = (asked.from.unwrap_or_else(|| to.saturating_sub(USUAL_SPAN)), to);
    let filter = UsageFilter { project: asked.project, key: asked.key, model: asked.model };
    let rows = match &tenant {
        Some(tenant) => app.ledger.usage(tenant, span, by, &filter).await?,
        None => app.ledger.usage_of_all(span, by, &filter).await?,
    };
    let sums = summed(rows, by);
    if !as_csv {
        return Ok(Json(Listed { data: sums }).into_response());
    }
    let head = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"usage.csv\""),
    ];
    Ok((head, csv(&sums)?).into_response())
}

fn by(name: &str) -> Result<UsageBy, ApiError> {
    Ok(match name {
        "key" => UsageBy::Key,
        "model" => UsageBy::Model,
        "day" => UsageBy::Day,
        "project" => UsageBy::Project,
        "tenant" => UsageBy::Tenant,
        "upstream" => UsageBy::Upstream,
        other => {
            let known = "use key, model, day, project, tenant or upstream";
            return Err(ApiError::invalid("by", format!("`by` is `{other}`; {known}")));
        }
    })
}

fn wants_csv(format: Option<&str>, headers: &HeaderMap) -> Result<bool, ApiError> {
    match format {
        Some("csv") => Ok(true),
        Some("json") => Ok(false),
        Some(other) => Err(ApiError::invalid("format", format!("`format` is `{other}`; use json or csv"))),
        None => Ok(headers.get(header::ACCEPT).is_some_and(|accept| accept.as_bytes().starts_with(b"text/csv"))),
    }
}
