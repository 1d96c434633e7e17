//! A chat model that says what a test wants.

use std::{
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use async_trait::async_trait;
use futures::stream;
use tokio::sync::Semaphore;

use super::words::{FakeTokens, hash, ranges};
use crate::{
    ChatModel, EngineError, FinishReason, GenerateEvent, GenerateRequest, Generation, ModelIdentity, Prompt,
    TokenCounter, TokenLogprob,
};

type Answer = dyn Fn(&Prompt, usize) -> Result<String, EngineError> + Send + Sync;

/// Answers from a script or a function, one word a delta. Honours `stop`, `max_tokens`, `n` and `logprobs` (each
/// token has log probability 0 and no alternatives); sampling changes nothing.
pub struct FakeChat {
    identity: ModelIdentity,
    tokens: Arc<FakeTokens>,
    answer: Arc<Answer>,
    pace: Option<Arc<Semaphore>>,
    requests: Mutex<Vec<GenerateRequest>>,
    running: Arc<AtomicUsize>,
}

impl fmt::Debug for FakeChat {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("FakeChat").field("identity", &self.identity).finish_non_exhaustive()
    }
}

impl FakeChat {
    /// Named `fake-chat`; every choice of every request gets this text.
    pub fn saying(text: &str) -> Self {
        let text = text.to_owned();
        Self::answering(move |_, _| Ok(text.clone()))
    }

    /// The function sees the prompt and the number of the choice and returns the whole answer, or the error that
    /// `generate` gives.
    pub fn answering(answer: impl Fn(&Prompt, usize) -> Result<String, EngineError> + Send + Sync + 'static) -> Self {
        let name = "fake-chat".to_owned();
        let revision = format!("{:08x}", hash(&name));
        let identity = ModelIdentity { name, revision, dimensions: 0, context: 8192 };
        let (tokens, requests, running) = <_>::default();
        Self { identity, tokens, answer: Arc::new(answer), pace: None, requests, running }
    }

    /// Under another name.
    #[must_use]
    pub fn named(mut self, name: &str) -> Self {
        self.identity.name = name.to_owned();
        self
    }

    /// With a context of so many tokens.
    #[must_use]
    pub fn context(mut self, tokens: usize) -> Self {
        self.identity.context = tokens;
        self
    }

    /// Each delta takes one permit first, so a test decides how far an answer gets.
    #[must_use]
    pub fn paced_by(mut self, pace: Arc<Semaphore>) -> Self {
        self.pace = Some(pace);
        self
    }

    /// All requests so far, oldest first.
    pub fn requests(&self) -> Vec<GenerateRequest> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Generations neither finished nor dropped: shows that a dropped stream was cancelled.
    pub fn running(&self) -> usize {
        self.running.load(Ordering::SeqCst)
    }

    fn events(&self, request: &GenerateRequest, prompt_tokens: usize) -> Result<Vec<GenerateEvent>, EngineError> {
        let mut events = vec![GenerateEvent::Started { prompt_tokens }];
        let room = self.identity.context.saturating_sub(prompt_tokens);
        let limit = request.max_tokens.unwrap_or(room).min(room);
        for choice in 0..request.n.max(1) {
            let text = (self.answer)(&request.prompt, choice)?;
            let text = request
                .stop
                .iter()
                .filter_map(|stop| text.find(stop.as_str()))
                .min()
                .map_or(&*text, |end| &text[..end]);
            let pieces = pieces(text);
            let reason = if pieces.len() > limit { FinishReason::Length } else { FinishReason::Stop };
            let completion_tokens = pieces.len().min(limit);
            let logprobs = request.logprobs.is_some();
            let numbered = pieces.into_iter().take(limit).zip(1..);
            events.extend(numbered.map(|(text, number)| delta(choice, text, logprobs, number)));
            events.push(GenerateEvent::Finished { choice, reason, completion_tokens });
        }
        Ok(events)
    }
}

/// The words of `text`, each with the white space before it (the last one with what follows, too).
fn pieces(text: &str) -> Vec<&str> {
    let ends: Vec<usize> = ranges(text).iter().map(|range| range.end).collect();
    let mut start = 0;
    let mut pieces = Vec::new();
    for (index, end) in ends.iter().enumerate() {
        let end = if index + 1 == ends.len() { text.len() } else { *end };
        pieces.extend(text.get(start..end));
        start = end;
    }
    pieces
}

