//! Dot leaders: the rows of dots that lead from a title to its page in a table of contents.

/// Dots in a row that are no punctuation any more.
const FEWEST: usize = 5;
/// Longest title of an entry, in characters; what is longer is text with a form's dotted line in it.
const LONGEST_ENTRY: usize = 120;
/// Longest page number of an entry: `xxxviii`.
const LONGEST_NUMBER: usize = 7;

/// A text whose leaders are one `…` each.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Closed {
    pub(super) text: String,
    /// Whether it is nothing but entries, each a title and a page.
    pub(super) is_contents: bool,
}

/// Draws leaders together; they are hundreds of characters that say nothing.
pub(super) fn close(text: &str) -> Closed {
    let mut out = String::with_capacity(text.len());
    let (mut rest, mut entries, mut others) = (text, 0, 0);
    while let Some(start) = rest.find(is_dot) {
        let (before, from) = rest.split_at(start);
        let run = from.find(|c: char| !is_dot(c) && c != ' ').unwrap_or(from.len());
        let (dots, after) = from.split_at(run);
        out.push_str(before);
        rest = after;
        if dots.chars().map(weight).sum::<usize>() < FEWEST {
            out.push_str(dots);
            continue;
        }
        out.truncate(out.trim_end().len());
        out.push_str(" … ");
        if names_a_page(after) { entries += 1 } else { others += 1 }
    }
    out.push_str(rest);
    let is_contents = entries > 0 && others == 0 && out.chars().count() / entries <= LONGEST_ENTRY;
    Closed { text: out, is_contents }
}

fn is_dot(c: char) -> bool {
    weight(c) > 0
}

fn weight(c: char) -> usize {
    match c {
        '.' | '．' | '·' | '・' | '․' => 1,
        '‥' => 2,
        '…' | '⋯' => 3,
        _ => 0,
    }
}

/// `128`, `xiv` or `A-3`, and then no more of the word.
fn names_a_page(text: &str) -> bool {
    let word = text.split_whitespace().next().unwrap_or_default();
    let roman = |c: char| "ivxlcIVXLC".contains(c);
    let number = word.ends_with(|c: char| c.is_ascii_digit()) || (!word.is_empty() && word.chars().all(roman));
    number && word.chars().count() <= LONGEST_NUMBER
}

#[cfg(test)]
mod tests {
    use super::*;

    fn closed(text: &str, is_contents: bool) -> Closed {
        Closed { text: text.to_owned(), is_contents }
    }

    #[test]
    fn entries_keep_their_titles_and_pages() {
        assert_eq!(close("9.2 screen ........ 128"), closed("9.2 screen … 128", true));
        assert_eq!(close("前言 . . . . . . xii 第一章……………… 3"), closed("前言 … xii 第一章 … 3", true));
    }

    #[test]
    fn text_with_dots_stays_text() {
        assert_eq!(close("Wait... see 3.14 and 1.2.3.4."), closed("Wait... see 3.14 and 1.2.3.4.", false));
        assert_eq!(close("Name: .............. Date: .........."), closed("Name: … Date: … ", false));
    }
}
