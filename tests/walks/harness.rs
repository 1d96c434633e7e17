//! What every walk needs: servers, callers, documents.

mod api;
mod binary;
mod bucket;
mod collector;
mod documents;
mod faulty;
mod folder;
mod library;
mod milvus;
mod ollama;
mod pdf;
mod postgres;
mod redis;
mod server;
mod shared;
mod upstream;

use std::time::{Duration, Instant};

pub(crate) use api::{Answer, Api, Event, Opened};
pub(crate) use binary::{cache, kubemate};
pub(crate) use bucket::Bucket;
pub(crate) use collector::{Collector, Seen};
pub(crate) use documents::{Fact, documents, facts};
pub(crate) use faulty::{EVENTS, Faulty, Mood, WORD};
pub(crate) use folder::Folder;
pub(crate) use library::Library;
pub(crate) use milvus::Milvus;
pub(crate) use ollama::{Ollama, THERE, gguf};
pub(crate) use pdf::pdf;
pub(crate) use postgres::Postgres;
pub(crate) use redis::Redis;
pub(crate) use server::{ADMIN, Server, Setup};
pub(crate) use shared::{shared, tenant};
pub(crate) use upstream::Upstream;

/// The models that walks ask: small enough for two cores.
pub(crate) const CHAT: &str = "smollm2-135m-instruct";
/// The default embedder.
pub(crate) const EMBEDDER: &str = "multilingual-e5-small";

/// Asks `condition` again until it gives something; fails after `limit` with what was waited for.
pub(crate) async fn until<T, F>(what: &str, limit: Duration, mut condition: F) -> T
where
    F: AsyncFnMut() -> Option<T>,
{
    let begun = Instant::now();
    loop {
        if let Some(found) = condition().await {
            return found;
        }
        assert!(begun.elapsed() < limit, "waited {limit:?} in vain for {what}");
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
}
