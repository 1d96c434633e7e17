//! Work that reports as it goes: the client reads lines while the audit trail waits for the outcome.

use std::convert::Infallible;

use axum::{body::Body, response::Response};
use bytes::Bytes;
use futures::StreamExt;
use http::{HeaderValue, header};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use kubemate_wire::ollama::Progress;
use tokio::sync::{mpsc, oneshot};
use tokio_stream::wrappers::ReceiverStream;

use crate::{
    api::{ApiError, admin::operator::Operator, ollama::LINES},
    app::App,
    auth::Deed,
    ollama::{Lines, Manager},
};

/// Lines that may wait for a slow reader; then the work waits.
const WAITING: usize = 64;

/// Where a report goes.
pub(super) struct Report {
    /// Told once, when the first line can follow.
    begun: Option<oneshot::Sender<Result<(), ApiError>>>,
    lines: mpsc::Sender<Bytes>,
}

/// Starts `work` and answers with its report. What fails before the report begins is the answer itself.
///
/// # Errors
/// The work's own, and the ledger's.
pub(super) async fn follow<W, F>(
    app: App,
    operator: Operator,
    deed: Deed<'static>,
    work: W,
) -> Result<Response, ApiError>
where
    W: FnOnce(Report) -> F + Send + 'static,
    F: Future<Output = Result<(), ApiError>> + Send,
{
    let (begun, first) = oneshot::channel();
    let (lines, waiting) = mpsc::channel(WAITING);
    let report = Report { begun: Some(begun), lines };
    let (failed, failure) = oneshot::channel();
    app.background.clone().spawn(async move {
        if let Err(error) = app.audit.change(operator.caller(), deed, work(report)).await {
            let _the_client_left = failed.send(error);
        }
    });
    match first.await {
        Ok(begun) => begun?,
        // The work let go of its report before it began one.
        Err(_) => return Err(failure.await.unwrap_or(ApiError::Stopping)),
    }
    let mut response = Response::new(Body::from_stream(ReceiverStream::new(waiting).map(Ok::<_, Infallible>)));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(LINES));
    Ok(response)
}

impl Report {
    /// Hands the server's own report on, line by line.
    ///
    /// # Errors
    /// What the report ends with when it is no success, and that the client left: then the work stops, too.
    pub(super) async fn forward(
        mut self,
        manager: &Manager,
        answered: http::Response<Incoming>,
    ) -> Result<(), ApiError> {
        if let Some(begun) = self.begun.take() {
            let _the_client_left = begun.send(Ok(()));
        }
        let mut found = Lines::default();
        let mut data = answered.into_body().into_data_stream();
        let mut last = Progress::default();
        while let Some(piece) = data.next().await {
            let piece = piece.map_err(|error| manager.told(&error.to_string()))?;
            found.feed(&piece).map_err(|error| manager.told(&error.to_string()))?;
            while let Some(line) = found.next() {
                last = serde_json::from_slice(&line).unwrap_or_default();
                let line = [line.as_ref(), b"\n"].concat().into();
                self.lines.send(line).await.map_err(|_| manager.told("the client left before the end"))?;
            }
        }
        match last {
            Progress { error: Some(words), .. } => Err(manager.told(&words)),
            Progress { status, .. } if status == "success" => Ok(()),
            _ => Err(manager.told("the report ended before its end")),
        }
    }
}
