//! What leaves for an upstream, and what comes back.

use serde_json::{Value, json};

use crate::harness::{Event, Setup, Upstream, tenant};

#[tokio::test(flavor = "multi_thread")]
async fn personal_data_stays_here_and_stands_in_the_answer() {
    let upstream = Upstream::start().await;
    upstream.answer(1000);
    let rules = [
        ("guard.mask", "['resident_id', 'bank_card', 'phone', 'email', 'uscc']"),
        ("guard.max_prompt", "1 KiB"),
        ("guard.deny", "[{ name = 'projects', words = ['nightingale'] }]"),
    ];
    let setup = upstream.named("there").into_iter().fold(Setup::new(), |setup, (key, value)| setup.set(key, &value));
    let server = rules.into_iter().fold(setup, |setup, (key, value)| setup.set(key, value)).start().await;
    let api = tenant(&server, "guarded").await;
    let said = "张三, 13800138000, zhang@mail.example.cn, 11010519491231002X; ring 13800138000 [[";
    let ask =
        |words: &str| json!({"model": "there", "messages": [{"role": "user", "content": format!("Repeat: {words}")}]});
    let answer = api.post("/v1/chat/completions", ask(said)).await.json();
    assert_eq!(answer["choices"][0]["message"]["content"], said);
    let events = api.stream("/v1/chat/completions", ask(said)).await;
    let chunks: Vec<Value> = events[..events.len() - 1].iter().map(Event::json).collect();
    let text: String = chunks.iter().filter_map(|chunk| chunk.pointer("/choices/0/delta/content")?.as_str()).collect();
    assert_eq!(text, said, "put back across events of one character each");
    let response = json!({"model": "there", "input": format!("Repeat: {said}")});
    let response = api.post("/v1/responses", response).await.json();
    assert_eq!(response["output"][0]["content"][0]["text"], said, "answers that are read as pieces, too: {response}");
    for asked in upstream.asked() {
        let sent = asked["messages"][0]["content"].as_str().expect("text").to_owned();
        assert_eq!(sent, "Repeat: 张三, [[PHONE_1]], [[EMAIL_1]], [[ID_1]]; ring [[PHONE_1]] [[");
    }
    let refused = api.post("/v1/chat/completions", ask("NIGHTINGALE")).await.refused(400);
    assert_eq!(refused["code"], "content_filter");
    assert!(refused["message"].to_string().contains("`projects`"), "{refused}");
    assert_eq!(api.post("/v1/chat/completions", ask(&"x".repeat(2000))).await.refused(400)["code"], "max_prompt");
    let refused = json!({"model": "there", "input": "nightingale"});
    assert_eq!(api.post("/v1/responses", refused).await.refused(400)["code"], "content_filter");
    assert_eq!(upstream.asked().len(), 3, "what is refused does not leave");
    assert!(!server.log().contains("13800138000"));
    server.stop().await;
}
