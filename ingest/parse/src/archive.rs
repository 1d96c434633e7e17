//! The zip container of Office files and of bundles, read member by member under limits; nothing touches the disk.

use std::io::{Cursor, Read};

use zip::ZipArchive;
use zip::result::ZipError;

use crate::scope::Scope;
use crate::{ParseError, encoding};

/// Below this many uncompressed bytes a high ratio harms nobody and empty templates reach it.
const RATIO_FLOOR: u64 = 1 << 20;

/// An opened container.
pub(crate) struct Archive<'a> {
    zip: ZipArchive<Cursor<&'a [u8]>>,
    scope: Scope<'a>,
    /// The members' paths in the container's order, in whatever encoding they were written; `/` between the parts.
    paths: Vec<String>,
}

impl<'a> Archive<'a> {
    /// Opens the container and checks every member's name, count, declared size and ratio.
    ///
    /// # Errors
    /// `Broken`, `Encrypted`, or `TooLarge` naming the limit.
    pub(crate) fn open(bytes: &'a [u8], scope: Scope<'a>) -> Result<Self, ParseError> {
        let zip = ZipArchive::new(Cursor::new(bytes)).map_err(zip_error)?;
        let mut archive = Self { zip, scope, paths: Vec::new() };
        scope.limits.check("max_zip_entries", archive.zip.len(), scope.limits.max_zip_entries)?;
        let raw: Vec<&[u8]> = archive.zip.file_names_raw().collect();
        archive.paths = encoding::names(&raw).into_iter().map(|name| name.replace('\\', "/")).collect();
        if archive.paths.iter().any(|path| path.starts_with('/') || path.split('/').any(|part| part == "..")) {
            return Err(ParseError::broken("a member of the archive has an unsafe path"));
        }
        for index in 0..archive.zip.len() {
            archive.check_entry(index)?;
        }
        Ok(archive)
    }

    /// Whether a member of this name exists.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.zip.index_for_name(name).is_some()
    }

    /// Names of all members that begin with `prefix`, in the container's order.
    pub(crate) fn names(&self, prefix: &str) -> Vec<String> {
        let names = self.zip.file_names().filter_map(Result::ok);
        names.filter(|name| name.starts_with(prefix)).map(|name| name.into_owned()).collect()
    }

    /// The bytes of a member, `None` when there is none of this name.
    pub(crate) fn read(&mut self, name: &str) -> Result<Option<Vec<u8>>, ParseError> {
        let Some(index) = self.zip.index_for_name(name) else { return Ok(None) };
        self.read_at(index).map(Some)
    }

    /// The path and the bytes of the member at a place, `None` for folders and past the end.
    pub(crate) fn member(&mut self, index: usize) -> Result<Option<(String, Vec<u8>)>, ParseError> {
        let Some(path) = self.paths.get(index).filter(|path| !path.ends_with('/')).cloned() else { return Ok(None) };
        Ok(Some((path, self.read_at(index)?)))
    }

    /// How many members there are, folders included.
    pub(crate) fn len(&self) -> usize {
        self.paths.len()
    }

    fn read_at(&mut self, index: usize) -> Result<Vec<u8>, ParseError> {
        let file = self.zip.by_index(index).map_err(zip_error)?;
        let declared = file.size();
        let mut bytes = Vec::new();
        // One byte more than declared is enough to see that the declaration is a lie.
        file.take(declared.saturating_add(1)).read_to_end(&mut bytes).map_err(ParseError::broken)?;
        if bytes.len() as u64 != declared {
            return Err(ParseError::broken("a member of the archive is not as long as declared"));
        }
        self.scope.inflated(declared)?;
        Ok(bytes)
    }

    /// Like [`read`](Self::read) for a member the format cannot do without.
    pub(crate) fn require(&mut self, name: &str) -> Result<Vec<u8>, ParseError> {
        self.read(name)?.ok_or_else(|| ParseError::broken(format!("{name} is missing in the archive")))
    }

    fn check_entry(&mut self, index: usize) -> Result<(), ParseError> {
        let entry = self.zip.by_index_raw(index).map_err(zip_error)?;
        if entry.encrypted() {
            return Err(ParseError::Encrypted);
        }
        let (size, packed) = (entry.size(), entry.compressed_size());
        if size > self.scope.limits.max_zip_entry_bytes {
            return Err(too_large("max_zip_entry_bytes", self.scope.limits.max_zip_entry_bytes));
        }
        if size > RATIO_FLOOR && size / packed.max(1) > self.scope.limits.max_zip_ratio {
            return Err(too_large("max_zip_ratio", self.scope.limits.max_zip_ratio));
        }
        Ok(())
    }
}

fn too_large(limit: &'static str, allowed: u64) -> ParseError {
    ParseError::TooLarge { limit, allowed }
}

fn zip_error(error: ZipError) -> ParseError {
    match error {
        ZipError::UnsupportedArchive(ZipError::PASSWORD_REQUIRED) => ParseError::Encrypted,
        other => ParseError::broken(other),
    }
}
