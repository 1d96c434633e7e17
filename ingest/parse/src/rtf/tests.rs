use super::*;
use crate::BlockKind;

fn text(rtf: &[u8]) -> String {
    parse(rtf, &Limits::default()).unwrap().text
}

#[test]
fn code_pages_follow_the_font() {
    let rtf = b"{\\rtf1\\ansi\\ansicpg1252{\\fonttbl{\\f0 Arial;}{\\f1\\fcharset134 SimSun;}{\\f2\\fcharset128 MS Mincho;}}\\f0 caf\\'e9 \\f1\\'d6\\'d0\\'ce\\'c4\\f2 \\'93\\'fa\\'96\\'7b\\par}";
    assert_eq!(text(rtf), "café 中文日本");
}

#[test]
fn characters_by_number_replace_what_follows() {
    assert_eq!(
        text(b"{\\rtf1\\uc1 \\u20013?\\u25991\\'3f!\\uc0\\u8364 x\\uc2\\u-10179ab\\u-9216ab}"),
        "中文!€x\u{1f400}"
    );
}

#[test]
fn tables_lists_headings_and_notes_are_blocks() {
    let rtf = b"{\\rtf1{\\stylesheet{\\s0 Normal;}{\\s1 heading 1;}}{\\info{\\title Plan}{\\author X}}\\pard\\s1 Title\\par\\pard{\\listtext 1.\\tab}First{\\super\\chftn{\\footnote\\chftn a note}}\\par\\pard\\trowd\\cellx1\\cellx2\\intbl Role\\cell Port\\cell\\row\\trowd\\clvmgf\\cellx1\\cellx2\\intbl web\\cell 80\\cell\\row\\trowd\\clvmrg\\cellx1\\cellx2\\intbl\\cell 81\\cell\\row\\pard{\\pict 00ff}{\\*\\unknown gone}{\\v hidden}End\\par}";
    let document = parse(rtf, &Limits::default()).unwrap();
    assert_eq!(document.title.as_deref(), Some("Plan"));
    assert_eq!(document.text, "Title\n\n1. First[1]\n\n[1] a note\n\nRole | Port\nweb | 80\nweb | 81\n\nEnd");
    assert_eq!(document.blocks[0].kind, BlockKind::Heading { level: 1 });
}

#[test]
fn a_cut_file_is_broken_and_a_deep_one_too_large() {
    assert_eq!(parse(b"{\\rtf1 text", &Limits::default()).unwrap_err().code(), "broken_file");
    assert_eq!(parse(&[b'{'; 4096], &Limits::default()).unwrap_err().code(), "too_large");
}
