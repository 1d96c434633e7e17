//! `kubemate keys create|list|revoke`: straight into the ledger, whether a server runs or not.

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use kubemate_identity::{Caller, KeyId, ProjectId, Rights, TenantId};
use kubemate_ledger::{KeyRow, Ledger};
use serde_json::{Value, json};

use super::{Context, print};
use crate::{
    api::names,
    app::unix_now,
    auth::{AuditTrail, Deed, Issued, Wanted, issue, rights},
    limits::{Caps, Priority, Scope},
};

#[derive(Debug, Subcommand)]
pub(super) enum Keys {
    /// Make a key; its secret is printed once
    Create(Create),
    /// List keys; secrets are not kept and cannot be shown
    List {
        /// Tenant whose keys are listed
        #[arg(long, default_value = "default")]
        tenant: String,
    },
    /// Revoke a key, and with it every key it made
    Revoke {
        /// Id as `keys list` shows it
        key: String,
        /// Tenant of the key
        #[arg(long, default_value = "default")]
        tenant: String,
    },
}

#[derive(Debug, Args)]
pub(super) struct Create {
    /// What it is for
    #[arg(default_value = "default")]
    name: String,
    /// Tenant it acts for; made when it does not exist
    #[arg(long, default_value = "default")]
    tenant: String,
    /// Scopes: chat, embeddings, files, vector_stores, assistants, models, admin [default: all but admin]
    #[arg(long = "scope", value_name = "SCOPE", value_delimiter = ',')]
    scopes: Vec<String>,
    /// Models it may ask for [default: all]
    #[arg(long = "model", value_name = "MODEL", value_delimiter = ',')]
    models: Vec<String>,
    /// Days until it expires [default: never]
    #[arg(long, value_name = "DAYS")]
    expires_in_days: Option<u32>,
    #[command(flatten)]
    limits: KeyLimits,
}

/// What the key may use; what is left out is as the configuration says.
#[derive(Debug, Args)]
struct KeyLimits {
    /// Requests a minute
    #[arg(long, value_name = "REQUESTS")]
    rpm: Option<u64>,
    /// Tokens a minute, in and out
    #[arg(long, value_name = "TOKENS")]
    tpm: Option<u64>,
    /// Requests at once
    #[arg(long, value_name = "REQUESTS")]
    concurrency: Option<u64>,
    /// Tokens a day in UTC
    #[arg(long, value_name = "TOKENS")]
    daily_tokens: Option<u64>,
    /// Tokens a calendar month in UTC
    #[arg(long, value_name = "TOKENS")]
    monthly_tokens: Option<u64>,
    /// Who goes first where requests wait
    #[arg(long, value_enum)]
    priority: Option<Priority>,
}

impl KeyLimits {
    fn caps(&self) -> anyhow::Result<Caps> {
        let &Self { rpm, tpm, concurrency, daily_tokens, monthly_tokens, priority } = self;
        let caps = Caps { rpm, tpm, concurrency, daily_tokens, monthly_tokens, parallel: None, priority };
        caps.check(Scope::Key).map_err(|(field, why)| anyhow::anyhow!("`{field}` {why}"))?;
        Ok(caps)
    }
}

impl Keys {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<()> {
        let ledger = open(context).await?;
        match self {
            Self::Create(create) => create.run(&ledger, context).await,
            Self::List { tenant } => list(&ledger, &tenant, context).await,
            Self::Revoke { key, tenant } => revoke(&ledger, &tenant, &key).await,
        }
    }
}

async fn open(context: &Context) -> anyhow::Result<Ledger> {
    let loaded = context.load()?;
    if !loaded.config.store.has_ledger() {
        bail!(
            "there is no ledger in `{}` yet; start `kubemate serve` once, or name its folder with KUBEMATE__STORE__DATA_DIR",
            loaded.config.store.data_dir.display()
        );
    }
    loaded.config.store.open_ledger().await
}

