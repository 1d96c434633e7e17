//! Conditions for Milvus, made of names of ours and typed values.
//!
//! No text of a user ever stands in one. Ids are of a closed alphabet ([`Word::of_id`]); file ids, attributes and
//! their values go in as fingerprints ([`Word::of_text`]) of which the rows hold the same. Values are bound as filter
//! templates where the server knows them (Milvus 2.5), and written as literals where it does not (Milvus Lite): with
//! this alphabet a literal cannot end early.

use std::collections::HashMap;

use milvus::v2::types::FilterTemplateValue;

use super::schema;
use crate::attributes::{fingerprint, tag};
use crate::{AttributeValue, Filter};

/// A text that may stand in a condition: letters, digits, `_`, `-`, `.` and `/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Word(String);

impl Word {
    /// An id of our own making. What is not of the alphabet becomes a fingerprint, which equals nothing.
    pub(super) fn of_id(id: &str) -> Self {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'/');
        if id.bytes().all(plain) { Self(id.to_owned()) } else { Self::of_text(id) }
    }

    /// Any text, by its fingerprint.
    pub(super) fn of_text(text: &str) -> Self {
        Self(fingerprint(text))
    }

    /// An attribute and its value.
    pub(super) fn of_attribute(key: &str, value: &AttributeValue) -> Self {
        Self::of_text(&tag(key, value))
    }

    pub(super) fn into_text(self) -> String {
        self.0
    }
}

/// A condition in the making: parts that must all hold.
#[derive(Debug)]
pub(super) struct Expression {
    templates: bool,
    parts: Vec<String>,
    values: HashMap<String, FilterTemplateValue>,
}

impl Expression {
    /// `templates`: whether the server binds values itself.
    pub(super) fn new(templates: bool) -> Self {
        Self { templates, parts: Vec::new(), values: HashMap::new() }
    }

    /// The condition and the values that are bound to it.
    pub(super) fn finish(self) -> (String, HashMap<String, FilterTemplateValue>) {
        (self.parts.join(" && "), self.values)
    }

    pub(super) fn and_equal(&mut self, field: &'static str, word: Word) {
        let value = self.word(word);
        self.parts.push(format!("{field} == {value}"));
    }

    pub(super) fn and_above(&mut self, field: &'static str, word: Word) {
        let value = self.word(word);
        self.parts.push(format!("{field} > {value}"));
    }

    pub(super) fn and_below(&mut self, field: &'static str, bound: i64) {
        let value = self.bind(bound.to_string(), FilterTemplateValue::Int64(bound));
        self.parts.push(format!("{field} < {value}"));
    }

    pub(super) fn and_one_of(&mut self, field: &'static str, words: Vec<Word>) {
        let values = self.words(words);
        self.parts.push(format!("{field} in {values}"));
    }

    pub(super) fn and_holds(&mut self, field: &'static str, word: Word) {
        let value = self.word(word);
        self.parts.push(format!("array_contains({field}, {value})"));
    }

    pub(super) fn and_filter(mut self, filter: Option<&Filter>) -> Self {
        if let Some(filter) = filter {
            let part = self.filter(filter);
            self.parts.push(part);
        }
        self
    }

    fn filter(&mut self, filter: &Filter) -> String {
        match filter {
            Filter::All(parts) => self.joined(parts, " && ", EVERYTHING),
            Filter::Any(parts) => self.joined(parts, " || ", NOTHING),
            Filter::Eq(key, value) => self.tagged(key, std::slice::from_ref(value)),
            Filter::Ne(key, value) => format!("(not {})", self.tagged(key, std::slice::from_ref(value))),
            Filter::In(key, values) => self.tagged(key, values),
            Filter::NotIn(key, values) => format!("(not {})", self.tagged(key, values)),
            Filter::Gt(key, bound) => self.sized(key, ">", *bound),
            Filter::Gte(key, bound) => self.sized(key, ">=", *bound),
            Filter::Lt(key, bound) => self.sized(key, "<", *bound),
            Filter::Lte(key, bound) => self.sized(key, "<=", *bound),
        }
    }

