//! `POST /v1/responses`, with the `file_search` tool.

mod conversation;
mod listing;
mod unserved;
mod writer;

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use futures::StreamExt;
use kubemate_engine::Advice;
use kubemate_identity::Scope;
use kubemate_ledger::NewResponse;
use kubemate_wire::{
    chat::ChatRequest,
    page::{Deleted, DeletedObject, ListQuery},
    responses::{InputItem, ResponseObject, ResponsesRequest, StreamEvent},
};
use serde::Deserialize;
use serde_json::Value;
use utoipa_axum::{router::OpenApiRouter, routes};

use self::{conversation::Conversation, writer::Writer};
use super::{
    paging::page,
    sse::{self, Ending, Frame},
};
use crate::{
    answers,
    api::{ApiError, Json as Body, Path, Query, caller::Caller},
    app::{App, unix_now},
    models::Target,
};

/// OpenAI's page of input items.
const USUAL: u32 = 20;
/// The most that one page holds.
const MOST: u32 = 100;

pub(super) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(create)).routes(routes!(fetch, delete)).routes(routes!(input_items))
}

/// Make a response; with the `file_search` tool, from documents and with citations.
#[utoipa::path(post, path = "/v1/responses", tag = "responses",
    responses((status = 200, description = "A response, or a stream of events")))]
async fn create(State(app): State<App>, caller: Caller, body: Body<ResponsesRequest>) -> Result<Response, ApiError> {
    caller.must(Scope::Chat)?;
    let asked = body.value;
    let conversation = Conversation::of(&app, &caller, &asked).await?;
    let (request, grounding) = conversation.chat_request(&app, &caller, &asked).await?;
    let drawn = drawn(&app, &request)?;
    let answer = answers::answer(&app, &caller, request, grounding).await?;
    let writer = Writer::new(&asked, drawn, answer.grounded.as_ref(), unix_now());
    let keeper = Keeper { app, caller, items: conversation.into_items(), keeps: asked.store.unwrap_or(true) };
    if asked.streams() {
        return Ok(stream(answer.pieces, writer, keeper));
    }
    let mut writer = writer;
    let mut pieces = answer.pieces;
    while let Some(piece) = pieces.next().await {
        writer.write(piece?);
    }
    let response = writer.complete(unix_now());
    keeper.keep(&response).await?;
    Ok(Json(response).into_response())
}

/// How the tokens are drawn: as the client or its assistant says, else as the makers of a model on this machine advise.
fn drawn(app: &App, request: &ChatRequest) -> Result<Advice, ApiError> {
    let advice = match app.routes.choose(&request.model)? {
        Target::Local(name) => app.local.habits(&name).advice,
        Target::Remote(..) => Advice::NONE,
    };
    let temperature = request.temperature.unwrap_or(advice.temperature);
    Ok(Advice { temperature, top_p: request.top_p.unwrap_or(advice.top_p) })
}

fn stream(mut pieces: answers::Pieces, mut writer: Writer, keeper: Keeper) -> Response {
    let frames = async_stream::stream! {
        for event in writer.begin() {
            yield Ok(frame(&event));
        }
        while let Some(piece) = pieces.next().await {
            match piece {
                Ok(piece) => for event in writer.write(piece) {
                    yield Ok(frame(&event));
                },
                Err(error) => {
                    yield Ok(frame(&writer.fail(&error)));
                    return;
                }
            }
        }
        for event in writer.finish(unix_now()) {
            yield Ok(frame(&event));
        }
        let response = writer.response();
        if let Err(error) = keeper.keep(&response).await {
            yield Ok(frame(&writer.fail(&error)));
            return;
        }
        yield Ok(frame(&writer.last(response)));
    };
    sse::respond(frames.boxed(), Ending::Quiet)
}

fn frame(event: &StreamEvent) -> Frame {
    Frame::named(event.kind.name(), event)
}

/// Keeps a response for `GET` and for the next turn.
struct Keeper {
    app: App,
    caller: Caller,
    items: Vec<InputItem>,
    keeps: bool,
}

impl Keeper {
    async fn keep(&self, response: &ResponseObject) -> Result<(), ApiError> {
        if !self.keeps {
            return Ok(());
        }
        let body = serde_json::to_value(response).map_err(ApiError::internal)?;
        let items = serde_json::to_value(&self.items).map_err(ApiError::internal)?;
        let new = NewResponse { id: response.id.clone(), project: self.caller.project.to_string(), body, input: items };
        self.app.ledger.save_response(&self.caller.tenant, new, unix_now()).await?;
        Ok(())
    }
}

/// How a stored response is wanted.
#[derive(Debug, Deserialize)]
struct Wanted {
    stream: Option<bool>,
}

/// A stored response, for thirty days after it was made.
#[utoipa::path(get, path = "/v1/responses/{id}", tag = "responses", params(("id" = String, Path)),
    responses((status = 200, description = "The response")))]
async fn fetch(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    Query(wanted): Query<Wanted>,
) -> Result<Json<Value>, ApiError> {
    caller.must(Scope::Chat)?;
    if wanted.stream.unwrap_or(false) {
        return Err(ApiError::unsupported("stream", "a stored response is not streamed again; leave `stream` out"));
    }
    let row = app.ledger.response(&caller.tenant, &id).await?;
    Ok(Json(row.body.clone()))
}

/// Forget a stored response.
#[utoipa::path(delete, path = "/v1/responses/{id}", tag = "responses", params(("id" = String, Path)),
    responses((status = 200, description = "It is gone")))]
async fn delete(State(app): State<App>, caller: Caller, Path(id): Path<String>) -> Result<Json<Deleted>, ApiError> {
    caller.must(Scope::Chat)?;
    if !app.ledger.delete_response(&caller.tenant, &id).await? {
        return Err(ApiError::NotFound { kind: "response", id });
    }
    Ok(Json(Deleted::new(DeletedObject::Response, id)))
}

/// What a stored response answered, newest first.
#[utoipa::path(get, path = "/v1/responses/{id}/input_items", tag = "responses", params(("id" = String, Path)),
    responses((status = 200, description = "A list of items")))]
async fn input_items(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    Query(query): Query<ListQuery>,
) -> Result<Json<Value>, ApiError> {
    caller.must(Scope::Chat)?;
    let window = page(&query, USUAL, MOST)?;
    let row = app.ledger.response(&caller.tenant, &id).await?;
    let items: Vec<InputItem> = serde_json::from_value(row.input.clone()).map_err(ApiError::internal)?;
    Ok(Json(listing::of(items.into_iter().map(conversation::listed).collect(), &window)?))
}
