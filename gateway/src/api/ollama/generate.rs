//! `POST /api/generate`.

use axum::{extract::State, response::Response};
use kubemate_wire::{
    chat::Role,
    ollama::{GenerateRequest, GenerateResponse},
};
use serde_json::json;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    answer::{self, Wanted},
    ask::{Ask, content},
    json, known_as,
    line::{self, Shape},
    load, load_reason, speaks_ollama,
};
use crate::{
    api::{ApiError, Unlabelled, caller::Caller, v1},
    app::App,
};

pub(super) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(create))
}

/// Answer a prompt, in Ollama's words: a stream of JSON lines unless `stream` is false.
#[utoipa::path(post, path = "/api/generate", tag = "ollama",
    responses((status = 200, description = "Lines of an answer, or the whole of it")))]
async fn create(State(app): State<App>, caller: Caller, body: Unlabelled) -> Result<Response, ApiError> {
    let request = body.0.typed::<GenerateRequest>()?.value;
    let model = known_as(&app, &request.model);
    if request.prompt.is_empty() {
        load(&app, &caller, &model).await?;
        return json(&loaded(&request));
    }
    refuse_unserved(&request)?;
    let wanted = Wanted::new(Shape::Generate, &request.model, request.stream);
    let speaks_ollama = speaks_ollama(&app, &model);
    let response = if continues(&request) {
        v1::completions(State(app), caller, text(request, model, speaks_ollama).body()?.typed()?).await?
    } else {
        v1::chat(State(app), caller, question(request, model, speaks_ollama)?.body()?).await?
    };
    answer::write(response, wanted).await
}

fn loaded(request: &GenerateRequest) -> GenerateResponse {
    GenerateResponse {
        model: request.model.clone(),
        created_at: line::now(),
        done: true,
        done_reason: Some(load_reason(request.keep_alive.as_ref()).to_owned()),
        ..GenerateResponse::default()
    }
}

fn refuse_unserved(request: &GenerateRequest) -> Result<(), ApiError> {
    if request.context.as_ref().is_some_and(|context| !context.is_empty()) {
        let message = "`context` is not served; send the conversation as messages to /api/chat";
        return Err(ApiError::unsupported("context", message));
    }
    if given(request.template.as_ref()) {
        let message = "`template` is not served; send `raw: true` with a prompt that you have templated yourself";
        return Err(ApiError::unsupported("template", message));
    }
    if continues(request) && given(request.system.as_ref()) {
        return Err(ApiError::unsupported("system", "a raw prompt is continued as it stands; put `system` into it"));
    }
    Ok(())
}

fn given(text: Option<&String>) -> bool {
    text.is_some_and(|text| !text.is_empty())
}

/// Whether the text itself is continued, rather than answered.
fn continues(request: &GenerateRequest) -> bool {
    request.raw.unwrap_or(false) || given(request.suffix.as_ref())
}

/// Ollama goes on until the model is done; OpenAI's completions stop after 16 tokens when nothing is said.
const RAW_TOKENS: u32 = 1024;

fn text(request: GenerateRequest, model: String, speaks_ollama: bool) -> Ask {
    let mut ask = Ask::new(model);
    ask.put("prompt", Some(request.prompt));
    ask.put("suffix", request.suffix.filter(|suffix| !suffix.is_empty()));
    ask.put("max_tokens", Some(RAW_TOKENS));
    ask.streams(request.stream);
    ask.settings(request.options, speaks_ollama);
    ask.put("keep_alive", request.keep_alive.filter(|_| speaks_ollama));
    ask
}

fn question(request: GenerateRequest, model: String, speaks_ollama: bool) -> Result<Ask, ApiError> {
    let system = request.system.filter(|system| !system.is_empty());
    let system = system.map(|system| json!({"role": Role::System, "content": system}));
    let content = content(request.prompt, request.images.as_deref().unwrap_or_default());
    let turns: Vec<_> = system.into_iter().chain([json!({"role": Role::User, "content": content})]).collect();
    let mut ask = Ask::new(model);
    ask.put("messages", Some(turns));
    ask.streams(request.stream);
    ask.format(request.format)?;
    ask.think(request.think);
    ask.logprobs(request.logprobs, request.top_logprobs);
    ask.settings(request.options, speaks_ollama);
    ask.put("keep_alive", request.keep_alive.filter(|_| speaks_ollama));
    Ok(ask)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn request(value: Value) -> GenerateRequest {
        serde_json::from_value(value).unwrap()
    }

    fn sent(ask: Ask) -> Value {
        serde_json::from_slice(&ask.body().unwrap().bytes).unwrap()
    }

    #[test]
    fn a_prompt_is_a_question() {
        let asked =
            request(json!({"model": "m", "prompt": "为什么", "system": "be brief", "stream": false, "format": "json"}));
        let expected = json!({"model": "m", "response_format": {"type": "json_object"}, "messages":
            [{"role": "system", "content": "be brief"}, {"role": "user", "content": "为什么"}]});
        assert_eq!(sent(question(asked, "m".to_owned(), false).unwrap()), expected);
    }

    #[test]
    fn a_raw_prompt_is_continued() {
        let asked = request(
            json!({"model": "m", "prompt": "Once", "raw": true, "stream": false, "options": {"num_predict": 5}}),
        );
        assert!(continues(&asked));
        assert_eq!(sent(text(asked, "m".to_owned(), false)), json!({"model": "m", "prompt": "Once", "max_tokens": 5}));
    }

    #[test]
    fn what_is_not_served_is_named() {
        for (field, value) in [("context", json!([1])), ("template", json!("{{ .Prompt }}")), ("system", json!("s"))] {
            let mut asked = json!({"model": "m", "prompt": "p", "raw": true});
            asked[field] = value;
            let ApiError::Invalid { param, .. } = refuse_unserved(&request(asked)).unwrap_err() else {
                panic!("a refusal")
            };
            assert_eq!(param.as_deref(), Some(field));
        }
        assert!(refuse_unserved(&request(json!({"model": "m", "prompt": "p", "context": [], "system": "s"}))).is_ok());
    }
}
