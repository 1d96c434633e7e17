//! Keys: found by hash, revoked down the line, rights that only shrink.

use std::collections::BTreeSet;

use kubemate_identity::{ApiKey, KeyId, ProjectId, Rights, Scope};

use super::{Case, NOW, assert_conflict, assert_invalid, assert_not_found};
use crate::{KeyRow, Ledger, LedgerError, NewKey};

pub(super) async fn run(ledger: &Ledger) -> Result<(), LedgerError> {
    a_key_is_found_by_its_hash(ledger).await?;
    revoking_reaches_the_keys_it_made(ledger).await?;
    a_narrowed_maker_narrows_its_children(ledger).await?;
    a_child_never_has_more(ledger).await?;
    the_line_of_makers_ends(ledger).await?;
    names_are_unique(ledger).await
}

struct Ring<'a> {
    case: Case<'a>,
    project: ProjectId,
}

impl<'a> Ring<'a> {
    async fn new(ledger: &'a Ledger) -> Result<Self, LedgerError> {
        let case = Case::new(ledger).await?;
        let project = ledger.create_project(&case.tenant, "main", NOW).await?;
        let project = ProjectId::parse(&project.id).map_err(LedgerError::store)?;
        Ok(Self { case, project })
    }

    async fn make(&self, rights: Rights, maker: Option<&KeyId>) -> Result<(ApiKey, KeyRow), LedgerError> {
        let secret = ApiKey::generate().map_err(LedgerError::store)?;
        let new = NewKey {
            name: "key".to_owned(),
            rights,
            hash: secret.hash(),
            display: secret.display_prefix(),
            maker: maker.cloned(),
        };
        let row = self.case.ledger.create_key(&self.case.tenant, &self.project, new, NOW).await?;
        Ok((secret, row))
    }

    /// The rights a secret has now.
    async fn rights(&self, secret: &ApiKey) -> Result<Option<Rights>, LedgerError> {
        Ok(self.case.ledger.find_key_by_hash(&secret.hash()).await?.map(|key| key.rights))
    }
}

async fn a_key_is_found_by_its_hash(ledger: &Ledger) -> Result<(), LedgerError> {
    let ring = Ring::new(ledger).await?;
    let before = ledger.keys_revision().await?;
    let (secret, row) = ring.make(Rights::member(), None).await?;
    assert!(ledger.keys_revision().await? > before);
    let found = ledger.find_key_by_hash(&secret.hash()).await?.ok_or(LedgerError::LeaseLost)?;
    assert_eq!(found.row, row);
    let caller = found.caller();
    assert_eq!((caller.tenant, caller.project, caller.key), (ring.case.tenant.clone(), ring.project.clone(), row.id));
    assert_eq!(caller.rights, Rights::member());
    let other = ApiKey::generate().map_err(LedgerError::store)?;
    assert_eq!(ledger.find_key_by_hash(&other.hash()).await?, None);
    assert_eq!(ledger.keys(&ring.case.tenant).await?.len(), 1);
    Ok(())
}

async fn revoking_reaches_the_keys_it_made(ledger: &Ledger) -> Result<(), LedgerError> {
    let ring = Ring::new(ledger).await?;
    let (top, top_row) = ring.make(Rights::member(), None).await?;
    let (middle, middle_row) = ring.make(Rights::member(), Some(&top_row.id)).await?;
    let (bottom, _) = ring.make(Rights::member(), Some(&middle_row.id)).await?;
    let before = ledger.keys_revision().await?;
    let stranger = Case::new(ledger).await?;
    assert_not_found(ledger.revoke_key(&stranger.tenant, &middle_row.id, NOW).await, "revoking a foreign key");
    ledger.revoke_key(&ring.case.tenant, &middle_row.id, NOW).await?;
    ledger.revoke_key(&ring.case.tenant, &middle_row.id, NOW + 9).await?;
    assert!(ledger.keys_revision().await? > before);
    assert!(ring.rights(&top).await?.is_some());
    assert_eq!(ring.rights(&middle).await?, None);
    assert_eq!(ring.rights(&bottom).await?, None);
    assert_not_found(ring.make(Rights::member(), Some(&middle_row.id)).await, "a revoked maker");
    let listed = ledger.keys(&ring.case.tenant).await?;
    assert!(listed.iter().any(|key| key.id == middle_row.id && key.revoked_at == Some(NOW)));
    Ok(())
}

