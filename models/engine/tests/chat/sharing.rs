//! Computed beginnings of prompts are used again within one salt, and change nothing.

use futures::StreamExt;
use kubemate_engine::{ChatModel, GenerateEvent};

use crate::model::{ask, collect, greedy, shared, start, user};

#[tokio::test]
async fn a_shared_beginning_gives_the_same_answer() {
    let model = shared();
    let long = format!("{} Which animal is in the boat?", "A cat sat in the boat and looked at the water. ".repeat(20));
    let request = || greedy(user(&long), 24);
    let alone = ask(&model, request()).await.unwrap();
    for _ in 0..2 {
        let shared = collect(model.generate_sharing(request(), "tenant").await.unwrap(), 1).await;
        assert_eq!(shared, alone);
    }
}

#[tokio::test]
async fn only_the_same_salt_shares() {
    let model = start(8);
    let long = user(&"The cat sat in the boat. ".repeat(40));
    let request = || greedy(long.clone(), 1);
    let reused = || model.activity().reused;
    collect(model.generate_sharing(request(), "a").await.unwrap(), 1).await;
    assert_eq!(reused(), 0);
    collect(model.generate_sharing(request(), "b").await.unwrap(), 1).await;
    ask(&model, request()).await.unwrap();
    assert_eq!(reused(), 0, "another salt, or none, shares nothing");
    collect(model.generate_sharing(request(), "a").await.unwrap(), 1).await;
    assert!(reused() >= 200, "{} tokens were reused", reused());
}

#[tokio::test]
async fn a_long_prompt_does_not_hold_up_a_running_answer() {
    let model = start(8);
    let mut running = model.generate(greedy(user("Write a very long story."), 400)).await.unwrap();
    let started = |event: &_| matches!(event, Some(Ok(GenerateEvent::Delta { .. })));
    while !started(&running.next().await) {}
    let mut reading = model.generate(greedy(user(&"A word of the book. ".repeat(300)), 1)).await.unwrap();
    reading.next().await;
    // Until the long prompt is read, the running answer gets a token with each slice.
    let mut tokens = 0;
    let mut first = Box::pin(reading.next());
    loop {
        tokio::select! {
            biased;
            _ = &mut first => break,
            event = running.next() => tokens += usize::from(started(&event)),
        }
    }
    assert!(tokens >= 3, "only {tokens} tokens came while the prompt was read");
}
