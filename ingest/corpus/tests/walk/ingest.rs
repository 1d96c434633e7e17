//! In, and in again.

use kubemate_corpus::SearchRequest;
use kubemate_ledger::DocumentStatus;
use kubemate_vectors::{AttributeValue, Filter};
use serde_json::json;

use crate::house::{COMMON, House, book, section, tenant};

#[tokio::test]
async fn a_document_goes_in_and_its_passages_are_slices_of_its_stored_text() {
    let (house, a) = (House::new().await, tenant("a"));
    let store = house.store(&a).await;
    let file = house.add(&a, &store, "book.md", &book(6)).await;
    assert!(house.find(&a, &store, COMMON).await.is_empty(), "nothing is visible before it is complete");
    house.settle().await;

    let row = house.document(&a, &store, &file).await;
    assert_eq!((row.status, row.percent, row.stage.as_str()), (DocumentStatus::Completed, 100, "done"));
    assert_eq!((row.chunks, house.points(&a, &store).await), (6, 6));
    assert!(row.usage_bytes > 0);
    let found = house.find(&a, &store, "what is subject4?").await;
    assert_eq!(found.len(), 6);
    assert!(found[0].passage.text.contains("subject4"));
    let text: Vec<char> = house.corpus().text(&a, &store, &file).await.unwrap().chars().collect();
    for found in &found {
        let slice: String = text[found.passage.start as usize..found.passage.end as usize].iter().collect();
        assert_eq!(slice, found.passage.text);
        assert_eq!((found.filename.as_str(), found.file.as_str()), ("book.md", file.as_str()));
        assert!((0.0..=1.0).contains(&found.score));
    }
    assert_eq!(found[0].passage.heading, ["Section 4"]);
}

#[tokio::test]
async fn the_same_content_again_embeds_nothing() {
    let (house, a) = (House::new().await, tenant("a"));
    let (one, other) = (house.store(&a).await, house.store(&a).await);
    house.add(&a, &one, "book.md", &book(5)).await;
    house.settle().await;
    let embedded = house.embedder.embedded();
    assert_eq!(embedded, 5);
    house.add(&a, &one, "book.md", &book(5)).await; // a new upload
    house.add(&a, &other, "renamed.md", &book(5)).await; // another knowledge base
    house.settle().await;
    assert_eq!(house.embedder.embedded(), embedded);
    assert_eq!((house.points(&a, &one).await, house.points(&a, &other).await), (10, 5));
}

#[tokio::test]
async fn another_tenant_never_gets_anybodys_vectors() {
    let (house, a, b) = (House::new().await, tenant("a"), tenant("b"));
    let (of_a, of_b) = (house.store(&a).await, house.store(&b).await);
    house.add(&a, &of_a, "book.md", &book(3)).await;
    house.settle().await;
    house.add(&b, &of_b, "book.md", &book(3)).await;
    house.settle().await;
    assert_eq!(house.embedder.embedded(), 6);
}

#[tokio::test]
async fn of_a_changed_file_of_the_same_name_only_the_change_is_embedded() {
    let (house, a) = (House::new().await, tenant("a"));
    let store = house.store(&a).await;
    house.add(&a, &store, "book.md", &book(6)).await;
    house.settle().await;
    let changed = book(6).replace(&section(2, "as it was first written"), &section(2, "revised"));
    house.add(&a, &store, "book.md", &changed).await;
    house.settle().await;
    assert_eq!(house.embedder.embedded(), 7);
}

#[tokio::test]
async fn a_file_cut_in_another_way_replaces_its_passages() {
    let (house, a) = (House::new().await, tenant("a"));
    let store = house.store(&a).await;
    let text: String = book(8).lines().filter(|line| !line.starts_with('#')).map(|line| format!("{line}\n")).collect();
    let file = house.add(&a, &store, "book.txt", &text).await;
    house.settle().await;
    let before = house.document(&a, &store, &file).await;
    let wide = json!({"type": "static", "static": {"max_chunk_size_tokens": 400, "chunk_overlap_tokens": 0}});
    house.attach_with(&a, &store, &file, json!({}), wide).await;
    house.settle().await;
    let after = house.document(&a, &store, &file).await;
    assert!(after.chunks < before.chunks && after.version > before.version);
    assert_eq!(house.points(&a, &store).await, after.chunks as u64, "the older version is gone");
    assert_eq!(house.keys(&a).await.iter().filter(|key| key.starts_with("texts/")).count(), 1);
}

#[tokio::test]
async fn new_attributes_reach_the_filter_without_embedding() {
    let (house, a) = (House::new().await, tenant("a"));
    let store = house.store(&a).await;
    let file = house.add(&a, &store, "book.md", &book(3)).await;
    house.settle().await;
    house.ledger.update_attributes(&a, &store, &file, json!({"year": 2024, "final": true}), house.now()).await.unwrap();
    house.settle().await;
    assert_eq!(house.embedder.embedded(), 3);
    for (year, hits) in [(2024.0, 3), (2023.0, 0)] {
        let filter = Some(Filter::Eq("year".into(), AttributeValue::Number(year)));
        let request = SearchRequest { filter, ..SearchRequest::new(vec![COMMON.to_owned()], 10) };
        let found = house.corpus().search(&a, std::slice::from_ref(&store), request).await.unwrap();
        assert_eq!(found.len(), hits);
    }
}

#[tokio::test]
async fn chinese_text_goes_the_same_way() {
    let (house, a) = (House::new().await, tenant("a"));
    let store = house.store(&a).await;
    let text = "# 休假\n\n员工每年享有十五天带薪年假。\n\n# 报销\n\n员工应在三十天内提交报销单，单张发票超过五千元的需要审批。\n";
    let file = house.add(&a, &store, "制度.md", text).await;
    house.settle().await;
    let found = house.find(&a, &store, "报销单什么时候提交？").await;
    assert!(found[0].passage.text.contains("三十天"), "{found:?}");
    let text: Vec<char> = house.corpus().text(&a, &store, &file).await.unwrap().chars().collect();
    let passage = &found[0].passage;
    assert_eq!(text[passage.start as usize..passage.end as usize].iter().collect::<String>(), passage.text);
}
