//! Rooms as their Cargo.toml describes them, and the rules about that file.

use std::{fs, path::Path};

use anyhow::Context;
use cargo_metadata::{DependencyKind, Metadata, Package};
use toml::Table;

use super::Finding;

/// A workspace member.
#[derive(Debug, Default)]
pub(crate) struct Room {
    /// Package name, `kubemate-<room>`.
    pub(crate) name: String,
    /// `package.metadata.kubemate.floor`; none when not stated.
    pub(crate) floor: Option<u64>,
    /// Whether it says `[lints] workspace = true`.
    pub(crate) lints: bool,
    /// Whether every dependency takes its version from the workspace.
    pub(crate) own_versions: Vec<String>,
    /// Every crate it names, also for tests and build scripts.
    pub(crate) dependencies: Vec<Dependency>,
}

/// A crate that a room names.
#[derive(Debug)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    pub(crate) for_tests: bool,
}

/// Reads every member of the workspace.
pub(crate) fn rooms(metadata: &Metadata) -> anyhow::Result<Vec<Room>> {
    metadata.workspace_packages().into_iter().map(room).collect()
}

fn room(package: &Package) -> anyhow::Result<Room> {
    let manifest = read(package.manifest_path.as_std_path())?;
    let dependencies = package.dependencies.iter().map(|dependency| Dependency {
        name: dependency.name.clone(),
        for_tests: dependency.kind == DependencyKind::Development,
    });
    Ok(Room {
        name: package.name.to_string(),
        floor: package.metadata.pointer("/kubemate/floor").and_then(serde_json::Value::as_u64),
        lints: lints_of_workspace(&manifest),
        own_versions: own_versions(&manifest),
        dependencies: dependencies.collect(),
    })
}

fn read(path: &Path) -> anyhow::Result<Table> {
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    text.parse().with_context(|| format!("cannot parse {}", path.display()))
}

fn lints_of_workspace(manifest: &Table) -> bool {
    let lints = manifest.get("lints").and_then(|lints| lints.get("workspace"));
    lints.and_then(toml::Value::as_bool) == Some(true)
}

fn own_versions(manifest: &Table) -> Vec<String> {
    let sections = ["dependencies", "dev-dependencies", "build-dependencies"];
    let entries = sections.iter().filter_map(|section| manifest.get(*section)?.as_table()).flatten();
    let own = entries.filter(|(_, value)| value.get("workspace").and_then(toml::Value::as_bool) != Some(true));
    own.map(|(name, _)| name.clone()).collect()
}

/// Lints and versions are stated once, in the root's Cargo.toml.
pub(crate) fn check(rooms: &[Room]) -> Vec<Finding> {
    let lints = rooms.iter().filter(|room| !room.lints).map(|room| {
        Finding::new(&room.name, "add `[lints] workspace = true` to its Cargo.toml: the same lints hold in every room")
    });
    let versions = rooms.iter().flat_map(|room| room.own_versions.iter().map(move |name| (room, name)));
    let versions = versions.map(|(room, name)| {
        let message =
            format!("`{name}` states its own version; pin it in the root's [workspace.dependencies] and say why");
        Finding::new(&room.name, message)
    });
    lints.chain(versions).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(manifest: &str) -> Vec<Finding> {
        let manifest: Table = manifest.parse().unwrap();
        let room = Room {
            name: "kubemate-x".to_owned(),
            lints: lints_of_workspace(&manifest),
            own_versions: own_versions(&manifest),
            ..Room::default()
        };
        check(&[room])
    }

    #[test]
    fn a_room_that_takes_both_from_the_workspace_is_fine() {
        assert_eq!(made("[lints]\nworkspace = true\n[dependencies]\nserde.workspace = true"), []);
    }

    #[test]
    fn missing_lints_are_found() {
        assert_eq!(made("[lints]\nworkspace = false").len(), 1);
        assert_eq!(made("").len(), 1);
    }

    #[test]
    fn a_version_of_its_own_is_found_also_for_tests() {
        let found = made("[lints]\nworkspace = true\n[dev-dependencies]\nserde = \"1\"\nbytes = { version = \"1\" }");
        assert_eq!(found.len(), 2);
        assert!(found.iter().any(|finding| finding.message.contains("`serde`")));
    }
}
