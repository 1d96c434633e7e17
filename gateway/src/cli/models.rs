//! `kubemate models`: those of this machine, and with `--upstream` those of an Ollama server behind the gateway.

mod upstream;

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use kubemate_engine::{CatalogueEntry, Progress, VerifyReport, catalogue, pull, verify};
use serde_json::{Value, json};

use super::{Context, chat::here, print};
use crate::models::{Egress, cache_folder};

/// Longest wait for the package index to take a connection.
const CONNECT: Duration = Duration::from_secs(15);

/// Where, and what.
#[derive(Debug, Args)]
pub(super) struct Models {
    /// Manage the models of this upstream, an Ollama, through the running server
    #[arg(long, global = true, value_name = "NAME")]
    upstream: Option<String>,
    /// Root of the server, such as https://kubemate.example [default: this machine, as configured]
    #[arg(long, global = true, value_name = "URL")]
    url: Option<String>,
    /// API key of an administrator; in the variable no other user of this machine can see it
    #[arg(long, global = true, env = "KUBEMATE_API_KEY", hide_env_values = true, value_name = "KEY")]
    key: Option<String>,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List the models that can run here, and which are on this machine; with --upstream, those it has
    List,
    /// Fetch the weights of MODEL (of all models, when none is named), checked by SHA-256
    Pull {
        /// Names as `models list` shows them; with --upstream, as Ollama's library knows them
        models: Vec<String>,
        /// With --upstream: the registry that the name begins with may be asked without encryption
        #[arg(long)]
        insecure: bool,
    },
    /// Check the weights on this machine against their SHA-256
    Verify {
        /// Names as `models list` shows them
        models: Vec<String>,
    },
    /// With --upstream: make MODEL of a GGUF file, which is sent there
    Create {
        /// Name and tag that it gets
        model: String,
        /// The GGUF file
        #[arg(long, value_name = "FILE")]
        from: PathBuf,
        /// Instructions that go before every conversation
        #[arg(long, value_name = "TEXT")]
        system: Option<String>,
        /// A prompt template in place of the file's own
        #[arg(long, value_name = "TEXT")]
        template: Option<String>,
        /// Settings under Ollama's names, such as num_ctx=8192
        #[arg(long = "set", value_name = "NAME=VALUE", value_delimiter = ',')]
        settings: Vec<String>,
    },
    /// With --upstream: tell what MODEL is
    Show {
        /// Name and tag
        model: String,
    },
    /// With --upstream: bring MODEL into memory
    Load {
        /// Name and tag
        model: String,
        /// How long it stays, such as 30m; -1 for ever [default: the upstream's own]
        #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
        keep_alive: Option<String>,
    },
    /// With --upstream: take MODEL out of memory
    Unload {
        /// Name and tag
        model: String,
    },
    /// With --upstream: remove MODEL from its disk
    Rm {
        /// Name and tag
        model: String,
    },
}

impl Models {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<()> {
        let Self { upstream, url, key, verb } = self;
        if let Some(name) = upstream {
            let url = url.map_or_else(|| here(context), Ok)?;
            return upstream::Upstream::new(&url, key.as_deref(), &name, context.json)?.run(verb).await;
        }
        match verb {
            Verb::List => list(context),
            Verb::Pull { models, .. } => pull_all(context, &models).await,
            Verb::Verify { models } => verify_all(context, &models),
            _ => bail!("name an upstream that is an Ollama with --upstream; weights of this machine need only `pull`"),
        }
    }
}

fn chosen(names: &[String]) -> anyhow::Result<Vec<&'static CatalogueEntry>> {
    if names.is_empty() {
        return Ok(catalogue().iter().collect());
    }
    let find = |name: &String| {
        let known = || catalogue().iter().map(|entry| entry.name).collect::<Vec<_>>().join(", ");
        let entry = catalogue().iter().find(|entry| entry.name == name);
        entry.with_context(|| format!("there is no model `{name}`; known: {}", known()))
    };
    names.iter().map(find).collect()
}

