//! `/completions` as `/api/generate`.

use kubemate_wire::{
    completions::CompletionRequest,
    input::{Input, InputItem},
    ollama::GenerateRequest,
};

use super::{
    Native, Reading, Shape,
    chat::lacks,
    options::{Settings, keep_alive},
    written,
};
use crate::{api::ApiError, models::cl100k};

/// Tokens of a completion when the request does not say (OpenAI's reference).
const DEFAULT_TOKENS: u32 = 16;

pub(super) fn native(mut request: CompletionRequest) -> Result<Native, ApiError> {
    refuse_unserved(&request)?;
    let prompt = prompt(request.prompt.take())?;
    let suffix = request.suffix.clone().filter(|suffix| !suffix.is_empty());
    let generate = GenerateRequest {
        model: request.model.clone(),
        prompt,
        // The text itself is continued; filling a gap is done by the model's template.
        raw: suffix.is_none().then_some(true),
        suffix,
        stream: Some(request.streams()),
        keep_alive: keep_alive(&request.other),
        options: settings(&request).options(&request.other),
        ..GenerateRequest::default()
    };
    let counts = request.stream_options.as_ref().and_then(|options| options.include_usage).unwrap_or(false);
    let (streams, model) = (request.streams(), request.model);
    let reading = Reading { shape: Shape::Text, model, streams, counts, logprobs: false };
    Ok(Native { path: "/api/generate", body: written(&generate)?, reading })
}

fn settings(request: &CompletionRequest) -> Settings<'_> {
    Settings {
        temperature: request.temperature,
        top_p: request.top_p,
        top_k: request.top_k,
        seed: request.seed,
        presence_penalty: request.presence_penalty,
        frequency_penalty: request.frequency_penalty,
        repetition_penalty: request.repetition_penalty,
        stop: request.stop.as_ref(),
        limit: Some(request.max_tokens.unwrap_or(DEFAULT_TOKENS)),
    }
}

fn refuse_unserved(request: &CompletionRequest) -> Result<(), ApiError> {
    if request.n.is_some_and(|n| n != 1) {
        return Err(lacks("n", "gives one choice a request"));
    }
    if request.best_of.is_some_and(|best_of| best_of != 1) {
        return Err(lacks("best_of", "gives one choice a request"));
    }
    if request.logprobs.is_some() {
        return Err(lacks("logprobs", "gives them for chats only; ask /v1/chat/completions"));
    }
    if request.echo.unwrap_or(false) {
        return Err(lacks("echo", "does not repeat prompts"));
    }
    if request.logit_bias.as_ref().is_some_and(|biases| !biases.is_empty()) {
        return Err(lacks("logit_bias", "takes no biases"));
    }
    Ok(())
}

fn prompt(prompt: Option<Input>) -> Result<String, ApiError> {
    let mut items = prompt.unwrap_or(Input::Text(String::new())).into_items();
    let text = match (items.pop(), items.is_empty()) {
        (Some(InputItem::Text(text)), true) => text,
        (Some(InputItem::Tokens(ids)), true) => cl100k::decode(&ids)?,
        _ => return Err(lacks("prompt", "takes one prompt a request")),
    };
    if text.is_empty() {
        // Ollama would take it for an order to load the model.
        return Err(ApiError::invalid("prompt", "`prompt` is empty; the Ollama server behind this model needs a text"));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn sent(request: Value) -> Result<Value, ApiError> {
        let native = native(serde_json::from_value(request).unwrap())?;
        Ok(serde_json::from_slice(&native.body).unwrap())
    }

    #[test]
    fn a_prompt_is_continued_as_it_stands() {
        let request = json!({"model": "m", "prompt": ["Once"], "stop": "\n", "temperature": 0, "keep_alive": "1m"});
        let expected = json!({"model": "m", "prompt": "Once", "raw": true, "stream": false, "keep_alive": "1m",
            "options": {"temperature": 0.0, "stop": ["\n"], "num_predict": 16}});
        assert_eq!(sent(request).unwrap(), expected);
    }

    #[test]
    fn a_gap_is_filled_by_the_models_template() {
        let filled = sent(json!({"model": "m", "prompt": "def f(", "suffix": "return 1"})).unwrap();
        assert_eq!((&filled["suffix"], filled.get("raw")), (&json!("return 1"), None));
    }

    #[test]
    fn what_is_lacking_is_named() {
        for (field, value) in [
            ("n", json!(2)),
            ("best_of", json!(3)),
            ("logprobs", json!(0)),
            ("echo", json!(true)),
            ("logit_bias", json!({"1": 5.0})),
            ("prompt", json!(["a", "b"])),
            ("prompt", json!("")),
        ] {
            let mut request = json!({"model": "m", "prompt": "x"});
            request[field] = value;
            let ApiError::Invalid { param, .. } = sent(request).unwrap_err() else { panic!("a refusal") };
            assert_eq!(param.as_deref(), Some(field));
        }
    }
}
