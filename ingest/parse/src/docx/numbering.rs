//! `word/numbering.xml`: the numbers and bullets in front of list items, as Word counts them.

use std::collections::HashMap;

use super::styles::ListPlace;
use crate::xml::{Node, Tag, Xml};
use crate::{Limits, ParseError};

/// Levels of a Word list.
const LEVELS: usize = 9;

#[derive(Debug, Clone)]
struct Level {
    format: String,
    pattern: String,
    start: usize,
}

impl Default for Level {
    fn default() -> Self {
        Self { format: "decimal".to_owned(), pattern: String::new(), start: 1 }
    }
}

/// The numberings of a file and how far each has counted.
#[derive(Debug, Default)]
pub(super) struct Numbering {
    /// Levels of each abstract numbering.
    abstracts: HashMap<i64, Vec<Level>>,
    /// Which abstract numbering a numbering uses.
    instances: HashMap<i64, i64>,
    /// Levels at which a numbering begins anew: numbering, level, start.
    restarts: HashMap<(i64, usize), usize>,
    counts: HashMap<i64, [Option<usize>; LEVELS]>,
    seen: std::collections::HashSet<i64>,
}

impl Numbering {
    pub(super) fn read(bytes: Option<Vec<u8>>, limits: &Limits) -> Result<Self, ParseError> {
        let mut numbering = Self::default();
        let bytes = bytes.unwrap_or_default();
        let mut xml = Xml::new(&bytes, limits);
        let (mut current, mut instance, mut level) = (0, 0, 0);
        loop {
            match xml.next()? {
                Node::Open(tag) => match tag.name().as_str() {
                    "abstractNum" => current = tag.number("abstractNumId").unwrap_or(-1),
                    "num" => instance = tag.number("numId").unwrap_or(-1),
                    "abstractNumId" => drop(numbering.instances.insert(instance, tag.number("val").unwrap_or(-1))),
                    "lvl" | "lvlOverride" => {
                        level = tag.number("ilvl").and_then(|l| usize::try_from(l).ok()).unwrap_or(0)
                    }
                    "startOverride" => drop(numbering.restarts.insert((instance, level), start(&tag))),
                    "numFmt" | "lvlText" | "start" => numbering.level(current, level, &tag),
                    _ => {}
                },
                Node::End => return Ok(numbering),
                _ => {}
            }
        }
    }

    fn level(&mut self, current: i64, level: usize, tag: &Tag<'_>) {
        let levels = self.abstracts.entry(current).or_insert_with(|| vec![Level::default(); LEVELS]);
        let Some(level) = levels.get_mut(level) else { return };
        let value = tag.attribute("val").unwrap_or_default();
        match tag.name().as_str() {
            "numFmt" => level.format = value,
            "lvlText" => level.pattern = value,
            _ => level.start = start(tag),
        }
    }

    /// Counts one item and returns what stands before it; `None` when the place is not a list.
    pub(super) fn next(&mut self, (numbering, depth): ListPlace) -> Option<String> {
        let abstract_id = *self.instances.get(&numbering)?;
        let levels = self.abstracts.get(&abstract_id)?;
        let level = levels.get(depth)?;
        let counts = self.counts.entry(abstract_id).or_default();
        if self.seen.insert(numbering) {
            for (deep, count) in counts.iter_mut().enumerate() {
                if let Some(start) = self.restarts.get(&(numbering, deep)) {
                    *count = start.checked_sub(1);
                }
            }
        }
        for (deep, count) in counts.iter_mut().enumerate() {
            let start = levels.get(deep).map_or(1, |level| level.start);
            match deep.cmp(&depth) {
                std::cmp::Ordering::Less => *count = count.or(Some(start)),
                std::cmp::Ordering::Equal => *count = Some(count.map_or(start, |count| count.saturating_add(1))),
                std::cmp::Ordering::Greater => *count = None,
            }
        }
        Some(match level.format.as_str() {
            "bullet" | "none" => "-".to_owned(),
            _ => fill(&level.pattern, levels, counts),
        })
    }
}

