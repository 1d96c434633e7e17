use std::collections::{BTreeMap, BTreeSet};

use kubemate_identity::{ApiKey, ProjectId, Rights};
use kubemate_ledger::{AuditEvent, Completed, JobKind, Json, Ledger, NewDocument, NewKey, Outcome, Page};
use tokio::task::JoinSet;

use crate::{
    on_disk::{NOW, NOW_MS, new_document, new_file, store, tenant, upload},
    place::{Place, in_each_place},
};

in_each_place!(
    sixteen_workers_take_each_of_two_hundred_jobs_once,
    workers_of_two_processes_take_each_job_once,
    a_hundred_writers_never_see_a_locked_database,
    one_file_attached_by_many_at_once_is_one_document,
    deleting_a_file_while_it_is_attached_leaves_no_document_of_it,
    two_first_starts_agree_on_the_admin_key,
    a_caller_that_goes_away_leaves_no_half_change,
    two_who_narrow_a_key_at_once_leave_what_both_leave,
    a_document_attached_while_its_clean_up_ends_is_whole,
);

const WORKERS: usize = 16;
const JOBS: usize = 200;
const WRITERS: usize = 100;

async fn with_jobs(ledger: &Ledger) -> String {
    let store = store(ledger).await;
    let mut batch: Vec<NewDocument> = Vec::new();
    for _ in 0..JOBS {
        let file = ledger.create_file(&tenant(), new_file(), NOW).await.unwrap();
        batch.push(new_document(&file.id));
    }
    ledger.create_batch(&tenant(), &store, batch, NOW).await.unwrap();
    store
}

/// Takes and completes jobs until there are none. Gives the ids of those it took.
async fn work(ledger: Ledger, name: String) -> Vec<String> {
    let mut taken = Vec::new();
    while let Some(job) = ledger.lease_job(&name, NOW_MS, 60_000).await.unwrap() {
        let JobKind::IndexDocument { version, .. } = job.kind else { panic!("{job:?}") };
        assert!(ledger.renew_lease(&job, NOW_MS, 60_000).await.unwrap());
        let done = Completed { version, usage_bytes: 1, chunks: 1, content_sha256: String::new() };
        ledger.complete_index(&job, done, NOW).await.unwrap();
        taken.push(job.id);
    }
    taken
}

async fn every_job_is_taken_once(ledgers: &[Ledger]) {
    let store = with_jobs(&ledgers[0]).await;
    let mut workers = JoinSet::new();
    for worker in 0..WORKERS {
        workers.spawn(work(ledgers[worker % ledgers.len()].clone(), format!("worker {worker}")));
    }
    let taken: Vec<String> = workers.join_all().await.into_iter().flatten().collect();
    assert_eq!(taken.len(), JOBS);
    assert_eq!(taken.iter().collect::<BTreeSet<_>>().len(), JOBS);
    let counts = ledgers[0].counts(&tenant(), &store).await.unwrap();
    assert_eq!((counts.completed, counts.total), (200, 200));
    let revisions = ledgers[0].revisions(&tenant(), std::slice::from_ref(&store)).await.unwrap();
    assert_eq!(revisions[&store], 200, "each completion told the search caches");
}

async fn sixteen_workers_take_each_of_two_hundred_jobs_once(place: &Place) {
    every_job_is_taken_once(&[place.open().await]).await;
}

