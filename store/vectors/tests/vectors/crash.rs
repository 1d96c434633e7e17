//! What was acknowledged outlives `kill -9`: a child process writes and says what was acknowledged, is killed at some
//! moment, and what it left is opened and compared with what it said.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use kubemate_vectors::{DenseQuery, Embedded, EmbeddedConfig, LexicalQuery, Passage, Point, Selector, VectorStore};
use uuid::Uuid;

use super::{name, space, spec, tenant, vector};

/// Names the folder to the child.
const FOLDER: &str = "KUBEMATE_TEST_KILLED_WRITER_FOLDER";
/// Names the first round to the child.
const FIRST_ROUND: &str = "KUBEMATE_TEST_KILLED_WRITER_ROUND";
const DIMENSIONS: usize = 768;
/// Points in a batch; batches of a round.
const BATCH: u64 = 10;
const BATCHES: u64 = 40;
/// A text so long that the engine flushes every few batches.
const FILLER: usize = 30_000;
/// How many children are killed, one after another, on one folder.
const KILLS: u64 = 8;

/// Small enough that graphs are built while the child writes.
fn config() -> EmbeddedConfig {
    EmbeddedConfig { graph_from_mib: 1, ..EmbeddedConfig::default() }
}

/// The point as a round writes it: vector, words and file all tell the round.
fn point(n: u64, round: u64) -> Point {
    let text = format!("{n} {} {}", name(n * 1_000 + round), "y".repeat(FILLER));
    let passage =
        Passage { file: format!("file-{}", n / BATCH), version: round.cast_signed(), text, ..Passage::default() };
    Point { id: Uuid::from_u128(n.into()), dense: vector(n * 1_000_003 + round, DIMENSIONS), passage }
}

/// What a step leaves: the batch as the round writes it, or nothing where it deletes.
fn outcome(round: u64, batch: u64) -> Option<u64> {
    (!(round + batch).is_multiple_of(7)).then_some(round)
}

async fn step(store: &Embedded, round: u64, batch: u64) {
    let (tenant, space) = (tenant(), space("killed"));
    if outcome(round, batch).is_none() {
        store.delete(&tenant, &space, Selector::File(format!("file-{batch}"))).await.unwrap();
    } else {
        let points = (batch * BATCH..(batch + 1) * BATCH).map(|n| point(n, round)).collect();
        store.upsert(&tenant, &space, points).await.unwrap();
    }
}

/// The child. Run by itself it has no folder and does nothing.
#[tokio::test(flavor = "multi_thread")]
async fn the_writer_that_is_killed() {
    let (Ok(folder), Ok(round)) = (std::env::var(FOLDER), std::env::var(FIRST_ROUND)) else { return };
    let store = Embedded::open(Path::new(&folder), &config()).await.unwrap();
    store.ensure(&tenant(), &space("killed"), &spec(DIMENSIONS)).await.unwrap();
    for round in round.parse::<u64>().unwrap().. {
        for batch in 0..BATCHES {
            step(&store, round, batch).await;
            writeln!(std::io::stdout(), "\nacknowledged {round} {batch}").unwrap();
        }
    }
}

/// Starts the child and kills it after so many acknowledgements. Notes what each batch was acknowledged as, and gives the
/// last step that was.
fn kill_after(
    folder: &Path,
    round: u64,
    acknowledgements: u64,
    batches: &mut BTreeMap<u64, Option<u64>>,
) -> (u64, u64) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "crash::the_writer_that_is_killed", "--nocapture", "--test-threads=1"])
        .env(FOLDER, folder)
        .env(FIRST_ROUND, round.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let mut seen = 0;
    let mut last = None;
    // Reading goes on to the end: what it said before it died counts too.
    for line in lines {
        let Some(step) = line.strip_prefix("acknowledged ") else { continue };
        let (round, batch) = step.split_once(' ').unwrap();
        let (round, batch) = (round.parse().unwrap(), batch.parse().unwrap());
        batches.insert(batch, outcome(round, batch));
        last = Some((round, batch));
        seen += 1;
        if seen == acknowledgements {
            child.kill().unwrap();
        }
    }
    child.wait().unwrap();
    last.expect("the child writes until it is killed")
}

/// What is there of a batch: the round that wrote it, whole and in all its parts, or nothing.
async fn observe(store: &Embedded, batch: u64) -> Option<u64> {
    let ids: Vec<Uuid> = (batch * BATCH..(batch + 1) * BATCH).map(|n| Uuid::from_u128(n.into())).collect();
    let passages = store.get(&tenant(), &space("killed"), &ids).await.unwrap();
    let round = passages.first()?.version;
    assert_eq!(passages.len() as u64, BATCH, "batch {batch} of round {round} is whole");
    for passage in &passages {
        assert_eq!(passage.version, round, "batch {batch} is of one round");
        whole(store, passage).await;
    }
    Some(round.cast_unsigned())
}

/// Compares the folder with what each batch should be, and notes what the step that was cut off came to.
async fn check(folder: &Path, batches: &mut BTreeMap<u64, Option<u64>>, cut_off: (u64, u64)) {
    let store = Embedded::open(folder, &config()).await.unwrap();
    let mut there = 0;
    for batch in 0..BATCHES {
        let kept = batches.get(&batch).copied().flatten();
        let seen = observe(&store, batch).await;
        let done = batch == cut_off.1 && seen == outcome(cut_off.0, batch);
        assert!(
            seen == kept || done,
            "batch {batch} is {seen:?} and was acknowledged as {kept:?}; cut off at {cut_off:?}"
        );
        there += if seen.is_some() { BATCH } else { 0 };
        batches.insert(batch, seen);
    }
    assert_eq!(store.count(&tenant(), &space("killed")).await.unwrap(), there);
    // The next child opens the folder when nothing here does.
    store.indexed().await;
}

/// A point is of one round in all its parts: passage, vector and words.
async fn whole(store: &Embedded, passage: &Passage) {
    let (tenant, space) = (tenant(), space("killed"));
    let n: u64 = passage.text.split(' ').next().unwrap().parse().unwrap();
    let round = passage.version.cast_unsigned();
    let expected = point(n, round);
    assert_eq!(*passage, expected.passage);
    let query = DenseQuery { vector: expected.dense, limit: 1, filter: None };
    let hit = store.dense(&tenant, &space, query).await.unwrap().pop().unwrap();
    assert!(hit.id == expected.id && hit.score > 0.999, "the vector of point {n} is of round {round}");
    let query = LexicalQuery { text: name(n * 1_000 + round), limit: 2, filter: None };
    let hits = store.lexical(&tenant, &space, query).await.unwrap();
    assert_eq!(hits.iter().map(|hit| hit.id).collect::<Vec<_>>(), [expected.id], "the words of point {n}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_outlives_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let mut batches = BTreeMap::new();
    let mut round = 0;
    for kill in 0..KILLS {
        let last = kill_after(folder.path(), round, 7 + kill * 31 % 97, &mut batches);
        let cut_off = if last.1 + 1 < BATCHES { (last.0, last.1 + 1) } else { (last.0 + 1, 0) };
        check(folder.path(), &mut batches, cut_off).await;
        round = cut_off.0 + 1;
    }
}
