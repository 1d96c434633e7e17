//! The door that is asked most, without the router around it.
//!
//! A router clones its services and boxes their futures for each request, which costs more than all that chat itself
//! does here. What the router's layers do is done here by the same functions, in the same order; requests of pages
//! (they bring an `origin`) go through the router, which knows about those.

use axum::{
    Router,
    extract::{FromRequest, FromRequestParts, Request, State},
    response::{IntoResponse, Response},
};
use http::{Method, header};
use tower::ServiceExt;

use super::{ApiError, Strict, caller::Caller, edge, lasting, strict, v1};
use crate::{app::App, net::Answers, telemetry};

/// All doors of the process.
#[derive(Clone, Debug)]
pub(crate) struct Doors {
    app: App,
    router: Router,
}

impl Doors {
    pub(super) fn new(app: App, router: Router) -> Self {
        Self { app, router }
    }
}

impl Answers for Doors {
    async fn answer(self, request: Request) -> Response {
        if is_chat(&request) {
            return chat(&self.app, request).await;
        }
        match self.router.oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        }
    }
}

fn is_chat(request: &Request) -> bool {
    request.method() == Method::POST
        && request.uri().path() == v1::CHAT
        && !request.headers().contains_key(header::ORIGIN)
}

async fn chat(app: &App, mut request: Request) -> Response {
    let seen = telemetry::Request::begin(&request, &app.telemetry, Some(v1::CHAT));
    let bound = lasting::Bound::of(&mut request);
    // In one box: each layer around it would otherwise hold the whole of it once or twice more, on the stack of every poll
    // and in every open connection.
    edge::observed(app, seen, bound.until_cut(app, Box::pin(answered(app, request)))).await
}

async fn answered(app: &App, request: Request) -> Response {
    checked(app, request).await.unwrap_or_else(IntoResponse::into_response)
}

async fn checked(app: &App, request: Request) -> Result<Response, ApiError> {
    strict::check(&request)?;
    let (mut head, body) = request.into_parts();
    let caller = Caller::from_request_parts(&mut head, app).await?;
    let body = Strict::from_request(Request::from_parts(head, body), app).await?;
    v1::chat(State(app.clone()), caller, body).await
}
