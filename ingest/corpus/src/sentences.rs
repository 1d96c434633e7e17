//! Where sentences end, in Chinese and in English.

use std::ops::Range;

use crate::script::is_cjk;

/// Words whose period ends no sentence even before a capital letter. Those that stand before small letters only
/// ("etc.", "approx.") need no entry: a small letter never begins a sentence here.
const ABBREVIATIONS: [&str; 44] = [
    "mr", "mrs", "ms", "dr", "prof", "st", "vs", "fig", "figs", "vol", "pp", "p", "ch", "sec", "eq", "ref", "gen",
    "col", "lt", "capt", "sgt", "rev", "hon", "pres", "gov", "sen", "rep", "mt", "al", "cf", "jan", "feb", "mar",
    "apr", "jun", "jul", "aug", "sep", "sept", "oct", "nov", "dec", "art", "no",
];

/// How far a decision looks around, in bytes: longer runs of marks or spaces are noise, and looking further at each
/// of them would make hostile texts quadratic.
const NEAR: usize = 128;

/// What a line break means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lines {
    /// A line may end anywhere: text from pages. Only an empty line ends a sentence.
    Wrapped,
    /// A line ends a sentence: code, lists, a chat model's answer.
    Whole,
}

/// Byte ranges of the sentences of `text`, ascending, without the white space around them.
///
/// Chinese sentences end with 。！？； or an ellipsis, English ones with . ! ? before white space and no small letter;
/// closing quotes and brackets belong to the sentence before them. Whatever follows the last end is a sentence too.
pub(crate) fn sentences(text: &str, lines: Lines) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut start = 0;
    let mut at = 0;
    while let Some(letter) = text.get(at..).and_then(|rest| rest.chars().next()) {
        let next = at + letter.len_utf8();
        match end_after(text, start..at, letter, lines) {
            Some(end) => {
                push_trimmed(&mut found, text, start..end);
                start = end;
                at = end;
            }
            None => at = next,
        }
    }
    push_trimmed(&mut found, text, start..text.len());
    found
}

/// Cuts the white space off both ends of a range of `text`.
pub(crate) fn trimmed(text: &str, range: Range<usize>) -> Range<usize> {
    let Some(part) = text.get(range.clone()) else { return range.start..range.start };
    let start = range.start + (part.len() - part.trim_start().len());
    start..(start + part.trim().len())
}

/// Whether the text ends as a whole sentence does.
pub(crate) fn is_finished(text: &str) -> bool {
    let last = text.trim_end().trim_end_matches(is_closer).chars().next_back();
    last.is_some_and(|letter| is_chinese_end(letter) || matches!(letter, '.' | '!' | '?' | '…' | ':' | '：'))
}

fn push_trimmed(found: &mut Vec<Range<usize>>, text: &str, range: Range<usize>) {
    let range = trimmed(text, range);
    if !range.is_empty() {
        found.push(range);
    }
}

/// The end of the sentence that began at `before.start`, when `letter`, which stands at `before.end`, ends it.
fn end_after(text: &str, before: Range<usize>, letter: char, lines: Lines) -> Option<usize> {
    let at = before.end;
    match letter {
        '\n' => ends_line(text, at, lines).then_some(at + 1),
        '…' => Some(after_closers(text, at)).filter(|end| ellipsis_ends(text, &before, *end)),
        '.' | '!' | '?' => Some(after_closers(text, at)).filter(|end| english_ends(text, &before, *end)),
        _ if is_chinese_end(letter) => Some(after_closers(text, at)),
        _ => None,
    }
}

fn ends_line(text: &str, at: usize, lines: Lines) -> bool {
    let rest = near(text, at + 1);
    lines == Lines::Whole || rest.trim_start_matches([' ', '\t', '\r']).starts_with('\n')
}

/// The position behind the ends at `at` and the closing quotes and brackets that belong to them.
fn after_closers(text: &str, at: usize) -> usize {
    let rest = near(text, at);
    let is_end = |letter: char| is_chinese_end(letter) || matches!(letter, '.' | '!' | '?' | '…');
    let ends = rest.trim_start_matches(is_end);
    let closed = ends.trim_start_matches(is_closer);
    at + rest.len() - closed.len()
}

/// The next few bytes from `at`, on character borders.
fn near(text: &str, at: usize) -> &str {
    text.get(at..text.floor_char_boundary(at.saturating_add(NEAR))).unwrap_or_default()
}

fn is_chinese_end(letter: char) -> bool {
    matches!(letter, '。' | '！' | '？' | '；' | '｡')
}

fn is_closer(letter: char) -> bool {
    matches!(letter, '”' | '’' | '」' | '』' | '）' | '】' | '》' | '〉' | '"' | '\'' | ')')
}

