//! Objects in a bucket of any server that speaks S3's API.
//!
//! An object is `<prefix><tenant>/<key>@`, as in a folder of this machine ([`Directory`](crate::Directory)): what is copied
//! from one to the other file by file is found there. The mark at the end keeps the objects `a` and `a/b` apart on servers
//! that keep their objects as files themselves.

mod client;
mod failure;
mod parts;
mod upload;

use std::fmt;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_s3::Client;
use aws_sdk_s3::presigning::PresigningConfig;
use kubemate_identity::TenantId;

use self::failure::{failed, missing, unsatisfiable};
use self::parts::Parts;
use self::upload::Upload;
use crate::key::is_part;
use crate::memory::cut;
use crate::{ByteStream, ObjectKey, ObjectStore, ObjectsError, Stored};

/// Ends the name of each object, as in a folder of this machine.
const MARK: &str = "@";
/// The least bytes of a part but the last, and the most (Amazon S3, multipart upload limits).
const PART_BYTES: Range<u64> = (5 << 20)..(5 << 30);

/// A bucket that processes share.
#[derive(Clone, PartialEq, Eq)]
pub struct S3Config {
    /// The bucket. It must exist.
    pub bucket: String,
    /// Put before every name, such as `kubemate/`, so that a bucket can hold other things, too.
    pub prefix: String,
    /// Root of the server, such as `https://minio.bank.example:9000`; without it Amazon's of the region.
    pub endpoint: Option<String>,
    /// The region that requests are signed for.
    pub region: String,
    /// The bucket stands in the path rather than before the host's name.
    pub path_style: bool,
    /// Who asks, and the secret that requests are signed with.
    pub keys: S3Keys,
    /// A file of PEM certificates that vouch for the server, beside those of this machine.
    pub ca_file: Option<PathBuf>,
    /// Bytes of the parts that a larger object is sent in; two are held in memory for each upload.
    pub part_bytes: u64,
    /// Longest wait for the server to begin its answer; bodies may not stall for longer.
    pub timeout: Duration,
}

/// What requests are signed with.
#[derive(Clone, PartialEq, Eq)]
pub struct S3Keys {
    /// Names the key.
    pub id: String,
    /// The key itself.
    pub secret: String,
    /// Comes with keys that last for hours.
    pub session: Option<String>,
}

impl fmt::Debug for S3Keys {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("***")
    }
}

impl fmt::Debug for S3Config {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("S3Config")
            .field("endpoint", &self.endpoint)
            .field("bucket", &self.bucket)
            .finish_non_exhaustive()
    }
}

/// An object store in a bucket. Any number of processes may use it at once.
#[derive(Debug, Clone)]
pub struct S3 {
    client: Client,
    bucket: Arc<str>,
    prefix: Arc<str>,
    part_bytes: usize,
}

impl S3 {
    /// A client of the configured bucket; it connects at the first call.
    ///
    /// # Errors
    /// [`ObjectsError::Setup`] when a setting cannot be used.
    pub fn new(config: &S3Config) -> Result<Self, ObjectsError> {
        let wrong = |what: String| Err(ObjectsError::Setup(what));
        if config.bucket.is_empty() {
            return wrong("no bucket is named".to_owned());
        }
        let within = config.prefix.strip_suffix('/').unwrap_or(&config.prefix);
        if !within.is_empty() && !within.split('/').all(is_part) {
            return wrong(format!("the prefix `{}` has parts that are no names", config.prefix));
        }
        let part_bytes = usize::try_from(config.part_bytes).ok().filter(|_| PART_BYTES.contains(&config.part_bytes));
        let Some(part_bytes) = part_bytes else {
            return wrong(format!("parts of {} bytes; S3 takes 5 MiB to 5 GiB", config.part_bytes));
        };
        let prefix = if within.is_empty() { String::new() } else { format!("{within}/") };
        let (bucket, prefix) = (Arc::from(config.bucket.as_str()), Arc::from(prefix));
        Ok(Self { client: client::build(config)?, bucket, prefix, part_bytes })
    }

    fn folder(&self, tenant: &TenantId) -> String {
        format!("{}{tenant}/", self.prefix)
    }

    fn name(&self, tenant: &TenantId, key: &ObjectKey) -> String {
        format!("{}{key}{MARK}", self.folder(tenant))
    }

    async fn length(&self, tenant: &TenantId, key: &ObjectKey) -> Result<u64, ObjectsError> {
        let asked = self.client.head_object().bucket(&*self.bucket).key(self.name(tenant, key)).send().await;
        let found = asked
            .map_err(|error| if missing(&error) { ObjectsError::NotFound(key.clone()) } else { failed(&error) })?;
        Ok(found.content_length().and_then(|length| u64::try_from(length).ok()).unwrap_or_default())
    }

