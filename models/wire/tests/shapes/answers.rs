//! Chat, text completion, embeddings, models, errors.

use kubemate_wire::chat::{
    AssistantMessage, ChatCompletion, Choice, Chunk, Chunks, FinishReason, FunctionCall, Logprobs, TokenLogprob,
    ToolCall, ToolKind, TopLogprob,
};
use kubemate_wire::citation::{Annotation, FileCitation};
use kubemate_wire::completions::{Completion, CompletionChoice, CompletionLogprobs};
use kubemate_wire::embeddings::{Embedding, EmbeddingsResponse, EncodingFormat, Vector};
use kubemate_wire::error::ErrorBody;
use kubemate_wire::models::{Model, ModelList};
use kubemate_wire::rerank::{RerankResponse, RerankResult, RerankText};
use kubemate_wire::usage::{InputUsage, Usage};

use crate::golden;

pub(crate) fn citation() -> Annotation {
    Annotation::FileCitation(FileCitation {
        index: 41,
        file_id: "file-1".into(),
        filename: "手册.pdf".into(),
        page: Some(7),
        page_end: None,
        start: 1200,
        end: 1207,
        quote: "保修期为三年。".into(),
        vector_store_id: Some("vs_1".into()),
    })
}

fn logprobs() -> Logprobs {
    let token = "Three".to_owned();
    let top = TopLogprob { token: token.clone(), logprob: -0.25, bytes: Some(token.clone().into_bytes()) };
    let token =
        TokenLogprob { bytes: Some(token.clone().into_bytes()), token, logprob: -0.25, top_logprobs: vec![top] };
    Logprobs { content: Some(vec![token]), refusal: None }
}

fn completion(choices: Vec<Choice>) -> ChatCompletion {
    let usage = Some(Usage::new(12, 5));
    ChatCompletion {
        id: "chatcmpl-1".into(),
        created: 1_800_000_000,
        model: "smol".into(),
        choices,
        usage,
        system_fingerprint: None,
    }
}

#[test]
fn a_chat_answer_with_logprobs() {
    let message = AssistantMessage::text("Three");
    let choice = Choice { index: 0, message, logprobs: Some(logprobs()), finish_reason: FinishReason::Stop };
    golden::check("chat.ChatCompletion", &completion(vec![choice]));
}

#[test]
fn a_chat_answer_that_calls_a_tool() {
    let function = FunctionCall { name: "weather".into(), arguments: "{\"city\":\"Wien\"}".into() };
    let call = ToolCall { id: "call_1".into(), kind: ToolKind::Function, function };
    let message = AssistantMessage { content: None, tool_calls: vec![call], ..AssistantMessage::text("") };
    let choice = Choice { index: 0, message, logprobs: None, finish_reason: FinishReason::ToolCalls };
    golden::check("chat.ChatCompletion-tools", &completion(vec![choice]));
}

#[test]
fn a_chat_answer_with_citations() {
    let message =
        AssistantMessage { annotations: vec![citation()], ..AssistantMessage::text("Three years, says the manual.") };
    let choice = Choice { index: 0, message, logprobs: None, finish_reason: FinishReason::Length };
    golden::check("chat.ChatCompletion-cited", &completion(vec![choice]));
}

#[test]
fn a_stream_in_the_order_that_clients_rely_on() {
    let chunks = Chunks::new("chatcmpl-1".into(), 1_800_000_000, "smol".into(), Some(true));
    let stream: Vec<Chunk> = vec![
        chunks.role(0),
        chunks.text(0, "Three", Some(logprobs())),
        chunks.annotations(0, vec![citation()]),
        chunks.finish(0, FinishReason::Stop),
        chunks.total(Usage::new(12, 5)).unwrap(),
    ];
    golden::check("chat.ChatCompletionChunk-list", &stream);
}

#[test]
fn a_stream_without_counts_has_no_usage_at_all() {
    let chunks = Chunks::new("chatcmpl-1".into(), 1_800_000_000, "smol".into(), None);
    let written = serde_json::to_string(&[chunks.role(0), chunks.finish(0, FinishReason::Stop)]).unwrap();
    assert!(!written.contains("usage"), "{written}");
    assert!(written.contains(r#""finish_reason":null"#), "{written}");
    assert_eq!(chunks.total(Usage::new(1, 1)), None);
}

#[test]
fn a_text_completion() {
    let top = [("Three".to_owned(), -0.25)].into();
    let logprobs = CompletionLogprobs {
        text_offset: vec![0],
        token_logprobs: vec![Some(-0.25)],
        tokens: vec!["Three".into()],
        top_logprobs: vec![Some(top)],
    };
    let choice = CompletionChoice {
        index: 0,
        text: "Three".into(),
        logprobs: Some(logprobs),
        finish_reason: Some(FinishReason::Stop),
    };
    let usage = Usage::new(2, 1);
    golden::check("Completion", &Completion::whole("cmpl-1".into(), 1_800_000_000, "smol".into(), vec![choice], usage));
}

fn embeddings(format: EncodingFormat) -> EmbeddingsResponse {
    let embedding = Vector::new(vec![0.1, -1.5, 3.0e-8], format);
    EmbeddingsResponse { data: vec![Embedding { index: 0, embedding }], model: "e5".into(), usage: InputUsage::new(3) }
}

#[test]
fn embeddings_as_numbers() {
    golden::check("CreateEmbeddingResponse", &embeddings(EncodingFormat::Float));
}

#[test]
fn embeddings_as_base64_are_little_endian_f32() {
    let written = serde_json::to_value(embeddings(EncodingFormat::Base64)).unwrap();
    // python: base64.b64encode(struct.pack("<3f", 0.1, -1.5, 3.0e-8))
    assert_eq!(written["data"][0]["embedding"], "zczMPQAAwL9Z2QAz");
    let read: EmbeddingsResponse = serde_json::from_value(written).unwrap();
    assert_eq!(read, embeddings(EncodingFormat::Base64));
}

#[test]
fn base64_of_half_a_number_is_refused() {
    assert!(serde_json::from_str::<Vector>(r#""AAAA""#).is_err());
    assert!(serde_json::from_str::<Vector>(r#""!""#).is_err());
}

#[test]
fn a_list_of_models() {
    let model = |id: &str| Model { id: id.into(), created: 1_800_000_000, owned_by: "kubemate".into() };
    golden::check("Model-page", &ModelList { data: vec![model("team/qwen:7b"), model("smol")] });
}

#[test]
fn a_reranked_list() {
    let best = RerankResult { index: 1, relevance_score: 0.93, document: Some(RerankText { text: "b".into() }) };
    let second = RerankResult { index: 0, relevance_score: 0.1, document: None };
    let usage = InputUsage::new(9);
    let response = RerankResponse { id: "rerank-1".into(), model: "e5".into(), results: vec![best, second], usage };
    golden::check("kubemate.Rerank", &response);
}

#[test]
fn an_error_has_all_four_fields() {
    golden::check(
        "kubemate.Error",
        &ErrorBody::new("invalid_request_error", "model `x` does not exist").code("model_not_found"),
    );
}
