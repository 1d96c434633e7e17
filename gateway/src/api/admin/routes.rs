//! The routing table as it works: how targets are, and which one a request would get.

use axum::{Json, extract::State};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{operator::Operator, tenants::Listed};
use crate::{
    api::{ApiError, Query},
    app::App,
    routing::{Explanation, RouteState},
};

pub(super) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(explain))
}

/// A request that is not sent.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Asked {
    /// The model's name or alias.
    model: String,
    /// As the header `x-session-id` would say.
    session: Option<String>,
}

/// Every configured model with its targets: their health, open requests and ejections.
#[utoipa::path(get, path = "/admin/v1/routes", tag = "admin", responses((status = 200, body = Listed<RouteState>)))]
async fn list(State(app): State<App>, operator: Operator) -> Result<Json<Listed<RouteState>>, ApiError> {
    operator.must_be_of_instance()?;
    Ok(Json(Listed { data: app.routes.states() }))
}

/// Which target a request would get at this moment, and why; nothing is sent.
#[utoipa::path(get, path = "/admin/v1/routes/explain", tag = "admin", params(Asked),
    responses((status = 200, body = Explanation)))]
async fn explain(
    State(app): State<App>,
    operator: Operator,
    Query(asked): Query<Asked>,
) -> Result<Json<Explanation>, ApiError> {
    operator.must_be_of_instance()?;
    let explained = app.routes.explain(&asked.model, &operator.caller().tenant, asked.session.as_deref());
    explained.map(Json).ok_or(ApiError::ModelNotFound(asked.model))
}
