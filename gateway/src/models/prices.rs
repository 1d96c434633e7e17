//! What tokens cost.

use std::collections::BTreeMap;

use kubemate_ledger::UsageRow;
use serde::{Deserialize, Serialize};

/// Prices by the model's name as clients ask for it.
pub(crate) type Prices = BTreeMap<String, Price>;

/// Tokens in a million, in billionths of the currency's unit: price per million times this is the price per token.
const NANOS_PER_MILLION: f64 = 1000.0;

/// What a model's tokens cost, per million tokens.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Price {
    /// Tokens in.
    pub(crate) input: f64,
    /// Tokens in that the upstream had in its prefix cache; as `input` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) cached_input: Option<f64>,
    /// Tokens out.
    #[serde(default)]
    pub(crate) output: f64,
    /// Such as `USD` or `CNY`.
    #[serde(default = "usd")]
    pub(crate) currency: String,
}

fn usd() -> String {
    "USD".to_owned()
}

impl Price {
    /// Whether these are prices: a currency's code, and numbers that are not negative.
    pub(crate) fn check(&self) -> Result<(), &'static str> {
        let numbers = [self.input, self.output, self.cached_input.unwrap_or(0.0)];
        if !numbers.iter().all(|number| (0.0..1e9).contains(number)) {
            return Err("has a price below 0 or of a thousand million and more");
        }
        if self.currency.len() != 3 || !self.currency.bytes().all(|byte| byte.is_ascii_uppercase()) {
            return Err("has a `currency` that is no code of three capital letters, such as `USD`");
        }
        Ok(())
    }

    /// Writes into `row` what its tokens cost. What the answer cache answered costs nothing.
    pub(super) fn charge(&self, row: &mut UsageRow) {
        row.currency.clone_from(&self.currency);
        if row.cached {
            return;
        }
        let cached = row.cached_tokens.clamp(0, row.prompt_tokens.max(0));
        let fresh = row.prompt_tokens.saturating_sub(cached);
        let cost = fresh as f64 * self.input
            + cached as f64 * self.cached_input.unwrap_or(self.input)
            + row.completion_tokens as f64 * self.output;
        row.cost_nanos = (cost * NANOS_PER_MILLION).round() as i64;
    }
}
