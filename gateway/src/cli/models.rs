//! `kubemate models list|pull|verify`.

use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Subcommand;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use kubemate_engine::{CatalogueEntry, Progress, catalogue, pull, verify};
use serde_json::{Value, json};

use super::{Context, print};
use crate::models::{Egress, cache_folder};

/// Longest wait for the package index to take a connection.
const CONNECT: Duration = Duration::from_secs(15);

#[derive(Debug, Subcommand)]
pub(super) enum Models {
    /// List the models that can run here, and which are on this machine
    List,
    /// Fetch the weights of MODEL (of all models, when none is named), checked by SHA-256
    Pull {
        /// Names as `models list` shows them
        models: Vec<String>,
    },
    /// Check the weights on this machine against their SHA-256
    Verify {
        /// Names as `models list` shows them
        models: Vec<String>,
    },
}

impl Models {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<()> {
        match self {
            Self::List => list(context),
            Self::Pull { models } => pull_all(context, &models).await,
            Self::Verify { models } => verify_all(context, &models),
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
        rows.push((entry.name, verify(entry, &cache)?.is_good()));
    }
    if context.json {
        let described = rows.iter().map(|(name, good)| json!({ "name": name, "good": good }));
        print::json(&described.collect::<Vec<_>>())?;
    } else {
        let row = |(name, good): &(&str, bool)| {
            vec![(*name).to_owned(), if *good { "good" } else { "missing or damaged" }.to_owned()]
        };
        print::table(&["MODEL", "WEIGHTS"], &rows.iter().map(row).collect::<Vec<_>>());
    }
    match rows.iter().find(|(_, good)| !good) {
        Some((name, _)) => bail!("`{name}` is missing or damaged; run `kubemate models pull {name}`"),
        None => Ok(()),
    }
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
