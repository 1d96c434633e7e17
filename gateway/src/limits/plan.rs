//! Everything that limits one caller's requests for one model, ready to be claimed.

use std::time::Duration;

use kubemate_cache::{CacheKey, Claim, Span};
use kubemate_identity::{Caller, TenantId};
use kubemate_ledger::{Ledger, LedgerError, UsageOf};
use rand::Rng;
use time::{Date, Month, OffsetDateTime, Time};

use super::config::{Caps, Scope};
use crate::app::unix_now;

/// The window of limits by the minute.
const MINUTE: Duration = Duration::from_secs(60);
/// How long a request holds its place at most, for when its gateway dies: longer than answers take.
const LONGEST_REQUEST: Duration = Duration::from_mins(15);

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Measure {
    Requests,
    Tokens,
    Concurrency,
    DailyTokens,
    MonthlyTokens,
}

impl Measure {
    /// The name under which it is counted, and in messages.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Requests => "requests per minute",
            Self::Tokens => "tokens per minute",
            Self::Concurrency => "requests at once",
            Self::DailyTokens => "tokens per day",
            Self::MonthlyTokens => "tokens per month",
        }
    }

    pub(super) fn counts_tokens(self) -> bool {
        matches!(self, Self::Tokens | Self::DailyTokens | Self::MonthlyTokens)
    }

    pub(super) fn is_budget(self) -> bool {
        matches!(self, Self::DailyTokens | Self::MonthlyTokens)
    }
}

/// One limit that holds.
#[derive(Clone, Debug)]
pub(super) struct Rule {
    pub(super) scope: Scope,
    pub(super) measure: Measure,
    pub(super) most: u64,
    subject: String,
    tenant: TenantId,
    key: CacheKey,
}

impl Rule {
    fn claim(&self, tokens: u64, now: OffsetDateTime) -> Claim {
        let (n, lasts, span) = match self.measure {
            Measure::Requests => (1, MINUTE, Span::Window),
            Measure::Tokens => (tokens, MINUTE, Span::Window),
            Measure::Concurrency => (1, LONGEST_REQUEST, Span::Lease { holder: rand::rng().random() }),
            Measure::DailyTokens => (tokens, until(day_after(now.date()), now), Span::Budget(None)),
            Measure::MonthlyTokens => (tokens, until(month_after(now.date()), now), Span::Budget(None)),
        };
        let owner = (self.scope != Scope::Model).then(|| self.tenant.clone());
        Claim { owner, key: self.key, n, most: self.most, lasts, span }
    }

    /// Since when the budget's present span has been running, Unix seconds.
    fn since(&self, now: OffsetDateTime) -> i64 {
        let date = now.date();
        let first = if self.measure == Measure::MonthlyTokens { date.replace_day(1).unwrap_or(date) } else { date };
        first.with_time(Time::MIDNIGHT).assume_utc().unix_timestamp()
    }

    fn of(&self) -> UsageOf<'_> {
        match self.scope {
            Scope::Key => UsageOf::Key(&self.tenant, &self.subject),
            Scope::Project => UsageOf::Project(&self.tenant, &self.subject),
            Scope::Tenant => UsageOf::Tenant(&self.tenant),
            Scope::Model => UsageOf::Model(&self.subject),
        }
    }
}

fn now() -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(unix_now()).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

fn until(end: Date, now: OffsetDateTime) -> Duration {
    Duration::try_from(end.with_time(Time::MIDNIGHT).assume_utc() - now).unwrap_or(MINUTE)
}

fn day_after(date: Date) -> Date {
    date.next_day().unwrap_or(date)
}

fn month_after(date: Date) -> Date {
    let (year, month) = (date.year(), date.month());
    let year = if month == Month::December { year.saturating_add(1) } else { year };
    Date::from_calendar_date(year, month.next(), 1).unwrap_or(date)
}

/// All limits of one caller and model.
#[derive(Clone, Debug, Default)]
pub(super) struct Plan {
    pub(super) rules: Vec<Rule>,
}

impl Plan {
    /// Collects what `caps` says about the caller's key, project and tenant, and about the model.
    pub(super) fn new<'a>(caller: &Caller, model: &str, caps: impl Fn(Scope, &str) -> Option<&'a Caps>) -> Self {
        let subjects = [
            (Scope::Key, caller.key.as_str()),
            (Scope::Project, caller.project.as_str()),
            (Scope::Tenant, caller.tenant.as_str()),
            (Scope::Model, model),
        ];
        let rules = subjects.into_iter().flat_map(|(scope, subject)| {
            let rule = move |(measure, most): (Measure, u64)| Rule {
                scope,
                measure,
                most,
                subject: subject.to_owned(),
                tenant: caller.tenant.clone(),
                key: CacheKey::new("limit", &[scope.as_str(), subject, measure.as_str()]),
            };
            caps(scope, subject).map(measures).unwrap_or_default().into_iter().map(rule)
        });
        Self { rules: rules.collect() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// Whether the request's tokens must be estimated.
    pub(super) fn counts_tokens(&self) -> bool {
        self.rules.iter().any(|rule| rule.measure.counts_tokens())
    }

    /// What a request of so many tokens claims, rule by rule.
    pub(super) fn claims(&self, tokens: u64) -> Vec<Claim> {
        let now = now();
        self.rules.iter().map(|rule| rule.claim(tokens, now)).collect()
    }

    /// Fills in what the budgets have spent by the ledger.
    ///
    /// # Errors
    /// The ledger's.
    pub(super) async fn find_spent(&self, ledger: &Ledger, claims: &mut [Claim]) -> Result<(), LedgerError> {
        let now = now();
        for (rule, claim) in self.rules.iter().zip(claims) {
            if rule.measure.is_budget() {
                claim.span = Span::Budget(Some(ledger.tokens_since(rule.of(), rule.since(now)).await?));
            }
        }
        Ok(())
    }
}

fn measures(caps: &Caps) -> Vec<(Measure, u64)> {
    let all = [
        (Measure::Requests, caps.rpm),
        (Measure::Tokens, caps.tpm),
        (Measure::Concurrency, caps.concurrency),
        (Measure::DailyTokens, caps.daily_tokens),
        (Measure::MonthlyTokens, caps.monthly_tokens),
    ];
    all.into_iter().filter_map(|(measure, most)| Some((measure, most?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp(seconds).unwrap()
    }

    #[test]
    fn days_and_months_end_at_midnight_in_utc() {
        // 2027-12-31T23:59:50Z.
        let now = at(1_830_297_590);
        assert_eq!(until(day_after(now.date()), now), Duration::from_secs(10));
        assert_eq!(until(month_after(now.date()), now), Duration::from_secs(10));
        let next = at(1_830_297_600);
        assert_eq!(until(day_after(next.date()), next), Duration::from_secs(86_400));
        assert_eq!(until(month_after(next.date()), next), Duration::from_secs(31 * 86_400));
    }
}
