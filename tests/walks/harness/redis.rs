//! A Redis server for walks.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};

use super::Folder;

/// A real Redis of its own.
pub(crate) struct Redis {
    port: u16,
    running: Child,
    folder: Folder,
}

impl Redis {
    /// A server on a free port of this machine, empty.
    pub(crate) fn start() -> Self {
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let port = free.local_addr().expect("an address").port();
        drop(free);
        let folder = Folder::new("redis");
        let running = Self::run(port, &folder);
        Self { port, running, folder }
    }

    /// The settings of a gateway that keeps its answers and counters there.
    pub(crate) fn settings(&self) -> [(&'static str, String); 3] {
        [
            ("store.cache.kind", "redis".to_owned()),
            ("store.cache.url", format!("redis://127.0.0.1:{}/0", self.port)),
            ("store.cache.seal_key", "0123456789abcdef0123456789abcdef".to_owned()),
        ]
    }

    fn run(port: u16, folder: &Folder) -> Child {
        let mut server = Command::new("redis-server");
        server.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--dir"]).arg(folder.path());
        let server = server.stdin(Stdio::null()).stdout(Stdio::null()).spawn();
        server.expect("redis-server starts; `apt-get install redis-server` brings it")
    }

    /// Has it refuse every write, as a replica does whose master is gone.
    pub(crate) fn reads_only(&self) {
        self.tell(&format!("REPLICAOF 127.0.0.1 {}", self.port));
    }

    /// Takes writes again.
    pub(crate) fn writes_again(&self) {
        self.tell("REPLICAOF NO ONE");
    }

    fn tell(&self, command: &str) {
        let mut connection = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).expect("it listens");
        connection.write_all(format!("{command}\r\n").as_bytes()).expect("it reads");
        let mut said = [0; 64];
        let length = connection.read(&mut said).expect("it answers");
        assert!(said[..length].starts_with(b"+OK"), "{}", String::from_utf8_lossy(&said[..length]));
    }

    /// Ends it as a power cut would.
    pub(crate) fn stop(&mut self) {
        self.running.kill().expect("it runs");
        self.running.wait().expect("it ends");
    }

    /// Starts it on the same port; it kept nothing.
    pub(crate) fn start_again(&mut self) {
        self.running = Self::run(self.port, &self.folder);
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _already_ended = self.running.kill();
        let _already_ended = self.running.wait();
    }
}
