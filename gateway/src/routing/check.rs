//! What no type can hold of upstreams and models. Each refusal names what to change.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use super::config::{ModelConfig, UpstreamConfig, UpstreamKind};

/// Most targets of a model: which of them were tried fits into one word.
pub(super) const MOST_TARGETS: usize = 64;
/// Most targets that one request may try.
const MOST_TRIES: u32 = 10;
/// Longest deadline: beyond it somebody meant another unit.
const LONGEST_WAIT: Duration = Duration::from_hours(30 * 24);
/// The upstream that is always there: this machine.
pub(super) const LOCAL: &str = "local";

/// Checks upstreams and models as a whole.
///
/// # Errors
/// A sentence for the operator.
pub(crate) fn check(upstreams: &[&UpstreamConfig], models: &[&ModelConfig]) -> Result<(), String> {
    unique("upstreams", upstreams.iter().map(|upstream| upstream.name.as_str()))?;
    unique("models", models.iter().map(|model| model.name.as_str()))?;
    upstreams.iter().try_for_each(|upstream| check_upstream(upstream))?;
    let kinds: HashMap<&str, UpstreamKind> = upstreams.iter().map(|one| (one.name.as_str(), one.kind)).collect();
    let names = names(models)?;
    models.iter().try_for_each(|model| check_model(model, &kinds))?;
    models.iter().try_for_each(|model| check_fallbacks(model, models, &names, &kinds))?;
    no_loops(models, &names)
}

fn unique<'a>(list: &str, names: impl Iterator<Item = &'a str>) -> Result<(), String> {
    let mut seen = HashSet::new();
    for name in names {
        if name.is_empty() {
            return Err(format!("an entry of `{list}` has an empty `name`"));
        }
        if !seen.insert(name) {
            return Err(format!("`{list}` defines `{name}` twice; rename one of them"));
        }
    }
    Ok(())
}

/// Every name that can be asked for, and the model's place in the list.
fn names<'a>(models: &[&'a ModelConfig]) -> Result<HashMap<&'a str, usize>, String> {
    let mut names: HashMap<&str, usize> = models.iter().enumerate().map(|(at, one)| (one.name.as_str(), at)).collect();
    for (at, model) in models.iter().enumerate() {
        for alias in &model.aliases {
            if alias.is_empty() {
                return Err(format!("model `{}` has an empty name in `aliases`", model.name));
            }
            if let Some(other) = names.insert(alias, at).and_then(|other| models.get(other)) {
                let name = &model.name;
                return Err(format!(
                    "alias `{alias}` of model `{name}` is a name of model `{}`; rename it",
                    other.name
                ));
            }
        }
    }
    Ok(names)
}

fn check_upstream(upstream: &UpstreamConfig) -> Result<(), String> {
    let name = &upstream.name;
    match (upstream.kind, upstream.base_url.as_deref()) {
        (UpstreamKind::Local, Some(_)) => Err(format!("upstream `{name}` is `local` and takes no `base_url`")),
        (UpstreamKind::Local, None) => Ok(()),
        (_, None) => Err(format!("upstream `{name}` needs a `base_url`")),
        (_, Some(url)) => check_base_url(name, url),
    }?;
    let waits = [
        ("connect_timeout", upstream.connect_timeout),
        ("first_byte_timeout", upstream.first_byte_timeout),
        ("gap_timeout", upstream.gap_timeout),
        ("total_timeout", upstream.total_timeout),
    ];
    if let Some((key, _)) = waits.into_iter().find(|(_, wait)| wait.is_zero() || *wait > LONGEST_WAIT) {
        return Err(format!("`{key}` of upstream `{name}` must be above 0 and at most 30 days"));
    }
    if upstream.host.as_ref().is_some_and(|host| host.parse::<http::uri::Authority>().is_err()) {
        return Err(format!("`host` of upstream `{name}` must be a host such as model.example.com"));
    }
    if let Some(probe) = &upstream.probe
        && (!probe.path.starts_with('/') || probe.every.is_zero() || probe.timeout.is_zero())
    {
        return Err(format!("`probe` of upstream `{name}` needs a `path` that begins with `/` and times above 0"));
    }
    let health = &upstream.health;
    if health.failures == 0 || health.requests == 0 || !(health.error_rate > 0.0 && health.error_rate <= 1.0) {
        return Err(format!(
            "`health` of upstream `{name}` needs `failures` and `requests` above 0 and an `error_rate` above 0, at most 1"
        ));
    }
    if !(0.0..=1.0).contains(&upstream.retries.ratio) {
        return Err(format!("`retries.ratio` of upstream `{name}` must be between 0 and 1"));
    }
    Ok(())
}

fn check_base_url(name: &str, url: &str) -> Result<(), String> {
    let uri: http::Uri =
        url.parse().map_err(|error| format!("`base_url` of upstream `{name}` is not a URL: {error}"))?;
    let usable = matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some();
    if usable && uri.query().is_none() {
        return Ok(());
    }
    Err(format!("`base_url` of upstream `{name}` must look like http://host:port/v1, without a query"))
}

