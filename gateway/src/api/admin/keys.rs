//! API keys of a tenant.

use axum::{Json, extract::State};
use http::StatusCode;
use kubemate_identity::{KeyId, ProjectId, Rights};
use kubemate_ledger::{KeyRow, LedgerError};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{operator::Operator, tenants::Listed};
use crate::{
    api::{ApiError, Json as Body, Path, names},
    app::{App, unix_now},
    auth::{ADMIN_KEY, Deed, Issued, Wanted, issue, rights},
};

pub(super) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(revoke))
}

/// A key as it is listed: never its secret.
#[derive(Debug, Serialize, ToSchema)]
struct Key {
    id: String,
    tenant: String,
    project: String,
    name: String,
    /// The start of the secret, to tell keys apart.
    display: String,
    scopes: Vec<String>,
    /// Models that may be asked for; null means all.
    models: Option<Vec<String>>,
    /// Unix seconds; null means never.
    expires_at: Option<i64>,
    created_at: i64,
    revoked_at: Option<i64>,
    /// The secret, only in the answer that made the key.
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
}

impl From<&KeyRow> for Key {
    fn from(row: &KeyRow) -> Self {
        let Rights { scopes, models, expires_at } = row.rights.clone();
        Self {
            id: row.id.to_string(),
            tenant: row.tenant.to_string(),
            project: row.project.to_string(),
            name: row.name.clone(),
            display: row.display.clone(),
            scopes: scopes.iter().map(|scope| scope.as_str().to_owned()).collect(),
            models: models.map(|models| models.into_iter().collect()),
            expires_at,
            created_at: row.created_at,
            revoked_at: row.revoked_at,
            key: None,
        }
    }
}

/// A key to be made. Its rights must be a subset of the rights of the key that makes it.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, expecting = "a JSON object")]
struct NewKey {
    /// 1 to 200 characters.
    name: String,
    /// Id of a project of the tenant; its project `default` when absent.
    project: Option<String>,
    /// Every scope but `admin` when absent; not an empty list.
    scopes: Option<Vec<String>>,
    /// All models when absent; not an empty list.
    models: Option<Vec<String>>,
    /// Unix seconds.
    expires_at: Option<i64>,
}

/// The keys of a tenant, revoked ones too.
#[utoipa::path(get, path = "/admin/v1/tenants/{tenant}/keys", tag = "admin", params(("tenant" = String, Path)),
    responses((status = 200, body = Listed<Key>)))]
async fn list(
    State(app): State<App>,
    operator: Operator,
    Path(tenant): Path<String>,
) -> Result<Json<Listed<Key>>, ApiError> {
    let tenant = operator.tenant(&tenant)?;
    let rows = app.ledger.keys(&tenant).await?;
    Ok(Json(Listed { data: rows.iter().map(Key::from).collect() }))
}

/// Make a key; the answer holds its secret, which is never shown again.
#[utoipa::path(post, path = "/admin/v1/tenants/{tenant}/keys", tag = "admin", params(("tenant" = String, Path)),
    request_body = NewKey, responses((status = 201, body = Key)))]
async fn create(
    State(app): State<App>,
    operator: Operator,
    Path(tenant): Path<String>,
    body: Body<NewKey>,
) -> Result<(StatusCode, Json<Key>), ApiError> {
    let tenant = operator.tenant(&tenant)?;
    let wanted = wanted(&operator, body.value)?;
    let deed = Deed::new("key.create", format!("{tenant}/{}", wanted.name)).to(&tenant);
    let issued = async { issue(&app.ledger, &tenant, wanted).await.map_err(refused) };
    let Issued { row, secret } = app.audit.change(operator.caller(), deed, issued).await?;
    Ok((StatusCode::CREATED, Json(Key { key: Some(secret), ..Key::from(&row) })))
}

fn wanted(operator: &Operator, asked: NewKey) -> Result<Wanted, ApiError> {
    names::check("name", &asked.name)?;
    let scopes = some_or_absent("scopes", asked.scopes, "every scope but `admin`")?;
    let models = some_or_absent("models", asked.models, "all models")?;
    let rights = rights(&scopes, &models, asked.expires_at).map_err(|why| ApiError::invalid("scopes", why))?;
    rights.is_subset_of(&operator.caller().rights).map_err(|error| ApiError::Forbidden(error.to_string()))?;
    let project = asked.project.as_deref().map(ProjectId::parse).transpose();
    let key = operator.caller().key.clone();
    Ok(Wanted {
        name: asked.name,
        project: project.map_err(|error| ApiError::invalid("project", error.to_string()))?,
        rights,
        maker: Some(key).filter(|key| key.as_str() != ADMIN_KEY),
    })
}

/// An empty list reads like "none" and must not make a key that may do all.
fn some_or_absent(field: &str, list: Option<Vec<String>>, all: &str) -> Result<Vec<String>, ApiError> {
    match list {
        Some(list) if list.is_empty() => {
            let message = format!("`{field}` is an empty list; name at least one, or leave it out for {all}");
            Err(ApiError::invalid(field, message))
        }
        list => Ok(list.unwrap_or_default()),
    }
}

fn refused(error: anyhow::Error) -> ApiError {
    match error.downcast::<LedgerError>() {
        Ok(error) => error.into(),
        Err(error) => ApiError::Internal(error),
    }
}

/// Revoke a key and with it every key it made; it opens nothing within a second.
#[utoipa::path(delete, path = "/admin/v1/tenants/{tenant}/keys/{key}", tag = "admin",
    params(("tenant" = String, Path), ("key" = String, Path)), responses((status = 204)))]
async fn revoke(
    State(app): State<App>,
    operator: Operator,
    Path((tenant, key)): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    let tenant = operator.tenant(&tenant)?;
    let id = KeyId::parse(&key).map_err(|_| ApiError::NotFound { kind: "key", id: key.clone() })?;
    let deed = Deed::new("key.revoke", format!("{tenant}/{key}")).to(&tenant);
    app.audit.change(operator.caller(), deed, app.ledger.revoke_key(&tenant, &id, unix_now())).await?;
    app.keys.forget();
    Ok(StatusCode::NO_CONTENT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_list_is_not_everything() {
        assert_eq!(some_or_absent("models", None, "all models").unwrap(), Vec::<String>::new());
        assert_eq!(some_or_absent("models", Some(vec!["m".to_owned()]), "all models").unwrap(), ["m"]);
        let ApiError::Invalid { message, param, .. } =
            some_or_absent("models", Some(Vec::new()), "all models").unwrap_err()
        else {
            panic!("a wrong request")
        };
        assert!(message.contains("leave it out for all models"), "{message}");
        assert_eq!(param.as_deref(), Some("models"));
    }
}
