//! Making keys, for the admin API and the command line alike.

use std::collections::BTreeSet;

use kubemate_identity::{ApiKey, KeyId, ProjectId, Rights, Scope, TenantId};
use kubemate_ledger::{KeyRow, Ledger, NewKey};

use super::DEFAULT_PROJECT;
use crate::app::unix_now;

/// What a new key shall be.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    pub(crate) name: String,
    pub(crate) project: Option<ProjectId>,
    pub(crate) rights: Rights,
    /// The key that makes it; `None` is the instance's admin.
    pub(crate) maker: Option<KeyId>,
}

/// A key and its secret, which is shown once.
#[derive(Debug)]
pub(crate) struct Issued {
    pub(crate) row: KeyRow,
    pub(crate) secret: String,
}

/// Makes a key in `tenant`; its rights must be a subset of its maker's.
///
/// # Errors
/// The ledger's: unknown project or maker, rights beyond the maker's.
pub(crate) async fn issue(ledger: &Ledger, tenant: &TenantId, wanted: Wanted) -> anyhow::Result<Issued> {
    let now = unix_now();
    let project = match wanted.project {
        Some(project) => project,
        None => ProjectId::parse(&ledger.ensure_project(tenant, DEFAULT_PROJECT, now).await?.id)?,
    };
    let key = ApiKey::generate()?;
    let new = NewKey {
        name: wanted.name,
        rights: wanted.rights,
        hash: key.hash(),
        display: key.display_prefix(),
        maker: wanted.maker,
    };
    let row = ledger.create_key(tenant, &project, new, now).await?;
    Ok(Issued { row, secret: key.shown() })
}

/// Rights from lists of names: no scopes means every one but `admin`, no models means all.
///
/// # Errors
/// A sentence that names the unknown scope.
pub(crate) fn rights(scopes: &[String], models: &[String], expires_at: Option<i64>) -> Result<Rights, String> {
    let known = || Scope::ALL.iter().map(|scope| scope.as_str()).collect::<Vec<_>>().join(", ");
    let named = |name: &String| Scope::from_name(name).ok_or_else(|| format!("`{name}` is no scope; use {}", known()));
    let scopes: BTreeSet<Scope> = scopes.iter().map(named).collect::<Result<_, _>>()?;
    let member = Rights::member();
    Ok(Rights {
        scopes: if scopes.is_empty() { member.scopes } else { scopes },
        models: if models.is_empty() { None } else { Some(models.iter().cloned().collect()) },
        expires_at,
    })
}
