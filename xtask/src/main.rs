//! `cargo xtask <verb>`: what cargo alone can't do for this repository.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a developer's tool talks on the terminal")]

mod bench;
mod command;
mod compile;
mod config_doc;
mod deny;
mod host;
mod openapi;
mod places;
mod quality;
mod steps;
mod test;
mod tidy;
mod up;
mod venv;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Start, check and measure Kubemate from a clone of its repository.
///
/// A newcomer needs two lines: `cargo xtask up` starts the server, `cargo xtask test` runs every check.
/// Both install what is missing from the package registries and say what they are doing.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Build Kubemate, fetch its models and start it.
    Up(up::UpArgs),
    /// End the server that `up --detach` started.
    Down(up::DownArgs),
    /// Run every check: format, rules, dependencies, lints, unit tests and walks against the real binary.
    Test(test::TestArgs),
    /// Run the built server's command line, e.g. `cargo xtask kubemate keys create`.
    Kubemate(up::KubemateArgs),
    /// Check the rules of the house that neither compiler nor clippy knows.
    Tidy,
    /// Write docs/openapi.json from what the binary serves.
    Openapi(openapi::OpenapiArgs),
    /// Measure Kubemate against its peers, as ratios taken in one run.
    Bench(bench::BenchArgs),
    /// Measure how well search finds, beside its peers, on questions made of Debian's documentation.
    Quality(quality::QualityArgs),
}

fn main() -> ExitCode {
    let done = match Cli::parse().verb {
        Verb::Up(args) => up::up(&args),
        Verb::Down(args) => up::down(&args),
        Verb::Kubemate(args) => up::kubemate(&args),
        Verb::Test(args) => test::run(&args),
        Verb::Tidy => tidy::run(),
        Verb::Openapi(args) => openapi::run(&args),
        Verb::Bench(args) => bench::run(&args),
        Verb::Quality(args) => quality::run(&args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nerror: {error:#}");
            ExitCode::FAILURE
        }
    }
}
