//! How a passage lies in the engine, and how filters find it there.
//!
//! Beside the passage's own fields two are derived from its attributes: `tags`, one text for each attribute and its
//! value, under a single index whatever the attributes are called; and `numbers`, which gets an index for each attribute
//! that is a number.

use qdrant_edge::external::ordered_float::OrderedFloat;
use qdrant_edge::{
    Condition, FieldCondition, Filter as EngineFilter, HasIdCondition, JsonPath, Match, PayloadSchemaType, Range,
};
use serde_json::{Map, Value, json};

use crate::attributes::{numbers, plain, tag};
use crate::{AttributeValue, Filter, Passage, VectorsError};

const TAGS: &str = "tags";
const NUMBERS: &str = "numbers";

/// The fields that every space has under an index.
pub(super) fn indexed_fields() -> [(JsonPath, PayloadSchemaType); 3] {
    [
        (field("file"), PayloadSchemaType::Keyword),
        (field("version"), PayloadSchemaType::Integer),
        (field(TAGS), PayloadSchemaType::Keyword),
    ]
}

/// The field that holds this attribute where it is a number.
pub(super) fn number_field(attribute: &str) -> JsonPath {
    let path = format!("{NUMBERS}.\"{}\"", plain(attribute));
    path.parse().unwrap_or_else(|()| unreachable!("`{path}` is a path"))
}

/// The payload of a passage.
pub(super) fn of_passage(passage: &Passage) -> Result<Value, VectorsError> {
    let mut payload = serde_json::to_value(passage).map_err(|error| VectorsError::store("wrote a passage", error))?;
    if let Value::Object(fields) = &mut payload {
        let tags: Vec<String> = passage.attributes.iter().map(|(key, value)| tag(key, value)).collect();
        let sizes: Map<String, Value> =
            numbers(&passage.attributes).map(|(key, number)| (plain(key), json!(number))).collect();
        fields.insert(TAGS.to_owned(), json!(tags));
        fields.insert(NUMBERS.to_owned(), Value::Object(sizes));
    }
    Ok(payload)
}

/// The passage of a payload.
pub(super) fn to_passage(fields: Map<String, Value>) -> Result<Passage, VectorsError> {
    serde_json::from_value(Value::Object(fields)).map_err(|error| VectorsError::store("read a passage", error))
}

/// The engine's form of a filter.
pub(super) fn filter(filter: &Filter) -> EngineFilter {
    let all = |parts: Vec<Condition>| EngineFilter { must: Some(parts), ..EngineFilter::new() };
    let tagged =
        |key: &String, values: &[AttributeValue]| has_one(values.iter().map(|value| tag(key, value)).collect());
    match filter {
        Filter::All(parts) => all(parts.iter().map(nested).collect()),
        Filter::Any(parts) if parts.is_empty() => EngineFilter::new_must(nothing()),
        Filter::Any(parts) => EngineFilter { should: Some(parts.iter().map(nested).collect()), ..EngineFilter::new() },
        Filter::Eq(key, value) => EngineFilter::new_must(tagged(key, std::slice::from_ref(value))),
        Filter::Ne(key, value) => EngineFilter::new_must_not(tagged(key, std::slice::from_ref(value))),
        Filter::In(key, values) => EngineFilter::new_must(tagged(key, values)),
        Filter::NotIn(key, values) => EngineFilter::new_must_not(tagged(key, values)),
        Filter::Gt(key, bound) => sized(key, Range { gt: Some(OrderedFloat(*bound)), ..Range::default() }),
        Filter::Gte(key, bound) => sized(key, Range { gte: Some(OrderedFloat(*bound)), ..Range::default() }),
        Filter::Lt(key, bound) => sized(key, Range { lt: Some(OrderedFloat(*bound)), ..Range::default() }),
        Filter::Lte(key, bound) => sized(key, Range { lte: Some(OrderedFloat(*bound)), ..Range::default() }),
    }
}

/// The engine's form of a selector that names a file.
pub(super) fn of_file(file: &str, below: Option<i64>) -> EngineFilter {
    let of_file = FieldCondition::new_match(field("file"), Match::from(file.to_owned()));
    let older = below.map(|version| {
        let range = Range { lt: Some(OrderedFloat(version as f64)), ..Range::default() };
        Condition::Field(FieldCondition::new_range(field("version"), range))
    });
    EngineFilter {
        must: Some(std::iter::once(Condition::Field(of_file)).chain(older).collect()),
        ..EngineFilter::new()
    }
}

fn nested(part: &Filter) -> Condition {
    Condition::Filter(filter(part))
}

fn has_one(tags: Vec<String>) -> Condition {
    if tags.is_empty() {
        return nothing();
    }
    Condition::Field(FieldCondition::new_match(field(TAGS), Match::from(tags)))
}

fn sized(key: &str, range: Range<OrderedFloat<f64>>) -> EngineFilter {
    EngineFilter::new_must(Condition::Field(FieldCondition::new_range(number_field(key), range)))
}

/// A condition that no point fulfils.
fn nothing() -> Condition {
    Condition::HasId(HasIdCondition::from_iter([]))
}

/// A top-level field. The names are ours and parse.
fn field(name: &str) -> JsonPath {
    name.parse().unwrap_or_else(|()| unreachable!("`{name}` is a path"))
}
