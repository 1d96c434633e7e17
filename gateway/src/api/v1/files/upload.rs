//! A form that streams into the object store while it is hashed.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use axum::extract::{Multipart, multipart::Field};
use bytes::Bytes;
use futures::{Stream, StreamExt, TryStreamExt};
use kubemate_ledger::{FileRow, NewFile, Owned};
use kubemate_objects::{ObjectsError, Stored};
use kubemate_wire::files::PURPOSES;

use super::{bytes_key, filename};
use crate::{
    api::{ApiError, body, caller::Caller},
    app::{App, unix_now},
};

/// Longest text field of the form.
const MAX_FIELD: usize = 1024;
/// Longest media type that is kept, in characters.
const MAX_MEDIA_TYPE: usize = 255;
/// OpenAI's range of `expires_after[seconds]`: an hour to thirty days.
const EXPIRY_SECONDS: std::ops::RangeInclusive<i64> = 3_600..=2_592_000;

/// What the form has said so far.
#[derive(Default)]
struct Form {
    purpose: Option<String>,
    expires_after: Option<i64>,
    file: Option<Received>,
}

/// The file of the form: its bytes are in the store, no row names them yet.
struct Received {
    id: String,
    name: String,
    media_type: Option<String>,
    stored: Stored,
}

/// Reads the form, stores the bytes and then writes the row, so that a row never names bytes that are not there.
///
/// # Errors
/// `Invalid` for a form without `file` or with an unknown `purpose`, `TooLarge`, `Unavailable` when the disk is full.
pub(super) async fn receive(app: &App, caller: &Caller, mut form: Multipart) -> Result<Owned<FileRow>, ApiError> {
    refuse_on_full_disk(app)?;
    let mut read = Form::default();
    let outcome = read_fields(app, caller, &mut form, &mut read).await;
    match outcome.and_then(|()| read.purpose()) {
        Ok(purpose) => write_row(app, caller, purpose, read).await,
        Err(error) => {
            forget(app, caller, read.file).await;
            Err(error)
        }
    }
}

fn refuse_on_full_disk(app: &App) -> Result<(), ApiError> {
    match app.free_space() {
        Ok(free) if free < app.config.store.min_free.as_u64() => Err(ApiError::Unavailable(
            "the disk below `store.data_dir` is almost full; free some space and try again".to_owned(),
        )),
        _ => Ok(()),
    }
}

async fn read_fields(app: &App, caller: &Caller, form: &mut Multipart, read: &mut Form) -> Result<(), ApiError> {
    while let Some(field) = form.next_field().await.map_err(broken)? {
        let name = field.name().unwrap_or_default().to_owned();
        match name.as_str() {
            "file" if read.file.is_some() => return Err(ApiError::invalid("file", "send one `file` a request")),
            "file" => read.file = Some(store(app, caller, field).await?),
            "purpose" => read.purpose = Some(text(field).await?),
            "expires_after[seconds]" => read.expires_after = Some(seconds(&text(field).await?)?),
            "expires_after[anchor]" => anchor(&text(field).await?)?,
            _ => drop(text(field).await?),
        }
    }
    Ok(())
}

impl Form {
    fn purpose(&self) -> Result<String, ApiError> {
        if self.file.is_none() {
            return Err(ApiError::invalid("file", "the form has no `file`"));
        }
        match self.purpose.as_deref() {
            Some(purpose) if PURPOSES.contains(&purpose) => Ok(purpose.to_owned()),
            Some(other) => {
                Err(ApiError::invalid("purpose", format!("`purpose` is `{other}`; use one of {}", PURPOSES.join(", "))))
            }
            None => Err(ApiError::invalid(
                "purpose",
                format!("the form has no `purpose`; use one of {}", PURPOSES.join(", ")),
            )),
        }
    }
}

async fn write_row(app: &App, caller: &Caller, purpose: String, form: Form) -> Result<Owned<FileRow>, ApiError> {
    let file = form.file.ok_or_else(|| ApiError::invalid("file", "the form has no `file`"))?;
    let now = unix_now();
    let new = NewFile {
        id: file.id,
        project: caller.project.to_string(),
        filename: file.name,
        media_type: file.media_type,
        bytes: i64::try_from(file.stored.bytes).unwrap_or(i64::MAX),
        sha256: file.stored.sha256,
        purpose,
        expires_at: form.expires_after.map(|seconds| now.saturating_add(seconds)),
    };
    Ok(app.ledger.create_file(&caller.tenant, new, now).await?)
}

