//! A real `redis-server` of its own for a test.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Ends with the test. It keeps nothing on disk, so that it comes back empty.
pub(crate) struct Server {
    port: u16,
    running: Option<Child>,
}

impl Server {
    /// A server on a free port of this machine.
    pub(crate) fn start() -> Self {
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let port = free.local_addr().expect("an address").port();
        drop(free);
        let mut server = Self { port, running: None };
        server.restart();
        server
    }

    /// Starts it again on its port, empty.
    pub(crate) fn restart(&mut self) {
        self.stop();
        let port = self.port.to_string();
        let arguments = ["--port", &port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"];
        let server = Command::new("redis-server").args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).spawn();
        self.running = Some(server.expect("redis-server starts; `apt-get install redis-server` brings it"));
        let begun = Instant::now();
        while !self.told("PING\r\n").starts_with("+PONG") {
            assert!(begun.elapsed() < Duration::from_secs(20), "redis-server does not answer on port {port}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Ends it as a power cut would.
    pub(crate) fn stop(&mut self) {
        if let Some(mut server) = self.running.take() {
            server.kill().expect("it can be ended");
            server.wait().expect("it ends");
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/0", self.port)
    }

    /// Sends a line as people type it and gives the first bytes of the answer; empty when there is none.
    pub(crate) fn told(&self, line: &str) -> String {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.port));
        let Ok(mut stream) = TcpStream::connect(address) else { return String::new() };
        stream.set_read_timeout(Some(Duration::from_secs(5))).expect("a timeout");
        let mut answer = [0; 64 * 1024];
        let read = stream.write_all(line.as_bytes()).and_then(|()| stream.read(&mut answer)).unwrap_or(0);
        String::from_utf8_lossy(&answer[..read]).into_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}
