use super::*;
use crate::BlockKind;

fn blocks(text: &str) -> Vec<(BlockKind, String)> {
    let document = parse(text, &Limits::default()).unwrap();
    document.blocks.iter().map(|b| (b.kind, document.text[b.range.clone()].to_owned())).collect()
}

fn heading(level: u8, text: &str) -> (BlockKind, String) {
    (BlockKind::Heading { level }, text.to_owned())
}

fn paragraph(text: &str) -> (BlockKind, String) {
    (BlockKind::Paragraph, text.to_owned())
}

#[test]
fn chinese_chapters_are_headings_and_indents_are_paragraphs() {
    let text = "第一章 总则\n　　甲方委托乙方。\n　　乙方接受。\n第二节 付款方式\n第三条 违约金为百分之五。\n";
    let expected = [
        heading(1, "第一章 总则"),
        paragraph("甲方委托乙方。"),
        paragraph("乙方接受。"),
        heading(2, "第二节 付款方式"),
        paragraph("第三条 违约金为百分之五。"),
    ];
    assert_eq!(blocks(text), expected);
}

#[test]
fn wrapped_lines_are_joined_and_short_lines_are_kept() {
    let text = "Kubemate answers questions from a company's own documents and\nshows for every sentence where it was found in the source.\n\nName: Li\nRoom: 12\n";
    let joined = "Kubemate answers questions from a company's own documents and shows for every sentence where it was found in the source.";
    assert_eq!(blocks(text), [paragraph(joined), paragraph("Name: Li\nRoom: 12")]);
}

#[test]
fn numbered_and_underlined_headings_are_found_lists_are_not() {
    let text = "Guide\n=====\n\n2.1 Storage\n\nBody text.\n\n1. First do this.\n2. Then that.\n\n- one\n- two\n  more\n\n三、付款\n\n内容。";
    let expected = [
        heading(1, "Guide"),
        heading(2, "2.1 Storage"),
        paragraph("Body text."),
        paragraph("1. First do this.\n2. Then that."),
        (BlockKind::ListItem, "- one".to_owned()),
        (BlockKind::ListItem, "- two more".to_owned()),
        heading(2, "三、付款"),
        paragraph("内容。"),
    ];
    assert_eq!(blocks(text), expected);
}

#[test]
fn programs_keep_their_lines() {
    let text = "fn main() {\n    run();\n}\n\nfn run() {}\n";
    let document = parse_source(text, &Limits::default()).unwrap();
    assert_eq!(document.text, text.trim_end());
    assert_eq!(document.blocks.len(), 1);
    assert_eq!(document.blocks[0].kind, BlockKind::Code);
}
