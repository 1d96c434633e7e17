//! `kubemate`: an OpenAI-compatible gateway that answers from a company's own documents, in one binary.

mod answer_cache;
mod answers;
mod api;
mod app;
mod auth;
mod caches;
mod cli;
mod config;
mod forward;
mod guard;
mod housekeeping;
mod limits;
mod models;
mod net;
mod ollama;
mod routing;
mod telemetry;

use std::process::ExitCode;

use clap::Parser;

/// Fewer page faults than the system's allocator under many small requests.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // Several crates bring a TLS provider; without this line each use would have to choose one.
    if rustls::crypto::aws_lc_rs::default_provider().install_default().is_err() {
        return ExitCode::FAILURE;
    }
    cli::run(cli::Cli::parse())
}
