//! What clients send.

use kubemate_wire::assistants::SaveAssistant;
use kubemate_wire::chat::{ChatRequest, Content, ResponseFormat, Role, Tool};
use kubemate_wire::completions::CompletionRequest;
use kubemate_wire::embeddings::{EmbeddingsRequest, EncodingFormat, InputType};
use kubemate_wire::input::{Input, InputItem, Strings};
use kubemate_wire::rerank::RerankRequest;
use kubemate_wire::responses::{InputItem as ResponseItem, ResponseInput, ResponseTool, ResponsesRequest};
use kubemate_wire::vector_stores::{
    AttachFile, Attribute, ChunkingStrategy, CompoundKind, CreateVectorStore, Filter, OperandValue, Operator,
    SearchRequest, UpdateVectorStore,
};
use serde_json::{Value, json};

fn chat(body: Value) -> Result<ChatRequest, serde_json::Error> {
    serde_json::from_value(body)
}

#[test]
fn unknown_fields_pass_through() {
    let body = json!({
        "model": "m",
        "messages": [{"role": "user", "content": "hi", "cache_control": {"type": "ephemeral"}}],
        "stream_options": {"include_usage": true, "include_obfuscation": false},
        "temperature": 0.7,
        "mirostat": 2,
        "reasoning": {"effort": "low"},
    });
    let request = chat(body.clone()).unwrap();
    assert_eq!(request.other["mirostat"], 2);
    assert!(request.wants_usage());
    assert_eq!(serde_json::to_value(request).unwrap(), body);
}

#[test]
fn content_is_a_string_parts_or_null() {
    let request = chat(json!({"model": "m", "messages": [
        {"role": "developer", "content": "be brief"},
        {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
        {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}]},
        {"role": "assistant", "content": null, "tool_calls": [
            {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}]},
        {"role": "tool", "tool_call_id": "c", "content": "42"},
    ]}));
    let request = request.unwrap();
    let texts: Vec<_> = request.messages.iter().map(|turn| turn.content.as_ref().and_then(Content::as_text)).collect();
    assert_eq!(request.messages[0].role, Role::Developer);
    assert_eq!(texts[0].as_deref(), Some("be brief"));
    assert_eq!(texts[1].as_deref(), Some("a\nb"));
    assert_eq!(texts[2], None);
    assert_eq!(request.messages[3].tool_calls.as_ref().unwrap().len(), 1);
    assert_eq!(texts[4].as_deref(), Some("42"));
}

#[test]
fn a_wrong_part_is_named() {
    let error =
        chat(json!({"model": "m", "messages": [{"role": "user", "content": [{"type": "video"}]}]})).unwrap_err();
    assert!(error.to_string().contains("unknown variant `video`"), "{error}");
    let error = chat(json!({"model": "m", "messages": [{"role": "user", "content": 7}]})).unwrap_err();
    assert!(error.to_string().contains("a string or a list of content parts"), "{error}");
    let error = chat(json!({"model": "m", "messages": [{"role": "king", "content": "x"}]})).unwrap_err();
    assert!(error.to_string().contains("unknown variant `king`"), "{error}");
}

#[test]
fn nulls_are_absent_fields() {
    let request = chat(
        json!({"model": "m", "messages": [], "stop": null, "n": null, "stream": null, "tools": null, "max_tokens": null}),
    );
    let request = request.unwrap();
    assert_eq!((request.stop.clone(), request.n, request.streams(), request.token_limit()), (None, None, false, None));
}

#[test]
fn both_names_of_the_token_limit() {
    let limit = |body| chat(body).unwrap().token_limit();
    assert_eq!(limit(json!({"model": "m", "messages": [], "max_tokens": 5})), Some(5));
    assert_eq!(limit(json!({"model": "m", "messages": [], "max_completion_tokens": 7})), Some(7));
}

#[test]
fn stop_is_a_string_or_a_list() {
    let stop = |body| chat(body).unwrap().stop.unwrap();
    assert_eq!(stop(json!({"model": "m", "messages": [], "stop": "a"})), Strings::One("a".into()));
    assert_eq!(stop(json!({"model": "m", "messages": [], "stop": ["a", "b"]})).into_vec(), ["a", "b"]);
}

#[test]
fn tools_and_formats() {
    let request = chat(json!({
        "model": "m", "messages": [],
        "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}, {"type": "custom", "custom": {"name": "g"}}],
        "response_format": {"type": "json_schema", "json_schema": {"name": "s", "schema": {"type": "object"}, "strict": true}},
    }));
    let request = request.unwrap();
    let tools = request.tools.unwrap();
    assert!(matches!(&tools[0], Tool::Function { function, .. } if function.name == "f"));
    assert!(matches!(&tools[1], Tool::Other(_)));
    assert!(
        matches!(request.response_format, Some(ResponseFormat::JsonSchema { json_schema }) if json_schema.name == "s")
    );
}

