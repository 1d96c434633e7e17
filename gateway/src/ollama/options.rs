//! OpenAI's settings under Ollama's names.

use kubemate_wire::{
    input::Strings,
    ollama::{KeepAlive, Options},
};
use serde::Serialize;
use serde_json::{Map, Value};

/// Settings of Ollama that a request may carry under their own names, as clients of vLLM and LiteLLM do.
const OWN: [&str; 5] = ["num_ctx", "num_keep", "min_p", "typical_p", "repeat_last_n"];

/// What chat and text completions share.
#[derive(Debug, Default)]
pub(super) struct Settings<'a> {
    pub(super) temperature: Option<f64>,
    pub(super) top_p: Option<f64>,
    pub(super) top_k: Option<u32>,
    pub(super) seed: Option<i64>,
    pub(super) presence_penalty: Option<f64>,
    pub(super) frequency_penalty: Option<f64>,
    pub(super) repetition_penalty: Option<f64>,
    pub(super) stop: Option<&'a Strings>,
    pub(super) limit: Option<u32>,
}

impl Settings<'_> {
    /// Ollama's options. What the request does not say is left out: the model's own settings hold. A field `options` in
    /// `other` counts first, because whoever sends it speaks Ollama.
    pub(super) fn options(&self, other: &Map<String, Value>) -> Option<Options> {
        let mut options = Options::new();
        put(&mut options, "temperature", self.temperature);
        put(&mut options, "top_p", self.top_p);
        put(&mut options, "top_k", self.top_k);
        put(&mut options, "seed", self.seed);
        put(&mut options, "presence_penalty", self.presence_penalty);
        put(&mut options, "frequency_penalty", self.frequency_penalty);
        put(&mut options, "repeat_penalty", self.repetition_penalty);
        put(&mut options, "stop", self.stop.map(Strings::as_slice));
        put(&mut options, "num_predict", self.limit);
        for name in OWN {
            put(&mut options, name, other.get(name).filter(|value| !value.is_null()));
        }
        let own = other.get("options").and_then(Value::as_object).cloned().unwrap_or_default();
        options.extend(own);
        Some(options).filter(|options| !options.is_empty())
    }
}

fn put(options: &mut Options, name: &str, value: Option<impl Serialize>) {
    if let Some(value) = value.and_then(|value| serde_json::to_value(value).ok()) {
        options.insert(name.to_owned(), value);
    }
}

/// How long the model stays in memory, where the request says it.
pub(super) fn keep_alive(other: &Map<String, Value>) -> Option<KeepAlive> {
    other.get("keep_alive").filter(|value| !value.is_null()).cloned()
}
