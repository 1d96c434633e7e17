//! How the caller stands, told in the headers that OpenAI's clients read.

use std::{cell::Cell, time::Duration};

use axum::response::Response;
use http::{HeaderMap, HeaderValue};

use super::{
    admission::Held,
    plan::{Measure, Rule},
};

tokio::task_local! {
    /// The standing of the request that this task answers. Left here by whoever lets it in, read by the outermost layer, so
    /// that every door's answers and refusals carry the headers.
    static STANDING: Cell<Option<Rates>>;
}

/// The tightest limit of each kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Rates {
    requests: Option<Rate>,
    tokens: Option<Rate>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Rate {
    limit: u64,
    remaining: u64,
    reset: Duration,
}

/// Answers a request and writes the headers into its answer, when something limited it.
pub(crate) async fn stamped(answering: impl Future<Output = Response>) -> Response {
    let told = async {
        let mut response = answering.await;
        if let Some(rates) = STANDING.with(Cell::take) {
            rates.stamp(response.headers_mut());
        }
        response
    };
    STANDING.scope(Cell::new(None), told).await
}

/// Leaves how `held` stands for [`stamped`]. Outside of a request nobody asks.
pub(super) fn note(held: &Held) {
    let rates = Rates::of(held);
    let _outside = STANDING.try_with(|standing| standing.set(Some(rates)));
}

impl Rates {
    fn of(held: &Held) -> Self {
        let tightest = |wanted: fn(Measure) -> bool| {
            let lines = held.lines().filter(|(rule, ..)| wanted(rule.measure));
            let rate = |rule: &Rule, used: u64, reset: Duration| Rate {
                limit: rule.most,
                remaining: rule.most.saturating_sub(used),
                reset,
            };
            lines.map(|(rule, _, standing)| rate(rule, standing.used, standing.left)).min_by_key(|rate| rate.remaining)
        };
        let requests = tightest(|measure| measure == Measure::Requests);
        Self { requests, tokens: tightest(Measure::counts_tokens) }
    }

    fn stamp(self, headers: &mut HeaderMap) {
        if let Some(rate) = self.requests {
            headers.insert("x-ratelimit-limit-requests", rate.limit.into());
            headers.insert("x-ratelimit-remaining-requests", rate.remaining.into());
            headers.insert("x-ratelimit-reset-requests", spelled(rate.reset));
        }
        if let Some(rate) = self.tokens {
            headers.insert("x-ratelimit-limit-tokens", rate.limit.into());
            headers.insert("x-ratelimit-remaining-tokens", rate.remaining.into());
            headers.insert("x-ratelimit-reset-tokens", spelled(rate.reset));
        }
    }
}

/// As OpenAI spells spans: `20ms`, `1.5s`, `6m0s`, `23h0m5s`.
fn spelled(span: Duration) -> HeaderValue {
    let seconds = span.as_secs();
    let (hours, minutes, rest) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let text = match (hours, minutes, seconds) {
        (0, 0, 0) => format!("{}ms", span.as_millis()),
        (0, 0, _) => format!("{}s", (span.as_millis() as f64 / 1000.0)),
        (0, ..) => format!("{minutes}m{rest}s"),
        _ => format!("{hours}h{minutes}m{rest}s"),
    };
    HeaderValue::from_str(&text).unwrap_or_else(|_| HeaderValue::from_static("0ms"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_spelled_as_openai_does() {
        for (millis, text) in
            [(0, "0ms"), (20, "20ms"), (1500, "1.5s"), (60_000, "1m0s"), (360_000, "6m0s"), (82_805_999, "23h0m5s")]
        {
            assert_eq!(spelled(Duration::from_millis(millis)), text);
        }
    }

    #[tokio::test]
    async fn an_answer_that_nothing_limited_says_nothing() {
        let response = stamped(async { Response::default() }).await;
        assert!(response.headers().is_empty());
    }
}
