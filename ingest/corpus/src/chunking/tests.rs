use kubemate_engine::Embedder;
use kubemate_engine::fake::FakeEmbedder;
use kubemate_parse::{Block, BlockKind, Format};
use proptest::prelude::*;

use super::*;

use BlockKind::{Contents, Heading, ListItem, Paragraph, TableHeader, TableRow};

/// A document of blocks with their pages (0: none).
pub(crate) fn document(blocks: &[(BlockKind, u32, &str)]) -> Document {
    let mut text = String::new();
    let mut found = Vec::new();
    for (kind, page, part) in blocks {
        let row = matches!(kind, TableHeader | TableRow | ListItem);
        if !text.is_empty() {
            text.push_str(if row { "\n" } else { "\n\n" });
        }
        let start = text.len();
        text.push_str(part);
        found.push(Block { kind: *kind, range: start..text.len(), page: Some(*page).filter(|page| *page > 0) });
    }
    Document { format: Format::Text, title: None, text, blocks: found, pages: None }
}

fn sizes(size: usize, overlap: usize) -> Chunking {
    let config = ChunkConfig { tokens: size, overlap, heading_prefix: true };
    Chunking { config, strategy: ChunkingStrategy::Auto }
}

fn cut(document: &Document, size: usize, overlap: usize) -> Vec<Chunk> {
    let counter = FakeEmbedder::new(8).tokenizer();
    chunk(document, &*counter, Sight { tokens: 400 }, &sizes(size, overlap))
}

fn passages<'a>(document: &'a Document, chunks: &[Chunk]) -> Vec<&'a str> {
    chunks.iter().map(|chunk| &document.text[chunk.bytes.clone()]).collect()
}

#[test]
fn each_section_is_a_passage_that_shows_its_heading_and_knows_its_path() {
    let body = "one two three four five six seven eight nine ten.";
    let document = document(&[
        (Heading { level: 1 }, 0, "Guide"),
        (Heading { level: 2 }, 0, "Setup"),
        (Paragraph, 0, body),
        (Heading { level: 2 }, 0, "Use"),
        (Paragraph, 0, body),
    ]);
    let chunks = cut(&document, 64, 0);
    assert_eq!(passages(&document, &chunks), [format!("Guide\n\nSetup\n\n{body}"), format!("Use\n\n{body}")]);
    assert_eq!(chunks[0].heading, ["Guide", "Setup"]);
    assert_eq!(chunks[1].heading, ["Guide", "Use"]);
    assert_eq!(chunks[0].embedded, format!("Guide\n\nSetup\n\n{body}"));
    assert_eq!(chunks[1].embedded, format!("Guide\nUse\n\n{body}"));
}

#[test]
fn a_table_of_contents_is_no_passage_and_in_none() {
    let document = document(&[
        (Paragraph, 0, "one two three four."),
        (Contents, 0, "Setup … 3 Use … 9"),
        (Paragraph, 0, "five six seven eight."),
    ]);
    let chunks = cut(&document, 64, 0);
    assert_eq!(passages(&document, &chunks), ["one two three four.", "five six seven eight."]);
    let only = super::tests::document(&[(Contents, 0, "Setup … 3 Use … 9")]);
    assert_eq!(passages(&only, &cut(&only, 64, 0)), ["Setup … 3 Use … 9"]);
}

#[test]
fn a_mere_crumb_is_joined_with_its_sibling_but_not_with_the_next_chapter() {
    let document = document(&[
        (Heading { level: 2 }, 0, "A"),
        (Paragraph, 0, "x."),
        (Heading { level: 2 }, 0, "B"),
        (Paragraph, 0, "y."),
        (Heading { level: 1 }, 0, "C"),
        (Paragraph, 0, "z."),
    ]);
    let chunks = cut(&document, 64, 0);
    assert_eq!(passages(&document, &chunks), ["A\n\nx.\n\nB\n\ny.", "C\n\nz."]);
}

#[test]
fn a_table_cut_in_parts_repeats_its_header_in_what_is_embedded_only() {
    let rows: Vec<String> = (0..30).map(|row| format!("item{row} | {row}")).collect();
    let mut blocks = vec![(Heading { level: 1 }, 1, "Prices"), (TableHeader, 1, "name | price")];
    blocks.extend(rows.iter().map(|row| (TableRow, 1, row.as_str())));
    let document = document(&blocks);
    let chunks = cut(&document, 32, 8);
    assert!(chunks.len() > 2);
    assert!(document.text[chunks[0].bytes.clone()].starts_with("Prices\nname | price\nitem0"));
    for chunk in &chunks[1..] {
        let passage = &document.text[chunk.bytes.clone()];
        assert!(passage.starts_with("item"), "{passage}");
        assert_eq!(chunk.embedded, format!("Prices\nname | price\n{passage}"));
        assert_eq!(chunk.heading, ["Prices", "name | price"]);
    }
    let shown: usize = chunks.iter().map(|chunk| document.text[chunk.bytes.clone()].lines().count()).sum();
    assert_eq!(shown, 30 + 2, "rows are in one passage each");
}

#[test]
fn a_page_ends_a_passage_except_to_finish_its_sentence() {
    let document = document(&[
        (Paragraph, 1, "The first page says one thing."),
        (Paragraph, 2, "The second page begins and its sentence"),
        (Paragraph, 3, "ends on the third. More there."),
    ]);
    let chunks = cut(&document, 64, 0);
    let pages: Vec<_> = chunks.iter().map(|chunk| (chunk.page, chunk.page_end)).collect();
    assert_eq!(pages, [(Some(1), None), (Some(2), Some(3)), (Some(3), None)]);
    assert!(passages(&document, &chunks)[1].ends_with("ends on the third."));
}