fn start(tag: &Tag<'_>) -> usize {
    tag.number("val").and_then(|start| usize::try_from(start).ok()).unwrap_or(1)
}

/// `%1.%2` with the counts of levels 1 and 2.
fn fill(pattern: &str, levels: &[Level], counts: &[Option<usize>; LEVELS]) -> String {
    let mut out = String::new();
    let mut chars = pattern.chars().peekable();
    while let Some(c) = chars.next() {
        let digit = chars.peek().and_then(|d| d.to_digit(10)).filter(|d| c == '%' && *d > 0);
        let Some(deep) = digit.and_then(|digit| usize::try_from(digit).ok()) else {
            out.push(c);
            continue;
        };
        chars.next();
        let count = counts.get(deep - 1).copied().flatten().unwrap_or(1);
        let format = levels.get(deep - 1).map_or("decimal", |level| level.format.as_str());
        out.push_str(&spell(count, format));
    }
    out
}

/// A count in one of Word's number formats.
pub(crate) fn spell(count: usize, format: &str) -> String {
    match format {
        "upperLetter" => letters(count, b'A'),
        "lowerLetter" => letters(count, b'a'),
        "upperRoman" => roman(count),
        "lowerRoman" => roman(count).to_ascii_lowercase(),
        "decimalZero" => format!("{count:02}"),
        "decimalEnclosedCircle" | "decimalEnclosedCircleChinese" if (1..=20).contains(&count) => {
            char::from_u32(0x245f + u32::try_from(count).unwrap_or(1)).map(String::from).unwrap_or_default()
        }
        "chineseCounting"
        | "chineseCountingThousand"
        | "japaneseCounting"
        | "ideographDigital"
        | "taiwaneseCounting"
        | "taiwaneseCountingThousand" => chinese(count),
        _ => count.to_string(),
    }
}

/// A to Z, then AA, BB and so on, as Word does.
fn letters(count: usize, first: u8) -> String {
    let index = count.saturating_sub(1);
    let letter = u8::try_from(index % 26).map_or(first, |offset| first + offset);
    String::from(char::from(letter)).repeat((index / 26 + 1).min(16))
}

fn roman(count: usize) -> String {
    const SIGNS: [(usize, &str); 13] = [
        (1000, "M"),
        (900, "CM"),
        (500, "D"),
        (400, "CD"),
        (100, "C"),
        (90, "XC"),
        (50, "L"),
        (40, "XL"),
        (10, "X"),
        (9, "IX"),
        (5, "V"),
        (4, "IV"),
        (1, "I"),
    ];
    let mut rest = count.min(9999);
    let mut out = String::new();
    for (value, sign) in SIGNS {
        out.push_str(&sign.repeat(rest / value));
        rest %= value;
    }
    out
}

/// Numerals up to 9999: 十二, 二十, 一百零五.
fn chinese(count: usize) -> String {
    const DIGITS: [&str; 10] = ["零", "一", "二", "三", "四", "五", "六", "七", "八", "九"];
    if count == 0 || count > 9999 {
        return count.to_string();
    }
    let mut out = String::new();
    let mut gap = false;
    for (unit, name) in [(1000, "千"), (100, "百"), (10, "十"), (1, "")] {
        let digit = count / unit % 10;
        if digit == 0 {
            gap = !out.is_empty();
            continue;
        }
        if std::mem::take(&mut gap) {
            out.push('零');
        }
        if !(unit == 10 && digit == 1 && out.is_empty()) {
            out.push_str(DIGITS.get(digit).copied().unwrap_or_default());
        }
        out.push_str(name);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_spelled_as_word_spells_them() {
        let spelled = |format| [1, 4, 12, 27, 105].map(|count| spell(count, format)).join(" ");
        assert_eq!(spelled("chineseCounting"), "一 四 十二 二十七 一百零五");
        assert_eq!(spelled("lowerRoman"), "i iv xii xxvii cv");
        assert_eq!(spelled("upperLetter"), "A D L AA AAAAA");
        assert_eq!(spell(20, "chineseCountingThousand"), "二十");
        assert_eq!(spell(3, "decimalEnclosedCircle"), "③");
    }
}
