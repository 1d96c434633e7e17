//! Conditions on attributes, as a typed tree: no value is ever spliced into a string.

use std::cmp::Ordering;

use crate::{AttributeValue, Attributes};

/// A condition on a passage's attributes.
///
/// The meaning follows OpenAI's vector store filters and is the same on every adapter:
/// - values of different kinds are never equal (`Eq("year", "2024")` does not match the number 2024);
/// - a missing attribute is equal to nothing: `Eq`, `In` and the ranges fail, `Ne` and `NotIn` hold;
/// - ranges compare numbers only, and fail on text and flags;
/// - `All([])` holds, `Any([])` does not.
#[derive(Debug, Clone, PartialEq)]
pub enum Filter {
    /// Every part holds.
    All(Vec<Filter>),
    /// At least one part holds.
    Any(Vec<Filter>),
    /// The attribute has this value.
    Eq(String, AttributeValue),
    /// The attribute is missing or has another value.
    Ne(String, AttributeValue),
    /// The attribute is a number above this one.
    Gt(String, f64),
    /// The attribute is a number equal to or above this one.
    Gte(String, f64),
    /// The attribute is a number below this one.
    Lt(String, f64),
    /// The attribute is a number equal to or below this one.
    Lte(String, f64),
    /// The attribute has one of these values.
    In(String, Vec<AttributeValue>),
    /// The attribute is missing or has none of these values.
    NotIn(String, Vec<AttributeValue>),
}

impl Filter {
    /// Whether the condition holds for these attributes. This is the definition that adapters must agree with.
    #[must_use]
    pub fn matches(&self, attributes: &Attributes) -> bool {
        let has = |key: &String, value: &AttributeValue| attributes.get(key) == Some(value);
        let has_one =
            |key: &String, values: &[AttributeValue]| attributes.get(key).is_some_and(|own| values.contains(own));
        let compares = |key: &String, bound: f64, wanted: &[Ordering]| match attributes.get(key) {
            Some(AttributeValue::Number(own)) => own.partial_cmp(&bound).is_some_and(|order| wanted.contains(&order)),
            _ => false,
        };
        match self {
            Self::All(parts) => parts.iter().all(|part| part.matches(attributes)),
            Self::Any(parts) => parts.iter().any(|part| part.matches(attributes)),
            Self::Eq(key, value) => has(key, value),
            Self::Ne(key, value) => !has(key, value),
            Self::Gt(key, bound) => compares(key, *bound, &[Ordering::Greater]),
            Self::Gte(key, bound) => compares(key, *bound, &[Ordering::Greater, Ordering::Equal]),
            Self::Lt(key, bound) => compares(key, *bound, &[Ordering::Less]),
            Self::Lte(key, bound) => compares(key, *bound, &[Ordering::Less, Ordering::Equal]),
            Self::In(key, values) => has_one(key, values),
            Self::NotIn(key, values) => !has_one(key, values),
        }
    }
}