#[test]
fn retrieval_in_chat_is_typed() {
    let request = chat(json!({
        "model": "m", "messages": [], "vector_store_ids": ["vs_1"], "citations": {"enabled": true},
        "filters": {"type": "eq", "key": "year", "value": 2026},
    }));
    let request = request.unwrap();
    assert_eq!(request.vector_store_ids.as_deref(), Some(["vs_1".to_owned()].as_slice()));
    assert_eq!(request.citations.unwrap().enabled, Some(true));
    assert!(request.filters.is_some() && request.other.is_empty());
    let error = chat(json!({"model": "m", "messages": [], "citations": {"marx": true}})).unwrap_err();
    assert!(error.to_string().contains("unknown field `marx`"), "{error}");
}

#[test]
fn inputs_in_all_four_shapes() {
    let input = |body: Value| serde_json::from_value::<Input>(body);
    assert_eq!(input(json!("a")).unwrap(), Input::Text("a".into()));
    assert_eq!(input(json!(["a", "b"])).unwrap().len(), 2);
    assert_eq!(input(json!([1, 2])).unwrap().into_items(), [InputItem::Tokens(vec![1, 2])]);
    assert_eq!(input(json!([[1], [2, 3]])).unwrap(), Input::TokenLists(vec![vec![1], vec![2, 3]]));
    assert!(input(json!([])).unwrap().is_empty());
    for wrong in [
        json!(["a", 1]),
        json!([1, "a"]),
        json!([[1], 2]),
        json!([-1]),
        json!([4_294_967_296_u64]),
        json!([1.5]),
        json!(7),
        json!([null]),
    ] {
        assert!(input(wrong.clone()).is_err(), "{wrong}");
    }
}

#[test]
fn an_embeddings_request() {
    let body = json!({"model": "e5", "input": ["a"], "encoding_format": "base64", "input_type": "search_query", "truncate": "END"});
    let request: EmbeddingsRequest = serde_json::from_value(body).unwrap();
    assert_eq!(request.encoding_format, Some(EncodingFormat::Base64));
    assert_eq!(request.input_type, Some(InputType::Query));
    assert_eq!(request.other["truncate"], "END");
}

#[test]
fn a_completion_request() {
    let body = json!({"model": "m", "prompt": [1, 2], "echo": true, "logprobs": 2, "best_of": 3, "suffix": "."});
    let request: CompletionRequest = serde_json::from_value(body.clone()).unwrap();
    assert_eq!(request.prompt, Some(Input::Tokens(vec![1, 2])));
    assert_eq!(serde_json::to_value(request).unwrap(), body);
}

#[test]
fn documents_to_rerank_are_strings_or_objects() {
    let body = json!({"model": "e5", "query": "q", "documents": ["a", {"text": "b"}], "top_n": 1});
    let request: RerankRequest = serde_json::from_value(body).unwrap();
    assert_eq!(request.documents.iter().map(|document| document.text()).collect::<Vec<_>>(), ["a", "b"]);
}

#[test]
fn filters_nest() {
    let body = json!({"query": "q", "max_num_results": 3, "filters": {"type": "and", "filters": [
        {"type": "in", "key": "author", "value": ["a", "b"]},
        {"type": "or", "filters": [{"type": "gte", "key": "year", "value": 2020}, {"type": "ne", "key": "draft", "value": true}]},
    ]}});
    let request: SearchRequest = serde_json::from_value(body).unwrap();
    let Some(Filter::Compound(all)) = request.filters else { panic!("a compound filter") };
    assert_eq!(all.kind, CompoundKind::And);
    let [Filter::Comparison(first), Filter::Compound(any)] = all.filters.as_slice() else {
        panic!("{:?}", all.filters)
    };
    assert_eq!(first.operator, Operator::In);
    assert!(matches!(&first.value, OperandValue::List(values) if values.len() == 2));
    assert!(
        matches!(&any.filters[1], Filter::Comparison(last) if last.value == OperandValue::One(Attribute::Flag(true)))
    );
}

#[test]
fn a_wrong_filter_is_explained() {
    let body = json!({"query": "q", "filters": {"type": "like", "key": "a", "value": "b"}});
    let error = serde_json::from_value::<SearchRequest>(body).unwrap_err();
    assert!(error.to_string().contains("unknown variant `like`"), "{error}");
}

