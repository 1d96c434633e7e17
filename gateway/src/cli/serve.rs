//! `kubemate serve`: the whole process, from opening the stores to the last flush.

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use anyhow::Context as _;
use clap::Args;
use kubemate_engine::ModelKind;
use tokio::{
    signal::unix::{SignalKind, signal},
    time::timeout,
};
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

use super::{Context, print};
use crate::{
    api,
    app::App,
    housekeeping,
    models::huge_pages,
    net::{Listener, Workers},
    routing, telemetry,
};

/// How long answers that were cut have to tell their clients so.
const LAST_WORDS: Duration = Duration::from_secs(2);

#[derive(Debug, Args)]
pub(super) struct Serve {
    /// Address to listen on; port 0 takes a free one
    #[arg(long, value_name = "HOST:PORT")]
    listen: Option<SocketAddr>,
    /// Folder of the embedded stores
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Write the address really bound into this file once requests are taken
    #[arg(long, value_name = "FILE")]
    address_file: Option<PathBuf>,
}

impl Serve {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<()> {
        let mut loaded = context.load()?;
        if let Some(listen) = self.listen {
            loaded.config.server.listen = listen;
        }
        if let Some(data_dir) = self.data_dir.clone() {
            loaded.config.store.data_dir = data_dir;
        }
        huge_pages(loaded.config.preloads());
        telemetry::start_logs(&loaded.config.log)?;
        let metrics = telemetry::start_metrics()?;
        let server = loaded.config.server.clone();
        let listener = Listener::bind(server.listen, server.limits).await?;
        let app = App::open(loaded, metrics).await?;
        let address = listener.address()?;
        self.announce(&app, address)?;
        serve_until_signal(app, listener, server.grace).await
    }

    /// Says where the server is; an admin key made at this start is shown here and never again.
    fn announce(&self, app: &App, address: SocketAddr) -> anyhow::Result<()> {
        info!(server.address = %address, version = super::VERSION, "listening");
        print::line(&format!("kubemate {} listens on http://{address}", super::VERSION));
        if let Some(key) = app.keys.fresh_admin_key() {
            print::line(&format!("admin key (shown only now): {key}"));
        }
        if app.local.present().is_empty() {
            print::line("no local models are here yet: run `kubemate models pull`");
        }
        match &self.address_file {
            Some(path) => std::fs::write(path, address.to_string())
                .with_context(|| format!("`{}` cannot be written", path.display())),
            None => Ok(()),
        }
    }
}

/// The phases of a stop, in order: no new requests, open ones finish, background work finishes, stores close.
async fn serve_until_signal(app: App, listener: Listener, grace: Duration) -> anyhow::Result<()> {
    let stop = app.stop.clone();
    let connections = TaskTracker::new();
    let worker = tokio::spawn(app.corpus.clone().run_worker(stop.clone()));
    let warm = app.clone();
    app.background.spawn(async move { warm_up(&warm).await });
    app.background.spawn(housekeeping::run(app.clone()));
    app.background.spawn(housekeeping::watch_limits(app.clone()));
    app.background.spawn(routing::watch(app.clone()));
    let workers = Arc::new(Workers::start().context("no thread can be started to serve connections")?);
    let serving = listener.serve(api::doors(&app), workers.clone(), stop.clone(), connections.clone());
    let accepting = tokio::spawn(serving);
    wait_for_signal().await?;
    info!(grace_s = grace.as_secs(), "stopping: open requests may finish");
    stop.cancel();
    connections.close();
    if timeout(grace, connections.wait()).await.is_err() {
        warn!(open = connections.len(), "requests are still open at the end of the grace period");
        app.cut.cancel();
        if timeout(LAST_WORDS, connections.wait()).await.is_err() {
            warn!(open = connections.len(), "clients did not read the end of their answers");
        }
    }
    accepting.abort(); // until here, who still came was told to go elsewhere
    if timeout(grace, worker).await.is_err() {
        warn!("an ingest job did not reach a stopping place; its lease will run out and it goes on at the next start");
    }
    close(app, grace).await;
    drop(workers);
    Ok(())
}

/// Usage and audit rows are written before the ledger closes.
async fn close(app: App, grace: Duration) {
    let background = app.background.clone();
    background.close();
    app.audit.close();
    app.usage.close();
    app.telemetry.close();
    if timeout(grace, background.wait()).await.is_err() {
        warn!(tasks = background.len(), "background work did not finish in the grace period");
    }
    info!("stopped");
}

async fn wait_for_signal() -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}

/// Loads the default models in the background, so that the first question does not wait for them.
async fn warm_up(app: &App) {
    if !app.config.preloads() {
        return;
    }
    for entry in app.local.present() {
        let wanted = entry.kind == ModelKind::Chat || entry.name == app.config.corpus.embedder;
        if !wanted || app.stop.is_cancelled() {
            continue;
        }
        let loaded = match entry.kind {
            ModelKind::Chat => app.local.chat(entry.name).await.map(drop),
            ModelKind::Embedder => app.local.embedder(entry.name).await.map(drop),
        };
        if let Err(error) = loaded {
            warn!(model.name = entry.name, error = %error, "a local model cannot be loaded");
        }
    }
}
