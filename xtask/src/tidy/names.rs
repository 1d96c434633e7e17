//! Names that would let anything move in, and files that hide behind their folder.

use std::path::{Path, PathBuf};

use super::{Finding, manifests::Room};

/// A crate or module of such a name has no subject: a type lives with the room that issues it.
pub(crate) const SHAPELESS: [&str; 7] = ["common", "core", "helpers", "misc", "types", "util", "utils"];

/// Finds shapeless crates and modules, and `mod.rs`.
pub(crate) fn check(rooms: &[Room], files: &[PathBuf]) -> Vec<Finding> {
    let crates = rooms.iter().filter(|room| room.name.split('-').any(is_shapeless)).map(|room| {
        Finding::new(&room.name, "a crate is named after what it does; see the invariants in docs/ARCHITECTURE.md")
    });
    crates.chain(files.iter().filter_map(|file| of_file(file))).collect()
}

/// Whether nothing would be out of place under this name.
pub(crate) fn is_shapeless(name: &str) -> bool {
    SHAPELESS.contains(&name)
}

fn of_file(file: &Path) -> Option<Finding> {
    if file.extension()? != "rs" {
        return None;
    }
    let place = file.to_string_lossy();
    let stem = file.file_stem()?.to_str()?;
    if stem == "mod" {
        return Some(Finding::new(place, "write `foo.rs` beside `foo/` instead of `foo/mod.rs`"));
    }
    let folders = file.parent().into_iter().flat_map(Path::iter).filter_map(|part| part.to_str());
    let named = std::iter::once(stem).chain(folders).find(|name| is_shapeless(name))?;
    Some(Finding::new(place, format!("`{named}` says nothing; name the module after what it does")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(file: &str) -> usize {
        check(&[], &[PathBuf::from(file)]).len()
    }

    #[test]
    fn shapeless_files_folders_and_crates_are_found() {
        assert_eq!(found("store/ledger/src/utils.rs"), 1);
        assert_eq!(found("store/ledger/src/common/rows.rs"), 1);
        assert_eq!(check(&[Room { name: "kubemate-core".to_owned(), ..Room::default() }], &[]).len(), 1);
    }

    #[test]
    fn mod_rs_is_found() {
        assert_eq!(found("gateway/src/api/mod.rs"), 1);
    }

    #[test]
    fn names_with_a_subject_are_fine() {
        assert_eq!(found("gateway/src/api/score.rs") + found("docs/types.md") + found("a/src/corner.rs"), 0);
    }
}
