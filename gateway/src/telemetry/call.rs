//! One call to a model, observed from its beginning to its end.

use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use kubemate_ledger::UsageRow;
use opentelemetry::{
    KeyValue,
    trace::{SpanBuilder, SpanKind},
};

use super::{
    request::{Request, current},
    request_log::Line,
    series::{self, CallSeries, micros},
    trace::Span,
};
use crate::{
    config::UpstreamKind,
    models::{Target, Upstream},
};

/// Who answers when the call never came to a target.
const NOBODY: &str = "none";
/// Who answers with what is kept.
const CACHE: &str = "cache";
/// The name of this process among the upstreams.
const LOCAL: &str = "local";

/// A target and why it was chosen.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Chosen<'a> {
    /// The upstream's configured name; `local` for this process.
    pub(crate) upstream: &'a str,
    /// What it speaks, as the GenAI conventions name providers.
    pub(crate) provider: &'static str,
    /// The model's name over there.
    pub(crate) model: &'a str,
    /// What chose it, such as `weighted`.
    pub(crate) policy: &'static str,
    /// Whether another model stands in for the one that was asked for.
    pub(crate) fallback: bool,
    /// Whether the target is on trial.
    pub(crate) canary: bool,
}

impl<'a> Chosen<'a> {
    /// `target`, chosen by `policy`.
    pub(crate) fn of(target: &'a Target, policy: &'static str) -> Self {
        match target {
            Target::Local(name) => Self::here(name),
            Target::Remote(upstream, name) => Self::there(upstream, name, policy),
        }
    }

    /// A model in this process.
    pub(crate) fn here(model: &'a str) -> Self {
        Self { upstream: LOCAL, provider: "kubemate", model, policy: LOCAL, fallback: false, canary: false }
    }

    /// A model on `upstream`, chosen by `policy`.
    pub(crate) fn there(upstream: &'a Upstream, model: &'a str, policy: &'static str) -> Self {
        let provider = match upstream.config.kind {
            UpstreamKind::Ollama => "ollama",
            UpstreamKind::Openai | UpstreamKind::Kserve | UpstreamKind::Local => "openai",
        };
        Self { upstream: &upstream.name, provider, model, policy, fallback: false, canary: false }
    }
}

/// A call under way. Its owner settles it; dropped without that, it counts as nothing.
#[derive(Debug)]
pub(crate) struct Call {
    request: Option<Arc<Request>>,
    begun: Instant,
    span: Span,
    stream: bool,
    cache: Option<&'static str>,
    answering: Option<Answering>,
    first: Option<Duration>,
}

/// Who answers.
#[derive(Debug)]
struct Answering {
    model: Box<str>,
    policy: &'static str,
    fallback: bool,
    canary: bool,
    series: Arc<CallSeries>,
}

impl Call {
    /// A call of the request that this code runs for.
    pub(crate) fn begin(kind: &'static str, model: &str) -> Self {
        let request = current();
        let span = request.as_ref().map(|request| {
            let span = request.trace().span(|| inference(kind, model));
            request.trace().enter(&span);
            span
        });
        Self {
            request,
            begun: Instant::now(),
            span: span.unwrap_or_default(),
            stream: false,
            cache: None,
            answering: None,
            first: None,
        }
    }

    /// The client asked for a stream.
    pub(crate) fn streams(&mut self) {
        self.stream = true;
        self.span.note("gen_ai.request.stream", || true);
    }

    /// What the answer cache did, such as `hit`.
    pub(crate) fn cached(&mut self, outcome: &'static str) {
        self.cache = Some(outcome);
        self.span.note("kubemate.cache", || outcome);
    }

    /// Who answers for `model`; told again when another one takes over.
    pub(crate) fn routed(&mut self, model: &str, chosen: Chosen<'_>) {
        let series = series::calls(model, chosen.upstream);
        if let Some(request) = &self.request {
            request.asks(&series);
        }
        self.span.note("gen_ai.provider.name", || chosen.provider);
        self.span.note("gen_ai.response.model", || chosen.model.to_owned());
        self.span.note("kubemate.upstream", || chosen.upstream.to_owned());
        self.span.note("kubemate.policy", || chosen.policy);
        series.in_flight.increment(1.0);
        self.answering = Some(Answering {
            model: chosen.model.into(),
            policy: chosen.policy,
            fallback: chosen.fallback,
            canary: chosen.canary,
            series,
        });
    }

