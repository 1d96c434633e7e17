//! A server under measurement: started, waited for, ended by its own process id.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use rustix::process::{Pid, Signal, kill_process};

use super::peers::Kind;
use crate::command;

/// LiteLLM imports for half a minute on a busy machine.
const LONGEST_START: Duration = Duration::from_secs(180);
/// Past this, a server that was asked to end is ended.
const LONGEST_STOP: Duration = Duration::from_secs(15);
/// Between two looks at a server that starts.
const LOOK: Duration = Duration::from_millis(2);

/// A process that is ended when this is dropped.
#[derive(Debug)]
pub(super) struct Process(Child);

impl Process {
    pub(super) fn start(mut program: Command) -> anyhow::Result<Self> {
        program.stdin(Stdio::null());
        let child = program.spawn().with_context(|| format!("cannot start `{}`", command::line(&program)))?;
        Ok(Self(child))
    }

    pub(super) fn id(&self) -> u32 {
        self.0.id()
    }

    pub(super) fn child(&mut self) -> &mut Child {
        &mut self.0
    }

    fn end(&mut self) {
        let asked = Instant::now();
        let pid = i32::try_from(self.0.id()).ok().and_then(Pid::from_raw);
        // A failure means that it is gone, which the wait sees.
        let _ = pid.map(|pid| kill_process(pid, Signal::TERM));
        while asked.elapsed() < LONGEST_STOP {
            if !matches!(self.0.try_wait(), Ok(None)) {
                return;
            }
            thread::sleep(Duration::from_millis(10));
        }
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
    }
}

/// Whom to ask, and with which key.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) kind: Kind,
    pub(super) address: SocketAddr,
    pub(super) key: String,
    /// From the start of the process to its first good answer.
    pub(super) ready: Duration,
    process: Option<Process>,
}

impl Server {
    /// Something that runs already and belongs to somebody else.
    pub(super) fn running(kind: Kind, address: SocketAddr) -> Self {
        Self { kind, address, key: "none".to_owned(), ready: Duration::ZERO, process: None }
    }

    /// Starts `program` and waits until it lists its models.
    ///
    /// # Errors
    /// When it ends first or is not ready in time.
    pub(super) fn start(kind: Kind, program: Command, address: SocketAddr, key: String) -> anyhow::Result<Self> {
        let begun = Instant::now();
        let mut process = Process::start(program)?;
        while !lists_models(address, &key) {
            if let Some(status) = process.child().try_wait()? {
                bail!("{} ended with {status} before it was ready", kind.name());
            }
            if begun.elapsed() > LONGEST_START {
                bail!("{} is not ready after {} s", kind.name(), LONGEST_START.as_secs());
            }
            thread::sleep(LOOK);
        }
        Ok(Self { kind, address, key, ready: begun.elapsed(), process: Some(process) })
    }

    /// The same server, asked with another key from now on.
    pub(super) fn with_key(self, key: &str) -> Self {
        Self { key: key.to_owned(), ..self }
    }

    /// The process whose cost is read, if it is measured.
    pub(super) fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(Process::id)
    }
}

/// A gateway is ready when it has a model to offer.
fn lists_models(address: SocketAddr, key: &str) -> bool {
    let asked = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(1))?;
        stream.set_read_timeout(Some(Duration::from_secs(2)))?;
        write!(
            stream,
            "GET /v1/models HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {key}\r\nconnection: close\r\n\r\n"
        )?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        Ok(text)
    };
    asked().is_ok_and(|text| is_list(&text))
}

fn is_list(text: &str) -> bool {
    text.starts_with("HTTP/1.1 200") && text.contains("\"mock\"")
}

/// An address that was free a moment ago.
pub(super) fn free_address() -> anyhow::Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gateway_without_models_is_not_ready() {
        assert!(is_list("HTTP/1.1 200 OK\r\n\r\n{\"data\":[{\"id\":\"mock\"}]}"));
        assert!(!is_list("HTTP/1.1 200 OK\r\n\r\n{\"data\":[]}"));
        assert!(!is_list("HTTP/1.1 503 Service Unavailable\r\n\r\n{\"error\":\"mock\"}"));
    }

    #[test]
    fn a_process_ends_with_its_owner() {
        let mut sleep = Command::new("sleep");
        sleep.arg("60");
        let process = Process::start(sleep).unwrap();
        let pid = process.id();
        drop(process);
        assert!(!std::path::Path::new(&format!("/proc/{pid}")).exists());
    }
}
