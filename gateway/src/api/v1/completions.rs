//! `POST /v1/completions`, the text completion that older clients use.

mod columns;

use std::collections::BTreeMap;

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use futures::{StreamExt, stream::BoxStream};
use kubemate_engine::{Advice, FinishReason, GenerateEvent, GenerateRequest, ModelKind, Prompt, TokenLogprob};
use kubemate_identity::Scope;
use kubemate_wire::{
    chat::{self, StreamUsage},
    completions::{Completion, CompletionChoice, CompletionRequest},
    input::Input,
    usage::Usage,
};
use utoipa_axum::{router::OpenApiRouter, routes};

use self::columns::Columns;
use super::{
    new_id,
    sse::{self, Ending, Frame},
};
use crate::{
    answers::{Knobs, choices, limit, stops},
    api::{ApiError, Json as Body, caller::Caller},
    app::{App, unix_now},
    forward::{Door, Outgoing, forward},
    limits::Estimate,
    models::{Meter, Target, cl100k},
    telemetry::Chosen,
};

/// Tokens of a completion when the request does not say (OpenAI's reference).
const DEFAULT_TOKENS: u32 = 16;
/// Prompts of one request; each holds a place in the decoder.
const MAX_PROMPTS: usize = 64;
/// OpenAI's limit on `logprobs`.
const MAX_LOGPROBS: u32 = 5;

pub(super) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(create))
}

/// Continue one or more prompts.
#[utoipa::path(post, path = "/v1/completions", tag = "chat",
    responses((status = 200, description = "A text completion, or a stream of its pieces")))]
pub(in crate::api) async fn create(
    State(app): State<App>,
    caller: Caller,
    body: Body<CompletionRequest>,
) -> Result<Response, ApiError> {
    caller.must(Scope::Chat)?;
    let request = body.value;
    if !caller.rights.allows_model(&request.model) {
        return Err(ApiError::ModelNotFound(request.model));
    }
    let target = app.routes.choose(&request.model)?;
    let name = match target {
        Target::Local(name) => name,
        Target::Remote(..) => {
            return forward(&app, &caller, Outgoing::new(Door::Completions, &body.bytes, body.cache)?).await;
        }
    };
    let answer = Some(u64::from(request.max_tokens.unwrap_or(DEFAULT_TOKENS)));
    let estimate = Estimate::new(&body.bytes, answer, u64::from(request.n.unwrap_or(1)))
        .of_prompts(request.prompt.as_ref().map_or(1, Input::len) as u64)
        .streamed(request.streams())
        .by_local(&app.local, &name);
    let mut meter = app.usage.admit(&caller, &request.model, "completion", estimate).await?;
    meter.routed(Chosen::here(&name));
    let events = meter.watch(generate(&app, &name, &request).await)?;
    if request.streams() {
        return Ok(stream(&request, events, meter));
    }
    Ok(Json(collect(&request, events, meter).await?).into_response())
}

/// What happens, with the number of the prompt it happens to.
type Events = BoxStream<'static, Result<(usize, GenerateEvent), ApiError>>;

async fn generate(app: &App, name: &str, request: &CompletionRequest) -> Result<Events, ApiError> {
    app.local.must_be(name, ModelKind::Chat)?;
    let model = app.local.chat(name).await?;
    let mut running = Vec::new();
    for (at, prompt) in prompts(request)?.into_iter().enumerate() {
        let generation = model.generate(engine_request(request, prompt, app.local.habits(name).advice)?).await?;
        running.push(generation.map(move |event| event.map(|event| (at, event)).map_err(ApiError::from)).boxed());
    }
    Ok(futures::stream::select_all(running).boxed())
}

fn prompts(request: &CompletionRequest) -> Result<Vec<Prompt>, ApiError> {
    let prompts = match request.prompt.clone().unwrap_or(Input::Text(String::new())) {
        Input::Text(text) => vec![Prompt::Text(text)],
        Input::Texts(texts) => texts.into_iter().map(Prompt::Text).collect(),
        Input::Tokens(ids) => vec![Prompt::Text(cl100k::decode(&ids)?)],
        Input::TokenLists(lists) => {
            lists.iter().map(|ids| cl100k::decode(ids).map(Prompt::Text)).collect::<Result<_, _>>()?
        }
    };
    match prompts.len() {
        1..=MAX_PROMPTS => Ok(prompts),
        _ => Err(ApiError::invalid("prompt", format!("`prompt` takes 1 to {MAX_PROMPTS} texts"))),
    }
}

fn engine_request(request: &CompletionRequest, prompt: Prompt, advice: Advice) -> Result<GenerateRequest, ApiError> {
    let model = &request.model;
    if request.suffix.as_deref().is_some_and(|suffix| !suffix.is_empty()) {
        return Err(ApiError::unsupported("suffix", format!("model `{model}` cannot fill a gap before a `suffix`")));
    }
    if request.best_of.is_some_and(|best_of| best_of < request.n.unwrap_or(1)) {
        return Err(ApiError::invalid("best_of", "`best_of` must be at least `n`"));
    }
    if request.best_of.is_some_and(|best_of| best_of > request.n.unwrap_or(1)) {
        return Err(ApiError::unsupported("best_of", "`best_of` above `n` is not served; ask for `n` and choose"));
    }
    if request.logprobs.is_some_and(|top| top > MAX_LOGPROBS) {
        return Err(ApiError::invalid("logprobs", format!("`logprobs` must be at most {MAX_LOGPROBS}")));
    }
    let mut generate = GenerateRequest::new(prompt);
    generate.max_tokens = limit(Some(request.max_tokens.unwrap_or(DEFAULT_TOKENS)))?;
    generate.stop = stops(request.stop.as_ref())?;
    generate.n = choices(request.n)?;
    generate.logprobs = request.logprobs.map(|top| top as usize);
    generate.sampling = knobs(request).sampling(advice)?;
    Ok(generate)
}

