//! Links in Markdown that point into the repository lead somewhere.

use std::{
    fs,
    path::{Component, Path, PathBuf},
};

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

use super::Finding;

/// Finds links of the file at `path` (from `root`) to files or headings that are not there.
pub(crate) fn check(root: &Path, path: &Path, text: &str) -> Vec<Finding> {
    let broken = links(text).into_iter().filter_map(|(line, link)| {
        let message = problem(root, path, text, &link)?;
        Some(Finding::new(format!("{}:{line}", path.display()), message))
    });
    broken.collect()
}

/// Every link and image with the line it starts on.
fn links(text: &str) -> Vec<(usize, String)> {
    let events = Parser::new_ext(text, Options::ENABLE_TABLES).into_offset_iter();
    let targets = events.filter_map(|(event, range)| match event {
        Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
            let line = text.get(..range.start)?.matches('\n').count() + 1;
            Some((line, dest_url.into_string()))
        }
        _ => None,
    });
    targets.collect()
}

fn problem(root: &Path, from: &Path, text: &str, link: &str) -> Option<String> {
    if link.contains("://") || link.starts_with("mailto:") {
        return None; // a test without a network cannot know
    }
    let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
    if file.is_empty() {
        return heading_problem(text, link, anchor);
    }
    let Some(target) = resolve(from, file) else {
        return Some(format!("`{link}` leads out of the repository"));
    };
    let target = root.join(target);
    if !target.exists() {
        return Some(format!("`{link}` leads nowhere; name a file of this repository, relative to this one"));
    }
    if anchor.is_empty() || target.extension().is_none_or(|extension| extension != "md") {
        return None;
    }
    heading_problem(&fs::read_to_string(target).unwrap_or_default(), link, anchor)
}

fn heading_problem(text: &str, link: &str, anchor: &str) -> Option<String> {
    let there = anchors(text).iter().any(|heading| heading == anchor);
    (!there).then(|| format!("`{link}` names a heading that is not there"))
}

/// The path that `link` means when it stands in the file `from`; none when it climbs above the root.
fn resolve(from: &Path, link: &str) -> Option<PathBuf> {
    let mut path = from.parent()?.to_path_buf();
    for part in Path::new(link).components() {
        match part {
            Component::ParentDir => path.pop().then_some(())?,
            Component::Normal(name) => path.push(name),
            Component::CurDir => {}
            Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    Some(path)
}

/// The anchors of a file's headings, made as code forges make them.
fn anchors(text: &str) -> Vec<String> {
    let mut anchors = Vec::new();
    let mut heading: Option<String> = None;
    for event in Parser::new(text) {
        match event {
            Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
            Event::Text(words) | Event::Code(words) => {
                if let Some(heading) = &mut heading {
                    heading.push_str(&words);
                }
            }
            Event::End(TagEnd::Heading(_)) => anchors.extend(heading.take().map(|heading| anchor(&heading))),
            _ => {}
        }
    }
    anchors
}

fn anchor(heading: &str) -> String {
    let kept = heading.to_lowercase().replace(' ', "-");
    kept.chars().filter(|letter| letter.is_alphanumeric() || matches!(letter, '-' | '_')).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<String> {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("docs/adr")).unwrap();
        fs::write(root.path().join("README.md"), "# Kubemate\n\n## Start `here`\n").unwrap();
        fs::write(root.path().join("docs/adr/0001-one.md"), "# One").unwrap();
        check(root.path(), Path::new("docs/A.md"), text).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn links_that_lead_somewhere_are_fine() {
        let text = "# A b\n[x](adr/0001-one.md) [y](../README.md#start-here) [z](#a-b) [w](https://example.org/x)";
        assert_eq!(found(text), [""; 0]);
    }

    #[test]
    fn a_missing_file_heading_or_root_is_found_with_its_line() {
        let found = found("# A\n\n[x](adr/0002-two.md)\n\n[y](../README.md#end)\n\n[z](../../etc/passwd)\n\n[v](#b)");
        let starts: Vec<&str> = found.iter().map(|line| line.split_once(": ").unwrap().0).collect();
        assert_eq!(starts, ["docs/A.md:3", "docs/A.md:5", "docs/A.md:7", "docs/A.md:9"], "{found:?}");
    }

    #[test]
    fn code_is_not_a_link() {
        assert_eq!(found("`[x](nowhere.md)`\n\n```\n[x](nowhere.md)\n```"), [""; 0]);
    }
}
