//! From the name in a request to who answers it.

use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::AtomicU32},
};

use arc_swap::ArcSwap;
use kubemate_wire::models::Model;
use rand::Rng;

use super::{Answered, Ask, Flight, Upstream, Why};
use crate::{
    api::ApiError,
    app::unix_now,
    config::{Config, ModelConfig, UpstreamKind},
    models::LocalModels,
};

/// Name of the upstream that is always there: this machine.
const LOCAL: &str = "local";

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
    table: ArcSwap<Table>,
    local: Arc<LocalModels>,
    /// When this process began to offer its models, in Unix seconds: clients want some time of making.
    since: i64,
}

#[derive(Debug, Default)]
struct Table {
    models: BTreeMap<String, Vec<(u32, Target)>>,
}

impl Routes {
    /// The table that `config` describes.
    ///
    /// # Errors
    /// When an upstream's secret cannot be read.
    pub(crate) fn new(config: &Config, local: Arc<LocalModels>) -> anyhow::Result<Self> {
        Ok(Self { table: ArcSwap::from_pointee(Table::build(config)?), local, since: unix_now() })
    }

    /// Who answers for `model`: a configured name first, then a model on this machine.
    ///
    /// # Errors
    /// `ModelNotFound` for any other name.
    pub(crate) fn choose(&self, model: &str) -> Result<Target, ApiError> {
        if let Some(targets) = self.table.load().models.get(model) {
            return pick(targets).ok_or_else(|| ApiError::ModelNotFound(model.to_owned()));
        }
        match self.local.kind(model) {
            Some(_) => Ok(Target::Local(model.to_owned())),
            None => Err(ApiError::ModelNotFound(model.to_owned())),
        }
    }

    /// Chooses an upstream, sends, and tries another one while no byte of an answer has come.
    ///
    /// # Errors
    /// `ModelNotFound`; `Upstream` when no target answered.
    pub(crate) async fn send(&self, ask: Ask<'_>) -> Result<Answered, ApiError> {
        let Target::Remote(upstream, name) = self.choose(ask.model)? else {
            return Err(ApiError::ModelNotFound(ask.model.to_owned()));
        };
        let flight = Flight::begin(Arc::new(AtomicU32::new(0)));
        let response = upstream.post(ask.path, (ask.write)(&upstream, &name)?).await?;
        let why = Why { policy: "weighted", attempt: 1, ..Why::default() };
        Ok(Answered { response, upstream, name, why, flight })
    }

    /// Every name that can be asked for, from memory.
    pub(crate) fn models(&self) -> Vec<Model> {
        let table = self.table.load();
        let configured = table.models.iter().map(|(name, targets)| (name.clone(), owner(targets)));
        let local = self.local.present().into_iter().map(|entry| (entry.name.to_owned(), LOCAL.to_owned()));
        let names: BTreeMap<String, String> = local.chain(configured).collect();
        names.into_iter().map(|(id, owned_by)| Model { id, created: self.since, owned_by }).collect()
    }
}

fn owner(targets: &[(u32, Target)]) -> String {
    match targets.first() {
        Some((_, Target::Remote(upstream, _))) => upstream.name.clone(),
        _ => LOCAL.to_owned(),
    }
}

/// Draws a target by weight.
fn pick(targets: &[(u32, Target)]) -> Option<Target> {
    let total: u32 = targets.iter().map(|(weight, _)| weight).sum();
    let mut left = rand::rng().random_range(0..total.max(1));
    for (weight, target) in targets {
        match left.checked_sub(*weight) {
            Some(rest) => left = rest,
            None => return Some(target.clone()),
        }
    }
    None
}

impl Table {
    fn build(config: &Config) -> anyhow::Result<Self> {
        let remote = config.upstreams.iter().filter(|upstream| upstream.kind != UpstreamKind::Local);
        let upstreams: BTreeMap<String, Arc<Upstream>> = remote
            .map(|upstream| Ok((upstream.name.clone(), Arc::new(Upstream::new(upstream)?))))
            .collect::<anyhow::Result<_>>()?;
        let models = config.models.iter().map(|model| (model.name.clone(), targets(model, &upstreams))).collect();
        Ok(Self { models })
    }
}

fn targets(model: &ModelConfig, upstreams: &BTreeMap<String, Arc<Upstream>>) -> Vec<(u32, Target)> {
    let target = |name: &str, model: &str| match upstreams.get(name) {
        Some(upstream) => Target::Remote(upstream.clone(), model.to_owned()),
        None => Target::Local(model.to_owned()),
    };
    model.targets.iter().map(|one| (one.weight, target(&one.upstream, &one.model))).collect()
}
