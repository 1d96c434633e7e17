//! Vector stores as walks use them: made, filled, waited for, searched.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Api, until};

/// Longest wait for one document on a busy machine of two cores.
const PATIENCE: Duration = Duration::from_secs(300);

/// A vector store of one caller.
pub(crate) struct Library<'a> {
    pub(crate) api: &'a Api,
    pub(crate) id: String,
}

impl<'a> Library<'a> {
    /// An empty store.
    pub(crate) async fn new(api: &'a Api, name: &str) -> Self {
        let store = api.post("/v1/vector_stores", json!({"name": name})).await.json();
        Self { api, id: store["id"].as_str().expect("an id").to_owned() }
    }

    /// Uploads and attaches; the document is not waited for.
    pub(crate) async fn add(&self, filename: &str, body: &[u8]) -> String {
        let file = self.api.upload(filename, body).await;
        let attached = self.api.post(&self.path("/files"), json!({"file_id": file})).await.json();
        assert!(["in_progress", "completed"].contains(&attached["status"].as_str().expect("a status")), "{attached}");
        file
    }

    /// As [`Self::add`], and waits until it is searchable.
    pub(crate) async fn index(&self, filename: &str, body: &[u8]) -> String {
        let file = self.add(filename, body).await;
        let done = self.settled(&file).await;
        assert_eq!(done["status"], "completed", "{done}");
        file
    }

    /// The file once it is no longer in progress.
    pub(crate) async fn settled(&self, file: &str) -> Value {
        let path = self.path(&format!("/files/{file}"));
        until("a document", PATIENCE, async || {
            let state = self.api.get(&path).await.json();
            (state["status"] != "in_progress").then_some(state)
        })
        .await
    }

    /// The best passages.
    pub(crate) async fn search(&self, query: &str, limit: u32) -> Vec<Value> {
        let found =
            self.api.post(&self.path("/search"), json!({"query": query, "max_num_results": limit})).await.json();
        found["data"].as_array().expect("a page").clone()
    }

    /// The stored text that citations point into, as Unicode scalars.
    pub(crate) async fn text(&self, file: &str) -> Vec<char> {
        let page = self.api.get(&self.path(&format!("/files/{file}/content"))).await.json();
        page["data"]
            .as_array()
            .expect("a page")
            .iter()
            .flat_map(|part| part["text"].as_str().expect("text").chars())
            .collect()
    }

    /// A path below this store.
    pub(crate) fn path(&self, rest: &str) -> String {
        format!("/v1/vector_stores/{}{rest}", self.id)
    }
}
