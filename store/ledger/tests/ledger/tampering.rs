use kubemate_ledger::{AuditEvent, Ledger, Outcome};
use proptest::{prelude::*, test_runner::TestRunner};
use sea_orm::{ConnectionTrait, Database, DatabaseConnection};
use serde_json::json;

use crate::{
    on_disk::{NOW_MS, tenant},
    place::{Place, in_each_place},
};

in_each_place!(changed_missing_added_and_moved_rows_are_found, a_forged_trimming_is_found);

const ROWS: i64 = 40;
const TEXTS: [&str; 7] = ["tenant", "actor", "action", "target", "outcome", "detail", "hash"];
const DAY_MS: i64 = 86_400_000;

/// A ledger with a chain, and a door for an attacker who can write the database.
struct Chain {
    ledger: Ledger,
    attacker: DatabaseConnection,
}

impl Chain {
    async fn new(place: &Place) -> Self {
        let ledger = place.open().await;
        ledger.audit_all((0..ROWS).map(event).collect()).await.unwrap();
        let attacker = Database::connect(place.address()).await.unwrap();
        Self { ledger, attacker }
    }

    async fn sql(&self, sql: &str) {
        self.attacker.execute_unprepared(sql).await.unwrap();
    }

    async fn keep_a_copy(&self) {
        self.sql("CREATE TABLE kept AS SELECT * FROM audit").await;
        self.sql("CREATE TABLE kept_marks AS SELECT * FROM audit_marks").await;
    }

    async fn restore(&self) {
        for table in ["audit", "audit_marks"] {
            self.sql(&format!("DELETE FROM {table}")).await;
        }
        self.sql("INSERT INTO audit SELECT * FROM kept").await;
        self.sql("INSERT INTO audit_marks SELECT * FROM kept_marks").await;
    }

    async fn broken_at(&self) -> Option<i64> {
        self.ledger.verify_audit().await.unwrap().broken_at
    }
}

fn event(index: i64) -> AuditEvent {
    AuditEvent {
        tenant: Some(tenant()),
        actor: format!("key_{index}"),
        action: "file.delete".to_owned(),
        target: format!("file-{index}"),
        outcome: Outcome::Ok,
        at_ms: NOW_MS + index * DAY_MS,
        detail: json!({"n": index, "why": "清理"}),
    }
}

/// Any row, any column, any bit: found, at that row. SQLite keeps whatever bytes it is given as text.
#[test]
fn any_flipped_bit_is_found() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let place = Place::file();
    let chain = runtime.block_on(Chain::new(&place));
    let mut runner =
        TestRunner::new(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() });
    let flips = (1..=ROWS, proptest::sample::select(TEXTS.to_vec()), any::<proptest::sample::Index>(), 0_u8..8);
    runner
        .run(&flips, |(seq, column, at, bit)| {
            runtime.block_on(flip(&chain, seq, column, at, bit));
            Ok(())
        })
        .unwrap();
}

async fn flip(chain: &Chain, seq: i64, column: &str, at: proptest::sample::Index, bit: u8) {
    let sql = format!("SELECT hex({column}) AS bytes FROM audit WHERE seq = {seq}");
    let statement = sea_orm::Statement::from_string(sea_orm::DbBackend::Sqlite, sql);
    let row = chain.attacker.query_one_raw(statement).await.unwrap().unwrap();
    let good: String = row.try_get("", "bytes").unwrap();
    let mut bytes = hex::decode(&good).unwrap();
    let at = at.index(bytes.len());
    bytes[at] ^= 1 << bit;
    chain.sql(&format!("UPDATE audit SET {column} = CAST(X'{}' AS TEXT) WHERE seq = {seq}", hex::encode(bytes))).await;
    assert_eq!(chain.broken_at().await, Some(seq), "{column}, byte {at}, bit {bit}");
    chain.sql(&format!("UPDATE audit SET {column} = CAST(X'{good}' AS TEXT) WHERE seq = {seq}")).await;
    assert_eq!(chain.broken_at().await, None);
}

async fn changed_missing_added_and_moved_rows_are_found(place: &Place) {
    let chain = Chain::new(place).await;
    assert_eq!(chain.broken_at().await, None);
    chain.keep_a_copy().await;
    for (attack, at) in [
        ("UPDATE audit SET at_ms = at_ms + 1 WHERE seq = 7", 7),
        (unreadable(place), 9),
        ("UPDATE audit SET tenant = NULL WHERE seq = 8", 8),
        ("DELETE FROM audit WHERE seq = 1", 1),
        ("DELETE FROM audit WHERE seq = 20", 20),
        ("DELETE FROM audit WHERE seq = 40", 40),
        ("DELETE FROM audit", 1),
        ("UPDATE audit SET seq = 41 WHERE seq = 40", 40),
        ("UPDATE audit SET seq = 99 WHERE seq = 11", 11),
        (
            "INSERT INTO audit SELECT 41, tenant, actor, action, target, outcome, at_ms, detail, hash FROM kept LIMIT 1",
            41,
        ),
        ("UPDATE audit_marks SET seq = 39 WHERE name = 'head'", 40),
        ("UPDATE audit_marks SET seq = 45 WHERE name = 'head'", 41),
        ("UPDATE audit_marks SET hash = 'ab' WHERE name = 'head'", 40),
        ("UPDATE audit_marks SET hash = 'ab' WHERE name = 'base'", 1),
    ] {
        chain.sql(attack).await;
        assert_eq!(chain.broken_at().await, Some(at), "{attack}");
        chain.restore().await;
        assert_eq!(chain.broken_at().await, None, "restored after {attack}");
    }
    for (from, to) in [(11, -1), (12, 11), (-1, 12)] {
        chain.sql(&format!("UPDATE audit SET seq = {to} WHERE seq = {from}")).await;
    }
    assert_eq!(chain.broken_at().await, Some(11), "two rows changed places");
}

/// SQLite keeps a text where a number should be; PostgreSQL refuses it, and the column itself must change.
fn unreadable(place: &Place) -> &'static str {
    match place {
        Place::File(_) => "UPDATE audit SET at_ms = 'soon' WHERE seq = 9",
        Place::Postgres(_) => "UPDATE audit SET detail = detail || ' ' WHERE seq = 9",
    }
}

async fn a_forged_trimming_is_found(place: &Place) {
    let chain = Chain::new(place).await;
    chain.keep_a_copy().await;
    assert_eq!(chain.ledger.trim_audit(NOW_MS + 420 * DAY_MS).await.unwrap(), 20);
    assert_eq!(chain.broken_at().await, None);
    chain.sql("DELETE FROM audit WHERE seq <= 30").await;
    assert_eq!(chain.broken_at().await, Some(21));
    chain
        .sql("UPDATE audit_marks SET seq = 30, hash = (SELECT hash FROM kept WHERE seq = 30) WHERE name = 'base'")
        .await;
    assert_eq!(chain.broken_at().await, Some(30), "the chain itself says where it was trimmed");
}
