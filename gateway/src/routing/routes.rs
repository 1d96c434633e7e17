//! The table in force, and where it comes from.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use arc_swap::ArcSwap;
use kubemate_wire::models::Model;
use rand::Rng;
use tokio::sync::Mutex;

use super::{
    Upstream,
    check::LOCAL,
    clock::now_ms,
    route::Route,
    table::{Spec, Table},
};
use crate::{
    answer_cache::Keeping,
    api::ApiError,
    app::unix_now,
    config::{Config, Loaded},
    models::LocalModels,
};

/// Who answers a request.
#[derive(Clone, Debug)]
pub(crate) enum Target {
    /// The engine in this process.
    Local(String),
    /// A server elsewhere, and the model's name over there.
    Remote(Arc<Upstream>, String),
}

/// The routing table in force; readers never wait.
#[derive(Debug)]
pub(crate) struct Routes {
    pub(super) table: ArcSwap<Table>,
    /// Held while the table is changed.
    pub(super) sources: Mutex<Sources>,
    local: Arc<LocalModels>,
    /// When this process began to offer its models, in Unix seconds: clients want some time of making.
    since: i64,
}

/// What the table is made of.
#[derive(Debug)]
pub(super) struct Sources {
    /// The configuration file, if there is one.
    pub(super) path: Option<PathBuf>,
    pub(super) file: Spec,
    /// What was added through the admin API.
    pub(super) saved: Spec,
}

impl Spec {
    /// The part of the whole configuration that can change while the process runs.
    pub(crate) fn of(config: Config) -> Self {
        Self { upstreams: config.upstreams, models: config.models }
    }
}

impl Routes {
    /// The table that the configuration and `saved` describe together.
    ///
    /// # Errors
    /// What is wrong with both together and what to change; when an upstream's secret cannot be read.
    pub(crate) fn new(loaded: &Loaded, saved: Spec, local: Arc<LocalModels>) -> anyhow::Result<Self> {
        let file = Spec::of(loaded.config.clone());
        let table = Table::build(&[&file, &saved], &Table::default())?;
        let sources = Sources { path: loaded.file.clone(), file, saved };
        Ok(Self { table: ArcSwap::from_pointee(table), sources: Mutex::new(sources), local, since: unix_now() })
    }

    /// Puts another table in force; requests under way go on with the one they began with.
    pub(super) fn put(&self, table: Table) {
        self.table.store(Arc::new(table));
    }

    /// Who would answer for `model`: a configured name first, then a model on this machine.
    ///
    /// # Errors
    /// `ModelNotFound` for any other name.
    pub(crate) fn choose(&self, model: &str) -> Result<Target, ApiError> {
        let table = self.table.load();
        if let Some(route) = table.route(model) {
            return target(route).ok_or_else(|| ApiError::ModelNotFound(model.to_owned()));
        }
        match self.local.kind(model) {
            Some(_) => Ok(Target::Local(model.to_owned())),
            None => Err(ApiError::ModelNotFound(model.to_owned())),
        }
    }

    /// How answers of `model` are kept; none when they are not.
    pub(crate) fn keeping(&self, model: &str) -> Option<Arc<Keeping>> {
        self.table.load().route(model)?.keeping.clone()
    }

    /// The upstream of that name.
    pub(crate) fn upstream(&self, name: &str) -> Option<Arc<Upstream>> {
        self.table.load().upstreams.get(name).cloned()
    }

    /// Every name that can be asked for, from memory.
    pub(crate) fn models(&self) -> Vec<Model> {
        let table = self.table.load();
        let configured = table.names().map(|(name, route)| (name.clone(), owner(route)));
        let local = self.local.present().into_iter().map(|entry| (entry.name.to_owned(), LOCAL.to_owned()));
        let names: BTreeMap<String, String> = local.chain(configured).collect();
        names.into_iter().map(|(id, owned_by)| Model { id, created: self.since, owned_by }).collect()
    }
}

fn owner(route: &Route) -> String {
    route.places.first().map_or_else(|| LOCAL.to_owned(), |place| place.upstream.name.clone())
}

/// A target here or elsewhere, drawn by weight; which one elsewhere is up to the policy.
fn target(route: &Route) -> Option<Target> {
    let here: u64 = route.local.iter().map(|(weight, _)| u64::from(*weight)).sum();
    let elsewhere: u64 = route.places.iter().map(|place| u64::from(place.weight)).sum();
    let drawn = if here == 0 { 0 } else { rand::rng().random_range(0..(here + elsewhere).max(1)) };
    if here == 0 || drawn >= here {
        let best = route.favourite(None, 0, now_ms()).and_then(|index| route.places.get(index));
        let place = best.or_else(|| route.places.first())?;
        return Some(Target::Remote(place.upstream.clone(), place.name.clone()));
    }
    let mut left = drawn;
    for (weight, name) in &route.local {
        match left.checked_sub(u64::from(*weight)) {
            Some(rest) => left = rest,
            None => return Some(Target::Local(name.clone())),
        }
    }
    None
}
