//! The models of an upstream that is an Ollama. What changes something there is audited.

mod report;

use axum::{Json, body::Body, extract::State, response::Response};
use http::StatusCode;
use kubemate_wire::ollama::{CreateRequest, KeepAlive, ModelDetails, PullRequest, ShowResponse};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{operator::Operator, tenants::Listed};
use crate::{
    api::{ApiError, Json as Typed, Path},
    app::App,
    auth::Deed,
    ollama::Manager,
};

pub(super) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(show, delete))
        .routes(routes!(pull))
        .routes(routes!(create))
        .routes(routes!(has_blob, send_blob))
        .routes(routes!(load))
        .routes(routes!(unload))
}

/// A model on an Ollama server.
#[derive(Debug, Serialize, ToSchema)]
struct Model {
    /// Name and tag.
    name: String,
    /// Bytes on disk.
    size: u64,
    /// SHA-256 of its manifest, hexadecimal.
    digest: String,
    /// RFC 3339.
    modified_at: String,
    /// `gguf` or `safetensors`.
    format: String,
    /// Architecture.
    family: String,
    /// Such as `135M`.
    parameter_size: String,
    /// Such as `Q4_1`.
    quantization_level: String,
    /// Whether it is in memory.
    loaded: bool,
    /// When it is let go, RFC 3339; null when it is not in memory.
    expires_at: Option<String>,
}

/// A model to be loaded or unloaded.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, expecting = "a JSON object")]
struct Which {
    /// Name and tag.
    model: String,
    /// How long it stays in memory: a duration such as `5m`, seconds, or -1 for ever; the server's own when absent.
    #[schema(value_type = Option<String>)]
    keep_alive: Option<KeepAlive>,
}

/// Only who administers the instance may see and change what upstreams hold.
fn manager(app: &App, operator: &Operator, upstream: &str) -> Result<Manager, ApiError> {
    operator.must_be_of_instance()?;
    Manager::of(&app.routes, upstream)
}

/// The models of an Ollama upstream, and which are in memory.
#[utoipa::path(get, path = "/admin/v1/upstreams/{upstream}/models", tag = "admin", params(("upstream" = String, Path)),
    responses((status = 200, body = Listed<Model>)))]
async fn list(
    State(app): State<App>,
    operator: Operator,
    Path(upstream): Path<String>,
) -> Result<Json<Listed<Model>>, ApiError> {
    let manager = manager(&app, &operator, &upstream)?;
    let (tags, running) = futures::try_join!(manager.list(), manager.running())?;
    let one = |entry: kubemate_wire::ollama::ModelEntry| {
        let expires_at = running.models.iter().find(|model| model.name == entry.name).map(|one| one.expires_at.clone());
        let ModelDetails { format, family, parameter_size, quantization_level, .. } = entry.details;
        Model {
            name: entry.name,
            size: entry.size,
            digest: entry.digest,
            modified_at: entry.modified_at,
            format,
            family,
            parameter_size,
            quantization_level,
            loaded: expires_at.is_some(),
            expires_at,
        }
    };
    Ok(Json(Listed { data: tags.models.into_iter().map(one).collect() }))
}

/// A model in detail.
#[utoipa::path(get, path = "/admin/v1/upstreams/{upstream}/models/{*model}", tag = "admin",
    params(("upstream" = String, Path), ("model" = String, Path)), responses((status = 200, description = "The model")))]
async fn show(
    State(app): State<App>,
    operator: Operator,
    Path((upstream, model)): Path<(String, String)>,
) -> Result<Json<ShowResponse>, ApiError> {
    manager(&app, &operator, &upstream)?.show(&model).await.map(Json)
}

/// Remove a model from the server's disk.
#[utoipa::path(delete, path = "/admin/v1/upstreams/{upstream}/models/{*model}", tag = "admin",
    params(("upstream" = String, Path), ("model" = String, Path)), responses((status = 204)))]
async fn delete(
    State(app): State<App>,
    operator: Operator,
    Path((upstream, model)): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    let manager = manager(&app, &operator, &upstream)?;
    let deed = Deed::new("upstream.model.delete", format!("{upstream}/{model}"));
    app.audit.change(operator.caller(), deed, manager.delete(&model)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Fetch a model from Ollama's library or another registry; the answer is lines of progress, the last one says `success`
/// or names an `error`. A client that leaves stops it; asked again it goes on where it was.
#[utoipa::path(post, path = "/admin/v1/upstreams/{upstream}/pull", tag = "admin", params(("upstream" = String, Path)),
    responses((status = 200, description = "Progress, a JSON object a line")))]
