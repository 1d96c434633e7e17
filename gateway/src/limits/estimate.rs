//! How many tokens a request may come to, before it runs.

use std::borrow::Cow;

use kubemate_engine::ModelKind;

use super::counting::{Counted, Tokenizer, count};
use crate::{api::ApiError, models::LocalModels};

/// Bytes of a body up to which tokens are counted on the spot, in some 100 µs; longer ones are counted on a thread of their own.
const ON_THE_SPOT: usize = 16 * 1024;

/// What is known of a request's tokens before it runs. Nothing is counted unless a limit asks.
pub(crate) struct Estimate<'a> {
    body: Body<'a>,
    /// Most tokens of a choice; `None` where the request does not say.
    answer: Option<u64>,
    choices: u64,
    /// Prompts that are answered each for itself, as far as they take places of a local model.
    prompts: u64,
    /// Tokens that the gateway adds itself.
    added: u64,
    streams: bool,
    local: Option<(&'a LocalModels, &'a str)>,
}

enum Body<'a> {
    Sent(&'a [u8]),
    Written(&'a (dyn Fn() -> Vec<u8> + Sync)),
}

impl<'a> Estimate<'a> {
    /// Of a body as it was sent, answered with so many tokens for each of so many choices.
    pub(crate) fn new(body: &'a [u8], answer: Option<u64>, choices: u64) -> Self {
        Self { body: Body::Sent(body), answer, choices, prompts: 1, added: 0, streams: false, local: None }
    }

    /// Of a request that is no body any more; it is written only when somebody counts.
    pub(crate) fn written(write: &'a (dyn Fn() -> Vec<u8> + Sync), answer: Option<u64>, choices: u64) -> Self {
        Self { body: Body::Written(write), answer, choices, prompts: 1, added: 0, streams: false, local: None }
    }

    /// A model of this machine answers: its own tokenizer counts.
    pub(crate) fn by_local(self, models: &'a LocalModels, name: &'a str) -> Self {
        Self { local: Some((models, name)), ..self }
    }

    /// The gateway puts so many more tokens into the prompt.
    pub(crate) fn plus(self, tokens: u64) -> Self {
        Self { added: tokens, ..self }
    }

    /// So many prompts are answered each for itself; more than one need be told for local models only.
    pub(crate) fn of_prompts(self, prompts: u64) -> Self {
        Self { prompts, ..self }
    }

    /// Whether the client asked for a stream, which the books say also of a request that is not let in.
    pub(crate) fn streamed(self, streams: bool) -> Self {
        Self { streams, ..self }
    }

    /// Whether the client asked for a stream.
    pub(crate) fn streams(&self) -> bool {
        self.streams
    }

    /// Choices to be drawn, of all prompts.
    pub(crate) fn drawn(&self) -> u64 {
        self.choices.saturating_mul(self.prompts)
    }

    /// The model of this machine that draws the answer; embedders form batches of their own.
    pub(crate) fn generates_on(&self) -> Option<&'a str> {
        self.local.filter(|_| self.answer != Some(0)).map(|(_, name)| name)
    }

    /// Prompt and answer together, the answer taken as `usual` where the request does not say.
    ///
    /// # Errors
    /// `Weights` when a local model cannot be loaded.
    pub(super) async fn tokens(&self, usual: u64) -> Result<u64, ApiError> {
        let tokenizer = self.tokenizer().await?;
        let body = match self.body {
            Body::Sent(body) => Cow::Borrowed(body),
            Body::Written(write) => Cow::Owned(write()),
        };
        let Counted { tokens, prompts } = if body.len() <= ON_THE_SPOT {
            count(&body, &tokenizer)
        } else {
            let body = body.into_owned();
            let counting = tokio::task::spawn_blocking(move || count(&body, &tokenizer));
            counting.await.map_err(ApiError::internal)?
        };
        let answers = self.choices.saturating_mul(prompts);
        let answer = self.answer.unwrap_or(usual).saturating_mul(answers);
        Ok(tokens.saturating_add(self.added).saturating_add(answer).max(1))
    }

    async fn tokenizer(&self) -> Result<Tokenizer, ApiError> {
        let Some((models, name)) = self.local else { return Ok(Tokenizer::Cl100k) };
        Ok(Tokenizer::Own(match models.kind(name) {
            Some(ModelKind::Embedder) => models.embedder(name).await?.tokenizer(),
            _ => models.chat(name).await?.tokenizer(),
        }))
    }
}
