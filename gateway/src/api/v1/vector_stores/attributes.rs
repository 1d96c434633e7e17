//! Attributes and their filters, from the wire to the store's typed tree.

use kubemate_vectors::{AttributeValue, Filter};
use kubemate_wire::vector_stores::{self as wire, Attribute, CompoundKind, OperandValue, Operator};
use serde_json::Value;

use crate::api::ApiError;

/// OpenAI's limit on attributes.
const MAX_PAIRS: usize = 16;
/// Deepest nesting of `and` and `or`.
const MAX_DEPTH: usize = 8;
/// Most comparisons, joints and values of one filter: the vector store looks at each of them for every passage.
const MAX_TERMS: usize = 1000;

/// Attributes as they are stored.
///
/// # Errors
/// `Invalid` beyond 16 pairs, keys of 64 or values of 512 characters.
pub(super) fn row(attributes: Option<&wire::Attributes>) -> Result<Value, ApiError> {
    let Some(attributes) = attributes else { return Ok(Value::Null) };
    let fits = |(key, value): (&String, &Attribute)| {
        let short = !matches!(value, Attribute::Text(text) if text.chars().count() > 512);
        (1..=64).contains(&key.chars().count()) && short
    };
    if attributes.len() > MAX_PAIRS || !attributes.iter().all(fits) {
        let message = "`attributes` takes up to 16 pairs, keys of up to 64 and values of up to 512 characters";
        return Err(ApiError::invalid("attributes", message));
    }
    serde_json::to_value(attributes).map_err(ApiError::internal)
}

/// The filter as a typed tree: values are bound, never spliced.
///
/// # Errors
/// `Invalid`, naming the comparison that cannot be made.
pub(crate) fn filter(filter: &wire::Filter) -> Result<Filter, ApiError> {
    if terms(filter) > MAX_TERMS {
        let message = format!("`filters` takes at most {MAX_TERMS} comparisons, `and`, `or` and values together");
        return Err(ApiError::invalid("filters", message));
    }
    tree(filter, 0)
}

/// Nodes of the tree and values of its lists.
fn terms(filter: &wire::Filter) -> usize {
    match filter {
        wire::Filter::Comparison(comparison) => match &comparison.value {
            OperandValue::List(list) => 1 + list.len(),
            OperandValue::One(_) => 1,
        },
        wire::Filter::Compound(compound) => 1 + compound.filters.iter().map(terms).sum::<usize>(),
    }
}

fn tree(filter: &wire::Filter, depth: usize) -> Result<Filter, ApiError> {
    if depth > MAX_DEPTH {
        return Err(ApiError::invalid("filters", format!("`filters` is nested more than {MAX_DEPTH} deep")));
    }
    match filter {
        wire::Filter::Comparison(comparison) => compare(comparison),
        wire::Filter::Compound(compound) => {
            let parts = compound.filters.iter().map(|part| tree(part, depth + 1)).collect::<Result<_, _>>()?;
            Ok(match compound.kind {
                CompoundKind::And => Filter::All(parts),
                CompoundKind::Or => Filter::Any(parts),
            })
        }
    }
}

fn compare(comparison: &wire::Comparison) -> Result<Filter, ApiError> {
    let key = comparison.key.clone();
    Ok(match (comparison.operator, &comparison.value) {
        (Operator::Eq, OperandValue::One(one)) => Filter::Eq(key, value(one)),
        (Operator::Ne, OperandValue::One(one)) => Filter::Ne(key, value(one)),
        (Operator::Gt, OperandValue::One(Attribute::Number(bound))) => Filter::Gt(key, *bound),
        (Operator::Gte, OperandValue::One(Attribute::Number(bound))) => Filter::Gte(key, *bound),
        (Operator::Lt, OperandValue::One(Attribute::Number(bound))) => Filter::Lt(key, *bound),
        (Operator::Lte, OperandValue::One(Attribute::Number(bound))) => Filter::Lte(key, *bound),
        (Operator::In, OperandValue::List(list)) => Filter::In(key, list.iter().map(value).collect()),
        (Operator::Nin, OperandValue::List(list)) => Filter::NotIn(key, list.iter().map(value).collect()),
        (Operator::In | Operator::Nin, _) => return Err(refused(&key, "takes a list of values")),
        (Operator::Gt | Operator::Gte | Operator::Lt | Operator::Lte, _) => {
            return Err(refused(&key, "compares numbers only"));
        }
        (Operator::Eq | Operator::Ne, _) => return Err(refused(&key, "takes one value; use `in` or `nin` for a list")),
    })
}

fn refused(key: &str, why: &str) -> ApiError {
    ApiError::invalid("filters", format!("the comparison of `{key}` {why}"))
}

fn value(attribute: &Attribute) -> AttributeValue {
    match attribute {
        Attribute::Text(text) => AttributeValue::Text(text.clone()),
        Attribute::Number(number) => AttributeValue::Number(*number),
        Attribute::Flag(flag) => AttributeValue::Flag(*flag),
    }
}

/// The store's attributes on the wire.
pub(crate) fn on_wire(attributes: &kubemate_vectors::Attributes) -> wire::Attributes {
    let one = |value: &AttributeValue| match value {
        AttributeValue::Text(text) => Attribute::Text(text.clone()),
        AttributeValue::Number(number) => Attribute::Number(*number),
        AttributeValue::Flag(flag) => Attribute::Flag(*flag),
    };
    attributes.iter().map(|(key, value)| (key.clone(), one(value))).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(body: Value) -> Result<Filter, ApiError> {
        filter(&serde_json::from_value(body).unwrap())
    }

    #[test]
    fn a_filter_has_an_end() {
        let list = |count: usize| json!({"type": "in", "key": "k", "value": (0..count).collect::<Vec<_>>()});
        let any = |count: usize, of: Value| json!({"type": "or", "filters": vec![of; count]});
        let eq = json!({"type": "eq", "key": "k", "value": 1});
        for good in [list(999), any(999, eq.clone()), any(3, list(300))] {
            assert!(read(good).is_ok());
        }
        for bad in [list(1000), any(1000, eq), any(20_000, list(3)), any(4, list(300))] {
            let ApiError::Invalid { message, param, .. } = read(bad).unwrap_err() else { panic!("a wrong request") };
            assert!(message.contains("1000") && param.as_deref() == Some("filters"), "{message}");
        }
    }
}
