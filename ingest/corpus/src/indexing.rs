//! One document's way into the index, safe to be cut off anywhere and begun again.
//!
//! Every step writes what the next one reads under names that follow from the version alone, so a second run overwrites the
//! first. Nothing is visible before the ledger's one transaction at the end: search returns only the version the
//! ledger names.

mod vectors;

use std::sync::Arc;
use std::time::Instant;

use kubemate_engine::Embedder;
use kubemate_ledger::{Completed, DocumentRow, FileRow, JobRow, StoreRow};
use kubemate_objects::once;
use kubemate_parse::Document;
use kubemate_vectors::{Attributes, Passage, Point, SpaceSpec};
use tokio_util::sync::CancellationToken;

use crate::layout::{self, Version};
use crate::metering::{self, Stage};
use crate::parts::embedder_identity;
use crate::{Chunk, Chunking, ChunkingStrategy, Corpus, CorpusError, Sight, Upload};

/// Points of one upsert: large enough for the store's own batching, small enough to report progress.
const POINTS: usize = 256;

/// A running index job.
pub(crate) struct Indexing<'a> {
    corpus: &'a Corpus,
    job: &'a JobRow,
    version: Version,
    /// Cancelled when the job is no longer ours, or the process stops.
    lost: &'a CancellationToken,
}

/// What the job works on.
struct Rows {
    store: StoreRow,
    file: FileRow,
    document: DocumentRow,
    embedder: Arc<dyn Embedder>,
}

impl<'a> Indexing<'a> {
    pub(crate) fn new(corpus: &'a Corpus, job: &'a JobRow, version: Version, lost: &'a CancellationToken) -> Self {
        Self { corpus, job, version, lost }
    }

    /// Makes the version searchable.
    ///
    /// # Errors
    /// [`CorpusError::CalledOff`] when the job is no longer ours; what was begun is left for the caller to remove.
    pub(crate) async fn run(&self) -> Result<(), CorpusError> {
        let rows = self.rows().await?;
        let document = self.parse(&rows).await?;
        let (document, chunks) = self.chunk(&rows, document).await?;
        self.keep_text(&rows, &document).await?;
        let vectors = self.embed(&rows, &chunks).await?;
        let passages = chunks.len();
        let usage_bytes = self.index(&rows, &document, chunks, vectors).await?;
        let done = Completed {
            version: self.version.version,
            usage_bytes,
            chunks: i64::try_from(passages).unwrap_or(i64::MAX),
            content_sha256: rows.file.sha256.clone(),
        };
        self.corpus.parts.ledger.complete_index(self.job, done, self.corpus.now()).await?;
        metering::document_indexed(rows.file.bytes, passages);
        Ok(())
    }

    async fn rows(&self) -> Result<Rows, CorpusError> {
        let (ledger, tenant) = (&self.corpus.parts.ledger, &self.job.tenant);
        let store = ledger.store(tenant, &self.version.store).await?.into_inner();
        let file = ledger.file(tenant, &self.version.file).await?.into_inner();
        let document = ledger.document(tenant, &self.version.store, &self.version.file).await?.into_inner();
        let embedder = self.corpus.embedder(&store.embedder).await?;
        Ok(Rows { store, file, document, embedder })
    }

    async fn parse(&self, rows: &Rows) -> Result<Document, CorpusError> {
        let since = Instant::now();
        self.report(1, Stage::Parsing).await?;
        let key = layout::file(&rows.file.id)?;
        let body = self.corpus.parts.objects.get(&self.job.tenant, &key).await?;
        let upload = Upload {
            filename: rows.file.filename.clone(),
            media_type: rows.file.media_type.clone(),
            bytes: u64::try_from(rows.file.bytes).unwrap_or_default(),
        };
        let document = self.unless_lost(self.corpus.parts.parser.parse(&upload, body)).await??;
        metering::stage_ended(Stage::Parsing, since);
        Ok(document)
    }

