use kubemate_engine::Embedder;
use kubemate_engine::fake::FakeEmbedder;
use kubemate_parse::{Block, BlockKind, Document, Format};
use kubemate_vectors::{Attributes, Passage};
use proptest::prelude::*;

use super::*;
use crate::{ChunkConfig, Chunking, ChunkingStrategy, Sight, chunk};

const HANDBOOK: &str = "Leave policy\n\nFull-time employees receive 15 days of paid annual leave. Unused days expire on \
    31 March of the following year. Dr. Ada Wong approves exceptions.\n\nThe probation period lasts three months.";
const GUIDE: &str = "报销流程\n\n员工应在出差结束后三十天内提交报销单。单张发票超过五千元的，需要财务总监王芳审批。报销款在十个工作日内到账。";

/// A passage that stands `start` characters deep in its file.
fn offered(number: usize, start: u64, text: &str) -> Offered {
    let passage = Passage {
        file: format!("file-{number}"),
        version: 1,
        ordinal: 0,
        page: Some(3),
        page_end: None,
        start,
        end: start + text.chars().count() as u64,
        heading: Vec::new(),
        filename: format!("{number}.pdf"),
        text: text.to_owned(),
        attributes: Attributes::new(),
    };
    let (file, filename) = (passage.file.clone(), passage.filename.clone());
    Offered { number, found: Found { store: "vs_1".to_owned(), file, filename, score: 0.9, evidence: 0.9, passage } }
}

fn both() -> Vec<Offered> {
    vec![offered(1, 100, HANDBOOK), offered(2, 0, GUIDE)]
}

fn quotes(answer: &str) -> Vec<(usize, String)> {
    let cited = cite(answer, &both(), &CiteConfig::default());
    cited.annotations.into_iter().map(|annotation| (annotation.number, annotation.quote)).collect()
}

#[test]
fn an_unmarked_sentence_is_attributed_to_the_exact_sentence() {
    let answer = "Employees get 15 days of paid leave per year.";
    let cited = cite(answer, &both(), &CiteConfig::default());
    let annotation = &cited.annotations[0];
    assert_eq!(annotation.quote, "Full-time employees receive 15 days of paid annual leave.");
    assert_eq!((annotation.number, annotation.page, annotation.index), (1, Some(3), answer.len()));
    let start = 100 + HANDBOOK.find("Full-time").unwrap() as u64;
    assert_eq!((annotation.start, annotation.end), (start, start + annotation.quote.len() as u64));
    assert_eq!(cited.text, answer);
}

#[test]
fn a_quote_names_its_own_page_of_a_passage_over_two() {
    let (first, rest) =
        ("The warranty lasts three years. It covers parts", "and labour at the depot. Return shipping is free.");
    let text = format!("{first}\n\n{rest}");
    let block = |range: std::ops::Range<usize>, page| Block { kind: BlockKind::Paragraph, range, page: Some(page) };
    let blocks = vec![block(0..first.len(), 7), block(first.len() + 2..text.len(), 8)];
    let document = Document { format: Format::Pdf, title: None, text, blocks, pages: Some(8) };
    let chunking = Chunking { config: ChunkConfig::default(), strategy: ChunkingStrategy::Auto };
    let chunks = chunk(&document, &*FakeEmbedder::new(8).tokenizer(), Sight { tokens: 400 }, &chunking);
    let chunk = &chunks[0];
    assert_eq!((chunk.page, chunk.page_end), (Some(7), Some(8)));
    let mut offered = offered(1, chunk.start, &document.text[chunk.bytes.clone()]);
    (offered.found.passage.page, offered.found.passage.page_end) = (chunk.page, chunk.page_end);
    let page = |offered: &Offered, words: &str| {
        let at = offered.found.passage.text.find(words).unwrap();
        Annotation::of(offered, at..at + words.len()).page
    };
    assert_eq!(page(&offered, "The warranty lasts three years."), Some(7));
    assert_eq!(page(&offered, "It covers parts\n\nand labour"), Some(7), "the page it begins on");
    assert_eq!(page(&offered, "and labour at the depot."), Some(8));
    let over = offered.found.passage.text.find("It covers").unwrap();
    let over = Annotation::of(&offered, over..offered.found.passage.text.len());
    assert_eq!((over.page, over.page_end), (Some(7), Some(8)));
    let cited = cite("Labour at the depot.", &[offered], &CiteConfig::default());
    assert_eq!(cited.annotations[0].page, Some(8), "{cited:?}");
}

#[test]
fn chinese_is_attributed_and_numbers_are_compared_by_value() {
    let found = quotes("出差结束后30天内要提交报销单。超过5000元的发票由王芳审批。");
    assert_eq!(found[0], (2, "员工应在出差结束后三十天内提交报销单。".to_owned()));
    assert_eq!(found[1], (2, "单张发票超过五千元的，需要财务总监王芳审批。".to_owned()));
    let annotation = &cite("报销款十个工作日内到账。", &both(), &CiteConfig::default()).annotations[0];
    let slice: String =
        GUIDE.chars().skip(annotation.start as usize).take((annotation.end - annotation.start) as usize).collect();
    assert_eq!(slice, annotation.quote);
}

#[test]
fn what_nothing_supports_stays_uncited() {
    for answer in [
        "I am happy to help you with that!",
        "The capital of France is Paris.",
        "Employees receive 25 days of paid annual leave.", // another number than the passage's
        "Leave is important for the health of employees and their families.",
        "员工应在出差结束后九十天内提交报销单。",
        "今天天气很好，适合出去玩。",
        "希望以上内容对你有帮助。",
        "Yes.",
    ] {
        assert_eq!(quotes(answer), [], "{answer}");
    }
}

