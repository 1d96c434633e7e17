//! Files made to hurt: each is refused with a code, within its limits.

use crate::made::{HELLO, HELVETICA, archive, docx, pdf};
use crate::{code_of, fixture, try_parse};
use kubemate_parse::Limits;

#[test]
fn a_bomb_is_seen_by_its_ratio() {
    let zeros = vec![b' '; 64 << 20];
    let bomb = archive(&[("word/document.xml", &zeros)]);
    assert!(bomb.len() < 1 << 20);
    assert_eq!(code_of(&bomb, "bomb.docx"), "too_large");
}

#[test]
fn members_are_counted_and_their_paths_checked() {
    let names: Vec<String> = (0..50).map(|index| format!("word/{index}.xml")).collect();
    let members: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), &b"x"[..])).collect();
    let limits = Limits { max_zip_entries: 40, ..Limits::default() };
    assert_eq!(try_parse(&archive(&members), "a.docx", &limits).unwrap_err().code(), "too_large");
    let escaping = archive(&[("word/document.xml", b"<a/>"), ("../../etc/cron.d/x", b"x")]);
    assert_eq!(code_of(&escaping, "a.docx"), "broken_file");
}

#[test]
fn a_member_longer_than_declared_is_broken() {
    let mut bytes = docx("<w><p><t>text</t></p></w>");
    // The length in the central directory stands 24 bytes after its signature.
    let at = bytes.windows(4).rposition(|window| window == b"PK\x01\x02").unwrap() + 24;
    bytes[at] = 3;
    assert_eq!(code_of(&bytes, "a.docx"), "broken_file");
}

#[test]
fn entities_depth_and_attributes_are_refused() {
    let entities = "<!DOCTYPE w [<!ENTITY a \"aaaa\"><!ENTITY b \"&a;&a;&a;\">]><w><p><t>&b;</t></p></w>";
    assert_eq!(code_of(&docx(entities), "a.docx"), "broken_file");
    assert_eq!(code_of(&docx(&"<p>".repeat(100_000)), "a.docx"), "too_large");
    let attributes: String = (0..100_000).map(|index| format!(" a{index}='1'")).collect();
    assert_eq!(code_of(&docx(&format!("<w{attributes}/>")), "a.docx"), "too_large");
}

#[test]
fn text_cells_and_pages_have_limits() {
    let limit = |limits: Limits, name: &str, bytes: &[u8]| try_parse(bytes, name, &limits).unwrap_err().to_string();
    let text = Limits { max_text_bytes: 100, ..Limits::default() };
    assert!(limit(text, "a.txt", "long ".repeat(50).as_bytes()).contains("max_text_bytes"));
    let cells = Limits { max_cells: 10, ..Limits::default() };
    assert!(limit(cells, "a.csv", "a,b,c\n".repeat(9).as_bytes()).contains("max_cells"));
    let pages = Limits { max_pages: 2, ..Limits::default() };
    assert!(limit(pages, "a.pdf", &fixture("manual-en.pdf")).contains("max_pages"));
    let input = Limits { max_input_bytes: 10, ..Limits::default() };
    assert!(limit(input, "a.txt", b"more than ten bytes").contains("max_input_bytes"));
}

#[test]
fn what_cannot_be_read_says_why() {
    assert_eq!(code_of(b"", "a.txt"), "empty_file");
    assert_eq!(code_of(b" \n\t \n", "a.txt"), "empty_file");
    assert_eq!(code_of(b"\x89PNG\r\n\x1a\n", "a.png"), "unsupported_file");
    assert_eq!(code_of(b"PK\x03\x04 cut", "a.docx"), "broken_file");
    let whole = fixture("manual-en.pdf");
    assert_eq!(code_of(&whole[..whole.len() * 2 / 3], "a.pdf"), "broken_file");
    assert_eq!(code_of(b"Not found", "a.pdf"), "broken_file");
    assert_eq!(code_of(b"<html>Please log in</html>", "a.xlsx"), "broken_file");
    assert_eq!(code_of(b"", "a.pdf"), "empty_file");
    assert_eq!(code_of(&docx("<w><p/></w>"), "a.docx"), "no_text");
    assert_eq!(code_of(&fixture("guide-en.doc"), "a.doc"), "unsupported_file");
    let cut = [&b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"[..], &[0; 600]].concat();
    assert_eq!(code_of(&cut, "a.doc"), "broken_file");
}

#[test]
fn deep_and_unclosed_markup_ends_in_time() {
    let html = format!("<!doctype html>{}text", "<div><table><tr><td>".repeat(400));
    assert!(try_parse(html.as_bytes(), "a.html", &Limits::default()).unwrap().text.contains("text"));
    let attributes: String = (0..200_000).map(|index| format!(" a{index}")).collect();
    let wide = format!("<html><div{attributes}>text</div>");
    assert_eq!(try_parse(wide.as_bytes(), "a.html", &Limits::default()).unwrap().text, "text");
    let quotes = format!("{}x", ">".repeat(20_000));
    assert!(try_parse(quotes.as_bytes(), "a.md", &Limits::default()).is_ok());
}

#[test]
fn a_plain_page_built_like_the_ones_below_is_read() {
    let page = pdf("/Font<</F1 4 0 R>>", HELVETICA, HELLO, &[]);
    assert_eq!(try_parse(&page, "a.pdf", &Limits::default()).unwrap().text, "hello");
}

#[test]
fn forms_that_draw_each_other_end_at_a_limit() {
    let form = |next: usize| {
        let content = if next < 19 { "/X Do ".repeat(10) } else { HELLO.to_owned() };
        format!(
            "<</Type/XObject/Subtype/Form/BBox[0 0 1 1]/Resources<</Font<</F1 4 0 R>>/XObject<</X {next} 0 R>>>>/Length {}>>stream\n{content}\nendstream",
            content.len()
        )
    };
    let forms: Vec<String> = (7..=19).map(form).collect();
    let bomb = pdf("/XObject<</X 6 0 R>>", HELVETICA, "/X Do", &forms);
    assert_eq!(code_of(&bomb, "a.pdf"), "too_large");
}

#[test]
fn deep_nesting_and_endless_ranges_cost_nothing() {
    let deep = pdf("/Font<</F1 4 0 R>>", HELVETICA, &format!("{}{HELLO}", "[".repeat(300_000)), &[]);
    assert_eq!(code_of(&deep, "a.pdf"), "no_text");
    let composite = "<</Type/Font/Subtype/Type0/BaseFont/A/Encoding/Identity-H/DescendantFonts[6 0 R]>>";
    let widths = "<</Type/Font/Subtype/CIDFontType2/BaseFont/A/W[0 4294967295 500]>>".to_owned();
    assert_eq!(code_of(&pdf("/Font<</F1 4 0 R>>", composite, HELLO, &[widths]), "a.pdf"), "no_text");
}
