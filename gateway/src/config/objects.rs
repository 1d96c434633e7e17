//! Where files are kept.

use std::{path::PathBuf, time::Duration};

use bytesize::ByteSize;
use kubemate_objects::{ObjectsConfig, S3Config, S3Keys};
use serde::{Deserialize, Serialize};

use super::{Secret, environment, secret::revealed};

/// `[store.objects]`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ObjectsStoreConfig {
    pub(crate) kind: ObjectsKind,
    /// `s3`: the bucket, which must exist.
    pub(crate) bucket: String,
    /// `s3`: put before every name.
    pub(crate) prefix: String,
    /// `s3`: root of the server; unset, Amazon's of the region.
    pub(crate) endpoint: Option<String>,
    /// `s3`: the region that requests are signed for.
    pub(crate) region: String,
    /// `s3`: whether the bucket stands in the path. Unset: where an endpoint is given.
    pub(crate) path_style: Option<bool>,
    /// `s3`: who asks. Unset: the variable `AWS_ACCESS_KEY_ID`.
    pub(crate) access_key_id: Option<Secret>,
    /// `s3`: what requests are signed with. Unset: the variable `AWS_SECRET_ACCESS_KEY`.
    pub(crate) secret_access_key: Option<Secret>,
    /// `s3`: PEM certificates that vouch for the server, beside those of this machine.
    pub(crate) ca_file: Option<PathBuf>,
    /// `s3`: size of the parts that a larger file is sent in.
    pub(crate) part_size: ByteSize,
    /// `s3`: longest silence of the server.
    #[serde(with = "humantime_serde")]
    pub(crate) timeout: Duration,
}

/// Who keeps the files.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ObjectsKind {
    /// A folder below `store.data_dir`.
    Directory,
    /// A bucket, for several processes together.
    S3,
    /// This process, to its end.
    Memory,
}

impl Default for ObjectsStoreConfig {
    fn default() -> Self {
        Self {
            kind: ObjectsKind::Directory,
            bucket: String::new(),
            prefix: String::new(),
            endpoint: None,
            region: "us-east-1".to_owned(),
            path_style: None,
            access_key_id: None,
            secret_access_key: None,
            ca_file: None,
            part_size: ByteSize::mib(16),
            timeout: Duration::from_secs(20),
        }
    }
}

impl ObjectsStoreConfig {
    /// What the room of the objects is asked for.
    ///
    /// # Errors
    /// A sentence that names the key to set.
    pub(crate) fn opened(&self) -> Result<ObjectsConfig, String> {
        Ok(match self.kind {
            ObjectsKind::Directory => ObjectsConfig::Directory,
            ObjectsKind::Memory => ObjectsConfig::Memory,
            ObjectsKind::S3 => ObjectsConfig::S3(Box::new(self.s3()?)),
        })
    }

    fn s3(&self) -> Result<S3Config, String> {
        if self.bucket.is_empty() {
            return Err("`store.objects.kind` is `s3`: set `store.objects.bucket`".to_owned());
        }
        Ok(S3Config {
            bucket: self.bucket.clone(),
            prefix: self.prefix.clone(),
            endpoint: self.endpoint.clone(),
            region: self.region.clone(),
            path_style: self.path_style.unwrap_or(self.endpoint.is_some()),
            keys: self.keys()?,
            ca_file: self.ca_file.clone(),
            part_bytes: self.part_size.as_u64(),
            timeout: self.timeout,
        })
    }

    /// Both keys from the configuration, or what every tool of Amazon's reads.
    fn keys(&self) -> Result<S3Keys, String> {
        let session = match self.access_key_id {
            Some(_) => None,
            None => environment::text("AWS_SESSION_TOKEN"),
        };
        let found = |secret: Option<&Secret>, variable: &str| match secret {
            Some(_) => revealed(secret),
            None => Ok(environment::text(variable)),
        };
        let id = found(self.access_key_id.as_ref(), "AWS_ACCESS_KEY_ID")?
            .ok_or("`store.objects.kind` is `s3`: set `store.objects.access_key_id` or `AWS_ACCESS_KEY_ID`")?;
        let secret = found(self.secret_access_key.as_ref(), "AWS_SECRET_ACCESS_KEY")?
            .ok_or("`store.objects.kind` is `s3`: set `store.objects.secret_access_key` or `AWS_SECRET_ACCESS_KEY`")?;
        Ok(S3Keys { id, secret, session })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opened(text: &str) -> Result<ObjectsConfig, String> {
        toml::from_str::<ObjectsStoreConfig>(text).unwrap().opened()
    }

    #[test]
    fn a_bucket_needs_a_name_and_keys() {
        assert_eq!(opened("").unwrap(), ObjectsConfig::Directory);
        assert_eq!(opened("kind = 'memory'").unwrap(), ObjectsConfig::Memory);
        assert!(opened("kind = 's3'").unwrap_err().contains("store.objects.bucket"));
        let bucket = "kind = 's3'\nbucket = 'b'\naccess_key_id = 'id'";
        assert!(opened(bucket).unwrap_err().contains("store.objects.secret_access_key"));
        let whole = format!("{bucket}\nsecret_access_key = 'hidden'");
        let ObjectsConfig::S3(s3) = opened(&whole).unwrap() else { panic!("not a bucket") };
        assert!(!s3.path_style && s3.keys.secret == "hidden" && !format!("{s3:?}").contains("hidden"));
        let ObjectsConfig::S3(s3) = opened(&format!("{whole}\nendpoint = 'http://h'")).unwrap() else { panic!() };
        assert!(s3.path_style);
    }
}