#[test]
fn rows_of_a_table_say_nothing_together() {
    let table = "Branch | City | Manager | Employees\nHarbour | Gdansk | Ewa Kowalska | 42\n\
        Old Town | Lisbon | Ana Duarte | 27\n";
    let quotes = |answer: &str| {
        let cited = cite(answer, &[offered(1, 0, table)], &CiteConfig::default());
        cited.annotations.into_iter().map(|annotation| annotation.quote).collect::<Vec<_>>()
    };
    assert_eq!(
        quotes("The manager of the Harbour branch in Gdansk is Ewa Kowalska."),
        ["Harbour | Gdansk | Ewa Kowalska | 42"]
    );
    assert_eq!(quotes("The Old Town branch has 27 employees."), ["Old Town | Lisbon | Ana Duarte | 27"]);
    assert!(quotes("The Old Town branch has 42 employees.").is_empty());
    assert!(quotes("The manager of the branch in Gdansk is Ana Duarte.").is_empty());
}

#[test]
fn short_answers_need_all_of_their_words() {
    assert_eq!(quotes("15 days.")[0].0, 1);
    assert_eq!(quotes("王芳")[0].0, 2);
    assert_eq!(quotes("16 days."), []);
}

#[test]
fn offered_marks_are_kept_with_the_sentence_they_stand_by() {
    let answer = "Leave is 15 days [1]. 审批人是王芳。[2] Nobody knows [7].";
    let cited = cite(answer, &both(), &CiteConfig::default());
    assert_eq!(cited.text, "Leave is 15 days [1]. 审批人是王芳。[2] Nobody knows.");
    let found: Vec<_> = cited.annotations.iter().map(|annotation| (annotation.number, annotation.index)).collect();
    let place = |mark: &str| cited.text.find(mark).map(|at| cited.text[..at].chars().count()).unwrap();
    assert_eq!(found, [(1, place("[1]")), (2, place("[2]"))]);
    assert_eq!(cited.annotations[1].quote, "单张发票超过五千元的，需要财务总监王芳审批。");
}

#[test]
fn a_mark_without_any_support_quotes_the_whole_passage() {
    let cited = cite("Bananas are yellow [2].", &both(), &CiteConfig::default());
    assert_eq!(cited.annotations[0].quote, GUIDE);
    assert_eq!(cite("[1]", &both(), &CiteConfig::default()).annotations.len(), 1);
}

#[test]
fn lists_are_cited_line_by_line() {
    let answer = "1. Probation lasts three months\n2. Unused days expire on March 31\n- bananas";
    let found = quotes(answer);
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[1].1.starts_with("Unused days"));
}

#[test]
fn annotations_come_while_the_answer_is_being_written() {
    let mut citer = StreamCiter::new(&both(), &CiteConfig::default());
    assert_eq!(
        citer.push("Paid annual leave is 15 days."),
        Piece { text: "Paid annual leave is 15 days.".into(), ..Piece::default() }
    );
    let piece = citer.push(" Also");
    assert_eq!(piece.annotations.len(), 1);
    assert_eq!(piece.text, " Also");
    assert_eq!(citer.finish().annotations, []);
}

#[test]
fn behind_a_quote_only_news_that_is_supported_is_let_through() {
    let quote = "Full-time employees receive 15 days of paid annual leave.";
    let answer = "Full-time employees receive 15 days of paid leave [1]. Unused days expire on 31 March [1]. Employees \
        also receive 25 days of sick leave. Unused days expire on 31 March. Dr. Ada Wong approves exceptions";
    for pieces in [vec![answer], answer.split_inclusive(' ').collect()] {
        let mut sieve = Sieve::new(&both(), quote);
        let mut passed: String = pieces.into_iter().map(|piece| sieve.push(piece)).collect();
        passed.push_str(&sieve.finish());
        assert_eq!(passed, "Unused days expire on 31 March. Dr. Ada Wong approves exceptions");
    }
    let mut sieve = Sieve::new(&both(), "");
    assert_eq!(sieve.push("I am happy to help! The capital of France is Paris.") + &sieve.finish(), "");
}

proptest! {
    #[test]
    fn deltas_make_no_difference_and_quotes_are_slices(
        picks in prop::collection::vec(0usize..9, 1..12), cuts in prop::collection::vec(0usize..400, 0..20),
    ) {
        let parts = [
            "Paid annual leave is 15 days", " [1]", "[9]", ". ", "。", "报销款在10个工作日内到账", "\n- ", "Dr. Ada Wong approves exceptions", " [2][1]",
        ];
        let answer: String = picks.iter().map(|pick| parts[*pick]).collect();
        let whole = cite(&answer, &both(), &CiteConfig::default());
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| answer.floor_char_boundary(cut)).collect();
        cuts.sort_unstable();
        let mut citer = StreamCiter::new(&both(), &CiteConfig::default());
        let (mut at, mut streamed) = (0, Cited::default());
        for cut in cuts.into_iter().chain([answer.len()]) {
            let piece = citer.push(&answer[at..cut]);
            at = cut;
            streamed.text.push_str(&piece.text);
            let sent = streamed.text.chars().count();
            prop_assert!(piece.annotations.iter().all(|annotation| annotation.index <= sent));
            streamed.annotations.extend(piece.annotations);
        }
        let last = citer.finish();
        streamed.text.push_str(&last.text);
        streamed.annotations.extend(last.annotations);
        prop_assert_eq!(&streamed, &whole);
        prop_assert!(!whole.text.contains("[9]"));
        for annotation in &whole.annotations {
            let (deep, text) = if annotation.number == 1 { (100, HANDBOOK) } else { (0, GUIDE) };
            let slice: String = text.chars().skip((annotation.start - deep) as usize).take((annotation.end - annotation.start) as usize).collect();
            prop_assert_eq!(&slice, &annotation.quote);
        }
    }
}
