//! Pages of the items that a stored response answered.

use kubemate_ledger::{Order, Page};
use serde_json::{Value, json};

use crate::api::ApiError;

/// The page of `items` (oldest first, as they are kept) in OpenAI's list.
///
/// # Errors
/// `Invalid` when `after` names none of them, and for `before`, which OpenAI does not have here.
pub(super) fn of(mut items: Vec<Value>, page: &Page) -> Result<Value, ApiError> {
    if page.before.is_some() {
        return Err(ApiError::unsupported("before", "`before` is not served here; use `after` and `order`"));
    }
    if page.order == Order::Desc {
        items.reverse();
    }
    if let Some(after) = &page.after {
        let at = items.iter().position(|item| id(item) == Some(after.as_str()));
        let at = at.ok_or_else(|| ApiError::invalid("after", format!("no input item with id `{after}`")))?;
        items.drain(..=at);
    }
    let limit = usize::try_from(page.limit).unwrap_or(usize::MAX);
    let has_more = items.len() > limit;
    items.truncate(limit);
    let (first, last) = (items.first().and_then(id), items.last().and_then(id));
    Ok(json!({ "object": "list", "data": items, "first_id": first, "last_id": last, "has_more": has_more }))
}

fn id(item: &Value) -> Option<&str> {
    item.get("id").and_then(Value::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(page: &Page) -> (Vec<String>, bool) {
        let items = ["a", "b", "c"].map(|id| json!({ "id": id })).to_vec();
        let list = of(items, page).unwrap();
        let data = list["data"].as_array().unwrap();
        let ids: Vec<String> = data.iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect();
        assert_eq!(list["first_id"].as_str(), ids.first().map(String::as_str));
        assert_eq!(list["last_id"].as_str(), ids.last().map(String::as_str));
        (ids, list["has_more"].as_bool().unwrap())
    }

    #[test]
    fn pages_follow_each_other_newest_first_unless_asked_otherwise() {
        let page = |order, after: Option<&str>, limit| Page {
            order,
            after: after.map(str::to_owned),
            limit,
            ..Page::default()
        };
        let told = |ids: &[&str], more| (ids.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>(), more);
        assert_eq!(ids(&page(Order::Desc, None, 20)), told(&["c", "b", "a"], false));
        assert_eq!(ids(&page(Order::Asc, None, 2)), told(&["a", "b"], true));
        assert_eq!(ids(&page(Order::Asc, Some("b"), 2)), told(&["c"], false));
        assert_eq!(ids(&page(Order::Desc, Some("c"), 1)), told(&["b"], true));
        assert_eq!(ids(&page(Order::Desc, Some("a"), 1)), told(&[], false));
    }

    #[test]
    fn a_cursor_that_is_not_there_is_refused() {
        let nowhere = Page { after: Some("x".to_owned()), ..Page::default() };
        assert!(
            matches!(of(Vec::new(), &nowhere), Err(ApiError::Invalid { param: Some(param), .. }) if param == "after")
        );
        let before = Page { before: Some("x".to_owned()), ..Page::default() };
        assert!(of(Vec::new(), &before).is_err());
    }
}
