//! What is asked for in Ollama's words, in OpenAI's.

use kubemate_wire::ollama::{Options, Think};
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::api::{ApiError, Strict};

/// A request of OpenAI's API that is being put together.
#[derive(Debug, Default)]
pub(super) struct Ask(Map<String, Value>);

/// Ollama's names of settings that OpenAI has under the same or another name.
const SETTINGS: [(&str, &str); 8] = [
    ("temperature", "temperature"),
    ("top_p", "top_p"),
    ("top_k", "top_k"),
    ("seed", "seed"),
    ("stop", "stop"),
    ("presence_penalty", "presence_penalty"),
    ("frequency_penalty", "frequency_penalty"),
    ("repeat_penalty", "repetition_penalty"),
];

impl Ask {
    /// A request to `model`.
    pub(super) fn new(model: String) -> Self {
        let mut ask = Self::default();
        ask.put("model", Some(model));
        ask
    }

    /// A field, where there is a value.
    pub(super) fn put(&mut self, field: &str, value: Option<impl Serialize>) {
        if let Some(value) = value.and_then(|value| serde_json::to_value(value).ok()) {
            self.0.insert(field.to_owned(), value);
        }
    }

    /// A stream unless told otherwise, with counts: they are on every last line of Ollama's.
    pub(super) fn streams(&mut self, stream: Option<bool>) {
        if stream.unwrap_or(true) {
            self.put("stream", Some(true));
            self.put("stream_options", Some(json!({"include_usage": true})));
        }
    }

    /// Settings that OpenAI has; those of Ollama's alone go along where they are understood.
    pub(super) fn settings(&mut self, options: Option<Options>, speaks_ollama: bool) {
        let mut options = options.unwrap_or_default();
        options.retain(|_, value| !value.is_null());
        for (theirs, ours) in SETTINGS {
            self.put(ours, options.remove(theirs));
        }
        // -1 and -2 are "as much as fits": what holds when nothing is said.
        let limit = options.remove("num_predict").filter(|limit| limit.as_f64().is_none_or(|limit| limit >= 0.0));
        self.put("max_tokens", limit);
        if speaks_ollama && !options.is_empty() {
            self.put("options", Some(options));
        }
    }

    /// Whether to think first.
    pub(super) fn think(&mut self, think: Option<Think>) {
        self.put(
            "reasoning_effort",
            think.map(|think| match think {
                Think::Switch(false) => "none".to_owned(),
                Think::Switch(true) => "medium".to_owned(),
                Think::Level(level) => level,
            }),
        );
    }

    /// `"json"` or a schema; an empty text is nothing.
    ///
    /// # Errors
    /// `Invalid` for anything else.
    pub(super) fn format(&mut self, format: Option<Value>) -> Result<(), ApiError> {
        let wanted = match format {
            None | Some(Value::Null) => None,
            Some(Value::String(text)) if text.is_empty() => None,
            Some(Value::String(text)) if text == "json" => Some(json!({"type": "json_object"})),
            Some(Value::Object(schema)) => {
                Some(json!({"type": "json_schema", "json_schema": {"name": "format", "schema": schema}}))
            }
            Some(_) => return Err(ApiError::invalid("format", "`format` is \"json\" or a JSON Schema")),
        };
        self.put("response_format", wanted);
        Ok(())
    }

    /// Log probabilities, where asked for.
    pub(super) fn logprobs(&mut self, logprobs: Option<bool>, top: Option<u32>) {
        if logprobs.unwrap_or(false) {
            self.put("logprobs", Some(true));
            self.put("top_logprobs", top);
        }
    }

    /// The body, as a client of OpenAI's would have sent it.
    ///
    /// # Errors
    /// `Internal` when it cannot be written.
    pub(super) fn body(self) -> Result<Strict, ApiError> {
        Ok(Strict::of(serde_json::to_vec(&self.0).map_err(ApiError::internal)?.into()))
    }
}

/// A picture as OpenAI takes it; its kind is told by its first bytes.
pub(super) fn picture(base64: &str) -> Value {
    let kind = match base64.get(..4) {
        Some("/9j/") => "jpeg",
        Some("UklG") => "webp",
        Some("R0lG") => "gif",
        _ => "png",
    };
    json!({"type": "image_url", "image_url": {"url": format!("data:image/{kind};base64,{base64}")}})
}

/// Text and pictures as one content.
pub(super) fn content(text: String, images: &[String]) -> Value {
    if images.is_empty() {
        return Value::String(text);
    }
    let text = (!text.is_empty()).then(|| json!({"type": "text", "text": text}));
    text.into_iter().chain(images.iter().map(|image| picture(image))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(value: Value) -> Option<Options> {
        value.as_object().cloned()
    }

    #[test]
    fn settings_take_openais_names_and_the_rest_goes_where_it_is_understood() {
        let sent = json!({"temperature": 0.5, "repeat_penalty": 1.1, "num_predict": 9, "stop": ["a"], "num_ctx": 2048, "seed": null});
        let mut plain = Ask::default();
        plain.settings(options(sent.clone()), false);
        let expected = json!({"temperature": 0.5, "stop": ["a"], "repetition_penalty": 1.1, "max_tokens": 9});
        assert_eq!(Value::Object(plain.0), expected);
        let mut native = Ask::default();
        native.settings(options(sent), true);
        assert_eq!(native.0["options"], json!({"num_ctx": 2048}));
    }

    #[test]
    fn without_end_is_what_holds_when_nothing_is_said() {
        let mut ask = Ask::default();
        ask.settings(options(json!({"num_predict": -1})), false);
        assert!(ask.0.is_empty());
    }

    #[test]
    fn formats_become_response_formats() {
        let wanted = |format: Value| {
            let mut ask = Ask::default();
            ask.format(Some(format)).map(|()| ask.0.remove("response_format"))
        };
        assert_eq!(wanted(json!("")).unwrap(), None);
        assert_eq!(wanted(json!("json")).unwrap(), Some(json!({"type": "json_object"})));
        assert_eq!(
            wanted(json!({"type": "object"})).unwrap().unwrap()["json_schema"]["schema"],
            json!({"type": "object"})
        );
        assert!(wanted(json!("yaml")).is_err());
    }

    #[test]
    fn pictures_keep_their_kind() {
        let content = content("what is it".to_owned(), &["/9j/4AAQ".to_owned()]);
        assert_eq!(content[1]["image_url"]["url"], "data:image/jpeg;base64,/9j/4AAQ");
        assert_eq!(super::content("x".to_owned(), &[]), json!("x"));
    }
}
