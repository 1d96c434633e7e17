//! A vector for each passage: known ones are found again, the others are embedded.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Instant;

use kubemate_engine::{EmbedInput, EmbedRequest, Embedded, EngineError, Priority, Purpose};
use kubemate_objects::{ObjectKey, ObjectsError, collect, once};

use super::{Indexing, Rows, percent};
use crate::layout::{self, PART};
use crate::metering::{self, Stage};
use crate::parts::{Hash, Known, decode, encode, hash};
use crate::{Chunk, CorpusError};

/// Passages of one call to the embedder: about 8,000 tokens, several batches of its own token budget, so that its
/// threads are busy and a question still waits for one batch only.
const TEXTS: usize = 32;
/// Longest part read back: 128 vectors of 65,536 dimensions.
const LONGEST_PART: usize = 64 << 20;
/// Other files looked through for equal passages. More of the same name or content would hold the same passages.
const RELATIVES: usize = 8;
/// How often a full queue is waited for within one attempt; the embedder says each time for how long.
const PATIENCE: usize = 1000;

impl Indexing<'_> {
    /// The vectors of all chunks in their order. They are kept in parts as they come, so that neither a crash nor the
    /// next upload of the same text computes them again.
    pub(super) async fn embed(&self, rows: &Rows, chunks: &[Chunk]) -> Result<Vec<Arc<[f32]>>, CorpusError> {
        let since = Instant::now();
        self.report(15, Stage::Embedding).await?;
        let hashes: Vec<Hash> = chunks.iter().map(|chunk| hash(&chunk.embedded)).collect();
        let mut known = self.known(rows, &hashes).await?;
        metering::reused(hashes.iter().filter(|hash| known.contains_key(*hash)).count());
        let all = chunks.len();
        let mut vectors = Vec::with_capacity(all);
        for (part, (chunks, hashes)) in chunks.chunks(PART).zip(hashes.chunks(PART)).enumerate() {
            self.embed_missing(rows, chunks, hashes, &mut known).await?;
            let own = hashes.iter().map(|hash| known.get(hash).map(|vector| (*hash, Arc::clone(vector))));
            let own: Vec<(Hash, Arc<[f32]>)> =
                own.collect::<Option<_>>().ok_or(CorpusError::Damaged("an embedding"))?;
            let bytes = encode(rows.embedder.identity(), &own);
            self.corpus.parts.objects.put(&self.job.tenant, &self.version.part(part)?, once(bytes)).await?;
            vectors.extend(own.into_iter().map(|(_, vector)| vector));
            self.report(percent(15, 85, vectors.len(), all), Stage::Embedding).await?;
        }
        metering::stage_ended(Stage::Embedding, since);
        Ok(vectors)
    }

    async fn embed_missing(
        &self,
        rows: &Rows,
        chunks: &[Chunk],
        hashes: &[Hash],
        known: &mut Known,
    ) -> Result<(), CorpusError> {
        let missing = chunks.iter().zip(hashes).filter(|(_, hash)| !known.contains_key(*hash));
        let missing: Vec<(&Chunk, Hash)> = missing.map(|(chunk, hash)| (chunk, *hash)).collect();
        for batch in missing.chunks(TEXTS) {
            let texts = batch.iter().map(|(chunk, _)| EmbedInput::Text(chunk.embedded.clone())).collect();
            let request = EmbedRequest { texts, purpose: Purpose::Passage, priority: Priority::Bulk };
            let Embedded { vectors, tokens, truncated } = self.patiently(rows, request).await?;
            metering::embedded(vectors.len(), tokens, truncated);
            known.extend(batch.iter().map(|(_, hash)| *hash).zip(vectors.into_iter().map(Arc::from)));
        }
        Ok(())
    }

    /// Embeds, waiting as long as the embedder asks for when its queue is full.
    async fn patiently(&self, rows: &Rows, request: EmbedRequest) -> Result<Embedded, CorpusError> {
        for _ in 0..PATIENCE {
            match self.unless_lost(rows.embedder.embed(request.clone())).await? {
                Err(EngineError::QueueFull { retry_after }) => {
                    self.unless_lost(tokio::time::sleep(retry_after)).await?;
                }
                done => return Ok(done?),
            }
        }
        Ok(self.unless_lost(rows.embedder.embed(request)).await??)
    }

    /// Vectors of equal texts: from an earlier attempt, other versions of the file, files with the same content, and
    /// files of the same name in this knowledge base.
    async fn known(&self, rows: &Rows, wanted: &[Hash]) -> Result<Known, CorpusError> {
        let wanted: HashSet<Hash> = wanted.iter().copied().collect();
        let mut known = Known::new();
        for file in self.relatives(rows).await? {
            let [_, prefix] = layout::of_file(&file);
            for key in self.corpus.parts.objects.list(&self.job.tenant, &prefix).await? {
                if known.len() == wanted.len() {
                    return Ok(known);
                }
                self.read_part(rows, &key, &wanted, &mut known).await?;
            }
        }
        Ok(known)
    }

    /// The file itself first, then those most like it.
    async fn relatives(&self, rows: &Rows) -> Result<Vec<String>, CorpusError> {
        let (tenant, mut files) = (&self.job.tenant, vec![rows.file.id.clone()]);
        let same = self.corpus.parts.ledger.files_with_sha256(tenant, &rows.file.sha256).await?;
        let prefix = layout::names(&rows.store.id, &rows.file.filename);
        let named = self.corpus.parts.objects.list(tenant, &prefix).await?;
        let named = named.iter().rev().filter_map(|key| key.as_str().strip_prefix(&prefix)).map(str::to_owned);
        for file in same.into_iter().map(|file| file.id).chain(named) {
            if files.len() <= RELATIVES && !files.contains(&file) {
                files.push(file);
            }
        }
        Ok(files)
    }

    /// A part that went away meanwhile or is damaged is no loss: its texts are embedded again.
    async fn read_part(
        &self,
        rows: &Rows,
        key: &ObjectKey,
        wanted: &HashSet<Hash>,
        known: &mut Known,
    ) -> Result<(), CorpusError> {
        let body = match self.corpus.parts.objects.get(&self.job.tenant, key).await {
            Err(ObjectsError::NotFound(_)) => return Ok(()),
            body => body?,
        };
        let bytes = collect(body, LONGEST_PART).await.map_err(ObjectsError::Store)?;
        if decode(&bytes, rows.embedder.identity(), wanted, known).is_err() {
            tracing::warn!(object.key = %key, "a part of embeddings is damaged; its passages are embedded again");
        }
        Ok(())
    }
}
