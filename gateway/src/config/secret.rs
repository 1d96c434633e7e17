//! Values that must not be printed.

use std::{env, fmt, fs, path::PathBuf};

use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Value, json};

/// A secret: the text itself, `{ env = "NAME" }` or `{ file = "path" }`. Prints as `***`.
#[derive(Clone, Deserialize, PartialEq, Eq)]
#[serde(untagged)]
pub(crate) enum Secret {
    /// The text itself.
    Plain(String),
    /// An environment variable that holds it.
    Env(FromEnv),
    /// A file that holds it; the last line end is dropped.
    File(FromFile),
}

#[derive(Clone, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub(crate) struct FromEnv {
    env: String,
}

#[derive(Clone, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub(crate) struct FromFile {
    file: PathBuf,
}

impl Secret {
    /// Where it is found, which is no secret; none when the text itself stands here.
    pub(crate) fn reference(&self) -> Option<Value> {
        match self {
            Self::Plain(_) => None,
            Self::Env(from) => Some(json!({ "env": from.env })),
            Self::File(from) => Some(json!({ "file": from.file })),
        }
    }

    /// Whether the text itself stands here, rather than where it is found.
    pub(crate) fn is_plain(&self) -> bool {
        matches!(self, Self::Plain(_))
    }

    /// The secret's text; `None` when the environment variable is not set.
    ///
    /// # Errors
    /// A sentence when the file cannot be read or the variable is not Unicode.
    pub(crate) fn reveal(&self) -> Result<Option<String>, String> {
        match self {
            Self::Plain(text) => Ok(Some(text.clone())),
            Self::Env(from) => match env::var(&from.env) {
                Ok(text) if text.is_empty() => Ok(None),
                Ok(text) => Ok(Some(text)),
                Err(env::VarError::NotPresent) => Ok(None),
                Err(env::VarError::NotUnicode(_)) => Err(format!("variable `{}` is not Unicode text", from.env)),
            },
            Self::File(from) => fs::read_to_string(&from.file)
                .map(|text| Some(text.trim_end_matches(['\r', '\n']).to_owned()))
                .map_err(|error| format!("secret file `{}` cannot be read: {error}", from.file.display())),
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("***")
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("***")
    }
}
