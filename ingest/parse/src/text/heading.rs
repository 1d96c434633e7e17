//! Headings in plain text, guessed sparingly: a wrong heading misleads every chunk below it.

/// Longest heading, in characters; longer lines are sentences.
const LONGEST: usize = 60;

/// Level of a line underlined with `=` or `-`, as reStructuredText and README files do.
pub(super) fn underlined(line: &str, next: &str) -> Option<usize> {
    let rule = next.trim_end();
    let (first, length) = (rule.chars().next()?, rule.chars().count());
    let fits = length >= 3 && length + 2 >= line.trim_end().chars().count() && line.chars().count() <= LONGEST;
    if !fits || !rule.chars().all(|c| c == first) || line.trim_start().starts_with(['=', '-']) {
        return None;
    }
    match first {
        '=' => Some(1),
        '-' | '~' => Some(2),
        _ => None,
    }
}

/// Level of a line that reads like a heading. `next` is the line after it.
pub(super) fn guess(line: &str, next: &str, after_blank: bool) -> Option<usize> {
    let text = line.trim();
    if text.is_empty() || text.chars().count() > LONGEST || ends_like_prose(text) {
        return None;
    }
    let alone = after_blank && next.trim().is_empty();
    chapter(text)
        .or_else(|| alone.then(|| numbered_level(text)).flatten())
        .or_else(|| (after_blank && (alone || next.starts_with([' ', '\t'])) && is_capitals(line)).then_some(1))
}

fn ends_like_prose(text: &str) -> bool {
    text.ends_with(['.', ',', ';', ':', '。', '，', '；', '：', '、', '…', '！', '!'])
}

/// `第三章 违约责任`, `Chapter 3`, `Appendix B: Tables`.
fn chapter(text: &str) -> Option<usize> {
    if let Some(rest) = text.strip_prefix('第') {
        let after = rest.trim_start_matches(|c: char| NUMERALS.contains(c) || c.is_ascii_digit() || c == ' ');
        let unit = after.chars().next().filter(|_| after.len() < rest.len())?;
        let title = after.strip_prefix(unit)?;
        let separated = title.is_empty() || title.starts_with([' ', '\u{3000}', '\t', '：', ':', '、', '-', '—']);
        let short = title.chars().count() <= 20;
        return match unit {
            '篇' | '编' | '卷' | '部' if separated => Some(1),
            '章' | '回' if separated || short => Some(1),
            '节' if separated || short => Some(2),
            _ => None,
        };
    }
    let (word, rest) = text.split_once(' ')?;
    let number = rest.split([' ', ':', '.', '-']).next()?;
    let counted = number.len() <= 5 && number.chars().all(|c| c.is_ascii_digit() || "IVXLCABDEF".contains(c));
    let named = ["chapter", "part", "appendix", "section"].iter().position(|w| word.eq_ignore_ascii_case(w))?;
    (counted && !number.is_empty()).then_some(if named == 3 { 2 } else { 1 })
}

/// The numerals of Chinese counting.
const NUMERALS: &str = "零〇一二三四五六七八九十百千两";

/// Level by the number in front: `2.3 Storage` is 2, `三、付款` is 2, `（一）范围` is 3.
fn numbered_level(text: &str) -> Option<usize> {
    let numeral = |c: char| NUMERALS.contains(c);
    if let Some(rest) = text.strip_prefix(['（', '(']) {
        let after = rest.trim_start_matches(numeral);
        return (after.len() < rest.len() && after.starts_with(['）', ')'])).then_some(3);
    }
    let after = text.trim_start_matches(numeral);
    if after.len() < text.len() {
        return after.starts_with('、').then_some(2);
    }
    let number_end = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (number, title) = text.split_at(number_end);
    let parts = number.trim_end_matches('.').split('.');
    let well_formed = number.chars().next()?.is_ascii_digit() && parts.clone().all(|p| (1..=3).contains(&p.len()));
    let title = title.strip_prefix('、').unwrap_or(title);
    let starts = title.trim_start().chars().next().is_some_and(|c| c.is_uppercase() || crate::reflow::is_wide(c));
    let dotted = number.contains('.');
    (well_formed && dotted && starts).then(|| parts.count())
}

/// A manual page's `SYNOPSIS`: flush left, up to five words, capitals only.
fn is_capitals(line: &str) -> bool {
    let letters = line.chars().filter(|c| c.is_alphabetic()).count();
    line.starts_with(|c: char| c.is_ascii_uppercase())
        && letters >= 4
        && line.split_whitespace().count() <= 5
        && line.chars().all(|c| c.is_ascii_uppercase() || " -/&".contains(c))
}
