//! Embedders that run on this machine's processor.

use std::{fs, path::Path, sync::Arc, thread, time::Instant};

use async_trait::async_trait;

use crate::{
    CatalogueEntry, EmbedInput, EmbedRequest, Embedded, Embedder, EngineError, LocalConfig, ModelIdentity, Purpose,
    TokenCounter, TokenStates,
    encoder::{E5File, Encoder, Workspace, load_safetensors, pool, read_shape},
    kernels::Processor,
    scheduler::{Compute, Limits, Scheduler, Task, Want},
    tokens::{Unigram, WordPiece},
};

/// A text shorter than this is tokenized where it is asked for: a handful of microseconds. Others go to a thread
/// that may block.
const SHORT_BYTES: usize = 4096;

/// No tokenizer makes one token of more bytes than this, unless the text is white space or nonsense; what lies behind
/// a context full of such tokens is never looked at.
const TOKEN_BYTES: usize = 256;

/// Tokens of the first run, which warms the memory and measures the speed.
const WARM_UP: usize = 64;

/// What the files do not say about a model.
#[derive(Debug)]
struct Card {
    query: &'static str,
    passage: &'static str,
}

/// From the model card of intfloat/multilingual-e5-small: texts without a prefix lose quality.
const E5: Card = Card { query: "query: ", passage: "passage: " };

/// all-MiniLM-L6-v2 was trained without prefixes.
const MINILM: Card = Card { query: "", passage: "" };

/// `max_seq_length` in the model's `sentence_bert_config.json`: it was not trained on longer texts.
const MINILM_CONTEXT: usize = 256;

/// A model's parts, as its files give them.
struct Parts {
    encoder: Encoder,
    tokenizer: Arc<dyn TokenCounter>,
    card: Card,
    begin: u32,
    end: u32,
    context: usize,
}

/// An embedder with its own threads.
#[derive(Debug)]
pub(crate) struct LocalEmbedder {
    identity: ModelIdentity,
    reader: Arc<Reader>,
    scheduler: Scheduler,
}

/// Turns inputs into token ids.
#[derive(Debug)]
struct Reader {
    tokenizer: Arc<dyn TokenCounter>,
    card: Card,
    begin: u32,
    end: u32,
    context: usize,
    vocabulary: usize,
}

/// A worker's share of a model.
struct Worker {
    encoder: Arc<Encoder>,
    space: Workspace,
}

impl Compute for Worker {
    fn run(&mut self, batch: &[&Task]) -> Vec<Vec<f32>> {
        let sequences: Vec<&[u32]> = batch.iter().map(|task| task.tokens.as_slice()).collect();
        let width = self.encoder.shape().hidden;
        let mut states = self.encoder.run(&sequences, &mut self.space);
        let mut take = |task: &&Task| {
            let (these, rest) = states.split_at_checked(task.tokens.len() * width).unwrap_or_default();
            states = rest;
            match task.want {
                Want::Pooled => pool(these, width),
                Want::States => these.to_vec(),
            }
        };
        batch.iter().map(&mut take).collect()
    }
}

impl LocalEmbedder {
    /// Loads the model whose files lie, verified, in `folder`, and starts its threads.
    ///
    /// # Errors
    /// `Weights` when the files are not those of a model this code knows.
    pub(crate) fn open(entry: &CatalogueEntry, folder: &Path, config: &LocalConfig) -> Result<Self, EngineError> {
        let processor = Processor::detect();
        let parts = match entry.name {
            "multilingual-e5-small" => open_e5(processor, entry, folder)?,
            "all-MiniLM-L6-v2" => open_minilm(processor, entry, folder)?,
            other => return Err(EngineError::UnknownModel(other.to_owned())),
        };
        Self::start(entry, parts, config)
    }

    fn start(entry: &CatalogueEntry, parts: Parts, config: &LocalConfig) -> Result<Self, EngineError> {
        let Parts { encoder, tokenizer, card, begin, end, context } = parts;
        let shape = *encoder.shape();
        let encoder = Arc::new(encoder);
        let new_worker = || Worker { encoder: Arc::clone(&encoder), space: Workspace::default() };
        let mut workers: Vec<Worker> = std::iter::repeat_with(new_worker).take(config.compute_threads()).collect();
        let speed = workers.first_mut().map_or(1.0, warm_up);
        let limits = Limits { queue: config.queue_tokens, batch: config.batch_tokens };
        let identity = ModelIdentity {
            name: entry.name.to_owned(),
            revision: entry.revision().to_owned(),
            dimensions: shape.hidden,
            context,
        };
        let reader = Arc::new(Reader { tokenizer, card, begin, end, context, vocabulary: shape.vocabulary });
        Ok(Self { identity, reader, scheduler: Scheduler::start(entry.name, limits, speed, workers)? })
    }
}

/// Tokens per second of a first run.
fn warm_up(worker: &mut Worker) -> f64 {
    let task = Task { tokens: vec![0; WARM_UP], want: Want::Pooled };
    worker.run(&[&task]);
    let began = Instant::now();
    worker.run(&[&task]);
    WARM_UP as f64 / began.elapsed().as_secs_f64().max(1e-6)
}

fn read(path: &Path) -> Result<Vec<u8>, EngineError> {
    fs::read(path).map_err(|error| EngineError::Weights(format!("{} cannot be read: {error}", path.display())))
}

