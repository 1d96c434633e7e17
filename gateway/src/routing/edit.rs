//! Changes of the table while the process runs: what is added lives in the ledger, what stands in the file is read-only.

use std::{path::Path, sync::Arc};

use kubemate_ledger::{Ledger, RouteRow};
use tracing::warn;

use super::{
    Routes, Spec,
    config::{ModelConfig, UpstreamConfig},
    table::Table,
};
use crate::{api::ApiError, app::unix_now};

/// One of the two lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Upstream,
    Model,
}

impl Kind {
    /// As the ledger writes it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Upstream => "upstream",
            Self::Model => "model",
        }
    }
}

/// An entry of either list.
#[derive(Clone, Debug)]
pub(crate) enum Entry {
    Upstream(Box<UpstreamConfig>),
    Model(Box<ModelConfig>),
}

impl Entry {
    fn kind(&self) -> Kind {
        match self {
            Self::Upstream(_) => Kind::Upstream,
            Self::Model(_) => Kind::Model,
        }
    }

    fn name(&self) -> &str {
        match self {
            Self::Upstream(upstream) => &upstream.name,
            Self::Model(model) => &model.name,
        }
    }
}

/// What is to be done.
#[derive(Debug)]
pub(crate) enum Edit {
    /// A new entry, and its JSON as it was sent: secrets stay references in it.
    Create(Entry, String),
    /// Another entry in place of the one of its name.
    Replace(Entry, String),
    Delete(Kind, String),
}

impl Edit {
    fn of(&self) -> (Kind, &str) {
        match self {
            Self::Create(entry, _) | Self::Replace(entry, _) => (entry.kind(), entry.name()),
            Self::Delete(kind, name) => (*kind, name),
        }
    }
}

impl Spec {
    /// What the ledger holds. A key that may not be named from there (any more) is left out, and a line says so:
    /// `secret_files` is the folder of those that may.
    ///
    /// # Errors
    /// The ledger's; when an entry was written by another version and cannot be read.
    pub(crate) async fn saved(ledger: &Ledger, secret_files: Option<&Path>) -> anyhow::Result<Self> {
        let mut spec = Self::default();
        for row in ledger.routes().await? {
            let unreadable = || format!("the {} `{}` in the ledger cannot be read", row.kind, row.name);
            match row.kind.as_str() {
                "upstream" => {
                    spec.upstreams.push(anyhow::Context::with_context(serde_json::from_str(&row.spec), unreadable)?)
                }
                _ => spec.models.push(anyhow::Context::with_context(serde_json::from_str(&row.spec), unreadable)?),
            }
        }
        spec.upstreams.iter_mut().for_each(|upstream| without_foreign_key(upstream, secret_files));
        Ok(spec)
    }

    /// Whether it holds an entry of this kind and name.
    pub(crate) fn holds(&self, kind: Kind, name: &str) -> bool {
        match kind {
            Kind::Upstream => self.upstreams.iter().any(|one| one.name == name),
            Kind::Model => self.models.iter().any(|one| one.name == name),
        }
    }

    fn without(mut self, kind: Kind, name: &str) -> Self {
        match kind {
            Kind::Upstream => self.upstreams.retain(|one| one.name != name),
            Kind::Model => self.models.retain(|one| one.name != name),
        }
        self
    }

    fn with(mut self, entry: &Entry) -> Self {
        match entry {
            Entry::Upstream(upstream) => self.upstreams.push((**upstream).clone()),
            Entry::Model(model) => self.models.push((**model).clone()),
        }
        self
    }
}

impl Routes {
    /// Checks the whole table as it would be, writes the ledger and swaps. Nothing changes when any of it fails.
    ///
    /// # Errors
    /// `Conflict` for a name that is taken or stands in the file, `NotFound`, `Invalid` for what does not fit together,
    /// and the ledger's.
    pub(crate) async fn edit(&self, ledger: &Ledger, edit: Edit) -> Result<(), ApiError> {
        let mut sources = self.sources.lock().await;
        let (kind, name) = edit.of();
        allowed(&edit, sources.file.holds(kind, name), sources.saved.holds(kind, name))?;
        let without = sources.saved.clone().without(kind, name);
        let saved = match &edit {
            Edit::Create(entry, _) | Edit::Replace(entry, _) => without.with(entry),
            Edit::Delete(..) => without,
        };
        let table = Table::build(&[&sources.file, &saved], &self.table.load_full())
            .map_err(|error| ApiError::Invalid { message: format!("{error:#}"), param: None, code: None })?;
        match edit {
            Edit::Create(entry, spec) | Edit::Replace(entry, spec) => {
                let (kind, name) = (entry.kind().as_str().to_owned(), entry.name().to_owned());
                ledger.put_route(RouteRow { kind, name, spec, updated_at: unix_now() }).await?;
            }
            Edit::Delete(kind, name) => ledger.delete_route(kind.as_str(), &name).await?,
        }
        self.put(table);
        sources.saved = saved;
        Ok(())
    }

    /// The two sources of the table, the file's first.
    pub(crate) async fn specs(&self) -> [Arc<Spec>; 2] {
        let sources = self.sources.lock().await;
        [Arc::new(sources.file.clone()), Arc::new(sources.saved.clone())]
    }
}

fn without_foreign_key(upstream: &mut UpstreamConfig, secret_files: Option<&Path>) {
    let Some(Err(why)) = upstream.api_key.as_ref().map(|secret| secret.may_be_named(secret_files)) else { return };
    let name = &upstream.name;
    warn!(upstream.name = %name, "`api_key` of upstream `{name}`, which was added while the server ran, {why}; it goes on without");
    upstream.api_key = None;
}

fn allowed(edit: &Edit, in_file: bool, saved: bool) -> Result<(), ApiError> {
    let (kind, name) = edit.of();
    let kind = kind.as_str();
    match edit {
        _ if in_file => Err(ApiError::Conflict(format!(
            "the {kind} `{name}` stands in the configuration file; change it there, the file is read again at once"
        ))),
        Edit::Create(..) if saved => {
            Err(ApiError::Conflict(format!("the {kind} `{name}` is there already; replace it with PUT")))
        }
        Edit::Replace(..) | Edit::Delete(..) if !saved => Err(ApiError::NotFound { kind, id: name.to_owned() }),
        _ => Ok(()),
    }
}