fn tenant_of(name: &str) -> anyhow::Result<TenantId> {
    TenantId::parse(name).with_context(|| format!("`{name}` is no tenant name"))
}

impl Create {
    async fn run(self, ledger: &Ledger, context: &Context) -> anyhow::Result<()> {
        let tenant = tenant_of(&self.tenant)?;
        names::check("name", &self.name)?;
        let now = unix_now();
        let expires_at = self.expires_in_days.map(|days| now.saturating_add(i64::from(days) * 86_400));
        let rights = rights(&self.scopes, &self.models, expires_at).map_err(anyhow::Error::msg)?;
        let caps = self.limits.caps()?;
        let deed = Deed::new("key.create", format!("{tenant}/{}", self.name)).with(json!({ "limits": caps }));
        let wanted = Wanted { name: self.name, project: None, rights, maker: None };
        let made = async {
            ledger.ensure_tenant(&tenant, now).await?;
            let issued = issue(ledger, &tenant, wanted).await?;
            if !caps.is_empty() {
                ledger.put_limit(caps.row(Scope::Key, issued.row.id.as_str(), now)).await?;
            }
            Ok(issued)
        };
        let Issued { row, secret } = recorded(ledger, &tenant, deed, made).await?;
        if context.json {
            let mut key = described(&row);
            if let Some(fields) = key.as_object_mut() {
                fields.insert("key".to_owned(), Value::String(secret));
            }
            return print::json(&key);
        }
        print::note(&format!("key {} of tenant {tenant}; keep the secret, it is shown only now:", row.id));
        print::line(&secret);
        Ok(())
    }
}

async fn list(ledger: &Ledger, tenant: &str, context: &Context) -> anyhow::Result<()> {
    let rows = ledger.keys(&tenant_of(tenant)?).await?;
    if context.json {
        return print::json(&rows.iter().map(described).collect::<Vec<_>>());
    }
    let row = |row: &KeyRow| {
        let scopes: Vec<&str> = row.rights.scopes.iter().map(|scope| scope.as_str()).collect();
        let state = if row.revoked_at.is_some() {
            "revoked"
        } else if row.rights.expired(unix_now()) {
            "expired"
        } else {
            "good"
        };
        vec![row.id.to_string(), row.name.clone(), row.display.clone(), scopes.join(","), state.to_owned()]
    };
    print::table(&["ID", "NAME", "KEY", "SCOPES", "STATE"], &rows.iter().map(row).collect::<Vec<_>>());
    Ok(())
}

async fn revoke(ledger: &Ledger, tenant: &str, key: &str) -> anyhow::Result<()> {
    let tenant = tenant_of(tenant)?;
    let id = KeyId::parse(key).with_context(|| format!("`{key}` is no key id"))?;
    let deed = Deed::new("key.revoke", format!("{tenant}/{key}"));
    let revoked = async { Ok(ledger.revoke_key(&tenant, &id, unix_now()).await?) };
    recorded(ledger, &tenant, deed, revoked).await?;
    print::line(&format!("{key} is revoked"));
    Ok(())
}

fn described(row: &KeyRow) -> Value {
    json!({
        "id": row.id,
        "tenant": row.tenant,
        "project": row.project,
        "name": row.name,
        "display": row.display,
        "rights": row.rights,
        "created_at": row.created_at,
        "revoked_at": row.revoked_at,
    })
}

/// What is done at the terminal of the machine is done by its operator.
async fn recorded<T>(
    ledger: &Ledger,
    tenant: &TenantId,
    deed: Deed<'_>,
    change: impl Future<Output = anyhow::Result<T>>,
) -> anyhow::Result<T> {
    let caller = Caller {
        tenant: tenant.clone(),
        project: ProjectId::parse("proj_terminal")?,
        key: KeyId::parse("key_terminal")?,
        rights: Rights::operator(),
    };
    AuditTrail::change_in(ledger, &caller, deed, change)
        .await
        .context("the audit row cannot be written, so nothing was changed")?
}
