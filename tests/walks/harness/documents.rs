//! The documents that walks ask about, and what is known of them.

use std::fs;
use std::path::Path;
use std::sync::OnceLock;

use super::{Folder, pdf};
use serde_json::json;

/// Where a fact stands and how one asks for it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fact {
    pub(crate) file: &'static str,
    pub(crate) question: &'static str,
    /// Words of the sentence that answers it.
    pub(crate) needle: &'static str,
    /// From 1; the text file has no pages.
    pub(crate) page: Option<u32>,
}

/// Six pages, separated by form feeds.
const HANDBOOK: &str = include_str!("../../documents/handbook.txt");
/// Chinese, UTF-8.
const SHOUCE: &str = include_str!("../../documents/shouce.txt");

/// Facts of both documents, the PDF's first.
pub(crate) fn facts() -> [Fact; 5] {
    let handbook = |page, question, needle| Fact { file: "handbook.pdf", question, needle, page: Some(page) };
    let shouce = |question, needle| Fact { file: "shouce.txt", question, needle, page: None };
    [
        handbook(2, "How long does the guarantee of the Heron 2 last?", "guarantee of the Heron 2 lasts three years"),
        handbook(4, "How often must the Heron 2 be descaled?", "must be descaled every sixty days"),
        handbook(6, "What does error E47 mean?", "Error E47 means that the water tank is empty"),
        shouce("苍鹭二号的保修期是多久？", "保修期为三年"),
        shouce("机器显示E47是什么意思？", "E47表示水箱已空"),
    ]
}

/// A folder with `handbook.pdf`, `shouce.txt` and `facts.json`.
pub(crate) fn documents() -> &'static Path {
    static FOLDER: OnceLock<Folder> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| {
        let folder = Folder::new("documents");
        let pages: Vec<Vec<String>> =
            HANDBOOK.split('\x0c').map(|page| page.trim().lines().map(str::to_owned).collect()).collect();
        fs::write(folder.path().join("handbook.pdf"), pdf(&pages)).expect("the PDF can be written");
        fs::write(folder.path().join("shouce.txt"), SHOUCE).expect("the text can be written");
        let known = facts().map(
            |fact| json!({"file": fact.file, "question": fact.question, "needle": fact.needle, "page": fact.page}),
        );
        fs::write(folder.path().join("facts.json"), json!(known).to_string()).expect("the facts can be written");
        folder
    });
    folder.path()
}
