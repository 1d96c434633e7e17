//! From a chat request on the wire to what the local engine takes; what it cannot do is refused by name.

use std::collections::BTreeMap;

use kubemate_engine::{Advice, GenerateRequest, Prompt, Role, Sampling, Turn};
use kubemate_wire::{
    chat::{self, ChatRequest, Message, ResponseFormat},
    input::Strings,
};
use serde_json::Value;

use crate::api::ApiError;

/// Choices of one request; each holds a place in the decoder.
const MAX_CHOICES: u32 = 8;
/// OpenAI's limit on `stop`.
const MAX_STOPS: usize = 4;
/// OpenAI's limit on `top_logprobs`.
const MAX_TOP_LOGPROBS: u32 = 20;

/// What holds where a request says nothing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Habits {
    /// How the model's makers draw its tokens.
    pub(crate) advice: Advice,
    /// Most tokens of an answer.
    pub(crate) answer_tokens: u32,
}

/// The engine's request.
///
/// # Errors
/// `Invalid`, naming the field that the engine cannot serve or that is out of its range.
pub(crate) fn local_request(request: &ChatRequest, habits: Habits) -> Result<GenerateRequest, ApiError> {
    refuse_unserved(request)?;
    let turns = request.messages.iter().enumerate().map(|(at, message)| turn(at, message)).collect::<Result<_, _>>()?;
    let mut generate = GenerateRequest::new(Prompt::Chat(turns));
    generate.max_tokens = limit(request.token_limit().or(Some(habits.answer_tokens)))?;
    generate.stop = stops(request.stop.as_ref())?;
    generate.n = choices(request.n)?;
    generate.logprobs = logprobs(request)?;
    generate.sampling = Knobs::of_chat(request).sampling(habits.advice)?;
    Ok(generate)
}

fn refuse_unserved(request: &ChatRequest) -> Result<(), ApiError> {
    let model = &request.model;
    if request.messages.is_empty() {
        return Err(ApiError::invalid("messages", "`messages` is empty; send at least one"));
    }
    if request.tools.as_ref().is_some_and(|tools| !tools.is_empty()) {
        return Err(ApiError::unsupported("tools", format!("model `{model}` cannot call tools")));
    }
    if !matches!(request.response_format, None | Some(ResponseFormat::Text)) {
        let message = format!("model `{model}` cannot be held to a `response_format`");
        return Err(ApiError::unsupported("response_format", message));
    }
    if request.reasoning_effort.as_deref().is_some_and(|effort| effort != "none") {
        return Err(ApiError::unsupported("reasoning_effort", format!("model `{model}` does not reason")));
    }
    refuse_choice_of_tool(request)?;
    refuse_other_senses(request)
}

/// Without tools only `none` and `auto` can be chosen.
fn refuse_choice_of_tool(request: &ChatRequest) -> Result<(), ApiError> {
    let idle = |choice: &Value| choice.is_null() || matches!(choice.as_str(), Some("none" | "auto"));
    let functions = request.other.get("functions").and_then(Value::as_array);
    if functions.is_some_and(|functions| !functions.is_empty()) {
        let message = format!("model `{}` cannot call functions", request.model);
        return Err(ApiError::unsupported("functions", message));
    }
    for (field, choice) in
        [("tool_choice", request.tool_choice.as_ref()), ("function_call", request.other.get("function_call"))]
    {
        if choice.is_some_and(|choice| !idle(choice)) {
            let message = format!("`{field}` asks for a call, and model `{}` cannot call tools", request.model);
            return Err(ApiError::unsupported(field, message));
        }
    }
    Ok(())
}

/// What is not text, and the web.
fn refuse_other_senses(request: &ChatRequest) -> Result<(), ApiError> {
    let model = &request.model;
    let modes = request.other.get("modalities").and_then(Value::as_array);
    if modes.is_some_and(|modes| modes.iter().any(|mode| mode.as_str() != Some("text"))) {
        let message = format!("model `{model}` writes text; `modalities` takes only `text`");
        return Err(ApiError::unsupported("modalities", message));
    }
    for (field, does) in [("audio", "does not speak"), ("web_search_options", "does not search the web")] {
        if request.other.get(field).is_some_and(|value| !value.is_null()) {
            return Err(ApiError::unsupported(field, format!("model `{model}` {does}")));
        }
    }
    Ok(())
}

fn turn(at: usize, message: &Message) -> Result<Turn, ApiError> {
    let role = match message.role {
        chat::Role::Developer | chat::Role::System => Role::System,
        chat::Role::User => Role::User,
        chat::Role::Assistant => Role::Assistant,
        chat::Role::Tool | chat::Role::Function => {
            let message = "this model cannot read results of tools".to_owned();
            return Err(ApiError::unsupported(format!("messages[{at}].role"), message));
        }
    };
    let content = match &message.content {
        None => String::new(),
        Some(content) => content
            .as_text()
            .map(std::borrow::Cow::into_owned)
            .ok_or_else(|| ApiError::unsupported(format!("messages[{at}].content"), "this model reads text only"))?,
    };
    Ok(Turn { role, content })
}

/// `max_tokens`: from 1.
pub(crate) fn limit(limit: Option<u32>) -> Result<Option<usize>, ApiError> {
    match limit {
        Some(0) => Err(ApiError::invalid("max_tokens", "`max_tokens` must be at least 1")),
        limit => Ok(limit.map(|limit| limit as usize)),
    }
}

