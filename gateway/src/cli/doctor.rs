//! `kubemate doctor`: what is configured, what can be reached, and what is insecure.

use std::{net::IpAddr, os::unix::fs::PermissionsExt, process::ExitCode, time::Duration};

use kubemate_engine::{catalogue, verify};
use serde::Serialize;

use super::{Context, print};
use crate::{
    caches::Caches,
    config::{CacheKind, Config, Loaded, ObjectsKind, Secret, UpstreamConfig, UpstreamKind},
    models::{Upstream, cache_folder},
};

/// Longest wait for an upstream to list its models.
const PATIENCE: Duration = Duration::from_secs(5);
/// A configured admin key shorter than this can be guessed.
const LEAST_KEY: usize = 32;

/// How a finding weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Weight {
    Good,
    Note,
    Warning,
    Failure,
}

/// One thing that was looked at.
#[derive(Debug, Serialize)]
struct Finding {
    what: String,
    weight: Weight,
    /// What was seen, and what to change where something should be.
    told: String,
}

impl Finding {
    fn new(what: impl Into<String>, weight: Weight, told: impl Into<String>) -> Self {
        Self { what: what.into(), weight, told: told.into() }
    }
}

/// Looks at everything without starting anything; fails when something cannot work.
pub(super) async fn run(context: &Context) -> anyhow::Result<ExitCode> {
    let loaded = match context.load() {
        Ok(loaded) => loaded,
        Err(error) => return report(&[Finding::new("configuration", Weight::Failure, format!("{error:#}"))], context),
    };
    let config = &loaded.config;
    let mut findings = vec![configuration(&loaded), listening(config), admin_key(config)];
    findings.push(data_folder(config));
    findings.push(ledger(config).await);
    findings.extend(objects(config).await);
    findings.extend(cache(config).await);
    findings.extend(vectors(config).await);
    findings.extend(weights(config)?);
    for upstream in config.upstreams.iter().filter(|upstream| upstream.kind != UpstreamKind::Local) {
        findings.extend(reach(upstream).await);
    }
    report(&findings, context)
}

