//! OpenAI's limits on what an assistant is made of.

use std::ops::RangeInclusive;

use kubemate_wire::assistants::SaveAssistant;
use serde_json::Value;

use crate::api::{ApiError, names, v1::metadata};

/// Longest name.
const NAME: usize = 256;
/// Longest description.
const DESCRIPTION: usize = 512;
/// Longest instructions.
const INSTRUCTIONS: usize = 256_000;

/// Refuses values that are out of range.
///
/// # Errors
/// `Invalid`, naming the field and its limit.
pub(super) fn check(asked: &SaveAssistant) -> Result<(), ApiError> {
    if let Some(Some(name)) = &asked.name {
        short("name", name, NAME)?;
        names::refuse_hidden("name", name)?;
    }
    short("description", asked.description.iter().flatten().next().map_or("", String::as_str), DESCRIPTION)?;
    short("instructions", asked.instructions.iter().flatten().next().map_or("", String::as_str), INSTRUCTIONS)?;
    within("temperature", asked.temperature.flatten(), 0.0..=2.0)?;
    within("top_p", asked.top_p.flatten(), 0.0..=1.0)?;
    refuse_new_stores(asked)?;
    metadata::check(asked.metadata.iter().flatten().next())
}

/// An assistant that looks as if it had a knowledge base, and has none, would answer from nothing.
fn refuse_new_stores(asked: &SaveAssistant) -> Result<(), ApiError> {
    let search = asked.tool_resources.iter().flatten().filter_map(|all| all.file_search.as_ref()?.as_ref()).next();
    match search.and_then(|search| search.vector_stores.as_ref()) {
        None | Some(Value::Null) => Ok(()),
        Some(Value::Array(none)) if none.is_empty() => Ok(()),
        Some(_) => {
            let message = "`vector_stores` are not made here; make one with /v1/vector_stores and name it in \
                           `vector_store_ids`";
            Err(ApiError::unsupported("tool_resources.file_search.vector_stores", message))
        }
    }
}

fn short(field: &str, text: &str, most: usize) -> Result<(), ApiError> {
    // Counting letters costs; bytes are never fewer than letters.
    if text.len() <= most || text.chars().count() <= most {
        return Ok(());
    }
    Err(ApiError::invalid(field, format!("`{field}` takes at most {most} characters")))
}

fn within(field: &str, value: Option<f64>, range: RangeInclusive<f64>) -> Result<(), ApiError> {
    match value {
        Some(value) if !range.contains(&value) => {
            let (least, most) = (range.start(), range.end());
            Err(ApiError::invalid(field, format!("`{field}` must be between {least} and {most}")))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn blamed(body: Value) -> Option<String> {
        match check(&serde_json::from_value(body).unwrap()) {
            Err(ApiError::Invalid { param, .. }) => param,
            _ => None,
        }
    }

    #[test]
    fn every_limit_names_its_field() {
        let long = |letters: usize| "字".repeat(letters);
        for (field, good, bad) in [
            ("name", json!(long(256)), json!(long(257))),
            ("name", json!("Personal"), json!("Per\u{202E}sonal")),
            ("description", json!(long(512)), json!(long(513))),
            ("instructions", json!(long(256_000)), json!(long(256_001))),
            ("temperature", json!(2.0), json!(2.1)),
            ("temperature", json!(null), json!(-0.1)),
            ("top_p", json!(1.0), json!(1.5)),
            ("metadata", json!({"k": "v"}), json!({"k": long(513)})),
        ] {
            assert_eq!(blamed(json!({ field: good })), None, "{field}");
            assert_eq!(blamed(json!({ field: bad })).as_deref(), Some(field));
        }
    }
    #[test]
    fn a_store_to_be_made_with_the_assistant_is_refused_by_name() {
        let search = |stores: Value| json!({"tool_resources": {"file_search": {"vector_stores": stores}}});
        let named = Some("tool_resources.file_search.vector_stores");
        assert_eq!(blamed(search(json!([{"file_ids": ["file-1"]}]))).as_deref(), named);
        for nothing in [json!(null), json!([])] {
            assert_eq!(blamed(search(nothing)), None);
        }
    }
}
