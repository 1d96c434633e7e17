//! Writes the pieces of an answer as a response and as its events.

use kubemate_engine::{Advice, FinishReason};
use kubemate_wire::{
    chat::Role,
    citation::Annotation,
    responses::{
        EventKind, FileSearchCall, IncompleteDetails, IncompleteReason, ItemStatus, OutputItem, OutputMessage,
        OutputPart, OutputText, ResponseError, ResponseObject, ResponseStatus, ResponseUsage, ResponsesRequest,
        SearchStatus, StreamEvent,
    },
};
use serde_json::{Value, json};

use crate::{
    answers::{Grounded, Piece},
    api::{ApiError, v1::new_id},
};

/// A response while it is made.
pub(super) struct Writer {
    response: ResponseObject,
    search: Option<FileSearchCall>,
    message: String,
    text: OutputText,
    prompt_tokens: u64,
    completion_tokens: u64,
    cut: bool,
    sequence: u64,
}

impl Writer {
    /// A response to `asked`; nothing of it is said yet. `drawn` is how its tokens are really drawn.
    pub(super) fn new(asked: &ResponsesRequest, drawn: Advice, grounded: Option<&Grounded>, now: i64) -> Self {
        let results = |grounded: &Grounded| asked.includes_results().then(|| grounded.results());
        Self {
            response: empty(asked, drawn, now),
            search: grounded.map(|grounded| FileSearchCall {
                id: new_id("fs_"),
                status: SearchStatus::Completed,
                queries: grounded.queries(),
                results: results(grounded),
            }),
            message: new_id("msg_"),
            text: OutputText::default(),
            prompt_tokens: 0,
            completion_tokens: 0,
            cut: false,
            sequence: 0,
        }
    }

    /// The events before the first word.
    pub(super) fn begin(&mut self) -> Vec<StreamEvent> {
        let response = || Box::new(self.response.clone());
        let mut kinds =
            vec![EventKind::Created { response: response() }, EventKind::InProgress { response: response() }];
        if let Some(search) = self.search.clone() {
            kinds.extend(search_events(search));
        }
        let (output_index, item_id) = (self.place(), self.message.clone());
        kinds.push(EventKind::OutputItemAdded { output_index, item: self.item(ItemStatus::InProgress, Vec::new()) });
        let part = OutputPart::OutputText(OutputText::default());
        kinds.push(EventKind::ContentPartAdded { item_id, output_index, content_index: 0, part });
        self.number(kinds)
    }

    /// Takes a piece in; the events that it makes.
    pub(super) fn write(&mut self, piece: Piece) -> Vec<StreamEvent> {
        let kinds = match piece {
            Piece::Started { prompt_tokens } => {
                self.prompt_tokens = prompt_tokens;
                Vec::new()
            }
            Piece::Text { text, .. } => {
                self.text.text.push_str(&text);
                vec![self.delta(text)]
            }
            Piece::Citations { citations, .. } => {
                citations.into_iter().map(|citation| self.cite(Annotation::FileCitation(citation))).collect()
            }
            Piece::Finished { reason, completion_tokens, .. } => {
                self.completion_tokens += completion_tokens;
                self.cut |= reason == FinishReason::Length;
                Vec::new()
            }
        };
        self.number(kinds)
    }

    /// The events between the last word and the end.
    pub(super) fn finish(&mut self, now: i64) -> Vec<StreamEvent> {
        self.close(now);
        let (item_id, output_index) = (self.message.clone(), self.place());
        let (text, logprobs) = (self.text.text.clone(), Vec::new());
        let part = OutputPart::OutputText(self.text.clone());
        let item = self.response.output.last().cloned();
        let mut kinds = vec![
            EventKind::OutputTextDone { item_id: item_id.clone(), output_index, content_index: 0, text, logprobs },
            EventKind::ContentPartDone { item_id, output_index, content_index: 0, part },
        ];
        kinds.extend(item.map(|item| EventKind::OutputItemDone { output_index, item }));
        self.number(kinds)
    }

    /// The response as it stands.
    pub(super) fn response(&self) -> ResponseObject {
        self.response.clone()
    }

    /// The event that ends the stream.
    pub(super) fn last(&mut self, response: ResponseObject) -> StreamEvent {
        let response = Box::new(response);
        let kind = match response.status {
            ResponseStatus::Incomplete => EventKind::Incomplete { response },
            _ => EventKind::Completed { response },
        };
        self.event(kind)
    }

