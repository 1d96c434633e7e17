//! Where passages and their vectors are kept.

use std::{path::PathBuf, time::Duration};

use kubemate_vectors::{Bm25, Consistency, EmbeddedConfig, MilvusConfig, VectorsConfig};
use serde::{Deserialize, Serialize};

use super::Secret;

/// Longest first part of the names of collections: the rest of a name takes 40 characters of Milvus' 255.
const LONGEST_PREFIX: usize = 64;

/// `[store.vectors]`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct VectorStoreConfig {
    pub(crate) kind: VectorsKind,
    /// `embedded`: most spaces kept open while nobody uses them.
    pub(crate) open_spaces: usize,
    /// `embedded`: from this many MiB of vectors on a space gets a graph over them.
    pub(crate) graph_from_mib: usize,
    /// `milvus`: its address.
    pub(crate) url: Option<String>,
    /// `milvus`: a token, or `user:password`.
    pub(crate) token: Option<Secret>,
    /// `milvus`: PEM file of the authority that signed the server's certificate.
    pub(crate) ca_file: Option<PathBuf>,
    /// `milvus`: the database that holds the collections.
    pub(crate) database: String,
    /// `milvus`: first part of the names of collections.
    pub(crate) prefix: String,
    /// `milvus`: what a search is sure to see.
    pub(crate) consistency: Consistency,
    /// `milvus`: who weighs words, for vector stores made from now on.
    pub(crate) bm25: Bm25,
    /// `milvus`: longest wait for an answer, with its retries.
    #[serde(with = "humantime_serde")]
    pub(crate) timeout: Duration,
    /// `milvus`: longest wait for a connection.
    #[serde(with = "humantime_serde")]
    pub(crate) connect_timeout: Duration,
}

/// Which vector store.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum VectorsKind {
    /// Qdrant's engine in this process.
    Embedded,
    /// A Milvus server, for several processes together.
    Milvus,
    /// Gone at the end of the process.
    Memory,
}

impl Default for VectorStoreConfig {
    fn default() -> Self {
        let EmbeddedConfig { open_spaces, graph_from_mib } = EmbeddedConfig::default();
        Self {
            kind: VectorsKind::Embedded,
            open_spaces,
            graph_from_mib,
            url: None,
            token: None,
            ca_file: None,
            database: String::new(),
            prefix: "kubemate".to_owned(),
            consistency: Consistency::default(),
            bm25: Bm25::default(),
            timeout: Duration::from_secs(10),
            connect_timeout: Duration::from_secs(5),
        }
    }
}

impl VectorStoreConfig {
    /// Whether it is a server that other processes use, too.
    pub(crate) fn is_served(&self) -> bool {
        self.kind == VectorsKind::Milvus
    }

    /// The room's configuration.
    ///
    /// # Errors
    /// A sentence that names the key to set.
    pub(crate) fn resolve(&self) -> Result<VectorsConfig, String> {
        Ok(match self.kind {
            VectorsKind::Memory => VectorsConfig::Memory,
            VectorsKind::Embedded => VectorsConfig::Embedded(EmbeddedConfig {
                open_spaces: self.open_spaces,
                graph_from_mib: self.graph_from_mib,
            }),
            VectorsKind::Milvus => VectorsConfig::Milvus(self.milvus()?),
        })
    }

    fn milvus(&self) -> Result<MilvusConfig, String> {
        let url = self.url.clone().ok_or("`store.vectors.kind` is `milvus`: set `store.vectors.url`")?;
        if !url.starts_with("http://") && !url.starts_with("https://") {
            return Err("`store.vectors.url` must begin with `http://` or `https://`".to_owned());
        }
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        let letter = self.prefix.starts_with(|first: char| first.is_ascii_alphabetic());
        if !letter || self.prefix.len() > LONGEST_PREFIX || !self.prefix.bytes().all(plain) {
            return Err(format!(
                "`store.vectors.prefix` must be 1 to {LONGEST_PREFIX} letters, digits or `_`, a letter first"
            ));
        }
        let token = self.token.as_ref().map(Secret::reveal).transpose()?.flatten();
        Ok(MilvusConfig {
            url,
            token,
            database: self.database.clone(),
            prefix: self.prefix.clone(),
            ca_file: self.ca_file.as_ref().map(|path| path.display().to_string()),
            timeout: self.timeout,
            connect_timeout: self.connect_timeout,
            consistency: self.consistency,
            bm25: self.bm25,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> Result<VectorsConfig, String> {
        toml::from_str::<VectorStoreConfig>(text).unwrap().resolve()
    }

    #[test]
    fn a_server_needs_an_address() {
        assert_eq!(config("").unwrap(), VectorsConfig::default());
        assert!(config("kind = 'milvus'").unwrap_err().contains("store.vectors.url"));
        assert!(config("kind = 'milvus'\nurl = 'host:19530'").unwrap_err().contains("http://"));
        assert!(config("kind = 'milvus'\nurl = 'http://h'\nprefix = 'a-b'").unwrap_err().contains("prefix"));
        let Ok(VectorsConfig::Milvus(milvus)) = config("kind = 'milvus'\nurl = 'http://h:1'\ntoken = 'secret'") else {
            unreachable!()
        };
        assert_eq!((milvus.url.as_str(), milvus.token.as_deref()), ("http://h:1", Some("secret")));
        assert!(!format!("{milvus:?}").contains("secret"));
    }
}
