use kubemate_ledger::{Ledger, suite};

use crate::on_disk::OnDisk;

#[tokio::test]
async fn a_ledger_in_memory_keeps_the_contract() {
    suite::run(&Ledger::in_memory().await.unwrap()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_in_a_file_keeps_the_contract() {
    let disk = OnDisk::new();
    suite::run(&disk.open().await).await.unwrap();
}

#[tokio::test]
async fn a_second_start_finds_what_the_first_wrote() {
    let disk = OnDisk::new();
    let ledger = disk.open().await;
    ledger.put_setting("name", "value", 1).await.unwrap();
    ledger.close().await.unwrap();
    assert_eq!(disk.open().await.get_setting("name").await.unwrap().as_deref(), Some("value"));
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
