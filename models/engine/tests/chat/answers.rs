//! What comes out: text, stops, choices, seeds, log probabilities.

use futures::future::join_all;
use kubemate_engine::{ChatModel, FinishReason, GenerateRequest, Prompt};

use crate::model::{ask, greedy, shared, user};

#[tokio::test]
async fn an_answer_does_not_depend_on_what_is_computed_beside_it() {
    let model = shared();
    let questions = ["Name three colours.", "Why is the sky blue?", "Write a haiku about rain.", "What is 2 + 2?"];
    let mut alone = Vec::new();
    for question in questions {
        alone.push(ask(&model, greedy(user(question), 48)).await.unwrap());
    }
    let long = "The harbour was quiet. ".repeat(60);
    let crowd = questions.into_iter().chain([long.as_str(), "Tell me a story.", "Count to ten."]);
    let together = join_all(crowd.map(|question| ask(&model, greedy(user(question), 48)))).await;
    for (alone, together) in alone.into_iter().zip(together) {
        assert_eq!(alone, together.unwrap());
    }
}

#[tokio::test]
async fn a_stop_string_ends_the_text_before_it() {
    let model = shared();
    let whole = ask(&model, greedy(user("Count from one to ten in words."), 60)).await.unwrap().remove(0);
    // A stop that begins and ends inside tokens: two characters from the middle of the answer on.
    let middle = whole.text.char_indices().nth(whole.text.chars().count() / 2).unwrap().0;
    let stop: String = whole.text[middle..].chars().take(7).collect();
    let mut request = greedy(user("Count from one to ten in words."), 60);
    request.stop = vec!["never in the answer".into(), stop.clone()];
    let answer = ask(&model, request).await.unwrap().remove(0);
    assert_eq!(answer.reason, FinishReason::Stop);
    assert_eq!(answer.text, whole.text[..whole.text.find(&stop).unwrap()]);
    assert!(answer.tokens <= whole.tokens);
}

#[tokio::test]
async fn most_tokens_are_counted_and_named() {
    let answer = ask(&shared(), greedy(user("Tell me a long story."), 9)).await.unwrap().remove(0);
    assert_eq!((answer.tokens, answer.reason), (9, FinishReason::Length));
}

#[tokio::test]
async fn choices_share_a_prompt_and_differ() {
    let mut request = GenerateRequest::new(user("Invent a name for a boat."));
    (request.n, request.max_tokens, request.sampling.seed) = (4, Some(24), Some(1));
    let answers = ask(&shared(), request.clone()).await.unwrap();
    assert_eq!(answers.len(), 4);
    assert!(answers.iter().any(|answer| answer.text != answers[0].text), "{answers:?}");
    assert_eq!(answers, ask(&shared(), request.clone()).await.unwrap(), "a seed repeats itself");
    request.sampling.seed = Some(2);
    assert_ne!(answers, ask(&shared(), request.clone()).await.unwrap(), "another seed is another answer");
    request.sampling.temperature = 0.0;
    let greedy = ask(&shared(), request).await.unwrap();
    assert!(greedy.iter().all(|answer| *answer == greedy[0]), "greedy choices are the same");
}

#[tokio::test]
async fn log_probabilities_belong_to_the_text() {
    let mut request = greedy(user("What is the capital of France?"), 12);
    request.logprobs = Some(5);
    let answer = ask(&shared(), request).await.unwrap().remove(0);
    let bytes: Vec<u8> = answer.logprobs.iter().flat_map(|entry| entry.bytes.clone()).collect();
    assert_eq!(String::from_utf8(bytes).unwrap(), answer.text);
    for entry in &answer.logprobs {
        assert_eq!(entry.top.len(), 5);
        assert_eq!(entry.top[0].2, entry.logprob, "greedy takes the likeliest");
        assert!(entry.top.windows(2).all(|pair| pair[0].2 >= pair[1].2));
        let total: f32 = entry.top.iter().map(|(_, _, logprob)| logprob.exp()).sum();
        assert!(total > 0.05 && total <= 1.0001, "{total}");
    }
}

#[tokio::test]
async fn all_probabilities_add_up_to_one() {
    let scores = shared().scores_after(&[1, 4093, 198, 19556]).unwrap();
    let largest = scores.iter().copied().fold(f32::MIN, f32::max);
    let normaliser = f64::from(largest) + scores.iter().map(|s| f64::from(s - largest).exp()).sum::<f64>().ln();
    let mut request = greedy(Prompt::Tokens(vec![1, 4093, 198, 19556]), 1);
    request.logprobs = Some(20);
    let answer = ask(&shared(), request).await.unwrap().remove(0);
    for (_, bytes, logprob) in &answer.logprobs[0].top {
        let found = scores.iter().any(|score| (f64::from(*score) - normaliser - f64::from(*logprob)).abs() < 1e-4);
        assert!(found, "{bytes:?} with {logprob} is none of the scores");
    }
}

#[tokio::test]
async fn a_stop_inside_a_token_keeps_text_and_log_probabilities_together() {
    let mut request = greedy(user("Tell me a long story about a lighthouse."), 24);
    request.logprobs = Some(0);
    let whole = ask(&shared(), request.clone()).await.unwrap().remove(0);
    // From the second character of a long token in the answer on.
    let (index, long) = whole.logprobs.iter().enumerate().rfind(|(_, entry)| entry.token.len() > 4).unwrap();
    request.stop = vec![long.token[2..].to_owned()];
    let answer = ask(&shared(), request.clone()).await.unwrap().remove(0);
    assert_eq!(answer.text, whole.text[..whole.text.find(&request.stop[0]).unwrap()]);
    assert_eq!(answer.logprobs, whole.logprobs[..answer.logprobs.len()]);
    let tokens: String = answer.logprobs.iter().map(|entry| entry.token.as_str()).collect();
    assert!(tokens.starts_with(&answer.text), "{tokens:?} is not {:?}", answer.text);
    assert!(answer.logprobs.len() <= index + 1 && tokens.len() - answer.text.len() < 24);
}

#[tokio::test]
async fn characters_leave_whole() {
    // A bias towards the bytes of emoji makes the model write characters of several tokens.
    let model = shared();
    let tokenizer = model.tokenizer();
    let mut request = greedy(Prompt::Text("😀🎉😀🎉😀🎉😀🎉😀".into()), 24);
    for token in tokenizer.encode("🎉😀") {
        request.sampling.logit_bias.insert(token, 8.0);
    }
    let answer = ask(&model, request).await.unwrap().remove(0);
    assert!(answer.text.chars().any(|character| character.len_utf8() == 4), "{:?}", answer.text);
}
