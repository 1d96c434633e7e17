//! Rows of the ledger as OpenAI's objects.

use kubemate_corpus::FILE_CODES;
use kubemate_ledger::{BatchRow, DocumentRow, DocumentStatus, FileCounts, StoreRow};
use kubemate_wire::vector_stores::{
    self as wire, ChunkingStrategy, FileBatch, FileStatus, LastError, LastErrorCode, Progress, StaticChunking,
    StoreStatus, VectorStore, VectorStoreFile,
};
use serde_json::Value;

use crate::{
    api::{ApiError, caller::Caller},
    app::{App, unix_now},
};

/// OpenAI's range of `max_chunk_size_tokens`.
const CHUNK_TOKENS: std::ops::RangeInclusive<u32> = 100..=4096;

/// A knowledge base with its counts.
pub(super) async fn store(app: &App, caller: &Caller, row: &StoreRow) -> Result<VectorStore, ApiError> {
    let counts = app.ledger.counts(&caller.tenant, &row.id).await?;
    let expired = row.expires_at.is_some_and(|at| at <= unix_now());
    let status = match () {
        () if expired => StoreStatus::Expired,
        () if counts.in_progress > 0 => StoreStatus::InProgress,
        () => StoreStatus::Completed,
    };
    Ok(VectorStore {
        id: row.id.clone(),
        created_at: row.created_at,
        name: row.name.clone(),
        description: row.description.clone(),
        usage_bytes: counts.usage_bytes.unsigned_abs(),
        file_counts: on_wire(&counts),
        status,
        expires_after: row.expires_after.clone().and_then(|after| serde_json::from_value(after).ok()),
        expires_at: row.expires_at,
        last_active_at: Some(row.last_active_at),
        metadata: serde_json::from_value(row.metadata.clone()).ok(),
    })
}

fn on_wire(counts: &FileCounts) -> wire::FileCounts {
    wire::FileCounts {
        in_progress: counts.in_progress.unsigned_abs(),
        completed: counts.completed.unsigned_abs(),
        failed: counts.failed.unsigned_abs(),
        cancelled: counts.cancelled.unsigned_abs(),
        total: counts.total.unsigned_abs(),
    }
}

/// A file in a knowledge base.
pub(super) fn file(app: &App, row: &DocumentRow) -> VectorStoreFile {
    let attributes = serde_json::from_value(row.attributes.clone()).ok().flatten();
    let chunking = serde_json::from_value(row.chunking.clone()).ok();
    VectorStoreFile {
        id: row.file.clone(),
        created_at: row.created_at,
        vector_store_id: row.store.clone(),
        status: status(row.status),
        last_error: last_error(row),
        usage_bytes: row.usage_bytes.unsigned_abs(),
        attributes: Some(attributes.unwrap_or_default()),
        chunking_strategy: Some(chunking.unwrap_or_else(|| auto(app))),
        progress: (row.status == DocumentStatus::InProgress)
            .then(|| Progress { percent: u8::try_from(row.percent).unwrap_or(0), stage: row.stage.clone() }),
    }
}

/// What `auto` means here, told in the sizes that it stands for, as OpenAI does.
fn auto(app: &App) -> ChunkingStrategy {
    let sizes = &app.config.corpus.chunking;
    let tokens = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    let (max_chunk_size_tokens, chunk_overlap_tokens) = (tokens(sizes.tokens), tokens(sizes.overlap));
    ChunkingStrategy::Static { sizes: StaticChunking { max_chunk_size_tokens, chunk_overlap_tokens } }
}

fn status(status: DocumentStatus) -> FileStatus {
    match status {
        DocumentStatus::InProgress => FileStatus::InProgress,
        DocumentStatus::Completed => FileStatus::Completed,
        DocumentStatus::Failed => FileStatus::Failed,
        DocumentStatus::Cancelled => FileStatus::Cancelled,
    }
}

/// OpenAI knows three codes; ours stands beside as `reason`.
fn last_error(row: &DocumentRow) -> Option<LastError> {
    let reason = row.error_code.clone().filter(|_| row.status == DocumentStatus::Failed)?;
    let code = published(&reason);
    let message = row.error_message.clone().unwrap_or_else(|| reason.clone());
    Some(LastError { code, message, reason: Some(reason) })
}

/// Whose fault it is: what only this server can mend is a server error, and a client may try that again.
fn published(reason: &str) -> LastErrorCode {
    match reason {
        "unsupported_file" => LastErrorCode::UnsupportedFile,
        code if FILE_CODES.contains(&code) => LastErrorCode::InvalidFile,
        _ => LastErrorCode::ServerError,
    }
}

/// A batch and how far it is.
pub(super) fn batch(row: &BatchRow, counts: &FileCounts) -> FileBatch {
    let status = match (row.cancelled_at, counts.in_progress) {
        (_, 1..) => FileStatus::InProgress,
        (Some(_), _) => FileStatus::Cancelled,
        (None, _) => FileStatus::Completed,
    };
    FileBatch {
        id: row.id.clone(),
        created_at: row.created_at,
        vector_store_id: row.store.clone(),
        status,
        file_counts: on_wire(counts),
    }
}

/// A chunking strategy as it is stored: `null` for "as configured".
///
/// # Errors
/// `Invalid` outside OpenAI's ranges.
pub(super) fn chunking_row(strategy: Option<&ChunkingStrategy>) -> Result<Value, ApiError> {
    match strategy {
        None | Some(ChunkingStrategy::Auto) => Ok(Value::Null),
        Some(strategy @ ChunkingStrategy::Static { sizes }) => {
            check_sizes(sizes)?;
            serde_json::to_value(strategy).map_err(ApiError::internal)
        }
        Some(ChunkingStrategy::Other) => {
            Err(ApiError::invalid("chunking_strategy", "`chunking_strategy.type` must be `auto` or `static`"))
        }
    }
}

fn check_sizes(sizes: &StaticChunking) -> Result<(), ApiError> {
    if !CHUNK_TOKENS.contains(&sizes.max_chunk_size_tokens) {
        let message =
            format!("`max_chunk_size_tokens` must be between {} and {}", CHUNK_TOKENS.start(), CHUNK_TOKENS.end());
        return Err(ApiError::invalid("chunking_strategy.static.max_chunk_size_tokens", message));
    }
    if sizes.chunk_overlap_tokens > sizes.max_chunk_size_tokens / 2 {
        let message = "`chunk_overlap_tokens` must be at most half of `max_chunk_size_tokens`";
        return Err(ApiError::invalid("chunking_strategy.static.chunk_overlap_tokens", message));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_cannot_be_read_is_blamed_and_trouble_of_ours_is_not() {
        for code in FILE_CODES {
            let expected =
                if code == "unsupported_file" { LastErrorCode::UnsupportedFile } else { LastErrorCode::InvalidFile };
            assert_eq!(published(code), expected, "{code}");
        }
        for code in ["parser_unavailable", "bytes_unavailable", "attempts_exhausted", "vectors_unavailable"] {
            assert_eq!(published(code), LastErrorCode::ServerError, "{code}");
        }
    }
}
