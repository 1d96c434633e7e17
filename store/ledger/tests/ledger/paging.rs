use kubemate_identity::TenantId;
use kubemate_ledger::{Ledger, NewFile, Order, Page, new_id};
use proptest::{prelude::*, test_runner::TestRunner};

use crate::{
    on_disk::{NOW, new_file},
    place::Place,
};

/// When each file is made (few values, so that many share a second), the page size, the order, and after
/// how many pages a file is added in between.
fn plans() -> impl Strategy<Value = (Vec<i64>, u64, bool, usize)> {
    (proptest::collection::vec(0_i64..4, 0..25), 1_u64..8, any::<bool>(), 0_usize..6)
}

async fn add(ledger: &Ledger, tenant: &TenantId, at: i64) -> (i64, String) {
    let new = NewFile { id: new_id("file-"), ..new_file() };
    let row = ledger.create_file(tenant, new, NOW + at).await.unwrap();
    (row.created_at, row.id.clone())
}

async fn forwards(ledger: &Ledger, tenant: &TenantId, page: Page, disturb: Option<usize>) -> Vec<String> {
    let (mut seen, mut after, mut pages) = (Vec::new(), None, 0);
    loop {
        let read = ledger.files(tenant, &Page { after, ..page.clone() }, None).await.unwrap();
        assert!(read.data.len() <= usize::try_from(page.limit).unwrap());
        seen.extend(read.data.into_iter().map(|row| row.id));
        if disturb == Some(pages) {
            add(ledger, tenant, 2).await;
        }
        pages += 1;
        if !read.has_more {
            return seen;
        }
        after = read.last_id;
    }
}

async fn backwards(ledger: &Ledger, tenant: &TenantId, page: Page, from: String) -> Vec<String> {
    let (mut seen, mut before) = (Vec::new(), Some(from));
    loop {
        let read = ledger.files(tenant, &Page { before, ..page.clone() }, None).await.unwrap();
        let ids: Vec<String> = read.data.into_iter().map(|row| row.id).collect();
        seen.splice(0..0, ids);
        if !read.has_more {
            return seen;
        }
        before = read.first_id;
    }
}

async fn holds(ledger: &Ledger, (times, limit, newest_first, disturb): (Vec<i64>, u64, bool, usize)) {
    let tenant = TenantId::parse(&new_id("t-")).unwrap();
    let order = if newest_first { Order::Desc } else { Order::Asc };
    let page = Page { limit, order, ..Page::default() };
    let mut made = Vec::new();
    for at in times {
        made.push(add(ledger, &tenant, at).await);
    }
    made.sort();
    if newest_first {
        made.reverse();
    }
    let expected: Vec<String> = made.into_iter().map(|(_, id)| id).collect();
    assert_eq!(forwards(ledger, &tenant, page.clone(), None).await, expected);
    if let Some((last, others)) = expected.split_last() {
        assert_eq!(backwards(ledger, &tenant, page.clone(), last.clone()).await, others);
    }
    let mut disturbed = forwards(ledger, &tenant, page, Some(disturb)).await;
    disturbed.retain(|id| expected.contains(id));
    assert_eq!(disturbed, expected, "what was there before is seen once, whatever is added in between");
}

#[test]
fn pages_hold_every_item_once_and_in_order() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let ledger = runtime.block_on(Ledger::in_memory()).unwrap();
    hold(&runtime, &ledger, 100);
}

#[test]
fn pages_of_postgres_hold_every_item_once_and_in_order() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let ledger = runtime.block_on(async { Place::postgres().await.open().await });
    hold(&runtime, &ledger, 30);
}

fn hold(runtime: &tokio::runtime::Runtime, ledger: &Ledger, cases: u32) {
    let mut runner = TestRunner::new(ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() });
    runner
        .run(&plans(), |plan| {
            runtime.block_on(holds(ledger, plan));
            Ok(())
        })
        .unwrap();
}
