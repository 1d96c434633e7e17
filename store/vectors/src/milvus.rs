//! Milvus, through its own client.
//!
//! [`schema`] says what a collection looks like, [`expression`] makes conditions of typed values, [`rows`] turns points
//! into columns and back, [`connection`] bounds every call in time. Words are found by the server's BM25 function, which
//! is given the ids of our own terms as its text; a server without that function gets our term weights as sparse
//! vectors ([`lexical`]). docs/adr/0074-served-vectors.md has the reasons.

#![allow(clippy::result_large_err, reason = "the client's own error is large, and its calls are over a network")]

mod connection;
mod expression;
mod lexical;
mod register;
mod rows;
mod schema;

use std::collections::HashMap;
use std::time::Duration;

use async_trait::async_trait;
use kubemate_identity::TenantId;
use milvus::v2::ClientV2;
use milvus::v2::prelude::{
    ConsistencyLevel, DeleteRequest, FieldData, FilterTemplateValue, InsertRequest, QueryRequest, QueryResults,
    SearchRequest, SearchVectors, UpsertRequest,
};
use uuid::Uuid;

use self::connection::Connection;
use self::expression::{Expression, Word};
use self::rows::{ALL, WITH_VECTOR};
use crate::served::{Entry, Owned, Place, Server};
use crate::{DenseQuery, Hit, LexicalQuery, Passage, Point, Selector, SpaceId, SpaceSpec, VectorsError};

/// Most results that Milvus gives for one search or query (its quota `topK`).
const MOST_RESULTS: usize = 16_384;

/// How to reach a Milvus server, 2.5 or newer.
#[derive(Clone, PartialEq, Eq)]
pub struct MilvusConfig {
    /// Its address, as `http://127.0.0.1:19530` or `https://…`.
    pub url: String,
    /// A token or `user:password`.
    pub token: Option<String>,
    /// The database that holds the collections; it must exist. Empty is the server's default one.
    pub database: String,
    /// First part of the names of collections.
    pub prefix: String,
    /// PEM file of the authority that signed the server's certificate; the system's authorities when unset.
    pub ca_file: Option<String>,
    /// Longest wait for an answer, with all its retries.
    pub timeout: Duration,
    /// Longest wait for a connection.
    pub connect_timeout: Duration,
    /// What a search is sure to see.
    pub consistency: Consistency,
    /// Who weighs words.
    pub bm25: Bm25,
}

impl std::fmt::Debug for MilvusConfig {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("MilvusConfig").field("database", &self.database).finish_non_exhaustive()
    }
}

/// What a search is sure to see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Consistency {
    /// Every acknowledged write of every process. Milvus waits for its clock, up to 0.2 s for each search.
    #[default]
    Strong,
    /// Every acknowledged write of this process, and those of others a moment later.
    Session,
}

/// Who weighs words, for spaces made from now on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Bm25 {
    /// The server's function; rare is what is rare in all passages of the embedder. A server without it: as `Own`.
    #[default]
    Server,
    /// We do; rare is what is rare in the space, so nothing of other tenants counts. Each word of a question costs a count.
    Own,
}

/// A Milvus server.
#[derive(Debug)]
pub(crate) struct Milvus {
    connection: Connection,
    prefix: String,
    consistency: ConsistencyLevel,
    bm25: Bm25,
    /// Milvus Lite must not be written to by two at once.
    turn: tokio::sync::Mutex<()>,
}

impl Milvus {
    /// Connects at the first call: a server that is down now may be up then.
    pub(crate) fn new(config: &MilvusConfig) -> Self {
        let consistency = match config.consistency {
            Consistency::Strong => ConsistencyLevel::Strong,
            Consistency::Session => ConsistencyLevel::Session,
        };
        let (connection, prefix) = (Connection::new(config), config.prefix.clone());
        Self { connection, prefix, consistency, bm25: config.bm25, turn: tokio::sync::Mutex::new(()) }
    }

