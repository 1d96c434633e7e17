//! Finds the passages that a question is answered from, and puts them into the conversation.

use std::sync::Arc;

use kubemate_corpus::{
    Found, Language, Quote, Quotes, SearchRequest,
    citations::{CiteConfig, Offered},
    in_context, prompt,
};
use kubemate_engine::{CatalogueEntry, ModelKind, TokenCounter, catalogue};
use kubemate_identity::{Caller as Identity, Scope};
use kubemate_ledger::AssistantRow;
use kubemate_wire::{
    chat::{ChatRequest, Message, Role},
    responses::FileSearchResult,
};

use super::quoting::{Lead, Unasked};
use crate::{
    api::{
        ApiError,
        v1::{Settings, attributes_on_wire, filter, limit, ranked},
    },
    app::App,
    models::{Target, assistants},
    telemetry::Retrieval,
};

/// Tokens of passages for models whose context is not known; every served model of the last years has four times that.
const USUAL_BUDGET: usize = 3000;
/// Part of a known context that passages may fill; the rest is for the conversation and the answer.
const CONTEXT_SHARE: f32 = 0.6;

/// Which documents a request wants to be answered from.
#[derive(Clone, Debug)]
pub(crate) struct Grounding {
    stores: Vec<String>,
    /// The last thing the user said; what is searched for may hold earlier words, too.
    asked: String,
    search: SearchRequest,
    cite: CiteConfig,
    cites: bool,
}

impl Grounding {
    /// Resolves a saved assistant, checks the model and takes the fields that are ours out of the request.
    ///
    /// # Errors
    /// `ModelNotFound`, `Forbidden` when the key may not read vector stores, `Invalid` for options out of range.
    pub(crate) async fn of_chat(
        app: &App,
        caller: &Identity,
        mut request: ChatRequest,
    ) -> Result<(ChatRequest, Option<Self>), ApiError> {
        if !caller.rights.allows_model(&request.model) {
            return Err(ApiError::ModelNotFound(request.model));
        }
        let named = request.vector_store_ids.take().unwrap_or_default();
        if !named.is_empty() && !caller.rights.allows(Scope::VectorStores) {
            return Err(ApiError::Forbidden("this key lacks the scope `vector_stores`".to_owned()));
        }
        let mut stores = named;
        if app.routes.choose(&request.model).is_err() {
            let saved = assistants::named(&app.ledger, &caller.tenant, &request.model).await?;
            let saved = saved.ok_or_else(|| ApiError::ModelNotFound(request.model.clone()))?;
            stores.extend(saved.stores());
            assume(&mut request, saved);
        }
        let grounding = Self::take(app, &mut request, stores)?;
        Ok((request, grounding))
    }

    fn take(app: &App, request: &mut ChatRequest, stores: Vec<String>) -> Result<Option<Self>, ApiError> {
        let (filters, options) = (request.filters.take(), request.ranking_options.take());
        let (most, citations) = (request.max_num_results.take(), request.citations.take().unwrap_or_default());
        if stores.is_empty() {
            return Ok(None);
        }
        let filter = filters.as_ref().map(filter).transpose()?;
        let limit = most.map_or(Ok(app.config.corpus.passages), |most| limit(Some(most)))?;
        let questions = questions(&request.messages)?;
        let queries = vec![in_context(&questions)];
        let asked = questions.into_iter().next_back().unwrap_or_default();
        let search = ranked(SearchRequest { filter, ..SearchRequest::new(queries, limit) }, options.as_ref())?;
        let mut cite = app.config.corpus.cite.clone();
        if let Some(threshold) = citations.min_overlap {
            cite.threshold = threshold as f32;
        }
        Ok(Some(Self { stores, asked, search, cite, cites: citations.enabled.unwrap_or(true) }))
    }

    /// Searches, and writes what was found into the conversation.
    ///
    /// # Errors
    /// `NotFound` for a store that is not this tenant's; the search's own.
    pub(super) async fn ground(
        self,
        app: &App,
        caller: &Identity,
        target: &Target,
        mut request: ChatRequest,
    ) -> Result<Grounded, ApiError> {
        let queries = self.search.queries.clone();
        let retrieval = Retrieval::begin(&self.stores);
        let found = app.corpus.grounds(&caller.tenant, &self.stores, self.search).await?;
        drop(retrieval);
        let (counter, budget) = room(app, target).await?;
        let asked = self.asked;
        let said = texts(&request.messages);
        let small = small_model(target);
        let pack = move || {
            let prompt = said.iter().map(|text| counter.count(text) as u64).sum();
            let packed = prompt::pack(&asked, found, budget, counter.as_ref());
            (packed, Some((prompt, counter)).filter(|_| small.is_some()))
        };
        let (packed, counted) = tokio::task::spawn_blocking(pack).await.map_err(ApiError::internal)?;
        insert(&mut request.messages, &packed);
        let question = queries.first().map(String::as_str).unwrap_or_default();
        let (alone, quote) = match small.filter(|_| app.config.corpus.quotes != Quotes::Off) {
            None => (false, None),
            Some(entry) => {
                let alone = app.config.corpus.quotes == Quotes::Alone || !speaks(entry, question);
                (alone, app.corpus.quote(&caller.tenant, question, &packed.offered).await?)
            }
        };
        let offered = if self.cites { packed.offered.clone() } else { Vec::new() };
        let (found, nothing, cites) = (packed.offered, packed.nothing, self.cites);
        Ok(Grounded { request, offered, found, cite: self.cite, queries, nothing, quote, alone, cites, counted })
    }
}

/// What the turns say.
fn texts(messages: &[Message]) -> Vec<String> {
    let content = messages.iter().filter_map(|message| message.content.as_ref()?.as_text());
    content.map(std::borrow::Cow::into_owned).collect()
}

