//! What was used.

use axum::{Json, extract::State};
use kubemate_ledger::{UsageBy, UsageSum};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{operator::Operator, tenants::Listed};
use crate::{
    api::{ApiError, Path, Query},
    app::{App, unix_now},
};

/// Seconds of the span that is summed when none is named: 30 days.
const USUAL_SPAN: i64 = 30 * 86_400;

pub(super) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(sums))
}

/// Which rows, and what they are summed by.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
struct Asked {
    /// First second, Unix; 30 days ago when absent.
    from: Option<i64>,
    /// Second behind the last, Unix; now when absent.
    to: Option<i64>,
    /// `key`, `model`, `day` or `project`; `model` when absent.
    by: Option<String>,
}

/// What one key, model, day or project used.
#[derive(Debug, Serialize, ToSchema)]
struct Sum {
    of: String,
    requests: i64,
    prompt_tokens: i64,
    completion_tokens: i64,
}

impl From<UsageSum> for Sum {
    fn from(sum: UsageSum) -> Self {
        Self {
            of: sum.name,
            requests: sum.requests,
            prompt_tokens: sum.prompt_tokens,
            completion_tokens: sum.completion_tokens,
        }
    }
}

/// Sums of a tenant's usage.
#[utoipa::path(get, path = "/admin/v1/tenants/{tenant}/usage", tag = "admin", params(("tenant" = String, Path), Asked),
    responses((status = 200, body = Listed<Sum>)))]
async fn sums(
    State(app): State<App>,
    operator: Operator,
    Path(tenant): Path<String>,
    Query(asked): Query<Asked>,
) -> Result<Json<Listed<Sum>>, ApiError> {
    let tenant = operator.tenant(&tenant)?;
    let to = asked.to.unwrap_or_else(|| unix_now().saturating_add(1));
    let from = asked.from.unwrap_or_else(|| to.saturating_sub(USUAL_SPAN));
    let by = match asked.by.as_deref().unwrap_or("model") {
        "key" => UsageBy::Key,
        "model" => UsageBy::Model,
        "day" => UsageBy::Day,
        "project" => UsageBy::Project,
        other => return Err(ApiError::invalid("by", format!("`by` is `{other}`; use key, model, day or project"))),
    };
    let rows = app.ledger.usage(&tenant, from, to, by).await?;
    Ok(Json(Listed { data: rows.into_iter().map(Sum::from).collect() }))
}
