//! A Milvus server for walks: PyPI's milvus-lite, installed by `tests/milvus/install.sh`.

use std::fs::File;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use super::{Folder, cache, until};

/// Longest wait for it to listen, on a machine that is busy with other work.
const PATIENCE: Duration = Duration::from_secs(180);

/// A real Milvus of its own.
pub(crate) struct Milvus {
    port: u16,
    running: Child,
    folder: Folder,
}

impl Milvus {
    /// A server on a free port of this machine, empty.
    pub(crate) async fn start() -> Self {
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let port = free.local_addr().expect("an address").port();
        drop(free);
        let folder = Folder::new("milvus");
        let server = Self { port, running: run(port, &folder), folder };
        server.listening().await;
        server
    }

    /// The settings of a gateway that keeps its passages there.
    pub(crate) fn settings(&self) -> [(&'static str, String); 4] {
        [
            ("store.vectors.kind", "milvus".to_owned()),
            ("store.vectors.url", self.url()),
            ("store.vectors.timeout", "60s".to_owned()),
            ("store.vectors.connect_timeout", "30s".to_owned()),
        ]
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Ends it as a power cut would.
    pub(crate) fn stop(&mut self) {
        self.running.kill().expect("it runs");
        self.running.wait().expect("it ends");
    }

    /// Starts it on the same port with what it kept.
    pub(crate) async fn start_again(&mut self) {
        self.running = run(self.port, &self.folder);
        self.listening().await;
    }

    async fn listening(&self) {
        until("Milvus", PATIENCE, async || TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).ok()).await;
    }
}

impl Drop for Milvus {
    fn drop(&mut self) {
        let _already_ended = self.running.kill();
        let _already_ended = self.running.wait();
    }
}

fn run(port: u16, folder: &Folder) -> Child {
    let log = File::options().create(true).append(true).open(folder.path().join("log")).expect("a log");
    let errors = log.try_clone().expect("a log");
    let mut server = Command::new(venv().join("bin/python"));
    server.arg(venv().join("bin/milvus-lite")).args(["server", "--host", "127.0.0.1", "--port", &port.to_string()]);
    server.arg("--data-dir").arg(folder.path().join("data")).stdin(Stdio::null()).stdout(log).stderr(errors);
    server.spawn().expect("milvus-lite starts")
}

/// The server's venv, made now if it is not there yet.
fn venv() -> &'static Path {
    static VENV: OnceLock<PathBuf> = OnceLock::new();
    VENV.get_or_init(|| {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/milvus/install.sh");
        let mut install = Command::new("bash");
        install.arg(script).env("KUBEMATE_CACHE", cache()).stderr(Stdio::inherit());
        let output = install.output().expect("bash starts");
        assert!(output.status.success(), "tests/milvus/install.sh failed");
        PathBuf::from(String::from_utf8(output.stdout).expect("text").lines().last().expect("a path"))
    })
}
