//! Responses and their stream.

use kubemate_wire::chat::Role;
use kubemate_wire::responses::{
    EventKind, FileSearchCall, FileSearchResult, FileSearchTool, IncompleteDetails, IncompleteReason, ItemStatus,
    OutputItem, OutputMessage, OutputPart, OutputText, ResponseError, ResponseObject, ResponseStatus, ResponseTool,
    ResponseUsage, SearchStatus, StreamEvent,
};
use serde_json::json;

use crate::answers::citation;
use crate::golden;
use crate::stores::attributes;

fn response(status: ResponseStatus, output: Vec<OutputItem>) -> ResponseObject {
    let vector_store_ids = vec!["vs_1".to_owned()];
    let tool = FileSearchTool { vector_store_ids, filters: None, max_num_results: Some(5), ranking_options: None };
    ResponseObject {
        id: "resp_1".into(),
        created_at: 1_800_000_000,
        status,
        completed_at: None,
        error: None,
        incomplete_details: None,
        instructions: None,
        max_output_tokens: None,
        model: "smol".into(),
        output,
        parallel_tool_calls: true,
        previous_response_id: None,
        store: true,
        temperature: Some(1.0),
        text: Some(json!({"format": {"type": "text"}})),
        tool_choice: json!("auto"),
        tools: vec![ResponseTool::FileSearch(tool)],
        top_p: Some(1.0),
        truncation: Some("disabled".into()),
        usage: None,
        user: None,
        metadata: Some([].into()),
    }
}

fn search(status: SearchStatus, results: Option<Vec<FileSearchResult>>) -> OutputItem {
    OutputItem::FileSearchCall(FileSearchCall { id: "fs_1".into(), status, queries: vec!["How long?".into()], results })
}

fn found() -> FileSearchResult {
    FileSearchResult {
        attributes: Some(attributes()),
        file_id: "file-1".into(),
        filename: "手册.pdf".into(),
        score: 0.87,
        text: "保修期为三年。".into(),
        vector_store_id: Some("vs_1".into()),
        page: Some(7),
        start: Some(1200),
        end: Some(1207),
    }
}

fn text() -> OutputPart {
    OutputPart::OutputText(OutputText {
        text: "Three years.".into(),
        annotations: vec![citation()],
        logprobs: Vec::new(),
    })
}

fn empty() -> OutputPart {
    OutputPart::OutputText(OutputText::default())
}

fn message(status: ItemStatus, content: Vec<OutputPart>) -> OutputItem {
    OutputItem::Message(OutputMessage { id: "msg_1".into(), status, role: Role::Assistant, content })
}

fn completed() -> ResponseObject {
    let output =
        vec![search(SearchStatus::Completed, Some(vec![found()])), message(ItemStatus::Completed, vec![text()])];
    let usage = Some(ResponseUsage::new(120, 4));
    ResponseObject { usage, completed_at: Some(1_800_000_003), ..response(ResponseStatus::Completed, output) }
}

#[test]
fn a_response() {
    golden::check("responses.Response", &completed());
    assert_eq!(completed().output_text(), "Three years.");
    assert_eq!(completed().file_search_tools().count(), 1);
}

#[test]
fn a_response_that_failed() {
    let error = Some(ResponseError { code: "server_error".into(), message: "the model stopped".into() });
    golden::check(
        "responses.Response-failed",
        &ResponseObject { error, ..response(ResponseStatus::Failed, Vec::new()) },
    );
}

#[test]
fn a_response_that_reached_its_limit() {
    let incomplete_details = Some(IncompleteDetails { reason: IncompleteReason::MaxOutputTokens });
    let output = vec![message(ItemStatus::Incomplete, vec![text()])];
    let response = ResponseObject { incomplete_details, ..response(ResponseStatus::Incomplete, output) };
    golden::check("responses.Response-incomplete", &response);
}

/// The whole stream of one answer, in the published order.
fn events() -> Vec<EventKind> {
    let begun = || Box::new(response(ResponseStatus::InProgress, Vec::new()));
    let fs = || (0, "fs_1".to_owned());
    let (output_index, item_id) = fs();
    let (item, place) = ("msg_1".to_owned(), (1, 0));
    vec![
        EventKind::Created { response: begun() },
        EventKind::InProgress { response: begun() },
        EventKind::OutputItemAdded { output_index, item: search(SearchStatus::InProgress, None) },
        EventKind::FileSearchInProgress { output_index, item_id: item_id.clone() },
        EventKind::FileSearchSearching { output_index, item_id: item_id.clone() },
        EventKind::FileSearchCompleted { output_index, item_id },
        EventKind::OutputItemDone { output_index, item: search(SearchStatus::Completed, None) },
        EventKind::OutputItemAdded { output_index: place.0, item: message(ItemStatus::InProgress, Vec::new()) },
        EventKind::ContentPartAdded {
            item_id: item.clone(),
            output_index: place.0,
            content_index: place.1,
            part: empty(),
        },
        EventKind::OutputTextDelta {
            item_id: item.clone(),
            output_index: place.0,
            content_index: place.1,
            delta: "Three years.".into(),
            logprobs: Vec::new(),
        },
        EventKind::AnnotationAdded {
            item_id: item.clone(),
            output_index: place.0,
            content_index: place.1,
            annotation_index: 0,
            annotation: citation(),
        },
        EventKind::OutputTextDone {
            item_id: item.clone(),
            output_index: place.0,
            content_index: place.1,
            text: "Three years.".into(),
            logprobs: Vec::new(),
        },
        EventKind::ContentPartDone { item_id: item, output_index: place.0, content_index: place.1, part: text() },
        EventKind::OutputItemDone { output_index: place.0, item: message(ItemStatus::Completed, vec![text()]) },
        EventKind::Completed { response: Box::new(completed()) },
    ]
}

#[test]
fn a_stream_in_the_published_order() {
    let numbered = events().into_iter().zip(0..).map(|(kind, sequence_number)| StreamEvent { kind, sequence_number });
    golden::check("responses.ResponseStreamEvent-list", &numbered.collect::<Vec<_>>());
}

#[test]
fn other_ends_of_a_stream() {
    let failed = Box::new(response(ResponseStatus::Failed, Vec::new()));
    let incomplete = Box::new(response(ResponseStatus::Incomplete, Vec::new()));
    let error =
        EventKind::Error { code: Some("server_error".into()), message: "the engine stopped".into(), param: None };
    let ends = [EventKind::Failed { response: failed }, EventKind::Incomplete { response: incomplete }, error];
    let numbered: Vec<_> =
        ends.into_iter().zip(7..).map(|(kind, sequence_number)| StreamEvent { kind, sequence_number }).collect();
    golden::check("responses.ResponseStreamEvent-list-ends", &numbered);
}

#[test]
fn the_name_of_an_event_is_its_type() {
    for kind in events() {
        assert_eq!(serde_json::to_value(&kind).unwrap()["type"], kind.name());
    }
}
