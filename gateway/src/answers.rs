//! Answers of chat models, with and without documents behind them.
//!
//! Whoever answers (the engine here, a server elsewhere) and whatever the door (chat completions, responses), an answer
//! is the same stream of [`Piece`]s; the doors only write it in their own shape.

mod citing;
mod grounding;
mod local;
mod piece;
mod quoting;
mod remote;

use grounding::Voice;
pub(crate) use grounding::{Grounded, Grounding};
pub(crate) use local::{Habits, Knobs, choices, limit, local_request, stops};
pub(crate) use piece::{Piece, Pieces};

use kubemate_engine::ModelKind;
use kubemate_identity::Caller;
use kubemate_wire::chat::ChatRequest;

use crate::{
    api::ApiError,
    app::App,
    limits::Estimate,
    models::{Meter, Target},
    telemetry::Chosen,
};

/// OpenAI's limit on `n`.
const MOST_CHOICES: u32 = 128;

/// Starts the answer to `request`, from documents when `grounding` says so.
///
/// # Errors
/// Everything that can be told before the first piece; the HTTP status is still open then.
pub(crate) async fn answer(
    app: &App,
    caller: &Caller,
    request: ChatRequest,
    grounding: Option<Grounding>,
) -> Result<Answer, ApiError> {
    let target = app.routes.choose(&request.model)?;
    let mut meter = admit(app, caller, &target, &request, grounding.is_some()).await?;
    meter.routed(Chosen::of(&target, "weighted"));
    let (pieces, grounded) = meter.watch(begin(app, caller, &target, request, grounding).await)?;
    Ok(Answer { pieces: piece::metered(pieces, meter), grounded })
}

async fn admit(
    app: &App,
    caller: &Caller,
    target: &Target,
    request: &ChatRequest,
    grounded: bool,
) -> Result<Meter, ApiError> {
    let write = || serde_json::to_vec(request).unwrap_or_default();
    let choices = u64::from(request.n.unwrap_or(1));
    let passages = if grounded { app.config.corpus.passage_tokens as u64 } else { 0 };
    let estimate = Estimate::written(&write, request.token_limit().map(u64::from), choices);
    let estimate = estimate.plus(passages).streamed(request.streams());
    let estimate = match target {
        Target::Local(name) => estimate.by_local(&app.local, name),
        Target::Remote(..) => estimate,
    };
    app.usage.admit(caller, &request.model, "chat", estimate).await
}

async fn begin(
    app: &App,
    caller: &Caller,
    target: &Target,
    request: ChatRequest,
    grounding: Option<Grounding>,
) -> Result<(Pieces, Option<Grounded>), ApiError> {
    let (request, grounded) = match grounding {
        None => (request, None),
        Some(grounding) => {
            let grounded = grounding.ground(app, caller, target, request).await?;
            (grounded.request.clone(), Some(grounded))
        }
    };
    if let (Target::Local(name), Some(_)) = (target, &grounded) {
        // Refused whether the model is asked in the end or a quote is the answer.
        local_request(&request, app.local.habits(name))?;
    }
    let wanted = request.n.unwrap_or(1).clamp(1, MOST_CHOICES);
    let pieces = match &grounded {
        None => generate(app, caller, target, request).await?,
        Some(grounded) => match grounded.voice() {
            Voice::Only(lead) => quoting::only(&lead, wanted, grounded.unasked(&lead)),
            Voice::Led(lead) => {
                let own = generate(app, caller, target, request).await?;
                let own = quoting::sifted(own, grounded.found.clone(), lead.text().to_owned());
                quoting::led(citing::cite(own, grounded), lead, wanted)
            }
            Voice::Own => citing::cite(generate(app, caller, target, request).await?, grounded),
        },
    };
    Ok((pieces, grounded))
}

/// An answer under way, and what it is drawn from.
pub(crate) struct Answer {
    pub(crate) pieces: Pieces,
    pub(crate) grounded: Option<Grounded>,
}

/// The beginnings of prompts that the local engine keeps are shared within a tenant only.
async fn generate(app: &App, caller: &Caller, target: &Target, request: ChatRequest) -> Result<Pieces, ApiError> {
    match target {
        Target::Local(name) => {
            app.local.must_be(name, ModelKind::Chat)?;
            let model = app.local.chat(name).await?;
            let request = local_request(&request, app.local.habits(name))?;
            Ok(piece::from_engine(model.generate_sharing(request, caller.tenant.as_str()).await?))
        }
        Target::Remote(..) => remote::generate(app, caller, request).await,
    }
}
