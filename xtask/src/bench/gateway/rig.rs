//! The rig's verbs as functions: each starts it, waits and reads what it printed.

use std::{
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::PathBuf,
    process::{Command, Stdio},
};

use anyhow::Context;
use serde::{Deserialize, de::DeserializeOwned};

use super::server::{Process, Server};
use crate::command;

/// The rig with its upstream, which ends with it.
#[derive(Debug)]
pub(super) struct Rig {
    program: PathBuf,
    upstream: SocketAddr,
    _mock: Process,
}

#[derive(Debug, Deserialize)]
pub(super) struct Percentiles {
    pub(super) p50_us: f64,
    pub(super) p99_us: f64,
}

#[derive(Debug, Deserialize)]
pub(super) struct Closed {
    pub(super) requests: f64,
    pub(super) errors: f64,
    pub(super) rps: f64,
    pub(super) latency: Percentiles,
    pub(super) cpu_us_per_request: f64,
    pub(super) rss_before_kib: f64,
    pub(super) rss_after_kib: f64,
    pub(super) first_error: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Open {
    pub(super) due: f64,
    pub(super) answered: f64,
    pub(super) errors: f64,
    pub(super) latency: Percentiles,
}

#[derive(Debug, Deserialize)]
pub(super) struct Verdict {
    pub(super) faults: f64,
    pub(super) whole: f64,
}

#[derive(Debug, Deserialize)]
pub(super) struct Streams {
    pub(super) verdict: Verdict,
    pub(super) broken: f64,
    pub(super) first: Percentiles,
    pub(super) delay: Percentiles,
    pub(super) frames_per_second: f64,
    pub(super) cpu_us_per_frame: f64,
}

#[derive(Debug, Deserialize)]
pub(super) struct Hold {
    pub(super) verdict: Verdict,
    pub(super) broken: f64,
    pub(super) delay: Percentiles,
    pub(super) kib_per_stream: f64,
    pub(super) cpu_us_per_frame: f64,
}

impl Rig {
    /// Starts the upstream and reads where it listens.
    pub(super) fn start(program: PathBuf) -> anyhow::Result<Self> {
        let mut mock = Command::new(&program);
        mock.args(["mock", "--listen", "127.0.0.1:0"]).stdout(Stdio::piped());
        let mut mock = Process::start(mock)?;
        let mut line = String::new();
        BufReader::new(mock.child().stdout.take().context("the mock's output is not a pipe")?).read_line(&mut line)?;
        let upstream = line.trim().rsplit(' ').next().unwrap_or_default().parse();
        let upstream = upstream.with_context(|| format!("the mock said `{line}` and no address"))?;
        Ok(Self { program, upstream, _mock: mock })
    }

    pub(super) fn upstream(&self) -> SocketAddr {
        self.upstream
    }

    /// Puts the load of `verb` on `server`.
    pub(super) fn ask<T: DeserializeOwned>(
        &self,
        server: &Server,
        verb: &str,
        options: &[(&str, String)],
    ) -> anyhow::Result<T> {
        let mut program = Command::new(&self.program);
        program.arg(verb).args(["--address", &server.address.to_string(), "--key", &server.key]);
        for (name, value) in options {
            program.arg(format!("--{name}")).arg(value);
        }
        if let Some(pid) = server.pid() {
            program.args(["--pid", &pid.to_string()]);
        }
        let printed = command::read(&mut program)?;
        serde_json::from_str(&printed).with_context(|| format!("the rig printed `{printed}`"))
    }
}