fn check_model(model: &ModelConfig, upstreams: &HashMap<&str, UpstreamKind>) -> Result<(), String> {
    let name = &model.name;
    if !model.targets.iter().any(|target| target.weight > 0 && !target.canary) {
        return Err(match model.targets.iter().any(|target| target.canary) {
            true => format!("model `{name}` has only canaries; add a target without `canary` to compare them with"),
            false => format!("model `{name}` has no target with a weight above 0"),
        });
    }
    if model.targets.len() > MOST_TARGETS {
        return Err(format!("model `{name}` has more than {MOST_TARGETS} `targets`"));
    }
    if !(1..=MOST_TRIES).contains(&model.tries) {
        return Err(format!("`tries` of model `{name}` must be between 1 and {MOST_TRIES}"));
    }
    if !(model.load_bound >= 1.0 && model.load_bound.is_finite()) || model.prefix_bytes == 0 {
        return Err(format!("model `{name}` needs a `load_bound` of at least 1 and `prefix_bytes` above 0"));
    }
    for target in &model.targets {
        let local = match upstreams.get(target.upstream.as_str()) {
            Some(kind) => *kind == UpstreamKind::Local,
            None if target.upstream == LOCAL => true,
            None => {
                return Err(format!(
                    "model `{name}` names upstream `{}`, which is not defined in `upstreams`",
                    target.upstream
                ));
            }
        };
        if local && target.canary {
            return Err(format!(
                "a canary of model `{name}` is local; only targets of other upstreams can be on trial"
            ));
        }
    }
    Ok(())
}

fn check_fallbacks(
    model: &ModelConfig,
    models: &[&ModelConfig],
    names: &HashMap<&str, usize>,
    upstreams: &HashMap<&str, UpstreamKind>,
) -> Result<(), String> {
    for fallback in &model.fallbacks {
        let known = names.get(fallback.as_str()).and_then(|at| models.get(*at));
        let Some(other) = known else {
            return Err(format!("model `{}` falls back to `{fallback}`, which is not defined in `models`", model.name));
        };
        let remote = |name: &str| upstreams.get(name).is_some_and(|kind| *kind != UpstreamKind::Local);
        if !other.targets.iter().any(|target| remote(&target.upstream)) {
            return Err(format!(
                "model `{}` falls back to `{fallback}`, which runs in this process; name one with an upstream",
                model.name
            ));
        }
    }
    Ok(())
}

/// Follows the fallbacks of every model; meeting one that is still being followed is a loop.
fn no_loops(models: &[&ModelConfig], names: &HashMap<&str, usize>) -> Result<(), String> {
    let mut clear = HashSet::new();
    let mut path = Vec::new();
    models.iter().enumerate().try_for_each(|(at, _)| follow(at, models, names, &mut path, &mut clear))
}

fn follow(
    at: usize,
    models: &[&ModelConfig],
    names: &HashMap<&str, usize>,
    path: &mut Vec<usize>,
    clear: &mut HashSet<usize>,
) -> Result<(), String> {
    let Some(model) = models.get(at).filter(|_| !clear.contains(&at)) else { return Ok(()) };
    if path.contains(&at) {
        return Err(format!("the `fallbacks` of model `{}` lead back to it; take one of them out", model.name));
    }
    if path.len() > MOST_TARGETS {
        return Err(format!("more than {MOST_TARGETS} `fallbacks` follow one another up to model `{}`", model.name));
    }
    path.push(at);
    for fallback in model.fallbacks.iter().filter_map(|name| names.get(name.as_str())) {
        follow(*fallback, models, names, path, clear)?;
    }
    path.pop();
    clear.insert(at);
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::routing::Spec;

    fn refusal(text: &str) -> String {
        let start = "[[upstreams]]\nname = \"u\"\nkind = \"openai\"\nbase_url = \"http://h/v1\"\n";
        let spec: Spec = toml::from_str(&format!("{start}{text}")).unwrap();
        Spec::check(&[&spec]).err().unwrap_or_default()
    }

    fn model(name: &str, more: &str) -> String {
        format!("[[models]]\nname = \"{name}\"\ntargets = [{{ upstream = \"u\", model = \"m\" }}]\n{more}\n")
    }

    #[test]
    fn an_alias_that_is_a_name_already_is_refused() {
        assert_eq!(refusal(&(model("a", "aliases = [\"x\"]") + &model("b", ""))), "");
        assert!(refusal(&(model("a", "aliases = [\"b\"]") + &model("b", ""))).contains("alias `b` of model `a`"));
        let twice = model("a", "aliases = [\"x\"]") + &model("b", "aliases = [\"x\"]");
        assert!(refusal(&twice).contains("alias `x` of model `b` is a name of model `a`"));
    }

    #[test]
    fn fallbacks_lead_to_an_upstream_and_never_back() {
        let chain = model("a", "fallbacks = [\"b\"]") + &model("b", "fallbacks = [\"c\"]") + &model("c", "");
        assert_eq!(refusal(&chain), "");
        let diamond = model("a", "fallbacks = [\"b\", \"c\"]") + &model("b", "fallbacks = [\"c\"]") + &model("c", "");
        assert_eq!(refusal(&diamond), "");
        let round = model("a", "fallbacks = [\"b\"]") + &model("b", "fallbacks = [\"a\"]");
        assert!(refusal(&round).contains("lead back to it"), "{}", refusal(&round));
        assert!(refusal(&model("a", "fallbacks = [\"a\"]")).contains("lead back to it"));
        assert!(refusal(&model("a", "fallbacks = [\"z\"]")).contains("`z`, which is not defined"));
        let here = model("a", "fallbacks = [\"l\"]")
            + "[[models]]\nname = \"l\"\ntargets = [{ upstream = \"local\", model = \"m\" }]";
        assert!(refusal(&here).contains("runs in this process"));
    }

    #[test]
    fn deadlines_are_above_nothing() {
        let other =
            "[[upstreams]]\nname = \"v\"\nkind = \"openai\"\nbase_url = \"http://h/v1\"\ngap_timeout = \"0s\"\n";
        assert!(refusal(&(other.to_owned() + &model("a", ""))).contains("`gap_timeout` of upstream `v`"));
    }

    #[test]
    fn a_canary_needs_something_to_be_compared_with() {
        let only = "[[models]]\nname = \"a\"\ntargets = [{ upstream = \"u\", model = \"m\", canary = true }]";
        assert!(refusal(only).contains("only canaries"));
    }
}
