//! Endpoints for operators: health, readiness, metrics, and the API's own description.

use std::time::Duration;

use axum::{
    Json, Router,
    extract::State,
    middleware,
    response::{IntoResponse, Response},
};
use http::{StatusCode, header};
use serde::Serialize;
use tokio::time::timeout;
use utoipa::{
    OpenApi, ToSchema,
    openapi::{OpenApi as Document, security},
};
use utoipa_axum::{router::OpenApiRouter, routes};
use utoipa_swagger_ui::SwaggerUi;

use super::ApiError;
use crate::{app::App, config::ObjectsKind};

/// Head of the OpenAPI document.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Kubemate",
        description = "An OpenAI-compatible gateway that answers from your own documents. \
                       Send your key as `Authorization: Bearer km-…`.",
        license(name = "Apache-2.0")
    ),
    modifiers(&Bearer)
)]
struct Head;

struct Bearer;

impl utoipa::Modify for Bearer {
    fn modify(&self, document: &mut Document) {
        let scheme = security::SecurityScheme::Http(security::Http::new(security::HttpAuthScheme::Bearer));
        document.components.get_or_insert_default().add_security_scheme("key", scheme);
        document.security = Some(vec![security::SecurityRequirement::new::<_, [&str; 0], &str>("key", [])]);
    }
}

/// The document before the doors add their paths.
pub(super) fn description() -> Document {
    Head::openapi()
}

/// `/openapi.json` and the page at `/docs`; all its files are in the binary.
pub(super) fn documentation(document: Document) -> Router<App> {
    let pages: Router<App> = SwaggerUi::new("/docs").url("/openapi.json", document).into();
    pages.layer(middleware::map_response(told))
}

/// The pages refuse what they do not have without a word; the rest of the process never does.
async fn told(response: Response) -> Response {
    match response.status() {
        StatusCode::NOT_FOUND | StatusCode::BAD_REQUEST => ApiError::UnknownPath.into_response(),
        _ => response,
    }
}

/// Longest wait for a store to show that it works: readiness is asked every few seconds.
const PATIENCE: Duration = Duration::from_secs(3);

/// What is still told to everybody while the process stops.
pub(super) const PATHS: [&str; 3] = ["/healthz", "/readyz", "/metrics"];

/// Health, readiness and metrics.
pub(super) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(healthz)).routes(routes!(readyz)).routes(routes!(metrics))
}

/// The process answers.
#[utoipa::path(get, path = "/healthz", tag = "operations", security(()), responses((status = 200, body = String)))]
async fn healthz() -> &'static str {
    "ok"
}

/// Whether requests should be sent here, and what is not as it should be.
#[derive(Debug, Serialize, ToSchema)]
struct Readiness {
    /// `ready`, `degraded`, `unavailable` or `stopping`.
    status: &'static str,
    /// One line a part.
    parts: Vec<Part>,
}

/// A part of the process.
#[derive(Debug, Serialize, ToSchema)]
struct Part {
    name: &'static str,
    ok: bool,
    /// What is wrong and what still works; absent when nothing is.
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
    /// Whether nothing can be served without this part.
    #[serde(skip)]
    vital: bool,
}

impl Part {
    fn new(name: &'static str, wrong: Option<String>) -> Self {
        Self { name, ok: wrong.is_none(), detail: wrong, vital: false }
    }

    fn vital(mut self) -> Self {
        self.vital = true;
        self
    }
}

/// 200 when requests can be taken (parts that are degraded are named), 503 when not.
#[utoipa::path(get, path = "/readyz", tag = "operations", security(()),
    responses((status = 200, body = Readiness), (status = 503, body = Readiness)))]
async fn readyz(State(app): State<App>) -> (StatusCode, Json<Readiness>) {
    let mut parts = vec![ledger(&app).await.vital(), disk(&app), models(&app), embedder(&app)];
    if app.config.store.objects.kind == ObjectsKind::S3 {
        parts.push(objects(&app).await);
    }
    if app.caches.shared {
        parts.push(Part::new("cache", app.caches.wrong().await));
    }
    if app.config.store.vectors.is_served() {
        parts.push(vectors(&app).await);
    }
    let status = match () {
        () if app.stop.is_cancelled() => "stopping",
        () if parts.iter().any(|part| part.vital && !part.ok) => "unavailable",
        () if parts.iter().any(|part| !part.ok) => "degraded",
        () => "ready",
    };
    let code = if matches!(status, "ready" | "degraded") { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (code, Json(Readiness { status, parts }))
}

async fn ledger(app: &App) -> Part {
    let answers = matches!(timeout(PATIENCE, app.ledger.ping()).await, Ok(Ok(())));
    Part::new("ledger", (!answers).then(|| "the ledger does not answer".to_owned()))
}

async fn objects(app: &App) -> Part {
    let wrong = match timeout(PATIENCE, app.objects.check()).await {
        Ok(Ok(())) => None,
        Ok(Err(error)) => {
            tracing::debug!(error = %error, "the object store is not ready");
            Some("the object store does not answer as it should; uploads are refused and documents wait".to_owned())
        }
        Err(_) => Some("the object store does not answer; uploads are refused and documents wait".to_owned()),
    };
    Part::new("objects", wrong)
}

async fn vectors(app: &App) -> Part {
    let down = "the vector store does not answer: documents wait, searches fail, chat without documents goes on";
    Part::new("vectors", app.vectors.check().await.err().map(|_| down.to_owned()))
}

fn disk(app: &App) -> Part {
    let wrong = match app.free_space() {
        Ok(free) if free >= app.config.store.min_free.as_u64() => None,
        Ok(free) => Some(format!("only {} left below `store.data_dir`; uploads are refused", bytesize::ByteSize(free))),
        Err(_) => Some("the free space below `store.data_dir` cannot be read".to_owned()),
    };
    Part::new("disk", wrong)
}

fn models(app: &App) -> Part {
    let wrong =
        app.routes.models().is_empty().then(|| "no model: run `kubemate models pull` or configure `models`".to_owned());
    Part::new("models", wrong)
}

fn embedder(app: &App) -> Part {
    let name = &app.config.corpus.embedder;
    let wrong = app
        .local
        .kind(name)
        .is_none()
        .then(|| format!("embedder `{name}` is not here: documents wait; run `kubemate models pull {name}`"));
    Part::new("embedder", wrong)
}

/// Prometheus text. Durations are in microseconds.
#[utoipa::path(get, path = "/metrics", tag = "operations", security(()), responses((status = 200, body = String)))]
async fn metrics(State(app): State<App>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], app.metrics.render())
}
