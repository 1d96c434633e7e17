//! Deleting everything that indexing left behind. Every call may be repeated.

use kubemate_identity::TenantId;
use kubemate_ledger::{JobKind, JobRow};
use kubemate_objects::ObjectKey;
use kubemate_vectors::Selector;

use crate::layout::{self, PART, Version};
use crate::{Corpus, CorpusError};

impl Corpus {
    /// Carries out a removal job and ends it.
    pub(crate) async fn remove(&self, job: &JobRow) -> Result<(), CorpusError> {
        let tenant = &job.tenant;
        match &job.kind {
            JobKind::IndexDocument { .. } => return Ok(()),
            JobKind::RemoveDocument { store, file, below } => self.remove_below(tenant, store, file, *below).await?,
            JobKind::RemoveStore { store } => self.remove_store(tenant, store).await?,
            JobKind::RemoveFile { file } => self.remove_file(tenant, file).await?,
        }
        Ok(self.parts.ledger.complete_removal(job, self.now()).await?)
    }

    /// Removes what the versions of a document below `below` left. Points first: see [`crate::layout`].
    async fn remove_below(&self, tenant: &TenantId, store: &str, file: &str, below: i64) -> Result<(), CorpusError> {
        let selector = Selector::FileVersionsBelow { file: file.to_owned(), version: below };
        self.parts.vectors.delete(tenant, &layout::space(store)?, selector).await?;
        let older = |version: &Version| version.store == store && version.version < below;
        self.delete_objects(tenant, file, older).await?;
        if self.is_gone(tenant, store, file).await? {
            self.forget_name(tenant, store, file).await?;
        }
        Ok(())
    }

    async fn remove_store(&self, tenant: &TenantId, store: &str) -> Result<(), CorpusError> {
        self.parts.vectors.drop_space(tenant, &layout::space(store)?).await?;
        for (file, _) in self.parts.ledger.documents_to_remove(tenant, store).await? {
            self.delete_objects(tenant, &file, |version| version.store == store).await?;
        }
        self.delete_all(tenant, &format!("names/{store}/")).await
    }

    /// The documents of the file have jobs of their own, which wait for workers that may still be writing.
    async fn remove_file(&self, tenant: &TenantId, file: &str) -> Result<(), CorpusError> {
        Ok(self.parts.objects.delete(tenant, &layout::file(file)?).await?)
    }

    /// Removes one version that is not, and will not be, searchable.
    pub(crate) async fn purge(&self, tenant: &TenantId, version: &Version) -> Result<(), CorpusError> {
        let parts = self.parts.objects.list(tenant, &version.parts()).await?;
        let passages = u32::try_from(parts.len() * PART).unwrap_or(u32::MAX);
        let points: Vec<_> = (0..passages).map(|ordinal| version.point(tenant, ordinal)).collect();
        if !points.is_empty() {
            self.parts.vectors.delete(tenant, &layout::space(&version.store)?, Selector::Points(points)).await?;
        }
        for key in parts.iter().chain([&version.text()?]) {
            self.parts.objects.delete(tenant, key).await?;
        }
        Ok(())
    }

    /// Whether the knowledge base holds this file no more.
    pub(crate) async fn is_gone(&self, tenant: &TenantId, store: &str, file: &str) -> Result<bool, CorpusError> {
        match self.parts.ledger.document(tenant, store, file).await {
            Err(kubemate_ledger::LedgerError::NotFound { .. }) => Ok(true),
            found => found.map(|_| false).map_err(CorpusError::from),
        }
    }

    /// The name of the file may be gone from the ledger already, so its marker is looked for by the file's id.
    async fn forget_name(&self, tenant: &TenantId, store: &str, file: &str) -> Result<(), CorpusError> {
        let prefix = format!("names/{store}/");
        let tail = format!("/{file}");
        for key in self.parts.objects.list(tenant, &prefix).await?.iter().filter(|key| key.as_str().ends_with(&tail)) {
            self.parts.objects.delete(tenant, key).await?;
        }
        Ok(())
    }

    async fn delete_objects(
        &self,
        tenant: &TenantId,
        file: &str,
        which: impl Fn(&Version) -> bool,
    ) -> Result<(), CorpusError> {
        for prefix in layout::of_file(file) {
            let keys = self.parts.objects.list(tenant, &prefix).await?;
            let chosen = |key: &&ObjectKey| Version::of_key(key).is_some_and(|version| which(&version));
            for key in keys.iter().filter(chosen) {
                self.parts.objects.delete(tenant, key).await?;
            }
        }
        Ok(())
    }

    async fn delete_all(&self, tenant: &TenantId, prefix: &str) -> Result<(), CorpusError> {
        for key in self.parts.objects.list(tenant, prefix).await? {
            self.parts.objects.delete(tenant, &key).await?;
        }
        Ok(())
    }
}