fn list(context: &Context) -> anyhow::Result<()> {
    let loaded = context.load()?;
    let cache = cache_folder(&loaded.config.weights)?;
    let mut rows = Vec::new();
    for entry in catalogue() {
        let here = verify(entry, &cache)?.is_good();
        rows.push((entry, here));
    }
    if context.json {
        return print::json(&rows.iter().map(|(entry, here)| described(entry, *here)).collect::<Vec<_>>());
    }
    let row = |(entry, here): &(&CatalogueEntry, bool)| {
        let state = if *here { "here" } else { "not pulled" };
        let size = bytesize::ByteSize(entry.files.iter().map(|file| file.bytes).sum()).to_string();
        vec![
            entry.name.to_owned(),
            format!("{:?}", entry.kind).to_lowercase(),
            size,
            state.to_owned(),
            entry.about.to_owned(),
        ]
    };
    print::table(&["MODEL", "KIND", "SIZE", "STATE", "ABOUT"], &rows.iter().map(row).collect::<Vec<_>>());
    Ok(())
}

fn described(entry: &CatalogueEntry, here: bool) -> Value {
    json!({
        "name": entry.name,
        "kind": format!("{:?}", entry.kind).to_lowercase(),
        "package": entry.package,
        "version": entry.version,
        "license": entry.license,
        "bytes": entry.files.iter().map(|file| file.bytes).sum::<u64>(),
        "revision": entry.revision(),
        "present": here,
        "about": entry.about,
    })
}

async fn pull_all(context: &Context, names: &[String]) -> anyhow::Result<()> {
    let loaded = context.load()?;
    let cache = cache_folder(&loaded.config.weights)?;
    let egress = Egress::new(CONNECT)?;
    let mut folders = Vec::new();
    for entry in chosen(names)? {
        let bar = Bar::new(context.json);
        let folder = pull(entry, &cache, &loaded.config.weights.index_url, &egress, &bar).await?;
        folders.push(json!({ "name": entry.name, "folder": folder }));
        if !context.json {
            print::line(&format!("{} is in {}", entry.name, folder.display()));
        }
    }
    if context.json { print::json(&folders) } else { Ok(()) }
}

fn verify_all(context: &Context, names: &[String]) -> anyhow::Result<()> {
    let loaded = context.load()?;
    let cache = cache_folder(&loaded.config.weights)?;
    let mut rows = Vec::new();
    for entry in chosen(names)? {
        rows.push((entry, verify(entry, &cache)?));
    }
    if context.json {
        let described = rows.iter().map(
            |(entry, report)| json!({ "name": entry.name, "good": report.is_good(), "bad_files": bad_files(report) }),
        );
        print::json(&described.collect::<Vec<_>>())?;
    } else {
        let row = |(entry, report): &(&CatalogueEntry, VerifyReport)| {
            let bad = bad_files(report);
            let bad = bad.iter().map(|(path, state)| format!("{path} {state}")).collect::<Vec<_>>().join(", ");
            vec![entry.name.to_owned(), if bad.is_empty() { "good".to_owned() } else { bad }]
        };
        print::table(&["MODEL", "WEIGHTS"], &rows.iter().map(row).collect::<Vec<_>>());
    }
    for (entry, report) in &rows {
        report.complete(entry)?;
    }
    Ok(())
}

/// The files of a model that are not as they should be: path, and `missing` or `damaged`.
fn bad_files(report: &VerifyReport) -> BTreeMap<String, String> {
    let state = |(path, state): &(PathBuf, _)| (path.display().to_string(), format!("{state:?}").to_lowercase());
    report.files.iter().map(state).filter(|(_, state)| state != "good").collect()
}

/// A bar on the terminal; silent where nobody looks.
struct Bar(ProgressBar);

impl Bar {
    fn new(silent: bool) -> Self {
        let target = if silent { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        Self(ProgressBar::with_draw_target(None, target))
    }
}

impl Progress for Bar {
    fn begin(&self, what: &str, total_bytes: Option<u64>) {
        let template = "{msg} {wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta}";
        if let Ok(style) = ProgressStyle::with_template(template) {
            self.0.set_style(style);
        }
        self.0.reset();
        self.0.set_length(total_bytes.unwrap_or_default());
        self.0.set_message(what.to_owned());
    }

    fn advance(&self, bytes: u64) {
        self.0.inc(bytes);
    }

    fn end(&self) {
        self.0.finish_and_clear();
    }
}
