//! Sums as they are shown, and as a spreadsheet reads them.

use kubemate_ledger::{UsageBy, UsageSum};
use serde::Serialize;
use time::{Date, Duration};
use utoipa::ToSchema;

use crate::api::ApiError;

/// Billionths in a unit of currency.
const NANOS: f64 = 1e9;

/// What one key, model, day, project, tenant or upstream used. With prices in several currencies there is a sum for each.
#[derive(Debug, PartialEq, Serialize, ToSchema)]
pub(super) struct Sum {
    /// A day is written as `2026-11-23`, in UTC.
    of: String,
    requests: i64,
    /// Requests that ended with an error.
    failed: i64,
    /// Requests that the answer cache answered.
    cached: i64,
    prompt_tokens: i64,
    completion_tokens: i64,
    /// Tokens of prompts that upstreams had in their prefix caches.
    cached_tokens: i64,
    /// In units of `currency`.
    cost: f64,
    /// Empty where models have no price.
    currency: String,
}

/// The sums as they are shown.
pub(super) fn summed(rows: Vec<UsageSum>, by: UsageBy) -> Vec<Sum> {
    let sum = |row: UsageSum| Sum {
        of: if by == UsageBy::Day { day(&row.name) } else { row.name },
        requests: row.requests,
        failed: row.failed,
        cached: row.cached,
        prompt_tokens: row.prompt_tokens,
        completion_tokens: row.completion_tokens,
        cached_tokens: row.cached_tokens,
        cost: row.cost_nanos as f64 / NANOS,
        currency: row.currency,
    };
    rows.into_iter().map(sum).collect()
}

/// Days since 1970 as a date.
fn day(number: &str) -> String {
    let date = |days: i64| Date::from_ordinal_date(1970, 1).ok()?.checked_add(Duration::days(days));
    number.parse().ok().and_then(date).map_or_else(|| number.to_owned(), |date| date.to_string())
}

/// The sums as CSV (RFC 4180).
///
/// # Errors
/// `Internal` when they cannot be written.
pub(super) fn csv(sums: &[Sum]) -> Result<Vec<u8>, ApiError> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    for sum in sums {
        let shown = Sum { of: harmless(&sum.of), currency: harmless(&sum.currency), ..*sum };
        writer.serialize(shown).map_err(ApiError::internal)?;
    }
    writer.into_inner().map_err(|error| ApiError::internal(error.into_error()))
}

/// A spreadsheet takes a cell that begins like this for a formula and runs it; an apostrophe makes it text again.
/// Source: OWASP, CSV Injection.
fn harmless(cell: &str) -> String {
    if cell.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{cell}") } else { cell.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: &str) -> UsageSum {
        UsageSum {
            name: name.to_owned(),
            currency: "USD".to_owned(),
            requests: 2,
            failed: 1,
            cached: 0,
            prompt_tokens: 30,
            completion_tokens: 12,
            cached_tokens: 0,
            cost_nanos: 1_500_000,
        }
    }

    #[test]
    fn cells_are_quoted_and_none_is_a_formula() {
        let rows = ["=cmd|'/c calc'!A1", "+1", "-1", "@x", "a,\"b\"", "plain"].map(row).to_vec();
        let text = String::from_utf8(csv(&summed(rows, UsageBy::Model)).unwrap()).unwrap();
        let firsts: Vec<&str> = text.lines().map(|line| line.split(",2,1,0,30,12,0,").next().unwrap()).collect();
        assert_eq!(
            firsts,
            [
                "of,requests,failed,cached,prompt_tokens,completion_tokens,cached_tokens,cost,currency",
                "'=cmd|'/c calc'!A1",
                "'+1",
                "'-1",
                "'@x",
                "\"a,\"\"b\"\"\"",
                "plain"
            ]
        );
        assert!(text.contains("plain,2,1,0,30,12,0,0.0015,USD"), "{text}");
    }

    #[test]
    fn days_are_dates() {
        let shown = summed(vec![row("20780")], UsageBy::Day);
        assert_eq!(shown.first().unwrap().of, "2026-11-23");
    }
}