/// `stop`: up to 4 strings, none empty.
pub(crate) fn stops(stop: Option<&Strings>) -> Result<Vec<String>, ApiError> {
    let stops = stop.map(Strings::as_slice).unwrap_or_default();
    if stops.len() > MAX_STOPS {
        return Err(ApiError::invalid("stop", format!("`stop` takes at most {MAX_STOPS} strings")));
    }
    Ok(stops.iter().filter(|stop| !stop.is_empty()).cloned().collect())
}

/// `n`: from 1.
pub(crate) fn choices(n: Option<u32>) -> Result<usize, ApiError> {
    match n.unwrap_or(1) {
        n @ 1..=MAX_CHOICES => Ok(n as usize),
        _ => Err(ApiError::invalid("n", format!("`n` must be between 1 and {MAX_CHOICES}"))),
    }
}

fn logprobs(request: &ChatRequest) -> Result<Option<usize>, ApiError> {
    let wanted = request.logprobs.unwrap_or(false);
    match request.top_logprobs {
        Some(top) if top > MAX_TOP_LOGPROBS => {
            Err(ApiError::invalid("top_logprobs", format!("`top_logprobs` must be at most {MAX_TOP_LOGPROBS}")))
        }
        Some(top) if top > 0 && !wanted => {
            Err(ApiError::invalid("top_logprobs", "`top_logprobs` needs `logprobs: true`"))
        }
        top => Ok(wanted.then_some(top.unwrap_or(0) as usize)),
    }
}

/// The fields that steer sampling, which chat and text completions share.
#[derive(Clone, Debug, Default)]
pub(crate) struct Knobs<'a> {
    pub(crate) temperature: Option<f64>,
    pub(crate) top_p: Option<f64>,
    pub(crate) top_k: Option<u32>,
    pub(crate) seed: Option<i64>,
    pub(crate) presence_penalty: Option<f64>,
    pub(crate) frequency_penalty: Option<f64>,
    pub(crate) repetition_penalty: Option<f64>,
    pub(crate) logit_bias: Option<&'a BTreeMap<String, f64>>,
}

impl<'a> Knobs<'a> {
    fn of_chat(request: &'a ChatRequest) -> Self {
        Self {
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

    /// The engine's sampling, unsaid values as advised, every value checked against OpenAI's range.
    ///
    /// # Errors
    /// `Invalid`, naming the field and its range.
    pub(crate) fn sampling(&self, advice: Advice) -> Result<Sampling, ApiError> {
        Ok(Sampling {
            temperature: within("temperature", self.temperature, advice.temperature, 0.0..=2.0)?,
            top_p: within("top_p", self.top_p, advice.top_p, 0.0..=1.0)?,
            top_k: self.top_k.filter(|top_k| *top_k > 0).map(|top_k| top_k as usize),
            seed: self.seed.map(i64::cast_unsigned),
            frequency_penalty: within("frequency_penalty", self.frequency_penalty, 0.0, -2.0..=2.0)?,
            presence_penalty: within("presence_penalty", self.presence_penalty, 0.0, -2.0..=2.0)?,
            repetition_penalty: within("repetition_penalty", self.repetition_penalty, 1.0, 0.01..=10.0)?,
            logit_bias: self.logit_bias.map(biases).transpose()?.unwrap_or_default(),
        })
    }
}

fn within(name: &str, value: Option<f64>, default: f64, range: std::ops::RangeInclusive<f64>) -> Result<f32, ApiError> {
    let value = value.unwrap_or(default);
    if range.contains(&value) {
        return Ok(value as f32);
    }
    Err(ApiError::invalid(name, format!("`{name}` must be between {} and {}", range.start(), range.end())))
}

fn biases(biases: &BTreeMap<String, f64>) -> Result<BTreeMap<u32, f32>, ApiError> {
    let one = |(token, bias): (&String, &f64)| {
        let id = token.parse::<u32>().ok().filter(|_| (-100.0..=100.0).contains(bias));
        id.map(|id| (id, *bias as f32)).ok_or_else(|| {
            ApiError::invalid(
                "logit_bias",
                format!("`logit_bias` takes token ids and values from -100 to 100, not `{token}`: {bias}"),
            )
        })
    };
    biases.iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn blamed(field: &str, value: Value) -> Option<String> {
        let request = json!({"model": "m", "messages": [{"role": "user", "content": "Hi"}], field: value});
        match refuse_unserved(&serde_json::from_value(request).unwrap()) {
            Err(ApiError::Invalid { param, code: Some("unsupported_parameter"), .. }) => param,
            Err(error) => panic!("{error}"),
            Ok(()) => None,
        }
    }

    #[test]
    fn what_a_local_model_cannot_do_is_refused_by_name() {
        let call = json!({"type": "function", "function": {"name": "f"}});
        for (field, value) in [
            ("functions", json!([{"name": "f"}])),
            ("function_call", json!({"name": "f"})),
            ("tool_choice", call),
            ("tool_choice", json!("required")),
            ("modalities", json!(["text", "audio"])),
            ("audio", json!({"voice": "alloy", "format": "wav"})),
            ("web_search_options", json!({})),
        ] {
            assert_eq!(blamed(field, value).as_deref(), Some(field));
        }
        for (field, value) in [
            ("functions", json!([])),
            ("tool_choice", json!("none")),
            ("tool_choice", json!("auto")),
            ("modalities", json!(["text"])),
            ("audio", json!(null)),
            ("verbosity", json!("low")),
        ] {
            assert_eq!(blamed(field, value), None, "{field}");
        }
    }
}
