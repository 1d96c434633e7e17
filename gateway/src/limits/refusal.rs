//! What a caller is told whose request does not fit.

use std::time::Duration;

use kubemate_cache::{Claim, Standing, Verdict};

use super::{
    admission::Held,
    config::Scope,
    plan::{Measure, Rule},
};
use crate::api::ApiError;

/// How long to wait for a place: nobody knows when another request ends.
const PLACE: Duration = Duration::from_secs(1);

/// The refusal that takes longest to get over: a spent budget, else the limit whose window ends last.
pub(super) fn refusal(held: &Held) -> ApiError {
    let full = || held.lines().filter(|(.., standing)| standing.verdict == Verdict::Full);
    let longest = |budgets: bool| full().filter(|(rule, ..)| rule.measure.is_budget() == budgets).max_by_key(wait);
    match longest(true).or_else(|| longest(false)) {
        Some(line) if line.0.measure.is_budget() => ApiError::QuotaSpent(quota(line)),
        Some(line) => ApiError::RateLimited { message: rate(line), kind: kind(line.0), retry_after: retry_after(line) },
        None => ApiError::Unavailable("how much was used is not known at the moment; try again soon".to_owned()),
    }
}

type Line<'a> = (&'a Rule, &'a Claim, &'a Standing);

fn wait((rule, _, standing): &Line<'_>) -> Duration {
    if rule.measure == Measure::Concurrency { PLACE } else { standing.left }
}

/// `None` when no wait would help.
fn retry_after(line: Line<'_>) -> Option<Duration> {
    let (rule, claim, _) = line;
    (claim.n <= rule.most && rule.most > 0).then(|| wait(&line))
}

/// OpenAI's `type` of the refusal.
fn kind(rule: &Rule) -> &'static str {
    if rule.measure.counts_tokens() { "tokens" } else { "requests" }
}

fn rate((rule, claim, standing): Line<'_>) -> String {
    let (whose, measure, most) = (whose(rule.scope), rule.measure.as_str(), rule.most);
    if claim.n > most {
        let n = claim.n;
        return format!(
            "this request may need {n} tokens, and the limit of {whose} is {most} {measure}; send less or set `max_tokens`"
        );
    }
    let again = wait(&(rule, claim, standing)).as_millis().div_ceil(1000).max(1);
    format!("the limit of {whose} is {most} {measure}, and this request does not fit; try again in {again} s")
}

fn quota((rule, claim, standing): Line<'_>) -> String {
    let (whose, measure, most, n) = (whose(rule.scope), rule.measure.as_str(), rule.most, claim.n);
    let hours = standing.left.as_secs().div_ceil(3600).max(1);
    format!(
        "the budget of {whose} is {most} {measure}, and what is left of it is less than the {n} tokens that this request may need; \
         it starts anew within {hours} h"
    )
}

fn whose(scope: Scope) -> &'static str {
    match scope {
        Scope::Key => "this key",
        Scope::Project => "this project",
        Scope::Tenant => "this tenant",
        Scope::Model => "this model",
    }
}
