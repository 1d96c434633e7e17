//! What is asked of the routing table, and what it gives back.

use std::{fmt, sync::Arc};

use bytes::Bytes;
use kubemate_identity::Caller;

use super::{Flight, Upstream, UpstreamBody};
use crate::{api::ApiError, telemetry::Chosen};

/// A call that wants an upstream.
pub(crate) struct Ask<'a> {
    /// The name that the client asked for.
    pub(crate) model: &'a str,
    /// Such as `/chat/completions`.
    pub(crate) path: &'static str,
    /// As the client sent it: the beginning of its messages decides under the policy `prefix`.
    pub(crate) body: &'a Bytes,
    /// Who asks: fallbacks are those that this key may use, and conversations of two tenants never share a place.
    pub(crate) caller: &'a Caller,
    /// What stays together under the policy `session`: the header `x-session-id`, else the field `user`.
    pub(crate) session: Option<&'a str>,
    /// The body as this upstream gets it, with the model's name over there. Called once an attempt.
    pub(crate) write: &'a (dyn Fn(&Upstream, &str) -> Result<Bytes, ApiError> + Send + Sync),
}

impl fmt::Debug for Ask<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Ask").field("model", &self.model).field("path", &self.path).finish_non_exhaustive()
    }
}

/// An answer that has begun. Its status is a success, or a refusal of which another try would change nothing.
#[derive(Debug)]
pub(crate) struct Answered {
    /// Its first piece is there already: what fails from now on cannot be tried elsewhere.
    pub(crate) response: http::Response<UpstreamBody>,
    pub(crate) upstream: Arc<Upstream>,
    /// The model's name over there.
    pub(crate) name: String,
    pub(crate) why: Why,
    /// Belongs into the body that the client gets.
    pub(crate) flight: Flight,
}

impl Answered {
    /// The target and why it was chosen, for the call's record.
    pub(crate) fn chosen(&self) -> Chosen<'_> {
        let Why { policy, fallback, canary, .. } = &self.why;
        let chosen = Chosen::there(&self.upstream, &self.name, policy);
        Chosen { fallback: fallback.is_some(), canary: *canary, ..chosen }
    }
}

/// Why this target answers: for logs and headers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Why {
    /// The policy that chose, such as `weighted`.
    pub(crate) policy: &'static str,
    /// 1 when the first target that was asked answered.
    pub(crate) attempt: u32,
    /// The model that stood in for the one asked for.
    pub(crate) fallback: Option<String>,
    /// Whether the target is on trial.
    pub(crate) canary: bool,
}
