//! Files, vector stores, search.

use kubemate_wire::files::{FileObject, FileState};
use kubemate_wire::page::{Deleted, DeletedObject, ListPage};
use kubemate_wire::vector_stores::{
    Anchor, Attribute, Attributes, ChunkingStrategy, ContentPage, ContentPart, ExpiresAfter, FileBatch, FileCounts,
    FileStatus, LastError, LastErrorCode, Progress, SearchPage, SearchResult, StaticChunking, StoreStatus, VectorStore,
    VectorStoreFile,
};

use crate::golden;

pub(crate) fn attributes() -> Attributes {
    let number = ("year".to_owned(), Attribute::Number(2026.0));
    let text = ("author".to_owned(), Attribute::Text("李".into()));
    [number, text, ("draft".to_owned(), Attribute::Flag(false))].into()
}

fn file() -> FileObject {
    FileObject {
        id: "file-1".into(),
        bytes: 1024,
        created_at: 1_800_000_000,
        expires_at: None,
        filename: "手册.pdf".into(),
        purpose: "assistants".into(),
        status: FileState::Processed,
    }
}

fn counts() -> FileCounts {
    FileCounts { in_progress: 0, completed: 2, failed: 1, cancelled: 0, total: 3 }
}

fn store_file() -> VectorStoreFile {
    let sizes = StaticChunking { max_chunk_size_tokens: 800, chunk_overlap_tokens: 400 };
    VectorStoreFile {
        id: "file-1".into(),
        created_at: 1_800_000_000,
        vector_store_id: "vs_1".into(),
        status: FileStatus::InProgress,
        last_error: None,
        usage_bytes: 0,
        attributes: Some(attributes()),
        chunking_strategy: Some(ChunkingStrategy::Static { sizes }),
        progress: Some(Progress { percent: 40, stage: "embed".into() }),
    }
}

#[test]
fn a_page_of_files() {
    golden::check("FileObject-page", &ListPage::new(vec![file()], true, |file| &file.id));
}

#[test]
fn an_empty_page_has_null_cursors() {
    let page = serde_json::to_value(ListPage::<FileObject>::new(Vec::new(), false, |file| &file.id)).unwrap();
    assert_eq!(
        page,
        serde_json::json!({"object": "list", "data": [], "first_id": null, "last_id": null, "has_more": false})
    );
}

#[test]
fn what_was_deleted() {
    golden::check("FileDeleted", &Deleted::new(DeletedObject::File, "file-1"));
    golden::check("VectorStoreDeleted", &Deleted::new(DeletedObject::VectorStore, "vs_1"));
    golden::check("vector_stores.VectorStoreFileDeleted", &Deleted::new(DeletedObject::VectorStoreFile, "file-1"));
}

#[test]
fn a_vector_store() {
    let store = VectorStore {
        id: "vs_1".into(),
        created_at: 1_800_000_000,
        name: "manuals".into(),
        description: Some("all of them".into()),
        usage_bytes: 4096,
        file_counts: counts(),
        status: StoreStatus::Completed,
        expires_after: Some(ExpiresAfter { anchor: Anchor::LastActiveAt, days: 7 }),
        expires_at: Some(1_800_604_800),
        last_active_at: Some(1_800_000_000),
        metadata: Some([("team".to_owned(), "support".to_owned())].into()),
    };
    golden::check("VectorStore", &store);
}

#[test]
fn a_file_in_a_vector_store() {
    golden::check("vector_stores.VectorStoreFile", &store_file());
    let reason = Some("encrypted_file".to_owned());
    let error = LastError { code: LastErrorCode::InvalidFile, message: "the file is encrypted".into(), reason };
    let failed =
        VectorStoreFile { status: FileStatus::Failed, last_error: Some(error), progress: None, ..store_file() };
    golden::check("vector_stores.VectorStoreFile-failed", &failed);
}

#[test]
fn a_batch() {
    let batch = FileBatch {
        id: "vsfb_1".into(),
        created_at: 1_800_000_000,
        vector_store_id: "vs_1".into(),
        status: FileStatus::Completed,
        file_counts: counts(),
    };
    golden::check("vector_stores.VectorStoreFileBatch", &batch);
}

#[test]
fn the_stored_text() {
    let data = vec![ContentPart { text: "保修期为三年。".into() }];
    golden::check("vector_stores.FileContentResponse-page", &ContentPage { data, has_more: false, next_page: None });
}

#[test]
fn search_results() {
    let result = SearchResult {
        file_id: "file-1".into(),
        filename: "手册.pdf".into(),
        score: 0.87,
        attributes: Some(attributes()),
        content: vec![ContentPart { text: "保修期为三年。".into() }],
        page: Some(7),
        page_end: Some(7),
        start: Some(1200),
        end: Some(1207),
        heading: vec!["服务".into()],
    };
    let page = SearchPage { search_query: vec!["保修".into()], data: vec![result], has_more: false, next_page: None };
    golden::check("VectorStoreSearchResponse-page", &page);
}
