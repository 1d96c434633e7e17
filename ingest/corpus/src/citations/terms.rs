//! The words of a sentence that carry its statement, with what each weighs.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::LazyLock;

use kubemate_vectors::words;

/// What numbers and dates weigh: a wrong one makes a statement false.
const NUMBER: f32 = 2.5;
/// What names weigh: capital letters inside an English sentence, or long Chinese words.
const NAME: f32 = 1.8;
/// What single Chinese characters weigh: most are glue.
const SINGLE: f32 = 0.4;

/// English and Chinese words that stand in any sentence; they weigh nothing.
const GLUE: &str = "a an the of to in on at by for from with without as is are was were be been being am it its this \
    that these those there here and or but not no nor so than then if when while which who whom whose what where how why \
    do does did done has have had having can could may might must shall should will would i you he she we they me him her us \
    them my your his our their also only just about into over under up out more most such any all each both other some \
    according passage passages document documents provided based answer question following mentioned stated \
    的 了 和 与 及 或 在 是 有 为 以 于 对 从 到 把 被 由 向 就 都 也 还 又 而 并 且 但 如果 因为 所以 因此 这 那 这个 那个 这些 那些 它 他 她 \
    我 你 我们 你们 他们 一个 一种 可以 能 能够 会 将 要 应 应该 需要 必须 个 等 中 上 下 之 其 该 此 根据 按照 文档 资料 段落 内容 提供 回答 问题 如下 以下 以上 \
    什么 怎么 怎样 如何 为什么 为何 哪 哪个 哪些 哪里 哪儿 谁 几 多少 多长 多久 多大 多高 是否 有没有 能否 可否 吗 呢 请问 时候";

const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

/// What a text says, as far as words can tell.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Terms {
    /// Words with their weights.
    pub(crate) words: BTreeMap<String, f32>,
    /// Numbers in one form: no separators of thousands, no zeros around.
    pub(crate) numbers: BTreeSet<String>,
    /// Numbers that the text says in another way, such as the name of a month.
    pub(crate) implied: BTreeSet<String>,
    /// Those of the words that are names in a text of Latin letters.
    names: BTreeSet<String>,
}

impl Terms {
    pub(crate) fn of(text: &str) -> Self {
        let numbers = numbers(text);
        let names: BTreeSet<String> = names(text).flat_map(words).collect();
        let mut terms = Self { numbers, ..Self::default() };
        for word in words(text).into_iter().filter(|word| !is_number(word) && !is_glue(word)) {
            terms.implied.extend(month(&word));
            let weight = if names.contains(&word) { NAME } else { weight(&word) };
            if names.contains(&word) {
                terms.names.insert(word.clone());
            }
            terms.words.insert(word, weight);
        }
        terms
    }

    /// Weight of all of this.
    pub(crate) fn total(&self) -> f32 {
        self.words.values().sum::<f32>() + NUMBER * self.numbers.len() as f32
    }

    /// Weight of what the other one holds, too.
    pub(crate) fn shared(&self, other: &Self) -> f32 {
        let words: f32 =
            self.words.iter().filter(|(word, _)| other.words.contains_key(*word)).map(|(_, weight)| weight).sum();
        words + NUMBER * self.numbers.iter().filter(|number| other.says(number)).count() as f32
    }

    /// Whether every number of this is said there.
    pub(crate) fn numbers_are_in(&self, other: &Self) -> bool {
        self.numbers.iter().all(|number| other.says(number))
    }

    /// Whether every name of this is said there.
    pub(crate) fn names_are_in(&self, other: &Self) -> bool {
        self.names.iter().all(|name| other.words.contains_key(name))
    }

    fn says(&self, number: &str) -> bool {
        self.numbers.contains(number) || self.implied.contains(number)
    }

    /// Adds what the other one says.
    pub(crate) fn extend(&mut self, other: &Self) {
        self.words.extend(other.words.iter().map(|(word, weight)| (word.clone(), *weight)));
        self.numbers.extend(other.numbers.iter().cloned());
        self.implied.extend(other.implied.iter().cloned());
    }
}

fn weight(word: &str) -> f32 {
    let ideographs = word.chars().filter(|letter| crate::script::is_cjk(*letter)).count();
    match ideographs {
        1 => SINGLE,
        0 | 2 => 1.0,
        _ => NAME,
    }
}

/// Whether the word says nothing by itself.
pub(crate) fn is_glue(word: &str) -> bool {
    static WORDS: LazyLock<HashSet<String>> = LazyLock::new(|| GLUE.split_ascii_whitespace().flat_map(words).collect());
    WORDS.contains(word)
}

