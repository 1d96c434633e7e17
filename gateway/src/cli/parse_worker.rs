//! `kubemate parse-worker`: the child process in which documents are parsed.

use std::{
    io::{stdin, stdout},
    process::ExitCode,
};

use clap::Args;

/// Started by the server with one pipe in and one out. Takes its limits before it reads a byte.
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
        kubemate_corpus::apply_limits_to_self(self.memory_mib << 20, self.cpu_seconds)?;
        kubemate_parse::worker::serve(stdin().lock(), stdout().lock())?;
        Ok(ExitCode::SUCCESS)
    }
}