fn open_e5(processor: Processor, entry: &CatalogueEntry, folder: &Path) -> Result<Parts, EngineError> {
    let name = entry.files.first().map_or("", |file| file.name());
    let E5File { encoder, tokenizer, begin, end } = E5File::read(&read(&folder.join(name))?)?;
    let context = encoder.shape.positions;
    // The trie of a quarter of a million pieces takes as long as the weights.
    let (encoder, tokenizer) = thread::scope(|scope| {
        let tokenizer = scope.spawn(|| Unigram::new(tokenizer));
        (Encoder::pack(processor, encoder), tokenizer.join())
    });
    let tokenizer = tokenizer.map_err(|_| EngineError::Weights("the tokenizer could not be built".to_owned()))?;
    Ok(Parts { encoder, tokenizer: Arc::new(tokenizer), card: E5, begin, end, context })
}

fn open_minilm(processor: Processor, entry: &CatalogueEntry, folder: &Path) -> Result<Parts, EngineError> {
    let name = entry.files.first().map_or("", |file| file.name());
    let shape = read_shape(&folder.join("config.json"))?;
    let encoder = Encoder::pack(processor, load_safetensors(&read(&folder.join(name))?, shape)?);
    let tokenizer = WordPiece::from_file(&folder.join("tokenizer.json"))?;
    let (begin, end) = (tokenizer.id("[CLS]")?, tokenizer.id("[SEP]")?);
    let context = MINILM_CONTEXT.min(shape.positions);
    Ok(Parts { encoder, tokenizer: Arc::new(tokenizer), card: MINILM, begin, end, context })
}

impl Reader {
    fn prefix(&self, purpose: Purpose) -> &'static str {
        match purpose {
            Purpose::Query => self.card.query,
            Purpose::Passage => self.card.passage,
            Purpose::Plain => "",
        }
    }

    /// How many tokens the prefix has.
    fn prefix_tokens(&self, purpose: Purpose) -> usize {
        self.tokenizer.count(self.prefix(purpose).trim_end())
    }

    /// The ids the model reads, and whether the input was cut.
    fn read(&self, input: &EmbedInput, purpose: Purpose) -> Result<(Vec<u32>, bool), EngineError> {
        let prefix = self.prefix(purpose);
        let (mut content, mut cut) = match input {
            EmbedInput::Text(text) => {
                let head = text.floor_char_boundary(self.context * TOKEN_BYTES);
                let (head, tail) = text.split_at_checked(head).unwrap_or((text, ""));
                (self.tokenizer.encode(&format!("{prefix}{head}")), !tail.is_empty())
            }
            EmbedInput::Tokens(tokens) => {
                if let Some(id) = tokens.iter().find(|id| **id as usize >= self.vocabulary) {
                    return Err(EngineError::Tokenizer(format!("id {id} is not in the vocabulary")));
                }
                let mut content = self.tokenizer.encode(prefix.trim_end());
                content.extend(tokens);
                (content, false)
            }
        };
        let room = self.context - 2;
        cut |= content.len() > room;
        content.truncate(room);
        content.insert(0, self.begin);
        content.push(self.end);
        Ok((content, cut))
    }

    fn read_all(&self, inputs: &[EmbedInput], purpose: Purpose) -> Result<Vec<(Vec<u32>, bool)>, EngineError> {
        inputs.iter().map(|input| self.read(input, purpose)).collect()
    }
}

fn bytes_of(input: &EmbedInput) -> usize {
    match input {
        EmbedInput::Text(text) => text.len(),
        EmbedInput::Tokens(tokens) => tokens.len(),
    }
}

impl LocalEmbedder {
    /// Token ids of all inputs, made off the async threads when there is much to do.
    async fn read(&self, inputs: Vec<EmbedInput>, purpose: Purpose) -> Result<Vec<(Vec<u32>, bool)>, EngineError> {
        if inputs.iter().map(bytes_of).sum::<usize>() <= SHORT_BYTES {
            return self.reader.read_all(&inputs, purpose);
        }
        let reader = Arc::clone(&self.reader);
        let read = tokio::task::spawn_blocking(move || reader.read_all(&inputs, purpose));
        read.await.map_err(|_| EngineError::Stopped)?
    }
}

#[async_trait]
impl Embedder for LocalEmbedder {
    fn identity(&self) -> &ModelIdentity {
        &self.identity
    }

    fn tokenizer(&self) -> Arc<dyn TokenCounter> {
        Arc::clone(&self.reader.tokenizer)
    }

    async fn embed(&self, request: EmbedRequest) -> Result<Embedded, EngineError> {
        let inputs = self.read(request.texts, request.purpose).await?;
        let tokens = inputs.iter().map(|(tokens, _)| tokens.len()).sum();
        let truncated = inputs.iter().filter(|(_, cut)| *cut).count();
        let tasks = inputs.into_iter().map(|(tokens, _)| Task { tokens, want: Want::Pooled }).collect();
        let vectors = self.scheduler.run(tasks, request.priority).await?;
        Ok(Embedded { vectors, tokens, truncated })
    }

    async fn states(&self, request: EmbedRequest) -> Result<Vec<TokenStates>, EngineError> {
        let prefix = self.reader.prefix_tokens(request.purpose);
        let inputs = self.read(request.texts, request.purpose).await?;
        let tasks = inputs.into_iter().map(|(tokens, _)| Task { tokens, want: Want::States }).collect();
        let states = self.scheduler.run(tasks, request.priority).await?;
        let width = self.identity.dimensions;
        Ok(states.into_iter().map(|rows| TokenStates::new(rows, width, 1 + prefix)).collect())
    }
}
