//! docs/CONFIG.md names every key that the server knows.

use std::{fs, path::Path};

use anyhow::{Context, bail};
use serde_json::Value;

use crate::{command, places};

const FILE: &str = "docs/CONFIG.md";

/// # Errors
/// Names the keys that the server's configuration has and the document has not.
pub(crate) fn check(root: &Path) -> anyhow::Result<()> {
    let text = fs::read_to_string(root.join(FILE)).with_context(|| format!("cannot read {FILE}"))?;
    let missing = missing(&text, &in_force()?);
    if !missing.is_empty() {
        bail!("{FILE} does not say what these are for, in which unit, with which default: {}", missing.join(", "));
    }
    Ok(())
}

/// The server's whole configuration with its defaults.
fn in_force() -> anyhow::Result<Value> {
    // Beside the binary there is no kubemate.toml.
    let mut check = command::program(places::kubemate()?, &places::release()?);
    let printed = command::read(check.args(["config", "check", "--json"]))?;
    let mut document: Value = serde_json::from_str(&printed).context("`kubemate config check --json` is not JSON")?;
    document.get_mut("config").map(Value::take).context("`kubemate config check --json` has no `config`")
}

/// Keys of `config`, dotted, that `text` does not hold between backticks.
fn missing(text: &str, config: &Value) -> Vec<String> {
    let mut keys = Vec::new();
    collect("", config, &mut keys);
    keys.retain(|key| !text.contains(&format!("`{key}`")));
    keys
}

fn collect(path: &str, value: &Value, keys: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                collect(&path, value, keys);
            }
        }
        _ => keys.push(path.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn keys_are_found_at_every_depth_and_must_be_named_whole() {
        let config = json!({"server": {"listen": "x", "limits": {"max_streams": 1}}, "models": []});
        let text = "| `server.listen` | … |\nand `max_streams`\n## `models`";
        assert_eq!(missing(text, &config), ["server.limits.max_streams"]);
    }
}
