//! What the embedded store costs: many small spaces on the device and in memory, one large space in time and recall.
//!
//! `cargo run --release -p kubemate-vectors --example embedded_speed [points] [dimensions]`

use std::collections::BTreeSet;
use std::error::Error;
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, Instant};

use kubemate_identity::TenantId;
use kubemate_vectors::{
    AttributeValue, DenseQuery, Embedded, EmbeddedConfig, Filter, LexicalQuery, Passage, Point, SpaceId, SpaceSpec,
    VectorStore,
};
use uuid::Uuid;

/// Small spaces, and points in each.
const SPACES: u64 = 200;
const POINTS_OF_SMALL: u64 = 20;
/// Points written at once.
const BATCH: u64 = 64;
/// Questions asked of the large space.
const QUESTIONS: u64 = 300;
/// Points of the large space lie about so many topics: real embeddings are not spread evenly.
const TOPICS: u64 = 500;
const WORDS: &str = "存款 保险 数据库 管理 系统 银行 账户 客户 风险 合规 报告 交易 利率 贷款 审计 network cluster package kernel \
                     install update driver server storage policy password release branch service report";

type Outcome<T> = Result<T, Box<dyn Error>>;

#[tokio::main]
async fn main() -> Outcome<()> {
    let mut arguments = std::env::args().skip(1);
    let points = arguments.next().map_or(Ok(20_000), |text| text.parse())?;
    let dimensions = arguments.next().map_or(Ok(384), |text| text.parse())?;
    let folder = tempfile::tempdir()?;
    small(&folder.path().join("small"), dimensions).await?;
    large(&folder.path().join("large"), points, dimensions).await
}

fn say(what: &str, value: impl std::fmt::Display) -> io::Result<()> {
    writeln!(io::stdout(), "{what:<52} {value}")
}

fn tenant() -> TenantId {
    TenantId::default_tenant()
}

/// Numbers between −0.5 and 0.5 that follow from the seed.
fn numbers(seed: u64) -> impl Iterator<Item = f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    std::iter::repeat_with(move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1_u64 << 24) as f32 - 0.5
    })
}

/// A vector near that of its topic.
fn vector(n: u64, dimensions: usize) -> Vec<f32> {
    let topic = numbers(1 + n % TOPICS);
    topic.zip(numbers(1_000_000 + n)).map(|(topic, own)| topic + 0.7 * own).take(dimensions).collect()
}

fn point(n: u64, dimensions: usize) -> Point {
    let words: Vec<&str> = WORDS.split_whitespace().collect();
    let text: Vec<&str> = numbers(n + 7)
        .take(120)
        .filter_map(|x| words.get(((x + 0.5) * words.len() as f32) as usize).copied())
        .collect();
    let year = AttributeValue::Number((2000 + n % 25) as f64);
    let passage = Passage {
        file: format!("file-{}", n / 50),
        text: format!("{} nr{n}", text.join(" ")),
        attributes: [("year".to_owned(), year)].into(),
        ..Passage::default()
    };
    Point { id: Uuid::from_u128(n.into()), dense: vector(n, dimensions), passage }
}

/// Bytes on the device below a folder, and as files say.
fn size(folder: &Path) -> io::Result<(u64, u64)> {
    let mut total = (0, 0);
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        let (held, said) =
            if metadata.is_dir() { size(&entry.path())? } else { (metadata.blocks() * 512, metadata.len()) };
        total = (total.0 + held, total.1 + said);
    }
    Ok(total)
}

/// Resident memory in KiB, and open files, of this process.
fn held() -> Outcome<(u64, usize)> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    let kib = line.trim().trim_end_matches(" kB").parse()?;
    Ok((kib, std::fs::read_dir("/proc/self/fd")?.count()))
}

async fn small(folder: &Path, dimensions: usize) -> Outcome<()> {
    let all_open = EmbeddedConfig { open_spaces: SPACES as usize, ..EmbeddedConfig::default() };
    let store = Embedded::open(folder, &all_open).await?;
    let spec = SpaceSpec { dimensions, embedder: "speed".into() };
    let _loads_the_dictionary = kubemate_vectors::words("预热");
    let before = held()?;
    let (mut making, mut writing) = (Vec::new(), Vec::new());
    for n in 0..SPACES {
        let space = SpaceId::parse(&format!("small-{n}"))?;
        let start = Instant::now();
        store.ensure(&tenant(), &space, &spec).await?;
        making.push(start.elapsed());
        let start = Instant::now();
        store.upsert(&tenant(), &space, (0..POINTS_OF_SMALL).map(|n| point(n, dimensions)).collect()).await?;
        writing.push(start.elapsed());
    }
    let after = held()?;
    say("small space: made, p50", ms(&mut making, 0.5))?;
    say("small space: 20 points written, p50", ms(&mut writing, 0.5))?;
    say("small space: resident KiB while open", (after.0 - before.0) / SPACES)?;
    say("small space: open files", (after.1 - before.1) / SPACES as usize)?;
    let start = Instant::now();
    drop(store);
    say("small space: closed, mean ms", start.elapsed().as_millis() / u128::from(SPACES))?;
    let (bytes, said) = size(folder)?;
    say("small space: KiB on the device", bytes / 1024 / SPACES)?;
    say("small space: KiB as its files say", said / 1024 / SPACES)?;
    let store = Embedded::open(folder, &EmbeddedConfig { open_spaces: 16, ..EmbeddedConfig::default() }).await?;
    let mut opening = Vec::new();
    for n in 0..SPACES {
        let space = SpaceId::parse(&format!("small-{n}"))?;
        let query = DenseQuery { vector: vector(3, dimensions), limit: 10, filter: None };
        let start = Instant::now();
        let hits = store.dense(&tenant(), &space, query).await?;
        opening.push(start.elapsed());
        assert_eq!(hits.len(), 10);
    }
    say("small space: opened, searched, another closed, p50", ms(&mut opening, 0.5))?;
    Ok(())
}

