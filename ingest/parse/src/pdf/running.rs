//! Running headers and footers: shown once, so that they break no paragraph and repeat in no search.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

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

/// A running line's words, its page number left out, and its height in steps of four points.
type Key = (String, i64);

/// Takes running lines and page numbers out. The first of each kind stays, at the top of its page.
pub(super) fn remove(pages: &mut [PageLines]) {
    let numbers = PageNumbers::of(pages);
    let seen = count(pages, &numbers);
    let fewest = FEWEST.min(pages.len().max(2));
    let mut shown: HashSet<String> = HashSet::new();
    for (number, page) in pages.iter_mut().enumerate() {
        let edges = edges(page);
        let mut kept = Vec::new();
        let mut first = Vec::new();
        for (index, line) in std::mem::take(&mut page.lines).into_iter().enumerate() {
            let edge = edges.contains(&index);
            if edge && numbers.is_only_number(&line.piece.text, number) {
                continue;
            }
            let (words, numbered) = numbers.words(&line.piece.text, number);
            // Larger type with a number that counts pages is a heading: `Chapter 3` on the third page.
            let running = edge
                && !(numbered && line.piece.size > numbers.body * 1.1)
                && heights(&line).any(|at| seen.get(&(words.clone(), at)).is_some_and(|seen| seen.is_running(fewest)));
            if !running {
                kept.push(line);
            } else if shown.insert(words) {
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

/// How the pages of a document are numbered, as its own edges show.
#[derive(Debug)]
struct PageNumbers {
    /// What is to be added to a page's place to get its number; front matter has numbers of its own.
    offsets: HashSet<i64>,
    pages: usize,
    /// Size of most of the type.
    body: f64,
}

impl PageNumbers {
    fn of(pages: &[PageLines]) -> Self {
        let mut seen: HashMap<i64, usize> = HashMap::new();
        let mut sizes: HashMap<i64, usize> = HashMap::new();
        for (place, page) in pages.iter().enumerate() {
            let edges = edges(page).into_iter().filter_map(|index| page.lines.get(index));
            let numbers = edges.flat_map(|line| numbers(&line.piece.text).map(|(_, number)| number - place as i64));
            let offsets: HashSet<i64> = numbers.collect();
            offsets.into_iter().for_each(|offset| *seen.entry(offset).or_default() += 1);
            for line in &page.lines {
                *sizes.entry((line.piece.size * 2.0).round() as i64).or_default() += line.piece.chars();
            }
        }
        // Case numbers count up from page to page as well, but from somewhere else.
        let near = (pages.len() as i64).max(2);
        let offsets =
            seen.into_iter().filter(|(offset, pages)| *pages > 1 && offset.abs() <= near).map(|(offset, _)| offset);
        let body =
            sizes.into_iter().max_by_key(|(size, chars)| (*chars, *size)).map_or(10.0, |(size, _)| size as f64 / 2.0);
        // The page's own place is its number even where only one page shows it.
        Self { offsets: offsets.chain([1]).collect(), pages: pages.len(), body }
    }

    fn counts(&self, number: i64, place: usize) -> bool {
        self.offsets.contains(&(number - place as i64))
    }

    /// Whether a line at the edge of the page at `place` is its number: a figure that stands at the foot of a page may
    /// also be the last of a table.
    fn is_only_number(&self, text: &str, place: usize) -> bool {
        if !is_page_number(text) {
            return false;
        }
        let labelled = text.chars().any(|c| c.is_alphabetic() && !"ivxlcIVXLC".contains(c));
        match numbers(text).next() {
            Some((_, number)) => labelled || self.counts(number, place),
            None => self.pages > 2,
        }
    }

    /// A line's words without its page number, and whether there was one.
    fn words(&self, text: &str, place: usize) -> (String, bool) {
        let mut words = String::with_capacity(text.len());
        let mut from = 0;
        for (range, number) in numbers(text) {
            if self.counts(number, place) {
                words.push_str(text.get(from..range.start).unwrap_or_default());
                from = range.end;
            }
        }
        words.push_str(text.get(from..).unwrap_or_default());
        words.retain(|c| !c.is_whitespace());
        (words, from > 0)
    }
}

/// The numbers in a text, of at most six digits, with their places.
fn numbers(text: &str) -> impl Iterator<Item = (Range<usize>, i64)> + '_ {
    let mut from = 0;
    std::iter::from_fn(move || {
        loop {
            let rest = text.get(from..)?;
            let start = from + rest.find(|c: char| c.is_ascii_digit())?;
            let digits = text.get(start..)?;
            let length = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
            from = start + length;
            if length <= 6 {
                return Some((start..from, text.get(start..from)?.parse().ok()?));
            }
        }
    })
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

fn count(pages: &[PageLines], numbers: &PageNumbers) -> HashMap<Key, Seen> {
    let mut seen: HashMap<Key, Seen> = HashMap::new();
    for (number, page) in pages.iter().enumerate() {
        for line in edges(page).into_iter().filter_map(|index| page.lines.get(index)) {
            let (words, _) = numbers.words(&line.piece.text, number);
            for at in heights(line) {
                let seen = seen.entry((words.clone(), at)).or_insert(Seen { pages: 0, first: number, last: number });
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

/// Both of the steps that a line's height is nearest to: rounding must not part equal lines.
fn heights(line: &Line) -> impl Iterator<Item = i64> + use<> {
    let steps = line.piece.y / 4.0;
    let (below, above) = (steps.floor() as i64, steps.ceil() as i64);
    std::iter::once(below).chain((above != below).then_some(above))
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
