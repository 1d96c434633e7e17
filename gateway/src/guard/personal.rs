//! Finds personal data in a text. Pure; numbers count only when their own check digits are right.

use std::ops::Range;

use serde::{Deserialize, Serialize};

/// A kind of personal data.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// Number of a Chinese resident's identity card (GB 11643), with its check character and a possible birthday.
    ResidentId,
    /// Number of a payment card (ISO/IEC 7812), 13 to 19 digits with the Luhn digit.
    BankCard,
    /// A mainland mobile number, or any number written with `+` and a country code (E.164).
    Phone,
    /// An e-mail address.
    Email,
    /// A unified social credit code (GB 32100), with its check character.
    Uscc,
}

impl Kind {
    /// All of them.
    #[cfg(test)]
    pub(crate) const ALL: [Self; 5] = [Self::ResidentId, Self::BankCard, Self::Phone, Self::Email, Self::Uscc];

    /// How a placeholder names it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::ResidentId => "ID",
            Self::BankCard => "CARD",
            Self::Phone => "PHONE",
            Self::Email => "EMAIL",
            Self::Uscc => "USCC",
        }
    }
}

/// What was found, from left to right, never overlapping.
pub(super) fn find(text: &str, kinds: &[Kind]) -> Vec<(Range<usize>, Kind)> {
    let bytes = text.as_bytes();
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(byte) = bytes.get(at).copied() {
        if !(is_word(byte) || byte == b'+') {
            at += 1;
            continue;
        }
        let hit = at_word(bytes, at).into_iter().find(|(_, kind)| kinds.contains(kind));
        match hit {
            Some((end, kind)) => {
                found.push((at..end, kind));
                at = end;
            }
            None => at = past_word(bytes, at),
        }
    }
    found
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
}

/// The end of the word that begins at `at`; at least one byte further.
fn past_word(bytes: &[u8], at: usize) -> usize {
    let rest = bytes.get(at..).unwrap_or_default();
    at + rest.iter().position(|byte| !is_word(*byte)).unwrap_or(rest.len()).max(1)
}

/// What could begin at this word, the surest first.
fn at_word(bytes: &[u8], at: usize) -> Vec<(usize, Kind)> {
    let mut hits = Vec::new();
    let end = past_word(bytes, at);
    if let Some(word) = bytes.get(at..end).and_then(|word| <&[u8; 18]>::try_from(word).ok()) {
        if is_resident_id(word) {
            hits.push((end, Kind::ResidentId));
        }
        if is_uscc(word) {
            hits.push((end, Kind::Uscc));
        }
    }
    hits.extend(email(bytes, at).map(|end| (end, Kind::Email)));
    hits.extend(phone(bytes, at).map(|end| (end, Kind::Phone)));
    hits.extend(card(bytes, at).map(|end| (end, Kind::BankCard)));
    hits
}

fn digit(byte: u8) -> Option<u32> {
    char::from(byte).to_digit(10)
}

/// Weights of GB 11643 (ISO 7064, mod 11-2).
const ID_WEIGHTS: [u32; 17] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
const ID_CHECKS: &[u8; 11] = b"10X98765432";

fn is_resident_id(word: &[u8; 18]) -> bool {
    let [digits @ .., check] = word;
    let Some(digits) = digits.iter().map(|byte| digit(*byte)).collect::<Option<Vec<u32>>>() else { return false };
    let number =
        |range: Range<usize>| digits.get(range).unwrap_or_default().iter().fold(0, |sum, digit| sum * 10 + digit);
    let birthday = (1900..2100).contains(&number(6..10))
        && (1..=12).contains(&number(10..12))
        && (1..=31).contains(&number(12..14));
    let sum: u32 = digits.iter().zip(ID_WEIGHTS).map(|(digit, weight)| digit * weight).sum();
    let expected = ID_CHECKS.get((sum % 11) as usize).copied();
    birthday && (11..=91).contains(&number(0..2)) && expected == Some(check.to_ascii_uppercase())
}

/// Characters of GB 32100 by their value, and the weights: powers of 3, mod 31.
const USCC_CHARACTERS: &[u8; 31] = b"0123456789ABCDEFGHJKLMNPQRTUWXY";
const USCC_WEIGHTS: [usize; 17] = [1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28];

fn is_uscc(word: &[u8; 18]) -> bool {
    let region = word.get(2..8).unwrap_or_default().iter().all(u8::is_ascii_digit);
    let value = |byte: &u8| USCC_CHARACTERS.iter().position(|known| known == byte);
    let Some(values) = word.iter().map(value).collect::<Option<Vec<usize>>>() else { return false };
    let sum: usize = values.iter().zip(USCC_WEIGHTS).map(|(value, weight)| value * weight).sum();
    region && values.last() == Some(&((31 - sum % 31) % 31))
}

/// Whether a number may end here: the next character is neither a letter nor a digit.
fn ends(bytes: &[u8], end: usize) -> bool {
    !bytes.get(end).is_some_and(|byte| is_word(*byte))
}

