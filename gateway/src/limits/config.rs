//! What can be limited, and the limits that hold for everybody who has none of their own.

use kubemate_ledger::LimitRow;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Limits of every key, project, tenant and model; one that an operator sets for a single one takes the place of the
/// same limit here. A limit that is left out does not limit.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct LimitsConfig {
    /// Tokens reserved for a choice when the request names no limit.
    pub(crate) answer_tokens: u64,
    /// Requests that may wait their turn before one model; a further one takes the place of the last of whoever waits most.
    pub(crate) queue: usize,
    pub(crate) key: Caps,
    pub(crate) project: Caps,
    pub(crate) tenant: Caps,
    pub(crate) model: Caps,
}

impl Default for LimitsConfig {
    fn default() -> Self {
        let none = Caps::default;
        Self { answer_tokens: 1024, queue: 256, key: none(), project: none(), tenant: none(), model: none() }
    }
}

impl LimitsConfig {
    /// What holds for every subject of `scope`.
    pub(crate) fn of(&self, scope: Scope) -> &Caps {
        match scope {
            Scope::Key => &self.key,
            Scope::Project => &self.project,
            Scope::Tenant => &self.tenant,
            Scope::Model => &self.model,
        }
    }

    /// What is configured and means nothing.
    pub(crate) fn check(&self) -> Result<(), String> {
        Scope::ALL.into_iter().try_for_each(|scope| {
            self.of(scope).check(scope).map_err(|(field, why)| format!("`limits.{}.{field}` {why}", scope.as_str()))
        })
    }
}

/// What one key, project, tenant or model may use.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields, default, expecting = "a JSON object")]
pub(crate) struct Caps {
    /// Requests a minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) rpm: Option<u64>,
    /// Tokens a minute, in and out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tpm: Option<u64>,
    /// Requests at once; further ones are refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) concurrency: Option<u64>,
    /// Tokens a day in UTC, in and out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) daily_tokens: Option<u64>,
    /// Tokens a calendar month in UTC, in and out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) monthly_tokens: Option<u64>,
    /// Of a model: requests that a gateway has it answer at once; further ones wait their turn, fairly between tenants.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) parallel: Option<u64>,
    /// Of a key or tenant: who goes first where requests wait; a key's own stands before its tenant's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) priority: Option<Priority>,
}

/// Largest value of a limit: the ledger and Redis count with signed numbers, and sums must not overflow.
const MOST: u64 = 1 << 53;

impl Caps {
    /// Whether nothing is said.
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The field that means nothing in `scope`, and why.
    pub(crate) fn check(&self, scope: Scope) -> Result<(), (&'static str, String)> {
        let numbers = [
            ("rpm", self.rpm),
            ("tpm", self.tpm),
            ("concurrency", self.concurrency),
            ("daily_tokens", self.daily_tokens),
            ("monthly_tokens", self.monthly_tokens),
            ("parallel", self.parallel),
        ];
        if let Some((field, _)) = numbers.iter().find(|(_, value)| value.is_some_and(|value| value > MOST)) {
            return Err((field, format!("is above {MOST}")));
        }
        if self.parallel.is_some() && scope != Scope::Model {
            return Err(("parallel", "is for models only".to_owned()));
        }
        if self.parallel == Some(0) {
            return Err(("parallel", "is 0, so every request would wait for ever".to_owned()));
        }
        if self.priority.is_some() && !matches!(scope, Scope::Key | Scope::Tenant) {
            return Err(("priority", "is for keys and tenants only".to_owned()));
        }
        Ok(())
    }

    /// These, and where they say nothing, `others`.
    pub(super) fn or(&self, others: &Self) -> Self {
        Self {
            rpm: self.rpm.or(others.rpm),
            tpm: self.tpm.or(others.tpm),
            concurrency: self.concurrency.or(others.concurrency),
            daily_tokens: self.daily_tokens.or(others.daily_tokens),
            monthly_tokens: self.monthly_tokens.or(others.monthly_tokens),
            parallel: self.parallel.or(others.parallel),
            priority: self.priority.or(others.priority),
        }
    }

    /// As the ledger keeps them.
    pub(crate) fn row(&self, scope: Scope, subject: &str, now: i64) -> LimitRow {
        let stored = |value: Option<u64>| value.and_then(|value| i64::try_from(value).ok());
        LimitRow {
            scope: scope.as_str().to_owned(),
            subject: subject.to_owned(),
            rpm: stored(self.rpm),
            tpm: stored(self.tpm),
            concurrency: stored(self.concurrency),
            daily_tokens: stored(self.daily_tokens),
            monthly_tokens: stored(self.monthly_tokens),
            parallel: stored(self.parallel),
            priority: self.priority.map(|priority| priority.as_str().to_owned()),
            updated_at: now,
        }
    }
}

impl From<&LimitRow> for Caps {
    fn from(row: &LimitRow) -> Self {
        let read = |value: Option<i64>| value.map(|value| u64::try_from(value).unwrap_or(0));
        Self {
            rpm: read(row.rpm),
            tpm: read(row.tpm),
            concurrency: read(row.concurrency),
            daily_tokens: read(row.daily_tokens),
            monthly_tokens: read(row.monthly_tokens),
            parallel: read(row.parallel),
            priority: row.priority.as_deref().and_then(Priority::parse),
        }
    }
}

/// Who is limited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Scope {
    Key,
    Project,
    Tenant,
    /// All tenants' requests for a model together.
    Model,
}

impl Scope {
    pub(crate) const ALL: [Self; 4] = [Self::Key, Self::Project, Self::Tenant, Self::Model];

    /// The name on the wire and in the ledger.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::Project => "project",
            Self::Tenant => "tenant",
            Self::Model => "model",
        }
    }

    pub(crate) fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == name)
    }
}

/// Who goes first where requests wait.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize, Serialize, ToSchema, clap::ValueEnum,
)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Priority {
    High,
    #[default]
    Normal,
    Low,
}

impl Priority {
    /// The name on the wire and in the ledger.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::High => "high",
            Self::Normal => "normal",
            Self::Low => "low",
        }
    }

    fn parse(name: &str) -> Option<Self> {
        [Self::High, Self::Normal, Self::Low].into_iter().find(|priority| priority.as_str() == name)
    }
}
