//! Finding what nobody owns: at the start of a worker, once.
//!
//! Jobs clean up behind every deletion. The sweep is for what no job knows of: a version whose indexing was called off
//! or given up while its worker was killed, an upload whose row was never written.

use std::collections::BTreeSet;

use kubemate_identity::TenantId;
use kubemate_ledger::{DocumentStatus, LedgerError};
use kubemate_objects::ObjectKey;
use uuid::Uuid;

use crate::layout::{self, Version};
use crate::{Corpus, CorpusError};

/// Age in seconds from which bytes without a row are an orphan: longer than any upload lasts.
const UPLOAD: i64 = 24 * 3600;
/// Files asked for at once.
const ASKED: usize = 500;

/// What a sweep removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Swept {
    /// Indexings that nobody will finish or show.
    pub versions: usize,
    /// Bytes of files that no row knows.
    pub files: usize,
}

impl Corpus {
    /// Removes orphans of all tenants. Safe beside running workers, here and in other processes.
    ///
    /// # Errors
    /// Those of the stores; what was not reached is found by the next sweep.
    pub async fn sweep(&self) -> Result<Swept, CorpusError> {
        let mut swept = Swept::default();
        for row in self.parts.ledger.tenants().await? {
            let tenant = TenantId::parse(&row.id).map_err(|_| CorpusError::Damaged("the name of a tenant"))?;
            swept.versions += self.sweep_versions(&tenant).await?;
            swept.files += self.sweep_files(&tenant).await?;
            self.sweep_names(&tenant).await?;
        }
        Ok(swept)
    }

    async fn sweep_versions(&self, tenant: &TenantId) -> Result<usize, CorpusError> {
        let mut versions = BTreeSet::new();
        for prefix in ["texts/", "embeddings/"] {
            let keys = self.parts.objects.list(tenant, prefix).await?;
            versions.extend(keys.iter().filter_map(Version::of_key));
        }
        let mut purged = 0;
        for version in versions {
            if !self.is_wanted(tenant, &version).await? {
                self.purge(tenant, &version).await?;
                purged += 1;
            }
        }
        Ok(purged)
    }

    /// Whether the version is searchable or being made.
    async fn is_wanted(&self, tenant: &TenantId, version: &Version) -> Result<bool, CorpusError> {
        let row = match self.parts.ledger.document(tenant, &version.store, &version.file).await {
            Err(LedgerError::NotFound { .. }) => return Ok(false),
            row => row?,
        };
        let is_made = row.version == version.version
            && matches!(row.status, DocumentStatus::InProgress | DocumentStatus::Completed);
        Ok(is_made || row.searchable_version == Some(version.version))
    }

    async fn sweep_files(&self, tenant: &TenantId) -> Result<usize, CorpusError> {
        let keys = self.parts.objects.list(tenant, "files/").await?;
        let old: Vec<String> = keys.iter().filter_map(|key| self.old_file(key)).collect();
        let mut deleted = 0;
        for ids in old.chunks(ASKED) {
            let known = self.parts.ledger.known_files(tenant, ids).await?;
            for orphan in ids.iter().filter(|id| !known.contains(*id)) {
                self.parts.objects.delete(tenant, &layout::file(orphan)?).await?;
                deleted += 1;
            }
        }
        Ok(deleted)
    }

    /// Names of documents that are in no knowledge base any more.
    async fn sweep_names(&self, tenant: &TenantId) -> Result<(), CorpusError> {
        for key in self.parts.objects.list(tenant, "names/").await? {
            let mut parts = key.as_str().split('/').skip(1);
            let (store, file) = (parts.next().unwrap_or_default(), parts.nth(1).unwrap_or_default());
            if self.is_gone(tenant, store, file).await? {
                self.parts.objects.delete(tenant, &key).await?;
            }
        }
        Ok(())
    }

    /// The id of a file whose upload ended long ago. Ids carry the time they were made at.
    fn old_file(&self, key: &ObjectKey) -> Option<String> {
        let id = key.as_str().strip_prefix("files/")?;
        let (_, tail) = id.split_at_checked(id.len().checked_sub(32)?)?;
        let (seconds, _) = Uuid::try_parse(tail).ok()?.get_timestamp()?.to_unix();
        let made = i64::try_from(seconds).ok()?;
        (made < self.now().saturating_sub(UPLOAD)).then(|| id.to_owned())
    }
}
