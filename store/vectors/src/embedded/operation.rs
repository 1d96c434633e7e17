//! A change to a space, as the journal holds it.

use std::io;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{Passage, Point, Selector};

/// A change to a space. Applying it twice is the same as once.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Operation {
    Upsert(Vec<Point>),
    Delete(Selector),
}

/// The part of a record that is JSON. The vectors follow it as bytes: as digits they would take three times the room.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Head {
    Upsert { dimensions: usize, points: Vec<(Uuid, Passage)> },
    Delete(Selector),
}

impl Operation {
    /// About how many bytes it is.
    pub(super) fn bytes(&self) -> u64 {
        let of = |point: &Point| point.passage.text.len() + size_of::<Passage>();
        self.points().iter().map(of).sum::<usize>() as u64 + self.vector_bytes()
    }

    /// How many bytes its vectors are.
    pub(super) fn vector_bytes(&self) -> u64 {
        self.points().iter().map(|point| size_of_val(point.dense.as_slice())).sum::<usize>() as u64
    }

    fn points(&self) -> &[Point] {
        match self {
            Self::Upsert(points) => points,
            Self::Delete(_) => &[],
        }
    }

    /// `length of the head, head, vectors`.
    pub(super) fn encode(&self) -> io::Result<Vec<u8>> {
        let points = self.points();
        let head = match self {
            Self::Upsert(_) => Head::Upsert {
                dimensions: points.first().map_or(0, |point| point.dense.len()),
                points: points.iter().map(|point| (point.id, point.passage.clone())).collect(),
            },
            Self::Delete(selector) => Head::Delete(selector.clone()),
        };
        let head = serde_json::to_vec(&head)?;
        let length = u32::try_from(head.len()).map_err(|_| io::Error::from(io::ErrorKind::FileTooLarge))?;
        let mut record = length.to_le_bytes().to_vec();
        record.extend_from_slice(&head);
        for value in points.iter().flat_map(|point| &point.dense) {
            record.extend_from_slice(&value.to_le_bytes());
        }
        Ok(record)
    }

    /// The operation of a record, or `None` when it is not one.
    pub(super) fn decode(record: &[u8]) -> Option<Self> {
        let (length, rest) = record.split_first_chunk::<4>()?;
        let (head, vectors) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
        match serde_json::from_slice(head).ok()? {
            Head::Delete(selector) => Some(Self::Delete(selector)),
            Head::Upsert { dimensions, points } => {
                let (values, _) = vectors.as_chunks::<4>();
                let mut vectors = values.chunks(dimensions.max(1));
                let point = |(id, passage)| {
                    let dense = vectors.next()?.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
                    Some(Point { id, dense, passage })
                };
                points.into_iter().map(point).collect::<Option<_>>().map(Self::Upsert)
            }
        }
    }
}