fn report(findings: &[Finding], context: &Context) -> anyhow::Result<ExitCode> {
    if context.json {
        print::json(&findings)?;
    } else {
        let row = |one: &Finding| {
            let mark = match one.weight {
                Weight::Good => "good",
                Weight::Note => "note",
                Weight::Warning => "WARNING",
                Weight::Failure => "FAILURE",
            };
            vec![mark.to_owned(), one.what.clone(), one.told.clone()]
        };
        print::table(&["", "WHAT", "FINDING"], &findings.iter().map(row).collect::<Vec<_>>());
    }
    let failed = findings.iter().any(|one| one.weight == Weight::Failure);
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn configuration(loaded: &Loaded) -> Finding {
    let file = loaded.file.as_ref().map_or("no file, defaults".to_owned(), |path| path.display().to_string());
    let told = match loaded.variables.as_slice() {
        [] => file,
        variables => format!("{file}; overridden by {}", variables.join(", ")),
    };
    Finding::new("configuration", Weight::Good, told)
}

fn listening(config: &Config) -> Finding {
    let address = config.server.listen;
    match address.ip() {
        ip if ip.is_loopback() => Finding::new("server.listen", Weight::Good, format!("{address}: this machine only")),
        IpAddr::V4(_) | IpAddr::V6(_) => Finding::new(
            "server.listen",
            Weight::Warning,
            format!("{address} without TLS: keys travel in the clear; put a TLS proxy in front or listen on 127.0.0.1"),
        ),
    }
}

fn admin_key(config: &Config) -> Finding {
    let what = "auth.admin_key";
    match config.auth.admin_key.as_ref().map(Secret::reveal) {
        None | Some(Ok(None)) => Finding::new(what, Weight::Note, "not set: made at the first start and printed once"),
        Some(Err(why)) => Finding::new(what, Weight::Failure, why),
        Some(Ok(Some(key))) if key.len() < LEAST_KEY => Finding::new(
            what,
            Weight::Warning,
            format!("has {} characters; use at least {LEAST_KEY} random ones", key.len()),
        ),
        Some(Ok(Some(_))) => match config.auth.admin_key {
            Some(Secret::Plain(_)) => {
                Finding::new(what, Weight::Warning, "stands in the file; use { env = \"…\" } or { file = \"…\" }")
            }
            _ => Finding::new(what, Weight::Good, "set"),
        },
    }
}

fn data_folder(config: &Config) -> Finding {
    let folder = &config.store.data_dir;
    let what = "store.data_dir";
    match folder.metadata() {
        Err(_) => Finding::new(what, Weight::Note, format!("`{}` is not there yet; serve makes it", folder.display())),
        Ok(found) if found.permissions().mode() & 0o077 != 0 => {
            Finding::new(what, Weight::Warning, format!("others can read `{0}`; run `chmod 700 {0}`", folder.display()))
        }
        Ok(_) => Finding::new(what, Weight::Good, folder.display().to_string()),
    }
}

async fn ledger(config: &Config) -> Finding {
    if !config.store.has_ledger() {
        return Finding::new("ledger", Weight::Note, "is not there yet; serve makes it");
    }
    match config.store.open_ledger().await {
        Ok(ledger) => match ledger.concerns().await {
            Ok(concerns) if concerns.is_empty() => Finding::new("ledger", Weight::Good, "opens"),
            Ok(concerns) => Finding::new("ledger", Weight::Warning, format!("opens, but {}", concerns.join("; "))),
            Err(error) => Finding::new("ledger", Weight::Failure, error.to_string()),
        },
        Err(error) => Finding::new("ledger", Weight::Failure, format!("{error:#}")),
    }
}

async fn objects(config: &Config) -> Option<Finding> {
    if config.store.objects.kind != ObjectsKind::S3 {
        return None;
    }
    let what = "store.objects";
    let opened = match config.store.objects.opened() {
        Ok(objects) => objects.open(&config.store.data_dir).await,
        Err(why) => return Some(Finding::new(what, Weight::Failure, why)),
    };
    let seen = match opened {
        Ok(objects) => objects.check().await,
        Err(error) => Err(error),
    };
    Some(match seen {
        Ok(()) => Finding::new(what, Weight::Good, "the bucket answers"),
        Err(error) => Finding::new(what, Weight::Failure, error.to_string()),
    })
}

async fn cache(config: &Config) -> Option<Finding> {
    if config.store.cache.kind == CacheKind::Local {
        return None;
    }
    let what = "store.cache";
    Some(match Caches::open(&config.store.cache) {
        Err(error) => Finding::new(what, Weight::Failure, format!("{error:#}")),
        Ok(caches) => match caches.wrong().await {
            Some(wrong) => Finding::new(what, Weight::Warning, wrong),
            None => Finding::new(what, Weight::Good, "Redis answers and takes writes"),
        },
    })
}

async fn vectors(config: &Config) -> Vec<Finding> {
    let (what, settings) = ("store.vectors", &config.store.vectors);
    if !settings.is_served() {
        return Vec::new();
    }
    let folder = config.store.data_dir.join("vectors");
    let checked = match settings.resolve() {
        Ok(store) => match store.open(&folder).await {
            Ok(store) => store.check().await.map_err(|error| (Weight::Warning, error.to_string())),
            Err(error) => Err((Weight::Failure, error.to_string())),
        },
        Err(why) => Err((Weight::Failure, why)),
    };
    let mut findings = vec![match checked {
        Ok(()) => Finding::new(what, Weight::Good, "the server answers"),
        Err((weight, why)) => Finding::new(what, weight, why),
    }];
    if settings.token.as_ref().is_some_and(Secret::is_plain) {
        findings.push(Finding::new(what, Weight::Warning, "its `token` stands in the file; use { env = \"…\" }"));
    }
    if settings.url.as_deref().is_some_and(|url| url.starts_with("http://") && !is_local(url)) {
        findings.push(Finding::new(what, Weight::Warning, "documents and `token` travel over plain http; use https"));
    }
    findings
}

fn weights(config: &Config) -> anyhow::Result<Vec<Finding>> {
    let cache = cache_folder(&config.weights)?;
    let mut findings = Vec::new();
    for entry in catalogue() {
        let good = verify(entry, &cache)?.is_good();
        let missing = format!("not here; run `kubemate models pull {}`", entry.name);
        findings.push(match good {
            true => Finding::new(format!("model {}", entry.name), Weight::Good, "weights are whole"),
            false if entry.name == config.corpus.embedder => Finding::new(
                format!("model {}", entry.name),
                Weight::Warning,
                format!("{missing}: documents cannot be indexed"),
            ),
            false => Finding::new(format!("model {}", entry.name), Weight::Note, missing),
        });
    }
    Ok(findings)
}

async fn reach(config: &UpstreamConfig) -> Vec<Finding> {
    let what = format!("upstream {}", config.name);
    let upstream = match Upstream::new(config) {
        Ok(upstream) => upstream,
        Err(error) => return vec![Finding::new(what, Weight::Failure, format!("{error:#}"))],
    };
    let mut findings = vec![match tokio::time::timeout(PATIENCE, upstream.get("/models")).await {
        Ok(Ok(response)) if response.status().is_success() => Finding::new(what.clone(), Weight::Good, "answers"),
        Ok(Ok(response)) => {
            Finding::new(what.clone(), Weight::Warning, format!("answers GET /models with {}", response.status()))
        }
        Ok(Err(error)) => Finding::new(what.clone(), Weight::Warning, error.to_string()),
        Err(_) => {
            Finding::new(what.clone(), Weight::Warning, format!("does not answer within {} s", PATIENCE.as_secs()))
        }
    }];
    let clear = config.base_url.as_deref().is_some_and(|url| url.starts_with("http://") && !is_local(url));
    if clear && config.api_key.is_some() {
        findings.push(Finding::new(what, Weight::Warning, "its `api_key` travels over plain http; use https"));
    }
    findings
}

fn is_local(url: &str) -> bool {
    ["http://127.", "http://localhost", "http://[::1]"].iter().any(|start| url.starts_with(start))
}
