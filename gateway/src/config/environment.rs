//! `KUBEMATE__SERVER__LISTEN=…` overrides `server.listen`.

use toml::{Table, Value};

use super::load::ConfigError;

/// The double underscore keeps clear of `KUBEMATE_…_PORT`, which Kubernetes injects for a Service of that name.
const PREFIX: &str = "KUBEMATE__";

/// One override: the variable's name, the key's path and the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Override {
    pub(super) variable: String,
    pub(super) path: Vec<String>,
    pub(super) text: String,
}

/// The text of a variable that has one.
pub(super) fn text(variable: &str) -> Option<String> {
    std::env::var(variable).ok().filter(|text| !text.is_empty())
}

/// The overrides among `variables`, in the order of their names.
pub(super) fn overrides(variables: impl Iterator<Item = (String, String)>) -> Vec<Override> {
    let mut found: Vec<Override> = variables.filter_map(|(variable, text)| parse(variable, text)).collect();
    found.sort_by(|left, right| left.variable.cmp(&right.variable));
    found
}

fn parse(variable: String, text: String) -> Option<Override> {
    let path = variable.strip_prefix(PREFIX)?.split("__").map(str::to_ascii_lowercase).collect();
    Some(Override { variable, path, text })
}

/// Writes `value` at the override's path, making the tables on the way.
///
/// # Errors
/// `Environment` when the path runs through something that is not a table.
pub(super) fn apply(table: &mut Table, change: &Override, value: Value) -> Result<(), ConfigError> {
    let refused = |why: &str| ConfigError::Environment { variable: change.variable.clone(), why: why.to_owned() };
    let (last, parents) = change.path.split_last().ok_or_else(|| refused("names no key"))?;
    let mut place = table;
    for part in parents {
        let next = place.entry(part.clone()).or_insert_with(|| Value::Table(Table::new()));
        place = next.as_table_mut().ok_or_else(|| refused("runs through a key that is not a table"))?;
    }
    place.insert(last.clone(), value);
    Ok(())
}

/// The text as TOML (`true`, `8`, `["a"]`), or `None` when it is only text.
pub(super) fn typed(text: &str) -> Option<Value> {
    toml::from_str::<Table>(&format!("value = {text}")).ok()?.remove("value")
}