fn knobs(request: &CompletionRequest) -> Knobs<'_> {
    Knobs {
        temperature: request.temperature,
        top_p: request.top_p,
        top_k: request.top_k,
        seed: request.seed,
        presence_penalty: request.presence_penalty,
        frequency_penalty: request.frequency_penalty,
        repetition_penalty: request.repetition_penalty,
        logit_bias: request.logit_bias.as_ref(),
    }
}

/// Puts events into the places of the answer: choice numbers run through all prompts.
struct Writer {
    id: String,
    created: i64,
    model: String,
    n: usize,
    /// Prompts to repeat before their completions; empty unless `echo`.
    echoes: Vec<String>,
    columns: BTreeMap<u32, Columns>,
    asks_logprobs: bool,
    prompt_tokens: u64,
    completion_tokens: u64,
}

impl Writer {
    fn new(request: &CompletionRequest) -> Self {
        let echoes = if request.echo.unwrap_or(false) { prompts(request).unwrap_or_default() } else { Vec::new() };
        let text = |prompt| if let Prompt::Text(text) = prompt { text } else { String::new() };
        Self {
            id: new_id("cmpl-"),
            created: unix_now(),
            model: request.model.clone(),
            n: request.n.unwrap_or(1) as usize,
            echoes: echoes.into_iter().map(text).collect(),
            columns: BTreeMap::new(),
            asks_logprobs: request.logprobs.is_some(),
            prompt_tokens: 0,
            completion_tokens: 0,
        }
    }

    /// The piece of the answer that an event makes, if any.
    fn write(&mut self, prompt: usize, event: GenerateEvent, meter: &mut Meter) -> Option<CompletionChoice> {
        match event {
            GenerateEvent::Started { prompt_tokens } => {
                self.prompt_tokens += prompt_tokens as u64;
                meter.prompt(self.prompt_tokens);
                None
            }
            GenerateEvent::Delta { choice, text, logprobs, completion_tokens } => {
                meter.reached(self.index(prompt, choice), completion_tokens as u64);
                Some(self.text(prompt, choice, text, logprobs))
            }
            GenerateEvent::Finished { choice, reason, completion_tokens } => {
                self.completion_tokens += completion_tokens as u64;
                meter.reached(self.index(prompt, choice), completion_tokens as u64);
                let mut last = self.text(prompt, choice, String::new(), Vec::new());
                last.finish_reason = Some(finish(reason));
                Some(last)
            }
        }
    }

    /// The number in the answer of a prompt's choice.
    fn index(&self, prompt: usize, choice: usize) -> u32 {
        u32::try_from(prompt * self.n + choice).unwrap_or(u32::MAX)
    }

    fn text(&mut self, prompt: usize, choice: usize, text: String, tokens: Vec<TokenLogprob>) -> CompletionChoice {
        let index = self.index(prompt, choice);
        let first = !self.columns.contains_key(&index);
        let echo = self.echoes.get(prompt).filter(|_| first);
        let columns = self.columns.entry(index).or_insert_with(|| Columns::after(echo.map(String::as_str)));
        let logprobs = self.asks_logprobs.then(|| columns.add(tokens));
        let text = echo.map_or(text.clone(), |echo| format!("{echo}{text}"));
        CompletionChoice { index, text, logprobs, finish_reason: None }
    }

    fn usage(&self) -> Usage {
        Usage::new(self.prompt_tokens, self.completion_tokens)
    }

    fn piece(&self, choices: Vec<CompletionChoice>, usage: StreamUsage) -> Completion {
        Completion { id: self.id.clone(), created: self.created, model: self.model.clone(), choices, usage }
    }
}

fn stream(request: &CompletionRequest, mut events: Events, mut meter: Meter) -> Response {
    let mut writer = Writer::new(request);
    let counted = request.stream_options.as_ref().and_then(|options| options.include_usage).unwrap_or(false);
    let usage = if counted { StreamUsage::Pending } else { StreamUsage::Unasked };
    let frames = async_stream::try_stream! {
        while let Some(event) = events.next().await {
            let (prompt, event) = event.inspect_err(|error| meter.failed(error.status()))?;
            if let Some(choice) = writer.write(prompt, event, &mut meter) {
                yield Frame::data(&writer.piece(vec![choice], usage));
            }
        }
        meter.answered();
        if counted {
            yield Frame::data(&writer.piece(Vec::new(), StreamUsage::Total(writer.usage())));
        }
    };
    sse::respond(frames.boxed(), Ending::Done)
}

async fn collect(request: &CompletionRequest, mut events: Events, mut meter: Meter) -> Result<Completion, ApiError> {
    let mut writer = Writer::new(request);
    let mut choices: BTreeMap<u32, CompletionChoice> = BTreeMap::new();
    while let Some(event) = events.next().await {
        let (prompt, event) = event.inspect_err(|error| meter.failed(error.status()))?;
        let Some(piece) = writer.write(prompt, event, &mut meter) else { continue };
        match choices.get_mut(&piece.index) {
            Some(whole) => columns::join(whole, piece),
            None => drop(choices.insert(piece.index, piece)),
        }
    }
    meter.answered();
    let usage = writer.usage();
    Ok(Completion::whole(writer.id, writer.created, writer.model, choices.into_values().collect(), usage))
}

fn finish(reason: FinishReason) -> chat::FinishReason {
    match reason {
        FinishReason::Stop => chat::FinishReason::Stop,
        FinishReason::Length => chat::FinishReason::Length,
    }
}
