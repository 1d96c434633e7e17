//! What is hashed, byte for byte.

use std::fmt::Write;

use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::{Json, LedgerError, entity::audit::Model};

/// A row as it is hashed: JSON with its fields in this order.
#[derive(Serialize)]
struct Hashed<'a> {
    seq: i64,
    tenant: Option<&'a str>,
    actor: &'a str,
    action: &'a str,
    target: &'a str,
    outcome: &'a str,
    at_ms: i64,
    detail: &'a str,
}

/// The hash of a row that follows one with the hash `before`, in hex.
pub(super) fn hash(before: &str, row: &Model) -> Result<String, LedgerError> {
    let hashed = Hashed {
        seq: row.seq,
        tenant: row.tenant.as_deref(),
        actor: &row.actor,
        action: &row.action,
        target: &row.target,
        outcome: &row.outcome,
        at_ms: row.at_ms,
        detail: &row.detail,
    };
    let json = serde_json::to_vec(&hashed).map_err(LedgerError::store)?;
    Ok(hex::encode(Sha256::new().chain_update(before).chain_update("\n").chain_update(json).finalize()))
}

/// JSON without spaces and with sorted keys, whatever order the map type keeps.
pub(super) fn canonical(value: &Json, out: &mut String) {
    match value {
        Json::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_by_key(|(key, _)| key.as_str());
            list(out, ['{', '}'], &entries, |(key, value), out| {
                quoted(key, out);
                out.push(':');
                canonical(value, out);
            });
        }
        Json::Array(items) => list(out, ['[', ']'], items, canonical),
        Json::String(text) => quoted(text, out),
        leaf => {
            let _text_takes_all = write!(out, "{leaf}");
        }
    }
}

/// Names and ids need no escapes: then nothing is made but what is appended.
fn quoted(text: &str, out: &mut String) {
    if text.bytes().any(|byte| byte < b' ' || byte == b'"' || byte == b'\\') {
        let _text_takes_all = write!(out, "{}", Json::from(text));
        return;
    }
    out.push('"');
    out.push_str(text);
    out.push('"');
}

fn list<T>(out: &mut String, [open, close]: [char; 2], items: &[T], mut write: impl FnMut(&T, &mut String)) {
    out.push(open);
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        write(item, out);
    }
    out.push(close);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn canonical_json_does_not_depend_on_the_order_of_keys() {
        let mut out = String::new();
        canonical(&serde_json::json!({"b": [1, {"z": null, "a": "ü\n"}], "a": 1.5}), &mut out);
        assert_eq!(out, r#"{"a":1.5,"b":[1,{"a":"ü\n","z":null}]}"#);
    }
}
