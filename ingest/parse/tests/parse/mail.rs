//! Mail and text as people send them.

use kubemate_parse::{BlockKind, Format};

use crate::{fixture, read, try_parse};

#[test]
fn a_mail_is_headers_body_attachments_and_the_mail_inside() {
    let document = read("offer.eml");
    assert_eq!(document.title.as_deref(), Some("三月报价单"));
    assert!(document.text.contains("From: 李雷 <li@example.com>\nTo: Han Meimei <han@example.com>"));
    assert!(document.text.contains("报价总额为 128,000 元，有效期至 2026 年 4 月 30 日。"));
    assert!(document.text.contains("Attachment: 报价单.pdf (application/pdf)"));
    assert!(document.text.contains("Original request"));
    assert!(document.text.ends_with("Please send the price list before Friday."));
}

#[test]
fn a_text_in_gb18030_is_decoded_and_its_chapter_found() {
    let document = read("notice-gb18030.txt");
    assert_eq!(document.blocks[0].kind, BlockKind::Heading { level: 1 });
    assert!(document.text.contains("新地址为滨江路 88 号"));
}

#[test]
fn content_decides_over_the_name() {
    let limits = kubemate_parse::Limits::default();
    let format = |bytes: &[u8], name| try_parse(bytes, name, &limits).unwrap().format;
    assert_eq!(format(&fixture("manual-en.pdf"), "a.txt"), Format::Pdf);
    assert_eq!(format(&fixture("tables.xlsx"), "a.docx"), Format::Xlsx);
    assert_eq!(format(&fixture("offer.eml"), "a"), Format::Email);
    assert_eq!(format(b"<!DOCTYPE html><p>x", "a.txt"), Format::Html);
    assert_eq!(format(b"a,b\n1,2", "a.csv"), Format::Csv);
    assert_eq!(format(b"# x", "a.md"), Format::Markdown);
    assert_eq!(format(b"# x", "a.py"), Format::Text);
}
