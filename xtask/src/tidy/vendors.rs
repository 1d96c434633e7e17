//! Each vendor SDK has one room. The table is deny.toml's: its `wrappers` lists.

use anyhow::Context;
use serde::Deserialize;

use super::{Finding, manifests::Room};

/// A crate that only some others may depend on.
#[derive(Debug, Deserialize)]
pub(crate) struct Vendor {
    #[serde(rename = "crate")]
    name: String,
    #[serde(default)]
    wrappers: Vec<String>,
    #[serde(default)]
    reason: String,
}

#[derive(Deserialize)]
struct Deny {
    bans: Bans,
}

#[derive(Deserialize)]
struct Bans {
    deny: Vec<Vendor>,
}

/// Reads the banned crates of deny.toml.
pub(crate) fn table(deny: &str) -> anyhow::Result<Vec<Vendor>> {
    let deny: Deny = toml::from_str(deny).context("cannot read [bans] of deny.toml")?;
    Ok(deny.bans.deny)
}

/// Finds rooms that name an SDK which is another room's, or nobody's.
pub(crate) fn check(rooms: &[Room], vendors: &[Vendor]) -> Vec<Finding> {
    let named = rooms.iter().flat_map(|room| room.dependencies.iter().map(move |dependency| (room, dependency)));
    let breaches = named.filter_map(|(room, dependency)| {
        let vendor = vendors.iter().find(|vendor| vendor.name == dependency.name)?;
        let allowed = vendor.wrappers.contains(&room.name);
        (!allowed).then(|| Finding::new(&room.name, message(vendor)))
    });
    breaches.collect()
}

fn message(vendor: &Vendor) -> String {
    let rooms: Vec<&str> =
        vendor.wrappers.iter().map(String::as_str).filter(|name| name.starts_with("kubemate-")).collect();
    match rooms.as_slice() {
        [] => format!("`{}` is banned: {}", vendor.name, vendor.reason),
        rooms => format!("`{}` belongs to {}: {}", vendor.name, rooms.join(", "), vendor.reason),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::manifests::Dependency;

    const DENY: &str = r#"
        [bans]
        deny = [
          { crate = "serde_yaml", reason = "archived" },
          { crate = "sqlx", wrappers = ["kubemate-ledger", "sea-orm"], reason = "state lives in store/ledger" },
        ]
    "#;

    fn found(room: &str, dependency: &str) -> Vec<String> {
        let dependencies = vec![Dependency { name: dependency.to_owned(), for_tests: false }];
        let rooms = [Room { name: room.to_owned(), dependencies, ..Room::default() }];
        check(&rooms, &table(DENY).unwrap()).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_sdk_s_own_room_may_use_it() {
        assert!(found("kubemate-ledger", "sqlx").is_empty());
        assert!(found("kubemate-gateway", "serde").is_empty());
    }

    #[test]
    fn another_room_is_sent_to_the_owner() {
        let found = found("kubemate-gateway", "sqlx");
        assert_eq!(found, ["kubemate-gateway: `sqlx` belongs to kubemate-ledger: state lives in store/ledger"]);
    }

    #[test]
    fn a_banned_crate_is_nobody_s() {
        assert_eq!(found("kubemate-ledger", "serde_yaml"), ["kubemate-ledger: `serde_yaml` is banned: archived"]);
    }
}
