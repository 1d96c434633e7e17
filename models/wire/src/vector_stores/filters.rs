//! Filters on the attributes of files.

use std::collections::BTreeMap;

use serde::de::{Deserializer, Error as _};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What an owner wrote about a file: up to 16 pairs.
pub type Attributes = BTreeMap<String, Attribute>;

/// The value of an attribute.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged, expecting = "expected a string, a number or a boolean")]
pub enum Attribute {
    /// Up to 512 characters.
    Text(String),
    /// Any number.
    Number(f64),
    /// True or false.
    Flag(bool),
}

/// One comparison, or several joined.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Filter {
    /// `{"type": "and" | "or", "filters": […]}`
    Compound(Compound),
    /// `{"type": "eq", "key": …, "value": …}`
    Comparison(Comparison),
}

impl<'de> Deserialize<'de> for Filter {
    /// Looks at `type` first, so that the error says what is wrong with this filter and not that nothing fitted.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let filter = Map::deserialize(deserializer)?;
        let joins = matches!(filter.get("type").and_then(Value::as_str), Some("and" | "or"));
        let filter = Value::Object(filter);
        let read = if joins {
            serde_json::from_value(filter).map(Self::Compound)
        } else {
            serde_json::from_value(filter).map(Self::Comparison)
        };
        read.map_err(D::Error::custom)
    }
}

/// Several filters joined.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(expecting = "a JSON object")]
pub struct Compound {
    /// How.
    #[serde(rename = "type")]
    pub kind: CompoundKind,
    /// What.
    pub filters: Vec<Filter>,
}

/// How filters are joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CompoundKind {
    /// All must pass.
    And,
    /// One must pass.
    Or,
}

/// An attribute compared with a value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(expecting = "a JSON object")]
pub struct Comparison {
    /// How.
    #[serde(rename = "type")]
    pub operator: Operator,
    /// The attribute.
    pub key: String,
    /// A list for `in` and `nin`, one value for the others.
    pub value: OperandValue,
}

/// How an attribute is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operator {
    /// Equal.
    Eq,
    /// Not equal; passes where the attribute is missing.
    Ne,
    /// Greater, numbers only.
    Gt,
    /// Greater or equal, numbers only.
    Gte,
    /// Less, numbers only.
    Lt,
    /// Less or equal, numbers only.
    Lte,
    /// Equal to one of the list.
    In,
    /// Equal to none of the list.
    Nin,
}

/// What an attribute is compared with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged, expecting = "expected a string, a number, a boolean or a list of these")]
pub enum OperandValue {
    /// For `in` and `nin`.
    List(Vec<Attribute>),
    /// For the others.
    One(Attribute),
}