async fn pull(
    State(app): State<App>,
    operator: Operator,
    Path(upstream): Path<String>,
    body: Typed<PullRequest>,
) -> Result<Response, ApiError> {
    let manager = manager(&app, &operator, &upstream)?;
    let request = body.value;
    let deed = Deed::new("upstream.model.pull", format!("{upstream}/{}", request.model));
    report::follow(app, operator, deed, move |lines| async move {
        let answered = manager.pull(&request).await?;
        lines.forward(&manager, answered).await
    })
    .await
}

/// Make a model of files that were sent before; the answer is lines of progress, as those of `pull`.
#[utoipa::path(post, path = "/admin/v1/upstreams/{upstream}/create", tag = "admin", params(("upstream" = String, Path)),
    responses((status = 200, description = "Progress, a JSON object a line")))]
async fn create(
    State(app): State<App>,
    operator: Operator,
    Path(upstream): Path<String>,
    body: Typed<CreateRequest>,
) -> Result<Response, ApiError> {
    let manager = manager(&app, &operator, &upstream)?;
    let request = body.value;
    let deed = Deed::new("upstream.model.create", format!("{upstream}/{}", request.model));
    report::follow(app, operator, deed.with(json!({"files": request.files})), move |lines| async move {
        let answered = manager.create(&request).await?;
        lines.forward(&manager, answered).await
    })
    .await
}

/// Whether a file with this digest was sent before.
#[utoipa::path(head, path = "/admin/v1/upstreams/{upstream}/blobs/{digest}", tag = "admin",
    params(("upstream" = String, Path), ("digest" = String, Path)), responses((status = 200), (status = 404)))]
async fn has_blob(
    State(app): State<App>,
    operator: Operator,
    Path((upstream, digest)): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    check_digest(&digest)?;
    let there = manager(&app, &operator, &upstream)?.has_blob(&digest).await?;
    Ok(if there { StatusCode::OK } else { StatusCode::NOT_FOUND })
}

/// Send a file, such as a GGUF, under its digest `sha256:…`; a model is then made of it with `create`.
#[utoipa::path(put, path = "/admin/v1/upstreams/{upstream}/blobs/{digest}", tag = "admin",
    params(("upstream" = String, Path), ("digest" = String, Path)), responses((status = 201)))]
async fn send_blob(
    State(app): State<App>,
    operator: Operator,
    Path((upstream, digest)): Path<(String, String)>,
    file: Body,
) -> Result<StatusCode, ApiError> {
    check_digest(&digest)?;
    let manager = manager(&app, &operator, &upstream)?;
    let deed = Deed::new("upstream.blob.send", format!("{upstream}/{digest}"));
    app.audit.change(operator.caller(), deed, manager.send_blob(&digest, file)).await?;
    Ok(StatusCode::CREATED)
}

/// It becomes a part of a path over there.
fn check_digest(digest: &str) -> Result<(), ApiError> {
    let hex = digest.strip_prefix("sha256:").unwrap_or_default();
    if hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte)) {
        return Ok(());
    }
    Err(ApiError::invalid("digest", "a digest is `sha256:` and 64 small hexadecimal digits"))
}

/// Bring a model into memory.
#[utoipa::path(post, path = "/admin/v1/upstreams/{upstream}/load", tag = "admin", params(("upstream" = String, Path)),
    request_body = Which, responses((status = 204)))]
async fn load(
    State(app): State<App>,
    operator: Operator,
    Path(upstream): Path<String>,
    body: Typed<Which>,
) -> Result<StatusCode, ApiError> {
    let manager = manager(&app, &operator, &upstream)?;
    let Which { model, keep_alive } = body.value;
    let deed = Deed::new("upstream.model.load", format!("{upstream}/{model}"));
    app.audit.change(operator.caller(), deed, manager.load(&model, keep_alive.as_ref())).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Take a model out of memory.
#[utoipa::path(post, path = "/admin/v1/upstreams/{upstream}/unload", tag = "admin", params(("upstream" = String, Path)),
    request_body = Which, responses((status = 204)))]
async fn unload(
    State(app): State<App>,
    operator: Operator,
    Path(upstream): Path<String>,
    body: Typed<Which>,
) -> Result<StatusCode, ApiError> {
    let manager = manager(&app, &operator, &upstream)?;
    let deed = Deed::new("upstream.model.unload", format!("{upstream}/{}", body.value.model));
    app.audit.change(operator.caller(), deed, manager.unload(&body.value.model)).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_a_digest_and_no_path() {
        assert!(check_digest(&format!("sha256:{}", "0a".repeat(32))).is_ok());
        for wrong in ["", "sha256:", "../tags", &format!("sha256:{}", "0A".repeat(32)), &"0a".repeat(32)] {
            assert!(check_digest(wrong).is_err(), "{wrong}");
        }
    }
}
