//! Calls that a server elsewhere answers: metered, sent, and handed on as they come. Nothing is parsed that nothing
//! needs, and nothing changes but what would be untrue here (the model's name) or was not asked for (token counts).

mod counts;
mod events;
mod head;
mod refusal;
mod relayed;

use axum::{body::Body, response::Response};
use bytes::Bytes;
use futures::StreamExt;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use http_body_util::{BodyExt, Limited};
use kubemate_identity::Caller;

use self::{
    counts::Counts,
    events::{Changes, Events},
    relayed::{Plain, Streamed},
};
pub(crate) use self::{events::without_counts, head::Head, refusal::refusal};
use crate::{
    answer_cache::{self, Answer, Controls, Found, Keeping, Question, Recorder},
    api::ApiError,
    app::App,
    limits::Estimate,
    models::{Meter, Upstream},
    routing::{Answered, Ask, BodyError, UpstreamBody},
};

/// Largest plain answer that is held to have the model's name changed in it; a request of 2,048 embeddings stays below.
const MAX_PLAIN: usize = 128 * 1024 * 1024;

/// Why an answer broke off on its way.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Broken {
    /// The connection broke, or its framing.
    #[error("the upstream's connection broke: {0}")]
    Upstream(#[source] BodyError),
    /// It was closed before the answer had ended.
    #[error("the upstream closed in the middle of its answer")]
    Short,
    /// One event went on and on.
    #[error("the upstream sent an event without an end")]
    Endless,
}

/// The door through which a call came: what it is called here and over there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Door {
    Chat,
    Completions,
    Embeddings,
    Rerank,
}

impl Door {
    fn path(self) -> &'static str {
        match self {
            Self::Chat => "/chat/completions",
            Self::Completions => "/completions",
            Self::Embeddings => "/embeddings",
            Self::Rerank => "/rerank",
        }
    }

    fn generates(self) -> bool {
        matches!(self, Self::Chat | Self::Completions)
    }

    fn kind(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::Completions => "completion",
            Self::Embeddings => "embeddings",
            Self::Rerank => "rerank",
        }
    }
}

/// A call on its way out.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pub(crate) door: Door,
    /// What the gateway read of the body.
    pub(crate) head: Head,
    /// The name that the answer shows: a saved assistant's, or the model's own.
    pub(crate) shown: String,
    pub(crate) body: Bytes,
    /// What the header `x-session-id` said.
    pub(crate) session: Option<String>,
    /// What the client said about answers that are kept.
    pub(crate) controls: Controls,
}

impl Outgoing {
    /// A call as the client sent it, less the field `cache`, which is the gateway's own; `said` is what the header said.
    ///
    /// # Errors
    /// As [`Head::read`] and [`Controls::take`].
    pub(crate) fn new(door: Door, body: &Bytes, said: Controls) -> Result<Self, ApiError> {
        let (body, controls) = Controls::take(body)?;
        let head = Head::read(&body)?;
        Ok(Self { door, shown: head.model.clone(), head, body, session: None, controls: controls.and(said) })
    }

    fn question<'a>(&'a self, keeping: Option<&'a Keeping>) -> Question<'a> {
        Question {
            door: self.door,
            model: &self.head.model,
            shown: &self.shown,
            body: &self.body,
            streams: self.head.streams,
            wants_usage: self.head.wants_usage,
            controls: self.controls,
            keeping,
        }
    }

    fn estimate(&self) -> Estimate<'_> {
        let answer = if self.door.generates() { self.head.max_tokens } else { Some(0) };
        Estimate::new(&self.body, answer, self.head.choices).streamed(self.head.streams)
    }
}

/// Gives an answer that is kept, or sends a call to the server that answers for its model and hands the answer on.
///
/// # Errors
/// `Upstream` when the server cannot be reached; what it refuses is told in our own shape.
pub(crate) async fn forward(app: &App, caller: &Caller, mut call: Outgoing) -> Result<Response, ApiError> {
    let checked = app.guard.check(&caller.tenant, &call.body);
    let checked =
        checked.or_else(|refused| app.usage.begin(caller, &call.head.model, call.door.kind()).watch(Err(refused)));
    let (body, masked) = checked?;
    if masked.is_some() {
        call.head = Head::read(&body)?;
        call.body = body;
    }
    let streams = call.head.streams;
    let response = match app.routes.keeping(&call.head.model) {
        None => dispatch(app, caller, &call, begun(app, caller, &call), false).await?,
        // In boxes of their own, so that who needs neither does not carry their futures around.
        Some(keeping) => Box::pin(kept_or_sent(app, caller, call, &keeping)).await?,
    };
    match masked {
        None => Ok(response),
        Some(masked) => Box::pin(masked.restore(response, streams)).await,
    }
}

/// The answer to what may leave.
async fn kept_or_sent(app: &App, caller: &Caller, call: Outgoing, keeping: &Keeping) -> Result<Response, ApiError> {
    // Metered from here: a client that leaves while it waits for another one's answer is booked, too.
    let meter = begun(app, caller, &call);
    match app.kept.lookup(&caller.tenant, &call.question(Some(keeping))).await {
        Ok(Found::Hit(answer)) => given(app, caller, &call, answer, (meter, "hit")).await,
        Ok(Found::Stale(answer, recorder)) => {
            let response = given(app, caller, &call, answer, (meter, "stale")).await?;
            if let Some(recorder) = recorder {
                renew(app, caller, call, recorder);
            }
            Ok(response)
        }
        Ok(Found::Lead(recorder)) => lead(app, caller, &call, meter, recorder).await,
        Ok(Found::Bypass) => Ok(answer_cache::passed_by(dispatch(app, caller, &call, meter, false).await?)),
        Ok(Found::Off) => dispatch(app, caller, &call, meter, false).await,
        Err(refused) => { meter }.watch(Err(refused)),
    }
}

