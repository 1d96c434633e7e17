use kubemate_engine::Embedder;
use kubemate_engine::fake::FakeEmbedder;
use kubemate_vectors::{Attributes, Passage};

use super::*;

fn found(text: &str, heading: &[&str]) -> Found {
    let passage = Passage {
        file: "file-1".into(),
        version: 1,
        ordinal: 0,
        page: Some(4),
        page_end: None,
        start: 10,
        end: 10 + text.chars().count() as u64,
        heading: heading.iter().map(|part| (*part).to_owned()).collect(),
        filename: "handbook.pdf".into(),
        text: text.to_owned(),
        attributes: Attributes::new(),
    };
    Found {
        store: "vs_1".into(),
        file: "file-1".into(),
        filename: "handbook.pdf".into(),
        score: 0.9,
        evidence: 0.9,
        passage,
    }
}

fn packed(question: &str, found: &[Found], budget: usize) -> Packed {
    pack(question, found.to_vec(), budget, &*FakeEmbedder::new(8).tokenizer())
}

#[test]
fn passages_are_numbered_fenced_and_come_before_the_question() {
    let both = [found("Leave is 15 days.", &["Policy", "Leave"]), found("Sick leave is 10 days.", &[])];
    let packed = packed("How long is leave?", &both, 1000);
    assert_eq!(
        packed.user,
        "<passage id=\"1\" source=\"handbook.pdf, page 4\">\nPolicy > Leave\nLeave is 15 days.\n</passage>\n\
         <passage id=\"2\" source=\"handbook.pdf, page 4\">\nSick leave is 10 days.\n</passage>\n\nQuestion: How long is leave?"
    );
    assert_eq!(packed.offered.iter().map(|offered| offered.number).collect::<Vec<_>>(), [1, 2]);
}

#[test]
fn the_question_decides_the_language() {
    let one = [found("年假十五天。", &[])];
    let packed = packed("年假几天？", &one, 1000);
    assert!(packed.system.contains("请只根据"));
    assert!(packed.user.contains("handbook.pdf, 第4页") && packed.user.ends_with("问题：年假几天？"));
}

#[test]
fn the_best_passage_is_cut_to_whole_sentences_and_its_span_with_it() {
    let long = "One sentence of seven words is here. ".repeat(20);
    let packed = packed("What?", &[found(long.trim(), &[]), found("tiny", &[])], 70);
    let first = &packed.offered[0].found.passage;
    assert!(first.text.ends_with("is here.") && first.text.len() < long.len());
    assert_eq!(first.end - first.start, first.text.chars().count() as u64);
    assert!(packed.passage_tokens <= 70);
}

#[test]
fn a_passage_that_does_not_fit_makes_room_for_a_shorter_one() {
    let long = "word ".repeat(300);
    let all = [found("First.", &[]), found(&long, &[]), found("Third.", &[])];
    let packed = packed("What?", &all, 100);
    let texts: Vec<&str> = packed.offered.iter().map(|offered| offered.found.passage.text.as_str()).collect();
    assert_eq!(texts, ["First.", "Third."]);
}

#[test]
fn without_passages_there_is_an_answer_and_nothing_to_ask() {
    let chinese = packed("天气怎么样？", &[], 1000);
    assert_eq!(
        (chinese.nothing.as_str(), chinese.user.as_str()),
        ("知识库中没有找到与这个问题相关的内容。", "天气怎么样？")
    );
    assert!(chinese.offered.is_empty() && chinese.system.is_empty());
    assert_eq!(packed("weather?", &[], 9).nothing, "I could not find anything about this in the knowledge base.");
}

#[test]
fn a_passage_cut_before_its_second_page_ends_on_the_first() {
    let mut long =
        found("One short sentence here. And the one that goes over\n\nto the next page, where it ends.", &[]);
    long.passage.page_end = Some(5);
    let whole = packed("?", std::slice::from_ref(&long), 1000);
    assert_eq!(whole.offered[0].found.passage.page_end, Some(5));
    let cut = packed("?", &[long], whole.passage_tokens - 3);
    assert!(whole.offered[0].found.passage.text.starts_with(&cut.offered[0].found.passage.text));
    assert_eq!(cut.offered[0].found.passage.page_end, None);
}
