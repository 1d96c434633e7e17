//! `kubemate parse-worker`: the child process in which documents are parsed.

use std::process::ExitCode;

use clap::Args;

/// Started by the server with one pipe in and one out; takes its limits before it reads a byte.
#[derive(Debug, Args)]
pub(super) struct ParseWorker {
    /// Most memory, in MiB
    #[arg(long, default_value_t = 2048)]
    memory_mib: u64,
    /// Most processor time, in seconds
    #[arg(long, default_value_t = 300)]
    cpu_seconds: u64,
}

impl ParseWorker {
    pub(super) fn run(&self) -> anyhow::Result<ExitCode> {
        kubemate_corpus::serve_as_child(self.memory_mib << 20, self.cpu_seconds)?;
        Ok(ExitCode::SUCCESS)
    }
}
