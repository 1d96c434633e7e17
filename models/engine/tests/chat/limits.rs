//! What is refused, what is cancelled, what may share.

use futures::StreamExt;
use kubemate_engine::{ChatModel, EngineError, GenerateEvent, GenerateRequest, Prompt};

use crate::model::{ask, greedy, shared, start, user};

#[tokio::test]
async fn a_prompt_longer_than_the_context_is_refused_at_once() {
    let model = shared();
    let limit = model.identity().context;
    let tokens = Prompt::Tokens(vec![198; limit]);
    assert_eq!(
        ask(&model, greedy(tokens, 1)).await.unwrap_err(),
        EngineError::ContextTooLong { tokens: limit, limit: limit - 1 }
    );
    let endless = Prompt::Text("word ".repeat(1 << 20));
    assert!(matches!(ask(&model, greedy(endless, 1)).await, Err(EngineError::ContextTooLong { .. })));
}

#[tokio::test]
async fn impossible_settings_are_named() {
    type Change = fn(&mut GenerateRequest);
    let change: [(&str, Change); 9] = [
        ("n must", |request| request.n = 0),
        ("n must", |request| request.n = 9),
        ("max_tokens", |request| request.max_tokens = Some(0)),
        ("stop", |request| request.stop = vec![String::new()]),
        ("temperature", |request| request.sampling.temperature = f32::NAN),
        ("top_p", |request| request.sampling.top_p = 0.0),
        ("repetition_penalty", |request| request.sampling.repetition_penalty = 0.0),
        ("logit_bias", |request| request.sampling.logit_bias = [(49_152, 1.0)].into()),
        ("alternatives", |request| request.logprobs = Some(21)),
    ];
    for (name, change) in change {
        let mut request = greedy(user("hi"), 1);
        change(&mut request);
        match ask(&shared(), request).await {
            Err(EngineError::BadRequest(message)) => assert!(message.contains(name), "{message}"),
            other => panic!("{name}: {other:?}"),
        }
    }
    let unknown = ask(&shared(), greedy(Prompt::Tokens(vec![49_152]), 1)).await;
    assert!(matches!(unknown, Err(EngineError::BadRequest(_))));
    let empty = ask(&shared(), greedy(Prompt::Text(String::new()), 1)).await;
    assert!(matches!(empty, Err(EngineError::BadRequest(_))));
}

/// Reads until the first text: then the choice is being computed.
async fn underway(generation: &mut kubemate_engine::Generation) {
    while !matches!(generation.next().await, Some(Ok(GenerateEvent::Delta { .. }))) {}
}

#[tokio::test]
async fn a_full_queue_says_when_to_come_back() {
    let model = start(2);
    let endless = || {
        let mut request = greedy(user("Write a very long story."), 4000);
        request.n = 8;
        request
    };
    let mut running = model.generate(endless()).await.unwrap();
    underway(&mut running).await;
    let waiting = [model.generate(endless()).await.unwrap(), model.generate(endless()).await.unwrap()];
    let Err(EngineError::QueueFull { retry_after }) = model.generate(endless()).await.map(drop) else {
        panic!("the queue took more than its limit");
    };
    assert!((1..=120).contains(&retry_after.as_secs()), "{retry_after:?}");
    drop(waiting);
    let again = model.generate(endless()).await;
    assert!(again.is_ok(), "places of those who left are free");
}

#[tokio::test]
async fn a_dropped_generation_stops_and_makes_room() {
    let model = start(4);
    let mut request = greedy(user("Write a very long story."), 8000);
    request.n = 8;
    request.sampling.temperature = 1.0;
    let mut endless = model.generate(request).await.unwrap();
    underway(&mut endless).await;
    let next = tokio::spawn({
        let generation = model.generate(greedy(user("hi"), 2)).await.unwrap();
        crate::model::collect(generation, 1)
    });
    drop(endless);
    // All eight places were taken: this ends only because the dropped choices left theirs.
    assert_eq!(next.await.unwrap().len(), 1);
    let before = model.activity().drawn;
    let answer = ask(&model, greedy(user("hi"), 4)).await.unwrap().remove(0);
    assert_eq!(model.activity().drawn - before, answer.tokens as u64, "nothing else is drawn");
}

#[tokio::test]
async fn a_model_that_is_dropped_tells_its_callers() {
    let model = start(4);
    let mut endless = model.generate(greedy(user("Write a very long story."), 8000)).await.unwrap();
    underway(&mut endless).await;
    drop(model);
    let mut last = None;
    while let Some(event) = endless.next().await {
        last = Some(event);
    }
    assert_eq!(last, Some(Err(EngineError::Stopped)));
}