async fn a_narrowed_maker_narrows_its_children(ledger: &Ledger) -> Result<(), LedgerError> {
    let ring = Ring::new(ledger).await?;
    let (_, top_row) = ring.make(Rights::member(), None).await?;
    let (child, child_row) = ring.make(Rights::member(), Some(&top_row.id)).await?;
    let chat_only = Rights {
        scopes: BTreeSet::from([Scope::Chat]),
        models: Some(BTreeSet::from(["m".to_owned()])),
        expires_at: Some(NOW + 60),
    };
    ledger.narrow_key(&ring.case.tenant, &top_row.id, &chat_only).await?;
    assert_eq!(ring.rights(&child).await?, Some(chat_only.clone()));
    assert_invalid(ring.make(Rights::member(), Some(&child_row.id)).await, "more than the maker has by now");
    assert_invalid(ledger.narrow_key(&ring.case.tenant, &top_row.id, &Rights::member()).await, "widening");
    Ok(())
}

async fn a_child_never_has_more(ledger: &Ledger) -> Result<(), LedgerError> {
    let ring = Ring::new(ledger).await?;
    let (_, maker) = ring.make(Rights::member(), None).await?;
    assert_invalid(ring.make(Rights::operator(), Some(&maker.id)).await, "an operator made by a member");
    assert_eq!(ledger.keys(&ring.case.tenant).await?.len(), 1);
    let stranger = Ring::new(ledger).await?;
    let secret = ApiKey::generate().map_err(LedgerError::store)?;
    let (name, display) = (String::new(), String::new());
    let new = NewKey { name, rights: Rights::member(), hash: secret.hash(), display, maker: None };
    let made = ledger.create_key(&stranger.case.tenant, &ring.project, new, NOW).await;
    assert_not_found(made, "a key on a foreign project");
    Ok(())
}

async fn the_line_of_makers_ends(ledger: &Ledger) -> Result<(), LedgerError> {
    let ring = Ring::new(ledger).await?;
    let (mut secret, mut last) = ring.make(Rights::member(), None).await?;
    for _ in 0..16 {
        (secret, last) = ring.make(Rights::member(), Some(&last.id)).await?;
    }
    assert!(ring.rights(&secret).await?.is_some());
    assert_invalid(ring.make(Rights::member(), Some(&last.id)).await, "a seventeenth generation");
    Ok(())
}

async fn names_are_unique(ledger: &Ledger) -> Result<(), LedgerError> {
    let ring = Ring::new(ledger).await?;
    let tenant = &ring.case.tenant;
    assert_conflict(ledger.create_tenant(tenant, NOW).await, "a tenant twice");
    assert_eq!(ledger.ensure_tenant(tenant, NOW + 1).await?.created_at, NOW);
    assert_conflict(ledger.create_project(tenant, "main", NOW).await, "a project twice");
    assert_eq!(ledger.ensure_project(tenant, "main", NOW).await?.id, ring.project.as_str());
    assert_eq!(ledger.projects(tenant).await?.len(), 1);
    assert!(ledger.tenants().await?.iter().any(|row| row.id == tenant.as_str()));
    let nobody = kubemate_identity::TenantId::parse(&crate::new_id("t-")).map_err(LedgerError::store)?;
    assert_not_found(ledger.create_project(&nobody, "main", NOW).await, "a project of no tenant");
    Ok(())
}
