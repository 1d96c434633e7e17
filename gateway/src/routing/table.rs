//! The routing table: every name that can be asked for, ready to be read.

use std::{collections::HashMap, sync::Arc};

use serde::Deserialize;

use super::{
    Upstream,
    canary::Comparison,
    check::check,
    config::{ModelConfig, TargetConfig, UpstreamConfig, UpstreamKind},
    health::Health,
    route::{Place, Route},
};
use crate::answer_cache::Keeping;

/// What is configured of routing, in one place or another.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default)]
pub(crate) struct Spec {
    pub(crate) upstreams: Vec<UpstreamConfig>,
    pub(crate) models: Vec<ModelConfig>,
}

impl Spec {
    /// Checks all of them as one.
    ///
    /// # Errors
    /// A sentence that names what to change.
    pub(crate) fn check(all: &[&Self]) -> Result<(), String> {
        let upstreams: Vec<&UpstreamConfig> = all.iter().flat_map(|spec| &spec.upstreams).collect();
        let models: Vec<&ModelConfig> = all.iter().flat_map(|spec| &spec.models).collect();
        check(&upstreams, &models)
    }
}

/// A model on an upstream.
type Key = (String, String);

/// Never changed: a new one takes its place.
#[derive(Debug, Default)]
pub(super) struct Table {
    /// By name and by alias.
    routes: HashMap<String, Arc<Route>>,
    pub(super) upstreams: HashMap<String, Arc<Upstream>>,
    health: HashMap<Key, Arc<Health>>,
}

impl Table {
    /// The table that `specs` describe together. Upstreams, health and comparisons of `before` that did not change go on.
    ///
    /// # Errors
    /// What is wrong and what to change.
    pub(super) fn build(specs: &[&Spec], before: &Self) -> anyhow::Result<Self> {
        Spec::check(specs).map_err(anyhow::Error::msg)?;
        let mut table = Self::default();
        let upstreams = specs.iter().flat_map(|spec| &spec.upstreams);
        for config in upstreams.filter(|upstream| upstream.kind != UpstreamKind::Local) {
            table.upstreams.insert(config.name.clone(), upstream(config, before)?);
        }
        for model in specs.iter().flat_map(|spec| &spec.models) {
            table.add(model, before);
        }
        table.import(before);
        Ok(table)
    }

    /// The model of that name or alias.
    pub(super) fn route(&self, name: &str) -> Option<&Arc<Route>> {
        self.routes.get(name)
    }

    pub(super) fn names(&self) -> impl Iterator<Item = (&String, &Arc<Route>)> {
        self.routes.iter()
    }

    /// What is known of the models of an upstream.
    pub(super) fn health_of(&self, upstream: &str) -> impl Iterator<Item = &Arc<Health>> {
        self.health.iter().filter(move |((name, _), _)| name == upstream).map(|(_, health)| health)
    }

    fn add(&mut self, model: &ModelConfig, before: &Self) {
        let kept = before.route(&model.name).filter(|route| route.config == *model && self.has_upstreams_of(route));
        let route = match kept {
            Some(route) => route.clone(),
            None => Arc::new(self.new_route(model, before)),
        };
        for place in &route.places {
            let key = (place.upstream.name.clone(), place.name.clone());
            self.health.entry(key).or_insert_with(|| place.health.clone());
        }
        for name in std::iter::once(&model.name).chain(&model.aliases) {
            self.routes.insert(name.clone(), route.clone());
        }
    }

    fn has_upstreams_of(&self, route: &Route) -> bool {
        let same = |place: &Arc<Place>| {
            self.upstreams.get(&place.upstream.name).is_some_and(|upstream| Arc::ptr_eq(upstream, &place.upstream))
        };
        route.places.iter().all(same)
    }

    fn new_route(&self, model: &ModelConfig, before: &Self) -> Route {
        let (mut places, mut local) = (Vec::new(), Vec::new());
        for target in &model.targets {
            match self.upstreams.get(&target.upstream) {
                Some(upstream) => places.push(Arc::new(self.place(upstream, target, before))),
                None => local.push((target.weight, target.model.clone())),
            }
        }
        let has_canary = model.targets.iter().any(|target| target.canary);
        let same = |route: &&Arc<Route>| route.config.targets == model.targets && route.config.canary == model.canary;
        let going_on = before.route(&model.name).filter(same).and_then(|route| route.comparison.clone());
        let comparison =
            has_canary.then(|| going_on.unwrap_or_else(|| Arc::new(Comparison::new(model.canary.clone()))));
        let address = |name: &str| self.upstreams.get(name)?.config.base_url.as_deref();
        let keeping = Keeping::of(model, address).map(Arc::new);
        Route { config: model.clone(), places, local, comparison, keeping }
    }

    fn place(&self, upstream: &Arc<Upstream>, target: &TargetConfig, before: &Self) -> Place {
        let key = (target.upstream.clone(), target.model.clone());
        let same_upstream = || before.upstreams.get(&key.0).is_some_and(|old| Arc::ptr_eq(old, upstream));
        let old = || before.health.get(&key).filter(|_| same_upstream()).cloned();
        let health = self.health.get(&key).cloned().or_else(old);
        Place {
            upstream: upstream.clone(),
            name: target.model.clone(),
            weight: target.weight,
            canary: target.canary,
            health: health.unwrap_or_else(|| Arc::new(Health::new(upstream.config.health.clone()))),
        }
    }

    /// Models that upstreams list themselves, under names that nobody configured.
    fn import(&mut self, before: &Self) {
        let listed: Vec<(String, Vec<String>)> = self
            .upstreams
            .values()
            .filter(|upstream| upstream.config.import_models)
            .map(|upstream| (upstream.name.clone(), upstream.listed().as_ref().clone()))
            .collect();
        for (upstream, models) in listed {
            for name in models.into_iter().filter(|name| !name.is_empty()) {
                if !self.routes.contains_key(&name) {
                    self.add(&ModelConfig::imported(&upstream, &name), before);
                }
            }
        }
    }
}

fn upstream(config: &UpstreamConfig, before: &Table) -> anyhow::Result<Arc<Upstream>> {
    match before.upstreams.get(&config.name).filter(|old| old.config == *config) {
        Some(same) if same.has_current_secret() => Ok(same.clone()),
        _ => Ok(Arc::new(Upstream::new(config)?)),
    }
}

#[cfg(test)]
mod tests;
