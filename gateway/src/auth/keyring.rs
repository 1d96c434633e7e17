//! From a key on the wire to a [`Caller`]. One place, whatever header brought the key.

mod believed;

use std::sync::Arc;

use anyhow::Context;
use kubemate_identity::{ApiKey, Caller, KeyHash, KeyId, ProjectId, Rights, TenantId};
use kubemate_ledger::{Ledger, LedgerError};
use tracing::info;

use self::believed::Believed;
use super::DEFAULT_PROJECT;
use crate::{app::unix_now, config::Secret};

/// Name of the setting that holds the hash of the generated admin key.
const ADMIN_HASH: &str = "auth.admin_key_sha256";
/// Id under which the admin key appears in audit and usage; it is no row of the ledger.
pub(crate) const ADMIN_KEY: &str = "key_admin";

/// Why a key is not good.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeyRingError {
    /// Unknown, revoked or expired; which of these is not told.
    #[error("this API key is unknown, revoked or expired")]
    Invalid,
    /// The ledger did not answer.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

/// Every key that is good, looked up once and then believed for a moment.
#[derive(Debug)]
pub(crate) struct KeyRing {
    ledger: Ledger,
    admin: KeyHash,
    operator: Arc<Caller>,
    known: Believed,
    /// The admin key made at this start, to be printed once.
    fresh: Option<String>,
}

impl KeyRing {
    /// Opens the ring. Without a configured admin key, one is made at the first start.
    ///
    /// # Errors
    /// When the secret cannot be read or the ledger not be written.
    pub(crate) async fn open(ledger: Ledger, configured: Option<&Secret>) -> anyhow::Result<Self> {
        let configured = configured.map(Secret::reveal).transpose().map_err(anyhow::Error::msg)?.flatten();
        let (admin, fresh) = match configured {
            Some(key) => (KeyHash::of(&key), None),
            None => stored_or_made(&ledger).await.context("the admin key cannot be kept in the ledger")?,
        };
        let operator = Arc::new(operator(&ledger).await.context("the default tenant cannot be written")?);
        Ok(Self { ledger, admin, operator, known: Believed::default(), fresh })
    }

    /// The admin key in the clear, if it was made at this start.
    pub(crate) fn fresh_admin_key(&self) -> Option<&str> {
        self.fresh.as_deref()
    }

    /// The caller behind `text`, whose hash is `hash`.
    ///
    /// # Errors
    /// `Invalid` for any key that is not good now.
    pub(crate) async fn verify(&self, text: &str, hash: &KeyHash) -> Result<Arc<Caller>, KeyRingError> {
        // What was looked up a moment ago need not be read again.
        if *hash != self.admin && self.known.get(hash).is_none() && ApiKey::parse(text).is_err() {
            return Err(KeyRingError::Invalid);
        }
        self.holder(hash).await
    }

    /// The caller whose key has this hash, for asking again while an answer lasts.
    ///
    /// # Errors
    /// As [`KeyRing::verify`].
    pub(crate) async fn holder(&self, hash: &KeyHash) -> Result<Arc<Caller>, KeyRingError> {
        if *hash == self.admin {
            return Ok(self.operator.clone());
        }
        let caller = match self.known.get(hash) {
            Some(caller) => caller,
            None => self.look_up(hash).await?,
        };
        caller.filter(|caller| !caller.rights.expired(unix_now())).ok_or(KeyRingError::Invalid)
    }

    async fn look_up(&self, hash: &KeyHash) -> Result<Option<Arc<Caller>>, KeyRingError> {
        let caller = self.ledger.find_key_by_hash(hash).await?.map(|key| Arc::new(key.caller()));
        self.known.insert(*hash, caller.clone());
        Ok(caller)
    }

    /// Forgets everything believed, after a key was changed here.
    pub(crate) fn forget(&self) {
        self.known.clear();
    }
}

/// The caller behind the admin key: full rights, in the default tenant.
async fn operator(ledger: &Ledger) -> anyhow::Result<Caller> {
    let tenant = TenantId::default_tenant();
    let now = unix_now();
    ledger.ensure_tenant(&tenant, now).await?;
    let project = ledger.ensure_project(&tenant, DEFAULT_PROJECT, now).await?;
    Ok(Caller {
        tenant,
        project: ProjectId::parse(&project.id)?,
        key: KeyId::parse(ADMIN_KEY)?,
        rights: Rights::operator(),
    })
}

async fn stored_or_made(ledger: &Ledger) -> anyhow::Result<(KeyHash, Option<String>)> {
    if let Some(stored) = ledger.get_setting(ADMIN_HASH).await? {
        let hash = KeyHash::from_hex(&stored).context("the stored hash of the admin key is damaged")?;
        return Ok((hash, None));
    }
    let key = ApiKey::generate()?;
    let shown = key.shown();
    let hash = key.hash();
    let stored = ledger.setting_or_put(ADMIN_HASH, &hash.to_hex(), unix_now()).await?;
    if stored != hash.to_hex() {
        let first = KeyHash::from_hex(&stored).context("the stored hash of the admin key is damaged")?;
        return Ok((first, None)); // another process started at the same time, and was faster
    }
    info!("an admin key was made; it is printed once");
    Ok((hash, Some(shown)))
}