fn delta(choice: usize, text: &str, with_logprobs: bool, completion_tokens: usize) -> GenerateEvent {
    let entry = TokenLogprob { token: text.to_owned(), bytes: text.into(), logprob: 0.0, top: Vec::new() };
    let logprobs = if with_logprobs { vec![entry] } else { Vec::new() };
    GenerateEvent::Delta { choice, text: text.to_owned(), logprobs, completion_tokens }
}

/// Counts one running generation for as long as it lives.
struct Running(Arc<AtomicUsize>);

impl Running {
    fn begin(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(count))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[async_trait]
impl ChatModel for FakeChat {
    fn identity(&self) -> &ModelIdentity {
        &self.identity
    }

    fn tokenizer(&self) -> Arc<dyn TokenCounter> {
        Arc::clone(&self.tokens) as _
    }

    fn count_prompt(&self, prompt: &Prompt) -> Result<usize, EngineError> {
        Ok(match prompt {
            Prompt::Chat(turns) => turns.iter().map(|turn| self.tokens.count(&turn.content)).sum(),
            Prompt::Text(text) => self.tokens.count(text),
            Prompt::Tokens(tokens) => tokens.len(),
        })
    }

    async fn generate(&self, request: GenerateRequest) -> Result<Generation, EngineError> {
        let tokens = self.count_prompt(&request.prompt)?;
        let limit = self.identity.context;
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).push(request.clone());
        if tokens >= limit {
            return Err(EngineError::ContextTooLong { tokens, limit });
        }
        let events = self.events(&request, tokens)?.into_iter();
        let running = Running::begin(&self.running);
        let pace = self.pace.clone();
        let next = |(mut events, pace, running): (
            std::vec::IntoIter<GenerateEvent>,
            Option<Arc<Semaphore>>,
            Running,
        )| async move {
            let event = events.next()?;
            if let (GenerateEvent::Delta { .. }, Some(pace)) = (&event, &pace)
                && let Ok(permit) = pace.acquire().await
            {
                permit.forget();
            }
            Some((Ok(event), (events, pace, running)))
        };
        Ok(Box::pin(stream::unfold((events, pace, running), next)))
    }
}

#[cfg(test)]
mod tests {
    use futures::StreamExt;

    use super::*;

    async fn texts(chat: &FakeChat, request: GenerateRequest) -> (String, FinishReason, usize) {
        let mut all = (String::new(), FinishReason::Stop, 0);
        let mut events = chat.generate(request).await.unwrap();
        while let Some(event) = events.next().await {
            match event.unwrap() {
                GenerateEvent::Delta { text, .. } => all.0.push_str(&text),
                GenerateEvent::Finished { reason, completion_tokens, .. } => {
                    (all.1, all.2) = (reason, completion_tokens)
                }
                GenerateEvent::Started { .. } => {}
            }
        }
        all
    }

    fn ask(text: &str) -> GenerateRequest {
        GenerateRequest::new(Prompt::Text(text.to_owned()))
    }

    #[tokio::test]
    async fn it_says_its_text_and_stops() {
        let chat = FakeChat::saying("Hello, 你好 world. ");
        assert_eq!(texts(&chat, ask("hi")).await, ("Hello, 你好 world. ".to_owned(), FinishReason::Stop, 6));
        assert_eq!(chat.requests().len(), 1);
    }

    #[tokio::test]
    async fn stop_strings_and_limits_cut_the_answer() {
        let chat = FakeChat::saying("one two three four");
        let request = GenerateRequest { stop: vec![" three".to_owned()], ..ask("hi") };
        assert_eq!(texts(&chat, request).await, ("one two".to_owned(), FinishReason::Stop, 2));
        let request = GenerateRequest { max_tokens: Some(3), ..ask("hi") };
        assert_eq!(texts(&chat, request).await, ("one two three".to_owned(), FinishReason::Length, 3));
    }

    #[tokio::test]
    async fn a_dropped_generation_no_longer_runs() {
        let pace = Arc::new(Semaphore::new(1));
        let chat = FakeChat::saying("one two").paced_by(pace);
        let mut events = chat.generate(ask("hi")).await.unwrap();
        assert!(matches!(events.next().await, Some(Ok(GenerateEvent::Started { prompt_tokens: 1 }))));
        assert!(matches!(events.next().await, Some(Ok(GenerateEvent::Delta { .. }))));
        assert_eq!(chat.running(), 1);
        drop(events);
        assert_eq!(chat.running(), 0);
    }

    #[tokio::test]
    async fn a_prompt_over_the_context_is_refused() {
        let chat = FakeChat::saying("x").context(2);
        let error = chat.generate(ask("one two three")).await.err();
        assert_eq!(error, Some(EngineError::ContextTooLong { tokens: 3, limit: 2 }));
    }
}
