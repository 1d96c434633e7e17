//! What is particular to PostgreSQL: starting together, refusing clearly, TLS, and coming back.

use std::{collections::BTreeSet, time::Duration};

use kubemate_ledger::{AuditEvent, Json, Ledger, LedgerConfig, LedgerError, Outcome, PostgresConfig};
use tokio::task::JoinSet;

use crate::{
    on_disk::{NOW, NOW_MS, tenant},
    place::{Place, postgres},
    server::Server,
};

/// How many processes start at once, and how many rows each appends to the chain.
const PROCESSES: i64 = 6;
const ROWS: i64 = 40;

async fn refusal(url: &str, password: Option<&str>) -> String {
    let patience = Duration::from_millis(500);
    let password = password.map(str::to_owned);
    let config = PostgresConfig { url: url.to_owned(), password, connections: 1, patience };
    match Ledger::open(&LedgerConfig::Postgres(config)).await {
        Err(LedgerError::Setup(told)) => told,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_that_start_at_once_make_the_tables_once_and_append_to_one_chain() {
    let url = Server::shared().database().await;
    let mut starts = JoinSet::new();
    for process in 0..PROCESSES {
        let config = postgres(&url);
        starts.spawn(async move {
            let ledger = Ledger::open(&config).await.unwrap();
            let admin = ledger.setting_or_put("admin", &process.to_string(), NOW).await.unwrap();
            for row in 0..ROWS {
                ledger.audit_all(vec![event(process, row); 2]).await.unwrap();
            }
            admin
        });
    }
    let admins: BTreeSet<String> = starts.join_all().await.into_iter().collect();
    assert_eq!(admins.len(), 1, "all agree on one admin key");
    let report = Ledger::open(&postgres(&url)).await.unwrap().verify_audit().await.unwrap();
    assert_eq!((report.broken_at, report.head.seq), (None, PROCESSES * ROWS * 2));
}

fn event(process: i64, row: i64) -> AuditEvent {
    AuditEvent {
        tenant: Some(tenant()),
        actor: format!("key_{process}"),
        action: "file.upload".to_owned(),
        target: format!("file-{row}"),
        outcome: Outcome::Ok,
        at_ms: NOW_MS,
        detail: Json::Null,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_work_says_what_to_change() {
    let server = Server::shared();
    let there = server.database().await;
    let rights = "CREATE ROLE locked LOGIN PASSWORD 'right'; CREATE ROLE guest LOGIN; \
                  REVOKE CREATE ON SCHEMA public FROM PUBLIC";
    server.sql(there.rsplit_once('/').unwrap().1, rights).await;

    let wrong = there.replace("kubemate@", "locked:wrong@");
    assert!(refusal(&wrong, None).await.ends_with("refuses the password of user `locked`"));
    assert!(refusal(&wrong, Some("also wrong")).await.ends_with("refuses the password of user `locked`"));
    let none = server.url("nowhere");
    assert!(refusal(&none, None).await.ends_with("type `CREATE DATABASE nowhere OWNER kubemate` there"));
    let guest = there.replace("kubemate@", "guest@");
    assert!(refusal(&guest, None).await.contains("`GRANT CREATE ON SCHEMA public TO guest`"));
    let locked = there.replace("kubemate@", "locked@");
    assert!(refusal(&locked, Some("right")).await.contains("may not make tables"), "the password apart is taken");
    assert!(refusal("postgres://kubemate@127.0.0.1:1/x", None).await.contains("127.0.0.1:1 cannot be reached"));
    assert!(refusal("http://kubemate@127.0.0.1/x", None).await.contains("postgres://user@host:5432/database"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_private_ca_vouches_for_the_server() {
    let server = Server::shared();
    let url = server.database().await.replace("127.0.0.1", "localhost");
    let stranger = refusal(&format!("{url}?sslmode=verify-full"), None).await;
    assert!(stranger.starts_with("TLS with PostgreSQL at localhost:"), "{stranger}");
    let vouched = format!("{url}?sslmode=verify-full&sslrootcert={}", server.ca().display());
    Ledger::open(&postgres(&vouched)).await.unwrap().ping().await.unwrap();
    let other_name = refusal(&vouched.replace("localhost", "127.0.0.1"), None).await;
    assert!(other_name.starts_with("TLS with PostgreSQL at 127.0.0.1:"), "{other_name}");
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_the_server_dropped_are_replaced_unnoticed() {
    let Place::Postgres(url) = Place::postgres().await else { unreachable!("it is on PostgreSQL") };
    let ledger = Ledger::open(&postgres(&url)).await.unwrap();
    let others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                  WHERE datname = current_database() AND pid <> pg_backend_pid()";
    for round in 0..5 {
        Server::shared().sql(url.rsplit_once('/').unwrap().1, others).await;
        ledger.put_setting("round", &round.to_string(), NOW).await.unwrap();
    }
    let concerns = ledger.concerns().await.unwrap();
    assert!(concerns.len() == 1 && concerns[0].contains("`fsync` is off"), "{concerns:?}");
    assert_eq!(ledger.get_setting("round").await.unwrap().as_deref(), Some("4"));
}