async fn workers_of_two_processes_take_each_job_once(place: &Place) {
    every_job_is_taken_once(&[place.open().await, place.open().await]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_in_memory_take_each_job_once() {
    every_job_is_taken_once(&[Ledger::in_memory().await.unwrap()]).await;
}

async fn a_hundred_writers_never_see_a_locked_database(place: &Place) {
    let (one, other) = (place.open().await, place.open().await);
    let store = store(&one).await;
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let (ledger, store) = (if writer % 5 == 0 { other.clone() } else { one.clone() }, store.clone());
        writers.spawn(async move {
            let file = upload(&ledger, &store).await;
            ledger.audit(event(&file)).await.unwrap();
            assert_eq!(ledger.document(&tenant(), &store, &file).await.unwrap().file, file, "own writes are read");
            file
        });
    }
    let files: BTreeSet<String> = writers.join_all().await.into_iter().collect();
    let page = Page { limit: 1000, ..Page::default() };
    let documents = one.documents(&tenant(), &store, &page, None).await.unwrap().data;
    assert_eq!(documents.iter().map(|row| row.file.clone()).collect::<BTreeSet<_>>(), files);
    let versions: BTreeSet<i64> = documents.iter().map(|row| row.version).collect();
    assert_eq!(versions.len(), WRITERS, "no version twice");
    let report = other.verify_audit().await.unwrap();
    assert_eq!((report.broken_at, report.rows), (None, 100));
}

async fn one_file_attached_by_many_at_once_is_one_document(place: &Place) {
    let ledger = place.open().await;
    let store = store(&ledger).await;
    let file = ledger.create_file(&tenant(), new_file(), NOW).await.unwrap().id.clone();
    let mut writers = JoinSet::new();
    for _ in 0..20 {
        let (ledger, store, file) = (ledger.clone(), store.clone(), file.clone());
        writers.spawn(async move { ledger.attach(&tenant(), &store, new_document(&file), NOW).await.unwrap().version });
    }
    let versions: BTreeMap<i64, ()> = writers.join_all().await.into_iter().map(|version| (version, ())).collect();
    assert_eq!(versions.len(), 1);
    assert_eq!(ledger.jobs_of(&tenant(), &store, &file).await.unwrap().len(), 1);
}

async fn deleting_a_file_while_it_is_attached_leaves_no_document_of_it(place: &Place) {
    let ledger = place.open().await;
    let store = store(&ledger).await;
    for _ in 0..20 {
        let file = ledger.create_file(&tenant(), new_file(), NOW).await.unwrap().id.clone();
        let attach = {
            let (ledger, store, file) = (ledger.clone(), store.clone(), file.clone());
            tokio::spawn(async move { ledger.attach(&tenant(), &store, new_document(&file), NOW).await.is_ok() })
        };
        assert!(ledger.delete_file(&tenant(), &file, NOW).await.unwrap());
        attach.await.unwrap();
        assert!(ledger.document(&tenant(), &store, &file).await.is_err());
    }
    assert_eq!(ledger.counts(&tenant(), &store).await.unwrap().total, 0);
}

async fn two_first_starts_agree_on_the_admin_key(place: &Place) {
    let ledger = place.open().await;
    let mut starts = JoinSet::new();
    for start in 0..10 {
        let ledger = ledger.clone();
        starts.spawn(async move { ledger.setting_or_put("admin", &start.to_string(), NOW).await.unwrap() });
    }
    assert_eq!(starts.join_all().await.into_iter().collect::<BTreeSet<_>>().len(), 1);
}

async fn two_who_narrow_a_key_at_once_leave_what_both_leave(place: &Place) {
    let ledger = place.open().await;
    ledger.ensure_tenant(&tenant(), NOW).await.unwrap();
    let project = ledger.ensure_project(&tenant(), "p", NOW).await.unwrap();
    let project = ProjectId::parse(&project.id).unwrap();
    let only = |models: &[&str]| Rights {
        models: Some(models.iter().map(|name| (*name).to_owned()).collect()),
        ..Rights::member()
    };
    for _ in 0..20 {
        let secret = ApiKey::generate().unwrap();
        let (name, display) = (String::new(), String::new());
        let new = NewKey { name, display, rights: only(&["a", "b", "c"]), hash: secret.hash(), maker: None };
        let key = ledger.create_key(&tenant(), &project, new, NOW).await.unwrap().id;
        let narrow = |rights: Rights| {
            let (ledger, key) = (ledger.clone(), key.clone());
            tokio::spawn(async move { ledger.narrow_key(&tenant(), &key, &rights).await.is_ok() })
        };
        let (left, right) = (narrow(only(&["a", "b"])), narrow(only(&["b", "c"])));
        let done = (left.await.unwrap(), right.await.unwrap());
        assert!(done == (true, false) || done == (false, true), "the second would have widened it: {done:?}");
    }
}

async fn a_document_attached_while_its_clean_up_ends_is_whole(place: &Place) {
    let (one, other) = (place.open().await, place.open().await);
    let store = store(&one).await;
    for _ in 0..20 {
        let file = upload(&one, &store).await;
        let job = one.lease_job("w", NOW_MS, 1).await.unwrap().unwrap();
        let JobKind::IndexDocument { version, .. } = job.kind else { panic!("{job:?}") };
        let done = Completed { version, usage_bytes: 1, chunks: 1, content_sha256: String::new() };
        one.complete_index(&job, done, NOW).await.unwrap();
        assert!(one.detach(&tenant(), &store, &file, NOW).await.unwrap());
        let removal = one.lease_job("w", NOW_MS, 1).await.unwrap().unwrap();
        let attach = {
            let (other, store, file) = (other.clone(), store.clone(), file.clone());
            tokio::spawn(async move { other.attach(&tenant(), &store, new_document(&file), NOW).await })
        };
        one.complete_removal(&removal, NOW).await.unwrap();
        attach.await.unwrap().unwrap();
        assert_eq!(one.document(&tenant(), &store, &file).await.unwrap().file, file);
        let again = one.lease_job("w", NOW_MS, 1).await.unwrap().unwrap();
        let JobKind::IndexDocument { version, .. } = again.kind else { panic!("{again:?}") };
        let done = Completed { version, usage_bytes: 1, chunks: 1, content_sha256: String::new() };
        one.complete_index(&again, done, NOW).await.unwrap();
        while let Some(left) = one.lease_job("w", NOW_MS, 1).await.unwrap() {
            one.complete_removal(&left, NOW).await.unwrap();
        }
    }
}

#[tokio::test]
async fn workers_are_woken_by_new_jobs() {
    let ledger = Ledger::in_memory().await.unwrap();
    let mut woken = ledger.watch_jobs();
    let store = store(&ledger).await;
    assert!(!woken.has_changed().unwrap());
    upload(&ledger, &store).await;
    woken.changed().await.unwrap();
}

async fn a_caller_that_goes_away_leaves_no_half_change(place: &Place) {
    let ledger = place.open().await;
    let store = store(&ledger).await;
    for polls in 0..40 {
        let file = ledger.create_file(&tenant(), new_file(), NOW).await.unwrap().id.clone();
        let tenant = tenant();
        let mut attach = Box::pin(ledger.attach(&tenant, &store, new_document(&file), NOW));
        for _ in 0..polls {
            if futures_poll(&mut attach).await {
                break;
            }
        }
        drop(attach);
        let attached = ledger.document(&tenant, &store, &file).await.is_ok();
        let jobs = ledger.jobs_of(&tenant, &store, &file).await.unwrap().len();
        assert_eq!(usize::from(attached), jobs);
    }
    upload(&ledger, &store).await;
}

/// Polls once, then lets others run. Whether it was ready.
async fn futures_poll<F: Future + Unpin>(future: &mut F) -> bool {
    let ready = std::future::poll_fn(|context| {
        std::task::Poll::Ready(std::pin::Pin::new(&mut *future).poll(context).is_ready())
    });
    let ready = ready.await;
    tokio::task::yield_now().await;
    ready
}

fn event(target: &str) -> AuditEvent {
    AuditEvent {
        tenant: Some(tenant()),
        actor: "key_1".to_owned(),
        action: "file.upload".to_owned(),
        target: target.to_owned(),
        outcome: Outcome::Ok,
        at_ms: NOW_MS,
        detail: Json::Null,
    }
}
