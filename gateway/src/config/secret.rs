//! Values that must not be printed.

use std::{
    env, fmt, fs,
    path::{Component, Path, PathBuf, absolute},
};

use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Value, json};

/// How names of variables begin that may be named from outside the configuration file.
const NAMEABLE: &str = "KUBEMATE_SECRET_";

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

    /// Whether somebody who only administers may name it: whoever chooses a secret and the server that it is sent to
    /// could otherwise read every file and variable of this process. `folder` is where the files lie that may be named.
    ///
    /// # Errors
    /// What may be named, without a word about what is there.
    pub(crate) fn may_be_named(&self, folder: Option<&Path>) -> Result<(), String> {
        match self {
            Self::Plain(_) => {
                Err("in clear would stay in the ledger and in every copy of it; put it where the server runs and send \
                                   {\"env\": \"KUBEMATE_SECRET_…\"} or {\"file\": \"path\"}"
                    .to_owned())
            }
            Self::Env(from) if from.env.starts_with(NAMEABLE) => Ok(()),
            Self::Env(_) => Err(format!(
                "may name variables that begin with `{NAMEABLE}` only; others can be named in the configuration file"
            )),
            Self::File(from) => lies_in(&from.file, folder),
        }
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

/// Whether `file` lies in `folder`, links followed: Kubernetes mounts secrets as links within their folder.
fn lies_in(file: &Path, folder: Option<&Path>) -> Result<(), String> {
    let Some(folder) = folder else {
        return Err("may name a file only below the folder `auth.secret_files`, which is not configured".to_owned());
    };
    let shown = folder.display();
    let outside = || format!("may name a file only below `{shown}`, the folder `auth.secret_files`");
    let climbs = file.components().any(|part| part == Component::ParentDir);
    let below = absolute(file).is_ok_and(|file| absolute(folder).is_ok_and(|folder| file.starts_with(folder)));
    if climbs || !below {
        return Err(outside());
    }
    let found = file.canonicalize().and_then(|file| Ok((file, folder.canonicalize()?)));
    let (file, folder) = found.map_err(|error| format!("names a file that cannot be read: {error}"))?;
    if file.starts_with(folder) { Ok(()) } else { Err(outside()) }
}

/// The text of a secret that may be left out.
///
/// # Errors
/// As [`Secret::reveal`].
pub(super) fn revealed(secret: Option<&Secret>) -> Result<Option<String>, String> {
    Ok(secret.map(Secret::reveal).transpose()?.flatten())
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

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: PathBuf) -> Secret {
        Secret::File(FromFile { file: path })
    }

    fn env(name: &str) -> Secret {
        Secret::Env(FromEnv { env: name.to_owned() })
    }

    #[test]
    fn only_variables_set_apart_may_be_named_from_outside() {
        assert!(env("KUBEMATE_SECRET_OPENAI").may_be_named(None).is_ok());
        for name in ["KUBEMATE_ADMIN_KEY", "HOME", "XKUBEMATE_SECRET_", "kubemate_secret_x", ""] {
            assert!(env(name).may_be_named(None).unwrap_err().contains("`KUBEMATE_SECRET_`"), "{name}");
        }
        assert!(Secret::Plain("sk-x".to_owned()).may_be_named(None).unwrap_err().starts_with("in clear"));
    }

    #[test]
    fn only_files_of_their_folder_may_be_named_from_outside() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("secrets");
        fs::create_dir_all(folder.join("..data")).unwrap();
        fs::write(folder.join("..data/key"), "sk").unwrap();
        fs::write(root.path().join("other"), "private").unwrap();
        fs::create_dir(root.path().join("secrets-not")).unwrap();
        fs::write(root.path().join("secrets-not/key"), "private").unwrap();
        std::os::unix::fs::symlink(folder.join("..data/key"), folder.join("key")).unwrap();
        std::os::unix::fs::symlink(root.path().join("other"), folder.join("escape")).unwrap();
        let told = |path: PathBuf| file(path).may_be_named(Some(&folder));
        assert_eq!(told(folder.join("key")), Ok(()), "links within the folder");
        let outside = [
            folder.join("escape"),
            folder.join("../other"),
            root.path().join("other"),
            root.path().join("nothing"),
            root.path().join("secrets-not/key"),
            PathBuf::from("key"),
        ];
        for path in outside {
            assert!(told(path.clone()).unwrap_err().contains("only below"), "{}", path.display());
        }
        assert!(told(folder.join("missing")).unwrap_err().contains("cannot be read"));
        assert!(file(folder.join("key")).may_be_named(None).unwrap_err().contains("not configured"));
    }
}
