//! Local chat models, from GGUF files of the Llama family.
//!
//! One model has one scheduler thread with a private team of compute threads ([`scheduler`], [`team`]), fed by a
//! bounded queue ([`queue`]). Tokenizer and chat template come from the file ([`vocabulary`], [`template`],
//! [`prompt`]); the forward pass is our own ([`network`], [`attention`], [`kernels`]), because choices of many
//! requests are computed together, each at its own position, and share pages of keys and values ([`pages`],
//! [`prefix`]).

mod architecture;
mod attention;
mod calendar;
mod choice;
mod gguf;
mod kernels;
mod network;
mod pace;
mod packed;
mod pages;
mod prefix;
mod prompt;
mod queue;
mod rotary;
mod sampler;
mod scheduler;
mod team;
mod template;
mod text;
mod vocabulary;

use std::{path::Path, sync::Arc, thread};

use async_trait::async_trait;
use futures::{StreamExt, stream};
use tokio::sync::mpsc;

pub use self::queue::Activity;
use self::{
    gguf::Gguf,
    kernels::Processor,
    network::{Network, Row},
    pages::Memory,
    prompt::Encoder,
    queue::{Job, Queue},
    scheduler::{CHOICES, Scheduler},
    team::Team,
};
use crate::{
    CatalogueEntry, ChatModel, EngineError, GenerateEvent, GenerateRequest, Generation, LocalConfig, ModelIdentity,
    Prompt, TokenCounter,
};

/// Bytes of keys and values of recent prompts that one model keeps for reuse.
const KEPT_BYTES: usize = 256 << 20;
/// Longest sequence of a local model: beyond it one answer's keys and values would need gigabytes.
const MOST_CONTEXT: usize = 32_768;
/// Most alternatives a log probability lists; OpenAI's own limit.
const MOST_ALTERNATIVES: usize = 20;

/// A chat model that runs on the processor of this machine.
#[derive(Debug)]
pub struct LocalChat {
    identity: ModelIdentity,
    encoder: Arc<Encoder>,
    network: Arc<Network>,
    queue: Arc<Queue>,
}

/// Loads the chat model whose files lie, verified, in `folder`.
///
/// # Errors
/// `Weights` when the files are missing, or not those of a model this code knows.
pub fn open(entry: &CatalogueEntry, folder: &Path, config: &LocalConfig) -> Result<Arc<dyn ChatModel>, EngineError> {
    let Some(file) = entry.files.first() else {
        return Err(EngineError::Weights(format!("model `{}` has no files", entry.name)));
    };
    let identity =
        ModelIdentity { name: entry.name.to_owned(), revision: file.sha256.to_owned(), dimensions: 0, context: 0 };
    Ok(Arc::new(LocalChat::open(identity, &folder.join(file.name()), config)?))
}

impl LocalChat {
    /// Loads a GGUF file of architecture llama or qwen2 and starts its threads. Name and revision are taken from
    /// `identity`, the context from the file.
    ///
    /// # Errors
    /// `Weights` naming what is missing or not supported.
    pub fn open(identity: ModelIdentity, file: &Path, config: &LocalConfig) -> Result<Self, EngineError> {
        let mut gguf = Gguf::open(file)?;
        let context = architecture::Architecture::read(&gguf)?.context.min(MOST_CONTEXT);
        let encoder = Arc::new(Encoder::read(&gguf, context)?);
        let network = Arc::new(Network::load(&mut gguf, context, Processor::detect())?);
        if network.vocabulary() != encoder.vocabulary().len() {
            return Err(EngineError::Weights("tokenizer and embedding differ in size".into()));
        }
        let queue = Arc::new(Queue::new(config.queue));
        let kept = KEPT_BYTES / Memory::page_bytes(network.architecture()).max(1);
        let scheduler = Scheduler::new(Arc::clone(&network), Arc::clone(&encoder), Arc::clone(&queue), kept);
        let team = Team::start(&identity.name, config.compute_threads())?;
        thread::Builder::new()
            .name(format!("{}-scheduler", identity.name))
            .spawn(move || scheduler.run(&team))
            .map_err(|error| EngineError::Inference(format!("cannot start a thread: {error}")))?;
        Ok(Self { identity: ModelIdentity { context, dimensions: 0, ..identity }, encoder, network, queue })
    }

    /// What the model does and has done.
    pub fn activity(&self) -> Activity {
        self.queue.activity()
    }

    /// The ids that the model reads for a prompt, template and special tokens included.
    ///
    /// # Errors
    /// As [`ChatModel::count_prompt`].
    pub fn prompt_tokens(&self, prompt: &Prompt) -> Result<Vec<u32>, EngineError> {
        self.encoder.encode(prompt)
    }