    /// The first piece of the answer is on its way; later calls do nothing.
    pub(crate) fn first_token(&mut self) {
        if self.first.is_some() {
            return;
        }
        let spent = self.elapsed();
        self.first = Some(spent);
        if let Some(answering) = &self.answering {
            answering.series.first_token.record(micros(spent));
        }
        self.span.event("first_token");
        self.span.note("gen_ai.response.time_to_first_chunk", || self.begun.elapsed().as_secs_f64());
    }

    /// Since the request arrived.
    fn elapsed(&self) -> Duration {
        self.request.as_ref().map_or_else(|| self.begun.elapsed(), |request| request.elapsed())
    }

    /// Who answers, or who was asked last when nobody does.
    fn series(&self) -> Option<Arc<CallSeries>> {
        let asked = || self.request.as_ref()?.asked();
        self.answering.as_ref().map(|answering| answering.series.clone()).or_else(asked)
    }

    /// It is over, and this is what it came to.
    pub(crate) fn settle(&mut self, row: &UsageRow) {
        let series = self.series();
        let nobody = if matches!(self.cache, Some("hit" | "stale")) { CACHE } else { NOBODY };
        let upstream = series.as_ref().map_or(nobody, |series| &*series.upstream_name);
        let spent = self.elapsed();
        let tokens = [row.prompt_tokens, row.completion_tokens].map(i64::unsigned_abs);
        series::settled(&row.model, upstream, row.status.unsigned_abs(), spent, tokens);
        self.span.note("gen_ai.usage.input_tokens", || row.prompt_tokens);
        self.span.note("gen_ai.usage.output_tokens", || row.completion_tokens);
        self.span.note("kubemate.tenant", || row.tenant.clone());
        if row.status >= 400 {
            self.span.failed(|| row.status.to_string().into());
        }
        if let Some(request) = self.request.as_ref().filter(|request| request.log().wants(row.status)) {
            request.log().write(self.line(request, row, spent));
        }
    }

    fn line(&self, request: &Request, row: &UsageRow, spent: Duration) -> Line {
        let answering = self.answering.as_ref();
        Line {
            timestamp: SystemTime::now(),
            log: "request",
            request: Some(request.id().to_string()),
            tenant: row.tenant.clone(),
            project: row.project.clone(),
            key: row.key.clone(),
            model: row.model.clone(),
            kind: row.kind.clone(),
            door: Some(request.route().to_owned()),
            stream: self.stream,
            upstream: self.series().map(|series| series.upstream_name.clone()),
            target: answering.map(|answering| answering.model.clone()),
            policy: answering.map(|answering| answering.policy),
            attempts: request.attempts(),
            fallback: answering.is_some_and(|answering| answering.fallback),
            canary: answering.is_some_and(|answering| answering.canary),
            cache: self.cache,
            status: row.status,
            prompt_tokens: row.prompt_tokens,
            completion_tokens: row.completion_tokens,
            duration_us: whole(spent),
            first_token_us: self.first.map(whole),
            upstream_us: Some(whole(request.upstream())).filter(|spent| *spent > 0),
        }
    }
}

/// The span of a call. Source: GenAI conventions 0.1, "Inference" and "Embeddings".
fn inference(kind: &'static str, model: &str) -> SpanBuilder {
    let operation = match kind {
        "completion" => "text_completion",
        other => other,
    };
    SpanBuilder::from_name(format!("{operation} {model}")).with_kind(SpanKind::Client).with_attributes([
        KeyValue::new("gen_ai.operation.name", operation),
        KeyValue::new("gen_ai.request.model", model.to_owned()),
    ])
}

fn whole(spent: Duration) -> u64 {
    u64::try_from(spent.as_micros()).unwrap_or(u64::MAX)
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.series.in_flight.decrement(1.0);
    }
}
