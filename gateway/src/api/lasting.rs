//! Answers that last: a stream ends with an error when its key is no longer good, when its source breaks and when the
//! process stops. What ended it is told as OpenAI's clients read it; nobody is left with half a body.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{
    body::{Body, BodyDataStream},
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures::{Stream, StreamExt};
use http::{StatusCode, header};
use kubemate_identity::{Caller as Identity, KeyHash};
use kubemate_wire::ollama::OllamaError;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use super::{ApiError, caller::credential, ollama::LINES};
use crate::{app::App, auth::KeyRingError};

/// How often the key of an open stream is looked at again. With the key ring's own second a revocation acts within
/// three (SECURITY: 5 s).
const LOOK: Duration = Duration::from_secs(2);

/// Ends what is under way when the process stops, and binds streams to the key that opened them.
pub(super) async fn bound(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let bound = Bound::of(&mut request);
    bound.until_cut(&app, next.run(request)).await
}

/// The key that a request came with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bound(Option<KeyHash>);

impl Bound {
    /// The key of `request`, which is told whose hash it is.
    pub(super) fn of(request: &mut Request) -> Self {
        let key = credential(request.headers()).ok().map(KeyHash::of);
        if let Some(hash) = key {
            request.extensions_mut().insert(Presented(hash));
        }
        Self(key)
    }

    /// The answer, which ends with the process and, when it is a stream, with its key.
    pub(super) async fn until_cut(self, app: &App, answer: impl Future<Output = Response>) -> Response {
        let answered = tokio::select! {
            biased;
            () = app.cut.cancelled() => return stopping().into_response(),
            answered = answer => answered,
        };
        if let Some(kind) = Kind::of(&answered) {
            let (head, body) = answered.into_parts();
            let lasting = lasting(app.clone(), self.0, kind, body.into_data_stream());
            return Response::from_parts(head, Body::from_stream(lasting));
        }
        named(app, self.0, answered).await
    }
}

/// The hash of the one key that a request brought, so that nobody computes it twice.
#[derive(Clone, Copy, Debug)]
pub(super) struct Presented(pub(super) KeyHash);

/// Who was refused something, for the audit trail.
#[derive(Clone, Debug)]
pub(super) struct Refused(pub(super) Arc<Identity>);

async fn named(app: &App, key: Option<KeyHash>, mut answered: Response) -> Response {
    if answered.status() == StatusCode::FORBIDDEN
        && let Some(key) = key
        && let Ok(caller) = app.keys.holder(&key).await
    {
        answered.extensions_mut().insert(Refused(caller));
    }
    answered
}

/// How a stream tells what ended it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// OpenAI's events.
    Events,
    /// Ollama's lines.
    Lines,
}

impl Kind {
    fn of(response: &Response) -> Option<Self> {
        let media = response.headers().get(header::CONTENT_TYPE)?.as_bytes();
        let is = |kind: &str| media.starts_with(kind.as_bytes());
        is("text/event-stream").then_some(Self::Events).or(is(LINES).then_some(Self::Lines))
    }
}

fn stopping() -> ApiError {
    ApiError::Unavailable("the server is stopping; ask again".to_owned())
}

fn lasting(
    app: App,
    key: Option<KeyHash>,
    kind: Kind,
    mut source: BodyDataStream,
) -> impl Stream<Item = Result<Bytes, Infallible>> + Send {
    async_stream::stream! {
        let mut look = interval_at(Instant::now() + LOOK, LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut seen = Bytes::new();
        let error = loop {
            tokio::select! {
                biased;
                () = app.cut.cancelled() => break stopping(),
                _ = look.tick() => if let Some(error) = lost(&app, key.as_ref()).await {
                    break error;
                },
                piece = source.next() => match piece {
                    Some(Ok(piece)) => {
                        seen = piece.clone();
                        yield Ok(piece);
                    }
                    Some(Err(error)) => break broken(&error),
                    None => return,
                },
            }
        };
        drop(source);
        yield Ok(last(kind, &seen, &error));
    }
}

/// Why a key may not go on, if it may not. A ledger that does not answer ends no stream.
async fn lost(app: &App, key: Option<&KeyHash>) -> Option<ApiError> {
    match app.keys.holder(key?).await {
        Err(KeyRingError::Invalid) => Some(ApiError::InvalidKey),
        Ok(_) | Err(KeyRingError::Ledger(_)) => None,
    }
}

fn broken(error: &axum::Error) -> ApiError {
    tracing::warn!(error = %error, "a stream broke");
    let what = "broke off in the middle of its answer".to_owned();
    ApiError::Upstream { upstream: "model".to_owned(), what, status: StatusCode::BAD_GATEWAY }
}

/// The error as the stream's last event or line; one that was cut is ended first.
fn last(kind: Kind, seen: &[u8], error: &ApiError) -> Bytes {
    let (end, body) = match kind {
        Kind::Events => ("\n\n", serde_json::to_string(&error.body()).map(|body| format!("data: {body}"))),
        Kind::Lines => ("\n", serde_json::to_string(&OllamaError { error: error.to_string() })),
    };
    let start = if seen.is_empty() || seen.ends_with(end.as_bytes()) { "" } else { end };
    Bytes::from(format!("{start}{}{end}", body.unwrap_or_default()))
}
