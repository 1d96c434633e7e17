use axum::body::{Body, to_bytes};
use bytes::Bytes;
use futures::StreamExt;
use http::StatusCode;
use kubemate_cache::{CacheError, Held, MemoryCache};
use serde_json::Value;

use super::*;

const BODY: &str = r#"{"model":"m","messages":[{"role":"user","content":"q"}]}"#;
const PLAIN: &str = r#"{"id":"c1","object":"chat.completion","created":7,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"Hello"},"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}}"#;

/// The events of a stream that says the same, with counts.
fn events() -> Vec<String> {
    let event = |choices: &str, usage: &str| {
        format!(
            r#"data: {{"id":"c1","object":"chat.completion.chunk","created":7,"model":"m","choices":[{choices}]{usage}}}"#
        ) + "\n\n"
    };
    let piece = |delta: &str, reason: &str| {
        let choice = format!(r#"{{"index":0,"delta":{delta},"logprobs":null,"finish_reason":{reason}}}"#);
        event(&choice, r#","usage":null"#)
    };
    vec![
        piece(r#"{"role":"assistant","content":""}"#, "null"),
        piece(r#"{"content":"Hel"}"#, "null"),
        piece(r#"{"content":"lo"}"#, "null"),
        piece("{}", r#""stop""#),
        event("", r#","usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}"#),
        "data: [DONE]\n\n".to_owned(),
    ]
}

/// A cache, and what is configured of the model `m`.
struct Kept {
    cache: AnswerCache,
    keeping: Keeping,
}

fn cache(values: impl Cache, policy: &str) -> Kept {
    Kept { cache: AnswerCache::new(Arc::new(values), TaskTracker::new()), keeping: keeping("m", policy) }
}

fn keeping(target: &str, policy: &str) -> Keeping {
    let text = format!("name = 'm'\ntargets = [{{ upstream = 'u', model = '{target}' }}]\ncache = {{ {policy} }}");
    Keeping::of(&toml::from_str(&text).unwrap(), |_| None).unwrap()
}

fn kept() -> Kept {
    cache(MemoryCache::default(), "ttl = '10m'")
}

fn asks(body: &str) -> Question<'_> {
    Question {
        door: Door::Chat,
        model: "m",
        shown: "m",
        body: body.as_bytes(),
        streams: false,
        wants_usage: false,
        controls: Controls::default(),
        keeping: None,
    }
}

impl Kept {
    async fn lookup(&self, tenant: &TenantId, question: &Question<'_>) -> Result<Found, ApiError> {
        let keeping = question.keeping.unwrap_or(&self.keeping);
        self.cache.lookup(tenant, &Question { keeping: Some(keeping), ..*question }).await
    }

    fn tasks(&self) -> &TaskTracker {
        self.cache.tasks()
    }
}

fn tenant() -> TenantId {
    TenantId::default_tenant()
}

async fn look(cache: &Kept, question: Question<'_>) -> Found {
    cache.lookup(&tenant(), &question).await.unwrap()
}

async fn leads(cache: &Kept, question: Question<'_>) -> Recorder {
    match look(cache, question).await {
        Found::Lead(recorder) => recorder,
        other => panic!("{other:?}"),
    }
}

async fn hits(cache: &Kept, question: Question<'_>) -> String {
    let (state, text) = answered(look(cache, question).await).await;
    assert_eq!(state, "hit");
    text
}

async fn answered(found: Found) -> (String, String) {
    let answer = match found {
        Found::Hit(answer) | Found::Stale(answer, _) => answer,
        other => panic!("{other:?}"),
    };
    assert_eq!((answer.prompt_tokens, answer.completion_tokens), (3, 2));
    let state = answer.response.headers()[&STATE].to_str().unwrap().to_owned();
    assert!(answer.response.headers().contains_key(header::AGE));
    (state, text(answer.response).await)
}

async fn text(response: Response) -> String {
    String::from_utf8(to_bytes(response.into_body(), usize::MAX).await.unwrap().to_vec()).unwrap()
}

/// Hands `pieces` through the recorder, as far as the client reads.
async fn record(cache: &Kept, recorder: Recorder, pieces: Vec<String>, read: usize) -> Vec<Bytes> {
    let body =
        futures::stream::iter(pieces.into_iter().map(|piece| Ok::<_, std::convert::Infallible>(Bytes::from(piece))));
    let response = recorder.record(Response::new(Body::from_stream(body)));
    assert_eq!(response.headers()[&STATE], "miss");
    let seen = response.into_body().into_data_stream().take(read).map(Result::unwrap).collect().await;
    settled(cache).await;
    seen
}

/// Waits for what is written behind the answer.
async fn settled(cache: &Kept) {
    cache.tasks().close();
    cache.tasks().wait().await;
    cache.tasks().reopen();
}

fn streamed(question: Question<'_>, wants_usage: bool) -> Question<'_> {
    Question { streams: true, wants_usage, ..question }
}

#[tokio::test]
async fn a_plain_answer_is_given_again_plain_and_as_a_stream() {
    let cache = kept();
    let recorder = leads(&cache, asks(BODY)).await;
    record(&cache, recorder, vec![PLAIN.to_owned()], usize::MAX).await;
    assert_eq!(hits(&cache, asks(BODY)).await, PLAIN, "byte for byte");
    let stream = hits(&cache, streamed(asks(BODY), false)).await;
    assert!(stream.contains("Hello") && stream.ends_with("data: [DONE]\n\n"), "{stream}");
    assert!(!stream.contains("usage"), "nobody asked");
    let counted = hits(&cache, streamed(asks(BODY), true)).await;
    assert!(counted.contains(r#""usage":null}"#) && counted.contains(r#""total_tokens":5"#), "{counted}");
}

#[tokio::test]
async fn a_stream_is_given_again_as_it_came_and_put_together() {
    let cache = kept();
    let recorder = leads(&cache, streamed(asks(BODY), false)).await;
    let seen = record(&cache, recorder, events(), usize::MAX).await.concat();
    let seen = String::from_utf8(seen).unwrap();
    assert!(!seen.contains("usage") && seen.contains("Hel"), "the first client did not ask for counts: {seen}");
    assert_eq!(hits(&cache, streamed(asks(BODY), false)).await, seen);
    assert_eq!(hits(&cache, streamed(asks(BODY), true)).await.matches(r#""usage":null}"#).count(), 4);
    let whole: Value = serde_json::from_str(&hits(&cache, asks(BODY)).await).unwrap();
    assert_eq!(whole, serde_json::from_str::<Value>(PLAIN).unwrap());
}

#[tokio::test]
async fn a_thousand_at_once_ask_the_model_once() {
    let cache = kept();
    let recorder = leads(&cache, asks(BODY)).await;
    let others = futures::future::join_all((0..999).map(|_| look(&cache, asks(BODY))));
    let mut others = std::pin::pin!(others);
    assert!(futures::poll!(&mut others).is_pending(), "they wait for the first");
    let stranger = TenantId::parse("stranger").unwrap();
    assert!(matches!(cache.lookup(&stranger, &asks(BODY)).await.unwrap(), Found::Lead(_)), "another tenant does not");
    record(&cache, recorder, vec![PLAIN.to_owned()], usize::MAX).await;
    for found in others.await {
        assert_eq!(answered(found).await.1, PLAIN);
    }
}

#[tokio::test]
async fn followers_of_a_leader_that_leaves_go_on() {
    let cache = kept();
    let question = streamed(asks(BODY), false);
    let first = leads(&cache, question).await;
    let others: futures::stream::FuturesUnordered<_> = (0..3).map(|_| look(&cache, question)).collect();
    let mut others = others;
    assert!(futures::poll!(others.next()).is_pending(), "they wait for the first");
    record(&cache, first, events(), 2).await;
    let Some(Found::Lead(second)) = others.next().await else { panic!("one of them leads now") };
    assert!(futures::poll!(others.next()).is_pending(), "the others wait for that one");
    record(&cache, second, events(), usize::MAX).await;
    while let Some(found) = others.next().await {
        assert_eq!(answered(found).await.0, "hit");
    }
}

#[tokio::test]
async fn a_client_that_goes_after_the_last_byte_leaves_the_answer() {
    let cache = kept();
    let question = streamed(asks(BODY), true);
    let recorder = leads(&cache, question).await;
    record(&cache, recorder, events(), events().len()).await;
    assert!(matches!(look(&cache, question).await, Found::Hit(_)));
    for read in 0..events().len() {
        let cache = kept();
        let recorder = leads(&cache, question).await;
        record(&cache, recorder, events(), read).await;
        assert!(matches!(look(&cache, question).await, Found::Lead(_)), "left after {read} events");
    }
}

#[tokio::test]
async fn a_refusal_is_told_to_all_who_wait_and_not_kept() {
    let cache = kept();
    let (tenant, question) = (tenant(), asks(BODY));
    let recorder = leads(&cache, question).await;
    let mut other = Box::pin(cache.lookup(&tenant, &question));
    assert!(futures::poll!(&mut other).is_pending());
    let what = "cannot be reached or broke off".to_owned();
    recorder.refused(&ApiError::Upstream { upstream: "u".to_owned(), what, status: StatusCode::BAD_GATEWAY });
    let refused = other.await.unwrap_err();
    assert_eq!(
        (refused.status(), refused.to_string().as_str()),
        (StatusCode::BAD_GATEWAY, "upstream `u` cannot be reached or broke off")
    );
    assert!(matches!(look(&cache, question).await, Found::Lead(_)));
}

#[tokio::test]
async fn what_is_not_for_others_is_asked_for_by_each() {
    for (policy, answer) in [
        ("ttl = '10m', max_answer = '100 B'", PLAIN.to_owned()),
        ("ttl = '10m'", PLAIN.replace("\"stop\"", "\"content_filter\"")),
        ("ttl = '10m'", r#"{"error":{"message":"no"}}"#.to_owned()),
    ] {
        let cache = cache(MemoryCache::default(), policy);
        let recorder = leads(&cache, asks(BODY)).await;
        let mut other = Box::pin(look(&cache, asks(BODY)));
        assert!(futures::poll!(&mut other).is_pending());
        let seen = record(&cache, recorder, vec![answer.clone()], usize::MAX).await;
        assert_eq!(seen.concat(), answer.as_bytes(), "the first client has it whole");
        assert!(matches!(other.await, Found::Bypass), "{answer}");
        assert!(matches!(look(&cache, asks(BODY)).await, Found::Lead(_)), "{answer}");
    }
}

#[tokio::test]
async fn what_is_stale_is_given_while_one_asks_again() {
    let cache = cache(MemoryCache::default(), "ttl = '0s', stale = '10m'");
    let recorder = leads(&cache, asks(BODY)).await;
    record(&cache, recorder, vec![PLAIN.to_owned()], usize::MAX).await;
    let Found::Stale(first, Some(renewing)) = look(&cache, asks(BODY)).await else { panic!("nobody renews it yet") };
    assert_eq!(first.response.headers()[&STATE], "stale");
    assert!(matches!(look(&cache, asks(BODY)).await, Found::Stale(_, None)), "one renews it");
    let newer = PLAIN.replace("Hello", "Hullo");
    record(&cache, renewing, vec![newer.clone()], usize::MAX).await;
    assert_eq!(answered(look(&cache, asks(BODY)).await).await, ("stale".to_owned(), newer));
}

#[tokio::test]
async fn requests_have_a_say() {
    let cache = kept();
    let recorder = leads(&cache, asks(BODY)).await;
    record(&cache, recorder, vec![PLAIN.to_owned()], usize::MAX).await;
    let with = |controls| Question { controls, ..asks(BODY) };
    let none = Controls::default();
    let anew = with(Controls { no_cache: true, ..none });
    let newer = PLAIN.replace("Hello", "Hullo");
    let recorder = leads(&cache, anew).await;
    record(&cache, recorder, vec![newer.clone()], usize::MAX).await;
    assert_eq!(hits(&cache, asks(BODY)).await, newer, "a new answer is kept");
    assert!(matches!(look(&cache, with(Controls { no_cache: true, no_store: true, ..none })).await, Found::Bypass));
    assert!(matches!(look(&cache, with(Controls { no_store: true, ..none })).await, Found::Hit(_)));
    assert!(matches!(look(&cache, with(Controls { max_age: Some(Duration::ZERO), ..none })).await, Found::Lead(_)));
    let other = BODY.replace('q', "r");
    let question = asks(&other);
    assert!(matches!(
        look(&cache, Question { controls: Controls { no_store: true, ..none }, ..question }).await,
        Found::Bypass
    ));
    let brief = Question { controls: Controls { ttl: Some(Duration::ZERO), ..none }, ..question };
    let recorder = leads(&cache, brief).await;
    record(&cache, recorder, vec![PLAIN.to_owned()], usize::MAX).await;
    assert!(matches!(look(&cache, question).await, Found::Lead(_)), "kept no longer than was said");
}

#[tokio::test]
async fn only_what_is_configured_is_kept() {
    let cache = cache(MemoryCache::default(), "ttl = '10m', max_temperature = 0.5");
    assert!(matches!(cache.cache.lookup(&tenant(), &asks(BODY)).await.unwrap(), Found::Off));
    let with = |field: &str| BODY.replacen('{', &format!("{{{field},"), 1);
    for field in [r#""temperature":0.6"#, r#""tools":[{"type":"function"}]"#] {
        assert!(matches!(look(&cache, asks(&with(field))).await, Found::Bypass), "{field}");
    }
    assert!(matches!(look(&cache, asks(&with(r#""temperature":0.5"#))).await, Found::Lead(_)));
    let tools = super::tests::cache(MemoryCache::default(), "ttl = '10m', tools = true");
    assert!(matches!(look(&tools, asks(&with(r#""tools":[{"type":"function"}]"#))).await, Found::Lead(_)));
}

#[tokio::test]
async fn another_door_name_or_revision_is_another_question() {
    let cache = kept();
    let recorder = leads(&cache, asks(BODY)).await;
    record(&cache, recorder, vec![PLAIN.to_owned()], usize::MAX).await;
    assert!(matches!(look(&cache, Question { door: Door::Completions, ..asks(BODY) }).await, Found::Lead(_)));
    assert!(matches!(look(&cache, Question { shown: "assistant", ..asks(BODY) }).await, Found::Lead(_)));
    let other = keeping("n", "ttl = '10m'");
    assert!(matches!(look(&cache, Question { keeping: Some(&other), ..asks(BODY) }).await, Found::Lead(_)));
}

/// A cache whose server is gone.
#[derive(Debug)]
struct Gone;

#[async_trait::async_trait]
impl Cache for Gone {
    async fn find(&self, _: &TenantId, _: &CacheKey) -> Result<Option<Held>, CacheError> {
        Err(CacheError::Unavailable("gone".to_owned()))
    }

    async fn put(&self, _: &TenantId, _: &CacheKey, _: Bytes, _: Duration) -> Result<(), CacheError> {
        Err(CacheError::Unavailable("gone".to_owned()))
    }

    async fn remove(&self, _: &TenantId, _: &CacheKey) -> Result<(), CacheError> {
        Err(CacheError::Unavailable("gone".to_owned()))
    }
}

#[tokio::test]
async fn a_cache_that_is_gone_is_a_miss() {
    let cache = cache(Gone, "ttl = '10m'");
    for _ in 0..2 {
        let recorder = leads(&cache, asks(BODY)).await;
        let seen = record(&cache, recorder, vec![PLAIN.to_owned()], usize::MAX).await;
        assert_eq!(seen.concat(), PLAIN.as_bytes());
    }
}

#[test]
fn what_another_version_wrote_is_a_miss() {
    let stored = Stored::of(Door::Chat, false, PLAIN.as_bytes(), false).unwrap().at(1234, Duration::from_secs(60));
    let bytes = stored.encode();
    assert_eq!(Stored::decode(bytes.clone()).unwrap(), stored);
    for cut in 0..bytes.len() {
        assert!(Stored::decode(bytes.slice(..cut)).is_none(), "cut at {cut}");
    }
    let mut other = bytes.to_vec();
    other[0] += 1;
    assert!(Stored::decode(other.into()).is_none());
}
