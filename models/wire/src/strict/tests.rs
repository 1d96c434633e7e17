use serde_json::Value;

use super::{MAX_DEPTH, StrictError, check, from_slice};

fn nested(depth: usize) -> Vec<u8> {
    format!("{}1{}", "[".repeat(depth), "]".repeat(depth)).into_bytes()
}

#[test]
fn plain_bodies_pass() {
    for body in [
        "{}",
        "[]",
        "1",
        "\"a\"",
        "null",
        r#"{"a":{"a":1},"b":[{"a":1},{"a":2}],"c":-1.5e3,"d":true}"#,
        " {\"a\" : 1} \n",
    ] {
        check(body.as_bytes()).unwrap();
    }
}

#[test]
fn a_key_twice_in_one_object_is_refused() {
    for body in [r#"{"a":1,"a":1}"#, r#"{"x":[{"b":1,"a":{},"b":2}]}"#, r#"{"a":1,"\u0061":2}"#, r#"{"":1,"":2}"#] {
        assert!(matches!(check(body.as_bytes()), Err(StrictError::DuplicateKey(_))), "{body}");
    }
}

#[test]
fn the_key_is_named() {
    let error = check(br#"{"model":"a","n":1,"model":"b"}"#).unwrap_err();
    assert_eq!(error.to_string(), "the key `model` appears twice in one object");
}

#[test]
fn keys_of_an_inner_object_do_not_meet_those_outside() {
    check(br#"{"a":{"b":{"a":1}},"b":{"a":1,"b":2},"c":1}"#).unwrap();
    assert!(check(br#"{"a":{"b":{"a":1}},"b":1,"a":2}"#).is_err());
}

#[test]
fn depth_64_passes_and_65_does_not() {
    check(&nested(MAX_DEPTH)).unwrap();
    assert!(matches!(check(&nested(MAX_DEPTH + 1)), Err(StrictError::TooDeep)));
    assert!(matches!(check(&nested(1_000_000)), Err(StrictError::TooDeep)));
    let objects = format!("{}1{}", r#"{"a":"#.repeat(65), "}".repeat(65));
    assert!(matches!(check(objects.as_bytes()), Err(StrictError::TooDeep)));
}

#[test]
fn what_is_not_json_is_refused() {
    for body in ["", "{", "{\"a\":1}x", "{a:1}", "[1,]", "\"\x01\"", "nul", "{\"a\":1}{\"b\":1}", "01"] {
        assert!(matches!(check(body.as_bytes()), Err(StrictError::Syntax(_))), "{body}");
    }
    assert!(matches!(check(b"\"\xff\""), Err(StrictError::Syntax(_))));
}

#[test]
fn a_million_keys_cost_no_quadratic_time() {
    let keys: Vec<String> = (0..1_000_000).map(|number| format!("\"k{number}\":0")).collect();
    let mut body = format!("{{{}}}", keys.join(","));
    check(body.as_bytes()).unwrap();
    body.insert_str(1, "\"k999999\":1,");
    assert!(matches!(check(body.as_bytes()), Err(StrictError::DuplicateKey(key)) if key == "k999999"));
}

#[test]
fn a_value_of_the_wrong_shape_is_told_from_broken_json() {
    assert!(matches!(from_slice::<Vec<u8>>(b"{}"), Err(StrictError::Shape(_))));
    assert_eq!(from_slice::<Value>(b"[1]").unwrap(), serde_json::json!([1]));
}
