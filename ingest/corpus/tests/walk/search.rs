//! Who finds what.

use kubemate_corpus::{CorpusError, Rerank, SearchRequest};
use kubemate_ledger::LedgerError;

use crate::house::{COMMON, House, book, section, tenant};

#[tokio::test]
async fn a_knowledge_base_of_another_tenant_does_not_exist() {
    let (house, a, b) = (House::new().await, tenant("a"), tenant("b"));
    let (of_a, of_b) = (house.store(&a).await, house.store(&b).await);
    let file = house.add(&a, &of_a, "book.md", &book(3)).await;
    house.settle().await;
    let corpus = house.corpus();
    for stores in [vec![of_a.clone()], vec![of_b.clone(), of_a.clone()]] {
        let refused = corpus.search(&b, &stores, SearchRequest::new(vec![COMMON.into()], 5)).await;
        assert!(matches!(refused, Err(CorpusError::Ledger(LedgerError::NotFound { .. }))));
    }
    assert!(house.find_with(&corpus, &b, &of_b, COMMON).await.is_empty());
    assert_eq!(corpus.text(&b, &of_a, &file).await.unwrap_err().code(), "not_found");
}

#[tokio::test]
async fn several_knowledge_bases_are_searched_as_one() {
    let (house, a) = (House::new().await, tenant("a"));
    let (one, other) = (house.store(&a).await, house.store(&a).await);
    house.add(&a, &one, "one.md", &section(1, "in the first place")).await;
    house.add(&a, &other, "two.md", &section(2, "in the second place")).await;
    house.settle().await;
    let stores = [one.clone(), other.clone()];
    let queries = vec!["tell me of subject2".to_owned(), "subject1".to_owned()];
    let found = house.corpus().search(&a, &stores, SearchRequest::new(queries, 10)).await.unwrap();
    let mut names: Vec<&str> = found.iter().map(|found| found.filename.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["one.md", "two.md"]);
    assert!(
        found.iter().all(|found| found.store == if found.filename == "one.md" { one.as_str() } else { other.as_str() })
    );
}

#[tokio::test]
async fn a_question_about_something_else_finds_no_grounds() {
    let (house, a) = (House::new().await, tenant("a"));
    let store = house.store(&a).await;
    house.add(&a, &store, "book.md", &book(4)).await;
    house.settle().await;
    let corpus = house.corpus();
    let ask = async |query: &str| {
        let request = SearchRequest::new(vec![query.to_owned()], 5);
        corpus.grounds(&a, std::slice::from_ref(&store), request).await.unwrap()
    };
    assert!(!ask("what does the kubemate book say about subject2?").await.is_empty());
    assert!(ask("when do penguins migrate across Antarctica").await.is_empty());
    let request =
        SearchRequest { score_threshold: Some(0.5), ..SearchRequest::new(vec!["penguins migrate".into()], 5) };
    assert!(corpus.search(&a, &[store], request).await.unwrap().is_empty());
}

#[tokio::test]
async fn the_best_hit_comes_first_and_scores_fall() {
    let (house, a) = (House::new().await, tenant("a"));
    let store = house.store(&a).await;
    house.add(&a, &store, "book.md", &book(9)).await;
    house.settle().await;
    let found = house.find(&a, &store, "subject7 item 7 of the list").await;
    assert!(found[0].passage.text.contains("subject7"));
    assert!(found.windows(2).all(|pair| pair[0].score >= pair[1].score));
    assert!(found[0].evidence > found[8].evidence);
}

#[tokio::test]
async fn a_weight_of_one_or_zero_asks_one_side_only() {
    let (house, a) = (House::new().await, tenant("a"));
    let store = house.store(&a).await;
    house.add(&a, &store, "book.md", &book(9)).await;
    house.settle().await;
    let ask = async |weight, query: &str| {
        let request = SearchRequest {
            lexical_weight: Some(weight),
            rerank: Rerank::Off,
            ..SearchRequest::new(vec![query.to_owned()], 50)
        };
        house.corpus().search(&a, std::slice::from_ref(&store), request).await.unwrap()
    };
    assert_eq!(ask(0.0, "penguins").await.len(), 9, "every passage is somehow near");
    assert_eq!(ask(1.0, "subject7").await.len(), 9, "every passage holds a word of it");
    assert_eq!(ask(1.0, "penguins").await, []);
}

#[tokio::test]
async fn a_second_look_keeps_what_was_found() {
    let (house, a) = (House::new().await, tenant("a"));
    let store = house.store(&a).await;
    house.add(&a, &store, "book.md", &book(9)).await;
    house.settle().await;
    let ask = async |rerank| {
        let request = SearchRequest { rerank, ..SearchRequest::new(vec!["subject7 item 7".to_owned()], 50) };
        house.corpus().search(&a, std::slice::from_ref(&store), request).await.unwrap()
    };
    let (plain, again) = (ask(Rerank::Off).await, ask(Rerank::Own).await);
    assert_eq!(plain.len(), again.len());
    assert!(again[0].passage.text.contains("subject7"));
    assert!(again.windows(2).all(|pair| pair[0].score >= pair[1].score));
}
