//! OpenAI's API.

mod assistants;
mod chat;
mod completions;
mod embeddings;
mod files;
mod metadata;
mod models;
pub(crate) mod paging;
mod rerank;
mod responses;
mod sse;
mod vector_stores;

use utoipa_axum::router::OpenApiRouter;

pub(crate) use self::{
    assistants::Settings,
    vector_stores::{attributes_on_wire, filter, limit, ranked},
};
pub(in crate::api) use self::{
    chat::create as chat, completions::create as completions, embeddings::create as embeddings, models::visible,
};
use crate::app::App;
use kubemate_ledger::new_id;

/// The path that is asked most.
pub(super) const CHAT: &str = "/v1/chat/completions";

/// All paths below `/v1`.
pub(super) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .merge(models::router())
        .merge(chat::router())
        .merge(completions::router())
        .merge(embeddings::router())
        .merge(rerank::router())
        .merge(responses::router())
        .merge(files::router())
        .merge(vector_stores::router())
        .merge(assistants::router())
}
