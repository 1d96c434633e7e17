//! What can be configured of upstreams and of the models that they answer for.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{answer_cache::CachePolicy, config::Secret};

/// A server that runs models.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct UpstreamConfig {
    /// Name that models refer to.
    pub(crate) name: String,
    pub(crate) kind: UpstreamKind,
    /// Root of its API, `/v1` included; not for `local`. Of kind `kserve` it may be the host alone: `/openai/v1` and
    /// `/v1` are then tried.
    #[serde(default)]
    pub(crate) base_url: Option<String>,
    /// Sent as `Authorization: Bearer`.
    #[serde(default)]
    pub(crate) api_key: Option<Secret>,
    /// Sent as `Host` in place of the host in `base_url`: how Knative's gateway tells services apart.
    #[serde(default)]
    pub(crate) host: Option<String>,
    /// Longest wait for a connection, TLS included.
    #[serde(with = "humantime_serde", default = "connect_timeout")]
    pub(crate) connect_timeout: Duration,
    /// Longest wait for the first byte of an answer's body. Clients of OpenAI wait 600 s themselves.
    #[serde(with = "humantime_serde", default = "first_byte_timeout")]
    pub(crate) first_byte_timeout: Duration,
    /// Longest silence in an answer that has begun.
    #[serde(with = "humantime_serde", default = "gap_timeout")]
    pub(crate) gap_timeout: Duration,
    /// Longest an answer may take from the request to its end.
    #[serde(with = "humantime_serde", default = "total_timeout")]
    pub(crate) total_timeout: Duration,
    /// How long a server that sleeps (503 of an activator, no connection) is waited for when nobody else can answer.
    /// Unset: two minutes for `kserve`, not at all for others.
    #[serde(with = "humantime_serde::option", default)]
    pub(crate) wake_timeout: Option<Duration>,
    /// Ask every stream for its token counts, so that it can be metered; off for servers that refuse `stream_options`.
    #[serde(default = "yes")]
    pub(crate) ask_usage: bool,
    /// Send a `cache_salt` of each tenant's own, so that prompts of one say nothing about those of another. Unset: to
    /// `kserve`, not to others, because servers may refuse fields that they do not know.
    #[serde(default)]
    pub(crate) cache_salt: Option<bool>,
    /// Ask it now and then whether it is well; without, only what happens to requests tells.
    #[serde(default)]
    pub(crate) probe: Option<ProbeConfig>,
    /// Offer every model that it lists, under its own name.
    #[serde(default)]
    pub(crate) import_models: bool,
    #[serde(default)]
    pub(crate) health: HealthConfig,
    #[serde(default)]
    pub(crate) retries: RetriesConfig,
}

fn yes() -> bool {
    true
}

fn connect_timeout() -> Duration {
    Duration::from_secs(5)
}

fn first_byte_timeout() -> Duration {
    Duration::from_secs(600)
}

fn gap_timeout() -> Duration {
    Duration::from_mins(2)
}

fn total_timeout() -> Duration {
    Duration::from_hours(1)
}

/// What protocol an upstream speaks.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum UpstreamKind {
    Openai,
    Ollama,
    Kserve,
    Local,
}

/// How an upstream is asked whether it is well.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProbeConfig {
    /// Below `base_url`, such as `/models`; any answer below 500 is a good one.
    #[serde(default = "probe_path")]
    pub(crate) path: String,
    #[serde(with = "humantime_serde", default = "probe_every")]
    pub(crate) every: Duration,
    #[serde(with = "humantime_serde", default = "probe_timeout")]
    pub(crate) timeout: Duration,
}

fn probe_path() -> String {
    "/models".to_owned()
}

fn probe_every() -> Duration {
    Duration::from_secs(10)
}

fn probe_timeout() -> Duration {
    Duration::from_secs(2)
}

/// When a target is left alone. The defaults of times and counts are those of Envoy's outlier detection, halved where
/// models are slower to show what is wrong.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct HealthConfig {
    /// Failures one after the other that take a target out, as long as at least half of the others stay.
    pub(crate) failures: u32,
    /// How long it stays out the first time; each further time as long again.
    #[serde(with = "humantime_serde")]
    pub(crate) eject: Duration,
    /// Longest it stays out.
    #[serde(with = "humantime_serde")]
    pub(crate) longest_eject: Duration,
    /// Share of failures, 0 to 1, that opens the circuit: nobody is sent there, whoever else is left.
    pub(crate) error_rate: f64,
    /// Least requests in the window before the share counts.
    pub(crate) requests: u32,
    #[serde(with = "humantime_serde")]
    pub(crate) window: Duration,
    /// How long the circuit stays open before one request tries again; each further time as long again.
    #[serde(with = "humantime_serde")]
    pub(crate) open: Duration,
}

