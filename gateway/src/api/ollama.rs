//! Ollama's own API in front of every model of the gateway, so that its clients work unchanged.
//!
//! A request is put into OpenAI's words and goes through the same door as one that came that way: same keys, limits,
//! metering, documents behind saved assistants. Only the answer is written in Ollama's words.

mod answer;
mod ask;
mod chat;
mod embed;
mod generate;
mod line;
mod models;
mod render;

use axum::response::Response;
use kubemate_identity::Scope;
use utoipa_axum::router::OpenApiRouter;

pub(in crate::api) use answer::LINES;
pub(super) use render::render;

use super::{ApiError, caller::Caller};
use crate::{app::App, models::Target};

/// What the models of an answer are called when nobody said a tag.
const LATEST: &str = ":latest";

/// All paths below `/api`.
pub(super) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().merge(chat::router()).merge(generate::router()).merge(embed::router()).merge(models::router())
}

/// The gateway's name of a model: `model:latest` is `model`, unless something is called just so.
fn known_as(app: &App, model: &str) -> String {
    match model.strip_suffix(LATEST) {
        Some(bare) if app.routes.choose(model).is_err() => bare.to_owned(),
        _ => model.to_owned(),
    }
}

/// Whether fields of Ollama that OpenAI has not may be sent along: servers of other kinds refuse what they do not know.
fn speaks_ollama(app: &App, model: &str) -> bool {
    match app.routes.choose(model) {
        Ok(Target::Remote(upstream, _)) => upstream.speaks_ollama(),
        _ => false,
    }
}

/// The answer to a request that only loads or unloads a model. Models here load now; elsewhere at their first use.
async fn load(app: &App, caller: &Caller, model: &str) -> Result<(), ApiError> {
    caller.must(Scope::Chat)?;
    if !caller.rights.allows_model(model) {
        return Err(ApiError::ModelNotFound(model.to_owned()));
    }
    if let Target::Local(name) = app.routes.choose(model)? {
        app.local.must_be(&name, kubemate_engine::ModelKind::Chat)?;
        app.local.chat(&name).await?;
    }
    Ok(())
}

/// How a model came to its end when it was only loaded or unloaded.
fn load_reason(keep_alive: Option<&serde_json::Value>) -> &'static str {
    let zero = |value: &serde_json::Value| {
        value.as_f64() == Some(0.0)
            || value.as_str().is_some_and(|text| text.trim_end_matches(char::is_alphabetic) == "0")
    };
    if keep_alive.is_some_and(zero) { "unload" } else { "load" }
}

/// A whole answer in Ollama's shape.
fn json(value: &impl serde::Serialize) -> Result<Response, ApiError> {
    let body = serde_json::to_vec(value).map_err(ApiError::internal)?;
    let mut response = Response::new(body.into());
    let media = http::HeaderValue::from_static("application/json; charset=utf-8");
    response.headers_mut().insert(http::header::CONTENT_TYPE, media);
    Ok(response)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn zero_unloads_however_it_is_written() {
        for zero in [json!(0), json!("0"), json!("0s"), json!(0.0)] {
            assert_eq!(load_reason(Some(&zero)), "unload", "{zero}");
        }
        for other in [json!("5m"), json!(-1), json!(null)] {
            assert_eq!(load_reason(Some(&other)), "load", "{other}");
        }
        assert_eq!(load_reason(None), "load");
    }
}