/// Groups of digits with single blanks or hyphens between them: where each ends, and its length.
fn groups(bytes: &[u8], start: usize) -> Vec<(usize, usize)> {
    let mut groups = Vec::new();
    let mut at = start;
    loop {
        let rest = bytes.get(at..).unwrap_or_default();
        let length = rest.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(rest.len());
        if length == 0 {
            return groups;
        }
        at += length;
        groups.push((at, length));
        match bytes.get(at) {
            Some(b' ' | b'-') if groups.len() < 6 => at += 1,
            _ => return groups,
        }
    }
}

fn digits(bytes: &[u8], range: Range<usize>) -> Vec<u32> {
    bytes.get(range).unwrap_or_default().iter().filter_map(|byte| digit(*byte)).collect()
}

/// The end of a card's number: in one piece, or in fours as it is printed.
fn card(bytes: &[u8], at: usize) -> Option<usize> {
    let groups = groups(bytes, at);
    let fours = groups.iter().position(|(_, length)| *length != 4).map_or(groups.len(), |other| other + 1);
    (1..=fours.max(1)).rev().find_map(|count| {
        let (end, last) = *groups.get(count - 1)?;
        let digits = digits(bytes, at..end);
        let written = count == 1 || last <= 4;
        let issued = (13..=19).contains(&digits.len()) && digits.first().is_some_and(|first| (2..=6).contains(first));
        (written && issued && ends(bytes, end) && luhn(&digits)).then_some(end)
    })
}

fn luhn(digits: &[u32]) -> bool {
    let doubled = |digit: u32| if digit > 4 { digit * 2 - 9 } else { digit * 2 };
    let sum: u32 =
        digits.iter().rev().enumerate().map(|(at, digit)| if at % 2 == 1 { doubled(*digit) } else { *digit }).sum();
    sum.is_multiple_of(10)
}

/// The end of a telephone number.
fn phone(bytes: &[u8], at: usize) -> Option<usize> {
    if bytes.get(at) == Some(&b'+') {
        return abroad(bytes, at);
    }
    let rest = bytes.get(at..)?;
    let prefix = [&b"0086"[..], b"86"].into_iter().find(|prefix| rest.starts_with(prefix)).map_or(0, <[u8]>::len);
    let after = at + prefix;
    let blank = usize::from(prefix > 0 && matches!(bytes.get(after), Some(b' ' | b'-')));
    mobile(bytes, after + blank).or_else(|| mobile(bytes, at))
}

/// A mainland mobile number: 11 digits in one piece, or 3, 4 and 4.
fn mobile(bytes: &[u8], at: usize) -> Option<usize> {
    let groups = groups(bytes, at);
    let lengths: Vec<usize> = groups.iter().map(|(_, length)| *length).collect();
    let count = match lengths.as_slice() {
        [11, ..] => 1,
        [3, 4, 4, ..] => 3,
        _ => return None,
    };
    let (end, _) = *groups.get(count - 1)?;
    let begins = bytes.get(at) == Some(&b'1') && bytes.get(at + 1).is_some_and(|byte| (b'3'..=b'9').contains(byte));
    (begins && ends(bytes, end)).then_some(end)
}

/// A number with `+` and a country code: 8 to 15 digits in all (E.164).
fn abroad(bytes: &[u8], at: usize) -> Option<usize> {
    let groups = groups(bytes, at + 1);
    let fits = |end: usize| {
        let digits = digits(bytes, at + 1..end);
        (8..=15).contains(&digits.len()) && digits.first() != Some(&0) && ends(bytes, end)
    };
    groups.iter().rev().map(|(end, _)| *end).find(|end| fits(*end))
}

/// The end of an e-mail address whose local part begins here. Letters of other scripts border it, as in 邮箱a@b.cn.
fn email(bytes: &[u8], at: usize) -> Option<usize> {
    let is_local = |byte: &u8| is_word(*byte) || b"._%+-".contains(byte);
    let rest = bytes.get(at..)?;
    let sign = rest.iter().position(|byte| !is_local(byte)).filter(|length| (1..=64).contains(length))?;
    if rest.get(sign) != Some(&b'@') {
        return None;
    }
    let domain = rest.get(sign + 1..)?;
    let length = domain.iter().position(|byte| !(is_word(*byte) || b".-".contains(byte))).unwrap_or(domain.len());
    let domain = std::str::from_utf8(domain.get(..length)?).ok()?.trim_end_matches(['.', '-']);
    let (host, top) = domain.rsplit_once('.')?;
    let good = !host.is_empty()
        && (2..=24).contains(&top.len())
        && top.bytes().all(|byte| byte.is_ascii_alphabetic())
        && domain.split('.').all(|label| !label.is_empty());
    good.then_some(at + sign + 1 + domain.len())
}

#[cfg(test)]
mod tests;
