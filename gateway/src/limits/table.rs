//! The limits in force: of the configuration and of the ledger, made into plans that requests run through.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

use kubemate_identity::{Caller, KeyId, TenantId};
use kubemate_ledger::{Ledger, LedgerError};

use super::{
    config::{Caps, LimitsConfig, Priority, Scope},
    plan::Plan,
};

/// Plans remembered at once; they are dropped together when there are more.
const PLANS: usize = 10_000;

/// What holds for each key, by model.
type Plans = HashMap<(TenantId, KeyId), HashMap<String, Arc<Plan>>>;

/// All limits at one revision of the ledger. Readers never wait; a change makes a new table.
#[derive(Debug, Default)]
pub(super) struct Table {
    /// The ledger's revision that this was read at.
    pub(super) revision: i64,
    defaults: HashMap<Scope, Caps>,
    own: HashMap<(Scope, String), Caps>,
    plans: RwLock<Plans>,
}

impl Table {
    /// Reads the ledger.
    ///
    /// # Errors
    /// The ledger's.
    pub(super) async fn read(ledger: &Ledger, config: &LimitsConfig) -> Result<Self, LedgerError> {
        // The revision first: a change between the two reads is then read again, not missed.
        let revision = ledger.limits_revision().await?;
        let rows = ledger.limits().await?;
        let own = rows.iter().filter_map(|row| {
            let scope = Scope::parse(&row.scope)?;
            Some(((scope, row.subject.clone()), Caps::from(row).or(config.of(scope))))
        });
        let defaults = Scope::ALL.into_iter().map(|scope| (scope, config.of(scope).clone()));
        let defaults = defaults.filter(|(_, caps)| !caps.is_empty()).collect();
        Ok(Self { revision, own: own.collect(), defaults, plans: RwLock::default() })
    }

    /// Whether nothing at all is limited.
    pub(super) fn is_empty(&self) -> bool {
        self.own.is_empty() && self.defaults.is_empty()
    }

    /// Everything that limits this caller's requests for `model`.
    pub(super) fn plan(&self, caller: &Caller, model: &str) -> Arc<Plan> {
        let who = (caller.tenant.clone(), caller.key.clone());
        let plans = self.plans.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(plan) = plans.get(&who).and_then(|plans| plans.get(model)) {
            return plan.clone();
        }
        drop(plans);
        let plan = Arc::new(Plan::new(caller, model, |scope, subject| self.caps(scope, subject)));
        let mut plans = self.plans.write().unwrap_or_else(PoisonError::into_inner);
        if plans.values().map(HashMap::len).sum::<usize>() >= PLANS {
            plans.clear();
        }
        plans.entry(who).or_default().insert(model.to_owned(), plan.clone());
        plan
    }

    /// How many requests the model answers at once, and the caller's priority.
    pub(super) fn turn_of(&self, caller: &Caller, model: &str) -> (Option<u32>, Priority) {
        let parallel = self.caps(Scope::Model, model).and_then(|caps| caps.parallel);
        let of_key = self.caps(Scope::Key, caller.key.as_str()).and_then(|caps| caps.priority);
        let of_tenant = || self.caps(Scope::Tenant, caller.tenant.as_str()).and_then(|caps| caps.priority);
        let parallel = parallel.map(|parallel| u32::try_from(parallel).unwrap_or(u32::MAX));
        (parallel, of_key.or_else(of_tenant).unwrap_or_default())
    }

    fn caps(&self, scope: Scope, subject: &str) -> Option<&Caps> {
        self.own.get(&(scope, subject.to_owned())).or_else(|| self.defaults.get(&scope))
    }
}