    fn joined(&mut self, parts: &[Filter], between: &str, when_empty: &str) -> String {
        let parts: Vec<String> = parts.iter().map(|part| self.filter(part)).collect();
        if parts.is_empty() { when_empty.to_owned() } else { format!("({})", parts.join(between)) }
    }

    fn tagged(&mut self, key: &str, values: &[AttributeValue]) -> String {
        if values.is_empty() {
            return NOTHING.to_owned();
        }
        let words = self.words(values.iter().map(|value| Word::of_attribute(key, value)).collect());
        format!("array_contains_any({}, {words})", schema::TAGS)
    }

    fn sized(&mut self, key: &str, comparison: &str, bound: f64) -> String {
        // Attributes are finite; what is asked of them need not be.
        let (comparison, bound) = match (comparison, bound) {
            (_, bound) if bound.is_finite() => (comparison, bound),
            (">" | ">=", f64::NEG_INFINITY) => (">=", f64::MIN),
            ("<" | "<=", f64::INFINITY) => ("<=", f64::MAX),
            _ => return NOTHING.to_owned(),
        };
        let value = self.bind(format!("{bound:?}"), FilterTemplateValue::Float(bound));
        format!("{}[\"{}\"] {comparison} {value}", schema::NUMBERS, number_key(key))
    }

    fn word(&mut self, Word(word): Word) -> String {
        self.bind(format!("\"{word}\""), FilterTemplateValue::String(word))
    }

    fn words(&mut self, words: Vec<Word>) -> String {
        let words: Vec<String> = words.into_iter().map(Word::into_text).collect();
        let literal = format!("[\"{}\"]", words.join("\",\""));
        self.bind(literal, FilterTemplateValue::StringArray(words))
    }

    /// A value's place in the condition.
    fn bind(&mut self, literal: String, value: FilterTemplateValue) -> String {
        if !self.templates {
            return literal;
        }
        let name = format!("v{}", self.values.len());
        let place = format!("{{{name}}}");
        self.values.insert(name, value);
        place
    }
}

/// Every row has a key.
const EVERYTHING: &str = "(key != \"\")";
const NOTHING: &str = "(key == \"\")";

/// Under which name `numbers` holds an attribute.
pub(super) fn number_key(attribute: &str) -> String {
    format!("n{}", fingerprint(attribute))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hostile() -> Filter {
        let text = AttributeValue::Text("\"] || tenant != \"".to_owned());
        Filter::All(vec![
            Filter::Eq("a\" == \"".to_owned(), text.clone()),
            Filter::Any(vec![Filter::NotIn("k".to_owned(), vec![text]), Filter::Gt("x\"]".to_owned(), -0.5)]),
        ])
    }

    #[test]
    fn nothing_that_a_user_wrote_stands_in_a_condition() {
        for templates in [false, true] {
            let mut expression = Expression::new(templates);
            expression.and_equal(schema::TENANT, Word::of_id("bank-1"));
            expression.and_equal(schema::FILE_KEY, Word::of_text("\" || true || \""));
            let (text, values) = expression.and_filter(Some(&hostile())).finish();
            assert!(!text.contains("!=") && !text.contains("true"), "{text}");
            assert_eq!(values.len(), if templates { 5 } else { 0 });
            assert_eq!(text.contains("bank-1"), !templates, "bound where it can be");
        }
    }

    #[test]
    fn an_id_that_is_none_equals_nothing() {
        assert_eq!(Word::of_id("vs_1-g0"), Word("vs_1-g0".to_owned()));
        assert_eq!(Word::of_id("a\" || \"").0.len(), 32);
    }

    #[test]
    fn bounds_without_end_are_everything_or_nothing() {
        let of = |filter: Filter| Expression::new(false).and_filter(Some(&filter)).finish().0;
        assert!(of(Filter::Gt("n".to_owned(), f64::NEG_INFINITY)).contains(">= -1.79"));
        assert_eq!(of(Filter::Lt("n".to_owned(), f64::NAN)), NOTHING);
        assert_eq!(of(Filter::All(Vec::new())), EVERYTHING);
    }
}
