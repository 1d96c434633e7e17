//! Files that nobody can open without a password, files that were cut, and bundles of bundles.

use kubemate_parse::Limits;

use crate::made::archive;
use crate::{code_of, fixture, try_parse};

#[test]
fn every_kind_of_lock_is_called_encrypted() {
    for name in ["locked.pdf", "locked.xlsx", "locked.zip"] {
        assert_eq!(code_of(&fixture(name), name), "encrypted_file", "{name}");
    }
    let manifest = b"<manifest:manifest><manifest:file-entry><manifest:encryption-data/></manifest:file-entry></manifest:manifest>";
    let text = archive(&[
        ("mimetype", b"application/vnd.oasis.opendocument.text"),
        ("META-INF/manifest.xml", manifest),
        ("content.xml", b"\x01\x02"),
    ]);
    assert_eq!(code_of(&text, "a.odt"), "encrypted_file");
    let method = br#"<enc:EncryptionMethod Algorithm="http://www.w3.org/2001/04/xmlenc#aes128-cbc"/>"#;
    let book = archive(&[("META-INF/container.xml", b"<container/>"), ("META-INF/encryption.xml", method)]);
    assert_eq!(code_of(&book, "a.epub"), "encrypted_file");
}

#[test]
fn a_cut_file_is_broken_wherever_it_was_cut() {
    for name in [
        "tables.xls",
        "guide-en.odt",
        "review.odp",
        "contract-zh.rtf",
        "notice-zh.ofd",
        "tables.xlsx",
        "bundle-gbk.zip",
    ] {
        let whole = fixture(name);
        for part in [2, 3, 10] {
            let cut = &whole[..whole.len() - whole.len() / part];
            assert_eq!(code_of(cut, name), "broken_file", "{name} without 1/{part}");
        }
    }
}

#[test]
fn a_document_in_a_bundle_that_cannot_be_read_is_named() {
    let bundle = archive(&[("a/good.txt", b"text"), ("a/locked.pdf", &fixture("locked.pdf"))]);
    let error = try_parse(&bundle, "a.zip", &Limits::default()).unwrap_err();
    assert_eq!(error.code(), "encrypted_file");
    assert_eq!(error.to_string(), "in `a/locked.pdf`: the file is encrypted; remove the password and upload it again");
}

#[test]
fn bundles_in_bundles_share_one_depth_and_one_budget() {
    let mut bundle = archive(&[("a.txt", b"deep down")]);
    for _ in 0..3 {
        bundle = archive(&[("inner.zip", &bundle)]);
    }
    assert!(try_parse(&bundle, "a.zip", &Limits::default()).unwrap().text.ends_with("deep down"));
    for _ in 0..2 {
        bundle = archive(&[("inner.zip", &bundle)]);
    }
    let error = try_parse(&bundle, "a.zip", &Limits::default()).unwrap_err();
    assert!(error.to_string().contains("max_file_depth"), "{error}");
    let text = "x ".repeat(200);
    let inner = archive(&[("a.txt", text.as_bytes())]);
    let both = archive(&[("a.zip", &inner), ("b.zip", &inner), ("c.zip", &inner)]);
    let limits = Limits { max_zip_total_bytes: 1200, ..Limits::default() };
    assert!(try_parse(&both, "a.zip", &limits).unwrap_err().to_string().contains("max_zip_total_bytes"));
}

#[test]
fn a_bundle_without_documents_says_so() {
    assert_eq!(code_of(&archive(&[]), "a.zip"), "empty_file");
    assert_eq!(code_of(&archive(&[("a.png", b"\x89PNG")]), "a.zip"), "unsupported_file");
}
