//! `kubemate audit verify`.

use std::process::ExitCode;

use clap::Subcommand;
use serde_json::json;

use super::{Context, print};

#[derive(Debug, Subcommand)]
pub(super) enum Audit {
    /// Recompute the chain from its first row and name the first one that does not fit
    Verify,
}

impl Audit {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        let Self::Verify = self;
        let loaded = context.load()?;
        let ledger = loaded.config.store.open_ledger().await?;
        let report = ledger.verify_audit().await?;
        if context.json {
            print::json(&json!({ "rows": report.rows, "broken_at": report.broken_at }))?;
        } else {
            print::line(&match report.broken_at {
                None => format!("{} audit rows, the chain is whole", report.rows),
                Some(row) => format!(
                    "the chain of {} audit rows breaks at row {row}: it was changed, moved or removed",
                    report.rows
                ),
            });
        }
        Ok(if report.broken_at.is_none() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}
