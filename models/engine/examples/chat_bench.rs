//! Speed of the local chat model: one JSON document `{name, rows: [{what, ours, unit}]}`.
//!
//! `tests/bench/chat_peer.py` measures the same rows with llama.cpp on the same file. Usage:
//! `cargo run --release -p kubemate-engine --example chat_bench -- [model.gguf]`

use std::{env, error::Error, path::PathBuf, time::Instant};

use futures::{StreamExt, future::try_join_all};
use kubemate_engine::{
    ChatModel, EngineError, GenerateEvent, GenerateRequest, LocalConfig, ModelIdentity, Prompt, chat::LocalChat,
};
use serde_json::{Value, json};

/// Tokens of the prompt whose reading is measured.
const READ: usize = 512;
/// Tokens that each stream writes, after a prompt of [`SHORT`] tokens.
const WRITE: usize = 64;
const SHORT: usize = 32;
/// Each number is the best of so many runs: on a machine with other work the best run is the least disturbed.
const RUNS: usize = 3;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let file = env::args_os().nth(1).map_or_else(default_file, PathBuf::from);
    let mut rows = Vec::new();
    for threads in [1, 2] {
        let identity = ModelIdentity { name: "bench".into(), revision: "bench".into(), dimensions: 0, context: 0 };
        let config = LocalConfig { threads: Some(threads), ..LocalConfig::default() };
        let began = Instant::now();
        let model = LocalChat::open(identity, &file, &config)?;
        if threads == 1 {
            rows.push(json!({ "what": "load", "ours": began.elapsed().as_millis(), "unit": "ms" }));
        }
        rows.push(row(&format!("read {READ} tokens, {threads} threads"), best(|| read(&model)).await?));
        for streams in [1, 8] {
            let speed = best(|| write(&model, streams)).await?;
            rows.push(row(&format!("write, {streams} streams, {threads} threads"), speed));
        }
    }
    let document = json!({ "name": "chat", "rows": rows });
    std::io::Write::write_all(&mut std::io::stdout(), format!("{document:#}\n").as_bytes())?;
    Ok(())
}

fn default_file() -> PathBuf {
    let home = || env::var_os("HOME").map(PathBuf::from).unwrap_or_default().join(".cache/kubemate");
    let cache = env::var_os("KUBEMATE_CACHE").map_or_else(home, PathBuf::from);
    cache.join("models/smollm2-135m-instruct/SmolLM2-135M-Instruct.Q4_1.gguf")
}

fn row(what: &str, speed: f64) -> Value {
    json!({ "what": what, "ours": (speed * 10.0).round() / 10.0, "unit": "tokens/s" })
}

async fn best<F>(run: impl Fn() -> F) -> Result<f64, EngineError>
where
    F: Future<Output = Result<f64, EngineError>>,
{
    let mut best = 0.0f64;
    for _ in 0..RUNS {
        best = best.max(run().await?);
    }
    Ok(best)
}

/// Ids that are spread over the vocabulary, so that no row of a table stays in a cache by chance.
fn prompt(tokens: usize, start: usize) -> Prompt {
    Prompt::Tokens((0..tokens).map(|index| (1000 + (start + index) * 7919 % 40_000) as u32).collect())
}

async fn read(model: &LocalChat) -> Result<f64, EngineError> {
    let started = Instant::now();
    generate(model, READ, 0, 1).await?;
    Ok(READ as f64 / started.elapsed().as_secs_f64())
}

/// Tokens a second that all streams write together, reading left out.
async fn write(model: &LocalChat, streams: usize) -> Result<f64, EngineError> {
    let spans = try_join_all((0..streams).map(|stream| generate(model, SHORT, stream, WRITE))).await?;
    let first = spans.iter().map(|(first, _)| *first).max();
    let last = spans.iter().map(|(_, last)| *last).max();
    let seconds = first.zip(last).map_or(f64::INFINITY, |(first, last)| (last - first).as_secs_f64());
    // The prompts are read one after the other in one step, so all streams write their first token together.
    Ok((streams * (WRITE - 1)) as f64 / seconds)
}

/// When the first and the last token of a generation came.
async fn generate(
    model: &LocalChat,
    read: usize,
    start: usize,
    write: usize,
) -> Result<(Instant, Instant), EngineError> {
    let mut request = GenerateRequest::new(prompt(read, start));
    request.max_tokens = Some(write);
    request.sampling.temperature = 0.0;
    // Ends of the turn are banned, so that every run writes as many tokens.
    request.sampling.logit_bias = [(0, -100.0), (2, -100.0)].into();
    let mut events = model.generate(request).await?;
    let mut first = None;
    while let Some(event) = events.next().await {
        if let GenerateEvent::Delta { .. } = event? {
            first.get_or_insert_with(Instant::now);
        }
    }
    let last = Instant::now();
    Ok((first.unwrap_or(last), last))
}