    async fn chunk(&self, rows: &Rows, document: Document) -> Result<(Document, Vec<Chunk>), CorpusError> {
        let since = Instant::now();
        self.report(10, Stage::Chunking).await?;
        let chosen = if rows.document.chunking.is_null() { &rows.store.chunking } else { &rows.document.chunking };
        let strategy = ChunkingStrategy::from_json(chosen)?;
        let chunking = Chunking { config: self.corpus.config().chunking.clone(), strategy };
        let (counter, sight) = (rows.embedder.tokenizer(), Sight::of(rows.embedder.identity()));
        let cut = move || {
            let chunks = crate::chunk(&document, &*counter, sight, &chunking);
            (document, chunks)
        };
        let (document, chunks) = tokio::task::spawn_blocking(cut).await?;
        if chunks.is_empty() {
            return Err(CorpusError::NoText);
        }
        metering::stage_ended(Stage::Chunking, since);
        Ok((document, chunks))
    }

    async fn keep_text(&self, rows: &Rows, document: &Document) -> Result<(), CorpusError> {
        let (objects, tenant) = (&self.corpus.parts.objects, &self.job.tenant);
        objects.put(tenant, &self.version.text()?, once(document.text.clone())).await?;
        let name = layout::name(&self.version.store, &rows.file.filename, &self.version.file)?;
        objects.put(tenant, &name, once(Vec::new())).await?;
        Ok(())
    }

    /// Writes all points; gives the bytes they take.
    async fn index(
        &self,
        rows: &Rows,
        document: &Document,
        chunks: Vec<Chunk>,
        vectors: Vec<Arc<[f32]>>,
    ) -> Result<i64, CorpusError> {
        let since = Instant::now();
        self.report(85, Stage::Indexing).await?;
        let (store, tenant, space) = (&self.corpus.parts.vectors, &self.job.tenant, layout::space(&rows.store.id)?);
        let model = rows.embedder.identity();
        let spec = SpaceSpec { dimensions: model.dimensions, embedder: embedder_identity(model) };
        store.ensure(tenant, &space, &spec).await?;
        let attributes: Attributes = serde_json::from_value(rows.document.attributes.clone()).unwrap_or_default();
        let all = chunks.len();
        let mut bytes = 0;
        let mut points = Vec::with_capacity(POINTS.min(all));
        for (at, (chunk, vector)) in chunks.into_iter().zip(vectors).enumerate() {
            let passage = self.passage(rows, document, chunk, &attributes);
            bytes += passage.text.len() + 4 * vector.len();
            let id = self.version.point(tenant, passage.ordinal);
            points.push(Point { id, dense: vector.to_vec(), passage });
            if points.len() == POINTS || at + 1 == all {
                store.upsert(tenant, &space, std::mem::take(&mut points)).await?;
                self.report(percent(85, 99, at + 1, all), Stage::Indexing).await?;
            }
        }
        metering::stage_ended(Stage::Indexing, since);
        Ok(i64::try_from(bytes).unwrap_or(i64::MAX))
    }

    fn passage(&self, rows: &Rows, document: &Document, chunk: Chunk, attributes: &Attributes) -> Passage {
        Passage {
            file: self.version.file.clone(),
            version: self.version.version,
            ordinal: chunk.ordinal,
            page: chunk.page,
            page_end: chunk.page_end,
            start: chunk.start,
            end: chunk.end,
            heading: chunk.heading,
            filename: rows.file.filename.clone(),
            text: document.text.get(chunk.bytes).unwrap_or_default().to_owned(),
            attributes: attributes.clone(),
        }
    }

    /// Shows progress, and finds out whether the job is still ours.
    async fn report(&self, percent: u8, stage: Stage) -> Result<(), CorpusError> {
        let held = self.corpus.parts.ledger.report(self.job, percent, stage.name()).await?;
        if held && !self.lost.is_cancelled() { Ok(()) } else { Err(CorpusError::CalledOff) }
    }

    /// Waits for something that may be dropped at any moment.
    async fn unless_lost<T>(&self, work: impl Future<Output = T>) -> Result<T, CorpusError> {
        self.lost.run_until_cancelled(work).await.ok_or(CorpusError::CalledOff)
    }
}

/// Progress within a stage that goes from `low` to `high` percent.
fn percent(low: u8, high: u8, done: usize, all: usize) -> u8 {
    let span = usize::from(high - low) * done / all.max(1);
    low.saturating_add(u8::try_from(span).unwrap_or_default())
}