    /// The condition that every call on a space begins with.
    async fn of(&self, place: Place<'_>) -> Result<Expression, VectorsError> {
        let mut expression = Expression::new(self.connection.abilities().await?.templates);
        expression.and_equal(schema::TENANT, Word::of_id(place.tenant.as_str()));
        expression.and_equal(schema::SPACE, Word::of_id(place.space.as_str()));
        Ok(expression)
    }

    async fn query(
        &self,
        shelf: &str,
        expression: Expression,
        fields: &[&str],
        limit: Option<usize>,
    ) -> Result<QueryResults, VectorsError> {
        let (filter, values) = expression.finish();
        let mut request = QueryRequest::builder().collection_name(shelf).filter(filter).filter_templates(values);
        request = request.output_fields(fields.iter().copied()).consistency_level(self.consistency);
        if let Some(limit) = limit {
            // Pages must be ordered by key, which the server does for what it calls iterators only.
            let ordered = [("iterator", "True"), ("reduce_stop_for_best", "True")];
            let ordered = ordered.map(|(key, value)| (key.to_owned(), value.to_owned()));
            request = request.limit(limit as i64).extra_params(ordered.into());
        }
        let request = request.build();
        let ask = |client: ClientV2, ask| async move { client.query(ask).await };
        Ok(self.connection.on_shelf("read", shelf, request, ask).await?.results().clone())
    }

    async fn search(
        &self,
        place: Place<'_>,
        field: &str,
        vectors: SearchVectors,
        limit: usize,
        expression: Expression,
    ) -> Result<Vec<Owned<Hit>>, VectorsError> {
        let shelf = &place.entry.shelf;
        let (filter, values) = expression.finish();
        let limit = limit.min(MOST_RESULTS);
        let mut request = SearchRequest::builder().collection_name(shelf).vector_field(field).vectors(vectors);
        request = request.filter(filter).filter_templates(values).output_fields(ALL).limit(limit as i64);
        let request = request.consistency_level(self.consistency).build();
        let ask = |client: ClientV2, ask| async move { client.search(ask).await };
        let response = self.connection.on_shelf("searched", shelf, request, ask).await?;
        rows::hits(response.results())
    }

    async fn remove(&self, place: Place<'_>, expression: Expression) -> Result<(), VectorsError> {
        let (filter, values) = expression.finish();
        self.remove_from(&place.entry.shelf, filter, values).await
    }

    async fn remove_from(
        &self,
        shelf: &str,
        filter: String,
        values: HashMap<String, FilterTemplateValue>,
    ) -> Result<(), VectorsError> {
        let request = DeleteRequest::builder().collection_name(shelf).filter(filter).filter_templates(values).build();
        let _turn = self.turn().await?;
        let ask = |client: ClientV2, ask| async move { client.delete(ask).await };
        self.connection.on_shelf("deleted", shelf, request, ask).await.map(|_| ())
    }

    /// The right to write, where a server wants one writer at a time.
    async fn turn(&self) -> Result<Option<tokio::sync::MutexGuard<'_, ()>>, VectorsError> {
        Ok(match self.connection.abilities().await?.one_writer {
            true => Some(self.turn.lock().await),
            false => None,
        })
    }

    async fn upsert(&self, shelf: &str, columns: Vec<FieldData>) -> Result<(), VectorsError> {
        let rows = InsertRequest::builder().collection_name(shelf).columns(columns).build();
        let request = rows.and_then(|rows| UpsertRequest::builder().insert(rows).build());
        let _turn = self.turn().await?;
        let ask = |client: ClientV2, ask| async move { client.upsert(ask).await };
        self.connection.on_shelf("wrote", shelf, request, ask).await.map(|_| ())
    }
}

#[async_trait]
impl Server for Milvus {
    async fn shelf(&self, spec: &SpaceSpec) -> Result<String, VectorsError> {
        let abilities = self.connection.abilities().await?;
        let words = match self.bm25 {
            Bm25::Server if abilities.bm25 => schema::Words::Function,
            Bm25::Server | Bm25::Own => schema::Words::Weights,
        };
        let name = words.shelf(&self.prefix, spec);
        self.connection.make(&name, schema::shelf(spec, words), &schema::indexes(words, abilities.list_index)).await?;
        Ok(name)
    }