/// Begins to meter the call.
fn begun(app: &App, caller: &Caller, call: &Outgoing) -> Meter {
    app.usage.begin(caller, &call.head.model, call.door.kind())
}

/// Lets the call in.
async fn admitted(app: &App, caller: &Caller, call: &Outgoing, meter: Meter) -> Result<Meter, ApiError> {
    app.usage.let_in(meter, caller, &call.head.model, call.estimate()).await
}

/// An answer that is kept, booked with the tokens that it saved; it counts as a request and costs nothing else.
async fn given(
    app: &App,
    caller: &Caller,
    call: &Outgoing,
    answer: Answer,
    (meter, outcome): (Meter, &'static str),
) -> Result<Response, ApiError> {
    let mut meter = admitted(app, caller, call, meter).await?;
    meter.cached(outcome);
    meter.prompt(answer.prompt_tokens);
    meter.reached(0, answer.completion_tokens);
    meter.answered();
    Ok(answer.response)
}

/// Asks for all who wait for the same answer.
async fn lead(
    app: &App,
    caller: &Caller,
    call: &Outgoing,
    meter: Meter,
    recorder: Recorder,
) -> Result<Response, ApiError> {
    match dispatch(app, caller, call, meter, true).await {
        Ok(response) if response.extensions().get::<StandIn>().is_some() => Ok(recorder.passed_by(response)),
        Ok(response) => Ok(recorder.record(response)),
        Err(error) => {
            recorder.refused(&error);
            Err(error)
        }
    }
}

/// Asks anew behind the back of a client that has got an older answer.
fn renew(app: &App, caller: &Caller, call: Outgoing, recorder: Recorder) {
    let (app, caller) = (app.clone(), caller.clone());
    let tasks = app.background.clone();
    tasks.spawn(async move {
        let meter = begun(&app, &caller, &call);
        if let Ok(response) = lead(&app, &caller, &call, meter, recorder).await {
            let mut body = response.into_body().into_data_stream();
            while let Some(Ok(_)) = body.next().await {}
        }
    });
}

/// Marks an answer of another model than was asked for: it is not to be given again when the model is back.
#[derive(Clone, Copy, Debug)]
struct StandIn;

/// Sends a call; the counts of a stream stay in it where `counted`.
async fn dispatch(
    app: &App,
    caller: &Caller,
    call: &Outgoing,
    meter: Meter,
    counted: bool,
) -> Result<Response, ApiError> {
    let mut meter = admitted(app, caller, call, meter).await?;
    if counted {
        meter.missed();
    }
    let ask = Ask {
        model: &call.head.model,
        path: call.door.path(),
        body: &call.body,
        caller,
        session: call.session.as_deref().or(call.head.user.as_deref()),
        write: &|upstream, name| {
            let salt =
                call.door.generates().then(|| upstream.config.salt(&caller.tenant, call.head.cache_salt.as_deref()));
            Ok(call.head.outgoing(&call.body, name, upstream.asks_usage, salt.flatten()))
        },
    };
    let answered = meter.watch(app.routes.send(ask).await)?;
    meter.routed(answered.chosen());
    let Answered { response, upstream, name, flight, why } = answered;
    if !response.status().is_success() {
        return meter.watch(Err(refusal(&upstream, response).await));
    }
    if let Err(error) = expected(&upstream, response.headers(), call.head.streams) {
        flight.failed();
        return meter.watch(Err(error));
    }
    let changes = Changes {
        rename: (name != call.shown).then(|| (name, call.shown.clone())),
        strips_usage: upstream.asks_usage && !call.head.wants_usage && !counted,
    };
    let counts = Counts::new(meter, call.body.len()).of(flight);
    let mut response = answer(&upstream, call, changes, response, counts).await?;
    if why.fallback.is_some() {
        response.extensions_mut().insert(StandIn);
    }
    Ok(response)
}

/// The upstream's answer as the client gets it.
async fn answer(
    upstream: &Upstream,
    call: &Outgoing,
    changes: Changes,
    answered: http::Response<UpstreamBody>,
    counts: Counts,
) -> Result<Response, ApiError> {
    let incoming = answered.into_body();
    if call.head.streams {
        let mut response = Response::new(Body::new(Streamed::new(incoming, Events::new(counts, changes))));
        stream_headers(response.headers_mut());
        return Ok(response);
    }
    let plain = Plain::new(incoming, counts);
    let body = if changes.rename.is_some() { renamed(upstream, plain, &changes).await? } else { Body::new(plain) };
    let mut response = Response::new(body);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}

/// An answer of another kind than was asked for is a page of something in between, not the model's.
fn expected(upstream: &Upstream, headers: &HeaderMap, streams: bool) -> Result<(), ApiError> {
    let kind = headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
    let events = kind.starts_with(b"text/event-stream");
    let json = memchr::memmem::find(kind, b"json").is_some();
    if kind.is_empty() || (streams && events) || (!streams && json) {
        return Ok(());
    }
    Err(upstream.failed(StatusCode::BAD_GATEWAY, "answered with another content type than was asked for"))
}

async fn renamed(upstream: &Upstream, plain: Plain, changes: &Changes) -> Result<Body, ApiError> {
    let collected = Limited::new(plain, MAX_PLAIN).collect().await;
    let whole = collected.map_err(|error| upstream.failed(StatusCode::BAD_GATEWAY, &error.to_string()))?.to_bytes();
    Ok(Body::from(changes.renamed(&whole).map_or(whole, Bytes::from)))
}

/// Headers that keep proxies from holding events back.
pub(crate) fn stream_headers(headers: &mut HeaderMap) {
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
}