    async fn read(&self, tenant: &TenantId, key: &ObjectKey, range: Option<Range<u64>>) -> Result<Found, ObjectsError> {
        let range = range.map(|range| format!("bytes={}-{}", range.start, range.end.saturating_sub(1)));
        let get = self.client.get_object().bucket(&*self.bucket).key(self.name(tenant, key)).set_range(range);
        match get.send().await {
            Ok(found) => Ok(Found::Bytes(parts::pieces(found.body))),
            Err(error) if unsatisfiable(&error) => Ok(Found::Short),
            Err(error) if missing(&error) => Err(ObjectsError::NotFound(key.clone())),
            Err(error) => Err(failed(&error)),
        }
    }
}

/// What a read gave.
enum Found {
    Bytes(ByteStream),
    /// The object ends before the range begins.
    Short,
}

#[async_trait]
impl ObjectStore for S3 {
    async fn put(&self, tenant: &TenantId, key: &ObjectKey, body: ByteStream) -> Result<Stored, ObjectsError> {
        let name = self.name(tenant, key);
        let mut parts = Parts::new(body, self.part_bytes);
        let first = parts.next().await?;
        if parts.is_done() {
            let put = self.client.put_object().bucket(&*self.bucket).key(name).body(first.into());
            put.send().await.map_err(|error| failed(&error))?;
            return Ok(parts.stored());
        }
        let mut upload = Upload::begin(&self.client, &self.bucket, name).await?;
        let mut part = first;
        while !parts.is_done() {
            // Also when the body fails: a part that is on its way could arrive after the upload was called off.
            let (sent, next) = futures::join!(upload.send(part), parts.next());
            sent?;
            part = next?;
        }
        upload.send(part).await?;
        upload.finish().await?;
        Ok(parts.stored())
    }

    async fn get(&self, tenant: &TenantId, key: &ObjectKey) -> Result<ByteStream, ObjectsError> {
        match self.read(tenant, key, None).await? {
            Found::Bytes(body) => Ok(body),
            Found::Short => Ok(crate::once("")),
        }
    }

    async fn get_range(
        &self,
        tenant: &TenantId,
        key: &ObjectKey,
        range: Range<u64>,
    ) -> Result<ByteStream, ObjectsError> {
        if range.start < range.end
            && let Found::Bytes(body) = self.read(tenant, key, Some(range.clone())).await?
        {
            return Ok(body);
        }
        cut(&range, self.length(tenant, key).await?)?;
        Ok(crate::once(""))
    }

    async fn stat(&self, tenant: &TenantId, key: &ObjectKey) -> Result<Option<u64>, ObjectsError> {
        match self.length(tenant, key).await {
            Ok(length) => Ok(Some(length)),
            Err(ObjectsError::NotFound(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn delete(&self, tenant: &TenantId, key: &ObjectKey) -> Result<(), ObjectsError> {
        let delete = self.client.delete_object().bucket(&*self.bucket).key(self.name(tenant, key));
        match delete.send().await {
            Err(error) if !missing(&error) => Err(failed(&error)),
            _ => Ok(()),
        }
    }

    async fn list(&self, tenant: &TenantId, prefix: &str) -> Result<Vec<ObjectKey>, ObjectsError> {
        // The prefix comes from outside; what is not the beginning of a key begins none.
        let mut parts = prefix.split('/').rev();
        let last = parts.next().unwrap_or_default();
        if !(last.is_empty() || is_part(last)) || !parts.all(is_part) {
            return Ok(Vec::new());
        }
        let folder = self.folder(tenant);
        let list = self.client.list_objects_v2().bucket(&*self.bucket).prefix(format!("{folder}{prefix}"));
        let mut pages = list.into_paginator().send();
        let mut found = Vec::new();
        while let Some(page) = pages.next().await {
            for object in page.map_err(|error| failed(&error))?.contents() {
                let name = object.key().and_then(|name| name.strip_prefix(&folder)?.strip_suffix(MARK));
                found.extend(name.and_then(|name| ObjectKey::parse(name).ok()));
            }
        }
        found.sort_unstable();
        Ok(found)
    }

    async fn check(&self) -> Result<(), ObjectsError> {
        let asked = self.client.head_bucket().bucket(&*self.bucket).send().await;
        asked.map(drop).map_err(|error| match missing(&error) {
            true => ObjectsError::Setup(format!("the server has no bucket `{}`", self.bucket)),
            false => failed(&error),
        })
    }

    async fn link(&self, tenant: &TenantId, key: &ObjectKey, ttl: Duration) -> Result<Option<String>, ObjectsError> {
        let signing = PresigningConfig::expires_in(ttl).map_err(|error| ObjectsError::Setup(error.to_string()))?;
        let get = self.client.get_object().bucket(&*self.bucket).key(self.name(tenant, key));
        let signed = get.presigned(signing).await.map_err(|error| failed(&error))?;
        Ok(Some(signed.uri().to_owned()))
    }
}