/// The catalogue's chat models are all too small to be trusted with facts; models of other servers are not.
fn small_model(target: &Target) -> Option<&'static CatalogueEntry> {
    match target {
        Target::Local(name) => catalogue().iter().find(|entry| entry.name == name),
        Target::Remote(..) => None,
    }
}

fn speaks(entry: &CatalogueEntry, question: &str) -> bool {
    match Language::of(question) {
        Language::Chinese => entry.languages.contains(&"zh"),
        Language::English => true,
    }
}

/// Puts a saved assistant's settings behind what the client says itself.
fn assume(request: &mut ChatRequest, saved: AssistantRow) {
    let settings = Settings::of(&saved);
    request.temperature = request.temperature.or(settings.temperature);
    request.top_p = request.top_p.or(settings.top_p);
    request.model = saved.model;
    if !saved.instructions.is_empty() {
        request.messages.insert(0, Message::text(Role::System, saved.instructions));
    }
}

/// What the user said, oldest first; the last turn is the question.
fn questions(messages: &[Message]) -> Result<Vec<String>, ApiError> {
    let said = messages.iter().filter(|message| message.role == Role::User);
    let text = |message: &Message| message.content.as_ref()?.as_text().map(std::borrow::Cow::into_owned);
    let texts: Vec<String> = said.map(|message| text(message).unwrap_or_default()).collect();
    if texts.last().is_none_or(|last| last.trim().is_empty()) {
        return Err(ApiError::invalid("messages", "`messages` holds no question of the user to search for"));
    }
    Ok(texts)
}

/// The tokenizer that passages are counted with, and how many tokens they may have.
async fn room(app: &App, target: &Target) -> Result<(Arc<dyn TokenCounter>, usize), ApiError> {
    match target {
        Target::Local(name) => {
            app.local.must_be(name, ModelKind::Chat)?;
            let model = app.local.chat(name).await?;
            let budget = (model.identity().context as f32 * CONTEXT_SHARE) as usize;
            Ok((model.tokenizer(), budget.min(app.config.corpus.passage_tokens)))
        }
        Target::Remote(..) => {
            let embedder = app.local.embedder(&app.config.corpus.embedder).await?;
            Ok((embedder.tokenizer(), USUAL_BUDGET.min(app.config.corpus.passage_tokens)))
        }
    }
}

/// The passages stand in the last user turn: small models read what is near. Instructions join the system turn.
fn insert(messages: &mut Vec<Message>, packed: &prompt::Packed) {
    if let Some(last) = messages.iter_mut().rev().find(|message| message.role == Role::User) {
        *last = Message::text(Role::User, packed.user.clone());
    }
    if packed.system.is_empty() {
        return;
    }
    let system = messages.iter_mut().find(|message| matches!(message.role, Role::System | Role::Developer));
    match system {
        Some(message) => {
            let before = message.content.as_ref().and_then(|content| content.as_text()).unwrap_or_default();
            *message = Message::text(message.role, format!("{before}\n\n{}", packed.system));
        }
        None => messages.insert(0, Message::text(Role::System, packed.system.clone())),
    }
}

/// A conversation with its passages.
#[derive(Clone, Debug)]
pub(crate) struct Grounded {
    pub(super) request: ChatRequest,
    pub(super) offered: Vec<Offered>,
    pub(super) cite: CiteConfig,
    pub(super) found: Vec<Offered>,
    queries: Vec<String>,
    /// What to answer when no passage supports an answer.
    nothing: String,
    /// The place that answers best, for models that must not be trusted with facts.
    quote: Option<Quote>,
    /// Whether the quote is the whole answer.
    alone: bool,
    cites: bool,
    /// What the conversation and a quote are counted with when no model reads them; none for models of other servers.
    counted: Option<(u64, Arc<dyn TokenCounter>)>,
}

/// Who words an answer from documents.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Voice {
    /// The model alone.
    Own,
    /// The model, behind these words.
    Led(Lead),
    /// These words alone; the model is not asked.
    Only(Lead),
}

impl Grounded {
    /// Who speaks. When nothing retrieved passed the threshold, that is said plainly, without asking a model that would make
    /// something up.
    pub(super) fn voice(&self) -> Voice {
        let question = self.queries.first().map(String::as_str).unwrap_or_default();
        match &self.quote {
            _ if self.found.is_empty() => Voice::Only(Lead::plain(self.nothing.clone())),
            Some(quote) if self.alone => Voice::Only(Lead::new(quote, question, self.cites)),
            Some(quote) => Voice::Led(Lead::new(quote, question, self.cites)),
            None => Voice::Own,
        }
    }

    /// The tokens to tell when these words are the whole answer. A server elsewhere was not asked and is not paid.
    pub(super) fn unasked(&self, lead: &Lead) -> Unasked {
        let counted = self.counted.as_ref();
        counted.map_or_else(Unasked::default, |(prompt, counter)| Unasked {
            prompt: *prompt,
            answer: counter.count(lead.text()) as u64,
        })
    }

    /// What was searched for.
    pub(crate) fn queries(&self) -> Vec<String> {
        self.queries.clone()
    }

    /// The passages as a file search tells them.
    pub(crate) fn results(&self) -> Vec<FileSearchResult> {
        self.found.iter().map(|offered| result(&offered.found)).collect()
    }
}

fn result(found: &Found) -> FileSearchResult {
    let passage = &found.passage;
    FileSearchResult {
        attributes: Some(attributes_on_wire(&passage.attributes)),
        file_id: found.file.clone(),
        filename: found.filename.clone(),
        score: f64::from(found.score),
        text: passage.text.clone(),
        vector_store_id: Some(found.store.clone()),
        page: passage.page,
        start: Some(passage.start),
        end: Some(passage.end),
    }
}
