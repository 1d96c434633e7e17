//! Lines back into running text: where a line end is a space, where it is nothing, where a hyphen was added.

/// Characters that Chinese and Japanese set without spaces: ideographs, kana, their punctuation, full-width forms.
pub(crate) fn is_wide(c: char) -> bool {
    matches!(c, '\u{2e80}'..='\u{303f}' | '\u{3040}'..='\u{30ff}' | '\u{3100}'..='\u{312f}' | '\u{31a0}'..='\u{9fff}'
        | '\u{f900}'..='\u{faff}' | '\u{fe30}'..='\u{fe4f}' | '\u{ff00}'..='\u{ff60}' | '\u{ffe0}'..='\u{ffe6}'
        | '\u{20000}'..='\u{3ffff}')
}

/// Punctuation of Chinese text, after and before which no space is set.
fn is_wide_mark(c: char) -> bool {
    matches!(c, '\u{3000}'..='\u{303f}' | '\u{ff01}'..='\u{ff0f}' | '\u{ff1a}'..='\u{ff20}' | '\u{ff3b}'..='\u{ff40}'
        | '\u{ff5b}'..='\u{ff65}')
}

/// Columns a line takes on a fixed grid: wide characters take two.
pub(crate) fn columns(line: &str) -> usize {
    line.chars().map(|c| 1 + usize::from(is_wide(c))).sum()
}

/// Whether two pieces that meet here are set without a space between them.
pub(crate) fn meets_closely(left: char, right: char) -> bool {
    is_wide(left) && is_wide(right) || is_wide_mark(left) || is_wide_mark(right)
}

/// What to do with a hyphen at a line end.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hyphen {
    /// It was typed: leave it, without a space after it.
    Keep,
    /// It was added by typesetting: take it out.
    Mend,
}

/// Appends the next line of a paragraph.
pub(crate) fn push_line(out: &mut String, line: &str, hyphen: Hyphen) {
    let line = line.trim();
    let (Some(left), Some(right)) = (out.chars().next_back(), line.chars().next()) else {
        out.push_str(line);
        return;
    };
    let hyphenated = matches!(left, '-' | '\u{2010}' | '\u{ad}') && right.is_alphanumeric();
    if hyphenated && out.chars().rev().nth(1).is_some_and(char::is_alphanumeric) {
        if hyphen == Hyphen::Mend {
            out.pop();
        }
        out.push_str(line);
        return;
    }
    if !meets_closely(left, right) && !left.is_whitespace() {
        out.push(' ');
    }
    out.push_str(line);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(lines: &[&str]) -> String {
        lines.iter().fold(String::new(), |mut out, line| {
            push_line(&mut out, line, Hyphen::Mend);
            out
        })
    }

    #[test]
    fn lines_are_joined_as_their_script_asks() {
        assert_eq!(joined(&["the config-", "uration of - ", "a host"]), "the configuration of - a host");
        let mut kept = "on 32-".to_owned();
        push_line(&mut kept, "bit machines", Hyphen::Keep);
        assert_eq!(kept, "on 32-bit machines");
        assert_eq!(joined(&["本合同自双方", "签字之日起，", "Debian 生效"]), "本合同自双方签字之日起，Debian 生效");
        assert_eq!(joined(&["使用", "Debian"]), "使用 Debian");
    }
}
