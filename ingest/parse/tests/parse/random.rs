//! Whatever the bytes: no panic, sound ranges, the same answer twice.

use kubemate_parse::{Hint, Limits, parse};
use proptest::prelude::*;

use crate::{assert_sound, fixture};

const NAMES: [&str; 9] = ["a.txt", "a.md", "a.html", "a.csv", "a.eml", "a.pdf", "a.docx", "a.xlsx", "a"];

const FIXTURES: [&str; 21] = [
    "tables.xls",
    "guide-en.odt",
    "tables.ods",
    "review.odp",
    "contract-zh.rtf",
    "handbook-zh.epub",
    "notice-zh.ofd",
    "box.mbox",
    "bundle-gbk.zip",
    "locked.xlsx",
    "guide-en.docx",
    "review.pptx",
    "tables.xlsx",
    "manual-en.pdf",
    "handbook-zh.pdf",
    "columns.pdf",
    "gbk.pdf",
    "locked.pdf",
    "offer.eml",
    "notice-gb18030.txt",
    "scan.pdf",
];

/// Small limits keep a mutated length from costing the test its time.
fn limits() -> Limits {
    Limits { max_text_bytes: 1 << 20, max_zip_entry_bytes: 4 << 20, max_zip_total_bytes: 16 << 20, ..Limits::default() }
}

fn check(bytes: &[u8], filename: &str) {
    let hint = Hint { filename, media_type: None };
    let first = parse(bytes, &hint, &limits());
    if let Ok(document) = &first {
        assert_sound(document);
    }
    assert_eq!(first, parse(bytes, &hint, &limits()));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..2048), name in 0..NAMES.len()) {
        check(&bytes, NAMES[name]);
    }

    #[test]
    fn random_text(text in "(?s)([a-z #*|,;<>/=&\\-\\n\\t\"'0-9.:。，第章一二标题\u{3000}\u{feff}]|<table>|<td>|</tr>|<li>|<h1>|\\|---\\||```|\n\n){0,400}", name in 0..5_usize) {
        check(text.as_bytes(), NAMES[name]);
    }

    #[test]
    fn mutated_files(file in 0..FIXTURES.len(), changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..24), cut in any::<proptest::sample::Index>(), keep in 0..4_u8) {
        let mut bytes = fixture(FIXTURES[file]);
        for (at, value) in changes {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        if keep == 0 {
            bytes.truncate(cut.index(bytes.len()));
        }
        check(&bytes, FIXTURES[file]);
    }

    #[test]
    fn mutated_xml(changes in proptest::collection::vec((any::<proptest::sample::Index>(), 0..8_usize), 1..12)) {
        let pieces = ["<", ">", "</w:p>", "<w:tbl>", "<w:tc>", "&#x4e2d;", "'", "<w:p>"];
        let mut xml = "<w:document xmlns:w='w'><w:body><w:p><w:r><w:t>text 文本</w:t></w:r></w:p><w:tbl><w:tr><w:tc><w:p><w:r><w:t>cell</w:t></w:r></w:p></w:tc></w:tr></w:tbl></w:body></w:document>".to_owned();
        for (at, piece) in changes {
            let borders: Vec<usize> = xml.char_indices().map(|(index, _)| index).collect();
            xml.insert_str(borders[at.index(borders.len())], pieces[piece]);
        }
        let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        zip.start_file("word/document.xml", zip::write::SimpleFileOptions::default()).unwrap();
        std::io::Write::write_all(&mut zip, xml.as_bytes()).unwrap();
        check(&zip.finish().unwrap().into_inner(), "a.docx");
    }
}