fn ms(times: &mut [Duration], part: f64) -> String {
    times.sort();
    let at = ((times.len() as f64 * part) as usize).min(times.len().saturating_sub(1));
    format!("{:.2} ms", times.get(at).copied().unwrap_or_default().as_secs_f64() * 1e3)
}

async fn large(folder: &Path, points: u64, dimensions: usize) -> Outcome<()> {
    let space = SpaceId::parse("large")?;
    let graph = EmbeddedConfig::default();
    let store = Embedded::open(folder, &EmbeddedConfig { graph_from_mib: 1 << 20, ..graph.clone() }).await?;
    store.ensure(&tenant(), &space, &SpaceSpec { dimensions, embedder: "speed".into() }).await?;
    let start = Instant::now();
    let mut batches = Vec::new();
    for first in (0..points).step_by(BATCH as usize) {
        let batch = (first..(first + BATCH).min(points)).map(|n| point(n, dimensions)).collect();
        let start = Instant::now();
        store.upsert(&tenant(), &space, batch).await?;
        batches.push(start.elapsed());
    }
    say("large space: points", points)?;
    say("large space: written, points per second", format!("{:.0}", points as f64 / start.elapsed().as_secs_f64()))?;
    say("large space: batch of 64, p50", ms(&mut batches, 0.5))?;
    say("large space: batch of 64, p99", ms(&mut batches, 0.99))?;
    let exact = ask(&store, &space, points, dimensions, "exact").await?;
    drop(store);
    let start = Instant::now();
    let store = Embedded::open(folder, &graph).await?;
    store.count(&tenant(), &space).await?;
    say("large space: opened", format!("{:.0} ms", start.elapsed().as_secs_f64() * 1e3))?;
    let start = Instant::now();
    store.indexed().await;
    say("large space: graph built", format!("{:.1} s", start.elapsed().as_secs_f64()))?;
    let found = ask(&store, &space, points, dimensions, "graph").await?;
    let same: usize = exact.iter().zip(&found).map(|(exact, found)| exact.intersection(found).count()).sum();
    say("large space: recall@10 of the graph", format!("{:.4}", same as f64 / (10 * QUESTIONS) as f64))?;
    let (bytes, said) = size(folder)?;
    say("large space: MiB on the device, as files say", format!("{} {}", bytes >> 20, said >> 20))?;
    say("resident MiB", held()?.0 / 1024)?;
    Ok(())
}

/// Asks, says how long it took, and gives what the searches by meaning found.
async fn ask(
    store: &Embedded,
    space: &SpaceId,
    points: u64,
    dimensions: usize,
    how: &str,
) -> Outcome<Vec<BTreeSet<Uuid>>> {
    let filter = Filter::Gte("year".to_owned(), 2020.0);
    let (mut dense, mut filtered, mut lexical, mut found) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for n in 0..QUESTIONS {
        let vector = vector(points + n, dimensions);
        let start = Instant::now();
        let hits =
            store.dense(&tenant(), space, DenseQuery { vector: vector.clone(), limit: 10, filter: None }).await?;
        dense.push(start.elapsed());
        found.push(hits.iter().map(|hit| hit.id).collect());
        let start = Instant::now();
        let query = DenseQuery { vector, limit: 10, filter: Some(filter.clone()) };
        store.dense(&tenant(), space, query).await?;
        filtered.push(start.elapsed());
        let text = format!("如何安装数据库 nr{}", n * 7 % points);
        let start = Instant::now();
        store.lexical(&tenant(), space, LexicalQuery { text, limit: 10, filter: None }).await?;
        lexical.push(start.elapsed());
    }
    for (name, mut times) in [("dense", dense), ("dense, a fifth passes the filter", filtered), ("lexical", lexical)] {
        let line = format!("{} {}", ms(&mut times, 0.5), ms(&mut times, 0.99));
        say(&format!("large space, {how}: {name}, p50 p99"), line)?;
    }
    Ok(found)
}
