use std::{
    collections::BTreeSet,
    env,
    io::{BufRead, BufReader, Write},
    process::{Command, Stdio},
};

use kubemate_ledger::{Completed, DocumentStatus, JobKind, JobState, Ledger, Page};

use crate::{
    on_disk::{NOW, NOW_MS, store, tenant, upload},
    place::{Place, behind, in_each_place},
};

in_each_place!(what_was_acknowledged_survives_kill_9);

/// Set for the child only: where its ledger is, and the store it writes to.
const CHILD_ADDRESS: &str = "KUBEMATE_LEDGER_TEST_ADDRESS";
const CHILD_STORE: &str = "KUBEMATE_LEDGER_TEST_STORE";
/// Kills, each at another count of acknowledged writes.
const ROUNDS: usize = 6;

/// What the child said before it died.
#[derive(Default)]
struct Acknowledged {
    attached: BTreeSet<String>,
    indexed: BTreeSet<String>,
}

/// The body of the child process; without the variable there is nothing to do.
#[tokio::test(flavor = "multi_thread")]
async fn child_writes_until_it_is_killed() {
    let Ok(address) = env::var(CHILD_ADDRESS) else { return };
    let store = env::var(CHILD_STORE).unwrap();
    let ledger = Ledger::open(&behind(&address)).await.unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..3 {
        let (ledger, store) = (ledger.clone(), store.clone());
        tasks.spawn(async move {
            loop {
                let file = upload(&ledger, &store).await;
                say("attached", &file);
            }
        });
    }
    tasks.spawn(index(ledger));
    tasks.join_next().await;
}

async fn index(ledger: Ledger) {
    let mut woken = ledger.watch_jobs();
    loop {
        woken.mark_unchanged();
        let Some(job) = ledger.lease_job("child", NOW_MS, 1).await.unwrap() else {
            woken.changed().await.unwrap();
            continue;
        };
        let JobKind::IndexDocument { file, version, .. } = &job.kind else { panic!("{job:?}") };
        assert!(ledger.report(&job, 50, "embed").await.unwrap());
        let done = Completed { version: *version, usage_bytes: 1, chunks: 1, content_sha256: String::new() };
        ledger.complete_index(&job, done, NOW).await.unwrap();
        say("indexed", file);
    }
}

/// One write to the pipe: what was said stays said after the kill.
fn say(what: &str, file: &str) {
    let mut out = std::io::stdout().lock();
    out.write_all(format!("\n{what} {file}\n").as_bytes()).unwrap();
    out.flush().unwrap();
}

/// Runs a child and kills it once it has acknowledged `limit` writes. Reads what it said to the end.
fn run_and_kill(address: &str, store: &str, limit: usize, said: &mut Acknowledged) {
    let mut child = Command::new(env::current_exe().unwrap())
        .args(["--exact", "crash::child_writes_until_it_is_killed", "--nocapture"])
        .env(CHILD_ADDRESS, address)
        .env(CHILD_STORE, store)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut heard = 0;
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        let fresh = match line.split_once(' ') {
            Some(("attached", file)) => said.attached.insert(file.to_owned()),
            Some(("indexed", file)) => said.indexed.insert(file.to_owned()),
            _ => false,
        };
        heard += usize::from(fresh);
        if fresh && heard == limit {
            child.kill().unwrap(); // SIGKILL
        }
    }
    let status = child.wait().unwrap();
    assert!(!status.success() && heard >= limit, "the child ended by itself: {status}, {heard} writes");
}

async fn what_was_acknowledged_survives_kill_9(place: &Place) {
    let ledger = place.open().await;
    let store = store(&ledger).await;
    ledger.close().await.unwrap();
    let mut said = Acknowledged::default();
    for round in 0..ROUNDS {
        run_and_kill(&place.address(), &store, 5 + 17 * round, &mut said);
        let ledger = place.open().await;
        check(&ledger, &store, &said).await;
        ledger.close().await.unwrap();
    }
    assert!(!said.indexed.is_empty());
}

/// Nothing acknowledged is lost, and no document is half there.
async fn check(ledger: &Ledger, store: &str, said: &Acknowledged) {
    let page = Page { limit: 10_000, ..Page::default() };
    let documents = ledger.documents(&tenant(), store, &page, None).await.unwrap().data;
    let searchable = ledger.searchable(&tenant(), &[store.to_owned()]).await.unwrap();
    let there: BTreeSet<&String> = documents.iter().map(|row| &row.file).collect();
    for file in &said.attached {
        assert!(there.contains(file), "`{file}` was acknowledged and is lost");
        ledger.file(&tenant(), file).await.unwrap();
    }
    for row in &documents {
        let jobs = ledger.jobs_of(&tenant(), store, &row.file).await.unwrap();
        assert_eq!(jobs.len(), 1, "each document has its job");
        let found = searchable.contains_key(&(store.to_owned(), row.file.clone()));
        match jobs[0].state {
            JobState::Queued | JobState::Running => {
                assert_eq!((row.status, found), (DocumentStatus::InProgress, false))
            }
            JobState::Done => assert_eq!((row.status, found), (DocumentStatus::Completed, true)),
            other => panic!("{other:?}"),
        }
        assert!(found || !said.indexed.contains(&row.file), "`{}` was acknowledged as indexed", row.file);
    }
}
