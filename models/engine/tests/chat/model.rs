//! The model all these tests share, and ways to ask it.

use std::{
    path::PathBuf,
    sync::{Arc, OnceLock},
};

use futures::StreamExt;
use kubemate_engine::{
    ChatModel, EngineError, FinishReason, GenerateEvent, GenerateRequest, Generation, LocalConfig, ModelIdentity,
    Prompt, Role, TokenLogprob, Turn, chat::LocalChat,
};

/// Where `models pull` puts the file.
pub(crate) fn file() -> PathBuf {
    let home = || PathBuf::from(std::env::var_os("HOME").expect("HOME is set")).join(".cache/kubemate");
    let cache = std::env::var_os("KUBEMATE_CACHE").map_or_else(home, PathBuf::from);
    let file = cache.join("models/smollm2-135m-instruct/SmolLM2-135M-Instruct.Q4_1.gguf");
    let command = "cargo run --release -p kubemate-gateway -- models pull smollm2-135m-instruct";
    assert!(file.exists(), "the model's weights are missing; fetch them with\n    {command}");
    file
}

/// A model of its own, for tests that fill its queue.
pub(crate) fn start(queue: usize) -> LocalChat {
    let config = LocalConfig { queue, ..LocalConfig::default() };
    let identity =
        ModelIdentity { name: "smollm2-135m-instruct".into(), revision: "test".into(), dimensions: 0, context: 0 };
    LocalChat::open(identity, &file(), &config).expect("the model loads")
}

/// The model that all other tests share, so that their choices are computed together.
pub(crate) fn shared() -> Arc<LocalChat> {
    static MODEL: OnceLock<Arc<LocalChat>> = OnceLock::new();
    Arc::clone(MODEL.get_or_init(|| Arc::new(start(1000))))
}

/// One choice as a client sees it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Answer {
    pub(crate) text: String,
    pub(crate) reason: FinishReason,
    pub(crate) tokens: usize,
    pub(crate) logprobs: Vec<TokenLogprob>,
}

pub(crate) fn user(content: &str) -> Prompt {
    Prompt::Chat(vec![Turn { role: Role::User, content: content.to_owned() }])
}

/// Greedy, at most `most` tokens.
pub(crate) fn greedy(prompt: Prompt, most: usize) -> GenerateRequest {
    let mut request = GenerateRequest::new(prompt);
    request.sampling.temperature = 0.0;
    request.max_tokens = Some(most);
    request
}

pub(crate) async fn ask(model: &LocalChat, request: GenerateRequest) -> Result<Vec<Answer>, EngineError> {
    let choices = request.n;
    Ok(collect(model.generate(request).await?, choices).await)
}

/// Reads a generation to its end and checks the order of its events.
pub(crate) async fn collect(mut generation: Generation, choices: usize) -> Vec<Answer> {
    let first = generation.next().await.expect("an event").expect("no error");
    assert!(matches!(first, GenerateEvent::Started { .. }), "{first:?} comes first");
    let mut texts = vec![(String::new(), Vec::new()); choices];
    let mut answers = vec![None; choices];
    let mut drawn = vec![0; choices];
    while let Some(event) = generation.next().await {
        match event.expect("no error") {
            GenerateEvent::Started { .. } => panic!("started twice"),
            GenerateEvent::Delta { choice, text, logprobs, completion_tokens } => {
                assert!(answers[choice].is_none(), "text after the end");
                assert!(completion_tokens > drawn[choice], "text of no token");
                drawn[choice] = completion_tokens;
                texts[choice].0.push_str(&text);
                texts[choice].1.extend(logprobs);
            }
            GenerateEvent::Finished { choice, reason, completion_tokens } => {
                assert!(completion_tokens >= drawn[choice], "fewer tokens than were reported");
                let (text, logprobs) = std::mem::take(&mut texts[choice]);
                answers[choice] = Some(Answer { text, reason, tokens: completion_tokens, logprobs });
            }
        }
    }
    answers.into_iter().map(|answer| answer.expect("every choice finishes")).collect()
}
