//! Running headers and footers: shown once, so that they break no paragraph and repeat in no search.

use std::collections::HashMap;

use super::order::Line;

/// Lines from the top and from the bottom of a page that may be running.
const EDGE_LINES: usize = 3;

/// Height of the bands at the top and the bottom, as a share of the page.
const BAND: f64 = 0.13;

/// Pages a line must stand on, at the same height, to be running.
const FEWEST: usize = 3;

/// A page with its lines.
#[derive(Debug)]
pub(super) struct PageLines {
    pub(super) lines: Vec<Line>,
    pub(super) height: f64,
}

/// A running line's words without their numbers, and its height in steps of four points.
type Key = (String, i64);

/// Takes running lines and page numbers out. The first of each kind stays, at the top of its page.
pub(super) fn remove(pages: &mut [PageLines]) {
    let seen = count(pages);
    let fewest = FEWEST.min(pages.len().max(2));
    let mut shown: HashMap<String, ()> = HashMap::new();
    for page in pages {
        let edges = edges(page);
        let mut kept = Vec::new();
        let mut first = Vec::new();
        for (index, line) in std::mem::take(&mut page.lines).into_iter().enumerate() {
            let edge = edges.contains(&index);
            if edge && is_page_number(&line.piece.text) {
                continue;
            }
            let running =
                edge && near_keys(&line).any(|key| seen.get(&key).is_some_and(|seen| seen.is_running(fewest)));
            if !running {
                kept.push(line);
            } else if shown.insert(words(&line.piece.text), ()).is_none() {
                first.push(line);
            }
        }
        for line in &mut first {
            line.ends_column = true;
        }
        first.append(&mut kept);
        page.lines = first;
    }
}

/// On how many pages a line stands, and from which to which.
#[derive(Debug)]
struct Seen {
    pages: usize,
    first: usize,
    last: usize,
}

impl Seen {
    /// Left and right pages have headers of their own and a chapter begins without one: every third page is enough. The
    /// head of a table that goes on over some pages comes more rarely.
    fn is_running(&self, fewest: usize) -> bool {
        self.pages >= fewest && self.pages * 3 > self.last - self.first
    }
}

fn count(pages: &[PageLines]) -> HashMap<Key, Seen> {
    let mut seen: HashMap<Key, Seen> = HashMap::new();
    for (number, page) in pages.iter().enumerate() {
        for index in edges(page) {
            for key in page.lines.get(index).into_iter().flat_map(near_keys) {
                let seen = seen.entry(key).or_insert(Seen { pages: 0, first: number, last: number });
                seen.pages += usize::from(seen.pages == 0 || seen.last != number);
                seen.last = number;
            }
        }
    }
    seen
}

/// Places in `lines` of those within the bands.
fn edges(page: &PageLines) -> Vec<usize> {
    let mut by_height: Vec<usize> = (0..page.lines.len()).collect();
    let y = |index: &usize| page.lines.get(*index).map_or(0.0, |line| line.piece.y);
    by_height.sort_by(|a, b| y(a).total_cmp(&y(b)));
    let top = by_height.iter().take(EDGE_LINES).filter(|index| y(index) < page.height * BAND);
    let bottom = by_height.iter().rev().take(EDGE_LINES).filter(|index| y(index) > page.height * (1.0 - BAND));
    let mut edges: Vec<usize> = top.chain(bottom).copied().collect();
    edges.sort_unstable();
    edges.dedup();
    edges
}

/// The line's key, at both of the heights it is nearest to: rounding must not part equal lines.
fn near_keys(line: &Line) -> impl Iterator<Item = Key> {
    let steps = line.piece.y / 4.0;
    let (below, above) = (steps.floor() as i64, steps.ceil() as i64);
    let text = words(&line.piece.text);
    let second = (above != below).then(|| (text.clone(), above));
    std::iter::once((text, below)).chain(second)
}

fn words(text: &str) -> String {
    text.chars().filter(|c| !c.is_numeric() && !c.is_whitespace()).collect()
}

/// `12`, `- 12 -`, `xii`, `Page 3 of 10`, `第 3 页 共 10 页`, `3 / 10`.
fn is_page_number(text: &str) -> bool {
    let bare: String = text.to_lowercase().chars().filter(|c| !c.is_whitespace()).collect();
    let bare = bare.trim_matches(|c: char| "-–—·.|[]()".contains(c));
    if bare.is_empty() || bare.chars().count() > 16 {
        return false;
    }
    if !bare.contains(|c: char| c.is_ascii_digit()) {
        return is_roman(bare);
    }
    let mut rest = bare.to_owned();
    for word in ["page", "of", "第", "页", "頁", "共", "/", "，", ","] {
        rest = rest.replace(word, "");
    }
    rest.len() <= 8 && rest.chars().all(|c| c.is_ascii_digit())
}

/// Roman numerals up to 399, as front matter is numbered.
fn is_roman(text: &str) -> bool {
    const TENS: [&str; 10] = ["xc", "lxxx", "lxx", "lx", "l", "xl", "xxx", "xx", "x", ""];
    const ONES: [&str; 10] = ["", "i", "ii", "iii", "iv", "v", "vi", "vii", "viii", "ix"];
    let rest = text.trim_start_matches('c');
    let ones = TENS.iter().find_map(|tens| rest.strip_prefix(tens)).unwrap_or(rest);
    text.len() - rest.len() <= 3 && ONES.contains(&ones)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn page_numbers_are_known() {
        for text in ["12", "- 12 -", "xii", "Page 3 of 10", "第 3 页 共 10 页", "3 / 10"] {
            assert!(is_page_number(text), "{text}");
        }
        for text in ["Chapter 3", "civil", "2026 年 3 月 2 日", "Total 12"] {
            assert!(!is_page_number(text), "{text}");
        }
    }
}
