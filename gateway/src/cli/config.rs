//! `kubemate config check`.

use clap::Subcommand;
use serde_json::json;

use super::{Context, print};

#[derive(Debug, Subcommand)]
pub(super) enum ConfigVerb {
    /// Read file and environment, check the whole, and print what would be in force (secrets as ***)
    Check,
}

impl ConfigVerb {
    pub(super) fn run(self, context: &Context) -> anyhow::Result<()> {
        let Self::Check = self;
        let loaded = context.load()?;
        let file = loaded.file.as_ref().map(|path| path.display().to_string());
        if context.json {
            return print::json(
                &json!({ "ok": true, "file": file, "variables": loaded.variables, "config": loaded.config }),
            );
        }
        print::line(&toml::to_string_pretty(&loaded.config)?);
        print::note(&format!("configuration is good: {}", file.as_deref().unwrap_or("no file, defaults only")));
        for variable in &loaded.variables {
            print::note(&format!("overridden by {variable}"));
        }
        Ok(())
    }
}