fn is_number(word: &str) -> bool {
    word.chars().all(|letter| letter.is_numeric() || matches!(letter, '.' | ',' | '%'))
}

/// The number of a month that a word names.
fn month(word: &str) -> Option<String> {
    let short = word.get(..3).filter(|_| word.len() <= 9 && word != "may");
    let at = MONTHS.iter().position(|month| Some(*month) == short)?;
    let full = [
        "january",
        "february",
        "march",
        "april",
        "may",
        "june",
        "july",
        "august",
        "september",
        "october",
        "november",
        "december",
    ];
    let known =
        full.get(at).is_some_and(|full| full.starts_with(word) || word.starts_with(full.get(..5).unwrap_or(full)));
    known.then(|| (at + 1).to_string())
}

/// Words with a capital letter that do not begin the sentence, and words with capitals or digits inside.
fn names(text: &str) -> impl Iterator<Item = &str> {
    let tokens = text.split(|letter: char| !letter.is_ascii_alphanumeric()).filter(|token| !token.is_empty());
    tokens.enumerate().filter_map(|(at, token)| {
        let from = if at == 0 { 1 } else { 0 };
        let capital = token.chars().skip(from).any(|letter| letter.is_ascii_uppercase());
        let letters = token.chars().any(|letter| letter.is_ascii_alphabetic());
        (capital && letters && token.len() > 1).then_some(token)
    })
}

/// The numbers of a text, Arabic and Chinese, in one form.
fn numbers(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut open = String::new();
    let mut letters = text.trim_start().chars().map(half_width).peekable();
    while let Some(letter) = letters.next() {
        let joins = letter.is_ascii_digit()
            || (matches!(letter, '.' | ',') && !open.is_empty() && letters.peek().is_some_and(char::is_ascii_digit));
        if joins {
            open.push(letter);
        } else if !open.is_empty() {
            found.insert(one_form(&std::mem::take(&mut open)));
        }
    }
    if !open.is_empty() {
        found.insert(one_form(&open));
    }
    found.extend(chinese_numbers(text));
    found
}

fn half_width(letter: char) -> char {
    let digit = u32::from(letter).checked_sub(u32::from('０')).filter(|value| *value < 10);
    digit.and_then(|value| char::from_digit(value, 10)).unwrap_or(letter)
}

/// `1,000` and `1000`, `3.50` and `3.5`, `03` and `3` are the same number.
fn one_form(number: &str) -> String {
    let plain: String = number.chars().filter(|letter| *letter != ',').collect();
    let (whole, part) = plain.split_once('.').unwrap_or((&plain, ""));
    let whole = whole.trim_start_matches('0');
    let whole = if whole.is_empty() { "0" } else { whole };
    match part.trim_end_matches('0') {
        "" => whole.to_owned(),
        part => format!("{whole}.{part}"),
    }
}

/// Numbers written as 十五, 三百二十, 两千, 一万: two characters or more, or one before a measure word would be too
/// common to mean anything, so single ones are left out.
fn chinese_numbers(text: &str) -> Vec<String> {
    let runs = text.split(|letter: char| !"零〇一二两三四五六七八九十百千万".contains(letter));
    runs.filter(|run| run.chars().count() > 1).filter_map(chinese_number).map(|number| number.to_string()).collect()
}

fn chinese_number(run: &str) -> Option<u64> {
    let (mut total, mut section, mut digit) = (0_u64, 0_u64, 0_u64);
    let mut has_unit = false;
    for letter in run.chars() {
        let unit = match letter {
            '十' => 10,
            '百' => 100,
            '千' => 1000,
            '万' => 10_000,
            _ => {
                digit = "零一二三四五六七八九"
                    .chars()
                    .position(|known| known == letter)
                    .map_or_else(|| if letter == '两' { 2 } else { 0 }, |value| value as u64);
                continue;
            }
        };
        has_unit = true;
        if unit == 10_000 {
            total = (total + section + digit).checked_mul(unit)?;
            section = 0;
        } else {
            section += if digit == 0 { unit } else { digit * unit };
        }
        digit = 0;
    }
    has_unit.then_some(total + section + digit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_one_form() {
        let of = |text: &str| numbers(text).into_iter().collect::<Vec<_>>().join(" ");
        assert_eq!(of("1,000 and 3.50 on 2024-03-05, v1.2."), "1.2 1000 2024 3 3.5 5");
        assert_eq!(of("十五天，三百二十元，一万两千，２０２４年"), "12000 15 2024 320");
        assert_eq!(of("一般 十分"), "");
    }

    #[test]
    fn months_say_their_number() {
        assert!(Terms::of("on March 5").says("3"));
        assert!(!Terms::of("he may marry").says("3"));
    }
}
