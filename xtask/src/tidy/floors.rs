//! A crate depends only on crates of a lower floor; equal floors do not see each other.

use super::{Finding, manifests::Room};

/// Finds rooms without a floor and dependencies that do not go down, those for tests included: a room whose
/// tests need an upper room is tested on the roof instead.
pub(crate) fn check(rooms: &[Room]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for room in rooms {
        let Some(floor) = room.floor else {
            findings.push(Finding::new(&room.name, "state `floor` under [package.metadata.kubemate]"));
            continue;
        };
        for dependency in &room.dependencies {
            let Some(below) = rooms.iter().find(|other| other.name == dependency.name).and_then(|other| other.floor)
            else {
                continue; // not ours, or reported above
            };
            if below >= floor {
                let tests = if dependency.for_tests { " in its tests" } else { "" };
                let message = format!(
                    "floor {floor} may not see `{}` of floor {below}{tests}; see the floors in docs/ARCHITECTURE.md",
                    dependency.name
                );
                findings.push(Finding::new(&room.name, message));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::manifests::Dependency;

    fn room(name: &str, floor: Option<u64>, dependencies: &[(&str, bool)]) -> Room {
        let dependencies =
            dependencies.iter().map(|(name, for_tests)| Dependency { name: (*name).to_owned(), for_tests: *for_tests });
        Room { name: name.to_owned(), floor, dependencies: dependencies.collect(), ..Room::default() }
    }

    #[test]
    fn down_is_fine_and_strangers_do_not_count() {
        let rooms = [room("cellar", Some(0), &[("serde", false)]), room("attic", Some(1), &[("cellar", false)])];
        assert_eq!(check(&rooms), []);
    }

    #[test]
    fn up_sideways_and_for_tests_are_found() {
        let rooms = [
            room("cellar", Some(0), &[("attic", false)]),
            room("left", Some(1), &[("right", false)]),
            room("right", Some(1), &[("attic", true)]),
            room("attic", Some(2), &[]),
        ];
        let found: Vec<_> = check(&rooms).into_iter().map(|finding| finding.to_string()).collect();
        assert_eq!(found.len(), 3, "{found:?}");
        assert!(found.iter().any(|line| line.contains("`attic` of floor 2 in its tests")), "{found:?}");
    }

    #[test]
    fn a_room_without_a_floor_is_found() {
        assert_eq!(check(&[room("lost", None, &[])]).len(), 1);
    }
}
