//! `POST /v1/chat/completions`.

use std::collections::BTreeMap;

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use futures::StreamExt;
use kubemate_engine::TokenLogprob;
use kubemate_identity::Scope;
use kubemate_wire::{
    chat::{self, AssistantMessage, ChatCompletion, ChatRequest, Choice, Chunks, FinishReason, Logprobs, TopLogprob},
    citation::Annotation,
    usage::Usage,
};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    new_id,
    sse::{self, Ending, Frame},
};
use crate::{
    answers::{self, Answer, Grounding, Piece},
    api::{ApiError, Strict, caller::Caller},
    app::{App, unix_now},
    forward::{Door, Outgoing, forward},
    models::Target,
};

pub(super) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(create))
}

/// Answer a conversation; with `vector_store_ids`, from documents and with citations.
#[utoipa::path(post, path = "/v1/chat/completions", tag = "chat",
    responses((status = 200, description = "A chat completion, or a stream of chunks")))]
pub(in crate::api) async fn create(State(app): State<App>, caller: Caller, body: Strict) -> Result<Response, ApiError> {
    caller.must(Scope::Chat)?;
    let call = Outgoing { session: body.session, ..Outgoing::new(Door::Chat, &body.bytes, body.cache)? };
    if !call.head.grounded
        && caller.rights.allows_model(&call.head.model)
        && let Ok(Target::Remote(..)) = app.routes.choose(&call.head.model)
    {
        return forward(&app, &caller, call).await;
    }
    // Apart, so that a connection does not carry the room that documents and local models need.
    Box::pin(with_documents_or_here(app, caller, call)).await
}

/// The answers that take more than handing a body on.
async fn with_documents_or_here(app: App, caller: Caller, call: Outgoing) -> Result<Response, ApiError> {
    let Outgoing { shown: asked, session, controls, body, .. } = call;
    let request = Strict::of(body).typed::<ChatRequest>()?.value;
    let (request, grounding) = Grounding::of_chat(&app, &caller, request).await?;
    if let (None, Target::Remote(..)) = (&grounding, app.routes.choose(&request.model)?) {
        let body = serde_json::to_vec(&request).map_err(ApiError::internal)?;
        let call = Outgoing { shown: asked, session, ..Outgoing::new(Door::Chat, &body.into(), controls)? };
        return forward(&app, &caller, call).await;
    }
    let streams = request.streams();
    let chunks = Chunks::new(new_id("chatcmpl-"), unix_now(), asked, Some(request.wants_usage()));
    let asks_logprobs = request.logprobs.unwrap_or(false);
    let answer = answers::answer(&app, &caller, request, grounding).await?;
    if streams {
        return Ok(stream(answer, chunks, asks_logprobs));
    }
    Ok(Json(collect(answer, chunks, asks_logprobs).await?).into_response())
}

/// Writes pieces as chunks.
fn stream(answer: Answer, chunks: Chunks, asks_logprobs: bool) -> Response {
    let mut pieces = answer.pieces;
    let frames = async_stream::try_stream! {
        let mut begun = Vec::new();
        let mut cited: BTreeMap<u32, Vec<Annotation>> = BTreeMap::new();
        let (mut prompt, mut completion) = (0, 0);
        while let Some(piece) = pieces.next().await {
            let piece = piece?;
            if let Some(choice) = choice_of(&piece).filter(|choice| !begun.contains(choice)) {
                begun.push(choice);
                yield Frame::data(&chunks.role(choice));
            }
            match piece {
                Piece::Started { prompt_tokens } => prompt = prompt_tokens,
                Piece::Text { choice, text, logprobs, .. } => {
                    let logprobs = asks_logprobs.then(|| logprobs_of(logprobs));
                    yield Frame::data(&chunks.text(choice, text, logprobs));
                }
                Piece::Citations { choice, citations } => {
                    cited.entry(choice).or_default().extend(citations.into_iter().map(Annotation::FileCitation));
                }
                Piece::Finished { choice, reason, completion_tokens } => {
                    completion += completion_tokens;
                    if let Some(annotations) = cited.remove(&choice) {
                        yield Frame::data(&chunks.annotations(choice, annotations));
                    }
                    yield Frame::data(&chunks.finish(choice, finish(reason)));
                }
            }
        }
        if let Some(total) = chunks.total(Usage::new(prompt, completion)) {
            yield Frame::data(&total);
        }
    };
    sse::respond(frames.boxed(), Ending::Done)
}

fn choice_of(piece: &Piece) -> Option<u32> {
    match piece {
        Piece::Started { .. } => None,
        Piece::Text { choice, .. } | Piece::Citations { choice, .. } | Piece::Finished { choice, .. } => Some(*choice),
    }
}

/// One choice while it is put together.
#[derive(Default)]
struct Building {
    text: String,
    logprobs: Vec<TokenLogprob>,
    annotations: Vec<Annotation>,
    reason: Option<FinishReason>,
}

async fn collect(answer: Answer, chunks: Chunks, asks_logprobs: bool) -> Result<ChatCompletion, ApiError> {
    let mut pieces = answer.pieces;
    let mut choices: BTreeMap<u32, Building> = BTreeMap::new();
    let (mut prompt, mut completion) = (0, 0);
    while let Some(piece) = pieces.next().await {
        match piece? {
            Piece::Started { prompt_tokens } => prompt = prompt_tokens,
            Piece::Text { choice, text, logprobs, .. } => {
                let building = choices.entry(choice).or_default();
                building.text.push_str(&text);
                building.logprobs.extend(logprobs);
            }
            Piece::Citations { choice, citations } => {
                let annotations = citations.into_iter().map(Annotation::FileCitation);
                choices.entry(choice).or_default().annotations.extend(annotations);
            }
            Piece::Finished { choice, reason, completion_tokens } => {
                completion += completion_tokens;
                choices.entry(choice).or_default().reason = Some(finish(reason));
            }
        }
    }
    let choices = choices.into_iter().map(|(index, building)| building.choice(index, asks_logprobs)).collect();
    let (id, created, model) = chunks.into_parts();
    let usage = Some(Usage::new(prompt, completion));
    Ok(ChatCompletion { id, created, model, choices, usage, system_fingerprint: None })
}

impl Building {
    fn choice(self, index: u32, asks_logprobs: bool) -> Choice {
        let mut message = AssistantMessage::text(self.text);
        message.annotations = self.annotations;
        Choice {
            index,
            message,
            logprobs: asks_logprobs.then(|| logprobs_of(self.logprobs)),
            finish_reason: self.reason.unwrap_or(FinishReason::Stop),
        }
    }
}

fn finish(reason: kubemate_engine::FinishReason) -> FinishReason {
    match reason {
        kubemate_engine::FinishReason::Stop => FinishReason::Stop,
        kubemate_engine::FinishReason::Length => FinishReason::Length,
    }
}

fn logprobs_of(tokens: Vec<TokenLogprob>) -> Logprobs {
    let top = |(token, bytes, logprob): (String, Vec<u8>, f32)| TopLogprob {
        token,
        logprob: f64::from(logprob),
        bytes: Some(bytes),
    };
    let one = |token: TokenLogprob| chat::TokenLogprob {
        token: token.token,
        logprob: f64::from(token.logprob),
        bytes: Some(token.bytes),
        top_logprobs: token.top.into_iter().map(top).collect(),
    };
    Logprobs { content: Some(tokens.into_iter().map(one).collect()), refusal: None }
}
