//! Reads the file and the environment, and checks the whole before anyone sees it.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
};

use toml::{Table, Value};

use super::{
    Config,
    environment::{self, Override},
    unknown,
};
use crate::routing;

/// Read when no file is named and it exists in the working directory.
const DEFAULT_FILE: &str = "kubemate.toml";
/// 等保 2.0 level 3 and 网络安全法 ask for six months.
const LEAST_RETENTION_DAYS: u32 = 180;

/// Why a configuration is refused. Each names the key to change and tells its cause in its own words, once.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    #[error("configuration file `{path}` cannot be read: {cause}")]
    Read { path: PathBuf, cause: io::Error },
    #[error("configuration file `{path}` is not TOML: {cause}")]
    Syntax { path: PathBuf, cause: Box<toml::de::Error> },
    #[error("`{path}`: {why}")]
    Key { path: String, why: String },
    #[error("environment variable `{variable}` {why}")]
    Environment { variable: String, why: String },
    #[error("{0}")]
    Meaning(String),
}

/// A checked configuration and where it came from.
#[derive(Clone, Debug)]
pub(crate) struct Loaded {
    pub(crate) config: Config,
    /// The file read, if there was one.
    pub(crate) file: Option<PathBuf>,
    /// Names of the environment variables that changed something.
    pub(crate) variables: Vec<String>,
}

/// Loads `file` (or `kubemate.toml` when it exists), applies the environment and checks the whole.
///
/// # Errors
/// What is wrong and which key to change; see [`ConfigError`].
pub(crate) fn load(file: Option<&Path>) -> Result<Loaded, ConfigError> {
    let file = file.map(Path::to_owned).or_else(|| Some(PathBuf::from(DEFAULT_FILE)).filter(|path| path.exists()));
    let table = file.as_deref().map_or_else(|| Ok(Table::new()), read)?;
    let variables =
        env::vars_os().filter_map(|(name, text)| Some((name.into_string().ok()?, text.into_string().ok()?)));
    let (config, variables) = compose(table, variables)?;
    check(&config)?;
    Ok(Loaded { config, file, variables })
}

fn read(path: &Path) -> Result<Table, ConfigError> {
    let text = fs::read_to_string(path).map_err(|cause| ConfigError::Read { path: path.to_owned(), cause })?;
    toml::from_str(&text).map_err(|cause| ConfigError::Syntax { path: path.to_owned(), cause: Box::new(cause) })
}

/// Applies the overrides. All at once as a rule: a file may name thousands of models, and reading them costs.
fn compose(
    table: Table,
    variables: impl Iterator<Item = (String, String)>,
) -> Result<(Config, Vec<String>), ConfigError> {
    let changes = environment::overrides(variables);
    if changes.is_empty() {
        return Ok((typed(table)?, Vec::new()));
    }
    let config = match at_once(table.clone(), &changes) {
        Ok(config) => config,
        Err(_) => one_by_one(table, &changes)?,
    };
    Ok((config, changes.into_iter().map(|change| change.variable).collect()))
}

/// Every value as TOML where it reads as such.
fn at_once(mut table: Table, changes: &[Override]) -> Result<Config, ConfigError> {
    for change in changes {
        let value = environment::typed(&change.text).unwrap_or_else(|| Value::String(change.text.clone()));
        environment::apply(&mut table, change, value)?;
    }
    typed(table)
}

/// Finds the override that is wrong; a value that reads as TOML and fails as such is tried as plain text.
fn one_by_one(mut table: Table, changes: &[Override]) -> Result<Config, ConfigError> {
    let mut config = typed(table.clone())?;
    for change in changes {
        let text = Value::String(change.text.clone());
        let first = environment::typed(&change.text).unwrap_or_else(|| text.clone());
        let mut next = table.clone();
        environment::apply(&mut next, change, first)?;
        config = match typed(next.clone()) {
            Ok(config) => config,
            Err(as_toml) => {
                environment::apply(&mut next, change, text)?;
                typed(next.clone()).map_err(|_| in_variable(&change.variable, &as_toml))?
            }
        };
        table = next;
    }
    Ok(config)
}

fn in_variable(variable: &str, error: &ConfigError) -> ConfigError {
    ConfigError::Environment { variable: variable.to_owned(), why: format!("is refused: {error}") }
}

fn typed(table: Table) -> Result<Config, ConfigError> {
    serde_path_to_error::deserialize(Value::Table(table)).map_err(|error| {
        let message = error.inner().to_string();
        let message = message.trim().to_owned();
        ConfigError::Key { path: error.path().to_string(), why: unknown::explain(&message).unwrap_or(message) }
    })
}

/// The rules that no type can hold.
fn check(config: &Config) -> Result<(), ConfigError> {
    let embedded = config.store.embedded();
    if config.server.replicas > 1 && !embedded.is_empty() {
        return Err(ConfigError::Meaning(format!(
            "`server.replicas` is {} but some stores are inside the process, where others cannot reach them; \
             set {}, or `server.replicas = 1`",
            config.server.replicas,
            embedded.join(", ")
        )));
    }
    if config.audit.retention_days < LEAST_RETENTION_DAYS {
        return Err(ConfigError::Meaning(format!(
            "`audit.retention_days` is {}; at least {LEAST_RETENTION_DAYS} days must be kept",
            config.audit.retention_days
        )));
    }
    config.store.ledger.opened(&config.store.data_dir).map_err(ConfigError::Meaning)?;
    config.store.objects.opened().map_err(ConfigError::Meaning)?;
    config.store.cache.redis().map_err(ConfigError::Meaning)?;
    config.store.vectors.resolve().map_err(ConfigError::Meaning)?;
    config.limits.check().map_err(ConfigError::Meaning)?;
    for (model, price) in &config.prices {
        price.check().map_err(|why| ConfigError::Meaning(format!("`prices.{model}` {why}")))?;
    }
    config.telemetry.otlp.check().map_err(ConfigError::Meaning)?;
    let upstreams: Vec<_> = config.upstreams.iter().collect();
    let models: Vec<_> = config.models.iter().collect();
    routing::check(&upstreams, &models).map_err(ConfigError::Meaning)
}

#[cfg(test)]
mod tests;
