//! Placeholders in place of personal data, and the way back.

use std::collections::HashMap;

use super::personal::{Kind, find};

/// How placeholders begin and end. Plain characters: a model repeats them, and in JSON they need no escape.
const OPEN: &str = "[[";
const CLOSE: &str = "]]";

/// What was masked in one request: the same value has the same placeholder wherever it stands.
#[derive(Clone, Debug, Default)]
pub(crate) struct Mask {
    values: HashMap<String, String>,
    placeholders: HashMap<String, String>,
    numbers: HashMap<Kind, usize>,
    /// Of the longest placeholder, in bytes.
    longest: usize,
}

impl Mask {
    /// `text` with placeholders; `None` when there is nothing to mask. `all` is everything that was said in the request: no
    /// placeholder is taken that somebody wrote there himself.
    pub(super) fn mask(&mut self, text: &str, kinds: &[Kind], all: &[u8]) -> Option<String> {
        let found = find(text, kinds);
        if found.is_empty() {
            return None;
        }
        let mut out = String::with_capacity(text.len());
        let mut from = 0;
        for (range, kind) in found {
            out.push_str(text.get(from..range.start)?);
            out.push_str(&self.placeholder(text.get(range.clone())?, kind, all));
            from = range.end;
        }
        out.push_str(text.get(from..)?);
        Some(out)
    }

    fn placeholder(&mut self, value: &str, kind: Kind, all: &[u8]) -> String {
        if let Some(known) = self.placeholders.get(value) {
            return known.clone();
        }
        let number = self.numbers.entry(kind).or_default();
        let placeholder = loop {
            *number += 1;
            let placeholder = format!("{OPEN}{}_{number}{CLOSE}", kind.name());
            if memchr::memmem::find(all, placeholder.as_bytes()).is_none() {
                break placeholder;
            }
        };
        self.longest = self.longest.max(placeholder.len());
        self.placeholders.insert(value.to_owned(), placeholder.clone());
        self.values.insert(placeholder.clone(), value.to_owned());
        placeholder
    }

    pub(super) fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// `text` with what was masked.
    pub(super) fn restore(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, after)) = rest.split_once(OPEN) {
            let known = after.find(CLOSE).and_then(|end| {
                let placeholder = rest.get(before.len()..before.len() + OPEN.len() + end + CLOSE.len())?;
                Some((placeholder.len(), self.values.get(placeholder)?))
            });
            out.push_str(before);
            match known {
                Some((length, value)) => {
                    out.push_str(value);
                    rest = rest.get(before.len() + length..).unwrap_or_default();
                }
                None => {
                    // One bracket only: of `[[[ID_1]]` the placeholder begins with the second.
                    out.push('[');
                    rest = rest.get(before.len() + 1..).unwrap_or_default();
                }
            }
        }
        out.push_str(rest);
        out
    }

    /// How many of the last bytes could be the beginning of a placeholder.
    fn open(&self, text: &str) -> usize {
        let most = self.longest.saturating_sub(1).min(text.len());
        let begins = |length: &usize| {
            let tail = text.get(text.len() - length..);
            let begins =
                |tail: &str| self.values.keys().any(|known| known.len() > tail.len() && known.starts_with(tail));
            tail.is_some_and(begins)
        };
        (1..=most).rev().find(begins).unwrap_or(0)
    }
}

/// Restores a text that comes in pieces, cut anywhere. Holds back only what could be the beginning of a placeholder.
#[derive(Clone, Debug, Default)]
pub(super) struct Restorer {
    held: String,
}

impl Restorer {
    /// What can be told of the text so far.
    pub(super) fn feed(&mut self, mask: &Mask, piece: &str) -> String {
        self.held.push_str(piece);
        let from = self.held.len() - mask.open(&self.held);
        let pending = self.held.split_off(from);
        let told = mask.restore(&self.held);
        self.held = pending;
        told
    }

    /// What was held back: no more is coming.
    pub(super) fn end(&mut self) -> String {
        std::mem::take(&mut self.held)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn masked(text: &str) -> (Mask, String) {
        let mut mask = Mask::default();
        let out = mask.mask(text, &Kind::ALL, text.as_bytes()).unwrap_or_else(|| text.to_owned());
        (mask, out)
    }

    fn in_pieces(mask: &Mask, text: &str, cuts: &[usize]) -> String {
        let mut restorer = Restorer::default();
        let mut out = String::new();
        let mut from = 0;
        for cut in cuts.iter().copied().filter(|cut| text.is_char_boundary(*cut)).chain([text.len()]) {
            if cut >= from {
                out.push_str(&restorer.feed(mask, &text[from..cut]));
                from = cut;
            }
        }
        out + &restorer.end()
    }

    #[test]
    fn equal_values_have_one_placeholder_and_others_another() {
        let (mask, out) = masked("13800138000, a@b.cn, 13800138000, 13900139000");
        assert_eq!(out, "[[PHONE_1]], [[EMAIL_1]], [[PHONE_1]], [[PHONE_2]]");
        assert_eq!(mask.restore("[[PHONE_2]] [[PHONE_3]] [[[EMAIL_1]]]"), "13900139000 [[PHONE_3]] [a@b.cn]");
    }

    #[test]
    fn a_placeholder_that_somebody_wrote_stays_as_it_is() {
        let text = "say [[PHONE_1]] to 13800138000";
        let (mask, out) = masked(text);
        assert_eq!(out, "say [[PHONE_1]] to [[PHONE_2]]");
        assert_eq!(mask.restore(&out), text);
    }

    #[test]
    fn only_a_beginning_is_held_back() {
        let (mask, _) = masked("13800138000");
        let mut restorer = Restorer::default();
        assert_eq!(restorer.feed(&mask, "call ["), "call ");
        assert_eq!(restorer.feed(&mask, "1] or [[PHO"), "[1] or ");
        assert_eq!(restorer.feed(&mask, "NE_"), "");
        assert_eq!(restorer.feed(&mask, "1]"), "");
        assert_eq!(restorer.feed(&mask, "] now [[PHONE_2"), "13800138000 now [[PHONE_2");
        assert_eq!(restorer.feed(&mask, "[["), "");
        assert_eq!(restorer.end(), "[[");
    }

    proptest! {
        #[test]
        fn masking_then_restoring_is_the_identity_wherever_it_is_cut(
            parts in prop::collection::vec(
                prop_oneof![
                    "[\\[\\]PHONE_0-9 ]{0,8}", "\\PC{0,6}", Just("13800138000".to_owned()), Just(" a@b.cn ".to_owned()),
                    Just("11010519491231002X".to_owned()), Just("[[PHONE_1]]".to_owned()), Just("[[".to_owned()),
                ],
                0..12,
            ),
            mut cuts in prop::collection::vec(0_usize..200, 0..20),
        ) {
            let text = parts.concat();
            let (mask, out) = masked(&text);
            prop_assert_eq!(&mask.restore(&out), &text);
            cuts.retain(|cut| *cut <= out.len());
            cuts.sort_unstable();
            prop_assert_eq!(in_pieces(&mask, &out, &cuts), text);
        }
    }
}