#[test]
fn chunking_strategies() {
    let read = |strategy: Value| {
        serde_json::from_value::<AttachFile>(json!({"file_id": "file-1", "chunking_strategy": strategy}))
    };
    assert_eq!(read(json!({"type": "auto"})).unwrap().chunking_strategy, Some(ChunkingStrategy::Auto));
    let sizes = json!({"type": "static", "static": {"max_chunk_size_tokens": 200, "chunk_overlap_tokens": 20}});
    assert!(
        matches!(read(sizes).unwrap().chunking_strategy, Some(ChunkingStrategy::Static { sizes }) if sizes.max_chunk_size_tokens == 200)
    );
    assert!(read(json!({"type": "magic"})).is_err());
}

#[test]
fn a_field_that_is_null_is_not_a_field_that_is_absent() {
    let update: UpdateVectorStore = serde_json::from_value(json!({"name": null})).unwrap();
    assert_eq!((update.name, update.expires_after), (Some(None), None));
    assert_eq!(serde_json::from_value::<CreateVectorStore>(json!({})).unwrap(), CreateVectorStore::default());
}

#[test]
fn input_items_of_responses() {
    let request: ResponsesRequest = serde_json::from_value(json!({
        "model": "m",
        "input": [
            {"role": "user", "content": "a"},
            {"type": "message", "role": "assistant", "id": "msg_1", "status": "completed",
             "content": [{"type": "output_text", "text": "b", "annotations": []}]},
            {"type": "file_search_call", "id": "fs_1", "queries": [], "status": "completed"},
            {"role": "user", "content": [{"type": "input_text", "text": "c"}]},
        ],
        "tools": [{"type": "file_search", "vector_store_ids": ["vs_1"]}, {"type": "web_search"}],
        "include": ["file_search_call.results"],
    }))
    .unwrap();
    assert!(request.includes_results());
    let Some(ResponseInput::Items(items)) = &request.input else { panic!("items") };
    let texts: Vec<_> = items
        .iter()
        .map(|item| match item {
            ResponseItem::Message(message) => message.content.as_text().unwrap().into_owned(),
            ResponseItem::Other(item) => item["type"].as_str().unwrap().to_owned(),
        })
        .collect();
    assert_eq!(texts, ["a", "b", "file_search_call", "c"]);
    assert!(matches!(request.tools.as_deref(), Some([ResponseTool::FileSearch(_), ResponseTool::Other(_)])));
}

#[test]
fn a_file_search_tool_without_stores_is_refused_by_name() {
    let body = json!({"model": "m", "input": "a", "tools": [{"type": "file_search"}]});
    let error = serde_json::from_value::<ResponsesRequest>(body).unwrap_err();
    assert!(error.to_string().contains("vector_store_ids"), "{error}");
}

/// What serde says when `T` is asked of a body that is no object.
fn misread<T: serde::de::DeserializeOwned>(body: &str) -> String {
    serde_json::from_str::<T>(body).map(drop).unwrap_err().to_string()
}

#[test]
fn a_body_that_is_no_object_is_told_so_without_names_of_this_program() {
    let said = [
        misread::<ChatRequest>("[]"),
        misread::<CompletionRequest>("7"),
        misread::<EmbeddingsRequest>("\"text\""),
        misread::<RerankRequest>("null"),
        misread::<ResponsesRequest>("[1]"),
        misread::<CreateVectorStore>("7"),
        misread::<UpdateVectorStore>("7"),
        misread::<AttachFile>("7"),
        misread::<SearchRequest>("7"),
        misread::<SaveAssistant>("7"),
        misread::<ChatRequest>(r#"{"model": "m", "messages": [7]}"#),
        misread::<ChatRequest>(r#"{"model": "m", "messages": [], "response_format": 7}"#),
        misread::<CreateVectorStore>(r#"{"chunking_strategy": 7}"#),
        misread::<SaveAssistant>(r#"{"tool_resources": {"file_search": 7}}"#),
    ];
    for said in said {
        assert!(said.contains("expected a JSON object") && !said.contains("struct"), "{said}");
    }
}

#[test]
fn null_in_a_change_of_an_assistant_is_not_the_same_as_absent() {
    let change: SaveAssistant = serde_json::from_value(
        json!({"temperature": null, "description": "d", "tool_resources": {"file_search": null}}),
    )
    .unwrap();
    assert_eq!(change.temperature, Some(None));
    assert_eq!(change.description, Some(Some("d".to_owned())));
    assert_eq!(change.top_p, None);
    assert_eq!(change.tool_resources.unwrap().unwrap().file_search, Some(None));
}
