//! What goes on beside the requests: the file is read again when it changed, upstreams are asked how they are.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use http_body_util::{BodyExt, Limited};
use kubemate_wire::models::ModelList;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tracing::{info, warn};

use super::{Spec, Upstream, config::ProbeConfig, table::Table};
use crate::{api::ApiError, app::App, config, limits::LimitsConfig, models::Prices};

/// How often the file is looked at. Kubernetes swaps links below a ConfigMap, so that no event of the file tells.
const EVERY: Duration = Duration::from_secs(1);
/// How often upstreams whose models are imported are asked for their list.
const LIST_EVERY: Duration = Duration::from_mins(1);
/// Longest wait for a list of models.
const LIST_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest list of models that is read.
const MOST_LISTED: usize = 4 * 1024 * 1024;
/// Longest name that is taken from a list.
const LONGEST_NAME: usize = 200;

/// Watches until the process stops.
pub(crate) async fn watch(app: App) {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut file = Watched::new(&app).await;
    let mut asked = Asked::default();
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = app.stop.cancelled() => return,
        }
        if let Some(file) = &mut file {
            file.look(&app).await;
        }
        asked.ask(&app);
    }
}

/// The file as it was read last.
struct Watched {
    path: std::path::PathBuf,
    text: Option<Vec<u8>>,
    /// Limits and prices in force.
    terms: (LimitsConfig, Prices),
}

impl Watched {
    /// What is there now may be newer than what the table was made of, so that the first look always reads it.
    async fn new(app: &App) -> Option<Self> {
        let path = app.routes.sources.lock().await.path.clone()?;
        Some(Self { path, text: None, terms: (app.config.limits.clone(), app.config.prices.clone()) })
    }

    async fn look(&mut self, app: &App) {
        let text = tokio::fs::read(&self.path).await.ok();
        if text.is_none() || text == self.text {
            return; // a file that is being replaced is there again soon
        }
        self.text = text;
        let began = Instant::now();
        match self.reload(app).await {
            Ok(None) => {}
            Ok(Some(models)) => {
                let took_us = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
                info!(file = %self.path.display(), models, took_us, "upstreams, models, limits and prices were read again");
            }
            Err(error) => {
                let file = self.path.display();
                warn!(file = %file, error = %format!("{error:#}"), "`{file}` is refused; upstreams, models, limits and prices stay as they were");
            }
        }
    }

    /// Reads the file and swaps what it describes at once; how many models there are now, if anything changed.
    ///
    /// # Errors
    /// What is wrong with the file; everything stays.
    async fn reload(&mut self, app: &App) -> anyhow::Result<Option<usize>> {
        let path = self.path.clone();
        let config = tokio::task::spawn_blocking(move || config::load(Some(&path))).await??.config;
        let terms = (config.limits.clone(), config.prices.clone());
        let file = Spec::of(config);
        let mut sources = app.routes.sources.lock().await;
        if sources.file == file && self.terms == terms {
            return Ok(None);
        }
        let table = Table::build(&[&file, &sources.saved], &app.routes.table.load_full())?;
        // Whatever can fail comes before the first change that is seen.
        app.usage.replace(terms.0.clone(), terms.1.clone()).await?;
        let models = file.models.len();
        app.routes.put(table);
        (sources.file, self.terms) = (file, terms);
        Ok(Some(models))
    }
}

/// When upstreams were last asked for something.
#[derive(Default)]
struct Asked {
    probed: HashMap<String, Instant>,
    listed: HashMap<String, Instant>,
}

impl Asked {
    fn ask(&mut self, app: &App) {
        let table = app.routes.table.load();
        for (name, upstream) in &table.upstreams {
            upstream.tick();
            if let Some(probe) = &upstream.config.probe
                && due(&mut self.probed, name, probe.every)
            {
                app.background.spawn(probing(app.clone(), upstream.clone(), probe.clone()));
            }
            if upstream.config.import_models && due(&mut self.listed, name, LIST_EVERY) {
                app.background.spawn(importing(app.clone(), upstream.clone()));
            }
        }
    }
}

fn due(times: &mut HashMap<String, Instant>, name: &str, every: Duration) -> bool {
    if times.get(name).is_some_and(|last| last.elapsed() < every) {
        return false;
    }
    times.insert(name.to_owned(), Instant::now());
    true
}

async fn probing(app: App, upstream: Arc<Upstream>, probe: ProbeConfig) {
    let well = matches!(timeout(probe.timeout, upstream.get(&probe.path)).await,
        Ok(Ok(response)) if !response.status().is_server_error());
    if !upstream.probed(well) {
        return;
    }
    if well {
        app.routes.table.load().restore(&upstream);
        info!(upstream.name = %upstream.name, "upstream `{}` is well again", upstream.name);
    } else {
        warn!(upstream.name = %upstream.name, "upstream `{}` does not answer its probe", upstream.name);
    }
}

async fn importing(app: App, upstream: Arc<Upstream>) {
    match list(&upstream).await.map(|names| upstream.list(names)) {
        Ok(true) => {
            let sources = app.routes.sources.lock().await;
            let before = app.routes.table.load_full();
            match Table::build(&[&sources.file, &sources.saved], &before) {
                Ok(table) => app.routes.put(table),
                Err(error) => warn!(error = %format!("{error:#}"), "the models of an upstream could not be imported"),
            }
        }
        Ok(false) => {}
        Err(error) => {
            warn!(upstream.name = %upstream.name, error = %error, "upstream `{}` does not list its models", upstream.name);
        }
    }
}

/// The models that an upstream lists.
///
/// # Errors
/// `Upstream` when it does not answer, or not with a list.
pub(crate) async fn list(upstream: &Upstream) -> Result<Vec<String>, ApiError> {
    let unusable = |cause: &str| upstream.failed(http::StatusCode::BAD_GATEWAY, cause);
    let whole = async {
        let response = upstream.get("/models").await?;
        if !response.status().is_success() {
            return Err(unusable(response.status().as_str()));
        }
        let body = Limited::new(response.into_body(), MOST_LISTED).collect().await;
        Ok(body.map_err(|error| unusable(&error.to_string()))?.to_bytes())
    };
    let body = timeout(LIST_TIMEOUT, whole).await.map_err(|_| unusable("no list of models in time"))??;
    let listed: ModelList = serde_json::from_slice(&body).map_err(|error| unusable(&error.to_string()))?;
    let mut names: Vec<String> = listed.data.into_iter().map(|model| model.id).filter(|name| is_name(name)).collect();
    names.sort();
    names.dedup();
    Ok(names)
}

/// What an upstream calls a model is shown to people and put into logs.
fn is_name(name: &str) -> bool {
    crate::api::is_plain_name(name, LONGEST_NAME)
}

impl Table {
    /// An upstream is well again: none of its models is left alone any longer.
    fn restore(&self, upstream: &Upstream) {
        for health in self.health_of(&upstream.name) {
            health.restore();
        }
    }
}