impl Default for HealthConfig {
    fn default() -> Self {
        Self {
            failures: 5,
            eject: Duration::from_secs(10),
            longest_eject: Duration::from_mins(5),
            error_rate: 0.5,
            requests: 20,
            window: Duration::from_secs(10),
            open: Duration::from_secs(1),
        }
    }
}

/// How many second tries an upstream is given, whatever happens elsewhere. The defaults are Finagle's and Linkerd's.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RetriesConfig {
    /// Second tries as a share of first ones.
    pub(crate) ratio: f64,
    /// Second tries in a second that are always free.
    pub(crate) per_second: u32,
}

impl Default for RetriesConfig {
    fn default() -> Self {
        Self { ratio: 0.2, per_second: 10 }
    }
}

/// A name that clients may ask for, and who answers.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ModelConfig {
    pub(crate) name: String,
    /// Further names for the same.
    #[serde(default)]
    pub(crate) aliases: Vec<String>,
    #[serde(default)]
    pub(crate) policy: Policy,
    /// Bytes at the beginning of the messages that the policy `prefix` looks at.
    #[serde(default = "prefix_bytes")]
    pub(crate) prefix_bytes: usize,
    /// How far above its share of open requests a target may be before `session` and `prefix` go elsewhere: 1.25 is a
    /// quarter above. Source: Mirrokni, Thorup, Zadimoghaddam, consistent hashing with bounded loads.
    #[serde(default = "load_bound")]
    pub(crate) load_bound: f64,
    /// Targets that one request may try before the fallbacks.
    #[serde(default = "tries")]
    pub(crate) tries: u32,
    /// Models that stand in, in this order, when no target answers.
    #[serde(default)]
    pub(crate) fallbacks: Vec<String>,
    pub(crate) targets: Vec<TargetConfig>,
    /// When targets marked `canary` are sent no more requests.
    #[serde(default)]
    pub(crate) canary: CanaryConfig,
    /// Which answers are kept and given again; none when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) cache: Option<CachePolicy>,
}

fn prefix_bytes() -> usize {
    256
}

fn load_bound() -> f64 {
    1.25
}

fn tries() -> u32 {
    3
}

/// Who among the targets that are well.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Policy {
    /// At random, by weight.
    #[default]
    Weighted,
    /// Fewest open requests for its weight.
    LeastInFlight,
    /// Shortest time to the first token, as a peak-sensitive moving average, times the open requests.
    LowestLatency,
    /// One session, one target.
    Session,
    /// Equal beginnings of prompts, one target.
    Prefix,
}

impl Policy {
    /// As it is written in the configuration.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Weighted => "weighted",
            Self::LeastInFlight => "least_in_flight",
            Self::LowestLatency => "lowest_latency",
            Self::Session => "session",
            Self::Prefix => "prefix",
        }
    }
}

/// One place that can answer for a model.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TargetConfig {
    pub(crate) upstream: String,
    /// The model's name over there; an adapter's name where the server takes such.
    pub(crate) model: String,
    /// Share of requests beside the other targets.
    #[serde(default = "one")]
    pub(crate) weight: u32,
    /// On trial: gets its share by weight whatever the policy, and nothing any more when it does worse than the others.
    #[serde(default)]
    pub(crate) canary: bool,
}

fn one() -> u32 {
    1
}

/// When a canary has done worse than the others.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct CanaryConfig {
    /// Least requests of the canary before it is judged.
    pub(crate) requests: u32,
    /// How far its share of failures may be above that of the others, 0 to 1.
    pub(crate) error_rate: f64,
    /// How many times as long its first token may take, on average.
    pub(crate) latency: f64,
    /// How long both are counted before the count begins anew.
    #[serde(with = "humantime_serde")]
    pub(crate) window: Duration,
}

impl Default for CanaryConfig {
    fn default() -> Self {
        Self { requests: 50, error_rate: 0.05, latency: 2.0, window: Duration::from_mins(10) }
    }
}

impl ModelConfig {
    /// A model that an upstream lists, under its own name.
    pub(super) fn imported(upstream: &str, name: &str) -> Self {
        Self {
            name: name.to_owned(),
            aliases: Vec::new(),
            policy: Policy::default(),
            prefix_bytes: prefix_bytes(),
            load_bound: load_bound(),
            tries: tries(),
            fallbacks: Vec::new(),
            targets: vec![TargetConfig {
                upstream: upstream.to_owned(),
                model: name.to_owned(),
                weight: one(),
                canary: false,
            }],
            canary: CanaryConfig::default(),
            cache: None,
        }
    }
}