fn ellipsis_ends(text: &str, before: &Range<usize>, end: usize) -> bool {
    let previous = text.get(before.clone()).and_then(|part| part.chars().next_back());
    previous.is_some_and(is_cjk) || breaks_before(text, end)
}

fn english_ends(text: &str, before: &Range<usize>, end: usize) -> bool {
    let sentence = text.get(before.clone()).unwrap_or_default();
    let single = text.get(before.end..end) == Some(".");
    breaks_before(text, end) && !(single && period_is_part(sentence, near(text, end)))
}

/// Whether a new sentence may begin at `at`: the end, white space and then no small letter, or Chinese writing.
fn breaks_before(text: &str, at: usize) -> bool {
    let rest = near(text, at);
    let next = rest.trim_start().chars().next();
    let apart = rest.starts_with(char::is_whitespace) || next.is_none_or(is_cjk);
    apart && next.is_none_or(|letter| !letter.is_lowercase())
}

/// Whether a period behind `sentence` belongs to an abbreviation, an initial or the number of a list item.
fn period_is_part(sentence: &str, rest: &str) -> bool {
    let sentence = sentence.get(sentence.ceil_char_boundary(sentence.len().saturating_sub(NEAR))..).unwrap_or_default();
    let word = sentence.rsplit(|letter: char| letter.is_whitespace() || letter == '(').next().unwrap_or_default();
    let alone = word.len() == sentence.trim_start().len();
    let initial = word.chars().count() == 1 && word.chars().all(char::is_uppercase);
    let number = !word.is_empty() && word.chars().all(|letter| letter.is_ascii_digit());
    let dotted = word.contains('.') && word.split('.').all(|part| part.chars().count() <= 1);
    let lower = word.to_ascii_lowercase();
    let short = match lower.as_str() {
        "no" => rest.trim_start().starts_with(|letter: char| letter.is_ascii_digit()),
        word => ABBREVIATIONS.contains(&word),
    };
    initial || dotted || short || (alone && number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cut(text: &str, lines: Lines) -> Vec<&str> {
        sentences(text, lines).into_iter().map(|range| &text[range]).collect()
    }

    #[test]
    fn chinese_sentences_end_with_their_own_marks_and_keep_closing_quotes() {
        let text = "他说：“可以。”然后走了！真的吗？是；不是……后来（见附录。）完";
        let expected = ["他说：“可以。”", "然后走了！", "真的吗？", "是；", "不是……", "后来（见附录。）", "完"];
        assert_eq!(cut(text, Lines::Wrapped), expected);
    }

    #[test]
    fn english_periods_inside_a_sentence_are_left_alone() {
        let text = "Dr. Smith of the U.S. Army paid $3.50, see Fig. 2 and no. 7, e.g. the file a.txt. It works. OK!";
        let expected =
            ["Dr. Smith of the U.S. Army paid $3.50, see Fig. 2 and no. 7, e.g. the file a.txt.", "It works.", "OK!"];
        assert_eq!(cut(text, Lines::Wrapped), expected);
        assert_eq!(cut("Is it? No. \"Yes.\" He said so... maybe. End", Lines::Wrapped).len(), 5);
        assert_eq!(cut("1. First item. Second", Lines::Wrapped), ["1. First item.", "Second"]);
        assert_eq!(cut("In 2024. Then", Lines::Wrapped), ["In 2024.", "Then"]);
    }

    #[test]
    fn mixed_writing_ends_where_either_does() {
        assert_eq!(cut("版本 1.2 已发布。See v1.3. 完成", Lines::Wrapped), ["版本 1.2 已发布。", "See v1.3.", "完成"]);
    }

    #[test]
    fn a_line_break_is_a_border_only_where_lines_are_whole() {
        let text = "one line\nstill the same\n\nnext";
        assert_eq!(cut(text, Lines::Wrapped), ["one line\nstill the same", "next"]);
        assert_eq!(cut(text, Lines::Whole), ["one line", "still the same", "next"]);
    }

    proptest! {
        #[test]
        fn sentences_cover_all_that_is_visible_in_order(text in "[a-zA-Z0-9.!?。！？；…”\"( )\\n中文字]{0,80}") {
            let found = sentences(&text, Lines::Wrapped);
            let joined: String = found.iter().map(|range| &text[range.clone()]).collect();
            let visible = |text: &str| text.chars().filter(|letter| !letter.is_whitespace()).collect::<String>();
            prop_assert_eq!(visible(&joined), visible(&text));
            prop_assert!(found.windows(2).all(|pair| pair[0].end <= pair[1].start));
            prop_assert!(found.iter().all(|range| text[range.clone()].trim() == &text[range.clone()]));
        }
    }
}
