//! The keys below a folder.

use std::fs::read_dir;
use std::io::{self, ErrorKind};
use std::path::Path;

use super::MARK;
use crate::ObjectKey;

/// The keys that start with `prefix`, in byte order. Reads only the folder that the prefix names and those below it.
pub(super) fn keys(top: &Path, prefix: &str) -> io::Result<Vec<ObjectKey>> {
    let above = prefix.rsplit_once('/').map_or("", |(above, _)| above);
    // The prefix comes from outside; what is not a key names no folder.
    if !above.is_empty() && ObjectKey::parse(above).is_err() {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    gather(&top.join(above), above, &mut found)?;
    found.retain(|key| key.as_str().starts_with(prefix));
    found.sort_unstable();
    Ok(found)
}

fn gather(folder: &Path, above: &str, found: &mut Vec<ObjectKey>) -> io::Result<()> {
    let entries = match read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let Some(name) = name.to_str() else { continue };
        let key = |part: &str| if above.is_empty() { part.to_owned() } else { format!("{above}/{part}") };
        match name.strip_suffix(MARK) {
            Some(part) => found.extend(ObjectKey::parse(&key(part)).ok()),
            None if entry.file_type()?.is_dir() => gather(&entry.path(), &key(name), found)?,
            None => {}
        }
    }
    Ok(())
}
