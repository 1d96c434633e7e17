//! Finding `[n]` in a stream of text, wherever the stream is cut.

/// What comes out of the filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    /// Text to show.
    Text(String),
    /// A mark to show as `[n]`.
    Mark(usize),
}

/// Longest inside of a mark in characters, enough for `1, 2, 3, 4, 5, 6`. Longer ones are text.
const LONGEST: usize = 24;
/// Digits of a passage number. A number of four digits in brackets is a year or a code, not a mark.
const MOST_DIGITS: usize = 3;

/// Tells marks from text. What may become a mark, and the spaces in front of it, is held back until it is clear.
#[derive(Debug, Default)]
pub(super) struct MarkFilter {
    offered: Vec<usize>,
    /// Spaces whose fate depends on what follows.
    spaces: String,
    /// An open bracket and what followed it.
    open: Option<String>,
    /// Whether a mark was just taken out.
    dropped: bool,
    code: Code,
    /// Whether nothing of this line was emitted yet.
    line_start: bool,
    ready: Vec<Token>,
}

/// Whether the text is code, where brackets are no marks.
#[derive(Debug, Default)]
struct Code {
    ticks: usize,
    fenced: bool,
    inline: bool,
}

impl Code {
    fn see(&mut self, letter: char) {
        if letter == '`' {
            self.ticks += 1;
            return;
        }
        match std::mem::take(&mut self.ticks) {
            0 => {}
            1 | 2 if !self.fenced => self.inline = !self.inline,
            1 | 2 => {}
            _ => self.fenced = !self.fenced,
        }
        self.inline &= letter != '\n';
    }

    fn is_open(&self) -> bool {
        self.fenced || self.inline
    }
}

impl MarkFilter {
    pub(super) fn new(offered: Vec<usize>) -> Self {
        Self { offered, line_start: true, ..Self::default() }
    }

    /// Takes the next part of the stream, gives what is clear by now.
    pub(super) fn push(&mut self, delta: &str) -> Vec<Token> {
        delta.chars().for_each(|letter| self.take(letter));
        std::mem::take(&mut self.ready)
    }

    /// Gives the rest. A mark that the end of the stream cut off is taken out.
    pub(super) fn finish(&mut self) -> Vec<Token> {
        if let Some(open) = self.open.take() {
            match open.chars().any(|letter| digit(letter).is_some()) {
                true => self.spaces.clear(),
                false => self.text(&open),
            }
        }
        let spaces = std::mem::take(&mut self.spaces);
        if !self.dropped {
            self.show(&spaces);
        }
        std::mem::take(&mut self.ready)
    }

    fn take(&mut self, letter: char) {
        if let Some(mut open) = self.open.take() {
            open.push(letter);
            if is_inside(letter) && open.chars().count() <= LONGEST {
                self.open = Some(open);
                return;
            }
            match numbers(&open) {
                Some(numbers) => self.mark(&numbers),
                None => self.give_up(&open),
            }
            return;
        }
        self.code.see(letter);
        match letter {
            '[' | '【' | '［' if !self.code.is_open() => self.open = Some(letter.to_string()),
            ' ' if self.dropped => self.spaces = if self.line_start { String::new() } else { " ".to_owned() },
            ' ' => self.spaces.push(letter),
            _ => self.text(letter.encode_utf8(&mut [0; 4])),
        }
    }

    /// What looked like a mark is text; its last letter may open another one.
    fn give_up(&mut self, open: &str) {
        let last = open.chars().next_back().map_or(0, char::len_utf8);
        let (head, tail) = open.split_at(open.len() - last);
        self.text(head);
        if is_close(tail) {
            self.text(tail);
        } else {
            tail.chars().for_each(|letter| self.take(letter));
        }
    }

    fn mark(&mut self, numbers: &[usize]) {
        let kept: Vec<usize> = numbers.iter().copied().filter(|number| self.offered.contains(number)).collect();
        if kept.is_empty() {
            self.dropped = true;
            return;
        }
        let spaces = std::mem::take(&mut self.spaces);
        self.show(&spaces);
        self.dropped = false;
        self.line_start = false;
        self.ready.extend(kept.into_iter().map(Token::Mark));
    }

    /// Emits text, and the spaces held in front of it unless they belonged to a mark that was taken out.
    fn text(&mut self, text: &str) {
        let spaces = std::mem::take(&mut self.spaces);
        let closes =
            text.starts_with(|letter: char| letter.is_ascii_punctuation() || letter == '\n' || is_full_stop(letter));
        if !(self.dropped && closes && !text.starts_with('[')) {
            self.show(&spaces);
        }
        self.dropped = false;
        self.show(text);
    }

