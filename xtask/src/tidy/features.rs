//! Crates that `up` and `test` share have the same features in both, so that cargo compiles them once.

use std::{collections::BTreeSet, path::Path};

use super::Finding;
use crate::command;

/// Asks cargo which crates the server needs and which the tests add, and finds those that would be compiled twice.
///
/// # Errors
/// When cargo cannot resolve the dependencies.
pub(crate) fn check(root: &Path) -> anyhow::Result<Vec<Finding>> {
    // Not what build scripts use: cargo lists it for the machine that builds, where few and small crates are compiled.
    Ok(compare(&tree(root, "normal")?, &tree(root, "normal,dev")?))
}

/// Every crate with its features, a line each.
fn tree(root: &Path, edges: &str) -> anyhow::Result<String> {
    let mut tree = command::cargo(root);
    tree.args(["tree", "--quiet", "--workspace", "--edges", edges, "--prefix", "none", "--format", "{p} with {f}"]);
    command::read(&mut tree)
}

fn compare(server: &str, tests: &str) -> Vec<Finding> {
    let tests = crates(tests);
    let twice = crates(server).into_iter().filter(|line| !tests.contains(line) && !line.contains(" (/"));
    let finding = |line: &str| {
        let message = format!(
            "`{line}` has more features in tests, so `up` and `test` compile it twice; \
             name the features in [workspace.dependencies]"
        );
        Finding::new("Cargo.toml", message)
    };
    twice.map(finding).collect()
}

fn crates(tree: &str) -> BTreeSet<&str> {
    tree.lines().map(|line| line.trim_end_matches(" (*)").trim()).filter(|line| !line.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crates_that_only_tests_need_are_fine() {
        let server = "serde v1 with default\nroom v0 (/here) with \n\nserde v1 with default (*)";
        assert_eq!(compare(server, "serde v1 with default\ninsta v1 with json\nroom v0 (/here) with x"), []);
    }

    #[test]
    fn a_feature_that_only_tests_add_is_found() {
        let found = compare("serde v1 with default", "serde v1 with default,rc");
        assert_eq!(found.len(), 1);
        assert!(found.iter().all(|finding| finding.to_string().starts_with("Cargo.toml: `serde v1 with default`")));
    }
}
