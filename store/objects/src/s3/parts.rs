//! A body cut into parts of equal length, hashed on the way.

use std::io;

use aws_sdk_s3::primitives::ByteStream as SdkStream;
use bytes::{Bytes, BytesMut};
use futures::{StreamExt, TryStreamExt};
use sha2::{Digest, Sha256};

use crate::{ByteStream, ObjectsError, Stored};

/// The parts of a body, one after the other.
pub(super) struct Parts {
    body: ByteStream,
    gathered: BytesMut,
    part_bytes: usize,
    hash: Sha256,
    bytes: u64,
    ended: bool,
}

impl Parts {
    pub(super) fn new(body: ByteStream, part_bytes: usize) -> Self {
        Self { body, gathered: BytesMut::new(), part_bytes, hash: Sha256::new(), bytes: 0, ended: false }
    }

    /// The next part: full, unless it is the last. The last one is empty only when the whole body is.
    pub(super) async fn next(&mut self) -> Result<Bytes, ObjectsError> {
        while !self.ended && self.gathered.len() <= self.part_bytes {
            match self.body.try_next().await.map_err(ObjectsError::Body)? {
                None => self.ended = true,
                Some(piece) => {
                    self.hash.update(&piece);
                    self.bytes += piece.len() as u64;
                    self.gathered.extend_from_slice(&piece);
                }
            }
        }
        let length = self.gathered.len().min(self.part_bytes);
        Ok(self.gathered.split_to(length).freeze())
    }

    /// Whether the part that came last is the last one.
    pub(super) fn is_done(&self) -> bool {
        self.ended && self.gathered.is_empty()
    }

    /// What has passed, once it is done.
    pub(super) fn stored(self) -> Stored {
        Stored { bytes: self.bytes, sha256: hex::encode(self.hash.finalize()) }
    }
}

/// The SDK's body as the room's.
pub(super) fn pieces(body: SdkStream) -> ByteStream {
    let next = |mut body: SdkStream| async move {
        let piece = body.try_next().await.map_err(io::Error::other)?;
        Ok(piece.map(|piece| (piece, body)))
    };
    futures::stream::try_unfold(body, next).boxed()
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn lengths(pieces: &[usize], part_bytes: usize) -> Vec<usize> {
        let pieces: Vec<io::Result<Bytes>> = pieces.iter().map(|length| Ok(Bytes::from(vec![7; *length]))).collect();
        let mut parts = Parts::new(futures::stream::iter(pieces).boxed(), part_bytes);
        let mut lengths = Vec::new();
        loop {
            lengths.push(parts.next().await.unwrap().len());
            if parts.is_done() {
                assert_eq!(parts.stored().bytes, lengths.iter().sum::<usize>() as u64);
                return lengths;
            }
        }
    }

    #[tokio::test]
    async fn parts_are_full_but_the_last() {
        assert_eq!(lengths(&[], 10).await, [0]);
        assert_eq!(lengths(&[10], 10).await, [10]);
        assert_eq!(lengths(&[11], 10).await, [10, 1]);
        assert_eq!(lengths(&[3, 3, 3, 3, 28], 10).await, [10, 10, 10, 10]);
        assert_eq!(lengths(&[35], 10).await, [10, 10, 10, 5]);
    }
}
