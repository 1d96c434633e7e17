//! Tenants and their projects.

use axum::{Json, extract::State};
use http::StatusCode;
use kubemate_identity::TenantId;
use kubemate_ledger::{ProjectRow, TenantRow};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::operator::Operator;
use crate::{
    api::{ApiError, Json as Body, Path, names},
    app::{App, unix_now},
    auth::Deed,
};

pub(super) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(projects, create_project))
}

/// A tenant.
#[derive(Debug, Serialize, ToSchema)]
struct Tenant {
    /// Its name, also its id.
    name: String,
    /// Unix seconds.
    created_at: i64,
}

impl From<&TenantRow> for Tenant {
    fn from(row: &TenantRow) -> Self {
        Self { name: row.id.clone(), created_at: row.created_at }
    }
}

/// A tenant to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, expecting = "a JSON object")]
struct NewTenant {
    /// Small letters, digits and dashes, up to 63.
    name: String,
}

/// A project: what usage is booked on.
#[derive(Debug, Serialize, ToSchema)]
struct Project {
    id: String,
    tenant: String,
    name: String,
    /// Unix seconds.
    created_at: i64,
}

impl From<&ProjectRow> for Project {
    fn from(row: &ProjectRow) -> Self {
        Self { id: row.id.clone(), tenant: row.tenant.clone(), name: row.name.clone(), created_at: row.created_at }
    }
}

/// A project to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, expecting = "a JSON object")]
struct NewProject {
    /// 1 to 200 characters.
    name: String,
}

/// A list.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Listed<T> {
    pub(super) data: Vec<T>,
}

/// The tenants in reach of this key.
#[utoipa::path(get, path = "/admin/v1/tenants", tag = "admin", responses((status = 200, body = Listed<Tenant>)))]
async fn list(State(app): State<App>, operator: Operator) -> Result<Json<Listed<Tenant>>, ApiError> {
    let rows = app.ledger.tenants().await?;
    let own = operator.caller().tenant.as_str();
    let data = rows.iter().filter(|row| operator.of_instance() || row.id == own).map(Tenant::from).collect();
    Ok(Json(Listed { data }))
}

/// Make a tenant.
#[utoipa::path(post, path = "/admin/v1/tenants", tag = "admin", request_body = NewTenant,
    responses((status = 201, body = Tenant)))]
async fn create(
    State(app): State<App>,
    operator: Operator,
    body: Body<NewTenant>,
) -> Result<(StatusCode, Json<Tenant>), ApiError> {
    operator.must_be_of_instance()?;
    let tenant = TenantId::parse(&body.value.name).map_err(|error| ApiError::invalid("name", error.to_string()))?;
    let deed = Deed::new("tenant.create", tenant.as_str()).to(&tenant);
    let row = app.audit.change(operator.caller(), deed, app.ledger.create_tenant(&tenant, unix_now())).await?;
    Ok((StatusCode::CREATED, Json(Tenant::from(&row))))
}

/// The projects of a tenant.
#[utoipa::path(get, path = "/admin/v1/tenants/{tenant}/projects", tag = "admin", params(("tenant" = String, Path)),
    responses((status = 200, body = Listed<Project>)))]
async fn projects(
    State(app): State<App>,
    operator: Operator,
    Path(tenant): Path<String>,
) -> Result<Json<Listed<Project>>, ApiError> {
    let tenant = operator.tenant(&tenant)?;
    let rows = app.ledger.projects(&tenant).await?;
    Ok(Json(Listed { data: rows.iter().map(Project::from).collect() }))
}

/// Make a project.
#[utoipa::path(post, path = "/admin/v1/tenants/{tenant}/projects", tag = "admin", params(("tenant" = String, Path)),
    request_body = NewProject, responses((status = 201, body = Project)))]
async fn create_project(
    State(app): State<App>,
    operator: Operator,
    Path(tenant): Path<String>,
    body: Body<NewProject>,
) -> Result<(StatusCode, Json<Project>), ApiError> {
    let tenant = operator.tenant(&tenant)?;
    let name = body.value.name;
    names::check("name", &name)?;
    let deed = Deed::new("project.create", format!("{tenant}/{name}")).to(&tenant);
    let made = app.ledger.create_project(&tenant, &name, unix_now());
    let row = app.audit.change(operator.caller(), deed, made).await?;
    Ok((StatusCode::CREATED, Json(Project::from(&row))))
}
