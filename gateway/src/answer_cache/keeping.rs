//! That a model keeps answers, and what it answers with at present.

use kubemate_cache::CacheKey;

use super::CachePolicy;
use crate::routing::ModelConfig;

/// A model's policy and revision; part of its route, so that it changes with it.
#[derive(Debug)]
pub(crate) struct Keeping {
    pub(super) policy: CachePolicy,
    /// Names everything about a model's targets but their shares: another one, other answers. Equal in all processes with
    /// the same configuration.
    pub(super) revision: String,
}

impl Keeping {
    /// `None` for a model that keeps nothing. `address` gives an upstream's.
    pub(crate) fn of<'a>(model: &'a ModelConfig, address: impl Fn(&str) -> Option<&'a str>) -> Option<Self> {
        let policy = model.cache.clone()?;
        let parts = model.targets.iter().flat_map(|target| {
            let address = address(&target.upstream).unwrap_or_default();
            [target.upstream.as_str(), target.model.as_str(), address]
        });
        let revision = CacheKey::new("revision", &parts.collect::<Vec<_>>()).to_string();
        Some(Self { policy, revision })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keeping(model: &str, address: &'static str, cache: &str) -> Option<Keeping> {
        let text = format!("name = 'm'\ntargets = [{{ upstream = 'u', model = '{model}' }}]\n{cache}");
        let model: ModelConfig = toml::from_str(&text).unwrap();
        let kept = Keeping::of(&model, |upstream| (upstream == "u").then_some(address));
        kept.map(|kept| Keeping { policy: kept.policy, revision: kept.revision })
    }

    #[test]
    fn another_model_behind_a_name_is_another_revision() {
        let revision = |model, address| keeping(model, address, "cache = { ttl = '1m' }").unwrap().revision;
        let first = revision("a", "http://h/v1");
        assert_eq!(revision("a", "http://h/v1"), first);
        assert_ne!(revision("b", "http://h/v1"), first);
        assert_ne!(revision("a", "http://g/v1"), first);
        assert!(keeping("a", "http://h/v1", "").is_none(), "off by default");
    }
}
