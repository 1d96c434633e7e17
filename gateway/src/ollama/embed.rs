//! `/embeddings` as `/api/embed`.

use kubemate_wire::{
    embeddings::{EmbeddingsRequest, EncodingFormat},
    input::{InputItem, Strings},
    ollama::EmbedRequest,
};
use serde_json::Value;

use super::{
    Native, Reading, Shape,
    chat::lacks,
    options::{Settings, keep_alive},
    written,
};
use crate::{api::ApiError, models::cl100k};

pub(super) fn native(request: EmbeddingsRequest) -> Result<Native, ApiError> {
    if request.input_type.is_some() {
        return Err(lacks("input_type", "embeds questions and passages alike"));
    }
    let text = |item| match item {
        InputItem::Text(text) => Ok(text),
        InputItem::Tokens(ids) => cl100k::decode(&ids),
    };
    let texts = request.input.into_items().into_iter().map(text).collect::<Result<Vec<String>, ApiError>>()?;
    let embed = EmbedRequest {
        model: request.model.clone(),
        input: Strings::Many(texts),
        truncate: request.other.get("truncate").and_then(Value::as_bool),
        dimensions: request.dimensions,
        keep_alive: keep_alive(&request.other),
        options: Settings::default().options(&request.other),
    };
    let base64 = request.encoding_format == Some(EncodingFormat::Base64);
    let shape = Shape::Embeddings { base64 };
    let reading = Reading { shape, model: request.model, streams: false, counts: true, logprobs: false };
    Ok(Native { path: "/api/embed", body: written(&embed)?, reading })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn texts_and_token_ids_become_texts() {
        let request =
            json!({"model": "m", "input": [[9906]], "encoding_format": "base64", "dimensions": 64, "num_ctx": 512});
        let native = native(serde_json::from_value(request).unwrap()).unwrap();
        let expected = json!({"model": "m", "input": ["Hello"], "dimensions": 64, "options": {"num_ctx": 512}});
        assert_eq!(serde_json::from_slice::<Value>(&native.body).unwrap(), expected);
        assert_eq!(native.reading.shape, Shape::Embeddings { base64: true });
    }
}
