//! An object that goes up in parts: there whole at its end, or not at all.

use aws_sdk_s3::Client;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use bytes::Bytes;
use tokio::runtime::Handle;

use super::failure::failed;
use crate::ObjectsError;

/// A multipart upload. Dropped before it is finished, it is called off and the server forgets its parts; those of a process
/// that was killed wait for the bucket's own rule on incomplete uploads.
pub(super) struct Upload {
    client: Client,
    bucket: String,
    name: String,
    id: String,
    sent: Vec<CompletedPart>,
    finished: bool,
}

impl Upload {
    pub(super) async fn begin(client: &Client, bucket: &str, name: String) -> Result<Self, ObjectsError> {
        let begun = client.create_multipart_upload().bucket(bucket).key(&name).send().await;
        let id = begun.map_err(|error| failed(&error))?.upload_id().unwrap_or_default().to_owned();
        let (client, bucket) = (client.clone(), bucket.to_owned());
        Ok(Self { client, bucket, name, id, sent: Vec::new(), finished: false })
    }

    /// Sends the next part.
    pub(super) async fn send(&mut self, part: Bytes) -> Result<(), ObjectsError> {
        let number = i32::try_from(self.sent.len()).unwrap_or(i32::MAX).saturating_add(1);
        let send = self.client.upload_part().bucket(&self.bucket).key(&self.name).upload_id(&self.id);
        let sent = send.part_number(number).body(part.into()).send().await.map_err(|error| failed(&error))?;
        self.sent.push(CompletedPart::builder().part_number(number).set_e_tag(sent.e_tag).build());
        Ok(())
    }

    /// Makes the parts the object.
    pub(super) async fn finish(mut self) -> Result<(), ObjectsError> {
        let parts = CompletedMultipartUpload::builder().set_parts(Some(std::mem::take(&mut self.sent))).build();
        let finish = self.client.complete_multipart_upload().bucket(&self.bucket).key(&self.name).upload_id(&self.id);
        finish.multipart_upload(parts).send().await.map_err(|error| failed(&error))?;
        self.finished = true;
        Ok(())
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        let Ok(runtime) = Handle::try_current() else { return };
        if self.finished {
            return;
        }
        let abort = self.client.abort_multipart_upload().bucket(&self.bucket).key(&self.name).upload_id(&self.id);
        runtime.spawn(async move {
            if let Err(error) = abort.send().await {
                tracing::warn!(error = %failed(&error), "the parts of an upload that was called off stay on the server");
            }
        });
    }
}