    /// The event that ends a stream that went wrong.
    pub(super) fn fail(&mut self, error: &ApiError) -> StreamEvent {
        self.response.status = ResponseStatus::Failed;
        let code = error.code().unwrap_or("server_error").to_owned();
        self.response.error = Some(ResponseError { code, message: error.to_string() });
        let response = Box::new(self.response.clone());
        self.event(EventKind::Failed { response })
    }

    /// The whole response, for callers that do not stream.
    pub(super) fn complete(mut self, now: i64) -> ResponseObject {
        self.close(now);
        self.response
    }

    fn close(&mut self, now: i64) {
        let status = if self.cut { ItemStatus::Incomplete } else { ItemStatus::Completed };
        let part = OutputPart::OutputText(self.text.clone());
        let message = self.item(status, vec![part]);
        self.response.output =
            self.search.clone().map(OutputItem::FileSearchCall).into_iter().chain([message]).collect();
        self.response.usage = Some(ResponseUsage::new(self.prompt_tokens, self.completion_tokens));
        if self.cut {
            self.response.status = ResponseStatus::Incomplete;
            self.response.incomplete_details = Some(IncompleteDetails { reason: IncompleteReason::MaxOutputTokens });
        } else {
            self.response.status = ResponseStatus::Completed;
            self.response.completed_at = Some(now);
        }
    }

    fn delta(&self, delta: String) -> EventKind {
        let (item_id, output_index) = (self.message.clone(), self.place());
        EventKind::OutputTextDelta { item_id, output_index, content_index: 0, delta, logprobs: Vec::new() }
    }

    fn cite(&mut self, annotation: Annotation) -> EventKind {
        let annotation_index = u32::try_from(self.text.annotations.len()).unwrap_or(u32::MAX);
        self.text.annotations.push(annotation.clone());
        let (item_id, output_index) = (self.message.clone(), self.place());
        EventKind::AnnotationAdded { item_id, output_index, content_index: 0, annotation_index, annotation }
    }

    /// Where the message stands in `output`: behind the search, when there was one.
    fn place(&self) -> u32 {
        u32::from(self.search.is_some())
    }

    fn item(&self, status: ItemStatus, content: Vec<OutputPart>) -> OutputItem {
        OutputItem::Message(OutputMessage { id: self.message.clone(), status, role: Role::Assistant, content })
    }

    fn number(&mut self, kinds: Vec<EventKind>) -> Vec<StreamEvent> {
        kinds.into_iter().map(|kind| self.event(kind)).collect()
    }

    fn event(&mut self, kind: EventKind) -> StreamEvent {
        let sequence_number = self.sequence;
        self.sequence += 1;
        StreamEvent { kind, sequence_number }
    }
}

/// A search is over before the first event leaves; its events are told in the published order all the same.
fn search_events(done: FileSearchCall) -> Vec<EventKind> {
    let item_id = done.id.clone();
    let begun = FileSearchCall { status: SearchStatus::InProgress, results: None, ..done.clone() };
    let output_index = 0;
    vec![
        EventKind::OutputItemAdded { output_index, item: OutputItem::FileSearchCall(begun) },
        EventKind::FileSearchInProgress { output_index, item_id: item_id.clone() },
        EventKind::FileSearchSearching { output_index, item_id: item_id.clone() },
        EventKind::FileSearchCompleted { output_index, item_id },
        EventKind::OutputItemDone { output_index, item: OutputItem::FileSearchCall(done) },
    ]
}

fn empty(asked: &ResponsesRequest, drawn: Advice, now: i64) -> ResponseObject {
    ResponseObject {
        id: new_id("resp_"),
        created_at: now,
        status: ResponseStatus::InProgress,
        completed_at: None,
        error: None,
        incomplete_details: None,
        instructions: asked.instructions.clone(),
        max_output_tokens: asked.max_output_tokens,
        model: asked.model.clone(),
        output: Vec::new(),
        parallel_tool_calls: asked.parallel_tool_calls.unwrap_or(true),
        previous_response_id: asked.previous_response_id.clone(),
        store: asked.store.unwrap_or(true),
        temperature: Some(drawn.temperature),
        text: Some(asked.text.clone().unwrap_or_else(|| json!({ "format": { "type": "text" } }))),
        tool_choice: asked.tool_choice.clone().unwrap_or_else(|| Value::String("auto".to_owned())),
        tools: asked.tools.clone().unwrap_or_default(),
        top_p: Some(drawn.top_p),
        truncation: Some(asked.truncation.clone().unwrap_or_else(|| "disabled".to_owned())),
        usage: None,
        user: asked.user.clone(),
        metadata: Some(asked.metadata.clone().unwrap_or_default()),
    }
}
