use std::path::Path;

use kubemate_identity::TenantId;
use kubemate_ledger::{Json, Ledger, LedgerConfig, NewDocument, NewFile, NewStore, new_id};

pub(crate) const NOW: i64 = 1_800_000_000;
pub(crate) const NOW_MS: i64 = NOW * 1000;

/// A folder for a ledger file, gone with the value.
pub(crate) struct OnDisk(tempfile::TempDir);

impl OnDisk {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn folder(&self) -> &Path {
        self.0.path()
    }

    pub(crate) async fn open(&self) -> Ledger {
        let path = self.folder().join("ledger.sqlite");
        Ledger::open(&LedgerConfig::Sqlite { path }).await.unwrap()
    }
}

pub(crate) fn tenant() -> TenantId {
    TenantId::parse("bank").unwrap()
}

pub(crate) fn new_file() -> NewFile {
    NewFile {
        id: new_id("file-"),
        project: "p".to_owned(),
        filename: "f.txt".to_owned(),
        media_type: None,
        bytes: 1,
        sha256: "00".repeat(32),
        purpose: "assistants".to_owned(),
        expires_at: None,
    }
}

pub(crate) fn new_document(file: &str) -> NewDocument {
    NewDocument { file: file.to_owned(), attributes: Json::Null, chunking: Json::Null, batch: None }
}

/// A new empty store's id.
pub(crate) async fn store(ledger: &Ledger) -> String {
    let new = NewStore {
        name: "s".to_owned(),
        description: None,
        metadata: Json::Null,
        chunking: Json::Null,
        embedder: "e".to_owned(),
        expires_after: None,
    };
    ledger.create_store(&tenant(), new, NOW).await.unwrap().id.clone()
}

/// Uploads a file and attaches it. Returns its id once both are acknowledged.
pub(crate) async fn upload(ledger: &Ledger, store: &str) -> String {
    let file = ledger.create_file(&tenant(), new_file(), NOW).await.unwrap();
    ledger.attach(&tenant(), store, new_document(&file.id), NOW).await.unwrap();
    file.id.clone()
}
