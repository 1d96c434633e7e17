use kubemate_ledger::{Ledger, suite};

use crate::{
    on_disk::OnDisk,
    place::{Place, in_each_place},
};

in_each_place!(the_ledger_keeps_the_contract, a_second_start_finds_what_the_first_wrote);

#[tokio::test]
async fn a_ledger_in_memory_keeps_the_contract() {
    suite::run(&Ledger::in_memory().await.unwrap()).await.unwrap();
}

async fn the_ledger_keeps_the_contract(place: &Place) {
    suite::run(&place.open().await).await.unwrap();
}

async fn a_second_start_finds_what_the_first_wrote(place: &Place) {
    let ledger = place.open().await;
    ledger.put_setting("name", "value", 1).await.unwrap();
    ledger.close().await.unwrap();
    assert_eq!(place.open().await.get_setting("name").await.unwrap().as_deref(), Some("value"));
}

#[cfg(unix)]
#[tokio::test]
async fn only_the_owner_may_read_the_file() {
    use std::os::unix::fs::PermissionsExt;
    let disk = OnDisk::new();
    let ledger = disk.open().await;
    ledger.put_setting("name", "value", 1).await.unwrap();
    for entry in std::fs::read_dir(disk.folder()).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o077, 0, "{:?}", entry.path());
    }
}
