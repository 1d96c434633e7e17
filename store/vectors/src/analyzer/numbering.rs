//! Numbers of clauses and of documents. People search for them to the letter and write them in more than one way, so each
//! becomes one term in one form.

/// What a clause number counts.
const UNITS: &str = "条章节款项编篇部卷册页期届次批类级号";
/// Opens and closes the year in a document's number; NFKC has made the full-width ones of some into these.
const BRACKETS: [(char, char); 5] = [('〔', '〕'), ('[', ']'), ('(', ')'), ('【', '】'), ('{', '}')];
/// Longest number read; more digits are no clause number.
const LONGEST: usize = 12;

/// Whether a clause number starts here: `第`, a number, a unit.
pub(super) fn starts_clause(text: &[char]) -> bool {
    read_clause(text).is_some()
}

/// Takes a clause number and gives its length: `第十二条` is the terms `第12条` and `12条`.
pub(super) fn clause(text: &[char], terms: &mut Vec<String>) -> Option<usize> {
    let (number, unit, length) = read_clause(text)?;
    terms.push(format!("第{number}{unit}"));
    terms.push(format!("{number}{unit}"));
    Some(length)
}

/// Takes the year and number after the name of an issuing office and gives their length: `银发〔2024〕12号` is, beside its
/// parts, the terms `[2024]12号` and `银发[2024]12号`, the latter with the two characters before the bracket.
pub(super) fn document(office: &[char], after: &[char], terms: &mut Vec<String>) -> usize {
    let Some((year, number, length)) = read_document(after) else { return 0 };
    let name: String = office.get(office.len().saturating_sub(2)..).unwrap_or_default().iter().collect();
    terms.push(format!("[{year}]{number}号"));
    if !name.is_empty() {
        terms.push(format!("{name}[{year}]{number}号"));
    }
    terms.extend([year.to_string(), number.to_string(), format!("{number}号")]);
    length
}

fn read_clause(text: &[char]) -> Option<(u64, char, usize)> {
    let rest = text.strip_prefix(&['第'])?;
    let (number, digits) = read_number(skip_spaces(rest))?;
    let spaces = rest.len() - skip_spaces(rest).len();
    let rest = rest.get(spaces + digits..)?;
    let unit_at = rest.len() - skip_spaces(rest).len();
    let unit = *rest.get(unit_at)?;
    UNITS.contains(unit).then_some((number, unit, 1 + spaces + digits + unit_at + 1))
}

fn read_document(text: &[char]) -> Option<(u64, u64, usize)> {
    let (open, rest) = text.split_first()?;
    let close = BRACKETS.iter().find(|pair| pair.0 == *open)?.1;
    let (year, digits) = read_number(rest)?;
    let rest = rest.get(digits..)?.strip_prefix(&[close])?;
    let rest = rest.strip_prefix(&['第']).unwrap_or(rest);
    let (number, digits_of_number) = read_number(rest)?;
    let rest = rest.get(digits_of_number..)?.strip_prefix(&['号'])?;
    (digits == 4).then_some((year, number, text.len() - rest.len()))
}

/// One space between `第`, number and unit is common in typeset text: `第 12 条`.
fn skip_spaces(text: &[char]) -> &[char] {
    text.strip_prefix(&[' ']).unwrap_or(text)
}

/// The number at the start, in Arabic or Chinese digits, and how many characters it takes.
fn read_number(text: &[char]) -> Option<(u64, usize)> {
    let digits = |wanted: fn(char) -> bool| text.iter().take_while(|c| wanted(**c)).count();
    let arabic = digits(|c| c.is_ascii_digit());
    let chinese = digits(|c| value(c).is_some());
    let length = arabic.max(chinese);
    let number = text.get(..length).filter(|number| (1..=LONGEST).contains(&number.len()))?;
    let number = if arabic > 0 { number.iter().collect::<String>().parse().ok()? } else { chinese_number(number)? };
    Some((number, length))
}

/// The number that Chinese digits mean: `十二` is 12, `一百零三` 103, `二〇二四` 2024.
fn chinese_number(digits: &[char]) -> Option<u64> {
    let values: Vec<u64> = digits.iter().map(|c| value(*c)).collect::<Option<_>>()?;
    if values.iter().all(|value| *value < 10) {
        return values.iter().try_fold(0_u64, |sum, value| sum.checked_mul(10)?.checked_add(*value));
    }
    let (mut total, mut section, mut digit) = (0_u64, 0_u64, 0_u64);
    for value in values {
        match value {
            0..10 => digit = value,
            10_000 => {
                total = (section + digit).max(1).checked_mul(value)?;
                (section, digit) = (0, 0);
            }
            // `十二` leaves out the one before ten.
            _ => section += std::mem::take(&mut digit).max(1) * value,
        }
    }
    total.checked_add(section + digit)
}

fn value(c: char) -> Option<u64> {
    let digit = "零一二三四五六七八九".chars().position(|digit| digit == c);
    match c {
        '〇' => Some(0),
        '两' => Some(2),
        '十' => Some(10),
        '百' => Some(100),
        '千' => Some(1000),
        '万' => Some(10_000),
        _ => digit.map(|digit| digit as u64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analyzer::{Kind, kind};

    fn number(text: &str) -> Option<(u64, usize)> {
        read_number(&text.chars().collect::<Vec<_>>())
    }

    #[test]
    fn numbers_are_read_as_people_mean_them() {
        for (text, expected) in [
            ("十二", 12),
            ("二十", 20),
            ("一百零三", 103),
            ("一百一十五", 115),
            ("二〇二四", 2024),
            ("三千", 3000),
            ("一万二千", 12_000),
            ("12", 12),
            ("007", 7),
            ("两百", 200),
            ("九", 9),
            ("〇", 0),
        ] {
            assert_eq!(number(text), Some((expected, text.chars().count())), "{text}");
        }
        assert_eq!(number("十二条"), Some((12, 2)));
        assert_eq!(number("条"), None);
        assert_eq!(number("1234567890123"), None);
        assert_eq!(number("九九九九九九九九九九九九"), Some((999_999_999_999, 12)));
    }

    #[test]
    fn kinds_are_told_apart() {
        assert!(kind('条') == Kind::Han && kind('〇') == Kind::Han && kind('1') == Kind::Letter);
    }
}