async fn store(app: &App, caller: &Caller, field: Field<'_>) -> Result<Received, ApiError> {
    let name = filename::of(field.headers());
    let media_type = field.content_type().map(|kind| kind.chars().take(MAX_MEDIA_TYPE).collect());
    let id = kubemate_ledger::new_id("file-");
    let over = Arc::new(AtomicBool::new(false));
    let limit = app.config.server.max_file;
    // The store wants a body that owns itself; the form lends its own. A channel of one piece joins them.
    let (pieces, received) = tokio::sync::mpsc::channel::<Result<Bytes, io::Error>>(1);
    let received = tokio_stream::wrappers::ReceiverStream::new(received).boxed();
    let key = bytes_key(&id)?;
    let putting = app.objects.put(&caller.tenant, &key, received);
    let sending = send(capped(field.map_err(io::Error::other), limit.as_u64(), over.clone()), pieces);
    let ((), stored) = tokio::join!(sending, putting);
    match stored {
        Ok(stored) => Ok(Received { id, name, media_type, stored }),
        Err(_) if over.load(Ordering::Relaxed) => {
            Err(ApiError::TooLarge { limit: limit.to_string(), hint: "split the document or raise `server.max_file`" })
        }
        Err(ObjectsError::Body(cause)) => Err(body::fault(&cause).unwrap_or_else(body::broken)),
        Err(error) => Err(error.into()),
    }
}

async fn send(
    pieces: impl Stream<Item = Result<Bytes, io::Error>>,
    to: tokio::sync::mpsc::Sender<Result<Bytes, io::Error>>,
) {
    let mut pieces = std::pin::pin!(pieces);
    while let Some(piece) = pieces.next().await {
        let failed = piece.is_err();
        if to.send(piece).await.is_err() || failed {
            return;
        }
    }
}

/// Fails the body when it grows beyond `limit`, and says so through `over`.
fn capped(
    pieces: impl Stream<Item = Result<Bytes, io::Error>>,
    limit: u64,
    over: Arc<AtomicBool>,
) -> impl Stream<Item = Result<Bytes, io::Error>> {
    let mut seen = 0u64;
    pieces.map(move |piece| {
        let piece = piece?;
        seen = seen.saturating_add(piece.len() as u64);
        if seen > limit {
            over.store(true, Ordering::Relaxed);
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, "over the limit"));
        }
        Ok(piece)
    })
}

async fn text(mut field: Field<'_>) -> Result<String, ApiError> {
    let name = field.name().unwrap_or_default().to_owned();
    let mut bytes = Vec::new();
    while let Some(piece) = field.chunk().await.map_err(broken)? {
        bytes.extend_from_slice(&piece);
        if bytes.len() > MAX_FIELD {
            return Err(ApiError::invalid(name, "a field of the form is too long"));
        }
    }
    String::from_utf8(bytes).map_err(|_| ApiError::invalid(name, "a field of the form is not UTF-8"))
}

fn seconds(text: &str) -> Result<i64, ApiError> {
    let seconds = text.parse().ok().filter(|seconds| EXPIRY_SECONDS.contains(seconds));
    seconds.ok_or_else(|| {
        let (least, most) = (EXPIRY_SECONDS.start(), EXPIRY_SECONDS.end());
        ApiError::invalid("expires_after", format!("`expires_after[seconds]` must be between {least} and {most}"))
    })
}

fn anchor(text: &str) -> Result<(), ApiError> {
    if text == "created_at" {
        return Ok(());
    }
    Err(ApiError::invalid("expires_after", "`expires_after[anchor]` must be `created_at`"))
}

fn broken(error: axum::extract::multipart::MultipartError) -> ApiError {
    let message = format!("the form cannot be read: {}", error.body_text());
    body::fault(&error).unwrap_or(ApiError::Invalid { message, param: None, code: None })
}

/// Takes back bytes that no row will name.
async fn forget(app: &App, caller: &Caller, file: Option<Received>) {
    let Some(file) = file else { return };
    let deleted = match bytes_key(&file.id) {
        Ok(key) => app.objects.delete(&caller.tenant, &key).await.map_err(ApiError::from),
        Err(error) => Err(error),
    };
    if let Err(error) = deleted {
        tracing::warn!(file.id = %file.id, error = %error, "bytes of a refused upload are left; the next start sweeps them");
    }
}
