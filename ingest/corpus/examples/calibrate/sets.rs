//! Labelled questions: the sections of Debian's books. A heading asks, the section without its heading is the one answer.

use std::env;
use std::error::Error;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use kubemate_corpus::Language;
use kubemate_parse::{BlockKind, Document, Hint, Limits, parse};

/// A book: its Debian package, the folder of its pages in it, the end of their names.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Book {
    pub(crate) package: &'static str,
    pages: &'static str,
    suffix: &'static str,
    pub(crate) language: Language,
}

/// The books, each in Chinese and in English.
pub(crate) const BOOKS: [Book; 6] = [
    book("debian-faq-zh-cn", "usr/share/doc/debian/FAQ/zh-cn", ".zh-cn.html", Language::Chinese),
    book("debian-faq", "usr/share/doc/debian/FAQ", ".en.html", Language::English),
    book("debian-reference-zh-cn", "usr/share/debian-reference", ".zh-cn.html", Language::Chinese),
    book("debian-reference-en", "usr/share/debian-reference", ".en.html", Language::English),
    book("libreoffice-help-zh-cn", "usr/share/libreoffice/help/zh-CN/text/scalc/guide", ".html", Language::Chinese),
    book("libreoffice-help-en-us", "usr/share/libreoffice/help/en-US/text/scalc/guide", ".html", Language::English),
];

const fn book(package: &'static str, pages: &'static str, suffix: &'static str, language: Language) -> Book {
    Book { package, pages, suffix, language }
}

/// Shortest text below a heading, in characters, that can answer anything.
const SHORTEST: usize = 40;

/// Headings of its own page in a section's text from which it is a table of contents: it would answer every question.
const LISTED: usize = 3;

/// A question with the text that answers it.
#[derive(Debug, Clone)]
pub(crate) struct Section {
    pub(crate) heading: String,
    pub(crate) text: String,
}

/// The sections of a book, in the order of its pages.
pub(crate) fn sections(book: &Book) -> Result<Vec<Section>, Box<dyn Error>> {
    let folder = fetched(book.package)?.join(book.pages);
    let mut paths: Vec<PathBuf> = fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>()?;
    paths.retain(|path| {
        path.to_string_lossy().ends_with(book.suffix) && !path.ends_with(format!("index{}", book.suffix))
    });
    paths.sort();
    let mut found = Vec::new();
    for path in paths {
        let filename = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let document = parse(&fs::read(&path)?, &Hint { filename, media_type: None }, &Limits::default())?;
        found.extend(of_page(&document));
    }
    Ok(found)
}

/// The folder of a package: kept from another time, or fetched and unpacked; nothing is installed.
fn fetched(package: &str) -> Result<PathBuf, Box<dyn Error>> {
    let folder = cache().join("bench").join(package);
    if folder.is_dir() {
        return Ok(folder);
    }
    let passing = tempfile::tempdir()?;
    run("apt-get", &["download", package], passing.path())?;
    let archive = fs::read_dir(passing.path())?.next().ok_or("apt-get left no package")??.path();
    fs::create_dir_all(&folder)?;
    run("dpkg", &["-x", &archive.to_string_lossy(), &folder.to_string_lossy()], passing.path())?;
    Ok(folder)
}

fn run(program: &str, arguments: &[&str], folder: &Path) -> Result<(), Box<dyn Error>> {
    let output = Command::new(program).args(arguments).current_dir(folder).output()?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr)).into())
}

/// Where downloads are kept.
pub(crate) fn cache() -> PathBuf {
    let cache = env::var_os("KUBEMATE_CACHE").map(PathBuf::from);
    cache.unwrap_or_else(|| env::home_dir().unwrap_or_default().join(".cache/kubemate"))
}

fn of_page(document: &Document) -> Vec<Section> {
    let mut found: Vec<Section> = Vec::new();
    for block in &document.blocks {
        let own = document.text.get(block.range.clone()).unwrap_or_default();
        if matches!(block.kind, BlockKind::Heading { .. }) {
            found.push(Section { heading: plain(own), text: String::new() });
        } else if let Some(section) = found.last_mut() {
            let gap = if section.text.is_empty() { "" } else { "\n\n" };
            section.text.push_str(gap);
            section.text.push_str(own);
        }
    }
    let headings: Vec<String> = found.iter().map(|section| section.heading.clone()).collect();
    found.retain(|section| {
        let listed = headings.iter().filter(|heading| section.text.contains(*heading)).count();
        !section.heading.is_empty() && section.text.chars().count() >= SHORTEST && listed < LISTED
    });
    found
}

/// A heading without its number.
fn plain(heading: &str) -> String {
    let rest = heading.trim_start_matches(|letter: char| {
        letter.is_ascii_digit() || matches!(letter, '.' | ' ' | '\u{a0}' | '第' | '章')
    });
    rest.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Whether a heading asks for something: those of a word or two are labels.
pub(crate) fn is_question(heading: &str) -> bool {
    let ideographs = heading.chars().filter(|letter| ('\u{4e00}'..='\u{9fff}').contains(letter)).count();
    ideographs >= 5 || heading.split_whitespace().count() >= 4
}