    async fn entry(&self, tenant: &TenantId, space: &SpaceId) -> Result<Option<Entry>, VectorsError> {
        self.registered(tenant, space).await
    }

    async fn enter(&self, tenant: &TenantId, space: &SpaceId, entry: &Entry) -> Result<(), VectorsError> {
        self.register(tenant, space, entry).await
    }

    async fn strike(&self, tenant: &TenantId, space: &SpaceId) -> Result<(), VectorsError> {
        self.unregister(tenant, space).await
    }

    async fn write(&self, place: Place<'_>, points: &[Point]) -> Result<(), VectorsError> {
        let words = schema::Words::of_shelf(&place.entry.shelf);
        self.upsert(&place.entry.shelf, rows::columns(place, points, words)?).await
    }

    async fn dense(&self, place: Place<'_>, query: DenseQuery) -> Result<Vec<Owned<Hit>>, VectorsError> {
        let expression = self.of(place).await?.and_filter(query.filter.as_ref());
        let vectors = SearchVectors::Float(vec![query.vector]);
        self.search(place, schema::DENSE, vectors, query.limit, expression).await
    }

    async fn lexical(&self, place: Place<'_>, query: LexicalQuery) -> Result<Vec<Owned<Hit>>, VectorsError> {
        let expression = self.of(place).await?.and_filter(query.filter.as_ref());
        let vectors = match schema::Words::of_shelf(&place.entry.shelf) {
            schema::Words::Function => SearchVectors::EmbeddedText(vec![lexical::question(&query.text)]),
            schema::Words::Weights => SearchVectors::SparseFloat(vec![self.weighed(place, &query.text).await?]),
        };
        let mut found = self.search(place, schema::WEIGHTS, vectors, query.limit, expression).await?;
        // Milvus Lite gives BM25 below zero.
        found.iter_mut().for_each(|one| one.item.score = one.item.score.abs());
        Ok(found)
    }

    async fn get(&self, place: Place<'_>, ids: &[Uuid]) -> Result<Vec<Owned<(Uuid, Passage)>>, VectorsError> {
        let mut expression = self.of(place).await?;
        expression.and_one_of(schema::KEY, rows::keys(place, ids));
        rows::passages(&self.query(&place.entry.shelf, expression, &ALL, None).await?)
    }

    async fn page(
        &self,
        place: Place<'_>,
        after: Option<Uuid>,
        limit: usize,
    ) -> Result<Vec<Owned<Point>>, VectorsError> {
        let mut expression = self.of(place).await?;
        if let Some(after) = after {
            expression.and_above(schema::KEY, rows::key(place, after));
        }
        rows::points(&self.query(&place.entry.shelf, expression, &WITH_VECTOR, Some(limit)).await?)
    }

    async fn delete(&self, place: Place<'_>, selector: &Selector) -> Result<(), VectorsError> {
        // A long list of ids in several requests: an expression has a longest length.
        if let Selector::Points(ids) = selector {
            for batch in ids.chunks(crate::served::READ) {
                let mut expression = self.of(place).await?;
                expression.and_one_of(schema::KEY, rows::keys(place, batch));
                self.remove(place, expression).await?;
            }
            return Ok(());
        }
        let mut expression = self.of(place).await?;
        match selector {
            Selector::File(file) => expression.and_equal(schema::FILE_KEY, Word::of_text(file)),
            Selector::FileVersionsBelow { file, version } => {
                expression.and_equal(schema::FILE_KEY, Word::of_text(file));
                expression.and_below(schema::VERSION, *version);
            }
            Selector::Points(_) => {}
        }
        self.remove(place, expression).await
    }

    async fn clear(&self, place: Place<'_>) -> Result<(), VectorsError> {
        let expression = self.of(place).await?;
        self.remove(place, expression).await
    }

    async fn count(&self, place: Place<'_>) -> Result<u64, VectorsError> {
        let expression = self.of(place).await?;
        Ok(self.query(&place.entry.shelf, expression, &["count(*)"], None).await?.get_row_count())
    }

    async fn check(&self) -> Result<(), VectorsError> {
        self.connection.check().await
    }
}
