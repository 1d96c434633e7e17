//! What Word files hold beside their paragraphs.

use kubemate_parse::Limits;

use crate::made::archive;
use crate::{outline, try_parse};

/// A Word file with a body, and other parts beside it.
fn word(body: &str, more: &[(&str, &str)]) -> Vec<String> {
    let document = format!("<w:document xmlns:w='w'><w:body>{body}</w:body></w:document>");
    let mut members = vec![("word/document.xml", document.as_bytes())];
    members.extend(more.iter().map(|(name, text)| (*name, text.as_bytes())));
    outline(&try_parse(&archive(&members), "a.docx", &Limits::default()).unwrap())
}

fn p(text: &str) -> String {
    format!("<w:p><w:r><w:t>{text}</w:t></w:r></w:p>")
}

const BREAK: &str = "<w:p><w:r><w:br w:type='page'/></w:r></w:p>";

#[test]
fn typed_breaks_are_pages_where_word_noted_none() {
    let before = "<w:p><w:pPr><w:pageBreakBefore/></w:pPr><w:r><w:t>three</w:t></w:r></w:p>";
    let section = "<w:p><w:pPr><w:sectPr/></w:pPr></w:p>";
    let body = [&p("one"), &BREAK.replace('\'', "\""), &p("two"), before, section, &p("four"), "<w:sectPr/>"].concat();
    assert_eq!(word(&body, &[]), ["p@1 one", "p@2 two", "p@3 three", "p@4 four"]);
}

#[test]
fn a_section_that_goes_on_begins_no_page() {
    let section = "<w:p><w:pPr><w:sectPr/></w:pPr></w:p>";
    let goes_on = "<w:sectPr><w:type w:val='continuous'/></w:sectPr>";
    let body = [&p("one"), &BREAK.replace('\'', "\""), &p("two"), section, &p("still two"), goes_on].concat();
    assert_eq!(word(&body, &[]), ["p@1 one", "p@2 two", "p@2 still two"]);
}

#[test]
fn pages_are_not_guessed_when_the_text_between_breaks_fills_more_than_one() {
    let body = [p(&"word ".repeat(2000)), BREAK.replace('\'', "\""), p("after")].concat();
    let lines = word(&body, &[]);
    assert_eq!(lines[1], "p after");
}

#[test]
fn hidden_and_deleted_text_is_left_out() {
    let body = "<w:p><w:r><w:rPr><w:vanish/></w:rPr><w:t>secret</w:t></w:r><w:r><w:t>shown</w:t></w:r>\
                <w:del><w:r><w:delText>gone</w:delText></w:r></w:del><w:ins><w:r><w:t> added</w:t></w:r></w:ins></w:p>";
    assert_eq!(word(body, &[]), ["p shown added"]);
}

#[test]
fn headers_and_comments_are_shown_once() {
    let relations = "<Relationships><Relationship Id='a' Type='x/header' Target='header1.xml'/>\
                     <Relationship Id='b' Type='x/footer' Target='footer1.xml'/></Relationships>";
    let header = format!("<w:hdr>{}</w:hdr>", p("机密 版本 7.3"));
    let footer = format!("<w:ftr>{}</w:ftr>", p("Page 1 of 3"));
    let comments = format!("<w:comments><w:comment w:id='4'>{}</w:comment></w:comments>", p("check the price"));
    let body = "<w:p><w:r><w:t>A rotor costs 129 euros.</w:t></w:r><w:r><w:commentReference w:id='4'/></w:r></w:p>";
    let more = [
        ("word/_rels/document.xml.rels", relations),
        ("word/header1.xml", &header),
        ("word/footer1.xml", &footer),
        ("word/comments.xml", &comments),
    ];
    assert_eq!(word(body, &more), ["p 机密 版本 7.3", "p A rotor costs 129 euros.", "p [comment] check the price"]);
}
