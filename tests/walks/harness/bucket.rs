//! An S3 server for walks, inside the test process: signatures are checked, objects are files.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};

use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s_fs::FileSystem;
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};

use super::Folder;

const KEY: &str = "KUBEMATEWALKS";
const SECRET: &str = "not-a-secret";

/// A server with one bucket.
pub(crate) struct Bucket {
    address: SocketAddr,
    serving: JoinHandle<()>,
    _folder: Folder,
}

impl Bucket {
    pub(crate) async fn start() -> Self {
        let folder = Folder::new("s3");
        fs::create_dir(folder.path().join("bank")).expect("a bucket");
        let mut service = S3ServiceBuilder::new(FileSystem::new(folder.path()).expect("the folder is there"));
        service.set_auth(SimpleAuth::from_single(KEY, SECRET));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        Self { address, serving: tokio::spawn(serve(listener, service.build())), _folder: folder }
    }

    /// The settings of a gateway that keeps its files there.
    pub(crate) fn settings(&self) -> [(&'static str, String); 5] {
        [
            ("store.objects.kind", "s3".to_owned()),
            ("store.objects.endpoint", format!("http://{}", self.address)),
            ("store.objects.bucket", "bank".to_owned()),
            ("store.objects.access_key_id", KEY.to_owned()),
            ("store.objects.secret_access_key", SECRET.to_owned()),
        ]
    }

    /// Ends it with all its connections.
    pub(crate) fn stop(&self) {
        self.serving.abort();
    }
}

async fn serve(listener: TcpListener, service: S3Service) {
    let mut connections = JoinSet::new();
    while let Ok((socket, _)) = listener.accept().await {
        let service = service.clone();
        connections.spawn(async move {
            let _ended = Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(socket), service).await;
        });
    }
}