#[test]
fn a_heading_alone_at_the_foot_of_a_page_goes_with_its_text() {
    let document = document(&[
        (Paragraph, 1, "Some words on the first page, enough to stand alone."),
        (Heading { level: 1 }, 1, "Next"),
        (Paragraph, 2, "The text of next."),
    ]);
    let chunks = cut(&document, 64, 0);
    assert_eq!(chunks.len(), 2);
    assert_eq!(chunks[1].page, Some(2));
    assert_eq!(chunks[1].embedded, "Next\nThe text of next.");
}

#[test]
fn chinese_is_cut_at_its_own_sentence_ends() {
    let sentence = "员工每年享有十五天带薪年假，应提前两周申请。";
    let text = sentence.repeat(20);
    let document = document(&[(Heading { level: 1 }, 0, "休假"), (Paragraph, 0, &text)]);
    let chunks = cut(&document, 80, 25);
    assert!(chunks.len() > 5);
    for (chunk, passage) in chunks.iter().zip(passages(&document, &chunks)) {
        assert!(passage.ends_with("申请。"), "{passage}");
        assert!(chunk.ordinal == 0 || passage.starts_with("员工"), "{passage}");
        let slice: String =
            document.text.chars().skip(chunk.start as usize).take((chunk.end - chunk.start) as usize).collect();
        assert_eq!(slice, passage);
    }
    assert!(chunks.windows(2).any(|pair| pair[1].start < pair[0].end), "neighbours share a sentence");
}

#[test]
fn text_without_any_sentence_end_is_cut_where_words_end() {
    let text = "word ".repeat(5000);
    let document = document(&[(Paragraph, 0, text.trim_end())]);
    let chunks = cut(&document, 64, 0);
    assert!(
        passages(&document, &chunks).iter().all(|passage| passage.starts_with("word") && passage.ends_with("word"))
    );
}

fn any_block() -> impl Strategy<Value = (BlockKind, u32, String)> {
    let kind = prop_oneof![
        (1u8..4).prop_map(|level| Heading { level }),
        Just(Paragraph),
        Just(Paragraph),
        Just(ListItem),
        Just(TableHeader),
        Just(TableRow),
        Just(BlockKind::Code),
    ];
    (kind, 0u32..2, "[a-z中文字 .。,，!?😀\\n-]{1,120}[a-z]")
}

proptest! {
    #[test]
    fn every_chunk_is_a_slice_within_the_limits_and_nothing_is_lost(
        blocks in prop::collection::vec(any_block(), 1..30), size in 16usize..80, overlap in 0usize..40,
    ) {
        let mut page = 1;
        let blocks: Vec<(BlockKind, u32, &str)> = blocks.iter().map(|(kind, turn, text)| {
            page += turn;
            (*kind, page, text.trim())
        }).collect();
        let document = document(&blocks);
        let counter = FakeEmbedder::new(8).tokenizer();
        let sight = Sight { tokens: 100 };
        let chunks = chunk(&document, &*counter, sight, &sizes(size, overlap));
        let all: Vec<char> = document.text.chars().collect();
        let mut seen = vec![false; document.text.len()];
        for (at, chunk) in chunks.iter().enumerate() {
            let passage = &document.text[chunk.bytes.clone()];
            let slice: String = all[chunk.start as usize..chunk.end as usize].iter().collect();
            prop_assert_eq!(&slice, passage);
            prop_assert_eq!(passage.trim(), passage);
            prop_assert_eq!(chunk.ordinal as usize, at);
            prop_assert!(chunk.embedded.ends_with(passage));
            prop_assert!(counter.count(passage) <= size, "{} tokens of {size}: {passage:?}", counter.count(passage));
            prop_assert!(counter.count(&chunk.embedded) <= sight.tokens);
            chunk.bytes.clone().for_each(|byte| seen[byte] = true);
        }
        for block in document.blocks.iter().filter(|block| !matches!(block.kind, Heading { .. })) {
            let lost = document.text[block.range.clone()].char_indices()
                .any(|(at, letter)| !letter.is_whitespace() && !seen[block.range.start + at]);
            prop_assert!(!lost, "{:?}", &document.text[block.range.clone()]);
        }
    }
}

/// Paragraphs of sentences, all different, as a book without headings has them.
fn paragraph(seed: u64) -> String {
    let number = |at: u64| (seed * 31 + at).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
    let sentence = |at: u64| {
        let words: Vec<String> = (0..6 + number(at) % 18).map(|word| format!("w{}", number(at * 100 + word))).collect();
        format!("{}.", words.join(" "))
    };
    (0..1 + number(0) % 7).map(sentence).collect::<Vec<_>>().join(" ")
}

#[test]
fn editing_one_paragraph_of_a_book_changes_at_most_four_passages() {
    let book = |edited: Option<usize>| {
        let text = |at: usize| paragraph(if edited == Some(at) { 10_000 + at as u64 } else { at as u64 });
        let texts: Vec<String> = (0..300).map(text).collect();
        let blocks: Vec<_> = texts.iter().map(|text| (Paragraph, 0, text.as_str())).collect();
        let chunks = cut(&document(&blocks), 320, 48);
        chunks.into_iter().map(|chunk| chunk.embedded).collect::<Vec<_>>()
    };
    let before: std::collections::HashSet<String> = book(None).into_iter().collect();
    let changed = |at| book(Some(at)).iter().filter(|text| !before.contains(*text)).count();
    let mut counts: Vec<usize> = (0..300).map(changed).collect();
    counts.sort_unstable();
    println!("{} {:?} mean {}", before.len(), &counts[280..], counts.iter().sum::<usize>() as f64 / 300.0);
    assert!(counts.last().is_some_and(|most| *most <= 4), "{counts:?}");
}
