//! What was acknowledged and may not be in the engine's files yet.
//!
//! The engine keeps a log of its own but does not read it when it opens, so it cannot be relied on after a crash. Each
//! write is therefore recorded here first and the record is on the device before the write is acknowledged. Opening a
//! space applies its journal again; once the engine has flushed, the journal is emptied. A record is
//! `length, checksum, body`; reading ends at the first one that is torn, which is a write that was never acknowledged.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::operation::Operation;

/// Length and checksum of a record, both 32 bits, little-endian.
const HEAD_BYTES: usize = 8;

/// The journal of one space.
#[derive(Debug)]
pub(super) struct Journal {
    file: File,
    bytes: u64,
}

impl Journal {
    /// Opens the journal and reads what it holds, oldest first. A torn end is cut off.
    pub(super) fn open(path: &Path) -> io::Result<(Self, Vec<Operation>)> {
        let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
        let mut content = Vec::new();
        file.read_to_end(&mut content)?;
        let (operations, whole) = read(&content);
        let mut journal = Self { file, bytes: content.len() as u64 };
        if journal.bytes > whole {
            tracing::warn!(torn_bytes = journal.bytes - whole, "a write that was not acknowledged ends the journal");
            journal.cut(whole)?;
        }
        Ok((journal, operations))
    }

    /// Records an operation; it is on the device when this returns. After an error the journal is as before.
    pub(super) fn append(&mut self, operation: &Operation) -> io::Result<()> {
        let body = operation.encode()?;
        let length = u32::try_from(body.len()).map_err(|_| io::Error::from(io::ErrorKind::FileTooLarge))?;
        let mut record = Vec::with_capacity(HEAD_BYTES + body.len());
        record.extend_from_slice(&length.to_le_bytes());
        record.extend_from_slice(&checksum(&body).to_le_bytes());
        record.extend_from_slice(&body);
        let before = self.bytes;
        let written = self.file.seek(SeekFrom::Start(before)).and_then(|_| self.file.write_all(&record));
        match written.and_then(|()| self.file.sync_data()) {
            Ok(()) => self.bytes = before + record.len() as u64,
            Err(error) => {
                self.cut(before)?;
                return Err(error);
            }
        }
        Ok(())
    }

    /// Bytes of the records held.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Forgets the records from this length on.
    pub(super) fn cut(&mut self, bytes: u64) -> io::Result<()> {
        self.file.set_len(bytes)?;
        self.bytes = bytes;
        self.file.sync_data()
    }
}

/// The operations of whole records, and how many bytes those take.
fn read(content: &[u8]) -> (Vec<Operation>, u64) {
    let mut operations = Vec::new();
    let mut rest = content;
    while let Some((operation, after)) = next(rest) {
        operations.push(operation);
        rest = after;
    }
    (operations, (content.len() - rest.len()) as u64)
}

fn next(content: &[u8]) -> Option<(Operation, &[u8])> {
    let (length, rest) = content.split_first_chunk::<4>()?;
    let (sum, rest) = rest.split_first_chunk::<4>()?;
    let (body, after) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
    let whole = checksum(body) == u32::from_le_bytes(*sum);
    whole.then(|| Operation::decode(body)).flatten().map(|operation| (operation, after))
}

fn checksum(body: &[u8]) -> u32 {
    murmur3_32::Murmur3::hash(body.len() as u32, body)
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::{Passage, Point, Selector};

    fn operations() -> Vec<Operation> {
        let passage = Passage { text: "银发〔2024〕12号".into(), ..Passage::default() };
        let point = Point { id: Uuid::from_u128(7), dense: vec![0.1, -2.5, f32::MIN_POSITIVE], passage };
        vec![
            Operation::Upsert(vec![point]),
            Operation::Delete(Selector::FileVersionsBelow { file: "file-1".into(), version: 3 }),
            Operation::Delete(Selector::Points(vec![Uuid::from_u128(9)])),
        ]
    }

    #[test]
    fn what_was_written_is_read_and_every_torn_end_is_cut() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        let (mut journal, _) = Journal::open(&path).unwrap();
        let mut ends = vec![0];
        for operation in operations() {
            journal.append(&operation).unwrap();
            ends.push(journal.bytes());
        }
        let whole = std::fs::read(&path).unwrap();
        for length in 0..=whole.len() {
            std::fs::write(&path, &whole[..length]).unwrap();
            let (journal, read) = Journal::open(&path).unwrap();
            let kept = ends.iter().filter(|end| **end <= length as u64).count() - 1;
            assert_eq!(read, operations()[..kept], "{length} bytes");
            assert_eq!(journal.bytes(), ends[kept]);
        }
    }

    #[test]
    fn a_flipped_bit_ends_reading() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        let (mut journal, _) = Journal::open(&path).unwrap();
        operations().iter().for_each(|operation| journal.append(operation).unwrap());
        let mut content = std::fs::read(&path).unwrap();
        content[20] ^= 1;
        std::fs::write(&path, content).unwrap();
        assert!(Journal::open(&path).unwrap().1.is_empty());
    }
}
