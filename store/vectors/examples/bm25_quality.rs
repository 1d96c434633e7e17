//! How well the lexical search finds: nDCG@10 on Debian's documentation, in Chinese and English.
//!
//! A section's heading is the question, the section without it the one right answer. The packages are fetched with
//! `apt-get download` and unpacked into a temporary folder; nothing is installed.
//!
//! `cargo run --release -p kubemate-vectors --example bm25_quality`

use std::error::Error;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use kubemate_identity::TenantId;
use kubemate_vectors::{Embedded, EmbeddedConfig, LexicalQuery, Passage, Point, SpaceId, SpaceSpec, VectorStore};
use uuid::Uuid;

/// Package, folder in it, end of the names of its pages.
const SETS: [(&str, &str, &str); 4] = [
    ("debian-faq-zh-cn", "usr/share/doc/debian/FAQ/zh-cn", ".zh-cn.html"),
    ("debian-faq", "usr/share/doc/debian/FAQ", ".en.html"),
    ("debian-reference-zh-cn", "usr/share/debian-reference", ".zh-cn.html"),
    ("debian-reference-en", "usr/share/debian-reference", ".en.html"),
];
/// Hits looked at.
const DEPTH: usize = 10;
/// Starts each section in pages made by the DocBook stylesheets.
const SECTION: &str = "<div class=\"section\">";
/// Starts a section's heading in them.
const TITLE: &str = "class=\"title\">";

type Outcome<T> = Result<T, Box<dyn Error>>;

struct Section {
    heading: String,
    text: String,
}

#[tokio::main]
async fn main() -> Outcome<()> {
    let folder = tempfile::tempdir()?;
    let store = Embedded::open(&folder.path().join("vectors"), &EmbeddedConfig::default()).await?;
    writeln!(io::stdout(), "{:<24} {:>8} {:>8} {:>9}", "set", "sections", "nDCG@10", "recall@10")?;
    for (package, pages, suffix) in SETS {
        fetch(package, folder.path())?;
        let sections = sections(&folder.path().join(package).join(pages), suffix)?;
        let (ndcg, recall) = measure(&store, package, &sections).await?;
        writeln!(io::stdout(), "{package:<24} {:>8} {ndcg:>8.4} {recall:>9.3}", sections.len())?;
    }
    Ok(())
}

/// Fetches a package and unpacks it into a folder of its name.
fn fetch(package: &str, folder: &Path) -> Outcome<()> {
    let run = |program: &str, arguments: &[&str]| -> Outcome<()> {
        let output = Command::new(program).args(arguments).current_dir(folder).output()?;
        if !output.status.success() {
            return Err(format!("{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr)).into());
        }
        Ok(())
    };
    run("apt-get", &["download", package])?;
    let archive = std::fs::read_dir(folder)?
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .find(|name| name.starts_with(&format!("{package}_")) && name.ends_with(".deb"))
        .ok_or("apt-get left no package")?;
    run("dpkg", &["-x", &archive, package])
}

fn sections(pages: &Path, suffix: &str) -> Outcome<Vec<Section>> {
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(pages)?.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>()?;
    paths.retain(|path| path.to_string_lossy().ends_with(suffix));
    paths.sort();
    let mut found = Vec::new();
    for path in paths {
        let page = std::fs::read_to_string(path)?;
        let body = page.split("<div class=\"navfooter\">").next().unwrap_or_default();
        found.extend(body.split(SECTION).skip(1).filter_map(section));
    }
    Ok(found)
}

/// A section up to the next one, also when that lies within.
fn section(html: &str) -> Option<Section> {
    let (_, html) = html.split_once(TITLE)?;
    let (title, rest) = html.split_once("</h")?;
    let (_, rest) = rest.split_once('>')?;
    let heading = plain(title);
    let heading = heading.trim().trim_start_matches(|c: char| c.is_ascii_digit() || c == '.' || c.is_whitespace());
    let text = plain(rest);
    (!heading.is_empty() && !text.trim().is_empty()).then(|| Section { heading: heading.to_owned(), text })
}

fn plain(html: &str) -> String {
    let pieces = html.split('<').map(|piece| piece.split_once('>').map_or(piece, |(_, text)| text));
    let text = pieces.collect::<Vec<_>>().join(" ");
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&amp;", "&")
}

async fn measure(store: &Embedded, name: &str, sections: &[Section]) -> Outcome<(f64, f64)> {
    let (tenant, space) = (TenantId::default_tenant(), SpaceId::parse(name)?);
    store.ensure(&tenant, &space, &SpaceSpec { dimensions: 1, embedder: "none".into() }).await?;
    let point = |(n, section): (u128, &Section)| {
        let passage = Passage { text: section.text.clone(), ..Passage::default() };
        Point { id: Uuid::from_u128(n), dense: vec![1.0], passage }
    };
    store.upsert(&tenant, &space, (0..).zip(sections).map(point).collect()).await?;
    let (mut gain, mut hits) = (0.0, 0.0);
    for (n, section) in (0_u128..).zip(sections) {
        let query = LexicalQuery { text: section.heading.clone(), limit: DEPTH, filter: None };
        let found = store.lexical(&tenant, &space, query).await?;
        if let Some(rank) = found.iter().position(|hit| hit.id.as_u128() == n) {
            gain += 1.0 / (rank as f64 + 2.0).log2();
            hits += 1.0;
        }
    }
    let count = sections.len() as f64;
    Ok((gain / count, hits / count))
}