    fn show(&mut self, text: &str) {
        if text.is_empty() {
            return;
        }
        self.line_start = text.ends_with('\n');
        match self.ready.last_mut() {
            Some(Token::Text(shown)) => shown.push_str(text),
            _ => self.ready.push(Token::Text(text.to_owned())),
        }
    }
}

fn is_full_stop(letter: char) -> bool {
    matches!(letter, '。' | '，' | '；' | '！' | '？' | '：' | '、' | '…')
}

fn is_inside(letter: char) -> bool {
    digit(letter).is_some() || is_separator(letter)
}

fn is_separator(letter: char) -> bool {
    matches!(letter, ',' | '，' | '、' | ';' | ' ' | '-' | '–' | '^')
}

fn is_close(text: &str) -> bool {
    matches!(text, "]" | "】" | "］")
}

fn digit(letter: char) -> Option<u32> {
    let full_width = u32::from(letter).checked_sub(u32::from('０')).filter(|value| *value < 10);
    letter.to_digit(10).or(full_width)
}

/// The passage numbers in `[1]`, `[1, 3]`, `[2-4]`, `【1】`; `None` for anything else.
fn numbers(mark: &str) -> Option<Vec<usize>> {
    let inside = mark.strip_suffix([']', '】', '］'])?.trim_start_matches(['[', '【', '［', '^']);
    let mut found: Vec<usize> = Vec::new();
    for part in inside.split([',', '，', '、', ';', ' ']).filter(|part| !part.is_empty()) {
        let (from, to) = part.split_once(['-', '–']).unwrap_or((part, part));
        let (from, to) = (number(from)?, number(to)?);
        let range = from..=to.min(from.saturating_add(9));
        found.extend(range.filter(|number| !found.contains(number)).collect::<Vec<_>>());
    }
    Some(found).filter(|found| !found.is_empty())
}

fn number(text: &str) -> Option<usize> {
    let digits: Vec<u32> = text.chars().map(digit).collect::<Option<_>>()?;
    let fits = (1..=MOST_DIGITS).contains(&digits.len());
    fits.then(|| digits.iter().fold(0, |sum, digit| sum * 10 + *digit as usize))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shown(tokens: &[Token]) -> String {
        let token = |token: &Token| match token {
            Token::Text(text) => text.clone(),
            Token::Mark(number) => format!("[{number}]"),
        };
        tokens.iter().map(token).collect()
    }

    fn filtered(text: &str) -> String {
        let mut filter = MarkFilter::new(vec![1, 2, 3]);
        let mut tokens = filter.push(text);
        tokens.extend(filter.finish());
        shown(&tokens)
    }

    #[test]
    fn offered_marks_stay_and_others_leave_no_gap() {
        for (text, expected) in [
            ("Paid leave is 15 days [1].", "Paid leave is 15 days [1]."),
            ("Paid leave [9] is 15 days [7].", "Paid leave is 15 days."),
            ("[9] Start. End[4]", "Start. End"),
            ("both [1][2], and [1, 9] or [2-3]", "both [1][2], and [1] or [2][3]"),
            ("年假十五天【1】。病假［２］，事假【8】。", "年假十五天[1]。病假[2]，事假。"),
            ("in [2024] and [a] and [] and [x[1]", "in [2024] and [a] and [] and [x[1]"),
            ("`a[0]` and\n```\nb[7]\n``` c[7]", "`a[0]` and\n```\nb[7]\n``` c"),
            ("cut off [1", "cut off"),
            ("a[9]b", "ab"),
            ("two  spaces", "two  spaces"),
        ] {
            assert_eq!(filtered(text), expected, "{text}");
        }
    }

    #[test]
    fn a_mark_is_held_back_until_it_is_whole() {
        let mut filter = MarkFilter::new(vec![1]);
        assert_eq!(shown(&filter.push("yes [")), "yes");
        assert_eq!(shown(&filter.push("1")), "");
        assert_eq!(shown(&filter.push("].")), " [1].");
    }

    proptest! {
        #[test]
        fn where_the_stream_is_cut_makes_no_difference(text in "[ab \\[\\]【】0-9,.\\n`。-]{0,60}", cuts in prop::collection::vec(0usize..60, 0..6)) {
            let mut filter = MarkFilter::new(vec![1, 2, 3]);
            let mut tokens = Vec::new();
            let mut at = 0;
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| text.floor_char_boundary(cut)).collect();
            cuts.sort_unstable();
            for cut in cuts.into_iter().chain([text.len()]) {
                tokens.extend(filter.push(&text[at..cut]));
                at = cut;
            }
            tokens.extend(filter.finish());
            prop_assert_eq!(shown(&tokens), filtered(&text));
        }
    }
}
