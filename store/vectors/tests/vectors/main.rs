//! The adapters against the suite, and what the embedded one promises beyond it.
#![cfg(test)]

mod crash;
mod filters;
mod milvus;

use std::path::Path;

use kubemate_identity::TenantId;
use kubemate_vectors::{
    DenseQuery, Embedded, EmbeddedConfig, LexicalQuery, MemoryVectors, Passage, Point, SpaceId, SpaceSpec, VectorStore,
    VectorsConfig, VectorsError, conformance,
};
use uuid::Uuid;

fn tenant() -> TenantId {
    TenantId::default_tenant()
}

fn space(name: &str) -> SpaceId {
    SpaceId::parse(name).unwrap()
}

fn spec(dimensions: usize) -> SpaceSpec {
    SpaceSpec { dimensions, embedder: "test@1".into() }
}

/// A direction of its own for every number.
fn vector(n: u64, dimensions: usize) -> Vec<f32> {
    let mut state = n.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1_u64 << 24) as f32 - 0.5
    };
    (0..dimensions).map(|_| next()).collect()
}

/// A word of its own for every number, which the analyzer does not take apart.
fn name(n: u64) -> String {
    let letter = |digit: char| "bcfghjklmp".chars().nth(digit.to_digit(10).unwrap() as usize).unwrap();
    format!("z{}", n.to_string().chars().map(letter).collect::<String>())
}

fn point(n: u64, dimensions: usize, text: &str) -> Point {
    let passage = Passage { file: "file-1".into(), text: text.into(), ..Passage::default() };
    Point { id: Uuid::from_u128(n.into()), dense: vector(n, dimensions), passage }
}

async fn open(folder: &Path) -> Embedded {
    Embedded::open(folder, &EmbeddedConfig::default()).await.unwrap()
}

async fn first(store: &Embedded, name: &str, n: u64, dimensions: usize) -> Option<u128> {
    let query = DenseQuery { vector: vector(n, dimensions), limit: 1, filter: None };
    let hits = store.dense(&tenant(), &space(name), query).await.unwrap();
    hits.first().map(|hit| hit.id.as_u128())
}

#[tokio::test]
async fn memory_fulfils_the_suite() {
    conformance::run(&MemoryVectors::default()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn embedded_fulfils_the_suite() {
    let folder = tempfile::tempdir().unwrap();
    conformance::run(&open(folder.path()).await).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn embedded_fulfils_the_suite_with_one_space_open() {
    let folder = tempfile::tempdir().unwrap();
    let config = EmbeddedConfig { open_spaces: 0, ..EmbeddedConfig::default() };
    let store = Embedded::open(folder.path(), &config).await.unwrap();
    conformance::run(&store).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_written_is_there_after_reopening() {
    let folder = tempfile::tempdir().unwrap();
    let store = VectorsConfig::default().open(folder.path()).await.unwrap();
    conformance::write_kept(&*store, &tenant()).await.unwrap();
    drop(store);
    for _ in 0..3 {
        conformance::check_kept(&open(folder.path()).await, &tenant()).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_has_one_owner() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    let second = Embedded::open(folder.path(), &EmbeddedConfig::default()).await;
    assert!(matches!(second, Err(VectorsError::Store { .. })));
    drop(store);
    open(folder.path()).await.check().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn more_spaces_than_are_kept_open() {
    let folder = tempfile::tempdir().unwrap();
    let config = EmbeddedConfig { open_spaces: 2, ..EmbeddedConfig::default() };
    let store = Embedded::open(folder.path(), &config).await.unwrap();
    for n in 0..8 {
        let name = space(&format!("space-{n}"));
        store.ensure(&tenant(), &name, &spec(4)).await.unwrap();
        store.upsert(&tenant(), &name, vec![point(n, 4, "words")]).await.unwrap();
    }
    for n in (0..8).chain([0, 7, 0]) {
        assert_eq!(first(&store, &format!("space-{n}"), n, 4).await, Some(n.into()));
    }
    for n in 0..8 {
        store.drop_space(&tenant(), &space(&format!("space-{n}"))).await.unwrap();
    }
    let left: Vec<_> = std::fs::read_dir(folder.path().join("default")).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_space_whose_making_was_cut_off_is_made_again() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    store.ensure(&tenant(), &space("cut"), &spec(4)).await.unwrap();
    drop(store);
    let inside = folder.path().join("default/cut");
    std::fs::remove_file(inside.join("spec.json")).unwrap();
    let store = open(folder.path()).await;
    assert_eq!(store.count(&tenant(), &space("cut")).await.unwrap(), 0);
    store.ensure(&tenant(), &space("cut"), &spec(5)).await.unwrap();
    store.upsert(&tenant(), &space("cut"), vec![point(1, 5, "words")]).await.unwrap();
    assert_eq!(first(&store, "cut", 1, 5).await, Some(1));
}

/// Large enough for graphs, several times over, with points replaced and deleted while they are built.
#[tokio::test(flavor = "multi_thread")]
async fn a_large_space_is_indexed_beside_writes() {
    const DIMENSIONS: usize = 64;
    let folder = tempfile::tempdir().unwrap();
    let config = EmbeddedConfig { graph_from_mib: 1, ..EmbeddedConfig::default() };
    let store = Embedded::open(folder.path(), &config).await.unwrap();
    let (tenant, space) = (tenant(), space("large"));
    store.ensure(&tenant, &space, &spec(DIMENSIONS)).await.unwrap();
    for batch in 0..40_u64 {
        let points = (batch * 400..(batch + 1) * 400).map(|n| point(n, DIMENSIONS, &format!("{} first", name(n))));
        store.upsert(&tenant, &space, points.collect()).await.unwrap();
        let again = (batch * 400..batch * 400 + 50).map(|n| point(n, DIMENSIONS, &format!("{} second", name(n))));
        store.upsert(&tenant, &space, again.collect()).await.unwrap();
        let gone = (batch * 400 + 100..batch * 400 + 110).map(|n| Uuid::from_u128(n.into()));
        let selector = kubemate_vectors::Selector::Points(gone.collect());
        store.delete(&tenant, &space, selector).await.unwrap();
        assert_eq!(store.count(&tenant, &space).await.unwrap(), (batch + 1) * 390);
    }
    store.indexed().await;
    assert!(!folder.path().join("default/large/indexing").exists());
    check_large(&store).await;
    drop(store);
    check_large(&Embedded::open(folder.path(), &config).await.unwrap()).await;
}

async fn check_large(store: &Embedded) {
    let (tenant, space) = (tenant(), space("large"));
    assert_eq!(store.count(&tenant, &space).await.unwrap(), 40 * 390);
    let mut right = 0;
    for n in (0..40).flat_map(|batch| [batch * 400, batch * 400 + 60, batch * 400 + 399]) {
        right += usize::from(first(store, "large", n, 64).await == Some(n.into()));
        let query = LexicalQuery { text: name(n), limit: 10, filter: None };
        let hits = store.lexical(&tenant, &space, query).await.unwrap();
        let round = if n % 400 < 50 { "second" } else { "first" };
        let texts: Vec<&str> = hits.iter().map(|hit| hit.passage.text.as_str()).collect();
        assert_eq!(texts, [format!("{} {round}", name(n))]);
    }
    assert!(right >= 118, "a graph finds a vector by itself nearly always, here {right} of 120 times");
    assert!(first(store, "large", 105, 64).await != Some(105), "deleted");
}
