//! The command line: one verb a file.

mod audit;
mod chat;
mod config;
mod doctor;
mod eval;
mod keys;
mod models;
mod parse_worker;
mod print;
mod routes;
mod serve;

use std::{path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};

/// An OpenAI-compatible gateway that answers from your own documents, in one binary.
///
/// `kubemate serve` starts everything with embedded stores and local models; nothing else has to run.
/// Settings come from kubemate.toml and from variables such as KUBEMATE__SERVER__LISTEN=0.0.0.0:8080
/// (two underscores between the parts of a key).
#[derive(Debug, Parser)]
#[command(name = "kubemate", version = VERSION, propagate_version = true)]
pub(crate) struct Cli {
    /// Configuration file [default: kubemate.toml in this folder, if there is one]
    #[arg(long, short, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print JSON instead of text
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    verb: Verb,
}

/// Version and commit, set by the build script.
const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), " (", env!("KUBEMATE_COMMIT"), ")");

#[derive(Debug, Subcommand)]
enum Verb {
    /// Start the server: the API, the workers and the embedded stores
    Serve(serve::Serve),
    /// Talk to a model of a running server, in a conversation or with one question
    Chat(chat::Chat),
    /// Ask a knowledge base a golden set of questions and say how well it finds and cites
    Eval(eval::Eval),
    /// The models that run on this machine, and those of an Ollama behind it: list, pull, create, load …
    Models(models::Models),
    /// API keys: create, list, revoke (works while the server runs, too)
    #[command(subcommand)]
    Keys(keys::Keys),
    /// The configuration: check it without starting anything
    #[command(subcommand)]
    Config(config::ConfigVerb),
    /// The audit trail: verify that no row was changed, moved or removed
    #[command(subcommand)]
    Audit(audit::Audit),
    /// The routing table: explain which target a request would get
    #[command(subcommand)]
    Routes(routes::RoutesVerb),
    /// Say what is configured, what can be reached, and what is insecure
    Doctor,
    /// Print the API's OpenAPI document
    Openapi,
    /// Parse documents from standard input; started by the server, limited in memory and time
    #[command(hide = true)]
    ParseWorker(parse_worker::ParseWorker),
}

/// What every verb is given.
#[derive(Debug)]
struct Context {
    config: Option<PathBuf>,
    json: bool,
}

impl Context {
    fn load(&self) -> anyhow::Result<crate::config::Loaded> {
        Ok(crate::config::load(self.config.as_deref())?)
    }
}

/// Runs the verb; an error is one line on standard error.
pub(crate) fn run(cli: Cli) -> ExitCode {
    let context = Context { config: cli.config, json: cli.json };
    match dispatch(cli.verb, &context) {
        Ok(code) => code,
        Err(error) => {
            print::failure(&error, context.json);
            ExitCode::FAILURE
        }
    }
}

fn dispatch(verb: Verb, context: &Context) -> anyhow::Result<ExitCode> {
    match verb {
        Verb::ParseWorker(worker) => return worker.run(),
        Verb::Openapi => print::line(&crate::api::openapi_json()?),
        Verb::Config(verb) => verb.run(context)?,
        Verb::Serve(serve) => runtime()?.block_on(serve.run(context))?,
        Verb::Eval(eval) => return runtime()?.block_on(eval.run(context)),
        Verb::Chat(chat) => runtime()?.block_on(chat.run(context))?,
        Verb::Models(verb) => runtime()?.block_on(verb.run(context))?,
        Verb::Keys(verb) => runtime()?.block_on(verb.run(context))?,
        Verb::Audit(verb) => return runtime()?.block_on(verb.run(context)),
        Verb::Routes(verb) => runtime()?.block_on(verb.run(context))?,
        Verb::Doctor => return runtime()?.block_on(doctor::run(context)),
    }
    Ok(ExitCode::SUCCESS)
}

fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()
}