    /// The scores of every token of the vocabulary after `tokens`, computed on the calling thread and outside the
    /// queue: for comparing weights and arithmetic with a reference.
    ///
    /// # Errors
    /// `BadRequest` for no tokens, unknown ids or more than the context holds.
    pub fn scores_after(&self, tokens: &[u32]) -> Result<Vec<f32>, EngineError> {
        self.check_length(tokens)?;
        self.encoder.encode(&Prompt::Tokens(tokens.to_vec()))?;
        let team = Team::start("scores", 1)?;
        let mut memory = Memory::new(self.network.architecture());
        let rows: Vec<_> = tokens
            .iter()
            .enumerate()
            .map(|(position, token)| Row { token: *token, position, sequence: 0, wanted: position + 1 == tokens.len() })
            .collect();
        let scores = self.network.forward(&team, &rows, &mut [&mut memory]);
        scores.into_iter().next().ok_or_else(|| EngineError::Inference("no scores".into()))
    }

    async fn submit(&self, request: GenerateRequest, salt: Option<String>) -> Result<Generation, EngineError> {
        self.check(&request)?;
        let GenerateRequest { prompt, max_tokens, stop, n, sampling, logprobs } = request;
        let encoder = Arc::clone(&self.encoder);
        // A long text takes milliseconds to encode: not on the thread that serves other requests.
        let tokens =
            tokio::task::spawn_blocking(move || encoder.encode(&prompt)).await.map_err(|_| EngineError::Stopped)??;
        self.check_length(&tokens)?;
        let room = self.identity.context - tokens.len();
        let (events, received) = mpsc::unbounded_channel();
        self.queue.push(Job {
            prompt: tokens,
            most: max_tokens.unwrap_or(room).min(room),
            stop,
            choices: n,
            sampling,
            logprobs,
            salt,
            events,
        })?;
        Ok(generation(received, n))
    }

    fn check(&self, request: &GenerateRequest) -> Result<(), EngineError> {
        let sampling = &request.sampling;
        let penalties = [sampling.frequency_penalty, sampling.presence_penalty];
        let unknown = |token: &u32| *token as usize >= self.encoder.vocabulary().len();
        let wrong = [
            (!(1..=CHOICES).contains(&request.n), "n must be between 1 and 8"),
            (request.max_tokens == Some(0), "max_tokens must be at least 1"),
            (request.stop.iter().any(String::is_empty), "a stop string must not be empty"),
            (!(sampling.temperature >= 0.0 && sampling.temperature.is_finite()), "temperature must be 0 or more"),
            (!(sampling.top_p > 0.0 && sampling.top_p <= 1.0), "top_p must be above 0 and at most 1"),
            (penalties.iter().any(|penalty| !penalty.is_finite()), "a penalty must be a number"),
            (
                !(sampling.repetition_penalty > 0.0 && sampling.repetition_penalty.is_finite()),
                "repetition_penalty must be above 0",
            ),
            (sampling.logit_bias.values().any(|bias| !bias.is_finite()), "a logit_bias must be a number"),
            (sampling.logit_bias.keys().any(unknown), "logit_bias names a token id that is not in the vocabulary"),
            (request.logprobs.is_some_and(|count| count > MOST_ALTERNATIVES), "at most 20 alternatives can be listed"),
        ];
        match wrong.into_iter().find(|(wrong, _)| *wrong) {
            Some((_, message)) => Err(EngineError::BadRequest(message.to_owned())),
            None => Ok(()),
        }
    }

    fn check_length(&self, tokens: &[u32]) -> Result<(), EngineError> {
        let limit = self.identity.context - 1;
        match tokens.len() {
            0 => Err(EngineError::BadRequest("the prompt is empty".into())),
            length if length > limit => Err(EngineError::ContextTooLong { tokens: length, limit }),
            _ => Ok(()),
        }
    }
}

impl Drop for LocalChat {
    fn drop(&mut self) {
        self.queue.close();
    }
}

#[async_trait]
impl ChatModel for LocalChat {
    fn identity(&self) -> &ModelIdentity {
        &self.identity
    }

    fn tokenizer(&self) -> Arc<dyn TokenCounter> {
        Arc::clone(&self.encoder) as Arc<dyn TokenCounter>
    }

    fn count_prompt(&self, prompt: &Prompt) -> Result<usize, EngineError> {
        Ok(self.encoder.encode(prompt)?.len())
    }

    async fn generate(&self, request: GenerateRequest) -> Result<Generation, EngineError> {
        self.submit(request, None).await
    }

    async fn generate_sharing(&self, request: GenerateRequest, salt: &str) -> Result<Generation, EngineError> {
        self.submit(request, Some(salt.to_owned())).await
    }
}

type Event = Result<GenerateEvent, EngineError>;

/// The events of one request. A channel that closes before every choice has finished means that the model stopped.
fn generation(received: mpsc::UnboundedReceiver<Event>, choices: usize) -> Generation {
    stream::unfold((received, choices), |(mut received, left)| async move {
        if left == 0 {
            return None;
        }
        let event = received.recv().await.unwrap_or(Err(EngineError::Stopped));
        let left = match event {
            Ok(GenerateEvent::Finished { .. }) => left - 1,
            Ok(_) => left,
            Err(_) => 0,
        };
        Some((event, (received, left)))
    })
    .boxed()
}
